/* Builds parts from compressed rows: finds the runs and rounds each row's entries to 16 bits. */
#include "influence_internal.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "shared/influence_part.h"

/* A row whose largest entry is below this is stored as zeros: its scale would be a denormal number, which GPUs may
 * flush. No dose comes near it. */
#define SMALLEST_ENTRY 1e-30f

/* Rows from a file or the host's memory also need room on the host, so their parts are smaller than a device allows. */
#define CSR_PART_BYTES ((uint64_t)256 << 20)

typedef struct {
	uint32_t *row_run, *run_column, *run_value;
	float *row_scale;
	uint16_t *value;
	size_t n_runs, run_columns_capacity, run_values_capacity;
	size_t run_lengths_used;
} part_arrays;

static sp_status fail_at(const sp_csr_rows *rows, size_t row, const char *what, sp_error *err)
{
	return sp_fail(err, SP_BAD_INPUT, "%s: row %zu %s", rows->name, rows->first_row + row, what);
}

static sp_status check_row(const sp_csr_rows *rows, size_t row, size_t n_columns, sp_error *err)
{
	uint64_t first = rows->indptr[0];

	for (uint64_t e = rows->indptr[row] - first; e < rows->indptr[row + 1] - first; e++) {
		if (rows->indices[e] >= n_columns)
			return sp_fail(err, SP_BAD_INPUT, "%s: row %zu has column %lu, expected less than %zu",
			               rows->name, rows->first_row + row, (unsigned long)rows->indices[e], n_columns);
		if (e > rows->indptr[row] - first && rows->indices[e] <= rows->indices[e - 1])
			return fail_at(rows, row,
			               "does not have ascending columns, each once (scipy: sum_duplicates())", err);
		if (!(rows->data[e] >= 0.0f && rows->data[e] <= FLT_MAX))
			return sp_fail(err, SP_BAD_INPUT, "%s: row %zu, column %lu is %g, expected a finite dose >= 0",
			               rows->name, rows->first_row + row, (unsigned long)rows->indices[e],
			               (double)rows->data[e]);
	}
	return SP_OK;
}

/* Entries of the run that begins at entry e of a row that ends at `end`: the length on record, or as far as columns
 * follow on each other. 0 when the record does not fit the columns. */
static uint64_t run_length(part_arrays *a, const sp_csr_rows *rows, uint64_t e, uint64_t end)
{
	uint64_t length = 1, wanted = UINT64_MAX;

	if (rows->run_length) {
		if (a->run_lengths_used >= rows->n_run_lengths)
			return 0;
		wanted = rows->run_length[a->run_lengths_used++];
	}
	while (length < wanted && e + length < end && rows->indices[e + length] == rows->indices[e] + length)
		length++;
	return rows->run_length && length != wanted ? 0 : length;
}

static sp_status find_runs(part_arrays *a, const sp_csr_rows *rows, size_t row, sp_error *err)
{
	uint64_t first = rows->indptr[0], end = rows->indptr[row + 1] - first, length;
	sp_status st;

	for (uint64_t e = rows->indptr[row] - first; e < end; e += length) {
		if ((length = run_length(a, rows, e, end)) == 0)
			return fail_at(rows, row,
			               "does not have the runs of run_length (delete run_length from a changed file)",
			               err);
		if ((st = sp_grow_array(&a->run_column, &a->run_columns_capacity, a->n_runs + 1, sizeof(uint32_t),
		                        err)) != SP_OK ||
		    (st = sp_grow_array(&a->run_value, &a->run_values_capacity, a->n_runs + 2, sizeof(uint32_t),
		                        err)) != SP_OK)
			return st;
		a->run_column[a->n_runs] = rows->indices[e];
		a->run_value[a->n_runs++] = (uint32_t)e;
	}
	return SP_OK;
}

/* Rounds entries begin..end to multiples of scale. True when that changes none of them: then scale is the one that they
 * were made with. */
static bool round_entries(part_arrays *a, const sp_csr_rows *rows, uint64_t begin, uint64_t end, float scale)
{
	bool exact = true;

	for (uint64_t e = begin; e < end; e++) {
		/* compiled to a few instructions, which rint() and fmin() are not on every machine */
		double q = scale > 0.0f ? (double)rows->data[e] / (double)scale + 0.5 : 0.0;

		a->value[e] = q < (double)SP_INFLUENCE_FULL_SCALE ? (uint16_t)q : (uint16_t)SP_INFLUENCE_FULL_SCALE;
		exact = exact & (scale * (float)a->value[e] == rows->data[e]);
	}
	return exact;
}

static void round_row(part_arrays *a, const sp_csr_rows *rows, size_t row)
{
	uint64_t begin = rows->indptr[row] - rows->indptr[0], end = rows->indptr[row + 1] - rows->indptr[0];
	float largest = 0.0f;

	/* a scale on record counts only while the entries are those that it made */
	if (rows->row_scale) {
		a->row_scale[row] = rows->row_scale[row];
		if (round_entries(a, rows, begin, end, rows->row_scale[row]))
			return;
	}
	for (uint64_t e = begin; e < end; e++)
		largest = rows->data[e] > largest ? rows->data[e] : largest;
	a->row_scale[row] = largest < SMALLEST_ENTRY ? 0.0f : largest / SP_INFLUENCE_FULL_SCALE;
	round_entries(a, rows, begin, end, a->row_scale[row]);
}

