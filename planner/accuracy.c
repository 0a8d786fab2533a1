#include "accuracy.h"

#include "alloc.h"
#include "atomic_file.h"
#include "csv.h"
#include "embedded.h"
#include "open_field.h"
#include "pencil.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const sp_embedded sp_egsnrc_files[]; /* tests/data/egsnrc, embedded by the build */

/* One layer of a phantom; material as engine/matter calls it. */
typedef struct {
	const char *material;
	double thickness_mm;
} layer;

typedef struct {
	const char *name, *what;
	bool required;
	double field_mm;
	layer layers[3];
} reference_case;

static const reference_case cases[SP_ACCURACY_CASES] = {
        {"water_6mv_3x3", "water, 30 x 30 mm", true, 30.0, {{"water", 300.0}, {0}, {0}}},
        {"water_6mv_10x10", "water, 100 x 100 mm", true, 100.0, {{"water", 300.0}, {0}, {0}}},
        {"lung_slab_6mv",
         "100 mm lung, 30 x 30 mm",
         false,
         30.0,
         {{"water", 50.0}, {"lung_inflated_icru", 100.0}, {"water", 150.0}}},
        {"bone_slab_6mv",
         "30 mm bone, 50 x 50 mm",
         false,
         50.0,
         {{"water", 50.0}, {"bone_cortical_icrp", 30.0}, {"water", 220.0}}},
        {"titanium_slab_6mv",
         "10 mm titanium, 50 x 50 mm",
         false,
         50.0,
         {{"water", 50.0}, {"titanium", 10.0}, {"water", 240.0}}},
};

#define SSD_MM 900.0
#define FIRST_DEPTH_MM 10.0 /* the build-up above is not judged */
#define MAX_CURVE_BYTES ((size_t)1 << 22)

/* Dose is computed in a slab around the axis, fine enough across that the boxes' edges (multiples of 2.5 mm) are voxel
 * edges. */
static const sp_grid dose_grid = {{240, 8, 300}, {1.25, 2.5, 1.0}, {-149.375, -8.75, 0.5}};

static sp_status make_density(float **red_out, sp_grid *ct, const reference_case *c, const sp_matter *m, sp_error *err)
{
	int water = sp_matter_find(m, "water");
	double water_electrons = sp_matter_density_g_cm3(m, water) * sp_matter_z_over_a(m, water), bottom = 0.0;
	size_t n = 0;

	*ct = (sp_grid){{3, 3, 300}, {100.0, 100.0, 1.0}, {-100.0, -100.0, 0.5}};
	if (!(*red_out = sp_alloc_array(sp_grid_voxels(ct), sizeof **red_out)))
		return sp_fail(err, SP_NO_MEMORY, "no memory for the phantom of %s", c->name);
	for (int l = 0; l < 3 && c->layers[l].material; l++) {
		int material = sp_matter_find(m, c->layers[l].material);
		double red;

		if (material < 0)
			return sp_fail(err, SP_FAILED, "no material is called %s", c->layers[l].material);
		red = sp_matter_density_g_cm3(m, material) * sp_matter_z_over_a(m, material) / water_electrons;
		bottom += c->layers[l].thickness_mm;
		for (; (double)(n / 9) + 0.5 < bottom; n++)
			(*red_out)[n] = (float)red;
	}
	return SP_OK;
}

/* Mean of the dose over a box (mm): by exact overlap with the voxels, the box cut at the grid's edges. */
static double box_mean(const float *dose, const double low[3], const double high[3])
{
	size_t first[3], end[3];
	double sum = 0.0, weights = 0.0;

	for (int a = 0; a < 3; a++) {
		double edge = sp_grid_low_edge_mm(&dose_grid, a), h = dose_grid.spacing_mm[a];

		first[a] = (size_t)fmax(floor((low[a] - edge) / h), 0.0);
		end[a] = (size_t)fmin(fmax(ceil((high[a] - edge) / h), 0.0), (double)dose_grid.n[a]);
	}
	for (size_t k = first[2]; k < end[2]; k++)
		for (size_t j = first[1]; j < end[1]; j++)
			for (size_t i = first[0]; i < end[0]; i++) {
				const size_t at[3] = {i, j, k};
				double w = 1.0;

				for (int a = 0; a < 3; a++) {
					double l = sp_grid_low_edge_mm(&dose_grid, a) +
					           (double)at[a] * dose_grid.spacing_mm[a];

					w *= fmin(high[a], l + dose_grid.spacing_mm[a]) - fmax(low[a], l);
				}
				sum += w * (double)dose[sp_grid_index(&dose_grid, i, j, k)];
				weights += w;
			}
	return weights > 0.0 ? sum / weights : 0.0;
}

/* True when the value occurs within reach_mm along the axis: between the box's own mean and those of the shifted. */
static bool value_is_near(const float *dose, const double low[3], const double high[3], int axis, double reach_mm,
                          double value)
{
	double least = INFINITY, most = -INFINITY;

	for (int step = -4; step <= 4; step++) {
		double l[3] = {low[0], low[1], low[2]}, h[3] = {high[0], high[1], high[2]}, d;

		l[axis] += 0.25 * step * reach_mm;
		h[axis] += 0.25 * step * reach_mm;
		d = box_mean(dose, l, h);
		least = fmin(least, d);
		most = fmax(most, d);
	}
	return value >= least && value <= most;
}

