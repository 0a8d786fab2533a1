/* Monitor units may grow until the first limit that is met has no room left. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "deliver_internal.h"

static sp_room room_of(const char *text)
{
	json_t *evaluation = json_loads(text, 0, NULL);
	sp_room room;

	assert_non_null(evaluation);
	room = sp_room_of(evaluation);
	json_decref(evaluation);
	return room;
}

static void the_nearest_upper_limit_in_dose_sets_the_factor(void **state)
{
	sp_room room;

	(void)state;
	room = room_of("{\"limits\": ["
	               "{\"structure\": \"S\", \"metric\": \"D0.03cc_Gy\", \"value\": 16, \"limit\": 17, \"met\": "
	               "true, \"sense\": \"at most\", "
	               "\"unit\": \"Gy\"},"
	               "{\"structure\": \"S\", \"metric\": \"D0.03cc_Gy\", \"value\": 10, \"limit\": 20, \"met\": "
	               "true, \"sense\": \"at most\", "
	               "\"unit\": \"Gy\"}], \"goals\": ["
	               "{\"structure\": \"S\", \"metric\": \"D0.03cc_Gy\", \"value\": 30, \"limit\": 31.2, \"met\": "
	               "true, \"sense\": \"at most\", "
	               "\"unit\": \"Gy\"}]}");

	assert_true(fabs(room.factor - 1.04) < 1e-12);
	assert_string_equal(room.by, "S D0.03cc_Gy");
	assert_int_equal(room.n_met, 3);
}

/* What is missed is missed; a lower limit gains; a volume does not go with the dose; no dose leaves all room. */
static void other_rows_leave_all_room(void **state)
{
	sp_room room;

	(void)state;
	room = room_of("{\"limits\": ["
	               "{\"structure\": \"S\", \"metric\": \"D0.03cc_Gy\", \"value\": 18, \"limit\": 17, \"met\": "
	               "false, \"sense\": \"at most\", "
	               "\"unit\": \"Gy\"},"
	               "{\"structure\": \"S\", \"metric\": \"D0.03cc_Gy\", \"value\": 23, \"limit\": 22, \"met\": "
	               "true, \"sense\": \"at least\", "
	               "\"unit\": \"Gy\"},"
	               "{\"structure\": \"S\", \"metric\": \"D0.03cc_Gy\", \"value\": 9, \"limit\": 10, \"met\": true, "
	               "\"sense\": \"at most\", "
	               "\"unit\": \"cc\"},"
	               "{\"structure\": \"S\", \"metric\": \"D0.03cc_Gy\", \"value\": 0, \"limit\": 10, \"met\": true, "
	               "\"sense\": \"at most\", "
	               "\"unit\": \"Gy\"}], \"goals\": []}");

	assert_true(isinf(room.factor));
	assert_int_equal(room.n_met, 3);
}

/* The hottest voxel is above the goal by noise: what holds is D0.03cc, of the goal's own structure. */
static void a_goal_on_dmax_holds_what_0_03_cc_get(void **state)
{
	sp_room room;

	(void)state;
	room = room_of("{\"structures\": [{\"name\": \"Cord\", \"metrics\": {\"D0.03cc_Gy\": 5}},"
	               "{\"name\": \"PTV\", \"metrics\": {\"D0.03cc_Gy\": 32}}], \"limits\": ["
	               "{\"structure\": \"Cord\", \"metric\": \"Dmax_Gy\", \"value\": 16, \"limit\": 17, "
	               "\"met\": true, \"sense\": \"at most\", \"unit\": \"Gy\"}], \"goals\": ["
	               "{\"structure\": \"PTV\", \"metric\": \"Dmax_Gy\", \"value\": 34, \"limit\": 33.6, "
	               "\"met\": false, \"sense\": \"at most\", \"unit\": \"Gy\"}]}");

	assert_true(fabs(room.factor - 1.05) < 1e-12);
	assert_int_equal(room.n_met, 2);
	assert_string_equal(room.by, "PTV Dmax_Gy");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_nearest_upper_limit_in_dose_sets_the_factor),
	        cmocka_unit_test(other_rows_leave_all_room),
	        cmocka_unit_test(a_goal_on_dmax_holds_what_0_03_cc_get),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
