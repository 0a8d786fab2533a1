#include "moved_dose.h"

float sp_moved_dose_at(const sp_dose *planned, const sp_displacement *d, const double point_mm[3])
{
	double at[3], value = 0.0;

	sp_displacement_apply(at, d, point_mm);
	if (!sp_dose_at(&value, planned, at))
		sp_dose_at(&value, planned, point_mm);
	return (float)value;
}

void sp_move_dose(float *out, const sp_grid *grid, const sp_dose *planned, const sp_displacement *d)
{
	for (size_t v = 0; v < sp_grid_voxels(grid); v++) {
		double centre[3];

		sp_grid_centre(centre, grid, v);
		out[v] = sp_moved_dose_at(planned, d, centre);
	}
}
