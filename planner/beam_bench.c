#include "beam_bench.h"

#include "alloc.h"
#include "beam_facts.h"
#include "delivery_dose.h"
#include "delivery_pencil.h"
#include "log.h"
#include "water_tank.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_CHECKS 64
#define MU 100.0
#define BOX_UNCERTAINTY 1e-3
/* Response of the chamber along a profile, a Gaussian that widens a penumbra of 5 mm by the 1.5 to 2 mm between diamond
 * and chamber. The chamber's inner radius is 3.05 mm. */
#define CHAMBER_SIGMA_MM 2.1
#define DEPTHS 64
#define DEPTH_STEP_MM 5.0
#define EDGE_POINTS 81 /* of a penumbra, 1 mm apart */

typedef struct {
	const sp_machine *m;
	sp_device *device;
	const sp_matter *matter;
	const sp_beam_bench_options *o;
	sp_water_tank tank;
	sp_beam_check *checks;
	size_t n;
} bench;

static sp_status dose_of(float *dose, bench *b, double ssd_mm, double field_mm, const sp_grid *grid, double uncertainty,
                         sp_error *err)
{
	sp_delivery_dose_result result;
	sp_delivery *d = NULL;
	float *sigma = sp_alloc_array(sp_grid_voxels(grid), sizeof *sigma);
	sp_status st =
	        sp_water_field_delivery(&d, b->m, &(sp_water_field){ssd_mm, {field_mm, field_mm}, MU, 0.0}, 0, err);

	if (st == SP_OK && !sigma)
		st = sp_fail(err, SP_NO_MEMORY, "no memory for an uncertainty");
	sp_log_info("%s: %g mm field, surface at %g mm", b->m->name, field_mm, ssd_mm);
	if (st == SP_OK && b->o->monte_carlo)
		st = sp_delivery_dose_mc(dose, sigma, &result, b->device, &b->tank.water, b->matter, b->m, d, grid,
		                         &(sp_delivery_dose_options){uncertainty, b->o->seed, 32768}, err);
	else if (st == SP_OK)
		st = sp_delivery_dose_pencil(dose, b->device, &b->tank.water, b->matter, b->tank.red, b->m, d, grid,
		                             field_mm > 150.0 ? 5.0 : 2.5, err);
	sp_delivery_destroy(d);
	free(sigma);
	return st;
}

__attribute__((format(printf, 6, 7))) static void note(bench *b, double measured, double computed, double tolerance,
                                                       const char *unit, const char *format, ...)
{
	sp_beam_check *c = b->checks + b->n++;
	va_list a;

	va_start(a, format);
	vsnprintf(c->what, sizeof c->what, format, a);
	va_end(a);
	c->measured = measured;
	c->computed = computed;
	c->tolerance = tolerance;
	c->unit = unit;
	c->passes = fabs(computed - measured) <= tolerance;
}

/* The value at x of the parabola through n points (at x0, x0 + step, ...) that is best by least squares. */
static double smooth_at(const float *y, size_t n, double x0, double step, double x, double reach)
{
	double s[5] = {0}, t[3] = {0}, a, b, c, det;

	for (size_t i = 0; i < n; i++) {
		double u = x0 + step * (double)i - x, p = 1.0;

		if (fabs(u) > reach)
			continue;
		for (int k = 0; k < 5; k++, p *= u) {
			s[k] += p;
			if (k < 3)
				t[k] += p * (double)y[i];
		}
	}
	a = s[2] * s[4] - s[3] * s[3];
	b = s[1] * s[4] - s[2] * s[3];
	c = s[1] * s[3] - s[2] * s[2];
	det = s[0] * a - s[1] * b + s[2] * c;
	return (t[0] * a - t[1] * b + t[2] * c) / det;
}

static bool wanted(const bench *b, double field_mm)
{
	return field_mm >= b->o->smallest_mm && field_mm <= b->o->largest_mm;
}

static bool part(const bench *b, const char *name)
{
	return !b->o->only || strcmp(b->o->only, name) == 0;
}

static double width_on_axis(double field_mm)
{
	return field_mm < 50.0 ? 0.2 * field_mm : 10.0;
}

static double accuracy(const bench *b)
{
	return b->o->monte_carlo ? 1.0 : 2.0;
}

