#include "scan_model.h"

#include "alloc.h"
#include "delivery_dose.h"
#include "delivery_pencil.h"

#include <gsl/gsl_spline.h>
#include <math.h>
#include <stdlib.h>

#define MU 100.0
#define STEP_MM 1.0
#define MARGIN_MM 8.0 /* of a curve beyond its last point: for the detector and for the spline */
#define SWEEP_MM 60.0 /* from and to, of the middle of a gap; as many control points as resolve it to 0.05 mm */
#define SWEEP_POINTS 49
#define LARGE_FIELD_MM 150.0

/* A field's dose on a grid for MU. */
static sp_status dose_on(float *dose, const sp_scan_model *model, const sp_machine *m, const sp_delivery *d,
                         double field_mm, const sp_grid *grid, sp_error *err)
{
	sp_delivery_dose_result result;
	float *sigma;
	sp_status st;

	if (!model->monte_carlo)
		return sp_delivery_dose_pencil(dose, model->device, &model->tank.water, model->matter, model->tank.red,
		                               m, d, grid, field_mm > LARGE_FIELD_MM ? 5.0 : 2.5, err);
	if (!(sigma = sp_alloc_array(sp_grid_voxels(grid), sizeof *sigma)))
		return sp_fail(err, SP_NO_MEMORY, "no memory for an uncertainty");
	st = sp_delivery_dose_mc(dose, sigma, &result, model->device, &model->tank.water, model->matter, m, d, grid,
	                         &(sp_delivery_dose_options){model->uncertainty, model->seed, 32768}, err);
	free(sigma);
	return st;
}

static double longer_side(const sp_measured_point *p)
{
	return fmax(p->field_mm[0], p->field_mm[1]);
}

static sp_status open_dose(float *dose, const sp_scan_model *model, const sp_machine *m, const sp_measured_scan *scan,
                           const sp_measured_point *p, const sp_grid *grid, sp_error *err)
{
	const sp_water_field field = {scan->ssd_mm, {p->field_mm[0], p->field_mm[1]}, MU, 90.0 - scan->direction_deg};
	sp_delivery *d = NULL;
	sp_status st = sp_water_field_delivery(&d, m, &field, 0, err);

	if (st == SP_OK)
		st = dose_on(dose, model, m, d, longer_side(p), grid, err);
	sp_delivery_destroy(d);
	return st;
}

/* The side of a voxel across a scan: the pencil beam's are points, Monte Carlo's as wide as the field is flat. */
static double across_mm(const sp_measured_point *p)
{
	double side = fmin(p->field_mm[0], p->field_mm[1]);

	return side < 50.0 ? 0.2 * side : 10.0;
}

/* As the detector sees a curve of points STEP_MM apart. */
static void see(double *out, const float *dose, size_t n, double sigma_mm)
{
	long reach = lround(4.0 * sigma_mm / STEP_MM);

	for (size_t i = 0; i < n; i++) {
		double sum = 0.0, weight = 0.0;

		for (long k = -reach; k <= reach; k++) {
			long j = (long)i + k < 0 ? 0 : (long)i + k >= (long)n ? (long)n - 1 : (long)i + k;
			double x = (double)k * STEP_MM,
			       w = sigma_mm > 0.0 ? exp(-0.5 * x * x / (sigma_mm * sigma_mm)) : 1.0;

			sum += w * (double)dose[j];
			weight += w;
		}
		out[i] = sum / weight;
	}
}

