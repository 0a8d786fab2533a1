/* Random sparse matrices for the tests of the influence matrix, and the plain reference for their products. */
#ifndef SP_INFLUENCE_FIXTURE_H
#define SP_INFLUENCE_FIXTURE_H

#include "influence_internal.h"

/* Compressed rows whose data are already rounded as the matrix rounds them. */
typedef struct {
	sp_grid grid;
	size_t n_rows, n_columns;
	uint64_t *rows, *indptr;
	uint32_t *indices;
	float *data;
} csr;

/* Rows with gaps between them, with no, one or several runs of 1 to 40 entries; some runs touch. */
csr random_csr(size_t n_rows, size_t n_columns, unsigned seed);
void csr_finish(csr *c);

/* n numbers in (0, 1). */
float *random_vector(size_t n, unsigned seed);

double reference_dose(const csr *c, size_t row, const float *w);
/* D^T g of the first n_rows rows; malloc'ed. */
double *reference_gradient(const csr *c, size_t n_rows, const float *g);

/* The matrix of c; fails the test when that fails. */
sp_influence *matrix_of(sp_device *d, const csr *c, sp_product_way way, bool local_sums, bool copies);

/* D w and D^T g read back; malloc'ed. */
float *multiply(sp_influence *m, const float *w);
float *multiply_transposed(sp_influence *m, const float *g);

/* The whole program's fixture: the device as it is, the same with a memory limit below the matrix's size, a matrix. */
typedef struct {
	sp_device *device, *small;
	csr matrix;
} fixture;

int influence_set_up(void **state);
int influence_tear_down(void **state);

#endif