static sp_status depth_doses(bench *b, const sp_beam_facts *f, sp_error *err)
{
	static const double depth_mm[3] = {50, 100, 200};
	static const double fine_mm = 1.0;

	for (int k = 0; k < SP_FACT_DEPTH_FIELDS; k++) {
		double field = sp_fact_depth_field_mm[k], most = 0.0, at = 0.0,
		       wide = width_on_axis(field) * (b->o->monte_carlo && field >= 100.0 ? 1.4 : 1.0);
		sp_grid grid = {.n = {1, 1, DEPTHS}, .spacing_mm = {wide, wide, DEPTH_STEP_MM}};
		float dose[DEPTHS];
		sp_status st;

		if (!wanted(b, field))
			continue;
		grid.origin_mm[2] = 0.5 * DEPTH_STEP_MM;
		if ((st = dose_of(dose, b, 1000.0, field, &grid, b->o->uncertainty, err)) != SP_OK)
			return st;
		for (double d = 8.0; d < 40.0; d += fine_mm) {
			double value = smooth_at(dose, DEPTHS, 0.5 * DEPTH_STEP_MM, DEPTH_STEP_MM, d, 7.6);

			at = value > most ? d : at;
			most = fmax(most, value);
		}
		note(b, f->dmax_mm[k], at, 3.0, "mm", "depth of maximum, %g mm", field);
		for (int i = 0; i < 3; i++)
			note(b, f->depth_dose[k][i],
			     100.0 * smooth_at(dose, DEPTHS, 0.5 * DEPTH_STEP_MM, DEPTH_STEP_MM, depth_mm[i], 18.0) /
			             most,
			     accuracy(b), "% of max.", "depth dose %g mm, %g mm", depth_mm[i], field);
	}
	return SP_OK;
}

/* Mean of the pencil beam's dose over a box round the point of reference. */
static sp_status mean_of_box(double *out, bench *b, double side_mm, double deep_mm, sp_error *err)
{
	const sp_machine_reference *r = &b->m->reference;
	enum { SIDE = 9, DEEP = 7 };
	const sp_grid grid = {.n = {SIDE, SIDE, DEEP},
	                      .spacing_mm = {side_mm / SIDE, side_mm / SIDE, deep_mm / DEEP},
	                      .origin_mm = {-0.5 * side_mm * (SIDE - 1) / SIDE, -0.5 * side_mm * (SIDE - 1) / SIDE,
	                                    r->depth_mm - 0.5 * deep_mm * (DEEP - 1) / DEEP}};
	float dose[SIDE * SIDE * DEEP];
	sp_status st = dose_of(dose, b, r->ssd_mm, r->field_mm, &grid, 0.0, err);

	*out = 0.0;
	for (int v = 0; st == SP_OK && v < SIDE * SIDE * DEEP; v++)
		*out += (double)dose[v] / (SIDE * SIDE * DEEP);
	return st;
}

/* Monte Carlo knows the dose of a box round the point of reference much better than that of the point; what lies
 * between them is the pencil beam's. */
static sp_status reference_dose(bench *b, sp_error *err)
{
	const sp_machine_reference *r = &b->m->reference;
	const double side = 0.4 * r->field_mm, deep = 14.0;
	const sp_grid point = {.n = {1, 1, 1}, .spacing_mm = {2.0, 2.0, 2.0}, .origin_mm = {0.0, 0.0, r->depth_mm}},
	              box = {.n = {1, 1, 1}, .spacing_mm = {side, side, deep}, .origin_mm = {0.0, 0.0, r->depth_mm}};
	const sp_beam_bench_options *own = b->o;
	sp_beam_bench_options pencil = *own;
	float at_point, of_box;
	double mean, gray;
	sp_status st;

	pencil.monte_carlo = false;
	b->o = &pencil;
	if ((st = dose_of(&at_point, b, r->ssd_mm, r->field_mm, &point, 0.0, err)) == SP_OK)
		st = mean_of_box(&mean, b, side, deep, err);
	b->o = own;
	if (st != SP_OK)
		return st;
	gray = (double)at_point;
	if (own->monte_carlo) {
		if ((st = dose_of(&of_box, b, r->ssd_mm, r->field_mm, &box, BOX_UNCERTAINTY, err)) != SP_OK)
			return st;
		gray *= (double)of_box / mean;
	}
	note(b, 100.0 * r->gy_per_mu, 100.0 * gray / MU, 0.2 * r->gy_per_mu, "cGy", "1 MU at %g mm, %g mm", r->depth_mm,
	     r->field_mm);
	return SP_OK;
}

