/* The way of the data: case → matter → beams → influence matrix → optimiser → dose without cut-off. */
#include "plan_session.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "case_setup.h"
#include "clock.h"
#include "gas_dose.h"
#include "influence.h"
#include "interrupt.h"
#include "limit_correction.h"
#include "log.h"
#include "mask.h"
#include "mc_case.h"
#include "pencil.h"
#include "plan_problem.h"
#include "row_filter.h"

/* A binding limit that is judged this much below its value costs the target little more. */
#define GOOD_SLACK_GY 0.15

static sp_status make_beams(sp_beam_set **out, const sp_case *c, const sp_grid *grid, const sp_machine *machine,
                            const sp_plan_options *o, sp_error *err)
{
	/* one bixel of margin: the penumbra of the last bixel must not fall on the target's edge */
	const sp_setup_beam_options setup = {.angles_deg = o->n_angles ? o->angles_deg : NULL,
	                                     .n_angles = o->n_angles,
	                                     .sad_mm = machine->sad_mm,
	                                     .bixel_mm = o->bixel_mm,
	                                     .margin_mm = o->bixel_mm,
	                                     .collimator_deg = o->collimator_deg,
	                                     .between_leaves = o->between_leaves};

	return sp_setup_beams(out, c, grid, &setup, err);
}

/* One line now and then: objective, worst limit, coverage of the target and largest dose of the cord. */
static bool show_iteration(void *context, size_t iteration, double objective, double miss_gy, const float *dose)
{
	sp_plan_session *x = context;
	const sp_plan_problem *p = &x->problem;
	double now = sp_clock_seconds(), covered = 0.0, volume = 0.0, cord = 0.0;
	char cord_text[128] = "";

	if (x->done)
		return false;
	if (now - x->shown_s < 2.0 && iteration > 1)
		return true;
	x->shown_s = now;
	const sp_term *t = &p->terms[p->target_term];

	for (size_t i = 0; i < t->n; i++) {
		volume += t->volumes[i];
		if (dose[t->rows[i]] >= x->dose_gy)
			covered += t->volumes[i];
	}
	if (p->cord_term != SIZE_MAX) {
		t = &p->terms[p->cord_term];
		for (size_t i = 0; i < t->n; i++)
			cord = fmax(cord, dose[t->rows[i]]);
		snprintf(cord_text, sizeof cord_text, ", %s max %.2f Gy", t->name, cord);
	}
	sp_log_info("  iteration %4zu: objective %.5g, target at prescription %.1f %%%s, worst limit miss %.2f Gy",
	            iteration, objective, 100.0 * covered / volume, cord_text, miss_gy);
	return true;
}

/* Every dose by Monte Carlo has a seed of its own, so that what the search has adapted to one's noise shows in the
 * next.
 */
static sp_status engine_dose(sp_plan_session *s, const double *weights, bool everywhere, sp_error *err)
{
	sp_fluence_plan *plan = s->plan;
	sp_mc_dose_result result;
	sp_status st;

	if (s->dose)
		return s->dose(s->dose_context, s, err);
	if (!s->mc)
		return sp_pencil_doses(&plan->dose_gy, s->pencil, plan->beams, &weights, 1, &plan->dose_grid,
		                       everywhere ? NULL : s->judged, err);
	st = sp_mc_case_dose(plan->dose_gy, plan->sigma_gy, &result, s->mc, plan->beams, weights, s->uncertainty,
	                     s->seed++, err);
	if (st == SP_OK)
		st = sp_gas_take_dose_around(plan->dose_gy, sp_mc_case_density(s->mc), &plan->dose_grid, err);
	if (st == SP_OK) {
		plan->dose_seed = s->seed - 1;
		plan->uncertainty = result.uncertainty;
		plan->histories = result.histories;
	}
	return st;
}

/* How much of a new offset counts. Corrections of apertures find nearly the same again, since leaves move little
 * between them, and a mean has less noise: each dose counts by the inverse of its variance, half as much with every one
 * after it. */
static double share_of_new(sp_plan_session *s)
{
	double information;

	if (!s->smooth)
		return 1.0;
	information = 1.0 / (s->uncertainty * s->uncertainty);
	s->known = (s->by_map && s->round > 0 ? 0.5 * s->known : 0.0) + information;
	return information / s->known;
}

