/* Products of one part of the dose-influence matrix D (layout: shared/influence_part.h; host: engine/influence).
 *
 * Two ways through the same numbers. `_rows`: a work-item takes whole rows and goes through each run with vectors of 8;
 * this is for CPUs. `_lanes`: a work-group takes a row, teams of 8 lanes take its runs; this is for GPUs.
 *
 * No sum depends on the order in which work-groups run: a row's dose is summed within one work-item or group, and
 * D^T g goes through private accumulators, one for each block of rows. Blocks count from the matrix's first row, not
 * from the part's, so that cutting the matrix into other parts changes no bit of the result. */
#include "shared/influence_part.h"

#define VECTOR 8 /* lanes of a vector, and of a team */
#ifndef GROUP
#define GROUP 64 /* work-items that share a row in the `_lanes` kernels; a power of two, at least VECTOR */
#endif
#ifndef ROWS_PER_ITEM
#define ROWS_PER_ITEM 32 /* rows that a work-item takes in multiply_rows */
#endif

/* 8 entries from v on as floats, zeros from the count-th on. */
inline float8 mask_values(ushort8 v, uint count)
{
	const int8 lane = (int8)(0, 1, 2, 3, 4, 5, 6, 7);

	return as_float8(as_int8(convert_float8(v)) & (lane < (int8)((int)count)));
}

/* The part's entries first ... as floats, `count` of them and zeros after those. Reads 8 entries at any rate: the last
 * ones of a run, and then some of the next. */
inline float8 load_values(__global const ushort *value, uint first, uint count)
{
	return mask_values(vload8(0, value + first), count);
}

/* The same without reading past entry first + count, for the last rows of a part. */
inline float8 load_last_values(__global const ushort *value, uint first, uint count)
{
	ushort tail[VECTOR];

	for (uint i = 0; i < VECTOR; i++)
		tail[i] = i < count ? value[first + i] : 0;
	return mask_values(vload8(0, tail), count);
}

inline float sum_lanes(float8 s)
{
	float4 half_sum = s.lo + s.hi;

	return (half_sum.x + half_sum.y) + (half_sum.z + half_sum.w);
}

/* dose[first_row + r] = row r times weights. weights holds 8 more entries (any finite numbers) behind the last. */
__kernel void multiply_rows(__global float *dose, uint first_row, uint n_rows, uint n_values,
                            __global const uint *row_run, __global const uint *run_column,
                            __global const uint *run_value, __global const float *row_scale,
                            __global const ushort *value, __global const float *weights)
{
	uint begin = (uint)get_global_id(0) * ROWS_PER_ITEM, end = min(begin + ROWS_PER_ITEM, n_rows);
	uint run = row_run[begin], v = run_value[run];

	for (uint row = begin; row < end; row++) {
		float8 sum = (float8)(0.0f);
		uint end_run = row_run[row + 1];
		bool safe = run_value[end_run] + VECTOR <= n_values;

		for (; run < end_run; run++) {
			uint v_end = run_value[run + 1];
			__global const float *w = weights + run_column[run];

			for (; v < v_end; v += VECTOR, w += VECTOR)
				sum = fma(safe ? load_values(value, v, v_end - v)
				               : load_last_values(value, v, v_end - v),
				          vload8(0, w), sum);
			v = v_end;
		}
		dose[first_row + row] = row_scale[row] * sum_lanes(sum);
	}
}

/* The same with GROUP work-items to a row. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
multiply_lanes(__global float *dose, uint first_row, uint n_rows, uint n_values, __global const uint *row_run,
               __global const uint *run_column, __global const uint *run_value, __global const float *row_scale,
               __global const ushort *value, __global const float *weights)
{
	__local float sums[GROUP];
	uint row = (uint)get_group_id(0), lane = (uint)get_local_id(0), end = row_run[row + 1];
	float sum = 0.0f;

	for (uint run = row_run[row] + lane / VECTOR; run < end; run += GROUP / VECTOR) {
		uint begin = run_value[run], v_end = run_value[run + 1], column = run_column[run];

		for (uint v = begin + lane % VECTOR; v < v_end; v += VECTOR)
			sum = fma((float)value[v], weights[column + (v - begin)], sum);
	}
	sums[lane] = sum;
	for (uint half_group = GROUP / 2; half_group > 0; half_group /= 2) {
		barrier(CLK_LOCAL_MEM_FENCE);
		if (lane < half_group)
			sums[lane] += sums[lane + half_group];
	}
	if (lane == 0)
		dose[first_row + row] = row_scale[row] * sums[0];
}

/* accumulator[block][column] += g[row] D[row][column] over the part's rows of a block, in ascending order of rows. A
 * block is rows_per_block rows of the matrix; the part touches blocks first_block and after; the part with a block's
 * first row sets the sums to zero first. stride: floats from one block's accumulators to the next, at least
 * n_columns + 8. Work-item: one block, if its number is a multiple of `spread` (see the host side), else nothing. */
