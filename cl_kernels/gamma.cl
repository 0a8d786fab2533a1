/* The gamma index (Low et al. 1998, Med Phys 25:656): for a point of dose A the least of
 *
 *     sqrt(distance^2 / distance_mm^2 + (dose B there - dose A here)^2 / dose^2)
 *
 * over all places of dose B (host side: planner/gamma.c; buffers and structs: shared/gamma.h).
 *
 * B is continuous, trilinear within each cell between eight centres, as in the geometric method of Ju et al. 2008 (Med
 * Phys 35:879), so that the result does not hang on a step of a search. A trilinear function takes its extremes at the
 * corners: a cell whose least and greatest dose cannot beat the best gamma so far is passed over after two reads. In
 * the others the least is found by Gauss-Newton within the box, which for a linear dose ends after one step. */
#include "shared/gamma.h"

/* Gauss-Newton steps in a cell. The dose is linear along each axis, so two or three do; more only where it twists. */
#ifndef GAMMA_STEPS
#define GAMMA_STEPS 4
#endif
/* A difference from the foretold dose, in units of the dose criterion, that ends the search: gamma is then within half
 * of it of its least. */
#ifndef GAMMA_CLOSE
#define GAMMA_CLOSE 0.004f
#endif

inline size_t centre_index(const sp_gamma_rule r, uint x, uint y, uint z)
{
	return ((size_t)z * r.n_b[1] + y) * r.n_b[0] + x;
}

/* range[cell] = least and greatest dose of the cell's corners. Work-item: one cell. */
__kernel void gamma_ranges(__global float2 *range, __global const float *dose_b, const sp_gamma_rule rule)
{
	const uint cx = rule.n_b[0] - 1, cy = rule.n_b[1] - 1, cz = rule.n_b[2] - 1;
	const size_t cell = get_global_id(0);

	if (cell >= (size_t)cx * cy * cz)
		return;
	const uint x = (uint)(cell % cx), y = (uint)(cell / cx % cy), z = (uint)(cell / cx / cy);
	float low = INFINITY, high = -INFINITY;

	for (uint corner = 0; corner < 8; corner++) {
		const float d = dose_b[centre_index(rule, x + (corner & 1), y + (corner >> 1 & 1), z + (corner >> 2))];

		low = fmin(low, d);
		high = fmax(high, d);
	}
	range[cell] = (float2)(low, high);
}

/* Trilinear dose in a cell of coordinates 0 to 1, as polynomial: d[0] + d[1] x + d[2] y + d[3] z + d[4] xy + d[5] xz +
 * d[6] yz + d[7] xyz. */
inline float cell_dose(const float d[8], const float t[3])
{
	return d[0] + d[1] * t[0] + t[1] * (d[2] + d[4] * t[0]) +
	       t[2] * (d[3] + d[5] * t[0] + t[1] * (d[6] + d[7] * t[0]));
}

inline void cell_slope(float out[3], const float d[8], const float t[3])
{
	out[0] = d[1] + d[4] * t[1] + d[5] * t[2] + d[7] * t[1] * t[2];
	out[1] = d[2] + d[4] * t[0] + d[6] * t[2] + d[7] * t[0] * t[2];
	out[2] = d[3] + d[5] * t[0] + d[6] * t[1] + d[7] * t[0] * t[1];
}

/* One step: s becomes the place in the box low..high where |s|^2 + (e + slope . (s - s0))^2 is least; returns what is
 * then expected of the dose difference. s are distances from the point in units of the distance criterion, e the dose
 * difference in units of the dose criterion. Of coordinates that leave the box the one that leaves it most is fixed at
 * the border, and the rest is solved again. */
inline float step_in_box(float s[3], const float low[3], const float high[3], float e, const float slope[3])
{
	float rest = -e + slope[0] * s[0] + slope[1] * s[1] + slope[2] * s[2]; /* minus e at the point itself */
	float x = slope[0], y = slope[1], z = slope[2];                        /* 0 once fixed */

	for (int pass = 0; pass < 3; pass++) {
		const float share = rest / (1.0f + x * x + y * y + z * z);
		const float sx = x * share, sy = y * share, sz = z * share;
		/* by how much they leave; a fixed one gives x = 0 and must not count */
		const float over_x = x == 0.0f ? 0.0f : fmax(low[0] - sx, sx - high[0]);
		const float over_y = y == 0.0f ? 0.0f : fmax(low[1] - sy, sy - high[1]);
		const float over_z = z == 0.0f ? 0.0f : fmax(low[2] - sz, sz - high[2]);
		const float worst = fmax(over_x, fmax(over_y, over_z));

		s[0] = x == 0.0f ? s[0] : sx;
		s[1] = y == 0.0f ? s[1] : sy;
		s[2] = z == 0.0f ? s[2] : sz;
		if (worst <= 0.0f)
			return rest * -1.0f / (1.0f + x * x + y * y + z * z);
		if (over_x == worst) {
			s[0] = clamp(sx, low[0], high[0]);
			rest -= x * s[0];
			x = 0.0f;
		} else if (over_y == worst) {
			s[1] = clamp(sy, low[1], high[1]);
			rest -= y * s[1];
			y = 0.0f;
		} else {
			s[2] = clamp(sz, low[2], high[2]);
			rest -= z * s[2];
			z = 0.0f;
		}
	}
	return -rest;
}

