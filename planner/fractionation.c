/* Linear-quadratic arithmetic (Fowler JF. Br J Radiol 1989;62:679-694). Doubtful above about 10 Gy a fraction. */
#include "fractionation.h"

#include <math.h>

double sp_bed_gy(double dose_gy, double fractions, double alpha_beta_gy)
{
	return dose_gy * (1.0 + dose_gy / (fractions * alpha_beta_gy));
}

double sp_dose_of_bed_gy(double bed_gy, double fractions, double alpha_beta_gy)
{
	double half = fractions * alpha_beta_gy / 2.0;

	return sqrt(half * half + 2.0 * half * bed_gy) - half;
}

double sp_eqd2_gy(double dose_gy, double fractions, double alpha_beta_gy)
{
	return sp_bed_gy(dose_gy, fractions, alpha_beta_gy) / (1.0 + 2.0 / alpha_beta_gy);
}
