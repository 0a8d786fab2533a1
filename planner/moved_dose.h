/* The cheap estimate of a displaced patient's dose: the dose stays in the room, and the patient moves through it. */
#ifndef SP_MOVED_DOSE_H
#define SP_MOVED_DOSE_H

#include "displace.h"
#include "dose_file.h"

/* What a point of the patient finds where it comes to lie. Trilinear, so peaks are blurred; beyond the grid nothing is
 * known and the point keeps its dose (0 where that is unknown too). */
float sp_moved_dose_at(const sp_dose *planned, const sp_displacement *d, const double point_mm[3]);

/* The same for all voxels of a grid, [z][y][x]. */
void sp_move_dose(float *out, const sp_grid *grid, const sp_dose *planned, const sp_displacement *d);

#endif
