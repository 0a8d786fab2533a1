/* The matrix in a file: HDF5 group /influence, compressed rows (CSR) as scipy has them, over all voxels of the grid:
 *
 *   data     float32  doses (Gy per unit weight)        attributes of the group: shape (voxels, bixels);
 *   indices  uint32   columns                           size, spacing_mm, origin_mm of the grid (x, y, z)
 *   indptr   uint64   first entry of each voxel, voxels + 1
 *
 * and beside them what makes the matrix the same bit for bit when it is read (a file of another program lacks it):
 *
 *   rows       uint64   the voxels that are rows, also those without entries
 *   row_scale  float32  of each row (cl_kernels/shared/influence_part.h)
 *   run_length uint32   entries of each run
 *   bixels     float32  (bixels, 3): beam, x_mm, y_mm */
#include "influence_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "h5.h"

#define WRITE_ENTRIES ((size_t)1 << 20) /* entries that are converted and written at a time */
#define READ_ENTRIES ((size_t)1 << 22)  /* many of the file's chunks, so that few are read twice */

/* ---- writing ---- */

/* The entries of a matrix on their way into the file. */
typedef struct {
	sp_h5_out *file;
	float *data, *row_scale;
	uint32_t *indices, *run_length;
	uint64_t *indptr;
	size_t used;                    /* of data and indices */
	uint64_t written, runs_written; /* entries and runs that the file has */
} csr_writer;

static sp_status flush_entries(csr_writer *w, sp_error *err)
{
	sp_status st = SP_OK;

	if (w->used == 0)
		return SP_OK;
	if ((st = sp_h5_write_rows(w->file, "/influence/data", SP_H5_F32, w->written, w->used, w->data, err)) == SP_OK)
		st = sp_h5_write_rows(w->file, "/influence/indices", SP_H5_U32, w->written, w->used, w->indices, err);
	w->written += w->used;
	w->used = 0;
	return st;
}

/* Writes one part; its arrays are in the order of sp_part_sizes. */
static sp_status write_part(csr_writer *w, const sp_influence *m, const sp_influence_part *part,
                            void *const arrays[SP_PART_ARRAYS], sp_error *err)
{
	const uint32_t *row_run = arrays[0], *run_column = arrays[1], *run_value = arrays[2];
	const float *row_scale = arrays[3];
	const uint16_t *value = arrays[4];
	sp_status st = SP_OK;

	for (size_t row = 0; row < part->n_rows; row++) {
		for (uint32_t run = row_run[row]; run < row_run[row + 1]; run++)
			for (uint32_t v = run_value[run]; v < run_value[run + 1]; v++) {
				w->data[w->used] = row_scale[row] * (float)value[v];
				w->indices[w->used++] = run_column[run] + (v - run_value[run]);
				if (w->used == WRITE_ENTRIES && (st = flush_entries(w, err)) != SP_OK)
					return st;
			}
		w->indptr[m->rows[part->first_row + row] + 1] = w->written + w->used;
		w->row_scale[part->first_row + row] = row_scale[row];
	}
	for (size_t run = 0; st == SP_OK && run < part->n_runs;) {
		size_t n = part->n_runs - run < WRITE_ENTRIES ? part->n_runs - run : WRITE_ENTRIES;

		for (size_t i = 0; i < n; i++)
			w->run_length[i] = run_value[run + i + 1] - run_value[run + i];
		st = sp_h5_write_rows(w->file, "/influence/run_length", SP_H5_U32, w->runs_written, n, w->run_length,
		                      err);
		w->runs_written += n;
		run += n;
	}
	return st;
}

static sp_status write_parts(csr_writer *w, sp_influence *m, sp_error *err)
{
	void *arrays[SP_PART_ARRAYS];
	size_t n_voxels = sp_grid_voxels(&m->grid);
	sp_status st = SP_OK;

	for (size_t p = 0; st == SP_OK && p < m->n_parts; p++) {
		if ((st = sp_influence_host(arrays, m, p, err)) != SP_OK)
			return st;
		st = write_part(w, m, &m->parts[p].part, arrays, err);
		sp_influence_host_done(m, p, arrays);
	}
	if (st != SP_OK || (st = flush_entries(w, err)) != SP_OK)
		return st;
	/* voxels that are no rows begin where the last row ended */
	for (size_t v = 0; v < n_voxels; v++)
		if (w->indptr[v + 1] < w->indptr[v])
			w->indptr[v + 1] = w->indptr[v];
	return SP_OK;
}

