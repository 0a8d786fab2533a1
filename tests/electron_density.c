/* Electron density of whole CTs: calibration, overrides by partial volume, what stands outside the body. */
#include "painting_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static float at(const painting_rig *r, size_t i, size_t j, size_t k)
{
	return r->red[sp_grid_index(&painting_ct, i, j, k)];
}

/* Single precision on values up to 4. */
#define ROUNDING 2e-6

static const size_t body_low[3] = {2, 2, 1}, body_high[3] = {9, 7, 19};

static void without_contours_every_voxel_keeps_its_ct_number(void **state)
{
	painting_rig *r = *state;

	for (size_t v = 0; v < sp_grid_voxels(&painting_ct); v++)
		r->c->hu[v] = (int16_t)(v * 3 % 4000 - 1100);
	assert_int_equal(sp_matter_electron_density(r->red, r->m, r->c, NULL), SP_OK);
	for (size_t v = 0; v < sp_grid_voxels(&painting_ct); v++)
		painting_assert_near(r->red[v], sp_matter_hu_electron_density(r->m, r->c->hu[v]), ROUNDING);
}

static void outside_the_body_only_support_and_hardware_count(void **state)
{
	const size_t couch_low[3] = {0, 9, 0}, couch_high[3] = {11, 9, 20};
	const size_t rod_low[3] = {0, 0, 5}, rod_high[3] = {0, 0, 6};
	const size_t organ_low[3] = {10, 5, 3}, organ_high[3] = {11, 5, 4};
	painting_rig *r = *state;

	for (size_t v = 0; v < sp_grid_voxels(&painting_ct); v++)
		r->c->hu[v] = 40;
	painting_add_box(r->c, "couch", SP_ROLE_SUPPORT, couch_low, couch_high, 0.0);
	painting_set_material(painting_add_box(r->c, "rod", SP_ROLE_HARDWARE, rod_low, rod_high, 0.0), "Ti-6Al-4V");
	painting_set_material(painting_add_box(r->c, "stray", SP_ROLE_ORGAN, organ_low, organ_high, 0.0), "bone");
	painting_add_box(r->c, "body", SP_ROLE_EXTERNAL, body_low, body_high, 0.0);
	assert_int_equal(sp_matter_electron_density(r->red, r->m, r->c, NULL), SP_OK);
	painting_assert_near(at(r, 5, 5, 10), sp_matter_hu_electron_density(r->m, 40), ROUNDING);
	painting_assert_near(at(r, 2, 2, 1), sp_matter_hu_electron_density(r->m, 40), ROUNDING);
	painting_assert_near(at(r, 1, 5, 10), 0.0, 0.0);
	painting_assert_near(at(r, 5, 5, 0), 0.0, 0.0);
	painting_assert_near(at(r, 10, 5, 3), 0.0, 0.0);
	painting_assert_near(at(r, 5, 9, 10), sp_matter_hu_electron_density(r->m, 40), ROUNDING);
	/* 4.43 g/cm3 with Z/A 0.460614 */
	painting_assert_near(at(r, 0, 0, 5), 4.43 * 0.460614 / 0.555087, 2e-4);
	painting_assert_near(at(r, 0, 0, 7), 0.0, 0.0);
}

static void overrides_mix_by_partial_volume_and_later_ones_win(void **state)
{
	const size_t a_low[3] = {4, 4, 8}, a_high[3] = {5, 5, 12}, b_low[3] = {4, 4, 10}, b_high[3] = {5, 5, 12};
	painting_rig *r = *state;
	double water = 1.0, metal, tissue;
	sp_structure *s;

	/* half a millimetre of the 2 mm voxels on both sides: a quarter of each */
	painting_set_material(painting_add_box(r->c, "screw", SP_ROLE_HARDWARE, b_low, b_high, 0.5), "titanium");
	s = painting_add_box(r->c, "streaks", SP_ROLE_ORGAN, a_low, a_high, 0.5);
	s->density_g_cm3 = 1.05;
	painting_set_material(painting_add_box(r->c, "body", SP_ROLE_EXTERNAL, body_low, body_high, 0.0), "water");
	assert_int_equal(sp_matter_electron_density(r->red, r->m, r->c, NULL), SP_OK);
	metal = 4.54 * 0.459607 / 0.555087;
	/* 1.05 g/cm3 lies in Schneider's soft_6 (0.103 H .134 C .030 N .723 O ...), Z/A 0.55049 */
	tissue = 1.05 * 0.55049 / 0.555087;
	painting_assert_near(at(r, 7, 7, 10), water, 1e-5);
	painting_assert_near(at(r, 4, 4, 8), tissue, 2e-4);
	painting_assert_near(at(r, 3, 4, 8), 0.75 * water + 0.25 * tissue, 1e-4);
	painting_assert_near(at(r, 4, 4, 11), metal, 2e-4);
	painting_assert_near(at(r, 6, 5, 11), 0.75 * (0.75 * water + 0.25 * tissue) + 0.25 * metal, 3e-4);
	painting_assert_near(at(r, 1, 4, 11), 0.0, 0.0);
}

static void a_density_and_a_material_together_are_both_taken(void **state)
{
	painting_rig *r = *state;
	sp_structure *s = painting_add_box(r->c, "body", SP_ROLE_EXTERNAL, body_low, body_high, 0.0);

	s->density_g_cm3 = 2.0;
	painting_set_material(s, "water");
	assert_int_equal(sp_matter_electron_density(r->red, r->m, r->c, NULL), SP_OK);
	painting_assert_near(at(r, 5, 5, 10), 2.0, 1e-5);
}

static void an_unknown_material_and_an_impossible_density_are_named(void **state)
{
	painting_rig *r = *state;
	sp_structure *s = painting_add_box(r->c, "rod left", SP_ROLE_HARDWARE, body_low, body_high, 0.0);
	sp_error err = {0};

	painting_set_material(s, "kryptonite");
	assert_int_equal(sp_matter_electron_density(r->red, r->m, r->c, &err), SP_BAD_INPUT);
	assert_non_null(strstr(err.text, "/structures/rod left: unknown material 'kryptonite', expected one of water"));
	assert_non_null(strstr(err.text, "peek_cf30"));
	err = (sp_error){0};
	strcpy(s->material, "water");
	s->density_g_cm3 = -1.0;
	assert_int_equal(sp_matter_electron_density(r->red, r->m, r->c, &err), SP_BAD_INPUT);
	assert_non_null(strstr(err.text, "density override -1 g/cm3"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(without_contours_every_voxel_keeps_its_ct_number, painting_set_up,
	                                        painting_tear_down),
	        cmocka_unit_test_setup_teardown(outside_the_body_only_support_and_hardware_count, painting_set_up,
	                                        painting_tear_down),
	        cmocka_unit_test_setup_teardown(overrides_mix_by_partial_volume_and_later_ones_win, painting_set_up,
	                                        painting_tear_down),
	        cmocka_unit_test_setup_teardown(a_density_and_a_material_together_are_both_taken, painting_set_up,
	                                        painting_tear_down),
	        cmocka_unit_test_setup_teardown(an_unknown_material_and_an_impossible_density_are_named,
	                                        painting_set_up, painting_tear_down),
	};

	return cmocka_run_group_tests_name("electron density", tests, NULL, NULL);
}
