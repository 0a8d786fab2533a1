/* Contours become volumes that are right to 1 % on a 2 mm grid, whatever the slices they were drawn on: spheres,
 * cylinders, thin and oblique tubes, holes, missing slices; and masks are resampled exactly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "case.h"
#include "mask.h"

#define PI 3.14159265358979323846
#define OK(call) assert_int_equal((call), SP_OK)

static const sp_grid ct = {{61, 53, 47}, {1.1, 1.3, 2.5}, {-33.0, -35.0, -57.0}};
/* Unlike the CT in everything. */
static const sp_grid dose = {{41, 37, 63}, {2.0, 2.0, 2.0}, {-39.3, -36.7, -61.1}};

static sp_structure *new_structure(sp_case **c)
{
	sp_structure *s;

	OK(sp_case_create(c, &ct, 0, NULL));
	OK(sp_case_add_structure(&s, *c, "s", SP_ROLE_ORGAN, NULL));
	return s;
}

/* A circle as a polygon of 72 points with the circle's area. */
static void add_circle(sp_structure *s, double x, double y, double z, double radius_mm)
{
	double points[72][3];
	double outer = radius_mm * sqrt(2.0 * PI / 72.0 / sin(2.0 * PI / 72.0));

	for (int i = 0; i < 72; i++) {
		points[i][0] = x + outer * cos(2.0 * PI * i / 72.0);
		points[i][1] = y + outer * sin(2.0 * PI * i / 72.0);
		points[i][2] = z;
	}
	OK(sp_structure_add_polygon(s, (const double(*)[3])points, 72, NULL));
}

static void add_box(sp_structure *s, double x0, double x1, double y0, double y1, double z)
{
	const double points[4][3] = {{x0, y0, z}, {x1, y0, z}, {x1, y1, z}, {x0, y1, z}};

	OK(sp_structure_add_polygon(s, points, 4, NULL));
}

static double volume_on_cc(const sp_structure *s, const sp_grid *grid)
{
	float *fraction = malloc(sp_grid_voxels(grid) * sizeof *fraction);
	double volume;

	OK(sp_structure_fractions(fraction, s, &ct, grid, NULL));
	for (size_t i = 0; i < sp_grid_voxels(grid); i++)
		assert_true(fraction[i] >= 0.0f && fraction[i] <= 1.0f);
	volume = sp_fractions_volume_cc(fraction, grid);
	free(fraction);
	return volume;
}

static void assert_share(double value, double expected, double share)
{
	if (!(fabs(value - expected) <= share * expected))
		fail_msg("%g, expected %g within %g %%", value, expected, 100.0 * share);
}

/* The product's promise. The slabs themselves differ from the sphere by h^2 / 8 r^2, 0.3 % at h = 3 mm. */
#define PROMISE 0.01
/* The grid adds nothing: areas are exact, only float sums remain. */
#define EXACT 1e-5

static void sphere_is_right_to_one_percent(void **state)
{
	static const double gaps_mm[] = {2.0, 2.5, 3.0};

	(void)state;
	for (int g = 0; g < 3; g++) {
		sp_case *c;
		sp_structure *s = new_structure(&c);
		double on_slabs;

		for (double z = -19.0; z < 20.0; z += gaps_mm[g])
			add_circle(s, 1.7, -2.3, z + 0.4, sqrt(400.0 - z * z));
		assert_share(volume_on_cc(s, &dose), 4.0 / 3.0 * PI * 8.0, PROMISE);
		OK(sp_structure_volume_cc(&on_slabs, s, &ct, NULL));
		assert_share(volume_on_cc(s, &dose), on_slabs, EXACT);
		sp_case_destroy(c);
	}
}

static void cylinder_is_exact(void **state)
{
	sp_case *c;
	sp_structure *s = new_structure(&c);

	(void)state;
	for (int k = 0; k < 20; k++)
		add_circle(s, -3.3, 4.1, -30.0 + 2.5 * k, 15.0);
	assert_share(volume_on_cc(s, &dose), PI * 2.25 * 5.0, EXACT);
	sp_case_destroy(c);
}

