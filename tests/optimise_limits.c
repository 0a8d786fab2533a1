/* Hard limits on problems whose answer is a formula; stopping, starts and bad input. */
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "interrupt.h"
#include "optimise_fixture.h"

#define N 20

static const sp_optimise_options standard = {.tolerance = 1e-6};

static sp_optimise_result optimise(sp_device *d, size_t n_rows, size_t n_columns, const double *entries,
                                   const sp_term *terms, size_t n_terms, const sp_optimise_options *options,
                                   double *weights, float *dose)
{
	sp_influence *m = dense_matrix(d, n_rows, n_columns, entries);
	sp_optimise_result result;
	sp_error err = {0};

	if (sp_optimise(weights, dose, &result, m, terms, n_terms, options, &err) != SP_OK)
		fail_msg("%s", err.text);
	sp_influence_destroy(m);
	for (size_t j = 0; j < n_columns; j++)
		assert_true(weights[j] >= 0.0);
	return result;
}

/* Voxel i gets its dose from bixel i alone. */
static void fill_identity(double *entries, size_t n)
{
	memset(entries, 0, n * n * sizeof *entries);
	for (size_t i = 0; i < n; i++)
		entries[i * n + i] = 1.0;
}

/* A target voxel at 1 Gy per weight, the cord beside it at 0.4: the cord's 8 Gy allow a weight of 20 and no more. */
static void target_gets_what_the_cord_limit_allows(void **state)
{
	const double entries[] = {1.0, 0.4};
	const sp_term terms[] = {term_on(SP_SQUARED_DEVIATION, 0, 1, 24.0, 0.0, 100.0),
	                         term_on(SP_LIMIT_MAX, 1, 1, 8.0, 0.0, 0.0)};
	double weight;
	float dose[2];
	sp_optimise_result r = optimise(*state, 2, 1, entries, terms, 2, &standard, &weight, dose);

	assert_true(r.converged && !r.limits_conflict);
	assert_true(r.worst_limit_miss_gy == 0.0);
	assert_int_equal(r.worst_limit, 2);
	assert_true(dose[1] <= 8.0f);
	/* the search stays 0.2 % or 0.02 Gy inside, here 0.016 Gy, and may be as far inside again */
	assert_true(dose[1] > 8.0f - 0.04f);
	assert_true(fabs(dose[0] - dose[1] / 0.4f) < 1e-3f);
}

/* Two bixels for a target; the one that is worse for the target spares the cord. The best mixture of 1 x + 0.6 y under
 * 0.5 x + 0.1 y <= 5 with both weights dear is a small quadratic programme, solved by hand below. */
static void two_bixels_share_the_dose_under_a_limit(void **state)
{
	const double entries[] = {1.0, 0.6, 0.5, 0.1};
	const sp_term terms[] = {term_on(SP_SQUARED_DEVIATION, 0, 1, 20.0, 0.0, 1.0),
	                         term_on(SP_LIMIT_MAX, 1, 1, 5.0, 0.0, 0.0)};
	double weights[2];
	float dose[2];
	sp_optimise_result r = optimise(*state, 2, 2, entries, terms, 2, &standard, weights, dose);

	/* y alone could reach 20 Gy at 3.3 Gy to the cord: the limit does not bind, the target is met */
	assert_true(r.converged && fabs(dose[0] - 20.0f) < 0.01f && dose[1] <= 5.0f);
}

/* At most 30 % of ten voxels above 5 Gy: two may stay at 10, a third would make D30 10 Gy. */
static void dvh_limit_frees_what_it_allows_and_no_more(void **state)
{
	static double entries[100];
	const sp_term terms[] = {term_on(SP_SQUARED_DEVIATION, 0, 10, 10.0, 0.0, 1.0),
	                         term_on(SP_LIMIT_DVH_MAX, 0, 10, 5.0, 0.3, 0.0)};
	size_t above = 0, below = 0;
	double weights[10];
	float dose[10];
	sp_optimise_result r;

	fill_identity(entries, 10);
	r = optimise(*state, 10, 10, entries, terms, 2, &standard, weights, dose);
	assert_true(r.worst_limit_miss_gy == 0.0);
	for (size_t i = 0; i < 10; i++) {
		above += fabsf(dose[i] - 10.0f) < 0.01f;
		below += dose[i] <= 5.0f && dose[i] > 4.95f;
	}
	assert_int_equal(above, 2);
	assert_int_equal(below, 8);
}

