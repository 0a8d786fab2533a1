/* D w and D^T g, part by part. The loops are in cl_kernels/influence.cl. */
#include "influence_internal.h"

#include <stdio.h>

#define VECTOR 8           /* as in the kernels */
#define ROWS_PER_ITEM 32   /* as in the kernels; small enough to share rows evenly, large enough to hide the call */
#define LANES_GROUP 64     /* work-items to a row or block on a GPU: one or two warps or wavefronts */
#define STRIDE_MULTIPLE 16 /* floats in a cache line: blocks share none */

/* Blocks of rows with an accumulator each, for D^T g. The number is fixed, and not taken from the device's compute
 * units, so that machines of different size give the same bits; it serves 100 cores or GPU multiprocessors, and their
 * accumulators (ROOM floats at most) are small beside the matrix. */
#define CPU_BLOCKS 256
#define GPU_BLOCKS 1024
#define ACCUMULATOR_ROOM ((size_t)1 << 25)
#define FEWEST_BLOCK_ROWS 16 /* so that clearing and adding accumulators stays cheap beside filling them */

/* PoCL hands at least 32 work-groups at a time to a thread, which would leave threads idle when blocks are few. So each
 * block gets 32 work-groups, of which only the first does anything. */
#define CPU_SPREAD 32

static void choose_blocks(sp_influence *m)
{
	size_t n_blocks = m->way == SP_PRODUCT_ROWS ? CPU_BLOCKS : GPU_BLOCKS;

	m->stride = (m->n_columns + VECTOR + STRIDE_MULTIPLE - 1) / STRIDE_MULTIPLE * STRIDE_MULTIPLE;
	if (n_blocks > ACCUMULATOR_ROOM / m->stride)
		n_blocks = ACCUMULATOR_ROOM / m->stride;
	if (n_blocks < 1)
		n_blocks = 1;
	m->rows_per_block = (m->n_rows + n_blocks - 1) / n_blocks;
	if (m->rows_per_block < FEWEST_BLOCK_ROWS)
		m->rows_per_block = FEWEST_BLOCK_ROWS;
	m->n_blocks = (m->n_rows + m->rows_per_block - 1) / m->rows_per_block;
}

sp_status sp_influence_prepare(sp_influence *m, sp_error *err)
{
	const sp_device_info *info = sp_device_describe(m->device);
	/* two thirds of local memory leave some for the compiler */
	bool local_sums = m->n_columns * sizeof(float) <= info->local_bytes / 3 * 2;

	if (info->is_cpu)
		return sp_influence_prepare_as(m, SP_PRODUCT_ROWS, false, err);
	return sp_influence_prepare_as(m, SP_PRODUCT_LANES, local_sums, err);
}

sp_status sp_influence_kernel(cl_kernel *out, sp_influence *m, const char *kernel, sp_error *err)
{
	char options[128];

	snprintf(options, sizeof options, "-DGROUP=%d -DROWS_PER_ITEM=%d%s", LANES_GROUP, ROWS_PER_ITEM,
	         m->local_sums ? " -DLOCAL_SUMS" : "");
	return sp_device_kernel(out, m->device, "influence.cl", kernel, options, err);
}

sp_status sp_influence_prepare_as(sp_influence *m, sp_product_way way, bool local_sums, sp_error *err)
{
	bool rows = way == SP_PRODUCT_ROWS;
	sp_status st;

	sp_influence_unprepare(m);
	m->way = way;
	m->local_sums = local_sums;
	choose_blocks(m);
	if ((st = sp_influence_kernel(&m->multiply, m, rows ? "multiply_rows" : "multiply_lanes", err)) != SP_OK ||
	    (st = sp_influence_kernel(&m->accumulate, m, rows ? "accumulate_rows" : "accumulate_lanes", err)) !=
	            SP_OK ||
	    (st = sp_influence_kernel(&m->sum, m, "sum_blocks", err)) != SP_OK ||
	    (st = sp_buffer_create(&m->weights, m->device, CL_MEM_READ_WRITE, (m->n_columns + VECTOR) * sizeof(float),
	                           NULL, "weights of the influence matrix", err)) != SP_OK ||
	    (st = sp_buffer_zero(m->device, m->weights, (m->n_columns + VECTOR) * sizeof(float), err)) != SP_OK ||
	    (st = sp_buffer_create(&m->accumulator, m->device, CL_MEM_READ_WRITE,
	                           m->n_blocks * m->stride * sizeof(float), NULL,
	                           "accumulators of the influence matrix", err)) != SP_OK)
		sp_influence_unprepare(m);
	return st;
}

void sp_influence_unprepare(sp_influence *m)
{
	cl_kernel *kernels[] = {&m->multiply, &m->accumulate, &m->sum};

	for (int i = 0; i < 3; i++) {
		if (*kernels[i])
			clReleaseKernel(*kernels[i]);
		*kernels[i] = NULL;
	}
	sp_buffer_release(&m->weights);
	sp_buffer_release(&m->accumulator);
}

