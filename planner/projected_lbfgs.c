/* Two-metric projection (Bertsekas 1982; Gafni and Bertsekas 1984) with limited-memory BFGS curvature (Nocedal 1980) on
 * the variables that are free of the bound, and a Newton search of the step (docs/optimisation.md). */
#include "projected_lbfgs.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"

#define PAIRS 32
#define LONGEST_STEP 16.0
#define STEP_TRIALS 12
/* A variable this much of the largest above 0 counts as at the bound when the gradient presses it there. */
#define BOUND_SHARE 1e-7

typedef struct {
	size_t n, n_pairs, newest;
	double slope_share;
	double *s[PAIRS], *y[PAIRS]; /* steps and the changes of the gradient on them */
	double *diagonal, *direction, *old_gradient, *last_x;
	unsigned char *at_bound;
	bool has_last_x;
	double *memory;
} lbfgs;

static int lbfgs_alloc(void *vstate, size_t n)
{
	lbfgs *state = vstate;

	memset(state, 0, sizeof *state);
	state->n = n;
	if (!(state->memory = sp_alloc_array(n, (2 * PAIRS + 4) * sizeof(double))))
		return GSL_ENOMEM;
	if (!(state->at_bound = sp_alloc_array(n, 1))) {
		free(state->memory);
		return GSL_ENOMEM;
	}
	for (size_t i = 0; i < PAIRS; i++) {
		state->s[i] = state->memory + i * n;
		state->y[i] = state->memory + (PAIRS + i) * n;
	}
	state->diagonal = state->memory + 2 * PAIRS * n;
	state->direction = state->diagonal + n;
	state->old_gradient = state->direction + n;
	state->last_x = state->old_gradient + n;
	return GSL_SUCCESS;
}

static void lbfgs_free(void *vstate)
{
	lbfgs *state = vstate;

	free(state->memory);
	free(state->at_bound);
}

static int update_diagonal(lbfgs *state, sp_line_cost *cost)
{
	gsl_vector_view diagonal = gsl_vector_view_array(state->diagonal, state->n);
	int status = cost->diagonal(cost->context, &diagonal.vector);
	double largest = 0.0;

	if (status != GSL_SUCCESS)
		return status;
	for (size_t j = 0; j < state->n; j++)
		largest = fmax(largest, state->diagonal[j]);
	/* columns without curvature (their voxels cost nothing now) must not run away */
	for (size_t j = 0; j < state->n; j++)
		state->diagonal[j] = largest > 0.0 ? fmax(state->diagonal[j], 1e-3 * largest) : 1.0;
	return GSL_SUCCESS;
}

static int lbfgs_set(void *vstate, gsl_multimin_function_fdf *fdf, const gsl_vector *x, double *f, gsl_vector *gradient,
                     double step_size, double tol)
{
	lbfgs *state = vstate;
	sp_line_cost *cost = fdf->params;
	bool same_x = state->has_last_x;
	int status;

	(void)step_size;
	state->slope_share = tol;
	for (size_t j = 0; j < state->n && same_x; j++)
		same_x = state->last_x[j] == gsl_vector_get(x, j);
	if (!same_x)
		state->n_pairs = 0;
	if ((status = cost->value_and_gradient(cost->context, x, f, gradient)) != GSL_SUCCESS)
		return status;
	return update_diagonal(state, cost);
}

static int lbfgs_restart(void *vstate)
{
	((lbfgs *)vstate)->n_pairs = 0;
	return GSL_SUCCESS;
}

/* Dot product over the free variables. */
static double dot_free(const lbfgs *state, const double *a, const double *b)
{
	double sum = 0.0;

	for (size_t j = 0; j < state->n; j++)
		if (!state->at_bound[j])
			sum += a[j] * b[j];
	return sum;
}

static void add_free(const lbfgs *state, double *a, double factor, const double *b)
{
	for (size_t j = 0; j < state->n; j++)
		if (!state->at_bound[j])
			a[j] += factor * b[j];
}

