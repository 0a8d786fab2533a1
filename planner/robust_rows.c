#include "robust_rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "displace.h"
#include "mask.h"

/* Farther from the target no limited organ's hottest part is found: the dose there is half the prescription or less. */
#define REACH_MM 20.0

/* A term of the patient as planned that scenarios have too. */
static bool term_is_limit(const sp_term *t)
{
	return t->kind == SP_LIMIT_MAX || t->kind == SP_LIMIT_DVH_MAX;
}

static sp_status no_memory(sp_error *err)
{
	return sp_fail(err, SP_NO_MEMORY, "out of memory for the scenarios of set-up errors");
}

/* Voxels of the grid within reach of the target. */
static bool reach_box(size_t first[3], size_t last[3], const sp_case *c, const sp_grid *g)
{
	double low[3], high[3];

	if (!sp_structure_bounds(low, high, sp_case_target(c), &c->ct))
		return false;
	for (int a = 0; a < 3; a++) {
		double edge = sp_grid_low_edge_mm(g, a), h = g->spacing_mm[a], most = (double)(g->n[a] - 1);

		first[a] = (size_t)fmin(fmax(floor((low[a] - REACH_MM - edge) / h), 0.0), most);
		last[a] = (size_t)fmin(fmax(floor((high[a] + REACH_MM - edge) / h), 0.0), most);
	}
	return true;
}

static void place(size_t at[3], const sp_grid *g, uint64_t v)
{
	at[0] = v % g->n[0];
	at[1] = v / g->n[0] % g->n[1];
	at[2] = v / g->n[0] / g->n[1];
}

static bool is_within(const size_t at[3], const size_t first[3], const size_t last[3])
{
	for (int a = 0; a < 3; a++)
		if (at[a] < first[a] || at[a] > last[a])
			return false;
	return true;
}

/* The tumour itself: a margin's voxels need no scenario, they are the allowance for it. */
static bool term_is_tumour(const sp_plan_problem *p, size_t term, const sp_case *c)
{
	const sp_term *t = &p->terms[term];
	const sp_structure *s = sp_case_find(c, t->name);

	return t->kind == SP_SQUARED_UNDERDOSE && s && (s->role == SP_ROLE_GTV || s->role == SP_ROLE_CTV);
}

/* Marks the rows that scenarios have; the box around those with limits, two voxels wider, is where they are judged. */
static sp_status choose_rows(sp_robust_rows *r, unsigned char *marks, const sp_plan_problem *p, const sp_case *c,
                             const sp_grid *g, sp_error *err)
{
	size_t reach_first[3], reach_last[3], first[3] = {SIZE_MAX, SIZE_MAX, SIZE_MAX}, last[3] = {0}, at[3], n = 0;

	if (!reach_box(reach_first, reach_last, c, g))
		return sp_fail(err, SP_BAD_INPUT, "the target is empty");
	for (size_t k = 0; k < p->n_terms; k++) {
		const sp_term *t = &p->terms[k];

		if (!term_is_tumour(p, k, c))
			continue;
		for (size_t i = 0; i < t->n; i++)
			marks[t->rows[i]] = 1;
	}
	for (size_t k = 0; k < p->n_limits; k++) {
		const sp_term *t = &p->terms[p->limits[k].term];

		for (size_t i = 0; term_is_limit(t) && i < t->n; i++) {
			place(at, g, p->voxels[t->rows[i]]);
			if (!is_within(at, reach_first, reach_last))
				continue;
			marks[t->rows[i]] = 1;
			for (int a = 0; a < 3; a++) {
				first[a] = at[a] < first[a] ? at[a] : first[a];
				last[a] = at[a] > last[a] ? at[a] : last[a];
			}
		}
	}
	if (first[0] == SIZE_MAX)
		return sp_fail(err, SP_BAD_INPUT,
		               "no organ with a hard limit comes within %g mm of the target, so there is "
		               "nothing to hold in scenarios of set-up errors",
		               REACH_MM);
	for (int a = 0; a < 3; a++) {
		first[a] = first[a] > 2 ? first[a] - 2 : 0;
		last[a] = last[a] + 2 < g->n[a] ? last[a] + 2 : g->n[a] - 1;
		r->box.n[a] = last[a] - first[a] + 1;
		r->box.spacing_mm[a] = g->spacing_mm[a];
		r->box.origin_mm[a] = g->origin_mm[a] + (double)first[a] * g->spacing_mm[a];
	}
	for (size_t i = 0; i < p->n_voxels; i++)
		n += marks[i];
	r->n_each = n;
	r->first_row = p->n_voxels;
	r->nominal_row = sp_alloc_array(n, sizeof *r->nominal_row);
	r->voxels = sp_alloc_array(n, sizeof *r->voxels);
	r->box_voxel = sp_alloc_array(n, sizeof *r->box_voxel);
	r->box_dose_gy = sp_alloc_array(sp_grid_voxels(&r->box), sizeof *r->box_dose_gy);
	if (!r->nominal_row || !r->voxels || !r->box_voxel || !r->box_dose_gy)
		return no_memory(err);
	n = 0;
	for (size_t i = 0; i < p->n_voxels; i++) {
		if (!marks[i])
			continue;
		place(at, g, p->voxels[i]);
		r->nominal_row[n] = (uint32_t)i;
		r->voxels[n] = p->voxels[i];
		r->box_voxel[n++] = is_within(at, first, last) ? sp_grid_index(&r->box, at[0] - first[0],
		                                                               at[1] - first[1], at[2] - first[2])
		                                               : SIZE_MAX;
	}
	return SP_OK;
}

