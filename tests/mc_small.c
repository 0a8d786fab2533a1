/* A whole transport of a few histories through a block of water with titanium in it: every joule is accounted for, and
 * the sums do not hang on how the batches were launched. Small enough for scripts/check-kernels. */
#include "mc.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "shared/mc.h"

enum { NX = 10, NY = 9, NZ = 11, VOXELS = NX * NY * NZ, BATCHES = 4 };

typedef struct {
	sp_device *device;
	sp_matter *matter;
	sp_spectrum spectrum;
	float density[VOXELS];
	uint8_t material[VOXELS];
	sp_mc_matter where;
	bool small; /* for a simulator: as few histories as make two work-items */
} rig;

static int set_up(void **state)
{
	static rig r;
	sp_error err = {0};

	if (sp_device_open(&r.device, NULL, &err) != SP_OK || sp_matter_create(&r.matter, NULL, &err) != SP_OK ||
	    sp_spectrum_mono(&r.spectrum, 6.0, &err) != SP_OK) {
		print_error("%s\n", err.text);
		return -1;
	}
	r.where = (sp_mc_matter){{{NX, NY, NZ}, {4.0, 5.0, 3.0}, {-18.0, -30.0, 11.5}}, r.density, r.material};
	for (size_t k = 0; k < NZ; k++)
		for (size_t j = 0; j < NY; j++)
			for (size_t i = 0; i < NX; i++) {
				bool metal = i >= 2 && i < 6 && j >= 3 && j < 5 && k >= 4 && k < 7;
				size_t v = (k * NY + j) * NX + i;

				r.material[v] = (uint8_t)sp_matter_find(r.matter, metal ? "titanium" : "water");
				r.density[v] = metal ? 4.54f : 1.0f;
			}
	r.small = getenv("SPINEPLAN_SMALL_TESTS") != NULL;
	*state = &r;
	return 0;
}

static int tear_down(void **state)
{
	rig *r = *state;

	sp_spectrum_finish(&r->spectrum);
	sp_matter_destroy(r->matter);
	sp_device_close(r->device);
	return 0;
}

/* A point source above the block, its field askew and partly beside it; a part of the particles misses. */
static sp_mc *create_with(const rig *r, bool electrons, bool plain, uint32_t batch_histories, int lanes, uint32_t group)
{
	static const sp_mc_plane plane = {.source_mm = {3.0, -20.0, -490.0},
	                                  .centre_mm = {1.0, -8.0, 10.0},
	                                  .x_axis = {1.0, 0.0, 0.0},
	                                  .y_axis = {0.0, 1.0, 0.0}};
	static const sp_mc_opening openings[] = {{0, -4.0, -2.0, 16.0, 14.0, 3.0, 0}, {0, 9.0, 5.0, 14.0, 6.0, 1.0, 0}};
	const sp_mc_particles particles = {electrons, &r->spectrum, 1, 2, &plane, openings, NULL};
	const sp_mc_options options = {
	        .plain = plain, .seed = 20240901, .batch_histories = batch_histories, .lanes = lanes, .group = group};
	sp_error err = {0};
	sp_mc *mc = NULL;

	if (sp_mc_create(&mc, r->device, r->matter, &r->where, &r->where.grid, &particles, &options, &err) != SP_OK)
		fail_msg("%s", err.text);
	return mc;
}

static sp_mc *create(const rig *r, bool electrons, bool plain, uint32_t batch_histories)
{
	return create_with(r, electrons, plain, batch_histories, 0, 0);
}

static double deposited_mev(const sp_mc_sums *s)
{
	double sum = 0.0;

	for (size_t v = 0; v < VOXELS; v++)
		sum += (double)s->sum[v];
	return sum / SP_MC_TALLY_UNIT;
}

