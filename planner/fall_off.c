/* Distances to both structures on a grid of 1 mm round the place where they meet. */
#include "fall_off.h"

#include <math.h>
#include <stdlib.h>

#include "alloc.h"
#include "distance.h"
#include "mask.h"

#define STEP_MM 1.0
#define MOST_VOXELS 2e7 /* where target and cord run side by side for a metre */

/* The dose at p, linear between centres; NAN beyond the outermost ones. */
static double dose_at(const sp_grid *g, const float *dose, const double p[3])
{
	size_t low[3], n[3] = {1, g->n[0], g->n[0] * g->n[1]}, first;
	double t[3], sum = 0.0;

	for (int a = 0; a < 3; a++) {
		double x = (p[a] - g->origin_mm[a]) / g->spacing_mm[a];

		if (!(x >= 0.0 && x < (double)g->n[a] - 1.0))
			return NAN;
		low[a] = (size_t)x;
		t[a] = x - (double)low[a];
	}
	first = sp_grid_index(g, low[0], low[1], low[2]);
	for (int corner = 0; corner < 8; corner++) {
		double w = 1.0;
		size_t v = first;

		for (int a = 0; a < 3; a++) {
			w *= corner >> a & 1 ? t[a] : 1.0 - t[a];
			v += corner >> a & 1 ? n[a] : 0;
		}
		sum += w * dose[v];
	}
	return sum;
}

static double gradient_at(const sp_grid *g, const float *dose, const double p[3])
{
	double sum = 0.0;

	for (int a = 0; a < 3; a++) {
		double up[3] = {p[0], p[1], p[2]}, down[3] = {p[0], p[1], p[2]}, slope;

		up[a] += STEP_MM;
		down[a] -= STEP_MM;
		slope = (dose_at(g, dose, up) - dose_at(g, dose, down)) / (2.0 * STEP_MM);
		sum += slope * slope;
	}
	return sqrt(sum);
}

/* The box in which both can be within reach; false where there is none. */
static bool meeting_box(double low[3], double high[3], const sp_case *c, const sp_structure *a, const sp_structure *b)
{
	double low_b[3], high_b[3];

	if (!sp_structure_bounds(low, high, a, &c->ct) || !sp_structure_bounds(low_b, high_b, b, &c->ct))
		return false;
	for (int i = 0; i < 3; i++) {
		/* twice the reach: what is near must lie in the box too */
		low[i] = fmax(low[i], low_b[i]) - 2.0 * SP_FALL_OFF_MM;
		high[i] = fmin(high[i], high_b[i]) + 2.0 * SP_FALL_OFF_MM;
		if (!(low[i] < high[i]))
			return false;
	}
	return true;
}

sp_status sp_fall_off(double *gy_per_mm, const sp_case *c, const sp_structure *target, const sp_structure *spared,
                      const sp_grid *dose_grid, const float *dose_gy, sp_error *err)
{
	const double step[3] = {STEP_MM, STEP_MM, STEP_MM};
	double low[3], high[3], sum = 0.0, p[3];
	float *share, *to_target, *to_spared;
	sp_status st = SP_OK;
	size_t n, found = 0;
	sp_grid g;

	*gy_per_mm = NAN;
	if (!meeting_box(low, high, c, target, spared) ||
	    (high[0] - low[0]) * (high[1] - low[1]) * (high[2] - low[2]) > MOST_VOXELS)
		return SP_OK;
	sp_grid_cover(&g, low, high, step, &c->ct);
	n = sp_grid_voxels(&g);
	share = sp_alloc_array(n, sizeof *share);
	to_target = sp_alloc_array(n, sizeof *to_target);
	to_spared = sp_alloc_array(n, sizeof *to_spared);
	if (!share || !to_target || !to_spared)
		st = sp_fail(err, SP_NO_MEMORY, "out of memory for the fall-off beside %s", spared->name);
	if (st == SP_OK && (st = sp_structure_fractions(share, target, &c->ct, &g, err)) == SP_OK &&
	    (st = sp_distance_to(to_target, share, &g, err)) == SP_OK &&
	    (st = sp_structure_fractions(share, spared, &c->ct, &g, err)) == SP_OK)
		st = sp_distance_to(to_spared, share, &g, err);
	for (size_t v = 0; st == SP_OK && v < n; v++) {
		double slope;

		if (to_target[v] > SP_FALL_OFF_MM || to_spared[v] > SP_FALL_OFF_MM)
			continue;
		sp_grid_centre(p, &g, v);
		slope = gradient_at(dose_grid, dose_gy, p);
		if (isnan(slope))
			continue;
		sum += slope;
		found++;
	}
	if (st == SP_OK && found)
		*gy_per_mm = sum / (double)found;
	free(share);
	free(to_target);
	free(to_spared);
	return st;
}
