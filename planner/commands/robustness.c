/* spineplan robustness: what set-up errors do to a finished plan. The work is planner/robustness.c. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "atomic_file.h"
#include "case_setup.h"
#include "clock.h"
#include "commands.h"
#include "delivery_pencil.h"
#include "dose.h"
#include "log.h"
#include "machine.h"
#include "matter.h"
#include "options.h"
#include "pencil.h"
#include "plan_file.h"
#include "plan_machine.h"
#include "robustness.h"

static const char help[] =
        "usage: spineplan robustness PLAN [OPTIONS]\n"
        "\n"
        "Computes the dose of a plan in patients who lie otherwise than planned, and judges the limits in each case.\n"
        "\n"
        "      --errors E       shifts and turns to test (default 1mm,1deg); a turn is about each of three axes\n"
        "      --directions N   of each shift: 6 along the axes (default), 14, 18 or 26 with corners and edges\n"
        "      --together       also every turn together with every shift\n"
        "      --protocol NAME  judge by this protocol instead of the one the plan was made with\n"
        "      --machine M      name or file of the machine (default: the plan's)\n"
        "      --mlc M          name or file of the leaves (default: the plan's, or the machine's)\n"
        "      --grid-mm S      spacing of the dose grid (default: the plan's)\n"
        "  -o, --output FILE    also write the result and the DVHs (HDF5), for scripts/report --robustness FILE\n"
        "      --device D       index or part of the name of an OpenCL device (see spineplan devices)\n"
        "      --require-limits exit status 1 when a limit is missed in any scenario\n"
        "      --json           print the result as JSON (docs/robustness.md)\n"
        "\n"
        "example: spineplan robustness plan.h5 --errors 2mm,1deg --directions 26 -o robust.h5\n";

typedef struct {
	const char *plan_path, *output, *protocol, *device, *machine, *mlc;
	bool json, require_limits;
	double grid_mm;
	sp_setup_errors errors;
} arguments;

/* All that the calculation needs. */
typedef struct {
	sp_plan_content *plan;
	sp_protocol *protocol;
	sp_machine *machine;
	sp_matter *matter;
	sp_device *device;
	sp_pencil *pencil;             /* of a plan of bixel weights */
	sp_delivery_pencil *delivered; /* of one of control points */
	unsigned fractions;
	sp_scenario *scenarios;
	size_t n_scenarios;
	sp_grid grid;
	float *red;
	sp_robustness result;
} work;

/* -1: go on; else the exit status to end with. */
static int parse(arguments *a, int argc, char **argv)
{
	static const struct option options[] = {
	        {"errors", required_argument, NULL, 'e'},
	        {"directions", required_argument, NULL, 'n'},
	        {"together", no_argument, NULL, 't'},
	        {"protocol", required_argument, NULL, 'p'},
	        {"machine", required_argument, NULL, 'm'},
	        {"mlc", required_argument, NULL, 'l'},
	        {"grid-mm", required_argument, NULL, 'g'},
	        {"output", required_argument, NULL, 'o'},
	        {"device", required_argument, NULL, 'd'},
	        {"require-limits", no_argument, NULL, 'r'},
	        {"json", no_argument, NULL, 'j'},
	        {"help", no_argument, NULL, 'h'},
	        {NULL, 0, NULL, 0},
	};
	int option;

	opterr = 0;
	optind = 1;
	while ((option = getopt_long(argc, argv, ":o:h", options, NULL)) != -1) {
		bool good = true;

		switch (option) {
		case 'e':
			good = sp_setup_errors_parse(&a->errors, optarg);
			break;
		case 'n':
			good = sp_option_directions(&a->errors.directions, optarg);
			break;
		case 't':
			a->errors.together = true;
			break;
		case 'p':
			a->protocol = optarg;
			break;
		case 'm':
			a->machine = optarg;
			break;
		case 'l':
			a->mlc = optarg;
			break;
		case 'g':
			good = sp_option_number(&a->grid_mm, optarg, 0.5, 20.0);
			break;
		case 'o':
			a->output = optarg;
			break;
		case 'd':
			a->device = optarg;
			break;
		case 'r':
			a->require_limits = true;
			break;
		case 'j':
			a->json = true;
			break;
		case 'h':
			fputs(help, stdout);
			return 0;
		case ':':
			return sp_command_usage("robustness", "%s needs a value", argv[optind - 1]);
		default:
			return sp_command_usage("robustness", "no option %s", argv[optind - 1]);
		}
		if (!good)
			return sp_command_usage("robustness", "'%s' is no good value for --%s", optarg,
			                        sp_option_name(options, option));
	}
	if (optind != argc - 1)
		return sp_command_usage("robustness", optind >= argc ? "which plan?" : "more than one plan given");
	a->plan_path = argv[optind];
	if (sp_command_keeps_inputs("robustness", a->output,
	                            (const char *const[]){a->plan_path, a->protocol, a->machine, a->mlc}, 4))
		return 2;
	return -1;
}

