/* Monte Carlo's dose in gas is that of the mass around it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gas_dose.h"

enum { N = 5, VOXELS = N * N * N };

static const sp_grid grid = {.n = {N, N, N}, .spacing_mm = {2.0, 2.0, 2.0}};

static void fill(float *dose_gy, float *density)
{
	for (int v = 0; v < VOXELS; v++) {
		dose_gy[v] = 10.0f + (float)(v % N); /* along x */
		density[v] = 1.0f;
	}
}

/* One electron ended in a bubble of one voxel, and in one at the grid's corner. */
static void a_bubble_has_the_dose_of_its_wall(void **state)
{
	const size_t middle = sp_grid_index(&grid, 2, 2, 2), corner = sp_grid_index(&grid, 0, 0, 0);
	float dose[VOXELS], density[VOXELS], before[VOXELS];

	(void)state;
	fill(dose, density);
	density[middle] = density[corner] = 0.0012f;
	dose[middle] = dose[corner] = 65.0f;
	for (int v = 0; v < VOXELS; v++)
		before[v] = dose[v];
	assert_int_equal(sp_gas_take_dose_around(dose, density, &grid, NULL), SP_OK);
	/* energy over mass: 26 of water with 12 Gy on average, and 0.0012 with 65 */
	assert_true(fabs(dose[middle] - (26.0 * 12.0 + 0.0012 * 65.0) / 26.0012) < 1e-4);
	/* three neighbours at x = 0 and four at x = 1 */
	assert_true(fabs(dose[corner] - (3.0 * 10.0 + 4.0 * 11.0 + 0.0012 * 65.0) / 7.0012) < 1e-4);
	for (size_t v = 0; v < VOXELS; v++)
		assert_true(v == middle || v == corner || dose[v] == before[v]);
}

/* Nothing but gas around: the mean. No mass at all: nothing to be had. */
static void gas_in_gas_has_its_mean(void **state)
{
	const size_t middle = sp_grid_index(&grid, 2, 2, 2);
	float dose[VOXELS], density[VOXELS];

	(void)state;
	fill(dose, density);
	for (int v = 0; v < VOXELS; v++)
		density[v] = 0.0012f;
	dose[middle] = 12.0f + 27.0f;
	assert_int_equal(sp_gas_take_dose_around(dose, density, &grid, NULL), SP_OK);
	assert_true(fabs(dose[middle] - 13.0) < 1e-4);
	for (int v = 0; v < VOXELS; v++) {
		density[v] = 0.0f;
		dose[v] = (float)v;
	}
	assert_int_equal(sp_gas_take_dose_around(dose, density, &grid, NULL), SP_OK);
	assert_true(dose[middle] == (float)middle);
}

/* Lung is tissue. */
static void lung_keeps_its_dose(void **state)
{
	const size_t middle = sp_grid_index(&grid, 2, 2, 2);
	float dose[VOXELS], density[VOXELS];

	(void)state;
	fill(dose, density);
	density[middle] = 0.1f;
	dose[middle] = 65.0f;
	assert_int_equal(sp_gas_take_dose_around(dose, density, &grid, NULL), SP_OK);
	assert_true(dose[middle] == 65.0f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_bubble_has_the_dose_of_its_wall),
	        cmocka_unit_test(gas_in_gas_has_its_mean),
	        cmocka_unit_test(lung_keeps_its_dose),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
