/* Monte Carlo on the device: coupled transport of photons, electrons and positrons through voxels. The loop over
 * particles is cl_kernels/mc_transport.cl. Lengths in mm, energies in MeV. */
#ifndef SP_MC_H
#define SP_MC_H

#include <stdbool.h>
#include <stdint.h>

#include "device.h"
#include "grid.h"
#include "matter.h"
#include "spectrum.h"
#include "status.h"

/* What is where: mass density (g/cm3) and material (index of sp_matter) of every voxel, [z][y][x]. */
typedef struct {
	sp_grid grid;
	const float *density_g_cm3;
	const uint8_t *material;
} sp_mc_matter;

/* A plane with rectangles in it, each of which gets its share of the particles, evenly over its area. They come from a
 * point (source_mm) or, in a parallel beam, along `direction` from the plane itself. */
typedef struct {
	bool parallel;
	bool per_solid_angle; /* a point source's particles are uniform per solid angle instead (one rectangle only) */
	double source_mm[3], centre_mm[3], x_axis[3], y_axis[3], direction[3];
} sp_mc_plane;

typedef struct {
	size_t plane;
	double x_mm, y_mm, half_x_mm, half_y_mm; /* in the plane, from its centre */
	double weight;                           /* share of the particles, any scale */
	uint32_t kind;                           /* of a machine's head (cl_kernels/shared/mc_head.h); else 0 */
} sp_mc_opening;

typedef struct sp_mc_head_source sp_mc_head_source; /* mc_head.h */

typedef struct {
	bool electrons;
	const sp_spectrum *spectrum; /* with a head: its highest energy counts */
	size_t n_planes, n_openings;
	const sp_mc_plane *planes;
	const sp_mc_opening *openings;
	const sp_mc_head_source *head; /* NULL, or a machine's head, in place of planes and openings */
} sp_mc_particles;

typedef struct {
	double electron_cut_mev, photon_cut_mev; /* kinetic; 0: the defaults, 0.2 and 0.05 */
	bool plain;                              /* one site a flight, no roulette, short steps: to compare with */
	unsigned without;                        /* SP_MC_SITES ...: single means of variance reduction left out */
	uint64_t seed;
	uint32_t batch_histories; /* histories of one statistical batch */
	uint32_t chunk;           /* histories that a work-item follows, 0: our choice; changes no bit of the sums */
	int lanes;                /* particles of a vector: 0, as suits the device; 1 or 16 (tests) */
	uint32_t group;           /* work-items of a group that all add to one tally, as on a GPU (tests); 0: ours */
} sp_mc_options;

/* Means of variance reduction (docs/physics.md). None changes the mean. */
#define SP_MC_SITES 1u     /* many places of a photon's interaction; with it go sets and repeated tracks */
#define SP_MC_SETS 2u      /* electrons of all sites 16 in a vector */
#define SP_MC_REPEATS 4u   /* one track for all sites in uniform matter */
#define SP_MC_ROULETTE 8u  /* of scattered photons */
#define SP_MC_SEQUENCE 16u /* source photons along a curve and a low-discrepancy sequence */

/* What the cut-offs are where the options say 0. */
#define SP_MC_ELECTRON_CUT_MEV 0.2
#define SP_MC_PHOTON_CUT_MEV 0.05

typedef struct sp_mc sp_mc;

/* tally: the grid of the dose. Where d has companions, they share the batches. */
sp_status sp_mc_create(sp_mc **out, sp_device *d, const sp_matter *m, const sp_mc_matter *where, const sp_grid *tally,
                       const sp_mc_particles *particles, const sp_mc_options *o, sp_error *err);
void sp_mc_destroy(sp_mc *mc);

/* How many devices share the batches. */
size_t sp_mc_devices(const sp_mc *mc);

/* Follows the histories of batches first .. first + n - 1 and adds them to the sums. Which device takes which batch
 * changes no bit of them. */
sp_status sp_mc_run(sp_mc *mc, uint64_t first, uint64_t n, sp_error *err);

/* Accounts of energy, beside what was deposited in the voxels of the dose grid. */
typedef enum {
	SP_MC_EMITTED,
	SP_MC_ESCAPED,
	SP_MC_LOST,
	SP_MC_OUTSIDE,
	SP_MC_BALANCE,
	SP_MC_ACCOUNT_COUNT
} sp_mc_account;

/* Sums over batches: energy per voxel (units of 1/SP_MC_TALLY_UNIT MeV), and the squares of the batches' energies b as
 * (b rounded >> shift)^2. accounts: by sp_mc_account, same units; lost is what was not followed to its end because a
 * stack was full, outside what was deposited in the geometry outside the dose grid, balance what roulette took away
 * less what it gave to the survivors, 0 on average: with it the accounts close. */
typedef struct {
	uint64_t batches;
	uint32_t shift;
	int64_t *sum;
	uint64_t *squares;
	int64_t accounts[SP_MC_ACCOUNT_COUNT];
} sp_mc_sums;

sp_status sp_mc_read(sp_mc_sums *out, sp_mc *mc, sp_error *err);
void sp_mc_sums_finish(sp_mc_sums *s);

/* Adds the sums of other batches. */
void sp_mc_sums_add(sp_mc_sums *to, const sp_mc_sums *more, size_t n_voxels);

#endif
