/* How much two structures have in common. */
#include <math.h>
#include <stdlib.h>

#include "alloc.h"
#include "case_internal.h"

#define STEP_MM 1.0
#define MOST_VOXELS 4e6

static bool is_target(sp_role role)
{
	return role == SP_ROLE_GTV || role == SP_ROLE_CTV || role == SP_ROLE_PTV;
}

bool sp_case_pair_matters(const sp_structure *a, const sp_structure *b)
{
	if (sp_structure_is_empty(a) || sp_structure_is_empty(b))
		return false;
	if (b->role == SP_ROLE_EXTERNAL)
		return is_target(a->role) || a->role == SP_ROLE_CORD;
	return is_target(a->role) && (b->role == SP_ROLE_CORD || b->role == SP_ROLE_HARDWARE);
}

sp_status sp_case_measure_overlap(sp_case_overlap *out, const sp_structure *a, const sp_structure *b, const sp_grid *ct,
                                  sp_error *err)
{
	double low[3], high[3], low_b[3], high_b[3], step[3], volume = 1.0;
	float *in_a = NULL, *in_b = NULL;
	sp_grid grid;
	size_t n;
	sp_status st;

	*out = (sp_case_overlap){0.0, 0.0, 0.0, 0.0};
	if ((st = sp_structure_volume_cc(&out->a_cc, a, ct, err)) != SP_OK)
		return st;
	/* nobody asks for the body's, and it takes longest */
	if (b->role != SP_ROLE_EXTERNAL && (st = sp_structure_volume_cc(&out->b_cc, b, ct, err)) != SP_OK)
		return st;
	if (!sp_structure_bounds(low, high, a, ct) || !sp_structure_bounds(low_b, high_b, b, ct))
		return sp_fail(err, SP_NO_MEMORY, "out of memory comparing %s and %s", a->name, b->name);
	for (int i = 0; i < 3; i++) {
		low[i] = fmax(low[i], low_b[i]);
		high[i] = fmin(high[i], high_b[i]);
		if (high[i] <= low[i])
			return SP_OK;
		volume *= high[i] - low[i];
	}
	for (int i = 0; i < 3; i++)
		step[i] = fmax(STEP_MM, cbrt(volume / MOST_VOXELS));
	sp_grid_cover(&grid, low, high, step, ct);
	n = sp_grid_voxels(&grid);
	in_a = sp_alloc_array(n, sizeof *in_a);
	in_b = sp_alloc_array(n, sizeof *in_b);
	if (!in_a || !in_b) {
		st = sp_fail(err, SP_NO_MEMORY, "out of memory comparing %s and %s", a->name, b->name);
		goto cleanup;
	}
	if ((st = sp_structure_fractions(in_a, a, ct, &grid, err)) != SP_OK ||
	    (st = sp_structure_fractions(in_b, b, ct, &grid, err)) != SP_OK)
		goto cleanup;
	for (size_t i = 0; i < n; i++) {
		out->least_cc += (double)fmaxf(0.0f, in_a[i] + in_b[i] - 1.0f);
		out->most_cc += (double)fminf(in_a[i], in_b[i]);
	}
	out->least_cc *= sp_grid_voxel_volume_cc(&grid);
	out->most_cc *= sp_grid_voxel_volume_cc(&grid);
cleanup:
	free(in_a);
	free(in_b);
	return st;
}
