/* The gamma index of two doses. The search itself is cl_kernels/gamma.cl. */
#ifndef SP_PLANNER_GAMMA_H
#define SP_PLANNER_GAMMA_H

#include <stdbool.h>
#include <stddef.h>

#include "device.h"
#include "dose_file.h"

typedef struct {
	double dose_percent;      /* of the normalisation, or of the point's own dose where local */
	double distance_mm;       /* > 0 */
	double threshold_percent; /* of the normalisation: points of A below are not judged */
	double normalisation_gy;  /* 0: the greatest dose of A */
	double cap;               /* > 1; gammas from here on are given as this */
	bool local;
} sp_gamma_criterion;

typedef struct {
	double normalisation_gy;
	size_t n_judged, n_passed; /* passed: gamma at most 1 */
	size_t n_below, n_outside; /* below the threshold; above it, but beyond B's outermost centres: not judged */
	double mean, median, p95, greatest; /* of gamma; 0 where nothing was judged */
	float *gamma;                       /* on A's grid, NaN where not judged */
} sp_gamma_result;

/* Judges A (the reference) at its voxel centres against B, trilinear between its own. Grids may differ; B needs two
 * centres along each axis. */
sp_status sp_gamma_compute(sp_gamma_result *out, sp_device *d, const sp_dose *a, const sp_dose *b,
                           const sp_gamma_criterion *criterion, sp_error *err);
void sp_gamma_result_finish(sp_gamma_result *r);

#endif
