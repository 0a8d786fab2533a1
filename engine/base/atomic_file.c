#include "atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "alloc.h"

static sp_status fail_errno(sp_error *err, const char *verb, const char *path)
{
	return sp_fail(err, SP_IO, "%s %s: %s", verb, path, strerror(errno));
}

/* A new file beside path, whose name no other process has: process numbers repeat on machines that share a folder, so
 * the clock is in the name too, and a name that is taken is not. */
static int create_beside(char *temporary, size_t bytes, const char *path)
{
	struct timespec now = {0};
	int fd = -1;

	for (int i = 0; i < 100 && fd < 0 && (i == 0 || errno == EEXIST); i++) {
		clock_gettime(CLOCK_REALTIME, &now);
		snprintf(temporary, bytes, "%s.tmp.%ld.%lx", path, (long)getpid(),
		         ((unsigned long)now.tv_nsec << 8) + (unsigned long)i);
		fd = open(temporary, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
	}
	return fd;
}

/* The place that is written for path: where links lead. Refuses what is there and no regular file: a rename would put
 * a file in the place of a device or a pipe. *out is malloc'ed. */
static sp_status find_goal(char **out, const char *path, sp_error *err)
{
	struct stat info;

	*out = NULL;
	if (stat(path, &info) == 0) {
		if (S_ISDIR(info.st_mode))
			return sp_fail(err, SP_IO, "cannot write %s: it is a folder; name a file", path);
		if (!S_ISREG(info.st_mode))
			return sp_fail(err, SP_IO, "%s is not a regular file; nothing is written over it", path);
	}
	if (lstat(path, &info) == 0 && S_ISLNK(info.st_mode)) {
		if (!(*out = realpath(path, NULL)) && errno != ENOMEM)
			return sp_fail(err, SP_IO, "cannot write %s: it is a link that leads to no file", path);
	} else
		*out = sp_copy_text(path);
	return *out ? SP_OK : sp_fail(err, SP_NO_MEMORY, "out of memory writing %s", path);
}

sp_status sp_atomic_begin(char **out_temporary, const char *path, sp_error *err)
{
	struct stat info;
	char *goal, *temporary = NULL, *copy = NULL;
	size_t bytes;
	sp_status st = find_goal(&goal, path, err);
	int fd;

	*out_temporary = NULL;
	if (st != SP_OK)
		return st;
	bytes = strlen(goal) + 64;
	temporary = malloc(bytes);
	copy = sp_copy_text(goal);
	if (!temporary || !copy) {
		st = sp_fail(err, SP_NO_MEMORY, "out of memory writing %s", path);
		goto cleanup;
	}
	if (stat(dirname(copy), &info) != 0 || !S_ISDIR(info.st_mode)) {
		st = sp_fail(err, SP_IO, "cannot write %s: its folder does not exist", path);
		goto cleanup;
	}
	if ((fd = create_beside(temporary, bytes, goal)) < 0) {
		st = fail_errno(err, "cannot write", path);
		goto cleanup;
	}
	close(fd);
	*out_temporary = temporary;
	temporary = NULL;
cleanup:
	free(temporary);
	free(copy);
	free(goal);
	return st;
}

sp_status sp_atomic_check(const char *path, sp_error *err)
{
	char *temporary;
	sp_status st = path ? sp_atomic_begin(&temporary, path, err) : SP_OK;

	if (path && st == SP_OK) {
		sp_atomic_abandon(temporary);
		free(temporary);
	}
	return st;
}

/* The new name is on disk too once its folder is; a folder that may not be read, or a file system that does not flush
 * folders, leaves that to the system. Changes goal. */
static sp_status flush_folder_of(char *goal, const char *path, sp_error *err)
{
	int fd = open(dirname(goal), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	sp_status st = SP_OK;

	if (fd < 0)
		return SP_OK;
	if (fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP)
		st = fail_errno(err, "cannot flush the folder of", path);
	close(fd);
	return st;
}

sp_status sp_atomic_commit(const char *temporary, const char *path, sp_error *err)
{
	int fd = open(temporary, O_RDWR | O_CLOEXEC);
	char *goal = NULL;
	sp_status st = SP_OK;

	if (fd < 0 || fsync(fd) != 0)
		st = fail_errno(err, "cannot flush", path);
	if (fd >= 0 && close(fd) != 0 && st == SP_OK)
		st = fail_errno(err, "cannot close", path);
	if (st == SP_OK)
		st = find_goal(&goal, path, err);
	if (st == SP_OK && rename(temporary, goal) != 0)
		st = fail_errno(err, "cannot rename to", path);
	if (st != SP_OK)
		unlink(temporary);
	else
		st = flush_folder_of(goal, path, err);
	free(goal);
	return st;
}

void sp_atomic_abandon(const char *temporary)
{
	if (temporary)
		unlink(temporary);
}

sp_status sp_file_read_all(char **out, size_t *out_bytes, const char *path, size_t max_bytes, sp_error *err)
{
	FILE *f = fopen(path, "rb");
	char *data = NULL;
	size_t used = 0, capacity = 0, got;
	sp_status st = SP_OK;

	*out = NULL;
	if (!f)
		return fail_errno(err, "cannot open", path);
	do {
		if ((st = sp_grow_array(&data, &capacity, used + 65536, 1, err)) != SP_OK)
			goto cleanup;
		got = fread(data + used, 1, 65535, f);
		used += got;
		if (used > max_bytes) {
			st = sp_fail(err, SP_BAD_INPUT, "%s is larger than %zu bytes", path, max_bytes);
			goto cleanup;
		}
	} while (got);
	if (ferror(f)) {
		st = fail_errno(err, "cannot read", path);
		goto cleanup;
	}
	data[used] = '\0';
	*out = data;
	*out_bytes = used;
	data = NULL;
cleanup:
	free(data);
	fclose(f);
	return st;
}

sp_status sp_file_write_all(const char *path, const void *data, size_t bytes, sp_error *err)
{
	char *temporary;
	sp_status st = sp_atomic_begin(&temporary, path, err);
	FILE *f;

	if (st != SP_OK)
		return st;
	f = fopen(temporary, "wb");
	if (!f || fwrite(data, 1, bytes, f) != bytes || fflush(f) != 0)
		st = fail_errno(err, "cannot write", path);
	if (f && fclose(f) != 0 && st == SP_OK)
		st = fail_errno(err, "cannot close", path);
	if (st == SP_OK)
		st = sp_atomic_commit(temporary, path, err);
	else
		sp_atomic_abandon(temporary);
	free(temporary);
	return st;
}
