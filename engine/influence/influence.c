/* Keeps the parts of a matrix: on the device while its memory lasts, on the host after that. */
#include "influence_internal.h"

#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "log.h"

#define MEBI ((size_t)1024 * 1024)
#define LARGEST_PART (1024 * MEBI)

void sp_part_sizes(size_t out[SP_PART_ARRAYS], const sp_influence_part *part)
{
	out[0] = (part->n_rows + 1) * sizeof(uint32_t);
	out[1] = part->n_runs * sizeof(uint32_t);
	out[2] = (part->n_runs + 1) * sizeof(uint32_t);
	out[3] = part->n_rows * sizeof(float);
	out[4] = part->n_values * sizeof(uint16_t);
}

void sp_part_buffers(cl_mem *out[SP_PART_ARRAYS], sp_influence_part *part)
{
	out[0] = &part->row_run;
	out[1] = &part->run_column;
	out[2] = &part->run_value;
	out[3] = &part->row_scale;
	out[4] = &part->value;
}

void sp_part_release(sp_influence_part *part)
{
	cl_mem *buffers[SP_PART_ARRAYS];

	sp_part_buffers(buffers, part);
	for (int i = 0; i < SP_PART_ARRAYS; i++)
		sp_buffer_release(buffers[i]);
}

size_t sp_influence_part_limit(const sp_device *d)
{
	size_t limit = sp_device_memory_limit(d) / 8;

	if (limit > sp_device_alloc_limit(d))
		limit = sp_device_alloc_limit(d);
	return limit < LARGEST_PART ? limit : LARGEST_PART;
}

sp_status sp_influence_create(sp_influence **out, sp_device *d, const sp_grid *grid, const uint64_t *rows,
                              size_t n_rows, size_t n_columns, sp_error *err)
{
	sp_influence *m = NULL;
	size_t n_voxels = sp_grid_voxels(grid);
	sp_status st;

	*out = NULL;
	for (size_t i = 0; i < n_rows; i++)
		if (rows[i] >= n_voxels || (i && rows[i] <= rows[i - 1]))
			return sp_fail(err, SP_BAD_INPUT,
			               "influence matrix: row %zu is voxel %llu, expected ascending numbers below %zu",
			               i, (unsigned long long)rows[i], n_voxels);
	if (n_rows > INT32_MAX || n_columns > INT32_MAX)
		return sp_fail(err, SP_BAD_INPUT, "influence matrix: %zu x %zu is more than 2^31 rows or columns",
		               n_rows, n_columns);
	if ((m = calloc(1, sizeof *m)))
		m->device = d; /* before anything can fail: to destroy it the device is asked */
	if (!m || !(m->rows = sp_alloc_array(n_rows, sizeof *m->rows))) {
		st = sp_fail(err, SP_NO_MEMORY, "out of memory for an influence matrix of %zu rows", n_rows);
		goto cleanup;
	}
	memcpy(m->rows, rows, n_rows * sizeof *rows);
	m->grid = *grid;
	m->n_rows = n_rows;
	m->n_columns = n_columns;
	m->copy_host_parts = !sp_device_describe(d)->shares_host_memory;
	if ((st = sp_influence_prepare(m, err)) != SP_OK)
		goto cleanup;
	*out = m;
	m = NULL;
cleanup:
	sp_influence_destroy(m);
	return st;
}

void sp_influence_destroy_part(sp_influence *m, sp_stored_part *stored)
{
	sp_part_release(&stored->part);
	if (stored->resident)
		sp_device_unreserve(m->device, stored->bytes);
	for (int i = 0; i < SP_PART_ARRAYS; i++)
		free(stored->host[i]);
}

void sp_influence_destroy(sp_influence *m)
{
	if (!m)
		return;
	/* kernels in flight may read host parts in place */
	sp_device_finish(m->device, NULL);
	for (size_t i = 0; i < m->n_parts; i++)
		sp_influence_destroy_part(m, &m->parts[i]);
	for (int i = 0; i < SP_PART_ARRAYS; i++)
		sp_buffer_release(&m->stage[i]);
	sp_influence_unprepare(m);
	free(m->parts);
	free(m->rows);
	free(m);
}

/* Makes the staging buffers large enough for every host part, so that they are made once. */
static sp_status make_stage(sp_influence *m, sp_error *err)
{
	size_t wanted[SP_PART_ARRAYS] = {0}, sizes[SP_PART_ARRAYS];
	sp_status st;

	for (size_t p = 0; p < m->n_parts; p++) {
		sp_part_sizes(sizes, &m->parts[p].part);
		for (int i = 0; !m->parts[p].resident && i < SP_PART_ARRAYS; i++)
			if (sizes[i] > wanted[i])
				wanted[i] = sizes[i];
	}
	for (int i = 0; i < SP_PART_ARRAYS; i++) {
		if (m->stage[i] && m->stage_bytes[i] >= wanted[i])
			continue;
		sp_buffer_release(&m->stage[i]);
		if ((st = sp_buffer_create(&m->stage[i], m->device, CL_MEM_READ_ONLY, wanted[i], NULL,
		                           "staging for the influence matrix", err)) != SP_OK)
			return st;
		m->stage_bytes[i] = wanted[i];
	}
	return SP_OK;
}

