/* The optimiser's cost as a function of the weights, on the device: products with the matrix, sums over voxels, and the
 * choice of the rows worth multiplying. The minimiser sees it as an sp_line_cost; the outer loop is optimise.c. */
#ifndef SP_FLUENCE_PROBLEM_H
#define SP_FLUENCE_PROBLEM_H

#include "influence.h"
#include "optimise_terms.h"
#include "projected_lbfgs.h"

#define SP_NO_ROW UINT32_MAX

/* A term that is linear in the weights: mean dose = column . weights + offset_gy. */
typedef struct {
	sp_term_state *term;
	double *column;
	double offset_gy;
	double here_gy, along_gy; /* at the current weights, and its change per step on the line */
} sp_mean_part;

typedef struct {
	sp_term_state *term;
	cl_mem rows, volumes; /* rows of the working matrix, share of the volume */
	cl_uint n;
	float reference_gy;
} sp_geud_part;

typedef struct {
	sp_device *device;
	sp_influence *matrix, *work; /* all rows; only those that can cost something near the present dose */
	size_t n_rows, n_columns, n_work, n_terms;
	sp_term_state *terms;
	const float *offset_gy; /* or NULL */
	float *dose_gy;         /* every row: current for the working rows, from the last full product for the rest */
	float *work_dose_gy;
	uint64_t *work_rows;   /* row of each working row */
	uint32_t *work_of_row; /* and back; SP_NO_ROW */
	uint32_t **cost_of_voxel,
	        *cost_begin; /* where each term's voxel has its cost; first cost of each working row */
	sp_voxel_cost *costs;
	size_t n_costs, n_means, n_geuds, n_items, products;
	sp_mean_part *means;
	sp_geud_part *geuds;
	double *weights, *sums;
	float *column_floats;
	cl_mem dose, along, slope, offset, ones_dose, cost_begin_buffer, cost_buffer; /* of the working rows */
	cl_mem column_in, column_out, sums_buffer, full_dose;
	cl_kernel cost_along, cost_slopes, cost_curvatures, move_dose, geud_along, geud_slopes;
	double objective, limit_cost; /* at the current weights, on the working rows */
	sp_line_cost line;            /* for the minimiser; its context is the problem */
	sp_status status;             /* why a call of the minimiser failed */
	sp_error *err;
} sp_fluence_problem;

/* Prepares kernels and buffers; no working rows yet. terms and offset_gy are borrowed. */
sp_status sp_fluence_create(sp_fluence_problem **out, sp_influence *matrix, sp_term_state *terms, size_t n_terms,
                            const float *offset_gy, sp_error *err);
void sp_fluence_destroy(sp_fluence_problem *p);

/* 1 for every column that reaches a voxel of a term, 0 for the others: a weight that nobody asks about stays 0. */
sp_status sp_fluence_reached_columns(sp_fluence_problem *p, double *out);

/* dose_gy of every row from weights, by a product with the whole matrix. */
sp_status sp_fluence_full_dose(sp_fluence_problem *p, const double *weights);

/* The Hessian at the dose of the last weights given, bounded by a diagonal along u > 0: out = D^T C D u, to be divided
 * by u.
 */
sp_status sp_fluence_curvature(sp_fluence_problem *p, double *out, const double *u);

/* To be called after the content of the offset has changed; dose_gy and the working rows must be made anew then. */
void sp_fluence_offset_changed(sp_fluence_problem *p);

/* Takes as working rows those whose dose is above margin times the dose at which they begin to cost, or that cost at
 * low doses. */
sp_status sp_fluence_choose_rows(sp_fluence_problem *p, double margin);

/* How many rows that cost something at dose_gy are not worked on, and how many would be chosen with this margin. */
sp_status sp_fluence_count_rows(const sp_fluence_problem *p, double margin, size_t *n_missed_out, size_t *n_chosen_out);

/* Brings the multipliers, penalties and free voxels of the terms to the device. */
sp_status sp_fluence_update_costs(sp_fluence_problem *p);

/* Objectives (no limits) at dose_gy of every row; chooses the free voxels of DVH objectives anew. */
sp_status sp_fluence_objective(sp_fluence_problem *p, double *out);

#endif
