/* Mass density and material of whole CTs, as Monte Carlo takes them. */
#include "painting_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* Single precision on values up to 9. */
#define ROUNDING 2e-6

static const size_t body_low[3] = {2, 2, 1}, body_high[3] = {9, 7, 19};

static void paint(painting_rig *r)
{
	assert_int_equal(sp_matter_voxels(r->density, r->material, r->m, r->c, NULL), SP_OK);
}

static void assert_voxel(const painting_rig *r, size_t i, size_t j, size_t k, double density, double tolerance,
                         const char *material)
{
	size_t v = sp_grid_index(&painting_ct, i, j, k);

	painting_assert_near(r->density[v], density, tolerance);
	assert_string_equal(sp_matter_name(r->m, r->material[v]), sp_matter_name(r->m, sp_matter_find(r->m, material)));
}

static void without_contours_every_voxel_keeps_its_ct_number(void **state)
{
	painting_rig *r = *state;

	for (size_t v = 0; v < sp_grid_voxels(&painting_ct); v++)
		r->c->hu[v] = (int16_t)(v * 7 % 10000 - 1100);
	paint(r);
	for (size_t v = 0; v < sp_grid_voxels(&painting_ct); v++) {
		painting_assert_near(r->density[v], sp_matter_hu_density(r->m, r->c->hu[v]), ROUNDING);
		assert_int_equal(r->material[v], sp_matter_hu_material(r->m, r->c->hu[v]));
	}
}

static void outside_the_body_only_support_and_hardware_count(void **state)
{
	const size_t couch_low[3] = {0, 9, 0}, couch_high[3] = {11, 9, 20};
	const size_t rod_low[3] = {0, 0, 5}, rod_high[3] = {0, 0, 6};
	const size_t organ_low[3] = {10, 5, 3}, organ_high[3] = {11, 5, 4};
	painting_rig *r = *state;
	double soft_6 = sp_matter_hu_density(r->m, 40);

	for (size_t v = 0; v < sp_grid_voxels(&painting_ct); v++)
		r->c->hu[v] = 40;
	painting_add_box(r->c, "couch", SP_ROLE_SUPPORT, couch_low, couch_high, 0.0);
	/* half a millimetre of the next 2 mm voxel, which holds nothing else */
	painting_set_material(painting_add_box(r->c, "rod", SP_ROLE_HARDWARE, rod_low, rod_high, 0.5), "Ti-6Al-4V");
	painting_set_material(painting_add_box(r->c, "stray", SP_ROLE_ORGAN, organ_low, organ_high, 0.0), "bone");
	painting_add_box(r->c, "body", SP_ROLE_EXTERNAL, body_low, body_high, 0.0);
	paint(r);
	assert_voxel(r, 5, 5, 10, soft_6, ROUNDING, "hu:soft_6");
	assert_voxel(r, 2, 2, 1, soft_6, ROUNDING, "hu:soft_6");
	assert_voxel(r, 1, 5, 10, 0.0, 0.0, "air");
	assert_voxel(r, 5, 5, 0, 0.0, 0.0, "air");
	assert_voxel(r, 10, 5, 3, 0.0, 0.0, "air");
	assert_voxel(r, 5, 9, 10, soft_6, ROUNDING, "hu:soft_6");
	assert_voxel(r, 0, 0, 5, 4.43, ROUNDING, "ti6al4v");
	assert_voxel(r, 1, 0, 6, 0.25 * 4.43, 1e-5, "ti6al4v");
	assert_voxel(r, 0, 0, 7, 0.0, 0.0, "air");
}

static void overrides_mix_densities_and_the_larger_part_names_the_material(void **state)
{
	const size_t a_low[3] = {4, 4, 8}, a_high[3] = {5, 5, 12}, b_low[3] = {4, 4, 10}, b_high[3] = {5, 5, 12};
	painting_rig *r = *state;
	sp_structure *s;

	/* 1.2 mm of the 2 mm voxels on both sides: 0.6 of each; streaks: 0.5 mm, a quarter */
	painting_set_material(painting_add_box(r->c, "screw", SP_ROLE_HARDWARE, b_low, b_high, 1.2), "titanium");
	s = painting_add_box(r->c, "streaks", SP_ROLE_ORGAN, a_low, a_high, 0.5);
	s->density_g_cm3 = 1.05;
	painting_set_material(painting_add_box(r->c, "body", SP_ROLE_EXTERNAL, body_low, body_high, 0.4), "water");
	paint(r);
	assert_voxel(r, 7, 7, 10, 1.0, 1e-6, "water");
	/* the skin: a fifth water, and nothing else */
	assert_voxel(r, 1, 7, 10, 0.2, 1e-5, "water");
	assert_voxel(r, 10, 2, 2, 0.2, 1e-5, "water");
	assert_voxel(r, 4, 4, 8, 1.05, 1e-6, "hu:soft_6");
	assert_voxel(r, 3, 4, 8, 0.75 * 1.0 + 0.25 * 1.05, 1e-5, "water");
	assert_voxel(r, 4, 4, 11, 4.54, 1e-5, "titanium");
	assert_voxel(r, 6, 5, 11, 0.4 * (0.75 * 1.0 + 0.25 * 1.05) + 0.6 * 4.54, 1e-5, "titanium");
	assert_voxel(r, 0, 4, 11, 0.0, 0.0, "air");
}