static sp_status outputs(bench *b, const sp_beam_facts *f, sp_error *err)
{
	double value[SP_FACT_OUTPUTS] = {0};

	for (int k = 0; k < SP_FACT_OUTPUTS; k++) {
		double field = sp_fact_output_field_mm[k], wide = width_on_axis(field);
		/* three boxes, of which the mean is that of the middle one's depth */
		const sp_grid grid = {.n = {1, 1, 3}, .spacing_mm = {wide, wide, 5.0}, .origin_mm = {0.0, 0.0, 45.0}};
		float dose[3];
		sp_status st;

		if (!wanted(b, field) && field != 100.0)
			continue;
		if ((st = dose_of(dose, b, 950.0, field, &grid, 0.7 * b->o->uncertainty, err)) != SP_OK)
			return st;
		value[k] = (double)(dose[0] + dose[1] + dose[2]);
	}
	for (int k = 0; k < SP_FACT_OUTPUTS; k++)
		if (value[k] > 0.0 && wanted(b, sp_fact_output_field_mm[k]) && sp_fact_output_field_mm[k] != 100.0)
			note(b, f->output[k], value[k] / value[4], 0.01 * accuracy(b) * f->output[k], "",
			     "output factor, %g mm", sp_fact_output_field_mm[k]);
	return SP_OK;
}

/* Mean of both sides of the axis, over the axis (percent), at one depth. */
static sp_status ratios(double *out, bench *b, double depth_mm, const double *at_mm, int n, sp_error *err)
{
	enum { POINTS = 33 };
	const sp_grid grid = {.n = {POINTS, 1, 1},
	                      .spacing_mm = {10.0, 20.0, b->o->monte_carlo ? 10.0 : 2.0},
	                      .origin_mm = {-160.0, 0.0, depth_mm}};
	float dose[POINTS];
	sp_status st = dose_of(dose, b, 1000.0, 400.0, &grid, b->o->uncertainty, err);
	double axis;

	if (st != SP_OK)
		return st;
	axis = smooth_at(dose, POINTS, -160.0, 10.0, 0.0, 21.0);
	for (int i = 0; i < n; i++)
		out[i] = 50.0 *
		         (smooth_at(dose, POINTS, -160.0, 10.0, at_mm[i], 16.0) +
		          smooth_at(dose, POINTS, -160.0, 10.0, -at_mm[i], 16.0)) /
		         axis;
	return SP_OK;
}

static sp_status off_axis(bench *b, const sp_beam_facts *f, sp_error *err)
{
	double found[SP_FACT_RATIOS], horn, at = 150.0;
	sp_status st;

	if (!wanted(b, 400.0))
		return SP_OK;
	if ((st = ratios(found, b, 100.0, sp_fact_ratio_mm, SP_FACT_RATIOS, err)) != SP_OK ||
	    (st = ratios(&horn, b, f->dmax_mm[1], &at, 1, err)) != SP_OK)
		return st;
	for (int i = 0; i < SP_FACT_RATIOS; i++)
		note(b, f->ratio[i], found[i], accuracy(b), "% of axis", "100 mm deep, %g mm off the axis",
		     sp_fact_ratio_mm[i]);
	note(b, f->horn, horn, accuracy(b), "% of axis", "%g mm deep, 150 mm off the axis", f->dmax_mm[1]);
	return SP_OK;
}

/* As the chamber sees it. */
static void see_by_chamber(double *out, const float *dose)
{
	for (int i = 0; i < EDGE_POINTS; i++) {
		double sum = 0.0, weight = 0.0;

		for (int k = -9; k <= 9; k++) {
			int j = i + k < 0 ? 0 : i + k >= EDGE_POINTS ? EDGE_POINTS - 1 : i + k;
			double w = exp(-0.5 * (double)(k * k) / (CHAMBER_SIGMA_MM * CHAMBER_SIGMA_MM));

			sum += w * (double)dose[j];
			weight += w;
		}
		out[i] = sum / weight;
	}
}

/* Where a falling curve of points 1 mm apart goes through a level. */
static double crossing(const double *y, double level)
{
	for (int i = 1; i < EDGE_POINTS; i++)
		if (y[i - 1] >= level && y[i] < level)
			return i - 1 + (y[i - 1] - level) / (y[i - 1] - y[i]);
	return NAN;
}

