/* Photon spectra: number of photons by energy bin, uniform inside a bin. */
#ifndef SP_SPECTRUM_H
#define SP_SPECTRUM_H

#include <stddef.h>

#include "status.h"

#define SP_SPECTRUM_MAX_MEV 29.0 /* the cross-section tables end at 30 MeV */

typedef struct {
	size_t n_bins;
	double *low_mev, *high_mev;
	double *cumulative; /* share of photons up to the end of each bin; the last is 1 */
} sp_spectrum;

/* A CSV with the columns E_low_MeV, E_high_MeV and probability (any scale). name_or_path: a file, or one of the spectra
 * shipped with the program by name ("mohan6"). */
sp_status sp_spectrum_read(sp_spectrum *out, const char *name_or_path, sp_error *err);

/* All photons of one energy. */
sp_status sp_spectrum_mono(sp_spectrum *out, double energy_mev, sp_error *err);

sp_status sp_spectrum_copy(sp_spectrum *out, const sp_spectrum *s, sp_error *err);

void sp_spectrum_finish(sp_spectrum *s);

/* The energy below which the share u (0..1) of the photons lies. */
double sp_spectrum_energy(const sp_spectrum *s, double u);
double sp_spectrum_mean_energy(const sp_spectrum *s);

#endif
