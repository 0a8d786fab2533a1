#include "mapped_cost.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"

static int evaluate(sp_mapped_cost *m, const double *x, double *value, double *gradient)
{
	size_t n_columns = m->problem->n_columns;
	gsl_vector_const_view weights = gsl_vector_const_view_array(m->weights, n_columns);
	gsl_vector_view by_weights = gsl_vector_view_array(m->by_weights, n_columns);
	int status;

	m->map->weights(m->map->context, m->weights, x);
	status = m->problem->line.value_and_gradient(m->problem, &weights.vector, value, &by_weights.vector);
	if (status != GSL_SUCCESS)
		return status;
	m->map->pull_back(m->map->context, gradient, x, m->by_weights, false);
	if (m->map->cost)
		*value += m->map->cost(m->map->context, x, gradient, NULL);
	return GSL_SUCCESS;
}

static void copy_out(gsl_vector *out, const double *from)
{
	for (size_t i = 0; i < out->size; i++)
		gsl_vector_set(out, i, from[i]);
}

static int value_and_gradient(void *context, const gsl_vector *x, double *value, gsl_vector *gradient)
{
	sp_mapped_cost *m = context;
	int status;

	for (size_t i = 0; i < m->map->n; i++)
		m->x[i] = gsl_vector_get(x, i);
	if ((status = evaluate(m, m->x, value, m->trial_gradient)) == GSL_SUCCESS)
		copy_out(gradient, m->trial_gradient);
	return status;
}

/* The bound of fluence_problem.c's diagonal with the variables' scales in place of ones. */
static int diagonal(void *context, gsl_vector *out)
{
	sp_mapped_cost *m = context;
	const sp_weight_map *map = m->map;

	map->push_absolute(map->context, m->weights, m->x, map->scale);
	if (sp_fluence_curvature(m->problem, m->by_weights, m->weights) != SP_OK)
		return GSL_EFAILED;
	map->pull_back(map->context, m->trial, m->x, m->by_weights, true);
	for (size_t i = 0; i < map->n; i++)
		m->trial[i] /= map->scale[i];
	if (map->cost)
		map->cost(map->context, m->x, NULL, m->trial);
	copy_out(out, m->trial);
	return GSL_SUCCESS;
}

static int begin_line(void *context, const gsl_vector *direction)
{
	sp_mapped_cost *m = context;

	for (size_t i = 0; i < m->map->n; i++)
		m->direction[i] = gsl_vector_get(direction, i);
	m->trial_step = -1.0;
	m->last_step = -1.0;
	return GSL_SUCCESS;
}

/* The curvature is that of the slopes at the last two trials; 0 for the first, whose line has no other. */
static int along_line(void *context, double step, double *value, double *slope, double *curvature)
{
	sp_mapped_cost *m = context;
	int status;

	for (size_t i = 0; i < m->map->n; i++)
		m->trial[i] = fmax(m->x[i] + step * m->direction[i], 0.0);
	m->trial_step = -1.0;
	if ((status = evaluate(m, m->trial, value, m->trial_gradient)) != GSL_SUCCESS)
		return status;
	m->trial_step = step;
	m->trial_value = *value;
	*slope = 0.0;
	for (size_t i = 0; i < m->map->n; i++)
		*slope += m->trial_gradient[i] * m->direction[i];
	*curvature =
	        m->last_step >= 0.0 && step != m->last_step ? (*slope - m->last_slope) / (step - m->last_step) : 0.0;
	m->last_step = step;
	m->last_slope = *slope;
	return GSL_SUCCESS;
}

static int end_line(void *context, const gsl_vector *x, double step, double *value, gsl_vector *gradient)
{
	sp_mapped_cost *m = context;
	bool settled = false;

	if (m->trial_step != step)
		return value_and_gradient(context, x, value, gradient);
	for (size_t i = 0; i < m->map->n; i++) {
		settled |= gsl_vector_get(x, i) != m->trial[i];
		m->x[i] = gsl_vector_get(x, i);
	}
	*value = m->trial_value;
	if (settled) { /* the weights are those of the trial, but x has other derivatives */
		m->map->pull_back(m->map->context, m->trial_gradient, m->x, m->by_weights, false);
		if (m->map->cost)
			*value += m->map->cost(m->map->context, m->x, m->trial_gradient, NULL) -
			          m->map->cost(m->map->context, m->trial, NULL, NULL);
	}
	copy_out(gradient, m->trial_gradient);
	return GSL_SUCCESS;
}

static void settle(void *context, double *x)
{
	const sp_weight_map *map = ((sp_mapped_cost *)context)->map;

	map->settle(map->context, x);
}

sp_status sp_mapped_cost_create(sp_mapped_cost **out, sp_fluence_problem *problem, const sp_weight_map *map,
                                sp_error *err)
{
	sp_mapped_cost *m = sp_alloc_array(1, sizeof *m);
	size_t n = map->n, n_columns = problem->n_columns;

	*out = NULL;
	if (!m || !(m->memory = sp_alloc_array(4 * n + 2 * n_columns, sizeof(double)))) {
		free(m);
		return sp_fail(err, SP_NO_MEMORY, "out of memory for %zu variables of apertures", n);
	}
	m->problem = problem;
	m->map = map;
	m->line = (sp_line_cost){m,        value_and_gradient,         diagonal, begin_line, along_line,
	                         end_line, map->settle ? settle : NULL};
	m->x = m->memory;
	m->direction = m->x + n;
	m->trial = m->direction + n;
	m->trial_gradient = m->trial + n;
	m->weights = m->trial_gradient + n;
	m->by_weights = m->weights + n_columns;
	*out = m;
	return SP_OK;
}

void sp_mapped_cost_destroy(sp_mapped_cost *m)
{
	if (m)
		free(m->memory);
	free(m);
}
