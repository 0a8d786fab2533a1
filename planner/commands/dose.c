/* spineplan dose: the dose of a plan, or of an open field on a phantom. */
#include "commands.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "case_setup.h"
#include "clock.h"
#include "h5.h"
#include "log.h"
#include "machine.h"
#include "matter.h"
#include "open_field.h"
#include "options.h"
#include "pencil.h"
#include "plan_file.h"

static const char help[] =
        "usage: spineplan dose CASE PLAN -o DOSE [OPTIONS]\n"
        "       spineplan dose CASE -o DOSE --source point --ssd-mm S --field-mm XxY [OPTIONS]\n"
        "Computes the dose of a plan on a case (Gy, whole course), or that of an open field on a phantom (Gy per "
        "photon\n"
        "through the field): a point source S mm before the surface z = 0, beam along +z on the axis x = y = 0, "
        "photons\n"
        "uniform per solid angle inside sharp edges.\n\n"
        "  -o, --output DOSE    where to write it (HDF5: /dose/dose_gy or /dose/dose_gy_per_particle)\n"
        "  --engine pencil      finite-size pencil beam (default)\n"
        "  --grid-mm X[xYxZ]    spacing of the dose grid (default: the plan's; 1.25x1.25x1 for an open field,\n"
        "                       whose edges are sharp)\n"
        "  --machine NAME|FILE  default: the plan's, or generic-6mv\n"
        "  --source point       an open field instead of a plan\n"
        "  --ssd-mm S           source to surface\n"
        "  --field-mm X[xY]     its sides 1000 mm from the source\n"
        "  --particle photon    (default)\n"
        "  --spectrum NAME      pencil kernels of that spectrum instead of the machine's (mohan6)\n"
        "  --device SELECTOR    number or part of the name of the OpenCL device\n"
        "  --help\n\n"
        "example: spineplan phantom slabs -o water.h5 --voxel-mm 5 --layer water:300\n"
        "         spineplan dose water.h5 -o dose.h5 --source point --ssd-mm 900 --field-mm 100x100\n";

typedef struct {
	const char *case_path, *plan_path, *output, *machine, *device, *spectrum;
	bool open_field, has_grid, has_ssd, has_field;
	double grid_mm[3];
	sp_open_field field;
} options;

enum { ENGINE = 256, GRID, MACHINE, SOURCE, SSD, FIELD, PARTICLE, SPECTRUM, DEVICE };

static bool take(options *o, int option, const char *text)
{
	switch (option) {
	case 'o':
		o->output = text;
		return true;
	case ENGINE:
		return strcmp(text, "pencil") == 0;
	case GRID:
		o->has_grid = true;
		return sp_option_sizes(o->grid_mm, 3, text, 0.25, 50.0);
	case MACHINE:
		o->machine = text;
		return true;
	case SOURCE:
		o->open_field = true;
		return strcmp(text, "point") == 0;
	case SSD:
		o->has_ssd = true;
		return sp_option_number(&o->field.ssd_mm, text, 200.0, 10000.0);
	case FIELD:
		o->has_field = true;
		return sp_option_sizes(o->field.field_mm, 2, text, 0.5, 400.0);
	case PARTICLE:
		return strcmp(text, "photon") == 0;
	case SPECTRUM:
		o->spectrum = text;
		return true;
	default:
		o->device = text;
		return true;
	}
}

