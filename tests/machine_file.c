/* Machine and leaf files: the shipped ones, and what is said about wrong ones. */
#include "atomic_file.h"
#include "machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define PATH "machine_file_test.yaml"

static sp_status read_text(sp_machine **m, const char *text, sp_error *err)
{
	sp_status st;

	assert_int_equal(sp_file_write_all(PATH, text, strlen(text), NULL), SP_OK);
	st = sp_machine_read(m, PATH, err);
	unlink(PATH);
	return st;
}

/* A whole machine file with one line ("key: value") in place of the one with that key, or NULL. */
static char *file_with(const char *base, const char *line)
{
	static char text[8192];
	size_t key = line ? strcspn(line, ":") + 1 : 0, used = 0;
	bool found = !line;

	for (const char *at = base; *at;) {
		size_t length = strcspn(at, "\n") + 1, indent = strspn(at, " ");
		bool this_one = line && strncmp(at + indent, line, key) == 0;

		found |= this_one;
		used += (size_t)snprintf(text + used, sizeof text - used, "%.*s%.*s%s", this_one ? (int)indent : 0, at,
		                         this_one ? 0 : (int)length, at, this_one ? line : "");
		if (this_one)
			text[used++] = '\n';
		text[used] = '\0';
		at += length;
	}
	assert_true(found);
	return text;
}

static const char machine_text[] =
        "name: a\nenergy_mv: 6\nflattened: true\nsad_mm: 1000\nsource_fwhm_mm: [1, 1]\ncollimator_mm: 500\n"
        "kernel: mohan6\nfluence_per_mu_cm2: 1e9\npencil_output: 1\nmlc: hd120\n"
        "source:\n  spectrum: {electron_mev: 5.8, shape: -1.2, tungsten_g_cm2: 1.5, aluminium_g_cm2: 26}\n"
        "  radius_mm: [0, 100, 300]\n  fluence: [1, 1.1, 1.2]\n  softening_g_cm2: [0, 2, 4]\n"
        "  extra_focal: {distance_mm: 125, sigma_mm: 20, share: 0.08, aluminium_g_cm2: 0}\n"
        "  electrons: {distance_mm: 125, sigma_mm: 30, share: 0.003, mean_mev: 1.3}\n  output_per_mm: 1e-5\n"
        "jaws:\n  x_distance_mm: 445\n  y_distance_mm: 357\n  transmission: 0.003\n"
        "limits:\n  gantry_speed_deg_s: 6\n  collimator_speed_deg_s: 15\n  couch_speed_deg_s: 3\n"
        "  jaw_speed_mm_s: 25\n  max_dose_rate_mu_min: 600\n  min_mu_per_degree: 0.1\n  max_mu_per_degree: 20\n"
        "  min_mu_per_control_point: 0\n  jaw_overtravel_mm: [20, 100]\n  max_field_mm: [400, 300]\n"
        "  mu_rounding: 0.1\n  max_control_points: 500\n"
        "reference:\n  ssd_mm: 950\n  depth_mm: 50\n  field_mm: 100\n  gy_per_mu: 0.01\n";

static const char mlc_text[] =
        "name: two\nboundaries_mm: [-10, 0, 5]\ndistance_mm: 500\nheight_mm: 70\nend_radius_mm: 80\n"
        "tongue_mm: 0.4\ninterleaf_transmission: 1.5\nmax_leaf_speed_mm_s: 25\nmin_gap_mm: 0.5\nmax_span_mm: 150\n"
        "overtravel_mm: 150\nmax_position_mm: 200\nbeams:\n"
        "- {energy_mv: 6, flattened: true, transmission: 0.02, leaf_gap_mm: 1}\n"
        "- {energy_mv: 6, flattened: false, transmission: 0.01, leaf_gap_mm: 2}\n"
        "- {energy_mv: 15, flattened: true, transmission: 0.03, leaf_gap_mm: 3}\n";

