/* spineplan bench beams: a machine's open fields in water against published measurements. */
#include "commands.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "beam_bench.h"
#include "options.h"
#include "report.h"

static const char help[] =
        "usage: spineplan bench beams [OPTIONS]\n"
        "Computes open fields in water and compares depth doses, output factors, off-axis ratios, penumbrae and the "
        "dose\n"
        "of a monitor unit with what is published of the machine's class of beam (docs/machines.md).\n"
        "\n"
        "  --machine NAME|FILE  one machine (default: the four that are shipped)\n"
        "  --measured DIR       compare with these measurements instead, by gamma (docs/commissioning.md)\n"
        "  --detector-mm S      their profiles were seen through a Gaussian of this standard deviation (default 0)\n"
        "  --engine pencil|mc   (default pencil: a few minutes; Monte Carlo: ten minutes a machine up to 20 cm on\n"
        "                       one core, as long again each for 30 and 40 cm)\n"
        "  --uncertainty U%     of Monte Carlo, on the axis (default 0.5%)\n"
        "  --seed S             other random numbers (default 1)\n"
        "  --smallest-mm F      leave out smaller fields\n"
        "  --largest-mm F       leave out larger fields (default 400)\n"
        "  --only WHAT          depth, reference, output, profile or penumbra\n"
        "  --device SELECTOR    number or part of the name of the OpenCL device\n"
        "  --json               print the table as JSON\n"
        "  --help\n"
        "\n"
        "A row passes within 1 % (Monte Carlo) or 2 % (pencil beam), penumbrae within 0.5 mm, the depth of maximum "
        "within\n"
        "3 mm, the dose of 1 MU within 0.2 %. Exit status 1 when a row fails.\n"
        "\n"
        "example: spineplan bench beams --machine generic-6fff --largest-mm 200\n";

/* Of a measured dose that tells none, share of its scan's maximum: it weighs points for the scale of a scan. */
#define MEASURED_UNCERTAINTY 0.005

static const char *const shipped[] = {"generic-6mv", "generic-6fff", "generic-10mv", "generic-10fff"};

typedef struct {
	const char *machine, *device, *measured;
	double detector_mm;
	bool json;
	sp_beam_bench_options bench;
} options;

static int parse(options *o, int argc, char **argv)
{
	static const struct option known[] = {{"machine", required_argument, NULL, 'm'},
	                                      {"measured", required_argument, NULL, 't'},
	                                      {"detector-mm", required_argument, NULL, 'r'},
	                                      {"engine", required_argument, NULL, 'e'},
	                                      {"uncertainty", required_argument, NULL, 'u'},
	                                      {"seed", required_argument, NULL, 's'},
	                                      {"largest-mm", required_argument, NULL, 'l'},
	                                      {"smallest-mm", required_argument, NULL, 'k'},
	                                      {"only", required_argument, NULL, 'w'},
	                                      {"device", required_argument, NULL, 'd'},
	                                      {"json", no_argument, NULL, 'j'},
	                                      {"help", no_argument, NULL, 'h'},
	                                      {NULL, 0, NULL, 0}};
	int c;

	optind = 1;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", known, NULL)) != -1) {
		bool good = true;

		if (c == 'h') {
			fputs(help, stdout);
			return 1;
		}
		if (c == 'm')
			o->machine = optarg;
		else if (c == 't')
			o->measured = optarg;
		else if (c == 'r')
			good = sp_option_number(&o->detector_mm, optarg, 0.0, 10.0);
		else if (c == 'e')
			good = (o->bench.monte_carlo = strcmp(optarg, "mc") == 0) || strcmp(optarg, "pencil") == 0;
		else if (c == 'u')
			good = sp_option_percent(&o->bench.uncertainty, optarg);
		else if (c == 's')
			good = sp_option_whole(&o->bench.seed, optarg, 0, UINT64_MAX);
		else if (c == 'k')
			good = sp_option_number(&o->bench.smallest_mm, optarg, 1.0, 400.0);
		else if (c == 'w') {
			static const char *const parts[] = {"depth", "reference", "output", "profile", "penumbra"};

			o->bench.only = optarg;
			good = false;
			for (int i = 0; i < 5; i++)
				good = good || strcmp(parts[i], optarg) == 0;
		} else if (c == 'l')
			good = sp_option_number(&o->bench.largest_mm, optarg, 1.0, 400.0);
		else if (c == 'd')
			o->device = optarg;
		else if (c == 'j')
			o->json = true;
		else
			return sp_command_usage("bench", "%s is unknown or lacks its value", argv[optind - 1]) + 1;
		if (!good)
			return sp_command_usage("bench", "'%s' is no good value for its option", optarg) + 1;
	}
	if (optind < argc)
		return sp_command_usage("bench", "'%s' is not understood", argv[optind]) + 1;
	if (o->measured && (!o->machine || o->bench.only))
		return sp_command_usage("bench", "--measured needs --machine, and takes no --only") + 1;
	if (o->detector_mm > 0.0 && !o->measured)
		return sp_command_usage("bench", "--detector-mm is of --measured only") + 1;
	return 0;
}

