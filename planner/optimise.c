/* The outer loop: GSL's multimin on the augmented Lagrangian, multipliers and free voxels between its rounds, the best
 * point kept. The minimiser is projected_lbfgs.c, the cost fluence_problem.c, docs/optimisation.md the reasoning. */
#include "optimise.h"

#include <gsl/gsl_errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "clock.h"
#include "fluence_problem.h"
#include "interrupt.h"
#include "log.h"
#include "mapped_cost.h"

#define SLOPE_SHARE 0.1        /* of its first slope that the chosen step of a line may keep */
#define SLOPE_SHARE_MAPPED 0.6 /* the same where every trial costs products */
#define ROW_MARGIN_FIRST \
	0.6               /* rows above this share of their threshold are worked on: the start is a rough guess ... */
#define ROW_MARGIN 0.85   /* ... later doses move less between two looks at all rows */
#define PENALTY_START 1.0 /* penalty of a limit in units of the largest weight among the objectives */
#define PENALTY_GROWTH 2.0
#define PENALTY_AGAIN 64.0 /* times the first one at most, where a search of apertures goes on */
#define PENALTY_MOST 1e6   /* times the first one */
#define HISTORY 10
#define MOST_ROUNDS 500
#define ROUGHLY 10.0       /* times the tolerance is near enough to the end to ask the caller for changes */
#define CONFLICT_ROUNDS 12 /* rounds without progress on the limits that show a conflict */

typedef enum { ROUND_LONG_ENOUGH, ROUND_CONVERGED, ROUND_STOPPED } round_end;

typedef struct {
	sp_fluence_problem *problem;
	sp_mapped_cost *mapped; /* NULL where the weights are free: then x are the weights */
	sp_line_cost *line;
	size_t n;        /* of x */
	double *weights; /* of x, where they are mapped */
	const sp_optimise_options *options;
	sp_optimise_result *result;
	gsl_multimin_fdfminimizer *minimiser;
	gsl_multimin_function_fdf cost;
	gsl_vector *x;
	double started_s, tolerance, limit_tolerance_gy, penalty_start, gradient_at_zero, least_change;
	double objective, miss_gy; /* at the last look at all rows */
	double *best;
	double best_objective, best_miss_gy, least_miss_gy;
	size_t n_limits, rounds, rounds_since_progress;
	bool has_best;
	bool was_thorough; /* has searched to the real end after that */
	bool roughly;      /* the caller's changes come first: a rough end of the search is enough to ask for them */
} search;

static bool should_stop(const search *s)
{
	const sp_optimise_options *o = s->options;

	return sp_interrupt_asked() || (o->max_iterations && s->result->iterations >= o->max_iterations) ||
	       (o->max_seconds > 0.0 && sp_clock_seconds() - s->started_s >= o->max_seconds);
}

/* The weights of x. */
static const double *weights_of(search *s, const double *x)
{
	if (!s->mapped)
		return x;
	s->options->map->weights(s->options->map->context, s->weights, x);
	return s->weights;
}

/* Tells the map which x the weights are of that the caller will see. */
static void show_variables(const search *s, const double *x)
{
	if (s->mapped && s->options->map->shown)
		s->options->map->shown(s->options->map->context, x);
}

/* Sets every limit's miss and returns the worst. */
static sp_status measure_limits(search *s, double *worst_out)
{
	sp_fluence_problem *p = s->problem;
	sp_status st = SP_OK;

	*worst_out = 0.0;
	for (size_t k = 0; st == SP_OK && k < p->n_terms; k++) {
		st = sp_term_measure(&p->terms[k], p->dose_gy, p->err);
		*worst_out = fmax(*worst_out, p->terms[k].miss_gy);
	}
	return st;
}

/* ---- the start ---- */

