/* The evaluation as a JSON object: structures with metrics, limits and goals judged, conformity. The DVHs come from
 * structure_dose.c, the tables for people are evaluation_table.c. */
#include "evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "fall_off.h"
#include "metric_value.h"

static const char *const every_structure[] = {"Dmax", "Dmin",   "Dmean", "D0.03cc", "D0.1cc", "D0.35cc",
                                              "D1cc", "D1.2cc", "D2%",   "D5%",     "D10%",   "D50%",
                                              "D95%", "D98%",   "D99%",  "V50%",    NULL};
static const char *const every_target[] = {"V90%", "V95%", "V100%", "V107%", "V120%", NULL};

typedef struct {
	const sp_case *c;
	const sp_grid *grid;
	const float *dose_gy;
	const sp_protocol *protocol;
	double prescription_gy;
	sp_dvh *dvhs; /* of each structure */
	double *outside_cc;
	json_t *structures, *limits, *goals, *not_judged;
	bool all_met;
	sp_error *err;
} evaluation;

static sp_status no_memory(const evaluation *e)
{
	return sp_fail(e->err, SP_NO_MEMORY, "evaluating the dose");
}

/* JSON knows no NaN and no infinity. */
static json_t *number(double x)
{
	return isfinite(x) ? json_real(x) : json_null();
}

static bool add_metric(json_t *metrics, const evaluation *e, const sp_dvh *dvh, const char *name)
{
	char key[SP_METRIC_KEY_BYTES];
	sp_metric m;
	double value;

	if (sp_metric_parse(&m, name, NULL) != SP_OK || sp_metric_value(&value, &m, dvh, e->prescription_gy))
		return true;
	/* "0 Gy" for the hottest 1.2 cc of 1 cc is right for a limit, but no fact worth listing */
	if (m.kind == SP_METRIC_DOSE_AT_CC && m.x > dvh->volume_total_cc)
		return true;
	sp_metric_key(key, &m);
	return json_object_set_new(metrics, key, number(value)) == 0;
}

static bool is_target(sp_role role)
{
	return role == SP_ROLE_GTV || role == SP_ROLE_CTV || role == SP_ROLE_PTV;
}

static sp_status add_structure(evaluation *e, size_t i)
{
	const sp_structure *s = &e->c->structures[i];
	json_t *metrics, *row;
	sp_status st = sp_dvh_of_structures(&e->dvhs[i], &e->outside_cc[i], e->c, &i, 1, e->grid, e->dose_gy, e->err);

	if (st != SP_OK)
		return st;
	row = json_pack("{s:s, s:s, s:f, s:f, s:o*}", "name", s->name, "role", sp_role_name(s->role), "volume_cc",
	                e->dvhs[i].volume_total_cc, "outside_dose_grid_cc", e->outside_cc[i], "metrics", json_object());
	if (!row || json_array_append_new(e->structures, row) != 0)
		return no_memory(e);
	metrics = json_object_get(row, "metrics");
	for (const char *const *m = every_structure; *m; m++)
		if (!add_metric(metrics, e, &e->dvhs[i], *m))
			return no_memory(e);
	for (const char *const *m = every_target; *m && is_target(s->role); m++)
		if (!add_metric(metrics, e, &e->dvhs[i], *m))
			return no_memory(e);
	return SP_OK;
}

/* reason NULL: the case has no such structure. missed: counts as that. */
static sp_status add_not_judged(evaluation *e, const sp_limit *l, const sp_metric *m, const char *name,
                                const char *reason, bool missed)
{
	char key[SP_METRIC_KEY_BYTES];
	json_t *row;

	sp_metric_key(key, m);
	if (missed)
		e->all_met = false;
	row = json_pack("{s:s, s:s, s:f, s:s, s:b, s:b, s:s}", "structure", name, "metric", key, "limit", l->value,
	                "unit", sp_metric_unit(m), "counts_as_missed", missed, "absent", !reason, "reason",
	                reason ? reason : "the case has no such structure");
	return row && json_array_append_new(e->not_judged, row) == 0 ? SP_OK : no_memory(e);
}

