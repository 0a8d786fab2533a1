/* `spineplan optimise`: fluence optimisation of any influence matrix, also one that another program has made. */
#include "commands.h"

#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "h5.h"
#include "influence.h"
#include "log.h"
#include "objective_file.h"
#include "optimise.h"
#include "optimise_terms.h"
#include "options.h"
#include "progress.h"

static const char help[] =
        "usage: spineplan optimise MATRIX --objectives FILE [-o WEIGHTS] [OPTIONS]\n"
        "\n"
        "Finds the bixel weights that are best by the objectives of a YAML file and hold its limits. MATRIX is an "
        "HDF5\n"
        "file with an influence matrix (/influence) and the structures (/structures/NAME/voxels: numbers of the "
        "grid's\n"
        "voxels; /structures/NAME/volumes, if not all are equal). Ends with status 1 when a limit cannot be held.\n"
        "\n"
        "  --objectives FILE      what to reach; the format is in docs/optimisation.md\n"
        "  -o, --output FILE      HDF5 file for /fluence/weights and /dose/dose_gy\n"
        "  --max-time S           stop after S seconds with the best found\n"
        "  --tolerance T          relative change over ten iterations that counts as converged (1e-4)\n"
        "  --limit-tolerance GY   by how much a limit may be missed (0.1)\n"
        "  --target VALUE         stop as soon as the objective is at most VALUE and the limits hold\n"
        "  --start FILE           start from /fluence/weights of an earlier result\n"
        "  --device SELECTOR      OpenCL device, by number or name\n"
        "  --json                 the result for machines\n"
        "  --help                 this text\n"
        "\n"
        "example: spineplan optimise matrix.h5 --objectives tg119-harder.yaml -o weights.h5\n";

typedef struct {
	const char *matrix, *objectives, *output, *start, *device;
	double target;
	bool json;
	sp_optimise_options optimise;
} settings;

/* The voxels of a term; rows and volumes are owned. */
typedef struct {
	uint32_t *rows;
	float *volumes;
} voxels;

typedef struct {
	sp_device *device;
	sp_influence *matrix;
	sp_objective_file *file;
	sp_term *terms;
	voxels *voxels;
	double *weights, *start;
	float *dose;
	sp_optimise_result result;
	const settings *s;
	sp_progress progress;
} work;

static void work_finish(work *w)
{
	for (size_t k = 0; w->voxels && k < w->file->n_objectives; k++) {
		free(w->voxels[k].rows);
		free(w->voxels[k].volumes);
	}
	free(w->voxels);
	free(w->terms);
	free(w->weights);
	free(w->start);
	free(w->dose);
	sp_objective_file_destroy(w->file);
	sp_influence_destroy(w->matrix);
	sp_device_close(w->device);
}

/* Turns numbers of voxels (ascending) into numbers of rows. Voxels that are no row of the matrix get no dose: only
 * their volume counts. */
static sp_status find_rows(sp_term *t, voxels *v, const uint64_t *voxel, uint64_t n, const work *w, sp_error *err)
{
	const uint64_t *row_voxel = sp_influence_row_voxels(w->matrix);
	size_t n_rows = sp_influence_rows(w->matrix), row = 0;

	for (uint64_t i = 0; i < n; i++) {
		if (i && voxel[i] <= voxel[i - 1])
			return sp_fail(err, SP_BAD_INPUT,
			               "%s:/structures/%s/voxels[%" PRIu64 "] is %" PRIu64
			               ", expected ascending numbers",
			               w->s->matrix, t->name, i, voxel[i]);
		while (row < n_rows && row_voxel[row] < voxel[i])
			row++;
		if (row == n_rows || row_voxel[row] != voxel[i]) {
			t->empty_volume += v->volumes[i];
			continue;
		}
		v->rows[t->n] = (uint32_t)row;
		v->volumes[t->n++] = v->volumes[i];
	}
	t->rows = v->rows;
	t->volumes = v->volumes;
	return SP_OK;
}

