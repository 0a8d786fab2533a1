#include "outline.h"

#include <stdlib.h>
#include <string.h>

#include "alloc.h"

#define TILE 8 /* nodes a side that are tried as one */

/* One slice's samples: n[0] x n[1] nodes from `first` at distance step. Edges of the cells carry the crossings: edge
 * 2*node goes to the next node along x, edge 2*node + 1 to the next along y. */
typedef struct {
	size_t n[2];
	double first[2], step, z;
	double *f;        /* at the nodes; positive on the outermost ones */
	int64_t *link[2]; /* per edge: the one or two edges that its crossing is joined to, -1 for none */
} slice;

static void slice_finish(slice *s)
{
	free(s->f);
	free(s->link[0]);
	free(s->link[1]);
}

static sp_status slice_init(slice *s, const sp_shape *shape, double step, sp_error *err)
{
	size_t nodes;

	*s = (slice){.step = step};
	for (int a = 0; a < 2; a++) {
		/* an odd offset keeps nodes off the round numbers where surfaces like to lie */
		s->first[a] = shape->low_mm[a] - 1.37 * step;
		s->n[a] = (size_t)ceil((shape->high_mm[a] - s->first[a]) / step) + 2;
	}
	nodes = s->n[0] * s->n[1];
	s->f = sp_alloc_array(nodes, sizeof *s->f);
	for (int i = 0; i < 2; i++)
		s->link[i] = sp_alloc_array(2 * nodes, sizeof *s->link[i]);
	if (!s->f || !s->link[0] || !s->link[1]) {
		slice_finish(s);
		return sp_fail(err, SP_NO_MEMORY, "outlining a shape of %zu x %zu nodes: out of memory", s->n[0],
		               s->n[1]);
	}
	return SP_OK;
}

/* Nodes of one block of TILE x TILE; far from the surface one sample in the middle stands for all. */
static void sample_tile(slice *s, const sp_shape *shape, size_t i0, size_t j0)
{
	size_t i1 = i0 + TILE < s->n[0] ? i0 + TILE : s->n[0], j1 = j0 + TILE < s->n[1] ? j0 + TILE : s->n[1];
	const double middle[3] = {s->first[0] + 0.5 * s->step * (double)(i0 + i1 - 1),
	                          s->first[1] + 0.5 * s->step * (double)(j0 + j1 - 1), s->z};
	double f = shape->distance(middle, shape->data);
	bool near = fabs(f) < SP_SHAPE_SURELY * 0.71 * s->step * (TILE - 1);

	for (size_t j = j0; j < j1; j++)
		for (size_t i = i0; i < i1; i++) {
			double p[3] = {s->first[0] + s->step * (double)i, s->first[1] + s->step * (double)j, s->z};
			bool rim = i == 0 || j == 0 || i + 1 == s->n[0] || j + 1 == s->n[1];
			double here = near ? shape->distance(p, shape->data) : f;

			s->f[j * s->n[0] + i] = rim ? fmax(here, 1e-6) : here;
		}
}

static void sample(slice *s, const sp_shape *shape, double z)
{
	size_t tiles[2] = {(s->n[0] + TILE - 1) / TILE, (s->n[1] + TILE - 1) / TILE};

	s->z = z;
	for (size_t t = 0; t < tiles[0] * tiles[1]; t++)
		sample_tile(s, shape, t % tiles[0] * TILE, t / tiles[0] * TILE);
}

static void join(slice *s, size_t a, size_t b)
{
	s->link[s->link[0][a] < 0 ? 0 : 1][a] = (int64_t)b;
	s->link[s->link[0][b] < 0 ? 0 : 1][b] = (int64_t)a;
}

