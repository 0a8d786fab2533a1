/* Reads a matrix from its file, whose layout store_write.c describes; also a file of another program that has the grid
 * and the three arrays of CSR alone. */
#include "influence_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "h5.h"

#define READ_ENTRIES ((size_t)1 << 22) /* many of the file's chunks, so that few are read twice */

typedef struct {
	sp_h5_in *file;
	const char *path;
	sp_grid grid;
	uint64_t n_voxels, n_columns, n_entries, n_run_lengths;
	uint64_t *indptr; /* of voxels; later of rows */
	uint64_t *rows;
	size_t n_rows;
	float *row_scale, *data;
	uint32_t *run_length, *indices;
	int64_t *wide; /* indices as they are in the file, so that negative ones are seen */
} csr_reader;

/* n numbers of a group attribute; `what` says how they should be when they are not. */
static sp_status read_numbers(double *out, size_t n, csr_reader *r, const char *attribute, double low, double high,
                              const char *what, sp_error *err)
{
	bool found;
	sp_status st = sp_h5_get_numbers(out, n, &found, r->file, "/influence", attribute, err);

	if (st != SP_OK)
		return st;
	if (!found)
		return sp_fail(err, SP_BAD_INPUT, "%s:/influence has no attribute %s, expected %s", r->path, attribute,
		               what);
	for (size_t i = 0; i < n; i++)
		if (!(out[i] >= low && out[i] <= high))
			return sp_fail(err, SP_BAD_INPUT, "%s:/influence %s[%zu] is %g, expected %s", r->path,
			               attribute, i, out[i], what);
	return SP_OK;
}

static sp_status read_shape(csr_reader *r, sp_error *err)
{
	double shape[2], size[3];
	sp_h5_info info;
	sp_status st = sp_h5_look(&info, r->file, "/influence", err);

	if (st != SP_OK)
		return st;
	if (info.kind != SP_H5_GROUP)
		return sp_fail(err, SP_BAD_INPUT, "%s: has no group /influence", r->path);
	if ((st = read_numbers(shape, 2, r, "shape", 0, 2147483647.0, "numbers of voxels and bixels below 2^31",
	                       err)) != SP_OK ||
	    (st = read_numbers(size, 3, r, "size", 1, 1e6, "1 to 1e6 voxels along x, y and z", err)) != SP_OK ||
	    (st = read_numbers(r->grid.spacing_mm, 3, r, "spacing_mm", 1e-3, 1e3, "mm from 0.001 to 1000", err)) !=
	            SP_OK ||
	    (st = read_numbers(r->grid.origin_mm, 3, r, "origin_mm", -1e6, 1e6, "mm from -1e6 to 1e6", err)) != SP_OK)
		return st;
	for (int i = 0; i < 3; i++)
		r->grid.n[i] = (size_t)size[i];
	r->n_voxels = (uint64_t)shape[0];
	r->n_columns = (uint64_t)shape[1];
	if (r->n_voxels != sp_grid_voxels(&r->grid))
		return sp_fail(err, SP_BAD_INPUT, "%s:/influence shape has %llu voxels, but the grid %zu x %zu x %zu",
		               r->path, (unsigned long long)r->n_voxels, r->grid.n[0], r->grid.n[1], r->grid.n[2]);
	return SP_OK;
}

/* A whole one-dimensional dataset, malloc'ed; *out stays NULL when it is not there and not required. *n is its length
 * on return, and what it must be unless it comes as UINT64_MAX. */
static sp_status read_vector(void *out, uint64_t *n, csr_reader *r, const char *name, sp_h5_type type, bool required,
                             sp_error *err)
{
	sp_h5_info info;
	void *data;
	char object[64] = "/influence/";
	sp_status st;

	strcat(object, name);
	if ((st = sp_h5_look(&info, r->file, object, err)) != SP_OK || (info.kind == SP_H5_NOTHING && !required))
		return st;
	if ((st = sp_h5_expect(&info, r->file, object, 1, *n == UINT64_MAX ? NULL : n, UINT64_MAX, err)) != SP_OK)
		return st;
	if (*n != UINT64_MAX && info.elements != *n)
		return sp_fail(err, SP_BAD_INPUT, "%s:%s has %llu elements, expected %llu", r->path, object,
		               (unsigned long long)info.elements, (unsigned long long)*n);
	if (!(data = sp_alloc_array(info.elements, sp_h5_type_bytes(type))))
		return sp_fail(err, SP_NO_MEMORY, "%s:%s: out of memory for %llu elements", r->path, object,
		               (unsigned long long)info.elements);
	*n = info.elements;
	if (info.elements && (st = sp_h5_read(r->file, object, type, data, info.elements, err)) != SP_OK)
		free(data);
	else
		memcpy(out, &data, sizeof data);
	return st;
}

