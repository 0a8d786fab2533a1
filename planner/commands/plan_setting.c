/* What `spineplan plan` makes of its options before the work begins: protocol, prescription, beams, set-up errors, an
 * earlier course, machine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "beam_choice.h"
#include "log.h"
#include "margin_limits.h"
#include "plan_command.h"

/* Plans beside a cord, by docs/quality.md. Apertures have the width of leaves; a Monte Carlo matrix and one of many
 * scenarios would grow too large with fine bixels. */
#define SPINE_TARGET_SLIP_PERCENT 2.0
#define SPINE_TARGET_WEIGHT 4.0 /* where the searches by priority would cost too much */
#define SPINE_BIXEL_MM 2.5
#define FINE_BIXELS_GRID_MM 1.5 /* on finer grids the matrix would have thousands of millions of entries */

/* A protocol of the command line brings its own dose and fractions: those of the case belong to another. */
static bool is_new(const sp_plan_arguments *a, const sp_protocol *p)
{
	return a->protocol && p && p->dose_gy > 0.0;
}

unsigned sp_plan_fractions(const sp_plan_arguments *a, const sp_case *c, const sp_protocol *p)
{
	unsigned own = c->prescription.present ? c->prescription.fractions : 0;

	return p && p->fractions && (a->protocol || !own) ? p->fractions : own;
}

sp_status sp_plan_prescribe(sp_case *c, const sp_plan_arguments *a, const sp_protocol *p, double dose_gy, sp_error *err)
{
	sp_prescription *rx = &c->prescription;
	const unsigned fractions = sp_plan_fractions(a, c, p);
	char *name = NULL;

	if (rx->present && rx->fractions && p && p->fractions && rx->fractions != p->fractions)
		sp_log_warning("%s is for %u fractions; the plan is judged by %s, for %u%s", a->case_path,
		               rx->fractions, p->name, p->fractions,
		               a->protocol ? "" : ", and delivered in the case's own");

	if (a->protocol) {
		/* a file is found again from any folder; what is no file is a shipped name */
		if (!(name = strcmp(a->protocol, p->name) ? realpath(a->protocol, NULL) : NULL) &&
		    !(name = sp_copy_text(a->protocol)))
			return sp_fail(err, SP_NO_MEMORY, "out of memory for the name of a protocol");
		free(rx->protocol);
		rx->protocol = name;
	}
	rx->fractions = fractions;
	rx->present = true;
	rx->dose_gy = dose_gy;
	return SP_OK;
}

sp_status sp_plan_find_protocol(sp_protocol **out, double *dose_gy, const sp_plan_arguments *a, const sp_case *c,
                                sp_error *err)
{
	const char *name = a->protocol ? a->protocol : c->prescription.present ? c->prescription.protocol : NULL;
	sp_status st;

	*out = NULL;
	if (name && (st = sp_protocol_read(out, name, err)) != SP_OK)
		return st;
	*dose_gy = a->dose_gy > 0.0                              ? a->dose_gy
	           : c->prescription.present && !is_new(a, *out) ? c->prescription.dose_gy
	           : *out                                        ? (*out)->dose_gy
	                                                         : 0.0;
	if (*dose_gy <= 0.0 && *out) /* a case may leave its dose to its protocol */
		*dose_gy = (*out)->dose_gy;
	if (*dose_gy <= 0.0)
		return sp_fail(err, SP_BAD_INPUT,
		               "%s has no /prescription, and no protocol is given; use --protocol NAME or --dose-gy D",
		               a->case_path);
	if (!name)
		sp_log_warning(
		        "no protocol: only the target and normal tissue are planned for, no organ limits are held");
	else
		sp_log_info("protocol %s: %s; prescription %g Gy", (*out)->name, (*out)->title, *dose_gy);
	return SP_OK;
}

sp_status sp_plan_set_robust(sp_plan_robust *out, sp_plan_arguments *a, const sp_case *c, const sp_protocol *p,
                             sp_error *err)
{
	sp_status st;

	*out = (sp_plan_robust){.to_plan = p, .to_judge = p};
	if (!a->robust)
		return SP_OK;
	if (!p)
		return sp_fail(err, SP_BAD_INPUT, "--robust holds hard limits, and there is no protocol that has any");
	if ((st = sp_scenarios_make(&out->scenarios, &a->plan.n_scenarios, &a->errors, err)) != SP_OK ||
	    (st = sp_protocol_without_margins(&out->planned, p, c, false, err)) != SP_OK ||
	    (st = sp_protocol_without_margins(&out->judged, p, c, true, err)) != SP_OK)
		return st;
	a->plan.scenarios = out->scenarios;
	out->to_plan = &out->planned;
	out->to_judge = &out->judged;
	return SP_OK;
}