/* The same with voxels that gain unequally from going free: the two that gain most must be the free ones, although at
 * the start all have the same dose. */
static void dvh_limit_frees_the_voxels_that_gain_most(void **state)
{
	static double entries[100];
	sp_term terms[11];
	double weights[10];
	float dose[10];

	fill_identity(entries, 10);
	for (size_t i = 0; i < 10; i++)
		terms[i] = term_on(SP_SQUARED_DEVIATION, i, 1, 10.0, 0.0, 1.0 + (double)((7 * i) % 10));
	terms[10] = term_on(SP_LIMIT_DVH_MAX, 0, 10, 5.0, 0.3, 0.0);
	optimise(*state, 10, 10, entries, terms, 11, &standard, weights, dose);
	for (size_t i = 0; i < 10; i++)
		assert_true(((7 * i) % 10 >= 8) == (dose[i] > 5.0f));
}

/* D80 >= 12 Gy against an objective that wants 4 Gy everywhere: 16 of 20 voxels at 12, 4 at 4. */
static void minimum_dvh_limit_is_held_with_the_fewest_voxels(void **state)
{
	static double entries[N * N];
	const sp_term terms[] = {term_on(SP_SQUARED_OVERDOSE, 0, N, 4.0, 0.0, 2.0),
	                         term_on(SP_LIMIT_DVH_MIN, 0, N, 12.0, 0.8, 0.0)};
	size_t high = 0;
	double weights[N];
	float dose[N];
	sp_optimise_result r;

	fill_identity(entries, N);
	r = optimise(*state, N, N, entries, terms, 2, &standard, weights, dose);
	assert_true(r.worst_limit_miss_gy == 0.0);
	for (size_t i = 0; i < N; i++)
		high += dose[i] >= 12.0f && dose[i] < 12.05f;
	assert_int_equal(high, 16);
	/* 16 voxels at 8 Gy too much, the inset of 0.02 Gy on top: 2 * 0.8 * 8.02^2 */
	assert_true(r.objective > 2.0 * 0.8 * 64.0 && r.objective < 2.0 * 0.8 * 8.05 * 8.05);
}

static void mean_limit_is_held_to_the_last_hundredth(void **state)
{
	static double entries[N * N];
	const sp_term terms[] = {term_on(SP_SQUARED_DEVIATION, 0, 10, 20.0, 0.0, 1.0),
	                         term_on(SP_SQUARED_DEVIATION, 10, 10, 10.0, 0.0, 1.0),
	                         term_on(SP_LIMIT_MEAN, 0, N, 12.0, 0.0, 0.0)};
	double weights[N], mean = 0.0;
	float dose[N];
	sp_optimise_result r;

	fill_identity(entries, N);
	r = optimise(*state, N, N, entries, terms, 3, &standard, weights, dose);
	for (size_t i = 0; i < N; i++)
		mean += dose[i] / N;
	assert_true(r.worst_limit_miss_gy == 0.0 && mean <= 12.0 && mean > 11.95);
	/* the mean of 15 is to fall by 3 (and up to 0.04): least squares takes the same from every voxel */
	assert_true(fabs(dose[3] - 16.98f) < 0.05f && fabs(dose[13] - 6.98f) < 0.05f);
}