static void overrides_take_their_density_their_material_or_both(void **state)
{
	const size_t low[3] = {3, 3, 3}, high[3] = {4, 4, 4}, far_low[3] = {6, 3, 3}, far_high[3] = {7, 4, 4};
	painting_rig *r = *state;
	sp_structure *s = painting_add_box(r->c, "body", SP_ROLE_EXTERNAL, body_low, body_high, 0.0);

	s->density_g_cm3 = 2.0;
	painting_set_material(s, "water");
	painting_set_material(painting_add_box(r->c, "plate", SP_ROLE_ORGAN, low, high, 0.0), "hu:bone_1");
	painting_add_box(r->c, "implant", SP_ROLE_ORGAN, far_low, far_high, 0.0)->density_g_cm3 = 4.4;
	paint(r);
	assert_voxel(r, 5, 5, 10, 2.0, 1e-6, "water");
	assert_voxel(r, 3, 4, 3, 1.017 + 0.000592 * 159.0, 1e-6, "hu:bone_1");
	assert_voxel(r, 6, 3, 4, 4.4, 1e-6, "hu:ti6al4v");
}

/* Boxes along the voxels' edges leave no voxel partial: electrons are then density times Z/A. */
static void electrons_are_density_times_z_over_a(void **state)
{
	const size_t low[3] = {4, 3, 2}, high[3] = {7, 6, 9}, couch_low[3] = {0, 9, 0}, couch_high[3] = {11, 9, 20};
	painting_rig *r = *state;
	int water = sp_matter_find(r->m, "water");
	double electrons = sp_matter_density_g_cm3(r->m, water) * sp_matter_z_over_a(r->m, water);

	for (size_t v = 0; v < sp_grid_voxels(&painting_ct); v++)
		r->c->hu[v] = (int16_t)(v * 7 % 10000 - 1100);
	painting_add_box(r->c, "body", SP_ROLE_EXTERNAL, body_low, body_high, 0.0);
	painting_set_material(painting_add_box(r->c, "rod", SP_ROLE_HARDWARE, low, high, 0.0), "cocr");
	painting_add_box(r->c, "couch", SP_ROLE_SUPPORT, couch_low, couch_high, 0.0);
	paint(r);
	assert_int_equal(sp_matter_electron_density(r->red, r->m, r->c, NULL), SP_OK);
	for (size_t v = 0; v < sp_grid_voxels(&painting_ct); v++)
		painting_assert_near(r->density[v] * sp_matter_z_over_a(r->m, r->material[v]) / electrons, r->red[v],
		                     ROUNDING);
}

static void a_bad_override_and_too_many_materials_are_named(void **state)
{
	painting_rig *r = *state;
	sp_error err = {0};
	char path[] = "calibration-XXXXXX";
	sp_matter *many;
	FILE *f;

	painting_set_material(painting_add_box(r->c, "rod", SP_ROLE_HARDWARE, body_low, body_high, 0.0), "kryptonite");
	assert_int_equal(sp_matter_voxels(r->density, r->material, r->m, r->c, &err), SP_BAD_INPUT);
	assert_non_null(strstr(err.text, "/structures/rod: unknown material 'kryptonite'"));
	close(mkstemp(path));
	assert_non_null(f = fopen(path, "w"));
	fputs("HU_from,HU_to,density_offset_g_cm3,density_slope_g_cm3_per_HU,w_H,w_O\n", f);
	for (int hu = 0; hu < 230; hu++)
		fprintf(f, "%d,%d,1,0,%g,%g\n", hu, hu + 1, 0.001 * hu, 1.0 - 0.001 * hu);
	fclose(f);
	assert_int_equal(sp_matter_create(&many, path, NULL), SP_OK);
	err = (sp_error){0};
	assert_int_equal(sp_matter_voxels(r->density, r->material, many, r->c, &err), SP_BAD_INPUT);
	assert_non_null(strstr(err.text, "the HU calibration has 230 compositions, expected at most 229"));
	sp_matter_destroy(many);
	remove(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(without_contours_every_voxel_keeps_its_ct_number, painting_set_up,
	                                        painting_tear_down),
	        cmocka_unit_test_setup_teardown(outside_the_body_only_support_and_hardware_count, painting_set_up,
	                                        painting_tear_down),
	        cmocka_unit_test_setup_teardown(overrides_mix_densities_and_the_larger_part_names_the_material,
	                                        painting_set_up, painting_tear_down),
	        cmocka_unit_test_setup_teardown(overrides_take_their_density_their_material_or_both, painting_set_up,
	                                        painting_tear_down),
	        cmocka_unit_test_setup_teardown(electrons_are_density_times_z_over_a, painting_set_up,
	                                        painting_tear_down),
	        cmocka_unit_test_setup_teardown(a_bad_override_and_too_many_materials_are_named, painting_set_up,
	                                        painting_tear_down),
	};

	return cmocka_run_group_tests_name("matter voxels", tests, NULL, NULL);
}
