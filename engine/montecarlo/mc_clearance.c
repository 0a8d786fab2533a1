/* How far around a voxel matter is alike: what bounds the steps of electrons, and where they may share a track. */
#include "mc_internal.h"

#include <math.h>
#include <string.h>

/* Neighbourhoods of voxels are looked at as far as this. */
#define REACH_MM 45.0

/* out[i] = largest of in[i - 1], in[i], in[i + 1] along one axis. */
static void widen(uint16_t *restrict out, const uint16_t *restrict in, const sp_grid *g, int axis)
{
	size_t nx = g->n[0], ny = g->n[1], nz = g->n[2], plane = nx * ny;

#pragma omp parallel for
	for (size_t k = 0; k < nz; k++)
		for (size_t j = 0; j < ny; j++) {
			const uint16_t *row = in + k * plane + j * nx, *low = row, *high = row;
			uint16_t *to = out + k * plane + j * nx;

			if (axis == 0) {
				for (size_t i = 0; i < nx; i++) {
					uint16_t a = row[i ? i - 1 : 0], b = row[i + 1 < nx ? i + 1 : i], c = row[i];

					a = a > b ? a : b;
					to[i] = a > c ? a : c;
				}
				continue;
			}
			if (axis == 1) {
				low = j ? row - nx : row;
				high = j + 1 < ny ? row + nx : row;
			} else {
				low = k ? row - plane : row;
				high = k + 1 < nz ? row + plane : row;
			}
			for (size_t i = 0; i < nx; i++) {
				uint16_t a = low[i] > high[i] ? low[i] : high[i];

				to[i] = a > row[i] ? a : row[i];
			}
		}
}

/* Electrons of therapy beams reach no farther, or rarely. */
static double most_rings(const sp_grid *g)
{
	double least = fmin(g->spacing_mm[0], fmin(g->spacing_mm[1], g->spacing_mm[2]));

	return fmin(fmax(ceil(REACH_MM / least), 1.0), 255.0);
}

/* Raises the clearance of voxels from r - 1 to r where the density, or that of its complement, stays within what one
 * step may cross. Two passes, since there is room for one set of extremes only: the first, on densities, marks; the
 * second, on complements, takes back. */
static void grow_clearance(sp_u32 *words, const uint16_t *extreme, const uint16_t *density, size_t n, sp_u32 r,
                           bool denser)
{
#pragma omp parallel for
	for (size_t v = 0; v < n; v++) {
		sp_u32 now = words[v] >> 16 & 0xfu;
		float own = density[v], other = denser ? extreme[v] : (float)(UINT16_MAX - extreme[v]);

		if (denser) {
			if (now == r - 1 && other <= SP_MC_DENSER * own + SP_MC_ALIKE * SP_MC_DENSITY_UNIT)
				words[v] += 1u << 16;
		} else if (now >= r && own > SP_MC_DENSER * other + SP_MC_ALIKE * SP_MC_DENSITY_UNIT) {
			words[v] = (words[v] & 0xfff0ffffu) | (r - 1) << 16;
		}
	}
}

/* For every voxel the largest r for which all voxels within r (in every direction, diagonals too) are at most
 * SP_MC_DENSER times as dense, and it no denser than that times any of them. a, b: room for a number a voxel. */
static void set_clearance(sp_u32 *words, const uint16_t *density, const sp_grid *g, uint16_t *a, uint16_t *b)
{
	size_t n = sp_grid_voxels(g);

	for (int pass = 0; pass < 2; pass++) {
#pragma omp parallel for
		for (size_t v = 0; v < n; v++)
			a[v] = pass ? UINT16_MAX - density[v] : density[v];
		if (pass) { /* beyond the grid there is nothing */
#pragma omp parallel for
			for (size_t v = 0; v < n; v++) {
				size_t i = v % g->n[0], j = v / g->n[0] % g->n[1], k = v / (g->n[0] * g->n[1]);

				if (i == 0 || j == 0 || k == 0 || i + 1 == g->n[0] || j + 1 == g->n[1] ||
				    k + 1 == g->n[2]) {
					if (density[v] > SP_MC_ALIKE * SP_MC_DENSITY_UNIT)
						words[v] &= 0xfff0ffffu;
					a[v] = UINT16_MAX; /* seen from further inside: one voxel too near */
				}
			}
		}
		for (sp_u32 r = 1; r <= fmin(most_rings(g), SP_MC_MAX_CLEARANCE); r++) {
			widen(b, a, g, 0);
			widen(a, b, g, 1);
			widen(b, a, g, 2);
			grow_clearance(words, b, density, n, r, pass == 0);
			uint16_t *t = a;
			a = b;
			b = t;
		}
	}
}

