/* The finite-size pencil-beam engine. Physics and kernel layout: docs/physics.md; the loops over voxels and bixels:
 * cl_kernels/pencil.cl and cl_kernels/fan_trace.cl. */
#ifndef SP_PENCIL_H
#define SP_PENCIL_H

#include "beam.h"
#include "case.h"
#include "device.h"
#include "influence.h"
#include "machine.h"
#include "matter.h"

/* The kernels of single energies, and what was last superposed of them. For one thread at a time. */
typedef struct sp_superposer sp_superposer;

/* A machine that has one (sp_machine.superposer) does not read them again for each dose. matter: outlives it. */
sp_status sp_superposer_create(sp_superposer **out, const sp_matter *matter, sp_error *err);
void sp_superposer_destroy(sp_superposer *s);

typedef struct sp_pencil sp_pencil; /* a machine's kernels and a patient's electron density, on a device */

/* red: electron density relative to water on the CT grid ([z][y][x], sp_matter_electron_density). Where d has
 * companions, they share the rows of influence matrices. */
sp_status sp_pencil_create(sp_pencil **out, sp_device *d, const sp_machine *machine, const sp_grid *ct,
                           const float *red, sp_error *err);
/* Beams soften off their axis: at r mm from it in the isocentre plane depth d (mm of water) takes exp(-d m(r)) of the
 * dose, m(r) = r (s[0] + r (s[1] + r s[2])). 0 until told. */
void sp_pencil_set_softening(sp_pencil *p, const double s[3]);

void sp_pencil_destroy(sp_pencil *p);

/* The influence matrix for the given voxels of dose_grid (ascending). Bixels farther than cutoff_mm (in the isocentre
 * plane) from a voxel's projection are left out; a voxel without matter in it gets an empty row. Unit: Gy per unit
 * weight; a weight of 1 is the fluence of 1 MU. The matrix is on the first device, with the same bits however many
 * share its rows. */
sp_status sp_pencil_influence(sp_influence **out, sp_pencil *p, const sp_beam_set *beams, const sp_grid *dose_grid,
                              const uint64_t *voxels, size_t n_voxels, double cutoff_mm, sp_error *err);

/* Dose (Gy) of weighted bixels in every voxel of dose_grid ([z][y][x]), without the matrix and without a cut-off; 0 in
 * voxels that overlap no matter (electron density above 0).
 * weights: beams->n_bixels. */
sp_status sp_pencil_dose(float *dose_gy_out, sp_pencil *p, const sp_beam_set *beams, const double *weights,
                         const sp_grid *dose_grid, sp_error *err);

/* Whether there is a kernel table of that name, or kernels can be superposed under it ("superposed"). */
bool sp_pencil_has_kernels(const char *name);

/* The doses of several sets of weights (1 to SP_PENCIL_MOST_MAPS), each with the bits that it has alone. Geometry and
 * kernels are worked out once for all: eight take the time of three or four. wanted: not 0 for each voxel of dose_grid
 * whose dose is wanted, the others get 0; NULL: all. */
#define SP_PENCIL_MOST_MAPS 8
sp_status sp_pencil_doses(float *const *doses_gy_out, sp_pencil *p, const sp_beam_set *beams,
                          const double *const *weights, size_t n_maps, const sp_grid *dose_grid,
                          const unsigned char *wanted, sp_error *err);

#endif
