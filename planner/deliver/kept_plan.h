/* A plan kept with its last dose, in case the search that goes on finds none better. */
#ifndef SP_KEPT_PLAN_H
#define SP_KEPT_PLAN_H

#include "deliver_internal.h"

typedef struct {
	double miss_gy; /* of its worst hard limit */
	double mu_factor;
	double *x, *weights, uncertainty;
	float *dose_gy, *sigma_gy;
	float *rows_dose, *offset; /* of the session: what scenarios of set-up errors are judged by */
	uint64_t histories, seed;
} sp_kept_plan;

/* Copies the plan at hand, into the same room each time; begin with a zeroed one. */
sp_status sp_keep_plan(sp_kept_plan *k, const sp_deliver_job *j, double miss_gy);
/* Makes it the plan at hand again. */
void sp_take_plan_back(sp_deliver_job *j, const sp_kept_plan *k);
void sp_kept_plan_finish(sp_kept_plan *k);

#endif