static void every_shipped_machine_is_read_by_its_name_and_takes_either_leaves(void **state)
{
	static const struct {
		const char *name;
		double energy_mv, dose_rate;
		bool flattened;
	} shipped[] = {{"generic-6mv", 6, 600, true},
	               {"generic-6fff", 6, 1400, false},
	               {"generic-10mv", 10, 600, true},
	               {"generic-10fff", 10, 2400, false}};

	(void)state;
	for (size_t i = 0; i < sizeof shipped / sizeof *shipped; i++) {
		sp_machine *m = NULL;
		double gap;

		assert_int_equal(sp_machine_read(&m, shipped[i].name, NULL), SP_OK);
		assert_string_equal(m->name, shipped[i].name);
		assert_true(m->energy_mv == shipped[i].energy_mv && !m->flattened == !shipped[i].flattened);
		assert_true(m->sad_mm == 1000.0 && m->source_fwhm_mm[1] > 0.0);
		assert_true(m->limits.max_dose_rate_mu_min == shipped[i].dose_rate);
		assert_true(m->limits.jaw_overtravel_mm[0] == 20.0 && m->limits.jaw_overtravel_mm[1] == 100.0);
		assert_string_equal(m->mlc->name, "millennium-120");
		assert_int_equal(m->mlc->n_pairs, 60);
		assert_true(m->mlc->boundaries_mm[60] == 200.0);
		gap = m->mlc->leaf_gap_mm;
		assert_int_equal(sp_machine_set_mlc(m, "hd120", NULL), SP_OK);
		assert_string_equal(m->mlc->name, "hd120");
		assert_int_equal(m->mlc->n_pairs, 60);
		assert_true(m->mlc->boundaries_mm[0] == -110.0 && m->mlc->boundaries_mm[30] == 0.0 &&
		            m->mlc->boundaries_mm[31] == 2.5);
		assert_true(m->mlc->leaf_gap_mm < gap);
		sp_machine_destroy(m);
	}
}

static void a_written_machine_is_read_back(void **state)
{
	sp_machine *m = NULL, *again = NULL;
	sp_error err = {0};

	(void)state;
	assert_int_equal(
	        read_text(&m, file_with(machine_text, "mlc: hd120\nleaves: {transmission: 0.018, leaf_gap_mm: 1.7}"),
	                  NULL),
	        SP_OK);
	assert_true(m->mlc->transmission == 0.018 && m->mlc->leaf_gap_mm == 1.7);
	free(m->name);
	m->name = strdup("no: \"usual\" name");
	m->source.fluence[1] = 1.2345678;
	if (sp_machine_write(m, "two\nlines", PATH, &err) != SP_OK || sp_machine_read(&again, PATH, &err) != SP_OK)
		fail_msg("%s", err.text);
	unlink(PATH);
	assert_string_equal(again->name, m->name);
	assert_string_equal(again->kernel, m->kernel);
	assert_true(again->energy_mv == m->energy_mv && again->flattened == m->flattened && again->sad_mm == m->sad_mm);
	assert_memory_equal(again->source_fwhm_mm, m->source_fwhm_mm, sizeof m->source_fwhm_mm);
	assert_true(again->collimator_mm == m->collimator_mm && again->fluence_per_mu_cm2 == m->fluence_per_mu_cm2);
	assert_true(again->pencil_output == m->pencil_output);
	assert_memory_equal(&again->source.spectrum, &m->source.spectrum, sizeof m->source.spectrum);
	assert_memory_equal(&again->source.extra_focal, &m->source.extra_focal, sizeof m->source.extra_focal);
	assert_memory_equal(&again->source.electrons, &m->source.electrons, sizeof m->source.electrons);
	assert_true(again->source.n_radii == 3 && again->source.radius_mm[2] == 300.0);
	assert_true(again->source.fluence[1] == 1.23457 && again->source.softening_g_cm2[2] == 4.0);
	assert_true(again->source.output_per_mm == m->source.output_per_mm);
	assert_true(again->mlc->transmission == 0.018 && again->mlc->leaf_gap_mm == 1.7 && again->mlc->n_pairs == 60);
	assert_memory_equal(&again->jaws, &m->jaws, sizeof m->jaws);
	assert_memory_equal(&again->reference, &m->reference, sizeof m->reference);
	assert_true(again->limits.mu_rounding == 0.1 && again->limits.max_field_mm[1] == 300.0 &&
	            again->limits.max_control_points == 500);
	/* other leaves have numbers of their own */
	assert_int_equal(sp_machine_set_mlc(again, "millennium-120", NULL), SP_OK);
	assert_true(again->mlc->leaf_gap_mm != 1.7);
	sp_machine_destroy(m);
	sp_machine_destroy(again);
	assert_int_equal(read_text(&m,
	                           file_with(machine_text, "mlc: hd120\nleaves: {transmission: 0.5, leaf_gap_mm: 1.7}"),
	                           &err),
	                 SP_BAD_INPUT);
	assert_non_null(strstr(err.text, "leaves.transmission is 0.5"));
}

