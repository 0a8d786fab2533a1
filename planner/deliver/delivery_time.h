/* How long a machine needs for a fraction, at its limits: no time for imaging, for people, or to gather speed. */
#ifndef SP_DELIVERY_TIME_H
#define SP_DELIVERY_TIME_H

#include "delivery.h"
#include "machine.h"

typedef struct {
	double beam_on_s, between_s; /* with the beam on; moves between segments and between beams */
} sp_delivery_seconds;

/* machine must have leaves where the plan has. */
void sp_delivery_time(sp_delivery_seconds *out, const sp_delivery *d, const sp_machine *machine);

#endif
