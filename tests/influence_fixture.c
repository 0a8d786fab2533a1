#include "influence_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "log.h"

static unsigned random_below(uint64_t *state, unsigned n)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)((*state >> 33) % n);
}

/* As the matrix rounds a row, so that the reference knows the same numbers. */
static void round_row(float *data, uint64_t begin, uint64_t end)
{
	float largest = 0.0f, scale;

	for (uint64_t e = begin; e < end; e++)
		largest = fmaxf(largest, data[e]);
	scale = largest / 65535.0f;
	for (uint64_t e = begin; e < end; e++)
		data[e] = scale * (float)rint((double)data[e] / (double)scale);
}

csr random_csr(size_t n_rows, size_t n_columns, unsigned seed)
{
	csr c = {.n_rows = n_rows, .n_columns = n_columns};
	uint64_t s = seed * 7919u + 1, n = 0;

	c.grid = (sp_grid){{17, 3, n_rows / 17 + 1}, {1.5, 2.0, 2.5}, {-10.0, 4.0, 7.0}};
	c.rows = calloc(n_rows + 1, sizeof *c.rows);
	c.indptr = calloc(n_rows + 1, sizeof *c.indptr);
	c.indices = calloc(n_rows * n_columns + 1, sizeof *c.indices);
	c.data = calloc(n_rows * n_columns + 1, sizeof *c.data);
	for (size_t row = 0; row < n_rows; row++) {
		size_t column = random_below(&s, 4) ? random_below(&s, 9) : n_columns;

		c.rows[row] = 3 * row + random_below(&s, 3);
		while (column < n_columns) {
			size_t length = random_below(&s, 3) ? 1 + random_below(&s, 40) : 1;

			for (; length && column < n_columns; length--) {
				c.indices[n] = (uint32_t)column++;
				c.data[n++] = 1e-3f * (float)(1 + random_below(&s, 100000));
			}
			column += random_below(&s, 20);
		}
		c.indptr[row + 1] = n;
		round_row(c.data, c.indptr[row], n);
	}
	return c;
}

void csr_finish(csr *c)
{
	free(c->rows);
	free(c->indptr);
	free(c->indices);
	free(c->data);
}

float *random_vector(size_t n, unsigned seed)
{
	float *v = calloc(n + 1, sizeof *v);
	uint64_t s = seed;

	for (size_t i = 0; i < n; i++)
		v[i] = ((float)random_below(&s, 1000000) + 0.5f) / 1e6f;
	return v;
}

double reference_dose(const csr *c, size_t row, const float *w)
{
	double sum = 0.0;

	for (uint64_t e = c->indptr[row]; e < c->indptr[row + 1]; e++)
		sum += (double)c->data[e] * (double)w[c->indices[e]];
	return sum;
}

double *reference_gradient(const csr *c, size_t n_rows, const float *g)
{
	double *sums = calloc(c->n_columns + 1, sizeof *sums);

	for (size_t row = 0; row < n_rows; row++)
		for (uint64_t e = c->indptr[row]; e < c->indptr[row + 1]; e++)
			sums[c->indices[e]] += (double)c->data[e] * (double)g[row];
	return sums;
}

static void assert_ok(sp_status st, const sp_error *err)
{
	if (st != SP_OK)
		fail_msg("%s", err->text);
}

sp_influence *matrix_of(sp_device *d, const csr *c, sp_product_way way, bool local_sums, bool copies)
{
	sp_influence *m;
	sp_error err = {0};

	assert_ok(sp_influence_from_csr(&m, d, &c->grid, c->rows, c->n_rows, c->n_columns, c->indptr, c->indices,
	                                c->data, &err),
	          &err);
	assert_ok(sp_influence_prepare_as(m, way, local_sums, &err), &err);
	m->copy_host_parts = copies;
	return m;
}

typedef sp_status product(sp_influence *m, cl_mem out, cl_mem in, sp_error *err);

static float *run(sp_influence *m, product *f, size_t n_out, const float *in, size_t n_in)
{
	float *out = calloc(n_out + 1, sizeof *out);
	cl_mem in_buffer, out_buffer;
	sp_error err = {0};

	for (size_t i = 0; i < n_out; i++)
		out[i] = NAN; /* an element that is never written shows */
	assert_ok(sp_buffer_create(&in_buffer, m->device, CL_MEM_READ_ONLY, n_in * sizeof *in, in, "in", &err), &err);
	assert_ok(sp_buffer_create(&out_buffer, m->device, CL_MEM_READ_WRITE, n_out * sizeof *out, out, "out", &err),
	          &err);
	assert_ok(f(m, out_buffer, in_buffer, &err), &err);
	assert_ok(sp_buffer_read(m->device, out_buffer, 0, n_out * sizeof *out, out, &err), &err);
	sp_buffer_release(&in_buffer);
	sp_buffer_release(&out_buffer);
	return out;
}

float *multiply(sp_influence *m, const float *w)
{
	return run(m, sp_influence_multiply, m->n_rows, w, m->n_columns);
}

float *multiply_transposed(sp_influence *m, const float *g)
{
	return run(m, sp_influence_multiply_transposed, m->n_columns, g, m->n_rows);
}

int influence_set_up(void **state)
{
	fixture *f = calloc(1, sizeof *f);
	/* a simulator of a device is slow; there, only reaching every line counts */
	bool small = getenv("SPINEPLAN_SMALL_TESTS") != NULL;
	sp_error err = {0};

	sp_log_set_level(SP_LOG_QUIET);
	unsetenv("SPINEPLAN_DEVICE_MEMORY_MB");
	*state = f;
	f->matrix = small ? random_csr(120, 40, 7) : random_csr(3000, 700, 7);
	if (sp_device_open(&f->device, NULL, &err) == SP_OK) {
		setenv("SPINEPLAN_DEVICE_MEMORY_MB", small ? "0.008" : "1.5", 1);
		sp_device_open(&f->small, NULL, &err);
		unsetenv("SPINEPLAN_DEVICE_MEMORY_MB");
	}
	if (err.status != SP_OK)
		fprintf(stderr, "%s\n", err.text);
	return err.status == SP_OK ? 0 : -1;
}

int influence_tear_down(void **state)
{
	fixture *f = *state;

	csr_finish(&f->matrix);
	sp_device_close(f->small);
	sp_device_close(f->device);
	free(f);
	return 0;
}
