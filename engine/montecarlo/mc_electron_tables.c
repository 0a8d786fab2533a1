/* Electrons and positrons: restricted stopping, multiple scattering, discrete collisions of one material. */
#include "mc_tables_internal.h"

#include "alloc.h"
#include "cross_sections.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FINE_STRUCTURE (1.0 / 137.035999)

void sp_mc_rutherford_moments(double *g1, double *g2, double eta)
{
	double l = log1p(1.0 / eta);

	/* integrals of 2 y and 6 y (1 - y) over eta (1 + eta)/(y + eta)^2 */
	*g1 = 2.0 * eta * ((1.0 + eta) * l - 1.0);
	*g2 = 6.0 * eta * (1.0 + eta) * ((1.0 + 2.0 * eta) * l - 2.0);
}

/* Moller's cross-section from cut to t/2 per electron and cm2 (times 2 pi re2 mc2): collisions and energy. */
static void moller(double *collisions, double *loss, double t, double cut)
{
	double gamma = 1.0 + t / SP_MC_ELECTRON_MEV, beta2 = 1.0 - 1.0 / (gamma * gamma), tau = gamma - 1.0;
	double c1 = tau / (tau + 1.0), c2 = (2.0 * tau + 1.0) / ((tau + 1.0) * (tau + 1.0)), x = cut / t;

	*collisions = *loss = 0.0;
	if (x >= 0.5)
		return;
	/* integrals of 1/x2 + 1/(1-x)2 + c1^2 - c2/(x(1-x)), and of x times that, from x to 1/2 */
	*collisions =
	        (1.0 / x - 2.0 + 2.0 - 1.0 / (1.0 - x) + c1 * c1 * (0.5 - x) - c2 * log((1.0 - x) / x)) / (beta2 * t);
	*loss = (log(0.5 / x) + (2.0 - 1.0 / (1.0 - x) + log(0.5 / (1.0 - x))) + 0.5 * c1 * c1 * (0.25 - x * x) -
	         c2 * log((1.0 - x) / 0.5)) /
	        beta2;
}

/* Bhabha's cross-section, likewise, from cut to t: a positron can lose all its energy. ICRU 37, eq. 2.13. */
static void bhabha(double *collisions, double *loss, double t, double cut)
{
	enum { STEPS = 200 };
	double gamma = 1.0 + t / SP_MC_ELECTRON_MEV, beta2 = 1.0 - 1.0 / (gamma * gamma), y = 1.0 / (gamma + 1.0);
	double q = 1.0 - 2.0 * y, b1 = 2.0 - y * y, b2 = q * (3.0 + y * y), b3 = q * q * (1.0 + q), b4 = q * q * q;
	double width = log(t / cut) / STEPS;

	*collisions = *loss = 0.0;
	for (int i = 0; width > 0.0 && i < STEPS; i++) { /* even in ln x */
		double x = cut / t * exp((i + 0.5) * width);
		double d = (1.0 - beta2 * x * (b1 - x * (b2 - x * (b3 - x * b4)))) / (beta2 * x) * width;

		*collisions += d / t;
		*loss += d * x;
	}
}

double sp_mc_positron_stopping(double t)
{
	double tau = t / SP_MC_ELECTRON_MEV, k = tau + 2.0, beta2 = 1.0 - 1.0 / ((tau + 1.0) * (tau + 1.0));
	double electron = 1.0 - beta2 + (tau * tau / 8.0 - (2.0 * tau + 1.0) * log(2.0)) / ((tau + 1.0) * (tau + 1.0)),
	       positron = 2.0 * log(2.0) - beta2 / 12.0 * (23.0 + (14.0 + (10.0 + 4.0 / k) / k) / k);

	return (positron - electron) / beta2;
}

/* k dsigma/dk at x = k/t, linear between the points of the table. */
static double brems_at(const sp_brems *b, double x)
{
	int j = 0;

	while (j < SP_BREMS_POINTS - 2 && x >= b->k_over_t[j + 1])
		j++;
	return b->k_dsigma_dk[j] + (b->k_dsigma_dk[j + 1] - b->k_dsigma_dk[j]) * (x - b->k_over_t[j]) /
	                                   (b->k_over_t[j + 1] - b->k_over_t[j]);
}

enum { BREMS_STEPS = 256 };

/* Photons above cut: their number (cm2/g); below: the energy they take (MeV cm2/g). */
static void brems(double *collisions, double *loss, const sp_brems *b, double t, double cut)
{
	double low = fmin(cut, t), log_width = log(t / low) / BREMS_STEPS;

	*collisions = *loss = 0.0;
	for (int i = 0; i < BREMS_STEPS; i++) {
		*loss += brems_at(b, (i + 0.5) / BREMS_STEPS * low / t) * low / BREMS_STEPS;
		*collisions += brems_at(b, low / t * exp((i + 0.5) * log_width)) * log_width;
	}
}