/* What the accounts add up to over the emitted energy, less 1. */
static double imbalance(double *deposited, const rig *r, bool electrons, bool plain, uint32_t batch_histories,
                        int lanes)
{
	sp_mc *mc = create_with(r, electrons, plain, batch_histories, lanes, 0);
	sp_mc_sums s;
	double emitted, others;

	assert_int_equal(sp_mc_run(mc, 0, BATCHES, NULL), SP_OK);
	assert_int_equal(sp_mc_read(&s, mc, NULL), SP_OK);
	assert_int_equal(s.batches, BATCHES);
	*deposited = deposited_mev(&s);
	emitted = (double)s.accounts[SP_MC_ACCOUNT_EMITTED] / SP_MC_TALLY_UNIT;
	others = (double)(s.accounts[SP_MC_ACCOUNT_ESCAPED] + s.accounts[SP_MC_ACCOUNT_LOST] +
	                  s.accounts[SP_MC_ACCOUNT_BALANCE]) /
	         SP_MC_TALLY_UNIT;
	assert_true(fabs(emitted / (6.0 * BATCHES * batch_histories) - 1.0) < 1e-6);
	/* only where a history's particles do not fit into its stacks; without variance reduction there is nothing to
	 * balance */
	assert_true((double)s.accounts[SP_MC_ACCOUNT_LOST] <= (plain ? 0.0 : 1e-5 * emitted * SP_MC_TALLY_UNIT));
	assert_true(!plain || s.accounts[SP_MC_ACCOUNT_BALANCE] == 0);
	sp_mc_sums_finish(&s);
	sp_mc_destroy(mc);
	return (*deposited + others) / emitted - 1.0;
}

/* Analog, so that the balance holds history by history, up to the rounding of floats: 6e-8 of a particle's energy in
 * each of some hundred steps, with both signs. */
static void plain_photons_conserve_energy(void **state)
{
	const rig *r = *state;
	double deposited, left = imbalance(&deposited, r, false, true, r->small ? 96 : 5000, 0);

	assert_true(deposited > 0.0);
	if (!(fabs(left) < 1e-6))
		fail_msg("deposited and escaped energy differ from the emitted one by a share of %.2g", left);
}

static void plain_electrons_conserve_energy(void **state)
{
	const rig *r = *state;
	double deposited, left = imbalance(&deposited, r, true, true, r->small ? 66 : 1000, 0);

	assert_true(deposited > 0.0);
	if (!(fabs(left) < 1e-6))
		fail_msg("deposited and escaped energy differ from the emitted one by a share of %.2g", left);
}

/* With what roulette takes and gives, variance reduction keeps the balance too, but for floats: a history's sites add
 * up some thousand numbers. Vectors of 16 and of 1, as on a GPU, deposit the same on average. A history's energy has a
 * standard deviation of less than itself: 5 sigma of both sides. */
static void sets_of_particles_conserve_energy(void **state)
{
	static const int lanes[] = {16, 1};
	const rig *r = *state;
	uint32_t n = r->small ? 66 : 5000;
	double deposited[2];

	for (int i = 0; i < 2; i++) {
		double left = imbalance(&deposited[i], r, false, false, n, lanes[i]);

		assert_true(deposited[i] > 0.0);
		if (!(fabs(left) < 1e-5))
			fail_msg("with %d lanes the accounts differ from the emitted energy by a share of %.2g",
			         lanes[i], left);
	}
	if (!(fabs(deposited[1] / deposited[0] - 1.0) < 5.0 * sqrt(2.0 / ((double)n * BATCHES))))
		fail_msg("16 lanes deposit %g MeV, 1 lane %g", deposited[0], deposited[1]);
}

static void assert_equal_sums(const sp_mc_sums *a, const sp_mc_sums *b)
{
	assert_int_equal(a->batches, b->batches);
	assert_memory_equal(a->sum, b->sum, VOXELS * sizeof *a->sum);
	assert_memory_equal(a->squares, b->squares, VOXELS * sizeof *a->squares);
	assert_memory_equal(a->accounts, b->accounts, sizeof a->accounts);
}

