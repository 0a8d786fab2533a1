/* A known dose on the user's own device, in about a second: `spineplan devices --self-test`. */
#ifndef SP_SELF_TEST_H
#define SP_SELF_TEST_H

#include <stdbool.h>

#include "device.h"
#include "status.h"

#define SP_SELF_TEST_CHECKS 5

typedef struct {
	const char *what, *unit;
	double value, expected, tolerance; /* absolute */
	bool passed;
} sp_self_test_check;

/* Fails only where the device gives no result at all; what is wrong with a result is in the checks. */
sp_status sp_self_test(sp_self_test_check out[SP_SELF_TEST_CHECKS], sp_device *d, sp_error *err);

#endif
