/* spineplan influence: the dose-influence matrix of a case as a file, for optimisers of one's own. */
#include "commands.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "alloc.h"
#include "atomic_file.h"
#include "case_setup.h"
#include "clock.h"
#include "machine.h"
#include "matter.h"
#include "mc_case.h"
#include "options.h"
#include "pencil.h"

#define MOST_ANGLES 720

static const char help[] =
        "usage: spineplan influence CASE [-o MATRIX] [OPTIONS]\n"
        "Computes the dose-influence matrix of a case: Gy in every voxel of the body per unit weight of every "
        "bixel.\n\n"
        "  -o, --output MATRIX  write it (HDF5, CSR as scipy.sparse has it); without, only its size is told\n"
        "  --beams A,B,...      gantry angles in degrees (default: the case's beams, else nine)\n"
        "  --bixel-mm S         side of a bixel in the isocentre plane (default 5)\n"
        "  --margin-mm M        bixels around the target's shadow (default: one bixel)\n"
        "  --grid-mm X[xYxZ]    spacing of the dose grid (default 2)\n"
        "  --cutoff-mm R        pencil: lateral reach of a bixel (default 50)\n"
        "  --engine E           pencil (default) or mc: Monte Carlo, bixel by bixel, none cut off\n"
        "  --uncertainty P%     mc: mean standard uncertainty of a bixel where it gives more than half of its\n"
        "                       largest dose (default 13%)\n"
        "  --histories N        mc: of each bixel, instead\n"
        "  --seed S             mc: (default 1)\n"
        "  --machine NAME|FILE  default generic-6mv\n"
        "  --device SELECTOR    number or part of the name of the OpenCL device; several that share the work as 0,1\n"
        "                       or all\n"
        "  --json               print the result as JSON\n"
        "  --help\n\n"
        "example: spineplan influence case.h5 -o matrix.h5 --beams 0,40,80,120,160,200,240,280,320 --grid-mm 3\n";

typedef struct {
	const char *case_path, *output, *machine, *device;
	bool json, montecarlo;
	sp_mc_matrix_options mc;
	double angles[MOST_ANGLES], grid_mm[3], cutoff_mm;
	sp_setup_beam_options beams;
} options;

/* 0 to go on, or the exit status plus one. */
static int parse(options *o, int argc, char **argv)
{
	static const struct option known[] = {{"output", required_argument, NULL, 'o'},
	                                      {"beams", required_argument, NULL, 'b'},
	                                      {"bixel-mm", required_argument, NULL, 'x'},
	                                      {"margin-mm", required_argument, NULL, 'a'},
	                                      {"grid-mm", required_argument, NULL, 'g'},
	                                      {"cutoff-mm", required_argument, NULL, 'c'},
	                                      {"machine", required_argument, NULL, 'm'},
	                                      {"device", required_argument, NULL, 'd'},
	                                      {"engine", required_argument, NULL, 'e'},
	                                      {"uncertainty", required_argument, NULL, 'u'},
	                                      {"histories", required_argument, NULL, 'n'},
	                                      {"seed", required_argument, NULL, 's'},
	                                      {"json", no_argument, NULL, 'j'},
	                                      {"help", no_argument, NULL, 'h'},
	                                      {NULL, 0, NULL, 0}};
	double number;
	bool cut_off = false;
	const char *for_mc = NULL;
	int c;

	optind = 1;
	opterr = 0;
	o->beams.margin_mm = -1.0;
	while ((c = getopt_long(argc, argv, ":o:h", known, NULL)) != -1) {
		bool good = true;

		switch (c) {
		case 'o':
			o->output = optarg;
			break;
		case 'b':
			o->beams.angles_deg = o->angles;
			good = (o->beams.n_angles = sp_option_angles(o->angles, MOST_ANGLES, optarg)) > 0;
			break;
		case 'x':
			good = sp_option_number(&o->beams.bixel_mm, optarg, 0.5, 50.0);
			break;
		case 'a':
			good = sp_option_number(&o->beams.margin_mm, optarg, 0.0, 100.0);
			break;
		case 'g':
			good = sp_option_sizes(o->grid_mm, 3, optarg, 0.5, 50.0);
			break;
		case 'c':
			cut_off = true;
			good = sp_option_number(&o->cutoff_mm, optarg, 1.0, 1000.0);
			break;
		case 'm':
			o->machine = optarg;
			break;
		case 'd':
			o->device = optarg;
			break;
		case 'e':
			o->montecarlo = strcmp(optarg, "mc") == 0;
			good = o->montecarlo || strcmp(optarg, "pencil") == 0;
			break;
		case 'u':
			good = sp_option_percent(&o->mc.uncertainty, optarg);
			break;
		case 'n':
			if ((good = sp_option_number(&number, optarg, 1.0, 1e9)))
				o->mc.histories = (uint32_t)number;
			break;
		case 's':
			good = sp_option_whole(&o->mc.seed, optarg, 0, UINT64_MAX);
			break;
		case 'j':
			o->json = true;
			break;
		case 'h':
			fputs(help, stdout);
			return 1;
		default:
			return sp_command_usage("influence", "%s is unknown or lacks its value", argv[optind - 1]) + 1;
		}
		if (!good)
			return sp_command_usage("influence", "'%s' is no good value for --%s", optarg,
			                        sp_option_name(known, c)) +
			       1;
		if (c == 'u' || c == 'n' || c == 's')
			for_mc = sp_option_name(known, c);
	}
	if (for_mc && !o->montecarlo)
		return sp_command_usage("influence", "--%s is for --engine mc", for_mc) + 1;
	if (cut_off && o->montecarlo)
		return sp_command_usage("influence", "--cutoff-mm is for the pencil beam; Monte Carlo's matrix is cut "
		                                     "off nowhere") +
		       1;
	if (o->mc.uncertainty > 0.0 && o->mc.histories > 0)
		return sp_command_usage("influence", "--histories and --uncertainty exclude each other") + 1;
	if (optind != argc - 1)
		return sp_command_usage("influence", "expected one CASE, found %d", argc - optind) + 1;
	o->case_path = argv[optind];
	if (o->mc.uncertainty == 0.0 && o->mc.histories == 0)
		o->mc.uncertainty = 0.13;
	if (o->beams.margin_mm < 0.0)
		o->beams.margin_mm = o->beams.bixel_mm;
	if (sp_command_keeps_inputs("influence", o->output, (const char *const[]){o->case_path, o->machine}, 2))
		return 2 + 1;
	return 0;
}

