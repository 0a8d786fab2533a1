/* spineplan compare: two doses, by gamma (cl_kernels/gamma.cl), differences and profiles. */
#include "commands.h"

#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "clock.h"
#include "device.h"
#include "dose_difference.h"
#include "gamma.h"
#include "h5.h"
#include "log.h"
#include "options.h"

static const char help[] =
        "usage: spineplan compare A B [OPTIONS]\n"
        "Compares dose B with dose A, the reference: gamma, differences (B - A) and profiles. A and B are plans or "
        "doses\n"
        "of this program (HDF5); FILE:/path names a dataset. scripts/rtdose2h5 makes such a file of a DICOM RTDOSE.\n"
        "The grids may differ: A is judged at its voxel centres, B is linear between its own.\n\n"
        "  --gamma D%/Mmm        criterion, for example 3%/2mm (default); D is a share of --normalise\n"
        "  --local               D is a share of A's dose at each point instead\n"
        "  --threshold P%        points below P % of --normalise are left out (default 10%)\n"
        "  --normalise GY        default: the greatest dose of A\n"
        "  --scale-b F           multiplies B first (fractions, monitor units)\n"
        "  --profile x|y|z       both doses along an axis; may be given several times\n"
        "  --at X,Y,Z            the point (mm, LPS) that profiles go through (default: where A is greatest)\n"
        "  -o, --output GAMMA    writes the gammas as HDF5: /gamma/gamma on A's grid, NaN where not judged\n"
        "  --require-pass P%     exit status 1 when fewer points pass\n"
        "  --json                for machines\n"
        "  --device SELECTOR     number or part of the name of the OpenCL device\n"
        "  --help\n\n"
        "example: spineplan compare tps.h5 plan.h5 --gamma 3%/2mm --threshold 10% --profile x\n";

#define MAX_PROFILES 3

typedef struct {
	const char *a, *b, *output, *device;
	sp_gamma_criterion criterion;
	double scale_b, at_mm[3], require_pass;
	bool has_at, json;
	int profiles[MAX_PROFILES], n_profiles;
} options;

enum { GAMMA = 256, LOCAL, THRESHOLD, NORMALISE, SCALE, PROFILE, AT, REQUIRE, JSON, DEVICE };

/* "10%" or "10" */
static bool take_percent(double *out, const char *text, double low, double high)
{
	char *rest;

	*out = strtod(text, &rest);
	return rest != text && (*rest == '\0' || strcmp(rest, "%") == 0) && *out >= low && *out <= high;
}

/* "3%/2mm" */
static bool take_gamma(sp_gamma_criterion *out, const char *text)
{
	char *rest, *end;

	out->dose_percent = strtod(text, &rest);
	if (rest == text || (*rest != '%' && *rest != '/'))
		return false;
	rest += *rest == '%';
	if (*rest++ != '/')
		return false;
	out->distance_mm = strtod(rest, &end);
	return end != rest && (*end == '\0' || strcmp(end, "mm") == 0) && out->dose_percent > 0.0 &&
	       out->dose_percent <= 100.0 && out->distance_mm > 0.0 && out->distance_mm <= 100.0;
}

static bool take(options *o, int option, const char *text)
{
	switch (option) {
	case 'o':
		o->output = text;
		return true;
	case GAMMA:
		return take_gamma(&o->criterion, text);
	case LOCAL:
		return o->criterion.local = true;
	case THRESHOLD:
		return take_percent(&o->criterion.threshold_percent, text, 0.0, 100.0);
	case NORMALISE:
		return sp_option_number(&o->criterion.normalisation_gy, text, 1e-30, 1e6);
	case SCALE:
		return sp_option_number(&o->scale_b, text, 1e-30, 1e30);
	case PROFILE:
		if (o->n_profiles == MAX_PROFILES || strlen(text) != 1 || !strchr("xyz", text[0]))
			return false;
		o->profiles[o->n_profiles++] = text[0] - 'x';
		return true;
	case AT:
		o->has_at = true;
		return sp_option_list(o->at_mm, 3, text) == 3;
	case REQUIRE:
		return take_percent(&o->require_pass, text, 0.0, 100.0);
	case JSON:
		return o->json = true;
	default:
		o->device = text;
		return true;
	}
}

