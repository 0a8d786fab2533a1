/* From densities and materials to the words and bricks that the kernels read. */
#include "mc_internal.h"

#include "alloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void sp_mc_find_materials(int materials[256], size_t *n, uint8_t place[256], const sp_mc_matter *where)
{
	bool there[256] = {false};
	size_t voxels = sp_grid_voxels(&where->grid);

	for (size_t v = 0; v < voxels; v++)
		there[where->material[v]] = true;
	*n = 0;
	for (int m = 0; m < 256; m++)
		if (there[m]) {
			place[m] = (uint8_t)*n;
			materials[(*n)++] = m;
		}
}

/* The voxel words in the order of SP_MC_CELL. */
static sp_status lay_in_cubes(sp_mc_geometry *g, const sp_mc_setup *s, sp_error *err)
{
	sp_u32 *cells = sp_alloc_array(s->n[3], sizeof *cells);

	if (!cells)
		return sp_fail(err, SP_NO_MEMORY, "no memory for %u voxels", s->n[3]);
#pragma omp parallel for
	for (sp_u32 k = 0; k < s->n[2]; k++)
		for (sp_u32 j = 0; j < s->n[1]; j++)
			for (sp_u32 i = 0; i < s->n[0]; i++)
				cells[SP_MC_CELL(i, j, k, s->n[0], s->n[1])] =
				        g->voxels[((size_t)k * s->n[1] + j) * s->n[0] + i];
	free(g->voxels);
	g->voxels = cells;
	g->n_voxels = s->n[3];
	return SP_OK;
}

sp_status sp_mc_geometry_make(sp_mc_geometry *out, sp_mc_setup *setup, const sp_mc_matter *where,
                              const uint8_t place[256], const sp_u32 *class_of, sp_error *err)
{
	const sp_grid *g = &where->grid;
	size_t n = sp_grid_voxels(g), per_brick[3];
	uint16_t *density = sp_alloc_array(n, sizeof *density), *room = sp_alloc_array(n, 2 * sizeof *room);
	double least = INFINITY;
	sp_status st = SP_OK;

	*out = (sp_mc_geometry){.n_voxels = n};
	if (!density || !room || !(out->voxels = sp_alloc_array(n, sizeof *out->voxels))) {
		st = sp_fail(err, SP_NO_MEMORY, "no memory for %zu voxels", n);
		goto cleanup;
	}
#pragma omp parallel for
	for (size_t v = 0; v < n; v++) {
		float d = where->density_g_cm3[v] * SP_MC_DENSITY_UNIT + 0.5f;

		density[v] = (uint16_t)fminf(fmaxf(d, 0.0f), 65535.0f);
		out->voxels[v] = (sp_u32)place[where->material[v]] << 24 | density[v];
	}
	setup->uniform_growth = sp_mc_look_around(out->voxels, density, g, room);
	for (int a = 0; a < 3; a++) {
		double cm = 0.1 * g->spacing_mm[a];

		setup->voxels_per_cm[a] = (float)(1.0 / cm);
		setup->extent_cm[a] = (float)(cm * (double)g->n[a]);
		setup->n[a] = (sp_u32)g->n[a];
		least = fmin(least, cm);
	}
	setup->clearance_cm = (float)least;
	sp_mc_bricks_size(setup, per_brick, g);
	out->n_bricks = setup->bricks_n[3];
	if (!(out->bricks = sp_alloc_array(out->n_bricks, sizeof *out->bricks))) {
		st = sp_fail(err, SP_NO_MEMORY, "no memory for %zu bricks", out->n_bricks);
		goto cleanup;
	}
	if ((st = sp_mc_bricks_fill(out->bricks, &out->boxes_pay, setup, per_brick, g, out->voxels, class_of, err)) !=
	    SP_OK)
		goto cleanup;
	setup->n[3] = SP_MC_CELLS(setup->n[0], setup->n[1], setup->n[2]);
	st = lay_in_cubes(out, setup, err);
cleanup:
	free(room);
	free(density);
	if (st != SP_OK)
		sp_mc_geometry_finish(out);
	return st;
}

void sp_mc_geometry_finish(sp_mc_geometry *g)
{
	free(g->voxels);
	free(g->bricks);
	*g = (sp_mc_geometry){0};
}
