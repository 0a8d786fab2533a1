/* Loaded with LD_PRELOAD, makes things fail that a healthy machine never fails at. Counts what spineplan's own code (or
 * that of libraries named in SP_FAULT_IN, separated by commas) calls, and fails the n-th call:
 *   SP_FAULT_ALLOC=n   of malloc, calloc, realloc, posix_memalign
 *   SP_FAULT_IO=n      of write, pwrite, fwrite, fflush, ftruncate, fsync, rename, close on regular files; with
 *                      SP_FAULT_STAYS=1 also all writes after it: a full disk
 *   SP_FAULT_CL=n      of the OpenCL calls that take memory, build, move data or launch
 *   SP_FAULT_CLOCK=1   time jumps by years to and fro, and the steady clock by up to an hour ahead
 *   SP_FAULT_COUNT=F   writes the calls to file F, a line each: ALLOC, IO or CL, its number, and the place that it came
 *                      from: a hash of the addresses that its callers in the program return to
 * A forked process counts for itself, from where its parent stood. */
#define _GNU_SOURCE
#include <CL/cl.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MOST_RANGES 64
#define MOST_CALLS (1L << 18) /* that are told */
#define PLACE_FRAMES 8

extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t n, size_t bytes);
extern void *__libc_realloc(void *old, size_t bytes);
extern void *__libc_memalign(size_t alignment, size_t bytes);

static struct {
	uintptr_t low, high;
} ranges[MOST_RANGES]; /* code whose calls count */
static int n_ranges;
static atomic_long allocs, ios, cls;
static long fail_alloc, fail_io, fail_cl;
static bool io_stays, clock_jumps, ready;
static atomic_bool disk_full;
static const char *names, *tell_path;

static long number(const char *name)
{
	const char *text = getenv(name);

	return text ? strtol(text, NULL, 10) : 0;
}

/* The program itself has no name here. */
static bool is_wanted(const char *path)
{
	char list[256], *rest, *word;

	if (!*path)
		return true;
	if (!names)
		return false;
	snprintf(list, sizeof list, "%s", names);
	for (word = strtok_r(list, ",", &rest); word; word = strtok_r(NULL, ",", &rest))
		if (strstr(path, word))
			return true;
	return false;
}

static int add_ranges(struct dl_phdr_info *info, size_t bytes, void *context)
{
	(void)bytes;
	(void)context;
	if (!is_wanted(info->dlpi_name))
		return 0;
	for (int i = 0; i < info->dlpi_phnum && n_ranges < MOST_RANGES; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type != PT_LOAD || !(p->p_flags & PF_X))
			continue;
		ranges[n_ranges].low = info->dlpi_addr + p->p_vaddr;
		ranges[n_ranges++].high = info->dlpi_addr + p->p_vaddr + p->p_memsz;
	}
	return 0;
}

__attribute__((constructor)) static void start(void)
{
	names = getenv("SP_FAULT_IN");
	fail_alloc = number("SP_FAULT_ALLOC");
	fail_io = number("SP_FAULT_IO");
	fail_cl = number("SP_FAULT_CL");
	io_stays = number("SP_FAULT_STAYS") != 0;
	clock_jumps = number("SP_FAULT_CLOCK") != 0;
	dl_iterate_phdr(add_ranges, NULL);
	tell_path = getenv("SP_FAULT_COUNT");
	if (tell_path)
		backtrace((void *[1]){NULL}, 1); /* which loads what it needs the first time */
	ready = true;
}

static pid_t first_process;

__attribute__((constructor)) static void know_process(void)
{
	first_process = getpid();
}

/* Calls that are told at the end. */
static struct {
	const char *kind;
	long n;
	uint64_t place;
} called[MOST_CALLS];
static atomic_long n_called;

__attribute__((destructor)) static void tell(void)
{
	FILE *f;

	if (!tell_path || getpid() != first_process)
		return;
	ready = false;
	if (!(f = fopen(tell_path, "w")))
		return;
	for (long i = 0; i < n_called && i < MOST_CALLS; i++)
		fprintf(f, "%s %ld %016llx\n", called[i].kind, called[i].n, (unsigned long long)called[i].place);
	fclose(f);
}

static bool counts(const void *caller)
{
	uintptr_t at = (uintptr_t)caller;

	for (int i = 0; ready && i < n_ranges; i++)
		if (at >= ranges[i].low && at < ranges[i].high)
			return true;
	return false;
}

static void note(const char *kind, long n)
{
	void *frames[24];
	long at;
	uint64_t place = 14695981039346656037u;

	if (!tell_path || (at = atomic_fetch_add(&n_called, 1)) >= MOST_CALLS)
		return;
	for (int i = 0, used = 0, depth = backtrace(frames, 24); i < depth && used < PLACE_FRAMES; i++)
		if (counts(frames[i])) {
			place = (place ^ ((uintptr_t)frames[i] - ranges[0].low)) * 1099511628211u;
			used++;
		}
	called[at].kind = kind;
	called[at].n = n;
	called[at].place = place;
}

