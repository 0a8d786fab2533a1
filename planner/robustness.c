#include "robustness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "evaluate.h"
#include "h5.h"
#include "interrupt.h"
#include "log.h"
#include "metric.h"
#include "metric_value.h"
#include "moved_dose.h"

/* A number that every scenario shows. */
typedef struct {
	size_t structure;
	const char *metric;
	bool low_is_bad;
} watched;

#define MOST_WATCHED 16

/* Of its maximum: a plan's dose that differs less is the engine's own. */
#define SAME_DOSE 1e-4

/* Of its maximum: where the engine's dose is less, the plan's is not compared, and how it changes is not computed. */
#define LEAST_SHARE 0.1

typedef struct {
	const sp_case *c;
	const sp_scenario_engine *engine;
	const sp_grid *grid;
	const sp_protocol *protocol;
	double prescription_gy;
	watched watch[MOST_WATCHED];
	size_t n_watched;
	sp_dose nominal;       /* the plan's own, else as computed here; its grid is *grid */
	sp_dose rest;          /* the plan's own less what the engine gives; gy NULL: none */
	unsigned char *wanted; /* voxels where scenarios are computed; NULL: all */
	float *dose, *shifted; /* of the present scenario; the nominal dose moved with the patient */
	json_t *nominal_limits;
	sp_robustness *out;
	sp_error *err;
} job;

static sp_status no_memory(const job *j)
{
	return sp_fail(j->err, SP_NO_MEMORY, "out of memory testing a plan's robustness");
}

static void watch(job *j, size_t structure, const char *metric, bool low_is_bad)
{
	if (j->n_watched < MOST_WATCHED)
		j->watch[j->n_watched++] = (watched){structure, metric, low_is_bad};
}

static void choose_watched(job *j)
{
	const sp_structure *target = sp_case_target(j->c);

	for (size_t i = 0; i < j->c->n_structures; i++)
		if (j->c->structures[i].role == SP_ROLE_CORD || j->c->structures[i].role == SP_ROLE_PRV)
			watch(j, i, "D0.03cc", false);
	if (target) {
		watch(j, (size_t)(target - j->c->structures), "D95%", true);
		watch(j, (size_t)(target - j->c->structures), "V100%", true);
	}
	for (size_t i = 0; i < j->c->n_structures; i++)
		if ((j->c->structures[i].role == SP_ROLE_CTV || j->c->structures[i].role == SP_ROLE_GTV) &&
		    &j->c->structures[i] != target)
			watch(j, i, "D98%", true);
}

static bool has_band(const job *j, const json_t *limits, size_t structure)
{
	const sp_structure *s = &j->c->structures[structure];
	json_t *row;
	size_t i;

	if (s->role == SP_ROLE_GTV || s->role == SP_ROLE_CTV || s->role == SP_ROLE_PTV || s->role == SP_ROLE_CORD ||
	    s->role == SP_ROLE_PRV)
		return true;
	json_array_foreach(limits, i, row)
	{
		const char *name = json_string_value(json_object_get(row, "structure"));

		if (name && strcmp(name, s->name) == 0)
			return true;
	}
	return false;
}

static sp_status watched_values(json_t **out, const job *j, const float *dose)
{
	json_t *list = json_array();

	*out = NULL;
	if (!list)
		return no_memory(j);
	for (size_t i = 0; i < j->n_watched; i++) {
		const watched *w = &j->watch[i];
		double value, outside_cc;
		sp_metric m;
		sp_dvh dvh;
		sp_status st;
		const char *silent;

		if ((st = sp_metric_parse(&m, w->metric, j->err)) != SP_OK ||
		    (st = sp_dvh_of_structures(&dvh, &outside_cc, j->c, &w->structure, 1, j->grid, dose, j->err)) !=
		            SP_OK) {
			json_decref(list);
			return st;
		}
		silent = sp_metric_value(&value, &m, &dvh, j->prescription_gy);
		sp_dvh_finish(&dvh);
		if (json_array_append_new(list, silent || !isfinite(value) ? json_null() : json_real(value)) != 0) {
			json_decref(list);
			return no_memory(j);
		}
	}
	*out = list;
	return SP_OK;
}