/* Cost of all voxels at scale * dose + offset, on the host. */
static double cost_of_scale(const sp_fluence_problem *p, const float *dose, double scale)
{
	double sum = 0.0;

	for (size_t k = 0; k < p->n_terms; k++) {
		const sp_term_state *t = &p->terms[k];

		for (size_t i = 0; !t->is_sum && i < t->term->n; i++) {
			uint32_t row = t->term->rows[i];
			sp_voxel_cost c = sp_term_voxel_cost(t, i);
			double d = scale * dose[row] + (p->offset_gy ? p->offset_gy[row] : 0.0f);
			double above = fmax(0.0, d - c.above_gy), below = fmax(0.0, c.below_gy - d);

			sum += c.above_cost * above * above + c.below_cost * below * below;
		}
	}
	return sum;
}

/* The factor on weights of 1 with the least cost: golden section over its logarithm. */
static double best_scale(const sp_fluence_problem *p, const float *dose)
{
	double most_dose = 0.0, most_wanted = 0.0, ratio = 0.5 * (sqrt(5.0) - 1.0), low, high;

	for (size_t k = 0; k < p->n_terms; k++) {
		most_wanted = fmax(most_wanted, p->terms[k].term->dose_gy);
		for (size_t i = 0; i < p->terms[k].term->n; i++)
			most_dose = fmax(most_dose, dose[p->terms[k].term->rows[i]]);
	}
	if (!(most_dose > 0.0) || !(most_wanted > 0.0))
		return 0.0;
	low = log(1e-3 * most_wanted / most_dose);
	high = log(10.0 * most_wanted / most_dose);
	while (high - low > 0.02) {
		double a = high - ratio * (high - low), b = low + ratio * (high - low);

		if (cost_of_scale(p, dose, exp(a)) <= cost_of_scale(p, dose, exp(b)))
			high = b;
		else
			low = a;
	}
	return exp(0.5 * (low + high));
}

/* Equal weights on all columns that reach a voxel of a term, scaled to the least cost; leaves the dose in dose_gy. */
static sp_status choose_start(search *s)
{
	sp_fluence_problem *p = s->problem;
	double scale;
	sp_status st;

	if (s->mapped) {
		for (size_t i = 0; i < s->n; i++)
			gsl_vector_set(s->x, i, fmax(0.0, s->options->map->start[i]));
		return sp_fluence_full_dose(p, weights_of(s, s->x->data));
	}
	if (s->options->start) {
		for (size_t j = 0; j < p->n_columns; j++)
			gsl_vector_set(s->x, j, fmax(0.0, s->options->start[j]));
		return sp_fluence_full_dose(p, s->x->data);
	}
	if ((st = sp_fluence_reached_columns(p, s->x->data)) != SP_OK ||
	    (st = sp_fluence_full_dose(p, s->x->data)) != SP_OK)
		return st;
	for (size_t row = 0; p->offset_gy && row < p->n_rows; row++)
		p->dose_gy[row] -= p->offset_gy[row];
	scale = best_scale(p, p->dose_gy);
	gsl_vector_scale(s->x, scale);
	for (size_t row = 0; row < p->n_rows; row++)
		p->dose_gy[row] = (float)scale * p->dose_gy[row] + (p->offset_gy ? p->offset_gy[row] : 0.0f);
	return SP_OK;
}

static void set_first_penalties(search *s)
{
	sp_fluence_problem *p = s->problem;
	double largest = 0.0;

	for (size_t k = 0; k < p->n_terms; k++)
		if (p->terms[k].is_limit)
			s->n_limits++;
		else
			largest = fmax(largest, p->terms[k].term->weight);
	s->penalty_start = largest > 0.0 ? PENALTY_START * largest : 1.0;
	for (size_t k = 0; k < p->n_terms; k++)
		p->terms[k].penalty = p->terms[k].is_limit ? s->penalty_start : 0.0;
}

static sp_status set_minimiser(search *s)
{
	if (gsl_multimin_fdfminimizer_set(s->minimiser, &s->cost, s->x, 1.0,
	                                  s->mapped ? SLOPE_SHARE_MAPPED : SLOPE_SHARE) == GSL_SUCCESS)
		return SP_OK;
	return s->problem->status != SP_OK ? s->problem->status
	                                   : sp_fail(s->problem->err, SP_FAILED, "the minimiser cannot start");
}

