/* The commands `dose`, `influence` and `bench` as a user meets them: output, files and exit status. argv[1] is the
 * program, argv[2] the TG-119 case. */
#include "command_fixture.h"

#include "h5.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <jansson.h>
#include <cmocka.h>

static char *program, *tg119;
static char folder[] = "dose_commands_XXXXXX";

/* Runs `spineplan ARGUMENTS` in the test's folder, both streams in output, and gives the exit status. */
static int run(const char *arguments)
{
	char command[1024];

	snprintf(command, sizeof command, "cd '%s' && '%s' %s 2>&1", folder, program, arguments);
	return run_line(command);
}

static bool exists(const char *name)
{
	return holds(folder, name);
}

/* A field of 40 x 20 mm on water: the grid starts at the surface, is wider in x, and has its dose where the field is.
 */
static void an_open_field_is_written_with_its_place(void **state)
{
	const char *name = "/dose/dose_gy_per_particle";
	char path[128];
	double spacing[3], origin[3];
	sp_h5_info info;
	sp_h5_in *f = NULL;
	float *dose;
	bool found;

	(void)state;
	assert_int_equal(run("phantom slabs -o w.h5 --voxel-mm 10 --size-mm 100x120 --layer water:80"), 0);
	assert_int_equal(run("dose w.h5 -o d.h5 --source point --ssd-mm 900 --field-mm 40x20 --grid-mm 5x10x4"), 0);
	snprintf(path, sizeof path, "%s/d.h5", folder);
	assert_int_equal(sp_h5_open(&f, path, NULL), SP_OK);
	assert_int_equal(sp_h5_look(&info, f, name, NULL), SP_OK);
	assert_int_equal(info.rank, 3);
	assert_int_equal(info.dims[0], 20);
	assert_int_equal(info.dims[1], 12);
	assert_int_equal(info.dims[2], 20);
	assert_int_equal(sp_h5_get_numbers(spacing, 3, &found, f, name, "spacing_mm", NULL), SP_OK);
	assert_true(found && spacing[0] == 5.0 && spacing[1] == 10.0 && spacing[2] == 4.0);
	assert_int_equal(sp_h5_get_numbers(origin, 3, &found, f, name, "origin_mm", NULL), SP_OK);
	assert_true(found && origin[0] == -47.5 && origin[1] == -55.0 && origin[2] == 2.0);
	dose = calloc(info.elements, sizeof *dose);
	assert_int_equal(sp_h5_read(f, name, SP_H5_F32, dose, info.elements, NULL), SP_OK);
	/* at 42 mm depth, inside at x = 12.5 and y = 5, outside at x = 5 and y = 15 */
	const float *plane = dose + 10 * 12 * 20;
	assert_true(plane[6 * 20 + 12] > 10.0f * plane[7 * 20 + 10]);
	assert_true(plane[6 * 20 + 12] > 1e-13f && plane[6 * 20 + 12] < 1e-11f);
	free(dose);
	sp_h5_close(f);
}

static void a_matrix_is_written_and_told(void **state)
{
	char arguments[512];
	json_t *j;

	(void)state;
	snprintf(arguments, sizeof arguments,
	         "-q influence '%s' -o m.h5 --beams 0,130 --grid-mm 6 --cutoff-mm 20 --json 2>/dev/null", tg119);
	assert_int_equal(run(arguments), 0);
	j = json_loads(output, 0, NULL);
	assert_non_null(j);
	assert_int_equal(json_integer_value(json_object_get(j, "beams")), 2);
	assert_true(json_integer_value(json_object_get(j, "columns")) > 400);
	assert_true(json_integer_value(json_object_get(j, "entries")) > 500000);
	assert_true(exists("m.h5"));
	json_decref(j);
}

static void help_shows_an_example(void **state)
{
	(void)state;
	assert_int_equal(run("dose --help"), 0);
	assert_says("example: spineplan");
	assert_int_equal(run("influence --help"), 0);
	assert_says("example: spineplan");
	assert_int_equal(run("bench --help"), 0);
	assert_says("example: spineplan");
}

static void wrong_use_is_one_line_and_exit_2(void **state)
{
	static const struct {
		const char *arguments, *says;
	} wrong[] = {
	        {"dose", "expected CASE and PLAN"},
	        {"dose a.h5 b.h5", "expected -o DOSE"},
	        {"dose a.h5 -o d.h5 --source point", "belong together"},
	        {"dose a.h5 -o d.h5 --source line --ssd-mm 900 --field-mm 100", "'line' is no good value"},
	        {"dose a.h5 -o d.h5 --source point --ssd-mm 900 --field-mm 100x", "'100x' is no good value"},
	        {"dose a.h5 -o d.h5 --source point --ssd-mm 9 --field-mm 100", "'9' is no good value"},
	        {"dose none.h5 -o d2.h5 --source point --ssd-mm 900 --field-mm 100", "none.h5"},
	        {"dose w.h5 -o d2.h5 --source point --ssd-mm 900 --field-mm 33.3", "whole multiples of 0.5 mm"},
	        {"dose w.h5 -o no/d2.h5 --source point --ssd-mm 900 --field-mm 40 --grid-mm 20", "no"},
	        {"dose w.h5 -o d2.h5 --source point --ssd-mm 900 --field-mm 40 --spectrum x", "'x'"},
	        {"influence", "expected one CASE"},
	        {"influence w.h5 --beams 0,,3", "'0,,3' is no good value"},
	        {"influence w.h5 --grid-mm 20", "no target"},
	        {"influence w.h5 --seed 2", "--seed is for --engine mc"},
	        {"influence w.h5 --uncertainty 5%", "--uncertainty is for --engine mc"},
	        {"influence w.h5 --engine mc --cutoff-mm 30", "--cutoff-mm is for the pencil beam"},
	        {"influence w.h5 --engine mc --histories 64 --uncertainty 5%", "exclude each other"},
	        {"influence w.h5 --engine mc --seed 1.5", "'1.5' is no good value"},
	        {"dose a.h5 -o d2.h5 --source point --ssd-mm 900 --field-mm 40 --mlc millennium120", "has no leaves"},
	        {"bench", "expected 'accuracy'"},
	        {"bench accuracy --engine fast", "'fast' is no good value"},
	        {"bench accuracy --case electron_10mev_water", "--engine pencil has no such case"},
	        {"bench accuracy --uncertainty 1%", "need --engine mc"},
	        {"bench accuracy --engine mc --uncertainty 1", "'1' is no good value"},
	        {"bench accuracy --engine mc --points no/p.csv", "cannot write no/p.csv"},
	};

	(void)state;
	assert_int_equal(run("phantom slabs -o w.h5 --voxel-mm 10 --size-mm 100x120 --layer water:80"), 0);
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		int status = run(wrong[i].arguments);

		if (status != 2 || !strstr(output, wrong[i].says))
			fail_msg("'%s' ends with %d: %s", wrong[i].arguments, status, output);
		assert_false(exists("d2.h5"));
	}
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof command, "rm -r '%s'", folder);
	return system(command);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(an_open_field_is_written_with_its_place),
	        cmocka_unit_test(a_matrix_is_written_and_told),
	        cmocka_unit_test(help_shows_an_example),
	        cmocka_unit_test(wrong_use_is_one_line_and_exit_2),
	};

	int failed;

	if (argc < 3)
		return 2;
	/* the commands run in a folder of their own */
	if (!(program = realpath(argv[1], NULL)) || !(tg119 = realpath(argv[2], NULL)))
		return 2;
	failed = cmocka_run_group_tests(tests, set_up, tear_down);
	free(program);
	free(tg119);
	return failed;
}