/* The same voxel is to get 10 Gy at least and 5 Gy at most. */
/* Each voxel has a limit of its own, 1 to 10.5 Gy in steps of half a Gray, and a bixel of its own that wants 24 Gy. */
static void every_voxel_is_held_at_the_limit_of_its_own(void **state)
{
	double entries[N * N], weights[N];
	float dose[N], over[N];
	sp_term terms[] = {term_on(SP_SQUARED_DEVIATION, 0, N, 24.0, 0.0, 100.0),
	                   term_on(SP_LIMIT_MAX, 0, N, 10.5, 0.0, 0.0)};
	sp_optimise_result r;

	fill_identity(entries, N);
	for (int i = 0; i < N; i++)
		over[i] = -0.5f * (float)i;
	terms[1].over_gy = over;
	r = optimise(*state, N, N, entries, terms, 2, &standard, weights, dose);
	assert_true(r.converged && r.worst_limit_miss_gy == 0.0);
	for (int i = 0; i < N; i++) {
		float limit = 10.5f + over[i];

		assert_true(dose[i] <= limit);
		/* up to 0.02 Gy inside by design, and as much again by the search's tolerance */
		assert_true(dose[i] > limit - 0.05f);
	}
}

static void contradictory_limits_end_with_the_miss_stated(void **state)
{
	const double entries[] = {1.0};
	const sp_term terms[] = {term_on(SP_LIMIT_DVH_MIN, 0, 1, 10.0, 1.0, 0.0),
	                         term_on(SP_LIMIT_MAX, 0, 1, 5.0, 0.0, 0.0)};
	double weight;
	sp_optimise_result r = optimise(*state, 1, 1, entries, terms, 2, &standard, &weight, NULL);

	assert_true(r.limits_conflict && !r.converged && !r.interrupted);
	/* no weight misses by less than half of the gap */
	assert_true(r.worst_limit_miss_gy >= 2.49 && r.worst_limit_miss_gy < 4.0);
	assert_true(r.worst_limit < 2);
	assert_true(r.iterations < 2000);
}

static void fill_random(double *entries, size_t n, uint32_t seed)
{
	for (size_t i = 0; i < n; i++)
		entries[i] = next_random(&seed) < 0.5 ? next_random(&seed) : 0.0;
}

#define RANDOM_ROWS 300
#define RANDOM_COLUMNS 40

static size_t random_terms(sp_term *terms)
{
	terms[0] = term_on(SP_SQUARED_DEVIATION, 0, 100, 30.0, 0.0, 50.0);
	terms[1] = term_on(SP_SQUARED_OVERDOSE, 100, 200, 15.0, 0.0, 10.0);
	terms[2] = term_on(SP_LIMIT_MAX, 120, 30, 33.0, 0.0, 0.0);
	return 3;
}

static void two_starts_reach_the_same_objective(void **state)
{
	static double entries[RANDOM_ROWS * RANDOM_COLUMNS];
	double weights[RANDOM_COLUMNS], start[RANDOM_COLUMNS];
	sp_term terms[3];
	size_t n = random_terms(terms);
	uint32_t seed = 4;
	sp_optimise_options options = standard;
	sp_optimise_result a, b;

	fill_random(entries, RANDOM_ROWS * RANDOM_COLUMNS, 3);
	for (size_t j = 0; j < RANDOM_COLUMNS; j++)
		start[j] = 10.0 * next_random(&seed);
	a = optimise(*state, RANDOM_ROWS, RANDOM_COLUMNS, entries, terms, n, &options, weights, NULL);
	options.start = start;
	b = optimise(*state, RANDOM_ROWS, RANDOM_COLUMNS, entries, terms, n, &options, weights, NULL);
	assert_true(a.converged && b.converged);
	assert_true(a.worst_limit_miss_gy == 0.0 && b.worst_limit_miss_gy == 0.0);
	assert_true(fabs(a.objective - b.objective) < 1e-3 * a.objective);
	/* 1e-3 of the gradient at 0 for a search that stops at 1e-6 of the objective */
	assert_true(a.kkt_residual < 1e-3 && b.kkt_residual < 1e-3);
}

