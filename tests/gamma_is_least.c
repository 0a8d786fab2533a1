/* The gamma index against formulas for doses that have one, and against a dense search. Grids have unequal sizes and
 * spacings, and A's is not B's. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"
#include "gamma.h"

/* Float rounding of doses of 20 Gy in criteria of 0.6 Gy, and of places of 60 mm in 2 mm: some 1e-6 each. */
#define ROUNDING 2e-4
/* The kernel stops when the dose is within 0.004 criteria of what the slope foretold (GAMMA_CLOSE). */
#define STOPPING 0.004

typedef double (*dose_function)(const double at_mm[3]);

static const sp_grid grid_a = {{9, 7, 6}, {2.0, 2.5, 3.0}, {-7.0, 11.5, 40.0}};
static const sp_grid grid_b = {{15, 12, 16}, {1.9, 2.2, 1.7}, {-12.3, 6.1, 34.9}};

static double uniform(const double at_mm[3])
{
	return 20.0 + 0.0 * at_mm[0];
}

/* Falls by 0.25, 0.4 and 0.1 Gy/mm along x, y and z. */
static double slanted(const double at_mm[3])
{
	return 30.0 - 0.25 * at_mm[0] - 0.4 * at_mm[1] - 0.1 * at_mm[2];
}

static double slanted_and_moved(const double at_mm[3])
{
	const double from_mm[3] = {at_mm[0] - 0.9, at_mm[1] + 0.7, at_mm[2] - 1.1};

	return slanted(from_mm);
}

static double warmer(const double at_mm[3])
{
	return uniform(at_mm) * 1.015;
}

/* Humps some centimetres wide: steep and flat places, ridges and saddles. */
static double hilly(const double at_mm[3])
{
	return 10.0 + 6.0 * sin(at_mm[0] / 4.0) * cos(at_mm[1] / 5.0) + 3.0 * sin(at_mm[2] / 3.0 + at_mm[0] / 6.0);
}

static double hilly_and_moved(const double at_mm[3])
{
	const double from_mm[3] = {at_mm[0] - 1.0, at_mm[1] + 0.8, at_mm[2] + 0.5};

	return 1.02 * hilly(from_mm);
}

static sp_dose make_dose(const sp_grid *g, dose_function f)
{
	sp_dose d = {.grid = *g, .gy = sp_alloc_array(sp_grid_voxels(g), sizeof(float))};

	assert_non_null(d.gy);
	for (size_t i = 0; i < sp_grid_voxels(g); i++) {
		double at_mm[3];

		sp_grid_centre(at_mm, g, i);
		d.gy[i] = (float)f(at_mm);
	}
	return d;
}

static sp_gamma_result judge(sp_device *device, const sp_dose *a, const sp_dose *b, const sp_gamma_criterion *c)
{
	sp_gamma_result r;
	sp_error err = {0};

	if (sp_gamma_compute(&r, device, a, b, c, &err) != SP_OK)
		fail_msg("%s", err.text);
	return r;
}

static int set_up(void **state)
{
	sp_device *device = NULL;
	sp_error err = {0};

	if (sp_device_open(&device, NULL, &err) != SP_OK) {
		print_error("%s\n", err.text);
		return -1;
	}
	*state = device;
	return 0;
}

static int tear_down(void **state)
{
	sp_device_close(*state);
	return 0;
}

static void a_uniform_difference_is_its_share_of_the_criterion(void **state)
{
	sp_dose a = make_dose(&grid_a, uniform), b = make_dose(&grid_b, warmer);
	const sp_gamma_criterion c = {.dose_percent = 3.0, .distance_mm = 2.0, .cap = 2.0};
	sp_gamma_result r = judge(*state, &a, &b, &c);

	assert_int_equal(r.n_judged, sp_grid_voxels(&grid_a));
	assert_int_equal(r.n_passed, r.n_judged);
	for (size_t i = 0; i < r.n_judged; i++)
		assert_true(fabs((double)r.gamma[i] - 0.5) < ROUNDING);
	sp_gamma_result_finish(&r);
	sp_dose_finish(&a);
	sp_dose_finish(&b);
}

/* In a dose of slope g, moved so that it differs by e at the point, the least of s^2/D^2 + (e - |g| s)^2/d^2 is
 * e^2 / (d^2 + g^2 D^2), straight down the slope. */
