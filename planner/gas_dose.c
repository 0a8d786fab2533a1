#include "gas_dose.h"

#include <stdlib.h>
#include <string.h>

#include "alloc.h"

static float dose_around(const float *dose_gy, const float *density, const sp_grid *g, size_t v)
{
	const size_t at[3] = {v % g->n[0], v / g->n[0] % g->n[1], v / g->n[0] / g->n[1]};
	size_t first[3], last[3];
	double energy = 0.0, mass = 0.0;

	for (int a = 0; a < 3; a++) {
		first[a] = at[a] ? at[a] - 1 : 0;
		last[a] = at[a] + 1 < g->n[a] ? at[a] + 1 : at[a];
	}
	for (size_t z = first[2]; z <= last[2]; z++)
		for (size_t y = first[1]; y <= last[1]; y++)
			for (size_t x = first[0]; x <= last[0]; x++) {
				size_t other = sp_grid_index(g, x, y, z);

				energy += (double)density[other] * (double)dose_gy[other];
				mass += (double)density[other];
			}
	return mass > 0.0 ? (float)(energy / mass) : dose_gy[v];
}

sp_status sp_gas_take_dose_around(float *dose_gy, const float *density_g_cm3, const sp_grid *grid, sp_error *err)
{
	const size_t n = sp_grid_voxels(grid);
	float *raw = sp_alloc_array(n, sizeof *raw);

	if (!raw)
		return sp_fail(err, SP_NO_MEMORY, "no memory for the dose of %zu voxels", n);
	memcpy(raw, dose_gy, n * sizeof *raw);
	for (size_t v = 0; v < n; v++)
		if (density_g_cm3[v] < SP_GAS_G_CM3)
			dose_gy[v] = dose_around(raw, density_g_cm3, grid, v);
	free(raw);
	return SP_OK;
}
