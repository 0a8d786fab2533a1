/* Radiobiology and budgets after an earlier course, against values worked by hand. */
#include "biology.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "atomic_file.h"
#include "earlier_dose.h"
#include "fractionation.h"

static void assert_near(double value, double expected, double tolerance)
{
	if (!(fabs(value - expected) <= tolerance))
		fail_msg("%.6g is not %.6g within %g", value, expected, tolerance);
}

/* 30/10: 30 (3 + 2) / 4; 20/5: 20 (4 + 2) / 4; 24/2: BED 24 (1 + 12/10). */
static void courses_are_worth_what_the_formula_says(void **state)
{
	(void)state;
	assert_near(sp_eqd2_gy(30, 10, 2), 37.5, 1e-12);
	assert_near(sp_eqd2_gy(20, 5, 2), 30.0, 1e-12);
	assert_near(sp_bed_gy(24, 2, 10), 52.8, 1e-12);
	assert_near(sp_eqd2_gy(24, 2, 10), 44.0, 1e-12);
}

/* 25 Gy EQD2 in n fractions is n (sqrt(1 + 100 / n) - 1): the published table says 9, 12.2, 14.5, 16.2, 18 Gy after
 * 30 to 43 Gy, and 11, 12.5, 14, 15.5 Gy in 2 to 5 after 50 Gy (n (sqrt(1 + 80 / n) - 1)). */
static void budgets_are_the_published_ones(void **state)
{
	static const double after_conventional[] = {9.050, 12.283, 14.578, 16.396, 17.913};
	static const double published[] = {9, 12.2, 14.5, 16.2, 18};
	static const double after_50[] = {8.0, 10.806, 12.780, 14.330, 15.616};
	static const double published_50[] = {0, 11, 12.5, 14, 15.5};
	const sp_earlier_options o = {.total_eqd2_gy = SP_TOTAL_EQD2_GY};

	(void)state;
	for (int n = 1; n <= 5; n++) {
		double d = sp_budget_gy(&o, 37.5, SP_NEW_EQD2_GY, n), d50 = sp_budget_gy(&o, 50.0, SP_NEW_EQD2_GY, n);

		assert_near(d, after_conventional[n - 1], 5e-4);
		assert_near(d, published[n - 1], 0.2); /* as the table is rounded */
		assert_near(d50, after_50[n - 1], 5e-4);
		if (n > 1)
			assert_near(d50, published_50[n - 1], 0.35);
	}
}

static void nothing_is_left_where_the_total_is_spent(void **state)
{
	const sp_earlier_options o = {.total_eqd2_gy = 70.0}, recovered = {.total_eqd2_gy = 70.0, .recovery = 0.25};

	(void)state;
	assert_true(sp_budget_gy(&o, 70.0, 25.0, 2) == 0.0);
	assert_true(sp_budget_gy(&o, 90.0, 25.0, 2) == 0.0);
	/* a quarter of 60 forgotten: 45 count, 25 are left; of 80: 60 count, 10 are left: 2 (sqrt(21) - 1) */
	assert_near(sp_budget_gy(&recovered, 60.0, 25.0, 2), 12.283, 5e-4);
	assert_near(sp_budget_gy(&recovered, 80.0, 25.0, 2), 7.165, 5e-4);
}

/* 12.4 Gy in 1 and 17 in 2 are 44.6 Gy EQD2, the table's 5 %. */
static void cord_models_give_their_anchors(void **state)
{
	(void)state;
	assert_near(sp_ntcp_cord_sbrt(sp_eqd2_gy(12.4, 1, 2)), 0.05, 0.001);
	assert_near(sp_ntcp_cord_sbrt(sp_eqd2_gy(17.0, 2, 2)), 0.05, 0.001);
	assert_near(sp_ntcp_cord_sbrt(sp_eqd2_gy(14.0, 1, 2)), 0.12, 0.005);
	assert_near(sp_ntcp_cord_schultheiss(50.0), 0.002, 1e-5);
	assert_near(sp_ntcp_cord_schultheiss(69.4), 0.5, 1e-12);
	assert_near(sp_ntcp_cord_schultheiss(45.0), 0.0003, 1.5e-4); /* published to one digit */
	assert_near(sp_tcp_spine(50.4), 0.82, 1e-4);
	assert_near(sp_tcp_spine(81.6), 0.96, 1e-4);
}

