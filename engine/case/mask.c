/* Partial volumes on any grid. Contours become slabs (contour_levels.c) whose areas (polygon_area.c) are shared out to
 * the grid's slices; masks are resampled by the overlap of voxel boxes, axis by axis. */
#include "mask.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "contour_levels.h"
#include "mask_box.h"

/* Cells first..first+n of a grid's axis that the interval low..high overlaps. */
static void overlapped(size_t *first, size_t *n, const sp_grid *g, int axis, double low_mm, double high_mm)
{
	double edge = sp_grid_low_edge_mm(g, axis), step = g->spacing_mm[axis], most = (double)g->n[axis];
	double from = fmin(most, fmax(0.0, floor((low_mm - edge) / step)));
	double to = fmin(most, fmax(0.0, ceil((high_mm - edge) / step)));

	*first = (size_t)from;
	*n = to > from ? (size_t)(to - from) : 0;
}

/* The share of cell i of a grid's axis that the interval covers. */
static double covered(const sp_grid *g, int axis, size_t i, double low_mm, double high_mm)
{
	double edge = sp_grid_low_edge_mm(g, axis), step = g->spacing_mm[axis];
	double from = fmax((low_mm - edge) / step, (double)i), to = fmin((high_mm - edge) / step, (double)i + 1.0);

	return to > from ? to - from : 0.0;
}

static void polygon_bounds(double low_mm[2], double high_mm[2], const sp_contour_levels *l)
{
	low_mm[0] = low_mm[1] = INFINITY;
	high_mm[0] = high_mm[1] = -INFINITY;
	for (size_t k = 0; k < l->n_polygons; k++)
		for (size_t i = 0; i < l->polygons[k].n; i++)
			for (int a = 0; a < 2; a++) {
				double at = l->polygons[k].points_mm[3 * i + (size_t)a];

				low_mm[a] = fmin(low_mm[a], at);
				high_mm[a] = fmax(high_mm[a], at);
			}
}

/* out += area * the share of each grid slice that the level's slab fills, in the window of columns. */
static void add_slab(float *out, const sp_grid *grid, const size_t first[2], const sp_plane *plane, const float *area,
                     const sp_contour_level *level)
{
	size_t k0, nk;

	overlapped(&k0, &nk, grid, 2, level->low_mm, level->high_mm);
	for (size_t k = k0; k < k0 + nk; k++) {
		float share = (float)covered(grid, 2, k, level->low_mm, level->high_mm);

		for (size_t j = 0; j < plane->n[1]; j++) {
			float *to = out + sp_grid_index(grid, first[0], first[1] + j, k);
			const float *from = area + j * plane->n[0];

			for (size_t i = 0; i < plane->n[0]; i++)
				to[i] = fminf(1.0f, to[i] + share * from[i]);
		}
	}
}

static sp_status add_contours(float *out, const sp_structure *s, const sp_grid *ct, const sp_grid *grid, sp_error *err)
{
	sp_contour_levels l;
	double low[2], high[2];
	sp_plane plane;
	size_t first[2], cells, k0, nk;
	float *area = NULL;
	sp_status st = sp_contour_levels_init(&l, s, ct->spacing_mm[2], err);

	if (st != SP_OK || l.n_levels == 0)
		goto cleanup;
	polygon_bounds(low, high, &l);
	for (int a = 0; a < 2; a++) {
		overlapped(&first[a], &plane.n[a], grid, a, low[a], high[a]);
		plane.step_mm[a] = grid->spacing_mm[a];
		plane.low_mm[a] = sp_grid_low_edge_mm(grid, a) + (double)first[a] * grid->spacing_mm[a];
	}
	cells = plane.n[0] * plane.n[1];
	if (cells == 0)
		goto cleanup;
	if (!(area = sp_alloc_array(cells, 3 * sizeof *area))) {
		st = sp_fail(err, SP_NO_MEMORY, "out of memory for a slice of %s", s->name);
		goto cleanup;
	}
	for (size_t i = 0; i < l.n_levels; i++) {
		overlapped(&k0, &nk, grid, 2, l.levels[i].low_mm, l.levels[i].high_mm);
		if (nk == 0)
			continue;
		if ((st = sp_contour_level_area(area, area + cells, &l, &l.levels[i], &plane, err)) != SP_OK)
			goto cleanup;
		add_slab(out, grid, first, &plane, area, &l.levels[i]);
	}
cleanup:
	free(area);
	sp_contour_levels_finish(&l);
	return st;
}

