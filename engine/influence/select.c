/* A new matrix of some rows of another, copied on the device (kernels: cl_kernels/influence.cl). */
#include "influence_internal.h"

#include <stdlib.h>
#include <string.h>

#include "alloc.h"

/* Work-items to a group; a row each, so small groups share the work well on a CPU too. */
#define SELECT_GROUP 16

/* One part on its way: which of its rows are taken and where their runs and values go. */
typedef struct {
	size_t n;
	uint32_t *rows;    /* numbers within the part */
	uint32_t *new_run; /* first run of each new row, n + 1 */
	uint32_t *new_value;
	uint32_t *row_run; /* of the part */
	cl_mem rows_buffer, new_value_buffer;
	cl_kernel count, copy;
} selection;

static sp_status selection_init(selection *s, sp_influence *m, size_t largest_part, size_t n_rows, sp_error *err)
{
	sp_status st;

	memset(s, 0, sizeof *s);
	if (largest_part < n_rows)
		n_rows = largest_part; /* no part gives more rows */
	s->rows = sp_alloc_array(n_rows, sizeof *s->rows);
	s->new_run = sp_alloc_array(n_rows + 1, sizeof *s->new_run);
	s->new_value = sp_alloc_array(n_rows + 1, sizeof *s->new_value);
	s->row_run = sp_alloc_array(largest_part + 1, sizeof *s->row_run);
	if (!s->rows || !s->new_run || !s->new_value || !s->row_run)
		return sp_fail(err, SP_NO_MEMORY, "out of memory selecting rows of the influence matrix");
	if ((st = sp_influence_kernel(&s->count, m, "count_row_values", err)) != SP_OK)
		return st;
	return sp_influence_kernel(&s->copy, m, "copy_rows", err);
}

static void selection_finish(selection *s)
{
	free(s->rows);
	free(s->new_run);
	free(s->new_value);
	free(s->row_run);
	sp_buffer_release(&s->rows_buffer);
	sp_buffer_release(&s->new_value_buffer);
	if (s->count)
		clReleaseKernel(s->count);
	if (s->copy)
		clReleaseKernel(s->copy);
}

/* Sizes of the new part: runs from the part's row_run, values counted on the device. */
static sp_status measure(selection *s, sp_influence_part *part, sp_influence *m, const sp_influence_part *view,
                         sp_error *err)
{
	cl_uint n = (cl_uint)s->n, before = 0, count;
	size_t bytes = s->n * sizeof(uint32_t);
	sp_status st;

	if ((st = sp_buffer_read(m->device, view->row_run, 0, (view->n_rows + 1) * sizeof(uint32_t), s->row_run,
	                         err)) != SP_OK)
		return st;
	s->new_run[0] = 0;
	for (size_t i = 0; i < s->n; i++)
		s->new_run[i + 1] = s->new_run[i] + s->row_run[s->rows[i] + 1] - s->row_run[s->rows[i]];
	if ((st = sp_buffer_create(&s->rows_buffer, m->device, CL_MEM_READ_ONLY, bytes, s->rows, "selected rows",
	                           err)) != SP_OK ||
	    (st = sp_buffer_create(&s->new_value_buffer, m->device, CL_MEM_READ_WRITE, bytes + sizeof(uint32_t), NULL,
	                           "sizes of selected rows", err)) != SP_OK)
		return st;
	const sp_argument arguments[] = {SP_ARG(s->new_value_buffer), SP_ARG(s->rows_buffer), SP_ARG(n),
	                                 SP_ARG(view->row_run), SP_ARG(view->run_value)};
	if ((st = sp_kernel_set_all(s->count, arguments, 5, err)) != SP_OK ||
	    (st = sp_device_launch(m->device, s->count, s->n, SELECT_GROUP, err)) != SP_OK ||
	    (st = sp_buffer_read(m->device, s->new_value_buffer, 0, bytes, s->new_value, err)) != SP_OK)
		return st;
	for (size_t i = 0; i <= s->n; i++) {
		count = i < s->n ? s->new_value[i] : 0;
		s->new_value[i] = before;
		before += count;
	}
	part->n_rows = s->n;
	part->n_runs = s->new_run[s->n];
	part->n_values = s->new_value[s->n];
	return sp_buffer_write(m->device, s->new_value_buffer, 0, bytes + sizeof(uint32_t), s->new_value, err);
}

