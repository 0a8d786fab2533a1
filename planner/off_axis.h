/* What a spectrum that softens off the axis does to the dose of a pencil beam whose kernels are those of the axis. */
#ifndef SP_OFF_AXIS_H
#define SP_OFF_AXIS_H

#include "machine.h"
#include "matter.h"

#define SP_OFF_AXIS_STEP_MM 10.0
#define SP_OFF_AXIS_RADII 31

/* At r mm from the axis in the isocentre plane (table of SP_OFF_AXIS_STEP_MM), a photon gives per_photon exp(-d m(r))
 * of the dose of one on the axis at depth d (mm of water), m(r) = r (soften[0] + r (soften[1] + r soften[2])). */
typedef struct {
	double per_photon[SP_OFF_AXIS_RADII], soften[3];
} sp_off_axis;

/* Energy absorbed from the attenuated primary photons, 20 to 300 mm deep, of the file's spectrum at each radius against
 * the axis. */
sp_status sp_off_axis_make(sp_off_axis *out, const sp_machine *machine, const sp_matter *matter, sp_error *err);

double sp_off_axis_at(const double table[SP_OFF_AXIS_RADII], double radius_mm);

/* The file's fluence by radius, between its rows. */
double sp_machine_fluence_at(const sp_machine_source *s, double radius_mm);
double sp_machine_softening_at(const sp_machine_source *s, double radius_mm);

#endif