/* out[i] = min(out[i], 1 + the least of out and of three rows of neighbours), along a row of n; step +1 or -1. */
static void nearer(uint8_t *row, const uint8_t *const *others, size_t n_others, size_t n, int step, uint8_t *best)
{
	for (size_t i = 0; i < n; i++)
		best[i] = UINT8_MAX - 1;
	for (size_t o = 0; o < n_others; o++) {
		const uint8_t *from = others[o];

		for (size_t i = 1; i + 1 < n; i++) {
			uint8_t least = from[i - 1] < from[i + 1] ? from[i - 1] : from[i + 1];

			least = least < from[i] ? least : from[i];
			best[i] = least < best[i] ? least : best[i];
		}
	}
	/* the rows' ends are 0 already: they lie at the edge of the grid */
	for (size_t c = 1; c + 1 < n; c++) {
		size_t i = step > 0 ? c : n - 1 - c;
		uint8_t before = row[step > 0 ? i - 1 : i + 1], least = best[i] < before ? best[i] : before;

		row[i] = row[i] < least + 1 ? row[i] : (uint8_t)(least + 1);
	}
}

/* distance: 0 where a neighbour of a voxel differs or lies outside, else UINT8_MAX; becomes how many voxels away the
 * nearest such voxel is, diagonals counting as 1 (Rosenfeld and Pfaltz, J. ACM 13 (1966) 471: two passes do). */
static void spread_distance(uint8_t *distance, const sp_grid *g, uint8_t *best)
{
	size_t nx = g->n[0], ny = g->n[1], nz = g->n[2], plane = nx * ny;

	for (size_t k = 1; k + 1 < nz; k++)
		for (size_t j = 1; j + 1 < ny; j++) {
			uint8_t *row = distance + k * plane + j * nx;
			const uint8_t *const before[4] = {row - nx, row - plane - nx, row - plane, row - plane + nx};

			nearer(row, before, 4, nx, 1, best);
		}
	for (size_t k = nz - 1; k-- > 1;)
		for (size_t j = ny - 1; j-- > 1;) {
			uint8_t *row = distance + k * plane + j * nx;
			const uint8_t *const after[4] = {row + nx, row + plane - nx, row + plane, row + plane + nx};

			nearer(row, after, 4, nx, -1, best);
		}
}

/* Four bits for a distance of up to 255 voxels: the largest code that means no more (SP_MC_REACH). */
static sp_u32 code_of(uint8_t distance, float growth)
{
	sp_u32 code = 0;

	while (code < 15 && SP_MC_REACH((double)(code + 1), (double)growth) <= distance + 1e-3)
		code++;
	return code;
}

/* UINT8_MAX for the voxels of a row whose 26 neighbours are of the same matter, else 0. edge: a row at the grid's edge,
 * whose voxels have neighbours outside. */
static void mark_alike(uint8_t *restrict alike, const sp_u32 *row, size_t nx, size_t plane, bool edge)
{
	const sp_u32 mask = 0xff00ffffu;

	memset(alike, edge ? 0 : UINT8_MAX, nx);
	if (edge)
		return;
	alike[0] = alike[nx - 1] = 0;
	for (size_t c = 0; c < 9; c++) {
		const sp_u32 *other = row + (c % 3) * nx + (c / 3) * plane - nx - plane;

		for (size_t i = 1; i + 1 < nx; i++) {
			sp_u32 own = row[i], differ = (other[i - 1] ^ own) | (other[i] ^ own) | (other[i + 1] ^ own);

			alike[i] &= (differ & mask) == 0 ? UINT8_MAX : 0;
		}
	}
}

/* For every voxel how far, at least, all voxels are of the same matter and inside the grid. room: for two bytes a
 * voxel. */
static void set_uniformity(sp_u32 *words, const sp_grid *g, float growth, uint8_t *room)
{
	size_t nx = g->n[0], ny = g->n[1], nz = g->n[2], plane = nx * ny, n = plane * nz;
	sp_u32 codes[256];

	for (int d = 0; d < 256; d++)
		codes[d] = code_of((uint8_t)d, growth);
#pragma omp parallel for
	for (size_t k = 0; k < nz; k++)
		for (size_t j = 0; j < ny; j++) {
			bool edge = j == 0 || k == 0 || j + 1 == ny || k + 1 == nz;

			mark_alike(room + k * plane + j * nx, words + k * plane + j * nx, nx, plane, edge);
		}
	spread_distance(room, g, room + n);
#pragma omp parallel for
	for (size_t v = 0; v < n; v++)
		words[v] |= codes[room[v]] << 20;
}

float sp_mc_look_around(sp_u32 *words, const uint16_t *density, const sp_grid *g, uint16_t *room)
{
	size_t n = sp_grid_voxels(g);
	float growth = (float)(fmax(most_rings(g) - 15.0, 0.0) / (15.0 * 15.0 * 15.0 * 15.0));

	set_clearance(words, density, g, room, room + n);
	set_uniformity(words, g, growth, (uint8_t *)room);
	return growth;
}
