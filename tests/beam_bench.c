/* The shipped machines' open fields by pencil beam against published measurements, and 1 MU at reference conditions. */
#include "alloc.h"
#include "beam_bench.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

typedef struct {
	sp_device *device;
	sp_matter *matter;
} rig;

static int set_up(void **state)
{
	rig *r = sp_alloc_array(1, sizeof *r);

	*state = r;
	return sp_device_open(&r->device, NULL, NULL) == SP_OK && sp_matter_create(&r->matter, NULL, NULL) == SP_OK
	               ? 0
	               : -1;
}

static int tear_down(void **state)
{
	rig *r = *state;

	sp_matter_destroy(r->matter);
	sp_device_close(r->device);
	free(r);
	return 0;
}

static size_t measure(const rig *r, const sp_machine *m, const char *only, double largest_mm, double output, bool all)
{
	const sp_beam_bench_options o = {.seed = 1, .largest_mm = largest_mm, .only = only};
	sp_machine other = *m;
	sp_beam_check *checks = NULL;
	size_t n = 0, failed = 0;
	sp_error err = {0};

	other.pencil_output *= output;
	if (sp_beam_bench(&checks, &n, &other, r->device, r->matter, &o, &err) != SP_OK)
		fail_msg("%s", err.text);
	assert_true(n > 0);
	for (size_t i = 0; i < n; i++) {
		failed += !checks[i].passes;
		if (all && !checks[i].passes)
			fail_msg("%s, %s: %g %s, measured %g", m->name, checks[i].what, checks[i].computed,
			         checks[i].unit, checks[i].measured);
	}
	free(checks);
	return failed;
}

static void one_mu_gives_what_the_machine_file_says(void **state)
{
	static const char *const names[] = {"generic-6mv", "generic-6fff", "generic-10mv", "generic-10fff"};

	for (int i = 0; i < 4; i++) {
		sp_machine *m = NULL;

		assert_int_equal(sp_machine_read(&m, names[i], NULL), SP_OK);
		measure(*state, m, "reference", 400.0, 1.0, true);
		/* the comparison can fail: 0.3 % more */
		assert_int_equal(measure(*state, m, "reference", 400.0, 1.003, false), 1);
		sp_machine_destroy(m);
	}
}

static void fields_to_20_cm_are_as_measured(void **state)
{
	static const char *const names[] = {"generic-6fff", "generic-10mv"};

	for (int i = 0; i < 2; i++) {
		sp_machine *m = NULL;

		assert_int_equal(sp_machine_read(&m, names[i], NULL), SP_OK);
		measure(*state, m, "depth", 200.0, 1.0, true);
		measure(*state, m, "output", 200.0, 1.0, true);
		measure(*state, m, "penumbra", 100.0, 1.0, true);
		sp_machine_destroy(m);
	}
}

static void an_unknown_beam_is_refused(void **state)
{
	const sp_beam_bench_options o = {.largest_mm = 400.0};
	const rig *r = *state;
	sp_beam_check *checks = NULL;
	sp_machine *m = NULL;
	sp_error err = {0};
	size_t n;

	assert_int_equal(sp_machine_read(&m, "generic-6mv", NULL), SP_OK);
	m->energy_mv = 15.0;
	assert_int_equal(sp_beam_bench(&checks, &n, m, r->device, r->matter, &o, &err), SP_BAD_INPUT);
	assert_string_equal(err.text,
	                    "there are no measurements of 15 MV with flattening filter to compare 'generic-6mv' "
	                    "with");
	sp_machine_destroy(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(one_mu_gives_what_the_machine_file_says),
	        cmocka_unit_test(fields_to_20_cm_are_as_measured),
	        cmocka_unit_test(an_unknown_beam_is_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
