/* Inside the influence matrix: influence.c keeps the parts, append.c takes them in, multiply.c makes the products
 * (kernels: cl_kernels/influence.cl), csr.c builds parts from compressed rows, select.c takes rows out, mix.c sums
 * columns, store_write.c and store_read.c are the file. */
#ifndef SP_INFLUENCE_INTERNAL_H
#define SP_INFLUENCE_INTERNAL_H

#include "influence.h"

#define SP_PART_ARRAYS 5 /* row_run, run_column, run_value, row_scale, value */

/* A part with its buffers on the device, or (then all cl_mem are NULL) its arrays on the host. */
typedef struct {
	sp_influence_part part;
	void *host[SP_PART_ARRAYS];
	size_t bytes;
	bool resident;
} sp_stored_part;

/* Which kernels multiply: by whole rows with vectors (CPU) or by lanes (GPU); see cl_kernels/influence.cl. */
typedef enum { SP_PRODUCT_ROWS, SP_PRODUCT_LANES } sp_product_way;

struct sp_influence {
	sp_device *device;
	sp_grid grid;
	uint64_t *rows; /* voxels */
	size_t n_rows, n_columns;
	size_t n_rows_filled; /* rows of the parts so far */
	uint64_t n_values, n_bytes;
	sp_stored_part *parts;
	size_t n_parts, parts_capacity;

	sp_product_way way;
	bool copy_host_parts;                /* bring host parts over by copying, else the device reads host memory */
	cl_kernel multiply, accumulate, sum; /* made by sp_influence_prepare */
	cl_mem weights, accumulator;         /* weights with room behind them; one accumulator row a block */
	size_t stride, n_blocks, rows_per_block; /* of the accumulators */
	bool local_sums;                         /* accumulators are kept in local memory (lanes) */
	cl_mem stage[SP_PART_ARRAYS];            /* where copied host parts go */
	size_t stage_bytes[SP_PART_ARRAYS];
};

/* Byte sizes of a part's arrays, and pointers to its buffers, in the same order. */
void sp_part_sizes(size_t out[SP_PART_ARRAYS], const sp_influence_part *part);
void sp_part_buffers(cl_mem *out[SP_PART_ARRAYS], sp_influence_part *part);
void sp_part_release(sp_influence_part *part);
void sp_influence_destroy_part(sp_influence *m, sp_stored_part *stored);

/* A part as the device can use it: *out borrows or holds buffers until sp_influence_unview; use one at a time. */
sp_status sp_influence_view(sp_influence_part *out, sp_influence *m, size_t part, sp_error *err);
void sp_influence_unview(sp_influence *m, size_t part, sp_influence_part *view);

/* A part's arrays on the host, read-only; sp_influence_host_done frees what was copied. */
sp_status sp_influence_host(void *out[SP_PART_ARRAYS], sp_influence *m, size_t part, sp_error *err);
void sp_influence_host_done(sp_influence *m, size_t part, void *arrays[SP_PART_ARRAYS]);

/* Bytes that a part should stay below, so that building and streaming leave room for everything else. */
size_t sp_influence_part_limit(const sp_device *d);

/* Makes kernels and buffers for the products as they suit the device, or in a given way (tests try all on one device):
 * local_sums keeps the accumulators of D^T g in local memory. */
sp_status sp_influence_prepare(sp_influence *m, sp_error *err);
sp_status sp_influence_prepare_as(sp_influence *m, sp_product_way way, bool local_sums, sp_error *err);
void sp_influence_unprepare(sp_influence *m);

/* A kernel of influence.cl, all built with the options of m. */
sp_status sp_influence_kernel(cl_kernel *out, sp_influence *m, const char *kernel, sp_error *err);

/* Sums at most most_sums entries at a time (tests take few). */
sp_status sp_influence_mix_columns_as(sp_influence **out, sp_influence *m, const sp_column_mix *mix, size_t most_sums,
                                      sp_error *err);

/* Compressed rows on their way into a matrix; messages call them `name` and count rows from first_row. indptr may start
 * above 0: indices and data begin with entry indptr[0]. row_scale and run_length are NULL, or what an earlier matrix
 * had, to get exactly its numbers and runs. */
typedef struct {
	const char *name;
	size_t first_row, n_rows;
	const uint64_t *indptr;
	const uint32_t *indices;
	const float *data;
	const float *row_scale;
	const uint32_t *run_length;
	size_t n_run_lengths;
} sp_csr_rows;

/* Appends the rows as one part and tells (unless NULL) how many run lengths it has used. */
sp_status sp_influence_append_csr(sp_influence *m, const sp_csr_rows *rows, size_t *run_lengths_used, sp_error *err);

/* How many rows from `first` on fit one part. At least 1 when first < n_rows. */
size_t sp_csr_rows_of_part(const sp_device *d, const uint64_t *indptr, size_t first, size_t n_rows);

#endif