static void a_moved_slope_has_the_gamma_of_the_formula(void **state)
{
	sp_dose a = make_dose(&grid_a, slanted), b = make_dose(&grid_b, slanted_and_moved);
	const sp_gamma_criterion c = {.dose_percent = 2.0, .distance_mm = 2.0, .cap = 2.0, .normalisation_gy = 30.0};
	sp_gamma_result r = judge(*state, &a, &b, &c);
	double slope2 = 0.25 * 0.25 + 0.4 * 0.4 + 0.1 * 0.1, e = 0.25 * 0.9 - 0.4 * 0.7 + 0.1 * 1.1;
	double expected = fabs(e) / sqrt(0.6 * 0.6 + slope2 * 2.0 * 2.0);

	assert_int_equal(r.n_judged, sp_grid_voxels(&grid_a));
	for (size_t i = 0; i < r.n_judged; i++)
		if (fabs((double)r.gamma[i] - expected) > ROUNDING)
			fail_msg("gamma[%zu] is %g, expected %g", i, (double)r.gamma[i], expected);
	sp_gamma_result_finish(&r);
	sp_dose_finish(&a);
	sp_dose_finish(&b);
}

/* The least over a lattice of step_mm within reach_mm of middle_mm, both relative to the point; best_mm is where. */
static double lattice_search(double best_mm[3], const sp_dose *b, const double at_mm[3], double dose, double dose_gy,
                             const double middle_mm[3], double reach_mm, double step_mm)
{
	double best = 2.0;
	int n = (int)lround(reach_mm / step_mm);

	for (int z = -n; z <= n; z++)
		for (int y = -n; y <= n; y++)
			for (int x = -n; x <= n; x++) {
				const double from_mm[3] = {middle_mm[0] + x * step_mm, middle_mm[1] + y * step_mm,
				                           middle_mm[2] + z * step_mm};
				const double there_mm[3] = {at_mm[0] + from_mm[0], at_mm[1] + from_mm[1],
				                            at_mm[2] + from_mm[2]};
				double distance = sqrt(from_mm[0] * from_mm[0] + from_mm[1] * from_mm[1] +
				                       from_mm[2] * from_mm[2]) /
				                  2.0;
				double there, found;

				if (distance >= best || !sp_dose_at(&there, b, there_mm))
					continue;
				found = hypot(distance, (there - dose) / dose_gy);
				if (found < best) {
					best = found;
					memcpy(best_mm, from_mm, sizeof from_mm);
				}
			}
	return best;
}

/* Never below the true least, for a distance criterion of 2 mm: a lattice of 0.1 mm, and 0.01 mm around its best. */
static double dense_search(const sp_dose *b, const double at_mm[3], double dose, double dose_gy)
{
	const double here_mm[3] = {0.0, 0.0, 0.0};
	double coarse_mm[3] = {0.0, 0.0, 0.0}, fine_mm[3];
	double coarse = lattice_search(coarse_mm, b, at_mm, dose, dose_gy, here_mm, 4.0, 0.1);

	return fmin(coarse, lattice_search(fine_mm, b, at_mm, dose, dose_gy, coarse_mm, 0.15, 0.01));
}

static void check_against_dense_search(sp_device *device, bool local)
{
	bool small = getenv("SPINEPLAN_SMALL_TESTS") != NULL;
	sp_dose a = make_dose(&grid_a, hilly), b = make_dose(&grid_b, hilly_and_moved);
	const sp_gamma_criterion c = {.dose_percent = 3.0, .distance_mm = 2.0, .cap = 2.0, .local = local};
	sp_gamma_result r = judge(device, &a, &b, &c);
	/* What the lattice leaves: half a diagonal, 0.0087 mm, at the steepest 2 Gy/mm and a criterion of 0.3 Gy
	 * (local: of 0.1 Gy) or more. It falls into another valley now and then, which the mean does not see. */
	double lattice = local ? 0.17 : 0.06, sum = 0.0;
	size_t n = 0;

	for (size_t i = 0; i < sp_grid_voxels(&grid_a); i += small ? 61 : 7) {
		double at_mm[3], criterion, expected;

		sp_grid_centre(at_mm, &grid_a, i);
		criterion = 0.03 * (local ? (double)a.gy[i] : sp_dose_greatest(&a));
		expected = dense_search(&b, at_mm, (double)a.gy[i], criterion);
		if (!((double)r.gamma[i] < expected + STOPPING && (double)r.gamma[i] > expected - lattice))
			fail_msg("gamma[%zu] is %g, a dense search finds %g", i, (double)r.gamma[i], expected);
		sum += fabs((double)r.gamma[i] - expected);
		n++;
	}
	assert_true(sum / (double)n < 0.05 * lattice);
	sp_gamma_result_finish(&r);
	sp_dose_finish(&a);
	sp_dose_finish(&b);
}

static void global_gamma_is_what_a_dense_search_finds(void **state)
{
	check_against_dense_search(*state, false);
}

static void local_gamma_is_what_a_dense_search_finds(void **state)
{
	check_against_dense_search(*state, true);
}