static sp_status read_voxels(sp_term *t, voxels *v, sp_h5_in *file, const work *w, sp_error *err)
{
	char path[160], volumes[160];
	uint64_t *voxel = NULL;
	sp_h5_info info, volumes_info;
	sp_status st;

	snprintf(path, sizeof path, "/structures/%s/voxels", t->name);
	snprintf(volumes, sizeof volumes, "/structures/%s/volumes", t->name);
	if ((st = sp_h5_expect(&info, file, path, 1, NULL, sp_grid_voxels(sp_influence_grid(w->matrix)), err)) != SP_OK)
		return st;
	voxel = sp_alloc_array(info.elements, sizeof *voxel);
	v->rows = sp_alloc_array(info.elements, sizeof *v->rows);
	v->volumes = sp_alloc_array(info.elements, sizeof *v->volumes);
	if (!voxel || !v->rows || !v->volumes) {
		st = sp_fail(err, SP_NO_MEMORY, "out of memory for the voxels of %s", t->name);
		goto cleanup;
	}
	for (uint64_t i = 0; i < info.elements; i++)
		v->volumes[i] = 1.0f;
	if ((st = sp_h5_read(file, path, SP_H5_U64, voxel, info.elements, err)) != SP_OK ||
	    (st = sp_h5_look(&volumes_info, file, volumes, err)) != SP_OK ||
	    (volumes_info.kind != SP_H5_NOTHING &&
	     (st = sp_h5_read(file, volumes, SP_H5_F32, v->volumes, info.elements, err)) != SP_OK) ||
	    (st = find_rows(t, v, voxel, info.elements, w, err)) != SP_OK)
		goto cleanup;
cleanup:
	free(voxel);
	return st;
}

static sp_status read_start(work *w, sp_error *err)
{
	size_t n = sp_influence_columns(w->matrix);
	sp_h5_in *file;
	sp_h5_info info;
	sp_status st;

	if (!w->s->start)
		return SP_OK;
	if (!(w->start = sp_alloc_array(n, sizeof *w->start)))
		return sp_fail(err, SP_NO_MEMORY, "out of memory for %zu weights", n);
	if ((st = sp_h5_open(&file, w->s->start, err)) != SP_OK)
		return st;
	if ((st = sp_h5_expect(&info, file, "/fluence/weights", 1, (const uint64_t[]){n}, n, err)) == SP_OK)
		st = sp_h5_read(file, "/fluence/weights", SP_H5_F64, w->start, n, err);
	sp_h5_close(file);
	return st;
}

static sp_status read_all(work *w, sp_error *err)
{
	sp_h5_in *file = NULL;
	sp_status st;

	if ((st = sp_objective_file_read(&w->file, w->s->objectives, err)) != SP_OK)
		return st;
	w->terms = sp_alloc_array(w->file->n_objectives, sizeof *w->terms);
	w->voxels = sp_alloc_array(w->file->n_objectives, sizeof *w->voxels);
	if (!w->terms || !w->voxels)
		return sp_fail(err, SP_NO_MEMORY, "out of memory for %u objectives", w->file->n_objectives);
	for (size_t k = 0; k < w->file->n_objectives; k++)
		if ((st = sp_objective_to_term(&w->terms[k], &w->file->objectives[k], w->s->objectives, err)) != SP_OK)
			return st;
	if ((st = sp_device_open(&w->device, w->s->device, err)) != SP_OK ||
	    (st = sp_influence_read(&w->matrix, w->device, w->s->matrix, err)) != SP_OK ||
	    (st = sp_h5_open(&file, w->s->matrix, err)) != SP_OK)
		return st;
	for (size_t k = 0; st == SP_OK && k < w->file->n_objectives; k++)
		st = read_voxels(&w->terms[k], &w->voxels[k], file, w, err);
	sp_h5_close(file);
	return st == SP_OK ? read_start(w, err) : st;
}

static bool on_iteration(void *context, size_t iteration, double objective, double miss_gy, const float *dose_gy)
{
	work *w = context;
	char note[120];

	(void)dose_gy;
	snprintf(note, sizeof note, "iteration %zu: objective %.6g, worst limit missed by %.2f Gy", iteration,
	         objective, miss_gy);
	/* nobody knows how many iterations there will be: the bar creeps towards its end */
	sp_progress_show(&w->progress, (double)iteration / (double)(iteration + 100), note);
	return !(objective <= w->s->target && miss_gy <= w->s->optimise.limit_tolerance_gy);
}

