/* The finite-size pencil beam: dose to a voxel from a bixel is the bixel's fluence at the voxel times
 *
 *     sum over Gaussians i of w_i(d) X_i Y_i,
 *
 * d the radiological depth, w_i the kernel table's weight, X_i and Y_i the parts of Gaussian i, centred on the voxel's
 * projection, that fall between the bixel's edges in the isocentre plane. Its width there is
 * sqrt((s_i / density)^2 + blur^2 + voxel^2) * sad / axial: the kernel's own width, stretched by the mean density
 * upstream, the focal spot's blur, and the voxel's own extent. docs/physics.md has the reasons.
 *
 * One work-item serves one voxel, eight bixels of a row at a time; no two write to the same place, so results repeat
 * bit for bit. Kernels in the order in which engine/pencil calls them:
 *   pencil_mark    voxel: whether there is matter in it
 *   pencil_locate  voxel and beam: place on the bixel lattice, depth and densities from the fan
 *   pencil_count   voxel: how many runs and entries its row of the influence matrix has
 *   pencil_fill    voxel: its row, as shared/influence_part.h wants it
 *   pencil_dose    voxel: dose of a beam's weighted bixels, without the matrix
 */
#include "shared/influence_part.h"
#include "shared/pencil_beam.h"
#include "pencil_spread.h"

#ifndef GAUSSIANS
#define GAUSSIANS 8
#endif
#ifndef PLACES
#define PLACES 24 /* most lattice columns, and rows, that one voxel looks at; a multiple of 8 */
#endif
#define STRIDE (PLACES + 16) /* room for what whole eights write and read beyond */

#define NOWHERE ((short)-32768)

/* A voxel seen from a beam: projection on the isocentre plane, distance along the axis. */
#ifndef MAPS
#define MAPS 1 /* fluence maps whose doses pencil_dose adds up at a time */
#endif

static float3 project(__global const sp_pencil_beam *beam, float3 point)
{
	const float3 from = point - vload4(0, beam->isocentre_mm).xyz;
	const float axial = beam->sad_mm - dot(from, vload4(0, beam->towards_source).xyz);
	const float scale = beam->sad_mm / axial;

	return (float3)(scale * dot(from, vload4(0, beam->x_axis).xyz), scale * dot(from, vload4(0, beam->y_axis).xyz),
	                axial);
}

static float3 voxel_centre(__constant const sp_pencil_grid *grid, uint voxel)
{
	const uint i = voxel % grid->n[0], j = voxel / grid->n[0] % grid->n[1], k = voxel / (grid->n[0] * grid->n[1]);

	return (float3)(grid->origin_mm[0] + grid->spacing_mm[0] * (float)i,
	                grid->origin_mm[1] + grid->spacing_mm[1] * (float)j,
	                grid->origin_mm[2] + grid->spacing_mm[2] * (float)k);
}

/* Depth (mm of water), near and far density at a place of the fan, interpolated between four rays and two sheets (a
 * fan has at least two of each). */
static float3 look_up_fan(__global const sp_pencil_beam *beam, __global const uint2 *fan, float3 at)
{
	const float3 last = (float3)(beam->fan_n[0] - 1, beam->fan_n[1] - 1, beam->sheets - 1);
	const float3 place =
	        clamp((float3)((at.x - beam->fan_x_mm) / beam->fan_step_mm, (at.y - beam->fan_y_mm) / beam->fan_step_mm,
	                       (at.z - beam->fan_axial_mm) / beam->sheet_step_mm),
	              (float3)(0.0f), last);
	const float3 low = min(floor(place), last - 1.0f), part = place - low;
	const size_t sheets = beam->sheets, row = beam->fan_n[0] * sheets;
	__global const uint *ray =
	        (__global const uint *)(fan + (uint)low.y * row + (uint)low.x * sheets + (uint)low.z);
	/* depth, densities at the sheet before and at the sheet behind, for each of four rays */
	const uint4 a = vload4(0, ray), b = vload4(0, ray + 2 * sheets), c = vload4(0, ray + 2 * row),
	            d = vload4(0, ray + 2 * (row + sheets));
	const float4 share = (float4)((1.0f - part.x) * (1.0f - part.y), part.x * (1.0f - part.y),
	                              (1.0f - part.x) * part.y, part.x * part.y);
	const float before = 1.0f - part.z, behind = part.z;
	const float4 depth = before * (float4)(as_float(a.x), as_float(b.x), as_float(c.x), as_float(d.x)) +
	                     behind * (float4)(as_float(a.z), as_float(b.z), as_float(c.z), as_float(d.z));
	const uint4 first = (uint4)(a.y, b.y, c.y, d.y), second = (uint4)(a.w, b.w, c.w, d.w);
	const float4 near = before * convert_float4(convert_int4(first >> 16)) +
	                    behind * convert_float4(convert_int4(second >> 16));
	const float4 far = before * convert_float4(convert_int4(first & 0xffff)) +
	                   behind * convert_float4(convert_int4(second & 0xffff));

	return (float3)(dot(share, depth), dot(share, near) / SP_FAN_DENSITY_UNIT,
	                dot(share, far) / SP_FAN_DENSITY_UNIT);
}