__kernel void accumulate_rows(__global float *accumulator, uint stride, uint n_columns, uint first_block, uint n_blocks,
                              uint rows_per_block, uint spread, uint first_row, uint n_rows, uint n_values,
                              __global const uint *row_run, __global const uint *run_column,
                              __global const uint *run_value, __global const float *row_scale,
                              __global const ushort *value, __global const float *g)
{
	uint block = first_block + (uint)get_global_id(0) / spread;
	uint begin, end;
	__global float *sums;

	if ((uint)get_global_id(0) % spread != 0 || block >= first_block + n_blocks)
		return;
	begin = max(block * rows_per_block, first_row) - first_row;
	end = min((block + 1) * rows_per_block, first_row + n_rows) - first_row;
	sums = accumulator + (size_t)block * stride;
	if (first_row + begin == block * rows_per_block)
		for (uint column = 0; column < stride; column += VECTOR)
			vstore8((float8)(0.0f), 0, sums + column);
	for (uint row = begin; row < end; row++) {
		float factor = g[first_row + row];
		uint end_run;
		bool safe;

		if (factor == 0.0f)
			continue;
		factor *= row_scale[row];
		end_run = row_run[row + 1];
		safe = run_value[end_run] + VECTOR <= n_values;
		for (uint run = row_run[row]; run < end_run; run++) {
			uint v = run_value[run], v_end = run_value[run + 1];
			__global float *s = sums + run_column[run];

			for (; v < v_end; v += VECTOR, s += VECTOR)
				vstore8(fma(safe ? load_values(value, v, v_end - v)
				                 : load_last_values(value, v, v_end - v),
				            (float8)(factor), vload8(0, s)),
				        0, s);
		}
	}
}

/* The same with GROUP work-items to a block. Runs of one row share no column, so that teams never meet within a row; a
 * barrier keeps rows apart. With LOCAL_SUMS a block's accumulators are in local memory meanwhile. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
accumulate_lanes(__global float *accumulator, uint stride, uint n_columns, uint first_block, uint n_blocks,
                 uint rows_per_block, uint spread, uint first_row, uint n_rows, uint n_values,
                 __global const uint *row_run, __global const uint *run_column, __global const uint *run_value,
                 __global const float *row_scale, __global const ushort *value, __global const float *g
#ifdef LOCAL_SUMS
                 ,
                 __local float *sums
#endif
)
{
	uint block = first_block + (uint)get_group_id(0), lane = (uint)get_local_id(0);
	uint begin = max(block * rows_per_block, first_row) - first_row;
	uint end = min((block + 1) * rows_per_block, first_row + n_rows) - first_row;
	bool starts = first_row + begin == block * rows_per_block;
	__global float *block_sums = accumulator + (size_t)block * stride;
#ifdef LOCAL_SUMS
	for (uint column = lane; column < n_columns; column += GROUP)
		sums[column] = starts ? 0.0f : block_sums[column];
#else
	__global float *sums = block_sums;

	for (uint column = lane; starts && column < n_columns; column += GROUP)
		sums[column] = 0.0f;
#endif
	for (uint row = begin; row < end; row++) {
		float factor = g[first_row + row];
		uint end_run;

		barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
		/* no `continue` here: PoCL 3.1 makes wrong code of one before a barrier */
		end_run = factor == 0.0f ? 0 : row_run[row + 1];
		factor *= row_scale[row];
		for (uint run = row_run[row] + lane / VECTOR; run < end_run; run += GROUP / VECTOR) {
			uint v_begin = run_value[run], v_end = run_value[run + 1], column = run_column[run];

			for (uint v = v_begin + lane % VECTOR; v < v_end; v += VECTOR) {
				uint c = column + (v - v_begin);

				sums[c] = fma((float)value[v], factor, sums[c]);
			}
		}
	}
#ifdef LOCAL_SUMS
	barrier(CLK_LOCAL_MEM_FENCE);
	for (uint column = lane; column < n_columns; column += GROUP)
		block_sums[column] = sums[column];
#endif
}

/* gradient[column] = the sum of its accumulators in the order of the blocks. Work-item: 8 columns. */
__kernel void sum_blocks(__global float *gradient, uint n_columns, __global const float *accumulator, uint stride,
                         uint n_blocks)
{
	uint column = (uint)get_global_id(0) * VECTOR;
	float8 sum = (float8)(0.0f);
	float out[VECTOR];

	if (column >= n_columns)
		return;
	for (uint block = 0; block < n_blocks; block++)
		sum += vload8(0, accumulator + (size_t)block * stride + column);
	vstore8(sum, 0, out);
	for (uint i = 0; i < VECTOR && column + i < n_columns; i++)
		gradient[column + i] = out[i];
}

/* values_out[i] = entries that row rows[i] of a part stores. Work-item: one i. */
__kernel void count_row_values(__global uint *values_out, __global const uint *rows, uint n,
                               __global const uint *row_run, __global const uint *run_value)
{
	uint i = (uint)get_global_id(0);

	if (i < n)
		values_out[i] = run_value[row_run[rows[i] + 1]] - run_value[row_run[rows[i]]];
}

/* Copies rows[i] of a part to row i of a new one, whose row_run and first values (new_value[n + 1]) are set already.
 * Work-item: one i. */
__kernel void copy_rows(__global const uint *rows, uint n, __global const uint *row_run,
                        __global const uint *run_column, __global const uint *run_value,
                        __global const float *row_scale, __global const ushort *value, __global const uint *new_row_run,
                        __global const uint *new_value, __global uint *new_run_column, __global uint *new_run_value,
                        __global float *new_row_scale, __global ushort *new_values)
{
	uint i = (uint)get_global_id(0), from, to, n_runs, v_from, v_to, n_values;

	if (i >= n)
		return;
	from = row_run[rows[i]];
	to = new_row_run[i];
	n_runs = new_row_run[i + 1] - to;
	v_to = new_value[i];
	n_values = new_value[i + 1] - v_to;
	new_row_scale[i] = row_scale[rows[i]];
	v_from = run_value[from];
	for (uint run = 0; run < n_runs; run++) {
		new_run_column[to + run] = run_column[from + run];
		new_run_value[to + run] = run_value[from + run] - v_from + v_to;
	}
	for (uint v = 0; v < n_values; v++)
		new_values[v_to + v] = value[v_from + v];
	if (i == n - 1)
		new_run_value[new_row_run[n]] = new_value[n];
}
