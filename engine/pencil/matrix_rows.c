/* Rows of the influence matrix on one device. They are taken in blocks (so that what is kept per row and beam stays
 * small), a block is cut into parts of the matrix, a part is filled in launches that share one scratch buffer. A row's
 * entries depend on the row alone, so cutting differently changes nothing. The kernels are cl_kernels/pencil.cl. */
#include "matrix_rows.h"

#include "alloc.h"
#include "interrupt.h"

#include <math.h>
#include <stdlib.h>

#define MEBI ((size_t)1 << 20)

/* Bytes kept per row and beam of a block: place on the lattice, depth and densities. */
#define PLACE_BYTES sizeof(cl_short2)
#define DEPTH_BYTES sizeof(cl_float2)

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* Memory for everything but CT and fan. What a matrix needs in all is the matrix's own care. */
static size_t memory_left(const sp_pencil *p, const sp_pencil_layout *l)
{
	size_t limit = sp_device_memory_limit(p->device);
	size_t taken = sp_grid_voxels(&p->ct) * sizeof(float) + l->fan_bytes;

	return limit > taken ? limit - taken : 0;
}

size_t sp_pencil_rows_most(const sp_pencil *p, const sp_pencil_layout *l)
{
	size_t block = smaller(smaller(memory_left(p, l) / 8, sp_device_alloc_limit(p->device)), 128 * MEBI);

	return larger(block / (l->n_beams * (PLACE_BYTES + DEPTH_BYTES)), 64);
}

static void share_memory(sp_pencil_rows *j)
{
	size_t left = memory_left(j->p, &j->whole->layout), alloc = sp_device_alloc_limit(j->d);

	j->most_values = smaller(smaller(left / 4, alloc), 256 * MEBI) / sizeof(cl_ushort);
	j->most_scratch = smaller(smaller(left / 8, alloc), 64 * MEBI) / sizeof(cl_float);
}

/* half_chord[dy]: the largest dx with dx^2 + dy^2 <= reach^2. */
static sp_status make_half_chords(sp_pencil_rows *j, sp_error *err)
{
	cl_ushort *half = sp_alloc_array((size_t)j->whole->reach + 1, sizeof *half);
	sp_status st;

	if (!half)
		return sp_fail(err, SP_NO_MEMORY, "no memory for the cut-off disc");
	for (cl_uint dy = 0; dy <= j->whole->reach; dy++) {
		double left = (double)j->whole->reach * (double)j->whole->reach - (double)dy * (double)dy;

		half[dy] = (cl_ushort)floor(sqrt(left)); /* exact: the squares are far below 2^53 */
	}
	st = sp_buffer_create(&j->half_chord, j->d, CL_MEM_READ_ONLY, ((size_t)j->whole->reach + 1) * sizeof *half,
	                      half, "cut-off disc", err);
	free(half);
	return st;
}

static sp_status make_kernels(sp_pencil_rows *j, sp_error *err)
{
	size_t seen = 2 * (j->whole->reach / SP_LATTICE_UNITS) + 1;
	size_t places = (smaller(seen, j->whole->layout.most_places) + 7) / 8 * 8;
	sp_status st;

	places = places <= 24 ? 24 : places <= 48 ? 48 : places; /* few variants to build */
	if ((st = sp_device_kernel(&j->trace, j->d, "fan_trace.cl", "fan_trace", "", err)) != SP_OK)
		return st;
	if ((st = sp_pencil_kernel(&j->mark, j->p, "pencil_mark", places, err)) != SP_OK)
		return st;
	if ((st = sp_pencil_kernel(&j->locate, j->p, "pencil_locate", places, err)) != SP_OK)
		return st;
	if ((st = sp_pencil_kernel(&j->count, j->p, "pencil_count", places, err)) != SP_OK)
		return st;
	return sp_pencil_kernel(&j->fill, j->p, "pencil_fill", places, err);
}

