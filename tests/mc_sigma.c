/* The stated sigma is honest: over many runs the spread of a voxel's dose is what each run says it is. With the
 * argument `seeds` each run has a seed of its own (slow, as each makes its tables anew), else batches of its own. */
#include "mc_scoring.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { NX = 7, NY = 5, NZ = 12, VOXELS = NX * NY * NZ, RUNS = 50, BATCHES = 12, HISTORIES = 512 };

static bool by_seed;

typedef struct {
	float dose[VOXELS], sigma[VOXELS];
} result;

/* Water with a slab of titanium; the field covers 5 x 3 voxels, its edges in x in the middle of voxels. */
static float density[VOXELS];
static uint8_t material[VOXELS];
static const sp_mc_matter where = {{{NX, NY, NZ}, {5.0, 6.0, 4.0}, {-15.0, -12.0, 2.0}}, density, material};

static void make_matter(const sp_matter *m)
{
	for (size_t v = 0; v < VOXELS; v++) {
		bool metal = v / (NX * NY) == 5 || v / (NX * NY) == 6;

		density[v] = metal ? 4.54f : 1.0f;
		material[v] = (uint8_t)sp_matter_find(m, metal ? "titanium" : "water");
	}
}

static sp_mc *create(sp_device *d, const sp_matter *m, const sp_spectrum *spectrum, uint64_t seed)
{
	const sp_mc_plane plane = {
	        .source_mm = {0, 0, -900}, .centre_mm = {0, 0, 0}, .x_axis = {1, 0, 0}, .y_axis = {0, 1, 0}};
	const sp_mc_opening opening = {0, 0.0, 0.0, 10.0, 9.0, 1.0, 0};
	const sp_mc_particles particles = {false, spectrum, 1, 1, &plane, &opening, NULL};
	const sp_mc_options options = {.seed = seed, .batch_histories = HISTORIES};
	sp_error err = {0};
	sp_mc *mc = NULL;

	if (sp_mc_create(&mc, d, m, &where, &where.grid, &particles, &options, &err) != SP_OK)
		fail_msg("%s", err.text);
	return mc;
}

/* What `now` has that `before` had not. */
static void subtract(sp_mc_sums *now, const sp_mc_sums *before)
{
	now->batches -= before->batches;
	for (size_t v = 0; v < VOXELS; v++) {
		now->sum[v] -= before->sum[v];
		now->squares[v] -= before->squares[v];
	}
}

static void run_all(result *out, const sp_mc_scoring *scoring, sp_device *d, const sp_matter *m,
                    const sp_spectrum *spectrum)
{
	int64_t sum[VOXELS] = {0};
	uint64_t squares[VOXELS] = {0};
	sp_mc_sums before = {.sum = sum, .squares = squares};
	sp_mc *mc = by_seed ? NULL : create(d, m, spectrum, 11);

	for (uint64_t r = 0; r < RUNS; r++) {
		sp_mc *own = by_seed ? create(d, m, spectrum, 1000 + r) : mc;
		sp_mc_sums s;

		assert_int_equal(sp_mc_run(own, by_seed ? 0 : r * BATCHES, BATCHES, NULL), SP_OK);
		assert_int_equal(sp_mc_read(&s, own, NULL), SP_OK);
		if (by_seed) {
			sp_mc_destroy(own);
			sp_mc_dose(out[r].dose, out[r].sigma, scoring, &s);
		} else {
			sp_mc_sums one = s;
			int64_t own_sum[VOXELS];
			uint64_t own_squares[VOXELS];

			memcpy(own_sum, s.sum, sizeof own_sum);
			memcpy(own_squares, s.squares, sizeof own_squares);
			one.sum = own_sum;
			one.squares = own_squares;
			subtract(&one, &before);
			sp_mc_dose(out[r].dose, out[r].sigma, scoring, &one);
			memcpy(sum, s.sum, sizeof sum);
			memcpy(squares, s.squares, sizeof squares);
			before.batches = s.batches;
		}
		sp_mc_sums_finish(&s);
	}
	sp_mc_destroy(mc);
}

/* Variance of the runs' doses over the mean of the variances that they state. */
static double spread_over_stated(const result *runs, size_t v, double *relative_sigma)
{
	double mean = 0.0, stated = 0.0, spread = 0.0;

	for (int r = 0; r < RUNS; r++) {
		mean += (double)runs[r].dose[v] / RUNS;
		stated += pow((double)runs[r].sigma[v], 2.0) / RUNS;
	}
	for (int r = 0; r < RUNS; r++)
		spread += pow((double)runs[r].dose[v] - mean, 2.0) / (RUNS - 1);
	*relative_sigma = sqrt(stated) / mean;
	return spread / stated;
}

static void the_spread_over_runs_is_the_stated_sigma(void **state)
{
	result *runs = calloc(RUNS, sizeof *runs);
	double sum = 0.0, relative;
	int n = 0;
	sp_device *d = NULL;
	sp_matter *m = NULL;
	sp_spectrum spectrum;
	sp_mc_scoring scoring;

	(void)state;
	assert_int_equal(sp_device_open(&d, NULL, NULL), SP_OK);
	assert_int_equal(sp_matter_create(&m, NULL, NULL), SP_OK);
	assert_int_equal(sp_spectrum_read(&spectrum, "mohan6", NULL), SP_OK);
	make_matter(m);
	assert_int_equal(sp_mc_scoring_make(&scoring, &where, &where.grid, NULL, NULL), SP_OK);
	scoring.batch_histories = HISTORIES;
	run_all(runs, &scoring, d, m, &spectrum);
	for (size_t v = 0; v < VOXELS; v++) {
		double ratio = spread_over_stated(runs, v, &relative);

		if (relative > 0.15) /* so few tracks that a batch is far from normal */
			continue;
		/* a variance of 50 runs has a relative sigma of 0.2; skewed, with a false alarm in 1e6 voxels */
		if (!(ratio > 0.3 && ratio < 2.6))
			fail_msg("voxel %zu spreads by %.2f of its stated variance", v, ratio);
		sum += ratio;
		n++;
	}
	print_message("%d voxels, mean of spread / stated variance %.3f\n", n, sum / n);
	assert_true(n > 100);
	/* Each voxel's ratio is known to 0.2, but neighbours share tracks: as if a tenth of them were alone. 4 sigma.
	 */
	if (!(fabs(sum / n - 1.0) < 4.0 * 0.2 / sqrt(0.1 * n)))
		fail_msg("over %d voxels the variance is %.3f of what is stated", n, sum / n);
	sp_mc_scoring_finish(&scoring);
	sp_spectrum_finish(&spectrum);
	sp_matter_destroy(m);
	sp_device_close(d);
	free(runs);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(the_spread_over_runs_is_the_stated_sigma)};

	by_seed = argc > 1 && strcmp(argv[1], "seeds") == 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