static sp_status begin_search(search *s)
{
	sp_fluence_problem *p = s->problem;
	double value;
	sp_status st;

	if ((st = choose_start(s)) != SP_OK)
		return st;
	if (s->options->on_start) {
		show_variables(s, s->x->data);
		if ((st = s->options->on_start(s->options->context, weights_of(s, s->x->data), p->dose_gy, p->err)) !=
		    SP_OK)
			return st;
		sp_fluence_offset_changed(p);
		if ((st = sp_fluence_full_dose(p, weights_of(s, s->x->data))) != SP_OK)
			return st;
	}
	/* DVH limits free no voxel in the first round: its strains show which are the hardest to hold */
	if ((st = sp_fluence_choose_rows(p, ROW_MARGIN_FIRST)) != SP_OK)
		return st;
	/* the gradient at 0 is the yardstick for the residual at the end, the value for what is as good as 0 */
	if (s->mapped) /* x = 0 is no plan there: the start has to do */
		gsl_vector_memcpy(s->minimiser->x, s->x);
	else
		gsl_vector_set_zero(s->minimiser->x);
	if (s->line->value_and_gradient(s->line->context, s->minimiser->x, &value, s->minimiser->gradient) !=
	    GSL_SUCCESS)
		return p->status;
	s->least_change = 1e-9 * fabs(value);
	for (size_t j = 0; j < s->n; j++)
		s->gradient_at_zero = fmax(s->gradient_at_zero, fabs(gsl_vector_get(s->minimiser->gradient, j)));
	return set_minimiser(s);
}

/* ---- rounds ---- */

static sp_status report_iteration(search *s, bool *go_on)
{
	const sp_optimise_options *o = s->options;
	double miss;
	sp_status st;

	*go_on = true;
	if (!o->on_iteration)
		return SP_OK;
	if ((st = measure_limits(s, &miss)) == SP_OK)
		*go_on = o->on_iteration(o->context, s->result->iterations, s->problem->objective, miss,
		                         s->problem->dose_gy);
	return st;
}

/* Iterates until the cost settles or most_iterations have passed. */
static sp_status run_round(search *s, size_t most_iterations, round_end *end)
{
	double history[HISTORY], tolerance = s->tolerance;
	bool go_on;

	for (size_t i = 0; i < most_iterations; i++) {
		int status;
		sp_status st;

		if (should_stop(s)) {
			*end = ROUND_STOPPED;
			return SP_OK;
		}
		status = gsl_multimin_fdfminimizer_iterate(s->minimiser);
		if (status == GSL_ENOPROG) {
			*end = ROUND_CONVERGED;
			return SP_OK;
		}
		if (status != GSL_SUCCESS)
			return s->problem->status != SP_OK ? s->problem->status
			                                   : sp_fail(s->problem->err, SP_FAILED,
			                                             "the minimiser gave up: %s", gsl_strerror(status));
		s->result->iterations++;
		if ((st = report_iteration(s, &go_on)) != SP_OK)
			return st;
		if (!go_on) {
			*end = ROUND_STOPPED;
			return SP_OK;
		}
		if (i >= HISTORY && history[i % HISTORY] - s->minimiser->f <=
		                            fmax(tolerance * fabs(s->minimiser->f), s->least_change)) {
			*end = ROUND_CONVERGED;
			return SP_OK;
		}
		history[i % HISTORY] = s->minimiser->f;
	}
	*end = ROUND_LONG_ENOUGH;
	return SP_OK;
}

static bool is_best_so_far(const search *s)
{
	return !s->has_best || s->miss_gy < s->best_miss_gy ||
	       (s->miss_gy == s->best_miss_gy && s->objective < s->best_objective);
}

/* Looks at every row: true objective and misses. */
static sp_status look_at_all_rows(search *s)
{
	sp_fluence_problem *p = s->problem;
	sp_status st;

	gsl_vector_memcpy(s->x, s->minimiser->x);
	if ((st = sp_fluence_full_dose(p, weights_of(s, s->x->data))) != SP_OK ||
	    (st = sp_fluence_objective(p, &s->objective)) != SP_OK || (st = measure_limits(s, &s->miss_gy)) != SP_OK)
		return st;
	if (is_best_so_far(s)) {
		s->has_best = true;
		s->best_objective = s->objective;
		s->best_miss_gy = s->miss_gy;
		memcpy(s->best, s->x->data, s->n * sizeof *s->best);
	}
	return SP_OK;
}

