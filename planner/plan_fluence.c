/* The way of the data: case → matter → beams → influence matrix → optimiser → dose without cut-off. */
#include "plan_fluence.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "case_setup.h"
#include "clock.h"
#include "influence.h"
#include "interrupt.h"
#include "limit_correction.h"
#include "log.h"
#include "mask.h"
#include "mc_case.h"
#include "pencil.h"
#include "plan_problem.h"
#include "robust_rows.h"

/* Corrections of the limits; most cases need four. */
#define MAX_ROUNDS 10

/* A binding limit that is judged this much below its value costs the target little more. */
#define GOOD_SLACK_GY 0.15
#define FRONT_SLACK_GY 0.3 /* the same for one of several plans along a front */

static sp_status make_beams(sp_beam_set **out, const sp_case *c, const sp_grid *grid, const sp_machine *machine,
                            const sp_plan_options *o, sp_error *err)
{
	/* one bixel of margin: the penumbra of the last bixel must not fall on the target's edge */
	const sp_setup_beam_options setup = {.angles_deg = o->n_angles ? o->angles_deg : NULL,
	                                     .n_angles = o->n_angles,
	                                     .sad_mm = machine->sad_mm,
	                                     .bixel_mm = o->bixel_mm,
	                                     .margin_mm = o->bixel_mm};

	return sp_setup_beams(out, c, grid, &setup, err);
}

/* The dose engine: one of the two. */
typedef struct {
	sp_pencil *pencil;
	sp_mc_case *mc;
	double uncertainty; /* of Monte Carlo's doses */
	uint64_t seed;      /* of its next one */
} engine;

typedef struct {
	sp_fluence_plan *plan;
	const sp_case *c;
	engine *engine;
	sp_plan_problem *problem;
	sp_robust_rows *robust; /* NULL: the patient lies as planned */
	sp_budgets *budgets;    /* NULL: no earlier course */
	double dose_gy, shown_s;
	float *offset; /* on the rows: what the matrix leaves out by its cut-off */
	int round;
	bool near_end; /* only the search's own end is still to come */
	bool done;     /* the last of several plans has been handed over */
	const sp_plan_options *options;
	double *dose_weights; /* those that plan->dose_gy is of, whole */
	bool dose_is_whole;
	sp_error *err;
} search;