/* The DVHs' doses reach a tenth beyond the nominal hottest one. */
static sp_status make_bands(job *j, size_t n_scenarios)
{
	sp_robustness *r = j->out;

	if (!(r->bands = sp_alloc_array(j->c->n_structures, sizeof *r->bands)))
		return no_memory(j);
	for (size_t i = 0; i < j->c->n_structures; i++) {
		sp_dvh_band *b = &r->bands[r->n_bands];
		double outside_cc;
		sp_dvh dvh;
		sp_status st;

		if (!has_band(j, j->nominal_limits, i))
			continue;
		if ((st = sp_dvh_of_structures(&dvh, &outside_cc, j->c, &i, 1, j->grid, j->nominal.gy, j->err)) !=
		    SP_OK)
			return st;
		b->structure = i;
		for (size_t k = 0; k < SP_BAND_POINTS; k++)
			b->dose_gy[k] = (float)((1.1 * dvh.max_gy + 1.0) * (double)k / (SP_BAND_POINTS - 1));
		sp_dvh_finish(&dvh);
		r->n_bands++; /* before the next allocation, so that it is freed */
		b->volume_cc = sp_alloc_array((1 + n_scenarios) * SP_BAND_POINTS, sizeof *b->volume_cc);
		if (!b->volume_cc)
			return no_memory(j);
	}
	return SP_OK;
}

static sp_status fill_bands(job *j, size_t row, const float *dose)
{
	for (size_t i = 0; i < j->out->n_bands; i++) {
		sp_dvh_band *b = &j->out->bands[i];
		double outside_cc;
		sp_dvh dvh;
		sp_status st = sp_dvh_of_structures(&dvh, &outside_cc, j->c, &b->structure, 1, j->grid, dose, j->err);

		if (st != SP_OK)
			return st;
		for (size_t k = 0; k < SP_BAND_POINTS; k++)
			b->volume_cc[row * SP_BAND_POINTS + k] = (float)sp_dvh_volume_at_gy(&dvh, b->dose_gy[k]);
		sp_dvh_finish(&dvh);
	}
	return SP_OK;
}

/* True for the limit of a margin structure, which in a scenario is not judged beside what it is the margin of. */
static bool is_margin(const job *j, const json_t *limit)
{
	const char *name = json_string_value(json_object_get(limit, "structure"));
	const sp_structure *s = name ? sp_case_find(j->c, name) : NULL;

	return s && s->role == SP_ROLE_PRV && sp_case_find_role(j->c, SP_ROLE_CORD);
}

/* The nominal limits become rows that collect the worst of all scenarios. */
static sp_status begin_limits(job *j, const json_t *nominal)
{
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(nominal, "limits"), i, row)
	{
		json_t *own = json_deep_copy(row);

		if (!own || json_array_append_new(j->nominal_limits, own) != 0)
			return no_memory(j);
		json_object_set(own, "nominal", json_object_get(own, "value"));
		json_object_set(own, "nominal_met", json_object_get(own, "met"));
		json_object_set(own, "worst", json_object_get(own, "value"));
		json_object_set_new(own, "worst_scenario", json_string("as planned"));
		json_object_set_new(own, "margin", json_boolean(is_margin(j, row)));
		json_object_set_new(own, "met_in", json_integer(0));
		json_object_del(own, "value");
		json_object_del(own, "met");
	}
	return SP_OK;
}

/* Takes a scenario's limits up; *missed counts those that are judged and missed. The order is the protocol's, so rows
 * with the same index are the same limit. */
