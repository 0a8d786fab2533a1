/* What an evaluation says of doses made so that the answer is known. */
#include "evaluate.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "atomic_file.h"
#include "solid_fixture.h"

static const double pi = 3.14159265358979323846;
static const sp_grid ct = {{70, 66, 90}, {1.3, 1.5, 1.0}, {-40.3, -61.2, 7.5}};
static const sp_grid dose_grid = {{44, 47, 43}, {2.0, 2.0, 2.0}, {-38.7, -58.1, 9.2}};
static const double middle_mm[3] = {3.1, -12.7, 52.3};

/* numbers: dose at the middle, fall per mm of distance from it. */
static double cone_dose(const double p[3], const double *numbers)
{
	double r = sqrt(pow(p[0] - middle_mm[0], 2) + pow(p[1] - middle_mm[1], 2) + pow(p[2] - middle_mm[2], 2));

	return fmax(0.0, numbers[0] - numbers[1] * r);
}

static sp_case *case_with_target(double radius_mm, double dose_gy, unsigned fractions)
{
	double numbers[] = {middle_mm[2], radius_mm};
	sp_case *c = solid_case(&ct);

	solid_add(c, "PTV", SP_ROLE_PTV, middle_mm, middle_mm[2] - radius_mm, middle_mm[2] + radius_mm, 1.0,
	          solid_sphere, numbers);
	c->prescription.present = true;
	c->prescription.dose_gy = dose_gy;
	c->prescription.fractions = fractions;
	return c;
}

static void add_rod(sp_case *c, const char *name, sp_role role, double x_mm, double radius_mm)
{
	solid_add(c, name, role, (double[]){x_mm, middle_mm[1]}, 30, 70, 1.0, solid_cylinder, (double[]){0, radius_mm});
}

static json_t *evaluate(const sp_case *c, const float *dose, const char *protocol_text)
{
	sp_protocol *protocol = NULL;
	json_t *e = NULL;
	sp_error err = {0};
	char path[64], text[4096];

	if (protocol_text) {
		snprintf(path, sizeof path, "/tmp/spineplan-judge-%d.yaml", (int)getpid());
		snprintf(text, sizeof text, "name: own\ntitle: own\nsource: own paper\ndose_gy: 24\nfractions: 2\n%s",
		         protocol_text);
		assert_int_equal(sp_file_write_all(path, text, strlen(text), &err), SP_OK);
		if (sp_protocol_read(&protocol, path, &err) != SP_OK)
			fail_msg("%s", err.text);
		unlink(path);
	}
	if (sp_evaluate(&e, c, &dose_grid, dose, protocol, &err) != SP_OK)
		fail_msg("%s", err.text);
	sp_protocol_destroy(protocol);
	return e;
}

static double metric(const json_t *e, const char *structure, const char *key)
{
	size_t i;
	json_t *row;

	json_array_foreach(json_object_get(e, "structures"), i, row)
	{
		const json_t *value = json_object_get(json_object_get(row, "metrics"), key);

		if (strcmp(json_string_value(json_object_get(row, "name")), structure) == 0 && value)
			return json_number_value(value);
	}
	return NAN;
}

/* The row of a list that is about a structure and metric, or NULL. */
static const json_t *row_of(const json_t *e, const char *list, const char *structure, const char *key)
{
	size_t i;
	json_t *row;

	json_array_foreach(json_object_get(e, list), i, row)
	{
		if (strcmp(json_string_value(json_object_get(row, "structure")), structure) == 0 &&
		    strcmp(json_string_value(json_object_get(row, "metric")), key) == 0)
			return row;
	}
	return NULL;
}

static bool met(const json_t *e, const char *list, const char *structure, const char *key)
{
	const json_t *row = row_of(e, list, structure, key);

	if (!row)
		fail_msg("no %s on %s %s", list, structure, key);
	return json_is_true(json_object_get(row, "met"));
}

static void assert_near(double value, double expected, double relative)
{
	if (!(fabs(value - expected) <= relative * fabs(expected)))
		fail_msg("%g is not within %g %% of %g", value, 100 * relative, expected);
}