static void same_run_gives_the_same_bits(void **state)
{
	static double entries[RANDOM_ROWS * RANDOM_COLUMNS];
	double a[RANDOM_COLUMNS], b[RANDOM_COLUMNS];
	sp_term terms[3];
	size_t n = random_terms(terms);

	fill_random(entries, RANDOM_ROWS * RANDOM_COLUMNS, 8);
	optimise(*state, RANDOM_ROWS, RANDOM_COLUMNS, entries, terms, n, &standard, a, NULL);
	optimise(*state, RANDOM_ROWS, RANDOM_COLUMNS, entries, terms, n, &standard, b, NULL);
	assert_memory_equal(a, b, sizeof a);
}

/* A dose from elsewhere counts as if a bixel gave it. */
static void dose_from_elsewhere_is_made_up_for(void **state)
{
	static double entries[N * N];
	const sp_term term = term_on(SP_SQUARED_DEVIATION, 0, N, 20.0, 0.0, 1.0);
	double weights[N];
	float offset[N], dose[N];
	sp_optimise_options options = standard;

	fill_identity(entries, N);
	for (size_t i = 0; i < N; i++)
		offset[i] = (float)i;
	options.offset_gy = offset;
	optimise(*state, N, N, entries, &term, 1, &options, weights, dose);
	for (size_t i = 0; i < N; i++) {
		assert_true(fabsf(dose[i] - 20.0f) < 0.01f);
		assert_true(fabs(weights[i] - (20.0 - (double)i)) < 0.01);
	}
}

static bool stop_at_five(void *context, size_t iteration, double objective, double miss_gy, const float *dose_gy)
{
	size_t *calls = context;

	(void)objective;
	(void)miss_gy;
	assert_true(dose_gy[0] >= 0.0f);
	assert_int_equal(iteration, ++*calls);
	return iteration < 5;
}

static void stopped_searches_keep_the_best_so_far(void **state)
{
	static double entries[RANDOM_ROWS * RANDOM_COLUMNS];
	double weights[RANDOM_COLUMNS];
	sp_term terms[3];
	size_t n = random_terms(terms), calls = 0;
	sp_optimise_options by_callback = {.on_iteration = stop_at_five, .context = &calls},
	                    by_iterations = {.max_iterations = 3, .tolerance = 1e-12}, by_time = {.max_seconds = 1e-9};
	sp_optimise_result r;
	double after_three;

	fill_random(entries, RANDOM_ROWS * RANDOM_COLUMNS, 3);
	r = optimise(*state, RANDOM_ROWS, RANDOM_COLUMNS, entries, terms, n, &by_iterations, weights, NULL);
	assert_true(r.interrupted && !r.converged && r.iterations == 3);
	after_three = r.objective;
	r = optimise(*state, RANDOM_ROWS, RANDOM_COLUMNS, entries, terms, n, &by_callback, weights, NULL);
	assert_true(r.interrupted && r.iterations == 5);
	r = optimise(*state, RANDOM_ROWS, RANDOM_COLUMNS, entries, terms, n, &by_time, weights, NULL);
	assert_true(r.interrupted && r.iterations == 0 && isfinite(r.objective));
	assert_true(after_three < r.objective);
}

static sp_status go_on_once_more(void *context, const double *weights, const float *dose_gy, bool *go_on, sp_error *err)
{
	bool *ended = context;

	(void)weights;
	(void)dose_gy;
	(void)err;
	*ended = *go_on = true;
	return SP_OK;
}

static bool stop_after_the_end(void *context, size_t iteration, double objective, double miss_gy, const float *dose_gy)
{
	const bool *ended = context;

	(void)iteration;
	(void)objective;
	(void)miss_gy;
	(void)dose_gy;
	return !*ended;
}