static sp_status add_limits(job *j, const json_t *evaluation, const char *scenario, json_t *missed)
{
	const json_t *rows = json_object_get(evaluation, "limits");
	json_t *own;
	size_t i;

	if (json_array_size(rows) != json_array_size(j->nominal_limits))
		return sp_fail(j->err, SP_FAILED, "a scenario judges %zu limits, the plan %zu", json_array_size(rows),
		               json_array_size(j->nominal_limits));
	json_array_foreach(j->nominal_limits, i, own)
	{
		const json_t *row = json_array_get(rows, i);
		double value = json_number_value(json_object_get(row, "value"));
		double worst = json_number_value(json_object_get(own, "worst"));
		bool upper = strcmp(json_string_value(json_object_get(own, "sense")), "at most") == 0;
		bool met = json_is_true(json_object_get(row, "met"));

		if (upper ? value > worst : value < worst) {
			json_object_set_new(own, "worst", json_real(value));
			json_object_set_new(own, "worst_scenario", json_string(scenario));
		}
		if (met)
			json_object_set_new(own, "met_in",
			                    json_integer(json_integer_value(json_object_get(own, "met_in")) + 1));
		else if (!json_is_true(json_object_get(own, "margin")))
			json_array_append_new(missed, json_pack("{s:O, s:O, s:f, s:O}", "structure",
			                                        json_object_get(row, "structure"), "metric",
			                                        json_object_get(row, "metric"), "value", value, "limit",
			                                        json_object_get(row, "limit")));
	}
	return SP_OK;
}

/* Into j->dose. */
static sp_status displaced_dose(job *j, const sp_displacement *d)
{
	sp_status st = j->engine->dose(j->engine->context, j->dose, d, j->wanted, j->err);

	for (size_t v = 0; st == SP_OK && j->rest.gy && v < sp_grid_voxels(j->grid); v++) {
		double centre[3];

		sp_grid_centre(centre, j->grid, v);
		j->dose[v] = j->wanted[v] ? fmaxf(0.0f, j->dose[v] + sp_moved_dose_at(&j->rest, d, centre))
		                          : sp_moved_dose_at(&j->nominal, d, centre);
	}
	return st;
}

static sp_status run_scenario(job *j, size_t number, const sp_scenario *s, json_t *list)
{
	sp_displacement d;
	json_t *evaluation = NULL, *values = NULL, *by_shift = NULL, *missed = json_array(), *row = NULL;
	sp_status st;

	memcpy(d.shift_mm, s->shift_mm, sizeof d.shift_mm);
	memcpy(d.rotation_deg, s->rotation_deg, sizeof d.rotation_deg);
	memcpy(d.pivot_mm, j->engine->isocentre_mm, sizeof d.pivot_mm);
	if (!missed)
		return no_memory(j);
	if ((st = displaced_dose(j, &d)) != SP_OK ||
	    (st = sp_evaluate(&evaluation, j->c, j->grid, j->dose, j->protocol, j->err)) != SP_OK ||
	    (st = add_limits(j, evaluation, s->name, missed)) != SP_OK ||
	    (st = watched_values(&values, j, j->dose)) != SP_OK || (st = fill_bands(j, 1 + number, j->dose)) != SP_OK)
		goto cleanup;
	sp_move_dose(j->shifted, j->grid, &j->nominal, &d);
	if ((st = watched_values(&by_shift, j, j->shifted)) != SP_OK)
		goto cleanup;
	row = json_pack("{s:s, s:[f,f,f], s:[f,f,f], s:O, s:O, s:b, s:O}", "name", s->name, "shift_mm", s->shift_mm[0],
	                s->shift_mm[1], s->shift_mm[2], "rotation_deg", s->rotation_deg[0], s->rotation_deg[1],
	                s->rotation_deg[2], "values", values, "values_by_moved_dose", by_shift, "limits_met",
	                json_array_size(missed) == 0, "limits_missed", missed);
	if (!row || json_array_append_new(list, row) != 0)
		st = no_memory(j);
cleanup:
	json_decref(evaluation);
	json_decref(values);
	json_decref(by_shift);
	json_decref(missed);
	return st;
}