/* 36 Gy in the middle, 0.6 Gy/mm: 24 Gy at 20 mm, 12 Gy at 40 mm. Tolerance of isodoses 1 %: the dose is taken as
 * linear between voxel centres, which moves a curved isodose inwards by up to h^2 / (6 r) = 0.03 mm here, 0.5 %. */
static const double fall[] = {36.0, 0.6};

static void conformity_and_gradient_of_spheres(void **state)
{
	sp_case *c = case_with_target(15, 24, 2);
	float *dose = solid_dose(&dose_grid, cone_dose, fall);
	json_t *e = evaluate(c, dose, NULL);

	(void)state;
	assert_near(json_number_value(json_object_get(e, "paddick_ci")), pow(15.0 / 20.0, 3), 0.01);
	assert_near(json_number_value(json_object_get(e, "gradient_index")), 8.0, 0.01);
	assert_near(json_number_value(json_object_get(e, "r50")), pow(40.0 / 15.0, 3), 0.01);
	assert_near(json_number_value(json_object_get(e, "prescription_isodose_cc")), 4 * pi * pow(20, 3) / 3000, 0.01);
	/* the hottest share v of the volume lies within 15 mm times the third root of v */
	assert_near(metric(e, "PTV", "D95_Gy"), 36 - 9 * cbrt(0.95), 0.005);
	assert_near(metric(e, "PTV", "D98_Gy"), 36 - 9 * cbrt(0.98), 0.005);
	assert_near(metric(e, "PTV", "D50_Gy"), 36 - 9 * cbrt(0.50), 0.005);
	assert_near(metric(e, "PTV", "D10_Gy"), 36 - 9 * cbrt(0.10), 0.005);
	assert_near(metric(e, "PTV", "D2_Gy"), 36 - 9 * cbrt(0.02), 0.005);
	assert_near(metric(e, "PTV", "Dmean_Gy"), 36 - 0.75 * 9, 0.005);
	assert_near(metric(e, "PTV", "V100_pct"), 100.0, 0.001);
	assert_near(metric(e, "PTV", "V120_pct"), 100 * pow(12.0 / 15, 3), 0.02); /* r = 12 mm: 1.4 % */
	json_decref(e);
	free(dose);
	sp_case_destroy(c);
}

/* The target reaches 5 mm beyond the prescription's isodose. */
/* The cone falls by 0.6 Gy/mm everywhere: 2.5 % of 24 Gy. Tolerance 2 %: its contours are curved, and the dose between
 * voxel centres is not. Target and cord are 2 mm apart at their nearest. */
static void the_fall_off_beside_the_cord_is_the_slope_of_the_dose(void **state)
{
	sp_case *c = case_with_target(15, 24, 2);
	float *dose = solid_dose(&dose_grid, cone_dose, fall);
	json_t *e = evaluate(c, dose, NULL);

	(void)state;
	assert_true(json_is_null(json_object_get(e, "fall_off_pct_per_mm"))); /* no cord */
	json_decref(e);
	add_rod(c, "SpinalCord", SP_ROLE_CORD, middle_mm[0] - 22, 5);
	e = evaluate(c, dose, NULL);
	assert_near(json_number_value(json_object_get(e, "fall_off_pct_per_mm")), 2.5, 0.02);
	json_decref(e);
	sp_case_remove_structure(c, "SpinalCord");
	add_rod(c, "SpinalCord", SP_ROLE_CORD, middle_mm[0] - 28, 5); /* 8 mm apart */
	e = evaluate(c, dose, NULL);
	assert_true(json_is_null(json_object_get(e, "fall_off_pct_per_mm")));
	json_decref(e);
	free(dose);
	sp_case_destroy(c);
}

static void conformity_of_a_target_that_is_not_covered(void **state)
{
	sp_case *c = case_with_target(25, 24, 2);
	float *dose = solid_dose(&dose_grid, cone_dose, fall);
	json_t *e = evaluate(c, dose, NULL);

	(void)state;
	assert_near(json_number_value(json_object_get(e, "paddick_ci")), pow(20.0 / 25.0, 3), 0.01);
	assert_near(metric(e, "PTV", "V100_pct"), 100 * pow(20.0 / 25.0, 3), 0.01);
	json_decref(e);
	free(dose);
	sp_case_destroy(c);
}