/* Position in 1/SP_LATTICE_UNITS bixel from the centre of the lattice's first place, or NOWHERE beyond 16 bits. */
static short lattice_place(float at, float first, float bixel)
{
	const float units = rint((at - first) / bixel * (float)SP_LATTICE_UNITS);

	return fabs(units) < 32000.0f ? (short)units : NOWHERE;
}

/* mark[r] = 1 where voxel voxels[r] of the dose grid (voxel r when listed is 0) overlaps a patient voxel with matter in
 * it, 0 elsewhere: there is no dose in vacuum. */
__kernel void pencil_mark(uint n, uint listed, __global const uint *voxels, __constant const sp_pencil_grid *grid,
                          __constant const sp_pencil_grid *ct, __global const float *density, __global uchar *mark)
{
	const uint r = get_global_id(0);
	if (r >= n)
		return;
	const float3 centre = voxel_centre(grid, listed ? voxels[r] : r);
	const float at[3] = {centre.x, centre.y, centre.z};
	int low[3], high[3];
	bool any = false;

	for (int a = 0; a < 3; a++) {
		const float place = (at[a] - ct->origin_mm[a]) / ct->spacing_mm[a] + 0.5f;
		const float half_width =
		        0.499f * grid->spacing_mm[a] / ct->spacing_mm[a]; /* faces that touch do not count */
		low[a] = max((int)floor(place - half_width), 0);
		high[a] = min((int)floor(place + half_width), (int)ct->n[a] - 1);
	}
	for (int k = low[2]; k <= high[2] && !any; k++)
		for (int j = low[1]; j <= high[1] && !any; j++)
			for (int i = low[0]; i <= high[0] && !any; i++)
				any = density[((size_t)k * ct->n[1] + j) * ct->n[0] + i] > 0.0f;
	mark[r] = any;
}

/* voxels [rows] of the dose grid and whether they hold matter; place, depth_density: beam b's rows of the block,
 * written here. */
__kernel void pencil_locate(uint n_rows, __constant const sp_pencil_grid *grid, __global const uint *voxels,
                            __global const uchar *mark, __global const sp_pencil_beam *beams, uint b, uint reach,
                            __global const uint2 *fan, __global short2 *place, __global float2 *depth_density)
{
	const uint row = get_global_id(0);
	if (row >= n_rows)
		return;
	__global const sp_pencil_beam *beam = beams + b;
	const size_t at = (size_t)b * n_rows + row;
	const float3 seen = project(beam, voxel_centre(grid, voxels[row]));
	const short x = lattice_place(seen.x, beam->bixel_x_mm, beam->bixel_mm);
	const short y = lattice_place(seen.y, beam->bixel_y_mm, beam->bixel_mm);
	const int r = (int)reach, right = SP_LATTICE_UNITS * ((int)beam->columns - 1) + r,
	          top = SP_LATTICE_UNITS * ((int)beam->rows - 1) + r;

	if (!mark[row] || x == NOWHERE || y == NOWHERE || x < -r || y < -r || x > right || y > top ||
	    !(seen.z > 0.0f)) {
		place[at] = (short2)(NOWHERE, NOWHERE);
		return;
	}
	const float3 found = look_up_fan(beam, fan, seen);
	const uint near = (uint)(int)(found.y * SP_FAN_DENSITY_UNIT + 0.5f);
	const uint far = (uint)(int)(found.z * SP_FAN_DENSITY_UNIT + 0.5f);
	place[at] = (short2)(x, y);
	depth_density[at] = (float2)(found.x, as_float(near << 16 | far));
}

/* The lattice places from low to high (inclusive) within `half` units of `at`; none when low > high. */
static int2 places_within(int at, int half_width, uint n)
{
	const int low = (at - half_width + SP_LATTICE_UNITS * 65536 + SP_LATTICE_UNITS - 1) / SP_LATTICE_UNITS - 65536;
	const int high = (at + half_width + SP_LATTICE_UNITS * 65536) / SP_LATTICE_UNITS - 65536;

	return (int2)(max(low, 0), min(high, (int)n - 1));
}

