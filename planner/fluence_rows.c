/* Which rows of the matrix the search multiplies. A voxel that only an overdose term looks at costs nothing while its
 * dose is well below that term's: with organs and body in the objectives that is most of the matrix. */
#include "fluence_problem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"

static bool term_has_rows(const sp_term_state *t)
{
	return (t->is_limit || t->term->weight > 0.0) && (!t->is_sum || t->term->kind == SP_GEUD);
}

/* Marks the rows whose dose comes near (or, with margin 1, passes) the dose at which a term begins to cost. */
static void mark_rows(unsigned char *marks, const sp_fluence_problem *p, double margin)
{
	memset(marks, 0, p->n_rows);
	for (size_t k = 0; k < p->n_terms; k++) {
		const sp_term_state *t = &p->terms[k];
		double above = margin * sp_term_inactive_below_gy(t);

		if (!term_has_rows(t))
			continue;
		for (size_t i = 0; i < t->term->n; i++)
			if (p->dose_gy[t->term->rows[i]] > above || (t->shift_gy && t->shift_gy[i] > 0.0))
				marks[t->term->rows[i]] = 1;
	}
}

sp_status sp_fluence_count_rows(const sp_fluence_problem *p, double margin, size_t *n_missed_out, size_t *n_chosen_out)
{
	unsigned char *marks = sp_alloc_array(p->n_rows, 1);

	*n_missed_out = *n_chosen_out = 0;
	/* to go on with the rows as they are would lead to another plan, without a word of it */
	if (!marks)
		return sp_fail(p->err, SP_NO_MEMORY, "out of memory counting rows of the matrix");
	mark_rows(marks, p, 1.0);
	for (size_t row = 0; row < p->n_rows; row++)
		*n_missed_out += marks[row] && p->work_of_row[row] == SP_NO_ROW;
	mark_rows(marks, p, margin);
	for (size_t row = 0; row < p->n_rows; row++)
		*n_chosen_out += marks[row];
	free(marks);
	return SP_OK;
}

static sp_status number_rows(sp_fluence_problem *p, double margin)
{
	unsigned char *marks = sp_alloc_array(p->n_rows, 1);

	if (!marks)
		return sp_fail(p->err, SP_NO_MEMORY, "out of memory choosing rows of the matrix");
	mark_rows(marks, p, margin);
	p->n_work = 0;
	for (size_t row = 0; row < p->n_rows; row++) {
		p->work_of_row[row] = marks[row] ? (uint32_t)p->n_work : SP_NO_ROW;
		if (marks[row])
			p->work_rows[p->n_work++] = row;
	}
	free(marks);
	return SP_OK;
}

/* Gives every voxel of every term its place in the list of costs, which is ordered by row. */
static sp_status place_costs(sp_fluence_problem *p)
{
	size_t n = 0;
	uint32_t *next;

	memset(p->cost_begin, 0, (p->n_rows + 1) * sizeof *p->cost_begin);
	for (size_t k = 0; k < p->n_terms; k++)
		for (size_t i = 0; term_has_rows(&p->terms[k]) && !p->terms[k].is_sum && i < p->terms[k].term->n; i++) {
			uint32_t work = p->work_of_row[p->terms[k].term->rows[i]];

			if (work != SP_NO_ROW && ++n)
				p->cost_begin[work + 1]++;
		}
	if (n >= UINT32_MAX)
		return sp_fail(p->err, SP_BAD_INPUT, "the objectives name %zu voxels, more than 2^32", n);
	for (size_t row = 0; row < p->n_work; row++)
		p->cost_begin[row + 1] += p->cost_begin[row];
	p->n_costs = n;
	free(p->costs);
	p->costs = sp_alloc_array(n, sizeof *p->costs);
	next = sp_alloc_array(p->n_work, sizeof *next);
	if (!p->costs || !next) {
		free(next);
		return sp_fail(p->err, SP_NO_MEMORY, "out of memory for the costs of %zu voxels", n);
	}
	memcpy(next, p->cost_begin, p->n_work * sizeof *next);
	for (size_t k = 0; k < p->n_terms; k++)
		for (size_t i = 0; p->cost_of_voxel[k] && i < p->terms[k].term->n; i++) {
			uint32_t work = p->work_of_row[p->terms[k].term->rows[i]];
			bool placed = work != SP_NO_ROW && term_has_rows(&p->terms[k]);

			p->cost_of_voxel[k][i] = placed ? next[work]++ : SP_NO_ROW;
		}
	free(next);
	return SP_OK;
}

