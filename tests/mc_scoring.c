/* From sums over batches to dose and uncertainty, on numbers small enough to check by hand. */
#include "matter_fixture.h"
#include "mc_scoring.h"
#include "mc_to_water.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "shared/mc.h"

/* Single precision. */
#define ROUNDING 1e-6

/* A row of four voxels of 2 mm: 1 g/cm3, 4 g/cm3, nothing, air. */
static const float row_density[4] = {1.0f, 4.0f, 0.0f, 5.0f / 4096.0f};
static const uint8_t row_material[4] = {0, 1, 0, 0};
static const sp_mc_matter row = {{{4, 1, 1}, {2.0, 3.0, 5.0}, {1.0, 1.5, 2.5}}, row_density, row_material};

static void on_the_geometrys_own_grid_density_is_kept(void **state)
{
	sp_mc_scoring s;

	(void)state;
	assert_int_equal(sp_mc_scoring_make(&s, &row, &row.grid, NULL, NULL), SP_OK);
	for (size_t v = 0; v < 4; v++)
		assert_near(s.density_g_cm3[v], row_density[v], ROUNDING);
	assert_null(s.to_water);
	sp_mc_scoring_finish(&s);
}

/* Voxels of 3 mm from -1 mm on: 2 of 3 mm lie in the first voxel, a third outside; then 3 of 3 in matter... */
static void coarser_voxels_hold_the_mass_that_overlaps(void **state)
{
	const sp_grid grid = {{3, 1, 1}, {3.0, 6.0, 5.0}, {0.5, 3.0, 2.5}};
	double factor[256] = {1.0, 1.3};
	sp_mc_scoring s;

	(void)state;
	assert_int_equal(sp_mc_scoring_make(&s, &row, &grid, factor, NULL), SP_OK);
	/* half of each lies beside the geometry in y */
	assert_near(s.density_g_cm3[0], 0.5 * (2.0 * 1.0) / 3.0, ROUNDING);
	assert_near(s.density_g_cm3[1], 0.5 * (2.0 * 4.0 + 1.0 * 0.0) / 3.0, ROUNDING);
	assert_near(s.density_g_cm3[2], 0.5 * (1.0 * 0.0 + 2.0 * 5.0 / 4096.0) / 3.0, ROUNDING);
	assert_near(s.to_water[0], 1.0, ROUNDING);
	assert_near(s.to_water[1], 1.3, ROUNDING);
	sp_mc_scoring_finish(&s);
}

static void finer_voxels_have_the_density_of_the_one_they_lie_in(void **state)
{
	const sp_grid grid = {{10, 2, 3}, {0.75, 1.5, 2.0}, {0.375, 0.75, 1.0}};
	double mass = 0.0;
	sp_mc_scoring s;

	(void)state;
	assert_int_equal(sp_mc_scoring_make(&s, &row, &grid, NULL, NULL), SP_OK);
	assert_near(s.density_g_cm3[sp_grid_index(&grid, 1, 1, 0)], 1.0, ROUNDING);
	/* 1.5 to 2.25 mm: two thirds in the first */
	assert_near(s.density_g_cm3[sp_grid_index(&grid, 2, 0, 1)], (2.0 * 1.0 + 4.0) / 3.0, ROUNDING);
	/* z from 4 to 6 mm: half inside */
	assert_near(s.density_g_cm3[sp_grid_index(&grid, 4, 0, 2)], 0.5 * 4.0, ROUNDING);
	for (size_t v = 0; v < sp_grid_voxels(&grid); v++)
		mass += (double)s.density_g_cm3[v] * sp_grid_voxel_volume_cc(&grid);
	/* the grid ends at 7.5 mm, within the air */
	assert_near(mass, 0.03 * (1.0 + 4.0 + 0.75 * 5.0 / 4096.0), ROUNDING);
	sp_mc_scoring_finish(&s);
}

/* Two batches of 1000 histories leave 3 and 5 MeV in 0.03 g: 4 keV a history, sigma of the mean 1 keV. The squares'
 * unit is 2^10 tally units, 1e-5 of a batch. */
static void dose_and_sigma_are_those_of_the_batches(void **state)
{
	const double unit = (double)SP_MC_TALLY_UNIT, gray = 1.602176634e-10;
	int64_t sum[4] = {(int64_t)(8.0 * unit), 0, 0, 0};
	uint64_t squares[4] = {(uint64_t)(34.0 * unit * unit / 0x1p20), 0, 0, 0};
	sp_mc_sums sums = {.batches = 2, .shift = 10, .sum = sum, .squares = squares};
	float dose[4], sigma[4];
	sp_mc_scoring s;

	(void)state;
	assert_int_equal(sp_mc_scoring_make(&s, &row, &row.grid, NULL, NULL), SP_OK);
	s.batch_histories = 1000;
	s.particles = 2e6;
	sp_mc_dose(dose, sigma, &s, &sums);
	assert_near(dose[0] / (2e6 * 0.004 * gray / 0.03), 1.0, ROUNDING);
	assert_near(sigma[0] / (2e6 * 0.001 * gray / 0.03), 1.0, 1e-5);
	assert_true(dose[2] == 0.0f && sigma[2] == 0.0f && sigma[1] == 0.0f);
	sp_mc_scoring_finish(&s);
}

