#include "gamma.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "interrupt.h"
#include "shared/gamma.h"

#define EDGE_VOXELS 1e-4 /* rounding in a file's origin that still counts as on the grid */
/* Points of one launch: a signal is heeded between launches. */
#define LAUNCH_POINTS ((size_t)1 << 19)

/* All of a comparison. A slab is a run of A's slices with the slices of B that they can reach. */
typedef struct {
	sp_device *d;
	const sp_dose *a, *b;
	sp_gamma_criterion criterion;
	sp_gamma_rule rule;
	sp_gamma_place *place[3]; /* one per A coordinate; valid where inside[] */
	bool *inside[3];
	sp_gamma_cell *cells;
	size_t n_cells;
	double reach_mm;
	cl_kernel ranges, points;
	sp_gamma_result *out;
} job;

static void finish(job *j)
{
	for (int a = 0; a < 3; a++) {
		free(j->place[a]);
		free(j->inside[a]);
	}
	free(j->cells);
	if (j->ranges)
		clReleaseKernel(j->ranges);
	if (j->points)
		clReleaseKernel(j->points);
}

static sp_status place_axis(job *j, int axis, sp_error *err)
{
	const sp_grid *a = &j->a->grid, *b = &j->b->grid;
	double last = (double)(b->n[axis] - 1);

	j->place[axis] = sp_alloc_array(a->n[axis], sizeof *j->place[axis]);
	j->inside[axis] = sp_alloc_array(a->n[axis], sizeof *j->inside[axis]);
	if (!j->place[axis] || !j->inside[axis])
		return sp_fail(err, SP_NO_MEMORY, "comparing doses");
	for (size_t i = 0; i < a->n[axis]; i++) {
		double at = (a->origin_mm[axis] + a->spacing_mm[axis] * (double)i - b->origin_mm[axis]) /
		            b->spacing_mm[axis];
		double cell;

		j->inside[axis][i] = at >= -EDGE_VOXELS && at <= last + EDGE_VOXELS;
		if (!j->inside[axis][i])
			continue;
		at = fmin(fmax(at, 0.0), last);
		cell = fmin(floor(at), last - 1.0);
		j->place[axis][i].cell = (sp_u32)cell;
		j->place[axis][i].beyond_mm = (float)((at - cell) * b->spacing_mm[axis]);
	}
	return SP_OK;
}

static int by_nearness(const void *a, const void *b)
{
	const sp_gamma_cell *p = a, *q = b;

	if (p->nearest != q->nearest)
		return p->nearest < q->nearest ? -1 : 1;
	/* among equals an order of our own, so that a result does not hang on the library's sort */
	for (int axis = 2; axis >= 0; axis--)
		if (p->step[axis] != q->step[axis])
			return p->step[axis] < q->step[axis] ? -1 : 1;
	return 0;
}

/* The cells that a gamma below the cap can come from. */
static sp_status list_cells(job *j, sp_error *err)
{
	int most[3];
	size_t n = 1;

	for (int a = 0; a < 3; a++) {
		double steps = ceil(j->reach_mm / j->b->grid.spacing_mm[a]);

		if (steps > 200.0)
			return sp_fail(err, SP_BAD_INPUT,
			               "a distance of %g mm is more than 100 voxels of %g mm: too wide a search",
			               j->criterion.distance_mm, j->b->grid.spacing_mm[a]);
		most[a] = (int)steps;
		n *= 2 * (size_t)steps + 1;
	}
	if (!(j->cells = sp_alloc_array(n, sizeof *j->cells)))
		return sp_fail(err, SP_NO_MEMORY, "comparing doses");
	for (int z = -most[2]; z <= most[2]; z++)
		for (int y = -most[1]; y <= most[1]; y++)
			for (int x = -most[0]; x <= most[0]; x++) {
				const int step[3] = {x, y, z};
				sp_gamma_cell *c = &j->cells[j->n_cells];
				double sum = 0.0;

				for (int a = 0; a < 3; a++) {
					double gap = fmax(0.0, abs(step[a]) - 1.0) * j->b->grid.spacing_mm[a] /
					             j->criterion.distance_mm;

					sum += gap * gap;
					c->step[a] = (short)step[a];
				}
				c->nearest = (float)sum;
				if (sum < j->criterion.cap * j->criterion.cap)
					j->n_cells++;
			}
	qsort(j->cells, j->n_cells, sizeof *j->cells, by_nearness);
	return SP_OK;
}

