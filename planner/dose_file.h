/* A dose read from any of our HDF5 files: a plan, a dose, or an RTDOSE that scripts/rtdose2h5 has turned into one. */
#ifndef SP_DOSE_FILE_H
#define SP_DOSE_FILE_H

#include <stdbool.h>

#include "grid.h"
#include "status.h"

typedef struct {
	sp_grid grid;
	float *gy; /* [z][y][x]; Gy, or what the dataset's name says */
	char *dataset;
} sp_dose;

/* dataset NULL: the one dataset in /dose (else in the root) whose name begins with "dose"; of several, dose_gy. */
sp_status sp_dose_read(sp_dose *out, const char *path, const char *dataset, sp_error *err);
void sp_dose_finish(sp_dose *d);

double sp_dose_greatest(const sp_dose *d);

/* Trilinear between voxel centres; false (and *out untouched) beyond the outermost ones. */
bool sp_dose_at(double *out, const sp_dose *d, const double at_mm[3]);

#endif