/* Other rows where some are missing, or so many are idle that a new choice pays. */
static sp_status tend_rows(search *s, bool *complete_out)
{
	size_t n_missed, n_chosen;
	sp_status st = sp_fluence_count_rows(s->problem, ROW_MARGIN, &n_missed, &n_chosen);

	if (st != SP_OK)
		return st;
	*complete_out = n_missed == 0;
	if (n_missed || (double)n_chosen < 0.7 * (double)s->problem->n_work) {
		st = sp_fluence_choose_rows(s->problem, ROW_MARGIN);
		sp_log_detail("working on %zu of %zu rows (%zu had been missed)", s->problem->n_work,
		              s->problem->n_rows, n_missed);
	}
	return st;
}

/* Between rounds: multipliers follow the misses, the hardest voxels of DVH limits go free, and a limit that does not
 * come closer gets a larger penalty. */
static sp_status tend_limits(search *s)
{
	sp_fluence_problem *p = s->problem;
	sp_status st = SP_OK;

	for (size_t k = 0; st == SP_OK && k < p->n_terms; k++) {
		sp_term_state *t = &p->terms[k];

		if (!t->is_limit)
			continue;
		sp_term_update_multipliers(t, p->dose_gy);
		st = sp_term_choose_free(t, p->dose_gy, p->err);
		if (t->miss_gy > 0.6 * t->last_miss_gy && t->miss_gy > 0.0 &&
		    t->penalty < PENALTY_MOST * s->penalty_start)
			sp_term_scale_penalty(t, PENALTY_GROWTH);
		t->last_miss_gy = t->miss_gy;
	}
	return st;
}

/* True when the rounds may end: at a point that holds the limits and no longer gets better, or in a conflict. */
static bool is_finished(search *s, double best_before, round_end end, bool rows_complete)
{
	sp_optimise_result *r = s->result;

	if (s->n_limits == 0) {
		r->converged = end == ROUND_CONVERGED && rows_complete;
		return r->converged;
	}
	if (s->miss_gy == 0.0) {
		double change = fmax((s->roughly ? ROUGHLY : 1.0) * 5.0 * s->tolerance * fabs(s->best_objective),
		                     s->least_change);

		r->converged = rows_complete && best_before - s->best_objective <= change;
		return r->converged;
	}
	s->rounds_since_progress = s->miss_gy < 0.9 * s->least_miss_gy ? 0 : s->rounds_since_progress + 1;
	s->least_miss_gy = fmin(s->least_miss_gy, s->miss_gy);
	if (s->rounds_since_progress < CONFLICT_ROUNDS)
		return false;
	r->converged = s->best_miss_gy <= s->limit_tolerance_gy;
	r->limits_conflict = !r->converged;
	return true;
}

/* Under changed limits or doses the point misses some limits by tenths of a Gy. With the penalties that made it settle
 * they would cost so much more than all objectives together that the first step would lead far away. */
static void ease_penalties(search *s, double most)
{
	sp_fluence_problem *p = s->problem;

	for (size_t k = 0; k < p->n_terms; k++) {
		sp_term_state *t = &p->terms[k];

		if (!t->is_limit)
			continue;
		if (t->penalty > most * s->penalty_start)
			sp_term_scale_penalty(t, most * s->penalty_start / t->penalty);
		t->last_miss_gy = HUGE_VAL;
	}
}