static void leaves_are_those_of_the_machines_beam(void **state)
{
	static const struct {
		const char *line;
		double transmission, leaf_gap_mm;
	} of[] = {{NULL, 0.02, 1.0}, {"flattened: false", 0.01, 2.0}, {"energy_mv: 12", 0.03, 3.0}};

	(void)state;
	assert_int_equal(sp_file_write_all("leaves_test.yaml", mlc_text, strlen(mlc_text), NULL), SP_OK);
	for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
		sp_machine *m = NULL;

		assert_int_equal(read_text(&m, file_with(machine_text, of[i].line), NULL), SP_OK);
		assert_int_equal(sp_machine_set_mlc(m, "./leaves_test.yaml", NULL), SP_OK);
		assert_int_equal(m->mlc->n_pairs, 2);
		assert_true(m->mlc->transmission == of[i].transmission && m->mlc->leaf_gap_mm == of[i].leaf_gap_mm);
		sp_machine_destroy(m);
	}
	unlink("leaves_test.yaml");
}

static void leaves_take_other_edges_and_keep_all_else(void **state)
{
	const double four[5] = {-20.0, -10.0, 0.0, 5.0, 15.0}, narrow[3] = {-1.0, 0.0, 0.9},
	             falling[3] = {0.0, 5.0, 4.0};
	sp_mlc *mlc = NULL;
	sp_error err = {0};
	double gap;

	(void)state;
	assert_int_equal(sp_mlc_read(&mlc, "millennium-120", NULL), SP_OK);
	gap = mlc->leaf_gap_mm;
	assert_int_equal(sp_mlc_reshape(mlc, four, 4, NULL), SP_OK);
	assert_int_equal(mlc->n_pairs, 4);
	assert_memory_equal(mlc->boundaries_mm, four, sizeof four);
	assert_true(mlc->leaf_gap_mm == gap && mlc->distance_mm == 510.0);
	assert_true(sp_mlc_width_mm(mlc->boundaries_mm, 4) == 5.0);
	assert_int_equal(sp_mlc_reshape(mlc, narrow, 2, &err), SP_BAD_INPUT);
	assert_non_null(strstr(err.text, "boundaries_mm[2] is 0.9"));
	assert_int_equal(sp_mlc_reshape(mlc, falling, 2, NULL), SP_BAD_INPUT);
	assert_int_equal(mlc->n_pairs, 4);
	sp_mlc_destroy(mlc);
}

static void an_unknown_name_lists_what_there_is(void **state)
{
	sp_machine *m = NULL;
	sp_mlc *mlc = NULL;
	sp_error err = {0};

	(void)state;
	assert_int_equal(sp_machine_read(&m, "generic-7mv", &err), SP_BAD_INPUT);
	assert_null(m);
	assert_string_equal(err.text, "no machine is called 'generic-7mv'; there are generic-10fff, generic-10mv, "
	                              "generic-6fff, generic-6mv, or give the path of a YAML file");
	err = (sp_error){0};
	assert_int_equal(sp_mlc_read(&mlc, "hd121", &err), SP_BAD_INPUT);
	assert_null(mlc);
	assert_string_equal(
	        err.text,
	        "no leaf file is called 'hd121'; there are agility-160, hd120, millennium-120, or give the path "
	        "of a YAML file");
}

static void a_wrong_file_is_refused_with_its_name_and_key(void **state)
{
	static const struct {
		const char *text, *expect;
	} wrong[] = {{"", "empty"},
	             {"name: a\n", "energy_mv"},
	             {"name: a\nsad_mm: far\n", "sad_mm"},
	             {"name: a\nsad: 1000\n", "sad"},
	             {"name: a\nsad_mm: 1000\nsource_fwhm_mm: [1]\n", "source_fwhm_mm"},
	             {"name: [\n", PATH}};

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		sp_machine *m = NULL;
		sp_error err = {0};

		assert_int_equal(read_text(&m, wrong[i].text, &err), SP_BAD_INPUT);
		assert_null(m);
		if (!strstr(err.text, PATH) || !strstr(err.text, wrong[i].expect))
			fail_msg("\"%s\" gives: %s", wrong[i].text, err.text);
	}
}

