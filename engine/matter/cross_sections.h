/* Cross-sections of photons and electrons in a material, from the tables in data/. Energies MeV, 1 keV (photons) or
 * 10 keV (electrons) to 30 MeV. */
#ifndef SP_CROSS_SECTIONS_H
#define SP_CROSS_SECTIONS_H

#include "matter.h"

typedef struct {
	double coherent, incoherent, photoelectric, pair_nuclear, pair_triplet; /* cm2/g */
} sp_attenuation;

/* Mass attenuation by process at n ascending energies, summed over the material's elements; log-log between the table's
 * energies, never across an absorption edge. SP_BAD_INPUT for an energy outside the table. */
sp_status sp_matter_attenuation(sp_attenuation *out, const sp_matter *m, int material, const double *energy_mev,
                                size_t n, sp_error *err);

/* Collision stopping power (unrestricted, MeV cm2/g) of a material at n energies: the named ones' from the table,
 * log-log; for those of the HU calibration by formula, for their nominal density. */
sp_status sp_matter_collision_stopping(double *out, const sp_matter *m, int material, const double *energy_mev,
                                       size_t n, sp_error *err);

#define SP_BREMS_POINTS 30

/* Bremsstrahlung of electrons of kinetic energy t: k dSigma/dk per unit mass thickness (cm2/g, k the photon's energy)
 * as a function of k/t; linear between the points. */
typedef struct {
	double k_over_t[SP_BREMS_POINTS], k_dsigma_dk[SP_BREMS_POINTS];
} sp_brems;

sp_status sp_matter_brems(sp_brems *out, const sp_matter *m, int material, const double *energy_mev, size_t n,
                          sp_error *err);

#endif
