/* Dose of weighted bixels in every voxel, beam by beam, without the matrix. The kernel is pencil_dose of
 * cl_kernels/pencil.cl. */
#include "pencil_internal.h"

#include "alloc.h"
#include "interrupt.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Voxels of one launch: short enough that an interrupt is heard, long enough to fill any device. */
#define VOXELS_PER_LAUNCH ((size_t)1 << 20)

typedef struct {
	sp_pencil *p;
	sp_device *d;
	sp_pencil_layout layout;
	size_t n_maps;
	const unsigned char *wanted; /* NULL: all voxels */
	size_t n_voxels, n_inside;
	cl_uint *inside; /* the wanted voxels in the patient, ascending */
	cl_kernel trace, mark, add;
	cl_mem grid, beams, fan, voxels, dose, weight;
} job;

/* A beam's weights on its lattice with zeros where there is no bixel, and margins of zeros as pencil_dose wants them;
 * one map behind the other. */
static sp_status load_weights(job *j, const sp_pencil_beam *b, const double *const *weights, cl_uint *stride_out,
                              cl_uint *map_size_out, sp_error *err)
{
	size_t stride = (b->columns + 7) / 8 * 8 + 8, one = stride * (b->rows + 8), n = one * j->n_maps;
	const sp_pencil_layout *l = &j->layout;
	float *map = sp_alloc_array(n, sizeof *map);
	sp_status st;

	if (!map)
		return sp_fail(err, SP_NO_MEMORY, "no memory for a fluence map of %zu places", n);
	for (size_t k = 0; k < b->rows; k++)
		for (size_t s = l->first_segment[b->first_row_segment + k];
		     s < l->first_segment[b->first_row_segment + k + 1]; s++)
			for (size_t m = 0; m < j->n_maps; m++)
				for (size_t i = 0; i < l->segments[s].count; i++)
					map[m * one + k * stride + l->segments[s].column + i] =
					        (float)weights[m][l->segments[s].bixel + i];
	sp_buffer_release(&j->weight);
	st = sp_buffer_create(&j->weight, j->d, CL_MEM_READ_ONLY, n * sizeof *map, map, "fluence map", err);
	free(map);
	*stride_out = (cl_uint)stride;
	*map_size_out = (cl_uint)one;
	return st;
}

static sp_status add_beam(job *j, size_t number, const double *const *weights, sp_error *err)
{
	cl_uint b = (cl_uint)number, table_rows = (cl_uint)j->p->table_rows, stride, map_size;
	cl_uint n_dose = (cl_uint)j->n_inside;
	sp_status st = load_weights(j, &j->layout.beams[number], weights, &stride, &map_size, err);

	if (st == SP_OK)
		st = sp_pencil_trace(j->p, j->trace, &j->layout, j->beams, number, j->fan, err);
	for (size_t first = 0; st == SP_OK && first < j->n_inside; first += VOXELS_PER_LAUNCH) {
		size_t left = j->n_inside - first;
		cl_uint from = (cl_uint)first, n = (cl_uint)(left < VOXELS_PER_LAUNCH ? left : VOXELS_PER_LAUNCH);
		const sp_argument arguments[] = {
		        SP_ARG(from),        SP_ARG(n),          SP_ARG(j->voxels), SP_ARG(j->grid),
		        SP_ARG(j->beams),    SP_ARG(b),          SP_ARG(j->fan),    SP_ARG(j->p->kernel_shape),
		        SP_ARG(j->p->table), SP_ARG(table_rows), SP_ARG(j->weight), SP_ARG(stride),
		        SP_ARG(map_size),    SP_ARG(j->dose),    SP_ARG(n_dose)};

		if (sp_interrupt_asked())
			return sp_fail(err, SP_INTERRUPTED, "interrupted while computing the dose");
		st = sp_kernel_set_all(j->add, arguments, sizeof arguments / sizeof *arguments, err);
		if (st == SP_OK)
			st = sp_device_launch(j->d, j->add, n, 16, err);
	}
	if (st == SP_OK)
		st = sp_device_finish(j->d, err); /* before the fluence map is replaced */
	return st;
}

/* Finds the wanted dose voxels that lie in the patient: only they get dose. */
static sp_status find_inside(job *j, sp_error *err)
{
	cl_uchar *mark = sp_alloc_array(j->n_voxels, 1);
	cl_uint n = (cl_uint)j->n_voxels, listed = 0;
	cl_mem marks = NULL;
	sp_status st = SP_OK;

	j->inside = sp_alloc_array(j->n_voxels, sizeof *j->inside);
	if (!mark || !j->inside) {
		st = sp_fail(err, SP_NO_MEMORY, "no memory for the list of %zu dose voxels", j->n_voxels);
		goto cleanup;
	}
	if ((st = sp_buffer_create(&marks, j->d, CL_MEM_WRITE_ONLY, j->n_voxels, NULL, "marks of voxels", err)) !=
	    SP_OK)
		goto cleanup;
	{
		const sp_argument arguments[] = {SP_ARG(n),       SP_ARG(listed),        SP_ARG(j->voxels),
		                                 SP_ARG(j->grid), SP_ARG(j->p->ct_grid), SP_ARG(j->p->density),
		                                 SP_ARG(marks)};

		st = sp_kernel_set_all(j->mark, arguments, sizeof arguments / sizeof *arguments, err);
	}
	if (st == SP_OK)
		st = sp_device_launch(j->d, j->mark, j->n_voxels, 64, err);
	if (st == SP_OK)
		st = sp_buffer_read(j->d, marks, 0, j->n_voxels, mark, err);
	for (size_t v = 0; st == SP_OK && v < j->n_voxels; v++)
		if (mark[v] && (!j->wanted || j->wanted[v]))
			j->inside[j->n_inside++] = (cl_uint)v;
cleanup:
	sp_buffer_release(&marks);
	free(mark);
	return st;
}

