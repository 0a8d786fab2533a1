#include "deliver_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "clock.h"
#include "evaluate.h"
#include "gas_dose.h"
#include "interrupt.h"
#include "kept_plan.h"
#include "log.h"
#include "optimise_terms.h"
#include "row_filter.h"
#include "to_delivery.h"

/* Corrections of the limits while the fluence is searched, while the apertures are, and after the last dose. The
 * fluence is only where apertures begin: more of them, each with a dose by Monte Carlo, make no better plan. */
#define FLUENCE_ROUNDS 4
/* Limits are settled in so many, and levels may take some more; the weights stay after six or seven. */
#define FLUENCE_ROUNDS_BY_PRIORITY 8
#define APERTURE_ROUNDS 6
#define LEAF_ROUNDS 1 /* of an arc, before its leaves are made slow enough */
#define LAST_ROUNDS 3

#define RENEWALS 2 /* of segments */

/* What all monitor units together cost, in shares of the fluence's objective: plans alike in dose should need few. */
#define MU_SHARE_STEPS 0.4
#define MU_SHARE_ARCS 0.25

/* ---- what was reached ---- */

static sp_status structure_dvh(sp_dvh *out, const sp_plan_session *s, const size_t *which, size_t n)
{
	double outside_cc;

	return sp_dvh_of_structures(out, &outside_cc, s->c, which, n, &s->plan->dose_grid, s->plan->dose_gy, s->err);
}

/* The search's objectives (no limits, no price of monitor units) by the session's dose. */
static sp_status dose_objective(double *out, sp_plan_session *s)
{
	const sp_plan_problem *p = &s->problem;
	const size_t n = s->plan->n_rows;
	float *rows = sp_alloc_array(n, sizeof *rows);
	sp_term_state *states = NULL;
	sp_status st = rows ? SP_OK : sp_fail(s->err, SP_NO_MEMORY, "no memory for the dose of %zu rows", n);

	*out = 0.0;
	for (size_t i = 0; st == SP_OK && i < p->n_voxels; i++)
		rows[i] = s->plan->dose_gy[p->voxels[i]];
	for (size_t i = p->n_voxels; st == SP_OK && i < n; i++) /* should doses in scenarios be interrupted */
		rows[i] = s->rows_dose[i];
	if (st == SP_OK && (st = sp_plan_session_scenario_rows(rows, s)) == SP_INTERRUPTED) {
		st = SP_OK;
		if (s->err)
			*s->err = (sp_error){0};
	}
	if (st == SP_OK)
		st = sp_terms_create(&states, p->terms, p->n_terms, n, 0.0, s->err);
	for (size_t k = 0; st == SP_OK && k < p->n_terms; k++)
		if (!states[k].is_limit && (st = sp_term_choose_free(&states[k], rows, s->err)) == SP_OK)
			*out += sp_term_objective(&states[k], rows);
	sp_terms_destroy(states, p->n_terms);
	free(rows);
	return st;
}

/* By the session's dose. */
static sp_status note_reached(sp_reached *out, sp_plan_session *s, const char *what)
{
	const sp_plan_problem *p = &s->problem;
	size_t target = (size_t)(sp_case_target(s->c) - s->c->structures);
	sp_dvh dvh;
	sp_status st;

	*out = (sp_reached){0.0, 0.0, NAN};
	if ((st = dose_objective(&out->objective, s)) != SP_OK || (st = structure_dvh(&dvh, s, &target, 1)) != SP_OK)
		return st;
	out->target_d95_gy = sp_dvh_dose_at_share(&dvh, 0.95);
	sp_dvh_finish(&dvh);
	for (size_t i = 0; i < p->n_limits && isnan(out->cord_d003cc_gy); i++) {
		if (p->limits[i].term != p->cord_term)
			continue;
		if ((st = structure_dvh(&dvh, s, p->limits[i].which, p->limits[i].n)) != SP_OK)
			return st;
		out->cord_d003cc_gy = sp_dvh_dose_at_cc(&dvh, 0.03);
		sp_dvh_finish(&dvh);
	}
	if (isnan(out->cord_d003cc_gy))
		sp_log_info("%s: objective %.5g, target D95 %.2f Gy", what, out->objective, out->target_d95_gy);
	else
		sp_log_info("%s: objective %.5g, target D95 %.2f Gy, %s D0.03cc %.2f Gy", what, out->objective,
		            out->target_d95_gy, p->terms[p->cord_term].name, out->cord_d003cc_gy);
	return SP_OK;
}

