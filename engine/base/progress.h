/* One progress display: a bar that redraws itself on a terminal, a plain line every few seconds elsewhere. */
#ifndef SP_PROGRESS_H
#define SP_PROGRESS_H

#include <stdbool.h>

typedef struct {
	const char *what; /* borrowed */
	double started_s, shown_s;
	bool terminal;
	int shown_tenths; /* of a percent, -1 before the first line */
} sp_progress;

void sp_progress_start(sp_progress *p, const char *what);

/* fraction 0..1; note is free text after the bar, or NULL. Cheap enough to call every iteration. */
void sp_progress_show(sp_progress *p, double fraction, const char *note);

/* Ends the display with the time taken. */
void sp_progress_end(sp_progress *p, const char *note);

#endif
