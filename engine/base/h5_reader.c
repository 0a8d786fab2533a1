/* The process that opens HDF5 files for reading. It is forked by h5_read.c, limits itself, answers one question after
 * the other (h5_answers.c) and never returns. A crash, a hang or a greedy allocation in the HDF5 library ends this
 * process only. */
#include "h5_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Memory beyond what the process had when it was forked: what any question may take, and most of all with a chunk of a
 * few hundred MB and its compressed form, for files that keep a whole CT as a single chunk. */
#define QUESTION_BYTES (256ull << 20)
#define MEMORY_BYTES (2ull << 30)
/* Processor time of one question: seconds, and bytes a second (deflate gives 200 MB/s and more). */
#define QUESTION_S 3
#define BYTES_A_SECOND (10u << 20)

static void say(sp_h5_reader *r, const void *data, size_t bytes)
{
	const char *from = data;

	while (bytes) {
		ssize_t sent = send(r->socket_fd, from, bytes, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			_exit(0); /* nobody listens any more */
		from += sent;
		bytes -= (size_t)sent;
	}
}

void sp_h5_reader_say(sp_h5_reader *r, const void *payload, uint64_t bytes)
{
	r->answer.bytes = bytes;
	say(r, &r->answer, sizeof r->answer);
	say(r, payload, bytes);
}

/* The sentence goes on where the file's name ends, so it begins with ":" or ": ". */
void sp_h5_reader_refuse(sp_h5_reader *r, const char *format, ...)
{
	va_list args;

	r->answer.status = SP_BAD_INPUT;
	va_start(args, format);
	vsnprintf(r->answer.text, sizeof r->answer.text, format, args);
	va_end(args);
	sp_h5_reader_say(r, NULL, 0);
}

/* Refuses with the library's reason; the call that failed must be the last one made. */
void sp_h5_reader_refuse_broken(sp_h5_reader *r, const char *path, const char *attribute)
{
	char reason[512];

	sp_h5_reason(reason, sizeof reason);
	sp_h5_reader_refuse(r, ":%s%s%s cannot be read, the file is damaged (HDF5: %s)", path, *attribute ? " " : "",
	                    attribute, reason[0] ? reason : "no reason given");
}

static void limit(int what, rlim_t most)
{
	struct rlimit now;

	if (getrlimit(what, &now) != 0)
		return;
	if (now.rlim_max == RLIM_INFINITY || most < now.rlim_max)
		now.rlim_cur = most;
	setrlimit(what, &now);
}

static rlim_t forked_bytes; /* addresses in use at the fork; 0: not known */

static void find_forked_bytes(void)
{
#if !defined(__SANITIZE_ADDRESS__) /* AddressSanitizer reserves terabytes of addresses */
	unsigned long long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f)
		return;
	if (fscanf(f, "%llu", &pages) == 1)
		forked_bytes = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
	fclose(f);
#endif
}

/* Only the soft limit moves, so that it can go up again. */
void sp_h5_reader_limit_memory(uint64_t bytes)
{
	if (forked_bytes)
		limit(RLIMIT_AS, forked_bytes + (rlim_t)(bytes < MEMORY_BYTES - QUESTION_BYTES ? QUESTION_BYTES + bytes
		                                                                               : MEMORY_BYTES));
}

/* The soft limit moves on with every question; reaching it sends SIGXCPU, which ends the process. */
void sp_h5_reader_limit_time(uint64_t bytes)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	limit(RLIMIT_CPU, (rlim_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + QUESTION_S + bytes / BYTES_A_SECOND);
}

/* ---- life ---- */

static void answer_open(sp_h5_reader *r, const char *path)
{
	hid_t access = H5Pcreate(H5P_FILE_ACCESS);
	char reason[512];

	if (H5Fis_hdf5(path) <= 0) {
		sp_h5_reader_refuse(r, " is not an HDF5 file");
		return;
	}
#if H5_VERSION_GE(1, 10, 7)
	/* our files appear by renaming, so nobody writes to them; locks fail on some network disks */
	H5Pset_file_locking(access, 0, 1);
#endif
	r->file = H5Fopen(path, H5F_ACC_RDONLY, access);
	if (r->file < 0) {
		sp_h5_reason(reason, sizeof reason);
		sp_h5_reader_refuse(r, " cannot be opened, the file is truncated or damaged (HDF5: %s)", reason);
		return;
	}
	H5Pclose(access);
	sp_h5_reader_say(r, NULL, 0);
}

static bool hear(sp_h5_reader *r, sp_h5_request *rq)
{
	size_t got = 0;

	while (got < sizeof *rq) {
		ssize_t n = recv(r->socket_fd, (char *)rq + got, sizeof *rq - got, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		got += (size_t)n;
	}
	return true;
}

void sp_h5_reader_serve(int socket_fd, const char *path)
{
	static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGXCPU};
	sp_h5_reader r = {.socket_fd = socket_fd, .file = -1};
	int nowhere = open("/dev/null", O_RDWR);
	sp_h5_request rq;

	/* a crash is an answer here: no handlers, no core, no last words of the C library on the user's terminal */
	for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
		signal(fatal[i], SIG_DFL);
	limit(RLIMIT_CORE, 0);
	if (nowhere >= 0)
		dup2(nowhere, STDERR_FILENO);
	find_forked_bytes();
	H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
	H5PLset_loading_state(0); /* no code from where a file or the environment says */
	while (hear(&r, &rq)) {
		memset(&r.answer, 0, sizeof r.answer);
		sp_h5_reader_limit_time(0);
		sp_h5_reader_limit_memory(0);
		switch (rq.question) {
		case SP_H5_ASK_OPEN:
			answer_open(&r, path);
			break;
		case SP_H5_ASK_LOOK:
			sp_h5_answer_look(&r, &rq);
			break;
		case SP_H5_ASK_LIST:
			sp_h5_answer_list(&r, &rq);
			break;
		case SP_H5_ASK_ROWS:
			sp_h5_answer_rows(&r, &rq);
			break;
		case SP_H5_ASK_TEXT:
			sp_h5_answer_text(&r, &rq);
			break;
		case SP_H5_ASK_ATTRIBUTE_NUMBERS:
		case SP_H5_ASK_ATTRIBUTE_TEXT:
			sp_h5_answer_attribute(&r, &rq);
			break;
		}
	}
	_exit(0);
}
