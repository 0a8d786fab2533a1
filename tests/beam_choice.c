/* Beams for a spine: the level and the side are told from what is in the case, and what is in the way is spared. */
#include "beam_choice.h"
#include "box_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

/* A trunk with a target at the patient's left, a cord behind its middle; patient's left is +x, back +y. */
static sp_case *trunk(void)
{
	const sp_grid ct = {.n = {80, 50, 20}, .spacing_mm = {5.0, 5.0, 5.0}, .origin_mm = {-200.0, -125.0, 0.0}};
	sp_case *c;

	assert_int_equal(sp_case_create(&c, &ct, 0, NULL), SP_OK);
	add_box(c, "External", SP_ROLE_EXTERNAL, (double[]){-130, -100, 0}, (double[]){130, 100, 95}, 5.0);
	add_box(c, "PTV", SP_ROLE_PTV, (double[]){-5, 10, 30}, (double[]){25, 40, 60}, 5.0);
	add_box(c, "SpinalCord", SP_ROLE_CORD, (double[]){-6, 45, 0}, (double[]){6, 57, 95}, 5.0);
	return c;
}

static bool is_beam_between(const sp_beam_choice *b, double low, double high)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->angles_deg[i] > low && b->angles_deg[i] < high)
			return true;
	return false;
}

static void beams_lie_all_round_and_none_opposes_another(void **state)
{
	sp_case *c = trunk();
	sp_beam_choice b;

	(void)state;
	assert_int_equal(sp_beam_choice_make(&b, c, NULL), SP_OK);
	assert_int_equal(b.n, SP_CHOSEN_BEAMS);
	for (size_t i = 0; i < b.n; i++)
		for (size_t k = 0; k < i; k++) {
			double apart = fabs(b.angles_deg[i] - b.angles_deg[k]);

			apart = fmin(apart, 360.0 - apart);
			assert_true(apart >= 18.0 - 1e-9 && apart <= 176.5);
		}
	assert_non_null(strstr(b.side, "left of the cord by 10 mm"));
	assert_non_null(strstr(b.level, "unknown"));
	sp_case_destroy(c);
}

static void level_by_vertebra_before_organs(void **state)
{
	sp_case *c = trunk();
	sp_beam_choice b;

	(void)state;
	add_box(c, "kidney_left", SP_ROLE_ORGAN, (double[]){60, 20, 20}, (double[]){90, 60, 70}, 5.0);
	assert_int_equal(sp_beam_choice_make(&b, c, NULL), SP_OK);
	assert_non_null(strstr(b.level, "lumbar"));
	add_box(c, "lung_left", SP_ROLE_ORGAN, (double[]){60, -60, 0}, (double[]){110, 10, 95}, 5.0);
	assert_int_equal(sp_beam_choice_make(&b, c, NULL), SP_OK);
	assert_non_null(strstr(b.level, "abdominal organs"));
	add_box(c, "vertebrae_T12", SP_ROLE_ORGAN, (double[]){-20, 10, 28}, (double[]){30, 60, 62}, 5.0);
	assert_int_equal(sp_beam_choice_make(&b, c, NULL), SP_OK);
	assert_string_equal(b.level, "thoracic (vertebrae_T12)");
	sp_case_destroy(c);
}

/* The bone that shares most of the target's slices tells, not the first vertebra that shares any. */
static void a_sacral_target_that_reaches_L5_is_sacral(void **state)
{
	sp_case *c = trunk();
	sp_beam_choice b;

	(void)state;
	add_box(c, "vertebrae_L5", SP_ROLE_ORGAN, (double[]){-20, 10, 55}, (double[]){30, 60, 95}, 5.0);
	add_box(c, "sacrum", SP_ROLE_ORGAN, (double[]){-40, 10, 0}, (double[]){50, 60, 58}, 5.0);
	assert_int_equal(sp_beam_choice_make(&b, c, NULL), SP_OK);
	assert_string_equal(b.level, "sacral (sacrum)");
	sp_case_destroy(c);
}

/* A rod straight behind the target, seen under a small angle, is passed beside. */
static void hardware_is_passed_beside(void **state)
{
	sp_case *c = trunk();
	sp_beam_choice b;

	(void)state;
	assert_int_equal(sp_beam_choice_make(&b, c, NULL), SP_OK);
	add_box(c, "Rod", SP_ROLE_HARDWARE, (double[]){5, 80, 0}, (double[]){15, 90, 95}, 5.0);
	assert_int_equal(sp_beam_choice_make(&b, c, NULL), SP_OK);
	assert_false(is_beam_between(&b, 174.0, 186.0));
	sp_case_destroy(c);
}

static void nothing_is_chosen_without_a_cord(void **state)
{
	sp_case *c = trunk();
	sp_beam_choice b;

	(void)state;
	sp_case_remove_structure(c, "SpinalCord");
	assert_int_equal(sp_beam_choice_make(&b, c, NULL), SP_OK);
	assert_int_equal(b.n, 0);
	sp_case_destroy(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(beams_lie_all_round_and_none_opposes_another),
	        cmocka_unit_test(level_by_vertebra_before_organs),
	        cmocka_unit_test(a_sacral_target_that_reaches_L5_is_sacral),
	        cmocka_unit_test(hardware_is_passed_beside),
	        cmocka_unit_test(nothing_is_chosen_without_a_cord),
	};

	return cmocka_run_group_tests_name("beam choice", tests, NULL, NULL);
}