/* Largest difference where the engine gives at least a tenth of its hottest dose, as a share of that. The plan's own
 * dose does not tell where that is: by Monte Carlo a voxel of air may have any. *wanted marks those voxels. */
static double largest_difference(unsigned char *wanted, const job *j, const float *plan_dose_gy)
{
	const float *engine_gy = j->nominal.gy;
	double hottest = 0.0, largest = 0.0;

	for (size_t v = 0; v < sp_grid_voxels(j->grid); v++)
		hottest = fmax(hottest, engine_gy[v]);
	for (size_t v = 0; v < sp_grid_voxels(j->grid); v++) {
		wanted[v] = engine_gy[v] >= LEAST_SHARE * hottest;
		if (wanted[v])
			largest = fmax(largest, fabs((double)plan_dose_gy[v] - (double)engine_gy[v]));
	}
	return hottest > 0.0 ? largest / hottest : 0.0;
}

/* Into j->nominal; with j->rest and j->wanted where the plan's own dose is another engine's. */
static sp_status nominal_dose(job *j, double *difference, const float *plan_dose_gy)
{
	const size_t n = sp_grid_voxels(j->grid);
	sp_status st = j->engine->dose(j->engine->context, j->nominal.gy, NULL, NULL, j->err);

	*difference = 0.0;
	if (st != SP_OK || !plan_dose_gy)
		return st;
	if (!(j->wanted = sp_alloc_array(n, sizeof *j->wanted)))
		return no_memory(j);
	if ((*difference = largest_difference(j->wanted, j, plan_dose_gy)) <= SAME_DOSE) {
		free(j->wanted);
		j->wanted = NULL;
		return SP_OK;
	}
	if (!(j->rest.gy = sp_alloc_array(n, sizeof *j->rest.gy)))
		return no_memory(j);
	for (size_t v = 0; v < n; v++)
		j->rest.gy[v] = plan_dose_gy[v] - j->nominal.gy[v];
	memcpy(j->nominal.gy, plan_dose_gy, n * sizeof *plan_dose_gy);
	return SP_OK;
}

static json_t *columns_json(const job *j)
{
	json_t *list = json_array();

	for (size_t i = 0; i < j->n_watched; i++) {
		const watched *w = &j->watch[i];
		char key[SP_METRIC_KEY_BYTES] = "";
		sp_metric m;

		if (sp_metric_parse(&m, w->metric, NULL) == SP_OK)
			sp_metric_key(key, &m);
		json_array_append_new(list,
		                      json_pack("{s:s, s:s, s:s}", "structure", j->c->structures[w->structure].name,
		                                "metric", key, "worst_is", w->low_is_bad ? "lowest" : "highest"));
	}
	return list;
}

/* Of each column the worst value, the nominal one included. */
static json_t *worst_json(const job *j, const json_t *nominal, const json_t *scenarios)
{
	json_t *list = json_array();

	for (size_t i = 0; i < j->n_watched; i++) {
		double worst = json_number_value(json_array_get(nominal, i));
		json_t *row;
		size_t k;

		json_array_foreach(scenarios, k, row)
		{
			double value = json_number_value(json_array_get(json_object_get(row, "values"), i));

			worst = j->watch[i].low_is_bad ? fmin(worst, value) : fmax(worst, value);
		}
		json_array_append_new(list, json_real(worst));
	}
	return list;
}