/* The part of a segment that lies between columns low and high: first column and count (0: none). */
static int2 clip_segment(__global const sp_pencil_segment *s, int2 columns)
{
	const int first = max((int)s->column, columns.x), last = min((int)(s->column + s->count) - 1, columns.y);

	return (int2)(first, max(last - first + 1, 0));
}

/* half_chord[|dy|]: half the width, in lattice units, of the disc of radius reach at that distance from its centre.
 * counts: runs and entries of each row. Decisions are in whole numbers, so that pencil_fill comes to the same ones. */
__kernel void pencil_count(uint n_rows, uint n_beams, __global const sp_pencil_beam *beams, uint reach,
                           __global const ushort *half_chord, __global const uint *first_segment,
                           __global const sp_pencil_segment *segments, __global const short2 *place,
                           __global uint2 *counts)
{
	const uint row = get_global_id(0);
	if (row >= n_rows)
		return;
	uint runs = 0, values = 0, next = UINT_MAX;

	for (uint b = 0; b < n_beams; b++) {
		const short2 at = place[(size_t)b * n_rows + row];
		if (at.x == NOWHERE)
			continue;
		__global const uint *first = first_segment + beams[b].first_row_segment;
		const int2 rows = places_within(at.y, (int)reach, beams[b].rows);
		for (int k = rows.x; k <= rows.y; k++) {
			const int half_width = half_chord[abs(SP_LATTICE_UNITS * k - at.y)];
			const int2 columns = places_within(at.x, half_width, beams[b].columns);
			for (uint s = first[k]; s < first[k + 1]; s++) {
				const int2 part = clip_segment(segments + s, columns);
				if (part.y == 0)
					continue;
				const uint bixel = segments[s].bixel + (uint)part.x - segments[s].column;
				runs += bixel != next;
				values += (uint)part.y;
				next = bixel + (uint)part.y;
			}
		}
	}
	counts[row] = (uint2)(runs, values);
}

/* Width of Gaussian i (mm in the isocentre plane): kernel[2i] its standard deviation in water, kernel[2i + 1] how far
 * it follows the far density rather than the near one (0 to 1). */
static float2 gaussian_widths(__constant const float *kernel_shape, uint i, __global const sp_pencil_beam *beam,
                              float axial, float near, float far)
{
	const float density = fmax(mix(near, far, kernel_shape[2 * i + 1]), 0.1f);
	const float own = kernel_shape[2 * i] / density, behind = fmax(axial - beam->collimator_mm, 0.0f);
	const float x = beam->blur_x * behind, y = beam->blur_y * behind;

	return sqrt(own * own + (float2)(fma(x, x, beam->voxel_x_mm2), fma(y, y, beam->voxel_y_mm2))) *
	       (beam->sad_mm / axial);
}

/* Row of the depth table below a depth, and the part of the step beyond it. */
static float2 table_place(float depth, uint table_rows)
{
	const float place = clamp(depth / SP_PENCIL_TABLE_STEP_MM, 0.0f, (float)(table_rows - 1));
	const float low = fmin(floor(place), (float)(table_rows - 2));

	return (float2)(low, place - low);
}

/* Fluence (per cm2 and unit weight) across the ray at a place: inverse square from the isocentre plane, the slant of
 * the ray against the axis, and what a softer spectrum off the axis takes at this depth. */
static float fluence_at(__global const sp_pencil_beam *beam, float3 seen, float depth)
{
	const float scale = beam->sad_mm / seen.z, r2 = seen.x * seen.x + seen.y * seen.y, r = sqrt(r2);
	const float softer = r * (beam->soften[0] + r * (beam->soften[1] + r * beam->soften[2]));

	return beam->fluence_cm2 * scale * scale * sqrt(1.0f + r2 / (beam->sad_mm * beam->sad_mm)) *
	       exp(-depth * softer);
}

/* Rows first_row .. first_row + n - 1 of a block of block_rows rows; row_run, row_value (first run and entry of each
 * row) and row_scale begin with row part_first. scratch: floats, per row its entries and 8 more. */
