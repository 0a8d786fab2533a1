/* The pencil-beam engine against Monte Carlo reference curves (tests/data/egsnrc), as `spineplan bench accuracy` and
 * the tests show it. */
#ifndef SP_ACCURACY_H
#define SP_ACCURACY_H

#include <stdbool.h>

#include "device.h"
#include "machine.h"
#include "matter.h"
#include "status.h"

#define SP_ACCURACY_CASES 5

/* Points: boxes of the reference's depth dose and profiles beyond 10 mm depth. A point passes when it is within
 * tolerance_percent of the case's maximum, or when the reference value occurs within tolerance_mm along the curve. */
typedef struct {
	const char *name; /* "water_6mv_3x3" and the like */
	const char *what; /* for people */
	bool required;    /* water: every point must pass; elsewhere the errors are for information */
	unsigned points, passed;
	double mean_percent, rms_percent; /* of the maximum */
	double worst_percent;             /* largest deviation, with its sign, and where */
	double worst_depth_mm, worst_off_axis_mm;
	double statistics_percent; /* root mean square standard deviation of the reference */
} sp_accuracy;

typedef struct {
	double tolerance_percent, tolerance_mm;
	const char *folder; /* CSV files to use instead of those built in, or NULL */
} sp_accuracy_options;

/* machine: its kernels are judged; its focal spot is not used. number: 0 .. SP_ACCURACY_CASES - 1. */
sp_status sp_accuracy_measure(sp_accuracy *out, unsigned number, sp_device *d, const sp_matter *matter,
                              const sp_machine *machine, const sp_accuracy_options *options, sp_error *err);

#endif
