/* Bricks of voxels: what bounds a photon's flight, and the boxes of one matter around the uniform ones. */
#include "mc_internal.h"

#include "alloc.h"

#include <math.h>
#include <stdlib.h>

/* A brick should be longer than most electrons' ranges, yet small against a patient. */
#define BRICK_CM 2.5
/* Boxes end this many bricks from their own: electrons reach no farther, or rarely. */
#define BOX_BRICKS 2

#define NO_VOXEL_YET UINT32_MAX
#define MATTER 0xff00ffffu /* of a voxel's word: density and material */

void sp_mc_bricks_size(sp_mc_setup *setup, size_t per_brick[3], const sp_grid *g)
{
	setup->bricks_n[3] = 1;
	setup->brick_cm[3] = INFINITY;
	for (int a = 0; a < 3; a++) {
		double cm = 0.1 * g->spacing_mm[a];

		per_brick[a] = (size_t)fmax(ceil(BRICK_CM / cm), ceil((double)g->n[a] / SP_MC_MAX_BRICKS_PER_AXIS));
		setup->bricks_n[a] = (sp_u32)((g->n[a] + per_brick[a] - 1) / per_brick[a]);
		setup->bricks_n[3] *= setup->bricks_n[a];
		setup->brick_cm[a] = (float)(cm * (double)per_brick[a]);
		setup->bricks_per_cm[a] = 1.0f / setup->brick_cm[a];
		setup->brick_cm[3] = fminf(setup->brick_cm[3], setup->brick_cm[a]);
	}
}

static sp_u32 brick_at(const sp_mc_setup *s, const sp_u32 at[3])
{
	return (at[2] * s->bricks_n[1] + at[1]) * s->bricks_n[0] + at[0];
}

static void add_voxel(sp_mc_brick *b, sp_u32 voxel, const sp_u32 *class_of)
{
	sp_u32 density = voxel & 0xffffu, material = voxel >> 24, so_far = b->word & 0xffffu, class;

	if (b->word == NO_VOXEL_YET) {
		b->word = voxel & MATTER;
		return;
	}
	if (!(b->word & SP_MC_MIXED) && ((b->word ^ voxel) & MATTER) == 0)
		return;
	class = b->word & SP_MC_MIXED ? b->word >> 24 : class_of[b->word >> 24];
	class = class_of[material] > class ? class_of[material] : class;
	b->word = class << 24 | SP_MC_MIXED | (density > so_far ? density : so_far);
}

/* How many layers of a brick, counted from one of its six faces (2 axis + 1 for the high side), are of one matter. */
typedef struct {
	sp_u32 layers[6], matter[6];
} brick_faces;

typedef struct {
	const sp_mc_setup *setup;
	const sp_grid *grid;
	const size_t *per_brick;
	const sp_u32 *voxels; /* x fastest */
	brick_faces *faces;
} bricks;

static void voxel_range(size_t first[3], size_t end[3], const bricks *b, const sp_u32 at[3])
{
	for (int a = 0; a < 3; a++) {
		first[a] = at[a] * b->per_brick[a];
		end[a] = first[a] + b->per_brick[a];
		end[a] = end[a] < b->grid->n[a] ? end[a] : b->grid->n[a];
	}
}

static bool layer_is(const bricks *b, const size_t first[3], const size_t end[3], sp_u32 matter)
{
	for (size_t k = first[2]; k < end[2]; k++)
		for (size_t j = first[1]; j < end[1]; j++)
			for (size_t i = first[0]; i < end[0]; i++)
				if ((b->voxels[sp_grid_index(b->grid, i, j, k)] & MATTER) != matter)
					return false;
	return true;
}

static void look_at_faces(brick_faces *out, const bricks *b, const sp_u32 at[3])
{
	size_t first[3], end[3];

	voxel_range(first, end, b, at);
	for (int f = 0; f < 6; f++) {
		int a = f / 2;
		size_t low[3] = {first[0], first[1], first[2]}, high[3] = {end[0], end[1], end[2]},
		       n = end[a] - first[a], corner[3] = {first[0], first[1], first[2]};

		corner[a] = f % 2 ? end[a] - 1 : first[a];
		out->matter[f] = b->voxels[sp_grid_index(b->grid, corner[0], corner[1], corner[2])] & MATTER;
		for (out->layers[f] = 0; out->layers[f] < n; out->layers[f]++) {
			low[a] = f % 2 ? end[a] - 1 - out->layers[f] : first[a] + out->layers[f];
			high[a] = low[a] + 1;
			if (!layer_is(b, low, high, out->matter[f]))
				break;
		}
	}
}

