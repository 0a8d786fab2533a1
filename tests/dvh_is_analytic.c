/* DVHs of solids in a linear dose against their formulas, on dose grids of 2 mm and coarser.
 * Tolerance everywhere: 0.5 % of the structure's volume or 0.5 % of the dose, whichever is nearer. */
#include "evaluate.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "solid_fixture.h"

static const double pi = 3.14159265358979323846;

/* The dose grid lies askew to the CT: other spacings, no common edges. */
static const sp_grid ct = {{70, 66, 90}, {1.3, 1.5, 1.0}, {-40.3, -61.2, 7.5}};
static const sp_grid dose_grid = {{44, 47, 43}, {2.0, 2.0, 2.0}, {-38.7, -58.1, 9.2}};
static const double axis_mm[2] = {3.1, -12.7};

/* Volume (cc) of the solid on the hot side of a plane at distance t (mm) from its centre towards the hot side. */
typedef double (*volume_beyond)(double t_mm, const double *numbers);

static double sphere_beyond(double t, const double *numbers)
{
	double r = numbers[0];

	t = fmin(fmax(t, -r), r);
	return pi * (2 * r * r * r / 3 - r * r * t + t * t * t / 3) / 1000;
}

/* numbers: radius, length; the gradient is across the axis. */
static double cylinder_beyond(double t, const double *numbers)
{
	double r = numbers[0];

	t = fmin(fmax(t, -r), r);
	return numbers[1] * (r * r * acos(t / r) - t * sqrt(r * r - t * t)) / 1000;
}

/* numbers: slope, height; t from the base (wide, cold) towards the tip (hot). */
static double cone_beyond(double t, const double *numbers)
{
	double left = fmin(fmax(numbers[1] - t, 0.0), numbers[1]);

	return pi * numbers[0] * numbers[0] * left * left * left / 3000;
}

/* At 99 planes through the solid. */
static void assert_dvh(const sp_case *c, const float *dose, const sp_grid *grid, double from_mm, double to_mm,
                       double dose_at_zero, double gradient, volume_beyond beyond, const double *numbers)
{
	double total = beyond(from_mm, numbers), outside, worst = 0.0;
	size_t which = 0;
	sp_dvh d;
	sp_error err = {0};

	assert_int_equal(sp_dvh_of_structures(&d, &outside, c, &which, 1, grid, dose, &err), SP_OK);
	assert_true(outside == 0.0);
	assert_true(fabs(d.volume_total_cc - total) < 0.005 * total);
	for (int i = 1; i < 100; i++) {
		double t = from_mm + (to_mm - from_mm) * i / 100.0, at_gy = dose_at_zero + gradient * t;
		double volume = beyond(t, numbers);
		double by_volume = fabs(sp_dvh_volume_at_gy(&d, at_gy) - volume) / total;
		double by_dose = fabs(sp_dvh_dose_at_cc(&d, volume) - at_gy) / at_gy;

		worst = fmax(worst, fmin(by_volume, by_dose));
	}
	if (!(worst < 0.005))
		fail_msg("worst DVH point is off by %.3f %% of volume or dose", 100 * worst);
	sp_dvh_finish(&d);
}

static void sphere_in_an_oblique_gradient(void **state)
{
	double z = 52.3, r = 15.0, numbers[] = {z, r};
	/* 1 Gy/mm along a direction that no axis shares */
	double linear[4] = {0, 0.48, -0.6, 0.64}, centre = 40.0;
	sp_case *c = solid_case(&ct);
	float *dose;

	(void)state;
	linear[0] = centre - linear[1] * axis_mm[0] - linear[2] * axis_mm[1] - linear[3] * z;
	solid_add(c, "sphere", SP_ROLE_ORGAN, axis_mm, z - r, z + r, 1.0, solid_sphere, numbers);
	dose = solid_dose(&dose_grid, solid_linear_dose, linear);
	assert_dvh(c, dose, &dose_grid, -r, r, centre, 1.0, sphere_beyond, &r);
	free(dose);
	sp_case_destroy(c);
}

