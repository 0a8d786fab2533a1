/* That measured numbers can be what they are said to be. */
#include "measured_internal.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_POINTS 5 /* of a depth dose or profile */
#define MOST_POINTS 10000
#define ONE_DEPTH_MM 0.5 /* how far a profile's points may lie apart in depth */
#define BELOW_ZERO 0.02  /* share of the maximum: what a subtracted background leaves of tails */
#define LEAST_DOSE 1e-10 /* the greatest of a scan: charges in coulomb are still more */
#define GREATEST_DOSE 1e12
#define LEAST_UNCERTAINTY 1e-6 /* over the dose: no tank knows better, and the sums of the fit stay numbers */
#define DEEPEST_MM 325.0       /* of the tank that fields are computed in, and its half width */
#define FARTHEST_MM 255.0

typedef struct {
	const char *what;
	double value, low, high;
} range;

static sp_status check_ranges(const range *r, int n, const char *where, sp_error *err)
{
	for (int i = 0; i < n; i++)
		if (!(r[i].value >= r[i].low && r[i].value <= r[i].high))
			return sp_fail(err, SP_BAD_INPUT, "%s: %s is %g, expected %g to %g mm", where, r[i].what,
			               r[i].value, r[i].low, r[i].high);
	return SP_OK;
}

static int by_place(const void *a, const void *b)
{
	const sp_measured_point *p = a, *q = b;
	double d = p->depth_mm != q->depth_mm ? p->depth_mm - q->depth_mm : p->at_mm - q->at_mm;

	return d < 0.0 ? -1 : d > 0.0;
}

/* Leaves out what lies above or beside the water, or too deep for it. */
static void drop_outside(sp_measured_scan *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n; i++) {
		const sp_measured_point *p = s->points + i;

		if (p->depth_mm >= 0.0 && p->depth_mm <= DEEPEST_MM && fabs(p->at_mm) <= FARTHEST_MM)
			s->points[kept++] = *p;
	}
	s->n = kept;
}

static sp_status check_shape(const sp_measured_scan *s, sp_error *err)
{
	const sp_measured_point *last = s->points + s->n - 1;
	double half = 0.5 * fmin(s->points[0].field_mm[0], s->points[0].field_mm[1]),
	       farthest = fmax(-s->points[0].at_mm, last->at_mm);
	const char *name = sp_measured_kind_name(s->kind);

	for (size_t i = 1; i < s->n; i++)
		if (by_place(last - i, last - i + 1) == 0)
			return sp_fail(err, SP_BAD_INPUT, "%s: the %s has two values at one place, %g mm", s->where,
			               name,
			               s->kind == SP_MEASURED_DEPTH ? last[-(long)i].depth_mm : last[-(long)i].at_mm);
	if (s->kind == SP_MEASURED_DEPTH && last->depth_mm < 50.0)
		return sp_fail(err, SP_BAD_INPUT,
		               "%s: the depth dose ends at %g, expected one that reaches 50 mm; lengths are mm, not cm",
		               s->where, last->depth_mm);
	if (s->kind == SP_MEASURED_PROFILE && farthest < 0.4 * half)
		return sp_fail(err, SP_BAD_INPUT,
		               "%s: the profile reaches %g from the axis in a field of %g mm; lengths are mm, not cm",
		               s->where, farthest, 2.0 * half);
	return SP_OK;
}