static void thin_tube_is_exact_also_when_oblique(void **state)
{
	static const double slopes[] = {0.0, 0.3, -0.8};

	(void)state;
	for (int i = 0; i < 3; i++) {
		sp_case *c;
		sp_structure *s = new_structure(&c);

		for (int k = 0; k < 20; k++)
			add_circle(s, 0.3 + slopes[i] * (3.0 * k - 28.5), 1.1, -28.5 + 3.0 * k, 5.0);
		assert_share(volume_on_cc(s, &dose), PI * 0.25 * 6.0, EXACT);
		sp_case_destroy(c);
	}
}

static void missing_slices_of_an_oblique_tube_are_filled(void **state)
{
	sp_case *c;
	sp_structure *s = new_structure(&c);

	(void)state;
	for (int k = 0; k < 20; k++)
		if (k != 4 && k != 10 && k != 11 && k != 12)
			add_circle(s, 0.3 + 0.8 * (3.0 * k - 28.5), 1.1 - 0.2 * k, -28.5 + 3.0 * k, 5.0);
	assert_share(volume_on_cc(s, &dose), PI * 0.25 * 6.0, PROMISE);
	sp_case_destroy(c);
}

/* Drawn on slices 0, 3, 6, 7, 8, ... of a cone: the median gap is that of the upper half. */
static void missing_slices_of_a_cone_lie_between_their_neighbours(void **state)
{
	sp_case *c;
	sp_structure *s = new_structure(&c);
	double expected_cc = 0.0;

	(void)state;
	for (int k = 0; k < 20; k++) {
		double radius = 8.0 + 0.7 * k;

		expected_cc += PI * radius * radius * 2.0 * 1e-3;
		if (k > 6 || k % 3 == 0)
			add_circle(s, 0.0, 0.0, 2.0 * k - 20.0, radius);
	}
	assert_share(volume_on_cc(s, &dose), expected_cc, 0.002); /* four subcells at the edge of mixed slices */
	sp_case_destroy(c);
}

static void distant_lesions_are_not_joined(void **state)
{
	sp_case *c;
	sp_structure *s = new_structure(&c);

	(void)state;
	for (int k = 0; k < 5; k++) {
		add_circle(s, 0.0, 0.0, -40.0 + 2.0 * k, 10.0);
		add_circle(s, 0.0, 0.0, 10.0 + 2.0 * k, 10.0);
	}
	assert_share(volume_on_cc(s, &dose), PI * 1.0 * 2.0, EXACT);
	sp_case_destroy(c);
}

/* A ring with a plug in it, whatever the order and direction of the polygons; a second part in the same slice. */
static void holes_follow_the_even_odd_rule(void **state)
{
	sp_case *c;
	sp_structure *s = new_structure(&c);
	const double backwards[4][3] = {{-10, -9, 5}, {-10, 9, 5}, {10, 9, 5}, {10, -9, 5}};

	(void)state;
	add_box(s, -2.1, 2.3, -1.7, 2.9, 5.0);
	OK(sp_structure_add_polygon(s, backwards, 4, NULL));
	add_box(s, -20.0, 20.0, -15.0, 15.0, 5.0);
	add_box(s, 25.0, 30.0, 1.0, 2.0, 5.0);
	/* one slice: as thick as the CT's, 2.5 mm */
	assert_share(volume_on_cc(s, &dose), 2.5e-3 * (40.0 * 30.0 - 20.0 * 18.0 + 4.4 * 4.6 + 5.0), EXACT);
	sp_case_destroy(c);
}

/* A bow tie: the two triangles beside the crossing at (0, 0). */
static void crossing_outlines_keep_their_area(void **state)
{
	const double points[4][3] = {{-10, -10, 5}, {10, 10, 5}, {10, -10, 5}, {-10, 10, 5}};
	sp_case *c;
	sp_structure *s = new_structure(&c);

	(void)state;
	OK(sp_structure_add_polygon(s, points, 4, NULL));
	assert_share(volume_on_cc(s, &dose), 2.5e-3 * 200.0, EXACT);
	sp_case_destroy(c);
}

