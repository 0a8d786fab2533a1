/* The sectors of a vertebra are found however it lies, and the consensus does what its table says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "consensus.h"
#include "frame.h"
#include "mask.h"
#include "phantom.h"
#include "space.h"
#include "spine.h"
#include "vertebra.h"
#include "vertebra_names.h"

#define OK(call) assert_int_equal((call), SP_OK)
#define BIT(part) (1u << (part))

static sp_case *phantom;

static int make_phantom(void **state)
{
	sp_phantom_options o = {.given = SP_PHANTOM_VOXEL, .voxel_mm = {3.0, 3.0, 2.0}};
	sp_error err = {0};

	(void)state;
	if (sp_phantom_make(&phantom, "thoracic-spine", &o, &err) != SP_OK)
		fail_msg("%s", err.text);
	return 0;
}

static int drop_phantom(void **state)
{
	(void)state;
	sp_case_destroy(phantom);
	return 0;
}

/* How a vertebra is laid: turned about the head-foot axis and leant over sidewards, about the middle of T8's body;
 * contours stay in their slices. */
typedef struct {
	double turn_deg, lean;
	double gone_from[2], gone_to[2]; /* bone in this part of the level's own frame (u, v) is taken away */
} lie;

static void middle_of_body(double out[3])
{
	sp_level_place(out, (const double[3]){0.0, 0.0, 0.0}, &sp_levels[SP_LEVEL_T8]);
	out[0] += 4.0; /* where the phantom's table stands */
	out[1] -= 162.0;
	out[2] -= 538.0;
}

static void lay(double p[3], const lie *l, bool back)
{
	double m[3], a = l->turn_deg * M_PI / 180.0 * (back ? -1.0 : 1.0), x, y;

	middle_of_body(m);
	if (back)
		p[0] -= l->lean * (p[2] - m[2]);
	x = p[0] - m[0];
	y = p[1] - m[1];
	p[0] = m[0] + cos(a) * x - sin(a) * y;
	p[1] = m[1] + sin(a) * x + cos(a) * y;
	if (!back)
		p[0] += l->lean * (p[2] - m[2]);
}

static void copy_structure(sp_structure **out, sp_case *to, const char *name, const lie *l)
{
	const sp_structure *from = sp_case_find(phantom, name);

	OK(sp_case_add_structure(out, to, name, SP_ROLE_ORGAN, NULL));
	for (size_t i = 0; i < from->n_polygons; i++) {
		size_t n = from->offsets[i + 1] - from->offsets[i];
		double(*p)[3] = malloc(n * sizeof *p);

		memcpy(p, from->points_mm + 3 * from->offsets[i], n * sizeof *p);
		for (size_t k = 0; k < n; k++)
			lay(p[k], l, false);
		OK(sp_structure_add_polygon(*out, (const double(*)[3])p, n, NULL));
		free(p);
	}
}

/* The part that the phantom itself would name, from its own planes (phantoms/vertebra.c). */
static sp_part truth(const double p_mm[3], const lie *l, double uvw[3])
{
	double p[3] = {p_mm[0], p_mm[1], p_mm[2]};

	lay(p, l, true);
	p[0] -= 4.0;
	p[1] += 162.0;
	p[2] += 538.0;
	sp_level_coordinates(uvw, p, &sp_levels[SP_LEVEL_T8]);
	if (uvw[1] < 12.8)
		return SP_PART_BODY;
	if (uvw[1] < 24.5)
		return uvw[0] > 0.0 ? SP_PART_PEDICLE_L : SP_PART_PEDICLE_R;
	if (fabs(uvw[0]) < 4.0)
		return SP_PART_SPINOUS;
	return uvw[0] > 0.0 ? SP_PART_LAMINA_L : SP_PART_LAMINA_R;
}

/* The share of the bone that is put into the sector where the phantom has it. */
static double agreement(const lie *l, sp_vertebra_frame *frame)
{
	sp_case *c;
	sp_structure *bone, *canal;
	sp_grid grid;
	size_t cuts, n;
	double low[3], high[3], same = 0.0, all = 0.0;
	float *share, *inside;
	sp_error err = {0};

	OK(sp_case_create(&c, &phantom->ct, 0, NULL));
	copy_structure(&bone, c, "Vertebra_T08", l);
	copy_structure(&canal, c, "ThecalSac", l);
	bone = &c->structures[0]; /* the second append moved the first */
	assert_true(sp_structure_bounds(low, high, bone, &c->ct));
	sp_space_cover(&grid, &cuts, &c->ct, low, high, 0.6);
	n = sp_grid_voxels(&grid);
	share = calloc(n, sizeof *share);
	inside = calloc(n, sizeof *inside);
	OK(sp_structure_fractions(share, bone, &c->ct, &grid, NULL));
	OK(sp_structure_fractions(inside, canal, &c->ct, &grid, NULL));
	for (size_t v = 0; v < n; v++) {
		double p[3], uvw[3];

		sp_grid_centre(p, &grid, v);
		truth(p, l, uvw);
		if (uvw[0] > l->gone_from[0] && uvw[0] < l->gone_to[0] && uvw[1] > l->gone_from[1] &&
		    uvw[1] < l->gone_to[1])
			share[v] = 0.0f;
	}
	if (sp_vertebra_frame_find(frame, share, inside, &grid, "T08", &err) != SP_OK)
		fail_msg("%s", err.text);
	for (size_t v = 0; v < n; v++) {
		double p[3], uvw[3];

		sp_grid_centre(p, &grid, v);
		all += share[v];
		same += sp_part_sector(sp_part_at(frame, p)) == sp_part_sector(truth(p, l, uvw)) ? share[v] : 0.0;
	}
	free(share);
	free(inside);
	sp_case_destroy(c);
	return same / all;
}