/* The session's dose as the search has it: the rows by matrix and offset, their neighbours by the last dose. */
static void show_rows(sp_plan_session *s)
{
	const sp_plan_problem *p = &s->problem;

	for (size_t i = 0; i < p->n_voxels; i++)
		s->plan->dose_gy[p->voxels[i]] = fmaxf(0.0f, s->rows_dose[i]);
	s->dose_is_whole = false;
}

static sp_status note_searched(sp_reached *out, sp_plan_session *s, const char *what)
{
	show_rows(s);
	return note_reached(out, s, what);
}

/* ---- interrupts and time ---- */

/* Interrupted before there was a dose of control points: from here on nothing is searched, and the first apertures are
 * the plan. */
static void note_interrupt(sp_plan_session *s)
{
	if (!sp_interrupt_asked())
		return;
	s->plan->interrupted = true;
	sp_interrupt_acknowledge();
	if (s->err)
		*s->err = (sp_error){0};
}

/* A judgement under set-up errors was interrupted: what there is goes on to the end. */
static sp_status keep_interrupted(sp_status st, sp_plan_session *s)
{
	if (st != SP_INTERRUPTED)
		return st;
	note_interrupt(s);
	return s->plan->interrupted ? SP_OK : st;
}

/* The search's seconds that are left of --max-time, and of those a share; 0: no limit. Shares are ours: unlimited, a
 * third goes to the fluence and most of the rest to the apertures. */
static double seconds_left(const sp_plan_session *s, double share)
{
	const double most = s->options->max_seconds;

	return most > 0.0 ? fmax(0.01, share * (most - s->plan->optimise_seconds)) : 0.0;
}

/* ---- doses ---- */

/* The dose of the control points of what was shown last. */
static sp_status delivered_dose(void *context, sp_plan_session *s, sp_error *err)
{
	const sp_deliver_job *j = context;
	sp_fluence_plan *plan = s->plan;
	sp_delivery *d = NULL;
	sp_mc_dose_result result;
	sp_status st;

	if ((st = sp_apertures_deliver(&d, j->map, j->map->x, j->options->fractions / j->mu_factor, err)) == SP_OK)
		st = sp_mc_case_delivery(plan->dose_gy, plan->sigma_gy, &result, s->mc, d, s->uncertainty, s->seed++, 0,
		                         err);
	if (st == SP_OK)
		st = sp_gas_take_dose_around(plan->dose_gy, sp_mc_case_density(s->mc), &plan->dose_grid, err);
	for (size_t v = 0; st == SP_OK && v < sp_grid_voxels(&plan->dose_grid); v++) { /* of one fraction so far */
		plan->dose_gy[v] *= (float)j->options->fractions;
		plan->sigma_gy[v] *= (float)j->options->fractions;
	}
	if (st == SP_OK) {
		plan->dose_seed = s->seed - 1;
		plan->uncertainty = result.uncertainty;
		plan->histories = result.histories;
	}
	sp_delivery_destroy(d);
	return st;
}

