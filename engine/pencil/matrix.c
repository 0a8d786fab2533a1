/* The influence matrix, its rows shared out in blocks over the devices that the engine is on; matrix_rows.c fills them.
 * The devices take rows and not columns, since a row's scale depends on all of its columns: so the matrix is, bit for
 * bit, that of one device. */
#include "matrix_rows.h"

#include "alloc.h"

#include <math.h>
#include <stdlib.h>

/* Rows differ in length, so that several blocks for each device keep all of them busy to the end; each block traces all
 * beams anew, so that they are few. */
#define BLOCKS_A_DEVICE 4

typedef struct {
	const sp_pencil_matrix *whole;
	sp_pencil_rows *on; /* by device */
} blocks;

static sp_status take_block(void *context, size_t worker, uint64_t piece, sp_error *err)
{
	const blocks *b = context;
	size_t first = (size_t)piece * b->whole->rows_per_block, left = b->whole->n_voxels - first;

	return sp_pencil_rows_fill(&b->on[worker], first,
	                           left < b->whole->rows_per_block ? left : b->whole->rows_per_block, err);
}

static sp_status fill(sp_pencil_matrix *m, sp_pencil *p, sp_error *err)
{
	size_t devices = 1 + p->n_others, started = 0;
	sp_pencil_rows *on = sp_alloc_array(devices, sizeof *on);
	sp_status st = SP_OK;

	if (!on)
		return sp_fail(err, SP_NO_MEMORY, "no memory for an influence matrix on %zu devices", devices);
	m->rows_per_block = sp_pencil_rows_most(p, &m->layout);
	for (size_t i = 0; i < p->n_others; i++) {
		size_t most = sp_pencil_rows_most(p->others[i], &m->layout);
		size_t even = m->n_voxels / (devices * BLOCKS_A_DEVICE) + 1;

		most = most < even ? most : even;
		m->rows_per_block = most < m->rows_per_block ? most : m->rows_per_block;
	}
	if (m->rows_per_block > m->n_voxels)
		m->rows_per_block = m->n_voxels;
	while (st == SP_OK && started < devices) {
		st = sp_pencil_rows_start(&on[started], m, started ? p->others[started - 1] : p, err);
		started++; /* what a failure has left is freed too */
	}
	if (st == SP_OK && m->n_voxels)
		st = sp_device_share(take_block, &(blocks){m, on}, devices,
		                     (m->n_voxels + m->rows_per_block - 1) / m->rows_per_block, err);
	for (size_t i = 0; i < started; i++)
		sp_pencil_rows_finish(&on[i]);
	free(on);
	return st;
}

sp_status sp_pencil_influence(sp_influence **out, sp_pencil *p, const sp_beam_set *beams, const sp_grid *dose_grid,
                              const uint64_t *voxels, size_t n_voxels, double cutoff_mm, sp_error *err)
{
	pthread_mutex_t placing = PTHREAD_MUTEX_INITIALIZER;
	sp_pencil_matrix m = {.placing = &placing, .dose_grid = *dose_grid, .voxels = voxels, .n_voxels = n_voxels};
	sp_status st;

	*out = NULL;
	if (!(cutoff_mm >= beams->bixel_mm && cutoff_mm <= 1000.0))
		return sp_fail(err, SP_BAD_INPUT, "the cut-off is %g mm, expected one bixel (%g mm) to 1000", cutoff_mm,
		               beams->bixel_mm);
	m.reach = (cl_uint)floor(cutoff_mm / beams->bixel_mm * SP_LATTICE_UNITS + 1e-6);
	if ((st = sp_pencil_layout_make(&m.layout, p, beams, dose_grid, cutoff_mm, err)) == SP_OK &&
	    (st = sp_influence_create(&m.matrix, p->device, dose_grid, voxels, n_voxels, beams->n_bixels, err)) ==
	            SP_OK &&
	    (st = fill(&m, p, err)) == SP_OK) {
		*out = m.matrix;
		m.matrix = NULL;
	}
	sp_influence_destroy(m.matrix);
	sp_pencil_layout_finish(&m.layout);
	return st;
}
