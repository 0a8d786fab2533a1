/* What host and device share of the Monte Carlo transport (mc_transport.cl). Lengths in cm from the low corner of the
 * geometry's grid, energies in MeV, cross-sections per mass (cm2/g). */
#ifndef SP_MC_SHARED_H
#define SP_MC_SHARED_H
#include "shared/host_device.h"

/* ---- Energies: rows of the tables are the intervals of floats that share their upper bits, SP_MC_ROWS_PER_OCTAVE to
 * a factor of 2, from 2^SP_MC_ENERGY_LOG2 MeV on. ---- */
#define SP_MC_ENERGY_LOG2 (-7) /* 7.8 keV */
#define SP_MC_ROWS_PER_OCTAVE 64
#define SP_MC_ROW_SHIFT 17 /* 23 bits of mantissa less 6 */
#define SP_MC_ROWS 768     /* up to 32 MeV */

/* Rows of the photon tables hold values at the interval's lower end, for interpolation; one more row closes them. Rows
 * of the electron tables hold those at the middle. */

/* ---- Multiple scattering (make_scattering_table.c): [node][eta][K] ---- */
#define SP_MC_NODES 128
#define SP_MC_NODES_PER_L 8
#define SP_MC_ETAS 22
#define SP_MC_ETA_LOG2 (-28) /* the first eta is 2^-28, each next one twice as large */
#define SP_MC_KS 64
#define SP_MC_KS_PER_OCTAVE 4
#define SP_MC_K_SHIFT 21
#define SP_MC_K_LOG2 (-14)

/* ---- Bremsstrahlung: [material][energy][share]: the photon's energy is cut * (t / cut)^value; energies from
 * 2^SP_MC_BREMS_LOG2 MeV, SP_MC_BREMS_PER_OCTAVE to a factor of 2 ---- */
#define SP_MC_BREMS_LOG2 (-4)
#define SP_MC_BREMS_PER_OCTAVE 4
#define SP_MC_BREMS_ENERGIES 37 /* up to 32 MeV */
#define SP_MC_BREMS_SHARES 129

/* ---- Pair production: [energy][share]: the electron's share of the kinetic energy; energies k from
 * 2^SP_MC_PAIR_LOG2 MeV, 2 per octave; the first row is used below ---- */
#define SP_MC_PAIR_LOG2 0
#define SP_MC_PAIR_ENERGIES 11
#define SP_MC_PAIR_SHARES 33

/* ---- Voxels: density in the low 16 bits in units of 1/SP_MC_DENSITY_UNIT g/cm3, clearance in the next 4, uniformity
 * in the next 4, material in the top 8. The clearance is the number of voxels in every direction (diagonals too) that
 * are neither much denser nor much thinner (by SP_MC_DENSER and more than SP_MC_ALIKE), the uniformity a code for that
 * of voxels of the same matter (SP_MC_REACH); what lies outside the grid is neither. ---- */
#define SP_MC_DENSITY_UNIT 4096.0f
#define SP_MC_DENSER 1.5f
#define SP_MC_ALIKE 0.02f /* g/cm3 */
#define SP_MC_MAX_CLEARANCE 15
#define SP_MC_REACH(code, growth) ((code) + (growth) * (code) * (code) * (code) * (code)) /* uniformity in voxels */

/* Voxel words and tallies lie in memory by cubes of 4 x 4 x 4, so that a ray or track of any direction finds most of
 * its next voxels in cache lines and pages that it has been in. Of cell (i, j, k) (unsigned) of a grid of nx x ny x nz:
 */
#define SP_MC_CELL(i, j, k, nx, ny)                                                                              \
	((((((k) >> 2) * SP_MC_CUBES(ny) + ((j) >> 2)) * SP_MC_CUBES(nx) + ((i) >> 2)) << 6) | (((k)&3u) << 4) | \
	 (((j)&3u) << 2) | ((i)&3u))
#define SP_MC_CUBES(n) (((n) + 3u) >> 2)
#define SP_MC_CELLS(nx, ny, nz) \
	(64u * SP_MC_CUBES(nx) * SP_MC_CUBES(ny) * SP_MC_CUBES(nz)) /* with what fills cubes up */

/* ---- Bricks of voxels: majorant of the photons' flights. word: of a uniform brick that of its voxels, without
 * clearance and uniformity; else the largest density, SP_MC_MIXED and in the top 8 bits the class (0 soft tissue and
 * water, 1 bone and plastics, 2 metal). Around a uniform brick a box of the same matter, inside the grid. ---- */