/* Only what lies in the body counts to an isodose: a body that ends at the middle halves it. */
static void isodoses_end_at_the_skin(void **state)
{
	double level = 24, cc;
	sp_case *c = case_with_target(5, 24, 2);
	float *dose = solid_dose(&dose_grid, cone_dose, fall);
	sp_error err = {0};

	(void)state;
	solid_add(c, "BODY", SP_ROLE_EXTERNAL, middle_mm, 10, middle_mm[2], 0.9, solid_cylinder, (double[]){0, 35});
	assert_int_equal(sp_isodose_volumes(&cc, &level, 1, c, &dose_grid, dose, &err), SP_OK);
	assert_near(cc, 2 * pi * pow(20, 3) / 3000, 0.01);
	free(dose);
	sp_case_destroy(c);
}

static void limits_and_goals_are_judged_apart(void **state)
{
	/* along x: 20 Gy at the middle, 1 Gy/mm */
	double linear[] = {20 - middle_mm[0], 1, 0, 0};
	sp_case *c = case_with_target(9, 24, 2);
	float *dose = solid_dose(&dose_grid, solid_linear_dose, linear);
	json_t *e;

	(void)state;
	add_rod(c, "SpinalCord", SP_ROLE_CORD, middle_mm[0] - 15, 5);  /* 0 to 10 Gy */
	add_rod(c, "oesophagus", SP_ROLE_ORGAN, middle_mm[0] + 20, 5); /* 35 to 45 Gy */
	e = evaluate(c, dose,
	             "limits:\n"
	             "  - {structure: role:cord, metric: D0.03cc, at_most: 10, hard: yes, source: s}\n"
	             "  - {structure: Esophagus, metric: Dmax, at_most: 30, hard: yes, source: s}\n"
	             "  - {structure: Esophagus, metric: Dmean, at_most: 41, source: s}\n"
	             "  - {structure: Heart, metric: Dmax, at_most: 10, source: s}\n"
	             "  - {structure: role:target, metric: V100%, at_least: 80, goal: yes, source: s}\n"
	             "  - {structure: role:target, metric: D98%, at_least: 10, source: s}\n");
	assert_true(met(e, "limits", "SpinalCord", "D0.03cc_Gy"));
	assert_false(met(e, "limits", "oesophagus", "Dmax_Gy"));
	assert_true(met(e, "limits", "oesophagus", "Dmean_Gy"));
	assert_true(met(e, "limits", "PTV", "D98_Gy"));
	assert_false(met(e, "goals", "PTV", "V100_pct"));
	assert_int_equal(json_array_size(json_object_get(e, "limits")), 4);
	assert_non_null(row_of(e, "not_judged", "Heart", "Dmax_Gy"));
	assert_true(json_is_false(json_object_get(e, "all_limits_met")));
	assert_near(json_number_value(json_object_get(row_of(e, "limits", "oesophagus", "Dmean_Gy"), "value")), 40,
	            0.005);
	json_decref(e);
	e = evaluate(c, dose,
	             "limits:\n  - {structure: role:cord, metric: D0.03cc, at_most: 10, hard: yes, source: s}\n"
	             "  - {structure: role:target, metric: V100%, at_least: 80, goal: yes, source: s}\n");
	assert_true(json_is_true(json_object_get(e, "all_limits_met"))); /* a missed goal is no missed limit */
	json_decref(e);
	e = evaluate(c, dose, NULL);
	assert_true(json_is_null(json_object_get(e, "all_limits_met"))); /* nothing judged is not "met" */
	json_decref(e);
	free(dose);
	sp_case_destroy(c);
}

static void a_sac_is_judged_like_a_cord_only_without_a_prv(void **state)
{
	static const char text[] = "tables: [cord-sbrt]\n";
	double even[] = {18, 0, 0, 0}; /* above the 17 Gy of 2 fractions */
	sp_case *c = case_with_target(9, 24, 2);
	float *dose = solid_dose(&dose_grid, solid_linear_dose, even);
	json_t *e;

	(void)state;
	add_rod(c, "thecal sac", SP_ROLE_ORGAN, middle_mm[0] - 15, 8);
	e = evaluate(c, dose, text);
	assert_false(met(e, "limits", "thecal sac", "D0.03cc_Gy"));
	json_decref(e);
	add_rod(c, "Cord PRV", SP_ROLE_ORGAN, middle_mm[0] - 15, 7); /* by name: its role says organ */
	e = evaluate(c, dose, text);
	assert_false(met(e, "limits", "Cord PRV", "D0.03cc_Gy"));
	assert_null(row_of(e, "limits", "thecal sac", "D0.03cc_Gy"));
	assert_null(row_of(e, "not_judged", "ThecalSac", "D0.03cc_Gy")); /* the PRV stands for it */
	json_decref(e);
	free(dose);
	sp_case_destroy(c);
}