static void cylinder_in_a_gradient_across_it(void **state)
{
	double numbers[] = {0, 12.0}, solid[] = {12.0, 60.0};
	double linear[4] = {30.0 - 0.9 * axis_mm[0], 0.9, 0, 0};
	sp_case *c = solid_case(&ct);
	float *dose;

	(void)state;
	solid_add(c, "cylinder", SP_ROLE_ORGAN, axis_mm, 20.0, 80.0, 1.0, solid_cylinder, numbers);
	dose = solid_dose(&dose_grid, solid_linear_dose, linear);
	assert_dvh(c, dose, &dose_grid, -12, 12, 30.0, 0.9, cylinder_beyond, solid);
	free(dose);
	sp_case_destroy(c);
}

static void cone_in_a_gradient_along_it(void **state)
{
	double numbers[] = {80.0, 0.4}, solid[] = {0.4, 50.0}; /* base at z = 30, tip at z = 80 */
	double linear[4] = {20.0 - 0.7 * 30.0, 0, 0, 0.7};
	sp_case *c = solid_case(&ct);
	float *dose;

	(void)state;
	solid_add(c, "cone", SP_ROLE_ORGAN, axis_mm, 30.0, 80.0, 0.5, solid_cone, numbers);
	dose = solid_dose(&dose_grid, solid_linear_dose, linear);
	assert_dvh(c, dose, &dose_grid, 0, 50, 20.0, 0.7, cone_beyond, solid);
	free(dose);
	sp_case_destroy(c);
}

/* A cord of 10 mm beside a target: 2.4 Gy/mm, 20 Gy in its middle. Its hottest 0.03 cc is a sliver of 0.24 mm. */
static void cord_hot_spot_in_a_steep_gradient(void **state)
{
	const double volumes[] = {0.03, 0.1, 0.35, 1.2};
	double numbers[] = {0, 5.0}, solid[] = {5.0, 60.0}, gradient = 2.4;
	double linear[4] = {20.0 + gradient * axis_mm[1], 0, -gradient, 0}, outside;
	sp_case *c = solid_case(&ct);
	sp_error err = {0};
	size_t which = 0;
	float *dose;
	sp_dvh d;

	(void)state;
	solid_add(c, "SpinalCord", SP_ROLE_CORD, axis_mm, 20.0, 80.0, 2.0, solid_cylinder, numbers);
	dose = solid_dose(&dose_grid, solid_linear_dose, linear);
	assert_int_equal(sp_dvh_of_structures(&d, &outside, c, &which, 1, &dose_grid, dose, &err), SP_OK);
	for (size_t i = 0; i < 4; i++) {
		double low = -5, high = 5, expected;

		while (high - low > 1e-9) {
			double t = (low + high) / 2;

			*(cylinder_beyond(t, solid) > volumes[i] ? &low : &high) = t;
		}
		expected = 20.0 + gradient * low;
		if (!(fabs(sp_dvh_dose_at_cc(&d, volumes[i]) - expected) < 0.005 * expected))
			fail_msg("D%gcc is %.3f Gy, expected %.3f", volumes[i], sp_dvh_dose_at_cc(&d, volumes[i]),
			         expected);
	}
	assert_true(fabs(d.mean_gy - 20.0) < 0.005 * 20.0);
	/* extremes may lie off by the sliver of a sampling voxel (0.5 mm) that the rim cuts: 1.5 % here */
	assert_true(fabs(d.max_gy - 32.0) < 0.5);
	assert_true(fabs(d.min_gy - 8.0) < 0.5);
	sp_dvh_finish(&d);
	free(dose);
	sp_case_destroy(c);
}

/* 3 x 2.5 x 4 mm: as coarse as an imported dose may be. */
static void a_coarse_dose_grid_serves_as_well(void **state)
{
	const sp_grid coarse = {{29, 38, 22}, {3.0, 2.5, 4.0}, {-38.2, -58.3, 9.9}};
	double z = 52.3, r = 15.0, numbers[] = {z, r}, linear[4] = {40.0 - 0.8 * z, 0, 0, 0.8};
	sp_case *c = solid_case(&ct);
	float *dose;

	(void)state;
	solid_add(c, "sphere", SP_ROLE_ORGAN, axis_mm, z - r, z + r, 1.0, solid_sphere, numbers);
	dose = solid_dose(&coarse, solid_linear_dose, linear);
	assert_dvh(c, dose, &coarse, -r, r, 40.0, 0.8, sphere_beyond, &r);
	free(dose);
	sp_case_destroy(c);
}