/* Nocedal's two loops on the free variables: q becomes H q. Pairs that have no curvature there are passed over. */
static void multiply_inverse_hessian(const lbfgs *state, double *q)
{
	double alpha[PAIRS], sy[PAIRS], scale = 0.0;

	for (size_t k = 0; k < state->n_pairs; k++) {
		size_t i = (state->newest + PAIRS - k) % PAIRS;

		sy[k] = dot_free(state, state->s[i], state->y[i]);
		if (sy[k] <= 1e-10 * sqrt(dot_free(state, state->s[i], state->s[i]) *
		                          dot_free(state, state->y[i], state->y[i]))) {
			sy[k] = 0.0;
			continue;
		}
		alpha[k] = dot_free(state, state->s[i], q) / sy[k];
		add_free(state, q, -alpha[k], state->y[i]);
		if (scale == 0.0) {
			double yhy = 0.0;

			for (size_t j = 0; j < state->n; j++)
				if (!state->at_bound[j])
					yhy += state->y[i][j] * state->y[i][j] / state->diagonal[j];
			scale = yhy > 0.0 ? sy[k] / yhy : 0.0;
		}
	}
	for (size_t j = 0; j < state->n; j++)
		q[j] *= (scale > 0.0 ? scale : 1.0) / state->diagonal[j];
	for (size_t k = state->n_pairs; k-- > 0;) {
		size_t i = (state->newest + PAIRS - k) % PAIRS;

		if (sy[k] > 0.0)
			add_free(state, q, alpha[k] - dot_free(state, state->y[i], q) / sy[k], state->s[i]);
	}
}

/* Turns the search direction into the step to its projection on x >= 0 and returns the slope along it. */
static double project_direction(lbfgs *state, const gsl_vector *x, const gsl_vector *gradient)
{
	double slope = 0.0;

	for (size_t j = 0; j < state->n; j++) {
		double here = gsl_vector_get(x, j);

		state->direction[j] = fmax(here + state->direction[j], 0.0) - here;
		slope += state->direction[j] * gsl_vector_get(gradient, j);
	}
	return slope;
}

/* Direction towards the projected quasi-Newton point; the scaled gradient where that does not descend. */
static double choose_direction(lbfgs *state, const gsl_vector *x, const gsl_vector *gradient)
{
	double bound = BOUND_SHARE * gsl_vector_max(x), slope;

	for (size_t j = 0; j < state->n; j++) {
		double g = gsl_vector_get(gradient, j);

		state->at_bound[j] = gsl_vector_get(x, j) <= bound && g > 0.0;
		state->direction[j] = state->at_bound[j] ? 0.0 : -g;
	}
	multiply_inverse_hessian(state, state->direction);
	for (size_t j = 0; j < state->n; j++)
		if (state->at_bound[j])
			state->direction[j] = -gsl_vector_get(x, j);
	slope = project_direction(state, x, gradient);
	if (slope < 0.0)
		return slope;
	state->n_pairs = 0;
	for (size_t j = 0; j < state->n; j++)
		state->direction[j] = -gsl_vector_get(gradient, j) / state->diagonal[j];
	return project_direction(state, x, gradient);
}

/* Largest step that stays at x >= 0; at least 1, since direction leads to a projected point. */
static double longest_step(const lbfgs *state, const gsl_vector *x)
{
	double longest = LONGEST_STEP;

	for (size_t j = 0; j < state->n; j++)
		if (state->direction[j] < 0.0)
			longest = fmin(longest, gsl_vector_get(x, j) / -state->direction[j]);
	return fmax(longest, 1.0);
}

/* Where the slope along the line vanishes: Newton steps kept inside a shrinking bracket. The costs are convex and
 * piecewise quadratic, so a few steps land on it. Leaves 0 where no step is better than none. */
static int search_step(double *out, const lbfgs *state, sp_line_cost *cost, double value, double slope, double longest)
{
	double low = 0.0, high = longest, step = 1.0;

	*out = 0.0;
	for (int trial = 0; trial < STEP_TRIALS; trial++) {
		double trial_value, trial_slope, curvature, next;
		int status = cost->along_line(cost->context, step, &trial_value, &trial_slope, &curvature);

		if (status != GSL_SUCCESS)
			return status;
		if (trial_value < value) {
			*out = step;
			if (fabs(trial_slope) <= -state->slope_share * slope)
				break;
		}
		if (trial_slope < 0.0)
			low = step;
		else
			high = step;
		if (low >= longest)
			break;
		next = curvature > 0.0 ? step - trial_slope / curvature : 2.0 * step;
		if (next >= high && high == longest && trial_slope < 0.0)
			next = longest;
		else if (!(next > low && next < high))
			next = 0.5 * (low + high);
		step = next;
	}
	return GSL_SUCCESS;
}

