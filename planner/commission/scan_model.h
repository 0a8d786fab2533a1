/* What a machine file's beam gives where it was measured: the pencil beam (or Monte Carlo) in a tank of water, seen by
 * the detector. */
#ifndef SP_SCAN_MODEL_H
#define SP_SCAN_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "device.h"
#include "machine.h"
#include "matter.h"
#include "measured.h"
#include "water_tank.h"

typedef struct {
	sp_device *device;
	const sp_matter *matter;
	sp_water_tank tank;
	double detector_sigma_mm; /* profiles are seen through a Gaussian of this standard deviation; 0: as they are */
	bool monte_carlo;
	double uncertainty; /* of Monte Carlo */
	uint64_t seed;
} sp_scan_model;

/* The dose at each point of a scan (Gy for 1 MU; of a sweeping gap: over the open field's): scan->n numbers.
 * SP_BAD_INPUT for a sweep of a machine without leaves. */
sp_status sp_scan_dose(double *out, const sp_scan_model *model, const sp_machine *m, const sp_measured_scan *scan,
                       sp_error *err);

#endif