/* One line now and then: objective, worst limit, coverage of the target and largest dose of the cord. */
static bool show_iteration(void *context, size_t iteration, double objective, double miss_gy, const float *dose)
{
	search *x = context;
	const sp_plan_problem *p = x->problem;
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
static sp_status engine_dose(sp_fluence_plan *plan, engine *e, const double *weights, sp_error *err)
{
	sp_mc_dose_result result;
	sp_status st;

	if (e->pencil)
		return sp_pencil_dose(plan->dose_gy, e->pencil, plan->beams, weights, &plan->dose_grid, err);
	st = sp_mc_case_dose(plan->dose_gy, plan->sigma_gy, &result, e->mc, plan->beams, weights, e->uncertainty,
	                     e->seed++, err);
	if (st == SP_OK) {
		plan->dose_seed = e->seed - 1;
		plan->uncertainty = result.uncertainty;
		plan->histories = result.histories;
	}
	return st;
}

/* Dose of all bixels without cut-off; *offset takes up what the matrix leaves out on its rows. */
static sp_status whole_dose(search *s, const double *weights, const float *rows_dose)
{
	sp_fluence_plan *plan = s->plan;
	const sp_plan_problem *p = s->problem;
	double before = sp_clock_seconds(), largest = 0.0;
	size_t bytes = plan->beams->n_bixels * sizeof *weights;
	sp_status st;

	if (s->dose_is_whole && memcmp(weights, s->dose_weights, bytes) == 0)
		return SP_OK;
	st = engine_dose(plan, s->engine, weights, s->err);
	plan->dose_seconds += sp_clock_seconds() - before;
	if (st != SP_OK) /* plan->dose_gy is of no weights now */
		return st;
	memcpy(s->dose_weights, weights, bytes);
	s->dose_is_whole = true;
	for (size_t i = 0; i < p->n_voxels; i++) {
		float whole = plan->dose_gy[p->voxels[i]], left_out = whole - rows_dose[i];

		if (whole <= 0.0f) /* a voxel in air at the skin: the engine gives it no dose */
			continue;
		largest = fmax(largest, fabs(left_out));
		s->offset[i] += left_out;
	}
	sp_log_detail("the matrix and its offset leave out at most %.3f Gy", largest);
	return SP_OK;
}

/* Scatter beyond the cut-off depends on how much dose the target gets, hardly on how it is modulated: the starting
 * weights tell most of it, so that the search does not first solve a problem without it. */
static sp_status estimate_offset(void *context, const double *weights, const float *rows_dose, sp_error *err)
{
	search *s = context;
	sp_status st = whole_dose(s, weights, rows_dose);

	(void)err; /* the search's own */
	if (st == SP_OK && s->robust)
		sp_robust_rows_guess_offset(s->robust, s->offset);
	return st;
}

/* The same as correct_limits for the scenarios of set-up errors; *standing becomes the worse of both. */
static sp_status correct_scenarios(search *s, sp_limit_standing *standing, const double *weights,
                                   const float *rows_dose)
{
	sp_limit_standing worst;
	double before = sp_clock_seconds();
	sp_status st = SP_OK;

	if (!s->robust)
		return st;
	st = sp_robust_rows_judge(&worst, s->robust, s->problem, s->c, s->engine->pencil, weights, rows_dose, s->offset,
	                          s->dose_gy, true, s->err);
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

/* The patient as planned: the protocol's limits, and what an earlier course leaves. */
static sp_status judge_planned(search *s, sp_limit_standing *standing, const float *rows_dose, bool correct)
{
	const sp_fluence_plan *plan = s->plan;
	sp_limit_standing budgets;
	sp_status st = sp_limits_judge(standing, s->problem, 0, s->c, &plan->dose_grid, plan->dose_gy, rows_dose,
	                               s->dose_gy, correct, s->err);

	if (st != SP_OK || !s->budgets)
		return st;
	st = sp_budgets_judge(&budgets, s->budgets, s->problem, s->c, &plan->dose_grid, plan->dose_gy, rows_dose,
	                      correct, s->err);
	standing->worst_miss_gy = fmax(standing->worst_miss_gy, budgets.worst_miss_gy);
	standing->worst_slack_gy = fmax(standing->worst_slack_gy, budgets.worst_slack_gy);
	return st;
}

/* Of several plans each ends where its limits are judged well: there is no thorough end to wait for. */
static bool is_near_end(const search *s, const sp_limit_standing *standing)
{
	return s->near_end || (s->options->on_plan && standing->worst_slack_gy <= FRONT_SLACK_GY);
}

/* One of several plans is ready; the terms of limits follow what the receiver makes of their values. */
static sp_status hand_over(search *s, const double *weights, const float *rows_dose, bool *go_on)
{
	sp_plan_problem *p = s->problem;
	double *before = sp_alloc_array(p->n_limits, sizeof *before);
	sp_status st = before ? SP_OK : sp_fail(s->err, SP_NO_MEMORY, "out of memory noting limits");

	for (size_t i = 0; before && i < p->n_limits; i++)
		before[i] = p->limits[i].limit->value;
	if (st == SP_OK && (st = whole_dose(s, weights, rows_dose)) == SP_INTERRUPTED) {
		free(before);
		return stop_here(go_on, s->err);
	}
	if (st == SP_OK) {
		memcpy(s->plan->weights, weights, s->plan->beams->n_bixels * sizeof *weights);
		st = s->options->on_plan(s->options->context, s->plan, go_on, s->err);
	}
	for (size_t i = 0; st == SP_OK && i < p->n_limits; i++) {
		sp_term *t = &p->terms[p->limits[i].term];

		t->dose_gy = fmax(0.0, t->dose_gy + p->limits[i].limit->value - before[i]);
	}
	free(before);
	s->done = !*go_on;
	*go_on = true; /* the next look at the iteration ends what is done */
	s->round = 1;  /* what the cut-off leaves out is known */
	s->near_end = false;
	return st;
}

/* The optimiser has come near its end: judges the limits as the evaluation will, moves their terms where they differ,
 * and lets it go on from there. Where a row is its dose is known, so that most corrections need no dose of their own.
 */
static sp_status correct_limits(void *context, const double *weights, const float *rows_dose, bool *go_on,
                                sp_error *err)
{
	search *s = context;
	sp_fluence_plan *plan = s->plan;
	const sp_plan_problem *p = s->problem;
	sp_limit_standing standing;
	sp_status st = SP_OK;

	for (size_t i = 0; i < p->n_voxels; i++)
		plan->dose_gy[p->voxels[i]] = rows_dose[i];
	s->dose_is_whole = false;
	if (s->round > 0)
		st = judge_planned(s, &standing, rows_dose, false);
	/* the rows' neighbours need a dose once, and what is held at the end must be held by the whole dose */
	if (st == SP_OK && (s->round == 0 || (is_near_end(s, &standing) && standing.worst_miss_gy <= 0.0)))
		st = whole_dose(s, weights, rows_dose);
	if (st == SP_INTERRUPTED)
		return stop_here(go_on, err);
	if (st == SP_OK)
		st = judge_planned(s, &standing, rows_dose, true);
	if (st == SP_OK)
		st = correct_scenarios(s, &standing, weights, rows_dose);
	if (st == SP_INTERRUPTED)
		return stop_here(go_on, err);
	if (st != SP_OK)
		return st;
	s->round++;
	if (p->n_limits)
		sp_log_info("correction %d: worst hard limit %s by %.2f Gy", s->round,
		            standing.worst_miss_gy > 0.0 ? "missed" : "met", fabs(standing.worst_miss_gy));
	*go_on = s->round < MAX_ROUNDS &&
	         (s->round == 1 || standing.worst_miss_gy > 0.0 ||
	          standing.worst_slack_gy > (s->options->on_plan ? FRONT_SLACK_GY : GOOD_SLACK_GY));
	s->near_end |= !*go_on;
	return s->options->on_plan && !*go_on ? hand_over(s, weights, rows_dose, go_on) : SP_OK;
}

/* The dose of the plan's weights, whatever was interrupted before; a dose that is interrupted itself is begun again, so
 * that the plan is kept whole, unless it is interrupted a second time. */
static sp_status final_dose(search *s, const float *rows_dose)
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
		st = whole_dose(s, plan->weights, rows_dose);
	} while (st == SP_INTERRUPTED && !plan->interrupted);
	return st;
}

