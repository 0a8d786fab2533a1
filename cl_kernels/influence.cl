/* Products of one part of the dose-influence matrix (layout: shared/influence_part.h; host side: engine/influence).
 *
 * On a CPU one work-item takes whole rows and goes through each run with vectors of 8. */
#include "shared/influence_part.h"

/* Up to 8 values from the part's entry `first` on as floats, zero from the count-th on. The vector load may reach into
 * the next run, but not past the last value of the part. */
inline float8 load_values(__global const ushort *value, uint first, uint count, uint n_values)
{
	const int8 lane = (int8)(0, 1, 2, 3, 4, 5, 6, 7);
	ushort8 v = (ushort8)(0);

	if (first + 8 <= n_values) {
		v = vload8(0, value + first);
	} else {
		ushort tail[8] = {0, 0, 0, 0, 0, 0, 0, 0};

		for (uint i = 0; i < n_values - first; i++)
			tail[i] = value[first + i];
		v = vload8(0, tail);
	}
	return select((float8)(0.0f), convert_float8(v), lane < (int8)((int)count));
}

/* dose[first_row + r] = row r times weights, which hold 8 more entries (any finite numbers) behind the last column.
 * Work-item: ROWS_PER_ITEM rows. */
#ifndef ROWS_PER_ITEM
#define ROWS_PER_ITEM 32
#endif
__kernel void multiply_rows(__global float *dose, uint first_row, uint n_rows, uint n_values,
                            __global const uint *row_run, __global const uint *run_column,
                            __global const uint *run_value, __global const float *row_scale,
                            __global const ushort *value, __global const float *weights)
{
	uint begin = (uint)get_global_id(0) * ROWS_PER_ITEM, end = min(begin + ROWS_PER_ITEM, n_rows);

	for (uint row = begin; row < end; row++) {
		float8 sum = (float8)(0.0f);
		float4 half_sum;

		for (uint run = row_run[row]; run < row_run[row + 1]; run++) {
			uint v = run_value[run], v_end = run_value[run + 1], column = run_column[run];

			for (; v < v_end; v += 8, column += 8)
				sum = fma(load_values(value, v, v_end - v, n_values), vload8(0, weights + column), sum);
		}
		half_sum = sum.lo + sum.hi;
		dose[first_row + row] = row_scale[row] * ((half_sum.x + half_sum.y) + (half_sum.z + half_sum.w));
	}
}
