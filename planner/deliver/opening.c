#include "opening.h"

#include <math.h>

/* Moves shorter than this are rests: quotients of differences would lose their digits. */
#define RESTS_MM 1e-4

double sp_opening_at(double end_mm, double bixel_low_mm, double bixel_mm)
{
	return fmin(fmax((end_mm - bixel_low_mm) / bixel_mm, 0.0), 1.0);
}

/* The integral of sp_opening_at, in mm. */
static double integral(double end_mm, double bixel_low_mm, double bixel_mm)
{
	double u = (end_mm - bixel_low_mm) / bixel_mm;

	return bixel_mm * (u <= 0.0 ? 0.0 : u < 1.0 ? 0.5 * u * u : u - 0.5);
}

double sp_opening_mean(double from_mm, double to_mm, double bixel_low_mm, double bixel_mm, double *by_from,
                       double *by_to)
{
	double way = to_mm - from_mm, middle = 0.5 * (from_mm + to_mm), mean;

	if (fabs(way) < RESTS_MM) {
		mean = sp_opening_at(middle, bixel_low_mm, bixel_mm);
		*by_from = *by_to = middle > bixel_low_mm && middle < bixel_low_mm + bixel_mm ? 0.5 / bixel_mm : 0.0;
		return mean;
	}
	mean = (integral(to_mm, bixel_low_mm, bixel_mm) - integral(from_mm, bixel_low_mm, bixel_mm)) / way;
	*by_to = (sp_opening_at(to_mm, bixel_low_mm, bixel_mm) - mean) / way;
	*by_from = (mean - sp_opening_at(from_mm, bixel_low_mm, bixel_mm)) / way;
	return mean;
}
