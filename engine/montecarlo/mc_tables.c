/* Tables by material: photons here, electrons in mc_electron_tables.c. */
#include "mc_tables_internal.h"

#include "alloc.h"
#include "cross_sections.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double sp_mc_row_energy(size_t row, double within)
{
	size_t octave = row / SP_MC_ROWS_PER_OCTAVE, part = row % SP_MC_ROWS_PER_OCTAVE;

	return ldexp(1.0 + ((double)part + within) / SP_MC_ROWS_PER_OCTAVE, (int)octave + SP_MC_ENERGY_LOG2);
}

/* Integral of (1 + c^2)/(1 + b (1 - c))^2 over c: Thomson scattering with the form factor of sp_mc_tables.rayleigh. */
static double rayleigh_integral(double b)
{
	enum { STEPS = 200 };
	double sum = 0.0, u, x, norm = 2.0 / (1.0 + 2.0 * b); /* integral of the denominator alone */

	for (int i = 0; i < STEPS; i++) {
		u = (i + 0.5) / STEPS;
		x = 2.0 * u / (1.0 + 2.0 * b * (1.0 - u));
		sum += 1.0 + (1.0 - x) * (1.0 - x);
	}
	return norm * sum / STEPS;
}

/* The b for which the form factor (1 + b (1 - cos theta))^-1 gives the tabulated cross-section of coherent scattering.
 * thomson: that without form factor, times 3/8. */
static double rayleigh_width(double coherent, double thomson)
{
	double low = 0.0, high = 1e7;

	if (coherent >= 8.0 / 3.0 * thomson)
		return 0.0;
	for (int step = 0; step < 60; step++) {
		double b = low > 0.0 ? sqrt(low * high) : 1e-4 * high;

		if (rayleigh_integral(b) * thomson > coherent)
			low = b;
		else
			high = b;
	}
	return high;
}

static sp_status fill_photons(sp_mc_tables *t, size_t column, const sp_matter *m, int material, sp_error *err)
{
	enum { N = SP_MC_ROWS + 1 };
	const double *weight = sp_matter_weights(m, material);
	double energy[N], z2 = 0.0, thomson;
	sp_attenuation *mu = sp_alloc_array(N, sizeof *mu);
	sp_status st;

	if (!mu)
		return sp_fail(err, SP_NO_MEMORY, "no memory for photon tables");
	for (size_t row = 0; row < N; row++)
		energy[row] = fmin(sp_mc_row_energy(row, 0.0), SP_MC_MAX_MEV);
	for (int z = 1; z <= SP_MATTER_MAX_Z; z++)
		if (weight[z] > 0.0)
			z2 += weight[z] * z * z / sp_matter_atomic_weight(z);
	thomson = SP_MC_AVOGADRO * z2 * SP_MC_PI * SP_MC_ELECTRON_RADIUS_CM * SP_MC_ELECTRON_RADIUS_CM;
	st = sp_matter_attenuation(mu, m, material, energy, N, err);
	for (size_t row = 0; st == SP_OK && row < N; row++) {
		const sp_attenuation *a = mu + row;
		double pair = a->pair_nuclear + a->pair_triplet,
		       total = a->coherent + a->incoherent + a->photoelectric + pair;
		size_t at = row * t->n_materials + column;

		t->attenuation[at] = (float)total;
		t->compton[at] = (float)(a->incoherent / total);
		t->photoelectric[at] = (float)(a->photoelectric / total);
		t->pair[at] = (float)(pair / total);
		t->rayleigh[at] = (float)(row % 8 == 0 || row == N - 1 ? rayleigh_width(a->coherent, thomson) : 0.0);
		if (row == SP_MC_ROWS / 12 * 3) /* 62 keV, where the photoelectric effect tells materials apart */
			t->class_of[column] = total < 0.25 ? 0 : total < 0.75 ? 1 : 2;
	}
	for (size_t row = 0; st == SP_OK && row < N; row++) { /* smooth: every eighth was solved for */
		size_t low = row / 8 * 8, high = low + 8 < N ? low + 8 : N - 1;

		if (high > low)
			t->rayleigh[row * t->n_materials + column] =
			        t->rayleigh[low * t->n_materials + column] +
			        (float)(row - low) / (float)(high - low) *
			                (t->rayleigh[high * t->n_materials + column] -
			                 t->rayleigh[low * t->n_materials + column]);
	}
	free(mu);
	return st;
}

/* Heitler, The Quantum Theory of Radiation, sec. 26; Motz, Olsen, Koch, Rev. Mod. Phys. 41 (1969) 581, 3D-0000. All
 * energies and momenta in units of mc2 and mc; minus: the electron. */
double sp_mc_pair_density(double k_mev, double x)
{
	double k = k_mev / SP_MC_ELECTRON_MEV, e1 = 1.0 + x * (k - 2.0), e2 = k - e1, p1, p2, l1, l2, l;

	if (k <= 2.0 || e1 <= 1.0 || e2 <= 1.0)
		return 0.0;
	p1 = sqrt(e1 * e1 - 1.0);
	p2 = sqrt(e2 * e2 - 1.0);
	l1 = 2.0 * log(e1 + p1);
	l2 = 2.0 * log(e2 + p2);
	l = 2.0 * log((e1 * e2 + p1 * p2 + 1.0) / k);
	return fmax(0.0, p1 * p2 / (k * k * k) *
	                         (-4.0 / 3.0 - 2.0 * e1 * e2 * (p1 * p1 + p2 * p2) / (p1 * p1 * p2 * p2) +
	                          (e2 * l1 / pow(p1, 3.0) + e1 * l2 / pow(p2, 3.0) - l1 * l2 / (p1 * p2)) +
	                          l * (k * k / pow(p1 * p2, 3.0) * (e1 * e1 * e2 * e2 + p1 * p1 * p2 * p2) -
	                               8.0 / 3.0 * e1 * e2 / (p1 * p2) -
	                               k / (2.0 * p1 * p2) *
	                                       ((e1 * e2 - p1 * p1) * l1 / pow(p1, 3.0) +
	                                        (e1 * e2 - p2 * p2) * l2 / pow(p2, 3.0) +
	                                        2.0 * k * e1 * e2 / (p1 * p1 * p2 * p2)))));
}