/* 0 to go on, or the exit status plus one. */
static int parse(options *o, int argc, char **argv)
{
	static const struct option known[] = {{"gamma", required_argument, NULL, GAMMA},
	                                      {"local", no_argument, NULL, LOCAL},
	                                      {"threshold", required_argument, NULL, THRESHOLD},
	                                      {"normalise", required_argument, NULL, NORMALISE},
	                                      {"scale-b", required_argument, NULL, SCALE},
	                                      {"profile", required_argument, NULL, PROFILE},
	                                      {"at", required_argument, NULL, AT},
	                                      {"output", required_argument, NULL, 'o'},
	                                      {"require-pass", required_argument, NULL, REQUIRE},
	                                      {"json", no_argument, NULL, JSON},
	                                      {"device", required_argument, NULL, DEVICE},
	                                      {"help", no_argument, NULL, 'h'},
	                                      {NULL, 0, NULL, 0}};
	int c;

	*o = (options){.criterion = {.dose_percent = 3.0, .distance_mm = 2.0, .threshold_percent = 10.0, .cap = 2.0},
	               .scale_b = 1.0,
	               .require_pass = -1.0};
	optind = 1;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":o:h", known, NULL)) != -1) {
		if (c == 'h') {
			fputs(help, stdout);
			return 1;
		}
		if (c == '?' || c == ':')
			return sp_command_usage("compare", "%s is unknown or lacks its value", argv[optind - 1]) + 1;
		if (!take(o, c, optarg))
			return sp_command_usage("compare", "'%s' is no good value for --%s", optarg,
			                        sp_option_name(known, c)) +
			       1;
	}
	if (argc - optind != 2)
		return sp_command_usage("compare", "expected two doses A and B, found %d", argc - optind) + 1;
	o->a = argv[optind];
	o->b = argv[optind + 1];
	if (sp_command_keeps_inputs("compare", o->output, (const char *const[]){o->a, o->b}, 2))
		return 2 + 1;
	return 0;
}

/* FILE or FILE:/path. */
static sp_status read_dose(sp_dose *out, const char *name, sp_error *err)
{
	const char *colon = NULL;
	sp_status st;
	char *path;

	for (const char *p = name; (p = strstr(p, ":/")); p++)
		colon = p;
	if (!colon)
		return sp_dose_read(out, name, NULL, err);
	if (!(path = sp_copy_text(name)))
		return sp_fail(err, SP_NO_MEMORY, "reading %s", name);
	path[colon - name] = '\0';
	st = sp_dose_read(out, path, colon + 1, err);
	free(path);
	return st;
}

/* What a dose is per (course, fraction, particle) is in its name: comparing apples with pears is a mistake, unless it
 * was asked for by naming the datasets. */
static sp_status same_kind(const options *o, const sp_dose *a, const sp_dose *b, sp_error *err)
{
	const char *name_a = strrchr(a->dataset, '/') + 1, *name_b = strrchr(b->dataset, '/') + 1;

	if (strcmp(name_a, name_b) == 0 || strstr(o->a, ":/") || strstr(o->b, ":/") || o->scale_b != 1.0)
		return SP_OK;
	return sp_fail(err, SP_BAD_INPUT,
	               "%s holds %s and %s holds %s: not the same kind of dose; name the datasets (FILE:/path) or give "
	               "--scale-b to compare them all the same",
	               o->a, name_a, o->b, name_b);
}

typedef struct {
	sp_dose a, b;
	sp_device *device;
	sp_gamma_result gamma;
	sp_dose_difference difference;
	sp_dose_profile profiles[MAX_PROFILES];
	double seconds;
} work;

static void finish(work *w)
{
	for (int i = 0; i < MAX_PROFILES; i++)
		sp_dose_profile_finish(&w->profiles[i]);
	sp_gamma_result_finish(&w->gamma);
	sp_device_close(w->device);
	sp_dose_finish(&w->a);
	sp_dose_finish(&w->b);
}