/* Quantiles of ln(k/cut)/ln(t/cut). */
static void brems_quantiles(float *out, const sp_brems *b, double t, double cut)
{
	double log_range = t > cut ? log(t / cut) : 0.0, sum = 0.0, so_far = 0.0, d;
	int share = 1;

	for (int i = 0; i < SP_MC_BREMS_SHARES; i++)
		out[i] = (float)i / (SP_MC_BREMS_SHARES - 1);
	if (log_range == 0.0)
		return;
	for (int i = 0; i < BREMS_STEPS; i++)
		sum += brems_at(b, cut / t * exp((i + 0.5) / BREMS_STEPS * log_range));
	for (int i = 0; i < BREMS_STEPS; i++, so_far += d) {
		d = brems_at(b, cut / t * exp((i + 0.5) / BREMS_STEPS * log_range)) / sum;
		for (; share < SP_MC_BREMS_SHARES - 1 && so_far + d >= (double)share / (SP_MC_BREMS_SHARES - 1);
		     share++)
			out[share] =
			        (float)((i + ((double)share / (SP_MC_BREMS_SHARES - 1) - so_far) / d) / BREMS_STEPS);
	}
}

/* McKinley and Feshbach's spin factor, Phys. Rev. 74 (1948) 1759, times Rutherford's cross-section; z: negative for
 * positrons. */
static double spin(double y, double beta2, double z)
{
	double root = sqrt(y);

	return 1.0 - beta2 * y + SP_MC_PI * z * FINE_STRUCTURE * sqrt(beta2) * root * (1.0 - root);
}

/* Integrals over y from 0 to end of y/(y + a)^2 (first) and y^2/(y + a)^2. */
static double first_integral(double a, double end)
{
	return log1p(end / a) - end / (end + a);
}

static double second_integral(double a, double end)
{
	return end - 2.0 * a * log1p(end / a) + a * end / (end + a);
}

/* First and second transport coefficients (cm2/g) of electrons [0] and positrons [1]: scattering by nuclei with
 * Moliere's screening (Z. Naturforsch. 2a (1947) 133) and spin, and by electrons in collisions that lose less than cut.
 */
static void scattering(double g1[2], double g2[2], const double *weight, double t, double cut)
{
	enum { STEPS = 200 };
	double gamma = 1.0 + t / SP_MC_ELECTRON_MEV, beta2 = 1.0 - 1.0 / (gamma * gamma), p = sqrt(gamma * gamma - 1.0);
	double rutherford = SP_MC_PI * pow(SP_MC_ELECTRON_RADIUS_CM / (p * sqrt(beta2)), 2.0), m = SP_MC_ELECTRON_MEV;
	double w = fmin(cut, 0.5 * t), knock_on = 0.5 * (1.0 - sqrt((t - w) * (t + 2.0 * m) / (t * (t - w + 2.0 * m))));

	g1[0] = g1[1] = g2[0] = g2[1] = 0.0;
	for (int z = 1; z <= SP_MATTER_MAX_Z; z++) {
		double angle = FINE_STRUCTURE * cbrt(z) / (0.885 * p), a, scale, width, s, ratio, electrons;

		if (weight[z] == 0.0)
			continue;
		a = 0.25 * angle * angle * (1.13 + 3.76 * FINE_STRUCTURE * FINE_STRUCTURE * z * z / beta2);
		scale = weight[z] * SP_MC_AVOGADRO / sp_matter_atomic_weight(z) * z * rutherford;
		width = log((1.0 + a) / a) / STEPS;
		s = a * exp(0.5 * width);
		ratio = exp(width);
		for (int i = 0; i < STEPS; i++, s *= ratio) { /* even in ln(y + a) */
			double y = s - a, d = scale * z / s * width;

			for (int positron = 0; positron < 2; positron++) {
				double e = d * spin(y, beta2, positron ? -z : z);

				g1[positron] += e * 2.0 * y;
				g2[positron] += e * 6.0 * y * (1.0 - y);
			}
		}
		a *= SP_MC_FANO_SCREENING; /* z electrons of charge 1 instead of one charge z */
		electrons = first_integral(a, knock_on);
		for (int positron = 0; positron < 2; positron++) {
			g1[positron] += scale * 2.0 * electrons;
			g2[positron] += scale * 6.0 * (electrons - second_integral(a, knock_on));
		}
	}
}

/* The index of the screening whose pure Rutherford scattering has the same ratio of the two coefficients. */
static double eta_index(double g1, double g2)
{
	double low = -60.0, high = 3.0, a, b;

	for (int step = 0; step < 50; step++) {
		double middle = 0.5 * (low + high);

		sp_mc_rutherford_moments(&a, &b, pow(2.0, middle));
		if (b / a > g2 / g1)
			low = middle;
		else
			high = middle;
	}
	return fmin(fmax(round(low - SP_MC_ETA_LOG2), 0.0), SP_MC_ETAS - 1.0);
}

