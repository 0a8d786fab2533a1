/* What is written to a plan file comes back; what is not a plan is refused with a sentence. */
#include "plan_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "atomic_file.h"
#include "h5.h"

static char path[64];

static void a_plan_comes_back_as_it_was_written(void **state)
{
	sp_plan_content *p = NULL;
	plan_fixture f;
	sp_error err = {0};

	(void)state;
	plan_fixture_make(&f, "sc24-24gy-2fx");
	assert_int_equal(sp_plan_write(&f.plan, path, &err), SP_OK);
	if (sp_plan_read(&p, path, &err) != SP_OK)
		fail_msg("%s", err.text);
	assert_string_equal(p->technique, "fluence");
	assert_string_equal(p->machine, "generic-6mv");
	assert_true(sp_grid_equal(&p->dose_grid, &f.plan.dose_grid));
	assert_memory_equal(p->dose_gy, f.dose, sp_grid_voxels(&p->dose_grid) * sizeof *f.dose);
	assert_int_equal(p->beams->n_beams, 2);
	assert_int_equal(p->beams->n_bixels, f.beams->n_bixels);
	assert_true(p->beams->bixel_mm == 5);
	assert_memory_equal(p->weights, f.weights, f.beams->n_bixels * sizeof *f.weights);
	for (size_t b = 0; b < 2; b++) {
		const sp_beam *was = &f.beams->beams[b], *is = &p->beams->beams[b];

		assert_memory_equal(&is->setup, &was->setup, sizeof is->setup);
		assert_memory_equal(&is->frame, &was->frame, sizeof is->frame);
		assert_int_equal(is->first_bixel, was->first_bixel);
		assert_int_equal(is->n_bixels, was->n_bixels);
		assert_memory_equal(is->x_mm, was->x_mm, was->n_bixels * sizeof *was->x_mm);
		assert_memory_equal(is->y_mm, was->y_mm, was->n_bixels * sizeof *was->y_mm);
		assert_int_equal(is->n_rows, was->n_rows);
		assert_memory_equal(is->row_y_mm, was->row_y_mm, was->n_rows * sizeof *was->row_y_mm);
		assert_memory_equal(is->row_first, was->row_first, (was->n_rows + 1) * sizeof *was->row_first);
	}
	assert_int_equal(p->c->n_structures, 3);
	assert_int_equal(p->c->hu[5], -321);
	assert_true(p->c->prescription.dose_gy == 24 && p->c->prescription.fractions == 2);
	assert_string_equal(p->c->prescription.protocol, "sc24-24gy-2fx");
	assert_true(json_equal(p->provenance, f.provenance));
	assert_int_equal(json_array_size(json_object_get(p->evaluation, "structures")), 3);
	sp_plan_content_destroy(p);
	plan_fixture_finish(&f);
	unlink(path);
}

/* Other programs find the names of docs/plan-format.md without knowing of us. */
static void the_file_has_the_names_of_the_format(void **state)
{
	static const char *const there[] = {"/dose/dose_gy",       "/ct/hu",
	                                    "/structures/PTV 24",  "/prescription",
	                                    "/case/ct/hu",         "/evaluation",
	                                    "/provenance",         "/beams/0/gantry_deg",
	                                    "/beams/0/jaws_mm",    "/beams/1/bixel_x_mm",
	                                    "/beams/1/bixel_y_mm", "/beams/1/weights",
	                                    "/dvh/PTV 24/dose_gy", "/dvh/SpinalCord/volume_cc"};
	float volume[1001];
	double jaws[4], number;
	char *text = NULL;
	bool found;
	plan_fixture f;
	sp_h5_in *in = NULL;
	sp_h5_info info;
	sp_error err = {0};

	(void)state;
	plan_fixture_make(&f, NULL);
	assert_int_equal(sp_plan_write(&f.plan, path, &err), SP_OK);
	assert_int_equal(sp_h5_open(&in, path, &err), SP_OK);
	for (size_t i = 0; i < sizeof there / sizeof *there; i++) {
		assert_int_equal(sp_h5_look(&info, in, there[i], &err), SP_OK);
		if (info.kind == SP_H5_NOTHING)
			fail_msg("%s is missing", there[i]);
	}
	/* a DVH starts with all of the volume and ends with next to nothing */
	assert_int_equal(sp_h5_read(in, "/dvh/PTV 24/volume_cc", SP_H5_F32, volume, 1001, &err), SP_OK);
	assert_true(fabs((double)volume[0] - 6.283) < 0.03 && volume[1000] < 0.01f);
	assert_int_equal(sp_h5_get_numbers(&number, 1, &found, in, "/provenance", "seed", &err), SP_OK);
	assert_true(found && number == 7);
	assert_int_equal(sp_h5_get_text(&text, in, "/provenance", "version", &err), SP_OK);
	assert_string_equal(text, "spineplan test");
	/* the jaws enclose the target's shadow: 20 mm wide and long, grown by 3 mm and to whole bixels */
	assert_int_equal(sp_h5_read(in, "/beams/0/jaws_mm", SP_H5_F64, jaws, 4, &err), SP_OK);
	assert_true(jaws[0] <= -10 && jaws[1] >= 10 && jaws[2] <= -10 && jaws[3] >= 10);
	assert_true(jaws[0] > -22.6 && jaws[1] < 22.6 && jaws[2] > -22.6 && jaws[3] < 22.6);
	free(text);
	sp_h5_close(in);
	plan_fixture_finish(&f);
	unlink(path);
}

