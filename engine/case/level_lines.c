#include "level_lines.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"

/* Edges of the cells carry the crossings: edge 2*node goes to the next node along x, edge 2*node + 1 to the next along
 * y. link: per edge the one or two edges that its crossing is joined to, -1 for none. */
typedef struct {
	const sp_level_plane *p;
	int64_t *link[2];
	double (*points)[3];
	size_t capacity;
} lines;

static void join(lines *l, size_t a, size_t b)
{
	l->link[l->link[0][a] < 0 ? 0 : 1][a] = (int64_t)b;
	l->link[l->link[0][b] < 0 ? 0 : 1][b] = (int64_t)a;
}

/* Joins the crossings within the cell whose low corner is node c. */
static void cell(lines *l, size_t c)
{
	size_t nx = l->p->n[0];
	size_t edge[4] = {2 * c, 2 * (c + 1) + 1, 2 * (c + nx), 2 * c + 1}; /* low y, high x, high y, low x */
	const double *f = l->p->f;
	double corner[4] = {f[c], f[c + 1], f[c + nx + 1], f[c + nx]}; /* round the cell */
	size_t crossed[4], n = 0;

	for (int e = 0; e < 4; e++)
		if ((corner[e] < 0.0) != (corner[(e + 1) % 4] < 0.0))
			crossed[n++] = edge[e];
	if (n == 2) {
		join(l, crossed[0], crossed[1]);
	} else if (n == 4) {
		/* a saddle: the mean decides whether the inside is one piece through the middle */
		bool through = corner[0] + corner[1] + corner[2] + corner[3] < 0.0;

		if (through == (corner[0] < 0.0)) {
			join(l, edge[0], edge[1]);
			join(l, edge[2], edge[3]);
		} else {
			join(l, edge[3], edge[0]);
			join(l, edge[1], edge[2]);
		}
	}
}

static void place_crossing(double out[3], const sp_level_plane *p, size_t edge)
{
	size_t node = edge / 2, other = edge % 2 ? node + p->n[0] : node + 1;
	double a = p->f[node], b = p->f[other];
	int axis = (int)(edge % 2);

	out[0] = p->first_mm[0] + p->step_mm[0] * (double)(node % p->n[0]);
	out[1] = p->first_mm[1] + p->step_mm[1] * (double)(node / p->n[0]);
	out[2] = p->z_mm;
	out[axis] += p->step_mm[axis] *
	             (p->crossing ? p->crossing(p->context, out, axis, p->step_mm[axis], a, b) : a / (a - b));
}

/* Drops points that lie within 0.01 mm of the line between their neighbours, a twentieth of what a 2 mm grid can see.
 */
static size_t thin_out(double (*p)[3], size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		const double *a = kept ? p[kept - 1] : p[n - 1], *b = p[(i + 1) % n];
		double dx = b[0] - a[0], dy = b[1] - a[1], length = hypot(dx, dy);
		double off = length > 0.0 ? fabs(dx * (p[i][1] - a[1]) - dy * (p[i][0] - a[0])) / length : 1.0;

		/* 8 mm at most between points, so that small errors cannot add up along a slow curve */
		if (off > 0.01 || hypot(p[i][0] - a[0], p[i][1] - a[1]) > 8.0 || n < 8)
			memmove(p[kept++], p[i], sizeof *p);
	}
	return kept;
}

static double area_mm2(const double (*p)[3], size_t n)
{
	double twice = 0.0;

	for (size_t i = 0, j = n - 1; i < n; j = i++)
		twice += p[j][0] * p[i][1] - p[i][0] * p[j][1];
	return 0.5 * fabs(twice);
}

/* Walks the loop that starts at edge `start`, takes it out of the links and appends it as a polygon. */
static sp_status walk(sp_structure *out, lines *l, size_t start, sp_error *err)
{
	size_t n = 0, edge = start;
	sp_status st;

	do {
		int64_t next;

		if ((st = sp_grow_array(&l->points, &l->capacity, n + 1, sizeof *l->points, err)) != SP_OK)
			return st;
		place_crossing(l->points[n++], l->p, edge);
		next = l->link[0][edge] >= 0 ? l->link[0][edge] : l->link[1][edge];
		l->link[0][edge] = l->link[1][edge] = -1;
		if (next < 0)
			break;
		for (int i = 0; i < 2; i++) /* the way back is closed */
			if (l->link[i][next] == (int64_t)edge)
				l->link[i][next] = -1;
		edge = (size_t)next;
	} while (edge != start);
	n = thin_out(l->points, n);
	if (n < 3 || area_mm2((const double(*)[3])l->points, n) < 0.05) /* smaller than any contouring tool's */
		return SP_OK;
	return sp_structure_add_polygon(out, (const double(*)[3])l->points, n, err);
}

sp_status sp_level_lines_add(sp_structure *s, const sp_level_plane *plane, sp_error *err)
{
	size_t nodes = plane->n[0] * plane->n[1];
	lines l = {.p = plane};
	sp_status st = SP_OK;

	for (int i = 0; i < 2; i++)
		if (!(l.link[i] = sp_alloc_array(2 * nodes, sizeof *l.link[i]))) {
			st = sp_fail(err, SP_NO_MEMORY, "out of memory outlining %s", s->name);
			goto cleanup;
		}
	for (int i = 0; i < 2; i++)
		memset(l.link[i], 0xff, 2 * nodes * sizeof *l.link[i]);
	for (size_t j = 0; j + 1 < plane->n[1]; j++)
		for (size_t i = 0; i + 1 < plane->n[0]; i++)
			cell(&l, j * plane->n[0] + i);
	for (size_t e = 0; e < 2 * nodes && st == SP_OK; e++)
		if (l.link[0][e] >= 0)
			st = walk(s, &l, e, err);
cleanup:
	free(l.points);
	free(l.link[0]);
	free(l.link[1]);
	return st;
}
