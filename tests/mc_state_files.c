/* The state of a run on disk: what comes back, what is refused, and adding up parts. */
#include "mc_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "alloc.h"

enum { VOXELS = 4 * 3 * 2 };

static char folder[] = "mc_state_XXXXXX";
static char path[64];

/* Batches first .. first + n - 1 of a run; every number is told apart from the others. */
static sp_mc_state make(uint64_t first, uint64_t n)
{
	sp_mc_state s = {.configuration = sp_copy_text("program: x\nseed: 7\ncase: abc\n"),
	                 .device = sp_copy_text("some device"),
	                 .n_ranges = 1,
	                 .total = 40,
	                 .wanted = 0.015,
	                 .look_at = 33,
	                 .seconds = 12.5};

	s.scoring = (sp_mc_scoring){.grid = {{4, 3, 2}, {1.0, 2.0, 3.0}, {-5.0, 6.0, 7.5}},
	                            .density_g_cm3 = sp_alloc_array(VOXELS, sizeof(float)),
	                            .to_water = sp_alloc_array(VOXELS, sizeof(float)),
	                            .particles = 3e12,
	                            .batch_histories = 4096};
	s.sums = (sp_mc_sums){.batches = n,
	                      .shift = 13,
	                      .sum = sp_alloc_array(VOXELS, sizeof(int64_t)),
	                      .squares = sp_alloc_array(VOXELS, sizeof(uint64_t)),
	                      .accounts = {(int64_t)1 << 61, 2, 3, 4}};
	s.ranges = sp_alloc_array(1, sizeof *s.ranges);
	s.ranges[0] = (sp_mc_range){first, n};
	for (size_t v = 0; v < VOXELS; v++) {
		s.sums.sum[v] = ((int64_t)1 << 60) + (int64_t)(v + first); /* more than a double can hold */
		s.sums.squares[v] = ((uint64_t)1 << 62) + 100 * v + n;
		s.scoring.density_g_cm3[v] = 0.5f + (float)v;
		s.scoring.to_water[v] = 1.0f + 0.01f * (float)v;
	}
	return s;
}

static void keep(const sp_mc_state *s, bool compress)
{
	sp_h5_out *f = NULL;
	sp_error err = {0};
	sp_status st = sp_h5_create(&f, path, &err);

	if (st == SP_OK)
		st = sp_mc_state_write(f, s, compress, &err);
	if (st == SP_OK)
		st = sp_h5_commit(&f, &err);
	sp_h5_abandon(f);
	if (st != SP_OK)
		fail_msg("%s", err.text);
}

static void assert_refused(const char *says)
{
	sp_mc_state s;
	sp_error err = {0};

	assert_int_equal(sp_mc_state_read(&s, path, &err), SP_BAD_INPUT);
	if (!strstr(err.text, says))
		fail_msg("'%s' is not in: %s", says, err.text);
	assert_null(s.configuration);
}

static void every_number_comes_back(void **state)
{
	sp_mc_state s = make(5, 9), r;

	(void)state;
	for (int compress = 0; compress <= 1; compress++) {
		keep(&s, compress);
		assert_int_equal(sp_mc_state_read(&r, path, NULL), SP_OK);
		assert_string_equal(r.configuration, s.configuration);
		assert_string_equal(r.device, s.device);
		assert_true(sp_grid_equal(&r.scoring.grid, &s.scoring.grid));
		assert_memory_equal(r.sums.sum, s.sums.sum, VOXELS * sizeof *s.sums.sum);
		assert_memory_equal(r.sums.squares, s.sums.squares, VOXELS * sizeof *s.sums.squares);
		assert_memory_equal(r.sums.accounts, s.sums.accounts, sizeof s.sums.accounts);
		assert_memory_equal(r.scoring.density_g_cm3, s.scoring.density_g_cm3, VOXELS * sizeof(float));
		assert_memory_equal(r.scoring.to_water, s.scoring.to_water, VOXELS * sizeof(float));
		assert_true(r.sums.batches == 9 && r.sums.shift == 13 && r.total == 40 && r.look_at == 33);
		assert_true(r.wanted == 0.015 && r.seconds == 12.5 && r.scoring.particles == 3e12);
		assert_true(r.scoring.batch_histories == 4096 && r.n_ranges == 1);
		assert_true(r.ranges[0].first == 5 && r.ranges[0].n == 9);
		sp_mc_state_finish(&r);
	}
	sp_mc_state_finish(&s);
}

static void a_file_cut_short_is_refused_wherever_it_ends(void **state)
{
	sp_mc_state s = make(0, 8);
	long size;
	FILE *f;

	(void)state;
	keep(&s, false);
	f = fopen(path, "rb");
	assert_non_null(f);
	fseek(f, 0, SEEK_END);
	size = ftell(f);
	fclose(f);
	for (int share = 1; share <= 9; share += 2) {
		keep(&s, false);
		assert_int_equal(truncate(path, size * share / 10), 0);
		assert_refused(path);
	}
	sp_mc_state_finish(&s);
}

