/* Monitor units may grow until the first limit that is met has no room left. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "deliver_internal.h"

static double factor_of(size_t *n_met, const char *text)
{
	json_t *evaluation = json_loads(text, 0, NULL);
	double factor;

	assert_non_null(evaluation);
	factor = sp_room_factor(n_met, evaluation);
	json_decref(evaluation);
	return factor;
}

static void the_nearest_upper_limit_in_dose_sets_the_factor(void **state)
{
	size_t n_met;
	double factor;

	(void)state;
	factor = factor_of(&n_met, "{\"limits\": ["
	                           "{\"value\": 16, \"limit\": 17, \"met\": true, \"sense\": \"at most\", "
	                           "\"unit\": \"Gy\"},"
	                           "{\"value\": 10, \"limit\": 20, \"met\": true, \"sense\": \"at most\", "
	                           "\"unit\": \"Gy\"}], \"goals\": ["
	                           "{\"value\": 30, \"limit\": 31.2, \"met\": true, \"sense\": \"at most\", "
	                           "\"unit\": \"Gy\"}]}");

	assert_true(fabs(factor - 1.04) < 1e-12);
	assert_int_equal(n_met, 3);
}

/* What is missed is missed; a lower limit gains; a volume does not go with the dose; no dose leaves all room. */
static void other_rows_leave_all_room(void **state)
{
	size_t n_met;
	double factor;

	(void)state;
	factor = factor_of(&n_met, "{\"limits\": ["
	                           "{\"value\": 18, \"limit\": 17, \"met\": false, \"sense\": \"at most\", "
	                           "\"unit\": \"Gy\"},"
	                           "{\"value\": 23, \"limit\": 22, \"met\": true, \"sense\": \"at least\", "
	                           "\"unit\": \"Gy\"},"
	                           "{\"value\": 9, \"limit\": 10, \"met\": true, \"sense\": \"at most\", "
	                           "\"unit\": \"cc\"},"
	                           "{\"value\": 0, \"limit\": 10, \"met\": true, \"sense\": \"at most\", "
	                           "\"unit\": \"Gy\"}], \"goals\": []}");

	assert_true(isinf(factor));
	assert_int_equal(n_met, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_nearest_upper_limit_in_dose_sets_the_factor),
	        cmocka_unit_test(other_rows_leave_all_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
