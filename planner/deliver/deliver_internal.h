/* What the files of the way to a deliverable plan share. */
#ifndef SP_DELIVER_INTERNAL_H
#define SP_DELIVER_INTERNAL_H

#include <jansson.h>

#include "aperture_map.h"
#include "limit_correction.h"
#include "mu_map.h"
#include "plan_deliver.h"
#include "plan_session.h"
#include "sequence.h"

typedef struct {
	sp_plan_session session;
	const sp_machine *machine;
	const sp_protocol *protocol; /* NULL: none */
	const sp_deliver_options *options;
	sp_fields *fields;
	sp_aperture_map *map;
	sp_mu_map *mu_map; /* of arcs, once their leaves stay where they are */
	double mu_factor;  /* on all monitor units of the map, from the last dose */
	sp_error *err;
} sp_deliver_job;

/* From the fluence in the session's plan: fields, and a map whose x are the first apertures. */
sp_status sp_deliver_first_steps(sp_deliver_job *j);
sp_status sp_deliver_first_arcs(sp_deliver_job *j);

/* Ways in which the leaves of a step-and-shoot field can lie over a beam; field `way` of beam b on trial has the number
 * SP_STEP_WAYS * b + way. */
#define SP_STEP_WAYS 2

/* All fields on trial, a segment each. */
sp_status sp_deliver_trial_steps(sp_fields **out, sp_deliver_job *j);
size_t sp_deliver_most_segments(const sp_deliver_job *j);

/* Fields and map of these segments (field: its number on trial), in place of those that the job has; output and price
 * of monitor units stay. After a failure the job has what it had. */
sp_status sp_deliver_make_steps(sp_deliver_job *j, const sp_segments *s);

/* The job's segments as they are now, for sp_deliver_make_steps; the caller finishes them. */
sp_status sp_deliver_all_steps(sp_segments *out, const sp_deliver_job *j);

/* Segments near their least monitor units do next to nothing: they go, and with `add` apertures come for which the last
 * search's gradient asks, up to one a field on trial. *changed: whether there is anything to search anew. */
sp_status sp_deliver_renew_steps(sp_deliver_job *j, bool add, bool *changed);

/* The hard limits by the session's dose, as the evaluation judges them; correct: their terms move. */
sp_status sp_deliver_judge(sp_limit_standing *out, sp_deliver_job *j, bool correct);

/* Something left out: the worst hard limit is missed then, and by more than before. Less than evaluations tell apart
 * does not count. */
bool sp_deliver_breaks_limits(const sp_limit_standing *before, const sp_limit_standing *after);

/* A small miss needs no other plan: takes up to 1.2 % off all monitor units, or gives as much more, until all hard
 * limits hold; where that does not do it, all stays as it was. *standing: what judging said before and says afterwards.
 */
sp_status sp_deliver_give_way(sp_deliver_job *j, sp_limit_standing *standing);

/* The other way: up to 6 % on all monitor units, as much as limits and goals that are met leave, as the machine can,
 * and as the target's D95 needs to reach the prescription. */
sp_status sp_deliver_use_room(sp_deliver_job *j);

/* By what all doses may be multiplied so that upper limits and goals in Gy which are met (as in evaluation.md; goals on
 * Dmax by D0.03cc) still are; `by`: structure and metric of the first that is not, or empty; n_met: limits and goals
 * that are met. */
typedef struct {
	double factor;
	size_t n_met;
	char by[128];
} sp_room;

sp_room sp_room_of(const json_t *evaluation);

/* How an arc is cut: intervals of at most two degrees, and beams of the matrix that several of them share. */
typedef struct {
	size_t n_intervals, n_beams;
	double step_deg;
} sp_arc_plan;

sp_arc_plan sp_deliver_arc_plan(const sp_deliver_options *o);
double sp_deliver_beam_angle(const sp_deliver_options *o, size_t beam);

#endif
