/* How two doses differ: statistics over A's voxels, and profiles. Differences are B - A. */
#ifndef SP_DOSE_DIFFERENCE_H
#define SP_DOSE_DIFFERENCE_H

#include "dose_file.h"

typedef struct {
	size_t n, n_outside; /* voxels of A at or above the threshold: within B's outermost centres, and beyond */
	double mean_gy, sd_gy, rms_gy, least_gy, greatest_gy, mean_absolute_gy;
	double least_at_mm[3], greatest_at_mm[3];
	double mean_a_gy, mean_b_gy;
} sp_dose_difference;

/* Voxels of A below threshold_gy are left out; B is taken trilinear at A's centres. */
void sp_dose_compare(sp_dose_difference *out, const sp_dose *a, const sp_dose *b, double threshold_gy);

/* Both doses along an axis through a point, at steps of A's spacing over A's length; NAN where a dose is not known. */
typedef struct {
	int axis;
	double through_mm[3];
	size_t n;
	double *at_mm, *a_gy, *b_gy;
} sp_dose_profile;

sp_status sp_dose_profile_make(sp_dose_profile *out, const sp_dose *a, const sp_dose *b, int axis,
                               const double through_mm[3], sp_error *err);
void sp_dose_profile_finish(sp_dose_profile *p);

#endif
