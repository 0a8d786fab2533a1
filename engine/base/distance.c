#include "distance.h"

#include <math.h>
#include <stdlib.h>

#include "alloc.h"

typedef struct {
	double *f, *z;
	size_t *v;
} envelope;

static void envelope_finish(envelope *e)
{
	free(e->f);
	free(e->z);
	free(e->v);
}

static sp_status envelope_init(envelope *e, size_t n, sp_error *err)
{
	e->f = sp_alloc_array(n, sizeof *e->f);
	e->z = sp_alloc_array(n + 1, sizeof *e->z);
	e->v = sp_alloc_array(n, sizeof *e->v);
	return e->f && e->z && e->v ? SP_OK : sp_fail(err, SP_NO_MEMORY, "out of memory in a distance transform");
}

/* Squared distances along one line of n voxels, `stride` apart in `line`, spaced h mm. */
static void transform_line(float *line, size_t n, size_t stride, double h, envelope *e)
{
	size_t k = 0, q, first = 0;

	for (q = 0; q < n; q++)
		e->f[q] = line[q * stride];
	while (first < n && isinf(e->f[first]))
		first++;
	if (first == n)
		return;
	e->v[0] = first;
	e->z[0] = -INFINITY;
	e->z[1] = INFINITY;
	for (q = first + 1; q < n; q++) {
		double s, xq = h * (double)q;

		if (isinf(e->f[q]))
			continue;
		for (;;) {
			double xv = h * (double)e->v[k];

			s = ((e->f[q] + xq * xq) - (e->f[e->v[k]] + xv * xv)) / (2.0 * (xq - xv));
			if (s > e->z[k])
				break;
			k--; /* z[0] is -inf, so this ends at k == 0 */
		}
		k++;
		e->v[k] = q;
		e->z[k] = s;
		e->z[k + 1] = INFINITY;
	}
	k = 0;
	for (q = 0; q < n; q++) {
		double x = h * (double)q, d;

		while (e->z[k + 1] < x)
			k++;
		d = x - h * (double)e->v[k];
		line[q * stride] = (float)(d * d + e->f[e->v[k]]);
	}
}

sp_status sp_distance_to(float *distance_out, const float *fraction, const sp_grid *grid, sp_error *err)
{
	const size_t nx = grid->n[0], ny = grid->n[1], nz = grid->n[2], voxels = sp_grid_voxels(grid);
	size_t longest = nx > ny ? nx : ny;
	envelope e = {0};
	sp_status st;

	if (nz > longest)
		longest = nz;
	if ((st = envelope_init(&e, longest, err)) != SP_OK)
		goto cleanup;
	for (size_t i = 0; i < voxels; i++)
		distance_out[i] = fraction[i] >= 0.5f ? 0.0f : INFINITY;
	for (size_t k = 0; k < nz; k++)
		for (size_t j = 0; j < ny; j++)
			transform_line(distance_out + (k * ny + j) * nx, nx, 1, grid->spacing_mm[0], &e);
	for (size_t k = 0; k < nz; k++)
		for (size_t i = 0; i < nx; i++)
			transform_line(distance_out + k * ny * nx + i, ny, nx, grid->spacing_mm[1], &e);
	for (size_t j = 0; j < ny; j++)
		for (size_t i = 0; i < nx; i++)
			transform_line(distance_out + j * nx + i, nz, nx * ny, grid->spacing_mm[2], &e);
	for (size_t i = 0; i < voxels; i++)
		distance_out[i] = sqrtf(distance_out[i]);
cleanup:
	envelope_finish(&e);
	return st;
}