/* Quantiles of the electron's share of a pair's kinetic energy. */
static void fill_pairs(float *out)
{
	enum { STEPS = 2000 };
	static const double least = 1.1;

	for (int i = 0; i < SP_MC_PAIR_ENERGIES; i++) {
		double k = fmax(least, pow(2.0, SP_MC_PAIR_LOG2 + 0.5 * i)), sum = 0.0, so_far = 0.0;
		int share = 1;

		for (int j = 0; j < STEPS; j++)
			sum += sp_mc_pair_density(k, (j + 0.5) / STEPS);
		out[i * SP_MC_PAIR_SHARES] = 0.0f;
		out[i * SP_MC_PAIR_SHARES + SP_MC_PAIR_SHARES - 1] = 1.0f;
		for (int j = 0; j < STEPS && share < SP_MC_PAIR_SHARES - 1; j++) {
			double d = sp_mc_pair_density(k, (j + 0.5) / STEPS) / sum;

			while (share < SP_MC_PAIR_SHARES - 1 && so_far + d >= (double)share / (SP_MC_PAIR_SHARES - 1)) {
				out[i * SP_MC_PAIR_SHARES + share] =
				        (float)((j + ((double)share / (SP_MC_PAIR_SHARES - 1) - so_far) / d) / STEPS);
				share++;
			}
			so_far += d;
		}
	}
}

static sp_status reserve(sp_mc_tables *t, size_t n, sp_error *err)
{
	size_t photon, electron;

	t->n_materials = (n + 15) / 16 * 16;
	photon = (SP_MC_ROWS + 1) * t->n_materials;
	electron = 2 * (size_t)SP_MC_ROWS * t->n_materials * 4;
	t->attenuation = sp_alloc_array(photon, sizeof(float));
	t->compton = sp_alloc_array(photon, sizeof(float));
	t->photoelectric = sp_alloc_array(photon, sizeof(float));
	t->pair = sp_alloc_array(photon, sizeof(float));
	t->rayleigh = sp_alloc_array(photon, sizeof(float));
	t->electron = sp_alloc_array(electron, sizeof(float));
	t->event = sp_alloc_array(electron, sizeof(float));
	t->brems = sp_alloc_array(t->n_materials, SP_MC_BREMS_ENERGIES * SP_MC_BREMS_SHARES * sizeof(float));
	t->class_of = sp_alloc_array(t->n_materials, sizeof(sp_u32));
	return t->attenuation && t->compton && t->photoelectric && t->pair && t->rayleigh && t->electron && t->event &&
	                       t->brems && t->class_of
	               ? SP_OK
	               : sp_fail(err, SP_NO_MEMORY, "no memory for cross-sections of %zu materials", n);
}

/* Materials beyond n are never asked for, but majorants and vector loads run over all: copies of the first. */
static void pad(sp_mc_tables *t, size_t n)
{
	float *by_row[] = {t->attenuation, t->compton, t->photoelectric, t->pair, t->rayleigh};

	for (size_t i = 0; i < sizeof by_row / sizeof *by_row; i++)
		for (size_t row = 0; row <= SP_MC_ROWS; row++)
			for (size_t j = n; j < t->n_materials; j++)
				by_row[i][row * t->n_materials + j] = by_row[i][row * t->n_materials];
	for (size_t j = n; j < t->n_materials; j++)
		t->class_of[j] = t->class_of[0];
}

sp_status sp_mc_tables_make(sp_mc_tables *out, const sp_matter *m, const int *materials, size_t n, double electron_cut,
                            double photon_cut, double max_mev, sp_error *err)
{
	sp_status st;
	float most = 0.0f;

	*out = (sp_mc_tables){0};
	if ((st = reserve(out, n, err)) != SP_OK)
		goto cleanup;
	fill_pairs(out->pair_share);
#pragma omp parallel for schedule(dynamic) reduction(max : most)
	for (size_t i = 0; i < n; i++) {
		sp_error wrong = {0};
		float majorant;
		sp_status found = fill_photons(out, i, m, materials[i], &wrong);

		if (found == SP_OK)
			found = sp_mc_electron_tables(out, &majorant, i, m, materials[i], electron_cut, photon_cut,
			                              max_mev, &wrong);
		if (found == SP_OK) {
			most = fmaxf(most, majorant);
			continue;
		}
#pragma omp critical
		{
			st = found;
			if (err)
				*err = wrong;
		}
	}
	if (st != SP_OK)
		goto cleanup;
	out->event_majorant = most;
	pad(out, n);
	return SP_OK;
cleanup:
	sp_mc_tables_finish(out);
	return st;
}

void sp_mc_tables_finish(sp_mc_tables *t)
{
	free(t->attenuation);
	free(t->compton);
	free(t->photoelectric);
	free(t->pair);
	free(t->rayleigh);
	free(t->electron);
	free(t->event);
	free(t->brems);
	free(t->class_of);
	*t = (sp_mc_tables){0};
}
