/* What one term of the fluence optimisation asks of one voxel, as host and device see it.
 *
 * With d the voxel's dose the cost is above_cost * max(0, d - above_gy)^2 + below_cost * max(0, below_gy - d)^2. All
 * objectives and limits that look at single voxels have this form: an overdose has below_cost = 0, a deviation the same
 * dose and cost on both sides, a voxel that a DVH condition sets free has no cost at all, and a hard limit is a square
 * around the limit shifted by its multiplier (augmented Lagrangian).
 *
 *   cost_begin[n_rows + 1]  uint           first cost of each row
 *   cost[]                  sp_voxel_cost  ordered by row
 */
#ifndef SP_VOXEL_COST_H
#define SP_VOXEL_COST_H
#include "shared/host_device.h"

typedef struct {
	float above_gy, above_cost;
	float below_gy, below_cost;
	sp_u32 is_limit; /* 1: belongs to a hard limit, summed apart from the objectives */
} sp_voxel_cost;
SP_SAME_SIZE(sp_voxel_cost, 20);

/* Sums that a work-item hands back: objectives, limits, and along a direction their first and second derivative. */
#define SP_COST_SUMS 4
#endif