static void a_wrong_number_is_refused_with_its_name_and_key(void **state)
{
	static const struct {
		const char *line, *expect;
	} wrong[] = {{"source_fwhm_mm: [1, 99]", PATH ": source_fwhm_mm[1] is 99, expected 0 to 20"},
	             {"sad_mm: .nan", "sad_mm"},
	             {"sad_mm: 99", PATH ": sad_mm is 99, expected 100 to 10000"},
	             {"flattened: [1]", "flattened"},
	             {"radius_mm: [0, 100]", PATH ": source.radius_mm, fluence and softening_g_cm2 have 2, 3 and 3"},
	             {"radius_mm: [0, 100, 100]", PATH ": source.radius_mm is 100, expected 100.1 to 1000"},
	             {"fluence: [1, -1, 1]", PATH ": source.fluence is -1"},
	             {"extra_focal: {distance_mm: 400, sigma_mm: 1, share: 0, aluminium_g_cm2: 0}",
	              PATH ": source.extra_focal.distance_mm is 400, expected 1 to 321.3"},
	             {"electrons: {distance_mm: 125, sigma_mm: 30, share: 0.003, mean_mev: 0}",
	              PATH ": source.electrons.mean_mev is 0, expected 0.1 to 20"},
	             {"x_distance_mm: 950", PATH ": jaws.x_distance_mm is 950, expected 50 to 900"},
	             {"jaw_overtravel_mm: [20]", "jaw_overtravel_mm"},
	             {"gantry_speed_deg_s: 0", PATH ": limits.gantry_speed_deg_s is 0, expected 0.1 to 100"},
	             {"max_control_points: 1", PATH ": limits.max_control_points is 1, expected 2 to 100000"},
	             {"gy_per_mu: 0", PATH ": reference.gy_per_mu is 0, expected 0.0001 to 1"},
	             {"mlc: hd121", "no leaf file is called 'hd121'"}};

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		sp_machine *m = NULL;
		sp_error err = {0};

		assert_int_equal(read_text(&m, file_with(machine_text, wrong[i].line), &err), SP_BAD_INPUT);
		assert_null(m);
		if (!strstr(err.text, wrong[i].expect))
			fail_msg("\"%s\" gives: %s", wrong[i].line, err.text);
	}
}

static void a_wrong_leaf_file_is_refused_with_its_name_and_key(void **state)
{
	static const struct {
		const char *line, *expect;
	} wrong[] = {{"boundaries_mm: [-10]", "boundaries_mm"},
	             {"boundaries_mm: [-10, 0, 0.1]", PATH ": boundaries_mm[2] is 0.1, expected numbers"},
	             {"boundaries_mm: [-10, 0, .nan]", "boundaries_mm"},
	             {"distance_mm: 1000", PATH ": distance_mm is 1000, expected 100 to 900"},
	             {"interleaf_transmission: 0.5", PATH ": interleaf_transmission is 0.5, expected 1 to 10"},
	             {"- {energy_mv: 6, flattened: true, transmission: 0, leaf_gap_mm: 1}", PATH ": transmission is 0"},
	             {"beams: []", "beams"}};

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		char *text = file_with(mlc_text, wrong[i].line);
		sp_mlc *m = NULL;
		sp_error err = {0};

		if (strcmp(wrong[i].line, "beams: []") == 0)
			*strstr(text, "- {") = '\0';
		assert_int_equal(sp_file_write_all(PATH, text, strlen(text), NULL), SP_OK);
		assert_int_equal(sp_mlc_read(&m, PATH, &err), SP_BAD_INPUT);
		assert_null(m);
		if (!strstr(err.text, wrong[i].expect))
			fail_msg("\"%s\" gives: %s", wrong[i].line, err.text);
	}
	unlink(PATH);
}

static void a_missing_file_is_named(void **state)
{
	sp_machine *m = NULL;
	sp_error err = {0};

	(void)state;
	assert_int_not_equal(sp_machine_read(&m, "./no-such-machine.yaml", &err), SP_OK);
	assert_non_null(strstr(err.text, "./no-such-machine.yaml"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_shipped_machine_is_read_by_its_name_and_takes_either_leaves),
	        cmocka_unit_test(a_written_machine_is_read_back),
	        cmocka_unit_test(leaves_are_those_of_the_machines_beam),
	        cmocka_unit_test(leaves_take_other_edges_and_keep_all_else),
	        cmocka_unit_test(an_unknown_name_lists_what_there_is),
	        cmocka_unit_test(a_wrong_file_is_refused_with_its_name_and_key),
	        cmocka_unit_test(a_wrong_number_is_refused_with_its_name_and_key),
	        cmocka_unit_test(a_wrong_leaf_file_is_refused_with_its_name_and_key),
	        cmocka_unit_test(a_missing_file_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