/* 0 to go on, or the exit status plus one. */
static int parse(options *o, int argc, char **argv)
{
	static const struct option known[] = {{"output", required_argument, NULL, 'o'},
	                                      {"engine", required_argument, NULL, ENGINE},
	                                      {"grid-mm", required_argument, NULL, GRID},
	                                      {"machine", required_argument, NULL, MACHINE},
	                                      {"source", required_argument, NULL, SOURCE},
	                                      {"ssd-mm", required_argument, NULL, SSD},
	                                      {"field-mm", required_argument, NULL, FIELD},
	                                      {"particle", required_argument, NULL, PARTICLE},
	                                      {"spectrum", required_argument, NULL, SPECTRUM},
	                                      {"device", required_argument, NULL, DEVICE},
	                                      {"help", no_argument, NULL, 'h'},
	                                      {NULL, 0, NULL, 0}};
	int c, n;

	optind = 1;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":o:h", known, NULL)) != -1) {
		if (c == 'h') {
			fputs(help, stdout);
			return 1;
		}
		if (c == '?' || c == ':')
			return sp_command_usage("dose", "%s is unknown or lacks its value", argv[optind - 1]) + 1;
		if (!take(o, c, optarg))
			return sp_command_usage("dose", "'%s' is no good value for its option", optarg) + 1;
	}
	n = argc - optind;
	if (n != (o->open_field ? 1 : 2))
		return sp_command_usage("dose",
		                        o->open_field ? "expected one CASE, found %d arguments"
		                                      : "expected CASE and PLAN (or --source), found %d arguments",
		                        n) +
		       1;
	o->case_path = argv[optind];
	o->plan_path = o->open_field ? NULL : argv[optind + 1];
	if (!o->output)
		return sp_command_usage("dose", "where to? expected -o DOSE") + 1;
	if (o->open_field != (o->has_ssd && o->has_field) || (!o->open_field && (o->has_ssd || o->has_field)))
		return sp_command_usage("dose", "--source, --ssd-mm and --field-mm belong together") + 1;
	return 0;
}

/* All that a calculation needs and leaves. */
typedef struct {
	sp_case *c;
	sp_plan_content *plan;
	sp_machine *machine;
	sp_matter *matter;
	sp_device *device;
	sp_pencil *pencil;
	sp_beam_set *own_beams;
	double *own_weights;
	const sp_beam_set *beams;
	const double *weights;
	sp_grid grid;
	float *red, *dose;
} work;

static void finish(work *w)
{
	free(w->dose);
	free(w->red);
	free(w->own_weights);
	sp_beam_set_destroy(w->own_beams);
	sp_pencil_destroy(w->pencil);
	sp_device_close(w->device);
	sp_matter_destroy(w->matter);
	sp_machine_destroy(w->machine);
	sp_plan_content_destroy(w->plan);
	sp_case_destroy(w->c);
}

/* Beams and weights: the plan's, or an open field. */
static sp_status choose_beams(work *w, const options *o, const sp_machine *machine, sp_error *err)
{
	sp_status st;

	if (o->open_field) {
		st = sp_open_field_make(&w->own_beams, &w->own_weights, &o->field, machine, err);
		w->beams = w->own_beams;
		w->weights = w->own_weights;
		return st;
	}
	if (!w->plan->beams || !w->plan->weights)
		return sp_fail(err, SP_BAD_INPUT, "%s has no bixel weights to compute a dose from", o->plan_path);
	w->beams = w->plan->beams;
	w->weights = w->plan->weights;
	return SP_OK;
}

static sp_status choose_grid(work *w, const options *o, sp_error *err)
{
	const double fine_mm[3] = {1.25, 1.25, 1.0};

	if (w->plan && !o->has_grid) {
		w->grid = w->plan->dose_grid;
		return SP_OK;
	}
	return sp_setup_dose_grid(&w->grid, w->c, o->has_grid ? o->grid_mm : fine_mm, err);
}