/* Dose of all bixels without cut-off; *offset takes up what the matrix leaves out on its rows. everywhere: else only
 * where the search looks, if the engine can. */
static sp_status whole_dose(sp_plan_session *s, const double *weights, const float *rows_dose, bool everywhere)
{
	sp_fluence_plan *plan = s->plan;
	const sp_plan_problem *p = &s->problem;
	double before = sp_clock_seconds(), largest = 0.0, share;
	size_t bytes = plan->beams->n_bixels * sizeof *weights;
	float *found;
	sp_status st;

	if (s->dose_is_whole && memcmp(weights, s->dose_weights, bytes) == 0)
		return SP_OK;
	st = engine_dose(s, weights, everywhere, s->err);
	plan->dose_seconds += sp_clock_seconds() - before;
	if (st != SP_OK) /* plan->dose_gy is of no weights now */
		return st;
	if (!s->by_map) { /* a map's may be of other columns than the bixels */
		memcpy(s->dose_weights, weights, bytes);
		s->dose_is_whole = everywhere || !s->judged || s->dose || s->mc;
	}
	if (!(found = sp_alloc_array(p->n_voxels, sizeof *found)))
		return sp_fail(s->err, SP_NO_MEMORY, "out of memory for the dose of %zu rows", p->n_voxels);
	for (size_t i = 0; i < p->n_voxels; i++) {
		float whole = plan->dose_gy[p->voxels[i]];
		/* a voxel in air at the skin: the engine gives it no dose */
		float left_out = whole > 0.0f ? whole - rows_dose[i] : 0.0f;

		largest = fmax(largest, fabs(left_out));
		found[i] = s->offset[i] + left_out;
	}
	if (s->smooth && (st = sp_rows_smooth(found, p, &plan->dose_grid, s->err)) != SP_OK) {
		free(found);
		return st;
	}
	share = share_of_new(s);
	for (size_t i = 0; i < p->n_voxels; i++)
		s->offset[i] = share < 1.0 ? s->offset[i] + (float)share * (found[i] - s->offset[i]) : found[i];
	free(found);
	sp_log_detail("the matrix and its offset leave out at most %.3f Gy", largest);
	return SP_OK;
}

/* The same, and where noise is smoothed the rows have the dose that the search goes on from: limits on small volumes
 * are judged by what their hottest voxels get, which noise makes too much (AAPM TG-105). */
static sp_status smoothed_dose(sp_plan_session *s, const double *weights, const float *rows_dose)
{
	const sp_plan_problem *p = &s->problem;
	float *by_matrix;
	sp_status st;

	if (!s->smooth)
		return whole_dose(s, weights, rows_dose, false);
	if (!(by_matrix = sp_alloc_array(p->n_voxels, sizeof *by_matrix)))
		return sp_fail(s->err, SP_NO_MEMORY, "out of memory for the dose of %zu rows", p->n_voxels);
	for (size_t i = 0; i < p->n_voxels; i++)
		by_matrix[i] = rows_dose[i] - s->offset[i];
	st = whole_dose(s, weights, rows_dose, false);
	for (size_t i = 0; st == SP_OK && i < p->n_voxels; i++)
		s->plan->dose_gy[p->voxels[i]] = fmaxf(0.0f, by_matrix[i] + s->offset[i]);
	s->dose_is_whole = false;
	free(by_matrix);
	return st;
}

/* Scatter beyond the cut-off depends on how much dose the target gets, hardly on how it is modulated: the starting
 * weights tell most of it, so that the search does not first solve a problem without it. */
static sp_status estimate_offset(void *context, const double *weights, const float *rows_dose, sp_error *err)
{
	sp_plan_session *s = context;
	sp_status st = whole_dose(s, weights, rows_dose, false);

	(void)err; /* the search's own */
	if (st == SP_OK && s->options->n_scenarios)
		sp_robust_rows_guess_offset(&s->robust, s->offset);
	return st;
}

/* A dose by Monte Carlo in every scenario would take as long as the plan a dozen times over. */
static sp_scenario_source scenario_source(const sp_plan_session *s, const double *weights, const float *rows_dose)
{
	if (s->mc)
		return (sp_scenario_source){.planned = {.grid = s->plan->dose_grid, .gy = s->plan->dose_gy},
		                            .rows_dose = rows_dose,
		                            .offset = s->offset};
	return (sp_scenario_source){.pencil = s->pencil, .weights = weights};
}

