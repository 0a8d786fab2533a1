/* Set-up errors as a user writes them, and the scenarios that they stand for. */
#include "setup_errors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void lengths_and_angles_are_read_with_their_units(void **state)
{
	static const char *const wrong[] = {
	        "",      "1",        "1mm,",   "mm",      "0mm",
	        "-1mm",  "1mm 1deg", "21mm",   "11deg",   "1mm,1",
	        "nanmm", "1e9deg",   "1mm1mm", "1m,1deg", "1mm,1mm,1mm,1mm,1mm,1mm,1mm,1mm,1mm"};
	sp_setup_errors e = {0};

	(void)state;
	assert_true(sp_setup_errors_parse(&e, "1mm,2.5mm,1deg"));
	assert_int_equal(e.n_shifts, 2);
	assert_int_equal(e.n_rotations, 1);
	assert_true(e.shift_mm[0] == 1.0 && e.shift_mm[1] == 2.5 && e.rotation_deg[0] == 1.0);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_false(sp_setup_errors_parse(&e, wrong[i]));
}

static void every_shift_is_as_long_as_asked_and_none_comes_twice(void **state)
{
	static const unsigned counts[] = {6, 14, 18, 26};

	(void)state;
	for (size_t k = 0; k < 4; k++) {
		const sp_setup_errors e = {.n_shifts = 1, .shift_mm = {1.5}, .directions = counts[k]};
		sp_scenario *s;
		size_t n;

		assert_int_equal(sp_scenarios_make(&s, &n, &e, NULL), SP_OK);
		assert_int_equal(n, counts[k]);
		for (size_t i = 0; i < n; i++) {
			const double *v = s[i].shift_mm;
			double sum[3] = {0};

			assert_true(fabs(sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]) - 1.5) < 1e-12);
			for (size_t m = 0; m < n; m++)
				for (int a = 0; a < 3; a++)
					sum[a] += s[m].shift_mm[a];
			assert_true(fabs(sum[0]) + fabs(sum[1]) + fabs(sum[2]) < 1e-9); /* every way and back */
			for (size_t m = 0; m < i; m++)
				assert_string_not_equal(s[m].name, s[i].name);
		}
		free(s);
	}
}

static void names_say_where_the_patient_lies(void **state)
{
	const sp_setup_errors e = {.n_shifts = 1,
	                           .n_rotations = 1,
	                           .shift_mm = {1.0},
	                           .rotation_deg = {2.0},
	                           .directions = 6,
	                           .together = true};
	sp_scenario *s;
	size_t n, named = 0;

	(void)state;
	assert_int_equal(sp_scenarios_make(&s, &n, &e, NULL), SP_OK);
	assert_int_equal(n, 6 + 6 + 36);
	for (size_t i = 0; i < n; i++) {
		/* LPS: x to the left, y to the back, z to the head */
		named += strcmp(s[i].name, "1 mm left") == 0 && s[i].shift_mm[0] == 1.0;
		named += strcmp(s[i].name, "1 mm back") == 0 && s[i].shift_mm[1] == 1.0;
		named += strcmp(s[i].name, "1 mm feet") == 0 && s[i].shift_mm[2] == -1.0;
		named += strcmp(s[i].name, "-2 deg about z") == 0 && s[i].rotation_deg[2] == -2.0;
		named += strcmp(s[i].name, "1 mm head, +2 deg about x") == 0 && s[i].shift_mm[2] == 1.0 &&
		         s[i].rotation_deg[0] == 2.0;
	}
	assert_int_equal(named, 5);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(lengths_and_angles_are_read_with_their_units),
	        cmocka_unit_test(every_shift_is_as_long_as_asked_and_none_comes_twice),
	        cmocka_unit_test(names_say_where_the_patient_lies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