/* The centres of B (first, and how many) along an axis that coordinates begin..end of A can reach; n = 0 where all lie
 * outside. */
static void reach_of(const job *j, int axis, size_t begin, size_t end, size_t *first, size_t *n)
{
	const sp_grid *b = &j->b->grid;
	double reach = ceil(j->reach_mm / b->spacing_mm[axis]), low = INFINITY, high = -INFINITY;

	for (size_t k = begin; k < end; k++)
		if (j->inside[axis][k]) {
			low = fmin(low, (double)j->place[axis][k].cell);
			high = fmax(high, (double)j->place[axis][k].cell);
		}
	*first = *n = 0;
	if (low > high)
		return;
	low = fmax(low - reach, 0.0);
	high = fmin(high + 1.0 + reach, (double)(b->n[axis] - 1));
	*first = (size_t)low;
	*n = (size_t)(high - low) + 1;
}

static size_t slab_bytes(const job *j, size_t begin, size_t end, size_t *largest)
{
	size_t first, n, a = sp_grid_voxels(&j->a->grid) / j->a->grid.n[2] * (end - begin), b;

	reach_of(j, 2, begin, end, &first, &n);
	b = j->b->grid.n[0] * j->b->grid.n[1] * n;
	*largest = sizeof(cl_float2) * b > sizeof(cl_uint) * a ? sizeof(cl_float2) * b : sizeof(cl_uint) * a;
	return (sizeof(float) + sizeof(cl_float2)) * b + (2 * sizeof(float) + sizeof(cl_uint)) * a;
}

/* The points of a slab that are judged, and the box of A's coordinates that they lie in. */
typedef struct {
	size_t n;
	cl_uint *place; /* voxel of the slab */
	float *dose, *gamma;
	size_t begin[3], end[3];
} slab_points;

static void points_finish(slab_points *p)
{
	free(p->place);
	free(p->dose);
	free(p->gamma);
}

/* Counts those that are not judged as well. */
static sp_status list_points(slab_points *p, job *j, size_t begin, size_t end, sp_error *err)
{
	const sp_grid *g = &j->a->grid;
	const float *dose = j->a->gy + sp_grid_index(g, 0, 0, begin);
	double threshold = 0.01 * j->criterion.threshold_percent * j->out->normalisation_gy;
	size_t most = g->n[0] * g->n[1] * (end - begin), at = 0;

	p->place = sp_alloc_array(most, sizeof *p->place);
	p->dose = sp_alloc_array(most, sizeof *p->dose);
	p->gamma = sp_alloc_array(most, sizeof *p->gamma);
	if (!p->place || !p->dose || !p->gamma)
		return sp_fail(err, SP_NO_MEMORY, "comparing doses");
	memcpy(p->begin, g->n, sizeof p->begin);
	for (size_t z = begin; z < end; z++)
		for (size_t y = 0; y < g->n[1]; y++)
			for (size_t x = 0; x < g->n[0]; x++, at++) {
				const size_t voxel[3] = {x, y, z};

				/* a local criterion has no meaning where there is no dose */
				if ((double)dose[at] < threshold || (j->criterion.local && !(dose[at] > 0.0f))) {
					j->out->n_below++;
					continue;
				}
				if (!(j->inside[0][x] && j->inside[1][y] && j->inside[2][z])) {
					j->out->n_outside++;
					continue;
				}
				for (int a = 0; a < 3; a++) {
					p->begin[a] = voxel[a] < p->begin[a] ? voxel[a] : p->begin[a];
					p->end[a] = voxel[a] + 1 > p->end[a] ? voxel[a] + 1 : p->end[a];
				}
				p->dose[p->n] = dose[at];
				p->place[p->n++] = (cl_uint)at;
			}
	return SP_OK;
}