/* All at once; batch by batch from the last to the first; in two parts that are added up afterwards. */
static void sums_do_not_depend_on_how_batches_are_launched(void **state)
{
	const rig *r = *state;
	uint32_t n = r->small ? 66 : 600;
	sp_mc *once = create(r, false, false, n), *backwards = create(r, false, false, n),
	      *part = create(r, false, false, n);
	sp_mc_sums a, b, c, d;

	assert_int_equal(sp_mc_run(once, 0, BATCHES, NULL), SP_OK);
	assert_int_equal(sp_mc_read(&a, once, NULL), SP_OK);
	for (uint64_t batch = BATCHES; batch-- > 0;)
		assert_int_equal(sp_mc_run(backwards, batch, 1, NULL), SP_OK);
	assert_int_equal(sp_mc_read(&b, backwards, NULL), SP_OK);
	assert_equal_sums(&a, &b);

	assert_int_equal(sp_mc_run(part, 1, BATCHES - 1, NULL), SP_OK);
	assert_int_equal(sp_mc_read(&c, part, NULL), SP_OK);
	sp_mc_destroy(part);
	part = create(r, false, false, n);
	assert_int_equal(sp_mc_run(part, 0, 1, NULL), SP_OK);
	assert_int_equal(sp_mc_read(&d, part, NULL), SP_OK);
	for (size_t v = 0; v < VOXELS; v++) {
		c.sum[v] += d.sum[v];
		c.squares[v] += d.squares[v];
	}
	for (size_t i = 0; i < SP_MC_ACCOUNTS; i++)
		c.accounts[i] += d.accounts[i];
	c.batches += d.batches;
	assert_equal_sums(&a, &c);
	/* and batches are not all the same */
	assert_true(memcmp(c.sum, d.sum, VOXELS * sizeof *c.sum) != 0);

	sp_mc_sums_finish(&a);
	sp_mc_sums_finish(&b);
	sp_mc_sums_finish(&c);
	sp_mc_sums_finish(&d);
	sp_mc_destroy(once);
	sp_mc_destroy(backwards);
	sp_mc_destroy(part);
}

/* Two groups of three work-items that add to one tally by atomics, as on a GPU, and one tally for each processor thread
 * make the same bits. */
static void sums_do_not_depend_on_groups_and_tallies(void **state)
{
	const rig *r = *state;
	sp_mc *own, *shared;
	sp_mc_sums a, b;

	if (r->small) /* minutes in a simulator */
		skip();
	own = create(r, false, false, 600);
	shared = create_with(r, false, false, 600, 0, 3);
	assert_int_equal(sp_mc_run(own, 0, 2, NULL), SP_OK);
	assert_int_equal(sp_mc_run(shared, 0, 2, NULL), SP_OK);
	assert_int_equal(sp_mc_read(&a, own, NULL), SP_OK);
	assert_int_equal(sp_mc_read(&b, shared, NULL), SP_OK);
	assert_equal_sums(&a, &b);
	sp_mc_sums_finish(&a);
	sp_mc_sums_finish(&b);
	sp_mc_destroy(own);
	sp_mc_destroy(shared);
}

/* Before anything of that size is touched. */
static void grids_of_more_cells_than_kernels_can_number_are_refused(void **state)
{
	static const sp_mc_plane plane = {
	        .parallel = true, .x_axis = {1.0, 0.0, 0.0}, .y_axis = {0.0, 1.0, 0.0}, .direction = {0.0, 0.0, 1.0}};
	static const sp_mc_opening opening = {0, 0.0, 0.0, 5.0, 5.0, 1.0, 0};
	/* 2^31 voxels and a few; and 16 times as few that fill cubes of 4 x 4 x 4 up to as many */
	static const sp_grid large[] = {{{2048, 1024, 1025}, {1.0, 1.0, 1.0}, {0.0, 0.0, 0.0}},
	                                {{1u << 27, 1, 1}, {1.0, 1.0, 1.0}, {0.0, 0.0, 0.0}}};
	const rig *r = *state;
	const sp_mc_particles particles = {false, &r->spectrum, 1, 1, &plane, &opening, NULL};
	const sp_mc_options options = {.seed = 1, .batch_histories = 16};
	sp_mc *mc;

	for (size_t i = 0; i < 2; i++) {
		const sp_mc_matter where = {large[i], NULL, NULL};
		sp_error err = {0}, other = {0};

		assert_int_equal(
		        sp_mc_create(&mc, r->device, r->matter, &r->where, &large[i], &particles, &options, &err),
		        SP_BAD_INPUT);
		assert_non_null(strstr(err.text, "the dose grid of"));
		assert_int_equal(
		        sp_mc_create(&mc, r->device, r->matter, &where, &r->where.grid, &particles, &options, &other),
		        SP_BAD_INPUT);
		assert_non_null(strstr(other.text, "the CT of"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(plain_photons_conserve_energy),
	        cmocka_unit_test(plain_electrons_conserve_energy),
	        cmocka_unit_test(sets_of_particles_conserve_energy),
	        cmocka_unit_test(sums_do_not_depend_on_how_batches_are_launched),
	        cmocka_unit_test(sums_do_not_depend_on_groups_and_tallies),
	        cmocka_unit_test(grids_of_more_cells_than_kernels_can_number_are_refused),
	};

	return cmocka_run_group_tests_name("mc small", tests, set_up, tear_down);
}
