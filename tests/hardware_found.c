/* Metal is found by its CT number, streaks by what cannot be tissue, and what is painted over them is what was there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hardware.h"
#include "mask.h"
#include "matter.h"

#define OK(call) assert_int_equal((call), SP_OK)

/* Soft tissue of 40 HU; a rod along z at (18..24, 9.6..13.2) mm of 3071 HU; a noisy voxel of metal's number; a vertebra
 * and a lung; dark and bright streaks from the rod through tissue, bone and lung, in slices 4 to 11 only. */
enum { NX = 40, NY = 30, NZ = 14 };
static const sp_grid ct = {{NX, NY, NZ}, {1.5, 1.2, 2.0}, {-31.0, 12.0, 104.0}};

static size_t at(size_t i, size_t j, size_t k)
{
	return sp_grid_index(&ct, i, j, k);
}

static void add_box(sp_case *c, const char *name, sp_role role, const size_t low[3], const size_t high[3])
{
	uint8_t *in = calloc(sp_grid_voxels(&ct), 1);
	sp_structure *s;

	for (size_t k = low[2]; k < high[2]; k++)
		for (size_t j = low[1]; j < high[1]; j++)
			for (size_t i = low[0]; i < high[0]; i++)
				in[at(i, j, k)] = 1;
	OK(sp_case_add_structure(&s, c, name, role, NULL));
	OK(sp_structure_set_mask(s, in, &ct, NULL));
	free(in);
}

static void fill(sp_case *c, size_t i0, size_t i1, size_t j0, size_t j1, size_t k0, size_t k1, int16_t hu)
{
	for (size_t k = k0; k < k1; k++)
		for (size_t j = j0; j < j1; j++)
			for (size_t i = i0; i < i1; i++)
				c->hu[at(i, j, k)] = hu;
}

static sp_case *make_case(void)
{
	sp_case *c;

	OK(sp_case_create(&c, &ct, -1000, NULL));
	fill(c, 2, 38, 2, 28, 0, NZ, 40);
	fill(c, 26, 32, 14, 24, 0, NZ, 250);
	fill(c, 4, 10, 14, 24, 0, NZ, -800);
	add_box(c, "External", SP_ROLE_EXTERNAL, (const size_t[]){2, 2, 0}, (const size_t[]){38, 28, NZ});
	add_box(c, "Vertebra_T07", SP_ROLE_ORGAN, (const size_t[]){26, 14, 0}, (const size_t[]){32, 24, NZ});
	add_box(c, "Lung_R", SP_ROLE_ORGAN, (const size_t[]){4, 14, 0}, (const size_t[]){10, 24, NZ});
	return c;
}

static void add_artefacts(sp_case *c)
{
	fill(c, 12, 38, 9, 10, 4, 12, -600); /* beside the rod, through tissue up to the body's edge */
	fill(c, 12, 38, 11, 12, 4, 12, 700);
	fill(c, 26, 32, 16, 17, 4, 12, -450); /* through bone */
	fill(c, 16, 20, 8, 11, 4, 12, 3071);  /* the rod itself */
	fill(c, 30, 31, 4, 5, 6, 7, 2900);    /* one voxel of 0.0036 cc */
	fill(c, 0, 1, 0, 1, 0, NZ, 3071);     /* a wire outside the body */
}

static const json_t *rows(const json_t *record, const char *key)
{
	return json_object_get(record, key);
}

static void a_rod_is_found_by_its_ct_number_and_nothing_else(void **state)
{
	sp_hardware_options o = SP_HARDWARE_DEFAULTS;
	sp_case *c = make_case();
	const sp_structure *metal;
	json_t *record, *piece;
	double cc;

	(void)state;
	add_artefacts(c);
	o.found_material = "ti6al4v";
	OK(sp_hardware_mark(&record, c, &o, NULL));
	assert_non_null(metal = sp_case_find(c, "Metal_ti6al4v"));
	assert_int_equal(metal->role, SP_ROLE_HARDWARE);
	assert_string_equal(metal->material, "ti6al4v");
	OK(sp_structure_volume_cc(&cc, metal, &ct, NULL));
	assert_float_equal(cc, 4 * 3 * 8 * 0.0036, 1e-9);
	assert_int_equal(json_array_size(rows(record, "pieces")), 1);
	piece = json_array_get(rows(record, "pieces"), 0);
	/* the middle of voxels 16..19 along x, 8..10 along y, 4..11 along z, to 0.1 mm */
	assert_float_equal(json_number_value(json_array_get(json_object_get(piece, "middle_mm"), 0)),
	                   -31.0 + 17.5 * 1.5, 0.051);
	assert_float_equal(json_number_value(json_array_get(json_object_get(piece, "middle_mm"), 1)), 12.0 + 9 * 1.2,
	                   0.051);
	assert_float_equal(json_number_value(json_array_get(json_object_get(piece, "middle_mm"), 2)), 104.0 + 7.5 * 2.0,
	                   0.051);
	json_decref(record);
	sp_case_destroy(c);
}

/* The electron density with the override is that of a CT without artefact, where muscle and spongiosa are near the
 * tissue's own: 40 HU soft tissue has 1.04, and 250 HU bone 1.15. */
