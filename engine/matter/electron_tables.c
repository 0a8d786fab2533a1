/* Stopping powers from electron_materials.csv (what is not there: stopping_formula.c) and bremsstrahlung from
 * brems_scaled.csv. */
#include "alloc.h"
#include "cross_sections.h"
#include "matter_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ELECTRON_MEV 0.51099895
#define AVOGADRO 6.02214076e23
#define ROUNDING 1e-9 /* by which an energy may lie outside a table */

/* Rows whose first cell is key. */
static row_span find_rows(const sp_csv *csv, const char *key)
{
	row_span out = {0, 0};

	while (out.first < csv->n_rows && strcmp(sp_csv_cell(csv, out.first, 0), key) != 0)
		out.first++;
	for (out.end = out.first; out.end < csv->n_rows && strcmp(sp_csv_cell(csv, out.end, 0), key) == 0;)
		out.end++;
	return out.end - out.first >= 2 ? out : (row_span){0, 0};
}

static sp_status read_stopping(sp_matter *m, sp_error *err)
{
	size_t energy, stopping;
	sp_csv csv;
	sp_status st;

	if ((st = matter_open_table(&csv, "electron_materials.csv", err)) != SP_OK ||
	    (st = sp_csv_column(&energy, &csv, "T_MeV", err)) != SP_OK ||
	    (st = sp_csv_column(&stopping, &csv, "S_col_MeV_cm2_g", err)) != SP_OK)
		goto cleanup;
	if (!(m->stopping = sp_alloc_array(csv.n_rows, sizeof *m->stopping)))
		st = sp_fail(err, SP_NO_MEMORY, "no memory for stopping powers");
	for (size_t row = 0; st == SP_OK && row < csv.n_rows; row++) {
		stopping_row *one = m->stopping + row;
		double s = 0.0;

		if ((st = sp_csv_number(&one->mev, &csv, row, energy, err)) == SP_OK)
			st = sp_csv_number(&s, &csv, row, stopping, err);
		one->ln_mev = log(one->mev);
		one->ln_stopping = log(s);
	}
	for (size_t i = 0; st == SP_OK && i < m->n_materials; i++)
		m->materials[i].stopping = find_rows(&csv, m->materials[i].name);
cleanup:
	sp_csv_finish(&csv);
	return st;
}

static sp_status read_brems(sp_matter *m, sp_error *err)
{
	sp_csv csv;
	sp_status st;

	if ((st = matter_open_table(&csv, "brems_scaled.csv", err)) != SP_OK ||
	    (st = matter_find_elements(m->brems_of, &csv, err)) != SP_OK)
		goto cleanup;
	if (csv.n_columns != SP_BREMS_POINTS + 2)
		st = sp_fail(err, SP_FAILED, "%s has %zu columns, expected %d", csv.name, csv.n_columns,
		             SP_BREMS_POINTS + 2);
	else if (!(m->brems = sp_alloc_array(csv.n_rows, sizeof *m->brems)))
		st = sp_fail(err, SP_NO_MEMORY, "no memory for bremsstrahlung");
	for (size_t c = 0; st == SP_OK && c < SP_BREMS_POINTS; c++) /* headers are chi_k0, chi_k0.05, ... */
		m->brems_k_over_t[c] = strtod(sp_csv_header(&csv, c + 2) + strlen("chi_k"), NULL);
	for (size_t row = 0; st == SP_OK && row < csv.n_rows; row++) {
		st = sp_csv_number(&m->brems[row].mev, &csv, row, 1, err);
		m->brems[row].ln_mev = log(m->brems[row].mev);
		for (size_t c = 0; st == SP_OK && c < SP_BREMS_POINTS; c++)
			st = sp_csv_number(m->brems[row].chi + c, &csv, row, c + 2, err);
	}
cleanup:
	sp_csv_finish(&csv);
	return st;
}

sp_status matter_read_electrons(sp_matter *m, sp_error *err)
{
	sp_status st = read_stopping(m, err);

	return st == SP_OK ? read_brems(m, err) : st;
}

static sp_status check_energy(double e, double low, double high, sp_error *err)
{
	if (e >= low * (1.0 - ROUNDING) && e <= high * (1.0 + ROUNDING))
		return SP_OK;
	return sp_fail(err, SP_BAD_INPUT, "electron energy %g MeV, expected %g to %g", e, low, high);
}

sp_status sp_matter_collision_stopping(double *out, const sp_matter *m, int material_index, const double *energy_mev,
                                       size_t n, sp_error *err)
{
	const material *one = m->materials + material_index;
	bool computed = one->stopping.end == 0;
	row_span span = computed ? m->materials[0].stopping : one->stopping; /* the same limits for all */
	double low = m->stopping[span.first].mev, high = m->stopping[span.end - 1].mev;
	sp_status st = SP_OK;

	for (size_t i = 0; st == SP_OK && i < n; i++)
		st = check_energy(energy_mev[i], low, high, err);
	if (st != SP_OK || computed)
		return st == SP_OK ? matter_formula_stopping(out, m, one, matter_excitation_ev(one), energy_mev, n, err)
		                   : st;
	for (size_t i = 0; i < n; i++) {
		const stopping_row *row =
		        m->stopping + matter_find_row(m->stopping, sizeof *m->stopping, span, energy_mev[i]);
		double t = (log(energy_mev[i]) - row[0].ln_mev) / (row[1].ln_mev - row[0].ln_mev);

		out[i] = exp(row[0].ln_stopping + t * (row[1].ln_stopping - row[0].ln_stopping));
	}
	return SP_OK;
}

/* Adds weight (atoms per gram times Z2, times 1e-27 cm2 per millibarn) times one element's chi / beta2 at each energy.
 */
static sp_status add_element(sp_brems *out, double weight, const brems_row *rows, row_span span,
                             const double *energy_mev, size_t n, sp_error *err)
{
	for (size_t i = 0; i < n; i++) {
		double gamma = 1.0 + energy_mev[i] / ELECTRON_MEV, beta2 = 1.0 - 1.0 / (gamma * gamma), t;
		const brems_row *row;
		sp_status st = check_energy(energy_mev[i], rows[span.first].mev, rows[span.end - 1].mev, err);

		if (st != SP_OK)
			return st;
		row = rows + matter_find_row(rows, sizeof *rows, span, energy_mev[i]);
		t = (log(energy_mev[i]) - row[0].ln_mev) / (row[1].ln_mev - row[0].ln_mev);
		for (int c = 0; c < SP_BREMS_POINTS; c++)
			out[i].k_dsigma_dk[c] += weight / beta2 * (row[0].chi[c] + t * (row[1].chi[c] - row[0].chi[c]));
	}
	return SP_OK;
}

sp_status sp_matter_brems(sp_brems *out, const sp_matter *m, int material, const double *energy_mev, size_t n,
                          sp_error *err)
{
	const double *weight = sp_matter_weights(m, material);
	sp_status st = SP_OK;

	for (size_t i = 0; i < n; i++) {
		memset(out + i, 0, sizeof *out);
		memcpy(out[i].k_over_t, m->brems_k_over_t, sizeof out[i].k_over_t);
	}
	for (int z = 1; st == SP_OK && z <= SP_MATTER_MAX_Z; z++) {
		if (weight[z] == 0.0)
			continue;
		if (m->brems_of[z].end == 0)
			return sp_fail(err, SP_FAILED, "brems_scaled.csv holds nothing for Z = %d", z);
		st = add_element(out, weight[z] * AVOGADRO / sp_matter_atomic_weight(z) * z * z * 1e-27, m->brems,
		                 m->brems_of[z], energy_mev, n, err);
	}
	return st;
}
