#ifndef SP_CLOCK_H
#define SP_CLOCK_H

/* Seconds from an arbitrary start, monotonic: differences survive changes of the wall clock. */
double sp_clock_seconds(void);

/* The current UTC time as ISO 8601, for example 2030-01-31T08:15:00Z; out holds at least 21 bytes. */
void sp_clock_utc_text(char out[21]);

#endif
