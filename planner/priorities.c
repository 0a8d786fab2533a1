#include "priorities.h"

#include <math.h>
#include <stdlib.h>

#include "alloc.h"
#include "log.h"
#include "optimise_terms.h"

/* While a level is sought, those after it weigh this much: enough to choose among plans that are alike in it. */
#define LATER 0.1

/* A level's cost that is as good as none, (% of the prescription)^2. The target's terms aim some per cent above the
 * prescription, so that no plan has less. */
#define TARGET_GOAL 0.5
#define ORGANS_GOAL 0.01

#define ORGANS_SLIP 1.05
#define MOST_FACTOR 3.0 /* of normal tissue: a target that asks for next to nothing leaves it at that */
#define LEAST_FACTOR 0.02
#define FIRST_FACTOR 0.25 /* near the end on a thoracic spine */
#define MOST_STEP 3.0     /* of a factor at once */
#define NEAR 1.1          /* of a bound is near enough */
#define MOST_ROUNDS 4     /* of weights, in the last stage */
#define LIMITS_ROUNDS 5   /* of corrections until the hard limits hold as judged ... */
#define STAGE_ROUNDS                                                                                     \
	3 /* ... and after a level's weights have changed: its value need not be known to the last digit \
	   */

static sp_status cost_of_level(double *out, const sp_priorities *x, const sp_plan_problem *p, sp_plan_level level,
                               const float *rows_dose, size_t n_rows, sp_error *err)
{
	*out = 0.0;
	for (size_t i = 0; i < x->n_weights; i++) {
		sp_term term = p->terms[i];
		sp_term_state *state;
		sp_status st;

		if (term.level != (int)level)
			continue;
		term.weight = x->weights[i];
		if ((st = sp_terms_create(&state, &term, 1, n_rows, 0.0, err)) != SP_OK)
			return st;
		if ((st = sp_term_choose_free(state, rows_dose, err)) == SP_OK)
			*out += sp_term_objective(state, rows_dose);
		sp_terms_destroy(state, 1);
		if (st != SP_OK)
			return st;
	}
	return SP_OK;
}

static void set_weights(const sp_priorities *x, sp_plan_problem *p)
{
	for (size_t i = 0; i < x->n_weights; i++)
		p->terms[i].weight = x->weights[i] * x->level[p->terms[i].level].factor;
}

static void begin_weights(sp_priorities *x, sp_plan_problem *p)
{
	x->level[SP_LEVEL_LIMIT].factor = x->level[SP_LEVEL_TARGET].factor = 1.0;
	x->level[SP_LEVEL_ORGANS].factor = 1.0;
	x->level[SP_LEVEL_TISSUE].factor = FIRST_FACTOR;
	set_weights(x, p);
}

sp_status sp_priorities_begin(sp_priorities *x, sp_plan_problem *p, double slip_percent, sp_error *err)
{
	*x = (sp_priorities){.stage = SP_PRIORITY_LIMITS, .slip_percent = slip_percent, .n_weights = p->n_terms};
	if (!(x->weights = sp_alloc_array(p->n_terms, sizeof *x->weights)))
		return sp_fail(err, SP_NO_MEMORY, "out of memory for the weights of %zu objectives", p->n_terms);
	for (size_t i = 0; i < p->n_terms; i++)
		x->weights[i] = p->terms[i].weight;
	begin_weights(x, p);
	return SP_OK;
}

void sp_priorities_finish(sp_priorities *x)
{
	free(x->weights);
	x->weights = NULL;
}

void sp_priorities_stay(sp_priorities *x, sp_plan_problem *p)
{
	if (x->stage != SP_PRIORITY_NONE && x->stage != SP_PRIORITY_REST) {
		begin_weights(x, p);
		sp_log_warning("priorities: cut short before the last level; normal tissue keeps %g of its weight",
		               FIRST_FACTOR);
	}
	x->stage = SP_PRIORITY_NONE;
}

/* What the target's cost was at a factor of a later level. */
static void note_point(sp_priorities *x, sp_plan_level later)
{
	sp_priority_level *level = &x->level[later];

	level->has_last = true;
	level->last_log_factor = log(level->factor);
	level->last_log_cost = log(fmax(x->level[SP_LEVEL_TARGET].now, 1e-6));
}

/* The factor of a later level at which the target's cost is its bound: along the line through this point and the last
 * one, in logarithms. */
static void follow_target(sp_priorities *x, sp_plan_level later)
{
	const sp_priority_level *target = &x->level[SP_LEVEL_TARGET];
	sp_priority_level *level = &x->level[later];
	double log_factor = log(level->factor), log_cost = log(fmax(target->now, 1e-6)), slope = 0.3, step;

	if (level->has_last && fabs(log_factor - level->last_log_factor) > 0.02)
		slope = (log_cost - level->last_log_cost) / (log_factor - level->last_log_factor);
	step = (log(target->bound) - log_cost) / fmin(fmax(slope, 0.05), 1.5);
	step = fmin(fmax(step, -log(MOST_STEP)), log(MOST_STEP));
	note_point(x, later);
	level->factor = fmin(fmax(exp(log_factor + step), LEAST_FACTOR), MOST_FACTOR);
}

