/* Electron density of whole CTs: calibration, overrides by partial volume, what stands outside the body. */
#include "matter.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* Unequal sizes and spacings, and more slices than are handled at once. */
static const sp_grid ct = {{12, 10, 21}, {2.0, 3.0, 2.5}, {-7.0, 11.0, 40.0}};

typedef struct {
	sp_matter *m;
	sp_case *c;
	float *red;
} rig;

static int set_up(void **state)
{
	static rig r;

	*state = &r;
	r.red = malloc(sp_grid_voxels(&ct) * sizeof *r.red);
	return !r.red || sp_matter_create(&r.m, NULL, NULL) != SP_OK || sp_case_create(&r.c, &ct, -1000, NULL) != SP_OK;
}

static int tear_down(void **state)
{
	rig *r = *state;

	sp_matter_destroy(r->m);
	sp_case_destroy(r->c);
	free(r->red);
	return 0;
}

/* A box from the lower edge of voxel `low` to the upper edge of voxel `high`, widened in x by wider_mm, on every slice.
 */
static sp_structure *add_box(sp_case *c, const char *name, sp_role role, const size_t low[3], const size_t high[3],
                             double wider_mm)
{
	sp_structure *s;

	assert_int_equal(sp_case_add_structure(&s, c, name, role, NULL), SP_OK);
	for (size_t k = low[2]; k <= high[2]; k++) {
		double x0 = ct.origin_mm[0] + ((double)low[0] - 0.5) * ct.spacing_mm[0] - wider_mm;
		double x1 = ct.origin_mm[0] + ((double)high[0] + 0.5) * ct.spacing_mm[0] + wider_mm;
		double y0 = ct.origin_mm[1] + ((double)low[1] - 0.5) * ct.spacing_mm[1];
		double y1 = ct.origin_mm[1] + ((double)high[1] + 0.5) * ct.spacing_mm[1];
		double z = ct.origin_mm[2] + (double)k * ct.spacing_mm[2];
		const double box[4][3] = {{x0, y0, z}, {x1, y0, z}, {x1, y1, z}, {x0, y1, z}};

		assert_int_equal(sp_structure_add_polygon(s, box, 4, NULL), SP_OK);
	}
	return s;
}

static void set_material(sp_structure *s, const char *name)
{
	s->material = malloc(strlen(name) + 1);
	assert_non_null(s->material);
	strcpy(s->material, name);
}

static float at(const rig *r, size_t i, size_t j, size_t k)
{
	return r->red[sp_grid_index(&ct, i, j, k)];
}

static void assert_near(double found, double expected, double tolerance)
{
	if (!(fabs(found - expected) <= tolerance))
		fail_msg("found %.9g, expected %.9g within %.2g", found, expected, tolerance);
}

/* Single precision on values up to 4. */
#define ROUNDING 2e-6

static const size_t body_low[3] = {2, 2, 1}, body_high[3] = {9, 7, 19};

static void without_contours_every_voxel_keeps_its_ct_number(void **state)
{
	rig *r = *state;

	for (size_t v = 0; v < sp_grid_voxels(&ct); v++)
		r->c->hu[v] = (int16_t)(v * 3 % 4000 - 1100);
	assert_int_equal(sp_matter_electron_density(r->red, r->m, r->c, NULL), SP_OK);
	for (size_t v = 0; v < sp_grid_voxels(&ct); v++)
		assert_near(r->red[v], sp_matter_hu_electron_density(r->m, r->c->hu[v]), ROUNDING);
}

