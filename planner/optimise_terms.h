/* What the optimiser keeps for each objective and limit: multipliers, voxels that a DVH condition sets free, how far a
 * limit is missed. All on the host and in double; the sums over voxels inside the search are in
 * cl_kernels/objective.cl, the outer loop in optimise.c. */
#ifndef SP_OPTIMISE_TERMS_H
#define SP_OPTIMISE_TERMS_H

#include "optimise.h"
#include "shared/voxel_cost.h"

typedef struct {
	const sp_term *term;
	bool is_limit, is_dvh, is_upper, is_sum; /* is_sum: looks at a sum over the structure, not at its voxels */
	double volume;                           /* of all its voxels */
	double penalty;                          /* limits: cost = penalty * share of volume * (miss + shift)^2 */
	double *shift_gy;                        /* limits on voxels: multiplier over twice its penalty */
	double sum_shift_gy;                     /* the same for SP_LIMIT_MEAN */
	unsigned char *is_free;                  /* DVH terms: 1 where the condition lets the voxel go */
	double *freed_from_gy, *freed_shift_gy; /* DVH limits: what a voxel's excess and shift were when it went free */
	double give;                            /* DVH limits: how far a voxel goes when freed, per shift */
	double inset_gy;                        /* limits: the cost holds the dose this much inside */
	double miss_gy, last_miss_gy;           /* limits: how far the last dose misses it, 0 when held */
} sp_term_state;

/* Checks the terms against a matrix of n_rows and makes their states; free with sp_terms_destroy. Multipliers approach
 * a limit from outside for ever, so they are given one that lies inset_gy further in (at most 0.2 % of its dose): then
 * the limit itself is held after finitely many rounds. */
sp_status sp_terms_create(sp_term_state **out, const sp_term *terms, size_t n_terms, size_t n_rows, double inset_gy,
                          sp_error *err);
void sp_terms_destroy(sp_term_state *states, size_t n_terms);

/* Sets miss_gy of a limit from the dose of all rows. */
sp_status sp_term_measure(sp_term_state *t, const float *dose_gy, sp_error *err);

/* Chooses the voxels that a DVH term sets free: those in which it is hardest to hold, as far as the volume allows.
 * Objectives go by the dose alone. Limits go by how far beyond the dose a voxel is or, as its multiplier and the voxels
 * freed before it tell, would be if it were free. */
sp_status sp_term_choose_free(sp_term_state *t, const float *dose_gy, sp_error *err);

/* Moves a limit's multipliers by its present miss, voxel by voxel. */
void sp_term_update_multipliers(sp_term_state *t, const float *dose_gy);

/* Multiplies a limit's penalty, its multipliers kept. */
void sp_term_scale_penalty(sp_term_state *t, double factor);

/* Dose below which no voxel of the term costs anything, -HUGE_VAL where low doses cost too. */
double sp_term_inactive_below_gy(const sp_term_state *t);

/* The cost of voxel i as the device sees it. */
sp_voxel_cost sp_term_voxel_cost(const sp_term_state *t, size_t i);

/* The objective's value (weight included) at the dose of all rows; 0 for a limit. */
double sp_term_objective(const sp_term_state *t, const float *dose_gy);

/* The dose that the term is about: D at its volume for DVH terms, else the mean, gEUD, or the largest (smallest for an
 * underdose) dose. */
sp_status sp_term_dose_gy(double *out, const sp_term_state *t, const float *dose_gy, sp_error *err);

/* Mean dose, and generalised equivalent uniform dose, of the term's voxels. */
double sp_term_mean_gy(const sp_term_state *t, const float *dose_gy);
double sp_term_geud_gy(const sp_term_state *t, const float *dose_gy);

#endif
