/* Columns from the device (kernel mc_columns), turned into the rows of an influence matrix. */
#include "mc_influence.h"

#include "alloc.h"
#include "interrupt.h"
#include "mc_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	COLUMNS_A_LAUNCH = 128,
	SAMPLES = 8,            /* columns that tell how many histories the asked uncertainty takes */
	REPLICAS = 8,           /* of each of them */
	SAMPLE_HISTORIES = 128, /* of each replica, at most */
	LEAST_HISTORIES = 32,
	GPU_WORK_ITEMS = 4096,
};

typedef struct {
	sp_mc *mc;
	const sp_mc_influence_options *o;
	cl_kernel kernel;
	cl_mem tally, row_cell, count, entries;
	size_t n_tallies, local;
	cl_uint room; /* entries of a column that fit */
} columns;

/* One column's entries, in ascending order of rows. */
typedef struct {
	size_t n;
	uint32_t *row;
	float *energy;
} column;

static void finish_columns(columns *c)
{
	if (c->tally != c->mc->tally)
		sp_buffer_release(&c->tally);
	sp_buffer_release(&c->row_cell);
	sp_buffer_release(&c->count);
	sp_buffer_release(&c->entries);
	if (c->kernel)
		clReleaseKernel(c->kernel);
}

static sp_status make_room(columns *c, cl_uint room, sp_error *err)
{
	sp_buffer_release(&c->entries);
	c->room = room;
	return sp_buffer_create(&c->entries, c->mc->device, CL_MEM_READ_WRITE, (size_t)COLUMNS_A_LAUNCH * room * 8,
	                        NULL, "entries of a matrix", err);
}

static sp_status start_columns(columns *c, sp_mc *mc, const sp_mc_influence_options *o, sp_error *err)
{
	size_t tally_bytes = mc->tally_cells * 8, limit = sp_device_alloc_limit(mc->device) / 2;
	cl_uint *cells = sp_alloc_array(o->n_rows, sizeof *cells);
	char options[320];
	sp_status st;

	*c = (columns){.mc = mc, .o = o, .tally = mc->tally, .n_tallies = mc->n_tallies, .local = 1};
	if (!cells)
		return sp_fail(err, SP_NO_MEMORY, "no memory for %zu rows", o->n_rows);
	for (size_t r = 0; r < o->n_rows; r++) {
		cl_uint nx = mc->tally_shape[0], ny = mc->tally_shape[1], i = (cl_uint)(o->rows[r] % nx),
		        row = (cl_uint)(o->rows[r] / nx);

		cells[r] = SP_MC_CELL(i, row % ny, row / ny, nx, ny);
	}
	if (!sp_device_describe(mc->device)->is_cpu) {
		size_t fit = limit / tally_bytes;

		/* whole groups of work-items, unless memory is short of even that */
		c->n_tallies = fit > GPU_WORK_ITEMS ? GPU_WORK_ITEMS : fit ? fit : 1;
		if (c->n_tallies >= SP_MC_GPU_GROUP) {
			c->local = SP_MC_GPU_GROUP;
			c->n_tallies -= c->n_tallies % SP_MC_GPU_GROUP;
		}
		c->tally = NULL;
		if ((st = sp_buffer_create(&c->tally, mc->device, CL_MEM_READ_WRITE, c->n_tallies * tally_bytes, NULL,
		                           "tallies of a matrix", err)) != SP_OK ||
		    (st = sp_buffer_zero(mc->device, c->tally, c->n_tallies * tally_bytes, err)) != SP_OK)
			goto cleanup;
	}
	snprintf(options, sizeof options, "%s -DSP_OWN_TALLY=1", mc->options);
	if ((st = sp_device_kernel(&c->kernel, mc->device, "mc_transport.cl", "mc_columns", options, err)) != SP_OK ||
	    (st = sp_buffer_create(&c->row_cell, mc->device, CL_MEM_READ_ONLY, o->n_rows * 4, cells, "rows of a matrix",
	                           err)) != SP_OK ||
	    (st = sp_buffer_create(&c->count, mc->device, CL_MEM_READ_WRITE, COLUMNS_A_LAUNCH * 4, NULL,
	                           "entries of columns", err)) != SP_OK)
		goto cleanup;
	st = make_room(c, o->n_rows < 65536 ? (cl_uint)o->n_rows + 1 : 65536, err);
cleanup:
	free(cells);
	return st;
}

