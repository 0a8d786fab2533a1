/* The outline of a level, drawn or missing. A missing one is where the signed distances (negative inside) to the two
 * neighbouring outlines, mixed by their nearness, change sign (Raya & Udupa 1990, IEEE Trans. Med. Imaging 9:32). When
 * both slices are a single polygon each, they are first moved onto each other's centroid and the mixture is moved
 * along: else a thin oblique tube would shrink between its slices, or vanish. */
#include "contour_levels.h"

#include <math.h>
#include <string.h>

static void centroid(double out[2], const sp_polygon *p)
{
	const double *o = p->points_mm;
	double area = 0.0, x = 0.0, y = 0.0;

	for (size_t i = 1; i + 1 < p->n; i++) { /* the fan of triangles from the first point */
		const double *a = o + 3 * i, *b = a + 3;
		double twice = (a[0] - o[0]) * (b[1] - o[1]) - (b[0] - o[0]) * (a[1] - o[1]);

		area += twice;
		x += twice * (a[0] + b[0] - 2.0 * o[0]) / 3.0;
		y += twice * (a[1] + b[1] - 2.0 * o[1]) / 3.0;
	}
	out[0] = o[0] + (area != 0.0 ? x / area : 0.0);
	out[1] = o[1] + (area != 0.0 ? y / area : 0.0);
}

/* Distance of (x, y) from the outline, negative inside (even-odd). */
static double signed_distance(const sp_polygon *polygons, size_t n, double x, double y)
{
	double nearest = INFINITY;
	bool inside = false;

	for (size_t k = 0; k < n; k++) {
		const double *a = polygons[k].points_mm + 3 * (polygons[k].n - 1);

		for (size_t i = 0; i < polygons[k].n; i++) {
			const double *b = polygons[k].points_mm + 3 * i;
			double ex = b[0] - a[0], ey = b[1] - a[1], px = x - a[0], py = y - a[1];
			double length = ex * ex + ey * ey, along = px * ex + py * ey, d;

			along = along <= 0.0 || length == 0.0 ? 0.0 : along >= length ? 1.0 : along / length;
			px -= along * ex;
			py -= along * ey;
			d = px * px + py * py;
			nearest = d < nearest ? d : nearest;
			if ((a[1] > y) != (b[1] > y) && x < a[0] + (y - a[1]) / ey * ex)
				inside = !inside;
			a = b;
		}
	}
	return inside ? -sqrt(nearest) : sqrt(nearest);
}

typedef struct {
	const sp_polygon *polygons;
	size_t n;
	double shift_mm[2]; /* that moves it to where the mixture is */
} outline;

/* Four points of a cell; the edge through the quarter around each is taken as straight. */
static float mixed_cell(const sp_plane *plane, size_t i, size_t j, const outline *a, const outline *b, double t)
{
	double quarter_mm = 0.25 * (plane->step_mm[0] + plane->step_mm[1]), sum = 0.0;

	for (int q = 0; q < 4; q++) {
		double x = plane->low_mm[0] + ((double)i + (q & 1 ? 0.75 : 0.25)) * plane->step_mm[0];
		double y = plane->low_mm[1] + ((double)j + (q & 2 ? 0.75 : 0.25)) * plane->step_mm[1];
		double da = signed_distance(a->polygons, a->n, x - a->shift_mm[0], y - a->shift_mm[1]);
		double db = signed_distance(b->polygons, b->n, x - b->shift_mm[0], y - b->shift_mm[1]);

		sum += fmin(1.0, fmax(0.0, 0.5 - ((1.0 - t) * da + t * db) / quarter_mm));
	}
	return (float)(0.25 * sum);
}

static sp_status shifted_area(float *out, const outline *o, const sp_plane *plane, sp_error *err)
{
	sp_plane moved = *plane;

	moved.low_mm[0] -= o->shift_mm[0];
	moved.low_mm[1] -= o->shift_mm[1];
	return sp_polygon_area(out, &moved, o->polygons, o->n, err);
}

sp_status sp_contour_level_area(float *area_out, float *scratch, const sp_contour_levels *l,
                                const sp_contour_level *level, const sp_plane *plane, sp_error *err)
{
	const sp_contour_slice *sa = &l->slices[level->a], *sb = &l->slices[level->b];
	outline a = {l->polygons + sa->first, sa->n, {0.0, 0.0}}, b = {l->polygons + sb->first, sb->n, {0.0, 0.0}};
	size_t cells = plane->n[0] * plane->n[1];
	sp_status st;

	if (level->a == level->b)
		return sp_polygon_area(area_out, plane, a.polygons, a.n, err);
	if (a.n == 1 && b.n == 1) {
		double ca[2], cb[2];

		centroid(ca, a.polygons);
		centroid(cb, b.polygons);
		for (int k = 0; k < 2; k++) {
			a.shift_mm[k] = level->t * (cb[k] - ca[k]);
			b.shift_mm[k] = (level->t - 1.0) * (cb[k] - ca[k]);
		}
	}
	if ((st = shifted_area(scratch, &a, plane, err)) != SP_OK ||
	    (st = shifted_area(scratch + cells, &b, plane, err)) != SP_OK)
		return st;
	/* what both outlines hold or leave out, the mixture does too */
	for (size_t j = 0, at = 0; j < plane->n[1]; j++)
		for (size_t i = 0; i < plane->n[0]; i++, at++) {
			float both = scratch[at] + scratch[cells + at];

			area_out[at] = both <= 0.0f   ? 0.0f
			               : both >= 2.0f ? 1.0f
			                              : mixed_cell(plane, i, j, &a, &b, level->t);
		}
	return SP_OK;
}