/* A scenario's copy of a term, on its rows; where[nominal row]: 1 + the place among the n_each, 0 for none. Voxels
 * without a row count as volume that gets no dose. */
static sp_status copy_term(sp_term *out, const sp_term *t, const uint32_t *where, size_t first_row, sp_error *err)
{
	uint32_t *rows = sp_alloc_array(t->n, sizeof *rows);
	float *volumes = sp_alloc_array(t->n, sizeof *volumes);

	*out = *t;
	out->rows = rows;
	out->volumes = volumes;
	out->n = 0;
	if (!rows || !volumes)
		return no_memory(err);
	for (size_t i = 0; i < t->n; i++) {
		if (!where[t->rows[i]]) {
			out->empty_volume += t->volumes[i];
			continue;
		}
		rows[out->n] = (uint32_t)(first_row + where[t->rows[i]] - 1);
		volumes[out->n++] = t->volumes[i];
	}
	return SP_OK;
}

static sp_status add_scenario(const sp_robust_rows *r, sp_plan_problem *p, size_t scenario, const uint32_t *where,
                              const sp_case *c, size_t n_terms, size_t n_limits, sp_error *err)
{
	size_t first_row = r->first_row + scenario * r->n_each;

	for (size_t k = 0; k < n_terms; k++) {
		sp_term *own = &p->terms[p->n_terms];
		sp_status st;

		if (!term_is_tumour(p, k, c))
			continue;
		p->n_terms++; /* before the allocations, so that they are freed */
		if ((st = copy_term(own, &p->terms[k], where, first_row, err)) != SP_OK)
			return st;
		own->weight /= (double)r->n_scenarios;
	}
	for (size_t k = 0; k < n_limits; k++) {
		const sp_plan_limit *l = &p->limits[k];
		sp_plan_limit *own = &p->limits[p->n_limits];
		sp_term *term = &p->terms[p->n_terms];
		sp_status st;

		if (!term_is_limit(&p->terms[l->term]))
			continue;
		p->n_terms++;
		if ((st = copy_term(term, &p->terms[l->term], where, first_row, err)) != SP_OK)
			return st;
		if (term->n == 0) { /* out of reach */
			free((void *)(uintptr_t)term->rows);
			free((void *)(uintptr_t)term->volumes);
			p->n_terms--;
			continue;
		}
		*own = *l;
		own->term = p->n_terms - 1;
		own->scenario = 1 + scenario;
		if (!(own->which = sp_alloc_array(l->n, sizeof *l->which)))
			return no_memory(err);
		memcpy(own->which, l->which, l->n * sizeof *l->which);
		p->n_limits++;
	}
	return SP_OK;
}

