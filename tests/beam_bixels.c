/* Bixel grids: which bixels a target gets, and how they are numbered. */
#include "alloc.h"
#include "beam.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

/* Voxels of 1 mm; those with j = 1 lie in the isocentre plane of a beam from gantry 0 and are their own shadows. */
static sp_grid grid_1mm(void)
{
	return (sp_grid){{60, 3, 40}, {1.0, 1.0, 1.0}, {-29.5, 0.0, -19.5}};
}

static sp_beam_set *cover(const sp_grid *g, const float *fraction, double gantry, double margin_mm)
{
	sp_beam_setup setup = {gantry, 0, 0, {0.0, 1.0, 0.0}};
	sp_beam_set *set = NULL;

	assert_int_equal(sp_beam_set_cover(&set, &setup, 1, 1000.0, "HFS", 5.0, fraction, g, margin_mm, NULL), SP_OK);
	return set;
}

static void assert_bixel(const sp_beam *b, size_t i, double x, double y)
{
	assert_true(i < b->n_bixels);
	if (b->x_mm[i] != (float)x || b->y_mm[i] != (float)y)
		fail_msg("bixel %zu is at %g, %g, expected %g, %g", i, b->x_mm[i], b->y_mm[i], x, y);
}

static void a_single_voxel_gets_the_bixel_that_it_shades(void **state)
{
	sp_grid g = grid_1mm();
	float *f = sp_alloc_array(sp_grid_voxels(&g), sizeof *f);
	sp_beam_set *set;

	(void)state;
	f[sp_grid_index(&g, 43, 1, 10)] = 0.01f; /* x 13.5, y 1 (isocentre plane), z -9.5 */
	f[sp_grid_index(&g, 43, 1, 11)] = 0.01f; /* z -8.5, both in the bixel -12.5..-7.5 */
	set = cover(&g, f, 0.0, 0.0);
	assert_int_equal(set->n_bixels, 1);
	assert_bixel(&set->beams[0], 0, 15.0, -10.0);
	sp_beam_set_destroy(set);
	free(f);
}

/* The voxel's shadow is (13.5, -8.5): with 3 mm around it the bixels whose squares come that near are x 10 (edge 12.5)
 * and 15, y -10 and -5 (edge -7.5); the corner (12.5, -7.5) is 1.41 mm away, so all four. At 1.2 mm the corner one
 * is out. */
static void margin_is_measured_from_the_shadow_to_the_squares(void **state)
{
	sp_grid g = grid_1mm();
	float *f = sp_alloc_array(sp_grid_voxels(&g), sizeof *f);
	sp_beam_set *set;

	(void)state;
	f[sp_grid_index(&g, 43, 1, 11)] = 1.0f;
	set = cover(&g, f, 0.0, 3.0);
	assert_int_equal(set->n_bixels, 4);
	assert_bixel(&set->beams[0], 0, 10.0, -10.0);
	assert_bixel(&set->beams[0], 1, 15.0, -10.0);
	assert_bixel(&set->beams[0], 2, 10.0, -5.0);
	assert_bixel(&set->beams[0], 3, 15.0, -5.0);
	sp_beam_set_destroy(set);
	set = cover(&g, f, 0.0, 1.2);
	assert_int_equal(set->n_bixels, 3);
	sp_beam_set_destroy(set);
	free(f);
}

/* A target in two pieces on the same row leaves a gap: rows and numbers as the header promises. */
static void rows_ascend_and_keep_gaps(void **state)
{
	sp_grid g = grid_1mm();
	float *f = sp_alloc_array(sp_grid_voxels(&g), sizeof *f);
	sp_beam_set *set;
	const sp_beam *b;

	(void)state;
	f[sp_grid_index(&g, 5, 1, 20)] = 1.0f;  /* x -24.5, z 0.5 */
	f[sp_grid_index(&g, 50, 1, 20)] = 1.0f; /* x 20.5 */
	f[sp_grid_index(&g, 30, 1, 36)] = 1.0f; /* x 0.5, z 16.5 */
	set = cover(&g, f, 0.0, 0.0);
	b = &set->beams[0];
	assert_int_equal(b->n_bixels, 3);
	assert_bixel(b, 0, -25.0, 0.0);
	assert_bixel(b, 1, 20.0, 0.0);
	assert_bixel(b, 2, 0.0, 15.0);
	assert_int_equal(b->n_rows, 2);
	assert_true(b->row_y_mm[0] == 0.0f && b->row_y_mm[1] == 15.0f);
	assert_int_equal(b->row_first[0], 0);
	assert_int_equal(b->row_first[1], 2);
	assert_int_equal(b->row_first[2], 3);
	sp_beam_set_destroy(set);
	free(f);
}

