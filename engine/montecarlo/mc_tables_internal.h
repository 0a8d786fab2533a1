/* What the makers of device tables share. */
#ifndef SP_MC_TABLES_INTERNAL_H
#define SP_MC_TABLES_INTERNAL_H

#include "mc_tables.h"

#define SP_MC_ELECTRON_MEV 0.51099895
#define SP_MC_ELECTRON_RADIUS_CM 2.8179403e-13
#define SP_MC_AVOGADRO 6.02214076e23
#define SP_MC_PI 3.14159265358979323846
#define SP_MC_MAX_MEV 29.9 /* engine/matter's tables end at 30 MeV */

/* An electron of the atom is not screened as its nucleus is: what it gives at small angles ends where the atom can no
 * longer take up the momentum (incoherent scattering function), not where the nucleus' charge is hidden. That
 * multiplies Moliere's screening by exp(-1.8): exactly so for hydrogen's wave function (1.81), by Fano, Phys. Rev. 93
 * (1954) 117, for other atoms nearly alike (oxygen 1.76). */
#define SP_MC_FANO_SCREENING 0.165

/* By how much the collision stopping power of positrons exceeds that of electrons, in units of 2 pi re2 mc2 per
 * electron and cm2: (F+ - F-) / beta^2 of Berger and Seltzer, NBSIR 82-2550. t: MeV. */
double sp_mc_positron_stopping(double t);

/* Energy of a row, `within` (0..1) of the way to the next. */
double sp_mc_row_energy(size_t row, double within);

/* One material's electron, event and brems tables; majorant: its largest discrete collisions up to max_mev. */
sp_status sp_mc_electron_tables(sp_mc_tables *t, float *majorant, size_t column, const sp_matter *m, int material,
                                double electron_cut, double photon_cut, double max_mev, sp_error *err);

#endif
