/* Slices in order, their gaps, and slabs between the middles of the gaps. Outlines of missing slices: contour_shape.c.
 */
#include "contour_levels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"

typedef struct {
	double z_mm;
	sp_polygon polygon;
} placed;

static int compare_placed(const void *a, const void *b)
{
	const placed *p = a, *q = b;

	if (p->z_mm != q->z_mm)
		return p->z_mm > q->z_mm ? 1 : -1;
	/* equal heights: the order drawn, so that the result does not depend on the C library's qsort */
	return (p->polygon.points_mm > q->polygon.points_mm) - (p->polygon.points_mm < q->polygon.points_mm);
}

static int compare_doubles(const void *a, const void *b)
{
	double p = *(const double *)a, q = *(const double *)b;

	return (p > q) - (p < q);
}

static double mean_z(const double *points_mm, size_t n)
{
	double sum = 0.0;

	for (size_t i = 0; i < n; i++)
		sum += points_mm[3 * i + 2] - points_mm[2];
	return points_mm[2] + sum / (double)n;
}

static sp_status sort_slices(sp_contour_levels *l, const sp_structure *s, sp_error *err)
{
	placed *order = sp_alloc_array(s->n_polygons, sizeof *order);
	size_t n = 0;

	l->polygons = sp_alloc_array(s->n_polygons, sizeof *l->polygons);
	l->slices = sp_alloc_array(s->n_polygons, sizeof *l->slices);
	if (!order || !l->polygons || !l->slices) {
		free(order);
		return sp_fail(err, SP_NO_MEMORY, "out of memory for the %zu polygons of %s", s->n_polygons, s->name);
	}
	for (size_t i = 0; i < s->n_polygons; i++) {
		size_t points = (size_t)(s->offsets[i + 1] - s->offsets[i]);
		const double *first = s->points_mm + 3 * s->offsets[i];

		if (points >= 3)
			order[n++] = (placed){mean_z(first, points), {first, points}};
	}
	qsort(order, n, sizeof *order, compare_placed);
	for (size_t i = 0; i < n; i++) {
		if (i == 0 || order[i].z_mm - l->slices[l->n_slices - 1].z_mm > SP_SAME_SLICE_MM)
			l->slices[l->n_slices++] = (sp_contour_slice){order[i].z_mm, i, 0};
		l->slices[l->n_slices - 1].n++;
		l->polygons[i] = order[i].polygon;
	}
	l->n_polygons = n;
	free(order);
	return SP_OK;
}

static sp_status find_gap(sp_contour_levels *l, double slice_mm, sp_error *err)
{
	size_t n = l->n_slices ? l->n_slices - 1 : 0;
	double *gaps = sp_alloc_array(n, sizeof *gaps);

	if (!gaps)
		return sp_fail(err, SP_NO_MEMORY, "out of memory for %zu slices", n);
	for (size_t i = 0; i < n; i++)
		gaps[i] = l->slices[i + 1].z_mm - l->slices[i].z_mm;
	qsort(gaps, n, sizeof *gaps, compare_doubles);
	l->gap_mm = n ? gaps[(n - 1) / 2] : slice_mm;
	free(gaps);
	return SP_OK;
}

/* Slices to put between slice i and the next; SIZE_MAX for a gap that is not bridged. */
static size_t missing_after(const sp_contour_levels *l, size_t i)
{
	double gap = l->slices[i + 1].z_mm - l->slices[i].z_mm;

	if (gap > fmax(SP_BRIDGE_MM, 3.0 * l->gap_mm) * (1.0 + 1e-6))
		return SIZE_MAX;
	return gap > 1.5 * l->gap_mm ? (size_t)lround(gap / l->gap_mm) - 1 : 0;
}

static sp_status make_levels(sp_contour_levels *l, sp_error *err)
{
	size_t n = l->n_slices, at = 0;

	for (size_t i = 0; i + 1 < l->n_slices; i++)
		n += missing_after(l, i) == SIZE_MAX ? 0 : missing_after(l, i);
	l->levels = sp_alloc_array(n, sizeof *l->levels);
	if (!l->levels)
		return sp_fail(err, SP_NO_MEMORY, "out of memory for %zu slices", n);
	for (size_t i = 0; i < l->n_slices; i++) {
		size_t missing = i + 1 < l->n_slices ? missing_after(l, i) : SIZE_MAX;

		l->levels[at++] = (sp_contour_level){.z_mm = l->slices[i].z_mm, .a = i, .b = i};
		for (size_t q = 1; missing != SIZE_MAX && q <= missing; q++) {
			double t = (double)q / (double)(missing + 1);
			double z = l->slices[i].z_mm + t * (l->slices[i + 1].z_mm - l->slices[i].z_mm);

			l->levels[at++] = (sp_contour_level){.z_mm = z, .a = i, .b = i + 1, .t = t};
		}
		if (i + 1 < l->n_slices && missing == SIZE_MAX)
			l->n_gaps++;
	}
	l->n_levels = at;
	for (size_t i = 0; i < at; i++) {
		sp_contour_level *here = &l->levels[i], *next = i + 1 < at ? here + 1 : NULL;
		bool joined = next && (here->a != here->b || next->a != next->b || missing_after(l, here->a) == 0);

		if (i == 0)
			here->low_mm = here->z_mm - 0.5 * l->gap_mm;
		here->high_mm = joined ? 0.5 * (here->z_mm + next->z_mm) : here->z_mm + 0.5 * l->gap_mm;
		if (next)
			next->low_mm = joined ? here->high_mm : next->z_mm - 0.5 * l->gap_mm;
	}
	return SP_OK;
}

sp_status sp_contour_levels_init(sp_contour_levels *out, const sp_structure *s, double slice_mm, sp_error *err)
{
	sp_contour_levels l = {0};
	sp_status st;

	if ((st = sort_slices(&l, s, err)) != SP_OK || (st = find_gap(&l, slice_mm, err)) != SP_OK ||
	    (st = make_levels(&l, err)) != SP_OK)
		sp_contour_levels_finish(&l);
	*out = l;
	return st;
}

void sp_contour_levels_finish(sp_contour_levels *l)
{
	free(l->polygons);
	free(l->slices);
	free(l->levels);
	memset(l, 0, sizeof *l);
}