static sp_status read_indptr(csr_reader *r, sp_error *err)
{
	uint64_t n = r->n_voxels + 1;
	sp_status st = read_vector(&r->indptr, &n, r, "indptr", SP_H5_U64, true, err);

	if (st != SP_OK)
		return st;
	if (r->indptr[0] != 0)
		return sp_fail(err, SP_BAD_INPUT, "%s:/influence/indptr[0] is %llu, expected 0", r->path,
		               (unsigned long long)r->indptr[0]);
	for (uint64_t v = 0; v < r->n_voxels; v++)
		if (r->indptr[v + 1] < r->indptr[v])
			return sp_fail(err, SP_BAD_INPUT, "%s:/influence/indptr falls from %llu to %llu at voxel %llu",
			               r->path, (unsigned long long)r->indptr[v], (unsigned long long)r->indptr[v + 1],
			               (unsigned long long)v);
	r->n_entries = r->indptr[r->n_voxels];
	return SP_OK;
}

/* The voxels that are rows: as the file says, or those that have entries. Turns indptr into that of the rows. */
static sp_status read_rows(csr_reader *r, sp_error *err)
{
	uint64_t n = UINT64_MAX, entries = 0;
	sp_status st = read_vector(&r->rows, &n, r, "rows", SP_H5_U64, false, err);

	if (st != SP_OK)
		return st;
	if (!r->rows) {
		n = 0;
		if (!(r->rows = sp_alloc_array(r->n_voxels, sizeof *r->rows)))
			return sp_fail(err, SP_NO_MEMORY, "out of memory reading %s", r->path);
		for (uint64_t v = 0; v < r->n_voxels; v++)
			if (r->indptr[v + 1] > r->indptr[v])
				r->rows[n++] = v;
	}
	r->n_rows = (size_t)n;
	for (size_t i = 0; i < r->n_rows; i++) {
		if (r->rows[i] >= r->n_voxels || (i && r->rows[i] <= r->rows[i - 1]))
			return sp_fail(err, SP_BAD_INPUT,
			               "%s:/influence/rows[%zu] is %llu, expected ascending voxels below %llu", r->path,
			               i, (unsigned long long)r->rows[i], (unsigned long long)r->n_voxels);
		entries += r->indptr[r->rows[i] + 1] - r->indptr[r->rows[i]];
	}
	if (entries != r->n_entries)
		return sp_fail(err, SP_BAD_INPUT, "%s:/influence/rows leaves out voxels that have entries", r->path);
	/* rows[i] >= i, so nothing is overwritten before it is read */
	for (size_t i = 0; i < r->n_rows; i++)
		r->indptr[i] = r->indptr[r->rows[i]];
	r->indptr[r->n_rows] = r->n_entries;
	return SP_OK;
}

static sp_status check_entries(csr_reader *r, const char *object, sp_h5_class class, sp_error *err)
{
	sp_h5_info info;
	sp_status st = sp_h5_expect(&info, r->file, object, 1, NULL, UINT64_MAX, err);

	if (st != SP_OK)
		return st;
	if (info.elements != r->n_entries)
		return sp_fail(err, SP_BAD_INPUT, "%s:%s has %llu elements, but indptr ends at %llu", r->path, object,
		               (unsigned long long)info.elements, (unsigned long long)r->n_entries);
	if (info.class != class)
		return sp_fail(err, SP_BAD_INPUT, "%s:%s does not hold %s", r->path, object,
		               class == SP_H5_INTEGER ? "integers" : "floating-point numbers");
	return SP_OK;
}

/* What belongs to the exact matrix is taken as a whole or, for a file of another program, not at all. */
static sp_status read_exact_form(csr_reader *r, sp_error *err)
{
	uint64_t n = r->n_rows;
	sp_status st = read_vector(&r->row_scale, &n, r, "row_scale", SP_H5_F32, false, err);

	for (size_t i = 0; st == SP_OK && r->row_scale && i < r->n_rows; i++)
		if (!(r->row_scale[i] >= 0.0f) || isinf(r->row_scale[i]))
			st = sp_fail(err, SP_BAD_INPUT,
			             "%s:/influence/row_scale[%zu] is %g, expected a finite number >= 0", r->path, i,
			             (double)r->row_scale[i]);
	if (st != SP_OK)
		return st;
	r->n_run_lengths = UINT64_MAX;
	return read_vector(&r->run_length, &r->n_run_lengths, r, "run_length", SP_H5_U32, false, err);
}

