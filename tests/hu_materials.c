/* One material per composition of the HU calibration, and the formula that gives those their stopping power. */
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

/* 33 rows; soft_1, soft_5, soft_6, soft_7, air and bone_15 have two or more. */
static void ranges_of_one_composition_share_a_material(void **state)
{
	sp_matter *m = *state;

	assert_int_equal(sp_matter_count(m), 26);
	assert_int_equal(sp_matter_count_all(m), 26 + 26);
	assert_string_equal(sp_matter_name(m, sp_matter_hu_material(m, INT16_MIN)), "hu:air");
	assert_string_equal(sp_matter_name(m, sp_matter_hu_material(m, -951)), "hu:air");
	assert_string_equal(sp_matter_name(m, sp_matter_hu_material(m, -950)), "hu:lung");
	assert_string_equal(sp_matter_name(m, sp_matter_hu_material(m, -98)), "hu:soft_1");
	assert_string_equal(sp_matter_name(m, sp_matter_hu_material(m, 0)), "hu:soft_4");
	assert_string_equal(sp_matter_name(m, sp_matter_hu_material(m, 7)), "hu:soft_4");
	assert_string_equal(sp_matter_name(m, sp_matter_hu_material(m, 8)), "hu:soft_5");
	assert_string_equal(sp_matter_name(m, sp_matter_hu_material(m, 2994)), "hu:bone_15");
	assert_string_equal(sp_matter_name(m, sp_matter_hu_material(m, 2995)), "hu:ti6al4v");
	assert_string_equal(sp_matter_name(m, sp_matter_hu_material(m, INT16_MAX)), "hu:cocr_f75");
}

static void names_of_the_table_of_materials_come_first(void **state)
{
	sp_matter *m = *state;

	assert_int_equal(sp_matter_find(m, "hu:soft_4"), sp_matter_hu_material(m, 0));
	assert_true(sp_matter_find(m, "ti6al4v") < 26);
	assert_true(sp_matter_find(m, "lung") < 26);
	assert_int_equal(sp_matter_find(m, "soft_4"), -1);
	for (size_t i = 0; i < sp_matter_count_all(m); i++)
		assert_int_equal(sp_matter_find(m, sp_matter_name(m, (int)i)), i);
}

static void nominal_density_is_that_of_the_middle(void **state)
{
	sp_matter *m = *state;
	int soft_4 = sp_matter_find(m, "hu:soft_4"), bone_1 = sp_matter_find(m, "hu:bone_1");

	/* -22..7: (-22 + 7) / 2 = -7, towards 0 */
	assert_near(sp_matter_density_g_cm3(m, soft_4), 1.018 - 0.000893 * 7.0, 1e-12);
	assert_int_equal(sp_matter_hu(m, soft_4), -7);
	assert_near(sp_matter_density_g_cm3(m, bone_1), 1.017 + 0.000592 * 159.0, 1e-12);
	assert_near(sp_matter_z_over_a(m, soft_4), sp_matter_hu_z_over_a(m, 0), 0.0);
	/* the row's weights add up to exactly 1 */
	assert_near(sp_matter_weights(m, bone_1)[8], 0.355, 1e-9);
}

/* Ranges without names, one composition at two places, names that clash, and elements that no tissue has. */
static void an_own_calibration_makes_its_own_materials(void **state)
{
	static const char plain[] = "HU_from,HU_to,density_offset_g_cm3,density_slope_g_cm3_per_HU,w_H,w_O,w_I,w_Pb\n"
	                            "-1000,0,1,0.001,0.1,0.9,0,0\n"
	                            "0,100,1,0.001,0.1,0.88,0.02,0\n"
	                            "100,200,1,0.001,0.1,0.88,0.02,0\n"
	                            "200,300,1,0.001,0.1,0.9,0,0\n"
	                            "300,400,11,0,0,0,0,1\n";
	static const char named[] = "HU_from,HU_to,density_offset_g_cm3,density_slope_g_cm3_per_HU,material,w_H,w_O\n"
	                            "0,10,1,0,gel-1,0.1,0.9\n"
	                            "10,20,1,0,Gel 1,0.2,0.8\n"
	                            "20,30,1,0,gel_12,0.3,0.7\n"
	                            "30,40,1,0,,0.4,0.6\n";
	const double energy[] = {0.01, 0.5, 30.0};
	char path[] = "calibration-XXXXXX";
	sp_attenuation mu[3];
	sp_brems brems[3];
	double stopping[3];
	sp_matter *m;
	FILE *f;

	(void)state;
	close(mkstemp(path));
	assert_non_null(f = fopen(path, "w"));
	fputs(plain, f);
	fclose(f);
	assert_int_equal(sp_matter_create(&m, path, NULL), SP_OK);
	assert_int_equal(sp_matter_count_all(m), 26 + 4);
	assert_string_equal(sp_matter_name(m, 26), "hu:-1000..-1");
	assert_string_equal(sp_matter_name(m, 27), "hu:0..99");
	assert_int_equal(sp_matter_hu_material(m, 150), 27);
	assert_int_equal(sp_matter_hu_material(m, 250), 28);
	assert_int_equal(sp_matter_hu(m, 27), 99);
	assert_near(sp_matter_density_g_cm3(m, 27), 1.099, 1e-12);
	for (int i = 0; i < (int)sp_matter_count_all(m); i++) {
		assert_int_equal(sp_matter_attenuation(mu, m, i, energy, 3, NULL), SP_OK);
		assert_int_equal(sp_matter_collision_stopping(stopping, m, i, energy, 3, NULL), SP_OK);
		assert_int_equal(sp_matter_brems(brems, m, i, energy, 3, NULL), SP_OK);
		assert_true(stopping[1] > 1.0 && stopping[1] < 2.5);
	}
	sp_matter_destroy(m);
	assert_non_null(f = fopen(path, "w"));
	fputs(named, f);
	fclose(f);
	assert_int_equal(sp_matter_create(&m, path, NULL), SP_OK);
	assert_string_equal(sp_matter_name(m, 26), "hu:gel-1");
	assert_string_equal(sp_matter_name(m, 27), "hu:Gel 1#2");
	assert_string_equal(sp_matter_name(m, 28), "hu:gel_12");
	assert_string_equal(sp_matter_name(m, 29), "hu:30..39");
	sp_matter_destroy(m);
	remove(path);
}