static sp_status check_doses(const sp_measured_scan *s, bool line, sp_error *err)
{
	double most = 0.0;

	for (size_t i = 0; i < s->n; i++)
		most = fmax(most, s->points[i].dose);
	for (size_t i = 0; i < s->n; i++) {
		const sp_measured_point *p = s->points + i;
		double unit = line ? most : p->dose;

		if (line && !(p->dose >= -BELOW_ZERO * most))
			return sp_fail(err, SP_BAD_INPUT,
			               "%s: a dose is %g, expected at least -2 %% of the scan's maximum", s->where,
			               p->dose);
		if (!line && !(p->dose > 0.0))
			return sp_fail(err, SP_BAD_INPUT, "%s: a dose is %g, expected more than 0", s->where, p->dose);
		if (p->uncertainty != 0.0 && !(p->uncertainty >= LEAST_UNCERTAINTY * unit))
			return sp_fail(err, SP_BAD_INPUT,
			               "%s: the uncertainty of a dose of %g is %g, expected its standard deviation in "
			               "its unit",
			               s->where, p->dose, p->uncertainty);
	}
	if (!(most > 0.0))
		return sp_fail(err, SP_BAD_INPUT, "%s: all doses are 0", s->where);
	if (!(most >= LEAST_DOSE && most <= GREATEST_DOSE))
		return sp_fail(err, SP_BAD_INPUT, "%s: the greatest dose is %g, expected %g to %g", s->where, most,
		               LEAST_DOSE, GREATEST_DOSE);
	if (s->kind == SP_MEASURED_ABSOLUTE && most > 0.1)
		return sp_fail(err, SP_BAD_INPUT, "%s: 1 MU gives %g, expected Gy (about 0.01)", s->where, most);
	if (s->kind == SP_MEASURED_SWEEP && most > 1.0)
		return sp_fail(err, SP_BAD_INPUT,
		               "%s: the dose of a sweeping gap is %g, expected at most 1, over the open field's",
		               s->where, most);
	return SP_OK;
}

/* A profile has one depth and a depth dose lies on the axis, but for what a tank tells of its place. */
static sp_status make_line(sp_measured_scan *s, sp_error *err)
{
	for (size_t i = 0; i < s->n; i++) {
		sp_measured_point *p = s->points + i;

		if (s->kind == SP_MEASURED_DEPTH) {
			p->at_mm = 0.0;
			continue;
		}
		if (!(fabs(p->depth_mm - s->points[0].depth_mm) <= ONE_DEPTH_MM))
			return sp_fail(err, SP_BAD_INPUT,
			               "%s: the profile has points %g and %g mm deep, expected one depth", s->where,
			               s->points[0].depth_mm, p->depth_mm);
		p->depth_mm = s->points[0].depth_mm;
	}
	return SP_OK;
}

static sp_status check_scan(sp_measured_scan *s, sp_error *err)
{
	bool line = s->kind == SP_MEASURED_DEPTH || s->kind == SP_MEASURED_PROFILE;
	sp_status st;

	for (size_t i = 0; i < s->n; i++) {
		const sp_measured_point *p = s->points + i;
		const range ranges[] = {{"the field along x", p->field_mm[0], 5.0, 400.0},
		                        {"the field along y", p->field_mm[1], 5.0, 400.0},
		                        {"the distance of source and surface", s->ssd_mm, 500.0, 1500.0},
		                        {"the depth", p->depth_mm, line ? -50.0 : 1.0, line ? 1000.0 : DEEPEST_MM},
		                        {"the gap", p->gap_mm, 0.0, 100.0}};

		if ((st = check_ranges(ranges, 5, s->where, err)) != SP_OK)
			return st;
	}
	if ((st = check_doses(s, line, err)) != SP_OK)
		return st;
	if (s->kind == SP_MEASURED_OUTPUT && s->n == 1)
		return sp_fail(
		        err, SP_BAD_INPUT,
		        "%s: an output factor stands alone, expected rows of several fields that follow one another",
		        s->where);
	if (!line)
		return SP_OK;
	if ((st = make_line(s, err)) != SP_OK)
		return st;
	if (s->n > MOST_POINTS)
		return sp_fail(err, SP_BAD_INPUT, "%s: the %s has %zu points, expected at most %d", s->where,
		               sp_measured_kind_name(s->kind), s->n, MOST_POINTS);
	drop_outside(s);
	if (s->n > 0 && (st = check_doses(s, line, err)) != SP_OK) /* what is left */
		return st;
	if (s->n < LEAST_POINTS)
		return sp_fail(err, SP_BAD_INPUT, "%s: the %s has %zu points in the water, expected %d or more",
		               s->where, sp_measured_kind_name(s->kind), s->n, LEAST_POINTS);
	qsort(s->points, s->n, sizeof *s->points, by_place);
	return check_shape(s, err);
}

sp_status sp_measured_check(sp_measured *m, size_t first, sp_error *err)
{
	sp_status st = SP_OK;

	for (size_t i = first; st == SP_OK && i < m->n; i++)
		st = check_scan(m->scans + i, err);
	return st;
}
