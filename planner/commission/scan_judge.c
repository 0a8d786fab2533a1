/* Scans against a machine: weights, scale and gamma along a curve. */
#include "commission.h"

#include "alloc.h"

#include <math.h>
#include <stdlib.h>

#define PLACE_MM 0.2 /* how well a water tank knows where its detector is */
#define GAMMA_SHARE 0.01
#define GAMMA_MM 1.0

static bool is_line(const sp_measured_scan *s)
{
	return s->kind == SP_MEASURED_DEPTH || s->kind == SP_MEASURED_PROFILE;
}

static double place_of(const sp_measured_scan *s, size_t i)
{
	return s->kind == SP_MEASURED_DEPTH ? s->points[i].depth_mm : s->points[i].at_mm;
}

static double greatest(const sp_measured_scan *s)
{
	double most = 0.0;

	for (size_t i = 0; i < s->n; i++)
		most = fmax(most, s->points[i].dose);
	return most;
}

/* What a difference is taken relative to. */
static double unit_of(const sp_measured_scan *s, size_t i)
{
	return is_line(s) ? greatest(s) : s->points[i].dose;
}

bool sp_point_counts(const sp_measured_scan *s, size_t i)
{
	return !is_line(s) || s->points[i].depth_mm >= SP_FIRST_DEPTH_MM;
}

double sp_point_sigma(const sp_measured_scan *s, size_t i, double uncertainty)
{
	const sp_measured_point *p = s->points + i;
	size_t low = i ? i - 1 : i, high = i + 1 < s->n ? i + 1 : i;
	double slope;

	if (p->uncertainty > 0.0)
		return p->uncertainty;
	if (!is_line(s))
		return uncertainty * fmax(p->dose, 1e-12);
	slope = (s->points[high].dose - s->points[low].dose) / (place_of(s, high) - place_of(s, low));
	return hypot(uncertainty * greatest(s), PLACE_MM * slope);
}

double sp_best_scale(const sp_measured_scan *s, const double *computed, double uncertainty)
{
	double up = 0.0, down = 0.0;

	if (s->kind == SP_MEASURED_ABSOLUTE || s->kind == SP_MEASURED_SWEEP)
		return 1.0;
	for (size_t i = 0; i < s->n; i++) {
		double sigma = sp_point_sigma(s, i, uncertainty),
		       w = sp_point_counts(s, i) ? 1.0 / (sigma * sigma) : 0.0;

		up += w * s->points[i].dose * computed[i];
		down += w * computed[i] * computed[i];
	}
	return down > 0.0 ? up / down : 1.0;
}

/* The least gamma of a measured point against a curve's straight pieces. */
static double gamma_at(double place_mm, double dose, const sp_scan_result *r, double unit)
{
	double least = INFINITY;

	for (size_t k = 0; k + 1 < r->n_curve; k++) {
		double x0 = (r->place_mm[k] - place_mm) / GAMMA_MM, x1 = (r->place_mm[k + 1] - place_mm) / GAMMA_MM,
		       y0 = (r->curve[k] - dose) / (GAMMA_SHARE * unit),
		       y1 = (r->curve[k + 1] - dose) / (GAMMA_SHARE * unit), dx = x1 - x0, dy = y1 - y0,
		       t = fmin(fmax(-(x0 * dx + y0 * dy) / (dx * dx + dy * dy), 0.0), 1.0);

		if (fmin(fabs(x0), fabs(x1)) > 5.0)
			continue;
		least = fmin(least, hypot(x0 + t * dx, y0 + t * dy));
	}
	return least;
}

/* A curve's values at the measured places, by the piece between two of its points. */
static void at_places(sp_scan_result *r, const sp_measured_scan *s)
{
	for (size_t i = 0; i < s->n; i++) {
		double at = (place_of(s, i) - r->place_mm[0]) / SP_CURVE_STEP_MM, low;

		at = fmin(fmax(at, 0.0), (double)r->n_curve - 1.000001);
		low = floor(at);
		r->at_points[i] =
		        r->curve[(size_t)low] + (at - low) * (r->curve[(size_t)low + 1] - r->curve[(size_t)low]);
	}
}

static sp_status make_curve(sp_scan_result *r, const sp_scan_model *model, const sp_machine *m,
                            const sp_measured_scan *s, sp_error *err)
{
	double first = place_of(s, 0), end = place_of(s, s->n - 1);
	sp_measured_scan fine = *s;
	sp_status st;

	r->n_curve = (size_t)ceil((end - first) / SP_CURVE_STEP_MM) + 1;
	r->place_mm = sp_alloc_array(r->n_curve, sizeof *r->place_mm);
	r->curve = sp_alloc_array(r->n_curve, sizeof *r->curve);
	fine.points = sp_alloc_array(r->n_curve, sizeof *fine.points);
	fine.n = r->n_curve;
	if (!r->place_mm || !r->curve || !fine.points) {
		free(fine.points);
		return sp_fail(err, SP_NO_MEMORY, "no memory for a curve");
	}
	for (size_t k = 0; k < r->n_curve; k++) {
		r->place_mm[k] = first + SP_CURVE_STEP_MM * (double)k;
		fine.points[k] = s->points[0];
		*(s->kind == SP_MEASURED_DEPTH ? &fine.points[k].depth_mm : &fine.points[k].at_mm) = r->place_mm[k];
	}
	if ((st = sp_scan_dose(r->curve, model, m, &fine, err)) == SP_OK)
		at_places(r, s);
	free(fine.points);
	return st;
}

sp_status sp_scan_judge(sp_scan_result *out, const sp_scan_model *model, const sp_machine *m, const sp_measured_scan *s,
                        double uncertainty, sp_error *err)
{
	double scale;
	sp_status st;

	*out = (sp_scan_result){.at_points = sp_alloc_array(s->n, sizeof(double)),
	                        .gamma = sp_alloc_array(s->n, sizeof(double))};
	if (!out->at_points || !out->gamma)
		return sp_fail(err, SP_NO_MEMORY, "no memory for the points of a scan");
	st = is_line(s) ? make_curve(out, model, m, s, err) : sp_scan_dose(out->at_points, model, m, s, err);
	if (st != SP_OK)
		return st;
	scale = sp_best_scale(s, out->at_points, uncertainty);
	for (size_t k = 0; k < out->n_curve; k++)
		out->curve[k] *= scale;
	for (size_t i = 0; i < s->n; i++) {
		double unit = unit_of(s, i), off;

		out->at_points[i] *= scale;
		off = fabs(out->at_points[i] - s->points[i].dose) / fmax(unit, 1e-12);
		out->gamma[i] = !sp_point_counts(s, i) ? NAN
		                : is_line(s)           ? gamma_at(place_of(s, i), s->points[i].dose, out, unit)
		                                       : off / GAMMA_SHARE;
		if (isnan(out->gamma[i]))
			continue;
		out->n_judged++;
		out->n_passed += out->gamma[i] <= 1.0;
		out->worst = fmax(out->worst, off);
	}
	return SP_OK;
}

void sp_scan_result_finish(sp_scan_result *r)
{
	free(r->place_mm);
	free(r->curve);
	free(r->at_points);
	free(r->gamma);
	*r = (sp_scan_result){0};
}
