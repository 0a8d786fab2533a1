/* The command `spineplan kernels` as a user meets it. argv[1] is the program. */
#include "command_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static const char *program;

/* Runs `spineplan kernels ARGUMENTS`, stdout (and stderr, where both) in output, and gives the exit status. */
static int run(const char *arguments, bool both)
{
	char command[1024];

	snprintf(command, sizeof command, "'%s' kernels %s %s", program, arguments, both ? "2>&1" : "2>/dev/null");
	return run_line(command);
}

static void read_file(char *out, size_t room, const char *path)
{
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	out[fread(out, 1, room - 1, f)] = '\0';
	fclose(f);
}

static void a_table_says_how_to_make_it_again(void **state)
{
	static char first[1 << 16], second[1 << 16];
	const char *rows;
	size_t lines = 0;

	(void)state;
	assert_int_equal(run("--spectrum mohan6 --histories 3000 --seed 4 -o kernels-test.csv", false), 0);
	assert_says("kernels-test.csv: 105 depths, 8 Gaussians");
	read_file(first, sizeof first, "kernels-test.csv");
	assert_non_null(strstr(first, "\n# spineplan kernels --spectrum mohan6 --histories 3000 --seed 4 -o TABLE\n"));
	rows = strstr(first, "\nsigma_mm,total,0.4,1,2.1,");
	assert_non_null(rows);
	for (const char *c = rows + 1; *c; c++)
		lines += *c == '\n';
	assert_int_equal(lines, 1 + 105);
	assert_int_equal(run("--spectrum mohan6 --histories 3000 --seed 4 -o kernels-test.csv", false), 0);
	read_file(second, sizeof second, "kernels-test.csv");
	assert_string_equal(first, second);
	remove("kernels-test.csv");
}

static void wrong_use_ends_with_2_and_one_line(void **state)
{
	static const char *const wrong[][2] = {
	        {"", "--spectrum and -o are needed, or --machine and -o"},
	        {"--spectrum mohan6", "--spectrum and -o are needed, or --machine and -o"},
	        {"--spectrum mohan6 -o x.csv --histories 1e6", "--histories is '1e6', expected a whole number from 1"},
	        {"--spectrum mohan6 -o x.csv --histories 0", "--histories is '0'"},
	        {"--spectrum mohan6 -o x.csv --seed -3", "--seed is '-3'"},
	        {"--spectrum mohan6 -o x.csv --fast", "'--fast' is not understood"},
	        {"--spectrum mohan6 -o x.csv more", "'more' is not understood"},
	        {"--spectrum no-such-spectrum -o x.csv", "no-such-spectrum"},
	        {"--spectrum mohan6 -o no-such-folder/x.csv", "no-such-folder"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		assert_int_equal(run(wrong[i][0], true), 2);
		assert_says("spineplan kernels: ");
		assert_says(wrong[i][1]);
		assert_true(access("x.csv", F_OK) != 0);
	}
}

static void help_shows_an_example(void **state)
{
	(void)state;
	assert_int_equal(run("--help", false), 0);
	assert_says("usage: spineplan kernels --spectrum");
	assert_says("example: spineplan kernels --spectrum mohan6");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_table_says_how_to_make_it_again),
	        cmocka_unit_test(wrong_use_ends_with_2_and_one_line),
	        cmocka_unit_test(help_shows_an_example),
	};

	if (argc < 2)
		return fputs("usage: kernels_command PROGRAM\n", stderr), 2;
	program = argv[1];
	return cmocka_run_group_tests_name("kernels command", tests, NULL, NULL);
}
