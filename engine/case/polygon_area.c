/* Scan conversion with exact areas. A row of cells is cut at every height where an edge begins or ends; within such a
 * band the edges that cross it, sorted from left to right, bound trapezoids that are alternately inside and outside.
 * Where edges cross within a band it is halved until they do not, or until it is too thin to matter. */
#include "polygon_area.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"

/* Halvings of a band with crossing edges: the last is 1/256 of a row, so a crossing errs by 1e-5 of a cell at most. */
#define MAX_HALVINGS 8
/* Most bands of a row: beyond (contours with points every micrometre) they are spaced evenly. */
#define MAX_BANDS 4096

/* In units of cells: x and y count from the window's lower corner. */
typedef struct {
	double y0, y1, x0, slope; /* y0 < y1 */
} edge;

typedef struct {
	double x_low, x_high; /* where the edge crosses the lower and the upper side of the band */
} crossing;

typedef struct {
	size_t columns;
	double *cell, *step; /* of the row: the own area of a cell, and what begins there and goes on to the right */
	size_t n_edges, n_active, next;
	edge *edges; /* by y0 */
	size_t *active;
	crossing *crossings;
	double *heights;
} scan;

static int compare_edges(const void *a, const void *b)
{
	const edge *p = a, *q = b;

	return (p->y0 > q->y0) - (p->y0 < q->y0);
}

static int compare_doubles(const void *a, const void *b)
{
	double p = *(const double *)a, q = *(const double *)b;

	return (p > q) - (p < q);
}

/* Adds sign times the area to the right of a line that crosses a band of the given height from x0 to x1. */
static void add_right_of(scan *s, double x0, double x1, double height, double sign)
{
	double left = x0 < x1 ? x0 : x1, right = x0 < x1 ? x1 : x0, most = (double)s->columns;

	if (left >= most)
		return;
	if (left < 0.0) { /* the part beyond the window's left side fills whole rows */
		double share = right > 0.0 ? -left / (right - left) : 1.0;

		s->step[0] += sign * height * share;
		height *= 1.0 - share;
		left = 0.0;
	}
	if (right <= left) { /* upright, or all of it beyond */
		size_t i = (size_t)left;

		s->cell[i] += sign * height * ((double)i + 1.0 - left);
		s->step[i + 1] += sign * height;
		return;
	}
	for (size_t i = (size_t)left; i < s->columns && (double)i < right; i++) {
		double begin = (double)i, end = begin + 1.0;
		double from = left > begin ? left : begin, to = right < end ? right : end;
		double part = height * (to - from) / (right - left);

		s->cell[i] += sign * part * ((double)i + 1.0 - 0.5 * (from + to));
		s->step[i + 1] += sign * part;
	}
}

/* Sorted by insertion: from band to band the order hardly changes. False when two edges cross between low and high. */
static bool cross_band(scan *s, double low, double high, size_t *n_out)
{
	double middle = 0.5 * (low + high);
	size_t n = 0;

	for (size_t a = 0; a < s->n_active; a++) {
		const edge *e = &s->edges[s->active[a]];
		crossing c;
		size_t at = n;

		if (e->y0 > middle || e->y1 < middle)
			continue;
		c.x_low = e->x0 + e->slope * (low - e->y0);
		c.x_high = e->x0 + e->slope * (high - e->y0);
		for (; at > 0 && s->crossings[at - 1].x_low + s->crossings[at - 1].x_high > c.x_low + c.x_high; at--)
			s->crossings[at] = s->crossings[at - 1];
		s->crossings[at] = c;
		n++;
	}
	*n_out = n;
	for (size_t i = 1; i < n; i++)
		if (s->crossings[i].x_low < s->crossings[i - 1].x_low - 1e-9 ||
		    s->crossings[i].x_high < s->crossings[i - 1].x_high - 1e-9)
			return false;
	return true;
}

static void add_band(scan *s, double low, double high, int halvings)
{
	size_t n;

	if (!cross_band(s, low, high, &n) && halvings < MAX_HALVINGS) {
		add_band(s, low, 0.5 * (low + high), halvings + 1);
		add_band(s, 0.5 * (low + high), high, halvings + 1);
		return;
	}
	for (size_t i = 0; i < n; i++)
		add_right_of(s, s->crossings[i].x_low, s->crossings[i].x_high, high - low, i % 2 ? -1.0 : 1.0);
}