/* Even doses in 2 Gy fractions are their own EQD2: half at TD50, Phi(1) at TD50 (1 + m). Half the volume at that dose
 * and half at none: gEUD falls by 2^-0.05 = 0.96594 to 75.47 Gy, Phi((75.47 - 66.5) / 11.6375) = 0.7796. */
static void lkb_follows_dose_and_volume(void **state)
{
	float even_gy[2] = {66.5f, 66.5f}, more_gy[2] = {78.1375f, 78.1375f}, cc[2] = {10, 10}, half_cc[2] = {5, 5};
	const sp_dvh even = {.n = 2, .dose_gy = even_gy, .volume_cc = cc, .volume_total_cc = 10};
	const sp_dvh more = {.n = 2, .dose_gy = more_gy, .volume_cc = cc, .volume_total_cc = 10};
	const sp_dvh half = {.n = 2, .dose_gy = more_gy, .volume_cc = half_cc, .volume_total_cc = 10};

	(void)state;
	assert_near(sp_ntcp_cord_lkb(&even, 66.5 / 2), 0.5, 1e-5);
	assert_near(sp_ntcp_cord_lkb(&more, 78.1375 / 2), 0.84134, 1e-5);
	assert_near(sp_ntcp_cord_lkb(&half, 78.1375 / 2), 0.7796, 1e-3);
}

static char path[64];

static void write_text(const char *text)
{
	assert_int_equal(sp_file_write_all(path, text, strlen(text), NULL), SP_OK);
}

/* A quarter turn about z (x to y) and a shift by (10, 20, 30): what came to (10, 21, 30) was (1, 0, 0). */
static void a_rigid_transform_is_read_and_turned_round(void **state)
{
	const double at[3] = {10, 21, 30}, was[3] = {1, 0, 0};
	double back[3][4];

	(void)state;
	write_text("0 -1 0 10\n1 0 0 20\n0, 0, 1, 30\n0 0 0 1\n");
	assert_int_equal(sp_rigid_read(back, path, NULL), SP_OK);
	for (int i = 0; i < 3; i++)
		assert_near(back[i][0] * at[0] + back[i][1] * at[1] + back[i][2] * at[2] + back[i][3], was[i], 1e-12);
	unlink(path);
}

static void what_is_no_rigid_transform_is_refused(void **state)
{
	static const char *const wrong[] = {
	        "",
	        "1 0 0 0 0 1 0 0 0 0 1 0 0 0 0",         /* 15 */
	        "1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1 7",     /* 17 */
	        "1.1 0 0 0 0 1.1 0 0 0 0 1.1 0 0 0 0 1", /* larger */
	        "-1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1",      /* a mirror */
	        "1 0.1 0 0 0 1 0 0 0 0 1 0 0 0 0 1",     /* sheared */
	        "1 0 0 nan 0 1 0 0 0 0 1 0 0 0 0 1",     /* nowhere */
	        "1 0 0 0 0 1 0 0 0 0 1 0 0 0 0.5 1",     /* a projection */
	        "1 0 0 0 0 1 0 0 0 0 one 0 0 0 0 1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		double back[3][4];
		sp_error err = {0};

		write_text(wrong[i]);
		assert_int_equal(sp_rigid_read(back, path, &err), SP_BAD_INPUT);
		assert_non_null(strstr(err.text, path));
	}
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(courses_are_worth_what_the_formula_says),
	        cmocka_unit_test(budgets_are_the_published_ones),
	        cmocka_unit_test(nothing_is_left_where_the_total_is_spent),
	        cmocka_unit_test(cord_models_give_their_anchors),
	        cmocka_unit_test(lkb_follows_dose_and_volume),
	        cmocka_unit_test(a_rigid_transform_is_read_and_turned_round),
	        cmocka_unit_test(what_is_no_rigid_transform_is_refused),
	};

	snprintf(path, sizeof path, "/tmp/spineplan-rigid-%d.txt", (int)getpid());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
