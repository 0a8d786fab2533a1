/* The dose-influence matrix by Monte Carlo: opening by opening, each with the same number of histories. */
#ifndef SP_MC_INFLUENCE_H
#define SP_MC_INFLUENCE_H

#include "influence.h"
#include "mc.h"
#include "progress.h"

typedef struct {
	const sp_grid *grid;  /* the tally's */
	const uint64_t *rows; /* the wanted voxels of it, ascending */
	size_t n_rows;
	const double *gray;  /* for each opening: Gy times grams per MeV of one history for the matrix's unit (number of
	                      * particles that a weight of 1 stands for, times 1.602e-10) */
	const float *mass_g; /* of each voxel of the grid; 0: no dose */
	double uncertainty;  /* asked: mean relative standard uncertainty over the voxels above half of a column's
	                      * largest dose; or 0 and: */
	uint32_t histories;  /* of each opening */
	double keep;         /* entries below this share of their column's largest are kept by chance, with that dose */
} sp_mc_influence_options;

typedef struct {
	uint32_t histories; /* of each opening */
	double uncertainty; /* reached on average, of a sample of columns */
	uint64_t entries;
} sp_mc_influence_result;

/* mc: made with the openings as columns (their weights do not matter here). The result depends on the seed alone, not
 * on the launches. progress: started by the caller, or NULL. */
sp_status sp_mc_influence(sp_influence **out, sp_mc_influence_result *result, sp_mc *mc,
                          const sp_mc_influence_options *o, sp_progress *progress, sp_error *err);

#endif