/* The least gamma squared in one cell: low and high are the cell's borders as distances from the point, in units of the
 * distance criterion; s the place to start at, the nearest one. A coordinate along which the dose does not change stays
 * there, as it should. */
inline float least_in_cell(const float d[8], const float low[3], const float high[3], const float per_side[3],
                           float s[3], float dose_a, float per_dose)
{
	float best = INFINITY, expected = INFINITY;

	for (int step = 0; step <= GAMMA_STEPS; step++) {
		float t[3], slope[3];

		for (int a = 0; a < 3; a++)
			t[a] = clamp((s[a] - low[a]) * per_side[a], 0.0f, 1.0f);
		const float e = (cell_dose(d, t) - dose_a) * per_dose;
		const float found = s[0] * s[0] + s[1] * s[1] + s[2] * s[2] + e * e;

		best = fmin(best, found);
		/* the dose is as the slope foretold, or the search no longer gains */
		if (step == GAMMA_STEPS || fabs(e - expected) < GAMMA_CLOSE || found > best)
			break;
		cell_slope(slope, d, t);
		for (int a = 0; a < 3; a++)
			slope[a] *= per_dose * per_side[a];
		expected = step_in_box(s, low, high, e, slope);
	}
	return best;
}

/* gamma[i] of the point with dose dose_a[i] at A's voxel point[i], for n points; place_x, place_y and place_z tell
 * where A's coordinates lie among B's; range as gamma_ranges leaves it; cell[] are the cells to look at, nearest first.
 * Work-item: one point. */
__kernel void gamma_points(__global float *gamma, uint first, uint n, __global const uint *point,
                           __global const float *dose_a, __global const float *dose_b, __global const float2 *range,
                           __global const sp_gamma_place *place_x, __global const sp_gamma_place *place_y,
                           __global const sp_gamma_place *place_z, __global const sp_gamma_cell *cell, uint n_cells,
                           const sp_gamma_rule rule)
{
	const uint item = (uint)get_global_id(0);

	if (item >= n)
		return;
	const uint at = point[first + item];
	const float dose = dose_a[first + item];
	const float per_dose = 1.0f / (rule.is_local ? rule.dose * dose : rule.dose);
	const sp_gamma_place px = place_x[at % rule.n_a[0]], py = place_y[at / rule.n_a[0] % rule.n_a[1]],
	                     pz = place_z[at / rule.n_a[0] / rule.n_a[1]];
	const int home[3] = {(int)px.cell, (int)py.cell, (int)pz.cell};
	const float beyond[3] = {px.beyond_mm, py.beyond_mm, pz.beyond_mm};
	const float per_mm = 1.0f / rule.distance_mm;
	const float per_side[3] = {rule.distance_mm / rule.spacing_mm[0], rule.distance_mm / rule.spacing_mm[1],
	                           rule.distance_mm / rule.spacing_mm[2]};
	float best = rule.cap * rule.cap;

	for (uint i = 0; i < n_cells; i++) {
		if (cell[i].nearest >= best)
			break;
		const int x = home[0] + cell[i].step[0], y = home[1] + cell[i].step[1], z = home[2] + cell[i].step[2];

		if (x < 0 || y < 0 || z < 0 || x >= (int)rule.n_b[0] - 1 || y >= (int)rule.n_b[1] - 1 ||
		    z >= (int)rule.n_b[2] - 1)
			continue;
		float low[3], high[3], near[3], least = 0.0f;

		for (int a = 0; a < 3; a++) {
			low[a] = ((float)cell[i].step[a] * rule.spacing_mm[a] - beyond[a]) * per_mm;
			high[a] = low[a] + rule.spacing_mm[a] * per_mm;
			near[a] = clamp(0.0f, low[a], high[a]);
			least += near[a] * near[a];
		}
		if (least >= best)
			continue;
		const float2 doses = range[((size_t)z * (rule.n_b[1] - 1) + (uint)y) * (rule.n_b[0] - 1) + (uint)x];
		const float apart = fmax(0.0f, fmax(doses.x - dose, dose - doses.y)) * per_dose;

		if (least + apart * apart >= best)
			continue;
		const size_t corner = centre_index(rule, (uint)x, (uint)y, (uint)z);
		const size_t row = rule.n_b[0], sheet = row * rule.n_b[1];
		const float c000 = dose_b[corner], c100 = dose_b[corner + 1], c010 = dose_b[corner + row],
		            c110 = dose_b[corner + row + 1], c001 = dose_b[corner + sheet],
		            c101 = dose_b[corner + sheet + 1], c011 = dose_b[corner + sheet + row],
		            c111 = dose_b[corner + sheet + row + 1];
		const float d[8] = {c000,
		                    c100 - c000,
		                    c010 - c000,
		                    c001 - c000,
		                    c110 - c100 - c010 + c000,
		                    c101 - c100 - c001 + c000,
		                    c011 - c010 - c001 + c000,
		                    c111 - c110 - c101 - c011 + c100 + c010 + c001 - c000};

		best = fmin(best, least_in_cell(d, low, high, per_side, near, dose, per_dose));
	}
	gamma[first + item] = sqrt(best);
}
