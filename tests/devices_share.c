/* Several devices in one process. Halves of one CPU device (SPINEPLAN_SUBDEVICES) stand in for devices of one kind:
 * what they share out has the bits of one of them. */
#include "mc_influence.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* more columns than two launches take */
enum { NX = 9, NY = 7, NZ = 6, VOXELS = NX * NY * NZ, ACROSS = 20, DOWN = 15, OPENINGS = ACROSS * DOWN, BATCHES = 11 };

typedef struct {
	sp_matter *matter;
	sp_spectrum spectrum;
	sp_mc_matter where;
	float density[VOXELS], mass_g[VOXELS];
	uint8_t material[VOXELS];
	uint64_t rows[VOXELS];
	double gray[OPENINGS];
	sp_mc_opening openings[OPENINGS];
} rig;

static const sp_mc_plane plane = {
        .source_mm = {0.0, 0.0, -500.0}, .x_axis = {1.0, 0.0, 0.0}, .y_axis = {0.0, 1.0, 0.0}};

static int set_up(void **state)
{
	rig *r = calloc(1, sizeof *r);

	*state = r;
	if (!r || sp_matter_create(&r->matter, NULL, NULL) != SP_OK ||
	    sp_spectrum_mono(&r->spectrum, 2.0, NULL) != SP_OK)
		return 1;
	r->where = (sp_mc_matter){{{NX, NY, NZ}, {6.0, 7.0, 5.0}, {-24.0, -21.0, 2.5}}, r->density, r->material};
	for (size_t v = 0; v < VOXELS; v++) {
		int m = sp_matter_find(r->matter, v / (NX * NY) == 3 ? "bone" : "water");

		r->material[v] = (uint8_t)m;
		r->density[v] = (float)sp_matter_density_g_cm3(r->matter, m);
		r->mass_g[v] = r->density[v] * 0.21f;
		r->rows[v] = v;
	}
	for (size_t o = 0; o < OPENINGS; o++) {
		r->openings[o] = (sp_mc_opening){.x_mm = 2.0 * (double)(o % ACROSS) - 19.0,
		                                 .y_mm = 2.0 * (double)(o / ACROSS) - 14.0,
		                                 .half_x_mm = 1.0,
		                                 .half_y_mm = 1.0,
		                                 .weight = 1.0};
		r->gray[o] = 1.0;
	}
	return setenv("SPINEPLAN_SUBDEVICES", "2", 1);
}

static int tear_down(void **state)
{
	rig *r = *state;

	sp_spectrum_finish(&r->spectrum);
	sp_matter_destroy(r->matter);
	free(r);
	return 0;
}

/* Both halves, or a skipped test where the processor cannot be halved. */
static sp_device *open_both(void)
{
	sp_device_info *infos = NULL;
	sp_device *d = NULL;
	size_t n = 0;

	assert_int_equal(sp_device_list(&infos, &n, NULL), SP_OK);
	free(infos);
	if (n < 2)
		skip();
	assert_int_equal(sp_device_open(&d, "0,1", NULL), SP_OK);
	return d;
}

static sp_mc *make(rig *r, sp_device *d)
{
	const sp_mc_particles particles = {false, &r->spectrum, 1, OPENINGS, &plane, r->openings, NULL};
	const sp_mc_options options = {.seed = 3, .batch_histories = 64};
	sp_mc *mc = NULL;

	assert_int_equal(sp_mc_create(&mc, d, r->matter, &r->where, &r->where.grid, &particles, &options, NULL), SP_OK);
	return mc;
}

static void a_list_of_devices_opens_all_of_them(void **state)
{
	sp_device *d = open_both();
	sp_error err = {0};

	(void)state;
	assert_int_equal(sp_device_companions(d), 1);
	assert_string_equal(sp_device_describe(sp_device_companion(d, 0))->name, sp_device_describe(d)->name);
	sp_device_close(d);
	assert_int_equal(sp_device_open(&d, "0", NULL), SP_OK);
	assert_int_equal(sp_device_companions(d), 0);
	sp_device_close(d);
	assert_int_equal(sp_device_open(&d, "0,0", &err), SP_DEVICE);
	assert_non_null(strstr(err.text, "names device 0 twice"));
	err = (sp_error){0};
	assert_int_equal(sp_device_open(&d, "0,63", &err), SP_DEVICE);
	assert_non_null(strstr(err.text, "are not there"));
	assert_int_equal(sp_device_open(&d, "0,", &err), SP_DEVICE);
	assert_null(d);
}

static void a_senseless_number_of_parts_is_refused(void **state)
{
	sp_error err = {0};
	sp_device *d = NULL;

	(void)state;
	setenv("SPINEPLAN_SUBDEVICES", "two", 1);
	assert_int_equal(sp_device_open(&d, NULL, &err), SP_BAD_INPUT);
	assert_non_null(strstr(err.text, "SPINEPLAN_SUBDEVICES is 'two'"));
	setenv("SPINEPLAN_SUBDEVICES", "2", 1);
}

