/* The protocols that are shipped, and what is said of wrong ones. */
#include "protocol.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "atomic_file.h"
#include "fractionation.h"
#include "metric.h"

static sp_protocol *read_shipped(const char *name)
{
	sp_protocol *p = NULL;
	sp_error err = {0};

	if (sp_protocol_read(&p, name, &err) != SP_OK)
		fail_msg("%s", err.text);
	return p;
}

static const sp_limit *find(const sp_protocol *p, const char *structure, const char *metric)
{
	for (size_t i = 0; i < p->n_limits; i++)
		if (strcmp(p->limits[i].structure, structure) == 0 && strcmp(p->limits[i].metric, metric) == 0)
			return &p->limits[i];
	return NULL;
}

static double value_of(const char *protocol, const char *structure, const char *metric)
{
	sp_protocol *p = read_shipped(protocol);
	const sp_limit *l = find(p, structure, metric);
	double value = l ? l->value : NAN;

	sp_protocol_destroy(p);
	return value;
}

static void every_shipped_protocol_loads_and_every_number_has_a_source(void **state)
{
	const char *const *names = sp_protocol_names();
	size_t n = 0;

	(void)state;
	for (; names[n]; n++) {
		sp_protocol *p = read_shipped(names[n]);
		bool cord = false;

		assert_string_equal(p->name, names[n]);
		assert_true(strlen(p->source) > 10 && strlen(p->title) > 5);
		assert_true(p->n_limits >= 3);
		for (size_t i = 0; i < p->n_limits; i++) {
			const sp_limit *l = &p->limits[i];
			sp_metric m;

			assert_true(strlen(l->source) > 10);
			assert_int_equal(sp_metric_parse(&m, l->metric, NULL), SP_OK);
			assert_true(l->value > 0.0);
			cord = cord || (l->hard && strcmp(l->structure, "role:cord") == 0);
		}
		/* a plan for a spine always has a hard limit on the cord; the phantom has no cord */
		assert_true(cord || strcmp(names[n], "tg119-c-shape") == 0);
		sp_protocol_destroy(p);
	}
	assert_int_equal(n, 18);
}

/* The name of a protocol says its dose and fractions. */
static void names_agree_with_dose_and_fractions(void **state)
{
	const char *const *names = sp_protocol_names();

	(void)state;
	for (; strcmp(*names, "tg119-c-shape") != 0; names++) {
		sp_protocol *p = read_shipped(*names);
		char end[40];

		snprintf(end, sizeof end, "-%ggy-%ufx", p->dose_gy, p->fractions);
		assert_string_equal(*names + strlen(*names) - strlen(end), end);
		sp_protocol_destroy(p);
	}
}

static void published_limits_are_as_published(void **state)
{
	(void)state;
	/* HyTEC 2021 (1 to 5 fractions), SC.24 */
	assert_true(value_of("sbrt-24gy-1fx", "role:prv", "D0.03cc") == 14);
	assert_true(value_of("sc24-24gy-2fx", "role:prv", "D0.03cc") == 17);
	assert_true(value_of("sbrt-30gy-3fx", "role:prv", "D0.03cc") == 20.3);
	assert_true(value_of("sbrt-30gy-4fx", "role:prv", "D0.03cc") == 23);
	assert_true(value_of("sbrt-30gy-5fx", "role:prv", "D0.03cc") == 25.3);
	/* TG-101 */
	assert_true(value_of("rtog0631-18gy-1fx", "role:cord", "D0.35cc") == 10);
	assert_true(value_of("sbrt-27gy-3fx", "role:cord", "D1.2cc") == 12.3);
	assert_true(value_of("sbrt-40gy-5fx", "Esophagus", "D5cc") == 19.5);
	assert_true(value_of("postop-30gy-3fx", "role:prv", "D0.03cc") == 20.3);
	assert_true(value_of("rtog0631-16gy-1fx", "Lungs", "DC1500cc") == 7);
	assert_true(value_of("sbrt-35gy-5fx", "CaudaEquina", "D0.03cc") == 32);
	/* 2 fractions: a source of its own where there is one */
	assert_true(value_of("sc24-24gy-2fx", "Esophagus", "D0.03cc") == 27.5);
	assert_true(value_of("sc24-24gy-2fx", "Stomach", "D0.03cc") == 20);
}

