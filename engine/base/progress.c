#include "progress.h"
#include "clock.h"
#include "log.h"

#include <stdio.h>
#include <unistd.h>

void sp_progress_start(sp_progress *p, const char *what)
{
	p->what = what;
	p->started_s = sp_clock_seconds();
	p->shown_s = p->started_s;
	p->terminal = isatty(STDERR_FILENO) == 1;
	p->shown_tenths = -1;
}

void sp_progress_show(sp_progress *p, double fraction, const char *note)
{
	double now = sp_clock_seconds();
	double gap = p->terminal ? 0.1 : 5.0; /* seconds between two displays */
	int tenths = (int)(fraction * 1000.0);

	if (now - p->shown_s < gap || tenths == p->shown_tenths)
		return;
	p->shown_s = now;
	p->shown_tenths = tenths;
	if (!p->terminal) {
		sp_log_info("%s: %.0f %% %s", p->what, 100.0 * fraction, note ? note : "");
		return;
	}
	char bar[31];
	int filled = (int)(fraction * 30.0);

	for (int i = 0; i < 30; i++)
		bar[i] = i < filled ? '#' : '.';
	bar[30] = '\0';
	fprintf(stderr, "\r\033[K%s [%s] %5.1f %% %s", p->what, bar, 100.0 * fraction, note ? note : "");
	fflush(stderr);
}

void sp_progress_end(sp_progress *p, const char *note)
{
	if (p->terminal)
		fputs("\r\033[K", stderr);
	sp_log_info("%s: %.1f s%s%s", p->what, sp_clock_seconds() - p->started_s, note ? ", " : "", note ? note : "");
}
