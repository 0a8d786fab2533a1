/* Output that cannot be written: one sentence, and nothing on the disk, wherever in the file the disk is full. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "case.h"
#include "case_fixture.h"
#include "interrupt.h"

static char folder[] = "/tmp/spineplan-disk-XXXXXX";

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder); /* fails when something was left in it */
}

static size_t files_in_folder(void)
{
	DIR *d = opendir(folder);
	size_t n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n - 2; /* . and .. */
}

/* In a process of its own, so that its limit or user is not ours. Returns 0 if the write fails with the sentence. */
static int write_in_child(const char *path, rlim_t most_bytes, uid_t user, const char *sentence)
{
	pid_t child = fork();
	int how = 0;

	if (child == 0) {
		sp_case *c = fixture_case();
		sp_error err = {0};
		struct rlimit limit = {most_bytes, most_bytes};

		signal(SIGSEGV, SIG_DFL); /* cmocka's handler would go on with the tests in the child */
		sp_interrupt_catch();     /* as main does: SIGXFSZ becomes an error */
		if (user && setuid(user) != 0)
			_exit(3);
		if (most_bytes != RLIM_INFINITY)
			setrlimit(RLIMIT_FSIZE, &limit);
		if (sp_case_write(c, path, &err) != SP_IO)
			_exit(1);
		if (!strstr(err.text, sentence) || !strstr(err.text, path)) {
			print_message("%s\n", err.text);
			_exit(2);
		}
		sp_case_destroy(c);
		exit(0); /* not _exit: the HDF5 library must also be able to end */
	}
	waitpid(child, &how, 0);
	return how;
}

static void a_full_disk_leaves_nothing(void **state)
{
	char path[64];
	struct stat info;

	(void)state;
	snprintf(path, sizeof path, "%s/full.h5", folder);
	fixture_case_file(path);
	assert_int_equal(stat(path, &info), 0);
	unlink(path);
	for (off_t most = 0; most < info.st_size - 2048; most += 1021) {
		if (write_in_child(path, (rlim_t)most, 0, "File too large") != 0)
			fail_msg("with room for %ld bytes", (long)most);
		assert_int_equal(files_in_folder(), 0);
	}
}

static void an_old_file_survives_a_full_disk(void **state)
{
	char path[64];
	sp_error err = {0};
	sp_case *c;

	(void)state;
	snprintf(path, sizeof path, "%s/old.h5", folder);
	fixture_case_file(path);
	assert_int_equal(write_in_child(path, 5000, 0, "File too large"), 0);
	assert_int_equal(files_in_folder(), 1);
	if (sp_case_read(&c, path, &err) != SP_OK)
		fail_msg("%s", err.text);
	sp_case_destroy(c);
	unlink(path);
}

static void a_folder_that_may_not_be_written(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof path, "%s/x.h5", folder);
	assert_int_equal(chmod(folder, 0555), 0);
	/* root may write everywhere, so it becomes someone else */
	assert_int_equal(write_in_child(path, RLIM_INFINITY, getuid() == 0 ? 65534 : 0, "Permission denied"), 0);
	assert_int_equal(chmod(folder, 0755), 0);
	assert_int_equal(files_in_folder(), 0);
}

static void paths_that_cannot_be_files(void **state)
{
	struct stat info;
	char path[80];

	(void)state;
	assert_int_equal(write_in_child(folder, RLIM_INFINITY, 0, "it is a folder; name a file"), 0);
	snprintf(path, sizeof path, "%s/none/x.h5", folder);
	assert_int_equal(write_in_child(path, RLIM_INFINITY, 0, "its folder does not exist"), 0);
	snprintf(path, sizeof path, "%s/pipe.h5", folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(write_in_child(path, RLIM_INFINITY, 0, "is not a regular file; nothing is written over it"),
	                 0);
	assert_int_equal(stat(path, &info), 0);
	assert_true(S_ISFIFO(info.st_mode));
	assert_int_equal(files_in_folder(), 1);
	unlink(path);
}

static void a_link_is_followed(void **state)
{
	char path[80], goal[80];
	struct stat info;

	(void)state;
	snprintf(path, sizeof path, "%s/link.h5", folder);
	snprintf(goal, sizeof goal, "%s/goal.h5", folder);
	assert_int_equal(symlink("goal.h5", path), 0);
	assert_int_equal(write_in_child(path, RLIM_INFINITY, 0, "it is a link that leads to no file"), 0);
	fixture_case_file(goal);
	assert_int_equal(truncate(goal, 1), 0);
	fixture_case_file(path);
	assert_int_equal(lstat(path, &info), 0);
	assert_true(S_ISLNK(info.st_mode));
	assert_int_equal(lstat(goal, &info), 0);
	assert_true(S_ISREG(info.st_mode) && info.st_size > 1);
	assert_int_equal(files_in_folder(), 2);
	unlink(path);
	unlink(goal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_full_disk_leaves_nothing),
	        cmocka_unit_test(an_old_file_survives_a_full_disk),
	        cmocka_unit_test(a_folder_that_may_not_be_written),
	        cmocka_unit_test(paths_that_cannot_be_files),
	        cmocka_unit_test(a_link_is_followed),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
