/* Stopping powers from electron_materials.csv and bremsstrahlung from brems_scaled.csv. */
#include "cross_sections.h"
#include "matter_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ELECTRON_MEV 0.51099895
#define AVOGADRO 6.02214076e23

/* Rows of a table whose first column is text `key`. */
static void find_rows(size_t *first, size_t *end, const sp_csv *csv, const char *key)
{
	for (*first = 0; *first < csv->n_rows && strcmp(sp_csv_cell(csv, *first, 0), key) != 0;)
		++*first;
	for (*end = *first; *end < csv->n_rows && strcmp(sp_csv_cell(csv, *end, 0), key) == 0;)
		++*end;
}

/* The interval of ascending energies (column) that holds e, and where in it on a log scale (0..1). */
static sp_status find_interval(size_t *row, double *t, const sp_csv *csv, size_t first, size_t end, size_t column,
                               double e, sp_error *err)
{
	double low = 0.0, high = 0.0;
	sp_status st;

	for (*row = first; *row + 1 < end; ++*row) {
		if ((st = sp_csv_number(&low, csv, *row, column, err)) != SP_OK ||
		    (st = sp_csv_number(&high, csv, *row + 1, column, err)) != SP_OK)
			return st;
		if (e >= low * (1.0 - 1e-9) && e <= high * (1.0 + 1e-9)) {
			*t = log(e / low) / log(high / low);
			return SP_OK;
		}
	}
	return sp_fail(err, SP_BAD_INPUT, "electron energy %g MeV is not in %s", e, csv->name);
}

sp_status sp_matter_collision_stopping(double *out, const sp_matter *m, int material, const double *energy_mev,
                                       size_t n, sp_error *err)
{
	size_t energy, stopping, first, end, row;
	double t, low, high;
	sp_csv csv;
	sp_status st;

	if ((st = matter_open_table(&csv, "electron_materials.csv", err)) != SP_OK ||
	    (st = sp_csv_column(&energy, &csv, "T_MeV", err)) != SP_OK ||
	    (st = sp_csv_column(&stopping, &csv, "S_col_MeV_cm2_g", err)) != SP_OK)
		goto cleanup;
	find_rows(&first, &end, &csv, sp_matter_name(m, material));
	for (size_t i = 0; i < n; i++) {
		if ((st = find_interval(&row, &t, &csv, first, end, energy, energy_mev[i], err)) != SP_OK ||
		    (st = sp_csv_number(&low, &csv, row, stopping, err)) != SP_OK ||
		    (st = sp_csv_number(&high, &csv, row + 1, stopping, err)) != SP_OK)
			goto cleanup;
		out[i] = low * pow(high / low, t);
	}
cleanup:
	sp_csv_finish(&csv);
	return st;
}

/* Adds factor * chi(energy) of one element. */
static sp_status add_chi(sp_brems *out, const sp_csv *csv, int z, double energy, double factor, sp_error *err)
{
	size_t first, end, row;
	char key[8];
	double t, low, high;
	sp_status st;

	snprintf(key, sizeof key, "%d", z);
	find_rows(&first, &end, csv, key);
	if ((st = find_interval(&row, &t, csv, first, end, 1, energy, err)) != SP_OK)
		return st;
	for (size_t c = 0; c < SP_BREMS_POINTS; c++) {
		if ((st = sp_csv_number(&low, csv, row, c + 2, err)) != SP_OK ||
		    (st = sp_csv_number(&high, csv, row + 1, c + 2, err)) != SP_OK)
			return st;
		out->k_dsigma_dk[c] += factor * (low + t * (high - low));
	}
	return SP_OK;
}

sp_status sp_matter_brems(sp_brems *out, const sp_matter *m, int material, const double *energy_mev, size_t n,
                          sp_error *err)
{
	const double *weight = sp_matter_weights(m, material);
	sp_csv csv;
	sp_status st;

	if ((st = matter_open_table(&csv, "brems_scaled.csv", err)) != SP_OK)
		goto cleanup;
	if (csv.n_columns != SP_BREMS_POINTS + 2) {
		st = sp_fail(err, SP_FAILED, "%s has %zu columns, expected %d", csv.name, csv.n_columns,
		             SP_BREMS_POINTS + 2);
		goto cleanup;
	}
	for (size_t i = 0; i < n; i++) {
		double gamma = 1.0 + energy_mev[i] / ELECTRON_MEV, beta2 = 1.0 - 1.0 / (gamma * gamma);

		memset(out + i, 0, sizeof *out);
		for (size_t c = 0; c < SP_BREMS_POINTS; c++) /* headers are chi_k0, chi_k0.05, ... */
			out[i].k_over_t[c] = strtod(sp_csv_header(&csv, c + 2) + strlen("chi_k"), NULL);
		for (int z = 1; z <= SP_MATTER_MAX_Z; z++) {
			/* k dsigma/dk = chi Z2 / beta2, chi in millibarn (1e-27 cm2) */
			double factor = weight[z] == 0.0 ? 0.0
			                                 : weight[z] * AVOGADRO / sp_matter_atomic_weight(z) * z * z /
			                                           beta2 * 1e-27;

			if (factor > 0.0 && (st = add_chi(out + i, &csv, z, energy_mev[i], factor, err)) != SP_OK)
				goto cleanup;
		}
	}
cleanup:
	sp_csv_finish(&csv);
	return st;
}
