/* Photon attenuation from photon_elements.csv. */
#include "alloc.h"
#include "cross_sections.h"
#include "matter_internal.h"

#include <math.h>
#include <stdlib.h>

enum { N_PROCESSES = 5, N_COLUMNS = N_PROCESSES + 2 }; /* Z, energy, processes */

static const char *const columns[N_COLUMNS] = {
        "Z",
        "E_MeV",
        "coherent_cm2_g",
        "incoherent_cm2_g",
        "photoelectric_cm2_g",
        "pair_nuclear_cm2_g",
        "pair_triplet_cm2_g",
};

/* Log-log where both ends are above 0, else straight: pair production starts from exactly 0 at its threshold. */
static double between(double e, double e0, double e1, double y0, double y1)
{
	double t = log(e / e0) / log(e1 / e0);

	return y0 > 0.0 && y1 > 0.0 ? y0 * pow(y1 / y0, t) : y0 + t * (y1 - y0);
}

/* Adds weight times one element's attenuation; rows first..last of the table are that element's. */
static sp_status add_element(sp_attenuation *out, double weight, double (*table)[N_COLUMNS], size_t first, size_t last,
                             const double *energy_mev, size_t n, sp_error *err)
{
	size_t row = first;

	for (size_t i = 0; i < n; i++) {
		double e = energy_mev[i];
		double *sums[N_PROCESSES] = {&out[i].coherent, &out[i].incoherent, &out[i].photoelectric,
		                             &out[i].pair_nuclear, &out[i].pair_triplet};

		if (!(e >= table[first][1] && e <= table[last][1]))
			return sp_fail(err, SP_BAD_INPUT, "photon energy %g MeV, expected %g to %g", e, table[first][1],
			               table[last][1]);
		/* strictly rising intervals only, so never the pair of rows of an edge */
		while (row > first && e < table[row][1])
			row--;
		while (row + 1 < last && (e >= table[row + 1][1] || table[row][1] == table[row + 1][1]))
			row++;
		for (int p = 0; p < N_PROCESSES; p++)
			*sums[p] += weight * between(e, table[row][1], table[row + 1][1], table[row][p + 2],
			                             table[row + 1][p + 2]);
	}
	return SP_OK;
}

sp_status sp_matter_attenuation(sp_attenuation *out, const sp_matter *m, int material, const double *energy_mev,
                                size_t n, sp_error *err)
{
	const double *weight = sp_matter_weights(m, material);
	double(*table)[N_COLUMNS] = NULL;
	size_t column;
	sp_csv csv;
	sp_status st;

	for (size_t i = 0; i < n; i++)
		out[i] = (sp_attenuation){0};
	if ((st = matter_open_table(&csv, "photon_elements.csv", err)) != SP_OK)
		goto cleanup;
	if (!(table = sp_alloc_array(csv.n_rows, sizeof *table))) {
		st = sp_fail(err, SP_NO_MEMORY, "no memory for photon cross-sections");
		goto cleanup;
	}
	for (int c = 0; c < N_COLUMNS; c++) {
		if ((st = sp_csv_column(&column, &csv, columns[c], err)) != SP_OK)
			goto cleanup;
		for (size_t row = 0; row < csv.n_rows; row++)
			if ((st = sp_csv_number(&table[row][c], &csv, row, column, err)) != SP_OK)
				goto cleanup;
	}
	for (int z = 1; z <= SP_MATTER_MAX_Z; z++) {
		size_t first = 0, last;

		if (weight[z] == 0.0)
			continue;
		while (first < csv.n_rows && table[first][0] != z)
			first++;
		for (last = first; last + 1 < csv.n_rows && table[last + 1][0] == z;)
			last++;
		if (last <= first) {
			st = sp_fail(err, SP_FAILED, "%s holds nothing for Z = %d", csv.name, z);
			goto cleanup;
		}
		if ((st = add_element(out, weight[z], table, first, last, energy_mev, n, err)) != SP_OK)
			goto cleanup;
	}
cleanup:
	sp_csv_finish(&csv);
	free(table);
	return st;
}
