#include "space.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "level_lines.h"
#include "mask.h"

void sp_space_cover(sp_grid *out, size_t *cuts, const sp_grid *ct, const double low_mm[3], const double high_mm[3],
                    double step_mm)
{
	double from[3], to[3];

	for (int a = 0; a < 3; a++) {
		from[a] = fmax(low_mm[a], sp_grid_low_edge_mm(ct, a));
		to[a] = fmax(fmin(high_mm[a], sp_grid_high_edge_mm(ct, a)), from[a] + step_mm);
	}
	for (int a = 0; a < 2; a++) {
		out->spacing_mm[a] = step_mm;
		out->origin_mm[a] = from[a] + 0.5 * step_mm;
		out->n[a] = (size_t)ceil((to[a] - from[a]) / step_mm);
	}
	size_t first = (size_t)fmax(floor((from[2] - sp_grid_low_edge_mm(ct, 2)) / ct->spacing_mm[2]), 0.0);
	size_t end = (size_t)fmin(ceil((to[2] - sp_grid_low_edge_mm(ct, 2)) / ct->spacing_mm[2]), (double)ct->n[2]);

	first = first < ct->n[2] ? first : ct->n[2] - 1;
	end = end > first ? end : first + 1;
	*cuts = 2 * (size_t)fmax(floor(ct->spacing_mm[2] / step_mm / 2.0), 0.0) + 1;
	out->spacing_mm[2] = ct->spacing_mm[2] / (double)*cuts;
	out->n[2] = (end - first) * *cuts;
	out->origin_mm[2] = sp_grid_low_edge_mm(ct, 2) + (double)first * ct->spacing_mm[2] + 0.5 * out->spacing_mm[2];
}

sp_status sp_space_unite(float *out, float *scratch, const sp_structure *s, const sp_grid *ct, const sp_grid *grid,
                         sp_error *err)
{
	sp_status st = sp_structure_fractions(scratch, s, ct, grid, err);

	for (size_t v = 0; st == SP_OK && v < sp_grid_voxels(grid); v++)
		out[v] = fmaxf(out[v], scratch[v]);
	return st;
}

sp_status sp_space_outline(sp_structure *s, const float *level, const sp_grid *grid, size_t cuts, sp_error *err)
{
	/* a rim of one sample, outside */
	size_t n[2] = {grid->n[0] + 2, grid->n[1] + 2};
	double *f = sp_alloc_array(n[0] * n[1], sizeof *f);
	sp_status st = f ? SP_OK : sp_fail(err, SP_NO_MEMORY, "out of memory outlining %s", s->name);

	for (size_t k = cuts / 2; st == SP_OK && k < grid->n[2]; k += cuts) {
		for (size_t i = 0; i < n[0] * n[1]; i++)
			f[i] = 1.0;
		for (size_t j = 0; j < grid->n[1]; j++)
			for (size_t i = 0; i < grid->n[0]; i++) {
				double here = level[sp_grid_index(grid, i, j, k)];

				f[(j + 1) * n[0] + i + 1] = fmin(fmax(here, -50.0), 50.0);
			}
		st = sp_level_lines_add(s,
		                        &(sp_level_plane){.n = {n[0], n[1]},
		                                          .first_mm = {grid->origin_mm[0] - grid->spacing_mm[0],
		                                                       grid->origin_mm[1] - grid->spacing_mm[1]},
		                                          .step_mm = {grid->spacing_mm[0], grid->spacing_mm[1]},
		                                          .z_mm = grid->origin_mm[2] + grid->spacing_mm[2] * (double)k,
		                                          .f = f},
		                        err);
	}
	free(f);
	return st;
}

sp_status sp_space_structure(sp_structure **out, sp_case *c, const char *name, sp_role role, uint32_t rgb,
                             sp_error *err)
{
	sp_status st;

	sp_case_remove_structure(c, name);
	if ((st = sp_case_add_structure(out, c, name, role, err)) != SP_OK)
		return st;
	(*out)->has_colour = true;
	for (int i = 0; i < 3; i++)
		(*out)->colour[i] = (uint8_t)(rgb >> (16 - 8 * i));
	return SP_OK;
}
