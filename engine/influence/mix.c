/* A new matrix whose columns are sums of another's, made on the host: each row once, dense while it is summed. */
#include "influence_internal.h"

#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "shared/influence_part.h"

/* Sums that are held at a time, 64 MB and as much again for their columns. */
#define MOST_SUMS ((size_t)1 << 24)

typedef struct {
	float *sums; /* [row of the block][new column], and afterwards those above 0 alone */
	uint64_t *indptr;
	uint32_t *indices;
} block;

static void block_finish(block *b)
{
	free(b->sums);
	free(b->indptr);
	free(b->indices);
}

static sp_status block_init(block *b, size_t n_rows, size_t n_columns, sp_error *err)
{
	*b = (block){.sums = sp_alloc_array(n_rows * n_columns, sizeof *b->sums),
	             .indptr = sp_alloc_array(n_rows + 1, sizeof *b->indptr),
	             .indices = sp_alloc_array(n_rows * n_columns, sizeof *b->indices)};
	if (b->sums && b->indptr && b->indices)
		return SP_OK;
	return sp_fail(err, SP_NO_MEMORY, "no memory to sum columns of %zu rows of the influence matrix", n_rows);
}

/* arrays: row_run, run_column, run_value, row_scale, value of a part. */
static void sum_row(float *sums, void *const arrays[SP_PART_ARRAYS], size_t row, const sp_column_mix *mix)
{
	const uint32_t *row_run = arrays[0], *run_column = arrays[1], *run_value = arrays[2];
	const float scale = ((const float *)arrays[3])[row];
	const uint16_t *value = arrays[4];

	memset(sums, 0, mix->n_columns * sizeof *sums);
	for (uint32_t run = row_run[row]; run < row_run[row + 1]; run++) {
		const size_t *first = mix->first + run_column[run];

		for (uint32_t v = run_value[run]; v < run_value[run + 1]; v++, first++) {
			const float dose = scale * (float)value[v];

			for (size_t e = first[0]; e < first[1]; e++)
				sums[mix->column[e]] += mix->factor[e] * dose;
		}
	}
}

/* Rows begin to begin + n of a part go to the end of `to`. */
static sp_status mix_block(block *b, sp_influence *to, void *const arrays[SP_PART_ARRAYS], size_t begin, size_t n,
                           const sp_column_mix *mix, sp_error *err)
{
	const size_t columns = mix->n_columns;
	uint64_t entries = 0;
	sp_status st = SP_OK;

#pragma omp parallel for schedule(static)
	for (size_t i = 0; i < n; i++)
		sum_row(b->sums + i * columns, arrays, begin + i, mix);
	for (size_t i = 0; i < n; i++) { /* to the front: entries is never past i * columns + k */
		for (size_t k = 0; k < columns; k++)
			if (b->sums[i * columns + k] > 0.0f) {
				b->indices[entries] = (uint32_t)k;
				b->sums[entries++] = b->sums[i * columns + k];
			}
		b->indptr[i + 1] = entries;
	}
	for (size_t row = 0, fit; st == SP_OK && row < n; row += fit) {
		fit = sp_csr_rows_of_part(to->device, b->indptr, row, n);
		st = sp_influence_append_csr(to,
		                             &(sp_csr_rows){.name = "influence matrix",
		                                            .first_row = to->n_rows_filled,
		                                            .n_rows = fit,
		                                            .indptr = b->indptr + row,
		                                            .indices = b->indices + b->indptr[row],
		                                            .data = b->sums + b->indptr[row]},
		                             NULL, err);
	}
	return st;
}

static sp_status mix_part(sp_influence *to, sp_influence *m, size_t part, const sp_column_mix *mix, size_t most_sums,
                          sp_error *err)
{
	const size_t n = m->parts[part].part.n_rows, fit = most_sums / (mix->n_columns ? mix->n_columns : 1),
	             at_a_time = fit ? fit : 1;
	void *arrays[SP_PART_ARRAYS];
	block b;
	sp_status st = block_init(&b, at_a_time < n ? at_a_time : n, mix->n_columns, err);

	if (st == SP_OK && (st = sp_influence_host(arrays, m, part, err)) == SP_OK) {
		for (size_t row = 0; st == SP_OK && row < n; row += at_a_time)
			st = mix_block(&b, to, arrays, row, n - row < at_a_time ? n - row : at_a_time, mix, err);
		sp_influence_host_done(m, part, arrays);
	}
	block_finish(&b);
	return st;
}

sp_status sp_influence_mix_columns_as(sp_influence **out, sp_influence *m, const sp_column_mix *mix, size_t most_sums,
                                      sp_error *err)
{
	sp_influence *to = NULL;
	sp_status st;

	*out = NULL;
	if (m->n_rows_filled < m->n_rows)
		return sp_fail(err, SP_FAILED,
		               "summing columns of an influence matrix of which %zu of %zu rows are there",
		               m->n_rows_filled, m->n_rows);
	st = sp_influence_create(&to, m->device, &m->grid, m->rows, m->n_rows, mix->n_columns, err);
	for (size_t i = 0; st == SP_OK && i < m->n_parts; i++)
		st = mix_part(to, m, i, mix, most_sums, err);
	if (st == SP_OK)
		*out = to;
	else
		sp_influence_destroy(to);
	return st;
}

sp_status sp_influence_mix_columns(sp_influence **out, sp_influence *m, const sp_column_mix *mix, sp_error *err)
{
	return sp_influence_mix_columns_as(out, m, mix, MOST_SUMS, err);
}