/* Half of the cylinder lies beyond the dose grid: all its volume counts, the missing half as dose 0. */
static void volume_beyond_the_dose_grid_counts_as_cold(void **state)
{
	const sp_grid lower_half = {{44, 47, 18}, {2.0, 2.0, 2.0}, {-38.7, -58.1, 15.0}}; /* z from 14 to 50 */
	double numbers[] = {0, 12.0}, linear[4] = {25.0, 0, 0, 0}, outside, total = pi * 144 * 60 / 1000;
	sp_case *c = solid_case(&ct);
	sp_error err = {0};
	size_t which = 0;
	float *dose;
	sp_dvh d;

	(void)state;
	solid_add(c, "cylinder", SP_ROLE_ORGAN, axis_mm, 20.0, 80.0, 1.0, solid_cylinder, numbers);
	dose = solid_dose(&lower_half, solid_linear_dose, linear);
	assert_int_equal(sp_dvh_of_structures(&d, &outside, c, &which, 1, &lower_half, dose, &err), SP_OK);
	assert_true(fabs(outside - total / 2) < 0.005 * total);
	assert_true(fabs(d.volume_total_cc - total) < 0.005 * total);
	assert_true(fabs(d.mean_gy - 12.5) < 0.1);
	assert_true(fabs(sp_dvh_volume_at_gy(&d, 1.0) - total / 2) < 0.005 * total);
	assert_true(fabs(sp_dvh_volume_at_gy(&d, 25.0) - total / 2) < 0.005 * total);
	assert_true(sp_dvh_dose_at_share(&d, 0.95) < 1e-6);
	assert_true(fabs(sp_dvh_dose_at_share(&d, 0.45) - 25.0) < 1e-4);
	sp_dvh_finish(&d);
	free(dose);
	sp_case_destroy(c);
}

/* One dose everywhere is a step, exactly. */
static void an_even_dose_is_a_step(void **state)
{
	const sp_grid grid = {{3, 4, 5}, {2.0, 2.5, 3.0}, {1, 2, 3}};
	float dose[60], fraction[60];
	sp_error err = {0};
	sp_dvh d;

	(void)state;
	for (int i = 0; i < 60; i++) {
		dose[i] = 24.0f;
		fraction[i] = i < 40 ? 1.0f : 0.5f;
	}
	assert_int_equal(sp_dvh_make(&d, dose, fraction, &grid, &err), SP_OK);
	assert_true(fabs(d.volume_total_cc - 50 * 0.015) < 1e-6);
	assert_true(fabs(sp_dvh_dose_at_share(&d, 0.95) - 24.0) < 1e-5); /* float rounding */
	assert_true(fabs(sp_dvh_dose_at_cc(&d, 0.03) - 24.0) < 1e-5);
	assert_true(fabs(sp_dvh_volume_at_gy(&d, 24.0) - d.volume_total_cc) < 1e-9);
	assert_true(sp_dvh_volume_at_gy(&d, 24.001) == 0.0);
	assert_true(sp_dvh_dose_at_cc(&d, 0.76) == 0.0); /* more than there is */
	sp_dvh_finish(&d);
}

static void an_empty_structure_has_no_dvh(void **state)
{
	const sp_grid grid = {{2, 2, 2}, {1, 1, 1}, {0, 0, 0}};
	float dose[8] = {1, 2, 3, 4, 5, 6, 7, 8}, fraction[8] = {0};
	sp_error err = {0};
	sp_dvh d;

	(void)state;
	assert_int_equal(sp_dvh_make(&d, dose, fraction, &grid, &err), SP_OK);
	assert_int_equal(d.n, 0);
	assert_true(sp_dvh_dose_at_cc(&d, 0.0) == 0.0);
	assert_true(sp_dvh_volume_at_gy(&d, 0.0) == 0.0);
	sp_dvh_finish(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(sphere_in_an_oblique_gradient),
	        cmocka_unit_test(cylinder_in_a_gradient_across_it),
	        cmocka_unit_test(cone_in_a_gradient_along_it),
	        cmocka_unit_test(cord_hot_spot_in_a_steep_gradient),
	        cmocka_unit_test(a_coarse_dose_grid_serves_as_well),
	        cmocka_unit_test(volume_beyond_the_dose_grid_counts_as_cold),
	        cmocka_unit_test(an_even_dose_is_a_step),
	        cmocka_unit_test(an_empty_structure_has_no_dvh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
