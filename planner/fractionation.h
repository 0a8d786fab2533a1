/* Linear-quadratic arithmetic: what a dose in n fractions is worth. alpha_beta in Gy. */
#ifndef SP_FRACTIONATION_H
#define SP_FRACTIONATION_H

/* Biologically effective dose of dose_gy in n fractions: D (1 + D / (n a/b)). */
double sp_bed_gy(double dose_gy, double fractions, double alpha_beta_gy);

/* The dose in n fractions that has this BED. */
double sp_dose_of_bed_gy(double bed_gy, double fractions, double alpha_beta_gy);

/* The dose in 2 Gy fractions with the same effect. */
double sp_eqd2_gy(double dose_gy, double fractions, double alpha_beta_gy);

#endif