/* Heitler: annihilation in flight into two photons, per electron in cm2. */
static double annihilation(double t)
{
	double gamma = 1.0 + t / SP_MC_ELECTRON_MEV, p = sqrt(gamma * gamma - 1.0);

	return SP_MC_PI * SP_MC_ELECTRON_RADIUS_CM * SP_MC_ELECTRON_RADIUS_CM / (gamma + 1.0) *
	       ((gamma * gamma + 4.0 * gamma + 1.0) / (p * p) * log(gamma + p) - (gamma + 3.0) / p);
}

sp_status sp_mc_electron_tables(sp_mc_tables *t, float *majorant, size_t column, const sp_matter *m, int material,
                                double electron_cut, double photon_cut, double max_mev, sp_error *err)
{
	enum { FIRST = SP_MC_ROWS_PER_OCTAVE / 2 }; /* 11.7 keV: the stopping powers begin at 10 keV */
	const double *weight = sp_matter_weights(m, material);
	double electrons = sp_matter_z_over_a(m, material) * SP_MC_AVOGADRO;
	double unit =
	        electrons * 2.0 * SP_MC_PI * SP_MC_ELECTRON_RADIUS_CM * SP_MC_ELECTRON_RADIUS_CM * SP_MC_ELECTRON_MEV;
	double energy[SP_MC_ROWS], stopping[SP_MC_ROWS], range[2] = {0.001, 0.001};
	sp_brems *b = sp_alloc_array(SP_MC_ROWS, sizeof *b);
	sp_status st;

	*majorant = 0.0f;
	if (!b)
		return sp_fail(err, SP_NO_MEMORY, "no memory for electron tables");
	for (size_t row = 0; row < SP_MC_ROWS; row++)
		energy[row] = fmin(sp_mc_row_energy(row < FIRST ? FIRST : row, 0.5), SP_MC_MAX_MEV);
	if ((st = sp_matter_collision_stopping(stopping, m, material, energy, SP_MC_ROWS, err)) != SP_OK ||
	    (st = sp_matter_brems(b, m, material, energy, SP_MC_ROWS, err)) != SP_OK)
		goto cleanup;
	for (size_t row = 0; row < SP_MC_ROWS; row++) {
		double e = energy[row], photons, soft_photons, g1[2], g2[2];

		brems(&photons, &soft_photons, b + row, e, photon_cut);
		scattering(g1, g2, weight, e, electron_cut);
		for (int positron = 0; positron < 2; positron++) {
			size_t at = ((positron ? t->n_materials : 0) + column) * SP_MC_ROWS + row;
			float *electron = t->electron + at * 4, *event = t->event + at * 4;
			double collisions = stopping[row] + (positron ? unit * sp_mc_positron_stopping(e) : 0.0);
			double flight = positron ? electrons * annihilation(e) : 0.0, hard, hard_loss, discrete;

			(positron ? bhabha : moller)(&hard, &hard_loss, e, electron_cut);
			hard *= unit;
			discrete = hard + photons;
			electron[0] = (float)(collisions - unit * hard_loss + soft_photons);
			electron[1] = (float)g1[positron];
			electron[2] = (float)eta_index(g1[positron], g2[positron]);
			electron[3] = (float)discrete;
			event[0] = (float)(discrete > 0.0 ? hard / discrete : 0.0);
			event[1] = (float)flight;
			/* the longest path on continuous loss alone, with a step's length for what the table's rows
			 * round; before the first row an electron of 11 keV goes 3e-4 g/cm2 */
			if (row > 0)
				range[positron] +=
				        (sp_mc_row_energy(row, 1.0) - sp_mc_row_energy(row, 0.0)) / electron[0];
			event[2] = (float)(1.05 * range[positron] + 0.01);
			if (e <= 1.02 * max_mev && e >= 0.5 * electron_cut)
				*majorant = fmaxf(*majorant, (float)(1.02 * (discrete + flight)));
		}
	}
	for (int i = 0; i < SP_MC_BREMS_ENERGIES; i++) {
		double e = fmin(ldexp(1.0, SP_MC_BREMS_LOG2) * pow(2.0, (double)i / SP_MC_BREMS_PER_OCTAVE),
		                SP_MC_MAX_MEV);
		size_t row = 0;

		while (row + 1 < SP_MC_ROWS && energy[row + 1] < e)
			row++;
		brems_quantiles(t->brems + (column * SP_MC_BREMS_ENERGIES + (size_t)i) * SP_MC_BREMS_SHARES, b + row, e,
		                photon_cut);
	}
cleanup:
	free(b);
	return st;
}
