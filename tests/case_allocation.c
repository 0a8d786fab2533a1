/* Makes the n-th allocation of our own code fail, for every n, while a case is read, checked, resampled and written:
 * each time there is a status and a sentence, nothing crashes, and (in the sanitizer build) nothing leaks. The linker
 * puts these allocators in place of the C library's for the objects of this program, not for libraries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "case.h"
#include "case_fixture.h"
#include "mask.h"

/* Allocations until one fails; SIZE_MAX: none does. */
static size_t left = SIZE_MAX;

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t n, size_t bytes);
void *__real_realloc(void *old, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t n, size_t bytes);
void *__wrap_realloc(void *old, size_t bytes);

static int fails_now(void)
{
	return left != SIZE_MAX && left-- == 0;
}

void *__wrap_malloc(size_t bytes)
{
	return fails_now() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t n, size_t bytes)
{
	return fails_now() ? NULL : __real_calloc(n, bytes);
}

void *__wrap_realloc(void *old, size_t bytes)
{
	return fails_now() ? NULL : __real_realloc(old, bytes);
}

static char path[] = "/tmp/spineplan-alloc-XXXXXX";
static const sp_grid dose = {{9, 8, 7}, {2.0, 2.0, 2.0}, {-5.0, -230.0, 815.0}};

static sp_status read_it(sp_error *err)
{
	sp_case *c;
	sp_status st = sp_case_read(&c, path, err);

	sp_case_destroy(c);
	return st;
}

static sp_case *held; /* by the test that runs */

static sp_status write_it(sp_error *err)
{
	return sp_case_write(held, path, err);
}

static sp_status warn_about_it(sp_error *err)
{
	char **warnings;
	size_t n;
	sp_status st = sp_case_warnings(&warnings, &n, held, err);

	free(warnings);
	return st;
}

static sp_status resample_it(sp_error *err)
{
	static float fraction[9 * 8 * 7];
	sp_status st = SP_OK;

	for (size_t i = 0; i < held->n_structures && st == SP_OK; i++)
		st = sp_structure_fractions(fraction, &held->structures[i], &held->ct, &dose, err);
	return st;
}

static void every_allocation_may_fail(sp_status (*work)(sp_error *err), size_t at_least)
{
	size_t n = 0, recovered = 0;

	for (;; n++) {
		sp_error err = {0};
		sp_status st;

		left = n;
		st = work(&err);
		if (left != SIZE_MAX && st == SP_OK) {
			left = SIZE_MAX;
			break; /* it needs no more than n */
		}
		left = SIZE_MAX;
		if (st == SP_OK)
			recovered++; /* the HDF5 library opens a new file twice, and is content with the second time */
		else if (!strstr(err.text, "memory") && !strstr(err.text, "cannot open"))
			fail_msg("allocation %zu: \"%s\"", n, err.text);
	}
	assert_true(n >= at_least); /* else the allocators are not ours */
	assert_true(recovered <= 1);
}

static void reading(void **state)
{
	(void)state;
	every_allocation_may_fail(read_it, 20);
}

static void writing(void **state)
{
	(void)state;
	every_allocation_may_fail(write_it, 10);
}

static void warning(void **state)
{
	(void)state;
	every_allocation_may_fail(warn_about_it, 20);
}

static void resampling(void **state)
{
	(void)state;
	every_allocation_may_fail(resample_it, 20);
}

static int make_case(void **state)
{
	(void)state;
	close(mkstemp(path));
	held = fixture_case();
	return sp_case_write(held, path, NULL) == SP_OK ? 0 : -1;
}

static int drop_case(void **state)
{
	(void)state;
	sp_case_destroy(held);
	unlink(path);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(reading),
	        cmocka_unit_test(writing),
	        cmocka_unit_test(warning),
	        cmocka_unit_test(resampling),
	};

	return cmocka_run_group_tests(tests, make_case, drop_case);
}
