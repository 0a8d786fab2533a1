/* spineplan plan: the main job. The work is planner/plan_fluence.c and planner/deliver/plan_deliver.c; the options are
 * plan_options.c, what is made of them plan_setting.c. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "atomic_file.h"
#include "clock.h"
#include "commands.h"
#include "evaluate.h"
#include "log.h"
#include "plan_command.h"
#include "plan_file.h"

/* Of Monte Carlo's doses on the way to a deliverable plan: smoothing over neighbouring voxels takes three quarters of
 * their noise away. */
#define ROUGH_UNCERTAINTY 0.05

static json_t *provenance_of(const sp_plan_arguments *a, int argc, char **argv, const sp_case *c,
                             const sp_machine *machine, const sp_device *device, const sp_fluence_plan *p,
                             double total_seconds)
{
	const sp_device_info *info = sp_device_describe(device);
	json_t *command = json_array();
	char utc[21];

	for (int i = 0; i < argc; i++)
		json_array_append_new(command, json_string(argv[i]));
	sp_clock_utc_text(utc);
	return json_pack(
	        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s*, s:s, s:o, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:b, s:b, s:s}",
	        "program", "spineplan " SP_VERSION, "made_utc", utc, "device", info->name, "driver", info->driver,
	        "case_sha256", c->sha256, "machine", a->machine, "machine_sha256", machine->sha256, "leaves_sha256",
	        machine->mlc ? machine->mlc->sha256 : NULL, "engine",
	        a->plan.montecarlo ? "Monte Carlo" : "pencil beam", "command_line", command, "matrix_seconds",
	        p->matrix_seconds, "optimise_seconds", p->optimise_seconds, "dose_seconds", p->dose_seconds,
	        "total_seconds", total_seconds, "objective", p->optimisation.objective, "iterations",
	        (json_int_t)p->optimisation.iterations, "matrix_entries", (json_int_t)p->n_values, "converged",
	        p->optimisation.converged && !p->interrupted, "interrupted", p->interrupted, "notice",
	        "Research software, not a medical device. Doses need independent verification. A fluence plan "
	        "is not deliverable on a machine.");
}

/* What was interrupted is no finished plan, and so says its file; who had a finished one under this name hears it. */
static void say_unfinished(const char *path, bool replaces)
{
	sp_log_warning("%s. %s holds the best so far%s", SP_PLAN_UNFINISHED, path,
	               replaces ? ", in the place of the file that was there" : "");
}

static void print_robust(const json_t *robust)
{
	json_t *row;
	size_t i;

	printf("\nWorst of %zu set-up errors\n", json_array_size(json_object_get(robust, "scenarios")));
	json_array_foreach(json_object_get(robust, "limits"), i, row) printf(
	        "  %-7s %-17s %-11s %7.2f, limit %7.2f %s (%s)\n",
	        json_is_true(json_object_get(row, "met")) ? "met" : "MISSED",
	        json_string_value(json_object_get(row, "structure")), json_string_value(json_object_get(row, "metric")),
	        json_number_value(json_object_get(row, "worst")), json_number_value(json_object_get(row, "limit")),
	        json_string_value(json_object_get(row, "unit")),
	        json_string_value(json_object_get(row, "worst_scenario")));
}

/* What the file says of a plan that a machine can deliver. */
static void add_delivery(json_t *provenance, const sp_delivered_plan *d)
{
	const struct {
		const char *name;
		const sp_reached *r;
	} steps[] = {{"fluence", &d->fluence}, {"apertures", &d->deliverable}, {"last_dose", &d->last}};

	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		json_t *step = json_pack("{s:f, s:f}", "objective", steps[i].r->objective, "target_d95_gy",
		                         steps[i].r->target_d95_gy);

		if (!isnan(steps[i].r->cord_d003cc_gy))
			json_object_set_new(step, "cord_d0.03cc_gy", json_real(steps[i].r->cord_d003cc_gy));
		json_object_set_new(provenance, steps[i].name, step);
	}
	json_object_set_new(provenance, "segments", json_integer((json_int_t)d->n_segments));
	json_object_set_new(provenance, "mu", json_real(sp_delivery_mu(d->delivery)));
	json_object_set_new(provenance, "beam_on_seconds", json_real(d->seconds.beam_on_s));
	json_object_set_new(provenance, "delivery_seconds", json_real(d->seconds.beam_on_s + d->seconds.between_s));
	json_object_set_new(
	        provenance, "notice",
	        json_string("Research software, not a medical device. Doses need independent verification."));
}