__kernel void pencil_fill(uint first_row, uint n, uint part_first, uint block_rows,
                          __constant const sp_pencil_grid *grid, __global const uint *voxels, uint n_beams,
                          __global const sp_pencil_beam *beams, uint reach, __global const ushort *half_chord,
                          __global const uint *first_segment, __global const sp_pencil_segment *segments,
                          __global const short2 *place, __global const float2 *depth_density,
                          __constant const float *kernel_shape, __global const float *table, uint table_rows,
                          __global const uint *row_run, __global const uint *row_value, __global float *scratch,
                          __global float *row_scale, __global uint *run_column, __global uint *run_value,
                          __global ushort *value)
{
	if (get_global_id(0) >= n)
		return;
	const uint row = first_row + get_global_id(0), in_part = row - part_first;
	const uint value_begin = row_value[in_part];
	__global float *entries =
	        scratch + (value_begin - row_value[first_row - part_first]) + (size_t)8 * get_global_id(0);
	const float3 centre = voxel_centre(grid, voxels[row]);
	float share_x[GAUSSIANS * STRIDE], share_y[GAUSSIANS * STRIDE];
	uint run = row_run[in_part], values = 0, next = UINT_MAX;

	for (uint b = 0; b < n_beams; b++) {
		__global const sp_pencil_beam *beam = beams + b;
		const short2 at = place[(size_t)b * block_rows + row];
		if (at.x == NOWHERE)
			continue;
		const int2 rows = places_within(at.y, (int)reach, beam->rows);
		const int2 across = places_within(at.x, (int)reach, beam->columns);
		if (rows.x > rows.y || across.x > across.y)
			continue;
		const float2 depth = depth_density[(size_t)b * block_rows + row];
		const uint packed = as_uint(depth.y);
		const float near = (float)(packed >> 16) / SP_FAN_DENSITY_UNIT;
		const float far = (float)(packed & 0xffff) / SP_FAN_DENSITY_UNIT;
		const float2 in_table = table_place(depth.x, table_rows);
		__global const float *low = table + (size_t)in_table.x * GAUSSIANS;
		const float3 seen = project(beam, centre);
		const float fluence = fluence_at(beam, seen, depth.x), bixel = beam->bixel_mm;
		const float left = beam->bixel_x_mm + ((float)across.x - 0.5f) * bixel - seen.x;
		const float bottom = beam->bixel_y_mm + ((float)rows.x - 0.5f) * bixel - seen.y;

		for (uint i = 0; i < GAUSSIANS; i++) {
			const float2 width = gaussian_widths(kernel_shape, i, beam, seen.z, near, far);
			const float weight = fluence * mix(low[i], low[i + GAUSSIANS], in_table.y);
			gaussian_shares(share_x + i * STRIDE, across.y - across.x + 1, left, bixel, width.x, 1.0f);
			gaussian_shares(share_y + i * STRIDE, rows.y - rows.x + 1, bottom, bixel, width.y, weight);
		}
		__global const uint *first = first_segment + beam->first_row_segment;
		for (int k = rows.x; k <= rows.y; k++) {
			const int half_width = half_chord[abs(SP_LATTICE_UNITS * k - at.y)];
			const int2 columns = places_within(at.x, half_width, beam->columns);
			for (uint s = first[k]; s < first[k + 1]; s++) {
				const int2 part = clip_segment(segments + s, columns);
				if (part.y == 0)
					continue;
				const uint bixel_number = segments[s].bixel + (uint)part.x - segments[s].column;
				if (bixel_number != next) {
					run_column[run] = bixel_number;
					run_value[run++] = value_begin + values;
				}
				next = bixel_number + (uint)part.y;
				for (int c = 0; c < part.y; c += 8) {
					const float *x = share_x + (part.x - across.x + c), *y = share_y + (k - rows.x);
					float8 sum = y[0] * vload8(0, x);
					for (uint i = 1; i < GAUSSIANS; i++)
						sum = fma((float8)(y[i * STRIDE]), vload8(0, x + i * STRIDE), sum);
					vstore8(sum, 0, entries + values + c);
				}
				values += (uint)part.y;
			}
		}
	}

	vstore8((float8)(0.0f), 0, entries + values);
	float8 eight = (float8)(0.0f);
	for (uint e = 0; e < values; e += 8)
		eight = fmax(eight, vload8(0, entries + e));
	const float4 four = fmax(eight.lo, eight.hi);
	const float most = fmax(fmax(four.x, four.y), fmax(four.z, four.w));
	const float to_value = most > 0.0f ? SP_INFLUENCE_FULL_SCALE / most : 0.0f;
	uint e = 0;

	row_scale[in_part] = most / SP_INFLUENCE_FULL_SCALE;
	for (; e + 8 <= values; e += 8)
		vstore8(convert_ushort8(convert_int8(fma(vload8(0, entries + e), (float8)(to_value), (float8)(0.5f)))),
		        0, value + value_begin + e);
	for (; e < values; e++)
		value[value_begin + e] = (ushort)(int)fma(entries[e], to_value, 0.5f);
}

