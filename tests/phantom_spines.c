/* The spine phantoms: sizes, epidural grades, targets by rule, hardware. Slices of 4 mm, to be quick. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "mask.h"
#include "matter.h"
#include "phantom.h"
#include "spine.h"

#define PI 3.14159265358979323846

static sp_case *graded[4], *operated;

static int set_up(void **state)
{
	sp_phantom_options o = {.given = SP_PHANTOM_VOXEL | SP_PHANTOM_GRADE, .voxel_mm = {6.0, 5.0, 4.0}};

	(void)state;
	for (int grade = 0; grade < 4; grade++) {
		o.epidural_grade = grade;
		if (sp_phantom_make(&graded[grade], "thoracic-spine", &o, NULL) != SP_OK)
			return 1;
	}
	o.given = SP_PHANTOM_VOXEL | SP_PHANTOM_HARDWARE;
	o.hardware = SP_METAL_COBALT_CHROME;
	return sp_phantom_make(&operated, "postop-spine", &o, NULL) != SP_OK;
}

static int tear_down(void **state)
{
	(void)state;
	for (int grade = 0; grade < 4; grade++)
		sp_case_destroy(graded[grade]);
	sp_case_destroy(operated);
	return 0;
}

static const sp_structure *find(const sp_case *c, const char *name)
{
	const sp_structure *s = sp_case_find(c, name);

	if (!s)
		fail_msg("no structure %s", name);
	return s;
}

static double volume_cc(const sp_case *c, const char *name)
{
	double cc;

	assert_int_equal(sp_structure_volume_cc(&cc, find(c, name), &c->ct, NULL), SP_OK);
	return cc;
}

/* The slice nearest the middle of T8 (z = 0 of the spine, -538 of the table). */
static double t8_slice(const sp_case *c)
{
	double k = round((-538.0 - c->ct.origin_mm[2]) / c->ct.spacing_mm[2]);

	return c->ct.origin_mm[2] + k * c->ct.spacing_mm[2];
}

/* Area of a structure in a slice; holes turn the other way round or not, so only single polygons are asked for. */
static double area_mm2(const sp_structure *s, double z)
{
	double twice = 0.0;

	for (size_t p = 0; p < s->n_polygons; p++) {
		const double *q = s->points_mm + 3 * s->offsets[p];
		size_t n = (size_t)(s->offsets[p + 1] - s->offsets[p]);

		for (size_t i = 0, j = n - 1; i < n && fabs(q[2] - z) < 0.1; j = i++)
			twice += q[3 * j] * q[3 * i + 1] - q[3 * i] * q[3 * j + 1];
	}
	return 0.5 * fabs(twice);
}

/* Smallest distance between the outlines of two structures within slices up to `reach` of z. */
static double gap_mm(const sp_structure *a, const sp_structure *b, double z, double reach)
{
	double best = DBL_MAX;

	for (uint64_t i = 0; i < a->offsets[a->n_polygons]; i++)
		for (uint64_t j = 0; j < b->offsets[b->n_polygons] && fabs(a->points_mm[3 * i + 2] - z) < reach; j++) {
			const double *p = a->points_mm + 3 * i, *q = b->points_mm + 3 * j;

			if (fabs(p[2] - q[2]) < 0.1)
				best = fmin(best, hypot(p[0] - q[0], p[1] - q[1]));
		}
	return best;
}

/* An ellipse of half axes 4.5 and 3.5 mm along the axis of the canal, whose length is summed here; each slice cuts it
 * obliquely, which makes area times slices the same as area times length. 1.5 %: the axis of the cord is 20 mm behind
 * that of the bodies, so a kyphosis of 0.53 rad makes it longer by 10 mm in 217, counted in the sum to first order. */
static void the_cord_has_its_volume(void **state)
{
	double length = 0.0, low = graded[0]->ct.origin_mm[2] + 538.0 - 2.0, high = low + 4.0 * graded[0]->ct.n[2];
	double expected;

	(void)state;
	for (double s = -140.0; s < 110.0; s += 0.1) {
		const sp_level here = {"", s, 1.0}, next = {"", s + 0.1, 1.0};
		const double q[3] = {0.0, 20.0, 0.0};
		double a[3], b[3];

		sp_level_place(a, q, &here);
		sp_level_place(b, q, &next);
		if (a[2] >= low && a[2] < high)
			length += sqrt((b[0] - a[0]) * (b[0] - a[0]) + (b[1] - a[1]) * (b[1] - a[1]) +
			               (b[2] - a[2]) * (b[2] - a[2]));
	}
	expected = PI * 4.5 * 3.5 * length * 1e-3;
	assert_float_equal(volume_cc(graded[0], "SpinalCord"), expected, 0.015 * expected);
}