static sp_status begin_file(csr_writer *w, const sp_influence *m, sp_error *err)
{
	uint64_t n_runs = 0, shape[2] = {sp_grid_voxels(&m->grid), m->n_columns};
	const uint64_t size[3] = {m->grid.n[0], m->grid.n[1], m->grid.n[2]};
	sp_status st;

	for (size_t p = 0; p < m->n_parts; p++)
		n_runs += m->parts[p].part.n_runs;
	if ((st = sp_h5_write_group(w->file, "/influence", err)) != SP_OK ||
	    (st = sp_h5_set_numbers(w->file, "/influence", "shape", SP_H5_U64, 2, shape, err)) != SP_OK ||
	    (st = sp_h5_set_numbers(w->file, "/influence", "size", SP_H5_U64, 3, size, err)) != SP_OK ||
	    (st = sp_h5_set_numbers(w->file, "/influence", "spacing_mm", SP_H5_F64, 3, m->grid.spacing_mm, err)) !=
	            SP_OK ||
	    (st = sp_h5_set_numbers(w->file, "/influence", "origin_mm", SP_H5_F64, 3, m->grid.origin_mm, err)) !=
	            SP_OK ||
	    (st = sp_h5_set_text(w->file, "/influence", "unit", "Gy per unit bixel weight", err)) != SP_OK ||
	    /* doses look random to deflate: a quarter smaller, but ten times slower to write */
	    (st = sp_h5_write_begin(w->file, "/influence/data", SP_H5_F32, 1, &m->n_values, false, err)) != SP_OK ||
	    (st = sp_h5_write_begin(w->file, "/influence/indices", SP_H5_U32, 1, &m->n_values, true, err)) != SP_OK)
		return st;
	return sp_h5_write_begin(w->file, "/influence/run_length", SP_H5_U32, 1, &n_runs, true, err);
}

static sp_status write_rest(csr_writer *w, const sp_influence *m, const float *bixels, sp_error *err)
{
	const uint64_t n_indptr = sp_grid_voxels(&m->grid) + 1, n_rows = m->n_rows, bixel_dims[2] = {m->n_columns, 3};
	sp_status st;

	if ((st = sp_h5_write(w->file, "/influence/indptr", SP_H5_U64, 1, &n_indptr, true, w->indptr, err)) != SP_OK ||
	    (st = sp_h5_write(w->file, "/influence/rows", SP_H5_U64, 1, &n_rows, true, m->rows, err)) != SP_OK ||
	    (st = sp_h5_write(w->file, "/influence/row_scale", SP_H5_F32, 1, &n_rows, true, w->row_scale, err)) !=
	            SP_OK)
		return st;
	if (bixels)
		st = sp_h5_write(w->file, "/influence/bixels", SP_H5_F32, 2, bixel_dims, true, bixels, err);
	return st;
}

sp_status sp_influence_write(sp_influence *m, const float *bixels, const char *path, sp_error *err)
{
	csr_writer w = {0};
	sp_status st;

	w.data = sp_alloc_array(WRITE_ENTRIES, sizeof *w.data);
	w.indices = sp_alloc_array(WRITE_ENTRIES, sizeof *w.indices);
	w.run_length = sp_alloc_array(WRITE_ENTRIES, sizeof *w.run_length);
	w.row_scale = sp_alloc_array(m->n_rows, sizeof *w.row_scale);
	w.indptr = sp_alloc_array(sp_grid_voxels(&m->grid) + 1, sizeof *w.indptr);
	if (!w.data || !w.indices || !w.run_length || !w.row_scale || !w.indptr) {
		st = sp_fail(err, SP_NO_MEMORY, "out of memory writing %s", path);
		goto cleanup;
	}
	if ((st = sp_h5_create(&w.file, path, err)) == SP_OK && (st = begin_file(&w, m, err)) == SP_OK &&
	    (st = write_parts(&w, m, err)) == SP_OK && (st = write_rest(&w, m, bixels, err)) == SP_OK)
		st = sp_h5_commit(&w.file, err);
cleanup:
	sp_h5_abandon(w.file);
	free(w.data);
	free(w.indices);
	free(w.run_length);
	free(w.row_scale);
	free(w.indptr);
	return st;
}

/* ---- reading ---- */

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