/* Columns first .. first + n - 1, n at most COLUMNS_A_LAUNCH. */
static sp_status launch(columns *c, size_t first, size_t n, cl_uint first_history, cl_uint histories, cl_float keep,
                        cl_uint *count, sp_error *err)
{
	sp_mc *mc = c->mc;
	cl_uint n_rows = (cl_uint)c->o->n_rows, first_column = (cl_uint)first, n_columns = (cl_uint)n;
	const sp_argument rest[] = {SP_ARG(c->tally),     SP_ARG(mc->counter), SP_ARG(c->row_cell),   SP_ARG(n_rows),
	                            SP_ARG(first_column), SP_ARG(n_columns),   SP_ARG(first_history), SP_ARG(histories),
	                            SP_ARG(keep),         SP_ARG(c->count),    SP_ARG(c->entries),    SP_ARG(c->room)};
	sp_status st = sp_buffer_zero(mc->device, mc->counter, 4, err);

	for (int i = 0; st == SP_OK && i < mc->n_buffers; i++)
		st = sp_kernel_set(c->kernel, (cl_uint)i, sizeof mc->buffer[i], &mc->buffer[i], err);
	for (cl_uint i = 0; st == SP_OK && i < sizeof rest / sizeof *rest; i++)
		st = sp_kernel_set(c->kernel, (cl_uint)mc->n_buffers + i, rest[i].bytes, rest[i].value, err);
	if (st != SP_OK || (st = sp_device_launch(mc->device, c->kernel, c->n_tallies, c->local, err)) != SP_OK)
		return st;
	return sp_buffer_read(mc->device, c->count, 0, n * 4, count, err);
}

static sp_status read_column(column *out, const columns *c, size_t place, cl_uint n, sp_error *err)
{
	cl_uint(*pairs)[2] = sp_alloc_array(n, sizeof *pairs);
	sp_status st;

	*out = (column){n, sp_alloc_array(n, sizeof *out->row), sp_alloc_array(n, sizeof *out->energy)};
	if (!pairs || !out->row || !out->energy)
		st = sp_fail(err, SP_NO_MEMORY, "no memory for %u entries of a matrix", n);
	else if ((st = sp_buffer_read(c->mc->device, c->entries, place * c->room * 8, (size_t)n * 8, pairs, err)) ==
	         SP_OK)
		for (cl_uint i = 0; i < n; i++) {
			out->row[i] = pairs[i][0];
			memcpy(&out->energy[i], &pairs[i][1], sizeof(float));
		}
	free(pairs);
	return st;
}

static void free_column(column *c)
{
	free(c->row);
	free(c->energy);
	*c = (column){0};
}

/* Launches, with more room where it was short, and reads all columns of the launch. */
static sp_status get_columns(column *out, columns *c, size_t first, size_t n, cl_uint first_history, cl_uint histories,
                             double keep, sp_error *err)
{
	cl_uint count[COLUMNS_A_LAUNCH], most = 0;
	sp_status st = launch(c, first, n, first_history, histories, (cl_float)keep, count, err);

	for (size_t i = 0; st == SP_OK && i < n; i++)
		most = count[i] > most ? count[i] : most;
	if (st == SP_OK && most > c->room) {
		if ((st = make_room(c, most + most / 4, err)) != SP_OK ||
		    (st = launch(c, first, n, first_history, histories, (cl_float)keep, count, err)) != SP_OK)
			return st;
	}
	for (size_t i = 0; st == SP_OK && i < n; i++)
		st = read_column(out + i, c, i, count[i], err);
	return st;
}