/* Bragg's rule as ICRU 37 and 44 apply it gives their values; printed with up to four digits. Water and PMMA have
 * measured ones. */
static void excitation_energies_are_those_of_icru(void **state)
{
	static const struct {
		const char *name;
		double ev, tolerance;
	} known[] = {
	        {"muscle_icru", 74.62, 0.006},
	        {"adipose_icru", 64.78, 0.006},
	        {"lung_inflated_icru", 75.17, 0.006},
	        {"bone_cortical_icru", 111.97, 0.06},
	        {"spongiosa_icru", 78.40, 0.006},
	        {"cartilage_icru", 78.02, 0.006},
	        {"titanium", 233.0, 1e-9},
	        {"ti6al4v", 228.54, 0.006},
	        {"cocr_f75", 289.53, 0.006},
	        {"peek", 75.36, 0.006},
	        {"air", 85.67, 0.02},
	        {"tungsten", 727.0, 1e-9},
	        {"water", 75.0, 0.4},
	};
	sp_matter *m = *state;

	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		assert_near(matter_excitation_ev(m->materials + sp_matter_find(m, known[i].name)), known[i].ev,
		            known[i].tolerance);
}

/* Largest relative difference between formula and table, 10 keV to 30 MeV. */
static double formula_differs(const sp_matter *m, int material_index, double excitation_ev)
{
	const material *one = m->materials + material_index;
	double worst = 0.0, found;

	for (size_t row = one->stopping.first; row < one->stopping.end; row++) {
		assert_int_equal(matter_formula_stopping(&found, m, one, excitation_ev, &m->stopping[row].mev, 1, NULL),
		                 SP_OK);
		worst = fmax(worst, fabs(found / exp(m->stopping[row].ln_stopping) - 1.0));
	}
	return worst;
}

/* The table was made from ICRU 37's numbers of the density effect, which have four digits, and by the same formula: the
 * rest is from sub-shell energies, 0.02 %. With Bragg's rule in place of a measured excitation energy 0.1 %. */
static void formula_agrees_with_the_tables_of_tissues(void **state)
{
	static const char *const tissues[] = {
	        "lung_inflated_icru", "adipose_icru",       "adipose_icrp",       "muscle_icru",    "cartilage_icru",
	        "red_marrow_icru",    "bone_cortical_icru", "bone_cortical_icrp", "spongiosa_icru",
	};
	sp_matter *m = *state;

	for (size_t i = 0; i < sizeof tissues / sizeof tissues[0]; i++) {
		int found = sp_matter_find(m, tissues[i]);

		assert_near(formula_differs(m, found, matter_excitation_ev(m->materials + found)), 0.0, 3e-4);
	}
	assert_near(formula_differs(m, sp_matter_find(m, "water"), 75.0), 0.0, 3e-4);
	assert_near(formula_differs(m, sp_matter_find(m, "water"), 75.32), 0.0, 1e-3);
	assert_near(formula_differs(m, sp_matter_find(m, "pmma"), 74.0), 0.0, 3e-4);
	assert_near(formula_differs(m, sp_matter_find(m, "air"), 85.67), 0.0, 3e-4);
}

/* Of metals it also matters which electrons conduct; the alloys' table itself is scaled from other metals'. */
static void formula_agrees_with_the_tables_of_metals(void **state)
{
	static const struct {
		const char *name;
		double tolerance;
	} metals[] = {
	        {"titanium", 1e-4}, {"tungsten", 2e-3}, {"aluminum", 3e-3}, {"ti6al4v", 3e-3}, {"cocr_f75", 5e-3},
	};
	sp_matter *m = *state;

	for (size_t i = 0; i < sizeof metals / sizeof metals[0]; i++) {
		int found = sp_matter_find(m, metals[i].name);

		assert_near(formula_differs(m, found, matter_excitation_ev(m->materials + found)), 0.0,
		            metals[i].tolerance);
	}
	assert_near(formula_differs(m, sp_matter_find(m, "stainless_316l"), 322.3), 0.0, 6e-3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(ranges_of_one_composition_share_a_material),
	        cmocka_unit_test(names_of_the_table_of_materials_come_first),
	        cmocka_unit_test(nominal_density_is_that_of_the_middle),
	        cmocka_unit_test(an_own_calibration_makes_its_own_materials),
	        cmocka_unit_test(excitation_energies_are_those_of_icru),
	        cmocka_unit_test(formula_agrees_with_the_tables_of_tissues),
	        cmocka_unit_test(formula_agrees_with_the_tables_of_metals),
	};

	return cmocka_run_group_tests_name("hu materials", tests, create_matter, destroy_matter);
}