static sp_status make_buffers(sp_pencil_rows *j, sp_error *err)
{
	sp_pencil_grid grid = sp_pencil_device_grid(&j->whole->dose_grid);
	const sp_pencil_layout *l = &j->whole->layout;
	const size_t rows = j->whole->rows_per_block, beams = l->n_beams;
	const struct {
		cl_mem *out;
		size_t bytes;
		const void *data;
		const char *what;
	} wanted[] = {
	        {&j->grid, sizeof grid, &grid, "dose grid"},
	        {&j->beams, beams * sizeof *l->beams, l->beams, "beams"},
	        {&j->segments, l->n_segments * sizeof *l->segments, l->segments, "bixel segments"},
	        {&j->first_segment, l->n_first * sizeof *l->first_segment, l->first_segment, "bixel rows"},
	        {&j->fan, l->fan_bytes, NULL, "fan of rays"},
	        {&j->block_voxels, rows * sizeof(cl_uint), NULL, "voxels of a block"},
	        {&j->marks, rows, NULL, "marks of voxels"},
	        {&j->place, rows * beams * PLACE_BYTES, NULL, "voxels' places in the beams"},
	        {&j->depth, rows * beams * DEPTH_BYTES, NULL, "voxels' depths"},
	        {&j->counts, rows * sizeof(cl_uint2), NULL, "entries of each row"},
	};
	sp_status st = SP_OK;

	for (size_t i = 0; st == SP_OK && i < sizeof wanted / sizeof *wanted; i++)
		st = sp_buffer_create(wanted[i].out, j->d, CL_MEM_READ_WRITE, wanted[i].bytes, wanted[i].data,
		                      wanted[i].what, err);
	if (st != SP_OK)
		return st;
	j->host_counts = sp_alloc_array(rows, sizeof *j->host_counts);
	j->row_run = sp_alloc_array(rows + 1, sizeof *j->row_run);
	j->row_value = sp_alloc_array(rows + 1, sizeof *j->row_value);
	if (!j->host_counts || !j->row_run || !j->row_value)
		return sp_fail(err, SP_NO_MEMORY, "no memory for a block of %zu rows", rows);
	return SP_OK;
}

/* Traces every beam's fan, finds the block's voxels in it and counts what their rows will hold. */
static sp_status locate_block(sp_pencil_rows *j, sp_error *err)
{
	cl_uint n = (cl_uint)j->n, beams = (cl_uint)j->whole->layout.n_beams, listed = 1;
	cl_uint *numbers = sp_alloc_array(j->n, sizeof *numbers);
	const sp_argument mark[] = {SP_ARG(n),       SP_ARG(listed),        SP_ARG(j->block_voxels),
	                            SP_ARG(j->grid), SP_ARG(j->p->ct_grid), SP_ARG(j->p->density),
	                            SP_ARG(j->marks)};
	const sp_argument count[] = {SP_ARG(n),
	                             SP_ARG(beams),
	                             SP_ARG(j->beams),
	                             SP_ARG(j->whole->reach),
	                             SP_ARG(j->half_chord),
	                             SP_ARG(j->first_segment),
	                             SP_ARG(j->segments),
	                             SP_ARG(j->place),
	                             SP_ARG(j->counts)};
	sp_status st;

	if (!numbers)
		return sp_fail(err, SP_NO_MEMORY, "no memory for a block of %zu rows", j->n);
	for (size_t r = 0; r < j->n; r++)
		numbers[r] = (cl_uint)j->whole->voxels[j->first + r];
	st = sp_buffer_write(j->d, j->block_voxels, 0, j->n * sizeof *numbers, numbers, err);
	free(numbers);
	if (st == SP_OK)
		st = sp_kernel_set_all(j->mark, mark, sizeof mark / sizeof *mark, err);
	if (st == SP_OK)
		st = sp_device_launch(j->d, j->mark, j->n, 64, err);
	for (cl_uint b = 0; st == SP_OK && b < beams; b++) {
		const sp_argument locate[] = {
		        SP_ARG(n),        SP_ARG(j->grid), SP_ARG(j->block_voxels), SP_ARG(j->marks),
		        SP_ARG(j->beams), SP_ARG(b),       SP_ARG(j->whole->reach), SP_ARG(j->fan),
		        SP_ARG(j->place), SP_ARG(j->depth)};

		if ((st = sp_pencil_trace(j->p, j->trace, &j->whole->layout, j->beams, b, j->fan, err)) != SP_OK)
			break;
		st = sp_kernel_set_all(j->locate, locate, sizeof locate / sizeof *locate, err);
		if (st == SP_OK)
			st = sp_device_launch(j->d, j->locate, j->n, 64, err);
	}
	if (st == SP_OK)
		st = sp_kernel_set_all(j->count, count, sizeof count / sizeof *count, err);
	if (st == SP_OK)
		st = sp_device_launch(j->d, j->count, j->n, 64, err);
	if (st == SP_OK)
		st = sp_buffer_read(j->d, j->counts, 0, j->n * sizeof *j->host_counts, j->host_counts, err);
	return st;
}