/* Heart D15cc: 16 Gy in 1 and 24 Gy in 3 fractions. BED3: 101.33 and 88; in 2: 94.67, which is 21.0 Gy. */
static void limits_between_published_fractions_are_derived_and_say_so(void **state)
{
	sp_protocol *p = read_shipped("sc24-24gy-2fx");
	const sp_limit *l = find(p, "Heart", "D15cc");

	(void)state;
	assert_non_null(l);
	assert_true(fabs(l->value - 21.0) < 0.051); /* stated to 0.1 Gy */
	assert_non_null(strstr(l->source, "derived"));
	assert_non_null(strstr(l->source, "TG-101"));
	assert_false(l->unverified);
	/* liver: verified for 1 fraction only, so what is derived from it is not */
	assert_true(find(p, "Liver", "DC700cc")->unverified);
	sp_protocol_destroy(p);
	/* the cord's volume limits have no source for 2 and 4 fractions and are not invented */
	assert_true(isnan(value_of("sc24-24gy-2fx", "role:cord", "D1.2cc")));
}

/* 50 Gy in 2 Gy fractions, alpha/beta 2: 100 Gy BED. In 10 fractions: D (1 + D / 20) = 100. */
static void conventional_limits_follow_from_the_dose_in_2_gy_fractions(void **state)
{
	double in_ten = value_of("conventional-30gy-10fx", "role:cord", "D0.03cc");

	(void)state;
	assert_true(fabs(in_ten * (1 + in_ten / 20) - 100) < 0.3); /* rounded to 0.1 Gy */
	assert_true(fabs(sp_eqd2_gy(30, 10, 10) - 32.5) < 1e-9);
	assert_true(fabs(sp_bed_gy(24, 2, 10) - 52.8) < 1e-9);
	assert_true(fabs(sp_dose_of_bed_gy(52.8, 2, 10) - 24) < 1e-9);
}

static void metrics_are_read_and_written_back(void **state)
{
	static const char *const pairs[][2] = {{"Dmax", "Dmax_Gy"},          {"Dmin", "Dmin_Gy"},
	                                       {"Dmean", "Dmean_Gy"},        {"D0.03cc", "D0.03cc_Gy"},
	                                       {"D95%", "D95_Gy"},           {"D95", "D95_Gy"},
	                                       {"DC1500cc", "DC1500cc_Gy"},  {"V20Gy%", "V20Gy_pct"},
	                                       {"V17Gy_cc", "V17Gy_cc"},     {"V100%", "V100_pct"},
	                                       {"V100%_cc", "V100_cc"},      {"CV7Gy_cc", "CV7Gy_cc"},
	                                       {"D0.35cc_Gy", "D0.35cc_Gy"}, {"V12.5Gy_pct", "V12.5Gy_pct"}};
	static const char *const wrong[] = {"",     "D",     "Dmedian", "D101%", "DC5%",   "V20",
	                                    "VGy%", "V20Gy", "CV7%",    "D5ccm", "D1e3cc", "d95"};

	(void)state;
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		char key[SP_METRIC_KEY_BYTES];
		sp_metric m, again;
		sp_error err = {0};

		if (sp_metric_parse(&m, pairs[i][0], &err) != SP_OK)
			fail_msg("%s", err.text);
		sp_metric_key(key, &m);
		assert_string_equal(key, pairs[i][1]);
		assert_int_equal(sp_metric_parse(&again, key, &err), SP_OK);
		assert_true(again.kind == m.kind && again.x == m.x && again.percent == m.percent);
	}
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		sp_metric m;

		if (sp_metric_parse(&m, wrong[i], NULL) == SP_OK)
			fail_msg("'%s' was taken for a metric", wrong[i]);
	}
}

static const char head[] = "name: own\ntitle: own protocol\nsource: a paper\ndose_gy: 24\nfractions: 2\n";

/* Reads head + rest from a file and expects refusal with all of the words. */
static void assert_refused(const char *text, const char *const words[])
{
	char path[64], *whole = malloc(8192);
	sp_protocol *p = NULL;
	sp_error err = {0};

	snprintf(path, sizeof path, "/tmp/spineplan-protocol-%d.yaml", (int)getpid());
	snprintf(whole, 8192, "%s", text);
	assert_int_equal(sp_file_write_all(path, whole, strlen(whole), &err), SP_OK);
	assert_int_equal(sp_protocol_read(&p, path, &err), SP_BAD_INPUT);
	assert_null(p);
	assert_non_null(strstr(err.text, path));
	for (; *words; words++)
		if (!strstr(err.text, *words))
			fail_msg("'%s' does not say '%s'", err.text, *words);
	unlink(path);
	free(whole);
}