static sp_status compute(work *w, options *o, sp_error *err)
{
	double start;
	sp_status st;

	if ((st = read_dose(&w->a, o->a, err)) != SP_OK || (st = read_dose(&w->b, o->b, err)) != SP_OK ||
	    (st = same_kind(o, &w->a, &w->b, err)) != SP_OK ||
	    (st = sp_device_open(&w->device, o->device, err)) != SP_OK)
		return st;
	for (size_t i = 0; o->scale_b != 1.0 && i < sp_grid_voxels(&w->b.grid); i++)
		w->b.gy[i] *= (float)o->scale_b;
	start = sp_clock_seconds();
	if ((st = sp_gamma_compute(&w->gamma, w->device, &w->a, &w->b, &o->criterion, err)) != SP_OK)
		return st;
	w->seconds = sp_clock_seconds() - start;
	sp_dose_compare(&w->difference, &w->a, &w->b,
	                0.01 * o->criterion.threshold_percent * w->gamma.normalisation_gy);
	if (!o->has_at) {
		size_t top = 0;

		for (size_t i = 1; i < sp_grid_voxels(&w->a.grid); i++)
			top = w->a.gy[i] > w->a.gy[top] ? i : top;
		sp_grid_centre(o->at_mm, &w->a.grid, top);
	}
	for (int i = 0; i < o->n_profiles; i++)
		if ((st = sp_dose_profile_make(&w->profiles[i], &w->a, &w->b, o->profiles[i], o->at_mm, err)) != SP_OK)
			return st;
	return SP_OK;
}

static sp_status write_gamma(const work *w, const options *o, sp_error *err)
{
	static const char path[] = "/gamma/gamma";
	const sp_grid *g = &w->a.grid;
	const uint64_t dims[3] = {g->n[2], g->n[1], g->n[0]};
	sp_h5_out *f = NULL;
	sp_status st = sp_h5_create(&f, o->output, err);

	if (st == SP_OK)
		st = sp_h5_write(f, path, SP_H5_F32, 3, dims, true, w->gamma.gamma, err);
	if (st == SP_OK)
		st = sp_h5_set_numbers(f, path, "spacing_mm", SP_H5_F64, 3, g->spacing_mm, err);
	if (st == SP_OK)
		st = sp_h5_set_numbers(f, path, "origin_mm", SP_H5_F64, 3, g->origin_mm, err);
	if (st == SP_OK)
		return sp_h5_commit(&f, err);
	sp_h5_abandon(f);
	return st;
}

static double pass_percent(const sp_gamma_result *g)
{
	return g->n_judged ? 100.0 * (double)g->n_passed / (double)g->n_judged : 0.0;
}

static json_t *vector_json(const double *v, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, isnan(v[i]) ? json_null() : json_real(v[i]));
	return list;
}

static json_t *make_json(const work *w, const options *o)
{
	const sp_gamma_result *g = &w->gamma;
	const sp_dose_difference *d = &w->difference;
	json_t *profiles = json_array(), *all;

	for (int i = 0; i < o->n_profiles; i++) {
		const sp_dose_profile *p = &w->profiles[i];
		const char axis[2] = {(char)('x' + p->axis), '\0'};

		json_array_append_new(
		        profiles, json_pack("{s:s,s:o,s:o,s:o,s:o}", "axis", axis, "through_mm",
		                            vector_json(p->through_mm, 3), "at_mm", vector_json(p->at_mm, p->n), "a_gy",
		                            vector_json(p->a_gy, p->n), "b_gy", vector_json(p->b_gy, p->n)));
	}
	all = json_pack("{s:{s:s,s:s,s:f},s:{s:s,s:s,s:f}}", "a", "file", o->a, "dataset", w->a.dataset, "greatest_gy",
	                sp_dose_greatest(&w->a), "b", "file", o->b, "dataset", w->b.dataset, "greatest_gy",
	                sp_dose_greatest(&w->b));
	json_object_set_new(
	        all, "gamma",
	        json_pack("{s:f,s:f,s:b,s:f,s:f,s:f,s:f,s:I,s:I,s:I,s:I,s:f,s:f,s:f,s:f,s:f}", "dose_percent",
	                  o->criterion.dose_percent, "distance_mm", o->criterion.distance_mm, "local",
	                  o->criterion.local, "threshold_percent", o->criterion.threshold_percent, "normalisation_gy",
	                  g->normalisation_gy, "cap", o->criterion.cap, "pass_percent", pass_percent(g), "n_judged",
	                  (json_int_t)g->n_judged, "n_passed", (json_int_t)g->n_passed, "n_below_threshold",
	                  (json_int_t)g->n_below, "n_outside_b", (json_int_t)g->n_outside, "mean", g->mean, "median",
	                  g->median, "p95", g->p95, "greatest", g->greatest, "seconds", w->seconds));
	json_object_set_new(all, "difference",
	                    json_pack("{s:I,s:I,s:f,s:f,s:f,s:f,s:f,s:f,s:f,s:f,s:o,s:o}", "n", (json_int_t)d->n,
	                              "n_outside_b", (json_int_t)d->n_outside, "mean_gy", d->mean_gy, "sd_gy", d->sd_gy,
	                              "rms_gy", d->rms_gy, "mean_absolute_gy", d->mean_absolute_gy, "least_gy",
	                              d->least_gy, "greatest_gy", d->greatest_gy, "mean_a_gy", d->mean_a_gy,
	                              "mean_b_gy", d->mean_b_gy, "least_at_mm", vector_json(d->least_at_mm, 3),
	                              "greatest_at_mm", vector_json(d->greatest_at_mm, 3)));
	json_object_set_new(all, "profiles", profiles);
	return all;
}