static sp_status add_scenarios(const sp_robust_rows *r, sp_plan_problem *p, const sp_case *c, sp_error *err)
{
	size_t n_terms = p->n_terms, n_limits = p->n_limits, capacity = n_terms;
	uint32_t *where = sp_alloc_array(p->n_voxels, sizeof *where);
	sp_status st = where ? SP_OK : no_memory(err);

	if (st == SP_OK)
		st = sp_grow_array(&p->terms, &capacity, n_terms + r->n_scenarios * (n_terms + n_limits),
		                   sizeof *p->terms, err);
	capacity = n_limits;
	if (st == SP_OK)
		st = sp_grow_array(&p->limits, &capacity, n_limits * (1 + r->n_scenarios), sizeof *p->limits, err);
	for (size_t i = 0; st == SP_OK && i < r->n_each; i++)
		where[r->nominal_row[i]] = (uint32_t)(i + 1);
	for (size_t s = 0; st == SP_OK && s < r->n_scenarios; s++)
		st = add_scenario(r, p, s, where, c, n_terms, n_limits, err);
	free(where);
	return st;
}

sp_status sp_robust_rows_make(sp_robust_rows *out, sp_plan_problem *p, const sp_case *c, const sp_grid *grid,
                              const sp_beam_set *beams, const sp_scenario *scenarios, size_t n_scenarios, sp_error *err)
{
	sp_robust_rows r = {.n_scenarios = n_scenarios, .scenarios = scenarios};
	unsigned char *marks = sp_alloc_array(p->n_voxels, 1);
	sp_status st = SP_OK;

	r.beams = sp_alloc_array(n_scenarios, sizeof *r.beams);
	r.displacements = sp_alloc_array(n_scenarios, sizeof *r.displacements);
	if (!marks || !r.beams || !r.displacements)
		st = no_memory(err);
	for (size_t s = 0; st == SP_OK && s < n_scenarios; s++) {
		sp_displacement *d = &r.displacements[s];

		memcpy(d->shift_mm, scenarios[s].shift_mm, sizeof d->shift_mm);
		memcpy(d->rotation_deg, scenarios[s].rotation_deg, sizeof d->rotation_deg);
		memcpy(d->pivot_mm, beams->beams[0].setup.isocentre_mm, sizeof d->pivot_mm);
		st = sp_beam_set_displace(&r.beams[s], beams, d, err);
	}
	if (st == SP_OK)
		st = choose_rows(&r, marks, p, c, grid, err);
	if (st == SP_OK)
		st = add_scenarios(&r, p, c, err);
	free(marks);
	*out = r;
	if (st != SP_OK)
		sp_robust_rows_finish(out);
	return st;
}

void sp_robust_rows_finish(sp_robust_rows *r)
{
	for (size_t s = 0; r->beams && s < r->n_scenarios; s++)
		sp_beam_set_destroy(r->beams[s]);
	free(r->beams);
	free(r->displacements);
	free(r->nominal_row);
	free(r->voxels);
	free(r->box_voxel);
	free(r->box_dose_gy);
	*r = (sp_robust_rows){0};
}

size_t sp_robust_rows_total(const sp_robust_rows *r, const sp_plan_problem *p)
{
	return p->n_voxels + r->n_scenarios * r->n_each;
}

sp_status sp_robust_rows_matrix(sp_influence **matrix, const sp_robust_rows *r, sp_pencil *pencil, const sp_grid *grid,
                                double cutoff_mm, sp_error *err)
{
	sp_influence **all = sp_alloc_array(1 + r->n_scenarios, sizeof *all), *joined = NULL;
	sp_status st = all ? SP_OK : no_memory(err);

	for (size_t s = 0; st == SP_OK && s < r->n_scenarios; s++)
		st = sp_pencil_influence(&all[1 + s], pencil, r->beams[s], grid, r->voxels, r->n_each, cutoff_mm, err);
	if (st == SP_OK) {
		all[0] = *matrix;
		st = sp_influence_join(&joined, all, 1 + r->n_scenarios, err);
	}
	if (st == SP_OK) {
		sp_influence_destroy(*matrix);
		*matrix = joined;
	}
	for (size_t s = 0; all && s < r->n_scenarios; s++)
		sp_influence_destroy(all[1 + s]);
	free(all);
	return st;
}

void sp_robust_rows_guess_offset(const sp_robust_rows *r, float *offset)
{
	for (size_t s = 0; s < r->n_scenarios; s++)
		for (size_t i = 0; i < r->n_each; i++)
			offset[r->first_row + s * r->n_each + i] = offset[r->nominal_row[i]];
}
