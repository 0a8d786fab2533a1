#include "dose_difference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"

void sp_dose_compare(sp_dose_difference *out, const sp_dose *a, const sp_dose *b, double threshold_gy)
{
	size_t n_voxels = sp_grid_voxels(&a->grid);
	double sum = 0.0, squares = 0.0, absolute = 0.0, sum_a = 0.0, sum_b = 0.0;

	*out = (sp_dose_difference){.least_gy = INFINITY, .greatest_gy = -INFINITY};
	for (size_t i = 0; i < n_voxels; i++) {
		double at_mm[3], here, there, difference;

		if ((here = (double)a->gy[i]) < threshold_gy)
			continue;
		sp_grid_centre(at_mm, &a->grid, i);
		if (!sp_dose_at(&there, b, at_mm)) {
			out->n_outside++;
			continue;
		}
		difference = there - here;
		out->n++;
		sum += difference;
		squares += difference * difference;
		absolute += fabs(difference);
		sum_a += here;
		sum_b += there;
		if (difference < out->least_gy) {
			out->least_gy = difference;
			memcpy(out->least_at_mm, at_mm, sizeof at_mm);
		}
		if (difference > out->greatest_gy) {
			out->greatest_gy = difference;
			memcpy(out->greatest_at_mm, at_mm, sizeof at_mm);
		}
	}
	if (out->n == 0) {
		out->least_gy = out->greatest_gy = 0.0;
		return;
	}
	out->mean_gy = sum / (double)out->n;
	out->rms_gy = sqrt(squares / (double)out->n);
	out->sd_gy = sqrt(fmax(0.0, squares / (double)out->n - out->mean_gy * out->mean_gy));
	out->mean_absolute_gy = absolute / (double)out->n;
	out->mean_a_gy = sum_a / (double)out->n;
	out->mean_b_gy = sum_b / (double)out->n;
}

sp_status sp_dose_profile_make(sp_dose_profile *out, const sp_dose *a, const sp_dose *b, int axis,
                               const double through_mm[3], sp_error *err)
{
	size_t n = a->grid.n[axis];
	double at_mm[3];

	*out = (sp_dose_profile){.axis = axis, .n = n};
	memcpy(out->through_mm, through_mm, sizeof out->through_mm);
	memcpy(at_mm, through_mm, sizeof at_mm);
	out->at_mm = sp_alloc_array(n, sizeof *out->at_mm);
	out->a_gy = sp_alloc_array(n, sizeof *out->a_gy);
	out->b_gy = sp_alloc_array(n, sizeof *out->b_gy);
	if (!out->at_mm || !out->a_gy || !out->b_gy) {
		sp_dose_profile_finish(out);
		return sp_fail(err, SP_NO_MEMORY, "making a profile");
	}
	for (size_t i = 0; i < n; i++) {
		at_mm[axis] = out->at_mm[i] = a->grid.origin_mm[axis] + a->grid.spacing_mm[axis] * (double)i;
		if (!sp_dose_at(&out->a_gy[i], a, at_mm))
			out->a_gy[i] = NAN;
		if (!sp_dose_at(&out->b_gy[i], b, at_mm))
			out->b_gy[i] = NAN;
	}
	return SP_OK;
}

void sp_dose_profile_finish(sp_dose_profile *p)
{
	free(p->at_mm);
	free(p->a_gy);
	free(p->b_gy);
	*p = (sp_dose_profile){0};
}