/* moved: the step as it was made, NULL where it is the direction's. */
static void remember_pair(lbfgs *state, double step, const gsl_vector *moved, const gsl_vector *gradient)
{
	size_t slot = state->n_pairs ? (state->newest + 1) % PAIRS : 0;
	double sy = 0.0, ss = 0.0, yy = 0.0;

	for (size_t j = 0; j < state->n; j++) {
		double s = moved ? gsl_vector_get(moved, j) : step * state->direction[j],
		       y = gsl_vector_get(gradient, j) - state->old_gradient[j];

		state->s[slot][j] = s;
		state->y[slot][j] = y;
		sy += s * y;
		ss += s * s;
		yy += y * y;
	}
	if (!(sy > 1e-10 * sqrt(ss * yy)))
		return;
	state->newest = slot;
	if (state->n_pairs < PAIRS)
		state->n_pairs++;
}

static int lbfgs_iterate(void *vstate, gsl_multimin_function_fdf *fdf, gsl_vector *x, double *f, gsl_vector *gradient,
                         gsl_vector *dx)
{
	lbfgs *state = vstate;
	sp_line_cost *cost = fdf->params;
	gsl_vector_view direction = gsl_vector_view_array(state->direction, state->n);
	double slope = choose_direction(state, x, gradient), step = 0.0;
	int status;

	if (!(slope < 0.0))
		return GSL_ENOPROG;
	if ((status = cost->begin_line(cost->context, &direction.vector)) != GSL_SUCCESS ||
	    (status = search_step(&step, state, cost, *f, slope, longest_step(state, x))) != GSL_SUCCESS)
		return status;
	if (step == 0.0) {
		/* a stale curvature may be to blame: once more along the gradient next time */
		if (state->n_pairs == 0)
			return GSL_ENOPROG;
		state->n_pairs = 0;
		gsl_vector_set_zero(dx);
		return GSL_SUCCESS;
	}
	for (size_t j = 0; j < state->n; j++) {
		double here = gsl_vector_get(x, j), there = fmax(here + step * state->direction[j], 0.0);

		state->old_gradient[j] = gsl_vector_get(gradient, j);
		gsl_vector_set(dx, j, there - here);
		gsl_vector_set(x, j, there);
		state->last_x[j] = there;
	}
	state->has_last_x = true;
	if (cost->settle) {
		for (size_t j = 0; j < state->n; j++)
			gsl_vector_set(dx, j, state->last_x[j] - gsl_vector_get(dx, j));
		cost->settle(cost->context, state->last_x);
		for (size_t j = 0; j < state->n; j++) { /* dx held where the step began */
			gsl_vector_set(dx, j, state->last_x[j] - gsl_vector_get(dx, j));
			gsl_vector_set(x, j, state->last_x[j]);
		}
	}
	if ((status = cost->end_line(cost->context, x, step, f, gradient)) != GSL_SUCCESS)
		return status;
	remember_pair(state, step, cost->settle ? dx : NULL, gradient);
	return GSL_SUCCESS;
}

static const gsl_multimin_fdfminimizer_type type = {"projected_lbfgs", sizeof(lbfgs), lbfgs_alloc, lbfgs_set,
                                                    lbfgs_iterate,     lbfgs_restart, lbfgs_free};
const gsl_multimin_fdfminimizer_type *const sp_multimin_projected_lbfgs = &type;

static double gsl_f(const gsl_vector *x, void *params)
{
	sp_line_cost *cost = params;
	gsl_vector *gradient = gsl_vector_alloc(x->size);
	double value = GSL_NAN;

	if (gradient && cost->value_and_gradient(cost->context, x, &value, gradient) != GSL_SUCCESS)
		value = GSL_NAN;
	gsl_vector_free(gradient);
	return value;
}

static void gsl_fdf(const gsl_vector *x, void *params, double *f, gsl_vector *gradient)
{
	sp_line_cost *cost = params;

	if (cost->value_and_gradient(cost->context, x, f, gradient) != GSL_SUCCESS)
		*f = GSL_NAN;
}

static void gsl_df(const gsl_vector *x, void *params, gsl_vector *gradient)
{
	double value;

	gsl_fdf(x, params, &value, gradient);
}

void sp_line_cost_to_gsl(gsl_multimin_function_fdf *fdf, sp_line_cost *cost, size_t n)
{
	fdf->f = gsl_f;
	fdf->df = gsl_df;
	fdf->fdf = gsl_fdf;
	fdf->n = n;
	fdf->params = cost;
}