void sp_plan_finish_robust(sp_plan_robust *r)
{
	free(r->planned.limits);
	free(r->judged.limits);
	free(r->scenarios);
}

sp_status sp_plan_set_earlier(sp_plan_arguments *a, const sp_case *c, const sp_protocol *p, sp_error *err)
{
	if (!a->earlier.path)
		return SP_OK;
	a->plan.earlier = &a->earlier;
	a->plan.fractions = sp_plan_fractions(a, c, p);
	return a->plan.fractions
	               ? SP_OK
	               : sp_fail(err, SP_BAD_INPUT,
	                         "%s does not say in how many fractions it is planned; name a protocol that does",
	                         a->case_path);
}

sp_status sp_plan_choose_machine(sp_machine **out, const sp_plan_arguments *a, sp_error *err)
{
	sp_status st = sp_machine_read(out, a->machine, err);

	return st == SP_OK && a->mlc ? sp_machine_set_mlc(*out, a->mlc, err) : st;
}

sp_status sp_plan_choose_for_spine(sp_plan_arguments *a, const sp_case *c, sp_error *err)
{
	sp_beam_choice choice;
	char text[200] = "";
	size_t length = 0;
	sp_status st;

	if (!(sp_case_find_role(c, SP_ROLE_CORD) || sp_case_find_role(c, SP_ROLE_PRV)))
		return SP_OK;
	if (!a->given['W'] && !a->given['P']) {
		if (a->deliver || a->plan.montecarlo || a->robust || a->earlier.path)
			a->plan.target_weight = SPINE_TARGET_WEIGHT;
		else
			a->plan.target_slip_percent = SPINE_TARGET_SLIP_PERCENT;
	}
	if (!a->given['x'] && !a->deliver && !a->plan.montecarlo && !a->robust &&
	    a->plan.grid_mm >= FINE_BIXELS_GRID_MM)
		a->plan.bixel_mm = SPINE_BIXEL_MM;
	if (a->plan.n_angles || c->n_beams || (a->deliver && a->delivery.technique == SP_BEAM_VMAT))
		return SP_OK;
	if ((st = sp_beam_choice_make(&choice, c, err)) != SP_OK || choice.n == 0)
		return st;
	memcpy(a->angles, choice.angles_deg, choice.n * sizeof *a->angles);
	a->plan.angles_deg = a->angles;
	a->plan.n_angles = choice.n;
	for (size_t i = 0; i < choice.n && length < sizeof text; i++)
		length += (size_t)snprintf(text + length, sizeof text - length, "%s%.0f", i ? "," : "",
		                           choice.angles_deg[i]);
	sp_log_info("beams: level %s, target %s; %zu all round: %s (--beams has the last word)", choice.level,
	            choice.side, choice.n, text);
	if (*choice.avoided)
		sp_log_info("beams: turned to spare %s", choice.avoided);
	return SP_OK;
}

void sp_plan_say_names(const sp_case *c, const sp_protocol *p)
{
	char text[1000] = "";
	size_t length = 0;

	for (size_t s = 0; p && s < c->n_structures; s++)
		for (size_t i = 0; i < p->n_limits; i++) {
			const char *name = p->limits[i].structure;
			size_t which[64], n = sp_limit_match(which, 64, &p->limits[i], c);
			bool matched = false;

			for (size_t k = 0; k < n && k < 64; k++)
				matched |= which[k] == s;
			if (!matched || strcmp(name, c->structures[s].name) == 0 || strcmp(name, "role:target") == 0)
				continue;
			if (length < sizeof text - 1)
				length += (size_t)snprintf(text + length, sizeof text - length, "%s%s as %s",
				                           length ? ", " : "", c->structures[s].name,
				                           strncmp(name, "role:", 5) == 0 ? name + 5 : name);
			break;
		}
	if (length)
		sp_log_info("structures by name: %s%s", text, length >= sizeof text ? " ..." : "");
}
