/* Limits that are missed as judged are asked for lower, but never below a part of themselves. */
#include "box_fixture.h"
#include "limit_correction.h"
#include "metric.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { N = 6 * 6 * 6 };

/* One organ that fills a cube, with the dose judged_gy all over; the rows say that the optimiser holds its own limit.
 */
static double corrected(double own_gy, double judged_gy)
{
	const sp_grid grid = {.n = {6, 6, 6}, .spacing_mm = {2.0, 2.0, 2.0}};
	static float dose[N], rows_dose[N], volumes[N];
	static uint32_t rows[N];
	char metric[] = "Dmax";
	sp_limit limit = {.metric = metric, .value = 17.0, .sense = SP_LIMIT_IS_UPPER, .hard = true};
	sp_term term = {.kind = SP_LIMIT_MAX, .dose_gy = own_gy, .n = N, .rows = rows, .volumes = volumes};
	size_t which = 0;
	sp_plan_limit own = {.limit = &limit, .term = 0, .n = 1, .which = &which};
	sp_plan_problem problem = {.n_terms = 1, .terms = &term, .n_limits = 1, .limits = &own};
	sp_limit_standing standing;
	sp_case *c = NULL;

	assert_int_equal(sp_case_create(&c, &grid, 0, NULL), SP_OK);
	add_box(c, "organ", SP_ROLE_ORGAN, (double[]){0.5, 0.5, 2.0}, (double[]){9.5, 9.5, 8.0}, 2.0);
	for (uint32_t i = 0; i < N; i++) {
		rows[i] = i;
		volumes[i] = 1.0f;
		dose[i] = (float)judged_gy;
		rows_dose[i] = (float)own_gy;
	}
	assert_int_equal(sp_limits_judge(&standing, &problem, 0, c, &grid, dose, rows_dose, 24.0, true, NULL), SP_OK);
	assert_true(fabs(standing.worst_miss_gy - (judged_gy - 17.0)) < 1e-4);
	sp_case_destroy(c);
	return term.dose_gy;
}

/* 0.05 Gy is the margin beyond what is missed; half of the slack comes back. */
static void a_limit_moves_by_what_is_missed(void **state)
{
	(void)state;
	assert_true(fabs(corrected(17.0, 17.5) - (17.0 - 0.55)) < 1e-4);
	assert_true(fabs(corrected(16.0, 16.5) - (16.0 + 0.225)) < 1e-4);
}

static void a_limit_stays_above_a_tenth_of_itself(void **state)
{
	(void)state;
	assert_true(fabs(corrected(5.0, 30.0) - 1.7) < 1e-9);
	assert_true(fabs(corrected(1.7, 30.0) - 1.7) < 1e-9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_limit_moves_by_what_is_missed),
	        cmocka_unit_test(a_limit_stays_above_a_tenth_of_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