/* Lattice places that a Gaussian of width sigma around `at` can reach: first, and how many. */
static int2 places_of_gaussian(float at, float sigma, float first_edge, float bixel, uint n)
{
	const float reach = 5.6f * sigma; /* 3.9 sqrt 2, where erf8 ends, and a little more */
	const int low = max((int)floor(clamp((at - reach - first_edge) / bixel, -1.0f, (float)n)), 0);
	const int high = min((int)floor(clamp((at + reach - first_edge) / bixel, -1.0f, (float)n)), (int)n - 1);

	return (int2)(low, max(high - low + 1, 0));
}

/* weight [MAPS][rows][stride]: of every lattice place, 0 where there is no bixel; stride is columns rounded up to
 * eights and 8 more, and 8 rows of zeros follow, so that a map takes map_size. dose [MAPS][n_dose]: of each of the
 * voxels, added to. */
__kernel void pencil_dose(uint first, uint n, __global const uint *voxels, __constant const sp_pencil_grid *grid,
                          __global const sp_pencil_beam *beams, uint b, __global const uint2 *fan,
                          __constant const float *kernel_shape, __global const float *table, uint table_rows,
                          __global const float *weight, uint stride, uint map_size, __global float *dose, uint n_dose)
{
	if (get_global_id(0) >= n)
		return;
	const uint at = first + get_global_id(0);
	__global const sp_pencil_beam *beam = beams + b;
	const float3 centre = voxel_centre(grid, voxels[at]);
	const float3 seen = project(beam, centre), found = look_up_fan(beam, fan, seen);
	const float2 in_table = table_place(found.x, table_rows);
	__global const float *low = table + (size_t)in_table.x * GAUSSIANS;
	const float bixel = beam->bixel_mm, left = beam->bixel_x_mm - 0.5f * bixel,
	            bottom = beam->bixel_y_mm - 0.5f * bixel;
	float share_x[PLACES + 16], share_y[PLACES + 16], total[MAPS];

	for (int map = 0; map < MAPS; map++)
		total[map] = 0.0f;
	for (uint i = 0; i < GAUSSIANS; i++) {
		const float2 width = gaussian_widths(kernel_shape, i, beam, seen.z, found.y, found.z);
		const int2 across = places_of_gaussian(seen.x, width.x, left, bixel, beam->columns);
		const int2 along = places_of_gaussian(seen.y, width.y, bottom, bixel, beam->rows);
		float8 sum[MAPS];

		for (int map = 0; map < MAPS; map++)
			sum[map] = (float8)(0.0f);
		/* One place less than whole eights: their upper edges still fit, and the last lane's share is 0. Other
		 * lanes beyond n see places out of reach, or zeros. */
		for (int j = 0; j < across.y; j += PLACES - 1) {
			const int n = min(across.y - j, PLACES - 1), column = across.x + j;
			gaussian_shares(share_x, n, left + (float)column * bixel - seen.x, bixel, width.x, 1.0f);
			for (int k = 0; k < along.y; k += PLACES - 1) {
				const int m = min(along.y - k, PLACES - 1), row = along.x + k;
				__global const float *block = weight + (size_t)row * stride + column;
				gaussian_shares(share_y, m, bottom + (float)row * bixel - seen.y, bixel, width.y, 1.0f);
				for (int map = 0; map < MAPS; map++, block += map_size) {
					for (int c = 0; c < n; c += 8) {
						/* two sums hide the latency of one */
						float8 even = (float8)(0.0f), odd = (float8)(0.0f);
						__global const float *w = block + c;
						for (int r = 0; r < m; r += 2, w += 2 * stride) {
							even = fma((float8)(share_y[r]), vload8(0, w), even);
							odd = fma((float8)(share_y[r + 1]), vload8(0, w + stride), odd);
						}
						sum[map] = fma(even + odd, vload8(0, share_x + c), sum[map]);
					}
				}
			}
		}
		for (int map = 0; map < MAPS; map++) {
			const float4 four = sum[map].lo + sum[map].hi;
			total[map] +=
			        mix(low[i], low[i + GAUSSIANS], in_table.y) * ((four.x + four.y) + (four.z + four.w));
		}
	}
	for (int map = 0; map < MAPS; map++)
		dose[(size_t)map * n_dose + at] += fluence_at(beam, seen, found.x) * total[map];
}