/* Variance times histories, relative, averaged over voxels above half of the largest dose of some columns. */
static sp_status sample_variance(double *out, columns *c, sp_error *err)
{
	size_t n_rows = c->o->n_rows, openings = c->mc->n_openings, voxels = 0;
	/* where a number of histories is asked, no sample is larger than a column */
	cl_uint histories =
	        c->o->uncertainty > 0.0 || c->o->histories > SAMPLE_HISTORIES ? SAMPLE_HISTORIES : c->o->histories;
	double *sum = sp_alloc_array(n_rows, sizeof *sum), *squares = sp_alloc_array(n_rows, sizeof *squares),
	       total = 0.0;
	sp_status st = sum && squares ? SP_OK : sp_fail(err, SP_NO_MEMORY, "no memory for %zu rows", n_rows);

	for (size_t s = 0; st == SP_OK && s < SAMPLES; s++) {
		double most = 0.0;

		memset(sum, 0, n_rows * sizeof *sum);
		memset(squares, 0, n_rows * sizeof *squares);
		for (cl_uint replica = 0; st == SP_OK && replica < REPLICAS; replica++) {
			column one = {0};

			/* histories that no column of the matrix will have */
			st = get_columns(&one, c, s * openings / SAMPLES, 1, 0x80000000u + replica * histories,
			                 histories, 0.0, err);
			for (size_t i = 0; st == SP_OK && i < one.n; i++) {
				double mass = (double)c->o->mass_g[c->o->rows[one.row[i]]];
				double dose = mass > 0.0 ? (double)one.energy[i] / mass : 0.0;

				sum[one.row[i]] += dose;
				squares[one.row[i]] += dose * dose;
			}
			free_column(&one);
		}
		/* the maximum of a few replicas is noisy: half of the mean of the upper doses would be, too; what
		 * counts is that all columns are treated alike */
		for (size_t r = 0; r < n_rows; r++)
			most = fmax(most, sum[r]);
		for (size_t r = 0; st == SP_OK && r < n_rows; r++)
			if (sum[r] > 0.5 * most) {
				double mean = sum[r] / REPLICAS, var = squares[r] / REPLICAS - mean * mean;

				total += sqrt(fmax(0.0, var) * REPLICAS / (REPLICAS - 1.0)) / mean;
				voxels++;
			}
	}
	free(sum);
	free(squares);
	*out = voxels ? pow(total / (double)voxels, 2.0) * histories : 0.0;
	return st;
}

/* The matrix's rows from all columns; frees the columns on the way. */
static sp_status transpose(sp_influence **out, column *all, size_t n_columns, const columns *c, sp_error *err)
{
	size_t n_rows = c->o->n_rows;
	uint64_t *indptr = sp_alloc_array(n_rows + 1, sizeof *indptr), entries;
	uint32_t *indices = NULL;
	float *data = NULL;
	sp_status st = SP_OK;

	if (!indptr)
		return sp_fail(err, SP_NO_MEMORY, "no memory for %zu rows", n_rows);
	for (size_t j = 0; j < n_columns; j++)
		for (size_t i = 0; i < all[j].n; i++)
			indptr[all[j].row[i] + 1]++;
	for (size_t r = 0; r < n_rows; r++)
		indptr[r + 1] += indptr[r];
	entries = indptr[n_rows];
	indices = sp_alloc_array(entries, sizeof *indices);
	data = sp_alloc_array(entries, sizeof *data);
	if (!indices || !data) {
		st = sp_fail(err, SP_NO_MEMORY, "no memory for %lu entries of a matrix", (unsigned long)entries);
		goto cleanup;
	}
	for (size_t j = 0; j < n_columns; j++) {
		for (size_t i = 0; i < all[j].n; i++) {
			size_t r = all[j].row[i];
			double mass = (double)c->o->mass_g[c->o->rows[r]];
			uint64_t at = indptr[r]++;

			indices[at] = (uint32_t)j;
			data[at] = mass > 0.0 ? (float)((double)all[j].energy[i] * c->o->gray[j] / mass) : 0.0f;
		}
		free_column(all + j);
	}
	memmove(indptr + 1, indptr, n_rows * sizeof *indptr); /* each had moved on to the next one's start */
	indptr[0] = 0;
	st = sp_influence_from_csr(out, c->mc->device, c->o->grid, c->o->rows, n_rows, n_columns, indptr, indices, data,
	                           err);
cleanup:
	free(indptr);
	free(indices);
	free(data);
	return st;
}

