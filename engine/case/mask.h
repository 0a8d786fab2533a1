/* Contours and masks to partial volumes on any grid. */
#ifndef SP_MASK_H
#define SP_MASK_H

#include "case.h"

/* fraction_out[z][y][x] (sp_grid_voxels(grid) floats, 0..1): the share of each voxel of grid that lies inside s.
 * Contours: exact area of the polygons in each voxel column (even-odd), slices extended half a slice gap up and down,
 * missing slices between two contoured ones interpolated by shape. Masks (on the grid `ct`): exact overlap of voxel
 * boxes. SP_NO_MEMORY only. */
sp_status sp_structure_fractions(float *fraction_out, const sp_structure *s, const sp_grid *ct, const sp_grid *grid,
                                 sp_error *err);

/* Gives s the mask in[z][y][x] (non-zero: inside; the whole CT grid), cropped and copied. */
sp_status sp_structure_set_mask(sp_structure *s, const uint8_t *in, const sp_grid *ct, sp_error *err);

/* No voxel inside, no polygon of three points or more. */
bool sp_structure_is_empty(const sp_structure *s);

/* The outer box of a structure (mm); false when it is empty (or memory is short: sp_structure_is_empty tells). */
bool sp_structure_bounds(double low_mm[3], double high_mm[3], const sp_structure *s, const sp_grid *ct);

/* Volume of a structure: that of its contours' slabs or of its mask's voxels, whatever the grid; 0 when empty. */
sp_status sp_structure_volume_cc(double *out_cc, const sp_structure *s, const sp_grid *ct, sp_error *err);

/* Volume in cc of a fraction array on a grid. */
double sp_fractions_volume_cc(const float *fraction, const sp_grid *grid);

#endif
