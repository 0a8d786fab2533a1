/* The dose of structures: fractions and dose on a grid fine enough for the structure, made into a DVH (dvh.c). */
#include "evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "mask.h"

/* Sampling no finer than this (mm): the spread within voxels does the rest. */
#define FINEST_MM 0.5
/* Sampling points in a structure's box (unless the dose grid itself has more): a second more for a body at 3e6. */
#define MOST_POINTS 500000.0

typedef struct {
	size_t first[3], n[3]; /* dose voxels of the box */
	sp_grid fine;          /* the same box, each voxel cut in `cut` parts */
	size_t cut[3];
} region;

/* The dose voxels that low..high touches; false when the box misses the grid. */
static bool region_cover(region *r, const double low[3], const double high[3], const sp_grid *g)
{
	for (int a = 0; a < 3; a++) {
		double edge = sp_grid_low_edge_mm(g, a), h = g->spacing_mm[a];
		double first = floor((low[a] - edge) / h + 1e-9), last = ceil((high[a] - edge) / h - 1e-9);

		first = fmax(first, 0.0);
		last = fmin(last, (double)g->n[a]);
		if (!(last > first))
			return false;
		r->first[a] = (size_t)first;
		r->n[a] = (size_t)(last - first);
	}
	return true;
}

static void region_refine(region *r, const sp_grid *g)
{
	for (double step = FINEST_MM;; step *= 1.25) {
		double points = 1.0;
		bool uncut = true;

		for (int a = 0; a < 3; a++) {
			r->cut[a] = (size_t)fmax(1.0, ceil(g->spacing_mm[a] / step - 1e-6));
			points *= (double)(r->n[a] * r->cut[a]);
			uncut = uncut && r->cut[a] == 1;
		}
		if (uncut || points <= MOST_POINTS)
			break;
	}
	for (int a = 0; a < 3; a++) {
		double h = g->spacing_mm[a];

		r->fine.n[a] = r->n[a] * r->cut[a];
		r->fine.spacing_mm[a] = h / (double)r->cut[a];
		r->fine.origin_mm[a] =
		        sp_grid_low_edge_mm(g, a) + (double)r->first[a] * h + r->fine.spacing_mm[a] / 2.0;
	}
}

/* Where the fine points lie between dose voxel centres along an axis. */
typedef struct {
	size_t low, high;
	float share; /* of high */
} between;

static void place(between *out, const region *r, const sp_grid *g, int axis)
{
	double last = (double)(g->n[axis] - 1);

	for (size_t i = 0; i < r->fine.n[axis]; i++) {
		double at = (double)r->first[axis] + ((double)i + 0.5) / (double)r->cut[axis] - 0.5;

		at = fmin(fmax(at, 0.0), last); /* beyond the outermost centres the dose stays as it is there */
		out[i].low = (size_t)at;
		out[i].high = out[i].low + (out[i].low + 1 < g->n[axis] ? 1 : 0);
		out[i].share = (float)(at - (double)out[i].low);
	}
}

/* Dose linear between voxel centres, on the region's fine grid. */
static sp_status sample_dose(float *out, const region *r, const sp_grid *g, const float *dose, sp_error *err)
{
	const size_t *n = r->fine.n;
	between *x = sp_alloc_array(n[0] + n[1] + n[2], sizeof *x), *y, *z;

	if (!x)
		return sp_fail(err, SP_NO_MEMORY, "sampling the dose");
	y = x + n[0];
	z = y + n[1];
	place(x, r, g, 0);
	place(y, r, g, 1);
	place(z, r, g, 2);
	for (size_t k = 0; k < n[2]; k++)
		for (size_t j = 0; j < n[1]; j++) {
			const float *row[4] = {dose + sp_grid_index(g, 0, y[j].low, z[k].low),
			                       dose + sp_grid_index(g, 0, y[j].high, z[k].low),
			                       dose + sp_grid_index(g, 0, y[j].low, z[k].high),
			                       dose + sp_grid_index(g, 0, y[j].high, z[k].high)};
			float w[4] = {(1 - y[j].share) * (1 - z[k].share), y[j].share * (1 - z[k].share),
			              (1 - y[j].share) * z[k].share, y[j].share * z[k].share};

			for (size_t i = 0; i < n[0]; i++, out++) {
				float low = 0.0f, high = 0.0f;

				for (int q = 0; q < 4; q++) {
					low += w[q] * row[q][x[i].low];
					high += w[q] * row[q][x[i].high];
				}
				*out = low + x[i].share * (high - low);
			}
		}
	free(x);
	return SP_OK;
}