static sp_status optimise(search *s, sp_influence *matrix, double max_seconds)
{
	sp_fluence_plan *plan = s->plan;
	double before = sp_clock_seconds(), dose_before = plan->dose_seconds;
	float *rows_dose = sp_alloc_array(sp_influence_rows(matrix), sizeof *rows_dose);
	sp_optimise_options options = {.max_seconds = max_seconds,
	                               .tolerance = 3e-4,
	                               .limit_tolerance_gy = 0.1,
	                               .offset_gy = s->offset,
	                               .on_start = s->engine->pencil ? estimate_offset : NULL,
	                               .on_end = correct_limits,
	                               .on_iteration = show_iteration,
	                               .context = s};
	sp_status st;

	if (!rows_dose)
		return sp_fail(s->err, SP_NO_MEMORY, "out of memory optimising");
	st = sp_optimise(plan->weights, rows_dose, &plan->optimisation, matrix, s->problem->terms, s->problem->n_terms,
	                 &options, s->err);
	plan->optimise_seconds = sp_clock_seconds() - before - (plan->dose_seconds - dose_before);
	if (st == SP_OK && !s->done)
		st = final_dose(s, rows_dose);
	if (st == SP_OK && s->robust && !plan->interrupted)
		st = sp_robust_rows_report(&plan->robust, s->robust, s->problem, s->c, s->engine->pencil, plan->weights,
		                           s->dose_gy, s->err);
	free(rows_dose);
	return st;
}