/* What a run leaves to tell. */
typedef struct {
	size_t rows, columns, beams;
	uint64_t entries, bytes;
	double read_s, prepare_s, matrix_s, write_s;
	sp_mc_influence_result mc;
} result;

static sp_status write_matrix(sp_influence *m, const sp_beam_set *beams, const sp_machine *machine, const char *path,
                              sp_error *err)
{
	float *bixels = sp_alloc_array(3 * beams->n_bixels, sizeof *bixels);
	double *setups = sp_alloc_array(6 * beams->n_beams, sizeof *setups);
	size_t n = 0;
	sp_status st;

	if (!bixels || !setups) {
		st = sp_fail(err, SP_NO_MEMORY, "no memory for %zu bixels", beams->n_bixels);
		goto cleanup;
	}
	for (size_t b = 0; b < beams->n_beams; b++) {
		const sp_beam_setup *s = &beams->beams[b].setup;
		const double six[6] = {s->gantry_deg,      s->collimator_deg,  s->couch_deg,
		                       s->isocentre_mm[0], s->isocentre_mm[1], s->isocentre_mm[2]};

		memcpy(setups + 6 * b, six, sizeof six);
		for (size_t i = 0; i < beams->beams[b].n_bixels; i++) {
			bixels[n++] = (float)b;
			bixels[n++] = beams->beams[b].x_mm[i];
			bixels[n++] = beams->beams[b].y_mm[i];
		}
	}
	st = sp_influence_write(m, bixels,
	                        &(sp_influence_beams){beams->n_beams, setups, machine->name, machine->energy_mv,
	                                              machine->sad_mm, beams->bixel_mm},
	                        path, err);
cleanup:
	free(bixels);
	free(setups);
	return st;
}