/* Areas of the ellipses in spine.c, 1 % for the contours. */
static void grades_press_the_cord(void **state)
{
	static const double cord_mm2[4] = {PI * 4.5 * 3.5, PI * 4.5 * 3.5, PI * 4.7 * 3.0, PI * 5.0 * 2.4};

	(void)state;
	for (int grade = 0; grade < 4; grade++)
		assert_float_equal(area_mm2(find(graded[grade], "SpinalCord"), t8_slice(graded[grade])),
		                   cord_mm2[grade], 0.01 * cord_mm2[grade]);
}

static double fluid_mm2(int grade)
{
	double z = t8_slice(graded[grade]);

	return area_mm2(find(graded[grade], "ThecalSac"), z) - area_mm2(find(graded[grade], "SpinalCord"), z);
}

static void fluid_round_the_cord_goes_with_the_grade(void **state)
{
	(void)state;
	assert_float_equal(fluid_mm2(0), PI * (7.0 * 6.0 - 4.5 * 3.5), 1.0);
	assert_true(fluid_mm2(1) < fluid_mm2(0) - 10.0); /* the sac is deformed */
	assert_true(fluid_mm2(2) > 20.0 && fluid_mm2(2) < fluid_mm2(1) - 10.0);
	assert_true(fluid_mm2(3) < 6.0); /* a film of 0.2 mm that no scan shows */
}

static void the_tumour_nears_the_cord_with_the_grade(void **state)
{
	static const double least[4] = {2.5, 0.5, 0.0, 0.0}, most[4] = {5.0, 2.0, 0.5, 0.5};

	(void)state;
	for (int grade = 0; grade < 4; grade++) {
		double gap = gap_mm(find(graded[grade], "GTV"), find(graded[grade], "SpinalCord"),
		                    t8_slice(graded[grade]), 5.0);

		if (!(gap >= least[grade] && gap <= most[grade]))
			fail_msg("grade %d: %g mm between tumour and cord", grade, gap);
	}
}

/* The share of a inside b on a grid of 1 mm round the target: a's volume there and that of both together. */
static void overlap_cc(double *alone, double *both, const sp_case *c, const char *a, const char *b)
{
	sp_grid grid;
	float *in_a, *in_b;
	double low[3], high[3];

	assert_true(sp_structure_bounds(low, high, find(c, "PTV"), &c->ct));
	sp_grid_cover(&grid, low, high, (double[3]){0.5, 0.5, 4.0}, &c->ct);
	in_a = malloc(sp_grid_voxels(&grid) * sizeof *in_a);
	in_b = malloc(sp_grid_voxels(&grid) * sizeof *in_b);
	assert_non_null(in_a);
	assert_non_null(in_b);
	assert_int_equal(sp_structure_fractions(in_a, find(c, a), &c->ct, &grid, NULL), SP_OK);
	assert_int_equal(sp_structure_fractions(in_b, find(c, b), &c->ct, &grid, NULL), SP_OK);
	*alone = *both = 0.0;
	for (size_t v = 0; v < sp_grid_voxels(&grid); v++) {
		*alone += in_a[v] * sp_grid_voxel_volume_cc(&grid);
		*both += fminf(in_a[v], in_b[v]) * sp_grid_voxel_volume_cc(&grid);
	}
	free(in_a);
	free(in_b);
}

/* Voxels of 0.5 mm on the common border count for both sides: 0.02 cc of 25. */
static void the_ptv_keeps_out_of_the_cord_prv(void **state)
{
	double ptv, both;

	(void)state;
	for (int grade = 0; grade < 4; grade++) {
		overlap_cc(&ptv, &both, graded[grade], "PTV", "SpinalCord_PRV02");
		assert_true(ptv > 20.0);
		assert_true(both < 0.15);
	}
}

static void targets_lie_within_each_other(void **state)
{
	double inner, both;

	(void)state;
	for (int grade = 0; grade < 4; grade++) {
		overlap_cc(&inner, &both, graded[grade], "GTV", "CTV");
		assert_float_equal(both, inner, 0.03 * inner);
		overlap_cc(&inner, &both, graded[grade], "SpinalCord", "SpinalCord_PRV02");
		assert_float_equal(both, inner, 0.01 * inner);
		overlap_cc(&inner, &both, graded[grade], "SpinalCord", "ThecalSac");
		assert_float_equal(both, inner, 0.03 * inner);
	}
}

/* Two ellipses 2 mm apart: the outer has half axes larger by 2 mm to first order. */
static void the_cord_prv_is_two_millimetres_wider(void **state)
{
	double perimeter = PI * (3.0 * 8.0 - sqrt((3.0 * 4.5 + 3.5) * (4.5 + 3.0 * 3.5))); /* Ramanujan 1914 */
	double expected = PI * 4.5 * 3.5 + 2.0 * perimeter + 4.0 * PI, area;               /* Steiner's formula */

	(void)state;
	area = area_mm2(find(graded[0], "SpinalCord_PRV02"), t8_slice(graded[0]));
	assert_float_equal(area, expected, 0.02 * expected); /* 0.05 mm of margin */
}