static sp_status write_result(const work *w, sp_error *err)
{
	const sp_grid *grid = sp_influence_grid(w->matrix);
	const uint64_t *row_voxel = sp_influence_row_voxels(w->matrix);
	uint64_t n = sp_influence_columns(w->matrix), dims[3] = {grid->n[2], grid->n[1], grid->n[0]};
	float *cube = sp_alloc_array(sp_grid_voxels(grid), sizeof *cube);
	sp_h5_out *file = NULL;
	sp_status st;

	if (!cube)
		return sp_fail(err, SP_NO_MEMORY, "out of memory for the dose");
	for (size_t row = 0; row < sp_influence_rows(w->matrix); row++)
		cube[row_voxel[row]] = w->dose[row];
	if ((st = sp_h5_create(&file, w->s->output, err)) == SP_OK &&
	    (st = sp_h5_write(file, "/fluence/weights", SP_H5_F64, 1, &n, false, w->weights, err)) == SP_OK &&
	    (st = sp_h5_write(file, "/dose/dose_gy", SP_H5_F32, 3, dims, true, cube, err)) == SP_OK &&
	    (st = sp_h5_set_numbers(file, "/dose/dose_gy", "spacing_mm", SP_H5_F64, 3, grid->spacing_mm, err)) ==
	            SP_OK &&
	    (st = sp_h5_set_numbers(file, "/dose/dose_gy", "origin_mm", SP_H5_F64, 3, grid->origin_mm, err)) == SP_OK)
		st = sp_h5_commit(&file, err);
	else
		sp_h5_abandon(file);
	free(cube);
	return st;
}

/* What a term has reached: the dose that it is about, and its part of the objective. */
typedef struct {
	double value_gy, objective, miss_gy;
} achievement;

static sp_status achieve(achievement *out, const work *w, sp_error *err)
{
	size_t n = w->file->n_objectives;
	sp_term_state *states;
	sp_status st = sp_terms_create(&states, w->terms, n, sp_influence_rows(w->matrix), 0.0, err);

	for (size_t k = 0; st == SP_OK && k < n; k++) {
		if ((st = sp_term_measure(&states[k], w->dose, err)) != SP_OK ||
		    (st = sp_term_choose_free(&states[k], w->dose, err)) != SP_OK ||
		    (st = sp_term_dose_gy(&out[k].value_gy, &states[k], w->dose, err)) != SP_OK)
			break;
		out[k].objective = sp_term_objective(&states[k], w->dose);
		out[k].miss_gy = states[k].miss_gy;
	}
	if (states)
		sp_terms_destroy(states, n);
	return st;
}

static void print_table(const work *w, const achievement *a)
{
	const sp_optimise_result *r = &w->result;

	printf("%-18s %-18s %10s %8s %10s %12s\n", "structure", "kind", "dose Gy", "volume", "reached Gy", "objective");
	for (size_t k = 0; k < w->file->n_objectives; k++) {
		const sp_term *t = &w->terms[k];
		char last[40];

		if (t->kind >= SP_LIMIT_MAX)
			snprintf(last, sizeof last,
			         a[k].miss_gy > w->s->optimise.limit_tolerance_gy ? "missed" : "held");
		else
			snprintf(last, sizeof last, "%.6g", a[k].objective);
		printf("%-18s %-18s %10.2f %7.1f%% %10.3f %12s\n", t->name, sp_term_kind_name(t->kind), t->dose_gy,
		       100.0 * t->volume, a[k].value_gy, last);
	}
	printf("objective %.8g, worst limit missed by %.3f Gy, KKT residual %.1e\n"
	       "%zu iterations, %zu products, %.2f s: %s\n",
	       r->objective, r->worst_limit_miss_gy, r->kkt_residual, r->iterations, r->products, r->seconds,
	       r->converged         ? "converged"
	       : r->limits_conflict ? "the limits cannot be held together"
	                            : "stopped");
}

static int print_json(const work *w, const achievement *a)
{
	const sp_optimise_result *r = &w->result;
	json_t *terms = json_array(), *all;
	int bad;

	for (size_t k = 0; k < w->file->n_objectives; k++)
		json_array_append_new(terms,
		                      json_pack("{s:s,s:s,s:f,s:f,s:f,s:f,s:f}", "structure", w->terms[k].name, "kind",
		                                sp_term_kind_name(w->terms[k].kind), "dose_gy", w->terms[k].dose_gy,
		                                "volume", w->terms[k].volume, "reached_gy", a[k].value_gy, "objective",
		                                a[k].objective, "miss_gy", a[k].miss_gy));
	all = json_pack("{s:f,s:f,s:b,s:b,s:b,s:f,s:I,s:I,s:f,s:o}", "objective", r->objective, "worst_limit_miss_gy",
	                r->worst_limit_miss_gy, "converged", r->converged, "interrupted", r->interrupted,
	                "limits_conflict", r->limits_conflict, "kkt_residual", r->kkt_residual, "iterations",
	                (json_int_t)r->iterations, "products", (json_int_t)r->products, "seconds", r->seconds,
	                "objectives", terms);
	bad = !all || json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(10)) != 0 || putchar('\n') == EOF;
	json_decref(all);
	return bad;
}