static sp_status run(result *r, options *o, sp_error *err)
{
	double start = sp_clock_seconds(), now;
	sp_case *c = NULL;
	sp_machine *machine = NULL;
	sp_matter *matter = NULL;
	sp_device *device = NULL;
	sp_beam_set *beams = NULL;
	sp_pencil *pencil = NULL;
	sp_mc_case *mc = NULL;
	sp_influence *m = NULL;
	uint64_t *voxels = NULL;
	float *red = NULL;
	sp_grid grid;
	size_t n;
	sp_status st;

	if ((st = sp_atomic_check(o->output, err)) != SP_OK || (st = sp_case_read(&c, o->case_path, err)) != SP_OK)
		goto cleanup;
	r->read_s = (now = sp_clock_seconds()) - start;
	start = now;
	if ((st = sp_machine_read(&machine, o->machine, err)) != SP_OK ||
	    (st = sp_matter_create(&matter, NULL, err)) != SP_OK ||
	    (st = sp_device_open(&device, o->device, err)) != SP_OK ||
	    (st = sp_setup_dose_grid(&grid, c, o->grid_mm, err)) != SP_OK)
		goto cleanup;
	if (!(red = sp_alloc_array(sp_grid_voxels(&c->ct), sizeof *red))) {
		st = sp_fail(err, SP_NO_MEMORY, "no memory for electron densities");
		goto cleanup;
	}
	o->beams.sad_mm = machine->sad_mm;
	if ((st = sp_matter_electron_density(red, matter, c, err)) != SP_OK ||
	    (st = sp_setup_body_voxels(&voxels, &n, c, &grid, red, err)) != SP_OK ||
	    (st = sp_setup_beams(&beams, c, &grid, &o->beams, err)) != SP_OK)
		goto cleanup;
	r->prepare_s = (now = sp_clock_seconds()) - start;
	start = now;
	if (o->montecarlo) {
		free(red);
		red = NULL;
		if ((st = sp_mc_case_create(&mc, device, c, matter, machine, &grid, err)) != SP_OK ||
		    (st = sp_mc_case_matrix(&m, &r->mc, mc, beams, voxels, n, &o->mc, err)) != SP_OK)
			goto cleanup;
	} else {
		if ((st = sp_pencil_create(&pencil, device, machine, &c->ct, red, err)) != SP_OK)
			goto cleanup;
		free(red);
		red = NULL;
		if ((st = sp_pencil_influence(&m, pencil, beams, &grid, voxels, n, o->cutoff_mm, err)) != SP_OK)
			goto cleanup;
	}
	r->matrix_s = (now = sp_clock_seconds()) - start;
	start = now;
	*r = (result){n,
	              beams->n_bixels,
	              beams->n_beams,
	              sp_influence_values(m),
	              sp_influence_bytes(m),
	              r->read_s,
	              r->prepare_s,
	              r->matrix_s,
	              0.0,
	              r->mc};
	if (o->output)
		st = write_matrix(m, beams, machine, o->output, err);
	r->write_s = sp_clock_seconds() - start;
cleanup:
	sp_influence_destroy(m);
	sp_mc_case_destroy(mc);
	sp_pencil_destroy(pencil);
	sp_beam_set_destroy(beams);
	free(voxels);
	free(red);
	sp_device_close(device);
	sp_matter_destroy(matter);
	sp_machine_destroy(machine);
	sp_case_destroy(c);
	return st;
}

static void print(const result *r, const options *o)
{
	struct rusage use = {0};
	double peak_mb;

	getrusage(RUSAGE_SELF, &use);
	peak_mb = (double)use.ru_maxrss / 1000.0; /* Linux counts in kB */
	if (o->json) {
		json_t *j = json_pack("{s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f}", "rows", (json_int_t)r->rows,
		                      "columns", (json_int_t)r->columns, "beams", (json_int_t)r->beams, "entries",
		                      (json_int_t)r->entries, "bytes", (json_int_t)r->bytes, "read_seconds", r->read_s,
		                      "prepare_seconds", r->prepare_s, "matrix_seconds", r->matrix_s, "write_seconds",
		                      r->write_s, "peak_memory_mb", peak_mb);

		if (o->montecarlo) {
			json_object_set_new(j, "histories_per_bixel", json_integer((json_int_t)r->mc.histories));
			json_object_set_new(j, "uncertainty", json_real(r->mc.uncertainty));
		}
		json_dumpf(j, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(j);
		return;
	}
	printf("%zu voxels x %zu bixels of %zu beams, %.1f million entries, %.0f MB\n", r->rows, r->columns, r->beams,
	       (double)r->entries * 1e-6, (double)r->bytes * 1e-6);
	if (o->montecarlo)
		printf("Monte Carlo: %u histories a bixel, standard uncertainty %.1f %% above half of its largest "
		       "dose\n",
		       r->mc.histories, 100.0 * r->mc.uncertainty);
	printf("reading the case %.2f s, density, voxels and bixels %.2f s, matrix %.2f s, writing %.2f s; peak %.0f "
	       "MB\n",
	       r->read_s, r->prepare_s, r->matrix_s, r->write_s, peak_mb);
}

int sp_command_influence(int argc, char **argv)
{
	options o = {.machine = "generic-6mv",
	             .grid_mm = {2.0, 2.0, 2.0},
	             .cutoff_mm = 50.0,
	             .beams = {.bixel_mm = 5.0},
	             .mc = {.seed = 1}};
	sp_error err = {0};
	result r = {0};
	int status = parse(&o, argc, argv);

	if (status != 0)
		return status - 1;
	if (run(&r, &o, &err) != SP_OK)
		return sp_command_fail("influence", &err);
	print(&r, &o);
	return 0;
}