sp_status sp_plan_session_scenario_rows(float *rows, sp_plan_session *s)
{
	const sp_scenario_source source = scenario_source(s, s->plan->weights, s->rows_dose);

	return s->options->n_scenarios ? sp_robust_rows_doses(rows, &s->robust, &source, s->err) : SP_OK;
}

sp_status sp_plan_session_judge_scenarios(sp_limit_standing *standing, sp_plan_session *s, const double *weights,
                                          const float *rows_dose, bool correct)
{
	const sp_scenario_source source = scenario_source(s, weights, rows_dose);
	sp_limit_standing worst;
	double before = sp_clock_seconds();
	sp_status st = SP_OK;

	if (!s->options->n_scenarios)
		return st;
	st = sp_robust_rows_judge(&worst, &s->robust, &s->problem, s->c, &source, rows_dose, correct ? s->offset : NULL,
	                          s->dose_gy, correct, s->err);
	s->plan->dose_seconds += sp_clock_seconds() - before;
	standing->worst_miss_gy = fmax(standing->worst_miss_gy, worst.worst_miss_gy);
	/* many scenarios hold one limit, each with a term of its own: the last tenths of one of them cost little */
	standing->worst_slack_gy = fmax(standing->worst_slack_gy, 0.5 * worst.worst_slack_gy);
	return st;
}

/* Interrupted: these weights are the best so far; the end computes their dose. */
static sp_status stop_here(bool *go_on, sp_error *err)
{
	*go_on = false;
	if (err)
		*err = (sp_error){0};
	return SP_OK;
}

sp_status sp_plan_session_judge(sp_limit_standing *standing, sp_plan_session *s, const float *rows_dose, bool correct)
{
	const sp_fluence_plan *plan = s->plan;
	sp_limit_standing budgets;
	sp_status st = sp_limits_judge(standing, &s->problem, 0, s->c, &plan->dose_grid, plan->dose_gy, rows_dose,
	                               s->dose_gy, correct, s->err);

	if (st != SP_OK || !s->options->earlier)
		return st;
	st = sp_budgets_judge(&budgets, &s->budgets, &s->problem, s->c, &plan->dose_grid, plan->dose_gy, rows_dose,
	                      correct, s->err);
	standing->worst_miss_gy = fmax(standing->worst_miss_gy, budgets.worst_miss_gy);
	standing->worst_slack_gy = fmax(standing->worst_slack_gy, budgets.worst_slack_gy);
	return st;
}

/* The optimiser has come near its end: judges the limits as the evaluation will, moves their terms where they differ,
 * and lets it go on from there. Where a row is its dose is known, so that most corrections need no dose of their own.
 */
static sp_status correct_limits(void *context, const double *weights, const float *rows_dose, bool *go_on,
                                sp_error *err)
{
	sp_plan_session *s = context;
	sp_fluence_plan *plan = s->plan;
	const sp_plan_problem *p = &s->problem;
	sp_limit_standing standing;
	sp_status st = SP_OK;

	for (size_t i = 0; i < p->n_voxels; i++)
		plan->dose_gy[p->voxels[i]] = rows_dose[i];
	s->dose_is_whole = false;
	if (s->round > 0)
		st = sp_plan_session_judge(&standing, s, rows_dose, false);
	/* the rows' neighbours need a dose once, and what is held at the end must be held by the whole dose */
	if (st == SP_OK && (s->round == 0 || (s->near_end && standing.worst_miss_gy <= 0.0)))
		st = smoothed_dose(s, weights, rows_dose);
	if (st == SP_INTERRUPTED)
		return stop_here(go_on, err);
	if (st == SP_OK)
		st = sp_plan_session_judge(&standing, s, rows_dose, true);
	if (st == SP_OK)
		st = sp_plan_session_judge_scenarios(&standing, s, weights, rows_dose, true);
	if (st == SP_INTERRUPTED)
		return stop_here(go_on, err);
	if (st != SP_OK)
		return st;
	s->round++;
	if (standing.worst_miss_gy <= 0.0 && !s->by_map) {
		memcpy(s->held, weights, plan->beams->n_bixels * sizeof *s->held);
		memcpy(s->held_rows, rows_dose, plan->n_rows * sizeof *s->held_rows);
		s->held_round = s->round;
	}
	if (p->n_limits)
		sp_log_info("correction %d: worst hard limit %s by %.2f Gy", s->round,
		            standing.worst_miss_gy > 0.0 ? "missed" : "met", fabs(standing.worst_miss_gy));
	*go_on = s->round < (int)s->most_rounds &&
	         (s->round == 1 || standing.worst_miss_gy > 0.0 || standing.worst_slack_gy > GOOD_SLACK_GY);
	if ((st = sp_priorities_step(&s->priorities, &s->problem, rows_dose, s->plan->n_rows, !*go_on, go_on, err)) !=
	    SP_OK)
		return st;
	s->near_end |= !*go_on;
	return s->options->on_plan && !*go_on ? sp_plan_front_keep(s, weights, go_on) : SP_OK;
}