/* False where no edge comes by. */
static bool add_row(scan *s, size_t row)
{
	double low = (double)row, high = low + 1.0;
	size_t n = 0, kept = 0;

	while (s->next < s->n_edges && s->edges[s->next].y0 < high)
		s->active[s->n_active++] = s->next++;
	for (size_t a = 0; a < s->n_active; a++)
		if (s->edges[s->active[a]].y1 > low)
			s->active[kept++] = s->active[a];
	s->n_active = kept;
	if (kept == 0)
		return false;
	s->heights[n++] = low;
	s->heights[n++] = high;
	for (size_t a = 0; a < s->n_active && n + 2 < MAX_BANDS; a++) {
		const edge *e = &s->edges[s->active[a]];

		if (e->y0 > low && e->y0 < high)
			s->heights[n++] = e->y0;
		if (e->y1 > low && e->y1 < high)
			s->heights[n++] = e->y1;
	}
	if (n + 2 >= MAX_BANDS)
		for (size_t i = 0; i < n; i++)
			s->heights[i] = low + (double)i / (double)(n - 1);
	else
		qsort(s->heights, n, sizeof *s->heights, compare_doubles);
	for (size_t i = 1; i < n; i++)
		if (s->heights[i] > s->heights[i - 1])
			add_band(s, s->heights[i - 1], s->heights[i], 0);
	return true;
}

static size_t add_edges(edge *out, const sp_plane *plane, const sp_polygon *p)
{
	size_t n = 0;

	for (size_t i = 0; p->n >= 3 && i < p->n; i++) {
		const double *a = p->points_mm + 3 * i, *b = p->points_mm + 3 * (i + 1 < p->n ? i + 1 : 0);
		double xa = (a[0] - plane->low_mm[0]) / plane->step_mm[0];
		double ya = (a[1] - plane->low_mm[1]) / plane->step_mm[1];
		double xb = (b[0] - plane->low_mm[0]) / plane->step_mm[0];
		double yb = (b[1] - plane->low_mm[1]) / plane->step_mm[1];

		if (ya == yb || (ya <= 0.0 && yb <= 0.0) || (ya >= (double)plane->n[1] && yb >= (double)plane->n[1]))
			continue;
		out[n].slope = (xb - xa) / (yb - ya);
		if (!isfinite(out[n].slope))
			continue;
		out[n].y0 = ya < yb ? ya : yb;
		out[n].y1 = ya < yb ? yb : ya;
		out[n].x0 = ya < yb ? xa : xb;
		n++;
	}
	return n;
}

sp_status sp_polygon_area(float *area_out, const sp_plane *plane, const sp_polygon *polygons, size_t n_polygons,
                          sp_error *err)
{
	scan s = {.columns = plane->n[0]};
	size_t most = 1;
	sp_status st = SP_OK;

	for (size_t i = 0; i < n_polygons; i++)
		most += polygons[i].n;
	s.edges = sp_alloc_array(most, sizeof *s.edges);
	s.active = sp_alloc_array(most, sizeof *s.active);
	s.crossings = sp_alloc_array(most, sizeof *s.crossings);
	s.heights = sp_alloc_array(MAX_BANDS, sizeof *s.heights);
	s.cell = sp_alloc_array(s.columns + 1, sizeof *s.cell);
	s.step = sp_alloc_array(s.columns + 1, sizeof *s.step);
	if (!s.edges || !s.active || !s.crossings || !s.heights || !s.cell || !s.step) {
		st = sp_fail(err, SP_NO_MEMORY, "out of memory for the areas of polygons with %zu points", most);
		goto cleanup;
	}
	for (size_t i = 0; i < n_polygons; i++)
		s.n_edges += add_edges(s.edges + s.n_edges, plane, &polygons[i]);
	qsort(s.edges, s.n_edges, sizeof *s.edges, compare_edges);
	for (size_t j = 0; j < plane->n[1]; j++) {
		float *row = area_out + j * s.columns;
		double sum = 0.0;

		memset(s.cell, 0, (s.columns + 1) * sizeof *s.cell);
		memset(s.step, 0, (s.columns + 1) * sizeof *s.step);
		if (!add_row(&s, j)) {
			memset(row, 0, s.columns * sizeof *row);
			continue;
		}
		for (size_t i = 0; i < s.columns; i++) {
			double area = (sum += s.step[i]) + s.cell[i];

			row[i] = area <= 0.0 ? 0.0f : area >= 1.0 ? 1.0f : (float)area; /* rounding only */
		}
	}
cleanup:
	free(s.edges);
	free(s.active);
	free(s.crossings);
	free(s.heights);
	free(s.cell);
	free(s.step);
	return st;
}
