/* A case's dose-influence matrix by Monte Carlo, ready for the optimiser. */
#ifndef SP_MC_MATRIX_H
#define SP_MC_MATRIX_H

#include "beam.h"
#include "case.h"
#include "machine.h"
#include "matter.h"
#include "mc_influence.h"

typedef struct {
	double uncertainty; /* of a bixel: mean relative standard uncertainty above half of its largest dose; 0: */
	uint32_t histories; /* of each bixel */
	uint64_t seed;
} sp_mc_matrix_options;

/* Gy per unit weight in the voxels of grid (n_voxels, ascending) by all bixels of set, none cut off: what is below a
 * thousandth of a bixel's largest dose is kept by chance, unbiased. */
sp_status sp_mc_matrix(sp_influence **out, sp_mc_influence_result *result, sp_device *d, const sp_case *c,
                       const sp_matter *matter, const sp_machine *machine, const sp_beam_set *set, const sp_grid *grid,
                       const uint64_t *voxels, size_t n_voxels, const sp_mc_matrix_options *o, sp_error *err);

#endif
