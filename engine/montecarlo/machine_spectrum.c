#include "machine_spectrum.h"

#include "alloc.h"
#include "cross_sections.h"

#include <math.h>

#define N_BINS 100
#define LEAST_MEV 0.01

static double total(const sp_attenuation *a)
{
	return a->coherent + a->incoherent + a->photoelectric + a->pair_nuclear + a->pair_triplet;
}

/* Energy fluence of thin-target bremsstrahlung, any scale. */
static double thin_target(const sp_machine_spectrum *s, double mev)
{
	double x = mev / s->electron_mev, logarithm = log(s->electron_mev * (s->electron_mev - mev) / mev + 1.65) - 0.5;

	return fmax((1.0 + s->shape * x + x * x) * logarithm, 0.0);
}

/* Room and edges; mev: the bins' middles. */
static sp_status even_bins(sp_spectrum *out, double mev[N_BINS], double low, double high, sp_error *err)
{
	double width = (high - low) / N_BINS;

	*out = (sp_spectrum){.n_bins = N_BINS};
	out->low_mev = sp_alloc_array(N_BINS, sizeof *out->low_mev);
	out->high_mev = sp_alloc_array(N_BINS, sizeof *out->high_mev);
	out->cumulative = sp_alloc_array(N_BINS, sizeof *out->cumulative);
	if (!out->low_mev || !out->high_mev || !out->cumulative)
		return sp_fail(err, SP_NO_MEMORY, "no memory for a spectrum");
	for (size_t i = 0; i < N_BINS; i++) {
		out->low_mev[i] = low + width * (double)i;
		out->high_mev[i] = low + width * (double)(i + 1);
		mev[i] = 0.5 * (out->low_mev[i] + out->high_mev[i]);
	}
	return SP_OK;
}

sp_status sp_machine_spectrum_make(sp_spectrum *out, const sp_machine_spectrum *s, double less_aluminium_g_cm2,
                                   const sp_matter *m, sp_error *err)
{
	int tungsten = sp_matter_find(m, "tungsten"), aluminium = sp_matter_find(m, "aluminum");
	double mev[N_BINS], sum = 0.0;
	sp_attenuation w[N_BINS], al[N_BINS];
	sp_status st;

	*out = (sp_spectrum){0};
	if (tungsten < 0 || aluminium < 0)
		return sp_fail(err, SP_BAD_INPUT, "the tables of matter lack tungsten or aluminium");
	if ((st = even_bins(out, mev, LEAST_MEV, s->electron_mev, err)) != SP_OK ||
	    (st = sp_matter_attenuation(w, m, tungsten, mev, N_BINS, err)) != SP_OK ||
	    (st = sp_matter_attenuation(al, m, aluminium, mev, N_BINS, err)) != SP_OK)
		goto cleanup;
	for (size_t i = 0; i < N_BINS; i++)
		out->cumulative[i] = sum += thin_target(s, mev[i]) / mev[i] *
		                            exp(-s->tungsten_g_cm2 * total(w + i) -
		                                (s->aluminium_g_cm2 - less_aluminium_g_cm2) * total(al + i));
	if (!(sum > 0.0 && isfinite(sum))) {
		st = sp_fail(err, SP_BAD_INPUT, "the spectrum of electrons of %g MeV has no photons", s->electron_mev);
		goto cleanup;
	}
	for (size_t i = 0; i < N_BINS; i++)
		out->cumulative[i] /= sum;
cleanup:
	if (st != SP_OK)
		sp_spectrum_finish(out);
	return st;
}

sp_status sp_machine_electron_spectrum(sp_spectrum *out, const sp_machine_source *s, sp_error *err)
{
	double mev[N_BINS], sum = 0.0;
	sp_status st = even_bins(out, mev, 0.2, s->spectrum.electron_mev, err);

	if (st != SP_OK) {
		sp_spectrum_finish(out);
		return st;
	}
	for (size_t i = 0; i < N_BINS; i++)
		out->cumulative[i] = sum += exp(-mev[i] / s->electrons.mean_mev);
	for (size_t i = 0; i < N_BINS; i++)
		out->cumulative[i] /= sum;
	return SP_OK;
}
