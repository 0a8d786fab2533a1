/* What each means of variance reduction is for: without it epsilon = 1/(variance * time) is lower. Times are those of
 * the process, taken in turns, and what is asked is far below what is measured (docs/physics.md), yet this is a matter
 * of the machine: it is in the suite `slow`, which only runs when asked for. That the mean stays is tested by
 * mc_variance_reduction. */
#include "mc.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

enum { N = 60, BATCHES = 48, HISTORIES = 1024, ROUNDS = 5 };

typedef struct {
	sp_device *device;
	sp_matter *matter;
	sp_spectrum spectrum;
	sp_mc_matter where;
	float *density;
	uint8_t *material;
} rig;

static int set_up(void **state)
{
	static rig r;
	const size_t n = (size_t)N * N * N;

	if (sp_device_open(&r.device, NULL, NULL) != SP_OK || sp_matter_create(&r.matter, NULL, NULL) != SP_OK ||
	    sp_spectrum_read(&r.spectrum, "mohan6", NULL) != SP_OK)
		return -1;
	r.density = malloc(n * sizeof *r.density);
	r.material = malloc(n);
	if (!r.density || !r.material)
		return -1;
	r.where = (sp_mc_matter){{{N, N, N}, {5.0, 5.0, 5.0}, {-147.5, -147.5, 2.5}}, r.density, r.material};
	for (size_t v = 0; v < n; v++) {
		bool lung = v / N / N >= 10 && v / N / N < 24;

		r.density[v] = lung ? 0.26f : 1.0f;
		r.material[v] = (uint8_t)sp_matter_find(r.matter, lung ? "lung" : "water");
	}
	*state = &r;
	return 0;
}

static int tear_down(void **state)
{
	rig *r = *state;

	free(r->density);
	free(r->material);
	sp_spectrum_finish(&r->spectrum);
	sp_matter_destroy(r->matter);
	sp_device_close(r->device);
	return 0;
}

static double seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* epsilon of cubes along the field's axis, of a voxel or three along each side: 1/(mean relative variance * time). */
static double epsilon(const rig *r, size_t voxels, unsigned without, uint64_t seed)
{
	static const sp_mc_plane plane = {.source_mm = {0.0, 0.0, -900.0},
	                                  .centre_mm = {0.0, 0.0, 0.0},
	                                  .x_axis = {1.0, 0.0, 0.0},
	                                  .y_axis = {0.0, 1.0, 0.0}};
	static const sp_mc_opening opening = {.half_x_mm = 25.0, .half_y_mm = 25.0, .weight = 1.0};
	const sp_mc_particles particles = {
	        .spectrum = &r->spectrum, .n_planes = 1, .n_openings = 1, .planes = &plane, .openings = &opening};
	const sp_mc_options options = {.without = without, .seed = seed, .batch_histories = HISTORIES};
	const size_t n_parts = N / voxels;
	const double side = 5.0 * (double)voxels;
	const sp_grid parts = {{1, 1, n_parts}, {side, side, side}, {2.5, 2.5, 0.5 * side}};
	double sum = 0.0, begin, taken;
	sp_error err = {0};
	sp_mc *mc = NULL;
	sp_mc_sums s;

	if (sp_mc_create(&mc, r->device, r->matter, &r->where, &parts, &particles, &options, &err) != SP_OK ||
	    sp_mc_run(mc, 0, 1, &err) != SP_OK) /* the kernel is finished at its first launch */
		fail_msg("%s", err.text);
	begin = seconds_now();
	if (sp_mc_run(mc, 1, BATCHES, &err) != SP_OK || sp_mc_read(&s, mc, &err) != SP_OK)
		fail_msg("%s", err.text);
	taken = seconds_now() - begin;
	for (size_t v = 0; v < n_parts; v++) {
		double n = BATCHES + 1, mean = (double)s.sum[v] / n,
		       squares = ldexp((double)s.squares[v], 2 * (int)s.shift);

		sum += (squares / n / (mean * mean) - 1.0) / (n - 1.0) / (double)n_parts;
	}
	sp_mc_sums_finish(&s);
	sp_mc_destroy(mc);
	return 1.0 / (sum * taken);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void each_means_pays(void **state)
{
	/* roulette pays where doses are wanted voxel by voxel; in larger cubes it does not show. Without sites a single
	 * voxel may get nothing. */
	static const struct {
		unsigned without;
		const char *name;
		size_t voxels;
	} means[] = {{SP_MC_SITES, "sites", 3},
	             {SP_MC_SETS, "sets", 3},
	             {SP_MC_REPEATS, "repeats", 3},
	             {SP_MC_ROULETTE, "roulette", 1},
	             {SP_MC_SEQUENCE, "sequence", 3}};
	bool all = true;

	for (size_t m = 0; m < sizeof means / sizeof *means; m++) {
		double gain[ROUNDS];

		for (uint64_t i = 0; i < ROUNDS; i++)
			gain[i] = epsilon(*state, means[m].voxels, 0, 2 * i + 1) /
			          epsilon(*state, means[m].voxels, means[m].without, 2 * i + 2);
		qsort(gain, ROUNDS, sizeof *gain, by_size);
		print_message("%s: epsilon %.2f times (%.2f .. %.2f)\n", means[m].name, gain[ROUNDS / 2], gain[0],
		              gain[ROUNDS - 1]);
		all = all && gain[ROUNDS / 2] > 1.0;
	}
	assert_true(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(each_means_pays)};

	return cmocka_run_group_tests_name("mc epsilon", tests, set_up, tear_down);
}
