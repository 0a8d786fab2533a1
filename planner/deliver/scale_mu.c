/* After the last dose: all monitor units by one factor. Dose goes with them, so this needs no other dose, and doses at
 * a volume go with them too, so the factor that a limit leaves is known without a search. */
#include "deliver_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "evaluate.h"
#include "log.h"

/* Monitor units give way to a limit, on the target's least dose too, by at most this share, in steps. */
#define MOST_CHANGE 0.012
#define STEP 0.001

/* And take up what the limits leave by at most this share. Limits on volumes do not go with the dose: where one of them
 * would be missed, half of the gain is tried, so many times. */
#define MOST_MORE 0.06
#define HALVINGS 4
#define WORTH_WHILE 0.0005

/* Of the machine's most MU per degree: rounding a beam's MU must not pass it. */
#define MOST_MU_SHARE 0.99

sp_status sp_deliver_judge(sp_limit_standing *out, sp_deliver_job *j, bool correct)
{
	sp_plan_session *s = &j->session;
	sp_status st = sp_plan_session_judge(out, s, s->rows_dose, correct);

	return st == SP_OK ? sp_plan_session_judge_scenarios(out, s, s->plan->weights, s->rows_dose, correct) : st;
}

bool sp_deliver_breaks_limits(const sp_limit_standing *before, const sp_limit_standing *after)
{
	return after->worst_miss_gy > fmax(0.0, before->worst_miss_gy) + SP_EVALUATION_SAME;
}

static void scale_dose(sp_deliver_job *j, double factor)
{
	sp_plan_session *s = &j->session;

	j->mu_factor *= factor;
	for (size_t v = 0; v < sp_grid_voxels(&s->plan->dose_grid); v++) {
		s->plan->dose_gy[v] *= (float)factor;
		s->plan->sigma_gy[v] *= (float)factor;
	}
	for (size_t i = 0; i < s->plan->n_rows; i++) {
		s->rows_dose[i] *= (float)factor;
		s->offset[i] *= (float)factor;
	}
}

/* What an arc's most monitor units per degree leave: those of the machine, above which the search stays. */
static double machine_factor(const sp_deliver_job *j)
{
	double factor = INFINITY;

	for (size_t i = 0; i < j->fields->n_fields; i++)
		for (size_t k = 0; j->fields->fields[i].moves && k < j->fields->fields[i].n_intervals; k++) {
			double most = MOST_MU_SHARE * j->machine->limits.max_mu_per_degree *
			              j->fields->fields[i].intervals[k].travel_deg * j->options->fractions;

			factor = fmin(factor, most / (j->mu_factor * sp_aperture_mu(j->map, j->map->x, i, k)));
		}
	return factor;
}

/* Step by step (a share, either sign) to at most `most` of now, until all hard limits hold; back to where they were
 * where they do not. */
static sp_status scale_until_met(sp_deliver_job *j, sp_limit_standing *standing, double step, double most)
{
	double before = j->mu_factor;
	sp_status st = SP_OK;

	while (standing->worst_miss_gy > 0.0 && fabs(j->mu_factor * (1.0 + step) / before - 1.0) <= most) {
		scale_dose(j, 1.0 + step);
		if ((st = sp_deliver_judge(standing, j, false)) != SP_OK)
			return st;
	}
	if (standing->worst_miss_gy > 0.0) {
		scale_dose(j, before / j->mu_factor);
		return sp_deliver_judge(standing, j, false);
	}
	if (j->mu_factor != before)
		sp_log_info("monitor units %s by %.1f %%: all hard limits met", step < 0.0 ? "less" : "more",
		            100.0 * fabs(1.0 - j->mu_factor / before));
	return SP_OK;
}

sp_status sp_deliver_give_way(sp_deliver_job *j, sp_limit_standing *standing)
{
	sp_status st = scale_until_met(j, standing, -STEP, MOST_CHANGE);

	return st == SP_OK ? scale_until_met(j, standing, STEP, fmin(MOST_CHANGE, machine_factor(j) - 1.0)) : st;
}

/* What a row is held to: its own value, but for a goal on Dmax the same structure's D0.03cc. A single voxel's dose is
 * mostly Monte Carlo's noise (AAPM TG-105), and no goal is worth the coverage that it would cost. */
static double held_value(const json_t *evaluation, const json_t *row, bool is_goal)
{
	const char *name = json_string_value(json_object_get(row, "structure")),
	           *metric = json_string_value(json_object_get(row, "metric"));
	const json_t *structure, *value;
	size_t i;

	if (is_goal && name && metric && strcmp(metric, "Dmax_Gy") == 0)
		json_array_foreach(json_object_get(evaluation, "structures"), i, structure)
		{
			const char *other = json_string_value(json_object_get(structure, "name"));

			value = json_object_get(json_object_get(structure, "metrics"), "D0.03cc_Gy");
			if (other && strcmp(name, other) == 0 && value)
				return json_number_value(value);
		}
	return json_number_value(json_object_get(row, "value"));
}