static sp_status make_buffers(sp_influence_part *part, sp_device *d, const part_arrays *a, sp_error *err)
{
	const void *arrays[SP_PART_ARRAYS] = {a->row_run, a->run_column, a->run_value, a->row_scale, a->value};
	size_t sizes[SP_PART_ARRAYS];
	cl_mem *buffers[SP_PART_ARRAYS];
	sp_status st = SP_OK;

	sp_part_sizes(sizes, part);
	sp_part_buffers(buffers, part);
	for (int i = 0; st == SP_OK && i < SP_PART_ARRAYS; i++)
		st = sp_buffer_create(buffers[i], d, CL_MEM_READ_ONLY, sizes[i], arrays[i], "influence matrix", err);
	return st;
}

sp_status sp_influence_append_csr(sp_influence *m, const sp_csr_rows *rows, size_t *run_lengths_used, sp_error *err)
{
	size_t n_values = (size_t)(rows->indptr[rows->n_rows] - rows->indptr[0]);
	part_arrays a = {0};
	sp_influence_part part = {.first_row = m->n_rows_filled, .n_rows = rows->n_rows, .n_values = n_values};
	sp_status st = SP_OK;

	a.row_run = sp_alloc_array(rows->n_rows + 1, sizeof *a.row_run);
	a.row_scale = sp_alloc_array(rows->n_rows, sizeof *a.row_scale);
	a.value = sp_alloc_array(n_values, sizeof *a.value);
	if (!a.row_run || !a.row_scale || !a.value) {
		st = sp_fail(err, SP_NO_MEMORY, "out of memory for %zu entries of %s", n_values, rows->name);
		goto cleanup;
	}
	for (size_t row = 0; row < rows->n_rows; row++) {
		if ((st = check_row(rows, row, m->n_columns, err)) != SP_OK ||
		    (st = find_runs(&a, rows, row, err)) != SP_OK)
			goto cleanup;
		round_row(&a, rows, row);
		a.row_run[row + 1] = (uint32_t)a.n_runs;
	}
	if ((st = sp_grow_array(&a.run_column, &a.run_columns_capacity, 1, sizeof(uint32_t), err)) != SP_OK ||
	    (st = sp_grow_array(&a.run_value, &a.run_values_capacity, 1, sizeof(uint32_t), err)) != SP_OK)
		goto cleanup;
	a.run_value[a.n_runs] = (uint32_t)n_values;
	part.n_runs = a.n_runs;
	if ((st = make_buffers(&part, m->device, &a, err)) == SP_OK)
		st = sp_influence_append(m, &part, err);
	if (run_lengths_used)
		*run_lengths_used = a.run_lengths_used;
cleanup:
	sp_part_release(&part);
	free(a.row_run);
	free(a.run_column);
	free(a.run_value);
	free(a.row_scale);
	free(a.value);
	return st;
}

size_t sp_csr_rows_of_part(const sp_device *d, const uint64_t *indptr, size_t first, size_t n_rows)
{
	/* at worst each entry is a run of its own: 2 bytes of value, 4 of column, 4 of offset; a row costs 8 more */
	const uint64_t entry_bytes = 10, row_bytes = 8;
	uint64_t limit = sp_influence_part_limit(d);
	size_t end = first;

	if (limit > CSR_PART_BYTES)
		limit = CSR_PART_BYTES;
	while (end < n_rows &&
	       (end == first ||
	        (indptr[end + 1] - indptr[first]) * entry_bytes + (end + 1 - first) * row_bytes <= limit))
		end++;
	return end - first;
}

sp_status sp_influence_from_csr(sp_influence **out, sp_device *d, const sp_grid *grid, const uint64_t *rows,
                                size_t n_rows, size_t n_columns, const uint64_t *indptr, const uint32_t *indices,
                                const float *data, sp_error *err)
{
	sp_influence *m = NULL;
	sp_status st = sp_influence_create(&m, d, grid, rows, n_rows, n_columns, err);
	size_t n;

	*out = NULL;
	for (size_t row = 0; st == SP_OK && row < n_rows; row++)
		if (indptr[row] > indptr[row + 1])
			st = sp_fail(err, SP_BAD_INPUT, "influence matrix: indptr falls from %llu to %llu at row %zu",
			             (unsigned long long)indptr[row], (unsigned long long)indptr[row + 1], row);
	for (size_t row = 0; st == SP_OK && row < n_rows; row += n) {
		n = sp_csr_rows_of_part(d, indptr, row, n_rows);
		sp_csr_rows block = {.name = "influence matrix",
		                     .first_row = row,
		                     .n_rows = n,
		                     .indptr = indptr + row,
		                     .indices = indices + indptr[row],
		                     .data = data + indptr[row]};
		st = sp_influence_append_csr(m, &block, NULL, err);
	}
	if (st == SP_OK)
		*out = m;
	else
		sp_influence_destroy(m);
	return st;
}
