/* Monte Carlo's dose in gas: where there is next to no mass, a single electron that ends there makes any dose. */
#ifndef SP_GAS_DOSE_H
#define SP_GAS_DOSE_H

#include "grid.h"
#include "status.h"

/* Less is gas: lung has 0.1 and more, air 0.0012. */
#define SP_GAS_G_CM3 0.05f

/* Voxels of gas get the dose of the mass around them, that of their 3 x 3 x 3 neighbours and themselves: energy over
 * mass. No tissue is there that could be harmed, and a limit on a small volume of a gut with gas in it would be judged
 * by noise. All arrays [z][y][x] of the grid. */
sp_status sp_gas_take_dose_around(float *dose_gy, const float *density_g_cm3, const sp_grid *grid, sp_error *err);

#endif
