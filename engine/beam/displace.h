/* A patient who lies otherwise than planned. The beams stay where they are in the room; seen from the patient it is
 * they that move, so a dose with displaced beams on the patient's own grid is the dose of the displaced patient,
 * without anything being resampled. */
#ifndef SP_DISPLACE_H
#define SP_DISPLACE_H

#include "beam.h"

/* The patient's point p comes to lie at pivot + R (p - pivot) + shift, with R = Rz Ry Rx (right-handed turns about the
 * LPS axes, x first). */
typedef struct {
	double shift_mm[3], rotation_deg[3], pivot_mm[3]; /* LPS */
} sp_displacement;

/* Where a point of the patient comes to lie. */
void sp_displacement_apply(double out_mm[3], const sp_displacement *d, const double point_mm[3]);

/* The beams as the displaced patient sees them; angles and isocentres in `setup` stay the planned ones. */
sp_status sp_beam_set_displace(sp_beam_set **out, const sp_beam_set *set, const sp_displacement *d, sp_error *err);

#endif
