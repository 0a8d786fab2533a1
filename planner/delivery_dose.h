/* The dose of a delivery (beams of control points) on a case, in Gy for one fraction: monitor units are absolute. */
#ifndef SP_DELIVERY_DOSE_H
#define SP_DELIVERY_DOSE_H

#include <stdbool.h>
#include <stdint.h>

#include "case.h"
#include "delivery.h"
#include "device.h"
#include "machine.h"
#include "matter.h"

/* The machine of a delivery with its leaves. machine, mlc: names or paths that stand before those in the delivery, or
 * NULL. Where nobody names the leaves, they are the machine's, or the shipped ones with the edges of the delivery's;
 * where none has them, those of the nearest width with the delivery's edges, with a warning. */
sp_status sp_delivery_machine(sp_machine **out, const sp_delivery *d, const char *machine, const char *mlc,
                              sp_error *err);

typedef struct {
	double uncertainty; /* to reach: mean relative standard uncertainty above half of the maximum */
	uint64_t seed;
	uint32_t batch_histories; /* 0: as suits the grid */
} sp_delivery_dose_options;

typedef struct {
	double uncertainty; /* reached */
	uint64_t histories;
} sp_delivery_dose_result;

/* By Monte Carlo, dose to the medium; sigma_gy its standard uncertainty. Both [z][y][x] of grid. machine: as
 * sp_delivery_machine gives it. SP_INTERRUPTED: nothing is in them. */
sp_status sp_delivery_dose_mc(float *dose_gy, float *sigma_gy, sp_delivery_dose_result *result, sp_device *device,
                              const sp_case *c, const sp_matter *matter, const sp_machine *machine,
                              const sp_delivery *d, const sp_grid *grid, const sp_delivery_dose_options *o,
                              sp_error *err);

#endif