/* Where CT voxels start..start+n of an axis fall on the grid's axis: cells first[v]..first[v]+count[v], and the shares
 * of those that they cover from weight[at[v]] on. */
typedef struct {
	size_t *first, *count, *at;
	double *weight;
} axis_map;

static void axis_map_finish(axis_map *m)
{
	free(m->first);
	free(m->weight);
}

static sp_status axis_map_init(axis_map *m, const sp_grid *ct, const sp_grid *grid, int axis, size_t start, size_t n,
                               sp_error *err)
{
	size_t total = 0;

	m->first = sp_alloc_array(n, 3 * sizeof *m->first);
	/* each cell of the grid once, and what a voxel shares with its neighbours or touches by rounding */
	m->weight = sp_alloc_array(grid->n[axis] + 4 * n + 2, sizeof *m->weight);
	if (!m->first || !m->weight)
		return sp_fail(err, SP_NO_MEMORY, "out of memory resampling a mask");
	m->count = m->first + n;
	m->at = m->count + n;
	for (size_t v = 0; v < n; v++) {
		double low = sp_grid_low_edge_mm(ct, axis) + (double)(start + v) * ct->spacing_mm[axis];
		double high = low + ct->spacing_mm[axis];

		overlapped(&m->first[v], &m->count[v], grid, axis, low, high);
		m->at[v] = total;
		for (size_t i = 0; i < m->count[v]; i++)
			m->weight[total++] = covered(grid, axis, m->first[v] + i, low, high);
	}
	return SP_OK;
}

/* One row of the mask, shared out along x. False when it touches no cell. */
static bool share_row(double *row_out, size_t n, const uint8_t *in, size_t n_in, const axis_map *x)
{
	bool any = false;

	memset(row_out, 0, n * sizeof *row_out);
	for (size_t i = 0; i < n_in; i++)
		for (size_t q = 0; in[i] && q < x->count[i]; q++) {
			row_out[x->first[i] + q] += x->weight[x->at[i] + q];
			any = true;
		}
	return any;
}

static sp_status add_mask(float *out, const sp_structure *s, const sp_grid *ct, const sp_grid *grid, sp_error *err)
{
	const sp_mask_box *b = &s->mask;
	axis_map m[3] = {{0}};
	double *row = sp_alloc_array(grid->n[0], sizeof *row);
	sp_status st = row ? SP_OK : sp_fail(err, SP_NO_MEMORY, "out of memory resampling %s", s->name);

	for (int a = 0; a < 3 && st == SP_OK; a++)
		st = axis_map_init(&m[a], ct, grid, a, b->first[a], b->n[a], err);
	for (size_t k = 0; st == SP_OK && k < b->n[2]; k++)
		for (size_t j = 0; m[2].count[k] && j < b->n[1]; j++) {
			if (!m[1].count[j] ||
			    !share_row(row, grid->n[0], b->in + (k * b->n[1] + j) * b->n[0], b->n[0], &m[0]))
				continue;
			for (size_t p = 0; p < m[2].count[k]; p++)
				for (size_t q = 0; q < m[1].count[j]; q++) {
					double weight = m[2].weight[m[2].at[k] + p] * m[1].weight[m[1].at[j] + q];
					float *to = out + sp_grid_index(grid, 0, m[1].first[j] + q, m[2].first[k] + p);

					for (size_t i = 0; i < grid->n[0]; i++)
						to[i] = fminf(1.0f, to[i] + (float)(weight * row[i]));
				}
		}
	for (int a = 0; a < 3; a++)
		axis_map_finish(&m[a]);
	free(row);
	return st;
}

sp_status sp_structure_fractions(float *fraction_out, const sp_structure *s, const sp_grid *ct, const sp_grid *grid,
                                 sp_error *err)
{
	memset(fraction_out, 0, sp_grid_voxels(grid) * sizeof *fraction_out);
	return s->has_mask ? add_mask(fraction_out, s, ct, grid, err) : add_contours(fraction_out, s, ct, grid, err);
}

