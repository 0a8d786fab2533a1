/* Cross-sections as the device kernels read them, made from engine/matter's data. Equations: docs/physics.md; layout:
 * cl_kernels/shared/mc.h. */
#ifndef SP_MC_TABLES_H
#define SP_MC_TABLES_H

#include "matter.h"
#include "shared/mc.h"

/* [node][eta][K], made by make_scattering_table.c. */
extern const float sp_mc_scattering[SP_MC_NODES * SP_MC_ETAS * SP_MC_KS];

typedef struct {
	size_t n_materials; /* a whole multiple of 16; those beyond the caller's are copies of the first */
	/* [row][material], SP_MC_ROWS + 1 rows: total (cm2/g), its shares, and the width of Rayleigh scattering */
	float *attenuation, *compton, *photoelectric, *pair, *rayleigh;
	float *electron; /* [electron or positron][material][row][4] */
	float *event;    /* [electron or positron][material][row][4] */
	float *brems;    /* [material][energy][share] */
	float pair_share[SP_MC_PAIR_ENERGIES * SP_MC_PAIR_SHARES];
	float event_majorant; /* cm2/g: largest of discrete collisions and annihilation up to max_mev */
	sp_u32 *class_of;     /* 0 .. SP_MC_CLASSES - 1 */
} sp_mc_tables;

/* materials: indices of sp_matter; electron_cut and photon_cut (MeV): the least energies of knock-on electrons and of
 * bremsstrahlung photons that are followed; max_mev: the highest energy of the source. */
sp_status sp_mc_tables_make(sp_mc_tables *out, const sp_matter *m, const int *materials, size_t n, double electron_cut,
                            double photon_cut, double max_mev, sp_error *err);
void sp_mc_tables_finish(sp_mc_tables *t);

/* Screened Rutherford: first and second transport coefficients of one collision, 1 - <P1> and 1 - <P2>. */
void sp_mc_rutherford_moments(double *g1, double *g2, double eta);

/* Bethe and Heitler's unscreened pair production: share of pairs per unit of the electron's share x (0..1) of the
 * kinetic energy, not normalised. k: the photon's energy, MeV. */
double sp_mc_pair_density(double k, double x);

#endif
