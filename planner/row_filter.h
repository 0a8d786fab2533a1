/* Takes noise out of values on the rows of a problem that vary slowly from voxel to voxel. */
#ifndef SP_ROW_FILTER_H
#define SP_ROW_FILTER_H

#include "plan_problem.h"

/* Replaces each row's value by the mean over its 3 x 3 x 3 neighbours that are rows too, weighed 1 2 1 along each axis.
 * Of independent noise 0.23 is left where all neighbours are rows. */
sp_status sp_rows_smooth(float *values, const sp_plan_problem *p, const sp_grid *grid, sp_error *err);

#endif
