/* Machine files: the shipped one, and what is said about wrong ones. */
#include "atomic_file.h"
#include "machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define PATH "machine_file_test.yaml"

static sp_status read_text(sp_machine **m, const char *text, sp_error *err)
{
	sp_status st;

	assert_int_equal(sp_file_write_all(PATH, text, strlen(text), NULL), SP_OK);
	st = sp_machine_read(m, PATH, err);
	unlink(PATH);
	return st;
}

static void the_shipped_machine_is_read_by_its_name(void **state)
{
	sp_machine *m = NULL;

	(void)state;
	assert_int_equal(sp_machine_read(&m, "generic-6mv", NULL), SP_OK);
	assert_string_equal(m->name, "generic-6mv");
	assert_string_equal(m->kernel, "mohan6");
	assert_true(m->sad_mm == 1000.0);
	assert_true(m->source_fwhm_mm[1] > 0.0);
	sp_machine_destroy(m);
}

static void an_unknown_name_lists_what_there_is(void **state)
{
	sp_machine *m = NULL;
	sp_error err = {0};

	(void)state;
	assert_int_equal(sp_machine_read(&m, "generic-7mv", &err), SP_BAD_INPUT);
	assert_null(m);
	assert_string_equal(err.text, "no machine is called 'generic-7mv'; there are generic-6mv, or give the path of "
	                              "a YAML file");
}

static void a_wrong_file_is_refused_with_its_name_and_key(void **state)
{
	static const struct {
		const char *text, *expect;
	} wrong[] = {
	        {"", "empty"},
	        {"name: a\n", "sad_mm"},
	        {"name: a\nsad_mm: far\n", "sad_mm"},
	        {"name: a\nsad: 1000\n", "sad"},
	        {"name: a\nsad_mm: 1000\nsource_fwhm_mm: [1]\n", "source_fwhm_mm"},
	        {"name: [\n", PATH},
	        {"name: a\nsad_mm: 1000\nsource_fwhm_mm: [1, 99]\ncollimator_mm: 500\nkernel: mohan6\n"
	         "fluence_per_mu_cm2: 1e9\n",
	         "source_fwhm_mm[1] is 99, expected 0 to 20"},
	        {"name: a\nsad_mm: .nan\nsource_fwhm_mm: [1, 1]\ncollimator_mm: 500\nkernel: mohan6\n"
	         "fluence_per_mu_cm2: 1e9\n",
	         "sad_mm"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		sp_machine *m = NULL;
		sp_error err = {0};

		assert_int_equal(read_text(&m, wrong[i].text, &err), SP_BAD_INPUT);
		assert_null(m);
		if (!strstr(err.text, PATH) || !strstr(err.text, wrong[i].expect))
			fail_msg("\"%s\" gives: %s", wrong[i].text, err.text);
	}
}

static void a_missing_file_is_named(void **state)
{
	sp_machine *m = NULL;
	sp_error err = {0};

	(void)state;
	assert_int_not_equal(sp_machine_read(&m, "./no-such-machine.yaml", &err), SP_OK);
	assert_non_null(strstr(err.text, "./no-such-machine.yaml"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_shipped_machine_is_read_by_its_name),
	        cmocka_unit_test(an_unknown_name_lists_what_there_is),
	        cmocka_unit_test(a_wrong_file_is_refused_with_its_name_and_key),
	        cmocka_unit_test(a_missing_file_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