/* Left 0 to 10 Gy, right 30 to 40: together the coldest half stays below 10 Gy. */
static void two_lungs_are_judged_as_one(void **state)
{
	static const char text[] = "limits:\n  - {structure: Lungs, metric: DC3cc, at_most: 10.1, source: s}\n"
	                           "  - {structure: Lungs, metric: Dmean, at_most: 15, source: s}\n"
	                           "  - {structure: Lungs, metric: DC1500cc, at_most: 7, source: s}\n";
	double linear[] = {20 - middle_mm[0], 1, 0, 0};
	sp_case *c = case_with_target(9, 24, 2);
	float *dose = solid_dose(&dose_grid, solid_linear_dose, linear);
	json_t *e;

	(void)state;
	add_rod(c, "lung_left", SP_ROLE_ORGAN, middle_mm[0] - 15, 5); /* 3.14 cc each */
	e = evaluate(c, dose, text);
	assert_non_null(row_of(e, "not_judged", "Lungs", "Dmean_Gy")); /* half a pair */
	json_decref(e);
	add_rod(c, "Lung R", SP_ROLE_ORGAN, middle_mm[0] + 15, 5);
	e = evaluate(c, dose, text);
	assert_true(met(e, "limits", "Lungs", "DC3cc_Gy"));
	assert_false(met(e, "limits", "Lungs", "Dmean_Gy"));
	assert_near(json_number_value(json_object_get(row_of(e, "limits", "Lungs", "Dmean_Gy"), "value")), 20, 0.005);
	assert_true(json_is_false(json_object_get(row_of(e, "not_judged", "Lungs", "DC1500cc_Gy"), "absent")));
	/* 6.3 cc of lung cannot show that 1500 cc are spared */
	assert_non_null(row_of(e, "not_judged", "Lungs", "DC1500cc_Gy"));
	json_decref(e);
	free(dose);
	sp_case_destroy(c);
}

static void a_limit_met_to_the_last_stated_digit_is_met(void **state)
{
	double even[] = {10.004, 0, 0, 0}, more[] = {10.006, 0, 0, 0};
	static const char text[] = "limits:\n  - {structure: role:cord, metric: Dmax, at_most: 10, source: s}\n";
	sp_case *c = case_with_target(9, 24, 2);
	float *dose = solid_dose(&dose_grid, solid_linear_dose, even);
	json_t *e;

	(void)state;
	add_rod(c, "SpinalCord", SP_ROLE_CORD, middle_mm[0] - 15, 5);
	e = evaluate(c, dose, text);
	assert_true(met(e, "limits", "SpinalCord", "Dmax_Gy"));
	json_decref(e);
	free(dose);
	dose = solid_dose(&dose_grid, solid_linear_dose, more);
	e = evaluate(c, dose, text);
	assert_false(met(e, "limits", "SpinalCord", "Dmax_Gy"));
	json_decref(e);
	free(dose);
	sp_case_destroy(c);
}

static void a_structure_beyond_the_dose_grid_is_not_judged(void **state)
{
	double even[] = {10, 0, 0, 0};
	sp_case *c = case_with_target(9, 24, 2);
	float *dose = solid_dose(&dose_grid, solid_linear_dose, even);
	json_t *e;

	(void)state;
	add_rod(c, "Heart", SP_ROLE_ORGAN, middle_mm[0] + 100, 5);
	e = evaluate(c, dose, "limits:\n  - {structure: Heart, metric: Dmax, at_most: 30, source: s}\n");
	assert_non_null(row_of(e, "not_judged", "Heart", "Dmax_Gy"));
	assert_true(json_is_null(json_object_get(e, "all_limits_met")));
	json_decref(e);
	free(dose);
	sp_case_destroy(c);
}

