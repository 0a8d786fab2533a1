#include "mask_box.h"

#include <stdlib.h>

#include "alloc.h"
#include "mask.h"

void sp_mask_extent_init(sp_mask_extent *e)
{
	for (int a = 0; a < 3; a++) {
		e->low[a] = SIZE_MAX;
		e->high[a] = 0;
	}
}

static void widen(sp_mask_extent *e, int axis, size_t from, size_t to)
{
	e->low[axis] = from < e->low[axis] ? from : e->low[axis];
	e->high[axis] = to > e->high[axis] ? to : e->high[axis];
}

void sp_mask_extent_add(sp_mask_extent *e, const uint8_t *slices, size_t nx, size_t ny, size_t k0, size_t n)
{
	for (size_t k = 0; k < n; k++)
		for (size_t j = 0; j < ny; j++) {
			const uint8_t *row = slices + (k * ny + j) * nx;
			size_t from = 0, to = nx;

			while (from < nx && !row[from])
				from++;
			if (from == nx)
				continue;
			while (!row[to - 1])
				to--;
			widen(e, 0, from, to - 1);
			widen(e, 1, j, j);
			widen(e, 2, k0 + k, k0 + k);
		}
}

sp_status sp_mask_box_alloc(sp_mask_box *out, const sp_mask_extent *e, sp_error *err)
{
	sp_mask_box b = {{0}, {0}, NULL};

	for (int a = 0; a < 3 && e->low[0] <= e->high[0]; a++) {
		b.first[a] = e->low[a];
		b.n[a] = e->high[a] - e->low[a] + 1;
	}
	if (!(b.in = sp_alloc_array(b.n[0] * b.n[1], b.n[2])))
		return sp_fail(err, SP_NO_MEMORY, "out of memory for a mask of %zu x %zu x %zu voxels", b.n[0], b.n[1],
		               b.n[2]);
	*out = b;
	return SP_OK;
}

void sp_mask_box_copy(sp_mask_box *b, const uint8_t *slices, size_t nx, size_t ny, size_t k0, size_t n)
{
	for (size_t k = 0; k < b->n[2]; k++) {
		if (b->first[2] + k < k0 || b->first[2] + k >= k0 + n)
			continue;
		for (size_t j = 0; j < b->n[1]; j++) {
			const uint8_t *from =
			        slices + ((b->first[2] + k - k0) * ny + b->first[1] + j) * nx + b->first[0];
			uint8_t *to = b->in + (k * b->n[1] + j) * b->n[0];

			for (size_t i = 0; i < b->n[0]; i++)
				to[i] = from[i] != 0;
		}
	}
}

sp_status sp_structure_set_mask(sp_structure *s, const uint8_t *in, const sp_grid *ct, sp_error *err)
{
	sp_mask_extent e;
	sp_mask_box box;
	sp_status st;

	sp_mask_extent_init(&e);
	sp_mask_extent_add(&e, in, ct->n[0], ct->n[1], 0, ct->n[2]);
	if ((st = sp_mask_box_alloc(&box, &e, err)) != SP_OK)
		return st;
	sp_mask_box_copy(&box, in, ct->n[0], ct->n[1], 0, ct->n[2]);
	free(s->mask.in);
	s->mask = box;
	s->has_mask = true;
	return SP_OK;
}