/* The rows' doses by the matrix alone. */
static sp_status matrix_dose(float *out, sp_deliver_job *j, const double *weights)
{
	sp_influence *m = j->session.matrix;
	sp_device *d = sp_influence_device(m);
	size_t n = sp_influence_columns(m), rows = sp_influence_rows(m);
	float *floats = sp_alloc_array(n, sizeof *floats);
	cl_mem in = NULL, dose = NULL;
	sp_status st = floats ? SP_OK : sp_fail(j->err, SP_NO_MEMORY, "no memory for %zu weights", n);

	for (size_t i = 0; st == SP_OK && i < n; i++)
		floats[i] = (float)weights[i];
	if (st == SP_OK &&
	    (st = sp_buffer_create(&in, d, CL_MEM_READ_ONLY, n * sizeof *floats, floats, "weights", j->err)) == SP_OK &&
	    (st = sp_buffer_create(&dose, d, CL_MEM_READ_WRITE, rows * sizeof *out, NULL, "dose", j->err)) == SP_OK &&
	    (st = sp_influence_multiply(m, dose, in, j->err)) == SP_OK)
		st = sp_buffer_read(d, dose, 0, rows * sizeof *out, out, j->err);
	sp_buffer_release(&in);
	sp_buffer_release(&dose);
	free(floats);
	return st;
}

/* What the matrix's rows times the output leave out of plan->dose_gy. */
static sp_status learn_offset(sp_deliver_job *j)
{
	sp_plan_session *s = &j->session;
	const sp_plan_problem *p = &s->problem;
	const float output = (float)j->map->output;
	sp_status st;

	for (size_t i = 0; i < p->n_voxels; i++) {
		float whole = s->plan->dose_gy[p->voxels[i]];

		s->offset[i] = whole > 0.0f ? whole - output * s->rows_dose[i] : 0.0f;
	}
	if ((st = sp_rows_smooth(s->offset, p, &s->plan->dose_grid, j->err)) != SP_OK)
		return st;
	sp_robust_rows_guess_offset(&s->robust, s->offset);
	for (size_t i = 0; s->plan->interrupted && i < p->n_voxels; i++) /* no search will tell */
		s->rows_dose[i] = s->plan->dose_gy[p->voxels[i]] / output;
	return SP_OK;
}

/* The dose of the first apertures tells how much a monitor unit gives through this head and these openings, against the
 * matrix; the map takes that factor on, the offset what differs from place to place. */
static sp_status calibrate(sp_deliver_job *j)
{
	sp_plan_session *s = &j->session;
	const sp_plan_problem *p = &s->problem;
	const sp_term *target = &p->terms[p->target_term];
	double *weights = s->plan->weights, product = 0.0, square = 0.0, before = sp_clock_seconds();
	sp_status st;

	j->map->map.weights(j->map, weights, j->map->x);
	if ((st = matrix_dose(s->rows_dose, j, weights)) != SP_OK)
		return st;
	do {
		note_interrupt(s);
		st = delivered_dose(j, s, j->err);
	} while (st == SP_INTERRUPTED && !s->plan->interrupted);
	if (st != SP_OK)
		return st;
	s->plan->dose_seconds += sp_clock_seconds() - before;
	for (size_t i = 0; i < target->n; i++) {
		double by_matrix = s->rows_dose[target->rows[i]];

		product += by_matrix * s->plan->dose_gy[p->voxels[target->rows[i]]];
		square += by_matrix * by_matrix;
	}
	if (!(product > 0.0 && square > 0.0))
		return sp_fail(j->err, SP_FAILED, "the first apertures give the target no dose");
	j->map->output = product / square;
	if ((st = learn_offset(j)) != SP_OK)
		return st;
	sp_log_info("a monitor unit through the apertures gives %.3f of the matrix's dose", j->map->output);
	/* as much dose as the fluence gave */
	for (size_t i = 0; i < j->fields->n_fields; i++)
		for (size_t k = 0; k < j->fields->fields[i].n_intervals; k++)
			sp_aperture_set_mu(j->map, j->map->x, i, k,
			                   sp_aperture_mu(j->map, j->map->x, i, k) / j->map->output);
	return SP_OK;
}

