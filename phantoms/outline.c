#include "outline.h"

#include <stdlib.h>

#include "alloc.h"
#include "level_lines.h"

#define TILE 8 /* nodes a side that are tried as one */

/* One slice's samples: n[0] x n[1] nodes from `first` at distance step. */
typedef struct {
	size_t n[2];
	double first[2], step, z;
	double *f; /* at the nodes; positive on the outermost ones */
} slice;

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
	if (!(s->f = sp_alloc_array(nodes, sizeof *s->f)))
		return sp_fail(err, SP_NO_MEMORY, "outlining a shape of %zu x %zu nodes: out of memory", s->n[0],
		               s->n[1]);
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

/* Where the surface crosses an edge: a straight-line guess, then two steps of false position on the shape itself. */
static double crossing(void *context, const double p[3], int axis, double step, double fa, double fb)
{
	const sp_shape *shape = context;
	double ta = 0.0, tb = 1.0;

	for (int i = 0; i < 2; i++) {
		double q[3] = {p[0], p[1], p[2]}, t = ta + (tb - ta) * fa / (fa - fb), f;

		q[axis] += t * step;
		f = shape->distance(q, shape->data);
		if ((f < 0.0) == (fa < 0.0))
			ta = t, fa = f;
		else
			tb = t, fb = f;
		if (fa == fb)
			return t;
	}
	return ta + (tb - ta) * fa / (fa - fb);
}

sp_status sp_outline_add(sp_structure *out, const sp_grid *ct, const sp_shape *shape, double step_mm, sp_error *err)
{
	sp_shape crossed = *shape;
	slice s;
	sp_status st = slice_init(&s, shape, step_mm, err);

	for (size_t k = 0; st == SP_OK && k < ct->n[2]; k++) {
		double z = ct->origin_mm[2] + ct->spacing_mm[2] * (double)k;

		if (z < shape->low_mm[2] || z > shape->high_mm[2])
			continue;
		sample(&s, shape, z);
		st = sp_level_lines_add(out,
		                        &(sp_level_plane){.n = {s.n[0], s.n[1]},
		                                          .first_mm = {s.first[0], s.first[1]},
		                                          .step_mm = {step_mm, step_mm},
		                                          .z_mm = z,
		                                          .f = s.f,
		                                          .crossing = crossing,
		                                          .context = &crossed},
		                        err);
	}
	free(s.f);
	return st;
}
