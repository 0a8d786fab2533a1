/* spineplan bench: how accurate this program is on this machine. */
#include "commands.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "accuracy.h"
#include "accuracy_montecarlo.h"
#include "atomic_file.h"
#include "options.h"

static const char help[] =
        "usage: spineplan bench accuracy [OPTIONS]\n"
        "       spineplan bench beams [OPTIONS]      (a machine's fields against measurements; --help tells more)\n"
        "Compares a dose engine with EGSnrc: depth doses and profiles in flat phantoms, absolute dose per particle.\n"
        "\n"
        "  --engine pencil    (default) 6 MV fields beyond 10 mm depth. A point passes within 2 % of the maximum or\n"
        "                     2 mm. Water must pass; in lung, bone and titanium the errors of the method are shown\n"
        "  --engine mc        all of it, and pencils of photons and electron beams of one energy. A point passes\n"
        "                     within 1 % (water), 2 % (slabs), 1.5 % (others) of the maximum beyond the statistics\n"
        "                     of both (2 sigma), or within 1 mm; 98 % of the points must, and the mean deviation\n"
        "                     must be below 0.5 % (water), 1 % (slabs)\n"
        "  --case NAME        this one only, as the file is called (water_6mv_3x3)\n"
        "  --reference DIR    use the CSV files of this folder instead of those built in\n"
        "  --device SELECTOR  number or part of the name of the OpenCL device\n"
        "  --points FILE      also write every point as CSV\n"
        "  --json             print the table as JSON\n"
        "  --help\n"
        "\n"
        "Pencil beam: --machine NAME, whose kernels to judge (default: those of the reference's spectrum, mohan6)\n"
        "Monte Carlo:\n"
        "  --uncertainty U%       mean standard uncertainty above half of the maximum (default 0.3%)\n"
        "  --seed S               other random numbers (default 1)\n"
        "  --electron-cut-mev E   electrons stop at this kinetic energy (default 0.2)\n"
        "  --photon-cut-mev E     photons stop at this energy (default 0.05)\n"
        "  --plain                without variance reduction and with short steps\n"
        "\n"
        "Exit status 1 when a row fails.\n\n"
        "example: spineplan bench accuracy --engine mc --case titanium_slab_6mv\n";

typedef struct {
	bool montecarlo, json, set_mc, set_pencil;
	const char *machine, *device, *only, *points, *folder;
	sp_accuracy_mc_options mc;
} options;

static bool take(options *o, int c)
{
	switch (c) {
	case 'e':
		o->montecarlo = strcmp(optarg, "mc") == 0;
		return o->montecarlo || strcmp(optarg, "pencil") == 0;
	case 'c':
		o->only = optarg;
		return true;
	case 'r':
		o->folder = optarg;
		return true;
	case 'd':
		o->device = optarg;
		return true;
	case 'o':
		o->points = optarg;
		return true;
	case 'j':
		o->json = true;
		return true;
	case 'm':
		o->machine = optarg;
		o->set_pencil = true;
		return true;
	default:
		o->set_mc = true;
	}
	switch (c) {
	case 'u':
		return sp_option_percent(&o->mc.uncertainty, optarg);
	case 's':
		return sp_option_whole(&o->mc.mc.seed, optarg, 0, UINT64_MAX);
	case 'E':
		return sp_option_number(&o->mc.mc.electron_cut_mev, optarg, 0.01, 10.0);
	case 'P':
		return sp_option_number(&o->mc.mc.photon_cut_mev, optarg, 0.001, 10.0);
	default:
		o->mc.mc.plain = true;
		return true;
	}
}

/* How many cases the engine has. */
static unsigned case_count(const options *o)
{
	return o->montecarlo ? SP_REFERENCE_CASES : SP_ACCURACY_CASES;
}

static bool is_known(const options *o)
{
	for (unsigned i = 0; i < case_count(o); i++)
		if (strcmp(sp_reference_cases[i].name, o->only) == 0)
			return true;
	return false;
}

