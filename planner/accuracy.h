/* Dose engines against Monte Carlo reference curves (tests/data/egsnrc), as `spineplan bench accuracy` and the tests
 * show it. This is the comparison and the pencil beam's side; our Monte Carlo's is accuracy_montecarlo.h. */
#ifndef SP_ACCURACY_H
#define SP_ACCURACY_H

#include <stdbool.h>
#include <stdint.h>

#include "device.h"
#include "grid.h"
#include "machine.h"
#include "matter.h"
#include "reference_curves.h"
#include "status.h"

/* The pencil beam is compared in the first cases of sp_reference_cases. */
#define SP_ACCURACY_CASES 5

/* What an engine says of a reference box. */
typedef struct {
	double dose_gy, sigma_gy;
	double near_least_gy, near_most_gy; /* of boxes as far as tolerance_mm along the curve */
} sp_box_dose;

/* A point passes when it is within tolerance_percent of the maximum plus twice the combined standard uncertainty of
 * both sides, or when the reference value occurs within tolerance_mm along the curve. Where curves are means over the
 * phantom's whole width, their own maximum counts. */
typedef struct {
	const char *name; /* "water_6mv_3x3" and the like */
	const char *what; /* for people */
	bool required;    /* else the errors are for information */
	bool passes;      /* enough points pass and the mean deviation is within its limit */
	double tolerance_percent, tolerance_mm;
	double needed_percent;     /* of the points */
	double mean_limit_percent; /* 0: none */
	unsigned points, passed;
	double mean_percent, rms_percent; /* of the maximum */
	double worst_percent;             /* largest deviation, with its sign, and where */
	double worst_depth_mm, worst_off_axis_mm;
	double statistics_percent;     /* root mean square standard uncertainty of the reference */
	double own_statistics_percent; /* mean relative standard uncertainty above half of the maximum */
	double histories, seconds;     /* that the engine took; 0 histories: not a Monte Carlo engine */
} sp_accuracy;

typedef struct {
	double tolerance_percent, tolerance_mm;
	const char *folder; /* CSV files to use instead of those built in, or NULL */
	const char *kernel; /* pencil kernels in place of the machine's, or NULL */
} sp_accuracy_options;

/* machine: its kernels are judged, beyond 10 mm depth; its focal spot is not used. number: 0 .. SP_ACCURACY_CASES - 1.
 * Water has to pass, with every point. */
sp_status sp_accuracy_measure(sp_accuracy *out, unsigned number, sp_device *d, const sp_matter *matter,
                              const sp_machine *machine, const sp_accuracy_options *options, sp_error *err);

/* Fills dose_gy and near_*: the means of a dose over a box and over its shifted copies. */
void sp_accuracy_box(sp_box_dose *out, const sp_reference_box *box, const float *dose, const sp_grid *grid,
                     double reach_mm);
double sp_accuracy_box_mean(const float *dose, const sp_grid *grid, const double low_mm[3], const double high_mm[3]);

/* Compares, by out's tolerances and limits. */
void sp_accuracy_judge(sp_accuracy *out, const sp_reference_curves *curves, const sp_box_dose *own);

#endif
