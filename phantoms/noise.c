/* Random numbers of the phantoms: each depends on a seed and an index alone, never on the order of work. */
#include "scene.h"

#include <math.h>
#include <stdlib.h>

#include "alloc.h"

#define TAU 6.28318530717958647692

/* The finaliser of splitmix64 (Steele, Lea and Flood, OOPSLA 2014): a bijection that mixes all bits. */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

/* Uniform in (0, 1). */
static double uniform(uint64_t x)
{
	return ((double)(mix(x) >> 11) + 0.5) * 0x1p-53;
}

/* Standard normal (Box and Muller 1958). */
static double normal(uint64_t seed, uint64_t index)
{
	uint64_t key = mix(seed) ^ (2 * index);

	return sqrt(-2.0 * log(uniform(key))) * cos(TAU * uniform(key + 1));
}

/* 1 2 1 smoothing in x and y; the squares of the weights add up to 36, so dividing by 6 keeps the variance. */
static double filtered(const float *white, const sp_grid *g, size_t i, size_t j, size_t k)
{
	static const double weight[3] = {1.0, 2.0, 1.0};
	double sum = 0.0;

	for (int b = -1; b <= 1; b++)
		for (int a = -1; a <= 1; a++) {
			/* beyond the edge the slice continues on its other side */
			size_t x = (i + g->n[0] + (size_t)a) % g->n[0], y = (j + g->n[1] + (size_t)b) % g->n[1];

			sum += weight[a + 1] * weight[b + 1] * white[sp_grid_index(g, x, y, k)];
		}
	return sum / 6.0;
}

sp_status sp_scene_digitise(int16_t *hu_out, const float *hu, const sp_grid *grid, double sigma_hu, uint64_t seed,
                            sp_error *err)
{
	size_t n = sp_grid_voxels(grid);
	float *white = NULL;

	if (sigma_hu > 0.0) {
		if (!(white = sp_alloc_array(n, sizeof *white)))
			return sp_fail(err, SP_NO_MEMORY, "noise of a phantom of %zu voxels: out of memory", n);
#pragma omp parallel for
		for (size_t v = 0; v < n; v++)
			white[v] = (float)normal(seed, v);
	}
#pragma omp parallel for
	for (size_t k = 0; k < grid->n[2]; k++)
		for (size_t j = 0; j < grid->n[1]; j++)
			for (size_t i = 0; i < grid->n[0]; i++) {
				size_t v = sp_grid_index(grid, i, j, k);
				double noise = white ? sigma_hu * filtered(white, grid, i, j, k) : 0.0;

				hu_out[v] = (int16_t)lrint(fmin(fmax((double)hu[v] + noise, -1024.0), 3071.0));
			}
	free(white);
	return SP_OK;
}

double sp_texture(const double p[3], double scale_mm, uint32_t which)
{
	double f[3], sum = 0.0, power = 0.0;
	int64_t c[3];

	for (int a = 0; a < 3; a++) {
		f[a] = p[a] / scale_mm;
		c[a] = (int64_t)floor(f[a]);
		f[a] -= (double)c[a];
		f[a] = f[a] * f[a] * (3.0 - 2.0 * f[a]);
	}
	for (unsigned corner = 0; corner < 8; corner++) {
		uint64_t key = which;
		double w = 1.0;

		for (int a = 0; a < 3; a++) {
			unsigned up = corner >> a & 1u;

			key = mix(key ^ (uint64_t)(c[a] + up));
			w *= up ? f[a] : 1.0 - f[a];
		}
		sum += w * sqrt(12.0) * (uniform(key) - 0.5); /* unit variance */
		power += w * w;
	}
	return sum / sqrt(power);
}
