/* Objectives and hard limits of the fluence optimisation, voxel by voxel (host side: planner/fluence_problem.c).
 *
 * The dose is linear in the weights, so along a direction of the search it is dose + step * along, and a trial step
 * costs a pass over two vectors instead of a product with the matrix. Each work-item goes through one stretch of rows
 * in order and writes its sums to a place of its own; the host adds the few hundred of them in order. So a sum depends
 * neither on the work-group size nor on the run. */
#include "shared/voxel_cost.h"

/* Differences of costs between steps are far below what a float sum over 1e5 voxels keeps: double where the device has
 * it, else a float with its rounding error carried along (Kahan 1965). */
#ifdef SP_HAS_FP64
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
typedef double sum_t;
inline void add(sum_t *sum, float x)
{
	*sum += (double)x;
}
#else
typedef float2 sum_t; /* value, what the value lacks */
inline void add(sum_t *sum, float x)
{
	float y = x + (*sum).y;
	float t = (*sum).x + y;

	(*sum).y = y - (t - (*sum).x);
	(*sum).x = t;
}
#endif

inline float cost_value(const sp_voxel_cost c, float d)
{
	float above = fmax(0.0f, d - c.above_gy), below = fmax(0.0f, c.below_gy - d);

	return c.above_cost * above * above + c.below_cost * below * below;
}

inline float cost_slope(const sp_voxel_cost c, float d)
{
	return 2.0f * (c.above_cost * fmax(0.0f, d - c.above_gy) - c.below_cost * fmax(0.0f, c.below_gy - d));
}

inline float cost_curvature(const sp_voxel_cost c, float d)
{
	return 2.0f * ((d > c.above_gy ? c.above_cost : 0.0f) + (d < c.below_gy ? c.below_cost : 0.0f));
}

/* sums[SP_COST_SUMS * item]: objectives, limits, d/dstep and d2/dstep2 of both together, at dose + step * along. */
__kernel void cost_along(__global sum_t *sums, uint n_rows, uint rows_per_item, __global const uint *cost_begin,
                         __global const sp_voxel_cost *cost, __global const float *dose, __global const float *along,
                         float step)
{
	uint item = (uint)get_global_id(0);
	uint begin = min(item * rows_per_item, n_rows), end = min(begin + rows_per_item, n_rows);
	sum_t objective = (sum_t)(0), limit = (sum_t)(0), slope = (sum_t)(0), curvature = (sum_t)(0);

	for (uint row = begin; row < end; row++) {
		float a = along[row], d = fma(step, a, dose[row]);

		for (uint i = cost_begin[row]; i < cost_begin[row + 1]; i++) {
			const sp_voxel_cost c = cost[i];

			if (c.is_limit)
				add(&limit, cost_value(c, d));
			else
				add(&objective, cost_value(c, d));
			add(&slope, cost_slope(c, d) * a);
			add(&curvature, cost_curvature(c, d) * a * a);
		}
	}
	sums[SP_COST_SUMS * item] = objective;
	sums[SP_COST_SUMS * item + 1] = limit;
	sums[SP_COST_SUMS * item + 2] = slope;
	sums[SP_COST_SUMS * item + 3] = curvature;
}

/* slope[row] = derivative of the cost by the row's dose. Work-item: one row. */
__kernel void cost_slopes(__global float *slope, uint n_rows, __global const uint *cost_begin,
                          __global const sp_voxel_cost *cost, __global const float *dose)
{
	uint row = (uint)get_global_id(0);
	float sum = 0.0f;

	if (row >= n_rows)
		return;
	for (uint i = cost_begin[row]; i < cost_begin[row + 1]; i++)
		sum += cost_slope(cost[i], dose[row]);
	slope[row] = sum;
}

/* out[row] = second derivative of the cost by the row's dose, times factor[row]. Work-item: one row. */
__kernel void cost_curvatures(__global float *out, uint n_rows, __global const uint *cost_begin,
                              __global const sp_voxel_cost *cost, __global const float *dose,
                              __global const float *factor)
{
	uint row = (uint)get_global_id(0);
	float sum = 0.0f;

	if (row >= n_rows)
		return;
	for (uint i = cost_begin[row]; i < cost_begin[row + 1]; i++)
		sum += cost_curvature(cost[i], dose[row]);
	out[row] = sum * factor[row];
}

/* dose += step * along. Work-item: one row. */
__kernel void move_dose(__global float *dose, uint n_rows, __global const float *along, float step)
{
	uint row = (uint)get_global_id(0);

	if (row < n_rows)
		dose[row] = fma(step, along[row], dose[row]);
}

/* Generalised equivalent uniform dose: sums[3 * item] of v (d/r)^a and of its first two derivatives by the step; rows
 * and volumes v (their sum 1) are the structure's, r a reference dose that keeps the powers in range. Doses below
 * r * GEUD_FLOOR count as that, so that a negative a stays finite. */
#ifndef GEUD_FLOOR
#define GEUD_FLOOR 0.05f
#endif
__kernel void geud_along(__global sum_t *sums, uint n, uint n_per_item, __global const uint *rows,
                         __global const float *volumes, __global const float *dose, __global const float *along,
                         float step, float a, float reference_gy)
{
	uint item = (uint)get_global_id(0);
	uint begin = min(item * n_per_item, n), end = min(begin + n_per_item, n);
	sum_t value = (sum_t)(0), slope = (sum_t)(0), curvature = (sum_t)(0);

	for (uint i = begin; i < end; i++) {
		float direction = along[rows[i]] / reference_gy;
		float x = fma(step, direction, dose[rows[i]] / reference_gy);
		float power = volumes[i] * pow(fmax(x, GEUD_FLOOR), a - 2.0f);

		if (x < GEUD_FLOOR) {
			add(&value, power * GEUD_FLOOR * GEUD_FLOOR);
			continue;
		}
		add(&value, power * x * x);
		add(&slope, a * power * x * direction);
		add(&curvature, a * (a - 1.0f) * power * direction * direction);
	}
	sums[3 * item] = value;
	sums[3 * item + 1] = slope;
	sums[3 * item + 2] = curvature;
}

/* slope[rows[i]] += factor * v (d/r)^(a - 1). Work-item: one voxel of the structure; its rows differ. */
__kernel void geud_slopes(__global float *slope, uint n, __global const uint *rows, __global const float *volumes,
                          __global const float *dose, float a, float reference_gy, float factor)
{
	uint i = (uint)get_global_id(0);
	float x;

	if (i >= n)
		return;
	x = dose[rows[i]] / reference_gy;
	if (x >= GEUD_FLOOR)
		slope[rows[i]] += factor * volumes[i] * pow(x, a - 1.0f);
}
