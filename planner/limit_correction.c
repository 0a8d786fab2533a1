#include "limit_correction.h"

#include <math.h>
#include <stdlib.h>

#include "alloc.h"
#include "evaluate.h"
#include "log.h"
#include "mask.h"
#include "metric.h"
#include "metric_value.h"

/* A corrected limit is aimed this far inside, so that the last round's rounding does not cross it. */
#define MARGIN_GY 0.05

/* The same for a limit whose share of volume moves: its value hangs on few voxels and jumps a little. */
#define SHARE_MARGIN_GY 0.05

/* Limits on D at less than this share of the volume, or at more than the rest, are corrected in dose. */
#define LEAST_SHARE_PERCENT 2.0

/* The part of a limit's share that the optimiser's own goes down to. Where limits cannot be held together, a share that
 * is halved again and again would ask for every voxel in the end, and give the rest away for that. */
#define LEAST_SHARE_PART 0.3

/* A term binds when the optimiser's own value lies this close to its dose. */
#define BINDING_GY 0.1

/* The part of a limit that the optimiser's own goes down to. */
#define LEAST_PART 0.1

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

/* D at a share of the volume: the optimiser lets just that share go and holds the rest at the limit, a step in the DVH
 * that interpolation between voxels wears down. There the share moves, not the dose: to hold every voxel lower would
 * cost far more than to let fewer go. Tiny shares are dose limits. */
static bool moves_by_share(const sp_metric *m)
{
	return m->kind == SP_METRIC_DOSE_AT_PERCENT && m->x >= LEAST_SHARE_PERCENT &&
	       m->x <= 100.0 - LEAST_SHARE_PERCENT;
}

/* Moves the share that may lie beyond the limit (less a margin) by the ratio of the share wanted to the one judged. */
static void move_share(sp_term *t, const sp_metric *m, bool upper, const sp_dvh *dvh, double limit_gy)
{
	const double aim_gy = upper ? limit_gy - SHARE_MARGIN_GY : limit_gy + SHARE_MARGIN_GY;
	const sp_metric above = {.kind = SP_METRIC_VOLUME_AT_GY, .x = aim_gy, .percent = true};
	double percent, judged, wanted = upper ? m->x : 100.0 - m->x, free = upper ? t->volume : 1.0 - t->volume;

	if (sp_metric_value(&percent, &above, dvh, 0.0))
		return;
	judged = upper ? percent : 100.0 - percent;
	free *= fmin(fmax(wanted / fmax(judged, 1e-3), 0.5), 1.5);
	free = fmax(free, LEAST_SHARE_PART * 0.01 * wanted);
	t->volume = upper ? free : 1.0 - free;
	t->dose_gy = aim_gy;
}

sp_status sp_limits_judge(sp_limit_standing *out, sp_plan_problem *p, size_t scenario, const sp_case *c,
                          const sp_grid *grid, const float *dose_gy, const float *rows_dose, double prescription_gy,
                          bool correct, sp_error *err)
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
		bool binds;

		if (l->scenario != scenario)
			continue;
		if ((st = sp_metric_parse(&metric, l->limit->metric, err)) != SP_OK ||
		    (st = sp_dvh_of_structures(&dvh, &outside_cc, c, l->which, l->n, grid, dose_gy, err)) != SP_OK)
			return st;
		silent = sp_metric_value(&value, &metric, &dvh, prescription_gy);
		if (silent || !is_dose_metric(&metric)) {
			sp_dvh_finish(&dvh);
			continue;
		}
		miss = sign * (value - l->limit->value);
		out->worst_miss_gy = fmax(out->worst_miss_gy, miss);
		binds = false;
		if ((st = rows_value(&seen, t, rows_dose, err)) == SP_OK)
			/* else something else holds this structure's dose down */
			binds = miss > 0.0 || sign * (seen - t->dose_gy) >= -BINDING_GY;
		sp_log_detail("%s %s: judged %.3f, on the rows %.3f, limit %.3f, the optimiser's %.3f at %.2f %%",
		              t->name, l->limit->metric, value, seen, l->limit->value, t->dose_gy, 100.0 * t->volume);
		if (binds)
			out->worst_slack_gy = fmax(out->worst_slack_gy, -miss);
		if (binds && correct && moves_by_share(&metric))
			move_share(t, &metric, sign > 0.0, &dvh, l->limit->value);
		else if (binds && correct)
			/* giving back half avoids a see-saw with a judged value that jumps a little; what is still
			 * missed at a small part of the limit is not won by asking for less, and below 0 there is no
			 * dose */
			t->dose_gy =
			        fmax(t->dose_gy - sign * (miss > 0.0 ? miss + MARGIN_GY : 0.5 * (miss + MARGIN_GY)),
			             LEAST_PART * l->limit->value);
		sp_dvh_finish(&dvh);
		if (st != SP_OK)
			return st;
	}
	return SP_OK;
}

sp_status sp_limits_mark(unsigned char *mark, const sp_plan_problem *p, const sp_case *c, const sp_grid *grid,
                         sp_error *err)
{
	size_t n = sp_grid_voxels(grid);
	float *share = sp_alloc_array(n, sizeof *share), *one = sp_alloc_array(n, sizeof *one);
	bool *seen = sp_alloc_array(c->n_structures, sizeof *seen);
	sp_status st = share && one && seen
	                       ? SP_OK
	                       : sp_fail(err, SP_NO_MEMORY, "out of memory for a dose grid of %zu voxels", n);

	for (size_t i = 0; i < p->n_limits; i++)
		for (size_t k = 0; st == SP_OK && k < p->limits[i].n; k++) {
			size_t s = p->limits[i].which[k];

			if (seen[s]) /* several limits are on one organ */
				continue;
			seen[s] = true;
			st = sp_structure_fractions(one, &c->structures[s], &c->ct, grid, err);
			for (size_t v = 0; st == SP_OK && v < n; v++)
				share[v] = fmaxf(share[v], one[v]);
		}
	if (st == SP_OK)
		st = sp_interpolate_shares(share, grid, err);
	for (size_t v = 0; st == SP_OK && v < n; v++)
		mark[v] = share[v] > 0.0f;
	for (size_t i = 0; st == SP_OK && i < p->n_voxels; i++)
		mark[p->voxels[i]] = 1;
	free(share);
	free(one);
	free(seen);
	return st;
}
