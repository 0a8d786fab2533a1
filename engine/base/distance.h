/* Euclidean distance to a set of voxels: margins, rings round a target, planning risk volumes. */
#ifndef SP_DISTANCE_H
#define SP_DISTANCE_H

#include "grid.h"
#include "status.h"

/* distance_out[z][y][x]: distance in mm from each voxel's centre to the nearest centre of a voxel with
 * fraction >= 0.5 (0 inside); INFINITY everywhere when there is none. Exact on anisotropic grids: the lower envelope
 * of parabolas, one axis at a time (Felzenszwalb and Huttenlocher, Theory of Computing 8 (2012) 415). */
sp_status sp_distance_to(float *distance_out, const float *fraction, const sp_grid *grid, sp_error *err);

#endif