/* Entries first .. first + n into data and indices. */
static sp_status read_entries(csr_reader *r, uint64_t first, uint64_t n, sp_error *err)
{
	uint64_t some;
	sp_status st;

	if (n == 0)
		return SP_OK;
	if ((st = sp_h5_read_rows(r->file, "/influence/data", SP_H5_F32, first, n, r->data, n, err)) != SP_OK)
		return st;
	for (uint64_t done = 0; done < n; done += some) {
		some = n - done < READ_ENTRIES ? n - done : READ_ENTRIES;
		if ((st = sp_h5_read_rows(r->file, "/influence/indices", SP_H5_I64, first + done, some, r->wide, some,
		                          err)) != SP_OK)
			return st;
		for (uint64_t i = 0; i < some; i++) {
			if (r->wide[i] < 0 || r->wide[i] >= (int64_t)r->n_columns)
				return sp_fail(
				        err, SP_BAD_INPUT,
				        "%s:/influence/indices[%llu] is %lld, expected a bixel from 0 to below %llu",
				        r->path, (unsigned long long)(first + done + i), (long long)r->wide[i],
				        (unsigned long long)r->n_columns);
			r->indices[done + i] = (uint32_t)r->wide[i];
		}
	}
	return SP_OK;
}

static sp_status read_parts(csr_reader *r, sp_influence *m, sp_error *err)
{
	size_t n, capacity = 0, runs_done = 0, runs = 0;
	char name[512];
	sp_status st = SP_OK;

	snprintf(name, sizeof name, "%s:/influence", r->path);
	if (!(r->wide = sp_alloc_array(READ_ENTRIES, sizeof *r->wide)))
		return sp_fail(err, SP_NO_MEMORY, "out of memory reading %s", r->path);
	for (size_t row = 0; st == SP_OK && row < r->n_rows; row += n) {
		n = sp_csr_rows_of_part(m->device, r->indptr, row, r->n_rows);
		uint64_t n_entries = r->indptr[row + n] - r->indptr[row];

		if (n_entries > capacity) {
			free(r->data);
			free(r->indices);
			capacity = (size_t)n_entries;
			r->data = sp_alloc_array(capacity, sizeof *r->data);
			r->indices = sp_alloc_array(capacity, sizeof *r->indices);
			if (!r->data || !r->indices)
				return sp_fail(err, SP_NO_MEMORY, "out of memory for %zu entries of %s", capacity,
				               r->path);
		}
		if ((st = read_entries(r, r->indptr[row], n_entries, err)) != SP_OK)
			return st;
		sp_csr_rows rows = {.name = name,
		                    .first_row = row,
		                    .n_rows = n,
		                    .indptr = r->indptr + row,
		                    .indices = r->indices,
		                    .data = r->data,
		                    .row_scale = r->row_scale ? r->row_scale + row : NULL,
		                    .run_length = r->run_length ? r->run_length + runs_done : NULL,
		                    .n_run_lengths = (size_t)r->n_run_lengths - runs_done};
		st = sp_influence_append_csr(m, &rows, &runs, err);
		runs_done += runs;
	}
	return st;
}

static void reader_finish(csr_reader *r)
{
	sp_h5_close(r->file);
	free(r->indptr);
	free(r->rows);
	free(r->row_scale);
	free(r->data);
	free(r->run_length);
	free(r->indices);
	free(r->wide);
}

sp_status sp_influence_read(sp_influence **out, sp_device *d, const char *path, sp_error *err)
{
	csr_reader r = {.path = path};
	sp_influence *m = NULL;
	sp_status st = sp_h5_open(&r.file, path, err);

	*out = NULL;
	if (st != SP_OK || (st = read_shape(&r, err)) != SP_OK || (st = read_indptr(&r, err)) != SP_OK ||
	    (st = check_entries(&r, "/influence/data", SP_H5_FLOAT, err)) != SP_OK ||
	    (st = check_entries(&r, "/influence/indices", SP_H5_INTEGER, err)) != SP_OK ||
	    (st = read_rows(&r, err)) != SP_OK || (st = read_exact_form(&r, err)) != SP_OK ||
	    (st = sp_influence_create(&m, d, &r.grid, r.rows, r.n_rows, (size_t)r.n_columns, err)) != SP_OK ||
	    (st = read_parts(&r, m, err)) != SP_OK)
		goto cleanup;
	*out = m;
	m = NULL;
cleanup:
	reader_finish(&r);
	sp_influence_destroy(m);
	return st;
}