static void batches_on_two_devices_have_the_sums_of_one(void **state)
{
	rig *r = *state;
	sp_device *both = open_both(), *one = NULL;
	sp_mc *shared, *alone;
	sp_mc_sums a, b;

	assert_int_equal(sp_device_open(&one, "0", NULL), SP_OK);
	shared = make(r, both);
	alone = make(r, one);
	assert_int_equal(sp_mc_devices(shared), 2);
	assert_int_equal(sp_mc_run(shared, 2, BATCHES, NULL), SP_OK);
	assert_int_equal(sp_mc_run(alone, 2, BATCHES, NULL), SP_OK);
	assert_int_equal(sp_mc_read(&a, shared, NULL), SP_OK);
	assert_int_equal(sp_mc_read(&b, alone, NULL), SP_OK);
	assert_int_equal(a.batches, BATCHES);
	assert_memory_equal(a.sum, b.sum, VOXELS * sizeof *a.sum);
	assert_memory_equal(a.squares, b.squares, VOXELS * sizeof *a.squares);
	assert_memory_equal(a.accounts, b.accounts, sizeof a.accounts);
	sp_mc_sums_finish(&a);
	sp_mc_sums_finish(&b);
	sp_mc_destroy(shared);
	sp_mc_destroy(alone);
	sp_device_close(both);
	sp_device_close(one);
}

/* D times a row of uneven weights, which takes every entry. */
static void product(float out[VOXELS], rig *r, sp_device *d)
{
	const sp_mc_influence_options o = {.grid = &r->where.grid,
	                                   .rows = r->rows,
	                                   .n_rows = VOXELS,
	                                   .gray = r->gray,
	                                   .mass_g = r->mass_g,
	                                   .histories = 16,
	                                   .keep = 1e-3};
	float weights[OPENINGS];
	cl_mem w = NULL, dose = NULL;
	sp_mc *mc = make(r, d);
	sp_influence *m = NULL;
	sp_mc_influence_result result;

	for (size_t c = 0; c < OPENINGS; c++)
		weights[c] = 1.0f + (float)c * 0.01f;
	assert_int_equal(sp_mc_influence(&m, &result, mc, &o, NULL, NULL), SP_OK);
	assert_int_equal(sp_buffer_create(&w, d, CL_MEM_READ_ONLY, sizeof weights, weights, "weights", NULL), SP_OK);
	assert_int_equal(sp_buffer_create(&dose, d, CL_MEM_READ_WRITE, VOXELS * sizeof *out, NULL, "dose", NULL),
	                 SP_OK);
	assert_int_equal(sp_influence_multiply(m, dose, w, NULL), SP_OK);
	assert_int_equal(sp_buffer_read(d, dose, 0, VOXELS * sizeof *out, out, NULL), SP_OK);
	sp_buffer_release(&w);
	sp_buffer_release(&dose);
	sp_influence_destroy(m);
	sp_mc_destroy(mc);
}

static void columns_from_two_devices_are_those_of_one(void **state)
{
	rig *r = *state;
	sp_device *both = open_both(), *one = NULL;
	float shared[VOXELS], alone[VOXELS];

	assert_int_equal(sp_device_open(&one, "0", NULL), SP_OK);
	product(shared, r, both);
	product(alone, r, one);
	assert_memory_equal(shared, alone, sizeof shared);
	sp_device_close(both);
	sp_device_close(one);
}

enum { PIECES = 1000, BAD = 17 };

static sp_status tick(void *context, size_t worker, uint64_t piece, sp_error *err)
{
	atomic_int *times = context;

	(void)worker;
	(void)err;
	times[piece]++;
	return SP_OK;
}

static sp_status stumble(void *context, size_t worker, uint64_t piece, sp_error *err)
{
	tick(context, worker, piece, err);
	return piece == BAD ? sp_fail(err, SP_DEVICE, "piece %d fell down", BAD) : SP_OK;
}

static void every_piece_is_taken_once(void **state)
{
	static atomic_int times[PIECES];

	(void)state;
	assert_int_equal(sp_device_share(tick, times, 3, PIECES, NULL), SP_OK);
	for (size_t i = 0; i < PIECES; i++)
		assert_int_equal(times[i], 1);
}

static void a_failure_ends_the_work_with_its_sentence(void **state)
{
	static atomic_int times[PIECES];
	sp_error err = {0};

	(void)state;
	assert_int_equal(sp_device_share(stumble, times, 3, PIECES, &err), SP_DEVICE);
	assert_string_equal(err.text, "piece 17 fell down");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_list_of_devices_opens_all_of_them),
	        cmocka_unit_test(a_senseless_number_of_parts_is_refused),
	        cmocka_unit_test(batches_on_two_devices_have_the_sums_of_one),
	        cmocka_unit_test(columns_from_two_devices_are_those_of_one),
	        cmocka_unit_test(every_piece_is_taken_once),
	        cmocka_unit_test(a_failure_ends_the_work_with_its_sentence),
	};

	return cmocka_run_group_tests_name("devices share", tests, set_up, tear_down);
}