static void points_beyond_the_other_grid_are_counted_and_not_judged(void **state)
{
	const sp_grid part = {{5, 12, 16}, {1.9, 2.2, 1.7}, {-12.3, 6.1, 34.9}}; /* ends at x = -4.7 */
	sp_dose a = make_dose(&grid_a, uniform), b = make_dose(&part, uniform);
	const sp_gamma_criterion c = {.dose_percent = 3.0, .distance_mm = 2.0, .cap = 2.0};
	sp_gamma_result r = judge(*state, &a, &b, &c);

	assert_int_equal(r.n_judged, 2 * 7 * 6); /* x = -7 and -5 */
	assert_int_equal(r.n_outside, 7 * 7 * 6);
	assert_true(isnan(r.gamma[2]) && r.gamma[1] < ROUNDING);
	sp_gamma_result_finish(&r);
	sp_dose_finish(&a);
	sp_dose_finish(&b);
}

/* Slices a few at a time give what all at once give, bit by bit. */
static void slabs_give_the_same(void **state)
{
	static const sp_grid large_a = {{64, 60, 44}, {1.0, 1.1, 1.2}, {-30.0, -31.0, -20.0}};
	static const sp_grid large_b = {{70, 66, 60}, {1.0, 1.1, 1.0}, {-33.3, -33.0, -24.0}};
	sp_dose a, b;
	const sp_gamma_criterion c = {.dose_percent = 3.0, .distance_mm = 2.0, .cap = 2.0, .threshold_percent = 10.0};
	sp_gamma_result whole, cut;
	sp_device *small = NULL;
	sp_error err = {0};

	if (getenv("SPINEPLAN_SMALL_TESTS"))
		skip();
	a = make_dose(&large_a, hilly);
	b = make_dose(&large_b, hilly_and_moved);
	assert_int_equal(setenv("SPINEPLAN_DEVICE_MEMORY_MB", "1", 1), 0);
	if (sp_device_open(&small, NULL, &err) != SP_OK)
		fail_msg("%s", err.text);
	unsetenv("SPINEPLAN_DEVICE_MEMORY_MB");
	whole = judge(*state, &a, &b, &c);
	cut = judge(small, &a, &b, &c);
	assert_true(whole.n_judged > 100000);
	assert_int_equal(whole.n_judged, cut.n_judged);
	assert_int_equal(whole.n_below, cut.n_below);
	for (size_t i = 0; i < sp_grid_voxels(&large_a); i++)
		if (!(whole.gamma[i] == cut.gamma[i] || (isnan(whole.gamma[i]) && isnan(cut.gamma[i]))))
			fail_msg("gamma[%zu] is %g, and %g in slabs", i, (double)whole.gamma[i], (double)cut.gamma[i]);
	sp_gamma_result_finish(&whole);
	sp_gamma_result_finish(&cut);
	sp_device_close(small);
	sp_dose_finish(&a);
	sp_dose_finish(&b);
}

static void what_cannot_be_judged_is_refused(void **state)
{
	const sp_grid flat = {{5, 1, 16}, {1.9, 2.2, 1.7}, {-12.3, 6.1, 34.9}};
	sp_dose a = make_dose(&grid_a, uniform), b = make_dose(&flat, uniform);
	const sp_gamma_criterion c = {.dose_percent = 3.0, .distance_mm = 2.0, .cap = 2.0};
	sp_gamma_criterion wide = c;
	sp_gamma_result r;
	sp_error err = {0};

	assert_int_equal(sp_gamma_compute(&r, *state, &a, &b, &c, &err), SP_BAD_INPUT);
	assert_non_null(strstr(err.text, "5 x 1 x 16 voxels, expected at least 2 along each axis"));
	err = (sp_error){0};
	wide.distance_mm = 0.0;
	assert_int_equal(sp_gamma_compute(&r, *state, &a, &a, &wide, &err), SP_BAD_INPUT);
	err = (sp_error){0};
	wide.distance_mm = 1000.0;
	assert_int_equal(sp_gamma_compute(&r, *state, &a, &a, &wide, &err), SP_BAD_INPUT);
	assert_non_null(strstr(err.text, "too wide a search"));
	sp_dose_finish(&a);
	sp_dose_finish(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_uniform_difference_is_its_share_of_the_criterion),
	        cmocka_unit_test(a_moved_slope_has_the_gamma_of_the_formula),
	        cmocka_unit_test(global_gamma_is_what_a_dense_search_finds),
	        cmocka_unit_test(local_gamma_is_what_a_dense_search_finds),
	        cmocka_unit_test(points_beyond_the_other_grid_are_counted_and_not_judged),
	        cmocka_unit_test(slabs_give_the_same),
	        cmocka_unit_test(what_cannot_be_judged_is_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
