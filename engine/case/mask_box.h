/* Cropping a mask while it streams by: all slices through _extend, then _alloc, then the slices again through _copy. */
#ifndef SP_MASK_BOX_H
#define SP_MASK_BOX_H

#include "case.h"

typedef struct {
	size_t low[3], high[3]; /* of the voxels inside; low[0] > high[0] while there are none */
} sp_mask_extent;

void sp_mask_extent_init(sp_mask_extent *e);

/* slices: n slices [z][y][x] of size nx * ny, the first of which is slice k0; non-zero is inside. */
void sp_mask_extent_add(sp_mask_extent *e, const uint8_t *slices, size_t nx, size_t ny, size_t k0, size_t n);

/* A zeroed box of that extent (of no voxels for an empty one). */
sp_status sp_mask_box_alloc(sp_mask_box *out, const sp_mask_extent *e, sp_error *err);

void sp_mask_box_copy(sp_mask_box *b, const uint8_t *slices, size_t nx, size_t ny, size_t k0, size_t n);

#endif
