/* Several plans from one search: each is kept as weights when its limits hold, and their doses are made together. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "clock.h"
#include "interrupt.h"
#include "plan_session.h"

/* One of several plans is ready: its weights are kept, and the terms of limits follow what the caller makes of their
 * values. */
sp_status sp_plan_front_keep(sp_plan_session *s, const double *weights, bool *go_on)
{
	sp_plan_problem *p = &s->problem;
	size_t n = s->plan->beams->n_bixels;
	double *before = sp_alloc_array(p->n_limits, sizeof *before), *kept = sp_alloc_array(n, sizeof *kept);
	sp_status st = before && kept ? SP_OK : sp_fail(s->err, SP_NO_MEMORY, "out of memory for one of several plans");

	if (st == SP_OK)
		st = sp_grow_array(&s->kept, &s->kept_capacity, s->n_kept + 1, sizeof *s->kept, s->err);
	if (st == SP_OK) {
		memcpy(kept, weights, n * sizeof *kept);
		s->kept[s->n_kept++] = kept;
		kept = NULL;
		for (size_t i = 0; i < p->n_limits; i++)
			before[i] = p->limits[i].limit->value;
		st = s->options->on_limits(s->options->context, go_on, s->err);
	}
	for (size_t i = 0; st == SP_OK && i < p->n_limits; i++) {
		sp_term *t = &p->terms[p->limits[i].term];

		t->dose_gy = fmax(0.0, t->dose_gy + p->limits[i].limit->value - before[i]);
	}
	free(before);
	free(kept);
	s->done = !*go_on;
	s->restart = true;
	*go_on = true; /* the next look at the iteration ends what is done */
	s->round = 1;  /* what the cut-off leaves out is known */
	s->near_end = false;
	return st;
}

/* The whole doses of several plans, as many at a time as the engine takes, and each to the caller. What was interrupted
 * gives the plans that were ready. */
sp_status sp_plan_front_give(sp_plan_session *s)
{
	sp_fluence_plan *plan = s->plan;
	float *doses[SP_PENCIL_MOST_MAPS] = {0}, *own = plan->dose_gy;
	size_t batches = (s->n_kept + SP_PENCIL_MOST_MAPS - 1) / SP_PENCIL_MOST_MAPS;
	size_t most = batches ? (s->n_kept + batches - 1) / batches : 0;
	double before = sp_clock_seconds();
	sp_status st = SP_OK;

	if (sp_interrupt_asked()) {
		plan->interrupted = true;
		sp_interrupt_acknowledge();
	}
	for (size_t m = 0; m < most; m++)
		if (!(doses[m] = sp_alloc_array(sp_grid_voxels(&plan->dose_grid), sizeof *own)))
			st = sp_fail(s->err, SP_NO_MEMORY, "out of memory for the doses of %zu plans", most);
	for (size_t first = 0; st == SP_OK && first < s->n_kept; first += most) {
		size_t n = s->n_kept - first < most ? s->n_kept - first : most;

		st = sp_pencil_doses(doses, s->pencil, plan->beams, (const double *const *)s->kept + first, n,
		                     &plan->dose_grid, NULL, s->err);
		plan->dose_seconds += sp_clock_seconds() - before;
		for (size_t m = 0; st == SP_OK && m < n; m++) {
			memcpy(plan->weights, s->kept[first + m], plan->beams->n_bixels * sizeof *plan->weights);
			plan->dose_gy = doses[m];
			st = s->options->on_plan(s->options->context, plan, s->err);
		}
		plan->dose_gy = own;
		before = sp_clock_seconds();
	}
	for (size_t m = 0; m < most; m++)
		free(doses[m]);
	return st;
}
