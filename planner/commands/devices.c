/* `spineplan devices`: the OpenCL devices, and whether they compute right. */
#include "commands.h"

#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "device.h"
#include "self_test.h"

static const char help[] =
        "usage: spineplan devices [OPTIONS]\n"
        "\n"
        "Lists the OpenCL devices of this machine. With --self-test, computes known doses on one of them, or all.\n"
        "\n"
        "  --self-test        products with known results and a dose in water that is known from EGSnrc\n"
        "  --device SELECTOR  number or part of the name of the device to test (default: what `plan` would take)\n"
        "  --all              test every device\n"
        "  --json             the same for machines: devices, self_test\n"
        "  --help             this text\n"
        "\n"
        "Exit status 3 when there is no device or a result is wrong.\n"
        "\n"
        "example: spineplan devices --self-test\n";

#define GIBI (1024.0 * 1024.0 * 1024.0)

typedef struct {
	const char *device;
	bool self_test, all, json;
} options;

/* 0 to go on, or the exit status plus one. */
static int parse(options *o, int argc, char **argv)
{
	static const struct option known[] = {
	        {"self-test", no_argument, NULL, 's'}, {"device", required_argument, NULL, 'd'},
	        {"all", no_argument, NULL, 'a'},       {"json", no_argument, NULL, 'j'},
	        {"help", no_argument, NULL, 'h'},      {NULL, 0, NULL, 0}};
	int c;

	optind = 1;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", known, NULL)) != -1)
		switch (c) {
		case 's':
			o->self_test = true;
			break;
		case 'd':
			o->device = optarg;
			break;
		case 'a':
			o->all = true;
			break;
		case 'j':
			o->json = true;
			break;
		case 'h':
			fputs(help, stdout);
			return 1;
		default:
			return sp_command_usage("devices", "%s is unknown or lacks its value", argv[optind - 1]) + 1;
		}
	if (optind < argc)
		return sp_command_usage("devices", "what is '%s'?", argv[optind]) + 1;
	if ((o->all || o->device) && !o->self_test)
		return sp_command_usage("devices", "--all and --device say what --self-test is for; it is missing") + 1;
	if (o->all && o->device)
		return sp_command_usage("devices", "--all and --device exclude each other") + 1;
	return 0;
}

static const char *type_name(const sp_device_info *d)
{
	return d->is_gpu ? "GPU" : d->is_cpu ? "CPU" : "accelerator";
}

static void print_table(const sp_device_info *infos, size_t n)
{
	printf("%3s  %-11s  %5s  %10s  %4s  %13s  name, platform and driver\n", "", "type", "units", "memory", "fp64",
	       "int64 atomics");
	for (size_t i = 0; i < n; i++) {
		const sp_device_info *d = &infos[i];

		printf("%3zu  %-11s  %5zu  %6.1f GiB  %4s  %13s  %s (%s, %s)\n", i, type_name(d), d->compute_units,
		       (double)d->global_bytes / GIBI, d->has_fp64 ? "yes" : "no", d->has_int64_atomics ? "yes" : "no",
		       d->name, d->platform, d->driver);
	}
}

static json_t *device_json(const sp_device_info *d, size_t index)
{
	return json_pack("{s:I, s:s%, s:s, s:s%, s:s%, s:s%, s:s%, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:b}", "index",
	                 (json_int_t)index, "name", d->name, strlen(d->name), "type", type_name(d), "vendor", d->vendor,
	                 strlen(d->vendor), "platform", d->platform, strlen(d->platform), "version", d->version,
	                 strlen(d->version), "driver", d->driver, strlen(d->driver), "compute_units",
	                 (json_int_t)d->compute_units, "clock_mhz", (json_int_t)d->clock_mhz, "memory_bytes",
	                 (json_int_t)d->global_bytes, "largest_buffer_bytes", (json_int_t)d->max_alloc_bytes,
	                 "local_memory_bytes", (json_int_t)d->local_bytes, "largest_work_group",
	                 (json_int_t)d->max_work_group, "fp64", d->has_fp64, "int64_atomics", d->has_int64_atomics);
}

