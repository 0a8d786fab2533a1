/* Every objective on the device against its plain value in double on the host: the value, the gradient by central
 * differences over each weight, and slope and curvature along a line. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fluence_problem.h"
#include "optimise_fixture.h"

#define ROWS 200
#define COLUMNS 24

typedef struct {
	const char *what;
	sp_term_kind kind;
	double dose_gy, volume, a;
} named_term;

static const named_term kinds[] = {
        {"squared overdose", SP_SQUARED_OVERDOSE, 9.0, 0.0, 0.0},
        {"squared underdose", SP_SQUARED_UNDERDOSE, 12.0, 0.0, 0.0},
        {"squared deviation", SP_SQUARED_DEVIATION, 11.0, 0.0, 0.0},
        {"mean dose", SP_MEAN_DOSE, 0.0, 0.0, 0.0},
        {"mean overdose", SP_MEAN_OVERDOSE, 5.0, 0.0, 0.0},
        {"gEUD of a serial organ", SP_GEUD, 8.0, 0.0, 8.0},
        {"gEUD of a target", SP_GEUD, 14.0, 0.0, -10.0},
        {"DVH maximum", SP_DVH_MAX, 9.0, 0.2, 0.0},
        {"DVH minimum", SP_DVH_MIN, 13.0, 0.9, 0.0},
};

typedef struct {
	double entries[ROWS * COLUMNS], weights[COLUMNS];
	float offset[ROWS];
} problem_data;

static void fill(problem_data *data)
{
	uint32_t seed = 20;

	for (size_t i = 0; i < ROWS * COLUMNS; i++)
		data->entries[i] = next_random(&seed) < 0.6 ? next_random(&seed) : 0.0;
	for (size_t j = 0; j < COLUMNS; j++)
		data->weights[j] = 0.5 + next_random(&seed);
	for (size_t row = 0; row < ROWS; row++)
		data->offset[row] = (float)(2.0 * next_random(&seed));
}

/* The objective at weights + step * direction, on the host; the voxels that a DVH term frees stay as they are. */
static double plain_objective(const sp_term_state *t, const problem_data *data, const double *direction, double step)
{
	float dose[ROWS];

	for (size_t row = 0; row < ROWS; row++) {
		double sum = data->offset[row];

		for (size_t j = 0; j < COLUMNS; j++)
			sum += data->entries[row * COLUMNS + j] * (data->weights[j] + step * direction[j]);
		dose[row] = (float)sum;
	}
	return sp_term_objective(t, dose);
}

static void assert_close(const char *what, const char *part, double found, double expected, double tolerance)
{
	if (!(fabs(found - expected) <= tolerance))
		fail_msg("%s: %s is %.8g, expected %.8g within %.2g", what, part, found, expected, tolerance);
}

static void assert_kind_right(sp_device *d, const named_term *kind, const problem_data *data)
{
	sp_influence *m = dense_matrix(d, ROWS, COLUMNS, data->entries);
	sp_term term = term_on(kind->kind, 10, 150, kind->dose_gy, kind->volume, 3.0);
	gsl_vector *x = gsl_vector_alloc(COLUMNS), *gradient = gsl_vector_alloc(COLUMNS);
	double value, trial, slope, curvature, direction[COLUMNS] = {0}, largest = 0.0, h = 0.02;
	sp_fluence_problem *p = NULL;
	sp_term_state *t = NULL;
	sp_error err = {0};

	term.a = kind->a;
	memcpy(x->data, data->weights, sizeof data->weights);
	assert_int_equal(sp_terms_create(&t, &term, 1, ROWS, 0.0, &err), SP_OK);
	if (sp_fluence_create(&p, m, t, 1, data->offset, &err) != SP_OK ||
	    sp_fluence_full_dose(p, data->weights) != SP_OK || sp_fluence_choose_rows(p, 0.5) != SP_OK)
		fail_msg("%s: %s", kind->what, err.text);
	assert_int_equal(p->line.value_and_gradient(p, x, &value, gradient), GSL_SUCCESS);
	/* 16-bit entries and float doses: 1e-5 each of the dose, twice that of a square */
	assert_close(kind->what, "value", value, plain_objective(t, data, direction, 0.0), 2e-4 * value);
	assert_true(value > 0.0);
	for (size_t j = 0; j < COLUMNS; j++)
		largest = fmax(largest, fabs(gsl_vector_get(gradient, j)));
	for (size_t j = 0; j < COLUMNS; j++) {
		double difference;

		memset(direction, 0, sizeof direction);
		direction[j] = 1.0;
		difference =
		        (plain_objective(t, data, direction, h) - plain_objective(t, data, direction, -h)) / (2 * h);
		/* a voxel that crosses its threshold within +-h changes the difference by up to h^2 times its
		 * curvature; rounding of the dose to float by 1e-6 / h */
		assert_close(kind->what, "gradient", gsl_vector_get(gradient, j), difference, 2e-3 * largest);
	}
	for (size_t j = 0; j < COLUMNS; j++)
		direction[j] = (j % 3 == 0 ? -0.5 : 0.4) * data->weights[j];
	memcpy(x->data, direction, sizeof direction);
	assert_int_equal(p->line.begin_line(p, x), GSL_SUCCESS);
	assert_int_equal(p->line.along_line(p, 0.7, &trial, &slope, &curvature), GSL_SUCCESS);
	assert_close(kind->what, "value on the line", trial, plain_objective(t, data, direction, 0.7), 2e-4 * trial);
	assert_close(kind->what, "slope on the line", slope,
	             (plain_objective(t, data, direction, 0.7 + h) - plain_objective(t, data, direction, 0.7 - h)) /
	                     (2 * h),
	             2e-3 * fabs(slope) + 2e-3 * trial);
	/* differences of second order need a wide step, over which voxels cross thresholds */
	assert_close(kind->what, "curvature on the line", curvature,
	             (plain_objective(t, data, direction, 0.7 + 0.1) - 2 * plain_objective(t, data, direction, 0.7) +
	              plain_objective(t, data, direction, 0.7 - 0.1)) /
	                     0.01,
	             0.1 * fabs(curvature) + 0.01 * trial);
	sp_fluence_destroy(p);
	sp_terms_destroy(t, 1);
	gsl_vector_free(x);
	gsl_vector_free(gradient);
	sp_influence_destroy(m);
}

