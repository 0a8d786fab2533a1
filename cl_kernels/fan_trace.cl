/* Radiological depth along a fan of rays: one work-item follows one ray from the source through the patient's electron
 * density by exact voxel traversal (Siddon, Med. Phys. 12 (1985) 252; the walk from plane to plane after Amanatides and
 * Woo, Eurographics 1987) and notes, wherever the ray passes a sheet, the depth so far and the mean density upstream.
 *
 * density  [z][y][x] floats, electron density relative to water
 * fan      [ray y][ray x][sheet] uint2, see shared/pencil_beam.h
 */
#include "shared/pencil_beam.h"

/* Mean density along the ray over the last reach_mm of water before `sheet`. *tail is where that stretch begins; for
 * descending sheets it only moves down, so a whole ray costs twice its length. */
static uint mean_density(__global const uint2 *ray, uint sheet, uint *tail, float reach_mm)
{
	float depth = as_float(ray[sheet].x), length = as_float(ray[sheet].y);

	while (*tail > 0 && depth - as_float(ray[*tail].x) < reach_mm)
		--*tail;
	float way = length - as_float(ray[*tail].y);
	float density = way > 1e-3f ? (depth - as_float(ray[*tail].x)) / way : 1.0f;
	return (uint)(int)(clamp(density, 0.0f, 7.99f) * SP_FAN_DENSITY_UNIT + 0.5f);
}

__kernel void fan_trace(__constant const sp_pencil_grid *ct, __global const float *density,
                        __global const sp_pencil_beam *beams, uint b, __global uint2 *fan)
{
	__global const sp_pencil_beam *beam = beams + b;
	const uint id = get_global_id(0);
	if (id >= beam->fan_n[0] * beam->fan_n[1])
		return;
	const float x = beam->fan_x_mm + beam->fan_step_mm * (float)(id % beam->fan_n[0]);
	const float y = beam->fan_y_mm + beam->fan_step_mm * (float)(id / beam->fan_n[0]);
	const uint sheets = beam->sheets;
	__global uint2 *ray = fan + (size_t)id * sheets;
	float start[3], step[3], t_per_cell[3], enter = 0.0f, leave = 1e30f;

	/* In voxels, the grid's low edge at 0; the ray is start + t * step, t = axial distance / sad. */
	for (int a = 0; a < 3; a++) {
		float low = ct->origin_mm[a] - 0.5f * ct->spacing_mm[a];
		float way = x * beam->x_axis[a] + y * beam->y_axis[a] - beam->sad_mm * beam->towards_source[a];

		start[a] = (beam->source_mm[a] - low) / ct->spacing_mm[a];
		step[a] = way / ct->spacing_mm[a];
		if (fabs(step[a]) < 1e-6f) {
			step[a] = t_per_cell[a] = 0.0f;
			if (start[a] < 0.0f || start[a] >= (float)ct->n[a])
				leave = -1.0f;
			continue;
		}
		t_per_cell[a] = 1.0f / step[a];
		float t0 = -start[a] * t_per_cell[a], t1 = ((float)ct->n[a] - start[a]) * t_per_cell[a];
		enter = fmax(enter, fmin(t0, t1));
		leave = fmin(leave, fmax(t0, t1));
	}

	const float mm_per_t = sqrt(beam->sad_mm * beam->sad_mm + x * x + y * y);
	const float first_t = beam->fan_axial_mm / beam->sad_mm, sheet_t = beam->sheet_step_mm / beam->sad_mm;
	int cell[3];
	float plane[3]; /* t where the ray leaves the cell through the plane across each axis */
	float depth = 0.0f, length = 0.0f, t = enter;
	uint sheet = 0;
	bool inside = enter < leave;

	for (int a = 0; a < 3; a++) {
		cell[a] = clamp((int)floor(start[a] + t * step[a]), 0, (int)ct->n[a] - 1);
		plane[a] = step[a] == 0.0f ? 1e30f : ((float)(cell[a] + (step[a] > 0.0f)) - start[a]) * t_per_cell[a];
	}
	for (; inside && sheet < sheets && first_t + sheet_t * (float)sheet <= t; sheet++)
		ray[sheet] = (uint2)(0, 0);
	while (inside && sheet < sheets) {
		const float value = density[((size_t)cell[2] * ct->n[1] + cell[1]) * ct->n[0] + cell[0]];
		const float slope = value * mm_per_t, medium = value > SP_FAN_AIR ? mm_per_t : 0.0f;
		const int axis = plane[0] <= plane[1] ? (plane[0] <= plane[2] ? 0 : 2) : (plane[1] <= plane[2] ? 1 : 2);
		const float end = fmax(plane[axis], t);

		for (; sheet < sheets; sheet++) {
			float at = first_t + sheet_t * (float)sheet;
			if (at > end)
				break;
			at = fmax(at - t, 0.0f);
			ray[sheet] = (uint2)(as_uint(depth + at * slope), as_uint(length + at * medium));
		}
		depth += (end - t) * slope;
		length += (end - t) * medium;
		t = end;
		cell[axis] += step[axis] > 0.0f ? 1 : -1;
		inside = cell[axis] >= 0 && cell[axis] < (int)ct->n[axis];
		plane[axis] = ((float)(cell[axis] + (step[axis] > 0.0f)) - start[axis]) * t_per_cell[axis];
	}
	for (; sheet < sheets; sheet++)
		ray[sheet] = (uint2)(as_uint(depth), as_uint(length));

	/* Downwards, so that the tails read lengths that are not yet replaced by densities. */
	uint near_tail = sheets - 1, far_tail = sheets - 1;
	for (uint s = sheets; s-- > 0;) {
		uint near = mean_density(ray, s, &near_tail, SP_FAN_NEAR_MM);
		uint far = mean_density(ray, s, &far_tail, SP_FAN_FAR_MM);
		ray[s].y = near << 16 | far;
	}
}