/* The dose of the plan's weights, whatever was interrupted before; a dose that is interrupted itself is begun again, so
 * that the plan is kept whole, unless it is interrupted a second time. */
sp_status sp_plan_session_final_dose(sp_plan_session *s)
{
	sp_fluence_plan *plan = s->plan;
	sp_status st;

	do {
		if (sp_interrupt_asked()) {
			plan->interrupted = true;
			sp_interrupt_acknowledge();
			if (s->err)
				*s->err = (sp_error){0}; /* of the dose that was interrupted */
		}
		st = whole_dose(s, plan->weights, s->rows_dose, true);
	} while (st == SP_INTERRUPTED && !plan->interrupted);
	return st;
}

static void swap_held(sp_plan_session *s)
{
	double *weights = s->plan->weights;
	float *rows = s->rows_dose;

	s->plan->weights = s->held;
	s->held = weights;
	s->rows_dose = s->held_rows;
	s->held_rows = rows;
}

sp_status sp_plan_session_last_dose(sp_plan_session *s)
{
	sp_limit_standing last, held;
	sp_status st = sp_plan_session_final_dose(s);

	/* in scenarios limits are judged by another dose each */
	if (st != SP_OK || !s->held_round || s->plan->interrupted || s->options->n_scenarios ||
	    (st = sp_plan_session_judge(&last, s, s->rows_dose, false)) != SP_OK || last.worst_miss_gy <= 0.0)
		return st;
	swap_held(s);
	if ((st = sp_plan_session_final_dose(s)) != SP_OK ||
	    (st = sp_plan_session_judge(&held, s, s->rows_dose, false)) != SP_OK)
		return st;
	if (held.worst_miss_gy < last.worst_miss_gy) {
		sp_log_info("the last weights missed a hard limit by %.2f Gy; kept are those of correction %d",
		            last.worst_miss_gy, s->held_round);
		return st;
	}
	swap_held(s);
	return sp_plan_session_final_dose(s);
}

sp_status sp_plan_session_search(sp_plan_session *s, const sp_weight_map *map, size_t most_rounds, double max_seconds)
{
	return sp_plan_session_search_columns(s, s->matrix, s->plan->weights, map, most_rounds, max_seconds);
}

sp_status sp_plan_session_search_columns(sp_plan_session *s, sp_influence *matrix, double *weights,
                                         const sp_weight_map *map, size_t most_rounds, double max_seconds)
{
	sp_fluence_plan *plan = s->plan;
	double before = sp_clock_seconds(), dose_before = plan->dose_seconds;
	sp_optimise_options options = {
	        .max_seconds = max_seconds,
	        /* several plans have no thorough end */
	        .tolerance = s->options->on_plan ? 2e-4 : 3e-4,
	        .limit_tolerance_gy = 0.1,
	        .map = map,
	        .offset_gy = s->offset,
	        /* several plans learn it with their first correction */
	        .on_start = s->pencil && !s->mc && !s->dose && !s->options->on_plan ? estimate_offset : NULL,
	        .on_end = most_rounds ? correct_limits : NULL,
	        .restart_penalties = &s->restart,
	        .on_iteration = show_iteration,
	        .context = s};
	sp_status st;

	s->round = s->held_round = 0;
	s->by_map = map != NULL;
	s->most_rounds = most_rounds;
	s->near_end = s->dose_is_whole = false;
	st = sp_optimise(weights, s->rows_dose, &plan->optimisation, matrix, s->problem.terms, s->problem.n_terms,
	                 &options, s->err);
	plan->optimise_seconds += sp_clock_seconds() - before - (plan->dose_seconds - dose_before);
	return st;
}