static sp_status make_matrix(sp_influence **out, engine *e, sp_fluence_plan *plan, const sp_plan_problem *problem,
                             const sp_case *c, const sp_machine *machine, const sp_matter *matter, sp_device *device,
                             const sp_plan_options *o, sp_error *err)
{
	const sp_mc_matrix_options columns = {.uncertainty = o->bixel_uncertainty, .seed = o->seed};
	sp_mc_influence_result result;
	float *red = NULL;
	sp_status st;

	if (o->montecarlo) {
		/* the matrix's histories are others than the doses' */
		e->uncertainty = o->uncertainty;
		e->seed = o->seed + 1;
		if ((st = sp_mc_case_create(&e->mc, device, c, matter, machine, &plan->dose_grid, err)) == SP_OK &&
		    (st = sp_mc_case_matrix(out, &result, e->mc, plan->beams, problem->voxels, problem->n_voxels,
		                            &columns, err)) == SP_OK)
			sp_log_info("Monte Carlo: %u histories a bixel, standard uncertainty %.1f %%", result.histories,
			            100.0 * result.uncertainty);
		return st;
	}
	if (!(red = sp_alloc_array(sp_grid_voxels(&c->ct), sizeof *red)))
		return sp_fail(err, SP_NO_MEMORY, "out of memory for the electron density of the CT");
	if ((st = sp_matter_electron_density(red, matter, c, err)) == SP_OK)
		st = sp_pencil_create(&e->pencil, device, machine, &c->ct, red, err);
	free(red);
	if (st == SP_OK)
		st = sp_pencil_influence(out, e->pencil, plan->beams, &plan->dose_grid, problem->voxels,
		                         problem->n_voxels, o->cutoff_mm, err);
	return st;
}

