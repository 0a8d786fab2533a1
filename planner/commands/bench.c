/* spineplan bench: how accurate and how fast this program is on this machine. */
#include "commands.h"

#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "accuracy.h"

static const char help[] =
        "usage: spineplan bench accuracy [OPTIONS]\n"
        "Compares the pencil-beam engine with EGSnrc: depth doses and profiles of a point source at 900 mm from flat\n"
        "phantoms, absolute dose per photon, beyond 10 mm depth. A point passes within 2 % of the maximum or 2 mm.\n"
        "Water must pass; in lung, bone and titanium the errors of the method are shown.\n\n"
        "  --reference DIR    use the CSV files of this folder instead of those built in\n"
        "  --machine NAME     whose kernels to judge (default generic-6mv)\n"
        "  --device SELECTOR  number or part of the name of the OpenCL device\n"
        "  --json             print the table as JSON\n"
        "  --help\n\n"
        "Exit status 1 when water does not pass.\n\n"
        "example: spineplan bench accuracy\n";

typedef struct {
	const char *machine, *device;
	bool json;
	sp_accuracy_options accuracy;
} options;

/* 0 to go on, or the exit status plus one. */
static int parse(options *o, int argc, char **argv)
{
	static const struct option known[] = {{"reference", required_argument, NULL, 'r'},
	                                      {"machine", required_argument, NULL, 'm'},
	                                      {"device", required_argument, NULL, 'd'},
	                                      {"json", no_argument, NULL, 'j'},
	                                      {"help", no_argument, NULL, 'h'},
	                                      {NULL, 0, NULL, 0}};
	int c;

	optind = 1;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", known, NULL)) != -1)
		switch (c) {
		case 'r':
			o->accuracy.folder = optarg;
			break;
		case 'm':
			o->machine = optarg;
			break;
		case 'd':
			o->device = optarg;
			break;
		case 'j':
			o->json = true;
			break;
		case 'h':
			fputs(help, stdout);
			return 1;
		default:
			return sp_command_usage("bench", "%s is unknown or lacks its value", argv[optind - 1]) + 1;
		}
	if (optind != argc - 1 || strcmp(argv[optind], "accuracy") != 0)
		return sp_command_usage("bench", "expected 'accuracy', found '%s'", optind < argc ? argv[optind] : "") +
		       1;
	return 0;
}

static void print_row(const sp_accuracy *a)
{
	printf("%-27s %6u  %+6.2f %%  %5.2f %%  %6.1f %%  %+6.1f %%  %5.0f mm %4.0f mm  %5.2f %%  %s\n", a->what,
	       a->points, a->mean_percent, a->rms_percent, 100.0 * a->passed / a->points, a->worst_percent,
	       a->worst_depth_mm, a->worst_off_axis_mm, a->statistics_percent,
	       !a->required             ? "shown"
	       : a->passed == a->points ? "passes"
	                                : "FAILS");
}

static json_t *json_row(const sp_accuracy *a)
{
	return json_pack("{s:s, s:s, s:b, s:b, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:f}", "case", a->name, "what",
	                 a->what, "required", a->required, "passes", a->passed == a->points, "points", (int)a->points,
	                 "passed", (int)a->passed, "mean_percent", a->mean_percent, "rms_percent", a->rms_percent,
	                 "worst_percent", a->worst_percent, "worst_depth_mm", a->worst_depth_mm, "worst_off_axis_mm",
	                 a->worst_off_axis_mm, "statistics_percent", a->statistics_percent);
}

static sp_status run(bool *water_passes, const options *o, sp_error *err)
{
	json_t *rows = json_array();
	sp_machine *machine = NULL;
	sp_matter *matter = NULL;
	sp_device *device = NULL;
	sp_status st;

	*water_passes = true;
	if ((st = sp_machine_read(&machine, o->machine, err)) != SP_OK)
		goto cleanup;
	if ((st = sp_matter_create(&matter, NULL, err)) != SP_OK)
		goto cleanup;
	if ((st = sp_device_open(&device, o->device, err)) != SP_OK)
		goto cleanup;
	if (!o->json)
		printf("%-27s %6s  %8s  %7s  %8s  %8s  %-17s  %7s\n", "EGSnrc reference", "points", "mean", "rms",
		       "passed", "worst", "at depth, off axis", "1 sigma");
	for (unsigned i = 0; st == SP_OK && i < SP_ACCURACY_CASES; i++) {
		sp_accuracy a;

		if ((st = sp_accuracy_measure(&a, i, device, matter, machine, &o->accuracy, err)) != SP_OK)
			break;
		*water_passes = *water_passes && (!a.required || a.passed == a.points);
		if (o->json)
			json_array_append_new(rows, json_row(&a));
		else
			print_row(&a);
	}
	if (st == SP_OK && o->json) {
		json_dumpf(rows, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
		putchar('\n');
	}
cleanup:
	json_decref(rows);
	sp_device_close(device);
	sp_matter_destroy(matter);
	sp_machine_destroy(machine);
	return st;
}

int sp_command_bench(int argc, char **argv)
{
	options o = {.machine = "generic-6mv", .accuracy = {.tolerance_percent = 2.0, .tolerance_mm = 2.0}};
	sp_error err = {0};
	bool water_passes;
	int status = parse(&o, argc, argv);

	if (status != 0)
		return status - 1;
	if (run(&water_passes, &o, &err) != SP_OK)
		return sp_command_fail("bench", &err);
	return water_passes ? 0 : 1;
}