/* Seen from the left (gantry 90) the voxel's own place across is its y: 1 mm is the isocentre, so x is 0. */
static void gantry_90_sees_the_target_from_the_side(void **state)
{
	sp_grid g = grid_1mm();
	float *f = sp_alloc_array(sp_grid_voxels(&g), sizeof *f);
	sp_beam_set *set;

	(void)state;
	f[sp_grid_index(&g, 43, 1, 12)] = 1.0f;
	set = cover(&g, f, 90.0, 0.0);
	assert_int_equal(set->n_bixels, 1);
	assert_bixel(&set->beams[0], 0, 0.0, -10.0); /* z -7.5 nearer to the source: -7.6 */
	sp_beam_set_destroy(set);
	free(f);
}

static void beams_number_their_bixels_one_after_the_other(void **state)
{
	sp_grid g = grid_1mm();
	float *f = sp_alloc_array(sp_grid_voxels(&g), sizeof *f);
	sp_beam_setup setups[2] = {{0, 0, 0, {0, 1, 0}}, {90, 0, 0, {0, 1, 0}}};
	sp_beam_set *set = NULL;

	(void)state;
	f[sp_grid_index(&g, 10, 1, 20)] = 1.0f;
	f[sp_grid_index(&g, 50, 1, 20)] = 1.0f;
	assert_int_equal(sp_beam_set_cover(&set, setups, 2, 1000.0, "HFS", 5.0, f, &g, 0.0, NULL), SP_OK);
	assert_int_equal(set->beams[0].n_bixels, 2);
	assert_int_equal(set->beams[1].n_bixels, 1);
	assert_int_equal(set->beams[1].first_bixel, 2);
	assert_int_equal(set->n_bixels, 3);
	sp_beam_set_destroy(set);
	free(f);
}

static void an_empty_target_is_refused(void **state)
{
	sp_grid g = grid_1mm();
	float *f = sp_alloc_array(sp_grid_voxels(&g), sizeof *f);
	sp_beam_setup setup = {0};
	sp_beam_set *set = NULL;
	sp_error err = {0};

	(void)state;
	assert_int_equal(sp_beam_set_cover(&set, &setup, 1, 1000.0, "HFS", 5.0, f, &g, 0.0, &err), SP_BAD_INPUT);
	assert_null(set);
	assert_string_equal(err.text, "the target is empty, so no bixel can be aimed at it");
	free(f);
}

/* An asymmetric field, 40 x 15 mm, in bixels of 5 mm: the tiles end at its edges. */
static void a_rectangle_is_tiled_to_its_edges(void **state)
{
	sp_beam_setup setup = {0};
	const double field[4] = {-10.0, 30.0, 2.0, 17.0};
	sp_beam_set *set = NULL;

	(void)state;
	assert_int_equal(sp_beam_set_rectangle(&set, &setup, 1000.0, "HFS", 5.0, field, NULL), SP_OK);
	assert_int_equal(set->n_bixels, 24);
	assert_int_equal(set->beams[0].n_rows, 3);
	assert_bixel(&set->beams[0], 0, -7.5, 4.5);
	assert_bixel(&set->beams[0], 7, 27.5, 4.5);
	assert_bixel(&set->beams[0], 23, 27.5, 14.5);
	sp_beam_set_destroy(set);
}

static void a_field_that_bixels_do_not_fit_is_refused(void **state)
{
	sp_beam_setup setup = {0};
	const double field[4] = {-10.0, 31.0, 2.0, 17.0};
	sp_beam_set *set = NULL;
	sp_error err = {0};

	(void)state;
	assert_int_equal(sp_beam_set_rectangle(&set, &setup, 1000.0, "HFS", 5.0, field, &err), SP_BAD_INPUT);
	assert_null(set);
	assert_string_equal(err.text, "the field -10..31 x 2..17 mm is not a whole number of bixels of 5 mm");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_single_voxel_gets_the_bixel_that_it_shades),
	        cmocka_unit_test(margin_is_measured_from_the_shadow_to_the_squares),
	        cmocka_unit_test(rows_ascend_and_keep_gaps),
	        cmocka_unit_test(gantry_90_sees_the_target_from_the_side),
	        cmocka_unit_test(beams_number_their_bixels_one_after_the_other),
	        cmocka_unit_test(an_empty_target_is_refused),
	        cmocka_unit_test(a_rectangle_is_tiled_to_its_edges),
	        cmocka_unit_test(a_field_that_bixels_do_not_fit_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