static sp_status run(work *w, achievement **out, sp_error *err)
{
	sp_optimise_options options = w->s->optimise;
	sp_status st;

	if ((st = read_all(w, err)) != SP_OK)
		return st;
	w->weights = sp_alloc_array(sp_influence_columns(w->matrix), sizeof *w->weights);
	w->dose = sp_alloc_array(sp_influence_rows(w->matrix), sizeof *w->dose);
	*out = sp_alloc_array(w->file->n_objectives, sizeof **out);
	if (!w->weights || !w->dose || !*out)
		return sp_fail(err, SP_NO_MEMORY, "out of memory for the optimisation");
	options.start = w->start;
	options.on_iteration = on_iteration;
	options.context = w;
	sp_progress_start(&w->progress, "optimise");
	st = sp_optimise(w->weights, w->dose, &w->result, w->matrix, w->terms, w->file->n_objectives, &options, err);
	sp_progress_end(&w->progress, NULL);
	if (st == SP_OK)
		st = achieve(*out, w, err);
	return st == SP_OK && w->s->output ? write_result(w, err) : st;
}

static bool read_number(double *out, const char *text, double least)
{
	char *end;

	*out = strtod(text, &end);
	return *text && !*end && *out >= least;
}

/* Returns 0 or the exit status of wrong use. */
static int read_settings(settings *s, int argc, char **argv)
{
	static const struct option options[] = {{"objectives", required_argument, NULL, 'b'},
	                                        {"output", required_argument, NULL, 'o'},
	                                        {"max-time", required_argument, NULL, 't'},
	                                        {"tolerance", required_argument, NULL, 'e'},
	                                        {"limit-tolerance", required_argument, NULL, 'l'},
	                                        {"target", required_argument, NULL, 'g'},
	                                        {"start", required_argument, NULL, 's'},
	                                        {"device", required_argument, NULL, 'd'},
	                                        {"json", no_argument, NULL, 'j'},
	                                        {NULL, 0, NULL, 0}};
	bool good = true;
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "o:", options, NULL)) != -1) {
		switch (option) {
		case 'b':
			s->objectives = optarg;
			break;
		case 'o':
			s->output = optarg;
			break;
		case 's':
			s->start = optarg;
			break;
		case 'd':
			s->device = optarg;
			break;
		case 'j':
			s->json = true;
			break;
		case 't':
			good = read_number(&s->optimise.max_seconds, optarg, 0.0);
			break;
		case 'e':
			good = read_number(&s->optimise.tolerance, optarg, 0.0);
			break;
		case 'l':
			good = read_number(&s->optimise.limit_tolerance_gy, optarg, 0.0);
			break;
		case 'g':
			good = read_number(&s->target, optarg, -1e300);
			break;
		default:
			return sp_command_usage("optimise", "no option %s, or its value is missing", argv[optind - 1]);
		}
		if (!good)
			return sp_command_usage("optimise", "'%s' is no good value for --%s", optarg,
			                        sp_option_name(options, option));
	}
	if (argc - optind != 1)
		return sp_command_usage("optimise", "expected one matrix file, got %d", argc - optind);
	if (!s->objectives)
		return sp_command_usage("optimise", "--objectives FILE is missing");
	s->matrix = argv[optind];
	return sp_command_keeps_inputs("optimise", s->output, (const char *const[]){s->matrix, s->objectives}, 2);
}

int sp_command_optimise(int argc, char **argv)
{
	settings s = {.target = -1e300, .optimise = {.limit_tolerance_gy = 0.1}};
	work w = {.s = &s};
	achievement *reached = NULL;
	sp_error err = {0};
	int status = 0;

	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return fputs(help, stdout) < 0;
	if ((status = read_settings(&s, argc, argv)) != 0)
		return status;
	if (run(&w, &reached, &err) != SP_OK)
		status = sp_command_fail("optimise", &err);
	else if (s.json)
		status = print_json(&w, reached) ? 2 : 0;
	else
		print_table(&w, reached);
	if (status == 0 && w.result.worst_limit_miss_gy > s.optimise.limit_tolerance_gy)
		status = 1;
	free(reached);
	work_finish(&w);
	return status;
}