/* Arcs, whose leaves stay from now on: a search over the monitor units alone, in a share of the time that is left. Its
 * matrix is made with the first. */
static sp_status search_mu(sp_deliver_job *j, size_t most_rounds, double share)
{
	sp_plan_session *s = &j->session;
	double before = sp_clock_seconds();
	sp_status st = SP_OK;

	if (!j->mu_map)
		st = sp_mu_map_create(&j->mu_map, j->map, s->matrix, j->err);
	s->plan->optimise_seconds += sp_clock_seconds() - before;
	if (st == SP_OK)
		st = sp_plan_session_search_columns(s, j->mu_map->matrix, j->mu_map->weights, &j->mu_map->map,
		                                    most_rounds, seconds_left(s, share));
	if (st == SP_OK)
		j->map->map.weights(j->map, s->plan->weights, j->map->x);
	return st;
}

/* The last dose, as exact as wanted; where it breaks a limit that the search thought was met, the monitor units give
 * way, or the search goes on from what is now known; where it keeps them all with room to spare, they take that up. In
 * a conflict of limits the plan that misses them least is the last. */
static sp_status finish(sp_deliver_job *j, double uncertainty)
{
	sp_plan_session *s = &j->session;
	sp_limit_standing standing;
	sp_kept_plan best = {0};
	sp_status st = SP_OK;

	for (int round = 0; st == SP_OK; round++) {
		s->uncertainty = uncertainty;
		s->dose_is_whole = false;
		if ((st = sp_plan_session_final_dose(s)) != SP_OK || s->plan->interrupted ||
		    (st = sp_deliver_judge(&standing, j, false)) != SP_OK)
			break;
		if (s->problem.n_limits)
			sp_log_info("Monte Carlo dose of the control points: worst hard limit %s by %.2f Gy",
			            standing.worst_miss_gy > 0.0 ? "missed" : "met", fabs(standing.worst_miss_gy));
		if ((st = sp_deliver_give_way(j, &standing)) != SP_OK)
			break;
		if (standing.worst_miss_gy <= 0.0) {
			st = sp_deliver_use_room(j);
			break;
		}
		if (!best.x || standing.worst_miss_gy < best.miss_gy)
			st = sp_keep_plan(&best, j, standing.worst_miss_gy);
		if (st != SP_OK || round == LAST_ROUNDS) {
			if (st == SP_OK && best.miss_gy < standing.worst_miss_gy)
				sp_take_plan_back(j, &best);
			break;
		}
		if ((st = sp_deliver_judge(&standing, j, true)) != SP_OK)
			break;
		st = j->map->speed ? search_mu(j, 0, 1.0)
		                   : sp_plan_session_search(s, &j->map->map, 0, seconds_left(s, 1.0));
	}
	sp_kept_plan_finish(&best);
	return keep_interrupted(st, s);
}

/* ---- the way ---- */

/* The first apertures' monitor units cost a share of the objective. */
static void price_mu(sp_deliver_job *j, double objective)
{
	double sum = 0.0;

	for (size_t i = 0; i < j->fields->n_fields; i++)
		for (size_t k = 0; k < j->fields->fields[i].n_intervals; k++)
			sum += sp_aperture_mu(j->map, j->map->x, i, k);
	j->map->mu_price = (j->options->technique == SP_BEAM_VMAT ? MU_SHARE_ARCS : MU_SHARE_STEPS) * objective / sum;
}

/* By a signal or for time. */
static bool was_cut_short(const sp_plan_session *s)
{
	return s->plan->interrupted || s->plan->optimisation.interrupted || sp_interrupt_asked();
}

/* Step and shoot: searches without doses between, after each of which segments that do nothing make way for others. */
static sp_status renew_segments(sp_deliver_job *j)
{
	sp_plan_session *s = &j->session;
	bool changed = true;
	sp_status st = SP_OK;

	for (int k = 0; st == SP_OK && k < RENEWALS && changed && !s->plan->interrupted; k++) {
		st = sp_plan_session_search(s, &j->map->map, 0, seconds_left(s, 0.3));
		if (was_cut_short(s)) /* what it left idle may not be */
			break;
		if (st == SP_OK)
			st = sp_deliver_renew_steps(j, true, &changed);
	}
	return st;
}