/* Launches of a matrix, shared out over the devices. */
typedef struct {
	columns *on; /* by device */
	column *all;
	size_t n_columns;
	uint32_t histories;
	sp_progress *progress;
} launches;

static sp_status take_launch(void *context, size_t worker, uint64_t piece, sp_error *err)
{
	launches *l = context;
	columns *c = &l->on[worker];
	size_t first = piece * COLUMNS_A_LAUNCH, left = l->n_columns - first,
	       some = left < COLUMNS_A_LAUNCH ? left : COLUMNS_A_LAUNCH;
	sp_status st;

	if (sp_interrupt_asked())
		return sp_fail(err, SP_INTERRUPTED, "interrupted");
	if ((st = get_columns(l->all + first, c, first, some, 0, l->histories, c->o->keep, err)) != SP_OK)
		return st;
	for (size_t j = first; j < first + some; j++)
		for (size_t i = 0; i < l->all[j].n; i++)
			l->all[j].energy[i] /= (float)l->histories * SP_MC_TALLY_UNIT;
	if (worker == 0 && l->progress)
		sp_progress_show(l->progress, (double)(first + some) / (double)l->n_columns, NULL);
	return SP_OK;
}

sp_status sp_mc_influence(sp_influence **out, sp_mc_influence_result *result, sp_mc *mc,
                          const sp_mc_influence_options *o, sp_progress *progress, sp_error *err)
{
	size_t n = mc->n_openings, devices = sp_mc_devices(mc), started = 0;
	column *all = sp_alloc_array(n, sizeof *all);
	columns *on = sp_alloc_array(devices, sizeof *on);
	double variance = 0.0;
	sp_status st = SP_OK;

	*out = NULL;
	*result = (sp_mc_influence_result){.histories = o->histories};
	if (!all || !on) {
		free(all);
		free(on);
		return sp_fail(err, SP_NO_MEMORY, "no memory for %zu columns", n);
	}
	while (st == SP_OK && started < devices) {
		st = start_columns(&on[started], sp_mc_on(mc, started), o, err);
		started++; /* what a failure has left is freed too */
	}
	if (st != SP_OK || (st = sample_variance(&variance, &on[0], err)) != SP_OK)
		goto cleanup;
	if (o->uncertainty > 0.0)
		result->histories =
		        (uint32_t)fmin(fmax(ceil(variance / (o->uncertainty * o->uncertainty)), LEAST_HISTORIES), 1e9);
	result->uncertainty = sqrt(variance / result->histories);
	st = sp_device_share(take_launch, &(launches){on, all, n, result->histories, progress}, devices,
	                     (n + COLUMNS_A_LAUNCH - 1) / COLUMNS_A_LAUNCH, err);
	for (size_t i = 0; st == SP_OK && i < devices; i++) { /* what fell into voxels that are no rows, so that mc can
		                                               * follow batches again */
		sp_mc *one = sp_mc_on(mc, i);

		st = sp_buffer_zero(one->device, one->tally, one->n_tallies * one->tally_cells * 8, err);
	}
	for (size_t j = 0; j < n; j++)
		result->entries += all[j].n;
	if (st == SP_OK)
		st = transpose(out, all, n, &on[0], err);
cleanup:
	for (size_t j = 0; j < n; j++)
		free_column(all + j);
	free(all);
	for (size_t i = 0; i < started; i++)
		finish_columns(&on[i]);
	free(on);
	return st;
}
