/* How steeply the dose falls between a target and what is spared beside it. */
#ifndef SP_FALL_OFF_H
#define SP_FALL_OFF_H

#include "case.h"
#include "grid.h"
#include "status.h"

/* Mean length of the dose's gradient (Gy/mm) over the places within SP_FALL_OFF_MM of both target and spared; NAN where
 * there are none on the dose grid. The dose is linear between voxel centres, its gradient taken over 2 mm. */
#define SP_FALL_OFF_MM 2.0
sp_status sp_fall_off(double *gy_per_mm, const sp_case *c, const sp_structure *target, const sp_structure *spared,
                      const sp_grid *dose_grid, const float *dose_gy, sp_error *err);

#endif