/* One bit of the sums turned over: HDF5 alone would not notice. */
static void a_sum_that_changed_on_disk_is_refused(void **state)
{
	sp_mc_state s = make(0, 8);
	char *data = NULL, *at;
	size_t bytes = 1 << 20;
	FILE *f;

	(void)state;
	keep(&s, false);
	f = fopen(path, "r+b");
	data = calloc(1, bytes);
	assert_true(f && data);
	bytes = fread(data, 1, bytes, f);
	at = data;
	while (at + VOXELS * 8 <= data + bytes && memcmp(at, s.sums.sum, VOXELS * 8) != 0)
		at++;
	assert_true(at + VOXELS * 8 <= data + bytes);
	at[17] ^= 4;
	rewind(f);
	assert_int_equal(fwrite(data, 1, bytes, f), bytes);
	fclose(f);
	free(data);
	assert_refused("is damaged");
	sp_mc_state_finish(&s);
}

static void ranges_have_to_make_up_the_batches(void **state)
{
	sp_mc_state s = make(0, 8);

	(void)state;
	s.ranges[0].n = 7;
	keep(&s, false);
	assert_refused("holds 7 batches, expected 8");
	s.ranges[0] = (sp_mc_range){UINT64_MAX - 3, 8};
	keep(&s, false);
	assert_refused("not in order");
	sp_mc_state_finish(&s);
}

static void another_file_is_no_part(void **state)
{
	sp_h5_out *f = NULL;

	(void)state;
	assert_int_equal(sp_h5_create(&f, path, NULL), SP_OK);
	assert_int_equal(sp_h5_write_text(f, "/provenance", "{}", NULL), SP_OK);
	assert_int_equal(sp_h5_commit(&f, NULL), SP_OK);
	assert_refused("no part of a Monte Carlo run");
}

static void parts_add_up_in_any_order(void **state)
{
	sp_mc_state a = make(20, 8), b = make(0, 12), c = make(12, 8);

	(void)state;
	assert_int_equal(sp_mc_state_add(&a, "a", &b, "b", NULL), SP_OK);
	assert_true(a.n_ranges == 2 && a.ranges[0].first == 0 && a.ranges[1].first == 20);
	a.sums.sum[3] = -5; /* no sum of ours is, but integers add up all the same */
	a.sums.accounts[0] = 0;
	assert_int_equal(sp_mc_state_add(&a, "a", &c, "c", NULL), SP_OK);
	assert_true(a.n_ranges == 1 && a.ranges[0].first == 0 && a.ranges[0].n == 28 && a.sums.batches == 28);
	assert_true(a.sums.sum[3] == c.sums.sum[3] - 5);
	assert_true(a.sums.squares[2] == (uint64_t)3 * ((uint64_t)1 << 62) + 600 + 28);
	sp_mc_state_finish(&a);
	sp_mc_state_finish(&b);
	sp_mc_state_finish(&c);
}

static void a_batch_counts_once(void **state)
{
	sp_mc_state a = make(0, 8), b = make(7, 3);
	sp_error err = {0};

	(void)state;
	assert_int_equal(sp_mc_state_add(&a, "a", &b, "b", &err), SP_BAD_INPUT);
	assert_string_equal(err.text, "a and b overlap: both hold batch 7; a batch counts once");
	assert_int_equal(a.sums.batches, 8);
	sp_mc_state_finish(&a);
	sp_mc_state_finish(&b);
}

static void parts_of_another_run_are_refused_with_the_line_that_differs(void **state)
{
	sp_mc_state a = make(0, 8), b = make(8, 3);
	sp_error err = {0};

	(void)state;
	free(b.configuration);
	b.configuration = sp_copy_text("program: x\nseed: 8\ncase: abc\n");
	assert_int_equal(sp_mc_state_add(&a, "a", &b, "b", &err), SP_BAD_INPUT);
	assert_string_equal(err.text, "a and b are not of the same run: 'seed: 7' against 'seed: 8'");
	assert_int_equal(sp_mc_same_configuration("x: 1\n", "a", "x: 1\ny: 2\n", "b", NULL), SP_BAD_INPUT);
	assert_int_equal(sp_mc_same_configuration("x: 1\n", "a", "x: 1\n", "b", NULL), SP_OK);
	sp_mc_state_finish(&a);
	sp_mc_state_finish(&b);
}

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof path, "%s/state.h5", folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_number_comes_back),
	        cmocka_unit_test(a_file_cut_short_is_refused_wherever_it_ends),
	        cmocka_unit_test(a_sum_that_changed_on_disk_is_refused),
	        cmocka_unit_test(ranges_have_to_make_up_the_batches),
	        cmocka_unit_test(another_file_is_no_part),
	        cmocka_unit_test(parts_add_up_in_any_order),
	        cmocka_unit_test(a_batch_counts_once),
	        cmocka_unit_test(parts_of_another_run_are_refused_with_the_line_that_differs),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