/* Asks the caller whether the search is over; if not, takes up what he changed. */
static sp_status ask_on_end(search *s, bool *go_on)
{
	sp_fluence_problem *p = s->problem;
	sp_status st;

	*go_on = false;
	if (!s->options->on_end)
		return SP_OK;
	memcpy(s->x->data, s->best, s->n * sizeof *s->best);
	show_variables(s, s->best);
	if ((st = sp_fluence_full_dose(p, weights_of(s, s->best))) != SP_OK ||
	    (st = s->options->on_end(s->options->context, weights_of(s, s->best), p->dose_gy, go_on, p->err)) != SP_OK)
		return st;
	if (!*go_on && (s->was_thorough || s->result->limits_conflict))
		return SP_OK;
	/* nothing to change: on to the real end, once; what is still changed after that gets a rough search again */
	s->roughly = *go_on;
	s->was_thorough |= !*go_on;
	*go_on = true;
	s->result->limits_conflict = s->result->converged = false;
	if (s->options->restart_penalties && *s->options->restart_penalties) {
		ease_penalties(s, 1.0);
		*s->options->restart_penalties = false;
	}
	sp_fluence_offset_changed(p);
	s->has_best = false;
	s->rounds_since_progress = 0;
	s->least_miss_gy = HUGE_VAL;
	if ((st = sp_fluence_full_dose(p, weights_of(s, s->x->data))) != SP_OK ||
	    (st = measure_limits(s, &s->miss_gy)) != SP_OK || (st = sp_fluence_choose_rows(p, ROW_MARGIN)) != SP_OK)
		return st;
	if (s->mapped) /* no convex problem: what a step too far leads to is not undone */
		ease_penalties(s, PENALTY_AGAIN);
	return tend_limits(s);
}

static sp_status run_rounds(search *s)
{
	for (s->rounds = 0; s->rounds < MOST_ROUNDS; s->rounds++) {
		double best_before = s->has_best && s->best_miss_gy == 0.0 ? s->best_objective : HUGE_VAL;
		size_t length = s->n_limits ? (s->rounds ? 20 : 30) : (s->rounds < 2 ? 12 : 40);
		bool rows_complete;
		round_end end = ROUND_STOPPED;
		sp_status st;

		if ((st = run_round(s, length, &end)) != SP_OK || (st = look_at_all_rows(s)) != SP_OK)
			return st;
		sp_log_detail("round %zu, iteration %zu: objective %.6g, worst limit missed by %.3f Gy, %.1f s",
		              s->rounds, s->result->iterations, s->objective, s->miss_gy,
		              sp_clock_seconds() - s->started_s);
		if (end == ROUND_STOPPED) {
			s->result->interrupted = true;
			s->result->converged = false;
			return SP_OK;
		}
		if (s->mapped && s->options->map->between_rounds)
			s->options->map->between_rounds(s->options->map->context, s->x->data);
		if ((st = tend_limits(s)) != SP_OK || (st = tend_rows(s, &rows_complete)) != SP_OK)
			return st;
		if (is_finished(s, best_before, end, rows_complete)) {
			bool go_on;

			if ((st = ask_on_end(s, &go_on)) != SP_OK || !go_on)
				return st;
		}
		if ((st = sp_fluence_update_costs(s->problem)) != SP_OK || (st = set_minimiser(s)) != SP_OK)
			return st;
	}
	return SP_OK;
}

/* ---- the end ---- */

/* What keeps the point from being a minimum of the Lagrangian: gradient of free weights, and of weights at 0 where it
 * asks for more. A small weight that is on its way to 0 counts with what is left of it. */
static sp_status measure_kkt(search *s)
{
	sp_fluence_problem *p = s->problem;
	gsl_vector *gradient = s->minimiser->gradient, *diagonal = s->minimiser->dx;
	double value, worst = 0.0;

	memcpy(s->x->data, s->best, s->n * sizeof *s->best);
	if (s->line->value_and_gradient(s->line->context, s->x, &value, gradient) != GSL_SUCCESS ||
	    s->line->diagonal(s->line->context, diagonal) != GSL_SUCCESS)
		return p->status;
	for (size_t j = 0; j < s->n; j++) {
		double g = gsl_vector_get(gradient, j);

		worst = fmax(worst, fmin(fabs(g), g > 0.0 ? s->best[j] * gsl_vector_get(diagonal, j) : HUGE_VAL));
	}
	s->result->kkt_residual = s->gradient_at_zero > 0.0 ? worst / s->gradient_at_zero : 0.0;
	return SP_OK;
}

