/* A small block of matter with unequal sizes and spacings off the origin, the shipped machine, and a device. */
#ifndef SP_PENCIL_FIXTURE_H
#define SP_PENCIL_FIXTURE_H

#include "pencil_internal.h"

typedef struct {
	sp_device *device;
	sp_machine *machine;
	sp_grid ct; /* x -40..44, y -90..-50 (surface of a beam from the front at y = -90), z 20..95 mm */
} rig;

int rig_set_up(void **state);
int rig_tear_down(void **state);

/* The engine on the block filled evenly with that electron density. */
sp_pencil *rig_pencil(const rig *r, float density);

/* Bixels of 5 mm over a box-shaped target in the middle, from these angles, isocentre (2, -70, 60). */
sp_beam_set *rig_beams(const sp_beam_setup *setups, size_t n);
sp_beam_setup rig_setup(double gantry_deg, double collimator_deg, double couch_deg);

/* D w read back; malloc'ed. */
float *rig_multiply(const rig *r, sp_influence *m, const double *weights);

/* True where the environment asks for small problems (SPINEPLAN_SMALL_TESTS=1: kernels under an interpreter). */
bool rig_small(void);

#endif
