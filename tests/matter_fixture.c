#include "matter_fixture.h"

#include "matter.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

int create_matter(void **state)
{
	return sp_matter_create((sp_matter **)state, NULL, NULL) != SP_OK;
}

int destroy_matter(void **state)
{
	sp_matter_destroy(*state);
	return 0;
}

void assert_near(double found, double expected, double tolerance)
{
	if (!(fabs(found - expected) <= tolerance))
		fail_msg("found %.9g, expected %.9g within %.2g", found, expected, tolerance);
}
