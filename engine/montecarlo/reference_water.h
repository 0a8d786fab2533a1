/* Reference transport: photons, electrons and positrons in water, in plain double precision on the host. It makes the
 * pencil kernels, and is what kernels on a device are compared with. Equations and their sources: docs/physics.md.
 * Tables: reference_tables.c; single interactions: interactions.c; the loop over particles: reference_water.c. */
#ifndef SP_REFERENCE_WATER_H
#define SP_REFERENCE_WATER_H

#include <stddef.h>
#include <stdint.h>

#include "matter.h"
#include "progress.h"
#include "spectrum.h"

typedef struct sp_reference_water sp_reference_water; /* cross-sections on fine grids */

sp_status sp_reference_water_create(sp_reference_water **out, const sp_matter *m, sp_error *err);
void sp_reference_water_destroy(sp_reference_water *w);

/* Dose around an infinitesimal parallel pencil of photons that enters semi-infinite water (vacuum above) at depth 0. */
typedef struct {
	size_t n_depths, n_radii;
	double *depth_low_mm, *depth_high_mm; /* ascending slabs, may leave gaps */
	double *radius_mm;                    /* n_radii + 1 edges of the rings, the first 0 */
	double *dose_gy_cm2; /* [depth][ring, and one more for all beyond]: dose integrated over the ring's area, Gy cm2
	                      * a photon */
	double *sigma_gy_cm2;                           /* its standard uncertainty, from independent batches */
	double emitted_mev, deposited_mev, escaped_mev; /* a photon; escaped: above the surface, or below 500 mm */
} sp_pencil_rings;

/* Slabs between consecutive low/high pairs; rings of 0.05 mm, from 0.6 mm on growing by 8 %, up to 300 mm. */
sp_status sp_pencil_rings_create(sp_pencil_rings *out, const double *depth_low_mm, const double *depth_high_mm,
                                 size_t n_depths, sp_error *err);
void sp_pencil_rings_finish(sp_pencil_rings *rings);

/* Runs histories photons of the spectrum. The result depends on seed and histories only, not on the threads. progress:
 * started by the caller, or NULL. */
sp_status sp_reference_pencil(sp_pencil_rings *rings, const sp_reference_water *w, const sp_spectrum *spectrum,
                              uint64_t histories, uint64_t seed, sp_progress *progress, sp_error *err);

#endif