/* Launches pencil_fill for the part's rows, as many at a time as the scratch buffer holds. */
static sp_status fill_rows(sp_pencil_rows *j, size_t part_first, const sp_influence_part *part, cl_mem row_value,
                           sp_error *err)
{
	cl_uint block_rows = (cl_uint)j->n, beams = (cl_uint)j->whole->layout.n_beams, origin = (cl_uint)part_first;
	cl_uint table_rows = (cl_uint)j->p->table_rows;

	for (size_t r = 0; r < part->n_rows;) {
		cl_uint first = (cl_uint)(part_first + r), n = 0;
		size_t floats = 0;
		sp_status st;

		for (; r < part->n_rows; r++, n++) {
			size_t more = (size_t)(j->row_value[r + 1] - j->row_value[r]) + 8;

			if (n > 0 && floats + more > j->most_scratch)
				break;
			floats += more;
		}
		if (sp_interrupt_asked())
			return sp_fail(err, SP_INTERRUPTED, "interrupted while filling the influence matrix");
		if (floats > j->most_scratch) { /* one row alone */
			if ((st = sp_device_finish(j->d, err)) != SP_OK)
				return st;
			sp_buffer_release(&j->scratch);
			j->most_scratch = floats;
		}
		if (!j->scratch) {
			st = sp_buffer_create(&j->scratch, j->d, CL_MEM_READ_WRITE, j->most_scratch * sizeof(cl_float),
			                      NULL, "scratch for rows", err);
			if (st != SP_OK)
				return st;
		}
		const sp_argument fill[] = {SP_ARG(first),
		                            SP_ARG(n),
		                            SP_ARG(origin),
		                            SP_ARG(block_rows),
		                            SP_ARG(j->grid),
		                            SP_ARG(j->block_voxels),
		                            SP_ARG(beams),
		                            SP_ARG(j->beams),
		                            SP_ARG(j->whole->reach),
		                            SP_ARG(j->half_chord),
		                            SP_ARG(j->first_segment),
		                            SP_ARG(j->segments),
		                            SP_ARG(j->place),
		                            SP_ARG(j->depth),
		                            SP_ARG(j->p->kernel_shape),
		                            SP_ARG(j->p->table),
		                            SP_ARG(table_rows),
		                            SP_ARG(part->row_run),
		                            SP_ARG(row_value),
		                            SP_ARG(j->scratch),
		                            SP_ARG(part->row_scale),
		                            SP_ARG(part->run_column),
		                            SP_ARG(part->run_value),
		                            SP_ARG(part->value)};

		st = sp_kernel_set_all(j->fill, fill, sizeof fill / sizeof *fill, err);
		if (st == SP_OK)
			st = sp_device_launch(j->d, j->fill, n, 16, err);
		if (st != SP_OK)
			return st;
	}
	return SP_OK;
}

static void release_part(sp_influence_part *part)
{
	sp_buffer_release(&part->row_run);
	sp_buffer_release(&part->run_column);
	sp_buffer_release(&part->run_value);
	sp_buffer_release(&part->row_scale);
	sp_buffer_release(&part->value);
}

/* Makes one part of the matrix of the block's rows part_first .. part_first + n_rows - 1, whose offsets are in
 * row_run and row_value. */