typedef struct {
	cl_mem dose_a, dose_b, range, place[3], cells, point, gamma;
} buffers;

static void release(buffers *b)
{
	cl_mem *all[] = {&b->dose_a,   &b->dose_b, &b->range, &b->place[0], &b->place[1],
	                 &b->place[2], &b->cells,  &b->point, &b->gamma};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		sp_buffer_release(all[i]);
}

/* The part of B that a slab's points can reach: a copy, so that the device gets no more than that. */
static sp_status part_of_b(float **out, job *j, const size_t first[3], const size_t n[3], sp_error *err)
{
	const sp_grid *b = &j->b->grid;

	if (!(*out = sp_alloc_array(n[0] * n[1] * n[2], sizeof **out)))
		return sp_fail(err, SP_NO_MEMORY, "comparing doses");
	for (size_t z = 0; z < n[2]; z++)
		for (size_t y = 0; y < n[1]; y++)
			memcpy(*out + (z * n[1] + y) * n[0],
			       j->b->gy + sp_grid_index(b, first[0], first[1] + y, first[2] + z), n[0] * sizeof **out);
	return SP_OK;
}

/* Moves A's places to count cells from a part's first (sign -1), or back. */
static void move_places(job *j, const size_t first[3], int sign)
{
	for (int a = 0; a < 3; a++)
		for (size_t i = 0; i < j->a->grid.n[a]; i++)
			j->place[a][i].cell += (sp_u32)(sign * (int)first[a]);
}

static sp_status upload(buffers *m, job *j, const slab_points *p, const float *dose_b, size_t begin, size_t end,
                        sp_error *err)
{
	const sp_grid *a = &j->a->grid;
	const sp_u32 *n_b = j->rule.n_b;
	size_t n_range = (size_t)(n_b[0] - 1) * (n_b[1] - 1) * (n_b[2] - 1);
	const struct {
		cl_mem *buffer;
		size_t bytes;
		const void *data;
		const char *what;
	} all[] = {
	        {&m->dose_a, p->n * sizeof(float), p->dose, "reference dose"},
	        {&m->dose_b, (size_t)n_b[0] * n_b[1] * n_b[2] * sizeof(float), dose_b, "compared dose"},
	        {&m->range, n_range * sizeof(cl_float2), NULL, "dose ranges"},
	        {&m->place[0], a->n[0] * sizeof(sp_gamma_place), j->place[0], "x coordinates"},
	        {&m->place[1], a->n[1] * sizeof(sp_gamma_place), j->place[1], "y coordinates"},
	        {&m->place[2], (end - begin) * sizeof(sp_gamma_place), j->place[2] + begin, "z coordinates"},
	        {&m->cells, j->n_cells * sizeof(sp_gamma_cell), j->cells, "cells to search"},
	        {&m->point, p->n * sizeof(cl_uint), p->place, "points"},
	        {&m->gamma, p->n * sizeof(float), NULL, "gamma"},
	};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		cl_mem_flags flags = all[i].data ? CL_MEM_READ_ONLY : CL_MEM_READ_WRITE;
		sp_status st =
		        sp_buffer_create(all[i].buffer, j->d, flags, all[i].bytes, all[i].data, all[i].what, err);

		if (st != SP_OK)
			return st;
	}
	return SP_OK;
}

