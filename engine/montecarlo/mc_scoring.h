/* From sums over batches to dose, its standard uncertainty and the rule when to stop (docs/monte-carlo.md). */
#ifndef SP_MC_SCORING_H
#define SP_MC_SCORING_H

#include "grid.h"
#include "mc.h"
#include "status.h"

/* The dose grid's matter, and what a dose is for. */
typedef struct {
	sp_grid grid;
	float *density_g_cm3; /* mass that a voxel has inside the geometry over its whole volume */
	float *to_water;      /* what dose to medium is multiplied by, NULL: 1 everywhere */
	double particles;     /* how many source particles the dose is for: 1, or those of a plan */
	uint32_t batch_histories;
} sp_mc_scoring;

/* Averages the geometry over the voxels of `grid` by exact overlap. material_factor: to_water by material, NULL for
 * dose to medium. */
sp_status sp_mc_scoring_make(sp_mc_scoring *out, const sp_mc_matter *where, const sp_grid *grid,
                             const double *material_factor, sp_error *err);
void sp_mc_scoring_finish(sp_mc_scoring *s);

/* As many batches as a run may have: tallies are 64-bit integers, half of what they hold is left alone. */
uint64_t sp_mc_most_batches(uint32_t batch_histories, const sp_spectrum *s);

/* Fewer batches than this tell no uncertainty. */
#define SP_MC_LEAST_BATCHES 8

/* Dose and standard uncertainty (Gy for s->particles), in any case the same from the same sums. sigma: NULL for none.
 */
void sp_mc_dose(float *dose_gy, float *sigma_gy, const sp_mc_scoring *s, const sp_mc_sums *sums);

typedef struct {
	double max_gy;     /* largest dose, smoothed over 3x3x3 voxels, air left out */
	double mean_sigma; /* mean relative sigma where the smoothed dose is above half of that */
	size_t n_voxels;   /* how many these are */
} sp_mc_quality;

sp_status sp_mc_judge(sp_mc_quality *out, const sp_mc_scoring *s, const float *dose_gy, const float *sigma_gy,
                      sp_error *err);

/* True as long as the sums of squares are sure to be right: they wrap where few voxels take nearly all energy over very
 * many batches. */
bool sp_mc_squares_fit(const sp_mc_sums *sums, size_t n_voxels);

/* The batches after which to look next at a run that wants a mean sigma of `wanted` and has reached `sigma` after n;
 * depends on nothing else, so that an interrupted run stops where an uninterrupted one does. */
uint64_t sp_mc_next_look(uint64_t n, double sigma, double wanted);

/* Histories of a batch for a dose grid of n voxels: closing a batch is to cost little against following it. */
uint32_t sp_mc_batch_for(size_t n_voxels);

/* Energy accounts in MeV. */
typedef struct {
	double emitted_mev, escaped_mev, deposited_mev, outside_mev, lost_mev;
	double balance_mev; /* taken by roulette less given to its survivors: 0 on average */
	double imbalance;   /* what is missing, relative to what was emitted */
} sp_mc_balance;
void sp_mc_balance_of(sp_mc_balance *out, const sp_mc_sums *sums, size_t n_voxels);

#endif
