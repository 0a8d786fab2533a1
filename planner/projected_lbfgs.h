/* A minimiser for GSL's multimin: limited-memory BFGS over x >= 0, for costs that are cheap along a line.
 *
 * It is used as any gsl_multimin_fdfminimizer, but asks more of the cost than f and df: params of the
 * gsl_multimin_function_fdf must point to an sp_line_cost. For a dose that is linear in the weights a line costs one
 * product with the matrix, each trial step on it nothing but a pass over the voxels, and the new gradient one product
 * with the transpose: two products an iteration, however carefully the step is chosen. */
#ifndef SP_PROJECTED_LBFGS_H
#define SP_PROJECTED_LBFGS_H

#include <gsl/gsl_multimin.h>

/* Each returns a GSL status; anything but GSL_SUCCESS ends the iteration with that status. */
typedef struct {
	void *context;
	int (*value_and_gradient)(void *context, const gsl_vector *x, double *value, gsl_vector *gradient);
	/* a positive estimate of the Hessian's diagonal at the last x given */
	int (*diagonal)(void *context, gsl_vector *diagonal);
	/* the line from the current x along direction; then value and two derivatives by the step on it */
	int (*begin_line)(void *context, const gsl_vector *direction);
	int (*along_line)(void *context, double step, double *value, double *slope, double *curvature);
	/* makes x + step * direction (given as x) the current x */
	int (*end_line)(void *context, const gsl_vector *x, double step, double *value, gsl_vector *gradient);
	/* may move x to another point of the same cost before end_line sees it; NULL: never */
	void (*settle)(void *context, double *x);
} sp_line_cost;

/* GSL's tol is the share of its initial slope that the slope at a step may keep; its step_size is not used. Setting the
 * minimiser anew at the x where it stands (a multiplier has changed) keeps what it has learnt of the curvature. */
extern const gsl_multimin_fdfminimizer_type *const sp_multimin_projected_lbfgs;

/* Fills fdf from a line cost of n variables. */
void sp_line_cost_to_gsl(gsl_multimin_function_fdf *fdf, sp_line_cost *cost, size_t n);

#endif
