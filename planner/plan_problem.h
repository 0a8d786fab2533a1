/* From a case and a protocol to an optimisation problem: which voxels become rows of the influence matrix, and which
 * objectives and hard limits act on them. docs/planning.md tells why each is there. */
#ifndef SP_PLAN_PROBLEM_H
#define SP_PLAN_PROBLEM_H

#include <stdint.h>

#include "case.h"
#include "grid.h"
#include "optimise.h"
#include "protocol.h"
#include "status.h"

/* What comes before what (priorities.h): sp_term.level. */
typedef enum {
	SP_LEVEL_LIMIT,  /* hard limits, of the cord first of all: held throughout */
	SP_LEVEL_TARGET, /* dose that the target lacks */
	SP_LEVEL_ORGANS, /* limits of organs that are not hard */
	SP_LEVEL_TISSUE, /* normal tissue, hot spots of the target */
	SP_LEVEL_COUNT
} sp_plan_level;

/* A hard limit of the protocol and the term that stands for it. The term's dose may differ from the limit's: rows are
 * voxel centres, while a limit is judged on the finer DVH of the evaluation (limit_correction.h). */
typedef struct {
	const sp_limit *limit; /* borrowed from the protocol */
	size_t term;           /* index into terms */
	size_t n, *which;      /* structures of the case, taken together */
	size_t scenario;       /* 0: the patient as planned; else 1 + the scenario of set-up errors (robust_rows.h) */
} sp_plan_limit;

typedef struct {
	size_t n_voxels;
	uint64_t *voxels; /* of the dose grid, ascending: the rows of the matrix */
	size_t n_terms;
	sp_term *terms;
	size_t n_limits;
	sp_plan_limit *limits;
	/* The rows of the target and of the first hard-limited cord-like structure, for the progress line. */
	size_t target_term, cord_term; /* index into terms, SIZE_MAX for none */
} sp_plan_problem;

/* dose_gy: the prescription (whole course). SP_BAD_INPUT when the case has no target or it is empty on the grid. */
sp_status sp_plan_problem_make(sp_plan_problem *out, const sp_case *c, const sp_protocol *protocol, double dose_gy,
                               double target_weight, const sp_grid *grid, sp_error *err);
void sp_plan_problem_finish(sp_plan_problem *p);

/* Turns the shares of the grid's voxels that lie in a structure into their weights in its dose, which between voxel
 * centres is linear: a voxel beyond the edge has some too. */
sp_status sp_interpolate_shares(float *share, const sp_grid *grid, sp_error *err);

#endif