#define CALLER __builtin_extract_return_addr(__builtin_return_address(0))

/* ---- memory ---- */

static bool alloc_fails(const void *caller)
{
	long n;

	if (!counts(caller))
		return false;
	n = atomic_fetch_add(&allocs, 1) + 1;
	note("ALLOC", n);
	return n == fail_alloc;
}

void *malloc(size_t bytes)
{
	if (!alloc_fails(CALLER))
		return __libc_malloc(bytes);
	errno = ENOMEM;
	return NULL;
}

void *calloc(size_t n, size_t bytes)
{
	if (!alloc_fails(CALLER))
		return __libc_calloc(n, bytes);
	errno = ENOMEM;
	return NULL;
}

void *realloc(void *old, size_t bytes)
{
	if (!alloc_fails(CALLER))
		return __libc_realloc(old, bytes);
	errno = ENOMEM;
	return NULL;
}

int posix_memalign(void **out, size_t alignment, size_t bytes)
{
	void *p;

	if (alloc_fails(CALLER) || !(p = __libc_memalign(alignment, bytes)))
		return ENOMEM;
	*out = p;
	return 0;
}

/* ---- files ---- */

static bool io_fails(const void *caller, int fd, bool writes)
{
	struct stat info;
	long n;

	if (!counts(caller) || (fd >= 0 && (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))))
		return false;
	n = atomic_fetch_add(&ios, 1) + 1;
	note("IO", n);
	if (n == fail_io) {
		disk_full = io_stays;
		errno = ENOSPC;
		return true;
	}
	errno = ENOSPC;
	return disk_full && writes;
}

#define NEXT(type, name, parameters)   \
	static type(*next) parameters; \
	if (!next)                     \
	*(void **)&next = dlsym(RTLD_NEXT, name)

ssize_t write(int fd, const void *data, size_t bytes)
{
	return io_fails(CALLER, fd, true) ? -1 : syscall(SYS_write, fd, data, bytes);
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t at)
{
	return io_fails(CALLER, fd, true) ? -1 : syscall(SYS_pwrite64, fd, data, bytes, at);
}

int ftruncate(int fd, off_t bytes)
{
	return io_fails(CALLER, fd, true) ? -1 : (int)syscall(SYS_ftruncate, fd, bytes);
}

int fsync(int fd)
{
	return io_fails(CALLER, fd, true) ? -1 : (int)syscall(SYS_fsync, fd);
}

int close(int fd)
{
	bool fails = io_fails(CALLER, fd, false);

	syscall(SYS_close, fd);
	return fails ? -1 : 0;
}

int rename(const char *from, const char *to)
{
	NEXT(int, "rename", (const char *, const char *));
	return io_fails(CALLER, -1, false) ? -1 : next(from, to);
}

size_t fwrite(const void *data, size_t size, size_t n, FILE *f)
{
	NEXT(size_t, "fwrite", (const void *, size_t, size_t, FILE *));
	return io_fails(CALLER, fileno(f), true) ? 0 : next(data, size, n, f);
}

int fflush(FILE *f)
{
	NEXT(int, "fflush", (FILE *));
	return f && io_fails(CALLER, fileno(f), true) ? EOF : next(f);
}

/* ---- OpenCL ---- */

static bool cl_fails(const void *caller)
{
	long n;

	if (!counts(caller))
		return false;
	n = atomic_fetch_add(&cls, 1) + 1;
	note("CL", n);
	return n == fail_cl;
}

cl_mem clCreateBuffer(cl_context c, cl_mem_flags flags, size_t bytes, void *host, cl_int *code)
{
	NEXT(cl_mem, "clCreateBuffer", (cl_context, cl_mem_flags, size_t, void *, cl_int *));
	if (!cl_fails(CALLER))
		return next(c, flags, bytes, host, code);
	*code = CL_MEM_OBJECT_ALLOCATION_FAILURE;
	return NULL;
}

cl_int clBuildProgram(cl_program p, cl_uint n, const cl_device_id *devices, const char *options,
                      void(CL_CALLBACK *done)(cl_program, void *), void *user)
{
	NEXT(cl_int, "clBuildProgram",
	     (cl_program, cl_uint, const cl_device_id *, const char *, void(CL_CALLBACK *)(cl_program, void *),
	      void *));
	return cl_fails(CALLER) ? CL_OUT_OF_HOST_MEMORY : next(p, n, devices, options, done, user);
}

