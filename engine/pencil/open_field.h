/* The field of the physics benchmarks: a point source in front of a flat phantom, photons uniform per solid angle
 * inside a rectangle with sharp edges, dose per photon. */
#ifndef SP_OPEN_FIELD_H
#define SP_OPEN_FIELD_H

#include "beam.h"
#include "machine.h"
#include "status.h"

/* The beam runs along +z (LPS) on the axis x = y = 0, the phantom's surface is z = 0. */
typedef struct {
	double ssd_mm;      /* source to surface */
	double field_mm[2]; /* along x and y, 1000 mm from the source */
} sp_open_field;

/* One beam and its bixels' weights (*weights_out: malloc'ed) such that sp_pencil_dose gives Gy per photon that passes
 * the field. machine: its fluence per unit weight is taken out again; its focal spot should be 0. */
sp_status sp_open_field_make(sp_beam_set **out, double **weights_out, const sp_open_field *f, const sp_machine *machine,
                             sp_error *err);

#endif
