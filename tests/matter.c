/* Matter: materials and their names, CT number to density and electrons. */
#include "csv.h"
#include "matter_fixture.h"
#include "matter_internal.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static void names_are_found_in_any_spelling(void **state)
{
	static const char *const names[][2] = {
	        {"water", "water"},
	        {"Water", "water"},
	        {"lung", "lung_inflated_icru"},
	        {"muscle", "muscle_icru"},
	        {"bone", "bone_cortical_icrp"},
	        {"Cortical bone", "bone_cortical_icrp"},
	        {"Ti-6Al-4V", "ti6al4v"},
	        {"titanium", "titanium"},
	        {"CoCr", "cocr_f75"},
	        {"steel", "stainless_316l"},
	        {"PEEK", "peek"},
	        {"PMMA", "pmma"},
	        {"soft tissue", "soft_tissue_icru4"},
	        {"air", "air"},
	        {"adipose", "adipose_icru"},
	};
	sp_matter *m = *state;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		int found = sp_matter_find(m, names[i][0]);

		assert_true(found >= 0);
		assert_string_equal(sp_matter_name(m, found), names[i][1]);
	}
	assert_int_equal(sp_matter_find(m, "unobtainium"), -1);
	assert_int_equal(sp_matter_find(m, "wat"), -1);
	assert_int_equal(sp_matter_find(m, ""), -1);
}

/* Z/A is summed from our table of atomic weights; the tables carry it as published, to 6 digits, from slightly other
 * atomic weights: 1e-4 covers their difference. */
static void electrons_per_gram_agree_with_the_published_column(void **state)
{
	sp_matter *m = *state;
	sp_csv csv;
	size_t column;
	double published;

	assert_int_equal(matter_open_table(&csv, "materials.csv", NULL), SP_OK);
	assert_int_equal(sp_csv_column(&column, &csv, "Z_over_A", NULL), SP_OK);
	assert_true(csv.n_rows >= 26);
	for (size_t row = 0; row < csv.n_rows; row++) {
		assert_int_equal(sp_csv_number(&published, &csv, row, column, NULL), SP_OK);
		assert_near(sp_matter_z_over_a(m, (int)row) / published, 1.0, 1e-4);
	}
	sp_csv_finish(&csv);
}

/* The two columns are rounded to 5 digits after the point in the source. */
static void hu_density_agrees_with_the_published_columns(void **state)
{
	static const char *const headers[] = {"HU_from", "HU_to", "rho_at_from_g_cm3", "rho_at_last_g_cm3"};
	sp_matter *m = *state;
	sp_csv csv;
	size_t column;
	double v[4];

	assert_int_equal(matter_open_table(&csv, "hu_calibration.csv", NULL), SP_OK);
	for (size_t row = 0; row < csv.n_rows; row++) {
		for (int i = 0; i < 4; i++) {
			assert_int_equal(sp_csv_column(&column, &csv, headers[i], NULL), SP_OK);
			assert_int_equal(sp_csv_number(&v[i], &csv, row, column, NULL), SP_OK);
		}
		assert_near(sp_matter_hu_density(m, (int16_t)v[0]), v[2], 6e-6);
		assert_near(sp_matter_hu_density(m, (int16_t)(v[1] - 1)), v[3], 6e-6);
	}
	sp_csv_finish(&csv);
}

/* Points of Schneider's line worked out by hand from the paper's formulas. */
static void hu_density_follows_schneider(void **state)
{
	sp_matter *m = *state;

	assert_near(sp_matter_hu_density(m, INT16_MIN), 0.00121, 1e-9);
	assert_near(sp_matter_hu_density(m, -1000), 0.00121, 1e-9);
	assert_near(sp_matter_hu_density(m, -500), 0.00121 + 0.51485, 1e-9);
	assert_near(sp_matter_hu_density(m, 0), 1.018, 1e-9);
	assert_near(sp_matter_hu_density(m, 50), 1.003 + 0.05845, 1e-9);
	assert_near(sp_matter_hu_density(m, 1000), 1.609, 1e-9);
	assert_near(sp_matter_hu_density(m, INT16_MAX), 8.28, 1e-9);
}

/* It rises but for three steps down that stand in the source, at 15, 23 and 101 HU. */
static void hu_density_rises_but_where_the_source_falls(void **state)
{
	sp_matter *m = *state;

	for (int hu = INT16_MIN + 1; hu <= INT16_MAX; hu++) {
		double step = sp_matter_hu_density(m, (int16_t)hu) - sp_matter_hu_density(m, (int16_t)(hu - 1));

		if (hu == 15 || hu == 23 || hu == 101)
			assert_true(step < 0.0 && step > -0.05);
		else
			assert_true(step >= -1e-12);
	}
}

