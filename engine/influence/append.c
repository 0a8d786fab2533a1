/* Takes parts into a matrix: on its device while that one's memory lasts, on the host after that. */
#include "influence_internal.h"

#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "log.h"

#define MEBI ((size_t)1024 * 1024)
/* Share of the device's memory that matrices leave to a part in the making, staging, dose and the rest. */
#define HEADROOM_FRACTION 0.2
#define MOST_VALUES (UINT32_MAX - 64u) /* offsets are 32 bits, and kernels add a vector's length to them */
#define PAGE_BYTES 4096                /* alignment at which drivers can use host memory in place */

/* The number of the part before which this one belongs; fails where it overlaps another. */
static sp_status find_place(size_t *out, const sp_influence *m, const sp_influence_part *part, sp_error *err)
{
	size_t end = part->first_row + part->n_rows, i = m->n_parts;

	while (i > 0 && m->parts[i - 1].part.first_row >= part->first_row)
		i--;
	*out = i;
	if (end > m->n_rows || (i < m->n_parts && m->parts[i].part.first_row < end) ||
	    (i > 0 && m->parts[i - 1].part.first_row + m->parts[i - 1].part.n_rows > part->first_row))
		return sp_fail(err, SP_FAILED, "influence matrix: a part of rows %zu to %zu has no place among %zu",
		               part->first_row, end, m->n_rows);
	if (part->n_values > MOST_VALUES || part->n_runs > MOST_VALUES)
		return sp_fail(err, SP_FAILED, "influence matrix: a part of %zu values is too large; cut it smaller",
		               part->n_values);
	return SP_OK;
}

/* Copies the buffers from the device to host memory and releases them. */
static sp_status move_to_host(sp_stored_part *stored, sp_device *from, sp_error *err)
{
	size_t sizes[SP_PART_ARRAYS];
	cl_mem *buffers[SP_PART_ARRAYS];
	sp_status st;

	sp_part_sizes(sizes, &stored->part);
	sp_part_buffers(buffers, &stored->part);
	for (int i = 0; i < SP_PART_ARRAYS; i++) {
		if (posix_memalign(&stored->host[i], PAGE_BYTES, sizes[i] ? sizes[i] : 1) != 0) {
			stored->host[i] = NULL;
			return sp_fail(err, SP_NO_MEMORY, "out of memory: %zu bytes for a part of the influence matrix",
			               sizes[i]);
		}
		if ((st = sp_buffer_read(from, *buffers[i], 0, sizes[i], stored->host[i], err)) != SP_OK)
			return st;
		sp_buffer_release(buffers[i]);
	}
	return SP_OK;
}

static bool reserve_with_headroom(sp_device *d, size_t bytes)
{
	size_t headroom = (size_t)(HEADROOM_FRACTION * (double)sp_device_memory_limit(d));

	if (!sp_device_reserve(d, bytes + headroom))
		return false;
	sp_device_unreserve(d, headroom);
	return true;
}

/* The other way, from host memory to the matrix's device. */
static sp_status move_to_device(sp_influence *m, sp_stored_part *stored, sp_error *err)
{
	size_t sizes[SP_PART_ARRAYS];
	cl_mem *buffers[SP_PART_ARRAYS];
	sp_status st;

	sp_part_sizes(sizes, &stored->part);
	sp_part_buffers(buffers, &stored->part);
	for (int i = 0; i < SP_PART_ARRAYS; i++) {
		if ((st = sp_buffer_create(buffers[i], m->device, CL_MEM_READ_ONLY, sizes[i], stored->host[i],
		                           "influence matrix", err)) != SP_OK)
			return st;
		free(stored->host[i]);
		stored->host[i] = NULL;
	}
	return SP_OK;
}

sp_status sp_influence_place(sp_influence *m, sp_device *from, sp_influence_part *part, sp_error *err)
{
	sp_stored_part stored = {.part = *part};
	size_t sizes[SP_PART_ARRAYS], place;
	sp_status st;

	memset(part, 0, sizeof *part);
	sp_part_sizes(sizes, &stored.part);
	for (int i = 0; i < SP_PART_ARRAYS; i++)
		stored.bytes += sizes[i];
	if ((st = find_place(&place, m, &stored.part, err)) != SP_OK ||
	    (st = sp_grow_array(&m->parts, &m->parts_capacity, m->n_parts + 1, sizeof *m->parts, err)) != SP_OK)
		goto cleanup;
	stored.resident = reserve_with_headroom(m->device, stored.bytes);
	if (!stored.resident)
		sp_log_detail("a part of the influence matrix (%.0f MiB) stays in host memory",
		              (double)stored.bytes / (double)MEBI);
	if ((!stored.resident || from != m->device) && (st = move_to_host(&stored, from, err)) != SP_OK)
		goto cleanup;
	if (stored.resident && from != m->device && (st = move_to_device(m, &stored, err)) != SP_OK)
		goto cleanup;
	m->n_rows_filled += stored.part.n_rows;
	m->n_values += stored.part.n_values;
	m->n_bytes += stored.bytes;
	memmove(m->parts + place + 1, m->parts + place, (m->n_parts - place) * sizeof *m->parts);
	m->parts[place] = stored;
	m->n_parts++;
	memset(&stored, 0, sizeof stored);
cleanup:
	sp_influence_destroy_part(m, &stored);
	return st;
}

sp_status sp_influence_append(sp_influence *m, sp_influence_part *part, sp_error *err)
{
	if (part->first_row == m->n_rows_filled)
		return sp_influence_place(m, m->device, part, err);
	sp_part_release(part);
	return sp_fail(err, SP_FAILED, "influence matrix: a part of rows %zu to %zu does not follow on row %zu of %zu",
	               part->first_row, part->first_row + part->n_rows, m->n_rows_filled, m->n_rows);
}