static sp_status copy_part(selection *s, sp_influence_part *part, sp_influence *m, const sp_influence_part *view,
                           sp_error *err)
{
	cl_uint n = (cl_uint)s->n;
	size_t sizes[SP_PART_ARRAYS];
	cl_mem *buffers[SP_PART_ARRAYS];
	sp_status st = measure(s, part, m, view, err);

	sp_part_sizes(sizes, part);
	sp_part_buffers(buffers, part);
	for (int i = 0; st == SP_OK && i < SP_PART_ARRAYS; i++)
		st = sp_buffer_create(buffers[i], m->device, CL_MEM_READ_WRITE, sizes[i], i == 0 ? s->new_run : NULL,
		                      "selected rows of the influence matrix", err);
	if (st != SP_OK)
		return st;
	const sp_argument arguments[] = {SP_ARG(s->rows_buffer),      SP_ARG(n),
	                                 SP_ARG(view->row_run),       SP_ARG(view->run_column),
	                                 SP_ARG(view->run_value),     SP_ARG(view->row_scale),
	                                 SP_ARG(view->value),         SP_ARG(part->row_run),
	                                 SP_ARG(s->new_value_buffer), SP_ARG(part->run_column),
	                                 SP_ARG(part->run_value),     SP_ARG(part->row_scale),
	                                 SP_ARG(part->value)};
	if ((st = sp_kernel_set_all(s->copy, arguments, 13, err)) != SP_OK)
		return st;
	return sp_device_launch(m->device, s->copy, s->n, SELECT_GROUP, err);
}

/* Takes the rows listed in s from part `index` of m and appends them to `to`. */
static sp_status take(selection *s, sp_influence *to, sp_influence *m, size_t index, sp_error *err)
{
	sp_influence_part view, part = {.first_row = to->n_rows_filled};
	sp_status st = sp_influence_view(&view, m, index, err);

	if (st != SP_OK)
		return st;
	if ((st = copy_part(s, &part, m, &view, err)) == SP_OK)
		st = sp_influence_append(to, &part, err);
	sp_part_release(&part);
	sp_influence_unview(m, index, &view);
	sp_buffer_release(&s->rows_buffer);
	sp_buffer_release(&s->new_value_buffer);
	return st;
}

/* Voxels of the chosen rows, after a check of the choice. */
static sp_status chosen_voxels(uint64_t **out, const sp_influence *m, const uint64_t *rows, size_t n_rows,
                               sp_error *err)
{
	uint64_t *voxels = sp_alloc_array(n_rows, sizeof *voxels);

	if (!voxels)
		return sp_fail(err, SP_NO_MEMORY, "out of memory selecting %zu rows", n_rows);
	for (size_t i = 0; i < n_rows; i++) {
		if (rows[i] >= m->n_rows_filled || (i && rows[i] <= rows[i - 1])) {
			free(voxels);
			return sp_fail(err, SP_FAILED,
			               "selecting row %llu of %zu: expected ascending rows of the matrix",
			               (unsigned long long)rows[i], m->n_rows_filled);
		}
		voxels[i] = m->rows[rows[i]];
	}
	*out = voxels;
	return SP_OK;
}

sp_status sp_influence_select_rows(sp_influence **out, sp_influence *m, const uint64_t *rows, size_t n_rows,
                                   sp_error *err)
{
	sp_influence *to = NULL;
	selection s = {0};
	uint64_t *voxels = NULL;
	size_t next = 0, largest = 0;
	sp_status st;

	*out = NULL;
	for (size_t p = 0; p < m->n_parts; p++)
		if (m->parts[p].part.n_rows > largest)
			largest = m->parts[p].part.n_rows;
	if ((st = chosen_voxels(&voxels, m, rows, n_rows, err)) != SP_OK ||
	    (st = sp_influence_create(&to, m->device, &m->grid, voxels, n_rows, m->n_columns, err)) != SP_OK ||
	    (st = selection_init(&s, m, largest, n_rows, err)) != SP_OK)
		goto cleanup;
	for (size_t p = 0; st == SP_OK && p < m->n_parts; p++) {
		const sp_influence_part *part = &m->parts[p].part;

		for (s.n = 0; next < n_rows && rows[next] < part->first_row + part->n_rows; next++)
			s.rows[s.n++] = (uint32_t)(rows[next] - part->first_row);
		if (s.n)
			st = take(&s, to, m, p, err);
	}
	if (st != SP_OK)
		goto cleanup;
	*out = to;
	to = NULL;
cleanup:
	selection_finish(&s);
	sp_influence_destroy(to);
	free(voxels);
	return st;
}
