#include "clock.h"

#include <time.h>

double sp_clock_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void sp_clock_utc_text(char out[21])
{
	time_t now = time(NULL);
	struct tm utc;

	gmtime_r(&now, &utc);
	strftime(out, 21, "%Y-%m-%dT%H:%M:%SZ", &utc);
}
