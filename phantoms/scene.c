#include "scene.h"

#include <math.h>
#include <stdlib.h>

#include "alloc.h"

#define MAX_CANDIDATES 64 /* solids that can meet in one voxel */

sp_status sp_scene_add(sp_scene *scene, const sp_shape *shape, double hu, double (*texture)(const double p[3]),
                       sp_error *err)
{
	sp_status st = sp_grow_array(&scene->solids, &scene->capacity, scene->n + 1, sizeof *scene->solids, err);

	if (st != SP_OK)
		return st;
	scene->solids[scene->n++] = (sp_solid){.shape = *shape, .hu = hu, .texture = texture};
	return SP_OK;
}

sp_status sp_scene_own(sp_scene *scene, void *data, sp_error *err)
{
	sp_status st =
	        sp_grow_array(&scene->owned, &scene->owned_capacity, scene->n_owned + 1, sizeof *scene->owned, err);

	if (st == SP_OK)
		scene->owned[scene->n_owned++] = data;
	else
		free(data);
	return st;
}

void sp_scene_finish(sp_scene *scene)
{
	for (size_t i = 0; i < scene->n_owned; i++)
		free(scene->owned[i]);
	free(scene->owned);
	free(scene->solids);
	*scene = (sp_scene){0};
}

static double paint(const sp_solid *s, const double p[3])
{
	return s->hu + (s->texture ? s->texture(p) : 0.0);
}

/* Solids that may touch the row of voxels (all x) at y, z; topmost first. */
static size_t row_solids(size_t *out, const sp_scene *scene, double y, double z, const double half[3])
{
	size_t n = 0;

	for (size_t i = scene->n; i-- > 0;) {
		const sp_shape *s = &scene->solids[i].shape;

		if (y + half[1] >= s->low_mm[1] && y - half[1] <= s->high_mm[1] && z + half[2] >= s->low_mm[2] &&
		    z - half[2] <= s->high_mm[2])
			out[n++] = i;
	}
	return n;
}

/* Mean over a sub-grid of points in the voxel at p; candidates are topmost first, the last may be SIZE_MAX for the
 * background. */
static double supersample(const sp_scene *scene, const double p[3], const double spacing[3], const size_t *candidates,
                          size_t n, double background_hu)
{
	double hu[MAX_CANDIDATES], sum = 0.0;
	int parts[3];

	for (int a = 0; a < 3; a++) /* points 0.7 mm apart resolve the thin shells; 2 to 6 a side */
		parts[a] = (int)fmin(fmax(ceil(spacing[a] / 0.7), 2.0), 6.0);
	for (size_t c = 0; c < n; c++)
		hu[c] = paint(&scene->solids[candidates[c]], p);
	for (int k = 0; k < parts[2]; k++)
		for (int j = 0; j < parts[1]; j++)
			for (int i = 0; i < parts[0]; i++) {
				double q[3] = {p[0] + spacing[0] * ((i + 0.5) / parts[0] - 0.5),
				               p[1] + spacing[1] * ((j + 0.5) / parts[1] - 0.5),
				               p[2] + spacing[2] * ((k + 0.5) / parts[2] - 0.5)};
				size_t c = 0;

				while (c < n) {
					const sp_shape *s = &scene->solids[candidates[c]].shape;

					if (s->distance(q, s->data) < 0.0)
						break;
					c++;
				}
				sum += c < n ? hu[c] : background_hu;
			}
	return sum / (parts[0] * parts[1] * parts[2]);
}

static double voxel_hu(const sp_scene *scene, const double p[3], const double spacing[3], const size_t *row,
                       size_t n_row, double background_hu)
{
	/* 1.3: the shapes' functions are distances to first order only */
	double reach = 0.65 * sqrt(spacing[0] * spacing[0] + spacing[1] * spacing[1] + spacing[2] * spacing[2]);
	size_t candidates[MAX_CANDIDATES], n = 0;

	for (size_t r = 0; r < n_row && n < MAX_CANDIDATES; r++) {
		const sp_shape *s = &scene->solids[row[r]].shape;
		double d;

		if (p[0] + reach < s->low_mm[0] || p[0] - reach > s->high_mm[0])
			continue;
		d = s->distance(p, s->data);
		if (d > reach)
			continue;
		if (d < -reach && n == 0)
			return paint(&scene->solids[row[r]], p);
		candidates[n++] = row[r];
		if (d < -reach)
			break; /* covers all below */
	}
	return n == 0 ? background_hu : supersample(scene, p, spacing, candidates, n, background_hu);
}

sp_status sp_scene_render(float *hu_out, const sp_grid *grid, const sp_scene *scene, double background_hu,
                          sp_error *err)
{
	const double *spacing = grid->spacing_mm;
	double half[3] = {0.5 * spacing[0], 0.5 * spacing[1], 0.5 * spacing[2]};
	size_t n_rows = grid->n[1] * grid->n[2];
	int short_of_memory = 0;

#pragma omp parallel
	{
		size_t *row = sp_alloc_array(scene->n, sizeof *row);

		if (!row) {
#pragma omp atomic write
			short_of_memory = 1;
		}
#pragma omp for schedule(dynamic, 16)
		for (size_t r = 0; r < n_rows; r++) {
			double p[3];
			size_t n;

			if (!row)
				continue;
			sp_grid_centre(p, grid, r * grid->n[0]);
			n = row_solids(row, scene, p[1], p[2], half);
			for (size_t i = 0; i < grid->n[0]; i++) {
				p[0] = grid->origin_mm[0] + spacing[0] * (double)i;
				hu_out[r * grid->n[0] + i] = (float)voxel_hu(scene, p, spacing, row, n, background_hu);
			}
		}
		free(row);
	}
	if (short_of_memory)
		return sp_fail(err, SP_NO_MEMORY, "rendering a phantom of %zu solids: out of memory", scene->n);
	return SP_OK;
}
