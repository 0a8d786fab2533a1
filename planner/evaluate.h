/* What a dose does to each structure: DVH, metrics, conformity, limits with pass or fail. */
#ifndef SP_EVALUATE_H
#define SP_EVALUATE_H

#include <jansson.h>
#include <stdint.h>

#include "case.h"
#include "grid.h"
#include "protocol.h"
#include "status.h"

/* Doses and volumes are stated to two decimals; half of the last one is no miss. */
#define SP_EVALUATION_SAME 0.005

/* Cumulative DVH with exact partial volumes: volume_cc[i] is the volume that gets at least dose_gy[i]. */
typedef struct {
	size_t n;
	float *dose_gy;   /* ascending */
	float *volume_cc; /* descending */
	double volume_total_cc, mean_gy, max_gy, min_gy;
} sp_dvh;

/* From dose and fractions on the same grid. Each voxel's volume is spread over the doses within it. */
sp_status sp_dvh_make(sp_dvh *out, const float *dose_gy, const float *fraction, const sp_grid *grid, sp_error *err);
void sp_dvh_finish(sp_dvh *dvh);

/* Adds volume that gets no dose at all. */
sp_status sp_dvh_add_cold(sp_dvh *dvh, double volume_cc, sp_error *err);

/* DVH of the case's structures `which` taken as one, sampled more finely than the dose grid where they are small (the
 * dose linear between voxel centres). What lies beyond the dose grid is counted as dose 0; *outside_cc says how much.
 */
sp_status sp_dvh_of_structures(sp_dvh *out, double *outside_cc, const sp_case *c, const size_t *which, size_t n,
                               const sp_grid *dose_grid, const float *dose_gy, sp_error *err);

/* Largest dose that at least volume_cc receives (D0.03cc; 0 where the structure is smaller), or at least the share
 * (D95: 0.95). */
double sp_dvh_dose_at_cc(const sp_dvh *dvh, double volume_cc);
double sp_dvh_dose_at_share(const sp_dvh *dvh, double share);
/* Volume (cc) that receives at least dose_gy. */
double sp_dvh_volume_at_gy(const sp_dvh *dvh, double dose_gy);

/* Volume (cc) within the body (all of the grid where the case has no external) that gets at least each of n doses. */
sp_status sp_isodose_volumes(double *cc_out, const double *level_gy, size_t n, const sp_case *c,
                             const sp_grid *dose_grid, const float *dose_gy, sp_error *err);

/* Evaluates a dose (Gy, whole course) against a case's structures and a protocol (NULL: none). The JSON object is
 * what `spineplan evaluate --json` prints, without the plan's provenance: docs/evaluation.md describes it. */
sp_status sp_evaluate(json_t **out, const sp_case *c, const sp_grid *dose_grid, const float *dose_gy,
                      const sp_protocol *protocol, sp_error *err);

/* Whether a plan's provenance (NULL: none) says that its search was interrupted, and how that is said. */
#define SP_PLAN_UNFINISHED "NOT a finished plan: its search was interrupted"
bool sp_plan_is_unfinished(const json_t *provenance);

/* The same as tables for people on stdout. */
void sp_evaluation_print(const json_t *evaluation);

#endif