/* One limit on one DVH. metrics: the structure's, which then also holds this value; NULL for several together. */
static sp_status judge(evaluation *e, const sp_limit *l, const sp_metric *m, const char *name, const sp_dvh *dvh,
                       double outside_cc, json_t *metrics)
{
	bool upper = l->sense == SP_LIMIT_IS_UPPER, met;
	char key[SP_METRIC_KEY_BYTES];
	const char *reason;
	json_t *row;
	double value;

	if (dvh->n > 0 && outside_cc > 0.999 * dvh->volume_total_cc)
		return add_not_judged(e, l, m, name, "the structure lies outside the dose grid", l->hard);
	if ((reason = sp_metric_value(&value, m, dvh, e->prescription_gy)))
		/* an empty cord is none that is spared */
		return add_not_judged(e, l, m, name, reason, l->hard);
	sp_metric_key(key, m);
	met = upper ? value <= l->value + SP_EVALUATION_SAME : value >= l->value - SP_EVALUATION_SAME;
	if (!met && !l->goal)
		e->all_met = false;
	row = json_pack("{s:s, s:s, s:f, s:f, s:s, s:b, s:s, s:b, s:s, s:b}", "structure", name, "metric", key, "limit",
	                l->value, "value", value, "unit", sp_metric_unit(m), "met", met, "sense",
	                upper ? "at most" : "at least", "hard", l->hard, "source", l->source, "unverified",
	                l->unverified);
	if (!row || json_array_append_new(l->goal ? e->goals : e->limits, row) != 0)
		return no_memory(e);
	if (metrics && json_object_set_new(metrics, key, number(value)) != 0)
		return no_memory(e);
	return SP_OK;
}

static sp_status judge_joint(evaluation *e, const sp_limit *l, const sp_metric *m, const size_t *which, size_t n)
{
	sp_dvh dvh = {0};
	double outside_cc;
	sp_status st = sp_dvh_of_structures(&dvh, &outside_cc, e->c, which, n, e->grid, e->dose_gy, e->err);

	if (st == SP_OK)
		st = judge(e, l, m, l->structure, &dvh, outside_cc, NULL);
	sp_dvh_finish(&dvh);
	return st;
}

static sp_status judge_limit(evaluation *e, const sp_limit *l, size_t *which)
{
	size_t n = sp_limit_match(which, e->c->n_structures, l, e->c);
	sp_metric m;
	sp_status st = sp_metric_parse(&m, l->metric, e->err);

	if (st != SP_OK)
		return st;
	if (sp_limit_is_moot(l, e->c))
		return SP_OK;
	if (n == 0)
		return add_not_judged(e, l, &m, l->structure, NULL, false);
	if (sp_limit_is_joint(l, e->c))
		return judge_joint(e, l, &m, which, n);
	for (size_t i = 0; i < n && st == SP_OK; i++) {
		json_t *row = json_array_get(e->structures, which[i]);

		st = judge(e, l, &m, e->c->structures[which[i]].name, &e->dvhs[which[i]], e->outside_cc[which[i]],
		           json_object_get(row, "metrics"));
	}
	return st;
}

/* The protocol's hot spot, as a goal on the target. */
static sp_status judge_hot_spot(evaluation *e)
{
	const sp_structure *target = sp_case_target(e->c);
	sp_limit l = {.metric = "Dmax",
	              .value = sp_protocol_hottest_gy(e->protocol, &e->c->prescription, e->prescription_gy),
	              .sense = SP_LIMIT_IS_UPPER,
	              .goal = true,
	              .source = e->protocol->source};
	sp_metric m = {.kind = SP_METRIC_DMAX};
	size_t i;

	if (!target || !(l.value > 0.0))
		return SP_OK;
	i = (size_t)(target - e->c->structures);
	l.structure = target->name;
	return judge(e, &l, &m, target->name, &e->dvhs[i], e->outside_cc[i], NULL);
}