static sp_status search(job *j, const buffers *m, size_t n, sp_error *err)
{
	cl_uint n_cells = (cl_uint)j->n_cells;
	const sp_argument range[] = {SP_ARG(m->range), SP_ARG(m->dose_b), SP_ARG(j->rule)};
	size_t n_range = (size_t)(j->rule.n_b[0] - 1) * (j->rule.n_b[1] - 1) * (j->rule.n_b[2] - 1);
	sp_status st;

	if ((st = sp_kernel_set_all(j->ranges, range, 3, err)) != SP_OK ||
	    (st = sp_device_launch(j->d, j->ranges, n_range, 0, err)) != SP_OK)
		return st;
	for (size_t first = 0; first < n; first += LAUNCH_POINTS) {
		cl_uint begin = (cl_uint)first,
		        count = (cl_uint)(n - first < LAUNCH_POINTS ? n - first : LAUNCH_POINTS);
		const sp_argument points[] = {SP_ARG(m->gamma),    SP_ARG(begin),       SP_ARG(count),
		                              SP_ARG(m->point),    SP_ARG(m->dose_a),   SP_ARG(m->dose_b),
		                              SP_ARG(m->range),    SP_ARG(m->place[0]), SP_ARG(m->place[1]),
		                              SP_ARG(m->place[2]), SP_ARG(m->cells),    SP_ARG(n_cells),
		                              SP_ARG(j->rule)};

		if ((st = sp_kernel_set_all(j->points, points, 13, err)) != SP_OK ||
		    (st = sp_device_launch(j->d, j->points, count, 64, err)) != SP_OK ||
		    (st = sp_device_finish(j->d, err)) != SP_OK)
			return st;
		if (sp_interrupt_asked())
			return sp_fail(err, SP_INTERRUPTED, "interrupted while comparing doses");
	}
	return SP_OK;
}

static sp_status judge_slab(job *j, size_t begin, size_t end, sp_error *err)
{
	float *part = NULL, *out = j->out->gamma + sp_grid_index(&j->a->grid, 0, 0, begin);
	size_t first[3], n[3];
	slab_points p = {0};
	buffers m = {0};
	sp_status st = list_points(&p, j, begin, end, err);

	if (st != SP_OK || p.n == 0)
		goto cleanup;
	for (int a = 0; a < 3; a++) {
		reach_of(j, a, p.begin[a], p.end[a], &first[a], &n[a]);
		j->rule.n_b[a] = (sp_u32)n[a];
	}
	if ((st = part_of_b(&part, j, first, n, err)) != SP_OK)
		goto cleanup;
	move_places(j, first, -1);
	st = upload(&m, j, &p, part, begin, end, err);
	if (st == SP_OK)
		st = search(j, &m, p.n, err);
	if (st == SP_OK)
		st = sp_buffer_read(j->d, m.gamma, 0, p.n * sizeof *p.gamma, p.gamma, err);
	move_places(j, first, 1);
	for (size_t i = 0; st == SP_OK && i < p.n; i++)
		out[p.place[i]] = p.gamma[i];
cleanup:
	release(&m);
	free(part);
	points_finish(&p);
	return st;
}

static sp_status judge_all(job *j, sp_error *err)
{
	size_t slices = j->a->grid.n[2], largest;

	for (size_t begin = 0, end; begin < slices; begin = end) {
		sp_status st;

		end = slices;
		while (end > begin + 1 && (slab_bytes(j, begin, end, &largest) > sp_device_memory_limit(j->d) ||
		                           largest > sp_device_alloc_limit(j->d)))
			end = begin + (end - begin + 1) / 2;
		if ((st = judge_slab(j, begin, end, err)) != SP_OK)
			return st;
	}
	return SP_OK;
}

static int by_size(const void *a, const void *b)
{
	float p = *(const float *)a, q = *(const float *)b;

	return p < q ? -1 : p > q;
}