static void wrong_protocols_are_refused_with_file_key_and_what_was_found(void **state)
{
	char text[4096];

	(void)state;
	assert_refused("name: own\n", (const char *[]){"title", NULL});
	assert_refused("name: own\ntitel: x\n", (const char *[]){"titel", "line", NULL});
	snprintf(text, sizeof text, "%sdose: 3\n", head);
	assert_refused(text, (const char *[]){"dose", "line", NULL});
	assert_refused("name: a\ntitle: b\nsource: c\ndose_gy: lots\nfractions: 2\n",
	               (const char *[]){"lots", "dose_gy", "line", NULL});
	assert_refused("name: a\ntitle: b\nsource: c\ndose_gy: -3\nfractions: 2\n",
	               (const char *[]){"dose_gy", "-3", NULL});
	assert_refused("name: a\ntitle: b\nsource: c\ndose_gy: 3\nfractions: 0\n",
	               (const char *[]){"fractions", "0", NULL});
	snprintf(text, sizeof text, "%slimits:\n  - {structure: Heart, metric: D15, source: x}\n", head);
	assert_refused(text, (const char *[]){"limits[0]", "Heart", "at_most", NULL});
	snprintf(text, sizeof text, "%slimits:\n  - {structure: Heart, metric: Dtop, at_most: 3, source: x}\n", head);
	assert_refused(text, (const char *[]){"Heart", "Dtop", "D0.03cc", NULL});
	snprintf(text, sizeof text, "%slimits:\n  - {structure: role:chord, metric: Dmax, at_most: 3, source: x}\n",
	         head);
	assert_refused(text, (const char *[]){"role:chord", NULL});
	snprintf(text, sizeof text, "%slimits:\n  - {structure: Heart, metric: Dmax, at_most: 3}\n", head);
	assert_refused(text, (const char *[]){"source", NULL});
	snprintf(text, sizeof text, "%slimits:\n  - {structure: Heart, metric: Dmax, at_most: .nan, source: x}\n",
	         head);
	assert_refused(text, (const char *[]){".nan", "at_most", NULL});
	snprintf(text, sizeof text, "%stables: [organs-of-mine]\n", head);
	assert_refused(text, (const char *[]){"organs-of-mine", "organs-tg101", NULL});
	assert_refused("- a list\n", (const char *[]){NULL});
	assert_refused("{{{", (const char *[]){NULL});
	assert_refused("", (const char *[]){NULL});
}

static void an_unknown_name_is_refused_with_the_names_there_are(void **state)
{
	sp_protocol *p = NULL;
	sp_error err = {0};

	(void)state;
	assert_int_equal(sp_protocol_read(&p, "sc25", &err), SP_BAD_INPUT);
	assert_non_null(strstr(err.text, "sc25"));
	assert_non_null(strstr(err.text, "sc24-24gy-2fx"));
	err = (sp_error){0};
	assert_int_equal(sp_protocol_read(&p, "/no/such/protocol.yaml", &err), SP_IO);
	assert_non_null(strstr(err.text, "/no/such/protocol.yaml"));
}

/* A protocol's own limit stands before a table's on the same structure and metric. */
static void own_limits_take_the_place_of_a_tables(void **state)
{
	const char *path = "/tmp/spineplan-own-protocol.yaml";
	char text[1024];
	sp_protocol *p = NULL;
	sp_error err = {0};
	size_t prv = 0;

	(void)state;
	snprintf(text, sizeof text,
	         "%stables: [cord-sbrt]\nlimits:\n  - {structure: role:prv, metric: D0.03cc, at_most: 12.2, hard: yes, "
	         "source: earlier course}\n",
	         head);
	assert_int_equal(sp_file_write_all(path, text, strlen(text), &err), SP_OK);
	if (sp_protocol_read(&p, path, &err) != SP_OK)
		fail_msg("%s", err.text);
	for (size_t i = 0; i < p->n_limits; i++)
		prv += strcmp(p->limits[i].structure, "role:prv") == 0;
	assert_int_equal(prv, 1);
	assert_true(find(p, "role:prv", "D0.03cc")->value == 12.2);
	assert_true(find(p, "role:cord", "D0.03cc")->value == 17);
	sp_protocol_destroy(p);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_shipped_protocol_loads_and_every_number_has_a_source),
	        cmocka_unit_test(names_agree_with_dose_and_fractions),
	        cmocka_unit_test(published_limits_are_as_published),
	        cmocka_unit_test(limits_between_published_fractions_are_derived_and_say_so),
	        cmocka_unit_test(conventional_limits_follow_from_the_dose_in_2_gy_fractions),
	        cmocka_unit_test(metrics_are_read_and_written_back),
	        cmocka_unit_test(wrong_protocols_are_refused_with_file_key_and_what_was_found),
	        cmocka_unit_test(an_unknown_name_is_refused_with_the_names_there_are),
	        cmocka_unit_test(own_limits_take_the_place_of_a_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