static sp_status prepare(work *w, const arguments *a, sp_error *err)
{
	const double spacing_mm[3] = {a->grid_mm, a->grid_mm, a->grid_mm};
	const sp_plan_content *p;
	const char *protocol;
	sp_status st;

	if ((st = sp_scenarios_make(&w->scenarios, &w->n_scenarios, &a->errors, err)) != SP_OK ||
	    (st = sp_plan_read(&w->plan, a->plan_path, err)) != SP_OK)
		return st;
	p = w->plan;
	if (!p->delivery && !(p->beams && p->weights))
		return sp_fail(err, SP_BAD_INPUT,
		               "%s has neither control points nor bixel weights to compute a dose from", a->plan_path);
	protocol = a->protocol ? a->protocol : p->c->prescription.protocol;
	if (protocol && (st = sp_protocol_read(&w->protocol, protocol, err)) != SP_OK)
		return st;
	w->grid = p->dose_grid;
	if (a->grid_mm > 0.0 && (st = sp_setup_dose_grid(&w->grid, p->c, spacing_mm, err)) != SP_OK)
		return st;
	if (p->delivery && (st = sp_dose_check_delivery(&w->fractions, p, p->c, err)) != SP_OK)
		return st;
	if (!p->delivery && a->mlc)
		return sp_fail(err, SP_BAD_INPUT,
		               "%s has no control points: there are no leaves that --mlc could replace", a->plan_path);
	if ((st = sp_plan_machine(&w->machine, p, a->plan_path, a->machine, a->mlc, err)) != SP_OK ||
	    (st = sp_matter_create(&w->matter, NULL, err)) != SP_OK ||
	    (st = sp_device_open(&w->device, a->device, err)) != SP_OK)
		return st;
	if (!(w->red = sp_alloc_array(sp_grid_voxels(&p->c->ct), sizeof *w->red)))
		return sp_fail(err, SP_NO_MEMORY, "out of memory for the electron density of the CT");
	if ((st = sp_matter_electron_density(w->red, w->matter, p->c, err)) != SP_OK)
		return st;
	if (p->delivery)
		return sp_delivery_pencil_create(&w->delivered, w->device, p->c, w->matter, w->red, w->machine,
		                                 p->delivery, 0.0, err);
	return sp_pencil_create(&w->pencil, w->device, w->machine, &p->c->ct, w->red, err);
}

static sp_status weights_dose(void *context, float *dose_gy, const sp_displacement *d, const unsigned char *wanted,
                              sp_error *err)
{
	work *w = context;
	const sp_plan_content *p = w->plan;
	const double *weights = p->weights;
	sp_beam_set *moved = NULL;
	sp_status st = d ? sp_beam_set_displace(&moved, p->beams, d, err) : SP_OK;

	if (st == SP_OK)
		st = sp_pencil_doses(&dose_gy, w->pencil, moved ? moved : p->beams, &weights, 1, &w->grid, wanted, err);
	sp_beam_set_destroy(moved);
	return st;
}

static sp_status delivered_dose(void *context, float *dose_gy, const sp_displacement *d, const unsigned char *wanted,
                                sp_error *err)
{
	work *w = context;
	sp_status st = sp_delivery_pencil_dose(dose_gy, w->delivered, d, &w->grid, wanted, err);

	for (size_t v = 0; st == SP_OK && v < sp_grid_voxels(&w->grid); v++)
		dose_gy[v] *= (float)w->fractions;
	return st;
}

static sp_status compute(work *w, const arguments *a, sp_error *err)
{
	sp_scenario_engine engine = {.context = w};
	const sp_plan_content *p;
	double difference;
	sp_status st = sp_atomic_check(a->output, err);

	if (st != SP_OK || (st = prepare(w, a, err)) != SP_OK)
		return st;
	p = w->plan;
	engine.dose = p->delivery ? delivered_dose : weights_dose;
	memcpy(engine.isocentre_mm,
	       p->delivery ? p->delivery->beams[0].isocentre_mm : p->beams->beams[0].setup.isocentre_mm,
	       sizeof engine.isocentre_mm);
	sp_log_info("%s: %zu scenarios on a dose grid of %g mm", a->plan_path, w->n_scenarios, w->grid.spacing_mm[0]);
	st = sp_robustness_make(&w->result, p->c, &engine, &w->grid, a->grid_mm > 0.0 ? NULL : p->dose_gy, w->protocol,
	                        w->scenarios, w->n_scenarios, err);
	if (st != SP_OK)
		return st;
	json_object_set_new(w->result.result, "plan", json_string(a->plan_path));
	difference = json_number_value(json_object_get(w->result.result, "largest_difference_from_plan"));
	if (difference > 0.005)
		sp_log_info("the plan's own dose differs from the pencil beam's by up to %.1f %% of its maximum: "
		            "scenarios have the plan's, and the pencil beam tells how it changes",
		            100.0 * difference);
	return a->output ? sp_robustness_write(&w->result, p->c, a->output, err) : SP_OK;
}

static void finish(work *w)
{
	sp_robustness_finish(&w->result);
	free(w->red);
	free(w->scenarios);
	sp_pencil_destroy(w->pencil);
	sp_delivery_pencil_destroy(w->delivered);
	sp_device_close(w->device);
	sp_matter_destroy(w->matter);
	sp_machine_destroy(w->machine);
	sp_protocol_destroy(w->protocol);
	sp_plan_content_destroy(w->plan);
}

int sp_command_robustness(int argc, char **argv)
{
	arguments a = {
	        .errors = {.n_shifts = 1, .n_rotations = 1, .shift_mm = {1.0}, .rotation_deg = {1.0}, .directions = 6}};
	double started = sp_clock_seconds();
	sp_error err = {0};
	work w = {0};
	int status = parse(&a, argc, argv);

	if (status >= 0)
		return status;
	if (compute(&w, &a, &err) != SP_OK) {
		status = sp_command_fail("robustness", &err);
	} else {
		status = 0;
		if (a.json) {
			json_dumpf(w.result.result, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(8));
			putchar('\n');
		} else {
			sp_robustness_print(w.result.result);
		}
		fflush(stdout);
		sp_log_info("%zu scenarios in %.1f s", w.n_scenarios, sp_clock_seconds() - started);
		if (a.require_limits &&
		    !json_is_true(json_object_get(w.result.result, "all_limits_met_in_every_scenario")))
			status = 1;
	}
	finish(&w);
	return status;
}