sp_status sp_plan_session_report_scenarios(sp_plan_session *s)
{
	const sp_scenario_source source = scenario_source(s, s->plan->weights, s->rows_dose);

	if (!s->options->n_scenarios)
		return SP_OK;
	return sp_robust_rows_report(&s->plan->robust, &s->robust, &s->problem, s->c, &source, s->dose_gy, s->err);
}

sp_status sp_plan_session_report_earlier(sp_plan_session *s)
{
	const sp_fluence_plan *plan = s->plan;

	if (!s->options->earlier)
		return SP_OK;
	return sp_reirradiation_report(&s->plan->reirradiation, &s->earlier, s->c, &plan->dose_grid, plan->dose_gy,
	                               s->options->fractions, s->err);
}

static sp_status make_matrix(sp_plan_session *s, const sp_machine *machine, const sp_matter *matter, sp_device *device,
                             sp_error *err)
{
	const sp_plan_options *o = s->options;
	const sp_plan_problem *problem = &s->problem;
	const sp_case *c = s->c;
	sp_fluence_plan *plan = s->plan;
	const sp_mc_matrix_options columns = {.uncertainty = o->bixel_uncertainty, .seed = o->seed};
	sp_mc_influence_result result;
	float *red = NULL;
	sp_status st;

	if (o->montecarlo) {
		if ((st = sp_mc_case_create(&s->mc, device, c, matter, machine, &plan->dose_grid, err)) == SP_OK &&
		    (st = sp_mc_case_matrix(&s->matrix, &result, s->mc, plan->beams, problem->voxels, problem->n_voxels,
		                            &columns, err)) == SP_OK)
			sp_log_info("Monte Carlo: %u histories a bixel, standard uncertainty %.1f %%", result.histories,
			            100.0 * result.uncertainty);
		return st;
	}
	if (!(red = sp_alloc_array(sp_grid_voxels(&c->ct), sizeof *red)))
		return sp_fail(err, SP_NO_MEMORY, "out of memory for the electron density of the CT");
	if ((st = sp_matter_electron_density(red, matter, c, err)) == SP_OK)
		st = sp_pencil_create(&s->pencil, device, machine, &c->ct, red, err);
	free(red);
	if (st == SP_OK)
		st = sp_pencil_influence(&s->matrix, s->pencil, plan->beams, &plan->dose_grid, problem->voxels,
		                         problem->n_voxels, o->cutoff_mm, err);
	return st;
}

static sp_status make_arrays(sp_plan_session *s, sp_error *err)
{
	sp_fluence_plan *plan = s->plan;
	size_t n = sp_grid_voxels(&plan->dose_grid);
	const bool judges_rows = s->pencil && !s->options->earlier && !s->options->n_scenarios;

	plan->dose_gy = sp_alloc_array(n, sizeof *plan->dose_gy);
	plan->weights = sp_alloc_array(plan->beams->n_bixels, sizeof *plan->weights);
	if (s->options->montecarlo)
		plan->sigma_gy = sp_alloc_array(n, sizeof *plan->sigma_gy);
	s->offset = sp_alloc_array(plan->n_rows, sizeof *s->offset);
	s->rows_dose = sp_alloc_array(plan->n_rows, sizeof *s->rows_dose);
	s->dose_weights = sp_alloc_array(plan->beams->n_bixels, sizeof *s->dose_weights);
	s->held = sp_alloc_array(plan->beams->n_bixels, sizeof *s->held);
	s->held_rows = sp_alloc_array(plan->n_rows, sizeof *s->held_rows);
	/* what is left of an earlier course, and scenarios, are judged on the whole grid */
	if (judges_rows)
		s->judged = sp_alloc_array(n, sizeof *s->judged);
	if (!plan->dose_gy || !plan->weights || (judges_rows && !s->judged) ||
	    (s->options->montecarlo && !plan->sigma_gy) || !s->offset || !s->rows_dose || !s->dose_weights ||
	    !s->held || !s->held_rows)
		return sp_fail(err, SP_NO_MEMORY, "out of memory for a dose grid of %zu voxels", n);
	return SP_OK;
}