/* Fractions of structures together; they do not overlap, save by rounding at shared borders. */
static sp_status unite(float *out, const sp_case *c, const size_t *which, size_t n, const sp_grid *grid, sp_error *err)
{
	size_t voxels = sp_grid_voxels(grid);
	float *one = NULL;
	sp_status st = sp_structure_fractions(out, &c->structures[which[0]], &c->ct, grid, err);

	if (st == SP_OK && n > 1 && !(one = sp_alloc_array(voxels, sizeof *one)))
		st = sp_fail(err, SP_NO_MEMORY, "uniting structures");
	for (size_t i = 1; i < n && st == SP_OK; i++) {
		st = sp_structure_fractions(one, &c->structures[which[i]], &c->ct, grid, err);
		for (size_t v = 0; v < voxels && st == SP_OK; v++)
			out[v] = fminf(1.0f, out[v] + one[v]);
	}
	free(one);
	return st;
}

static bool united_bounds(double low[3], double high[3], const sp_case *c, const size_t *which, size_t n)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		double l[3], h[3];

		if (!sp_structure_bounds(l, h, &c->structures[which[i]], &c->ct))
			continue;
		for (int a = 0; a < 3; a++) {
			low[a] = any ? fmin(low[a], l[a]) : l[a];
			high[a] = any ? fmax(high[a], h[a]) : h[a];
		}
		any = true;
	}
	return any;
}

/* Whole volume of structures that reach beyond the dose grid, on voxels of the dose grid's size. */
static sp_status whole_volume(double *out, const sp_case *c, const size_t *which, size_t n, const double low[3],
                              const double high[3], const sp_grid *dose_grid, sp_error *err)
{
	sp_grid grid;
	float *fraction;
	sp_status st;

	sp_grid_cover(&grid, low, high, dose_grid->spacing_mm, dose_grid);
	if (!(fraction = sp_alloc_array(sp_grid_voxels(&grid), sizeof *fraction)))
		return sp_fail(err, SP_NO_MEMORY, "measuring %s", c->structures[which[0]].name);
	if ((st = unite(fraction, c, which, n, &grid, err)) == SP_OK)
		*out = sp_fractions_volume_cc(fraction, &grid);
	free(fraction);
	return st;
}

static bool reaches_beyond(const double low[3], const double high[3], const sp_grid *g)
{
	for (int a = 0; a < 3; a++)
		if (low[a] < sp_grid_low_edge_mm(g, a) - 1e-3 || high[a] > sp_grid_high_edge_mm(g, a) + 1e-3)
			return true;
	return false;
}

/* DVH of what lies in a region: fractions of structures, or of all (n = 0). */
static sp_status region_dvh(sp_dvh *out, region *r, const sp_case *c, const size_t *which, size_t n,
                            const sp_grid *dose_grid, const float *dose_gy, sp_error *err)
{
	float *fraction = NULL, *dose = NULL;
	size_t points;
	sp_status st = SP_OK;

	region_refine(r, dose_grid);
	points = sp_grid_voxels(&r->fine);
	fraction = sp_alloc_array(points, sizeof *fraction);
	dose = sp_alloc_array(points, sizeof *dose);
	if (!fraction || !dose)
		st = sp_fail(err, SP_NO_MEMORY, "evaluating %s", n > 0 ? c->structures[which[0]].name : "the dose");
	for (size_t i = 0; i < points && n == 0 && st == SP_OK; i++)
		fraction[i] = 1.0f;
	if (st == SP_OK && n > 0)
		st = unite(fraction, c, which, n, &r->fine, err);
	if (st == SP_OK)
		st = sample_dose(dose, r, dose_grid, dose_gy, err);
	if (st == SP_OK)
		st = sp_dvh_make(out, dose, fraction, &r->fine, err);
	free(fraction);
	free(dose);
	return st;
}