/* The hard limits by the search's own dose. */
static sp_status judge_rows(sp_limit_standing *out, sp_deliver_job *j)
{
	show_rows(&j->session);
	return sp_deliver_judge(out, j, false);
}

/* The map's x as the session's plan: weights, the rows' doses by matrix and offset, and the hard limits by them. */
static sp_status take_up_map(sp_limit_standing *standing, sp_deliver_job *j)
{
	sp_plan_session *s = &j->session;
	sp_status st;

	j->map->map.weights(j->map, s->plan->weights, j->map->x);
	if ((st = matrix_dose(s->rows_dose, j, s->plan->weights)) != SP_OK)
		return st;
	for (size_t i = 0; i < s->plan->n_rows; i++)
		s->rows_dose[i] += s->offset[i];
	return judge_rows(standing, j);
}

/* After the last search: idle segments go, unless the worst hard limit is missed, and by more than before, without
 * them. */
static sp_status drop_idle(sp_deliver_job *j)
{
	sp_plan_session *s = &j->session;
	sp_limit_standing before, after;
	sp_segments all;
	bool changed;
	sp_status st = sp_deliver_all_steps(&all, j);

	if (st == SP_OK && (st = judge_rows(&before, j)) == SP_OK &&
	    (st = sp_deliver_renew_steps(j, false, &changed)) == SP_OK && changed &&
	    (st = take_up_map(&after, j)) == SP_OK && sp_deliver_breaks_limits(&before, &after)) {
		sp_log_info("they come back: without them a hard limit is missed by %.2f Gy", after.worst_miss_gy);
		if ((st = sp_deliver_make_steps(j, &all)) == SP_OK)
			st = take_up_map(&after, j);
	}
	sp_segments_finish(&all);
	return keep_interrupted(st, s);
}

static sp_status search_apertures(sp_deliver_job *j)
{
	sp_plan_session *s = &j->session;
	const bool arcs = j->map->speed != NULL;
	sp_status st = SP_OK;

	if (!arcs && (st = renew_segments(j)) != SP_OK)
		return st;
	if (!s->plan->interrupted)
		st = sp_plan_session_search(s, &j->map->map, arcs ? LEAF_ROUNDS : APERTURE_ROUNDS,
		                            seconds_left(s, arcs ? 0.6 : 0.8));
	if (st == SP_OK && !arcs)
		return was_cut_short(s) ? SP_OK : drop_idle(j);
	if (st != SP_OK)
		return st;
	/* leaves as fast as they may be, then the monitor units that suit them */
	if ((st = sp_aperture_repair_speed(j->map, j->map->x, j->err)) != SP_OK)
		return st;
	return s->plan->interrupted ? SP_OK : search_mu(j, APERTURE_ROUNDS, 0.8);
}

