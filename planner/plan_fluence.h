/* The main job: a case and a protocol in, an optimised fluence plan with its dose out. */
#ifndef SP_PLAN_FLUENCE_H
#define SP_PLAN_FLUENCE_H

#include <jansson.h>

#include "beam.h"
#include "case.h"
#include "device.h"
#include "earlier_dose.h"
#include "machine.h"
#include "matter.h"
#include "optimise.h"
#include "protocol.h"
#include "setup_errors.h"
#include "status.h"

typedef struct sp_fluence_plan sp_fluence_plan;

typedef struct {
	double grid_mm; /* dose grid spacing */
	double bixel_mm;
	double cutoff_mm;   /* lateral reach of a bixel in the matrix; the final dose has none */
	double max_seconds; /* of optimisation, 0: until it converges */
	bool montecarlo;    /* matrix and dose by Monte Carlo; else by pencil beam, and what follows means nothing: */
	double bixel_uncertainty, uncertainty; /* of the matrix's columns and of the dose, see mc_case.h */
	uint64_t seed;
	double target_weight; /* what the dose that the target lacks counts against other penalties; 0: 1 */
	/* > 0: by priority (priorities.h), the target may lack so much more for the rest (root mean square, % of the
	 * prescription); 0: one sum of all objectives */
	double target_slip_percent;
	size_t n_angles; /* gantry angles given by the user, 0: the case's beams, else the default arrangement */
	const double *angles_deg;
	size_t n_scenarios; /* of set-up errors in which hard limits must hold too (pencil beam only) */
	const sp_scenario *scenarios;
	const sp_earlier_options *earlier; /* an earlier course, whose rest is each voxel's limit; NULL for none */
	unsigned fractions;                /* of this course; needed with an earlier one only */
	double collimator_deg;             /* of beams that are not the case's */
	bool between_leaves;               /* bixel edges, not centres, at whole multiples of bixel_mm */
	/* Several plans from one matrix. on_limits is called when the limits hold as judged (or have not settled): the
	 * weights are kept as a plan; it may change the values of the protocol's limits, which are the caller's, and
	 * set *go_on: then the search goes on from there with the multipliers it has. Without *go_on it ends at once.
	 * Then on_plan is called with each plan in turn and its whole dose. Pencil beam only. NULL: one plan, to the
	 * real end.
	 */
	sp_status (*on_limits)(void *context, bool *go_on, sp_error *err);
	sp_status (*on_plan)(void *context, const sp_fluence_plan *plan, sp_error *err);
	void *context;
} sp_plan_options;

struct sp_fluence_plan {
	sp_grid dose_grid;
	float *dose_gy;     /* [z][y][x], whole course, all bixels without cut-off */
	float *sigma_gy;    /* its standard uncertainty; NULL for a pencil beam's dose */
	double uncertainty; /* reached, mean relative above half of the maximum; 0 for a pencil beam's dose */
	uint64_t histories, dose_seed; /* of Monte Carlo's dose: no recalculation with that seed is independent */
	sp_beam_set *beams;
	double *weights; /* MU of each bixel over the course */
	sp_optimise_result optimisation;
	bool interrupted; /* by a signal: the weights are the best so far */
	size_t n_rows;
	uint64_t n_values;
	double matrix_seconds, optimise_seconds, dose_seconds;
	json_t *robust;        /* how limits hold in the scenarios (sp_robust_rows_report), NULL without any */
	json_t *reirradiation; /* the rules for a second course (sp_reirradiation_report), NULL without an earlier one
	                        */
};

/* dose_gy: the prescription. SP_INTERRUPTED leaves a whole plan with the best weights so far in *out. */
sp_status sp_plan_fluence(sp_fluence_plan **out, const sp_case *c, const sp_protocol *protocol, double dose_gy,
                          const sp_machine *machine, const sp_matter *matter, sp_device *device,
                          const sp_plan_options *options, sp_error *err);
void sp_fluence_plan_destroy(sp_fluence_plan *p);

#endif
