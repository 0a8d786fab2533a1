#include "row_filter.h"

#include <stdlib.h>
#include <string.h>

#include "alloc.h"

/* Sum of weights and weighed values around voxel v; row_of: 0 for no row, else row + 1. */
static float mean_around(const float *values, const uint32_t *row_of, const sp_grid *g, size_t v)
{
	long at[3] = {(long)(v % g->n[0]), (long)(v / g->n[0] % g->n[1]), (long)(v / g->n[0] / g->n[1])};
	float sum = 0.0f, weight = 0.0f;

	for (int k = 0; k < 27; k++) {
		long step[3] = {k % 3 - 1, k / 3 % 3 - 1, k / 9 - 1};
		float w = 1.0f;
		size_t other;
		bool inside = true;

		for (int a = 0; a < 3; a++) {
			long place = at[a] + step[a];

			inside = inside && place >= 0 && place < (long)g->n[a];
			w *= step[a] ? 1.0f : 2.0f;
		}
		if (!inside)
			continue;
		other = sp_grid_index(g, (size_t)(at[0] + step[0]), (size_t)(at[1] + step[1]),
		                      (size_t)(at[2] + step[2]));
		if (row_of[other] == 0)
			continue;
		sum += w * values[row_of[other] - 1];
		weight += w;
	}
	return sum / weight; /* v itself is a row */
}

sp_status sp_rows_smooth(float *values, const sp_plan_problem *p, const sp_grid *grid, sp_error *err)
{
	uint32_t *row_of = sp_alloc_array(sp_grid_voxels(grid), sizeof *row_of);
	float *old = sp_alloc_array(p->n_voxels, sizeof *old);
	sp_status st = SP_OK;

	if (!row_of || !old) {
		st = sp_fail(err, SP_NO_MEMORY, "no memory to smooth %zu rows", p->n_voxels);
	} else {
		for (size_t i = 0; i < p->n_voxels; i++)
			row_of[p->voxels[i]] = (uint32_t)i + 1;
		memcpy(old, values, p->n_voxels * sizeof *old);
		for (size_t i = 0; i < p->n_voxels; i++)
			values[i] = mean_around(old, row_of, grid, p->voxels[i]);
	}
	free(row_of);
	free(old);
	return st;
}