static sp_status run(sp_deliver_job *j, sp_delivered_plan *out, const sp_matter *matter, sp_device *device)
{
	sp_plan_session *s = &j->session;
	const sp_plan_options *o = s->options;
	sp_status st;

	if ((st = sp_mc_case_create(&s->mc, device, s->c, matter, j->machine, &s->plan->dose_grid, j->err)) != SP_OK)
		return st;
	if (!(s->plan->sigma_gy = sp_alloc_array(sp_grid_voxels(&s->plan->dose_grid), sizeof(float))))
		return sp_fail(j->err, SP_NO_MEMORY, "out of memory for a dose grid");
	s->uncertainty = j->options->rough_uncertainty;
	s->smooth = true;
	st = sp_plan_session_search(s, NULL, o->target_slip_percent > 0.0 ? FLUENCE_ROUNDS_BY_PRIORITY : FLUENCE_ROUNDS,
	                            seconds_left(s, 0.3));
	sp_priorities_stay(&s->priorities, &s->problem);
	if (st != SP_OK || (st = note_searched(&out->fluence, s, "fluence")) != SP_OK ||
	    (st = j->options->technique == SP_BEAM_VMAT ? sp_deliver_first_arcs(j) : sp_deliver_first_steps(j)) !=
	            SP_OK)
		return st;
	s->dose = delivered_dose;
	s->dose_context = j;
	price_mu(j, s->plan->optimisation.objective);
	if ((st = calibrate(j)) != SP_OK || (st = search_apertures(j)) != SP_OK ||
	    (st = note_searched(&out->deliverable, s, "apertures")) != SP_OK ||
	    (st = finish(j, o->uncertainty)) != SP_OK || (st = note_reached(&out->last, s, "last dose")) != SP_OK ||
	    (st = sp_apertures_deliver(&out->delivery, j->map, j->map->x, j->options->fractions / j->mu_factor,
	                               j->err)) != SP_OK ||
	    (!s->plan->interrupted && (st = sp_plan_session_report_scenarios(s)) != SP_OK) ||
	    (st = sp_plan_session_report_earlier(s)) != SP_OK)
		return st;
	for (size_t i = 0; i < j->fields->n_fields; i++)
		out->n_segments += j->fields->fields[i].n_intervals;
	sp_delivery_time(&out->seconds, out->delivery, j->machine);
	return SP_OK;
}

sp_status sp_plan_deliver(sp_delivered_plan **out, const sp_case *c, const sp_protocol *protocol, double dose_gy,
                          const sp_machine *machine, const sp_matter *matter, sp_device *device,
                          const sp_plan_options *options, const sp_deliver_options *deliver, sp_error *err)
{
	sp_plan_options own = *options;
	const sp_arc_plan arc = sp_deliver_arc_plan(deliver);
	double *angles = NULL;
	sp_deliver_job j = {.machine = machine, .protocol = protocol, .options = deliver, .mu_factor = 1.0, .err = err};
	sp_delivered_plan *p = sp_alloc_array(1, sizeof *p);
	sp_status st;

	*out = NULL;
	if (!p)
		return sp_fail(err, SP_NO_MEMORY, "out of memory for a plan");
	if ((st = sp_fields_possible(machine, err)) != SP_OK) { /* before the fluence is searched */
		free(p);
		return st;
	}
	if (deliver->technique == SP_BEAM_VMAT) {
		/* collimator 0: seen from all round, the cord lies along y on average */
		if (!(angles = sp_alloc_array(arc.n_beams, sizeof *angles))) {
			free(p);
			return sp_fail(err, SP_NO_MEMORY, "out of memory for a plan");
		}
		for (size_t b = 0; b < arc.n_beams; b++)
			angles[b] = sp_deliver_beam_angle(deliver, b);
		own.angles_deg = angles;
		own.n_angles = arc.n_beams;
	}
	st = sp_plan_session_open(&j.session, c, protocol, dose_gy, machine, matter, device, &own, err);
	if (st == SP_OK)
		st = run(&j, p, matter, device);
	free(angles);
	sp_mu_map_destroy(j.mu_map);
	sp_aperture_map_destroy(j.map);
	sp_fields_destroy(j.fields);
	if (st == SP_OK) {
		p->plan = j.session.plan;
		j.session.plan = NULL;
		if (p->plan->interrupted)
			st = SP_INTERRUPTED;
		*out = p;
		p = NULL;
	}
	sp_plan_session_close(&j.session);
	sp_delivered_plan_destroy(p);
	return st;
}

void sp_delivered_plan_destroy(sp_delivered_plan *p)
{
	if (!p)
		return;
	sp_fluence_plan_destroy(p->plan);
	sp_delivery_destroy(p->delivery);
	free(p);
}
