/* Scenarios of set-up errors: their doses, how limits hold in them, what the report says. */
#include "robust_rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "evaluate.h"
#include "interrupt.h"
#include "metric.h"
#include "metric_value.h"
#include "moved_dose.h"

static sp_status no_memory(sp_error *err)
{
	return sp_fail(err, SP_NO_MEMORY, "out of memory judging scenarios of set-up errors");
}

/* What another engine's dose leaves over the matrix hardly changes by millimetres. */
static float by_matrix(const sp_robust_rows *r, size_t scenario, size_t i, const sp_scenario_source *source)
{
	const size_t row = r->first_row + scenario * r->n_each + i;

	return fmaxf(0.0f, source->rows_dose[row] - source->offset[row] + source->offset[r->nominal_row[i]]);
}

/* The box's dose. */
static sp_status scenario_dose(sp_robust_rows *r, size_t scenario, const sp_scenario_source *source, sp_error *err)
{
	if (sp_interrupt_asked())
		return sp_fail(err, SP_INTERRUPTED, "interrupted while computing scenarios");
	if (source->pencil)
		return sp_pencil_dose(r->box_dose_gy, source->pencil, r->beams[scenario], source->weights, &r->box,
		                      err);
	sp_move_dose(r->box_dose_gy, &r->box, &source->planned, &r->displacements[scenario]);
	for (size_t i = 0; i < r->n_each; i++)
		if (r->box_voxel[i] != SIZE_MAX)
			r->box_dose_gy[r->box_voxel[i]] = by_matrix(r, scenario, i, source);
	return SP_OK;
}

/* Of one row, after scenario_dose; 0 where it is not known. */
static float row_dose(const sp_robust_rows *r, size_t scenario, size_t i, const sp_scenario_source *source)
{
	if (r->box_voxel[i] != SIZE_MAX)
		return r->box_dose_gy[r->box_voxel[i]];
	return source->pencil ? 0.0f : by_matrix(r, scenario, i, source);
}

sp_status sp_robust_rows_doses(float *rows, sp_robust_rows *r, const sp_scenario_source *source, sp_error *err)
{
	for (size_t s = 0; s < r->n_scenarios; s++) {
		sp_status st = scenario_dose(r, s, source, err);

		if (st != SP_OK)
			return st;
		for (size_t i = 0; i < r->n_each; i++)
			rows[r->first_row + s * r->n_each + i] = row_dose(r, s, i, source);
	}
	return SP_OK;
}

sp_status sp_robust_rows_judge(sp_limit_standing *out, sp_robust_rows *r, sp_plan_problem *p, const sp_case *c,
                               const sp_scenario_source *source, const float *rows_dose, float *offset,
                               double prescription_gy, bool correct, sp_error *err)
{
	size_t total = sp_robust_rows_total(r, p);
	float *now = sp_alloc_array(total, sizeof *now); /* rows with the offset that they get here */
	sp_status st = now ? SP_OK : no_memory(err);

	*out = (sp_limit_standing){-INFINITY, 0.0};
	if (st == SP_OK)
		memcpy(now, rows_dose, total * sizeof *now);
	for (size_t s = 0; st == SP_OK && s < r->n_scenarios; s++) {
		sp_limit_standing standing;

		if ((st = scenario_dose(r, s, source, err)) != SP_OK)
			break;
		for (size_t i = 0; i < r->n_each; i++) {
			size_t row = r->first_row + s * r->n_each + i;
			float whole = row_dose(r, s, i, source);

			if (whole <= 0.0f)
				continue;
			if (offset)
				offset[row] += whole - rows_dose[row];
			now[row] = whole;
		}
		st = sp_limits_judge(&standing, p, 1 + s, c, &r->box, r->box_dose_gy, now, prescription_gy, correct,
		                     err);
		out->worst_miss_gy = fmax(out->worst_miss_gy, standing.worst_miss_gy);
		out->worst_slack_gy = fmax(out->worst_slack_gy, standing.worst_slack_gy);
	}
	free(now);
	return st;
}

/* The limit's row of the report, from this scenario's dose. */
static sp_status report_limit(json_t *rows, const sp_robust_rows *r, const sp_plan_limit *l, const sp_case *c,
                              double prescription_gy, bool *all_met, sp_error *err)
{
	bool upper = l->limit->sense == SP_LIMIT_IS_UPPER;
	const char *name = l->n > 1 ? l->limit->structure : c->structures[l->which[0]].name;
	char key[SP_METRIC_KEY_BYTES];
	double value, outside_cc, worst;
	json_t *row = NULL, *found;
	const char *silent;
	bool met;
	sp_metric m;
	sp_dvh dvh;
	size_t i;
	sp_status st;

	if ((st = sp_metric_parse(&m, l->limit->metric, err)) != SP_OK ||
	    (st = sp_dvh_of_structures(&dvh, &outside_cc, c, l->which, l->n, &r->box, r->box_dose_gy, err)) != SP_OK)
		return st;
	silent = sp_metric_value(&value, &m, &dvh, prescription_gy);
	sp_dvh_finish(&dvh);
	if (silent)
		return SP_OK;
	sp_metric_key(key, &m);
	met = upper ? value <= l->limit->value + SP_EVALUATION_SAME : value >= l->limit->value - SP_EVALUATION_SAME;
	*all_met = *all_met && met;
	json_array_foreach(rows, i,
	                   found) if (strcmp(json_string_value(json_object_get(found, "structure")), name) == 0 &&
	                              strcmp(json_string_value(json_object_get(found, "metric")), key) == 0 &&
	                              json_number_value(json_object_get(found, "limit")) == l->limit->value)
	{
		row = found;
	}
	worst = json_number_value(json_object_get(row, "worst"));
	if (row && (upper ? value <= worst : value >= worst))
		return SP_OK;
	if (!row) {
		row = json_pack("{s:s, s:s, s:s, s:f}", "structure", name, "metric", key, "unit", sp_metric_unit(&m),
		                "limit", l->limit->value);
		if (!row || json_array_append_new(rows, row) != 0)
			return no_memory(err);
	}
	json_object_set_new(row, "worst", json_real(value));
	json_object_set_new(row, "worst_scenario", json_string(r->scenarios[l->scenario - 1].name));
	json_object_set_new(row, "met", json_boolean(met));
	return SP_OK;
}

sp_status sp_robust_rows_report(json_t **out, sp_robust_rows *r, const sp_plan_problem *p, const sp_case *c,
                                const sp_scenario_source *source, double prescription_gy, sp_error *err)
{
	json_t *names = json_array(), *rows = json_array();
	bool all_met = true;
	sp_status st = names && rows ? SP_OK : no_memory(err);

	*out = NULL;
	for (size_t s = 0; st == SP_OK && s < r->n_scenarios; s++) {
		json_array_append_new(names, json_string(r->scenarios[s].name));
		if ((st = scenario_dose(r, s, source, err)) != SP_OK)
			break;
		for (size_t k = 0; st == SP_OK && k < p->n_limits; k++)
			if (p->limits[k].scenario == 1 + s)
				st = report_limit(rows, r, &p->limits[k], c, prescription_gy, &all_met, err);
	}
	if (st == SP_OK &&
	    !(*out = json_pack("{s:O, s:O, s:b}", "scenarios", names, "limits", rows, "all_limits_met", all_met)))
		st = no_memory(err);
	json_decref(names);
	json_decref(rows);
	return st;
}
