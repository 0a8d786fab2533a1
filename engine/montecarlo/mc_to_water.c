#include "mc_to_water.h"

#include "cross_sections.h"

#include <math.h>
#include <string.h>

#define ELECTRON_MEV 0.51099895
#define LEAST_MEV 0.01 /* where the stopping-power tables begin */

enum { ENERGIES = 96, SOURCE_ENERGIES = 64, RECOILS = 200 };

/* Klein and Nishina's cross-section by the electron's kinetic energy t, any scale; 0 beyond the Compton edge. */
static double recoil(double photon_mev, double t)
{
	double a = photon_mev / ELECTRON_MEV, s = t / photon_mev;

	if (t >= photon_mev * 2.0 * a / (1.0 + 2.0 * a))
		return 0.0;
	return (2.0 + s * s / (a * a * (1.0 - s) * (1.0 - s)) + s / (1.0 - s) * (s - 2.0 / a)) / (a * a);
}

/* Electrons that start with more than t, by the source's energies at even shares. */
static double started_above(double t, const sp_spectrum *source, bool electrons)
{
	double sum = 0.0;

	for (int i = 0; i < SOURCE_ENERGIES; i++) {
		double energy = sp_spectrum_energy(source, (i + 0.5) / SOURCE_ENERGIES), width = (energy - t) / RECOILS;

		if (energy <= t)
			continue;
		if (electrons)
			sum += 1.0;
		else
			for (int k = 0; k < RECOILS; k++)
				sum += recoil(energy, t + (k + 0.5) * width) * width;
	}
	return sum;
}

sp_status sp_mc_to_water(double ratio_out[256], const sp_matter *m, const sp_spectrum *source, bool electrons,
                         sp_error *err)
{
	double energy[ENERGIES], water[ENERGIES], medium[ENERGIES], weight[ENERGIES],
	        sum = 0.0, most = source->high_mev[source->n_bins - 1], step = log(most / LEAST_MEV) / ENERGIES;
	sp_status st;

	/* Slowing down without production on the way: fluence ~ (electrons that started above) / stopping power, so the
	 * energy lost in dT is that number times dT. */
	for (int i = 0; i < ENERGIES; i++) {
		energy[i] = LEAST_MEV * exp((i + 0.5) * step);
		weight[i] = started_above(energy[i], source, electrons) * energy[i] * step;
		sum += weight[i];
	}
	for (int i = 0; i < 256; i++)
		ratio_out[i] = 1.0;
	if (!(sum > 0.0)) /* photons of a few keV */
		return SP_OK;
	if ((st = sp_matter_collision_stopping(water, m, sp_matter_find(m, "water"), energy, ENERGIES, err)) != SP_OK)
		return st;
	for (size_t i = 0; i < sp_matter_count_all(m) && i < 256; i++) {
		double mean = 0.0;

		if ((st = sp_matter_collision_stopping(medium, m, (int)i, energy, ENERGIES, err)) != SP_OK)
			return st;
		for (int k = 0; k < ENERGIES; k++)
			mean += weight[k] * water[k] / medium[k];
		ratio_out[i] = mean / sum;
	}
	return SP_OK;
}