static sp_status compute(work *w, const options *o, sp_error *err)
{
	char *kernel = NULL;
	sp_machine machine;
	sp_status st;

	if ((st = sp_case_read(&w->c, o->case_path, err)) != SP_OK)
		return st;
	if (o->plan_path && (st = sp_plan_read(&w->plan, o->plan_path, err)) != SP_OK)
		return st;
	st = sp_machine_read(&w->machine,
	                     o->machine                    ? o->machine
	                     : w->plan && w->plan->machine ? w->plan->machine
	                                                   : "generic-6mv",
	                     err);
	if (st != SP_OK || (st = sp_matter_create(&w->matter, NULL, err)) != SP_OK ||
	    (st = sp_device_open(&w->device, o->device, err)) != SP_OK || (st = choose_grid(w, o, err)) != SP_OK)
		return st;
	machine = *w->machine;
	if (o->open_field)
		machine.source_fwhm_mm[0] = machine.source_fwhm_mm[1] = 0.0;
	if (o->spectrum && !(machine.kernel = kernel = sp_copy_text(o->spectrum)))
		return sp_fail(err, SP_NO_MEMORY, "no memory for a name");
	if ((st = choose_beams(w, o, &machine, err)) != SP_OK)
		goto cleanup;
	w->red = sp_alloc_array(sp_grid_voxels(&w->c->ct), sizeof *w->red);
	w->dose = sp_alloc_array(sp_grid_voxels(&w->grid), sizeof *w->dose);
	if (!w->red || !w->dose) {
		st = sp_fail(err, SP_NO_MEMORY, "no memory for a dose of %zu voxels", sp_grid_voxels(&w->grid));
		goto cleanup;
	}
	if ((st = sp_matter_electron_density(w->red, w->matter, w->c, err)) != SP_OK ||
	    (st = sp_pencil_create(&w->pencil, w->device, &machine, &w->c->ct, w->red, err)) != SP_OK)
		goto cleanup;
	st = sp_pencil_dose(w->dose, w->pencil, w->beams, w->weights, &w->grid, err);
cleanup:
	free(kernel);
	return st;
}

static sp_status write_dose(const work *w, const options *o, sp_error *err)
{
	const char *path = o->open_field ? "/dose/dose_gy_per_particle" : "/dose/dose_gy";
	const uint64_t dims[3] = {w->grid.n[2], w->grid.n[1], w->grid.n[0]};
	sp_h5_out *f = NULL;
	sp_status st = sp_h5_create(&f, o->output, err);

	if (st == SP_OK)
		st = sp_h5_write(f, path, SP_H5_F32, 3, dims, true, w->dose, err);
	if (st == SP_OK)
		st = sp_h5_set_numbers(f, path, "spacing_mm", SP_H5_F64, 3, w->grid.spacing_mm, err);
	if (st == SP_OK)
		st = sp_h5_set_numbers(f, path, "origin_mm", SP_H5_F64, 3, w->grid.origin_mm, err);
	if (st == SP_OK)
		st = sp_h5_set_text(f, path, "unit", o->open_field ? "Gy per photon" : "Gy", err);
	if (st == SP_OK)
		st = sp_h5_set_text(f, "/", "program", "spineplan " SP_VERSION, err);
	if (st == SP_OK)
		st = sp_h5_set_text(f, "/", "engine", "pencil beam, dose to water", err);
	if (st == SP_OK)
		return sp_h5_commit(&f, err);
	sp_h5_abandon(f);
	return st;
}

int sp_command_dose(int argc, char **argv)
{
	double start = sp_clock_seconds();
	options o = {0};
	sp_error err = {0};
	work w = {0};
	int status = parse(&o, argc, argv);
	sp_status st;

	if (status != 0)
		return status - 1;
	if ((st = compute(&w, &o, &err)) == SP_OK)
		st = write_dose(&w, &o, &err);
	if (st == SP_OK)
		sp_log_info("%s: %zu x %zu x %zu voxels of %g x %g x %g mm in %.1f s", o.output, w.grid.n[0],
		            w.grid.n[1], w.grid.n[2], w.grid.spacing_mm[0], w.grid.spacing_mm[1], w.grid.spacing_mm[2],
		            sp_clock_seconds() - start);
	finish(&w);
	return st == SP_OK ? 0 : sp_command_fail("dose", &err);
}
