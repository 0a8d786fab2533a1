/* Apertures as beams of control points: what a machine can be told, rounded as it wants it. */
#ifndef SP_TO_DELIVERY_H
#define SP_TO_DELIVERY_H

#include "aperture_map.h"
#include "delivery.h"

/* Monitor units are the course's divided by `fractions`. Fields whose leaves move while the beam is on become arcs with
 * a control point for each state; the others steps: two control points for each segment with MU. */
sp_status sp_apertures_deliver(sp_delivery **out, const sp_aperture_map *m, const double *x, double fractions,
                               sp_error *err);

#endif
