/* The HDF5 layer under every file of ours: what is written is read back, in other types too; what is not there, not
 * as asked or damaged is a sentence; and no reader process stays behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "h5.h"

static char folder[] = "/tmp/spineplan-h5-XXXXXX";
static char file[64];

static int make_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(file, sizeof file, "%s/a.h5", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	unlink(file);
	return rmdir(folder);
}

#define OK(call) assert_int_equal((call), SP_OK)

static void write_example(void)
{
	sp_h5_out *f;
	sp_error err = {0};
	uint64_t dims[3] = {3, 4, 5};
	int16_t hu[60];
	float row[5] = {0.5f, 1.5f, 2.5f, 3.5f, 4.5f};

	for (int i = 0; i < 60; i++)
		hu[i] = (int16_t)(i * 100 - 3000);
	OK(sp_h5_create(&f, file, &err));
	OK(sp_h5_write(f, "/ct/hu", SP_H5_I16, 3, dims, true, hu, &err));
	OK(sp_h5_write_begin(f, "/streamed", SP_H5_F32, 2, (uint64_t[]){4, 5}, true, &err));
	for (uint64_t i = 4; i-- > 0;)
		OK(sp_h5_write_rows(f, "/streamed", SP_H5_F32, i, 1, row, &err));
	OK(sp_h5_write(f, "/none", SP_H5_F64, 2, (uint64_t[]){0, 3}, true, NULL, &err));
	OK(sp_h5_write_group(f,
	                     "/structures/Gr\xc3\xb6\xc3\x9f"
	                     "e .x",
	                     &err));
	OK(sp_h5_write_group(f, "/structures/a", &err));
	OK(sp_h5_write_text(f, "/long", "a text\nof lines", &err));
	OK(sp_h5_set_numbers(f, "/ct/hu", "spacing_mm", SP_H5_F64, 3, (double[]){1.0, 2.0, 3.5}, &err));
	OK(sp_h5_set_numbers(f, "/", "version", SP_H5_I32, 1, (int32_t[]){1}, &err));
	OK(sp_h5_set_text(f, "/ct", "patient_position", "HFS", &err));
	OK(sp_h5_commit(&f, &err));
	assert_null(f);
}

static void what_was_written_is_read_back(void **state)
{
	sp_h5_in *f;
	sp_h5_info info;
	sp_error err = {0};
	int16_t hu[60];
	double as_double[60], spacing[3];
	float streamed[20];
	char *text, **names;
	size_t n;
	bool found;

	(void)state;
	write_example();
	OK(sp_h5_open(&f, file, &err));
	OK(sp_h5_expect(&info, f, "/ct/hu", 3, (uint64_t[]){3, 0, 5}, 1000, &err));
	assert_int_equal(info.elements, 60);
	assert_int_equal(info.class, SP_H5_INTEGER);
	OK(sp_h5_read(f, "/ct/hu", SP_H5_I16, hu, 60, &err));
	OK(sp_h5_read(f, "/ct/hu", SP_H5_F64, as_double, 60, &err));
	for (int i = 0; i < 60; i++) {
		assert_int_equal(hu[i], i * 100 - 3000);
		assert_true(as_double[i] == i * 100 - 3000);
	}
	OK(sp_h5_read_rows(f, "/ct/hu", SP_H5_I16, 1, 2, hu, 40, &err));
	assert_int_equal(hu[0], 20 * 100 - 3000);
	OK(sp_h5_read(f, "/streamed", SP_H5_F32, streamed, 20, &err));
	assert_true(streamed[18] == 3.5f);
	OK(sp_h5_read(f, "/none", SP_H5_F64, as_double, 0, &err));
	OK(sp_h5_list(&names, &n, f, "/structures", &err));
	assert_int_equal(n, 2);
	assert_string_equal(names[0], "Gr\xc3\xb6\xc3\x9f"
	                              "e .x");
	free(names);
	OK(sp_h5_read_text(&text, f, "/long", &err));
	assert_string_equal(text, "a text\nof lines");
	free(text);
	OK(sp_h5_get_text(&text, f, "/ct", "patient_position", &err));
	assert_string_equal(text, "HFS");
	free(text);
	OK(sp_h5_get_numbers(spacing, 3, &found, f, "/ct/hu", "spacing_mm", &err));
	assert_true(found && spacing[2] == 3.5);
	OK(sp_h5_get_numbers(spacing, 1, &found, f, "/", "version", &err));
	assert_true(found && spacing[0] == 1.0);
	sp_h5_close(f);
}

static void what_is_absent_is_no_failure_until_it_is_expected(void **state)
{
	sp_h5_in *f;
	sp_h5_info info;
	sp_error err = {0};
	double number;
	char *text;
	bool found = true;

	(void)state;
	write_example();
	OK(sp_h5_open(&f, file, &err));
	OK(sp_h5_look(&info, f, "/nowhere/at/all", &err));
	assert_int_equal(info.kind, SP_H5_NOTHING);
	OK(sp_h5_get_numbers(&number, 1, &found, f, "/ct", "none", &err));
	assert_false(found);
	OK(sp_h5_get_text(&text, f, "/nowhere", "none", &err));
	assert_null(text);
	assert_int_equal(sp_h5_expect(&info, f, "/dose", 1, NULL, 10, &err), SP_BAD_INPUT);
	assert_non_null(strstr(err.text, "a.h5:/dose is missing, expected a dataset [any]"));
	sp_h5_close(f);
}

static void expect_sentence(sp_status st, sp_error *err, const char *sentence)
{
	assert_int_not_equal(st, SP_OK);
	if (!strstr(err->text, sentence))
		fail_msg("got: %s; expected: %s", err->text, sentence);
	memset(err, 0, sizeof *err);
}

static void wrong_shapes_and_kinds_are_named(void **state)
{
	sp_h5_in *f;
	sp_h5_info info;
	sp_error err = {0};
	double numbers[4];
	char *text;
	bool found;

	(void)state;
	write_example();
	OK(sp_h5_open(&f, file, &err));
	expect_sentence(sp_h5_expect(&info, f, "/ct/hu", 2, NULL, 100, &err), &err,
	                "/ct/hu is [3][4][5], expected [any][any]");
	expect_sentence(sp_h5_expect(&info, f, "/ct/hu", 3, (uint64_t[]){3, 5, 5}, 100, &err), &err,
	                "/ct/hu is [3][4][5], expected [3][5][5]");
	expect_sentence(sp_h5_expect(&info, f, "/ct/hu", 3, NULL, 59, &err), &err,
	                "claims 60 elements, expected at most 59");
	expect_sentence(sp_h5_expect(&info, f, "/ct", 3, NULL, 60, &err), &err, "/ct is not a dataset");
	expect_sentence(sp_h5_expect(&info, f, "/long", 0, NULL, 60, &err), &err, "/long does not hold numbers");
	expect_sentence(sp_h5_get_numbers(numbers, 4, &found, f, "/ct/hu", "spacing_mm", &err), &err,
	                "/ct/hu spacing_mm holds 3 numbers, expected 4");
	expect_sentence(sp_h5_get_numbers(numbers, 1, &found, f, "/ct", "patient_position", &err), &err,
	                "/ct patient_position is not a number");
	expect_sentence(sp_h5_get_text(&text, f, "/ct/hu", "spacing_mm", &err), &err, "spacing_mm is not a text");
	expect_sentence(sp_h5_read(f, "/ct/hu", SP_H5_F64, numbers, 4, &err), &err, "expected 4 elements");
	sp_h5_close(f);
}

static void files_that_are_none_are_refused(void **state)
{
	sp_h5_in *f;
	sp_error err = {0};
	FILE *text;

	(void)state;
	unlink(file);
	expect_sentence(sp_h5_open(&f, file, &err), &err, "a.h5: No such file or directory");
	expect_sentence(sp_h5_open(&f, folder, &err), &err, "it is a folder");
	assert_int_equal(mkfifo(file, 0600), 0);
	expect_sentence(sp_h5_open(&f, file, &err), &err, "not a regular file");
	unlink(file);
	text = fopen(file, "w");
	fputs("dear reader", text);
	fclose(text);
	expect_sentence(sp_h5_open(&f, file, &err), &err, "a.h5 is not an HDF5 file");
	write_example();
	assert_int_equal(truncate(file, 3000), 0);
	expect_sentence(sp_h5_open(&f, file, &err), &err, "truncated");
}

/* Our only child, or 0 where the kernel does not tell. */
static pid_t find_reader(void)
{
	char name[64];
	int reader = 0;
	FILE *f;

	snprintf(name, sizeof name, "/proc/self/task/%ld/children", (long)getpid());
	if ((f = fopen(name, "r"))) {
		if (fscanf(f, "%d", &reader) != 1)
			reader = 0;
		fclose(f);
	}
	return (pid_t)reader;
}