static void outside_the_body_only_support_and_hardware_count(void **state)
{
	const size_t couch_low[3] = {0, 9, 0}, couch_high[3] = {11, 9, 20};
	const size_t rod_low[3] = {0, 0, 5}, rod_high[3] = {0, 0, 6};
	const size_t organ_low[3] = {10, 5, 3}, organ_high[3] = {11, 5, 4};
	rig *r = *state;

	for (size_t v = 0; v < sp_grid_voxels(&ct); v++)
		r->c->hu[v] = 40;
	add_box(r->c, "couch", SP_ROLE_SUPPORT, couch_low, couch_high, 0.0);
	set_material(add_box(r->c, "rod", SP_ROLE_HARDWARE, rod_low, rod_high, 0.0), "Ti-6Al-4V");
	set_material(add_box(r->c, "stray", SP_ROLE_ORGAN, organ_low, organ_high, 0.0), "bone");
	add_box(r->c, "body", SP_ROLE_EXTERNAL, body_low, body_high, 0.0);
	assert_int_equal(sp_matter_electron_density(r->red, r->m, r->c, NULL), SP_OK);
	assert_near(at(r, 5, 5, 10), sp_matter_hu_electron_density(r->m, 40), ROUNDING);
	assert_near(at(r, 2, 2, 1), sp_matter_hu_electron_density(r->m, 40), ROUNDING);
	assert_near(at(r, 1, 5, 10), 0.0, 0.0);
	assert_near(at(r, 5, 5, 0), 0.0, 0.0);
	assert_near(at(r, 10, 5, 3), 0.0, 0.0);
	assert_near(at(r, 5, 9, 10), sp_matter_hu_electron_density(r->m, 40), ROUNDING);
	/* 4.43 g/cm3 with Z/A 0.460614 */
	assert_near(at(r, 0, 0, 5), 4.43 * 0.460614 / 0.555087, 2e-4);
	assert_near(at(r, 0, 0, 7), 0.0, 0.0);
}

static void overrides_mix_by_partial_volume_and_later_ones_win(void **state)
{
	const size_t a_low[3] = {4, 4, 8}, a_high[3] = {5, 5, 12}, b_low[3] = {4, 4, 10}, b_high[3] = {5, 5, 12};
	rig *r = *state;
	double water = 1.0, metal, tissue;
	sp_structure *s;

	/* half a millimetre of the 2 mm voxels on both sides: a quarter of each */
	set_material(add_box(r->c, "screw", SP_ROLE_HARDWARE, b_low, b_high, 0.5), "titanium");
	s = add_box(r->c, "streaks", SP_ROLE_ORGAN, a_low, a_high, 0.5);
	s->density_g_cm3 = 1.05;
	set_material(add_box(r->c, "body", SP_ROLE_EXTERNAL, body_low, body_high, 0.0), "water");
	assert_int_equal(sp_matter_electron_density(r->red, r->m, r->c, NULL), SP_OK);
	metal = 4.54 * 0.459607 / 0.555087;
	/* 1.05 g/cm3 lies in Schneider's soft_6 (0.103 H .134 C .030 N .723 O ...), Z/A 0.55049 */
	tissue = 1.05 * 0.55049 / 0.555087;
	assert_near(at(r, 7, 7, 10), water, 1e-5);
	assert_near(at(r, 4, 4, 8), tissue, 2e-4);
	assert_near(at(r, 3, 4, 8), 0.75 * water + 0.25 * tissue, 1e-4);
	assert_near(at(r, 4, 4, 11), metal, 2e-4);
	assert_near(at(r, 6, 5, 11), 0.75 * (0.75 * water + 0.25 * tissue) + 0.25 * metal, 3e-4);
	assert_near(at(r, 1, 4, 11), 0.0, 0.0);
}

static void a_density_and_a_material_together_are_both_taken(void **state)
{
	rig *r = *state;
	sp_structure *s = add_box(r->c, "body", SP_ROLE_EXTERNAL, body_low, body_high, 0.0);

	s->density_g_cm3 = 2.0;
	set_material(s, "water");
	assert_int_equal(sp_matter_electron_density(r->red, r->m, r->c, NULL), SP_OK);
	assert_near(at(r, 5, 5, 10), 2.0, 1e-5);
}

static void an_unknown_material_and_an_impossible_density_are_named(void **state)
{
	rig *r = *state;
	sp_structure *s = add_box(r->c, "rod left", SP_ROLE_HARDWARE, body_low, body_high, 0.0);
	sp_error err = {0};

	set_material(s, "kryptonite");
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
	        cmocka_unit_test_setup_teardown(without_contours_every_voxel_keeps_its_ct_number, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(outside_the_body_only_support_and_hardware_count, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(overrides_mix_by_partial_volume_and_later_ones_win, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(a_density_and_a_material_together_are_both_taken, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(an_unknown_material_and_an_impossible_density_are_named, set_up,
	                                        tear_down),
	};

	return cmocka_run_group_tests_name("electron density", tests, NULL, NULL);
}