static void every_objective_has_its_value_gradient_and_curvature(void **state)
{
	static problem_data data;

	fill(&data);
	for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
		assert_kind_right(*state, &kinds[k], &data);
}

/* gEUD of two equal parts at 2 and 4 Gy with a = 2: sqrt((4 + 16) / 2). */
static void geud_is_the_power_mean(void **state)
{
	sp_term term = term_on(SP_GEUD, 0, 2, 1.0, 0.0, 1.0);
	float dose[] = {2.0f, 4.0f};
	sp_term_state *t;

	(void)state;
	term.a = 2.0;
	assert_int_equal(sp_terms_create(&t, &term, 1, 2, 0.0, NULL), SP_OK);
	assert_true(fabs(sp_term_geud_gy(t, dose) - sqrt(10.0)) < 1e-9);
	assert_true(fabs(sp_term_objective(t, dose) - pow(sqrt(10.0) - 1.0, 2.0)) < 1e-9);
	sp_terms_destroy(t, 1);
}

/* A mean within its limit costs nothing and pulls nowhere. */
static void a_mean_pulls_only_beyond_its_dose(void **state)
{
	static problem_data data;
	const double means_gy[] = {5.0, 50.0};
	const size_t n = sizeof means_gy / sizeof *means_gy;

	fill(&data);
	for (size_t i = 0; i < n; i++) {
		sp_influence *m = dense_matrix(*state, ROWS, COLUMNS, data.entries);
		sp_term term = term_on(SP_MEAN_OVERDOSE, 10, 150, means_gy[i], 0.0, 3.0);
		gsl_vector *x = gsl_vector_alloc(COLUMNS), *gradient = gsl_vector_alloc(COLUMNS);
		sp_fluence_problem *p = NULL;
		sp_term_state *t = NULL;
		sp_error err = {0};
		double value;

		memcpy(x->data, data.weights, sizeof data.weights);
		assert_int_equal(sp_terms_create(&t, &term, 1, ROWS, 0.0, &err), SP_OK);
		assert_int_equal(sp_fluence_create(&p, m, t, 1, data.offset, &err), SP_OK);
		assert_int_equal(sp_fluence_full_dose(p, data.weights), SP_OK);
		assert_int_equal(sp_fluence_choose_rows(p, 0.5), SP_OK);
		assert_int_equal(p->line.value_and_gradient(p, x, &value, gradient), GSL_SUCCESS);
		assert_true(means_gy[i] > 20.0 ? value == 0.0 && gsl_vector_isnull(gradient)
		                               : value > 0.0 && gsl_vector_ispos(gradient));
		sp_fluence_destroy(p);
		sp_terms_destroy(t, 1);
		gsl_vector_free(x);
		gsl_vector_free(gradient);
		sp_influence_destroy(m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_objective_has_its_value_gradient_and_curvature),
	        cmocka_unit_test(geud_is_the_power_mean),
	        cmocka_unit_test(a_mean_pulls_only_beyond_its_dose),
	};

	return cmocka_run_group_tests(tests, device_set_up, device_tear_down);
}