/* The dose of a simultaneous boost, as a goal. */
static sp_status judge_boost(evaluation *e)
{
	const sp_structure *boost = sp_case_boost(e->c);
	sp_limit l = {.metric = "D95%",
	              .value = e->c->prescription.boost_gy,
	              .sense = SP_LIMIT_IS_LOWER,
	              .goal = true,
	              .source = "the boost prescribed"};
	sp_metric m = {.kind = SP_METRIC_DOSE_AT_PERCENT, .x = 95.0, .percent = true};
	size_t i;

	if (!boost)
		return SP_OK;
	i = (size_t)(boost - e->c->structures);
	l.structure = boost->name;
	return judge(e, &l, &m, boost->name, &e->dvhs[i], e->outside_cc[i], NULL);
}

static sp_status judge_protocol(evaluation *e)
{
	size_t *which = sp_alloc_array(e->c->n_structures, sizeof *which);
	sp_status st = which ? SP_OK : no_memory(e);

	for (size_t i = 0; e->protocol && i < e->protocol->n_limits && st == SP_OK; i++)
		st = judge_limit(e, &e->protocol->limits[i], which);
	if (e->protocol && st == SP_OK)
		st = judge_hot_spot(e);
	if (st == SP_OK)
		st = judge_boost(e);
	free(which);
	return st;
}

/* Conformity of the prescription's isodose with the target:
 * Paddick I. J Neurosurg 2000;93(Suppl 3):219-222 (conformity); Paddick I, Lippitz B. J Neurosurg 2006;105(Suppl):
 * 194-201 (gradient index); ICRU Report 83 (2010), section 3.7.1 (homogeneity). */
static sp_status add_conformity(const evaluation *e, json_t *out)
{
	const sp_structure *target = sp_case_target(e->c);
	const sp_dvh *dvh = target ? &e->dvhs[target - e->c->structures] : NULL;
	double levels[2] = {e->prescription_gy, 0.5 * e->prescription_gy}, cc[2], covered, d50;
	double ci = NAN, gi = NAN, hi = NAN, hot = NAN, r50 = NAN;
	sp_status st;

	if (dvh && dvh->volume_total_cc > 0.0 && e->prescription_gy > 0.0) {
		if ((st = sp_isodose_volumes(cc, levels, 2, e->c, e->grid, e->dose_gy, e->err)) != SP_OK)
			return st;
		covered = sp_dvh_volume_at_gy(dvh, e->prescription_gy);
		d50 = sp_dvh_dose_at_share(dvh, 0.5);
		if (cc[0] > 0.0) {
			ci = covered * covered / (dvh->volume_total_cc * cc[0]);
			gi = cc[1] / cc[0];
		}
		r50 = cc[1] / dvh->volume_total_cc;
		hot = 100.0 * dvh->max_gy / e->prescription_gy;
		if (d50 > 0.0)
			hi = (sp_dvh_dose_at_share(dvh, 0.02) - sp_dvh_dose_at_share(dvh, 0.98)) / d50;
		json_object_set_new(out, "prescription_isodose_cc", number(cc[0]));
		json_object_set_new(out, "half_isodose_cc", number(cc[1]));
	}
	if (json_object_set_new(out, "paddick_ci", number(ci)) != 0 ||
	    json_object_set_new(out, "gradient_index", number(gi)) != 0 ||
	    json_object_set_new(out, "homogeneity_index", number(hi)) != 0 ||
	    json_object_set_new(out, "r50", number(r50)) != 0 ||
	    json_object_set_new(out, "hot_spot_pct", number(hot)) != 0)
		return no_memory(e);
	return SP_OK;
}

/* Between the target and the cord's PRV, or the cord where there is none, in % of the prescription per mm. */
static sp_status add_fall_off(const evaluation *e, json_t *out)
{
	const sp_structure *target = sp_case_target(e->c), *spared = sp_case_find_role(e->c, SP_ROLE_PRV);
	double slope = NAN;
	sp_status st = SP_OK;

	if (!spared)
		spared = sp_case_find_role(e->c, SP_ROLE_CORD);
	if (target && spared && e->prescription_gy > 0.0)
		st = sp_fall_off(&slope, e->c, target, spared, e->grid, e->dose_gy, e->err);
	if (st == SP_OK &&
	    json_object_set_new(out, "fall_off_pct_per_mm", number(100.0 * slope / e->prescription_gy)) != 0)
		st = no_memory(e);
	return st;
}

static json_t *text_or_null(const char *text)
{
	return text ? json_string(text) : json_null();
}