sp_status sp_plan_session_open(sp_plan_session *s, const sp_case *c, const sp_protocol *protocol, double dose_gy,
                               const sp_machine *machine, const sp_matter *matter, sp_device *device,
                               const sp_plan_options *o, sp_error *err)
{
	const double spacing_mm[3] = {o->grid_mm, o->grid_mm, o->grid_mm};
	sp_fluence_plan *plan = sp_alloc_array(1, sizeof *plan);
	double before;
	sp_status st;

	/* the matrix's histories are others than the doses' */
	*s = (sp_plan_session){.c = c,
	                       .options = o,
	                       .plan = plan,
	                       .dose_gy = dose_gy,
	                       .uncertainty = o->uncertainty,
	                       .seed = o->seed + 1,
	                       .err = err};
	if (!plan)
		return sp_fail(err, SP_NO_MEMORY, "out of memory for a plan");
	if ((st = sp_setup_dose_grid(&plan->dose_grid, c, spacing_mm, err)) != SP_OK ||
	    (st = sp_plan_problem_make(&s->problem, c, protocol, dose_gy,
	                               o->target_weight > 0.0 ? o->target_weight : 1.0, &plan->dose_grid, err)) !=
	            SP_OK ||
	    (st = make_beams(&plan->beams, c, &plan->dose_grid, machine, o, err)) != SP_OK ||
	    (o->earlier && ((st = sp_earlier_dose_read(&s->earlier, o->earlier, c, &plan->dose_grid, err)) != SP_OK ||
	                    (st = sp_budgets_add(&s->budgets, &s->problem, &s->earlier, c, &plan->dose_grid,
	                                         o->fractions, err)) != SP_OK)) ||
	    (o->n_scenarios && (st = sp_robust_rows_make(&s->robust, &s->problem, c, &plan->dose_grid, plan->beams,
	                                                 o->scenarios, o->n_scenarios, err)) != SP_OK))
		return st;
	sp_log_info("%zu beams, %zu bixels of %g mm, dose grid %zu x %zu x %zu of %g mm, %zu voxels in the problem",
	            plan->beams->n_beams, plan->beams->n_bixels, o->bixel_mm, plan->dose_grid.n[0],
	            plan->dose_grid.n[1], plan->dose_grid.n[2], o->grid_mm, s->problem.n_voxels);
	before = sp_clock_seconds();
	if ((st = make_matrix(s, machine, matter, device, err)) != SP_OK ||
	    (o->n_scenarios && (st = sp_robust_rows_matrix(&s->matrix, &s->robust, s->pencil, &plan->dose_grid,
	                                                   o->cutoff_mm, err)) != SP_OK))
		return st;
	plan->matrix_seconds = sp_clock_seconds() - before;
	plan->n_rows = sp_influence_rows(s->matrix);
	plan->n_values = sp_influence_values(s->matrix);
	sp_log_info("influence matrix: %zu x %zu, %.1f million entries, %.0f MB, %.1f s", plan->n_rows,
	            sp_influence_columns(s->matrix), 1e-6 * (double)plan->n_values,
	            1e-6 * (double)sp_influence_bytes(s->matrix), plan->matrix_seconds);
	if (o->target_slip_percent > 0.0 &&
	    (st = sp_priorities_begin(&s->priorities, &s->problem, o->target_slip_percent, err)) != SP_OK)
		return st;
	if ((st = make_arrays(s, err)) != SP_OK || !s->judged)
		return st;
	return sp_limits_mark(s->judged, &s->problem, c, &plan->dose_grid, err);
}

void sp_plan_session_close(sp_plan_session *s)
{
	free(s->offset);
	free(s->judged);
	free(s->dose_weights);
	free(s->held);
	free(s->held_rows);
	free(s->rows_dose);
	for (size_t i = 0; i < s->n_kept; i++)
		free(s->kept[i]);
	free(s->kept);
	sp_influence_destroy(s->matrix);
	sp_pencil_destroy(s->pencil);
	sp_mc_case_destroy(s->mc);
	sp_robust_rows_finish(&s->robust);
	sp_budgets_finish(&s->budgets);
	sp_earlier_dose_finish(&s->earlier);
	sp_priorities_finish(&s->priorities);
	sp_plan_problem_finish(&s->problem);
	sp_fluence_plan_destroy(s->plan);
}
