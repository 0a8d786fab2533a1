/* A tank of water and open fields on it, as beams are measured: gantry and couch at 90 degrees, the beam along +z of
 * the case on its axis x = y = 0, the surface at z = 0. */
#ifndef SP_WATER_TANK_H
#define SP_WATER_TANK_H

#include "case.h"
#include "delivery.h"
#include "machine.h"
#include "status.h"

typedef struct {
	sp_case water;      /* 520 x 520 x 330 mm */
	sp_structure block; /* the water's only one */
	float *red;         /* electron density over water's, on the case's grid: 1 */
} sp_water_tank;

/* sp_water_tank_finish also after failure. The tank must not move in memory once it is made. */
sp_status sp_water_tank_make(sp_water_tank *out, sp_error *err);
void sp_water_tank_finish(sp_water_tank *t);

/* A field of the jaws, centred on the axis. */
typedef struct {
	double ssd_mm, field_mm[2], mu;
	/* 0: the case's x axis is the beam's y, as the gantry brings it; 90: it is the beam's x; between them a
	 * diagonal's direction (cos a, sin a) of the beam lies along the case's x axis at 90 - a degrees. */
	double collimator_deg;
} sp_water_field;

/* One beam of two control points. n_leaf_points > 2: that many, with leaves (all at their place under the jaws) for the
 * caller to move. */
sp_status sp_water_field_delivery(sp_delivery **out, const sp_machine *m, const sp_water_field *f, size_t n_leaf_points,
                                  sp_error *err);

#endif
