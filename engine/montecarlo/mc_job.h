/* Runs batches of histories until there are enough: stop rule, checkpoints, interruption, progress. */
#ifndef SP_MC_JOB_H
#define SP_MC_JOB_H

#include "mc_state.h"

typedef struct {
	uint64_t first, batches; /* batches first .. first + batches - 1; 0: until state->wanted is reached */
	uint64_t most_batches;   /* in no case more than this */
	double max_seconds;      /* 0: no limit */
	double checkpoint_seconds;
	const char *checkpoint; /* where to; NULL: none */
	bool resume;            /* go on from the checkpoint, where there is one */
} sp_mc_job;

/* state: configuration, device, scoring, total and wanted as the caller has set them, sums and ranges empty; what comes
 * back has them. SP_INTERRUPTED: the checkpoint is written. */
sp_status sp_mc_job_run(sp_mc_state *state, sp_mc *mc, const sp_mc_job *job, sp_error *err);

#endif