/* Depth dose and profile: the curve on even steps, and between them a cubic spline. */
static sp_status along_line(double *out, const sp_scan_model *model, const sp_machine *m, const sp_measured_scan *scan,
                            sp_error *err)
{
	const sp_measured_point *p = scan->points, *last = p + scan->n - 1;
	bool depth = scan->kind == SP_MEASURED_DEPTH;
	double first = depth ? 0.0 : floor(p->at_mm) - MARGIN_MM,
	       end = depth ? ceil(last->depth_mm) + 2.0 : ceil(last->at_mm) + MARGIN_MM;
	size_t n = (size_t)((end - first) / STEP_MM) + 1;
	sp_grid grid = {.n = {depth ? 1 : n, 1, depth ? n : 1},
	                .spacing_mm = {depth ? across_mm(p) : STEP_MM, across_mm(p),
	                               depth                ? STEP_MM
	                               : model->monte_carlo ? 5.0
	                                                    : 2.0},
	                .origin_mm = {depth ? 0.0 : first, 0.0, depth ? 0.0 : p->depth_mm}};
	float *dose = sp_alloc_array(n, sizeof *dose);
	double *place = sp_alloc_array(n, sizeof *place), *seen = sp_alloc_array(n, sizeof *seen);
	gsl_spline *spline = gsl_spline_alloc(gsl_interp_cspline, n);
	gsl_interp_accel *near = gsl_interp_accel_alloc();
	sp_status st;

	if (!dose || !place || !seen || !spline || !near) {
		st = sp_fail(err, SP_NO_MEMORY, "no memory for a curve of %zu points", n);
		goto cleanup;
	}
	if ((st = open_dose(dose, model, m, scan, p, &grid, err)) != SP_OK)
		goto cleanup;
	for (size_t i = 0; i < n; i++)
		place[i] = first + STEP_MM * (double)i;
	see(seen, dose, n, depth ? 0.0 : model->detector_sigma_mm);
	gsl_spline_init(spline, place, seen, n);
	for (size_t i = 0; i < scan->n; i++)
		out[i] = gsl_spline_eval(spline, depth ? p[i].depth_mm : p[i].at_mm, near) / MU;
cleanup:
	gsl_spline_free(spline);
	gsl_interp_accel_free(near);
	free(dose);
	free(place);
	free(seen);
	return st;
}

static sp_grid place_on_axis(const sp_scan_model *model, const sp_measured_point *p)
{
	return (sp_grid){.n = {1, 1, 1},
	                 .spacing_mm = {across_mm(p), across_mm(p), model->monte_carlo ? 5.0 : 2.0},
	                 .origin_mm = {0.0, 0.0, p->depth_mm}};
}

/* The dose of a gap that sweeps over the axis. */
static sp_status sweep_dose(float *dose, const sp_scan_model *model, const sp_machine *m, const sp_measured_scan *scan,
                            const sp_measured_point *p, const sp_grid *grid, sp_error *err)
{
	const sp_water_field field = {scan->ssd_mm, {p->field_mm[0], p->field_mm[1]}, MU, 90.0};
	sp_delivery *d = NULL;
	sp_delivery_beam *b;
	sp_status st = sp_water_field_delivery(&d, m, &field, SWEEP_POINTS, err);

	if (st != SP_OK)
		goto cleanup;
	b = d->beams;
	for (size_t i = 0; p->gap_mm > 0.0 && i < b->n_points; i++) {
		double middle = SWEEP_MM * (2.0 * (double)i / (SWEEP_POINTS - 1) - 1.0);

		for (size_t k = 0; k < b->n_pairs; k++) {
			b->points[i].leaves_mm[k] = middle - 0.5 * p->gap_mm;
			b->points[i].leaves_mm[b->n_pairs + k] = middle + 0.5 * p->gap_mm;
		}
	}
	st = dose_on(dose, model, m, d, longer_side(p), grid, err);
cleanup:
	sp_delivery_destroy(d);
	return st;
}

static sp_status single_places(double *out, const sp_scan_model *model, const sp_machine *m,
                               const sp_measured_scan *scan, sp_error *err)
{
	bool sweep = scan->kind == SP_MEASURED_SWEEP;
	float open = 0.0f, dose;
	sp_status st = SP_OK;

	if (sweep && !m->mlc)
		return sp_fail(err, SP_BAD_INPUT, "%s: a gap of leaves was measured, and machine '%s' has no leaves",
		               scan->where, m->name);
	for (size_t i = 0; st == SP_OK && i < scan->n; i++) {
		const sp_measured_point *p = scan->points + i;
		sp_grid grid = place_on_axis(model, p);

		if (sweep && i == 0) /* all of a scan have one field and one depth */
			st = open_dose(&open, model, m, scan, p, &grid, err);
		if (st == SP_OK)
			st = sweep ? sweep_dose(&dose, model, m, scan, p, &grid, err)
			           : open_dose(&dose, model, m, scan, p, &grid, err);
		if (st == SP_OK)
			out[i] = (double)dose / (sweep ? (double)open : MU);
	}
	return st;
}

sp_status sp_scan_dose(double *out, const sp_scan_model *model, const sp_machine *m, const sp_measured_scan *scan,
                       sp_error *err)
{
	return scan->kind == SP_MEASURED_DEPTH || scan->kind == SP_MEASURED_PROFILE
	               ? along_line(out, model, m, scan, err)
	               : single_places(out, model, m, scan, err);
}
