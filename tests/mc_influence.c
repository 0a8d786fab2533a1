/* The influence matrix by Monte Carlo (engine/montecarlo/mc_influence.c) on a block of water with a bone slab: what its
 * columns add up to, that cutting small entries takes nothing away on average, and that it is the same every time. */
#include "mc_influence.h"

#include "shared/mc.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { NX = 9, NY = 7, NZ = 12, VOXELS = NX * NY * NZ, OPENINGS = 3 };

typedef struct {
	sp_matter *matter;
	sp_device *device;
	sp_spectrum spectrum;
	sp_mc_matter where;
	float density[VOXELS], mass_g[VOXELS];
	uint8_t material[VOXELS];
	uint64_t rows[VOXELS];
	double gray[OPENINGS];
	uint32_t histories;
} rig;

static const sp_mc_plane plane = {
        .source_mm = {0.0, 0.0, -500.0}, .x_axis = {1.0, 0.0, 0.0}, .y_axis = {0.0, 1.0, 0.0}};
static const sp_mc_opening openings[OPENINGS] = {
        {0, -10.0, 0.0, 5.0, 5.0, 1.0, 0}, {0, 0.0, 4.0, 5.0, 5.0, 1.0, 0}, {0, 12.0, -6.0, 2.5, 5.0, 1.0, 0}};

static int set_up(void **state)
{
	rig *r = calloc(1, sizeof *r);

	*state = r;
	if (!r || sp_matter_create(&r->matter, NULL, NULL) != SP_OK ||
	    sp_device_open(&r->device, NULL, NULL) != SP_OK || sp_spectrum_mono(&r->spectrum, 2.0, NULL) != SP_OK)
		return 1;
	r->where = (sp_mc_matter){{{NX, NY, NZ}, {6.0, 7.0, 5.0}, {-24.0, -21.0, 2.5}}, r->density, r->material};
	r->histories = getenv("SPINEPLAN_SMALL_TESTS") ? 8 : 2000;
	for (size_t v = 0; v < VOXELS; v++) {
		int m = sp_matter_find(r->matter, v / (NX * NY) == 5 ? "bone" : "water");

		r->material[v] = (uint8_t)m;
		r->density[v] = (float)sp_matter_density_g_cm3(r->matter, m);
		r->mass_g[v] = r->density[v] * 0.21f;
		r->rows[v] = v;
	}
	for (size_t o = 0; o < OPENINGS; o++)
		r->gray[o] = 1.0 + (double)o;
	return 0;
}

static int tear_down(void **state)
{
	rig *r = *state;

	sp_spectrum_finish(&r->spectrum);
	sp_device_close(r->device);
	sp_matter_destroy(r->matter);
	free(r);
	return 0;
}

/* MeV a history, by column, that the entries times mass amount to; *entries: how many there are. */
static void energies(double out[OPENINGS], uint64_t *entries, rig *r, uint64_t seed, double keep)
{
	const sp_mc_particles particles = {false, &r->spectrum, 1, OPENINGS, &plane, openings, NULL};
	const sp_mc_options options = {.seed = seed, .batch_histories = 1024};
	const sp_mc_influence_options o = {.grid = &r->where.grid,
	                                   .rows = r->rows,
	                                   .n_rows = VOXELS,
	                                   .gray = r->gray,
	                                   .mass_g = r->mass_g,
	                                   .histories = r->histories,
	                                   .keep = keep};
	float mass[VOXELS];
	sp_mc *mc = NULL;
	sp_influence *m = NULL;
	sp_mc_influence_result result;
	cl_mem g = NULL, gradient = NULL;
	float sums[OPENINGS];

	assert_int_equal(sp_mc_create(&mc, r->device, r->matter, &r->where, &r->where.grid, &particles, &options, NULL),
	                 SP_OK);
	assert_int_equal(sp_mc_influence(&m, &result, mc, &o, NULL, NULL), SP_OK);
	assert_int_equal(sp_influence_rows(m), VOXELS);
	assert_int_equal(sp_influence_columns(m), OPENINGS);
	*entries = result.entries;
	memcpy(mass, r->mass_g, sizeof mass);
	assert_int_equal(sp_buffer_create(&g, r->device, CL_MEM_READ_ONLY, sizeof mass, mass, "masses", NULL), SP_OK);
	assert_int_equal(sp_buffer_create(&gradient, r->device, CL_MEM_READ_WRITE, sizeof sums, NULL, "sums", NULL),
	                 SP_OK);
	assert_int_equal(sp_influence_multiply_transposed(m, gradient, g, NULL), SP_OK);
	assert_int_equal(sp_buffer_read(r->device, gradient, 0, sizeof sums, sums, NULL), SP_OK);
	for (size_t c = 0; c < OPENINGS; c++)
		out[c] = (double)sums[c] / r->gray[c];
	sp_buffer_release(&g);
	sp_buffer_release(&gradient);
	sp_influence_destroy(m);
	sp_mc_destroy(mc);
}

