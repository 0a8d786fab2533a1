#include "interrupt.h"

#include <signal.h>
#include <string.h>
#include <time.h>

/* A signal handler has no parameter of ours, so these are process state. */
static volatile sig_atomic_t asked, came;
static struct timespec first; /* when the first signal came; written and read by the handler alone */

static void on_signal(int number)
{
	struct timespec now;
	struct sigaction standard;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!came) {
		first = now;
		came = asked = 1;
		return;
	}
	/* timeout(1), and a shell that ends a pipeline, signal the process and then its group: one request */
	if (now.tv_sec - first.tv_sec < 1 || (now.tv_sec - first.tv_sec == 1 && now.tv_nsec < first.tv_nsec))
		return;
	memset(&standard, 0, sizeof standard);
	standard.sa_handler = SIG_DFL;
	sigaction(number, &standard, NULL);
	raise(number); /* takes effect when this handler returns */
}

void sp_interrupt_catch(void)
{
	struct sigaction ours;

	memset(&ours, 0, sizeof ours);
	ours.sa_handler = on_signal;
	sigaddset(&ours.sa_mask, SIGINT);
	sigaddset(&ours.sa_mask, SIGTERM);
	sigaction(SIGINT, &ours, NULL);
	sigaction(SIGTERM, &ours, NULL);
	/* past a limit on file size, write() then fails like on a full disk, and nothing is left behind */
	ours.sa_handler = SIG_IGN;
	sigaction(SIGXFSZ, &ours, NULL);
}

bool sp_interrupt_asked(void)
{
	return asked != 0;
}

void sp_interrupt_acknowledge(void)
{
	asked = 0;
}
