#include "grid.h"

#include <math.h>

size_t sp_grid_voxels(const sp_grid *g)
{
	return g->n[0] * g->n[1] * g->n[2];
}

double sp_grid_voxel_volume_cc(const sp_grid *g)
{
	return g->spacing_mm[0] * g->spacing_mm[1] * g->spacing_mm[2] * 1e-3;
}

void sp_grid_centre(double out_mm[3], const sp_grid *g, size_t index)
{
	size_t ijk[3] = {index % g->n[0], index / g->n[0] % g->n[1], index / g->n[0] / g->n[1]};

	for (int a = 0; a < 3; a++)
		out_mm[a] = g->origin_mm[a] + g->spacing_mm[a] * (double)ijk[a];
}

double sp_grid_low_edge_mm(const sp_grid *g, int axis)
{
	return g->origin_mm[axis] - 0.5 * g->spacing_mm[axis];
}

double sp_grid_high_edge_mm(const sp_grid *g, int axis)
{
	return g->origin_mm[axis] + ((double)g->n[axis] - 0.5) * g->spacing_mm[axis];
}

void sp_grid_cover(sp_grid *out, const double low_mm[3], const double high_mm[3], const double spacing_mm[3],
                   const sp_grid *anchor)
{
	for (int a = 0; a < 3; a++) {
		double base = sp_grid_low_edge_mm(anchor, a);
		/* 1e-6 of a voxel forgives rounding in edges that coincide */
		double first = floor((low_mm[a] - base) / spacing_mm[a] + 1e-6);
		double last = ceil((high_mm[a] - base) / spacing_mm[a] - 1e-6);

		out->n[a] = last > first ? (size_t)(last - first) : 1;
		out->spacing_mm[a] = spacing_mm[a];
		out->origin_mm[a] = base + (first + 0.5) * spacing_mm[a];
	}
}

bool sp_grid_equal(const sp_grid *a, const sp_grid *b)
{
	for (int i = 0; i < 3; i++)
		if (a->n[i] != b->n[i] || fabs(a->spacing_mm[i] - b->spacing_mm[i]) > 1e-6 ||
		    fabs(a->origin_mm[i] - b->origin_mm[i]) > 1e-6)
			return false;
	return true;
}