/* One of the two ways; *plan is the delivered plan's own where there is one. */
static sp_status make_plan(sp_fluence_plan **plan, sp_delivered_plan **delivered, sp_plan_arguments *a,
                           const sp_case *c, const sp_protocol *protocol, double dose_gy, const sp_machine *machine,
                           const sp_matter *matter, sp_device *device, sp_error *err)
{
	unsigned fractions = sp_plan_fractions(a, c, protocol);
	sp_status st;

	if (!a->deliver)
		return sp_plan_fluence(plan, c, protocol, dose_gy, machine, matter, device, &a->plan, err);
	if (!fractions)
		sp_log_warning("neither case nor protocol says in how many fractions: monitor units are for one");
	a->delivery.fractions = fractions ? (double)fractions : 1.0;
	a->delivery.rough_uncertainty = fmax(a->plan.uncertainty, ROUGH_UNCERTAINTY);
	st = sp_plan_deliver(delivered, c, protocol, dose_gy, machine, matter, device, &a->plan, &a->delivery, err);
	*plan = *delivered ? (*delivered)->plan : NULL;
	return st;
}

int sp_command_plan(int argc, char **argv)
{
	sp_plan_arguments a = {.machine = "generic-6mv",
	                       .errors = {.directions = 6},
	                       .earlier = SP_EARLIER_DEFAULTS,
	                       .plan = {.grid_mm = 2.0,
	                                .bixel_mm = 5.0,
	                                .cutoff_mm = 50.0,
	                                .bixel_uncertainty = 0.05,
	                                .uncertainty = 0.01,
	                                .seed = 1},
	                       .delivery = {.arcs = 2, .arc_deg = {181.0, 179.0}}};
	double started = sp_clock_seconds(), dose_gy;
	sp_error err = {0};
	sp_case *c = NULL;
	sp_protocol *protocol = NULL;
	sp_machine *machine = NULL;
	sp_matter *matter = NULL;
	sp_device *device = NULL;
	sp_fluence_plan *plan = NULL;
	sp_plan_robust robust = {0};
	sp_delivered_plan *delivered = NULL;
	json_t *evaluation = NULL, *provenance = NULL;
	const char *technique;
	bool interrupted, conflict, replaces;
	sp_status st;
	int status = sp_plan_parse(&a, argc, argv);

	if (status >= 0)
		return status;
	technique = a.deliver ? sp_beam_technique_name(a.delivery.technique) : "fluence";
	a.plan.between_leaves = a.deliver;
	if ((st = sp_atomic_check(a.plan_path, &err)) != SP_OK || (st = sp_case_read(&c, a.case_path, &err)) != SP_OK ||
	    (st = sp_plan_find_protocol(&protocol, &dose_gy, &a, c, &err)) != SP_OK ||
	    (st = sp_plan_take_roles(c, &err)) != SP_OK ||
	    (st = sp_plan_complete_targets(c, protocol, dose_gy, &err)) != SP_OK ||
	    (st = sp_plan_set_boost(c, &a, protocol, dose_gy, &err)) != SP_OK ||
	    (st = sp_plan_set_robust(&robust, &a, c, protocol, &err)) != SP_OK ||
	    (st = sp_plan_choose_machine(&machine, &a, &err)) != SP_OK ||
	    (st = sp_matter_create(&matter, NULL, &err)) != SP_OK ||
	    (st = sp_device_open(&device, a.device, &err)) != SP_OK)
		goto cleanup;
	if ((st = sp_plan_set_earlier(&a, c, protocol, &err)) != SP_OK ||
	    (st = sp_plan_choose_for_spine(&a, c, &err)) != SP_OK)
		goto cleanup;
	sp_plan_say_names(c, protocol);
	sp_plan_say_empty(c, protocol);
	st = make_plan(&plan, &delivered, &a, c, robust.to_plan, dose_gy, machine, matter, device, &err);
	interrupted = st == SP_INTERRUPTED;
	if (st != SP_OK && !plan)
		goto cleanup;
	if ((st = sp_plan_prescribe(c, &a, protocol, dose_gy, &err)) != SP_OK ||
	    (st = sp_evaluate(&evaluation, c, &plan->dose_grid, plan->dose_gy, robust.to_judge, &err)) != SP_OK)
		goto cleanup;
	provenance = provenance_of(&a, argc, argv, c, machine, device, plan, sp_clock_seconds() - started);
	if (provenance && plan->sigma_gy) {
		json_object_set_new(provenance, "seed", json_integer((json_int_t)a.plan.seed));
		json_object_set_new(provenance, "dose_seed", json_integer((json_int_t)plan->dose_seed));
		json_object_set_new(provenance, "uncertainty", json_real(plan->uncertainty));
		json_object_set_new(provenance, "histories", json_integer((json_int_t)plan->histories));
	}
	if (provenance && a.robust)
		json_object_set_new(provenance, "robust", json_string(a.robust));
	if (plan->robust)
		json_object_set(evaluation, "robust", plan->robust);
	if (plan->reirradiation)
		json_object_set(evaluation, "reirradiation", plan->reirradiation);
	if (provenance && delivered)
		add_delivery(provenance, delivered);
	json_object_set(evaluation, "provenance", provenance);
	replaces = access(a.plan_path, F_OK) == 0;
	st = sp_plan_write(&(sp_plan){.c = c,
	                              .technique = technique,
	                              .machine = machine->name,
	                              .beams = delivered ? NULL : plan->beams,
	                              .weights = delivered ? NULL : plan->weights,
	                              .delivery = delivered ? delivered->delivery : NULL,
	                              .dose_grid = plan->dose_grid,
	                              .dose_gy = plan->dose_gy,
	                              .sigma_gy = plan->sigma_gy,
	                              .evaluation = evaluation,
	                              .provenance = provenance},
	                   a.plan_path, &err);
	if (st != SP_OK)
		goto cleanup;
	if (a.json) {
		json_dumpf(evaluation, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		sp_evaluation_print(evaluation);
		if (plan->robust)
			print_robust(plan->robust);
		if (plan->reirradiation)
			sp_reirradiation_print(plan->reirradiation);
	}
	fflush(stdout); /* before what comes on stderr */
	if (delivered)
		sp_log_info("%s: %zu beams, %zu %s, %.1f MU a fraction, delivered in %.0f s (beam on %.0f)",
		            a.plan_path, delivered->delivery->n_beams, delivered->n_segments,
		            a.delivery.technique == SP_BEAM_VMAT ? "pieces of arcs" : "segments",
		            sp_delivery_mu(delivered->delivery),
		            delivered->seconds.beam_on_s + delivered->seconds.between_s, delivered->seconds.beam_on_s);
	sp_log_info("%s: %s plan in %.1f s (matrix %.1f, optimisation %.1f, dose %.1f)", a.plan_path, technique,
	            sp_clock_seconds() - started, plan->matrix_seconds, plan->optimise_seconds, plan->dose_seconds);
	conflict = sp_plan_say_conflict(evaluation, interrupted || plan->optimisation.interrupted);
	if (interrupted) {
		say_unfinished(a.plan_path, replaces);
		st = sp_fail(&err, SP_INTERRUPTED, "interrupted; %s holds the best plan so far", a.plan_path);
	} else if (conflict)
		status = 1;
	else if (a.require_limits &&
	         (!json_is_true(json_object_get(evaluation, "all_limits_met")) ||
	          (plan->robust && !json_is_true(json_object_get(plan->robust, "all_limits_met"))) ||
	          json_is_false(json_object_get(plan->reirradiation, "all_rules_met"))))
		status = 1;
cleanup:
	if (st != SP_OK)
		status = sp_command_fail("plan", &err);
	json_decref(provenance);
	json_decref(evaluation);
	if (delivered)
		sp_delivered_plan_destroy(delivered);
	else
		sp_fluence_plan_destroy(plan);
	sp_plan_finish_robust(&robust);
	sp_device_close(device);
	sp_matter_destroy(matter);
	sp_machine_destroy(machine);
	sp_protocol_destroy(protocol);
	sp_case_destroy(c);
	return status == -1 ? 0 : status;
}