static void print_checks(const char *name, double seconds, const sp_self_test_check *checks, bool passed)
{
	printf("\nself-test on %s: %s (%.2f s)\n", name, passed ? "passed" : "FAILED", seconds);
	for (int i = 0; i < SP_SELF_TEST_CHECKS; i++) {
		const sp_self_test_check *c = &checks[i];

		printf("  %-6s %s: %.5g %s, expected %.5g +- %.2g\n", c->passed ? "right" : "WRONG", c->what, c->value,
		       c->unit, c->expected, c->tolerance);
	}
}

static json_t *checks_json(const char *name, double seconds, const sp_self_test_check *checks, bool passed)
{
	json_t *list = json_array();

	for (int i = 0; i < SP_SELF_TEST_CHECKS; i++)
		json_array_append_new(list, json_pack("{s:s, s:s, s:f, s:f, s:f, s:b}", "what", checks[i].what, "unit",
		                                      checks[i].unit, "value", checks[i].value, "expected",
		                                      checks[i].expected, "tolerance", checks[i].tolerance, "passed",
		                                      checks[i].passed));
	return json_pack("{s:s, s:b, s:f, s:o}", "device", name, "passed", passed, "seconds", seconds, "checks", list);
}

/* Tests one device; *all_passed becomes false when a result is wrong. results is NULL for a table. */
static sp_status test_device(const char *selector, json_t *results, bool *all_passed, sp_error *err)
{
	sp_self_test_check checks[SP_SELF_TEST_CHECKS];
	double start = sp_clock_seconds();
	sp_device *d;
	bool passed = true;
	sp_status st = sp_device_open(&d, selector, err);

	if (st != SP_OK)
		return st;
	if ((st = sp_self_test(checks, d, err)) == SP_OK) {
		const char *name = sp_device_describe(d)->name;

		for (int i = 0; i < SP_SELF_TEST_CHECKS; i++)
			passed = passed && checks[i].passed;
		if (results)
			json_array_append_new(results, checks_json(name, sp_clock_seconds() - start, checks, passed));
		else
			print_checks(name, sp_clock_seconds() - start, checks, passed);
		*all_passed = *all_passed && passed;
	}
	sp_device_close(d);
	return st;
}

static sp_status test_devices(const options *o, size_t n, json_t *results, bool *all_passed, sp_error *err)
{
	sp_status st = SP_OK;
	char index[24];

	if (!o->self_test)
		return SP_OK;
	if (!o->all)
		return test_device(o->device, results, all_passed, err);
	for (size_t i = 0; st == SP_OK && i < n; i++) {
		snprintf(index, sizeof index, "%zu", i);
		st = test_device(index, results, all_passed, err);
	}
	return st;
}

int sp_command_devices(int argc, char **argv)
{
	options o = {0};
	sp_device_info *infos = NULL;
	sp_device *d;
	size_t n;
	json_t *root = NULL, *results = NULL;
	bool all_passed = true;
	sp_error err = {0};
	int done = parse(&o, argc, argv);
	sp_status st;

	if (done)
		return done - 1;
	if ((st = sp_device_list(&infos, &n, &err)) != SP_OK)
		return sp_command_fail("devices", &err);
	/* opening is what knows the sentence for a machine without devices */
	if (n == 0 && sp_device_open(&d, NULL, &err) != SP_OK)
		return sp_command_fail("devices", &err);
	if (o.json) {
		root = json_pack("{s:[]}", "devices");
		for (size_t i = 0; i < n; i++)
			json_array_append_new(json_object_get(root, "devices"), device_json(&infos[i], i));
		results = json_array();
	} else {
		print_table(infos, n);
		fflush(stdout);
	}
	st = test_devices(&o, n, results, &all_passed, &err);
	if (o.json && o.self_test)
		json_object_set(root, "self_test", results);
	if (o.json && st == SP_OK) {
		json_dumpf(root, stdout, JSON_INDENT(2));
		putchar('\n');
	}
	json_decref(results);
	json_decref(root);
	free(infos);
	if (st != SP_OK)
		return sp_command_fail("devices", &err);
	return all_passed ? 0 : 3;
}