/* Consensus for body and left pedicle: the left transverse process is in, the right one and the spinous process are
 * not. */
static void the_ctv_is_body_left_pedicle_and_left_lamina(void **state)
{
	static const struct {
		double q[3];
		bool in;
	} places[] = {
	        {{-8.0, 0.0, 0.0}, true},    {{8.0, 0.0, 0.0}, true},     {{12.0, 20.0, 3.0}, true},
	        {{22.0, 34.5, 4.0}, true},   {{-12.0, 20.0, 3.0}, false}, {{-22.0, 34.5, 4.0}, false},
	        {{0.0, 48.0, -18.0}, false}, {{0.0, 21.0, 0.0}, false},
	};
	const sp_case *c = graded[0];
	const sp_structure *ctv = find(c, "CTV");

	(void)state;
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		sp_grid one = {{1, 1, 1}, {0.5, 0.5, 0.5}, {0}};
		double p[3];
		float in;

		sp_level_place(p, places[i].q, &sp_levels[SP_LEVEL_T8]);
		one.origin_mm[0] = p[0] + 4.0;
		one.origin_mm[1] = p[1] - 162.0;
		one.origin_mm[2] = p[2] - 538.0;
		assert_int_equal(sp_structure_fractions(&in, ctv, &c->ct, &one, NULL), SP_OK);
		if ((in > 0.5f) != places[i].in)
			fail_msg("place %zu is %s the CTV", i, in > 0.5f ? "in" : "out of");
	}
}

static void roles_and_prescription_are_set(void **state)
{
	static const struct {
		const char *name;
		sp_role role;
	} expected[] = {
	        {"External", SP_ROLE_EXTERNAL}, {"GTV", SP_ROLE_GTV},
	        {"CTV", SP_ROLE_CTV},           {"PTV", SP_ROLE_PTV},
	        {"SpinalCord", SP_ROLE_CORD},   {"SpinalCord_PRV02", SP_ROLE_PRV},
	        {"ThecalSac", SP_ROLE_ORGAN},   {"Esophagus", SP_ROLE_ORGAN},
	        {"A_Aorta", SP_ROLE_ORGAN},     {"Heart", SP_ROLE_ORGAN},
	        {"Lung_L", SP_ROLE_ORGAN},      {"Lung_R", SP_ROLE_ORGAN},
	        {"Kidney_L", SP_ROLE_ORGAN},    {"Kidney_R", SP_ROLE_ORGAN},
	        {"Skin", SP_ROLE_ORGAN},        {"Vertebra_T08", SP_ROLE_ORGAN},
	};
	const sp_case *c = graded[0];

	(void)state;
	for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
		assert_int_equal(find(c, expected[i].name)->role, expected[i].role);
	assert_true(c->prescription.present);
	assert_float_equal(c->prescription.dose_gy, 24.0, 0.0);
	assert_int_equal(c->prescription.fractions, 2);
	assert_string_equal(c->prescription.protocol, "sc24-24gy-2fx");
	assert_ptr_equal(sp_case_target(c), find(c, "PTV"));
}

/* Left is +x and back is +y: the liver and the heart tell mirrored pictures apart. */
static void organs_are_on_their_sides(void **state)
{
	double aorta[2][3], liver[2][3], lung[2][3], body[2][3];
	const sp_case *c = graded[0];

	(void)state;
	assert_true(sp_structure_bounds(aorta[0], aorta[1], find(c, "A_Aorta"), &c->ct));
	assert_true(sp_structure_bounds(liver[0], liver[1], find(c, "Liver"), &c->ct));
	assert_true(sp_structure_bounds(lung[0], lung[1], find(c, "Lung_L"), &c->ct));
	assert_true(sp_structure_bounds(body[0], body[1], find(c, "External"), &c->ct));
	assert_true(aorta[0][0] + aorta[1][0] > 2.0 * 4.0);
	assert_true(liver[0][0] + liver[1][0] < 2.0 * 4.0);
	assert_true(lung[0][0] > 4.0);
	assert_true(liver[1][2] < -538.0); /* below T8 */
	assert_true(body[1][1] - c->ct.origin_mm[1] < c->ct.spacing_mm[1] * (double)c->ct.n[1]);
}

