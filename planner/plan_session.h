/* A case on its way to a plan: its problem, its matrix, and searches with corrections of the limits by doses without
 * the matrix's cut-off. plan_fluence.c makes one search over the bixels' weights, planner/deliver others over
 * apertures. */
#ifndef SP_PLAN_SESSION_H
#define SP_PLAN_SESSION_H

#include "earlier_dose.h"
#include "influence.h"
#include "mc_case.h"
#include "pencil.h"
#include "plan_fluence.h"
#include "plan_problem.h"
#include "priorities.h"
#include "robust_rows.h"

typedef struct sp_plan_session {
	const sp_case *c;
	const sp_plan_options *options;
	sp_fluence_plan *plan; /* weights, dose and times so far */
	sp_plan_problem problem;
	sp_robust_rows robust;   /* used where the options have scenarios of set-up errors */
	sp_earlier_dose earlier; /* and budgets: used where the options have an earlier course */
	sp_budgets budgets;
	sp_priorities priorities; /* stage NONE: one sum of all objectives */
	sp_influence *matrix;
	double dose_gy;     /* the prescription */
	sp_pencil *pencil;  /* of the matrix; NULL where Monte Carlo makes it */
	sp_mc_case *mc;     /* of the doses; NULL: the pencil makes them */
	double uncertainty; /* of Monte Carlo's doses */
	uint64_t seed;      /* of its next one */
	/* Another way to make plan->dose_gy, of what was last shown to the search's map; NULL: by the bixels' weights
	 */
	sp_status (*dose)(void *context, struct sp_plan_session *s, sp_error *err);
	void *dose_context;
	bool smooth;      /* the offset, of Monte Carlo's noise */
	double known;     /* inverse variance of the offset in this search, in those of doses of an uncertainty of 1 */
	float *offset;    /* on the rows: what the matrix leaves out */
	float *rows_dose; /* after a search: the rows' doses by matrix and offset */
	double shown_s;
	int round;
	size_t most_rounds;
	bool done;     /* the last of several plans has been handed over */
	double **kept; /* weights of several plans, in their order */
	size_t n_kept, kept_capacity;
	bool restart;         /* of penalties: the limits have moved far */
	bool near_end;        /* only the search's own end is still to come */
	double *dose_weights; /* those that plan->dose_gy is of, whole; of searches without a map */
	bool dose_is_whole;
	unsigned char *judged; /* voxels whose dose corrections need; NULL: all */
	/* the last weights that held all hard limits as judged, and the rows' doses by them; searches without a map */
	double *held;
	float *held_rows;
	int held_round; /* 0: none yet */
	bool by_map;
	sp_error *err;
} sp_plan_session;

/* Everything up to the matrix. Close it also after a failure. What is given must outlive the session. */
sp_status sp_plan_session_open(sp_plan_session *out, const sp_case *c, const sp_protocol *protocol, double dose_gy,
                               const sp_machine *machine, const sp_matter *matter, sp_device *device,
                               const sp_plan_options *options, sp_error *err);

/* Optimises the weights, or what they follow from by the map (may be NULL), from the offset and the terms as they
 * stand; corrects the limits up to most_rounds times. plan->weights and rows_dose are of the best point. */
sp_status sp_plan_session_search(sp_plan_session *s, const sp_weight_map *map, size_t most_rounds, double max_seconds);

/* The same over a matrix of other columns for the same rows; weights: of the best point, one a column. The map is of
 * these columns; plan->weights stay as they were. */
sp_status sp_plan_session_search_columns(sp_plan_session *s, sp_influence *matrix, double *weights,
                                         const sp_weight_map *map, size_t most_rounds, double max_seconds);

/* The dose of the plan's weights, whatever was interrupted before. */
sp_status sp_plan_session_final_dose(sp_plan_session *s);

/* The same; where these weights miss a hard limit and earlier ones of the search held all, those and their dose. */
sp_status sp_plan_session_last_dose(sp_plan_session *s);

/* The hard limits in the patient as planned, the protocol's and what an earlier course leaves, by plan->dose_gy;
 * correct: their terms move. rows_dose: the search's own. */
sp_status sp_plan_session_judge(sp_limit_standing *out, sp_plan_session *s, const float *rows_dose, bool correct);

/* The same in the scenarios of set-up errors, by the pencil beam's dose of the weights, or where Monte Carlo makes the
 * doses by what plan->dose_gy leaves over the matrix; *standing becomes the worse of both. correct: what the matrix
 * leaves out is taken up too. Nothing without scenarios. */
sp_status sp_plan_session_judge_scenarios(sp_limit_standing *standing, sp_plan_session *s, const double *weights,
                                          const float *rows_dose, bool correct);

/* The scenarios' rows of *rows (plan->n_rows) by the same doses. */
sp_status sp_plan_session_scenario_rows(float *rows, sp_plan_session *s);

/* How the limits hold in the scenarios, into plan->robust; nothing without scenarios. */
sp_status sp_plan_session_report_scenarios(sp_plan_session *s);

/* The rules for a second course, into plan->reirradiation; nothing without an earlier one. */
sp_status sp_plan_session_report_earlier(sp_plan_session *s);

/* Frees all, the plan too unless s->plan was set to NULL. */
void sp_plan_session_close(sp_plan_session *s);

/* Several plans (plan_front.c). The limits hold at these weights: keeps them, asks for the next limits, moves the
 * terms. */
sp_status sp_plan_front_keep(sp_plan_session *s, const double *weights, bool *go_on);
/* After the search: the whole dose of each plan kept, to on_plan. */
sp_status sp_plan_front_give(sp_plan_session *s);

#endif
