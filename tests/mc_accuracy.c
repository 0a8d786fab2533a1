/* Our Monte Carlo in absolute dose against EGSnrc's curves: the decisive cases, with fixed seeds and few histories.
 * `spineplan bench accuracy --engine mc` has all of them with more. argv[1]: fields or beams. */
#include "accuracy_montecarlo.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

typedef struct {
	sp_device *device;
	sp_matter *matter;
} rig;

static int set_up(void **state)
{
	rig *r = calloc(1, sizeof *r);

	*state = r;
	return r && sp_device_open(&r->device, NULL, NULL) == SP_OK && sp_matter_create(&r->matter, NULL, NULL) == SP_OK
	               ? 0
	               : -1;
}

static int tear_down(void **state)
{
	rig *r = *state;

	sp_matter_destroy(r->matter);
	sp_device_close(r->device);
	free(r);
	return 0;
}

/* uncertainty 50 %: no more than the least number of batches, of 4096 histories each. */
static sp_accuracy measure(sp_accuracy_points *points, const rig *r, const char *name, double photon_cut_mev)
{
	const sp_accuracy_mc_options o = {.uncertainty = 0.5,
	                                  .mc = {.seed = 5, .batch_histories = 4096, .photon_cut_mev = photon_cut_mev}};
	unsigned number = 0;
	sp_error err = {0};
	sp_accuracy a;

	while (strcmp(sp_reference_cases[number].name, name) != 0)
		assert_true(++number < SP_REFERENCE_CASES);
	if (sp_accuracy_measure_mc(&a, points, number, r->device, r->matter, &o, &err) != SP_OK)
		fail_msg("%s", err.text);
	print_message("%s: %u of %u points, mean %+.2f %%, worst %+.2f %% at %g mm, own statistics %.2f %%\n", name,
	              a.passed, a.points, a.mean_percent, a.worst_percent, a.worst_depth_mm, a.own_statistics_percent);
	return a;
}

/* The tolerances are those of the comparison: percent of the maximum beyond 2 sigma of both, or 1 mm, for 98 % of the
 * points. The own sigma of a point must be small enough for that to say something. */
static void assert_right(const rig *r, const char *name, double largest_own_percent)
{
	sp_accuracy a = measure(NULL, r, name, 0.0);

	assert_true(a.points > 40);
	assert_true(a.own_statistics_percent < largest_own_percent);
	if (!a.passes)
		fail_msg("%s: %u of %u points pass, mean %+.2f %%, worst %+.2f %% at %g mm", name, a.passed, a.points,
		         a.mean_percent, a.worst_percent, a.worst_depth_mm);
}

static void a_small_field_in_water_is_right(void **state)
{
	assert_right(*state, "water_6mv_3x3", 1.0);
}

static void a_small_field_in_lung_is_right(void **state)
{
	assert_right(*state, "lung_slab_6mv", 1.2);
}

static void a_field_through_bone_is_right(void **state)
{
	assert_right(*state, "bone_slab_6mv", 1.2);
}

/* The last millimetre of water before 10 mm of titanium gets 14 % more than without; right to 2 %, beyond 3 sigma of
 * both (one point: 0.3 % false alarms, but the seed is fixed). */
static void titanium_and_the_backscatter_before_it_are_right(void **state)
{
	sp_accuracy_points p;
	sp_accuracy a = measure(&p, *state, "titanium_slab_6mv", 0.0);
	size_t before = 0;

	assert_true(a.passes);
	assert_true(a.own_statistics_percent < 1.2);
	while (!p.reference.boxes[before].along_depth || fabs(p.reference.boxes[before].high_mm[2] - 50.0) > 1e-6)
		assert_true(++before < p.reference.n);
	assert_true(fabs(p.reference.boxes[before].low_mm[2] - 49.0) < 1e-6);
	/* it is backscatter that is looked at: 3 mm deeper into the water there is much less */
	assert_true(p.reference.boxes[before].dose_gy > 1.08 * p.reference.boxes[before - 3].dose_gy);
	{
		const sp_reference_box *b = p.reference.boxes + before;
		double sigma = hypot(b->sigma_gy, p.own[before].sigma_gy), off = p.own[before].dose_gy - b->dose_gy;

		print_message("backscatter: %+.2f %% of the dose, sigma %.2f %%\n", 100.0 * off / b->dose_gy,
		              100.0 * sigma / b->dose_gy);
		assert_true(fabs(off) < 0.02 * b->dose_gy + 3.0 * sigma);
	}
	sp_accuracy_points_finish(&p);
}

static void a_pencil_of_6_mev_photons_is_right(void **state)
{
	assert_right(*state, "mono_pencil_6mev", 1.0);
}

static void electrons_of_15_mev_through_bone_are_right(void **state)
{
	assert_right(*state, "electron_15mev_bone", 1.0);
}

static void electrons_of_10_mev_in_water_are_right(void **state)
{
	assert_right(*state, "electron_10mev_water", 1.0);
}

/* A comparison that cannot fail would prove nothing: photons of less than 2 MeV stopped where they arise. */
static void the_comparison_can_fail(void **state)
{
	sp_accuracy a = measure(NULL, *state, "mono_pencil_6mev", 2.0);

	assert_false(a.passes);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest fields[] = {
	        cmocka_unit_test(a_small_field_in_water_is_right),
	        cmocka_unit_test(a_small_field_in_lung_is_right),
	        cmocka_unit_test(a_field_through_bone_is_right),
	        cmocka_unit_test(titanium_and_the_backscatter_before_it_are_right),
	};
	const struct CMUnitTest beams[] = {
	        cmocka_unit_test(a_pencil_of_6_mev_photons_is_right),
	        cmocka_unit_test(electrons_of_15_mev_through_bone_are_right),
	        cmocka_unit_test(electrons_of_10_mev_in_water_are_right),
	        cmocka_unit_test(the_comparison_can_fail),
	};

	if (argc > 1 && strcmp(argv[1], "beams") == 0)
		return cmocka_run_group_tests(beams, set_up, tear_down);
	return cmocka_run_group_tests(fields, set_up, tear_down);
}
