/* The state of a run on disk: the group /montecarlo of a dose file, and of a checkpoint, which holds nothing else.
 * docs/monte-carlo.md has the format. */
#ifndef SP_MC_STATE_H
#define SP_MC_STATE_H

#include "h5.h"
#include "mc_scoring.h"

/* Batches first .. first + n - 1. */
typedef struct {
	uint64_t first, n;
} sp_mc_range;

typedef struct {
	char *configuration; /* all that the sums depend on, a line "name: value" each */
	char *device;        /* its name and driver: other devices round differently */
	sp_mc_scoring scoring;
	sp_mc_sums sums;
	size_t n_ranges; /* ascending, apart from each other; together sums.batches */
	sp_mc_range *ranges;
	uint64_t total;   /* batches of the whole run of which this is a part; 0: as many as it takes */
	double wanted;    /* relative uncertainty to stop at, 0: none */
	uint64_t look_at; /* batches after which to look whether it is reached */
	double seconds;   /* spent on following histories */
} sp_mc_state;

void sp_mc_state_finish(sp_mc_state *s);

/* compress: smaller and slower. The group has to be new in f. */
sp_status sp_mc_state_write(sp_h5_out *f, const sp_mc_state *s, bool compress, sp_error *err);

/* Reads the group from a checkpoint or a dose file and checks that it is whole. */
sp_status sp_mc_state_read(sp_mc_state *out, const char *path, sp_error *err);

/* SP_BAD_INPUT with the first line in which the configurations of two runs differ; what: "checkpoint", name_a. */
sp_status sp_mc_same_configuration(const char *a, const char *name_a, const char *b, const char *name_b, sp_error *err);

/* Adds b's sums to a's; their batches must be others, else SP_BAD_INPUT. */
sp_status sp_mc_state_add(sp_mc_state *a, const char *name_a, const sp_mc_state *b, const char *name_b, sp_error *err);

#endif
