#include "scene.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "alloc.h"

#define BLOCK 4 /* voxels a side that are tried as one */
/* Boxes at surfaces are halved down to three points a side and then sampled. Points lie 0.7 mm apart, which resolves
 * the thin shells of bone, or a quarter of a large voxel, which could not show them anyway. */
#define POINT_MM 0.7
#define POINTS_IN_VOXEL 4.0
/* Lists of solids from the block down to the cells: voxels of 50 mm are halved 7 times along each axis. */
#define MAX_LISTS 24

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

/* Whether the solid fills the box round p. */
static bool fills(const sp_shape *shape, const double p[3], const double half[3])
{
	double radius = SP_SHAPE_SURELY * sqrt(half[0] * half[0] + half[1] * half[1] + half[2] * half[2]);

	return shape->distance(p, shape->data) < -radius;
}

/* Solids that may show in a box round p, topmost first; those below one that fills the box are left out. */
static size_t solids_in_box(size_t *out, const sp_scene *scene, const size_t *from, size_t n_from, const double p[3],
                            const double half[3])
{
	double radius = SP_SHAPE_SURELY * sqrt(half[0] * half[0] + half[1] * half[1] + half[2] * half[2]);
	size_t n = 0;

	for (size_t i = 0; i < n_from; i++) {
		const sp_shape *s = &scene->solids[from[i]].shape;
		bool apart = false;
		double d;

		for (int a = 0; a < 3; a++)
			apart |= p[a] + half[a] < s->low_mm[a] || p[a] - half[a] > s->high_mm[a];
		if (apart || (d = s->distance(p, s->data)) > radius)
			continue;
		out[n++] = from[i];
		if (d < -radius)
			break;
	}
	return n;
}

/* What a voxel's parts share. */
typedef struct {
	const sp_scene *scene;
	double background_hu;
	double at[3]; /* the voxel's middle, where texture is taken */
	double point_mm;
	size_t last; /* the solid that `painted` is of, or SIZE_MAX */
	double painted;
} voxel;

static double paint(voxel *v, size_t solid)
{
	const sp_solid *s = &v->scene->solids[solid];

	if (solid != v->last) {
		v->painted = s->hu + (s->texture ? s->texture(v->at) : 0.0);
		v->last = solid;
	}
	return v->painted;
}

/* The topmost solid at a point. */
static double point_hu(voxel *v, const double p[3], const size_t *here, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const sp_shape *s = &v->scene->solids[here[i]].shape;

		if (s->distance(p, s->data) < 0.0)
			return paint(v, here[i]);
	}
	return v->background_hu;
}

/* Mean CT number of the box round p. list holds the solids that may show, topmost first, and room for as many at each
 * level of the halving below. */
static double mean_hu(voxel *v, const double p[3], const double half[3], size_t *list, size_t n)
{
	double longest = fmax(half[0], fmax(half[1], half[2])), sum = 0.0;
	size_t *here = list + n, m = solids_in_box(here, v->scene, list, n, p, half);
	double child[3];
	int parts[3];
	bool points;

	if (m == 0)
		return v->background_hu;
	if (m == 1 && fills(&v->scene->solids[here[0]].shape, p, half))
		return paint(v, here[0]);
	points = longest <= 1.5 * v->point_mm;
	for (int a = 0; a < 3; a++) { /* long sides are halved first, so that boxes end up near cubes */
		parts[a] = points ? (int)ceil(2.0 * half[a] / v->point_mm) : half[a] > 0.71 * longest ? 2 : 1;
		child[a] = half[a] / parts[a];
	}
	for (int part = 0; part < parts[0] * parts[1] * parts[2]; part++) {
		const int at[3] = {part % parts[0], part / parts[0] % parts[1], part / parts[0] / parts[1]};
		double q[3];

		for (int a = 0; a < 3; a++)
			q[a] = p[a] - half[a] + child[a] * (2 * at[a] + 1);
		sum += points ? point_hu(v, q, here, m) : mean_hu(v, q, child, here, m);
	}
	return sum / (parts[0] * parts[1] * parts[2]);
}

/* The voxels first..end-1 of one block; list as in mean_hu. */
static void render_block(float *hu_out, const sp_grid *g, const sp_scene *scene, const size_t first[3],
                         const size_t end[3], size_t *list, size_t n, double background_hu)
{
	double half[3], point_mm = POINT_MM;

	for (int a = 0; a < 3; a++) {
		half[a] = 0.5 * g->spacing_mm[a];
		point_mm = fmax(point_mm, g->spacing_mm[a] / POINTS_IN_VOXEL);
	}
	for (size_t k = first[2]; k < end[2]; k++)
		for (size_t j = first[1]; j < end[1]; j++)
			for (size_t i = first[0]; i < end[0]; i++) {
				voxel v = {.scene = scene,
				           .background_hu = background_hu,
				           .point_mm = point_mm,
				           .last = SIZE_MAX};
				size_t index = sp_grid_index(g, i, j, k);

				sp_grid_centre(v.at, g, index);
				hu_out[index] = (float)mean_hu(&v, v.at, half, list, n);
			}
}

sp_status sp_scene_render(float *hu_out, const sp_grid *g, const sp_scene *scene, double background_hu, sp_error *err)
{
	size_t blocks[3];
	bool short_of_memory = false;

	for (int a = 0; a < 3; a++)
		blocks[a] = (g->n[a] + BLOCK - 1) / BLOCK;
#pragma omp parallel
	{
		size_t *all = sp_alloc_array(scene->n, sizeof *all),
		       *list = sp_alloc_array(MAX_LISTS * scene->n, sizeof *list);

		if (!all || !list) {
#pragma omp atomic write
			short_of_memory = true;
		}
		for (size_t i = 0; all && i < scene->n; i++)
			all[i] = scene->n - 1 - i; /* topmost first */
#pragma omp for schedule(dynamic, 16)
		for (size_t b = 0; b < blocks[0] * blocks[1] * blocks[2]; b++) {
			size_t at[3] = {b % blocks[0], b / blocks[0] % blocks[1], b / blocks[0] / blocks[1]}, end[3], n;
			double p[3], half[3];

			if (!all || !list)
				continue;
			for (int a = 0; a < 3; a++) {
				at[a] *= BLOCK;
				end[a] = at[a] + BLOCK < g->n[a] ? at[a] + BLOCK : g->n[a];
				half[a] = 0.5 * g->spacing_mm[a] * (double)(end[a] - at[a]);
				p[a] = sp_grid_low_edge_mm(g, a) + g->spacing_mm[a] * (double)at[a] + half[a];
			}
			n = solids_in_box(list, scene, all, scene->n, p, half);
			render_block(hu_out, g, scene, at, end, list, n, background_hu);
		}
		free(all);
		free(list);
	}
	if (short_of_memory)
		return sp_fail(err, SP_NO_MEMORY, "rendering a phantom of %zu solids: out of memory", scene->n);
	return SP_OK;
}