/* An empty cord is no cord that is spared; a cord that the case does not have is another matter. */
static void a_hard_limit_that_cannot_be_judged_is_none_that_is_met(void **state)
{
	double even[] = {10, 0, 0, 0};
	sp_case *c = case_with_target(9, 24, 2);
	float *dose = solid_dose(&dose_grid, solid_linear_dose, even);
	const char *text = "limits:\n  - {structure: role:cord, metric: D0.03cc, at_most: 17, hard: yes, source: s}\n"
	                   "  - {structure: role:target, metric: Dmax, at_most: 30, source: s}\n";
	sp_structure *s;
	const json_t *row;
	json_t *e;

	(void)state;
	e = evaluate(c, dose, text);
	assert_true(json_is_true(json_object_get(e, "all_limits_met")));
	json_decref(e);
	assert_int_equal(sp_case_add_structure(&s, c, "SpinalCord", SP_ROLE_CORD, NULL), SP_OK);
	e = evaluate(c, dose, text);
	row = row_of(e, "not_judged", "SpinalCord", "D0.03cc_Gy");
	assert_true(json_is_true(json_object_get(row, "counts_as_missed")));
	assert_true(json_is_false(json_object_get(e, "all_limits_met")));
	json_decref(e);
	free(dose);
	sp_case_destroy(c);
}

/* What scripts and other programs rely on. */
static void the_json_has_the_promised_members(void **state)
{
	static const char *const metrics[] = {"Dmax_Gy", "Dmean_Gy", "D0.03cc_Gy", "D95_Gy",
	                                      "D98_Gy",  "D50_Gy",   "D10_Gy",     "D2_Gy"};
	double linear[] = {20 - middle_mm[0], 1, 0, 0};
	sp_case *c = case_with_target(9, 24, 2);
	float *dose = solid_dose(&dose_grid, solid_linear_dose, linear);
	json_t *e, *first;

	(void)state;
	add_rod(c, "SpinalCord", SP_ROLE_CORD, middle_mm[0] - 15, 5);
	e = evaluate(c, dose, "tables: [cord-sbrt, organs-tg101]\n");
	first = json_array_get(json_object_get(e, "structures"), 0);
	assert_string_equal(json_string_value(json_object_get(first, "name")), "PTV");
	assert_string_equal(json_string_value(json_object_get(first, "role")), "ptv");
	assert_true(json_is_real(json_object_get(first, "volume_cc")));
	for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++)
		assert_true(isfinite(metric(e, "PTV", metrics[i])));
	first = json_array_get(json_object_get(e, "limits"), 0);
	assert_true(json_is_string(json_object_get(first, "structure")));
	assert_true(json_is_string(json_object_get(first, "metric")));
	assert_true(json_is_real(json_object_get(first, "limit")));
	assert_true(json_is_real(json_object_get(first, "value")));
	assert_string_equal(json_string_value(json_object_get(first, "unit")), "Gy");
	assert_true(json_is_boolean(json_object_get(first, "met")));
	assert_true(json_is_boolean(json_object_get(e, "all_limits_met")));
	assert_true(json_is_real(json_object_get(e, "paddick_ci")));
	assert_true(json_is_real(json_object_get(e, "gradient_index")));
	assert_true(json_is_object(json_object_get(e, "provenance")));
	json_decref(e);
	free(dose);
	sp_case_destroy(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(conformity_and_gradient_of_spheres),
	        cmocka_unit_test(the_fall_off_beside_the_cord_is_the_slope_of_the_dose),
	        cmocka_unit_test(conformity_of_a_target_that_is_not_covered),
	        cmocka_unit_test(isodoses_end_at_the_skin),
	        cmocka_unit_test(limits_and_goals_are_judged_apart),
	        cmocka_unit_test(a_sac_is_judged_like_a_cord_only_without_a_prv),
	        cmocka_unit_test(two_lungs_are_judged_as_one),
	        cmocka_unit_test(a_limit_met_to_the_last_stated_digit_is_met),
	        cmocka_unit_test(a_structure_beyond_the_dose_grid_is_not_judged),
	        cmocka_unit_test(a_hard_limit_that_cannot_be_judged_is_none_that_is_met),
	        cmocka_unit_test(the_json_has_the_promised_members),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
