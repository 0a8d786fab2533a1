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
 *   bixels     float32  (bixels, 3): beam, x_mm, y_mm
 *   beams      float64  (beams, 6): gantry, collimator, couch (degrees), isocentre x, y, z (mm); attributes machine,
 *                       energy_mv, sad_mm, bixel_mm
 *
 * store_read.c reads it. */
#include "influence_internal.h"

#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "h5.h"

#define WRITE_ENTRIES ((size_t)1 << 20) /* entries that are converted and written at a time */

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

static sp_status write_beams(csr_writer *w, const sp_influence_beams *b, sp_error *err)
{
	static const char path[] = "/influence/beams";
	const uint64_t dims[2] = {b->n, 6};
	sp_status st = sp_h5_write(w->file, path, SP_H5_F64, 2, dims, false, b->setups, err);

	if (st != SP_OK || (st = sp_h5_set_text(w->file, path, "machine", b->machine, err)) != SP_OK ||
	    (st = sp_h5_set_numbers(w->file, path, "energy_mv", SP_H5_F64, 1, &b->energy_mv, err)) != SP_OK ||
	    (st = sp_h5_set_numbers(w->file, path, "sad_mm", SP_H5_F64, 1, &b->sad_mm, err)) != SP_OK)
		return st;
	return sp_h5_set_numbers(w->file, path, "bixel_mm", SP_H5_F64, 1, &b->bixel_mm, err);
}

sp_status sp_influence_write(sp_influence *m, const float *bixels, const sp_influence_beams *beams, const char *path,
                             sp_error *err)
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
	    (st = write_parts(&w, m, err)) == SP_OK && (st = write_rest(&w, m, bixels, err)) == SP_OK &&
	    (!beams || (st = write_beams(&w, beams, err)) == SP_OK))
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
