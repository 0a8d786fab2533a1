/* Optimisation by priority: hard limits hold throughout; then as much dose for the target as they leave; then the other
 * organs' limits; then normal tissue, with what the levels before have won given back but for a small slip. After the
 * two-phase epsilon-constraint method of Breedveld S, et al. Phys Med Biol 2007;52:6339-6353 and 2009;54:7199-7209. */
#ifndef SP_PRIORITIES_H
#define SP_PRIORITIES_H

#include "plan_problem.h"

typedef enum {
	SP_PRIORITY_NONE,
	SP_PRIORITY_LIMITS,
	SP_PRIORITY_TARGET,
	SP_PRIORITY_ORGANS,
	SP_PRIORITY_REST
} sp_priority_stage;

/* Cost of a level: its terms' objectives by the weights they were made with, in (% of the prescription)^2. */
typedef struct {
	double reached, bound, now;
	double factor; /* on its weights as they were made; the target's stays 1 */
	double last_log_factor, last_log_cost;
	bool has_last;
} sp_priority_level;

typedef struct {
	sp_priority_stage stage;
	double slip_percent; /* what the target may lack more for the rest, root mean square, % of the prescription */
	sp_priority_level level[SP_LEVEL_COUNT]; /* by sp_plan_level */
	double *weights;                         /* of the terms as they were made */
	size_t n_weights;
	int rounds; /* in this stage */
} sp_priorities;

/* Begins with the limits, at weights near those of the end. SP_NO_MEMORY only. */
sp_status sp_priorities_begin(sp_priorities *out, sp_plan_problem *p, double slip_percent, sp_error *err);
void sp_priorities_finish(sp_priorities *x);

/* From now on steps change nothing: the problem keeps the weights that it has; where the search was cut short before
 * the last level, those of its begin, and that is said. */
void sp_priorities_stay(sp_priorities *x, sp_plan_problem *p);

/* A search has ended with these doses on the rows (n_rows of the matrix); settled: the hard limits ask for no more
 * corrections. Moves to the next level, or the weights so that earlier levels keep what they won; *go_on is set where
 * the search has to go on for that. */
sp_status sp_priorities_step(sp_priorities *x, sp_plan_problem *p, const float *rows_dose, size_t n_rows, bool settled,
                             bool *go_on, sp_error *err);

#endif
