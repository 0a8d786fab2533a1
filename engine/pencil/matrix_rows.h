/* The rows of an influence matrix that one device fills; matrix.c shares them out. */
#ifndef SP_PENCIL_MATRIX_ROWS_H
#define SP_PENCIL_MATRIX_ROWS_H

#include <pthread.h>

#include "pencil_internal.h"

/* What the devices of one matrix have in common. */
typedef struct {
	sp_influence *matrix;
	pthread_mutex_t *placing; /* held while a part is placed in it */
	sp_pencil_layout layout;
	sp_grid dose_grid;
	const uint64_t *voxels; /* of the rows */
	size_t n_voxels, rows_per_block;
	cl_uint reach; /* the cut-off in lattice units */
} sp_pencil_matrix;

/* One device's work. Zeroed, it can be finished. */
typedef struct {
	const sp_pencil_matrix *whole;
	const sp_pencil *p;
	sp_device *d;
	size_t most_values, most_scratch;
	cl_kernel trace, mark, locate, count, fill;
	cl_mem grid, beams, segments, first_segment, half_chord, fan, scratch;
	/* of the current block */
	size_t first, n;
	cl_mem block_voxels, marks, place, depth, counts;
	cl_uint2 *host_counts;
	cl_uint *row_run, *row_value; /* of the part at hand */
} sp_pencil_rows;

/* How many rows the device's memory allows at a time. */
size_t sp_pencil_rows_most(const sp_pencil *p, const sp_pencil_layout *l);

sp_status sp_pencil_rows_start(sp_pencil_rows *j, const sp_pencil_matrix *whole, const sp_pencil *p, sp_error *err);

/* Fills rows first_row .. first_row + n_rows - 1 (at most rows_per_block of them) and places them in the matrix. */
sp_status sp_pencil_rows_fill(sp_pencil_rows *j, size_t first_row, size_t n_rows, sp_error *err);

void sp_pencil_rows_finish(sp_pencil_rows *j);

#endif
