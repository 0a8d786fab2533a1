/* The command `spineplan devices` as a user meets it. argv[1] is the program, argv[2] the folder of the kernels. */
#include "command_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>
#include <jansson.h>

static const char *program, *kernels;
static char folder[64]; /* scratch: an empty folder at first */

/* Runs `ENVIRONMENT spineplan devices ARGUMENTS`, stdout (and stderr where both) in output; gives the exit status. */
static int run(const char *environment, const char *arguments, bool both)
{
	char command[1024];

	snprintf(command, sizeof command, "%s '%s' devices %s %s", environment, program, arguments,
	         both ? "2>&1" : "2>/dev/null");
	return run_line(command);
}

static void the_table_lists_devices(void **state)
{
	(void)state;
	assert_int_equal(run("", "", false), 0);
	assert_says("int64 atomics");
	assert_says("  0  ");
}

static void self_test_passes_on_a_sound_device(void **state)
{
	json_t *root, *test;

	(void)state;
	assert_int_equal(run("", "--self-test --json", false), 0);
	root = json_loads(output, 0, NULL);
	assert_non_null(root);
	assert_true(json_array_size(json_object_get(root, "devices")) >= 1);
	test = json_array_get(json_object_get(root, "self_test"), 0);
	assert_true(json_is_true(json_object_get(test, "passed")));
	assert_int_equal(json_array_size(json_object_get(test, "checks")), 5);
	json_decref(root);
}

/* Runs the self-test on kernels changed by a sed script, as a device would that computes wrongly. */
static int run_with_changed_kernels(const char *file, const char *script)
{
	char command[1024], environment[160];

	snprintf(command, sizeof command,
	         "rm -rf '%s/k' && cp -r '%s' '%s/k' && sed -i '%s' '%s/k/%s' && ! cmp -s '%s/%s' '%s/k/%s'", folder,
	         kernels, folder, script, folder, file, kernels, file, folder, file);
	assert_int_equal(system(command), 0);
	snprintf(environment, sizeof environment, "SPINEPLAN_KERNEL_DIR='%s/k'", folder);
	return run(environment, "--self-test", true);
}

static void wrong_product_is_found(void **state)
{
	(void)state;
	/* one part in a hundred */
	assert_int_equal(
	        run_with_changed_kernels("influence.cl", "s/= row_scale\\[row\\] \\*/= 1.01f * row_scale[row] */"), 3);
	assert_says("FAILED");
	assert_says("WRONG  products of whole numbers");
	assert_says("WRONG  the same doses by the influence matrix");
	assert_says("right  dose in 100 mm of water");
}

static void kernel_that_does_not_build_ends_with_its_log(void **state)
{
	(void)state;
	assert_int_equal(run_with_changed_kernels("pencil.cl", "s/__kernel void/__kernel vo_id/"), 3);
	assert_says("pencil.cl does not build");
	assert_says("vo_id");
}

static void machine_without_devices_is_told_what_to_install(void **state)
{
	char environment[128];

	(void)state;
	snprintf(environment, sizeof environment, "OCL_ICD_VENDORS='%s'", folder);
	assert_int_equal(run(environment, "", true), 3);
	assert_says("no OpenCL device is found; install pocl-opencl-icd");
	assert_int_equal(run(environment, "--self-test --json", false), 3);
	assert_string_equal(output, "");
}

static void device_that_is_not_there_is_answered_by_those_that_are(void **state)
{
	(void)state;
	assert_int_equal(run("", "--self-test --device nonesuch", true), 3);
	assert_says("no OpenCL device fits 'nonesuch'; there is: 0 = ");
	assert_int_equal(run("SPINEPLAN_DEVICE=nonesuch", "--self-test", true), 3);
	assert_says("'nonesuch'");
	/* the option goes before the environment */
	assert_int_equal(run("SPINEPLAN_DEVICE=nonesuch", "--self-test --device 0", true), 0);
}

static void wrong_use_is_one_line_and_status_2(void **state)
{
	(void)state;
	assert_int_equal(run("", "--al", true), 2);
	assert_int_equal(run("", "--nonsense", true), 2);
	assert_says("--nonsense");
	assert_int_equal(run("", "extra", true), 2);
	assert_says("'extra'");
	assert_int_equal(run("", "--all --self-test --device 0", true), 2);
	assert_int_equal(run("", "--help", false), 0);
	assert_says("example: ");
}

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/spineplan-devices-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[96];

	(void)state;
	snprintf(command, sizeof command, "rm -rf '%s'", folder);
	return system(command);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(machine_without_devices_is_told_what_to_install),
	        cmocka_unit_test(the_table_lists_devices),
	        cmocka_unit_test(self_test_passes_on_a_sound_device),
	        cmocka_unit_test(wrong_product_is_found),
	        cmocka_unit_test(kernel_that_does_not_build_ends_with_its_log),
	        cmocka_unit_test(device_that_is_not_there_is_answered_by_those_that_are),
	        cmocka_unit_test(wrong_use_is_one_line_and_status_2),
	};

	if (argc != 3)
		return 2;
	program = argv[1];
	kernels = argv[2];
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