/* What an ordinary run with that opening alone deposits, MeV a history. */
static double deposited(rig *r, size_t opening)
{
	sp_mc_opening one = openings[opening];
	const sp_mc_particles particles = {false, &r->spectrum, 1, 1, &plane, &one, NULL};
	const sp_mc_options options = {.seed = 77, .batch_histories = r->histories};
	sp_mc_sums s;
	sp_mc *mc = NULL;
	double sum = 0.0;

	assert_int_equal(sp_mc_create(&mc, r->device, r->matter, &r->where, &r->where.grid, &particles, &options, NULL),
	                 SP_OK);
	assert_int_equal(sp_mc_run(mc, 0, 4, NULL), SP_OK);
	assert_int_equal(sp_mc_read(&s, mc, NULL), SP_OK);
	for (size_t v = 0; v < VOXELS; v++)
		sum += (double)s.sum[v];
	sp_mc_sums_finish(&s);
	sp_mc_destroy(mc);
	return sum / (double)SP_MC_TALLY_UNIT / (4.0 * r->histories);
}

static void columns_hold_what_their_openings_deposit(void **state)
{
	rig *r = *state;
	double all[OPENINGS];
	uint64_t n;

	energies(all, &n, r, 5, 0.0);
	for (size_t c = 0; c < OPENINGS; c++) {
		double expected = deposited(r, c);

		/* a history deposits 0 to 2 MeV, 0.7 on average: a standard deviation of less than its mean; of both
		 * sides 5 sigma, and 16 bits an entry */
		if (!(fabs(all[c] / expected - 1.0) < 5.0 * sqrt(1.25 / r->histories) + 1e-3))
			fail_msg("column %zu: %g MeV a history, expected %g", c, all[c], expected);
	}
}

/* With the same histories; over some seeds, since chance alone decides on a small entry. To drop them would take away a
 * tenth. */
static void small_entries_are_cut_without_loss(void **state)
{
	enum { SEEDS = 16 };
	rig *r = *state;
	double sum = 0.0, squares = 0.0, n = 0.0, mean, sigma;

	for (uint64_t seed = 1; seed <= (r->histories < 100 ? 1 : SEEDS); seed++) {
		double all[OPENINGS], cut[OPENINGS];
		uint64_t n_all, n_cut;

		energies(all, &n_all, r, seed, 0.0);
		energies(cut, &n_cut, r, seed, 0.2);
		assert_true(n_cut < n_all);
		for (size_t c = 0; c < OPENINGS; c++, n += 1.0) {
			sum += cut[c] / all[c];
			squares += pow(cut[c] / all[c], 2.0);
		}
	}
	mean = sum / n;
	sigma = sqrt(fmax(squares / n - mean * mean, 0.0) / (n - 1.0));
	/* 5 sigma, and 16 bits an entry; sigma itself must be small enough to see a loss */
	if (!(fabs(mean - 1.0) < 5.0 * sigma + 1e-3))
		fail_msg("%g of the energy is left, +- %g", mean, sigma);
	assert_true(r->histories < 100 || sigma < 0.01);
}

static void the_matrix_is_the_same_every_time_and_differs_by_seed(void **state)
{
	rig *r = *state;
	double first[OPENINGS], again[OPENINGS], other[OPENINGS];
	uint64_t n[3];

	energies(first, &n[0], r, 9, 1e-3);
	energies(again, &n[1], r, 9, 1e-3);
	energies(other, &n[2], r, 10, 1e-3);
	assert_int_equal(n[0], n[1]);
	assert_memory_equal(first, again, sizeof first);
	assert_true(memcmp(first, other, sizeof first) != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(columns_hold_what_their_openings_deposit),
	        cmocka_unit_test(small_entries_are_cut_without_loss),
	        cmocka_unit_test(the_matrix_is_the_same_every_time_and_differs_by_seed),
	};

	return cmocka_run_group_tests_name("mc influence", tests, set_up, tear_down);
}
