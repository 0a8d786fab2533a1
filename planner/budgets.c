/* What an earlier course leaves, as hard limits on single voxels. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "earlier_dose.h"
#include "evaluate.h"
#include "log.h"

/* As in limit_correction.c: aimed this far inside; a term this near its dose binds. */
#define MARGIN_GY 0.05
#define BINDING_GY 0.1

/* The hottest part that is judged, as point doses are in the rules' sources. */
#define POINT_CC 0.03

static bool is_cord_like(const sp_plan_limit *l, const sp_term *t, const sp_case *c)
{
	const sp_structure *s = &c->structures[l->which[0]];

	if (l->scenario != 0 || l->n != 1 || (t->kind != SP_LIMIT_MAX && t->kind != SP_LIMIT_DVH_MAX))
		return false;
	return s->role == SP_ROLE_CORD || s->role == SP_ROLE_PRV || strcmp(l->limit->structure, "ThecalSac") == 0 ||
	       strcmp(l->limit->structure, "CaudaEquina") == 0;
}

static sp_status add_term(sp_budgets *b, sp_plan_problem *p, const sp_plan_limit *l, sp_error *err)
{
	const sp_term *t = &p->terms[l->term];
	sp_term *own = &p->terms[p->n_terms];
	uint32_t *rows = sp_alloc_array(t->n, sizeof *rows);
	float *volumes = sp_alloc_array(t->n, sizeof *volumes), *over = sp_alloc_array(t->n, sizeof *over);

	*own = (sp_term){.kind = SP_LIMIT_MAX, .dose_gy = b->largest_gy, .n = t->n};
	memcpy(own->name, t->name, sizeof own->name);
	own->rows = rows;
	own->volumes = volumes;
	own->over_gy = over;
	p->n_terms++; /* now freed with the problem */
	b->structures[b->n_terms++] = l->which[0];
	if (!rows || !volumes || !over)
		return sp_fail(err, SP_NO_MEMORY, "out of memory for the budgets of %s", t->name);
	memcpy(rows, t->rows, t->n * sizeof *rows);
	memcpy(volumes, t->volumes, t->n * sizeof *volumes);
	for (size_t i = 0; i < t->n; i++)
		over[i] = (float)fmin(0.0, (double)b->budget_gy[p->voxels[rows[i]]] - b->largest_gy);
	return SP_OK;
}

static bool has_budget(const sp_budgets *b, size_t structure)
{
	for (size_t k = 0; k < b->n_terms; k++)
		if (b->structures[k] == structure)
			return true;
	return false;
}

sp_status sp_budgets_add(sp_budgets *out, sp_plan_problem *p, const sp_earlier_dose *e, const sp_case *c,
                         const sp_grid *grid, double fractions, sp_error *err)
{
	size_t voxels = sp_grid_voxels(grid), capacity = p->n_terms;
	sp_budgets b = {.first_term = p->n_terms,
	                .cap_eqd2_gy = fmin(SP_NEW_EQD2_GY, e->options.total_eqd2_gy),
	                .structures = sp_alloc_array(p->n_limits, sizeof *b.structures),
	                .budget_gy = sp_alloc_array(voxels, sizeof *b.budget_gy)};
	sp_status st = SP_OK;

	if (!b.structures || !b.budget_gy)
		st = sp_fail(err, SP_NO_MEMORY, "out of memory for the budgets of %zu voxels", voxels);
	for (size_t v = 0; st == SP_OK && v < voxels; v++)
		b.budget_gy[v] = (float)sp_budget_gy(&e->options, (double)e->eqd2_gy[v], b.cap_eqd2_gy, fractions);
	b.largest_gy = sp_budget_gy(&e->options, 0.0, b.cap_eqd2_gy, fractions);
	if (st == SP_OK)
		st = sp_grow_array(&p->terms, &capacity, p->n_terms + p->n_limits, sizeof *p->terms, err);
	for (size_t i = 0; st == SP_OK && i < p->n_limits; i++) {
		const sp_plan_limit *l = &p->limits[i];

		if (is_cord_like(l, &p->terms[l->term], c) && !has_budget(&b, l->which[0]))
			st = add_term(&b, p, l, err);
	}
	if (st == SP_OK && b.n_terms == 0)
		st = sp_fail(err, SP_BAD_INPUT,
		             "neither cord, PRV nor thecal sac has a hard limit in the protocol, so there is "
		             "nothing to hold an earlier dose's budget on");
	*out = b;
	if (st != SP_OK)
		sp_budgets_finish(out);
	return st;
}

void sp_budgets_finish(sp_budgets *b)
{
	free(b->structures);
	free(b->budget_gy);
	*b = (sp_budgets){0};
}

sp_status sp_budgets_judge(sp_limit_standing *out, const sp_budgets *b, sp_plan_problem *p, const sp_case *c,
                           const sp_grid *grid, const float *dose_gy, const float *rows_dose, bool correct,
                           sp_error *err)
{
	size_t voxels = sp_grid_voxels(grid);
	float *over = sp_alloc_array(voxels, sizeof *over); /* the dose less its budget, lifted above 0 */
	sp_status st = over ? SP_OK : sp_fail(err, SP_NO_MEMORY, "out of memory judging budgets");

	*out = (sp_limit_standing){-INFINITY, 0.0};
	for (size_t v = 0; st == SP_OK && v < voxels; v++)
		over[v] = (float)((double)dose_gy[v] - (double)b->budget_gy[v] + b->largest_gy);
	for (size_t k = 0; st == SP_OK && k < b->n_terms; k++) {
		sp_term *t = &p->terms[b->first_term + k];
		double seen = -INFINITY, miss, outside_cc;
		sp_dvh dvh;
		bool binds;

		st = sp_dvh_of_structures(&dvh, &outside_cc, c, &b->structures[k], 1, grid, over, err);
		if (st != SP_OK)
			break;
		miss = sp_dvh_dose_at_cc(&dvh, POINT_CC) - b->largest_gy;
		sp_dvh_finish(&dvh);
		for (size_t i = 0; i < t->n; i++)
			seen = fmax(seen, (double)rows_dose[t->rows[i]] - (t->dose_gy + (double)t->over_gy[i]));
		binds = miss > 0.0 || seen >= -BINDING_GY;
		sp_log_detail("%s budget: judged %+.3f, on the rows %+.3f, moved by %+.3f", t->name, miss, seen,
		              t->dose_gy - b->largest_gy);
		out->worst_miss_gy = fmax(out->worst_miss_gy, miss);
		if (binds)
			out->worst_slack_gy = fmax(out->worst_slack_gy, -miss);
		if (binds && correct)
			t->dose_gy = fmax(0.0, t->dose_gy - (miss > 0.0 ? miss + MARGIN_GY : 0.5 * (miss + MARGIN_GY)));
	}
	free(over);
	return st;
}
