#include "margin_growth.h"

#include <math.h>
#include <stdlib.h>

#include "alloc.h"
#include "mask.h"
#include "space.h"

#define STEP_MM 0.5
#define MOST_VOXELS 24e6 /* a larger grid gets coarser */

static sp_status distance_to(float *out, float *fraction, const sp_structure *s, const sp_case *c, const sp_grid *grid,
                             size_t cuts, double reach_mm, sp_error *err)
{
	sp_status st = sp_structure_fractions(fraction, s, &c->ct, grid, err);

	return st == SP_OK ? sp_space_signed_distance(out, fraction, grid, cuts, reach_mm, err) : st;
}

static sp_status make_level(float *level, const sp_case *c, const sp_margin *m, const sp_structure *source,
                            const sp_structure *avoid, const sp_grid *grid, size_t cuts, sp_error *err)
{
	size_t n = sp_grid_voxels(grid);
	float *fraction = sp_alloc_array(n, sizeof *fraction);
	float *other = avoid ? sp_alloc_array(n, sizeof *other) : NULL;
	sp_status st = SP_OK;

	if (!fraction || (avoid && !other))
		st = sp_fail(err, SP_NO_MEMORY, "out of memory for the margin of %s", m->source);
	if (st == SP_OK)
		st = distance_to(level, fraction, source, c, grid, cuts, m->margin_mm + 1.5, err);
	if (st == SP_OK && avoid)
		st = distance_to(other, fraction, avoid, c, grid, cuts, m->avoid_mm + 1.5, err);
	for (size_t v = 0; st == SP_OK && v < n; v++) {
		level[v] -= (float)m->margin_mm;
		if (avoid)
			level[v] = fmaxf(level[v], (float)m->avoid_mm - other[v]);
	}
	free(fraction);
	free(other);
	return st;
}

sp_status sp_margin_grow(double *volume_cc, sp_case *c, const sp_margin *m, sp_error *err)
{
	const sp_structure *source = sp_case_find(c, m->source), *avoid = m->avoid ? sp_case_find(c, m->avoid) : NULL;
	double low[3], high[3], step = STEP_MM, voxels;
	float *level = NULL;
	sp_structure *s;
	sp_grid grid;
	size_t cuts;
	sp_status st;

	if (!source || (m->avoid && !avoid))
		return sp_fail(err, SP_BAD_INPUT, "%s is to be made of %s, which the case does not hold", m->name,
		               source ? m->avoid : m->source);
	if (!sp_structure_bounds(low, high, source, &c->ct))
		return sp_fail(err, SP_BAD_INPUT, "%s is to be made of %s, which is empty", m->name, m->source);
	voxels = 1.0;
	for (int a = 0; a < 3; a++) {
		low[a] -= m->margin_mm + 2.0;
		high[a] += m->margin_mm + 2.0;
		voxels *= (high[a] - low[a]) / step;
	}
	if (voxels > MOST_VOXELS)
		step *= cbrt(voxels / MOST_VOXELS);
	sp_space_cover(&grid, &cuts, &c->ct, low, high, step);
	if (!(level = sp_alloc_array(sp_grid_voxels(&grid), sizeof *level)))
		return sp_fail(err, SP_NO_MEMORY, "out of memory for %s", m->name);
	if ((st = make_level(level, c, m, source, avoid, &grid, cuts, err)) == SP_OK &&
	    (st = sp_space_structure(&s, c, m->name, m->role, m->rgb, err)) == SP_OK)
		st = sp_space_outline(s, level, &grid, cuts, err);
	free(level);
	if (st == SP_OK && s->n_polygons == 0)
		st = sp_fail(err, SP_BAD_INPUT, "nothing is left of %s outside %s", m->source,
		             m->avoid ? m->avoid : "it");
	return st == SP_OK ? sp_structure_volume_cc(volume_cc, s, &c->ct, err) : st;
}