static void a_voxel_knows_the_exact_share(void **state)
{
	sp_grid one = {{1, 1, 1}, {2.0, 4.0, 5.0}, {1.0, 2.0, 5.0}};
	const double triangle[3][3] = {{0.0, 0.0, 5.0}, {2.0, 0.0, 5.0}, {0.0, 4.0, 5.0}};
	sp_case *c;
	sp_structure *s = new_structure(&c);
	float share;

	(void)state;
	OK(sp_structure_add_polygon(s, triangle, 3, NULL));
	OK(sp_structure_fractions(&share, s, &ct, &one, NULL));
	assert_true(fabsf(share - 0.5f * 0.5f) < 1e-6f); /* half the area, 2.5 of 5 mm */
	sp_case_destroy(c);
}

static void what_lies_outside_the_grid_is_left_out(void **state)
{
	sp_grid part = {{7, 9, 5}, {2.0, 2.0, 2.0}, {1.0, 1.0, 1.0}}; /* 0..14, 0..18, 0..10 */
	sp_case *c;
	sp_structure *s = new_structure(&c);

	(void)state;
	for (int k = 0; k < 11; k++)
		add_box(s, -13.0, 21.0, -1.0, 5.0, -10.0 + 2.0 * k); /* z -11..11 */
	assert_share(volume_on_cc(s, &part), 1e-3 * 14.0 * 5.0 * 10.0, EXACT);
	sp_case_destroy(c);
}

static void masks_are_resampled_exactly(void **state)
{
	sp_case *c;
	sp_structure *s = new_structure(&c);
	uint8_t *in = calloc(sp_grid_voxels(&ct), 1);
	double low[3], high[3];
	size_t n = 0;

	(void)state;
	for (size_t k = 5; k < 31; k++)
		for (size_t j = 9; j < 40; j++)
			for (size_t i = 12; i < 20 + k; i++) /* no box, so that swapped axes show */
				in[sp_grid_index(&ct, i, j, k)] = 1, n++;
	OK(sp_structure_set_mask(s, in, &ct, NULL));
	assert_int_equal(s->mask.n[2], 26);
	assert_share(volume_on_cc(s, &ct), (double)n * sp_grid_voxel_volume_cc(&ct), EXACT);
	assert_share(volume_on_cc(s, &dose), (double)n * sp_grid_voxel_volume_cc(&ct), EXACT);
	assert_true(sp_structure_bounds(low, high, s, &ct));
	assert_true(fabs(low[0] - (-33.0 + 1.1 * 11.5)) < 1e-9 && fabs(high[2] - (-57.0 + 2.5 * 30.5)) < 1e-9);
	free(in);
	sp_case_destroy(c);
}

static void bounds_are_those_of_the_slabs(void **state)
{
	sp_case *c;
	sp_structure *s = new_structure(&c);
	double low[3], high[3];

	(void)state;
	assert_false(sp_structure_bounds(low, high, s, &ct));
	add_box(s, -4.0, 5.0, -6.0, 7.0, 1.0);
	add_box(s, -3.0, 6.0, -6.0, 7.0, 4.0);
	assert_true(sp_structure_bounds(low, high, s, &ct));
	assert_true(low[0] == -4.0 && high[0] == 6.0 && low[1] == -6.0 && high[1] == 7.0);
	assert_true(fabs(low[2] + 0.5) < 1e-12 && fabs(high[2] - 5.5) < 1e-12);
	sp_case_destroy(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(sphere_is_right_to_one_percent),
	        cmocka_unit_test(cylinder_is_exact),
	        cmocka_unit_test(thin_tube_is_exact_also_when_oblique),
	        cmocka_unit_test(missing_slices_of_an_oblique_tube_are_filled),
	        cmocka_unit_test(missing_slices_of_a_cone_lie_between_their_neighbours),
	        cmocka_unit_test(distant_lesions_are_not_joined),
	        cmocka_unit_test(holes_follow_the_even_odd_rule),
	        cmocka_unit_test(crossing_outlines_keep_their_area),
	        cmocka_unit_test(a_voxel_knows_the_exact_share),
	        cmocka_unit_test(what_lies_outside_the_grid_is_left_out),
	        cmocka_unit_test(masks_are_resampled_exactly),
	        cmocka_unit_test(bounds_are_those_of_the_slabs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