sp_room sp_room_of(const json_t *evaluation)
{
	const char *const lists[] = {"limits", "goals"};
	sp_room room = {.factor = INFINITY};

	for (size_t l = 0; l < 2; l++) {
		const json_t *row;
		size_t i;

		json_array_foreach(json_object_get(evaluation, lists[l]), i, row)
		{
			double value = held_value(evaluation, row, l == 1),
			       limit = json_number_value(json_object_get(row, "limit"));
			bool upper = strcmp(json_string_value(json_object_get(row, "sense")), "at most") == 0,
			     dose = strcmp(json_string_value(json_object_get(row, "unit")), "Gy") == 0;

			if (!json_is_true(json_object_get(row, "met")) && !(l == 1 && upper && dose && value <= limit))
				continue;
			room.n_met++;
			if (!upper || !dose || !(value > 0.0) || limit / value >= room.factor)
				continue;
			room.factor = limit / value;
			snprintf(room.by, sizeof room.by, "%s %s", json_string_value(json_object_get(row, "structure")),
			         json_string_value(json_object_get(row, "metric")));
		}
	}
	return room;
}

static sp_status evaluate(sp_room *out, const sp_deliver_job *j)
{
	const sp_plan_session *s = &j->session;
	json_t *evaluation = NULL;
	sp_status st = sp_evaluate(&evaluation, s->c, &s->plan->dose_grid, s->plan->dose_gy, j->protocol, s->err);

	if (st == SP_OK)
		*out = sp_room_of(evaluation);
	json_decref(evaluation);
	return st;
}

/* What brings the target's D95 to the prescription. */
static sp_status coverage_factor(double *out, const sp_deliver_job *j)
{
	const sp_plan_session *s = &j->session;
	size_t target = (size_t)(sp_case_target(s->c) - s->c->structures);
	double outside_cc, d95;
	sp_dvh dvh;
	sp_status st = sp_dvh_of_structures(&dvh, &outside_cc, s->c, &target, 1, &s->plan->dose_grid, s->plan->dose_gy,
	                                    s->err);

	if (st != SP_OK)
		return st;
	d95 = sp_dvh_dose_at_share(&dvh, 0.95);
	sp_dvh_finish(&dvh);
	*out = d95 > 0.0 ? s->dose_gy / d95 : 1.0;
	return SP_OK;
}

/* What the evaluation does not see: budgets that an earlier course leaves, set-up errors. By how much the hottest
 * volume passes its budgets is a convex function of the factor, so the chord's zero is never beyond its own. */
static sp_status unseen_factor(double *out, sp_deliver_job *j)
{
	const sp_plan_options *o = j->session.options;
	const double before = j->mu_factor;
	sp_limit_standing now, more;
	sp_status st;

	*out = INFINITY;
	if (!o->earlier && !o->n_scenarios)
		return SP_OK;
	if ((st = sp_deliver_judge(&now, j, false)) != SP_OK)
		return st;
	scale_dose(j, 1.0 + MOST_MORE);
	st = sp_deliver_judge(&more, j, false);
	scale_dose(j, before / j->mu_factor);
	if (st == SP_OK && more.worst_miss_gy > 0.0)
		*out = 1.0 + MOST_MORE * now.worst_miss_gy / (now.worst_miss_gy - more.worst_miss_gy);
	return st;
}

/* Lowers *gain to that of a factor, and then says why. */
static void hold(double *gain, const char **why, double factor, const char *reason)
{
	if (factor - 1.0 < *gain) {
		*gain = factor - 1.0;
		*why = reason;
	}
}

sp_status sp_deliver_use_room(sp_deliver_job *j)
{
	double before = j->mu_factor, by_coverage, by_unseen, gain = MOST_MORE;
	const char *why = "no more is taken without a new search";
	sp_room room, now;
	sp_status st;

	if ((st = unseen_factor(&by_unseen, j)) != SP_OK || (st = evaluate(&room, j)) != SP_OK ||
	    (st = coverage_factor(&by_coverage, j)) != SP_OK)
		return st;
	hold(&gain, &why, room.factor, room.by);
	hold(&gain, &why, by_unseen, "a hard limit, after an earlier course or with set-up errors");
	hold(&gain, &why, by_coverage, "the target's D95 has the prescription");
	hold(&gain, &why, machine_factor(j), "the machine's most MU per degree");
	for (int i = 0; i < HALVINGS && gain > WORTH_WHILE; i++, gain *= 0.5) {
		scale_dose(j, before * (1.0 + gain) / j->mu_factor);
		if ((st = evaluate(&now, j)) != SP_OK)
			return st;
		if (now.n_met >= room.n_met) {
			sp_log_info("monitor units more by %.1f %%; what ends it: %s", 100.0 * gain, why);
			return SP_OK;
		}
		why = "a limit on a volume";
	}
	if (j->mu_factor != before)
		scale_dose(j, before / j->mu_factor);
	sp_log_info("no more monitor units: %s", why);
	return SP_OK;
}
