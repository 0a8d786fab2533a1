/* A case as Monte Carlo sees it, on one dose grid: the influence matrix of its beams, and the dose of a plan. */
#ifndef SP_MC_CASE_H
#define SP_MC_CASE_H

#include "beam.h"
#include "case.h"
#include "delivery.h"
#include "machine.h"
#include "matter.h"
#include "mc_influence.h"

typedef struct sp_mc_case sp_mc_case;

/* Keeps what it is given, which must outlive it; the matter of the CT's voxels is its own. Its spectrum is that
 * of the machine's axis. */
sp_status sp_mc_case_create(sp_mc_case **out, sp_device *d, const sp_case *c, const sp_matter *matter,
                            const sp_machine *machine, const sp_grid *grid, sp_error *err);
void sp_mc_case_destroy(sp_mc_case *m);

/* Of the dose grid's voxels, [z][y][x], g/cm3: the mass that counts over the voxel's volume. */
const float *sp_mc_case_density(const sp_mc_case *m);

typedef struct {
	double uncertainty; /* of a bixel: mean relative standard uncertainty above half of its largest dose; 0: */
	uint32_t histories; /* of each bixel */
	uint64_t seed;
} sp_mc_matrix_options;

/* Gy per unit weight in the voxels of the grid (n_voxels, ascending) by all bixels of set, none cut off: what is below
 * a thousandth of a bixel's largest dose is kept by chance, unbiased. */
sp_status sp_mc_case_matrix(sp_influence **out, sp_mc_influence_result *result, sp_mc_case *m, const sp_beam_set *set,
                            const uint64_t *voxels, size_t n_voxels, const sp_mc_matrix_options *o, sp_error *err);

typedef struct {
	double uncertainty; /* mean relative standard uncertainty above half of the maximum */
	uint64_t histories;
} sp_mc_dose_result;

/* Dose to the medium of the bixels' weights and its standard uncertainty (Gy, [z][y][x] of the grid), until
 * `uncertainty` is reached. SP_INTERRUPTED: nothing is in them. */
sp_status sp_mc_case_dose(float *dose_gy, float *sigma_gy, sp_mc_dose_result *result, sp_mc_case *m,
                          const sp_beam_set *set, const double *weights, double uncertainty, uint64_t seed,
                          sp_error *err);

/* The same of one fraction of a delivery, whose leaves have to be the machine's. batch_histories: 0: as suits the grid.
 */
sp_status sp_mc_case_delivery(float *dose_gy, float *sigma_gy, sp_mc_dose_result *result, sp_mc_case *m,
                              const sp_delivery *delivery, double uncertainty, uint64_t seed, uint32_t batch_histories,
                              sp_error *err);

#endif