/* Along x (0) or y (1) of the beam, whose x axis is the case's -y and whose y axis is its x (gantry and couch at 90
 * degrees). The curve is scaled to 50 % at the geometric edge, as published for beams without filter; with one that
 * changes little. */
static sp_status penumbra(double *out, bench *b, double ssd_mm, double field, double depth, int along, bool chamber,
                          sp_error *err)
{
	double edge = 0.5 * field * (ssd_mm + depth) / b->m->sad_mm, seen[EDGE_POINTS], half;
	sp_grid grid = {.n = {1, 1, 1},
	                .spacing_mm = {0.3 * field, 0.3 * field, b->o->monte_carlo ? 8.0 : 2.0},
	                .origin_mm = {0.0, 0.0, depth}};
	float dose[EDGE_POINTS];
	int a = along ? 0 : 1;
	sp_status st;

	grid.n[a] = EDGE_POINTS;
	grid.spacing_mm[a] = 1.0;
	grid.origin_mm[a] = edge - 40.0;
	/* uncertainty of thin boxes: a penumbra is a difference of two places on a steep curve */
	if ((st = dose_of(dose, b, ssd_mm, field, &grid, 3.0 * b->o->uncertainty, err)) != SP_OK)
		return st;
	for (int i = 0; i < EDGE_POINTS; i++)
		seen[i] = (double)dose[i];
	if (chamber)
		see_by_chamber(seen, dose);
	half = b->m->flattened ? 0.5 * smooth_at(dose, EDGE_POINTS, edge - 40.0, 1.0, fmax(edge - 40.0, 0.0), 5.0)
	                       : seen[40];
	*out = crossing(seen, 0.4 * half) - crossing(seen, 1.6 * half);
	return SP_OK;
}

static sp_status penumbrae(bench *b, const sp_beam_facts *f, sp_error *err)
{
	double found;
	sp_status st = SP_OK;

	for (int k = 0; st == SP_OK && k < 2; k++)
		for (int i = 0; st == SP_OK && i < 2; i++) {
			double field = sp_fact_depth_field_mm[k], depth = i ? 100.0 : f->dmax_mm[k];

			if ((st = penumbra(&found, b, 1000.0, field, depth, 0, true, err)) == SP_OK)
				note(b, f->penumbra_mm[k][i], found, 0.5, "mm", "penumbra %g mm deep, %g mm", depth,
				     field);
		}
	for (int along = 0; st == SP_OK && f->diamond_mm[0] > 0.0 && along < 2; along++)
		if ((st = penumbra(&found, b, 900.0, 100.0, 100.0, along, false, err)) == SP_OK)
			note(b, f->diamond_mm[along], found, 0.5, "mm", "the same by diamond, 900 mm, along %c",
			     along ? 'y' : 'x');
	return st;
}

sp_status sp_beam_bench(sp_beam_check **checks, size_t *n, const sp_machine *m, sp_device *device,
                        const sp_matter *matter, const sp_beam_bench_options *o, sp_error *err)
{
	const sp_beam_facts *f = sp_beam_facts_of(m->energy_mv, m->flattened);
	bench b = {.m = m, .device = device, .matter = matter, .o = o};
	sp_status st;

	*checks = NULL;
	*n = 0;
	if (!f)
		return sp_fail(err, SP_BAD_INPUT,
		               "there are no measurements of %g MV %s flattening filter to compare '%s' with",
		               m->energy_mv, m->flattened ? "with" : "without", m->name);
	if (!(b.checks = sp_alloc_array(MOST_CHECKS, sizeof *b.checks)))
		st = sp_fail(err, SP_NO_MEMORY, "no memory for a table");
	else if ((st = sp_water_tank_make(&b.tank, err)) == SP_OK &&
	         (!part(&b, "depth") || (st = depth_doses(&b, f, err)) == SP_OK) &&
	         (!part(&b, "reference") || (st = reference_dose(&b, err)) == SP_OK) &&
	         (!part(&b, "output") || (st = outputs(&b, f, err)) == SP_OK) &&
	         (!part(&b, "profile") || (st = off_axis(&b, f, err)) == SP_OK) && part(&b, "penumbra"))
		st = penumbrae(&b, f, err);
	sp_water_tank_finish(&b.tank);
	if (st != SP_OK) {
		free(b.checks);
		return st;
	}
	*checks = b.checks;
	*n = b.n;
	return SP_OK;
}
