/* An earlier course of treatment: its dose brought to this case, what of it counts in EQD2 (alpha/beta 2), and what it
 * leaves for a new course, voxel by voxel. Rules and their sources: docs/reirradiation.md. */
#ifndef SP_EARLIER_DOSE_H
#define SP_EARLIER_DOSE_H

#include <jansson.h>

#include "case.h"
#include "grid.h"
#include "limit_correction.h"

typedef struct {
	const char *path; /* any of our dose files; NULL: there is no earlier course */
	const char
	        *transform;   /* file of 16 numbers, rows of the matrix that carries the earlier frame to this case's */
	double fractions;     /* of the earlier course */
	double recovery;      /* share of its EQD2 that no longer counts in the budget, 0 to 1 */
	double total_eqd2_gy; /* that the cord may have from both */
	double months;        /* between the courses, NAN: not told */
} sp_earlier_options;

/* Sahgal 2012: total of 70 Gy, of which the new course 25 Gy and half at most, and 5 months between them. */
#define SP_TOTAL_EQD2_GY 70.0
#define SP_NEW_EQD2_GY 25.0
#define SP_NEW_SHARE 0.5
#define SP_LEAST_MONTHS 5.0

typedef struct {
	sp_earlier_options options;
	float *eqd2_gy; /* [z][y][x] on the dose grid, without recovery */
} sp_earlier_dose;

/* Reads a transform: 16 numbers, which must turn and shift only. inverse_out carries this case's points to the earlier
 * frame. */
sp_status sp_rigid_read(double inverse_out[3][4], const char *path, sp_error *err);

/* Reads the dose onto the grid. What lies beyond the earlier dose's own grid had none; a warning says so where that is
 * part of the target. */
sp_status sp_earlier_dose_read(sp_earlier_dose *out, const sp_earlier_options *o, const sp_case *c, const sp_grid *grid,
                               sp_error *err);
void sp_earlier_dose_finish(sp_earlier_dose *e);

/* The dose in n fractions that a voxel may still get: whatever of the total (less what counts of the earlier dose) and
 * of the new course's own share, cap_eqd2_gy, is less. */
double sp_budget_gy(const sp_earlier_options *o, double earlier_eqd2_gy, double cap_eqd2_gy, double fractions);

/* Hard limits on each voxel of cord, PRV and thecal sac, as terms of a problem. */
typedef struct {
	size_t n_terms;
	size_t first_term;
	size_t *structures; /* of the case, one a term */
	float *budget_gy;   /* [z][y][x] */
	double cap_eqd2_gy; /* for the new course: 25 Gy, or the earlier course's largest where that is less */
	double largest_gy;  /* dose_gy of the terms before any correction */
} sp_budgets;

/* Adds a term for every structure of these that has a hard limit in the problem. SP_BAD_INPUT where none has. */
sp_status sp_budgets_add(sp_budgets *out, sp_plan_problem *p, const sp_earlier_dose *e, const sp_case *c,
                         const sp_grid *grid, double fractions, sp_error *err);
void sp_budgets_finish(sp_budgets *b);

/* By how much the hottest 0.03 cc pass their budgets, as the evaluation interpolates; moves the terms where `correct`.
 */
sp_status sp_budgets_judge(sp_limit_standing *out, const sp_budgets *b, sp_plan_problem *p, const sp_case *c,
                           const sp_grid *grid, const float *dose_gy, const float *rows_dose, bool correct,
                           sp_error *err);

/* The four rules on a dose in n fractions, with the doses that they look at. */
sp_status sp_reirradiation_report(json_t **out, const sp_earlier_dose *e, const sp_case *c, const sp_grid *grid,
                                  const float *dose_gy, double fractions, sp_error *err);
void sp_reirradiation_print(const json_t *report);

#endif