static void begin_target(sp_priorities *x)
{
	note_point(x, SP_LEVEL_TISSUE);
	x->stage = SP_PRIORITY_TARGET;
	x->rounds = 0;
	x->level[SP_LEVEL_ORGANS].factor = x->level[SP_LEVEL_TISSUE].factor = LATER;
}

static void begin_rest(sp_priorities *x)
{
	x->stage = SP_PRIORITY_REST;
	x->rounds = 0;
	follow_target(x, SP_LEVEL_TISSUE);
}

static void end_target(sp_priorities *x)
{
	sp_priority_level *target = &x->level[SP_LEVEL_TARGET], *organs = &x->level[SP_LEVEL_ORGANS];

	/* the balanced weights before may have done as well: the target's own search need not have ended */
	target->reached = fmin(target->now, exp(x->level[SP_LEVEL_TISSUE].last_log_cost));
	target->bound = fmax(TARGET_GOAL, target->reached + x->slip_percent * x->slip_percent);
	organs->bound = ORGANS_GOAL;
	sp_log_info("priorities: the target lacks %.2f %% at best, root mean square, and may lack %.2f %% for the rest",
	            sqrt(target->reached), sqrt(target->bound));
	if (organs->now > ORGANS_GOAL) {
		x->stage = SP_PRIORITY_ORGANS;
		x->rounds = 0;
		follow_target(x, SP_LEVEL_ORGANS);
	} else {
		organs->factor = 1.0; /* their limits hold: should one come to be missed, it costs */
		begin_rest(x);
	}
}

static void end_organs(sp_priorities *x)
{
	sp_priority_level *organs = &x->level[SP_LEVEL_ORGANS];

	organs->reached = organs->now;
	organs->bound = fmax(ORGANS_GOAL, ORGANS_SLIP * organs->now);
	sp_log_info("priorities: other organs' limits are missed by %.2f %% at best", sqrt(organs->reached));
	begin_rest(x);
}

/* The target's cost is its bound, or what comes after it could not weigh more. */
static bool is_near(const sp_priority_level *target, const sp_priority_level *later)
{
	return target->now <= NEAR * target->bound &&
	       (target->now >= target->bound / NEAR || later->factor >= MOST_FACTOR);
}

sp_status sp_priorities_step(sp_priorities *x, sp_plan_problem *p, const float *rows_dose, size_t n_rows, bool settled,
                             bool *go_on, sp_error *err)
{
	sp_priority_level *target = &x->level[SP_LEVEL_TARGET], *organs = &x->level[SP_LEVEL_ORGANS];
	sp_priority_level *tissue = &x->level[SP_LEVEL_TISSUE];
	bool near;
	sp_status st;

	if (x->stage == SP_PRIORITY_NONE)
		return SP_OK;
	for (int level = SP_LEVEL_TARGET; level < SP_LEVEL_COUNT; level++)
		if ((st = cost_of_level(&x->level[level].now, x, p, (sp_plan_level)level, rows_dose, n_rows, err)) !=
		    SP_OK)
			return st;
	x->rounds++;
	sp_log_detail("priorities, stage %d: target %.4g (bound %.4g), organs %.4g, normal tissue %.4g at factor %.3g",
	              (int)x->stage, target->now, target->bound, organs->now, tissue->now, tissue->factor);
	switch (x->stage) {
	case SP_PRIORITY_LIMITS:
		if (settled || x->rounds >= LIMITS_ROUNDS)
			begin_target(x);
		*go_on = true;
		break;
	case SP_PRIORITY_TARGET:
		if (settled || x->rounds >= STAGE_ROUNDS)
			end_target(x);
		*go_on = true;
		break;
	case SP_PRIORITY_ORGANS:
		near = is_near(target, organs) || organs->now <= ORGANS_GOAL;
		if ((settled && near) || x->rounds >= MOST_ROUNDS)
			end_organs(x);
		else if (!near)
			follow_target(x, SP_LEVEL_ORGANS);
		*go_on = true;
		break;
	case SP_PRIORITY_REST:
		near = is_near(target, tissue);
		if (target->now <= NEAR * target->bound && organs->now > NEAR * organs->bound &&
		    x->rounds < MOST_ROUNDS) {
			organs->factor *= MOST_STEP;
			*go_on = true;
		}
		if (!near && x->rounds < MOST_ROUNDS) {
			follow_target(x, SP_LEVEL_TISSUE);
			*go_on = true;
		}
		break;
	default:
		break;
	}
	set_weights(x, p);
	return SP_OK;
}
