#include "margin.h"

#include <math.h>
#include <stdlib.h>

#include "alloc.h"

#define BLOCK 8 /* nodes a side that are tried as one */

void sp_distance_field_finish(sp_distance_field *f)
{
	free(f->distance_mm);
	*f = (sp_distance_field){0};
}

/* Lowers the distance of the nodes within reach of a surface point q. */
static void spread(sp_distance_field *f, const double q[3])
{
	const sp_grid *g = &f->nodes;
	double step = g->spacing_mm[0];
	size_t from[3], to[3];

	for (int a = 0; a < 3; a++) {
		double at = (q[a] - g->origin_mm[a]) / step, r = f->reach_mm / step;

		from[a] = (size_t)fmax(ceil(at - r), 0.0);
		to[a] = (size_t)fmin(floor(at + r) + 1.0, (double)g->n[a]);
	}
	for (size_t k = from[2]; k < to[2]; k++)
		for (size_t j = from[1]; j < to[1]; j++)
			for (size_t i = from[0]; i < to[0]; i++) {
				double dx = g->origin_mm[0] + step * (double)i - q[0];
				double dy = g->origin_mm[1] + step * (double)j - q[1];
				double dz = g->origin_mm[2] + step * (double)k - q[2];
				float d = (float)sqrt(dx * dx + dy * dy + dz * dz);
				float *here = &f->distance_mm[sp_grid_index(g, i, j, k)];

				*here = fminf(*here, d);
			}
}

/* The point between nodes p and p + step along axis where the shape's function changes sign (bisection: the function
 * need not be smooth). */
static void surface_point(double out[3], const sp_shape *shape, const double p[3], int axis, double step, double fp)
{
	double low = 0.0, high = step;

	for (int a = 0; a < 3; a++)
		out[a] = p[a];
	for (int i = 0; i < 7; i++) { /* to 1/128 of a step */
		double middle = 0.5 * (low + high);

		out[axis] = p[axis] + middle;
		if ((shape->distance(out, shape->data) < 0.0) == (fp < 0.0))
			low = middle;
		else
			high = middle;
	}
}

/* -1 inside, +1 outside; a block far from the surface is decided by its middle. */
static void find_signs(float *sign_out, const sp_grid *g, const sp_shape *shape)
{
	size_t blocks[3];

	for (int a = 0; a < 3; a++)
		blocks[a] = (g->n[a] + BLOCK - 1) / BLOCK;
#pragma omp parallel for schedule(dynamic, 16)
	for (size_t b = 0; b < blocks[0] * blocks[1] * blocks[2]; b++) {
		size_t at[3] = {b % blocks[0], b / blocks[0] % blocks[1], b / blocks[0] / blocks[1]}, end[3];
		double p[3], f;
		bool near;

		for (int a = 0; a < 3; a++) {
			at[a] *= BLOCK;
			end[a] = at[a] + BLOCK < g->n[a] ? at[a] + BLOCK : g->n[a];
			p[a] = g->origin_mm[a] + 0.5 * g->spacing_mm[a] * (double)(at[a] + end[a] - 1);
		}
		f = shape->distance(p, shape->data);
		near = fabs(f) < SP_SHAPE_SURELY * 0.87 * g->spacing_mm[0] * (BLOCK - 1);
		for (size_t k = at[2]; k < end[2]; k++)
			for (size_t j = at[1]; j < end[1]; j++)
				for (size_t i = at[0]; i < end[0]; i++) {
					size_t v = sp_grid_index(g, i, j, k);

					sp_grid_centre(p, g, v);
					sign_out[v] = (near ? shape->distance(p, shape->data) : f) < 0.0 ? -1.0f : 1.0f;
				}
	}
}

sp_status sp_distance_field_init(sp_distance_field *f, const sp_shape *shape, double step_mm, double reach_mm,
                                 sp_error *err)
{
	sp_grid *g = &f->nodes;
	float *sign = NULL;
	size_t n;

	*f = (sp_distance_field){.reach_mm = reach_mm};
	for (int a = 0; a < 3; a++) {
		g->spacing_mm[a] = step_mm;
		g->origin_mm[a] = shape->low_mm[a] - reach_mm - 1.37 * step_mm; /* nodes off the round numbers */
		g->n[a] = (size_t)ceil((shape->high_mm[a] + reach_mm - g->origin_mm[a]) / step_mm) + 2;
	}
	n = sp_grid_voxels(g);
	f->distance_mm = sp_alloc_array(n, sizeof *f->distance_mm);
	sign = sp_alloc_array(n, sizeof *sign);
	if (!f->distance_mm || !sign) {
		free(sign);
		sp_distance_field_finish(f);
		return sp_fail(err, SP_NO_MEMORY, "distance field of %zu nodes: out of memory", n);
	}
	find_signs(sign, g, shape);
	for (size_t v = 0; v < n; v++)
		f->distance_mm[v] = (float)reach_mm;
	for (size_t v = 0; v < n; v++) {
		size_t index[3] = {v % g->n[0], v / g->n[0] % g->n[1], v / g->n[0] / g->n[1]};
		size_t stride[3] = {1, g->n[0], g->n[0] * g->n[1]};
		double p[3], q[3];

		sp_grid_centre(p, g, v);
		for (int a = 0; a < 3; a++)
			if (index[a] + 1 < g->n[a] && sign[v] != sign[v + stride[a]]) {
				surface_point(q, shape, p, a, step_mm, sign[v]);
				spread(f, q);
			}
	}
	for (size_t v = 0; v < n; v++)
		f->distance_mm[v] *= sign[v];
	free(sign);
	return SP_OK;
}

double sp_distance_field_at(const sp_distance_field *f, const double p[3])
{
	const sp_grid *g = &f->nodes;
	double part[3], sum = 0.0;
	size_t low[3];

	for (int a = 0; a < 3; a++) {
		double at = (p[a] - g->origin_mm[a]) / g->spacing_mm[a];

		if (at < 0.0 || at >= (double)(g->n[a] - 1))
			return f->reach_mm;
		low[a] = (size_t)at;
		part[a] = at - (double)low[a];
	}
	for (unsigned c = 0; c < 8; c++) {
		size_t i = low[0] + (c & 1u), j = low[1] + (c >> 1 & 1u), k = low[2] + (c >> 2 & 1u);
		double w = (c & 1u ? part[0] : 1.0 - part[0]) * (c & 2u ? part[1] : 1.0 - part[1]) *
		           (c & 4u ? part[2] : 1.0 - part[2]);

		sum += w * f->distance_mm[sp_grid_index(g, i, j, k)];
	}
	return sum;
}
