/* Between rounds of optimisation: where a hard limit's judged value differs from what the optimiser saw, its term moves
 * by the difference, so that the limit is held as the evaluation judges it, and no tighter. */
#ifndef SP_LIMIT_CORRECTION_H
#define SP_LIMIT_CORRECTION_H

#include "case.h"
#include "plan_problem.h"
#include "status.h"

typedef struct {
	double worst_miss_gy;  /* of a limit as judged; <= 0 when all hold */
	double worst_slack_gy; /* how far below its limit a term that binds is judged */
} sp_limit_standing;

/* Judges the problem's hard limits in one scenario (0: as planned) on its dose ([z][y][x]); rows_dose is the
 * optimiser's own, one a row. Limits on volumes (V17Gy) are judged, but only dose limits have a term that can move.
 * With correct = false nothing moves. */
sp_status sp_limits_judge(sp_limit_standing *out, sp_plan_problem *p, size_t scenario, const sp_case *c,
                          const sp_grid *grid, const float *dose_gy, const float *rows_dose, double prescription_gy,
                          bool correct, sp_error *err);

/* Where judging these limits in the patient as planned needs a dose: mark (one a voxel of the grid, all 0) becomes 1 at
 * the rows and where doses of the limits' structures are interpolated from. */
sp_status sp_limits_mark(unsigned char *mark, const sp_plan_problem *p, const sp_case *c, const sp_grid *grid,
                         sp_error *err);

#endif