/* Width (axis 0) or depth (axis 1) of the phantom's bony canal, from its formula. */
static double canal_mm(int axis)
{
	double sum = 0.0;

	for (int side = -1; side <= 1; side += 2) {
		double q[3] = {0.0, axis ? 21.0 : 19.0, axis ? -4.0 : 3.0}, p[3], t = 0.0;

		do {
			q[axis] += 0.05 * side;
			t += 0.05;
			sp_level_place(p, q, &sp_levels[SP_LEVEL_T8]);
		} while (sp_vertebra_bone(p, &sp_levels[SP_LEVEL_T8]) > 0.0 && t < 30.0);
		sum += t;
	}
	return sum;
}

static void sectors_follow_a_vertebra_that_is_turned_and_leans(void **state)
{
	static const lie lies[] = {
	        {0.0, 0.0, {0}, {0}},  {25.0, 0.0, {0}, {0}},    {-40.0, 0.0, {0}, {0}},
	        {10.0, 0.3, {0}, {0}}, {-15.0, -0.25, {0}, {0}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
		sp_vertebra_frame f;
		double same = agreement(&lies[i], &f), turn = atan2(-f.back[0], f.back[1]) * 180.0 / M_PI;

		/* planes within a millimetre of the phantom's, which knows its own */
		if (same < 0.95)
			fail_msg("turned by %g, leaning %g: %.1f %% of the bone in the right sector", lies[i].turn_deg,
			         lies[i].lean, 100.0 * same);
		/* leaning changes the shape itself: widths are judged where there is none */
		if (lies[i].lean != 0.0)
			continue;
		assert_true(fabs(turn - lies[i].turn_deg) < 2.0);
		assert_true(fabs(2.0 * f.half_width_mm - canal_mm(0)) < 0.7);
		assert_true(fabs(f.rear_mm - f.front_mm - canal_mm(1)) < 0.7);
		assert_true(f.has_rear && f.has_left && f.has_right);
	}
}

static void sectors_are_found_where_bone_is_missing(void **state)
{
	/* the left pedicle and arch eaten away; the whole arch behind the canal removed; a third of the body gone */
	static const lie lies[] = {
	        {15.0, 0.0, {0.5, 12.8}, {60.0, 60.0}},
	        {-20.0, 0.1, {-14.0, 24.5}, {14.0, 60.0}},
	        {5.0, 0.0, {5.0, -20.0}, {20.0, 5.0}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
		sp_vertebra_frame f;
		double same = agreement(&lies[i], &f);

		if (same < 0.95)
			fail_msg("lie %zu: %.1f %% of the bone in the right sector", i, 100.0 * same);
		assert_int_equal(f.has_rear, i != 1);
		assert_int_equal(f.has_left, i != 0);
	}
}

/* ---- the rule ---- */

static sp_consensus decide(double body_cc, double body_left, unsigned others)
{
	sp_involvement in = {.body_left_cc = body_cc * body_left};
	sp_consensus out;

	for (int i = 0; i < SP_PART_COUNT; i++) {
		in.bone_cc[i] = i == SP_PART_BODY ? 12.0 : 1.5;
		in.tumour_cc[i] = i == SP_PART_BODY ? body_cc : others & BIT(i) ? 0.6 : 0.0;
	}
	sp_consensus_decide(&out, &in);
	return out;
}

#define BODY BIT(SP_PART_BODY)
#define PED_L BIT(SP_PART_PEDICLE_L)
#define PED_R BIT(SP_PART_PEDICLE_R)
#define TP_L BIT(SP_PART_TRANSVERSE_L)
#define TP_R BIT(SP_PART_TRANSVERSE_R)
#define LAM_L BIT(SP_PART_LAMINA_L)
#define LAM_R BIT(SP_PART_LAMINA_R)
#define SPIN BIT(SP_PART_SPINOUS)

static void the_consensus_follows_its_table(void **state)
{
	static const struct {
		double body_cc, body_left;
		unsigned others, included;
	} rows[] = {
	        {2.0, 0.5, 0, BODY},
	        {3.0, 0.9, 0, BODY | PED_L | TP_L},
	        {3.0, 0.1, 0, BODY | PED_R | TP_R},
	        {9.0, 0.5, 0, BODY | PED_L | TP_L | PED_R | TP_R},
	        {4.0, 0.6, PED_R, BODY | PED_R | TP_R | LAM_R},
	        {9.0, 0.5, PED_L | PED_R, BODY | PED_L | TP_L | LAM_L | PED_R | TP_R | LAM_R},
	        {0.0, 0.0, PED_L, PED_L | TP_L | LAM_L},
	        {0.0, 0.0, LAM_R, LAM_R | PED_R | TP_R | SPIN},
	        {0.0, 0.0, SPIN, SPIN | LAM_L | LAM_R},
	        {0.0, 0.0, TP_L, TP_L | PED_L | LAM_L},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		sp_consensus c = decide(rows[i].body_cc, rows[i].body_left, rows[i].others);

		if (c.included != rows[i].included)
			fail_msg("row %zu: parts %#x, expected %#x", i, c.included, rows[i].included);
		assert_false(c.ring);
		for (int k = 0; k < SP_PART_COUNT; k++)
			assert_non_null(c.reason[k]);
	}
}

static void a_ring_closes_only_round_a_ring_of_tumour(void **state)
{
	sp_consensus c = decide(9.0, 0.5, PED_L | PED_R | SPIN);

	(void)state;
	assert_true(c.ring && c.included == BIT(SP_PART_COUNT) - 1);
	/* throughout the body and in the spinous process: the table's rows together would close a ring */
	c = decide(9.0, 0.5, SPIN);
	assert_false(c.ring);
	assert_true((c.included & (BODY | SPIN)) == (BODY | SPIN));
	/* in one lamina and throughout the body: the spinous process has no tumour, it opens the ring */
	c = decide(9.0, 0.5, LAM_L | PED_R);
	assert_false(c.ring || (c.included & SPIN));
}

static void a_small_tumour_counts_where_it_sits_and_a_rim_does_not(void **state)
{
	sp_involvement in = {.bone_cc = {12, 1, 2, 1, 2, 1, 2, 1}, .tumour_cc = {0.05, 0.02}};
	sp_consensus c;

	(void)state;
	sp_consensus_decide(&c, &in);
	assert_true(c.involved == BODY && c.near_threshold == BODY);
	in.tumour_cc[SP_PART_BODY] = 5.0;
	in.body_left_cc = 2.5;
	sp_consensus_decide(&c, &in); /* 0.02 of 1 cc of the pedicle is a contour's edge */
	assert_true(c.involved == BODY && !(c.near_threshold & PED_L));
	in.tumour_cc[SP_PART_PEDICLE_L] = 0.12;
	sp_consensus_decide(&c, &in);
	assert_true((c.involved & PED_L) && (c.near_threshold & PED_L) && (c.included & LAM_L));
}

static void the_physician_has_the_last_word(void **state)
{
	sp_consensus c = decide(2.0, 0.5, 0);

	(void)state;
	sp_consensus_override(&c, PED_L | LAM_L, BODY);
	assert_int_equal(c.included, PED_L | LAM_L);
	assert_string_equal(c.reason[SP_PART_BODY], "excluded by hand");
	assert_string_equal(c.reason[SP_PART_LAMINA_L], "included by hand");
	assert_int_equal(sp_parts_parse("3"), TP_L | LAM_L);
	assert_int_equal(sp_parts_parse("Right-Transverse_process"), TP_R);
	assert_int_equal(sp_parts_parse("lamina"), 0);
}

static void levels_are_read_from_names(void **state)
{
	static const struct {
		const char *name, *level;
	} good[] = {{"Vertebra_T08", "T08"}, {"vertebrae_L3", "L03"}, {"T12", "T12"}, {"vert. c2", "C02"}};
	static const char *const bad[] = {"VB_L1",   "Screws_T06", "T14",      "C0",
	                                  "L3 disc", "liver",      "Vertebra", "T8 1 body"};
	char level[4];

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_true(sp_vertebra_level(level, good[i].name));
		assert_string_equal(level, good[i].level);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(sp_vertebra_level(level, bad[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(sectors_follow_a_vertebra_that_is_turned_and_leans),
	        cmocka_unit_test(sectors_are_found_where_bone_is_missing),
	        cmocka_unit_test(the_consensus_follows_its_table),
	        cmocka_unit_test(a_ring_closes_only_round_a_ring_of_tumour),
	        cmocka_unit_test(a_small_tumour_counts_where_it_sits_and_a_rim_does_not),
	        cmocka_unit_test(the_physician_has_the_last_word),
	        cmocka_unit_test(levels_are_read_from_names),
	};

	return cmocka_run_group_tests(tests, make_phantom, drop_phantom);
}