/* 0 to go on, or the exit status plus one. */
static int parse(options *o, int argc, char **argv)
{
	static const struct option known[] = {{"engine", required_argument, NULL, 'e'},
	                                      {"case", required_argument, NULL, 'c'},
	                                      {"reference", required_argument, NULL, 'r'},
	                                      {"machine", required_argument, NULL, 'm'},
	                                      {"device", required_argument, NULL, 'd'},
	                                      {"points", required_argument, NULL, 'o'},
	                                      {"json", no_argument, NULL, 'j'},
	                                      {"uncertainty", required_argument, NULL, 'u'},
	                                      {"seed", required_argument, NULL, 's'},
	                                      {"electron-cut-mev", required_argument, NULL, 'E'},
	                                      {"photon-cut-mev", required_argument, NULL, 'P'},
	                                      {"plain", no_argument, NULL, 'p'},
	                                      {"help", no_argument, NULL, 'h'},
	                                      {NULL, 0, NULL, 0}};
	int c;

	optind = 1;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", known, NULL)) != -1) {
		if (c == 'h') {
			fputs(help, stdout);
			return 1;
		}
		if (c == '?' || c == ':')
			return sp_command_usage("bench", "%s is unknown or lacks its value", argv[optind - 1]) + 1;
		if (!take(o, c))
			return sp_command_usage("bench", "'%s' is no good value for --%s", optarg,
			                        sp_option_name(known, c)) +
			       1;
	}
	if (optind != argc - 1 || strcmp(argv[optind], "accuracy") != 0)
		return sp_command_usage("bench", "expected 'accuracy', found '%s'", optind < argc ? argv[optind] : "") +
		       1;
	if (o->montecarlo ? o->set_pencil : o->set_mc)
		return sp_command_usage("bench", "%s",
		                        o->montecarlo ? "--machine is for --engine pencil"
		                                      : "Monte Carlo's options need --engine mc") +
		       1;
	if (o->only && !is_known(o))
		return sp_command_usage("bench", "--case %s: --engine %s has no such case, see --help", o->only,
		                        o->montecarlo ? "mc" : "pencil") +
		       1;
	if (o->points && !o->montecarlo)
		return sp_command_usage("bench", "--points needs --engine mc") + 1;
	return 0;
}

static const char *verdict(const sp_accuracy *a)
{
	return !a->required ? "shown" : a->passes ? "passes" : "FAILS";
}

static void print_header(bool montecarlo)
{
	printf("%-27s %6s  %8s  %7s  %8s  %8s  %-17s  %7s", "EGSnrc reference", "points", "mean", "rms", "passed",
	       "worst", "at depth, off axis", "1 sigma");
	printf(montecarlo ? "  %7s  %9s  %7s\n" : "\n", "ours", "histories", "time");
}

static void print_row(const sp_accuracy *a)
{
	printf("%-27s %6u  %+6.2f %%  %5.2f %%  %6.1f %%  %+6.1f %%  %5.0f mm %4.0f mm  %5.2f %%  ", a->what, a->points,
	       a->mean_percent, a->rms_percent, 100.0 * a->passed / a->points, a->worst_percent, a->worst_depth_mm,
	       a->worst_off_axis_mm, a->statistics_percent);
	if (a->histories > 0.0)
		printf("%5.2f %%  %9.3g  %5.1f s  ", a->own_statistics_percent, a->histories, a->seconds);
	puts(verdict(a));
	fflush(stdout);
}

static json_t *json_row(const sp_accuracy *a)
{
	json_t *row = json_pack("{s:s, s:s, s:b, s:b, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}",
	                        "case", a->name, "what", a->what, "required", a->required, "passes", a->passes,
	                        "points", (int)a->points, "passed", (int)a->passed, "mean_percent", a->mean_percent,
	                        "rms_percent", a->rms_percent, "worst_percent", a->worst_percent, "worst_depth_mm",
	                        a->worst_depth_mm, "worst_off_axis_mm", a->worst_off_axis_mm, "statistics_percent",
	                        a->statistics_percent, "tolerance_percent", a->tolerance_percent, "tolerance_mm",
	                        a->tolerance_mm, "needed_percent", a->needed_percent, "seconds", a->seconds);

	if (a->histories > 0.0) {
		json_object_set_new(row, "mean_limit_percent", json_real(a->mean_limit_percent));
		json_object_set_new(row, "own_statistics_percent", json_real(a->own_statistics_percent));
		json_object_set_new(row, "histories", json_real(a->histories));
	}
	return row;
}

