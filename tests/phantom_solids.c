/* The tools of the phantoms: contours, margins, painting and noise of solids whose volumes are formulas. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "margin.h"
#include "mask.h"
#include "outline.h"
#include "scene.h"
#include "vertebra.h"

#define PI 3.14159265358979323846

static const sp_grid grid = {{40, 30, 24}, {2.0, 2.5, 3.0}, {-31.0, -40.0, 100.0}};

/* A ball with an off-centre hollow, in the middle of `grid` but not on its nodes. */
static const double ball_at[3] = {9.3, -3.1, 135.2}, hollow_at[3] = {11.3, -1.1, 134.2};
#define BALL_RADIUS 21.0
#define HOLLOW_RADIUS 9.0

static double distance_of(const double p[3], const double at[3])
{
	return sqrt((p[0] - at[0]) * (p[0] - at[0]) + (p[1] - at[1]) * (p[1] - at[1]) +
	            (p[2] - at[2]) * (p[2] - at[2]));
}

static double hollow_ball(const double p[3], const void *data)
{
	(void)data;
	return fmax(distance_of(p, ball_at) - BALL_RADIUS, HOLLOW_RADIUS - distance_of(p, hollow_at));
}

static double ball(const double p[3], const void *data)
{
	(void)data;
	return distance_of(p, ball_at) - BALL_RADIUS;
}

#define ROUND_BALL                \
	{-13.0, -26.0, 113.0},    \
	{                         \
		32.0, 19.0, 158.0 \
	}

static double ball_cc(double radius)
{
	return 4.0 / 3.0 * PI * radius * radius * radius * 1e-3;
}

/* Slices of 3 mm stand for the ball between them by their own areas: that sum of discs is the reference, so that only
 * the contours are judged; 0.3 % is what 1 mm steps cost on the hollow (1/(8*9) mm of 9). */
static double discs_cc(double radius, const double at[3])
{
	double sum = 0.0;

	for (size_t k = 0; k < grid.n[2]; k++) {
		double h = grid.origin_mm[2] + grid.spacing_mm[2] * (double)k - at[2];

		sum += h * h < radius * radius ? PI * (radius * radius - h * h) * grid.spacing_mm[2] * 1e-3 : 0.0;
	}
	return sum;
}

static void contours_enclose_the_solid_and_leave_its_hollow_out(void **state)
{
	const sp_shape shape = {hollow_ball, NULL, ROUND_BALL};
	double expected = discs_cc(BALL_RADIUS, ball_at) - discs_cc(HOLLOW_RADIUS, hollow_at), cc;
	sp_structure *s;
	sp_case *c;

	(void)state;
	assert_int_equal(sp_case_create(&c, &grid, 0, NULL), SP_OK);
	assert_int_equal(sp_case_add_structure(&s, c, "ball", SP_ROLE_ORGAN, NULL), SP_OK);
	assert_int_equal(sp_outline_add(s, &grid, &shape, 1.0, NULL), SP_OK);
	assert_int_equal(sp_structure_volume_cc(&cc, s, &grid, NULL), SP_OK);
	assert_float_equal(cc, expected, 0.003 * expected);
	sp_case_destroy(c);
}

/* step^2/(4 d): the gaps between surface points, see margin.h; 0.02 mm for the interpolation. */
static void margins_are_distances_in_three_dimensions(void **state)
{
	const sp_shape shape = {ball, NULL, ROUND_BALL};
	sp_distance_field f;

	(void)state;
	assert_int_equal(sp_distance_field_init(&f, &shape, 0.8, 4.0, NULL), SP_OK);
	for (int i = 0; i < 400; i++) { /* directions all over the sphere (golden spiral), radii 18 to 24 */
		double up = 1.0 - (i + 0.5) / 200.0, turn = 2.39996 * i, across = sqrt(1.0 - up * up);
		double radius = BALL_RADIUS - 3.0 + 6.0 * (i % 13) / 12.0;
		const double p[3] = {ball_at[0] + radius * across * cos(turn), ball_at[1] + radius * across * sin(turn),
		                     ball_at[2] + radius * up};

		assert_float_equal(sp_distance_field_at(&f, p), radius - BALL_RADIUS,
		                   0.02 + fmin(0.2, 0.16 / fabs(radius - BALL_RADIUS)));
	}
	sp_distance_field_finish(&f);
}