/* Sectors of vertebrae are there to be looked at; their rows were needed only to keep the order of the case. */
static void drop_sectors(evaluation *e)
{
	for (size_t i = e->c->n_structures; i-- > 0;)
		if (e->c->structures[i].role == SP_ROLE_SECTOR)
			json_array_remove(e->structures, i);
}

static sp_status assemble(json_t **out, evaluation *e)
{
	const sp_structure *target = sp_case_target(e->c);
	const sp_prescription *p = &e->c->prescription;
	const sp_protocol *protocol = e->protocol;
	bool judged = json_array_size(e->limits) > 0 || !e->all_met;
	unsigned fractions = p->present && p->fractions ? p->fractions : protocol ? protocol->fractions : 0;
	sp_status st;

	drop_sectors(e);
	*out = json_pack("{s:{s:o, s:i, s:o, s:o, s:o}, s:O, s:O, s:O, s:O, s:o}", "prescription", "dose_gy",
	                 e->prescription_gy > 0.0 ? json_real(e->prescription_gy) : json_null(), "fractions",
	                 (int)fractions, "target", text_or_null(target ? target->name : NULL), "protocol",
	                 text_or_null(protocol ? protocol->name : NULL), "protocol_title",
	                 text_or_null(protocol ? protocol->title : NULL), "structures", e->structures, "limits",
	                 e->limits, "goals", e->goals, "not_judged", e->not_judged, "all_limits_met",
	                 judged ? json_boolean(e->all_met) : json_null());
	if (!*out)
		return no_memory(e);
	if (p->boost &&
	    json_object_set_new(json_object_get(*out, "prescription"), "boost",
	                        json_pack("{s:s, s:f}", "structure", p->boost, "dose_gy", p->boost_gy)) != 0)
		return no_memory(e);
	if ((st = add_conformity(e, *out)) == SP_OK)
		st = add_fall_off(e, *out);
	if (st == SP_OK && json_object_set_new(*out, "provenance",
	                                       json_pack("{s:s, s:[f,f,f]}", "evaluated_by", "spineplan " SP_VERSION,
	                                                 "dose_grid_spacing_mm", e->grid->spacing_mm[0],
	                                                 e->grid->spacing_mm[1], e->grid->spacing_mm[2])) != 0)
		st = no_memory(e);
	return st;
}

static sp_status begin(evaluation *e)
{
	if (e->c->prescription.present && e->c->prescription.dose_gy > 0.0)
		e->prescription_gy = e->c->prescription.dose_gy;
	else if (e->protocol)
		e->prescription_gy = e->protocol->dose_gy;
	e->dvhs = sp_alloc_array(e->c->n_structures, sizeof *e->dvhs);
	e->outside_cc = sp_alloc_array(e->c->n_structures, sizeof *e->outside_cc);
	e->structures = json_array();
	e->limits = json_array();
	e->goals = json_array();
	e->not_judged = json_array();
	e->all_met = true;
	if (!e->dvhs || !e->outside_cc || !e->structures || !e->limits || !e->goals || !e->not_judged)
		return no_memory(e);
	return SP_OK;
}

sp_status sp_evaluate(json_t **out, const sp_case *c, const sp_grid *dose_grid, const float *dose_gy,
                      const sp_protocol *protocol, sp_error *err)
{
	evaluation e = {.c = c, .grid = dose_grid, .dose_gy = dose_gy, .protocol = protocol, .err = err};
	sp_status st;

	*out = NULL;
	st = begin(&e);
	for (size_t i = 0; i < c->n_structures && st == SP_OK; i++)
		st = add_structure(&e, i);
	if (st == SP_OK)
		st = judge_protocol(&e);
	if (st == SP_OK)
		st = assemble(out, &e);
	if (st != SP_OK) {
		json_decref(*out);
		*out = NULL;
	}
	for (size_t i = 0; e.dvhs && i < c->n_structures; i++)
		sp_dvh_finish(&e.dvhs[i]);
	free(e.dvhs);
	free(e.outside_cc);
	json_decref(e.structures);
	json_decref(e.limits);
	json_decref(e.goals);
	json_decref(e.not_judged);
	return st;
}
