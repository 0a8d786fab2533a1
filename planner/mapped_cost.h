/* The optimiser's cost where the weights follow from other variables (sp_weight_map): the minimiser sees the variables,
 * the fluence problem the weights. A trial step on a line costs two products with the matrix here, since the dose is
 * not linear in the variables; its gradient is then known. */
#ifndef SP_MAPPED_COST_H
#define SP_MAPPED_COST_H

#include "fluence_problem.h"

typedef struct {
	sp_fluence_problem *problem; /* borrowed, as is the map */
	const sp_weight_map *map;
	sp_line_cost line; /* its context is this */
	double *x, *direction, *trial, *trial_gradient, *weights, *by_weights, *memory;
	double trial_step, trial_value, last_step, last_slope;
} sp_mapped_cost;

sp_status sp_mapped_cost_create(sp_mapped_cost **out, sp_fluence_problem *problem, const sp_weight_map *map,
                                sp_error *err);
void sp_mapped_cost_destroy(sp_mapped_cost *m);

#endif