/* As the HDF5 library crashing, and as it running into the limit on processor time. */
static void a_reader_that_dies_is_a_sentence(void **state)
{
	static const struct {
		int signal;
		const char *sentence;
	} deaths[] = {{SIGSEGV, "a.h5:/ct/hu cannot be read: the HDF5 library crashed; the file is damaged"},
	              {SIGXCPU, "a.h5:/ct/hu cannot be read: the HDF5 library found no end; the file is damaged"}};

	(void)state;
	write_example();
	for (int i = 0; i < 2; i++) {
		sp_h5_in *f;
		sp_h5_info info;
		sp_error err = {0};

		OK(sp_h5_open(&f, file, &err));
		if (!find_reader()) {
			sp_h5_close(f);
			skip();
		}
		kill(find_reader(), deaths[i].signal);
		expect_sentence(sp_h5_look(&info, f, "/ct/hu", &err), &err, deaths[i].sentence);
		expect_sentence(sp_h5_look(&info, f, "/ct", &err), &err,
		                "a.h5:/ct cannot be read: the file is damaged");
		sp_h5_close(f);
		assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	}
}

static void no_reader_process_stays_behind(void **state)
{
	sp_h5_in *f;
	sp_error err = {0};

	(void)state;
	write_example();
	OK(sp_h5_open(&f, file, &err));
	sp_h5_close(f);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no children */
}

static void an_abandoned_file_leaves_nothing(void **state)
{
	sp_h5_out *f;
	sp_error err = {0};

	(void)state;
	unlink(file);
	OK(sp_h5_create(&f, file, &err));
	OK(sp_h5_write(f, "/x", SP_H5_F64, 1, (uint64_t[]){2}, false, (double[]){1, 2}, &err));
	sp_h5_abandon(f);
	assert_int_equal(access(file, F_OK), -1);
	write_example(); /* the folder then holds this one file alone: remove_folder would fail otherwise */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(what_was_written_is_read_back),
	        cmocka_unit_test(what_is_absent_is_no_failure_until_it_is_expected),
	        cmocka_unit_test(wrong_shapes_and_kinds_are_named),
	        cmocka_unit_test(files_that_are_none_are_refused),
	        cmocka_unit_test(a_reader_that_dies_is_a_sentence),
	        cmocka_unit_test(no_reader_process_stays_behind),
	        cmocka_unit_test(an_abandoned_file_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