static void print_text(const work *w, const options *o)
{
	const sp_gamma_result *g = &w->gamma;
	const sp_dose_difference *d = &w->difference;
	double percent = 100.0 / g->normalisation_gy;

	printf("A             %s:%s, greatest %.4g\n", o->a, w->a.dataset, sp_dose_greatest(&w->a));
	printf("B             %s:%s, greatest %.4g\n", o->b, w->b.dataset, sp_dose_greatest(&w->b));
	printf("gamma         %g%%/%gmm %s, points above %g %% of %.4g\n", o->criterion.dose_percent,
	       o->criterion.distance_mm, o->criterion.local ? "local" : "global", o->criterion.threshold_percent,
	       g->normalisation_gy);
	printf("passed        %.2f %%: %zu of %zu points\n", pass_percent(g), g->n_passed, g->n_judged);
	printf("              mean %.3f, median %.3f, 95 %% below %.3f, greatest %.3f%s\n", g->mean, g->median, g->p95,
	       g->greatest, g->greatest >= o->criterion.cap ? " (or more)" : "");
	printf("B - A         mean %.4g (%.2f %%), standard deviation %.4g (%.2f %%)\n", d->mean_gy,
	       percent * d->mean_gy, d->sd_gy, percent * d->sd_gy);
	printf("              least %.4g (%.2f %%) at %g %g %g mm\n", d->least_gy, percent * d->least_gy,
	       d->least_at_mm[0], d->least_at_mm[1], d->least_at_mm[2]);
	printf("              greatest %.4g (%.2f %%) at %g %g %g mm\n", d->greatest_gy, percent * d->greatest_gy,
	       d->greatest_at_mm[0], d->greatest_at_mm[1], d->greatest_at_mm[2]);
	for (int i = 0; i < o->n_profiles; i++) {
		const sp_dose_profile *p = &w->profiles[i];

		printf("\nalong %c through %g %g %g mm\n%10s %12s %12s\n", 'x' + p->axis, p->through_mm[0],
		       p->through_mm[1], p->through_mm[2], "mm", "A", "B");
		for (size_t k = 0; k < p->n; k++)
			printf("%10.2f %12.5g %12.5g\n", p->at_mm[k], p->a_gy[k], p->b_gy[k]);
	}
}

int sp_command_compare(int argc, char **argv)
{
	options o;
	sp_error err = {0};
	work w = {0};
	int status = parse(&o, argc, argv);
	sp_status st;

	if (status != 0)
		return status - 1;
	if ((st = compute(&w, &o, &err)) == SP_OK && o.output)
		st = write_gamma(&w, &o, &err);
	if (st == SP_OK && w.gamma.n_judged == 0)
		st = sp_fail(&err, SP_BAD_INPUT,
		             "no point of %s above the threshold lies within %s: %zu are beyond its grid", o.a, o.b,
		             w.gamma.n_outside);
	if (st != SP_OK) {
		finish(&w);
		return sp_command_fail("compare", &err);
	}
	if (w.gamma.n_outside)
		sp_log_warning(
		        "%zu points above the threshold lie beyond the outermost voxel centres of %s and were not "
		        "judged",
		        w.gamma.n_outside, o.b);
	if (o.json) {
		json_t *all = make_json(&w, &o);

		json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(8));
		putchar('\n');
		json_decref(all);
	} else {
		print_text(&w, &o);
	}
	status = pass_percent(&w.gamma) < o.require_pass ? 1 : 0;
	finish(&w);
	return status;
}