/* Half in, half out: HU are means of what a voxel holds, so the sum over the grid is the solids' own. */
static void painted_numbers_keep_the_mass(void **state)
{
	const sp_shape shapes[2] = {{ball, NULL, ROUND_BALL}, {hollow_ball, NULL, ROUND_BALL}};
	float *hu = malloc(sp_grid_voxels(&grid) * sizeof *hu);
	sp_scene scene = {0};
	double sum = 0.0, expected;

	(void)state;
	assert_non_null(hu);
	assert_int_equal(sp_scene_add(&scene, &shapes[0], 50.0, NULL, NULL), SP_OK);
	assert_int_equal(sp_scene_add(&scene, &shapes[1], 200.0, NULL, NULL),
	                 SP_OK); /* paints over all but the hollow */
	assert_int_equal(sp_scene_render(hu, &grid, &scene, -1000.0, NULL), SP_OK);
	for (size_t v = 0; v < sp_grid_voxels(&grid); v++)
		sum += (hu[v] + 1000.0) * sp_grid_voxel_volume_cc(&grid);
	expected = 1200.0 * (ball_cc(BALL_RADIUS) - ball_cc(HOLLOW_RADIUS)) + 1050.0 * ball_cc(HOLLOW_RADIUS);
	assert_float_equal(sum, expected, 0.003 * expected); /* sub-grid of 0.7 mm over a surface of radius 21 mm */
	sp_scene_finish(&scene);
	free(hu);
}

static void noise_has_its_sigma_and_depends_on_the_seed_alone(void **state)
{
	size_t n = sp_grid_voxels(&grid);
	float *flat = calloc(n, sizeof *flat);
	int16_t *a = malloc(3 * n * sizeof *a), *b = a + n, *other = b + n;
	double sum = 0.0, square = 0.0;

	(void)state;
	assert_non_null(flat);
	assert_non_null(a);
	assert_int_equal(sp_scene_digitise(a, flat, &grid, 12.0, 7, NULL), SP_OK);
	assert_int_equal(sp_scene_digitise(b, flat, &grid, 12.0, 7, NULL), SP_OK);
	assert_int_equal(sp_scene_digitise(other, flat, &grid, 12.0, 8, NULL), SP_OK);
	assert_memory_equal(a, b, n * sizeof *a);
	assert_true(memcmp(a, other, n * sizeof *a) != 0);
	for (size_t v = 0; v < n; v++) {
		sum += a[v];
		square += (double)a[v] * a[v];
	}
	/* 28800 voxels, correlated over 2.25^2 of them: 5 sigma of the mean is 0.8 HU, of sigma 0.6 HU */
	assert_float_equal(sum / (double)n, 0.0, 0.8);
	assert_float_equal(sqrt(square / (double)n), 12.0, 0.6);
	free(flat);
	free(a);
}

static void bright_solids_are_clipped_to_twelve_bits(void **state)
{
	const sp_grid one = {{1, 1, 1}, {1, 1, 1}, {0, 0, 0}};
	const float metal = 9000.0f, vacuum = -2000.0f;
	int16_t hu;

	(void)state;
	assert_int_equal(sp_scene_digitise(&hu, &metal, &one, 0.0, 1, NULL), SP_OK);
	assert_int_equal(hu, 3071);
	assert_int_equal(sp_scene_digitise(&hu, &vacuum, &one, 0.0, 1, NULL), SP_OK);
	assert_int_equal(hu, -1024);
}

/* Cox et al. 2012, table 2, row by row. */
static void the_ctv_follows_the_consensus(void **state)
{
	enum {
		BODY = SP_SECTOR_BODY,
		PL = SP_SECTOR_PEDICLE_L,
		LL = SP_SECTOR_LAMINA_L,
		S = SP_SECTOR_SPINOUS,
		LR = SP_SECTOR_LAMINA_R,
		PR = SP_SECTOR_PEDICLE_R
	};

	(void)state;
	assert_int_equal(sp_consensus_ctv(BODY), BODY);
	assert_int_equal(sp_consensus_ctv(BODY | PL), BODY | PL | LL);
	assert_int_equal(sp_consensus_ctv(BODY | PR), BODY | PR | LR);
	assert_int_equal(sp_consensus_ctv(BODY | PL | PR), BODY | PL | PR | LL | LR); /* no ring: no spinous process */
	assert_int_equal(sp_consensus_ctv(PL), PL | LL);
	assert_int_equal(sp_consensus_ctv(LR), LR | PR | S);
	assert_int_equal(sp_consensus_ctv(S), S | LL | LR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(contours_enclose_the_solid_and_leave_its_hollow_out),
	        cmocka_unit_test(margins_are_distances_in_three_dimensions),
	        cmocka_unit_test(painted_numbers_keep_the_mass),
	        cmocka_unit_test(noise_has_its_sigma_and_depends_on_the_seed_alone),
	        cmocka_unit_test(bright_solids_are_clipped_to_twelve_bits),
	        cmocka_unit_test(the_ctv_follows_the_consensus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