/* It had come to a rough end before, which was not the end. */
static void a_search_stopped_on_its_second_way_has_not_converged(void **state)
{
	static double entries[RANDOM_ROWS * RANDOM_COLUMNS];
	double weights[RANDOM_COLUMNS];
	sp_term terms[3];
	size_t n = random_terms(terms);
	bool ended = false;
	sp_optimise_options options = {
	        .on_end = go_on_once_more, .on_iteration = stop_after_the_end, .context = &ended};
	sp_optimise_result r;

	fill_random(entries, RANDOM_ROWS * RANDOM_COLUMNS, 3);
	r = optimise(*state, RANDOM_ROWS, RANDOM_COLUMNS, entries, terms, n, &options, weights, NULL);
	assert_true(ended && r.interrupted && !r.converged);
}

static void bad_terms_are_refused_with_their_name(void **state)
{
	const double entries[] = {1.0, 1.0};
	sp_influence *m = dense_matrix(*state, 2, 1, entries);
	uint32_t descending[] = {1, 0};
	float volumes[] = {1.0f, 1.0f};
	sp_term good = term_on(SP_LIMIT_DVH_MAX, 0, 2, 5.0, 0.5, 0.0), bad[4] = {good, good, good, good};
	const char *sentences[] = {"has no voxels", "expected ascending rows", "expected 0 to 1",
	                           "wants dose where no bixel reaches"};
	sp_optimise_result r;
	double weight;

	bad[0].n = 0;
	bad[1].rows = descending;
	bad[1].volumes = volumes;
	bad[2].volume = 95.0;
	bad[3].kind = SP_LIMIT_DVH_MIN;
	bad[3].empty_volume = 1.0;
	for (size_t i = 0; i < 4; i++) {
		sp_error err = {0};

		memcpy(bad[i].name, "cord", 5);
		assert_int_equal(sp_optimise(&weight, NULL, &r, m, &bad[i], 1, &standard, &err), SP_BAD_INPUT);
		assert_non_null(strstr(err.text, "cord"));
		assert_non_null(strstr(err.text, sentences[i]));
	}
	sp_influence_destroy(m);
}

/* Last, since the flag stays up. */
static void signal_ends_the_search_with_what_there_is(void **state)
{
	const double entries[] = {1.0, 0.4};
	const sp_term terms[] = {term_on(SP_SQUARED_DEVIATION, 0, 1, 24.0, 0.0, 100.0),
	                         term_on(SP_LIMIT_MAX, 1, 1, 8.0, 0.0, 0.0)};
	double weight;
	sp_optimise_result r;

	sp_interrupt_catch();
	raise(SIGINT);
	r = optimise(*state, 2, 1, entries, terms, 2, &standard, &weight, NULL);
	assert_true(r.interrupted && !r.converged && r.iterations == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(target_gets_what_the_cord_limit_allows),
	        cmocka_unit_test(two_bixels_share_the_dose_under_a_limit),
	        cmocka_unit_test(dvh_limit_frees_what_it_allows_and_no_more),
	        cmocka_unit_test(dvh_limit_frees_the_voxels_that_gain_most),
	        cmocka_unit_test(minimum_dvh_limit_is_held_with_the_fewest_voxels),
	        cmocka_unit_test(mean_limit_is_held_to_the_last_hundredth),
	        cmocka_unit_test(every_voxel_is_held_at_the_limit_of_its_own),
	        cmocka_unit_test(contradictory_limits_end_with_the_miss_stated),
	        cmocka_unit_test(two_starts_reach_the_same_objective),
	        cmocka_unit_test(same_run_gives_the_same_bits),
	        cmocka_unit_test(dose_from_elsewhere_is_made_up_for),
	        cmocka_unit_test(stopped_searches_keep_the_best_so_far),
	        cmocka_unit_test(a_search_stopped_on_its_second_way_has_not_converged),
	        cmocka_unit_test(bad_terms_are_refused_with_their_name),
	        cmocka_unit_test(signal_ends_the_search_with_what_there_is),
	};

	return cmocka_run_group_tests(tests, device_set_up, device_tear_down);
}