static sp_status make_kernels(job *j, double bixel_mm, sp_error *err)
{
	size_t places = bixel_mm < 4.0 ? 48 : 24;
	char options[96];
	sp_status st = sp_device_kernel(&j->trace, j->d, "fan_trace.cl", "fan_trace", "", err);

	if (st == SP_OK)
		st = sp_pencil_kernel(&j->mark, j->p, "pencil_mark", places, err);
	snprintf(options, sizeof options, "-DGAUSSIANS=%zu -DPLACES=%zu -DMAPS=%zu", j->p->n_gaussians, places,
	         j->n_maps);
	if (st == SP_OK && j->n_maps == 1)
		st = sp_pencil_kernel(&j->add, j->p, "pencil_dose", places, err);
	else if (st == SP_OK)
		st = sp_device_kernel(&j->add, j->d, "pencil.cl", "pencil_dose", options, err);
	return st;
}

static sp_status make_buffers(job *j, const sp_grid *dose_grid, sp_error *err)
{
	sp_pencil_grid grid = sp_pencil_device_grid(dose_grid);
	const sp_pencil_layout *l = &j->layout;
	sp_status st = sp_buffer_create(&j->grid, j->d, CL_MEM_READ_ONLY, sizeof grid, &grid, "dose grid", err);

	if (st == SP_OK)
		st = find_inside(j, err);
	if (st == SP_OK)
		st = sp_buffer_create(&j->beams, j->d, CL_MEM_READ_ONLY, l->n_beams * sizeof *l->beams, l->beams,
		                      "beams", err);
	if (st == SP_OK)
		st = sp_buffer_create(&j->fan, j->d, CL_MEM_READ_WRITE, l->fan_bytes, NULL, "fan of rays", err);
	if (st == SP_OK)
		st = sp_buffer_create(&j->voxels, j->d, CL_MEM_READ_ONLY, j->n_inside * sizeof *j->inside, j->inside,
		                      "voxels in the patient", err);
	if (st == SP_OK)
		st = sp_buffer_create(&j->dose, j->d, CL_MEM_READ_WRITE, j->n_maps * j->n_inside * sizeof(cl_float),
		                      NULL, "dose", err);
	if (st == SP_OK)
		st = sp_buffer_zero(j->d, j->dose, j->n_maps * j->n_inside * sizeof(cl_float), err);
	return st;
}

/* The device's list of doses of one map, spread over the grid. */
static sp_status collect(job *j, size_t map, float *dose_gy_out, sp_error *err)
{
	float *list = sp_alloc_array(j->n_inside, sizeof *list);
	sp_status st;

	if (!list)
		return sp_fail(err, SP_NO_MEMORY, "no memory for the dose of %zu voxels", j->n_inside);
	st = sp_buffer_read(j->d, j->dose, map * j->n_inside * sizeof *list, j->n_inside * sizeof *list, list, err);
	for (size_t v = 0; st == SP_OK && v < j->n_voxels; v++)
		dose_gy_out[v] = 0.0f;
	for (size_t i = 0; st == SP_OK && i < j->n_inside; i++)
		dose_gy_out[j->inside[i]] = list[i];
	free(list);
	return st;
}

sp_status sp_pencil_doses(float *const *doses_gy_out, sp_pencil *p, const sp_beam_set *beams,
                          const double *const *weights, size_t n_maps, const sp_grid *dose_grid,
                          const unsigned char *wanted, sp_error *err)
{
	job j = {.p = p, .d = p->device, .n_maps = n_maps, .wanted = wanted, .n_voxels = sp_grid_voxels(dose_grid)};
	cl_kernel *kernels[] = {&j.trace, &j.mark, &j.add};
	cl_mem *buffers[] = {&j.grid, &j.beams, &j.fan, &j.voxels, &j.dose, &j.weight};
	sp_status st = sp_pencil_layout_make(&j.layout, p, beams, dose_grid, INFINITY, err);

	if (st == SP_OK)
		st = make_kernels(&j, beams->bixel_mm, err);
	if (st == SP_OK)
		st = make_buffers(&j, dose_grid, err);
	for (size_t b = 0; st == SP_OK && b < beams->n_beams; b++)
		st = add_beam(&j, b, weights, err);
	for (size_t m = 0; st == SP_OK && m < n_maps; m++)
		st = collect(&j, m, doses_gy_out[m], err);
	for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
		sp_buffer_release(buffers[i]);
	for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
		if (*kernels[i])
			clReleaseKernel(*kernels[i]);
	free(j.inside);
	sp_pencil_layout_finish(&j.layout);
	return st;
}

sp_status sp_pencil_dose(float *dose_gy_out, sp_pencil *p, const sp_beam_set *beams, const double *weights,
                         const sp_grid *dose_grid, sp_error *err)
{
	return sp_pencil_doses(&dose_gy_out, p, beams, &weights, 1, dose_grid, NULL, err);
}