/* Five sigma of noise above air. */
static void nothing_but_air_lies_outside_the_body(void **state)
{
	const sp_case *c = graded[0];
	float *in = malloc(sp_grid_voxels(&c->ct) * sizeof *in);

	(void)state;
	assert_non_null(in);
	assert_int_equal(sp_structure_fractions(in, find(c, "External"), &c->ct, &c->ct, NULL), SP_OK);
	for (size_t v = 0; v < sp_grid_voxels(&c->ct); v++)
		if (in[v] == 0.0f)
			assert_true(c->hu[v] < -1000 + 60);
	free(in);
}

static void hardware_overrides_what_the_scanner_cannot_show(void **state)
{
	sp_matter *matter;
	const sp_case *c = operated;

	(void)state;
	assert_int_equal(sp_matter_create(&matter, NULL, NULL), SP_OK);
	for (size_t i = 0; i < c->n_structures; i++) {
		const sp_structure *s = &c->structures[i];

		if (s->role != SP_ROLE_HARDWARE)
			continue;
		assert_non_null(s->material);
		assert_float_equal(s->density_g_cm3,
		                   sp_matter_density_g_cm3(matter, sp_matter_find(matter, s->material)), 1e-9);
	}
	assert_string_equal(find(c, "Rod_L")->material, "cocr_f75");
	assert_string_equal(find(c, "Screws_T06")->material, "ti6al4v");
	assert_string_equal(find(c, "Cage")->material, "peek");
	sp_matter_destroy(matter);
}

/* Rods of 5.5 mm from T6 to T10, 40 mm behind the axis of a kyphosis of 400 mm radius; to 2 %. Four pairs of screws 40
 * mm long with heads. */
static void hardware_has_its_size(void **state)
{
	double rod_cc = PI * 2.75 * 2.75 * (46.9 + 14.0 + 49.4 + 10.0) * (1.0 + 40.0 / 400.0) * 1e-3;

	(void)state;
	assert_float_equal(volume_cc(operated, "Rod_L"), rod_cc, 0.02 * rod_cc);
	assert_float_equal(volume_cc(operated, "Rod_R"), volume_cc(operated, "Rod_L"), 0.03 * rod_cc);
	/* two shafts of 40 mm and two heads of 12 mm, less the rods in them */
	assert_true(volume_cc(operated, "Screws_T07") > 3.0 && volume_cc(operated, "Screws_T07") < 4.8);
}

/* Missing slices would be filled in between contours: metal where there is none. Polygons come in the order of slices.
 */
static void no_structure_skips_a_slice(void **state)
{
	(void)state;
	for (size_t i = 0; i < operated->n_structures; i++) {
		const sp_structure *s = &operated->structures[i];

		for (size_t p = 1; p < s->n_polygons; p++) {
			double step = s->points_mm[3 * s->offsets[p] + 2] - s->points_mm[3 * s->offsets[p - 1] + 2];

			if (step < -0.1 || step > operated->ct.spacing_mm[2] + 0.1)
				fail_msg("%s goes on after %g mm", s->name, step);
		}
	}
}

static void surgery_frees_the_cord(void **state)
{
	double z = t8_slice(operated);

	(void)state;
	assert_float_equal(area_mm2(find(operated, "SpinalCord"), z), PI * 4.5 * 3.5, 0.5);
	/* 2.5 mm to the sac, and the fluid in it: no tumour within 2.5 mm of the cord */
	assert_true(gap_mm(find(operated, "GTV"), find(operated, "ThecalSac"), z, 12.0) > 2.0);
	assert_true(gap_mm(find(operated, "GTV"), find(operated, "SpinalCord"), z, 12.0) > 2.5);
	assert_true(volume_cc(operated, "Vertebra_T08") < 0.75 * volume_cc(graded[3], "Vertebra_T08"));
	assert_true(volume_cc(operated, "GTV") < 0.8 * volume_cc(graded[3], "GTV"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_cord_has_its_volume),
	        cmocka_unit_test(grades_press_the_cord),
	        cmocka_unit_test(fluid_round_the_cord_goes_with_the_grade),
	        cmocka_unit_test(the_tumour_nears_the_cord_with_the_grade),
	        cmocka_unit_test(the_ptv_keeps_out_of_the_cord_prv),
	        cmocka_unit_test(targets_lie_within_each_other),
	        cmocka_unit_test(the_cord_prv_is_two_millimetres_wider),
	        cmocka_unit_test(the_ctv_is_body_left_pedicle_and_left_lamina),
	        cmocka_unit_test(roles_and_prescription_are_set),
	        cmocka_unit_test(organs_are_on_their_sides),
	        cmocka_unit_test(nothing_but_air_lies_outside_the_body),
	        cmocka_unit_test(hardware_overrides_what_the_scanner_cannot_show),
	        cmocka_unit_test(hardware_has_its_size),
	        cmocka_unit_test(no_structure_skips_a_slice),
	        cmocka_unit_test(surgery_frees_the_cord),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