static sp_status end_search(search *s, double *weights_out, float *dose_out)
{
	sp_fluence_problem *p = s->problem;
	const double *weights;
	sp_status st;

	if ((st = measure_kkt(s)) != SP_OK)
		return st;
	show_variables(s, s->best);
	weights = weights_of(s, s->best);
	if ((st = sp_fluence_full_dose(p, weights)) != SP_OK ||
	    (st = sp_fluence_objective(p, &s->result->objective)) != SP_OK ||
	    (st = measure_limits(s, &s->result->worst_limit_miss_gy)) != SP_OK)
		return st;
	memcpy(weights_out, weights, p->n_columns * sizeof *weights_out);
	if (dose_out)
		memcpy(dose_out, p->dose_gy, p->n_rows * sizeof *dose_out);
	s->result->worst_limit = p->n_terms;
	for (size_t k = 0; k < p->n_terms; k++)
		if (p->terms[k].miss_gy > 0.0 && p->terms[k].miss_gy == s->result->worst_limit_miss_gy)
			s->result->worst_limit = k;
	s->result->products = p->products;
	s->result->seconds = sp_clock_seconds() - s->started_s;
	return SP_OK;
}

static sp_status make_search(search *s, sp_error *err)
{
	size_t n = s->n = s->options->map ? s->options->map->n : s->problem->n_columns;
	sp_status st;

	s->line = &s->problem->line;
	if (s->options->map) {
		if ((st = sp_mapped_cost_create(&s->mapped, s->problem, s->options->map, err)) != SP_OK)
			return st;
		s->line = &s->mapped->line;
	}
	s->weights = sp_alloc_array(s->problem->n_columns, sizeof *s->weights);
	s->x = gsl_vector_calloc(n);
	s->best = sp_alloc_array(n, sizeof *s->best);
	s->minimiser = gsl_multimin_fdfminimizer_alloc(sp_multimin_projected_lbfgs, n);
	if (!s->x || !s->best || !s->weights || !s->minimiser)
		return sp_fail(err, SP_NO_MEMORY, "out of memory for the optimisation of %zu weights", n);
	sp_line_cost_to_gsl(&s->cost, s->line, n);
	return SP_OK;
}

sp_status sp_optimise(double *weights_out, float *dose_out, sp_optimise_result *result, sp_influence *matrix,
                      const sp_term *terms, size_t n_terms, const sp_optimise_options *options, sp_error *err)
{
	/* GSL would abort the process where an allocation fails */
	gsl_error_handler_t *handler = gsl_set_error_handler_off();
	search s = {.options = options, .result = result, .started_s = sp_clock_seconds(), .least_miss_gy = HUGE_VAL};
	sp_term_state *states = NULL;
	sp_status st;

	memset(result, 0, sizeof *result);
	s.tolerance = options->tolerance > 0.0 ? options->tolerance : 1e-4;
	s.limit_tolerance_gy = options->limit_tolerance_gy > 0.0 ? options->limit_tolerance_gy : 0.1;
	if (sp_influence_columns(matrix) == 0) {
		st = sp_fail(err, SP_BAD_INPUT, "the influence matrix has no bixels, so there is nothing to optimise");
		goto cleanup;
	}
	if ((st = sp_terms_create(&states, terms, n_terms, sp_influence_rows(matrix), 0.2 * s.limit_tolerance_gy,
	                          err)) != SP_OK ||
	    (st = sp_fluence_create(&s.problem, matrix, states, n_terms, options->offset_gy, err)) != SP_OK ||
	    (st = make_search(&s, err)) != SP_OK)
		goto cleanup;
	set_first_penalties(&s);
	s.roughly = options->on_end != NULL;
	if ((st = begin_search(&s)) != SP_OK || (st = run_rounds(&s)) != SP_OK)
		goto cleanup;
	st = end_search(&s, weights_out, dose_out);
cleanup:
	if (s.minimiser)
		gsl_multimin_fdfminimizer_free(s.minimiser);
	if (s.x)
		gsl_vector_free(s.x);
	free(s.best);
	free(s.weights);
	sp_mapped_cost_destroy(s.mapped);
	sp_fluence_destroy(s.problem);
	sp_terms_destroy(states, n_terms);
	gsl_set_error_handler(handler);
	return st;
}