static sp_status make_part(sp_pencil_rows *j, size_t part_first, size_t n_rows, sp_error *err)
{
	sp_influence_part part = {.first_row = j->first + part_first,
	                          .n_rows = n_rows,
	                          .n_runs = j->row_run[n_rows],
	                          .n_values = j->row_value[n_rows]};
	cl_uint end = j->row_value[n_rows];
	cl_mem row_value = NULL;
	const struct {
		cl_mem *out;
		size_t bytes;
		const void *data;
		const char *what;
	} wanted[] = {
	        {&row_value, (n_rows + 1) * sizeof(cl_uint), j->row_value, "first entries of rows"},
	        {&part.row_run, (n_rows + 1) * sizeof(cl_uint), j->row_run, "influence matrix: first runs of rows"},
	        {&part.run_column, part.n_runs * sizeof(cl_uint), NULL, "influence matrix: columns of runs"},
	        {&part.run_value, (part.n_runs + 1) * sizeof(cl_uint), NULL, "influence matrix: entries of runs"},
	        {&part.row_scale, n_rows * sizeof(cl_float), NULL, "influence matrix: scales of rows"},
	        {&part.value, part.n_values * sizeof(cl_ushort), NULL, "influence matrix: entries"},
	};
	sp_status st = SP_OK;

	for (size_t i = 0; st == SP_OK && i < sizeof wanted / sizeof *wanted; i++)
		st = sp_buffer_create(wanted[i].out, j->d, CL_MEM_READ_WRITE, wanted[i].bytes, wanted[i].data,
		                      wanted[i].what, err);
	if (st == SP_OK)
		st = fill_rows(j, part_first, &part, row_value, err);
	if (st == SP_OK)
		st = sp_buffer_write(j->d, part.run_value, part.n_runs * sizeof end, sizeof end, &end, err);
	if (st == SP_OK)
		st = sp_device_finish(j->d, err);
	sp_buffer_release(&row_value);
	if (st != SP_OK) {
		release_part(&part);
		return st;
	}
	pthread_mutex_lock(j->whole->placing);
	st = sp_influence_place(j->whole->matrix, j->d, &part, err);
	pthread_mutex_unlock(j->whole->placing);
	return st;
}

sp_status sp_pencil_rows_start(sp_pencil_rows *j, const sp_pencil_matrix *whole, const sp_pencil *p, sp_error *err)
{
	sp_status st;

	*j = (sp_pencil_rows){.whole = whole, .p = p, .d = p->device};
	share_memory(j);
	if ((st = make_half_chords(j, err)) != SP_OK || (st = make_kernels(j, err)) != SP_OK)
		return st;
	return make_buffers(j, err);
}

sp_status sp_pencil_rows_fill(sp_pencil_rows *j, size_t first_row, size_t n_rows, sp_error *err)
{
	sp_status st;

	j->first = first_row;
	j->n = n_rows;
	st = locate_block(j, err);
	for (size_t first = 0; st == SP_OK && first < j->n;) {
		size_t n = 0;

		j->row_run[0] = j->row_value[0] = 0;
		for (; first + n < j->n; n++) {
			cl_uint2 c = j->host_counts[first + n];

			if (n > 0 && (size_t)j->row_value[n] + c.s[1] > j->most_values)
				break;
			j->row_run[n + 1] = j->row_run[n] + c.s[0];
			j->row_value[n + 1] = j->row_value[n] + c.s[1];
		}
		st = make_part(j, first, n, err);
		first += n;
	}
	return st;
}

void sp_pencil_rows_finish(sp_pencil_rows *j)
{
	cl_kernel *kernels[] = {&j->trace, &j->mark, &j->locate, &j->count, &j->fill};
	cl_mem *buffers[] = {&j->grid,       &j->beams, &j->segments, &j->first_segment,
	                     &j->half_chord, &j->fan,   &j->scratch,  &j->block_voxels,
	                     &j->marks,      &j->place, &j->depth,    &j->counts};

	for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
		if (*kernels[i])
			clReleaseKernel(*kernels[i]);
	for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
		sp_buffer_release(buffers[i]);
	free(j->host_counts);
	free(j->row_run);
	free(j->row_value);
}