sp_status sp_influence_view(sp_influence_part *out, sp_influence *m, size_t part, sp_error *err)
{
	sp_stored_part *stored = &m->parts[part];
	size_t sizes[SP_PART_ARRAYS];
	cl_mem *buffers[SP_PART_ARRAYS];
	sp_status st = SP_OK;

	*out = stored->part;
	if (stored->resident)
		return SP_OK;
	sp_part_sizes(sizes, out);
	sp_part_buffers(buffers, out);
	if (m->copy_host_parts && (st = make_stage(m, err)) != SP_OK)
		return st;
	for (int i = 0; st == SP_OK && i < SP_PART_ARRAYS; i++) {
		if (m->copy_host_parts) {
			st = sp_buffer_write(m->device, m->stage[i], 0, sizes[i], stored->host[i], err);
			*buffers[i] = m->stage[i];
		} else {
			st = sp_buffer_create(buffers[i], m->device, CL_MEM_READ_ONLY | CL_MEM_USE_HOST_PTR, sizes[i],
			                      stored->host[i], "part of the influence matrix", err);
		}
	}
	if (st != SP_OK)
		sp_influence_unview(m, part, out);
	return st;
}

void sp_influence_unview(sp_influence *m, size_t part, sp_influence_part *view)
{
	/* the driver keeps buffers that queued kernels still need */
	if (!m->parts[part].resident && !m->copy_host_parts)
		sp_part_release(view);
	memset(view, 0, sizeof *view);
}

sp_status sp_influence_host(void *out[SP_PART_ARRAYS], sp_influence *m, size_t part, sp_error *err)
{
	sp_stored_part *stored = &m->parts[part];
	size_t sizes[SP_PART_ARRAYS];
	cl_mem *buffers[SP_PART_ARRAYS];
	sp_status st = SP_OK;

	memcpy(out, stored->host, sizeof stored->host);
	if (!stored->resident)
		return SP_OK;
	sp_part_sizes(sizes, &stored->part);
	sp_part_buffers(buffers, &stored->part);
	for (int i = 0; st == SP_OK && i < SP_PART_ARRAYS; i++) {
		if (!(out[i] = sp_alloc_array(sizes[i], 1)))
			st = sp_fail(err, SP_NO_MEMORY, "out of memory: %zu bytes for a part of the influence matrix",
			             sizes[i]);
		else
			st = sp_buffer_read(m->device, *buffers[i], 0, sizes[i], out[i], err);
	}
	if (st != SP_OK)
		sp_influence_host_done(m, part, out);
	return st;
}

void sp_influence_host_done(sp_influence *m, size_t part, void *arrays[SP_PART_ARRAYS])
{
	for (int i = 0; i < SP_PART_ARRAYS; i++) {
		if (m->parts[part].resident)
			free(arrays[i]);
		arrays[i] = NULL;
	}
}

sp_status sp_influence_join(sp_influence **out, sp_influence *const *matrices, size_t n, sp_error *err)
{
	size_t rows = 0, parts = 0;
	uint64_t *numbers = NULL;
	sp_influence *m = NULL;
	sp_status st = SP_OK;

	*out = NULL;
	for (size_t i = 0; i < n; i++) {
		rows += matrices[i]->n_rows;
		parts += matrices[i]->n_parts;
		if (matrices[i]->n_columns != matrices[0]->n_columns || matrices[i]->device != matrices[0]->device ||
		    matrices[i]->n_rows_filled != matrices[i]->n_rows)
			return sp_fail(err, SP_FAILED, "matrix %zu of %zu does not fit the others", i, n);
	}
	const sp_grid line = {{rows, 1, 1}, {1.0, 1.0, 1.0}, {0.0, 0.0, 0.0}};

	if (!(numbers = sp_alloc_array(rows, sizeof *numbers)))
		return sp_fail(err, SP_NO_MEMORY, "out of memory for an influence matrix of %zu rows", rows);
	for (size_t row = 0; row < rows; row++)
		numbers[row] = row;
	st = sp_influence_create(&m, matrices[0]->device, &line, numbers, rows, matrices[0]->n_columns, err);
	free(numbers);
	if (st == SP_OK)
		st = sp_grow_array(&m->parts, &m->parts_capacity, parts, sizeof *m->parts, err);
	if (st != SP_OK) {
		sp_influence_destroy(m);
		return st;
	}
	for (size_t i = 0; i < n; i++) {
		sp_influence *from = matrices[i];

		for (size_t k = 0; k < from->n_parts; k++) {
			sp_stored_part *stored = &m->parts[m->n_parts++];

			*stored = from->parts[k];
			stored->part.first_row = m->n_rows_filled;
			m->n_rows_filled += stored->part.n_rows;
		}
		m->n_values += from->n_values;
		m->n_bytes += from->n_bytes;
		from->n_parts = 0;
		from->n_rows_filled = 0;
	}
	*out = m;
	return SP_OK;
}

size_t sp_influence_rows(const sp_influence *m)
{
	return m->n_rows;
}

size_t sp_influence_columns(const sp_influence *m)
{
	return m->n_columns;
}

uint64_t sp_influence_values(const sp_influence *m)
{
	return m->n_values;
}

uint64_t sp_influence_bytes(const sp_influence *m)
{
	return m->n_bytes;
}

sp_device *sp_influence_device(const sp_influence *m)
{
	return m->device;
}

const sp_grid *sp_influence_grid(const sp_influence *m)
{
	return &m->grid;
}

const uint64_t *sp_influence_row_voxels(const sp_influence *m)
{
	return m->rows;
}
