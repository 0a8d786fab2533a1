/* Monitor units may grow until the first limit that is met has no room left. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "box_fixture.h"
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

enum { SIDE = 6, SLICES = 12, VOXELS = SIDE * SIDE * SLICES };

/* The factor on all monitor units that a plan ends with whose target has target_gy all over, of 50 at least, and whose
 * organ has organ_gy, of 22 at most; miss_gy: what it misses then. */
static double given_way(double *miss_gy, float target_gy, float organ_gy)
{
	static const uint32_t row = 0;
	static const float volume = 1.0f;
	static float dose[VOXELS], sigma[VOXELS];
	char least[] = "D95%", most[] = "D2%";
	sp_limit limits[] = {{.metric = least, .value = 50.0, .sense = SP_LIMIT_IS_LOWER, .hard = true},
	                     {.metric = most, .value = 22.0, .sense = SP_LIMIT_IS_UPPER, .hard = true}};
	sp_term terms[] = {{.kind = SP_LIMIT_DVH_MIN, .dose_gy = 50.0, .volume = 0.95},
	                   {.kind = SP_LIMIT_DVH_MAX, .dose_gy = 22.0, .volume = 0.02}};
	size_t which[] = {0, 1};
	sp_plan_limit own[] = {{.limit = &limits[0], .term = 0, .n = 1, .which = &which[0]},
	                       {.limit = &limits[1], .term = 1, .n = 1, .which = &which[1]}};
	float rows_dose[] = {50.0f}, offset[] = {0.0f};
	const sp_plan_options plan_options = {0};
	sp_fields fields = {0};
	sp_fluence_plan plan = {.dose_grid = {.n = {SIDE, SIDE, SLICES}, .spacing_mm = {2.0, 2.0, 2.0}},
	                        .dose_gy = dose,
	                        .sigma_gy = sigma,
	                        .n_rows = 1};
	sp_deliver_job j = {.fields = &fields, .mu_factor = 1.0};
	sp_limit_standing standing;
	sp_case *c = NULL;

	for (size_t i = 0; i < 2; i++) {
		terms[i].n = 1;
		terms[i].rows = &row;
		terms[i].volumes = &volume;
	}
	assert_int_equal(sp_case_create(&c, &plan.dose_grid, 0, NULL), SP_OK);
	add_box(c, "target", SP_ROLE_PTV, (double[]){0.5, 0.5, 2.0}, (double[]){9.5, 9.5, 6.0}, 2.0);
	add_box(c, "organ", SP_ROLE_ORGAN, (double[]){0.5, 0.5, 16.0}, (double[]){9.5, 9.5, 20.0}, 2.0);
	for (size_t v = 0; v < VOXELS; v++)
		dose[v] = v < VOXELS / 2 ? target_gy : organ_gy;
	j.session.c = c;
	j.session.plan = &plan;
	j.session.options = &plan_options;
	j.session.problem = (sp_plan_problem){.n_terms = 2, .terms = terms, .n_limits = 2, .limits = own};
	j.session.rows_dose = rows_dose;
	j.session.offset = offset;
	j.session.dose_gy = 50.0;
	assert_int_equal(sp_deliver_judge(&standing, &j, false), SP_OK);
	assert_int_equal(sp_deliver_give_way(&j, &standing), SP_OK);
	*miss_gy = standing.worst_miss_gy;
	assert_true(fabs(dose[0] - target_gy * j.mu_factor) < 1e-4);
	sp_case_destroy(c);
	return j.mu_factor;
}

/* A small miss is mended by less or more of all monitor units, in steps of 0.1 %; what that would not mend stays. */
static void small_misses_need_no_other_plan(void **state)
{
	double miss, factor;

	(void)state;
	factor = given_way(&miss, 51.0f, 22.1f); /* 0.45 % too much for the organ */
	assert_true(miss <= 0.0 && fabs(factor - pow(0.999, 5)) < 1e-9);
	factor = given_way(&miss, 49.8f, 21.5f); /* 0.40 % too little for the target */
	assert_true(miss <= 0.0 && fabs(factor - pow(1.001, 5)) < 1e-9);
	factor = given_way(&miss, 49.8f, 22.1f); /* both */
	assert_true(fabs(miss - 0.2) < 1e-3 && fabs(factor - 1.0) < 1e-9);
	factor = given_way(&miss, 49.0f, 20.0f); /* 2 % */
	assert_true(fabs(miss - 1.0) < 1e-3 && fabs(factor - 1.0) < 1e-9);
	factor = given_way(&miss, 50.5f, 21.5f);
	assert_true(miss <= 0.0 && factor == 1.0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_nearest_upper_limit_in_dose_sets_the_factor),
	        cmocka_unit_test(other_rows_leave_all_room),
	        cmocka_unit_test(a_goal_on_dmax_holds_what_0_03_cc_get),
	        cmocka_unit_test(small_misses_need_no_other_plan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
