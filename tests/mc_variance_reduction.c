/* Each means of variance reduction alone leaves the mean where it is: the energy in parts of a block of water with
 * titanium in it, with all means and without one of them, agrees within their own uncertainties. */
#include "mc.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

enum { NX = 12, NY = 10, NZ = 12, VOXELS = NX * NY * NZ, PARTS = 3 * 2 * 6, BATCHES = 48, HISTORIES = 2000 };

/* 99.99 % of chi-squared of 36 degrees of freedom; seeds are fixed. */
#define MOST_CHI2 77.0

typedef struct {
	sp_device *device;
	sp_matter *matter;
	sp_spectrum spectrum;
	float density[VOXELS];
	uint8_t material[VOXELS];
	sp_mc_matter where;
	double mean[PARTS], variance[PARTS]; /* of the run with all means */
} rig;

static void run(double *mean, double *variance, const rig *r, unsigned without, uint64_t seed)
{
	static const sp_mc_plane plane = {.source_mm = {2.0, 3.0, -500.0},
	                                  .centre_mm = {0.0, 0.0, 0.0},
	                                  .x_axis = {1.0, 0.0, 0.0},
	                                  .y_axis = {0.0, 1.0, 0.0}};
	static const sp_mc_opening opening = {.half_x_mm = 15.0, .half_y_mm = 12.0, .weight = 1.0};
	const sp_mc_particles particles = {
	        .spectrum = &r->spectrum, .n_planes = 1, .n_openings = 1, .planes = &plane, .openings = &opening};
	const sp_mc_options options = {
	        .without = without, .seed = seed, .batch_histories = without & SP_MC_SITES ? 8 * HISTORIES : HISTORIES};
	const sp_grid parts = {{3, 2, 6}, {16.0, 20.0, 8.0}, {-16.0, -10.0, 4.0}};
	sp_error err = {0};
	sp_mc *mc = NULL;
	sp_mc_sums s;

	if (sp_mc_create(&mc, r->device, r->matter, &r->where, &parts, &particles, &options, &err) != SP_OK ||
	    sp_mc_run(mc, 0, BATCHES, &err) != SP_OK || sp_mc_read(&s, mc, &err) != SP_OK)
		fail_msg("%s", err.text);
	for (size_t v = 0; v < PARTS; v++) {
		double sum = (double)s.sum[v], squares = ldexp((double)s.squares[v], 2 * (int)s.shift);

		mean[v] = sum / BATCHES;
		variance[v] = (squares / BATCHES - mean[v] * mean[v]) / (BATCHES - 1);
		mean[v] /= options.batch_histories;
		variance[v] /= pow(options.batch_histories, 2.0);
		assert_true(mean[v] > 0.0 && variance[v] > 0.0);
	}
	sp_mc_sums_finish(&s);
	sp_mc_destroy(mc);
}

static int set_up(void **state)
{
	static rig r;
	sp_error err = {0};

	if (sp_device_open(&r.device, NULL, &err) != SP_OK || sp_matter_create(&r.matter, NULL, &err) != SP_OK ||
	    sp_spectrum_mono(&r.spectrum, 6.0, &err) != SP_OK) {
		print_error("%s\n", err.text);
		return -1;
	}
	r.where = (sp_mc_matter){{{NX, NY, NZ}, {4.0, 4.0, 4.0}, {-22.0, -18.0, 2.0}}, r.density, r.material};
	for (size_t v = 0; v < VOXELS; v++) {
		size_t i = v % NX, j = v / NX % NY, k = v / NX / NY;
		bool metal = i >= 4 && i < 6 && j >= 3 && j < 8 && k >= 4 && k < 6;

		r.material[v] = (uint8_t)sp_matter_find(r.matter, metal ? "titanium" : "water");
		r.density[v] = metal ? 4.54f : 1.0f;
	}
	run(r.mean, r.variance, &r, 0, 1);
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

static void compare(void **state, unsigned without, const char *name)
{
	const rig *r = *state;
	double mean[PARTS], variance[PARTS], chi2 = 0.0, all = 0.0, all_with = 0.0, gain = 0.0;

	run(mean, variance, r, without, 2);
	for (size_t v = 0; v < PARTS; v++) {
		chi2 += pow(mean[v] - r->mean[v], 2.0) / (variance[v] + r->variance[v]);
		all += mean[v];
		all_with += r->mean[v];
		gain += variance[v] / r->variance[v] / PARTS;
	}
	if (getenv("MC_TEST_PRINT"))
		print_message("without %s: chi2 %.1f of %d parts, %+.2f %% in all, variance %.2f times\n", name, chi2,
		              PARTS, 100.0 * (all / all_with - 1.0), gain);
	if (!(chi2 < MOST_CHI2))
		fail_msg("without %s the dose differs: chi-squared %.1f of %d parts", name, chi2, PARTS);
}

static void sites_leave_the_mean(void **state)
{
	compare(state, SP_MC_SITES, "sites");
}

static void sets_leave_the_mean(void **state)
{
	compare(state, SP_MC_SETS, "sets");
}

static void repeated_tracks_leave_the_mean(void **state)
{
	compare(state, SP_MC_REPEATS, "repeats");
}

static void roulette_leaves_the_mean(void **state)
{
	compare(state, SP_MC_ROULETTE, "roulette");
}

static void the_sequence_leaves_the_mean(void **state)
{
	compare(state, SP_MC_SEQUENCE, "sequence");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(sites_leave_the_mean), cmocka_unit_test(sets_leave_the_mean),
	        cmocka_unit_test(repeated_tracks_leave_the_mean), cmocka_unit_test(roulette_leaves_the_mean),
	        cmocka_unit_test(the_sequence_leaves_the_mean)};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
