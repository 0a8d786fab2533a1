/* How every fallible call in spineplan answers: a status, and one sentence in an sp_error that says what went wrong. */
#ifndef SP_STATUS_H
#define SP_STATUS_H

#include <stddef.h>

typedef enum {
	SP_OK = 0,
	SP_BAD_INPUT,   /* the user's file or option is wrong; exit status 2 */
	SP_IO,          /* a file cannot be read or written; exit status 2 */
	SP_NO_MEMORY,   /* host memory is exhausted; exit status 2 */
	SP_DEVICE,      /* no OpenCL device, failed kernel build, device memory; exit status 3 */
	SP_INTERRUPTED, /* SIGINT or SIGTERM; exit status 4 */
	SP_FAILED       /* a numerical method gave up; exit status 2 */
} sp_status;

typedef struct {
	sp_status status;
	char text[4096]; /* one sentence (a kernel build log may follow it); the first failure is kept */
} sp_error;

/* Records the sentence (unless an earlier failure stands in err already) and returns st. err may be NULL. */
sp_status sp_fail(sp_error *err, sp_status st, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The process exit status that a command returns for st: 0, 2, 3 or 4 (1 is "the plan misses a limit"). */
int sp_exit_status(sp_status st);

#endif
