#include "accuracy.h"

#include "alloc.h"
#include "clock.h"
#include "open_field.h"
#include "pencil.h"

#include <math.h>
#include <stdlib.h>

#define FIRST_DEPTH_MM 10.0 /* the build-up above is not judged */

/* Dose is computed in a slab around the axis, fine enough across that the boxes' edges (multiples of 2.5 mm) are voxel
 * edges. */
static const sp_grid dose_grid = {{240, 8, 300}, {1.25, 2.5, 1.0}, {-149.375, -8.75, 0.5}};

static sp_status make_density(float **red_out, sp_grid *ct, const sp_reference_case *c, const sp_matter *m,
                              sp_error *err)
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

double sp_accuracy_box_mean(const float *dose, const sp_grid *grid, const double low[3], const double high[3])
{
	size_t first[3], end[3];
	double sum = 0.0, weights = 0.0;

	for (int a = 0; a < 3; a++) { /* by exact overlap with the voxels, the box cut at the grid's edges */
		double edge = sp_grid_low_edge_mm(grid, a), h = grid->spacing_mm[a];

		first[a] = (size_t)fmax(floor((low[a] - edge) / h), 0.0);
		end[a] = (size_t)fmin(fmax(ceil((high[a] - edge) / h), 0.0), (double)grid->n[a]);
	}
	for (size_t k = first[2]; k < end[2]; k++)
		for (size_t j = first[1]; j < end[1]; j++)
			for (size_t i = first[0]; i < end[0]; i++) {
				const size_t at[3] = {i, j, k};
				double w = 1.0;

				for (int a = 0; a < 3; a++) {
					double l = sp_grid_low_edge_mm(grid, a) + (double)at[a] * grid->spacing_mm[a];

					w *= fmin(high[a], l + grid->spacing_mm[a]) - fmax(low[a], l);
				}
				sum += w * (double)dose[sp_grid_index(grid, i, j, k)];
				weights += w;
			}
	return weights > 0.0 ? sum / weights : 0.0;
}

void sp_accuracy_box(sp_box_dose *out, const sp_reference_box *box, const float *dose, const sp_grid *grid,
                     double reach_mm)
{
	int axis = box->along_depth ? 2 : 0;

	out->dose_gy = sp_accuracy_box_mean(dose, grid, box->low_mm, box->high_mm);
	out->near_least_gy = INFINITY;
	out->near_most_gy = -INFINITY;
	for (int step = -4; step <= 4; step++) {
		double low[3], high[3], d;

		for (int a = 0; a < 3; a++) {
			double shift = a == axis ? 0.25 * step * reach_mm : 0.0;

			low[a] = box->low_mm[a] + shift;
			high[a] = box->high_mm[a] + shift;
		}
		d = sp_accuracy_box_mean(dose, grid, low, high);
		out->near_least_gy = fmin(out->near_least_gy, d);
		out->near_most_gy = fmax(out->near_most_gy, d);
	}
}

/* Largest reference dose of the curves that are means over the whole width, or of the others. */
static double largest(const sp_reference_curves *curves, bool whole_width)
{
	double most = 0.0;

	for (size_t i = 0; i < curves->n; i++)
		if (curves->boxes[i].whole_width == whole_width)
			most = fmax(most, curves->boxes[i].dose_gy);
	return most;
}