/* In how many layers beyond a box's face f all is of that matter; low, high: the bricks that the box reaches into. */
static sp_u32 layers_beyond(const bricks *b, const sp_u32 low[3], const sp_u32 high[3], int f, sp_u32 matter)
{
	sp_u32 first[3] = {low[0], low[1], low[2]}, last[3] = {high[0], high[1], high[2]}, least = UINT32_MAX, at[3];
	int a = f / 2, facing = f ^ 1;

	if (f % 2 ? high[a] + 1 == b->setup->bricks_n[a] : low[a] == 0)
		return 0;
	first[a] = last[a] = f % 2 ? high[a] + 1 : low[a] - 1;
	for (at[2] = first[2]; at[2] <= last[2]; at[2]++)
		for (at[1] = first[1]; at[1] <= last[1]; at[1]++)
			for (at[0] = first[0]; at[0] <= last[0]; at[0]++) {
				const brick_faces *next = b->faces + brick_at(b->setup, at);

				if (next->matter[facing] != matter)
					return 0;
				least = next->layers[facing] < least ? next->layers[facing] : least;
			}
	return least;
}

/* The box of one matter around a uniform brick: grown by whole bricks, then by what the next ones share. */
static void find_box(sp_mc_brick *out, const bricks *b, const sp_u32 at[3])
{
	sp_u32 low[3] = {at[0], at[1], at[2]}, high[3] = {at[0], at[1], at[2]}, matter = out->word;
	size_t first[3], end[3], unused[3];
	bool grew;

	do {
		grew = false;
		for (int f = 0; f < 6; f++) {
			int a = f / 2;
			sp_u32 next = f % 2 ? high[a] + 1 : low[a] - 1, from = f % 2 ? high[a] - at[a] : at[a] - low[a];
			size_t whole = b->per_brick[a];

			if (from == BOX_BRICKS)
				continue;
			if (f % 2 && next + 1 == b->setup->bricks_n[a]) /* the last one may be cut off */
				whole = b->grid->n[a] - next * b->per_brick[a];
			if (layers_beyond(b, low, high, f, matter) < whole)
				continue;
			*(f % 2 ? high + a : low + a) = next;
			grew = true;
		}
	} while (grew);
	voxel_range(first, unused, b, low);
	voxel_range(unused, end, b, high);
	for (int f = 0; f < 6; f++) {
		int a = f / 2;
		sp_u32 layers = layers_beyond(b, low, high, f, matter);

		if (layers == 0)
			continue;
		if (f % 2) {
			end[a] += layers;
			high[a]++;
		} else {
			first[a] -= layers;
			low[a]--;
		}
	}
	for (int a = 0; a < 3; a++) {
		out->low_cm[a] = (float)(0.1 * b->grid->spacing_mm[a] * (double)first[a]);
		out->high_cm[a] = (float)(0.1 * b->grid->spacing_mm[a] * (double)end[a]);
	}
}

sp_status sp_mc_bricks_fill(sp_mc_brick *out, bool *boxes_pay, const sp_mc_setup *s, const size_t per_brick[3],
                            const sp_grid *g, const sp_u32 *voxels, const sp_u32 *class_of, sp_error *err)
{
	const sp_u32 nx = s->bricks_n[0], ny = s->bricks_n[1], n = s->bricks_n[3];
	bricks b = {s, g, per_brick, voxels, sp_alloc_array(n, sizeof *b.faces)};
	sp_u32 matter = 0, uniform = 0;

	if (!b.faces)
		return sp_fail(err, SP_NO_MEMORY, "no memory for %u bricks", n);
#pragma omp parallel for reduction(+ : matter, uniform)
	for (sp_u32 i = 0; i < n; i++) {
		sp_u32 at[3] = {i % nx, i / nx % ny, i / nx / ny};
		size_t first[3], end[3];

		out[i] = (sp_mc_brick){.word = NO_VOXEL_YET};
		voxel_range(first, end, &b, at);
		for (size_t k = first[2]; k < end[2]; k++)
			for (size_t j = first[1]; j < end[1]; j++)
				for (size_t x = first[0]; x < end[0]; x++)
					add_voxel(out + i, voxels[sp_grid_index(g, x, j, k)], class_of);
		look_at_faces(b.faces + i, &b, at);
		if ((float)(out[i].word & 0xffffu) > SP_MC_ALIKE * SP_MC_DENSITY_UNIT) {
			matter++;
			uniform += !(out[i].word & SP_MC_MIXED);
		}
	}
#pragma omp parallel for
	for (sp_u32 i = 0; i < n; i++) {
		sp_u32 at[3] = {i % nx, i / nx % ny, i / nx / ny};

		if (!(out[i].word & SP_MC_MIXED))
			find_box(out + i, &b, at);
	}
	*boxes_pay = 8 * uniform >= matter;
	free(b.faces);
	return SP_OK;
}
