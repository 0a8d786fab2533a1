/* Planning under set-up errors: the rows of the matrix that belong to displaced patients, the limits that must hold
 * there too, and their judgement. What is known of each scenario is little: the voxels of limited organs near the
 * target and of the tumour, so a dozen scenarios hardly cost more memory than the patient as planned.
 * docs/robustness.md. */
#ifndef SP_ROBUST_ROWS_H
#define SP_ROBUST_ROWS_H

#include <jansson.h>

#include "displace.h"
#include "dose_file.h"
#include "limit_correction.h"
#include "pencil.h"
#include "plan_problem.h"
#include "setup_errors.h"

typedef struct {
	size_t n_scenarios;
	const sp_scenario *scenarios; /* borrowed */
	sp_displacement *displacements;
	sp_beam_set **beams;      /* as each displaced patient sees them */
	size_t first_row, n_each; /* scenario s has the rows first_row + s * n_each ... */
	uint32_t *nominal_row;    /* of each of the n_each voxels */
	uint64_t *voxels;         /* of the dose grid, ascending */
	size_t *box_voxel;        /* in the box; SIZE_MAX where it lies outside */
	sp_grid box;              /* where limits are judged */
	float *box_dose_gy;
} sp_robust_rows;

/* What the dose of a scenario comes from: the pencil beam, with the beams as the displaced patient sees them; or, where
 * that is NULL, another engine's dose of the patient as planned. On rows what that leaves over the matrix is then added
 * to what the matrix has in the scenario; between rows the dose stays in the room. */
typedef struct {
	sp_pencil *pencil;
	const double *weights;           /* of the pencil's bixels */
	sp_dose planned;                 /* borrowed, as are */
	const float *rows_dose, *offset; /* of the search: rows_dose less the scenarios' offset is the matrix's */
} sp_scenario_source;

/* Adds to a problem, for each scenario, the limits on upper doses of organs that come within reach of the target, and
 * the penalties for underdose of the tumour (gross or clinical) with a share of their weight. */
sp_status sp_robust_rows_make(sp_robust_rows *out, sp_plan_problem *p, const sp_case *c, const sp_grid *grid,
                              const sp_beam_set *beams, const sp_scenario *scenarios, size_t n_scenarios,
                              sp_error *err);
void sp_robust_rows_finish(sp_robust_rows *r);

/* Rows of the problem, those of scenarios included. */
size_t sp_robust_rows_total(const sp_robust_rows *r, const sp_plan_problem *p);

/* Puts the scenarios' rows below those of *matrix, which is replaced. */
sp_status sp_robust_rows_matrix(sp_influence **matrix, const sp_robust_rows *r, sp_pencil *pencil, const sp_grid *grid,
                                double cutoff_mm, sp_error *err);

/* What the cut-off leaves out hardly changes by millimetres: a first guess for the scenarios' rows. */
void sp_robust_rows_guess_offset(const sp_robust_rows *r, float *offset);

/* The scenarios' rows of *rows: their doses; 0 where the pencil beam has not computed any. */
sp_status sp_robust_rows_doses(float *rows, sp_robust_rows *r, const sp_scenario_source *source, sp_error *err);

/* Computes each scenario's dose without cut-off near the target, judges the limits there (and moves their terms where
 * `correct`), and takes up in *offset (NULL: nowhere) what the matrix leaves out. *out collects the worst. */
sp_status sp_robust_rows_judge(sp_limit_standing *out, sp_robust_rows *r, sp_plan_problem *p, const sp_case *c,
                               const sp_scenario_source *source, const float *rows_dose, float *offset,
                               double prescription_gy, bool correct, sp_error *err);

/* Every limit that holds in scenarios, with its worst value: {scenarios: [name...], limits: [{structure, metric, unit,
 * limit, worst, worst_scenario, met}], all_limits_met}. */
sp_status sp_robust_rows_report(json_t **out, sp_robust_rows *r, const sp_plan_problem *p, const sp_case *c,
                                const sp_scenario_source *source, double prescription_gy, sp_error *err);

#endif