sp_status sp_dvh_of_structures(sp_dvh *out, double *outside_cc, const sp_case *c, const size_t *which, size_t n,
                               const sp_grid *dose_grid, const float *dose_gy, sp_error *err)
{
	double low[3], high[3], whole = 0.0;
	region r = {0};
	sp_status st = SP_OK;

	*out = (sp_dvh){0};
	*outside_cc = 0.0;
	if (!united_bounds(low, high, c, which, n))
		return SP_OK;
	if (region_cover(&r, low, high, dose_grid))
		st = region_dvh(out, &r, c, which, n, dose_grid, dose_gy, err);
	if (st == SP_OK && reaches_beyond(low, high, dose_grid)) {
		st = whole_volume(&whole, c, which, n, low, high, dose_grid, err);
		/* a thousandth is what coarse and fine fractions may differ by */
		if (st == SP_OK && whole - out->volume_total_cc > 1e-3 * whole) {
			*outside_cc = whole - out->volume_total_cc;
			st = sp_dvh_add_cold(out, *outside_cc, err);
		}
	}
	if (st != SP_OK)
		sp_dvh_finish(out);
	return st;
}

/* The box around all voxels with at least a dose. */
static bool dose_bounds(double low[3], double high[3], const sp_grid *g, const float *dose, double least_gy)
{
	size_t first[3] = {SIZE_MAX, SIZE_MAX, SIZE_MAX}, last[3] = {0}, at = 0;

	for (size_t k = 0; k < g->n[2]; k++)
		for (size_t j = 0; j < g->n[1]; j++)
			for (size_t i = 0; i < g->n[0]; i++, at++) {
				const size_t ijk[3] = {i, j, k};

				if (!(dose[at] >= least_gy))
					continue;
				for (int a = 0; a < 3; a++) {
					first[a] = ijk[a] < first[a] ? ijk[a] : first[a];
					last[a] = ijk[a] > last[a] ? ijk[a] : last[a];
				}
			}
	if (first[0] == SIZE_MAX)
		return false;
	for (int a = 0; a < 3; a++) { /* one voxel more: the dose is linear up to the next centre */
		low[a] = sp_grid_low_edge_mm(g, a) + ((double)first[a] - 1.0) * g->spacing_mm[a];
		high[a] = sp_grid_low_edge_mm(g, a) + ((double)last[a] + 2.0) * g->spacing_mm[a];
	}
	return true;
}

sp_status sp_isodose_volumes(double *cc_out, const double *level_gy, size_t n, const sp_case *c,
                             const sp_grid *dose_grid, const float *dose_gy, sp_error *err)
{
	const sp_structure *body = sp_case_find_role(c, SP_ROLE_EXTERNAL);
	size_t which = body ? (size_t)(body - c->structures) : 0;
	sp_status st = SP_OK;

	for (size_t i = 0; i < n && st == SP_OK; i++) { /* a box each: the high levels' is small and finely sampled */
		double low[3], high[3];
		region r = {0};
		sp_dvh d = {0};

		cc_out[i] = 0.0;
		if (!dose_bounds(low, high, dose_grid, dose_gy, level_gy[i]) || !region_cover(&r, low, high, dose_grid))
			continue;
		st = region_dvh(&d, &r, c, &which, body ? 1 : 0, dose_grid, dose_gy, err);
		cc_out[i] = sp_dvh_volume_at_gy(&d, level_gy[i]);
		sp_dvh_finish(&d);
	}
	return st;
}