static sp_status make_row_buffers(sp_fluence_problem *p)
{
	size_t bytes = p->n_work * sizeof(float);
	struct {
		cl_mem *buffer;
		size_t bytes;
		const char *what;
	} wanted[] = {
	        {&p->dose, bytes, "dose of the optimiser"},
	        {&p->along, bytes, "dose along the search"},
	        {&p->slope, bytes, "slopes of the objectives"},
	        {&p->offset, bytes, "dose from elsewhere"},
	        {&p->ones_dose, bytes, "dose of equal weights"},
	        {&p->cost_begin_buffer, (p->n_work + 1) * sizeof(uint32_t), "list of costs"},
	        {&p->cost_buffer, p->n_costs * sizeof(sp_voxel_cost), "costs of voxels"},
	};
	sp_status st;

	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
		sp_buffer_release(wanted[i].buffer);
		if ((st = sp_buffer_create(wanted[i].buffer, p->device, CL_MEM_READ_WRITE, wanted[i].bytes, NULL,
		                           wanted[i].what, p->err)) != SP_OK)
			return st;
	}
	return sp_buffer_write(p->device, p->cost_begin_buffer, 0, (p->n_work + 1) * sizeof(uint32_t), p->cost_begin,
	                       p->err);
}

static sp_status make_geud_buffers(sp_fluence_problem *p)
{
	for (size_t k = 0; k < p->n_geuds; k++) {
		sp_geud_part *g = &p->geuds[k];
		size_t n = g->term->term->n;
		uint32_t *rows = sp_alloc_array(n, sizeof *rows);
		float *shares = sp_alloc_array(n, sizeof *shares);
		sp_status st = SP_OK;

		sp_buffer_release(&g->rows);
		sp_buffer_release(&g->volumes);
		if (!rows || !shares)
			st = sp_fail(p->err, SP_NO_MEMORY, "out of memory for the %zu voxels of %s", n,
			             g->term->term->name);
		for (size_t i = 0; st == SP_OK && i < n; i++) {
			rows[i] = p->work_of_row[g->term->term->rows[i]];
			shares[i] = (float)(g->term->term->volumes[i] / g->term->volume);
		}
		if (st == SP_OK)
			st = sp_buffer_create(&g->rows, p->device, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR,
			                      n * sizeof *rows, rows, "voxels of a gEUD objective", p->err);
		if (st == SP_OK)
			st = sp_buffer_create(&g->volumes, p->device, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR,
			                      n * sizeof *shares, shares, "volumes of a gEUD objective", p->err);
		free(rows);
		free(shares);
		if (st != SP_OK)
			return st;
		g->n = (cl_uint)n;
	}
	return SP_OK;
}

/* The dose of weights that are all 1 (bounds the Hessian's diagonal) and the dose from elsewhere, on the new rows. */
static sp_status fill_row_buffers(sp_fluence_problem *p)
{
	sp_status st;

	for (size_t j = 0; j < p->n_columns; j++)
		p->column_floats[j] = 1.0f;
	for (size_t row = 0; row < p->n_work; row++)
		p->work_dose_gy[row] = p->offset_gy ? p->offset_gy[p->work_rows[row]] : 0.0f;
	p->products++;
	if ((st = sp_buffer_write(p->device, p->column_in, 0, p->n_columns * sizeof(float), p->column_floats,
	                          p->err)) != SP_OK ||
	    (st = sp_influence_multiply(p->work, p->ones_dose, p->column_in, p->err)) != SP_OK ||
	    (st = sp_buffer_zero(p->device, p->along, p->n_work * sizeof(float), p->err)) != SP_OK)
		return st;
	return sp_buffer_write(p->device, p->offset, 0, p->n_work * sizeof(float), p->work_dose_gy, p->err);
}

sp_status sp_fluence_choose_rows(sp_fluence_problem *p, double margin)
{
	sp_status st;

	sp_influence_destroy(p->work); /* first, so that two copies never stand side by side */
	p->work = NULL;
	if ((st = number_rows(p, margin)) != SP_OK || (st = place_costs(p)) != SP_OK ||
	    (st = sp_influence_select_rows(&p->work, p->matrix, p->work_rows, p->n_work, p->err)) != SP_OK ||
	    (st = make_row_buffers(p)) != SP_OK || (st = make_geud_buffers(p)) != SP_OK ||
	    (st = fill_row_buffers(p)) != SP_OK)
		return st;
	return sp_fluence_update_costs(p);
}

sp_status sp_fluence_update_costs(sp_fluence_problem *p)
{
	for (size_t k = 0; k < p->n_terms; k++)
		for (size_t i = 0; p->cost_of_voxel[k] && i < p->terms[k].term->n; i++)
			if (p->cost_of_voxel[k][i] != SP_NO_ROW)
				p->costs[p->cost_of_voxel[k][i]] = sp_term_voxel_cost(&p->terms[k], i);
	return sp_buffer_write(p->device, p->cost_buffer, 0, p->n_costs * sizeof *p->costs, p->costs, p->err);
}