static sp_status judge(sp_accuracy *out, const sp_csv *csv, const float *dose, const sp_accuracy_options *o,
                       sp_error *err)
{
	static const char *const names[] = {
	        "x_min_cm",      "x_max_cm", "y_min_cm", "y_max_cm", "z_min_cm", "z_max_cm", "dose_Gy_per_particle",
	        "rel_unc_1sigma"};
	size_t column[8], curve;
	double v[8], most = 0.0, sum = 0.0, squares = 0.0, variance = 0.0;
	sp_status st = sp_csv_column(&curve, csv, "curve", err);

	for (int i = 0; st == SP_OK && i < 8; i++)
		st = sp_csv_column(&column[i], csv, names[i], err);
	for (size_t r = 0; st == SP_OK && r < csv->n_rows; r++) {
		st = sp_csv_number(&v[6], csv, r, column[6], err);
		most = fmax(most, v[6]);
	}
	for (size_t r = 0; st == SP_OK && r < csv->n_rows; r++) {
		bool depth_dose = strcmp(sp_csv_cell(csv, r, curve), "depth_dose") == 0;
		double low[3], high[3], deviation;

		for (int i = 0; st == SP_OK && i < 8; i++)
			st = sp_csv_number(&v[i], csv, r, column[i], err);
		for (int a = 0; a < 3; a++) {
			low[a] = 10.0 * v[2 * a];
			high[a] = 10.0 * v[2 * a + 1];
		}
		if (st != SP_OK || low[2] < FIRST_DEPTH_MM - 1e-6)
			continue;
		deviation = 100.0 * (box_mean(dose, low, high) - v[6]) / most;
		out->points++;
		out->passed += fabs(deviation) <= o->tolerance_percent ||
		               value_is_near(dose, low, high, depth_dose ? 2 : 0, o->tolerance_mm, v[6]);
		sum += deviation;
		squares += deviation * deviation;
		variance += pow(100.0 * v[6] * v[7] / most, 2.0);
		if (fabs(deviation) > fabs(out->worst_percent)) {
			out->worst_percent = deviation;
			out->worst_depth_mm = 0.5 * (low[2] + high[2]);
			out->worst_off_axis_mm = 0.5 * (low[0] + high[0]);
		}
	}
	if (st == SP_OK && out->points == 0)
		st = sp_fail(err, SP_BAD_INPUT, "%s has no points deeper than %g mm", csv->name, FIRST_DEPTH_MM);
	if (st == SP_OK) {
		out->mean_percent = sum / out->points;
		out->rms_percent = sqrt(squares / out->points);
		out->statistics_percent = sqrt(variance / out->points);
	}
	return st;
}

/* The curves of a case: from the folder, or built in. *text_out is to be freed. */
static sp_status read_curves(sp_csv *out, char **text_out, const char *name, const char *folder, sp_error *err)
{
	char path[1024];
	const sp_embedded *e;
	size_t bytes;
	sp_status st;

	*text_out = NULL;
	snprintf(path, sizeof path, "%s%s%s.csv", folder ? folder : "", folder ? "/" : "", name);
	if (folder) {
		if ((st = sp_file_read_all(text_out, &bytes, path, MAX_CURVE_BYTES, err)) != SP_OK)
			return st;
		return sp_csv_parse(out, name, *text_out, bytes, err);
	}
	if (!(e = sp_embedded_find(sp_egsnrc_files, path)))
		return sp_fail(err, SP_FAILED, "no reference curves are called %s", path);
	return sp_csv_parse(out, name, (const char *)e->data, e->bytes, err);
}

/* Dose per photon of the case's open field on dose_grid. */
static sp_status compute(float *dose, const reference_case *c, sp_device *d, const sp_matter *matter,
                         const sp_machine *machine, sp_error *err)
{
	const sp_open_field field = {SSD_MM, {c->field_mm, c->field_mm}};
	sp_machine point = *machine;
	sp_beam_set *beams = NULL;
	double *weights = NULL;
	sp_pencil *p = NULL;
	float *red = NULL;
	sp_grid ct;
	sp_status st;

	point.source_fwhm_mm[0] = point.source_fwhm_mm[1] = 0.0;
	if ((st = make_density(&red, &ct, c, matter, err)) != SP_OK)
		goto cleanup;
	if ((st = sp_open_field_make(&beams, &weights, &field, &point, err)) != SP_OK)
		goto cleanup;
	if ((st = sp_pencil_create(&p, d, &point, &ct, red, err)) != SP_OK)
		goto cleanup;
	st = sp_pencil_dose(dose, p, beams, weights, &dose_grid, err);
cleanup:
	sp_pencil_destroy(p);
	sp_beam_set_destroy(beams);
	free(weights);
	free(red);
	return st;
}

sp_status sp_accuracy_measure(sp_accuracy *out, unsigned number, sp_device *d, const sp_matter *matter,
                              const sp_machine *machine, const sp_accuracy_options *options, sp_error *err)
{
	const reference_case *c = &cases[number];
	float *dose = sp_alloc_array(sp_grid_voxels(&dose_grid), sizeof *dose);
	char *text = NULL;
	sp_csv csv = {0};
	sp_status st;

	*out = (sp_accuracy){.name = c->name, .what = c->what, .required = c->required};
	if (!dose) {
		st = sp_fail(err, SP_NO_MEMORY, "no memory for the dose of %s", c->name);
		goto cleanup;
	}
	if ((st = read_curves(&csv, &text, c->name, options->folder, err)) != SP_OK)
		goto cleanup;
	if ((st = compute(dose, c, d, matter, machine, err)) != SP_OK)
		goto cleanup;
	st = judge(out, &csv, dose, options, err);
cleanup:
	sp_csv_finish(&csv);
	free(text);
	free(dose);
	return st;
}