static void print(json_t *rows, const options *o, const char *machine, const sp_beam_check *c)
{
	if (o->json)
		json_array_append_new(rows,
		                      json_pack("{s:s,s:s,s:f,s:f,s:f,s:s,s:b}", "machine", machine, "what", c->what,
		                                "measured", c->measured, "computed", c->computed, "tolerance",
		                                c->tolerance, "unit", c->unit, "passes", (int)c->passes));
	else
		printf("%-14s %-34s %9.4g %9.4f %+8.4f %-10s %s\n", machine, c->what, c->measured, c->computed,
		       c->computed - c->measured, c->unit, c->passes ? "" : "FAILS");
	fflush(stdout);
}

static sp_status run(bool *all_pass, const options *o, sp_error *err)
{
	sp_device *device = NULL;
	sp_matter *matter = NULL;
	json_t *rows = json_array();
	sp_status st;

	*all_pass = true;
	if ((st = sp_matter_create(&matter, NULL, err)) != SP_OK ||
	    (st = sp_device_open(&device, o->device, err)) != SP_OK)
		goto cleanup;
	if (!o->json)
		printf("%-14s %-34s %9s %9s %8s\n", "machine", "what", "measured", "computed", "differ");
	for (size_t i = 0; i < (o->machine ? 1 : sizeof shipped / sizeof *shipped); i++) {
		sp_beam_check *checks = NULL;
		sp_machine *m = NULL;
		size_t n = 0;

		if ((st = sp_machine_read(&m, o->machine ? o->machine : shipped[i], err)) == SP_OK)
			st = sp_beam_bench(&checks, &n, m, device, matter, &o->bench, err);
		for (size_t k = 0; k < n; k++) {
			print(rows, o, m->name, checks + k);
			*all_pass = *all_pass && checks[k].passes;
		}
		free(checks);
		sp_machine_destroy(m);
		if (st != SP_OK)
			goto cleanup;
	}
	if (o->json) {
		json_dumpf(rows, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
		putchar('\n');
	}
cleanup:
	json_decref(rows);
	sp_device_close(device);
	sp_matter_destroy(matter);
	return st;
}

/* A machine against a folder of measurements. */
static sp_status run_measured(bool *all_pass, const options *o, sp_error *err)
{
	sp_scan_model model = {.detector_sigma_mm = o->detector_mm,
	                       .monte_carlo = o->bench.monte_carlo,
	                       .uncertainty = o->bench.uncertainty,
	                       .seed = o->bench.seed};
	sp_matter *matter = NULL;
	sp_machine *m = NULL;
	sp_measured measured = {0};
	sp_scan_result *found = NULL;
	json_t *json = NULL;
	sp_status st;

	*all_pass = true;
	if ((st = sp_measured_read(&measured, o->measured, err)) != SP_OK ||
	    (st = sp_machine_read(&m, o->machine, err)) != SP_OK ||
	    (st = sp_matter_create(&matter, NULL, err)) != SP_OK ||
	    (st = sp_device_open(&model.device, o->device, err)) != SP_OK ||
	    (st = sp_water_tank_make(&model.tank, err)) != SP_OK)
		goto cleanup;
	model.matter = matter;
	if (!(found = sp_alloc_array(measured.n, sizeof *found))) {
		st = sp_fail(err, SP_NO_MEMORY, "no memory for %zu scans", measured.n);
		goto cleanup;
	}
	for (size_t k = 0; k < measured.n; k++) {
		if ((st = sp_scan_judge(found + k, &model, m, measured.scans + k, MEASURED_UNCERTAINTY, err)) != SP_OK)
			goto cleanup;
		*all_pass = *all_pass && found[k].n_passed == found[k].n_judged;
	}
	if (!o->json)
		sp_scans_print(&measured, found, NULL);
	else if (!(json = sp_scans_json(&measured, found, NULL)) ||
	         json_dumpf(json, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(7)) != 0 || putchar('\n') == EOF)
		st = sp_fail(err, SP_FAILED, "the table cannot be printed");
cleanup:
	json_decref(json);
	for (size_t k = 0; found && k < measured.n; k++)
		sp_scan_result_finish(found + k);
	free(found);
	sp_measured_finish(&measured);
	sp_water_tank_finish(&model.tank);
	sp_device_close(model.device);
	sp_matter_destroy(matter);
	sp_machine_destroy(m);
	return st;
}

int sp_command_bench_beams(int argc, char **argv)
{
	options o = {.bench = {.uncertainty = 0.005, .seed = 1, .largest_mm = 400.0}};
	sp_error err = {0};
	bool all_pass;
	int status = parse(&o, argc, argv);

	if (status != 0)
		return status - 1;
	if ((o.measured ? run_measured : run)(&all_pass, &o, &err) != SP_OK)
		return sp_command_fail("bench", &err);
	return all_pass ? 0 : 1;
}
