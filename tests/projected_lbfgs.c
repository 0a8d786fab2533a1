/* The minimiser on costs whose minimum over x >= 0 is known, without device or matrix. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "projected_lbfgs.h"

#define N 60

/* f = 1/2 (x - c)^T A (x - c), A = diagonal + coupling of neighbours; condition number about 1e4. */
typedef struct {
	double c[N], x[N], direction[N], step_cost[3];
} quadratic;

static double diagonal_of(size_t j)
{
	return pow(10.0, 4.0 * (double)j / (N - 1));
}

static void multiply(double *out, const double *v)
{
	for (size_t j = 0; j < N; j++) {
		out[j] = diagonal_of(j) * v[j];
		if (j > 0)
			out[j] += 0.3 * diagonal_of(j - 1) * v[j - 1];
		if (j + 1 < N)
			out[j] += 0.3 * diagonal_of(j) * v[j + 1];
	}
}

static double cost_of(const quadratic *q, const double *x, double *gradient)
{
	double away[N], value = 0.0;

	for (size_t j = 0; j < N; j++)
		away[j] = x[j] - q->c[j];
	multiply(gradient, away);
	for (size_t j = 0; j < N; j++)
		value += 0.5 * away[j] * gradient[j];
	return value;
}

static int value_and_gradient(void *context, const gsl_vector *x, double *value, gsl_vector *gradient)
{
	quadratic *q = context;

	for (size_t j = 0; j < N; j++)
		q->x[j] = gsl_vector_get(x, j);
	*value = cost_of(q, q->x, gradient->data);
	return GSL_SUCCESS;
}

static int diagonal(void *context, gsl_vector *out)
{
	(void)context;
	gsl_vector_set_all(out, 1.0); /* no help */
	return GSL_SUCCESS;
}

static int begin_line(void *context, const gsl_vector *direction)
{
	quadratic *q = context;

	for (size_t j = 0; j < N; j++)
		q->direction[j] = gsl_vector_get(direction, j);
	return GSL_SUCCESS;
}

static int along_line(void *context, double step, double *value, double *slope, double *curvature)
{
	quadratic *q = context;
	double x[N], gradient[N], bent[N];

	for (size_t j = 0; j < N; j++)
		x[j] = q->x[j] + step * q->direction[j];
	*value = cost_of(q, x, gradient);
	multiply(bent, q->direction);
	*slope = *curvature = 0.0;
	for (size_t j = 0; j < N; j++) {
		*slope += gradient[j] * q->direction[j];
		*curvature += bent[j] * q->direction[j];
	}
	return GSL_SUCCESS;
}

static int end_line(void *context, const gsl_vector *x, double step, double *value, gsl_vector *gradient)
{
	(void)step;
	return value_and_gradient(context, x, value, gradient);
}

static gsl_vector *minimise(quadratic *q, size_t iterations)
{
	sp_line_cost cost = {q, value_and_gradient, diagonal, begin_line, along_line, end_line, NULL};
	gsl_multimin_fdfminimizer *m = gsl_multimin_fdfminimizer_alloc(sp_multimin_projected_lbfgs, N);
	gsl_multimin_function_fdf fdf;
	gsl_vector *x = gsl_vector_alloc(N);

	gsl_vector_set_all(x, 1.0);
	sp_line_cost_to_gsl(&fdf, &cost, N);
	assert_int_equal(gsl_multimin_fdfminimizer_set(m, &fdf, x, 1.0, 0.1), GSL_SUCCESS);
	for (size_t i = 0; i < iterations; i++)
		if (gsl_multimin_fdfminimizer_iterate(m) != GSL_SUCCESS)
			break;
	gsl_vector_memcpy(x, m->x);
	gsl_multimin_fdfminimizer_free(m);
	return x;
}

/* At the minimum over x >= 0 the gradient is 0 where x > 0, and not negative where x = 0. */
static void minimum_over_the_bound_has_no_descent_left(void **state)
{
	quadratic q = {0};
	double gradient[N], scale = 0.0;
	gsl_vector *x;
	size_t at_bound = 0;

	(void)state;
	for (size_t j = 0; j < N; j++)
		q.c[j] = j % 3 == 0 ? -1.0 : 0.5 + 0.1 * (double)(j % 7);
	x = minimise(&q, 0);
	cost_of(&q, x->data, gradient);
	/* 1e-8 of the largest gradient at the start: far below what a stalled search leaves */
	for (size_t j = 0; j < N; j++)
		scale = fmax(scale, 1e-8 * fabs(gradient[j]));
	gsl_vector_free(x);
	x = minimise(&q, 400);
	cost_of(&q, x->data, gradient);
	for (size_t j = 0; j < N; j++) {
		double here = gsl_vector_get(x, j);

		assert_true(here >= 0.0);
		at_bound += here == 0.0;
		if (!(gradient[j] > -scale && (here < 1e-9 || gradient[j] < scale)))
			fail_msg("x[%zu] = %g, gradient %g", j, here, gradient[j]);
	}
	assert_true(at_bound >= N / 3);
	gsl_vector_free(x);
}

static void minimum_inside_is_found_exactly(void **state)
{
	quadratic q = {0};
	gsl_vector *x;

	(void)state;
	for (size_t j = 0; j < N; j++)
		q.c[j] = 1.0 + 0.05 * (double)j;
	x = minimise(&q, 400);
	for (size_t j = 0; j < N; j++)
		assert_true(fabs(gsl_vector_get(x, j) - q.c[j]) < 1e-5 * q.c[j]);
	gsl_vector_free(x);
}

static void cost_never_rises(void **state)
{
	quadratic q = {0};
	double gradient[N], last = HUGE_VAL;

	(void)state;
	for (size_t j = 0; j < N; j++)
		q.c[j] = sin((double)j);
	for (size_t iterations = 0; iterations < 60; iterations++) {
		gsl_vector *x = minimise(&q, iterations);
		double now = cost_of(&q, x->data, gradient);

		assert_true(now <= last * (1.0 + 1e-12));
		last = now;
		gsl_vector_free(x);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(minimum_over_the_bound_has_no_descent_left),
	        cmocka_unit_test(minimum_inside_is_found_exactly),
	        cmocka_unit_test(cost_never_rises),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