/* Statistics of what was judged. A gamma that float rounding puts a millionth above 1 passes. */
static sp_status summarise(sp_gamma_result *r, size_t n_voxels, sp_error *err)
{
	float *sorted = sp_alloc_array(n_voxels, sizeof *sorted);
	double sum = 0.0;
	size_t n = 0;

	if (!sorted)
		return sp_fail(err, SP_NO_MEMORY, "comparing doses");
	for (size_t i = 0; i < n_voxels; i++) {
		if (isnan(r->gamma[i]))
			continue;
		sorted[n++] = r->gamma[i];
		sum += (double)r->gamma[i];
		r->n_passed += r->gamma[i] <= 1.0f + 1e-6f;
	}
	r->n_judged = n;
	if (n) {
		qsort(sorted, n, sizeof *sorted, by_size);
		r->mean = sum / (double)n;
		r->median = (double)sorted[n / 2];
		r->p95 = (double)sorted[(size_t)(0.95 * (double)(n - 1))];
		r->greatest = (double)sorted[n - 1];
	}
	free(sorted);
	return SP_OK;
}

static sp_status check(const job *j, sp_error *err)
{
	const sp_gamma_criterion *c = &j->criterion;

	if (!(c->dose_percent > 0.0 && c->distance_mm > 0.0 && c->cap > 1.0 && c->threshold_percent >= 0.0))
		return sp_fail(err, SP_BAD_INPUT, "a gamma criterion of %g %% and %g mm cannot be", c->dose_percent,
		               c->distance_mm);
	if (!(j->out->normalisation_gy > 0.0))
		return sp_fail(err, SP_BAD_INPUT, "the reference dose is %g at its greatest: there is nothing to judge",
		               j->out->normalisation_gy);
	for (int a = 0; a < 3; a++)
		if (j->b->grid.n[a] < 2)
			return sp_fail(
			        err, SP_BAD_INPUT,
			        "the compared dose is %zu x %zu x %zu voxels, expected at least 2 along each axis",
			        j->b->grid.n[0], j->b->grid.n[1], j->b->grid.n[2]);
	return SP_OK;
}

sp_status sp_gamma_compute(sp_gamma_result *out, sp_device *d, const sp_dose *a, const sp_dose *b,
                           const sp_gamma_criterion *criterion, sp_error *err)
{
	job j = {.d = d, .a = a, .b = b, .criterion = *criterion, .out = out};
	size_t n_voxels = sp_grid_voxels(&a->grid);
	sp_status st = SP_OK;

	*out = (sp_gamma_result){0};
	out->normalisation_gy = criterion->normalisation_gy > 0.0 ? criterion->normalisation_gy : sp_dose_greatest(a);
	if ((st = check(&j, err)) != SP_OK)
		return st;
	j.reach_mm = criterion->distance_mm * criterion->cap;
	j.rule.distance_mm = (float)criterion->distance_mm;
	j.rule.dose = (float)(0.01 * criterion->dose_percent * (criterion->local ? 1.0 : out->normalisation_gy));
	j.rule.is_local = criterion->local;
	j.rule.cap = (float)criterion->cap;
	for (int i = 0; i < 3; i++)
		j.rule.spacing_mm[i] = (float)b->grid.spacing_mm[i];
	for (int i = 0; i < 2; i++)
		j.rule.n_a[i] = (sp_u32)a->grid.n[i];
	if (!(out->gamma = sp_alloc_array(n_voxels, sizeof *out->gamma)))
		st = sp_fail(err, SP_NO_MEMORY, "comparing doses");
	for (size_t i = 0; st == SP_OK && i < n_voxels; i++)
		out->gamma[i] = NAN;
	for (int i = 0; st == SP_OK && i < 3; i++)
		st = place_axis(&j, i, err);
	if (st == SP_OK && (st = list_cells(&j, err)) == SP_OK &&
	    (st = sp_device_kernel(&j.ranges, d, "gamma.cl", "gamma_ranges", NULL, err)) == SP_OK &&
	    (st = sp_device_kernel(&j.points, d, "gamma.cl", "gamma_points", NULL, err)) == SP_OK &&
	    (st = judge_all(&j, err)) == SP_OK)
		st = summarise(out, n_voxels, err);
	finish(&j);
	if (st != SP_OK)
		sp_gamma_result_finish(out);
	return st;
}

void sp_gamma_result_finish(sp_gamma_result *r)
{
	free(r->gamma);
	*r = (sp_gamma_result){0};
}