static void electron_density_is_density_times_z_over_a(void **state)
{
	sp_matter *m = *state;
	int water = sp_matter_find(m, "water");

	assert_near(sp_matter_density_g_cm3(m, water), 1.0, 0.0);
	/* 2 electrons from two hydrogens, 8 from oxygen, 18.015 g/mol; the weights are given to 6 digits */
	assert_near(sp_matter_z_over_a(m, water), 10.0 / 18.015, 1e-5);
	/* Schneider's soft_4 at 0 HU: 1.018 g/cm3; Z/A from its weights by hand (0.108 H .356 C .022 N .509 O .001 P
	 * .002 S .002 Cl) = 0.55293 */
	assert_near(sp_matter_hu_electron_density(m, 0), 1.018 * 0.55293 / 0.55509, 1e-4);
	assert_near(sp_matter_hu_electron_density(m, -1000), 0.00121 * 0.49919 / 0.55509, 1e-6);
	assert_near(sp_matter_hu_electron_density(m, 4000), 4.43 * 0.46061 / 0.55509, 1e-3);
}

static void hu_of_a_material_gives_its_density_back(void **state)
{
	static const char *const within[] = {"lung", "muscle", "spongiosa", "bone", "adipose", "cartilage", "pmma"};
	sp_matter *m = *state;

	assert_int_equal(sp_matter_hu(m, sp_matter_find(m, "water")), 0);
	assert_int_equal(sp_matter_hu(m, sp_matter_find(m, "air")), -1000);
	for (size_t i = 0; i < sizeof within / sizeof within[0]; i++) {
		int found = sp_matter_find(m, within[i]);

		/* half a HU step of the steepest part, 0.00117 g/cm3 per HU */
		assert_near(sp_matter_hu_density(m, sp_matter_hu(m, found)), sp_matter_density_g_cm3(m, found), 6e-4);
	}
	assert_int_equal(sp_matter_hu(m, sp_matter_find(m, "ti6al4v")), (2995 + 8000) / 2);
	assert_int_equal(sp_matter_hu(m, sp_matter_find(m, "cocr")), (8001 + 16000) / 2);
}

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

#define HEADER "HU_from,HU_to,density_offset_g_cm3,density_slope_g_cm3_per_HU,w_H,w_O\n"

static void an_own_calibration_is_read_or_refused_with_its_line(void **state)
{
	static const struct {
		const char *text, *sentence;
	} bad[] = {
	        {HEADER "-1000,0,1,0.001,0.1,0.9\n5,100,1,0.001,0.1,0.9\n", "line 3: HU_from is 5, expected 0"},
	        {HEADER "-1000,0,1,0.001,0.1,0.5\n", "line 2: weight fractions add up to 0.6"},
	        {HEADER "-1000,0,0.5,0.001,0.1,0.9\n", "line 2: the density becomes negative"},
	        {HEADER "-1000,x,0.5,0.001,0.1,0.9\n", "column HU_to: found 'x', expected a number"},
	        {HEADER "0,-5,1,0.001,0.1,0.9\n", "HU_to is -5"},
	        {HEADER "0,1e9,1,0.001,0.1,0.9\n", "HU_to is 1e+09"},
	        {HEADER "0,10,1,nan,0.1,0.9\n", "found 'nan'"},
	        {HEADER "0,10,1,0.001,0.1\n", "line 2 has 5 cells, expected 6"},
	        {HEADER, "has no rows"},
	        {"", "has no header line"},
	        {"HU_from,HU_to\n0,1\n", "no column density_offset_g_cm3"},
	};
	char path[] = "calibration-XXXXXX";
	sp_matter *m;

	(void)state;
	close(mkstemp(path));
	write_text(path, "# ours\n" HEADER "-1000,0,1,0.001,0.111894,0.888106\n0,100,1,0.002,0.111894,0.888106\n");
	assert_int_equal(sp_matter_create(&m, path, NULL), SP_OK);
	assert_near(sp_matter_hu_density(m, -250), 0.75, 1e-12);
	assert_near(sp_matter_hu_electron_density(m, 50), 1.1, 1e-6);
	assert_near(sp_matter_hu_density(m, 3000), 1.0 + 0.002 * 99, 1e-12);
	sp_matter_destroy(m);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		sp_error err = {0};

		write_text(path, bad[i].text);
		assert_int_equal(sp_matter_create(&m, path, &err), SP_BAD_INPUT);
		assert_null(m);
		if (!strstr(err.text, bad[i].sentence) || !strstr(err.text, path))
			fail_msg("expected '%s' in '%s'", bad[i].sentence, err.text);
	}
	remove(path);
	assert_int_not_equal(sp_matter_create(&m, path, NULL), SP_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(names_are_found_in_any_spelling),
	        cmocka_unit_test(electrons_per_gram_agree_with_the_published_column),
	        cmocka_unit_test(hu_density_agrees_with_the_published_columns),
	        cmocka_unit_test(hu_density_follows_schneider),
	        cmocka_unit_test(hu_density_rises_but_where_the_source_falls),
	        cmocka_unit_test(electron_density_is_density_times_z_over_a),
	        cmocka_unit_test(hu_of_a_material_gives_its_density_back),
	        cmocka_unit_test(an_own_calibration_is_read_or_refused_with_its_line),
	};

	return cmocka_run_group_tests_name("matter", tests, create_matter, destroy_matter);
}