static bool mask_bounds(double low_mm[3], double high_mm[3], const sp_mask_box *b, const sp_grid *ct)
{
	sp_mask_extent e;

	/* the box may be wider than what is inside it */
	sp_mask_extent_init(&e);
	sp_mask_extent_add(&e, b->in, b->n[0], b->n[1], 0, b->n[2]);
	for (int a = 0; a < 3 && e.low[0] <= e.high[0]; a++) {
		double edge = sp_grid_low_edge_mm(ct, a);

		low_mm[a] = edge + (double)(b->first[a] + e.low[a]) * ct->spacing_mm[a];
		high_mm[a] = edge + (double)(b->first[a] + e.high[a] + 1) * ct->spacing_mm[a];
	}
	return e.low[0] <= e.high[0];
}

bool sp_structure_is_empty(const sp_structure *s)
{
	size_t n = s->mask.n[0] * s->mask.n[1] * s->mask.n[2];

	for (size_t i = 0; s->has_mask && i < n; i++)
		if (s->mask.in[i])
			return false;
	for (size_t i = 0; !s->has_mask && i < s->n_polygons; i++)
		if (s->offsets[i + 1] - s->offsets[i] >= 3)
			return false;
	return true;
}

bool sp_structure_bounds(double low_mm[3], double high_mm[3], const sp_structure *s, const sp_grid *ct)
{
	sp_contour_levels l;
	bool any = false;

	if (s->has_mask)
		return mask_bounds(low_mm, high_mm, &s->mask, ct);
	if (sp_contour_levels_init(&l, s, ct->spacing_mm[2], NULL) == SP_OK && l.n_levels) {
		polygon_bounds(low_mm, high_mm, &l);
		low_mm[2] = l.levels[0].low_mm;
		high_mm[2] = l.levels[l.n_levels - 1].high_mm;
		any = true;
	}
	sp_contour_levels_finish(&l);
	return any;
}

/* Level by level on a plane of CT pixels: the sum of areas in cells does not depend on the cells. */
static sp_status contour_volume(double *out_cc, const sp_structure *s, const sp_grid *ct, sp_error *err)
{
	sp_contour_levels l;
	double low[2], high[2];
	sp_plane plane;
	size_t cells;
	float *area = NULL;
	sp_status st = sp_contour_levels_init(&l, s, ct->spacing_mm[2], err);

	if (st != SP_OK || l.n_levels == 0)
		goto cleanup;
	polygon_bounds(low, high, &l);
	for (int a = 0; a < 2; a++) {
		/* no more cells than the CT has, even for a structure that reaches far out of it */
		plane.step_mm[a] = fmax(ct->spacing_mm[a], (high[a] - low[a]) / (double)(ct->n[a] + 1));
		plane.low_mm[a] = low[a];
		plane.n[a] = (size_t)ceil((high[a] - low[a]) / plane.step_mm[a]) + 1;
	}
	cells = plane.n[0] * plane.n[1];
	if (!(area = sp_alloc_array(cells, 3 * sizeof *area))) {
		st = sp_fail(err, SP_NO_MEMORY, "out of memory for a slice of %s", s->name);
		goto cleanup;
	}
	for (size_t i = 0; i < l.n_levels && st == SP_OK; i++) {
		double sum = 0.0;

		st = sp_contour_level_area(area, area + cells, &l, &l.levels[i], &plane, err);
		for (size_t q = 0; q < cells; q++)
			sum += (double)area[q];
		*out_cc +=
		        1e-3 * sum * plane.step_mm[0] * plane.step_mm[1] * (l.levels[i].high_mm - l.levels[i].low_mm);
	}
cleanup:
	free(area);
	sp_contour_levels_finish(&l);
	return st;
}

sp_status sp_structure_volume_cc(double *out_cc, const sp_structure *s, const sp_grid *ct, sp_error *err)
{
	size_t n = s->mask.n[0] * s->mask.n[1] * s->mask.n[2], in = 0;

	*out_cc = 0.0;
	if (!s->has_mask)
		return contour_volume(out_cc, s, ct, err);
	for (size_t i = 0; i < n; i++)
		in += s->mask.in[i] != 0;
	*out_cc = (double)in * sp_grid_voxel_volume_cc(ct);
	return SP_OK;
}

double sp_fractions_volume_cc(const float *fraction, const sp_grid *grid)
{
	double sum = 0.0;
	size_t n = sp_grid_voxels(grid);

	for (size_t i = 0; i < n; i++)
		sum += (double)fraction[i];
	return sum * sp_grid_voxel_volume_cc(grid);
}