static sp_status run(job *j, const float *plan_dose_gy, const sp_scenario *scenarios, size_t n)
{
	json_t *nominal = NULL, *values = NULL, *list = json_array(), *row;
	double difference = 0.0;
	size_t met = 0, i;
	sp_status st;

	if (!list)
		return no_memory(j);
	if ((st = nominal_dose(j, &difference, plan_dose_gy)) != SP_OK ||
	    (st = sp_evaluate(&nominal, j->c, j->grid, j->nominal.gy, j->protocol, j->err)) != SP_OK ||
	    (st = begin_limits(j, nominal)) != SP_OK || (st = watched_values(&values, j, j->nominal.gy)) != SP_OK ||
	    (st = make_bands(j, n)) != SP_OK || (st = fill_bands(j, 0, j->nominal.gy)) != SP_OK)
		goto cleanup;
	for (size_t k = 0; k < n && st == SP_OK; k++) {
		if (sp_interrupt_asked())
			st = sp_fail(j->err, SP_INTERRUPTED, "interrupted while computing scenarios");
		else if ((st = run_scenario(j, k, &scenarios[k], list)) == SP_OK)
			sp_log_info("  scenario %zu of %zu: %s", k + 1, n, scenarios[k].name);
	}
	if (st != SP_OK)
		goto cleanup;
	json_array_foreach(list, i, row) met += json_is_true(json_object_get(row, "limits_met"));
	j->out->result = json_pack("{s:O, s:s, s:f, s:o, s:O, s:o, s:O, s:O, s:i, s:i, s:o}", "prescription",
	                           json_object_get(nominal, "prescription"), "engine",
	                           j->rest.gy ? "the plan's, its changes by pencil beam" : "pencil beam",
	                           "largest_difference_from_plan", difference, "columns", columns_json(j), "nominal",
	                           values, "worst", worst_json(j, values, list), "scenarios", list, "limits",
	                           j->nominal_limits, "scenarios_with_all_limits_met", (int)met, "scenarios_computed",
	                           (int)n, "all_limits_met_in_every_scenario",
	                           json_array_size(j->nominal_limits) ? json_boolean(met == n) : json_null());
	if (!j->out->result)
		st = no_memory(j);
cleanup:
	json_decref(nominal);
	json_decref(values);
	json_decref(list);
	return st;
}

sp_status sp_robustness_make(sp_robustness *out, const sp_case *c, const sp_scenario_engine *engine,
                             const sp_grid *dose_grid, const float *plan_dose_gy, const sp_protocol *protocol,
                             const sp_scenario *scenarios, size_t n_scenarios, sp_error *err)
{
	size_t voxels = sp_grid_voxels(dose_grid);
	job j = {.c = c,
	         .engine = engine,
	         .grid = dose_grid,
	         .rest = {.grid = *dose_grid},
	         .protocol = protocol,
	         .prescription_gy = c->prescription.present && c->prescription.dose_gy > 0.0 ? c->prescription.dose_gy
	                            : protocol                                               ? protocol->dose_gy
	                                                                                     : 0.0,
	         .nominal = {.grid = *dose_grid, .gy = sp_alloc_array(voxels, sizeof(float))},
	         .dose = sp_alloc_array(voxels, sizeof(float)),
	         .shifted = sp_alloc_array(voxels, sizeof(float)),
	         .nominal_limits = json_array(),
	         .out = out,
	         .err = err};
	sp_status st;

	*out = (sp_robustness){.n_scenarios = n_scenarios};
	choose_watched(&j);
	if (!j.nominal.gy || !j.dose || !j.shifted || !j.nominal_limits)
		st = no_memory(&j);
	else
		st = run(&j, plan_dose_gy, scenarios, n_scenarios);
	free(j.nominal.gy);
	free(j.rest.gy);
	free(j.wanted);
	free(j.dose);
	free(j.shifted);
	json_decref(j.nominal_limits);
	if (st != SP_OK)
		sp_robustness_finish(out);
	return st;
}

void sp_robustness_finish(sp_robustness *r)
{
	for (size_t i = 0; i < r->n_bands; i++)
		free(r->bands[i].volume_cc);
	free(r->bands);
	json_decref(r->result);
	*r = (sp_robustness){0};
}
