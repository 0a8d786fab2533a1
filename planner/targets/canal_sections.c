#include "canal_sections.h"

#include <math.h>
#include <stdlib.h>

#include "alloc.h"

#define AWAY_MM 12.0 /* slices this far from the tumour show them at rest */
#define LEAST_REST 3 /* slices at rest that make a comparison */

sp_canal_section sp_canal_look(const float *in, const sp_canal *m, size_t k)
{
	const sp_grid *g = &m->grid;
	double cell = g->spacing_mm[0] * g->spacing_mm[1], low = INFINITY, high = -INFINITY, p[3];
	sp_canal_section s = {0};

	for (size_t j = 0; j < g->n[1]; j++)
		for (size_t i = 0; i < g->n[0]; i++) {
			size_t v = sp_grid_index(g, i, j, k);
			double share = in[v], along;

			if (!(share > 0.0))
				continue;
			sp_grid_centre(p, g, v);
			s.area += share;
			s.x += share * p[0];
			s.y += share * p[1];
			if (share < 0.5)
				continue;
			along = p[0] * m->frame->back[0] + p[1] * m->frame->back[1];
			low = fmin(low, along);
			high = fmax(high, along);
		}
	if (s.area > 0.0) {
		s.x /= s.area;
		s.y /= s.area;
	}
	s.area *= cell;
	s.depth = high >= low ? high - low + g->spacing_mm[0] : 0.0;
	return s;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
	if (n < LEAST_REST)
		return NAN;
	qsort(values, n, sizeof *values, ascending);
	return 0.5 * (values[(n - 1) / 2] + values[n / 2]);
}

sp_status sp_canal_compare(double *area, double *depth, double *area_rest, double *depth_rest, const sp_canal *m,
                           const float *in, size_t worst, sp_error *err)
{
	const sp_grid *g = &m->grid;
	double *areas = sp_alloc_array(2 * g->n[2], sizeof *areas), *depths = areas ? areas + g->n[2] : NULL;
	sp_canal_section here = sp_canal_look(in, m, worst);
	size_t n = 0;

	if (!areas)
		return sp_fail(err, SP_NO_MEMORY, "out of memory measuring the sac");
	for (size_t k = 0; k < g->n[2]; k++) {
		double z = g->origin_mm[2] + g->spacing_mm[2] * (double)k;
		sp_canal_section s;

		if (z > m->low_z - AWAY_MM && z < m->high_z + AWAY_MM)
			continue;
		s = sp_canal_look(in, m, k);
		if (!(s.area > 0.0))
			continue;
		areas[n] = s.area;
		depths[n++] = s.depth;
	}
	*area = here.area;
	*depth = here.depth;
	*area_rest = median(areas, n);
	*depth_rest = median(depths, n);
	free(areas);
	return SP_OK;
}

size_t sp_canal_worst_slice(const sp_canal *m, const float *in)
{
	const sp_grid *g = &m->grid;
	size_t worst = g->n[2] / 2;
	double least = INFINITY;

	for (size_t k = 0; k < g->n[2]; k++) {
		double z = g->origin_mm[2] + g->spacing_mm[2] * (double)k, area;

		if (z < m->low_z || z > m->high_z)
			continue;
		area = sp_canal_look(in, m, k).area;
		if (area > 0.0 && area < least) {
			least = area;
			worst = k;
		}
	}
	return worst;
}