static sp_status multiply_part(sp_influence *m, const sp_influence_part *p, cl_mem dose, sp_error *err)
{
	cl_uint first_row = (cl_uint)p->first_row, n_rows = (cl_uint)p->n_rows, n_values = (cl_uint)p->n_values;
	const sp_argument arguments[] = {SP_ARG(dose),         SP_ARG(first_row),    SP_ARG(n_rows),
	                                 SP_ARG(n_values),     SP_ARG(p->row_run),   SP_ARG(p->run_column),
	                                 SP_ARG(p->run_value), SP_ARG(p->row_scale), SP_ARG(p->value),
	                                 SP_ARG(m->weights)};
	sp_status st = sp_kernel_set_all(m->multiply, arguments, 10, err);

	if (st != SP_OK)
		return st;
	if (m->way == SP_PRODUCT_LANES)
		return sp_device_launch(m->device, m->multiply, p->n_rows * LANES_GROUP, LANES_GROUP, err);
	return sp_device_launch(m->device, m->multiply, (p->n_rows + ROWS_PER_ITEM - 1) / ROWS_PER_ITEM, 1, err);
}

sp_status sp_influence_multiply(sp_influence *m, cl_mem dose, cl_mem weights, sp_error *err)
{
	sp_influence_part view;
	cl_int code = CL_SUCCESS;
	sp_status st = SP_OK;

	if (m->n_columns)
		code = clEnqueueCopyBuffer(sp_device_queue(m->device), weights, m->weights, 0, 0,
		                           m->n_columns * sizeof(float), 0, NULL, NULL);
	if (code != CL_SUCCESS)
		return sp_fail(err, SP_DEVICE, "copying %zu weights: %s", m->n_columns, sp_opencl_error_name(code));
	if (m->n_rows_filled < m->n_rows)
		st = sp_buffer_zero(m->device, dose, m->n_rows * sizeof(float), err);
	for (size_t i = 0; st == SP_OK && i < m->n_parts; i++) {
		if ((st = sp_influence_view(&view, m, i, err)) != SP_OK)
			return st;
		st = multiply_part(m, &view, dose, err);
		sp_influence_unview(m, i, &view);
	}
	return st;
}

static sp_status accumulate_part(sp_influence *m, const sp_influence_part *p, cl_mem g, sp_error *err)
{
	cl_uint first_row = (cl_uint)p->first_row, n_rows = (cl_uint)p->n_rows, n_values = (cl_uint)p->n_values;
	cl_uint stride = (cl_uint)m->stride, rows_per_block = (cl_uint)m->rows_per_block;
	cl_uint first_block = first_row / rows_per_block;
	cl_uint n_blocks = (first_row + n_rows - 1) / rows_per_block - first_block + 1;
	cl_uint spread = m->way == SP_PRODUCT_ROWS ? CPU_SPREAD : 1, n_columns = (cl_uint)m->n_columns;
	const sp_argument arguments[] = {SP_ARG(m->accumulator),
	                                 SP_ARG(stride),
	                                 SP_ARG(n_columns),
	                                 SP_ARG(first_block),
	                                 SP_ARG(n_blocks),
	                                 SP_ARG(rows_per_block),
	                                 SP_ARG(spread),
	                                 SP_ARG(first_row),
	                                 SP_ARG(n_rows),
	                                 SP_ARG(n_values),
	                                 SP_ARG(p->row_run),
	                                 SP_ARG(p->run_column),
	                                 SP_ARG(p->run_value),
	                                 SP_ARG(p->row_scale),
	                                 SP_ARG(p->value),
	                                 SP_ARG(g),
	                                 {m->n_columns * sizeof(float), NULL}};
	sp_status st = sp_kernel_set_all(m->accumulate, arguments, m->local_sums ? 17 : 16, err);

	if (st != SP_OK)
		return st;
	if (m->way == SP_PRODUCT_LANES)
		return sp_device_launch(m->device, m->accumulate, (size_t)n_blocks * LANES_GROUP, LANES_GROUP, err);
	return sp_device_launch(m->device, m->accumulate, (size_t)n_blocks * CPU_SPREAD, 1, err);
}

sp_status sp_influence_multiply_transposed(sp_influence *m, cl_mem gradient, cl_mem g, sp_error *err)
{
	cl_uint n_columns = (cl_uint)m->n_columns, stride = (cl_uint)m->stride, n_blocks;
	sp_influence_part view;
	sp_status st = SP_OK;

	for (size_t i = 0; st == SP_OK && i < m->n_parts; i++) {
		if (m->parts[i].part.n_rows == 0 || n_columns == 0)
			continue;
		if ((st = sp_influence_view(&view, m, i, err)) != SP_OK)
			return st;
		st = accumulate_part(m, &view, g, err);
		sp_influence_unview(m, i, &view);
	}
	if (st != SP_OK)
		return st;
	/* blocks behind the last filled row have not been started */
	n_blocks = (cl_uint)((m->n_rows_filled + m->rows_per_block - 1) / m->rows_per_block);
	const sp_argument arguments[] = {SP_ARG(gradient), SP_ARG(n_columns), SP_ARG(m->accumulator), SP_ARG(stride),
	                                 SP_ARG(n_blocks)};
	if ((st = sp_kernel_set_all(m->sum, arguments, 5, err)) != SP_OK)
		return st;
	return sp_device_launch(m->device, m->sum, (m->n_columns + VECTOR - 1) / VECTOR, 0, err);
}
