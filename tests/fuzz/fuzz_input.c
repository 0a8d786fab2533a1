#include "fuzz_input.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef SP_FUZZ_COVERAGE
#include <hdf5.h>
#endif

/* HDF5 asks for the real path of a file, so that one without a name would not do. */
static char path[64];

static void remove_file(void)
{
	unlink(path);
}

const char *fuzz_file(const uint8_t *data, size_t bytes)
{
	static int fd = -1;

	if (fd < 0) {
		snprintf(path, sizeof path, "%s/spineplan-fuzz-XXXXXX",
		         access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
		if ((fd = mkstemp(path)) < 0)
			fuzz_finding("no file for the input");
		atexit(remove_file);
	}
	if (ftruncate(fd, 0) != 0 || pwrite(fd, data, bytes, 0) != (ssize_t)bytes)
		fuzz_finding("no room for the input");
	return path;
}

void fuzz_finding(const char *what)
{
	fprintf(stderr, "finding: %s\n", what);
	abort();
}

#ifdef SP_FUZZ_COVERAGE
/* HDF5 files are read by a child that is killed when the file is closed. Its coverage counters live in its copy of our
 * memory, so each time it sends an answer it adds them to a shared page, and we add that to ours. */
extern uint8_t __start___sancov_cntrs[], __stop___sancov_cntrs[];
ssize_t __real_send(int fd, const void *data, size_t bytes, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t bytes, int flags);

static uint8_t *shared;
static pid_t parent;

static void keep_greater(uint8_t *to, const uint8_t *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (from[i] > to[i])
			to[i] = from[i];
}

__attribute__((constructor)) static void share(void)
{
	size_t n = (size_t)(__stop___sancov_cntrs - __start___sancov_cntrs);

	parent = getpid();
	H5open(); /* once, not in each child */
	shared = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		fuzz_finding("no shared memory");
}

ssize_t __wrap_send(int fd, const void *data, size_t bytes, int flags)
{
	if (getpid() != parent)
		keep_greater(shared, __start___sancov_cntrs, (size_t)(__stop___sancov_cntrs - __start___sancov_cntrs));
	return __real_send(fd, data, bytes, flags);
}

void fuzz_gather(void)
{
	size_t n = (size_t)(__stop___sancov_cntrs - __start___sancov_cntrs);

	keep_greater(__start___sancov_cntrs, shared, n);
	memset(shared, 0, n);
}
#else
void fuzz_gather(void)
{
}
#endif
