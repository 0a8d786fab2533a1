/* A fine grid round a few structures, on which targets are made: masks as partial volumes, signed distances, and back
 * to contours in the CT's slices. */
#ifndef SP_TARGET_SPACE_H
#define SP_TARGET_SPACE_H

#include "case.h"

/* A grid of about step_mm in all directions that covers the box and stays inside the CT. Each CT slice is cut into an
 * odd number of planes (*cuts), of which the middle one is the slice's own. */
void sp_space_cover(sp_grid *out, size_t *cuts, const sp_grid *ct, const double low_mm[3], const double high_mm[3],
                    double step_mm);

/* out = max(out, share of each voxel inside s). scratch: sp_grid_voxels(grid) floats. */
sp_status sp_space_unite(float *out, float *scratch, const sp_structure *s, const sp_grid *ct, const sp_grid *grid,
                         sp_error *err);

/* out: distance in mm to the surface at which fraction is a half, below zero inside, +-reach_mm beyond that. Between
 * the CT's slices the surface runs from outline to outline (by shape), not in steps. out may not be fraction. */
sp_status sp_space_signed_distance(float *out, const float *fraction, const sp_grid *grid, size_t cuts, double reach_mm,
                                   sp_error *err);

/* Appends to s the outlines of level < 0 in the CT's slices. */
sp_status sp_space_outline(sp_structure *s, const float *level, const sp_grid *grid, size_t cuts, sp_error *err);

/* A new structure of the case; one of the same name is replaced. c's structures move. */
sp_status sp_space_structure(sp_structure **out, sp_case *c, const char *name, sp_role role, uint32_t rgb,
                             sp_error *err);

#endif
