/* The command `spineplan evaluate` as a user meets it: output and exit status. argv[1] is the program. */
#include "command_fixture.h"

#include "plan_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static const char *program;
static char plan[64], csv[64];

/* Runs `spineplan evaluate ARGUMENTS`, stdout in output (stderr too where both), and gives the exit status. */
static int run(const char *arguments, bool both)
{
	char command[1024];

	snprintf(command, sizeof command, "'%s' evaluate %s %s", program, arguments, both ? "2>&1" : "2>/dev/null");
	return run_line(command);
}

static int run_on_plan(const char *options, bool both)
{
	char arguments[512];

	snprintf(arguments, sizeof arguments, "'%s' %s", plan, options);
	return run(arguments, both);
}

static void the_table_shows_limits_with_pass_or_fail(void **state)
{
	const char *once;

	(void)state;
	assert_int_equal(run_on_plan("", false), 0);
	assert_says("sc24-24gy-2fx");
	assert_says("SpinalCord");
	assert_says("met     SpinalCord");
	assert_says("V100%");
	assert_says("not in the case: ");
	assert_says("Heart, GreatVes, Stomach");
	assert_says("All limits met.");
	assert_says("Paddick");
	assert_says("not a medical device");
	once = strstr(output, "not a medical device");
	assert_null(strstr(once + 1, "not a medical device"));
}

static void json_is_all_that_is_printed(void **state)
{
	json_error_t problem;
	json_t *e;

	(void)state;
	assert_int_equal(run_on_plan("--json", false), 0);
	e = json_loads(output, 0, &problem);
	assert_non_null(e);
	assert_true(json_is_true(json_object_get(e, "all_limits_met")));
	/* the plan's own provenance is carried on */
	assert_string_equal(json_string_value(json_object_get(json_object_get(e, "provenance"), "version")),
	                    "spineplan test");
	json_decref(e);
}

static void a_missed_limit_is_exit_1_where_limits_are_required(void **state)
{
	(void)state;
	assert_int_equal(run_on_plan("--require-limits", false), 0);
	/* for 1 fraction the cord may have 7 Gy in 1.2 cc; it has more */
	assert_int_equal(run_on_plan("--protocol sbrt-24gy-1fx", false), 0);
	assert_says("MISSED  SpinalCord");
	assert_says("NOT all limits met.");
	assert_int_equal(run_on_plan("--protocol sbrt-24gy-1fx --require-limits", true), 1);
	assert_says("are for 1"); /* warns: the plan is for 2 fractions */
	/* TG-119 wants 50 Gy in the target */
	assert_int_equal(run_on_plan("--protocol tg119-c-shape --require-limits", false), 1);
}

static void dvhs_go_to_a_csv_file(void **state)
{
	char line[128];
	size_t lines = 0;
	FILE *f;
	char options[128];

	(void)state;
	snprintf(options, sizeof options, "--dvh '%s'", csv);
	assert_int_equal(run_on_plan(options, false), 0);
	f = fopen(csv, "r");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof line, f));
	assert_string_equal(line, "structure,dose_gy,volume_cc,volume_pct\n");
	assert_non_null(fgets(line, sizeof line, f));
	assert_int_equal(strncmp(line, "\"BODY\",0,", 9), 0);
	while (fgets(line, sizeof line, f))
		lines++;
	assert_int_equal(lines, 3 * 1001 - 1);
	fclose(f);
	unlink(csv);
}

static void wrong_use_is_one_line_and_exit_2(void **state)
{
	static const char *const wrong[] = {"", "a.h5 b.h5", "--nonsense x.h5", "--protocol", "x.h5 --dvh"};

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		assert_int_equal(run(wrong[i], true), 2);
		assert_says("spineplan evaluate: ");
		assert_says("--help");
		assert_ptr_equal(strchr(output, '\n'), output + strlen(output) - 1);
	}
}

static void bad_input_is_one_line_and_exit_2(void **state)
{
	(void)state;
	assert_int_equal(run("/no/such/plan.h5", true), 2);
	assert_says("/no/such/plan.h5");
	assert_int_equal(run_on_plan("--protocol sc25", true), 2);
	assert_says("sc24-24gy-2fx");
	assert_int_equal(run_on_plan("--dvh /no/such/folder/dvh.csv", true), 2);
	assert_says("/no/such/folder");
}

static void help_has_an_example(void **state)
{
	(void)state;
	assert_int_equal(run("--help", false), 0);
	assert_says("example: spineplan evaluate");
	assert_int_equal(run("--list-protocols", false), 0);
	assert_says("sc24-24gy-2fx\n");
}

static int make_plan(void **state)
{
	plan_fixture f;
	sp_error err = {0};

	(void)state;
	plan_fixture_make(&f, "sc24-24gy-2fx");
	assert_int_equal(sp_plan_write(&f.plan, plan, &err), SP_OK);
	plan_fixture_finish(&f);
	return 0;
}

static int remove_plan(void **state)
{
	(void)state;
	return unlink(plan);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_table_shows_limits_with_pass_or_fail),
	        cmocka_unit_test(json_is_all_that_is_printed),
	        cmocka_unit_test(a_missed_limit_is_exit_1_where_limits_are_required),
	        cmocka_unit_test(dvhs_go_to_a_csv_file),
	        cmocka_unit_test(wrong_use_is_one_line_and_exit_2),
	        cmocka_unit_test(bad_input_is_one_line_and_exit_2),
	        cmocka_unit_test(help_has_an_example),
	};

	if (argc != 2)
		return fprintf(stderr, "usage: evaluate_command PROGRAM\n"), 2;
	program = argv[1];
	snprintf(plan, sizeof plan, "/tmp/spineplan-evaluate-%d.h5", (int)getpid());
	snprintf(csv, sizeof csv, "/tmp/spineplan-evaluate-%d.csv", (int)getpid());
	return cmocka_run_group_tests(tests, make_plan, remove_plan);
}