sp_status sp_plan_fluence(sp_fluence_plan **out, const sp_case *c, const sp_protocol *protocol, double dose_gy,
                          const sp_machine *machine, const sp_matter *matter, sp_device *device,
                          const sp_plan_options *o, sp_error *err)
{
	const double spacing_mm[3] = {o->grid_mm, o->grid_mm, o->grid_mm};
	sp_fluence_plan *plan = sp_alloc_array(1, sizeof *plan);
	sp_plan_problem problem = {0};
	sp_robust_rows robust = {0};
	sp_earlier_dose earlier = {0};
	sp_budgets budgets = {0};
	engine e = {0};
	sp_influence *matrix = NULL;
	search s = {0};
	double before;
	sp_status st;

	*out = NULL;
	if (!plan)
		return sp_fail(err, SP_NO_MEMORY, "out of memory for a plan");
	if ((st = sp_setup_dose_grid(&plan->dose_grid, c, spacing_mm, err)) != SP_OK ||
	    (st = sp_plan_problem_make(&problem, c, protocol, dose_gy, &plan->dose_grid, err)) != SP_OK ||
	    (st = make_beams(&plan->beams, c, &plan->dose_grid, machine, o, err)) != SP_OK)
		goto cleanup;
	if (o->earlier &&
	    ((st = sp_earlier_dose_read(&earlier, o->earlier, c, &plan->dose_grid, err)) != SP_OK ||
	     (st = sp_budgets_add(&budgets, &problem, &earlier, c, &plan->dose_grid, o->fractions, err)) != SP_OK))
		goto cleanup;
	if (o->n_scenarios && (st = sp_robust_rows_make(&robust, &problem, c, &plan->dose_grid, plan->beams,
	                                                o->scenarios, o->n_scenarios, err)) != SP_OK)
		goto cleanup;
	plan->dose_gy = sp_alloc_array(sp_grid_voxels(&plan->dose_grid), sizeof *plan->dose_gy);
	plan->weights = sp_alloc_array(plan->beams->n_bixels, sizeof *plan->weights);
	if (o->montecarlo)
		plan->sigma_gy = sp_alloc_array(sp_grid_voxels(&plan->dose_grid), sizeof *plan->sigma_gy);
	if (!plan->dose_gy || !plan->weights || (o->montecarlo && !plan->sigma_gy)) {
		st = sp_fail(err, SP_NO_MEMORY, "out of memory for a dose grid of %zu voxels",
		             sp_grid_voxels(&plan->dose_grid));
		goto cleanup;
	}
	sp_log_info("%zu beams, %zu bixels of %g mm, dose grid %zu x %zu x %zu of %g mm, %zu voxels in the problem",
	            plan->beams->n_beams, plan->beams->n_bixels, o->bixel_mm, plan->dose_grid.n[0],
	            plan->dose_grid.n[1], plan->dose_grid.n[2], o->grid_mm, problem.n_voxels);
	before = sp_clock_seconds();
	if ((st = make_matrix(&matrix, &e, plan, &problem, c, machine, matter, device, o, err)) != SP_OK)
		goto cleanup;
	if (o->n_scenarios &&
	    (st = sp_robust_rows_matrix(&matrix, &robust, e.pencil, &plan->dose_grid, o->cutoff_mm, err)) != SP_OK)
		goto cleanup;
	plan->matrix_seconds = sp_clock_seconds() - before;
	plan->n_rows = sp_influence_rows(matrix);
	plan->n_values = sp_influence_values(matrix);
	sp_log_info("influence matrix: %zu x %zu, %.1f million entries, %.0f MB, %.1f s", plan->n_rows,
	            sp_influence_columns(matrix), 1e-6 * (double)plan->n_values,
	            1e-6 * (double)sp_influence_bytes(matrix), plan->matrix_seconds);
	s = (search){.plan = plan,
	             .c = c,
	             .engine = &e,
	             .problem = &problem,
	             .robust = o->n_scenarios ? &robust : NULL,
	             .budgets = o->earlier ? &budgets : NULL,
	             .options = o,
	             .dose_gy = dose_gy,
	             .offset = sp_alloc_array(plan->n_rows, sizeof(float)),
	             .dose_weights = sp_alloc_array(plan->beams->n_bixels, sizeof(double)),
	             .err = err};
	st = s.offset && s.dose_weights ? optimise(&s, matrix, o->max_seconds)
	                                : sp_fail(err, SP_NO_MEMORY, "out of memory optimising");
	if (st != SP_OK)
		goto cleanup;
	if (o->earlier && (st = sp_reirradiation_report(&plan->reirradiation, &earlier, c, &plan->dose_grid,
	                                                plan->dose_gy, o->fractions, err)) != SP_OK)
		goto cleanup;
	if (plan->interrupted)
		st = SP_INTERRUPTED;
	*out = plan;
	plan = NULL;
cleanup:
	free(s.offset);
	free(s.dose_weights);
	sp_influence_destroy(matrix);
	sp_pencil_destroy(e.pencil);
	sp_mc_case_destroy(e.mc);
	sp_robust_rows_finish(&robust);
	sp_budgets_finish(&budgets);
	sp_earlier_dose_finish(&earlier);
	sp_plan_problem_finish(&problem);
	sp_fluence_plan_destroy(plan);
	return st;
}

void sp_fluence_plan_destroy(sp_fluence_plan *p)
{
	if (!p)
		return;
	sp_beam_set_destroy(p->beams);
	free(p->weights);
	free(p->dose_gy);
	free(p->sigma_gy);
	json_decref(p->robust);
	json_decref(p->reirradiation);
	free(p);
}
