/* What the files of `spineplan plan` share: plan.c does the job, plan_options.c reads the command line, plan_setting.c
 * finds what a plan is made for, plan_targets.c what it is to give dose to, plan_conflict.c says which hard limits
 * could not be held. */
#ifndef SP_PLAN_COMMAND_H
#define SP_PLAN_COMMAND_H

#include <jansson.h>

#include "case.h"
#include "earlier_option.h"
#include "plan_deliver.h"
#include "plan_fluence.h"
#include "protocol.h"

#define SP_PLAN_MAX_ANGLES 360

typedef struct {
	const char *case_path, *plan_path, *protocol, *machine, *mlc, *device, *boost;
	double dose_gy;
	bool json, require_limits;
	double angles[SP_PLAN_MAX_ANGLES];
	const char *robust;
	sp_setup_errors errors;
	sp_earlier_options earlier;
	sp_plan_options plan;
	bool given['z' + 1]; /* by option */
	bool deliver;
	sp_deliver_options delivery;
} sp_plan_arguments;

/* -1: go on; else the exit status to end with. */
int sp_plan_parse(sp_plan_arguments *a, int argc, char **argv);

/* The protocol that the options or the case name (*out NULL: none), and the dose to plan for. */
sp_status sp_plan_find_protocol(sp_protocol **out, double *dose_gy, const sp_plan_arguments *a, const sp_case *c,
                                sp_error *err);

/* Structures that the case calls plain organs get the role that their name means (cord, gtv ...) where no structure has
 * it, said aloud. */
sp_status sp_plan_take_roles(sp_case *c, sp_error *err);

/* --boost NAME:DOSE: into the case's prescription, NAME may be a role (gtv); --boost none: out of it. Without
 * the option it is the protocol's where that is of the command line, else the case's, else the protocol's. Whichever
 * it is, it is refused where it cannot be (sp_setup_check_boost). */
sp_status sp_plan_set_boost(sp_case *c, const sp_plan_arguments *a, const sp_protocol *p, double dose_gy,
                            sp_error *err);

/* A case with a tumour but no PTV: PTV and PRV by margins, the PTV without the PRV where the cord may not have the
 * prescription. Nothing is made without a word, nor where the user has said what the target is. */
sp_status sp_plan_complete_targets(sp_case *c, const sp_protocol *p, double dose_gy, sp_error *err);

/* The protocol as it is planned by and as the plan is judged by: under set-up errors the PRV's limits are goals. */
typedef struct {
	sp_protocol planned, judged;
	const sp_protocol *to_plan, *to_judge;
	sp_scenario *scenarios;
} sp_plan_robust;

/* a->plan gets the scenarios, which *out owns; finish it in any case. */
sp_status sp_plan_set_robust(sp_plan_robust *out, sp_plan_arguments *a, const sp_case *c, const sp_protocol *p,
                             sp_error *err);
void sp_plan_finish_robust(sp_plan_robust *r);

/* The budgets of an earlier course are for so many fractions of the new one. */
sp_status sp_plan_set_earlier(sp_plan_arguments *a, const sp_case *c, const sp_protocol *p, sp_error *err);

/* Machine and leaves. */
sp_status sp_plan_choose_machine(sp_machine **out, const sp_plan_arguments *a, sp_error *err);

/* What a plan beside a cord has by default: weight on the target, fine bixels where no leaf is as wide as one, and
 * gantry angles by the target's level and side where neither the options nor the case name any, said aloud. Nothing for
 * cases without a cord. */
sp_status sp_plan_choose_for_spine(sp_plan_arguments *a, const sp_case *c, sp_error *err);

/* One line with the structures that the protocol's limits were matched to by another name than theirs. */
void sp_plan_say_names(const sp_case *c, const sp_protocol *p);

/* In how many fractions the plan is given: the protocol's where the command line names it or the case does not say,
 * else the case's; 0: neither says. */
unsigned sp_plan_fractions(const sp_plan_arguments *a, const sp_case *c, const sp_protocol *p);

/* What the plan is made for stands in its prescription, so that it is judged by that later. */
sp_status sp_plan_prescribe(sp_case *c, const sp_plan_arguments *a, const sp_protocol *p, double dose_gy,
                            sp_error *err);

/* A warning for each structure without volume that a hard limit is on. */
void sp_plan_say_empty(const sp_case *c, const sp_protocol *p);

/* True where hard limits could not be held or judged, which is said with what to do; as is what holds down a target
 * that gets next to nothing. */
bool sp_plan_say_conflict(const json_t *evaluation, bool ended_early);

#endif