static void write_points(FILE *f, const char *name, const sp_accuracy_points *p)
{
	for (size_t i = 0; i < p->reference.n; i++) {
		const sp_reference_box *b = p->reference.boxes + i;

		fprintf(f, "%s,%s,%g,%g,%g,%g,%g,%g,%.6g,%.3g,%.6g,%.3g\n", name,
		        b->along_depth   ? "depth_dose"
		        : b->whole_width ? "line"
		                         : "profile",
		        b->low_mm[0], b->high_mm[0], b->low_mm[1], b->high_mm[1], b->low_mm[2], b->high_mm[2],
		        b->dose_gy, b->sigma_gy, p->own[i].dose_gy, p->own[i].sigma_gy);
	}
}

typedef struct {
	sp_machine *machine;
	sp_matter *matter;
	sp_device *device;
	json_t *rows;
	FILE *points;
	char *points_temporary; /* until it takes the name that it should have */
} work;

static sp_status prepare(work *w, const options *o, sp_error *err)
{
	sp_status st;

	w->rows = json_array();
	if (o->points && (st = sp_atomic_begin(&w->points_temporary, o->points, err)) != SP_OK)
		return st;
	if (o->points && !(w->points = fopen(w->points_temporary, "w")))
		return sp_fail(err, SP_IO, "%s cannot be written: %s", o->points, strerror(errno));
	if (w->points)
		fputs("case,curve,x_min_mm,x_max_mm,y_min_mm,y_max_mm,z_min_mm,z_max_mm,reference_gy,reference_sigma_"
		      "gy,"
		      "dose_gy,sigma_gy\n",
		      w->points);
	if (!o->montecarlo &&
	    (st = sp_machine_read(&w->machine, o->machine ? o->machine : "generic-6mv", err)) != SP_OK)
		return st;
	if ((st = sp_matter_create(&w->matter, NULL, err)) != SP_OK)
		return st;
	return sp_device_open(&w->device, o->device, err);
}

static sp_status measure(sp_accuracy *a, const work *w, unsigned number, const options *o, sp_error *err)
{
	const sp_accuracy_options pencil = {.tolerance_percent = 2.0,
	                                    .tolerance_mm = 2.0,
	                                    .folder = o->folder,
	                                    .kernel = o->machine ? NULL : "mohan6"};
	sp_accuracy_mc_options mc = o->mc;
	sp_accuracy_points points;
	sp_status st;

	if (!o->montecarlo)
		return sp_accuracy_measure(a, number, w->device, w->matter, w->machine, &pencil, err);
	mc.folder = o->folder;
	st = sp_accuracy_measure_mc(a, &points, number, w->device, w->matter, &mc, err);
	if (st == SP_OK && w->points)
		write_points(w->points, a->name, &points);
	sp_accuracy_points_finish(&points);
	return st;
}

static sp_status run(bool *all_pass, const options *o, sp_error *err)
{
	work w = {0};
	sp_status st;

	*all_pass = true;
	if ((st = prepare(&w, o, err)) != SP_OK)
		goto cleanup;
	if (!o->json)
		print_header(o->montecarlo);
	for (unsigned i = 0; i < case_count(o); i++) {
		sp_accuracy a;

		if (o->only && strcmp(o->only, sp_reference_cases[i].name) != 0)
			continue;
		if ((st = measure(&a, &w, i, o, err)) != SP_OK)
			goto cleanup;
		*all_pass = *all_pass && (a.passes || !a.required);
		if (o->json)
			json_array_append_new(w.rows, json_row(&a));
		else
			print_row(&a);
	}
	if (o->json) {
		json_dumpf(w.rows, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
		putchar('\n');
	}
cleanup:
	if (w.points && fclose(w.points) != 0 && st == SP_OK)
		st = sp_fail(err, SP_IO, "%s cannot be written: %s", o->points, strerror(errno));
	if (w.points && st == SP_OK)
		st = sp_atomic_commit(w.points_temporary, o->points, err);
	sp_atomic_abandon(w.points_temporary);
	free(w.points_temporary);
	json_decref(w.rows);
	sp_device_close(w.device);
	sp_matter_destroy(w.matter);
	sp_machine_destroy(w.machine);
	return st;
}

int sp_command_bench(int argc, char **argv)
{
	options o = {.mc = {.uncertainty = 0.003, .mc = {.seed = 1}}};
	sp_error err = {0};
	bool all_pass;
	int status;

	if (argc > 1 && strcmp(argv[1], "beams") == 0)
		return sp_command_bench_beams(argc - 1, argv + 1);
	if ((status = parse(&o, argc, argv)) != 0)
		return status - 1;
	if (run(&all_pass, &o, &err) != SP_OK)
		return sp_command_fail("bench", &err);
	return all_pass ? 0 : 1;
}