#define SP_MC_MIXED 0x10000u
#define SP_MC_CLASSES 3
#define SP_MC_MAX_BRICKS_PER_AXIS 40

typedef struct {
	sp_u32 word;
	float low_cm[3], high_cm[3]; /* of the box */
	sp_u32 unused;
} sp_mc_brick;
SP_SAME_SIZE(sp_mc_brick, 32);

/* An electron's row, read as one float4: restricted stopping power (MeV cm2/g), first transport coefficient of
 * scattering (cm2/g), index of its eta, discrete collisions (cm2/g). Positrons' rows follow those of all materials. */
/* Its second row, for events: the share of Moller's or Bhabha's in the discrete collisions (the rest is
 * bremsstrahlung), annihilation in flight (cm2/g; 0 for electrons), which comes on top, and the farthest that an
 * electron of this energy gets (g/cm2). */

/* ---- Tally: energy times weight in units of 1/SP_MC_TALLY_UNIT MeV ---- */
#define SP_MC_TALLY_UNIT 67108864.0f

/* Energy accounts of a batch, in tally units. */
#define SP_MC_ACCOUNTS 5
#define SP_MC_ACCOUNT_EMITTED 0
#define SP_MC_ACCOUNT_ESCAPED 1
/* 3: what was deposited in the geometry outside the tally's grid, which the host finds in the tallies' last cells */
#define SP_MC_ACCOUNT_BALANCE 4 /* taken away by roulette less given to its survivors, and the like: 0 on average */
#define SP_MC_ACCOUNT_LOST 2    /* not followed to its end because a stack was full; in no voxel */

typedef struct {
	float voxels_per_cm[4], extent_cm[4];  /* of the geometry's grid; [3] unused */
	float tally_per_cm[4], tally_shift[4]; /* voxel coordinate on the tally's grid = position * per_cm + shift */
	float bricks_per_cm[4], brick_cm[4];
	sp_u32 n[4], tally_n[4], bricks_n[4]; /* [3]: cells in memory, SP_MC_CELLS; of bricks the product */
	float clearance_cm;                   /* length of one unit of clearance */
	float uniform_growth;                 /* of SP_MC_REACH */
	float electron_cut, photon_cut;
	float event_majorant; /* cm2/g, bounds the discrete collisions of any electron in any material */
	float step_per_mev;   /* longest electron step, g/cm2 per MeV */
	float longest_step;   /* g/cm2 */
	float site_scale;     /* sites of a photon per MeV of weight times energy */
	sp_u32 least_sites, most_sites;
	float quantum; /* MeV: deposits of a repeated track are joined up to this */
	float survive; /* probability of going on after a photon's first scattering */
	sp_u32 n_materials;
	sp_u32 seed[2];
} sp_mc_setup;
SP_SAME_SIZE(sp_mc_setup, 204);

/* ---- Source: rectangles in planes, each seen from a point or crossed by a parallel beam ---- */
typedef struct {
	float source_cm[4];                       /* the point; for a parallel beam unused */
	float centre_cm[4], x_axis[4], y_axis[4]; /* of the plane in which rectangles lie */
	float direction[4];                       /* of a parallel beam */
	sp_u32 parallel;
	float distance_cm; /* of the plane from the point */
	float isotropic;   /* > 0: uniform per solid angle; the mean of cos^3 over the field */
	sp_u32 unused;
} sp_mc_beam;
SP_SAME_SIZE(sp_mc_beam, 96);

typedef struct {
	float x_cm, y_cm, half_x_cm, half_y_cm;
	sp_u32 beam;
	sp_u32 end;  /* where on the line of all particles (2^32 long) this one's share ends; the last one's is 2^32 - 1
	              */
	sp_u32 kind; /* of a machine's head, mc_machine.h; beam is then the interval between control points */
	sp_u32 unused;
} sp_mc_rectangle;
SP_SAME_SIZE(sp_mc_rectangle, 32);

#define SP_MC_SPECTRUM 4096 /* energies at even shares of the particles, one more closes the table */

typedef struct {
	sp_u32 n_rectangles;
	sp_u32 electrons; /* 1: the source emits electrons */
	sp_u32 batch_histories;
	sp_u32 unused;
} sp_mc_source;
SP_SAME_SIZE(sp_mc_source, 16);

/* Dimensions of the sequence for a source photon's first flight */
#define SP_MC_DIM_ENERGY 0
#define SP_MC_DIM_SITE 1
#define SP_MC_DIM_CHOSEN 2
#define SP_MC_DIM_COMPTON 3
#define SP_MC_DIM_AZIMUTH 4
#define SP_MC_DIMS 5

#endif