static void energy_too_small_for_the_squares_still_has_a_sigma(void **state)
{
	int64_t sum[4] = {20, 20, 20, 20};
	uint64_t squares[4] = {0, 0, 0, 0};
	sp_mc_sums sums = {.batches = 10, .shift = 10, .sum = sum, .squares = squares};
	float dose[4], sigma[4];
	sp_mc_scoring s;

	(void)state;
	assert_int_equal(sp_mc_scoring_make(&s, &row, &row.grid, NULL, NULL), SP_OK);
	s.batch_histories = 1000;
	sp_mc_dose(dose, sigma, &s, &sums);
	assert_true(sigma[0] > dose[0]);
	sp_mc_scoring_finish(&s);
}

/* Half of a block has dose 1 with sigma 2 %, the rest a tenth; a hot voxel of air counts for nothing. */
static void the_mean_sigma_is_that_of_the_high_dose_outside_air(void **state)
{
	enum { N = 8 * 6 * 5 };
	static float density[N], dose[N], sigma[N];
	static uint8_t material[N];
	const sp_mc_matter block = {{{8, 6, 5}, {1.0, 2.0, 3.0}, {0}}, density, material};
	sp_mc_quality q;
	sp_mc_scoring s;

	(void)state;
	for (size_t v = 0; v < N; v++) {
		density[v] = 1.0f;
		dose[v] = v % 8 < 4 ? 1.0f : 0.1f;
		sigma[v] = v % 8 < 4 ? 0.02f : 0.05f;
	}
	density[7] = 0.001f;
	dose[7] = 50.0f;
	assert_int_equal(sp_mc_scoring_make(&s, &block, &block.grid, NULL, NULL), SP_OK);
	assert_int_equal(sp_mc_judge(&q, &s, dose, sigma, NULL), SP_OK);
	assert_int_equal(q.n_voxels, N / 2);
	assert_near(q.mean_sigma, 0.02, ROUNDING);
	assert_near(q.max_gy, 1.0, ROUNDING);
	sp_mc_scoring_finish(&s);
}

static void the_next_look_is_when_sigma_should_be_there(void **state)
{
	(void)state;
	assert_int_equal(sp_mc_next_look(100, 0.011, 0.01), 121);
	assert_int_equal(sp_mc_next_look(100, 0.05, 0.01), 200); /* not more than twice as many */
	assert_int_equal(sp_mc_next_look(100, 0.01001, 0.01), 102);
	assert_int_equal(sp_mc_next_look(8, 0.0101, 0.01), 9);
}

static void squares_that_could_wrap_are_noticed(void **state)
{
	int64_t sum[1] = {(int64_t)1 << 61};
	uint64_t squares[1] = {0};
	sp_mc_sums sums = {.batches = 1000, .shift = 20, .sum = sum, .squares = squares};

	(void)state;
	assert_false(sp_mc_squares_fit(&sums, 1));
	sums.shift = 26; /* (2^35)^2 / 1000 < 2^63 */
	assert_true(sp_mc_squares_fit(&sums, 1));
}

static void batches_grow_with_the_grid(void **state)
{
	(void)state;
	assert_int_equal(sp_mc_batch_for(1000), 1 << 15);
	assert_int_equal(sp_mc_batch_for(4000000), 1 << 17);
	assert_int_equal(sp_mc_batch_for(100000000), 1 << 20);
}

/* Siebers et al 2000 (Phys Med Biol 45:983) found 1.11 to 1.12 for cortical bone under photon beams of a linac, and 1
 * within 1 to 2 % for soft tissue and lung, from the electron spectra of a phantom. */
static void water_to_medium_is_that_of_published_ratios(void **state)
{
	double ratio[256];
	sp_spectrum spectrum;
	sp_matter *m;

	(void)state;
	assert_int_equal(sp_matter_create(&m, NULL, NULL), SP_OK);
	assert_int_equal(sp_spectrum_read(&spectrum, "mohan6", NULL), SP_OK);
	assert_int_equal(sp_mc_to_water(ratio, m, &spectrum, false, NULL), SP_OK);
	assert_near(ratio[sp_matter_find(m, "water")], 1.0, 1e-12);
	assert_near(ratio[sp_matter_find(m, "bone")], 1.116, 0.017);
	assert_near(ratio[sp_matter_find(m, "muscle")], 1.01, 0.01);
	assert_near(ratio[sp_matter_find(m, "lung")], 1.005, 0.01);
	sp_spectrum_finish(&spectrum);
	sp_matter_destroy(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(on_the_geometrys_own_grid_density_is_kept),
	        cmocka_unit_test(coarser_voxels_hold_the_mass_that_overlaps),
	        cmocka_unit_test(finer_voxels_have_the_density_of_the_one_they_lie_in),
	        cmocka_unit_test(dose_and_sigma_are_those_of_the_batches),
	        cmocka_unit_test(energy_too_small_for_the_squares_still_has_a_sigma),
	        cmocka_unit_test(the_mean_sigma_is_that_of_the_high_dose_outside_air),
	        cmocka_unit_test(the_next_look_is_when_sigma_should_be_there),
	        cmocka_unit_test(squares_that_could_wrap_are_noticed),
	        cmocka_unit_test(batches_grow_with_the_grid),
	        cmocka_unit_test(water_to_medium_is_that_of_published_ratios),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