/* Joins the crossings within the cell whose low corner is node c. */
static void cell(slice *s, size_t c)
{
	size_t nx = s->n[0];
	size_t edge[4] = {2 * c, 2 * (c + 1) + 1, 2 * (c + nx), 2 * c + 1}; /* low y, high x, high y, low x */
	const double *f = s->f;
	double corner[4] = {f[c], f[c + 1], f[c + nx + 1], f[c + nx]}; /* round the cell */
	size_t crossed[4], n = 0;

	for (int e = 0; e < 4; e++)
		if ((corner[e] < 0.0) != (corner[(e + 1) % 4] < 0.0))
			crossed[n++] = edge[e];
	if (n == 2) {
		join(s, crossed[0], crossed[1]);
	} else if (n == 4) {
		/* a saddle: the mean decides whether the inside is one piece through the middle */
		bool through = corner[0] + corner[1] + corner[2] + corner[3] < 0.0;

		if (through == (corner[0] < 0.0)) {
			join(s, edge[0], edge[1]);
			join(s, edge[2], edge[3]);
		} else {
			join(s, edge[3], edge[0]);
			join(s, edge[1], edge[2]);
		}
	}
}

/* Where the surface crosses an edge: a straight-line guess, then two steps of false position on the shape itself. */
static void crossing(double out[3], const slice *s, const sp_shape *shape, size_t edge)
{
	size_t node = edge / 2, other = edge % 2 ? node + s->n[0] : node + 1;
	double fa = s->f[node], fb = s->f[other], ta = 0.0, tb = 1.0, t = fa / (fa - fb);
	int axis = (int)(edge % 2);

	out[0] = s->first[0] + s->step * (double)(node % s->n[0]);
	out[1] = s->first[1] + s->step * (double)(node / s->n[0]);
	out[2] = s->z;
	for (int i = 0; i < 3; i++) {
		double q[3] = {out[0], out[1], out[2]}, f;

		t = ta + (tb - ta) * fa / (fa - fb);
		q[axis] += t * s->step;
		if (i == 2)
			break;
		f = shape->distance(q, shape->data);
		if ((f < 0.0) == (fa < 0.0))
			ta = t, fa = f;
		else
			tb = t, fb = f;
		if (fa == fb)
			break;
	}
	out[axis] += t * s->step;
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
static sp_status walk(sp_structure *out, slice *s, const sp_shape *shape, size_t start, double (**points)[3],
                      size_t *capacity, sp_error *err)
{
	size_t n = 0, edge = start;
	sp_status st;

	do {
		int64_t next;

		if ((st = sp_grow_array(points, capacity, n + 1, sizeof **points, err)) != SP_OK)
			return st;
		crossing((*points)[n++], s, shape, edge);
		next = s->link[0][edge] >= 0 ? s->link[0][edge] : s->link[1][edge];
		s->link[0][edge] = s->link[1][edge] = -1;
		if (next < 0)
			break;
		for (int i = 0; i < 2; i++) /* the way back is closed */
			if (s->link[i][next] == (int64_t)edge)
				s->link[i][next] = -1;
		edge = (size_t)next;
	} while (edge != start);
	n = thin_out(*points, n);
	if (n < 3 || area_mm2((const double(*)[3]) * points, n) < 0.05) /* specks smaller than any contouring tool's */
		return SP_OK;
	return sp_structure_add_polygon(out, (const double(*)[3]) * points, n, err);
}

sp_status sp_outline_add(sp_structure *out, const sp_grid *ct, const sp_shape *shape, double step_mm, sp_error *err)
{
	double(*points)[3] = NULL;
	size_t capacity = 0, edges;
	slice s;
	sp_status st = slice_init(&s, shape, step_mm, err);

	if (st != SP_OK)
		return st;
	edges = 2 * s.n[0] * s.n[1];
	for (size_t k = 0; k < ct->n[2]; k++) {
		double z = ct->origin_mm[2] + ct->spacing_mm[2] * (double)k;

		if (z < shape->low_mm[2] || z > shape->high_mm[2])
			continue;
		sample(&s, shape, z);
		for (int i = 0; i < 2; i++)
			memset(s.link[i], 0xff, edges * sizeof *s.link[i]);
		for (size_t j = 0; j + 1 < s.n[1]; j++)
			for (size_t i = 0; i + 1 < s.n[0]; i++)
				cell(&s, j * s.n[0] + i);
		for (size_t e = 0; e < edges; e++)
			if (s.link[0][e] >= 0 && (st = walk(out, &s, shape, e, &points, &capacity, err)) != SP_OK)
				goto cleanup;
	}
cleanup:
	slice_finish(&s);
	free(points);
	return st;
}