cl_kernel clCreateKernel(cl_program p, const char *name, cl_int *code)
{
	NEXT(cl_kernel, "clCreateKernel", (cl_program, const char *, cl_int *));
	if (!cl_fails(CALLER))
		return next(p, name, code);
	*code = CL_OUT_OF_HOST_MEMORY;
	return NULL;
}

cl_int clSetKernelArg(cl_kernel k, cl_uint i, size_t bytes, const void *value)
{
	NEXT(cl_int, "clSetKernelArg", (cl_kernel, cl_uint, size_t, const void *));
	return cl_fails(CALLER) ? CL_OUT_OF_HOST_MEMORY : next(k, i, bytes, value);
}

cl_int clEnqueueNDRangeKernel(cl_command_queue q, cl_kernel k, cl_uint dims, const size_t *offset, const size_t *global,
                              const size_t *local, cl_uint n, const cl_event *wait, cl_event *event)
{
	NEXT(cl_int, "clEnqueueNDRangeKernel",
	     (cl_command_queue, cl_kernel, cl_uint, const size_t *, const size_t *, const size_t *, cl_uint,
	      const cl_event *, cl_event *));
	return cl_fails(CALLER) ? CL_OUT_OF_RESOURCES : next(q, k, dims, offset, global, local, n, wait, event);
}

cl_int clEnqueueReadBuffer(cl_command_queue q, cl_mem m, cl_bool blocking, size_t offset, size_t bytes, void *out,
                           cl_uint n, const cl_event *wait, cl_event *event)
{
	NEXT(cl_int, "clEnqueueReadBuffer",
	     (cl_command_queue, cl_mem, cl_bool, size_t, size_t, void *, cl_uint, const cl_event *, cl_event *));
	return cl_fails(CALLER) ? CL_OUT_OF_RESOURCES : next(q, m, blocking, offset, bytes, out, n, wait, event);
}

cl_int clEnqueueWriteBuffer(cl_command_queue q, cl_mem m, cl_bool blocking, size_t offset, size_t bytes,
                            const void *data, cl_uint n, const cl_event *wait, cl_event *event)
{
	NEXT(cl_int, "clEnqueueWriteBuffer",
	     (cl_command_queue, cl_mem, cl_bool, size_t, size_t, const void *, cl_uint, const cl_event *, cl_event *));
	return cl_fails(CALLER) ? CL_OUT_OF_RESOURCES : next(q, m, blocking, offset, bytes, data, n, wait, event);
}

cl_int clEnqueueFillBuffer(cl_command_queue q, cl_mem m, const void *pattern, size_t pattern_bytes, size_t offset,
                           size_t bytes, cl_uint n, const cl_event *wait, cl_event *event)
{
	NEXT(cl_int, "clEnqueueFillBuffer",
	     (cl_command_queue, cl_mem, const void *, size_t, size_t, size_t, cl_uint, const cl_event *, cl_event *));
	return cl_fails(CALLER) ? CL_OUT_OF_RESOURCES
	                        : next(q, m, pattern, pattern_bytes, offset, bytes, n, wait, event);
}

cl_int clEnqueueCopyBuffer(cl_command_queue q, cl_mem from, cl_mem to, size_t from_offset, size_t to_offset,
                           size_t bytes, cl_uint n, const cl_event *wait, cl_event *event)
{
	NEXT(cl_int, "clEnqueueCopyBuffer",
	     (cl_command_queue, cl_mem, cl_mem, size_t, size_t, size_t, cl_uint, const cl_event *, cl_event *));
	return cl_fails(CALLER) ? CL_OUT_OF_RESOURCES
	                        : next(q, from, to, from_offset, to_offset, bytes, n, wait, event);
}

cl_int clFinish(cl_command_queue q)
{
	NEXT(cl_int, "clFinish", (cl_command_queue));
	return cl_fails(CALLER) ? CL_OUT_OF_RESOURCES : next(q);
}

/* ---- clocks ---- */

static uint32_t shake(void)
{
	static atomic_uint state = 12345;

	return (state = state * 1664525u + 1013904223u) >> 8;
}

int clock_gettime(clockid_t which, struct timespec *out)
{
	static atomic_long ahead_s;
	int code = (int)syscall(SYS_clock_gettime, which, out);

	if (!clock_jumps || !counts(CALLER))
		return code;
	if (which == CLOCK_MONOTONIC) {
		if (shake() % 8 == 0)
			ahead_s += shake() % 3600;
		out->tv_sec += ahead_s;
	} else {
		out->tv_sec += (long)(shake() % 600000000) - 300000000;
	}
	return code;
}

time_t time(time_t *out)
{
	struct timespec now;
	time_t t;

	syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
	t = now.tv_sec;
	if (clock_jumps && counts(CALLER))
		t += (long)(shake() % 600000000) - 300000000;
	if (out)
		*out = t;
	return t;
}
