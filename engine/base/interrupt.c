#include "interrupt.h"

#include <signal.h>
#include <string.h>

/* A signal handler has no parameter of ours, so this one flag is process state. */
static volatile sig_atomic_t asked;

static void on_signal(int number)
{
	struct sigaction standard;

	asked = 1;
	memset(&standard, 0, sizeof standard);
	standard.sa_handler = SIG_DFL;
	sigaction(number, &standard, NULL);
}

void sp_interrupt_catch(void)
{
	struct sigaction ours;

	memset(&ours, 0, sizeof ours);
	ours.sa_handler = on_signal;
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
