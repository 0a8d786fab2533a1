/* Photon attenuation from photon_elements.csv. */
#include "alloc.h"
#include "cross_sections.h"
#include "matter_internal.h"

#include <math.h>

enum { N_PROCESSES = 5 };

static const char *const processes[N_PROCESSES] = {
        "coherent_cm2_g", "incoherent_cm2_g", "photoelectric_cm2_g", "pair_nuclear_cm2_g", "pair_triplet_cm2_g",
};

static sp_status read_rows(photon_row *out, const sp_csv *csv, sp_error *err)
{
	size_t energy, column[N_PROCESSES];
	double mu;
	sp_status st = sp_csv_column(&energy, csv, "E_MeV", err);

	for (int p = 0; st == SP_OK && p < N_PROCESSES; p++)
		st = sp_csv_column(column + p, csv, processes[p], err);
	for (size_t row = 0; st == SP_OK && row < csv->n_rows; row++) {
		if ((st = sp_csv_number(&out[row].mev, csv, row, energy, err)) != SP_OK)
			return st;
		out[row].ln_mev = log(out[row].mev);
		for (int p = 0; st == SP_OK && p < N_PROCESSES; p++) {
			st = sp_csv_number(&mu, csv, row, column[p], err);
			out[row].ln_mu[p] = log(mu); /* -INFINITY for 0 */
		}
	}
	return st;
}

sp_status matter_read_photons(sp_matter *m, sp_error *err)
{
	sp_csv csv;
	sp_status st;

	if ((st = matter_open_table(&csv, "photon_elements.csv", err)) != SP_OK ||
	    (st = matter_find_elements(m->photons_of, &csv, err)) != SP_OK)
		goto cleanup;
	if ((m->photons = sp_alloc_array(csv.n_rows, sizeof *m->photons)))
		st = read_rows(m->photons, &csv, err);
	else
		st = sp_fail(err, SP_NO_MEMORY, "no memory for photon cross-sections");
cleanup:
	sp_csv_finish(&csv);
	return st;
}

/* Log-log where both ends are above 0, else straight: pair production starts from exactly 0 at its threshold. */
static double between(double t, double ln_y0, double ln_y1)
{
	return isinf(ln_y0) || isinf(ln_y1) ? exp(ln_y0) + t * (exp(ln_y1) - exp(ln_y0))
	                                    : exp(ln_y0 + t * (ln_y1 - ln_y0));
}

/* Adds weight times one element's attenuation. */
static sp_status add_element(sp_attenuation *out, double weight, const photon_row *rows, row_span span,
                             const double *energy_mev, size_t n, sp_error *err)
{
	for (size_t i = 0; i < n; i++) {
		double e = energy_mev[i], t;
		const photon_row *row;

		if (!(e >= rows[span.first].mev && e <= rows[span.end - 1].mev))
			return sp_fail(err, SP_BAD_INPUT, "photon energy %g MeV, expected %g to %g", e,
			               rows[span.first].mev, rows[span.end - 1].mev);
		/* of the two rows of an edge the upper one is found: never interpolated across */
		row = rows + matter_find_row(rows, sizeof *rows, span, e);
		t = (log(e) - row[0].ln_mev) / (row[1].ln_mev - row[0].ln_mev);
		out[i].coherent += weight * between(t, row[0].ln_mu[0], row[1].ln_mu[0]);
		out[i].incoherent += weight * between(t, row[0].ln_mu[1], row[1].ln_mu[1]);
		out[i].photoelectric += weight * between(t, row[0].ln_mu[2], row[1].ln_mu[2]);
		out[i].pair_nuclear += weight * between(t, row[0].ln_mu[3], row[1].ln_mu[3]);
		out[i].pair_triplet += weight * between(t, row[0].ln_mu[4], row[1].ln_mu[4]);
	}
	return SP_OK;
}

sp_status sp_matter_attenuation(sp_attenuation *out, const sp_matter *m, int material, const double *energy_mev,
                                size_t n, sp_error *err)
{
	const double *weight = sp_matter_weights(m, material);
	sp_status st = SP_OK;

	for (size_t i = 0; i < n; i++)
		out[i] = (sp_attenuation){0};
	for (int z = 1; st == SP_OK && z <= SP_MATTER_MAX_Z; z++) {
		if (weight[z] == 0.0)
			continue;
		if (m->photons_of[z].end == 0)
			return sp_fail(err, SP_FAILED, "photon_elements.csv holds nothing for Z = %d", z);
		st = add_element(out, weight[z], m->photons, m->photons_of[z], energy_mev, n, err);
	}
	return st;
}
