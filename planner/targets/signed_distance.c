/* Distances to a surface that is known by what share of each voxel lies inside: points of the surface are found where
 * the share passes one half between neighbours, and each tells its distance to the nodes within reach. */
#include <math.h>
#include <stdlib.h>

#include "alloc.h"
#include "space.h"

/* Lowers the distance of the nodes within reach of a surface point q. from, to: the planes that it may reach. */
static void spread(float *distance, const sp_grid *g, const double q[3], double reach, size_t from_k, size_t to_k)
{
	size_t from[3], to[3];

	for (int a = 0; a < 3; a++) {
		double at = (q[a] - g->origin_mm[a]) / g->spacing_mm[a], r = reach / g->spacing_mm[a];

		from[a] = (size_t)fmax(ceil(at - r), 0.0);
		to[a] = (size_t)fmax(fmin(floor(at + r) + 1.0, (double)g->n[a]), 0.0);
	}
	from[2] = from[2] > from_k ? from[2] : from_k;
	to[2] = to[2] < to_k ? to[2] : to_k;
	for (size_t k = from[2]; k < to[2]; k++)
		for (size_t j = from[1]; j < to[1]; j++) {
			double dz = g->origin_mm[2] + g->spacing_mm[2] * (double)k - q[2];
			double dy = g->origin_mm[1] + g->spacing_mm[1] * (double)j - q[1];
			float rest = (float)(dz * dz + dy * dy), *row = &distance[sp_grid_index(g, 0, j, k)];

			for (size_t i = from[0]; i < to[0]; i++) {
				float dx = (float)(g->origin_mm[0] + g->spacing_mm[0] * (double)i - q[0]);

				row[i] = fminf(row[i], rest + dx * dx);
			}
		}
}

/* Signed distances in planes from_k to to_k (along axes 0 to axes - 1) from what is inside where level < 0. */
static void find_distances(float *distance, const float *level, const sp_grid *g, double reach, int axes, size_t from_k,
                           size_t to_k)
{
	size_t stride[3] = {1, g->n[0], g->n[0] * g->n[1]};

	for (size_t v = from_k * stride[2]; v < to_k * stride[2]; v++)
		distance[v] = (float)(reach * reach);
	for (size_t v = from_k * stride[2]; v < to_k * stride[2]; v++) {
		size_t index[3] = {v % g->n[0], v / g->n[0] % g->n[1], v / stride[2]};

		for (int a = 0; a < axes; a++) {
			double q[3], here = level[v], next;

			if (index[a] + 1 >= (a == 2 ? to_k : g->n[a]))
				continue;
			next = level[v + stride[a]];
			if ((here < 0.0) == (next < 0.0))
				continue;
			sp_grid_centre(q, g, v);
			q[a] += g->spacing_mm[a] * here / (here - next);
			spread(distance, g, q, reach, from_k, to_k);
		}
	}
	for (size_t v = from_k * stride[2]; v < to_k * stride[2]; v++)
		distance[v] = copysignf(sqrtf(distance[v]), level[v]);
}

sp_status sp_space_signed_distance(float *out, const float *fraction, const sp_grid *grid, size_t cuts, double reach_mm,
                                   sp_error *err)
{
	size_t n = sp_grid_voxels(grid), plane = grid->n[0] * grid->n[1], slices = grid->n[2] / cuts;
	double cap = 1.5 * grid->spacing_mm[2] * (double)cuts; /* how far an outline shapes the way to its neighbour */
	float *level = sp_alloc_array(n, sizeof *level);

	if (!level)
		return sp_fail(err, SP_NO_MEMORY, "out of memory for distances on %zu voxels", n);
	for (size_t v = 0; v < n; v++)
		out[v] = 0.5f - fraction[v];
	for (size_t s = 0; s < slices; s++) {
		size_t k = s * cuts + cuts / 2;

		find_distances(level, out, grid, cap, 2, k, k + 1);
	}
	for (size_t k = 0; k < grid->n[2]; k++) {
		double at = ((double)k - (double)(cuts / 2)) / (double)cuts, t;
		size_t low = at > 0.0 ? (size_t)at : 0, high = low + 1 < slices ? low + 1 : slices - 1;
		const float *a, *b;

		if ((k % cuts) == cuts / 2)
			continue;
		t = fmin(fmax(at - (double)low, 0.0), 1.0);
		a = level + (low * cuts + cuts / 2) * plane;
		b = level + (high * cuts + cuts / 2) * plane;
		for (size_t i = 0; i < plane; i++)
			level[k * plane + i] = (float)((1.0 - t) * a[i] + t * b[i]);
	}
	find_distances(out, level, grid, reach_mm, 3, 0, grid->n[2]);
	free(level);
	return SP_OK;
}