static void a_dose_without_beams_is_a_plan_too(void **state)
{
	sp_plan_content *p = NULL;
	plan_fixture f;
	sp_error err = {0};

	(void)state;
	plan_fixture_make(&f, NULL);
	f.plan.beams = NULL;
	f.plan.evaluation = NULL;
	assert_int_equal(sp_plan_write(&f.plan, path, &err), SP_OK);
	assert_int_equal(sp_plan_read(&p, path, &err), SP_OK);
	assert_null(p->beams);
	assert_null(p->evaluation);
	sp_plan_content_destroy(p);
	plan_fixture_finish(&f);
	unlink(path);
}

static void assert_refused(sp_status status, const char *word)
{
	sp_plan_content *p = NULL;
	sp_error err = {0};
	sp_status st = sp_plan_read(&p, path, &err);

	assert_null(p);
	assert_int_equal(st, status);
	assert_non_null(strstr(err.text, path));
	if (!strstr(err.text, word))
		fail_msg("'%s' does not say '%s'", err.text, word);
}

static void what_is_no_plan_is_refused(void **state)
{
	plan_fixture f;
	sp_error err = {0};

	(void)state;
	plan_fixture_make(&f, NULL);
	unlink(path);
	assert_refused(SP_IO, "open");
	assert_int_equal(sp_file_write_all(path, "no HDF5", 7, &err), SP_OK);
	assert_refused(SP_BAD_INPUT, "HDF5");
	assert_int_equal(sp_case_write(f.c, path, &err), SP_OK);
	assert_refused(SP_BAD_INPUT, "spineplan-plan");
	plan_fixture_finish(&f);
	unlink(path);
}

static void a_dose_that_is_no_number_is_refused_with_its_place(void **state)
{
	plan_fixture f;
	sp_error err = {0};

	(void)state;
	plan_fixture_make(&f, NULL);
	f.dose[77] = NAN;
	f.plan.evaluation = NULL;
	assert_int_equal(sp_plan_write(&f.plan, path, &err), SP_OK);
	assert_refused(SP_BAD_INPUT, "/dose/dose_gy voxel 77");
	plan_fixture_finish(&f);
	unlink(path);
}

/* A cut-off copy, wherever it is cut, is a sentence and never a crash. */
static void a_truncated_plan_is_refused_wherever_it_is_cut(void **state)
{
	plan_fixture f;
	sp_error err = {0};
	char *whole = NULL;
	size_t bytes;

	(void)state;
	plan_fixture_make(&f, NULL);
	assert_int_equal(sp_plan_write(&f.plan, path, &err), SP_OK);
	assert_int_equal(sp_file_read_all(&whole, &bytes, path, 1u << 26, &err), SP_OK);
	for (int eighth = 0; eighth < 8; eighth++) {
		assert_int_equal(sp_file_write_all(path, whole, bytes * (size_t)eighth / 8, &err), SP_OK);
		assert_refused(SP_BAD_INPUT, "");
	}
	free(whole);
	plan_fixture_finish(&f);
	unlink(path);
}

static void a_folder_that_is_not_there_is_named(void **state)
{
	plan_fixture f;
	sp_error err = {0};

	(void)state;
	plan_fixture_make(&f, NULL);
	assert_int_equal(sp_plan_write(&f.plan, "/no/such/folder/plan.h5", &err), SP_IO);
	assert_non_null(strstr(err.text, "/no/such/folder"));
	plan_fixture_finish(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_plan_comes_back_as_it_was_written),
	        cmocka_unit_test(the_file_has_the_names_of_the_format),
	        cmocka_unit_test(a_dose_without_beams_is_a_plan_too),
	        cmocka_unit_test(what_is_no_plan_is_refused),
	        cmocka_unit_test(a_dose_that_is_no_number_is_refused_with_its_place),
	        cmocka_unit_test(a_truncated_plan_is_refused_wherever_it_is_cut),
	        cmocka_unit_test(a_folder_that_is_not_there_is_named),
	};

	snprintf(path, sizeof path, "/tmp/spineplan-plan-%d.h5", (int)getpid());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
