/* One part of the dose-influence matrix on the device: a block of rows (voxels), stored as runs.
 *
 * A run is a stretch of consecutive bixels (columns) that all reach a voxel. Entry e of a row has the dose
 * row_scale[row] * value[e] (Gy per unit weight), value being 16-bit unsigned: the row's largest entry is 65535, so
 * rounding costs at most 8e-6 of the row's largest entry, and an entry needs 2 bytes and no index of its own. The
 * runs of a row share no column.
 *
 *   row_run[n_rows + 1]      uint   first run of each row
 *   run_column[n_runs]       uint   first column of each run
 *   run_value[n_runs + 1]    uint   first value of each run, within the part (a part has < 2^32 values)
 *   row_scale[n_rows]        float
 *   value[n_values]          ushort
 */
#ifndef SP_INFLUENCE_PART_H
#define SP_INFLUENCE_PART_H
#include "shared/host_device.h"
#define SP_INFLUENCE_FULL_SCALE 65535.0f
#endif
