/* The command `spineplan phantom` as a user meets it. argv[1] is the program. */
#include "command_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "case.h"

static char *program;
static char folder[] = "/tmp/phantom_command_XXXXXX";

/* Runs `spineplan phantom ARGUMENTS` in `folder`, all that it prints in output, and gives the exit status. */
static int run(const char *arguments)
{
	char command[2048];

	snprintf(command, sizeof command, "cd %s && '%s' phantom %s 2>&1", folder, program, arguments);
	return run_line(command);
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(folder) == NULL;
}

static int tear_down(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof command, "rm -r %s", folder);
	return system(command);
}

static void the_list_names_every_phantom(void **state)
{
	(void)state;
	assert_int_equal(run("--list"), 0);
	assert_says("water");
	assert_says("slabs");
	assert_says("tg119-c-shape");
	assert_says("thoracic-spine");
	assert_says("postop-spine");
}

static void help_shows_an_example(void **state)
{
	(void)state;
	assert_int_equal(run("--help"), 0);
	assert_says("example: spineplan phantom");
}

static void a_case_is_written_and_can_be_read(void **state)
{
	char path[64];
	sp_error err = {0};
	sp_case *c;

	(void)state;
	assert_int_equal(run("slabs -o slab.h5 --size-mm 60x40 --voxel-mm 5x5x2 --layer water:20 --layer bone:30"), 0);
	snprintf(path, sizeof path, "%s/slab.h5", folder);
	if (sp_case_read(&c, path, &err) != SP_OK)
		fail_msg("%s", err.text);
	assert_int_equal(c->ct.n[0], 12);
	assert_int_equal(c->ct.n[1], 8);
	assert_int_equal(c->ct.n[2], 25);
	assert_non_null(sp_case_find(c, "Layer2_bone_cortical_icrp"));
	sp_case_destroy(c);
}

static void seeds_repeat_and_differ(void **state)
{
	(void)state;
	assert_int_equal(run("water -o a.h5 --size-mm 60 --noise-hu 20 --seed 5"), 0);
	assert_int_equal(run("water -o b.h5 --size-mm 60 --noise-hu 20 --seed 5"), 0);
	assert_int_equal(run("water -o c.h5 --size-mm 60 --noise-hu 20 --seed 6"), 0);
	assert_int_equal(run("--list; cmp -s a.h5 b.h5"), 0);
	assert_int_equal(run("--list; cmp -s a.h5 c.h5"), 1);
}

static void wrong_use_is_told_in_one_line(void **state)
{
	static const struct {
		const char *arguments, *words;
	} wrong[] = {
	        {"", "expected one NAME"},
	        {"water", "-o CASE"},
	        {"potato -o x.h5", "no phantom 'potato'"},
	        {"water -o x.h5 --voxel-mm 2x", "--voxel-mm is '2x'"},
	        {"water -o x.h5 --noise-hu loud", "--noise-hu is 'loud'"},
	        {"water -o x.h5 --seed -1", "--seed is '-1'"},
	        {"water -o x.h5 --nonsense", "--nonsense"},
	        {"water -o x.h5 --cage peek", "phantom water has no option --cage"},
	        {"thoracic-spine -o x.h5 --epidural-grade 4", "expected 0, 1, 2 or 3"},
	        {"postop-spine -o x.h5 --hardware steel", "expected titanium or cocr"},
	        {"slabs -o x.h5 --layer water", "names no material"},
	        {"slabs -o x.h5 --layer water:51", "whole number"},
	        {"slabs -o x.h5 --layer mud:50", "'mud'"},
	        {"slabs -o x.h5 --layer water:50 --box bone:0,10", "not MATERIAL:x0"},
	        {"water -o no/such/folder/x.h5", "no/such/folder"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		assert_int_equal(run(wrong[i].arguments), 2);
		assert_says("spineplan phantom: ");
		assert_says(wrong[i].words);
		assert_ptr_equal(strchr(output, '\n'), output + strlen(output) - 1);
		assert_int_equal(run("--list; test -e x.h5"), 1);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_list_names_every_phantom),      cmocka_unit_test(help_shows_an_example),
	        cmocka_unit_test(a_case_is_written_and_can_be_read), cmocka_unit_test(seeds_repeat_and_differ),
	        cmocka_unit_test(wrong_use_is_told_in_one_line),
	};

	if (argc < 2)
		return 2;
	/* the command runs in a folder of its own */
	if (!(program = realpath(argv[1], NULL)))
		return 2;
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
