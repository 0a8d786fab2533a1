#include "spectrum.h"

#include "alloc.h"
#include "atomic_file.h"
#include "csv.h"
#include "embedded.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const sp_embedded sp_spectra[]; /* the files of engine/montecarlo/spectra */

enum { MAX_SPECTRUM_BYTES = 1 << 20 };

static sp_status reserve(sp_spectrum *s, size_t n, sp_error *err)
{
	s->n_bins = n;
	s->low_mev = sp_alloc_array(n, sizeof *s->low_mev);
	s->high_mev = sp_alloc_array(n, sizeof *s->high_mev);
	s->cumulative = sp_alloc_array(n, sizeof *s->cumulative);
	return s->low_mev && s->high_mev && s->cumulative ? SP_OK
	                                                  : sp_fail(err, SP_NO_MEMORY, "no memory for a spectrum");
}

static sp_status read_bins(sp_spectrum *s, const sp_csv *csv, sp_error *err)
{
	size_t low, high, share;
	double sum = 0.0, p;
	sp_status st;

	if ((st = sp_csv_column(&low, csv, "E_low_MeV", err)) != SP_OK ||
	    (st = sp_csv_column(&high, csv, "E_high_MeV", err)) != SP_OK ||
	    (st = sp_csv_column(&share, csv, "probability", err)) != SP_OK ||
	    (st = reserve(s, csv->n_rows, err)) != SP_OK)
		return st;
	for (size_t i = 0; i < csv->n_rows; i++) {
		if ((st = sp_csv_number(&s->low_mev[i], csv, i, low, err)) != SP_OK ||
		    (st = sp_csv_number(&s->high_mev[i], csv, i, high, err)) != SP_OK ||
		    (st = sp_csv_number(&p, csv, i, share, err)) != SP_OK)
			return st;
		if (!(s->low_mev[i] >= 0.0 && s->high_mev[i] > s->low_mev[i] && p >= 0.0))
			return sp_fail(err, SP_BAD_INPUT,
			               "%s line %zu: expected 0 <= E_low < E_high and a probability >= 0", csv->name,
			               csv->lines[i + 1]);
		if (s->high_mev[i] > SP_SPECTRUM_MAX_MEV)
			return sp_fail(err, SP_BAD_INPUT, "%s line %zu: E_high is %g MeV, expected at most %g",
			               csv->name, csv->lines[i + 1], s->high_mev[i], SP_SPECTRUM_MAX_MEV);
		s->cumulative[i] = sum += p;
	}
	if (!(sum > 0.0))
		return sp_fail(err, SP_BAD_INPUT, "%s holds no photons", csv->name);
	for (size_t i = 0; i < s->n_bins; i++)
		s->cumulative[i] /= sum;
	return SP_OK;
}

sp_status sp_spectrum_read(sp_spectrum *out, const char *name_or_path, sp_error *err)
{
	char shipped[64], *text = NULL;
	const sp_embedded *file;
	size_t bytes;
	sp_csv csv = {0};
	sp_status st;

	*out = (sp_spectrum){0};
	snprintf(shipped, sizeof shipped, "%s.csv", name_or_path);
	if ((file = sp_embedded_find(sp_spectra, shipped))) {
		st = sp_csv_parse(&csv, file->name, (const char *)file->data, file->bytes, err);
	} else {
		if ((st = sp_file_read_all(&text, &bytes, name_or_path, MAX_SPECTRUM_BYTES, err)) != SP_OK)
			return st;
		st = sp_csv_parse(&csv, name_or_path, text, bytes, err);
	}
	if (st == SP_OK)
		st = read_bins(out, &csv, err);
	sp_csv_finish(&csv);
	free(text);
	if (st != SP_OK)
		sp_spectrum_finish(out);
	return st;
}

sp_status sp_spectrum_mono(sp_spectrum *out, double energy_mev, sp_error *err)
{
	sp_status st;

	*out = (sp_spectrum){0};
	if ((st = reserve(out, 1, err)) != SP_OK) {
		sp_spectrum_finish(out);
		return st;
	}
	out->low_mev[0] = out->high_mev[0] = energy_mev;
	out->cumulative[0] = 1.0;
	return SP_OK;
}

sp_status sp_spectrum_copy(sp_spectrum *out, const sp_spectrum *s, sp_error *err)
{
	sp_status st;

	*out = (sp_spectrum){0};
	if ((st = reserve(out, s->n_bins, err)) != SP_OK) {
		sp_spectrum_finish(out);
		return st;
	}
	memcpy(out->low_mev, s->low_mev, s->n_bins * sizeof *s->low_mev);
	memcpy(out->high_mev, s->high_mev, s->n_bins * sizeof *s->high_mev);
	memcpy(out->cumulative, s->cumulative, s->n_bins * sizeof *s->cumulative);
	return SP_OK;
}

void sp_spectrum_finish(sp_spectrum *s)
{
	free(s->low_mev);
	free(s->high_mev);
	free(s->cumulative);
	*s = (sp_spectrum){0};
}

double sp_spectrum_energy(const sp_spectrum *s, double u)
{
	size_t i = 0;
	double below, share;

	while (i + 1 < s->n_bins && u >= s->cumulative[i])
		i++;
	below = i ? s->cumulative[i - 1] : 0.0;
	share = s->cumulative[i] - below;
	return s->low_mev[i] + (s->high_mev[i] - s->low_mev[i]) * (share > 0.0 ? (u - below) / share : 0.5);
}

double sp_spectrum_mean_energy(const sp_spectrum *s)
{
	double mean = 0.0;

	for (size_t i = 0; i < s->n_bins; i++)
		mean += 0.5 * (s->low_mev[i] + s->high_mev[i]) * (s->cumulative[i] - (i ? s->cumulative[i - 1] : 0.0));
	return mean;
}
