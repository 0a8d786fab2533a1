/* Beams with control points in a plan file (docs/plan-format.md, "Beams with control points"). */
#ifndef SP_DELIVERY_FILE_H
#define SP_DELIVERY_FILE_H

#include "delivery.h"
#include "h5.h"
#include "status.h"

/* Writes /beams/<i>. The beams must pass sp_delivery_beam_check. */
sp_status sp_delivery_write(const sp_delivery *d, sp_h5_out *f, sp_error *err);

/* Reads n beams /beams/0 to n - 1, checked. machine: the plan's, where a beam names none; beams of different machines
 * are refused. */
sp_status sp_delivery_read(sp_delivery **out, sp_h5_in *f, size_t n, const char *machine, sp_error *err);

#endif