static void streaks_are_overridden_and_tissue_lung_and_skin_stay(void **state)
{
	sp_hardware_options o = SP_HARDWARE_DEFAULTS;
	sp_case *clean = make_case(), *c = make_case();
	size_t n = sp_grid_voxels(&ct), wrong_before = 0;
	float *want = calloc(n, sizeof *want), *got = calloc(n, sizeof *got), *before = calloc(n, sizeof *before);
	sp_matter *m;
	json_t *record;

	(void)state;
	add_artefacts(c);
	OK(sp_matter_create(&m, NULL, NULL));
	OK(sp_matter_electron_density(want, m, clean, NULL));
	OK(sp_matter_electron_density(before, m, c, NULL));
	o.found_material = "ti6al4v";
	o.streak_mm = 100.0;
	o.tissue_hu[1] = 300.0;
	OK(sp_hardware_mark(&record, c, &o, NULL));
	assert_int_equal(json_array_size(rows(record, "streaks")), 2);
	OK(sp_matter_electron_density(got, m, c, NULL));
	for (size_t k = 0; k < NZ; k++)
		for (size_t j = 0; j < NY; j++)
			for (size_t i = 0; i < NX; i++) {
				size_t v = at(i, j, k);

				if (i >= 16 && i < 20 && j >= 8 && j < 11 && k >= 4 && k < 12) {
					assert_float_equal(got[v], 4.43f * 0.460614f / 0.555087f, 1e-3f);
					continue;
				}
				wrong_before += fabsf(before[v] - want[v]) > 0.2f;
				/* 4 %: how far apart soft tissues, and spongy bones, are */
				if (!(fabsf(got[v] - want[v]) <= 0.04f * want[v] + 1e-6f))
					fail_msg("voxel %zu %zu %zu: %g, wanted %g", i, j, k, (double)got[v],
					         (double)want[v]);
				assert_true(fabsf(got[v] - want[v]) <= 0.04f * want[v] + 1e-6f);
			}
	assert_true(wrong_before > 300); /* else there was nothing to mend */
	json_decref(record);
	sp_matter_destroy(m);
	free(want);
	free(got);
	free(before);
	sp_case_destroy(clean);
	sp_case_destroy(c);
}

static void streaks_end_with_their_distance_and_their_slices(void **state)
{
	sp_hardware_options o = SP_HARDWARE_DEFAULTS;
	sp_case *c = make_case();
	const sp_structure *s;
	float *share = calloc(sp_grid_voxels(&ct), sizeof *share);
	json_t *record;

	(void)state;
	add_artefacts(c);
	fill(c, 12, 38, 20, 21, 1, 2, -600); /* real or not: no metal in this slice */
	o.found_material = "titanium";
	o.streak_mm = 9.0; /* six voxels beyond x = 19: up to 25 */
	OK(sp_hardware_mark(&record, c, &o, NULL));
	assert_non_null(s = sp_case_find(c, "Streaks_tissue"));
	OK(sp_structure_fractions(share, s, &ct, &ct, NULL));
	assert_float_equal(share[at(25, 9, 5)], 1.0f, 0.0f);
	assert_float_equal(share[at(26, 9, 5)], 0.0f, 0.0f);
	assert_float_equal(share[at(20, 20, 1)], 0.0f, 0.0f);
	json_decref(record);
	free(share);
	sp_case_destroy(c);
}

static void a_contour_becomes_hardware_and_an_unknown_one_is_refused(void **state)
{
	const sp_hardware_contour cage = {"Vertebra_T07", "peek"}, other = {"Rod", "titanium"},
	                          lung = {"Lung_R", "lung"};
	sp_hardware_options o = SP_HARDWARE_DEFAULTS;
	sp_case *c = make_case();
	sp_error err = {0};
	json_t *record;

	(void)state;
	o.implants = &cage;
	o.tissues = &lung;
	o.n_implants = o.n_tissues = 1;
	OK(sp_hardware_mark(&record, c, &o, NULL));
	assert_int_equal(sp_case_find(c, "Vertebra_T07")->role, SP_ROLE_HARDWARE);
	assert_string_equal(sp_case_find(c, "Vertebra_T07")->material, "peek");
	assert_int_equal(sp_case_find(c, "Lung_R")->role, SP_ROLE_ORGAN);
	assert_string_equal(sp_case_find(c, "Lung_R")->material, "lung");
	json_decref(record);
	o.implants = &other;
	assert_int_equal(sp_hardware_mark(&record, c, &o, &err), SP_BAD_INPUT);
	assert_non_null(strstr(err.text, "'Rod'"));
	assert_null(record);
	err = (sp_error){0};
	o = (sp_hardware_options)SP_HARDWARE_DEFAULTS;
	o.found_material = "titanium"; /* there is none in this case */
	assert_int_equal(sp_hardware_mark(&record, c, &o, &err), SP_BAD_INPUT);
	assert_non_null(strstr(err.text, "no metal found"));
	sp_case_destroy(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_rod_is_found_by_its_ct_number_and_nothing_else),
	        cmocka_unit_test(streaks_are_overridden_and_tissue_lung_and_skin_stay),
	        cmocka_unit_test(streaks_end_with_their_distance_and_their_slices),
	        cmocka_unit_test(a_contour_becomes_hardware_and_an_unknown_one_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
