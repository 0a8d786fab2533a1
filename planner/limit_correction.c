#include "limit_correction.h"

#include <math.h>
#include <stdlib.h>

#include "alloc.h"
#include "evaluate.h"
#include "metric.h"
#include "metric_value.h"

/* A corrected limit is aimed this far inside, so that the last round's rounding does not cross it. */
#define MARGIN_GY 0.03

/* A term binds when the optimiser's own value lies this close to its dose. */
#define BINDING_GY 0.1

typedef struct {
	float dose, volume;
} sample;

static int descending(const void *a, const void *b)
{
	float x = ((const sample *)a)->dose, y = ((const sample *)b)->dose;

	return (x < y) - (x > y);
}

/* The term's own metric on the rows: the largest dose, the mean, or the dose that the share `volume` gets. */
static sp_status rows_value(double *out, const sp_term *t, const float *rows_dose, sp_error *err)
{
	sample *s = sp_alloc_array(t->n, sizeof *s);
	double total = 0.0, sum = 0.0, moment = 0.0;

	if (!s)
		return sp_fail(err, SP_NO_MEMORY, "out of memory judging limits");
	for (size_t i = 0; i < t->n; i++) {
		s[i] = (sample){rows_dose[t->rows[i]], t->volumes[i]};
		total += t->volumes[i];
		moment += (double)t->volumes[i] * s[i].dose;
	}
	qsort(s, t->n, sizeof *s, descending);
	*out = t->n ? s[0].dose : 0.0;
	if (t->kind == SP_LIMIT_MEAN)
		*out = moment / total;
	else if (t->kind != SP_LIMIT_MAX)
		for (size_t i = 0; i < t->n && sum <= t->volume * total; i++) {
			*out = s[i].dose;
			sum += s[i].volume;
		}
	free(s);
	return SP_OK;
}

static bool is_dose_metric(const sp_metric *m)
{
	return m->kind == SP_METRIC_DMAX || m->kind == SP_METRIC_DMIN || m->kind == SP_METRIC_DMEAN ||
	       m->kind == SP_METRIC_DOSE_AT_CC || m->kind == SP_METRIC_DOSE_AT_PERCENT ||
	       m->kind == SP_METRIC_DOSE_OF_COLDEST_CC;
}

sp_status sp_limits_judge(sp_limit_standing *out, sp_plan_problem *p, const sp_case *c, const sp_grid *grid,
                          const float *dose_gy, const float *rows_dose, double prescription_gy, bool correct,
                          sp_error *err)
{
	*out = (sp_limit_standing){-INFINITY, 0.0};
	for (size_t i = 0; i < p->n_limits; i++) {
		const sp_plan_limit *l = &p->limits[i];
		sp_term *t = &p->terms[l->term];
		double sign = l->limit->sense == SP_LIMIT_IS_UPPER ? 1.0 : -1.0, value, seen = 0.0, outside_cc, miss;
		sp_metric metric;
		sp_dvh dvh;
		sp_status st;
		const char *silent;

		if ((st = sp_metric_parse(&metric, l->limit->metric, err)) != SP_OK ||
		    (st = sp_dvh_of_structures(&dvh, &outside_cc, c, l->which, l->n, grid, dose_gy, err)) != SP_OK)
			return st;
		silent = sp_metric_value(&value, &metric, &dvh, prescription_gy);
		sp_dvh_finish(&dvh);
		if (silent || !is_dose_metric(&metric))
			continue;
		miss = sign * (value - l->limit->value);
		out->worst_miss_gy = fmax(out->worst_miss_gy, miss);
		if ((st = rows_value(&seen, t, rows_dose, err)) != SP_OK)
			return st;
		if (miss <= 0.0 && sign * (seen - t->dose_gy) < -BINDING_GY)
			continue; /* something else holds this structure's dose down */
		out->worst_slack_gy = fmax(out->worst_slack_gy, -miss);
		if (correct)
			t->dose_gy -= sign * (miss + MARGIN_GY);
	}
	return SP_OK;
}