void sp_accuracy_judge(sp_accuracy *out, const sp_reference_curves *curves, const sp_box_dose *own)
{
	const double most[2] = {largest(curves, false), largest(curves, true)};
	double sum = 0.0, squares = 0.0, variance = 0.0, relative = 0.0;
	size_t high = 0;

	out->points = (unsigned)curves->n;
	for (size_t i = 0; i < curves->n; i++) {
		const sp_reference_box *b = curves->boxes + i;
		double percent = 100.0 / most[b->whole_width], deviation = percent * (own[i].dose_gy - b->dose_gy),
		       sigma = percent * hypot(b->sigma_gy, own[i].sigma_gy);

		/* the pencil beam's tolerance is the larger, and its curves' uncertainty no help to it */
		if (out->histories == 0.0)
			sigma = 0.0;
		out->passed += fabs(deviation) <= out->tolerance_percent + 2.0 * sigma ||
		               (b->dose_gy >= own[i].near_least_gy && b->dose_gy <= own[i].near_most_gy);
		sum += deviation;
		squares += deviation * deviation;
		variance += pow(percent * b->sigma_gy, 2.0);
		if (b->dose_gy > 0.5 * most[b->whole_width]) {
			relative += 100.0 * own[i].sigma_gy / b->dose_gy;
			high++;
		}
		if (fabs(deviation) > fabs(out->worst_percent)) {
			out->worst_percent = deviation;
			out->worst_depth_mm = 0.5 * (b->low_mm[2] + b->high_mm[2]);
			out->worst_off_axis_mm = 0.5 * (b->low_mm[0] + b->high_mm[0]);
		}
	}
	out->mean_percent = sum / out->points;
	out->rms_percent = sqrt(squares / out->points);
	out->statistics_percent = sqrt(variance / out->points);
	out->own_statistics_percent = high ? relative / (double)high : 0.0;
	out->passes = 100.0 * out->passed >= out->needed_percent * out->points &&
	              (out->mean_limit_percent == 0.0 || fabs(out->mean_percent) <= out->mean_limit_percent);
}

/* Dose per photon of the case's open field on dose_grid. */
static sp_status compute(float *dose, const sp_reference_case *c, sp_device *d, const sp_matter *matter,
                         const sp_machine *machine, const char *kernel, sp_error *err)
{
	const sp_open_field field = {SP_REFERENCE_SSD_MM, {c->field_mm, c->field_mm}};
	sp_machine point = *machine;
	sp_beam_set *beams = NULL;
	double *weights = NULL;
	sp_pencil *p = NULL;
	float *red = NULL;
	char *name = NULL;
	sp_grid ct;
	sp_status st;

	if (kernel && !(point.kernel = name = sp_copy_text(kernel)))
		return sp_fail(err, SP_NO_MEMORY, "no memory for a name");
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
	free(name);
	return st;
}

sp_status sp_accuracy_measure(sp_accuracy *out, unsigned number, sp_device *d, const sp_matter *matter,
                              const sp_machine *machine, const sp_accuracy_options *options, sp_error *err)
{
	const sp_reference_case *c = &sp_reference_cases[number];
	float *dose = sp_alloc_array(sp_grid_voxels(&dose_grid), sizeof *dose);
	sp_reference_curves curves = {0};
	double start = sp_clock_seconds();
	sp_box_dose *own = NULL;
	sp_status st;

	*out = (sp_accuracy){.name = c->name,
	                     .what = c->what,
	                     .required = c->kind == SP_REFERENCE_WATER,
	                     .tolerance_percent = options->tolerance_percent,
	                     .tolerance_mm = options->tolerance_mm,
	                     .needed_percent = 100.0};
	if ((st = sp_reference_read(&curves, c->name, options->folder, FIRST_DEPTH_MM, err)) != SP_OK)
		goto cleanup;
	if (!dose || !(own = sp_alloc_array(curves.n, sizeof *own))) {
		st = sp_fail(err, SP_NO_MEMORY, "no memory for the dose of %s", c->name);
		goto cleanup;
	}
	if ((st = compute(dose, c, d, matter, machine, options->kernel, err)) != SP_OK)
		goto cleanup;
	for (size_t i = 0; i < curves.n; i++)
		sp_accuracy_box(&own[i], &curves.boxes[i], dose, &dose_grid, options->tolerance_mm);
	sp_accuracy_judge(out, &curves, own);
	out->seconds = sp_clock_seconds() - start;
cleanup:
	sp_reference_finish(&curves);
	free(own);
	free(dose);
	return st;
}
