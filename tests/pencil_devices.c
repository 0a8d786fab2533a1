/* An influence matrix whose rows several devices fill. Halves of one CPU device (SPINEPLAN_SUBDEVICES) stand in for
 * devices of one kind: the matrix has the bits of one of them. */
#include "matrix_rows.h"
#include "pencil_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "alloc.h"

static const sp_grid grid = {{60, 28, 20}, {1.25, 1.25, 3.5}, {-36.0, -88.0, 24.0}};

typedef struct {
	rig *one;
	sp_beam_set *beams;
	uint64_t *voxels;
	size_t n;
	float *dose, *gradient; /* by one device, of uneven weights */
} rigs;

/* D w and D^T g, which take every entry. */
static void products(float **dose, float **gradient, const rig *r, sp_influence *m)
{
	size_t n_columns = sp_influence_columns(m), n_rows = sp_influence_rows(m);
	double *w = sp_alloc_array(n_columns, sizeof *w);
	float *g = sp_alloc_array(n_rows, sizeof *g);
	cl_mem in = NULL, out = NULL;

	for (size_t i = 0; i < n_columns; i++)
		w[i] = 1.0 + 0.01 * (double)(i % 89);
	for (size_t i = 0; i < n_rows; i++)
		g[i] = 1.0f + 0.01f * (float)(i % 97);
	*dose = rig_multiply(r, m, w);
	*gradient = sp_alloc_array(n_columns, sizeof **gradient);
	assert_int_equal(sp_buffer_create(&in, r->device, CL_MEM_READ_ONLY, n_rows * sizeof *g, g, "g", NULL), SP_OK);
	assert_int_equal(
	        sp_buffer_create(&out, r->device, CL_MEM_READ_WRITE, n_columns * sizeof **gradient, NULL, "o", NULL),
	        SP_OK);
	assert_int_equal(sp_influence_multiply_transposed(m, out, in, NULL), SP_OK);
	assert_int_equal(sp_buffer_read(r->device, out, 0, n_columns * sizeof **gradient, *gradient, NULL), SP_OK);
	sp_buffer_release(&in);
	sp_buffer_release(&out);
	free(w);
	free(g);
}

static void check_same(const rigs *r, const rig *on, sp_influence *m)
{
	float *dose, *gradient;

	products(&dose, &gradient, on, m);
	assert_memory_equal(dose, r->dose, r->n * sizeof *dose);
	assert_memory_equal(gradient, r->gradient, r->beams->n_bixels * sizeof *gradient);
	free(dose);
	free(gradient);
}

static int set_up(void **state)
{
	rigs *r = sp_alloc_array(1, sizeof *r);
	const sp_beam_setup setups[2] = {rig_setup(33.0, -20.0, 15.0), rig_setup(180.0, 45.0, 0.0)};
	void *one;
	sp_influence *m = NULL;
	sp_pencil *p;

	*state = r;
	if (setenv("SPINEPLAN_SUBDEVICES", "2", 1) != 0 || setenv("SPINEPLAN_DEVICE", "0", 1) != 0 ||
	    rig_set_up(&one) != 0)
		return -1;
	r->one = one;
	r->beams = rig_beams(setups, 2);
	r->n = sp_grid_voxels(&grid);
	r->voxels = sp_alloc_array(r->n, sizeof *r->voxels);
	for (size_t v = 0; v < r->n; v++)
		r->voxels[v] = v;
	p = rig_pencil(r->one, 0.9f);
	assert_int_equal(sp_pencil_influence(&m, p, r->beams, &grid, r->voxels, r->n, 40.0, NULL), SP_OK);
	products(&r->dose, &r->gradient, r->one, m);
	sp_influence_destroy(m);
	sp_pencil_destroy(p);
	return 0;
}

static int tear_down(void **state)
{
	rigs *r = *state;

	sp_beam_set_destroy(r->beams);
	free(r->voxels);
	free(r->dose);
	free(r->gradient);
	rig_tear_down((void **)&r->one);
	free(r);
	return 0;
}

/* The rig on both halves, with so much memory each (NULL: as it is); skips where the processor cannot be halved. */
static rig on_both(const rigs *r, const char *memory_mb)
{
	rig both = *r->one;
	sp_device_info *infos = NULL;
	size_t n = 0;

	assert_int_equal(sp_device_list(&infos, &n, NULL), SP_OK);
	free(infos);
	if (n < 2)
		skip();
	if (memory_mb)
		setenv("SPINEPLAN_DEVICE_MEMORY_MB", memory_mb, 1);
	assert_int_equal(sp_device_open(&both.device, "0,1", NULL), SP_OK);
	unsetenv("SPINEPLAN_DEVICE_MEMORY_MB");
	return both;
}

static void a_matrix_by_two_devices_is_that_of_one(void **state)
{
	static const char *const memory_mb[] = {NULL, "4"}; /* the second: parts that the device has no room for */
	const rigs *r = *state;

	for (size_t i = 0; i < 2; i++) {
		rig both = on_both(r, memory_mb[i]);
		sp_pencil *p = rig_pencil(&both, 0.9f);
		sp_influence *m = NULL;

		assert_int_equal(p->n_others, 1);
		assert_int_equal(sp_pencil_influence(&m, p, r->beams, &grid, r->voxels, r->n, 40.0, NULL), SP_OK);
		assert_ptr_equal(sp_influence_device(m), both.device);
		check_same(r, &both, m);
		sp_influence_destroy(m);
		sp_pencil_destroy(p);
		sp_device_close(both.device);
	}
}

/* The second device alone, the last rows first: what comes from it is in place and on the first device. */
static void parts_of_another_device_come_in_any_order(void **state)
{
	const rigs *r = *state;
	rig both = on_both(r, NULL);
	sp_pencil *p = rig_pencil(&both, 0.9f);
	pthread_mutex_t placing = PTHREAD_MUTEX_INITIALIZER;
	sp_pencil_matrix m = {.placing = &placing,
	                      .dose_grid = grid,
	                      .voxels = r->voxels,
	                      .n_voxels = r->n,
	                      .rows_per_block = 5000,
	                      .reach = 8 * SP_LATTICE_UNITS};
	sp_pencil_rows rows = {0};
	sp_error err = {0};

	assert_int_equal(sp_pencil_layout_make(&m.layout, p, r->beams, &grid, 40.0, NULL), SP_OK);
	assert_int_equal(sp_influence_create(&m.matrix, both.device, &grid, r->voxels, r->n, r->beams->n_bixels, NULL),
	                 SP_OK);
	assert_int_equal(sp_pencil_rows_start(&rows, &m, p->others[0], NULL), SP_OK);
	for (size_t first = r->n / 5000 * 5000, n = r->n - first;; first -= 5000, n = 5000) {
		assert_int_equal(sp_pencil_rows_fill(&rows, first, n, NULL), SP_OK);
		if (first == 0)
			break;
	}
	check_same(r, &both, m.matrix);
	/* rows that are there already */
	assert_int_equal(sp_pencil_rows_fill(&rows, 7000, 10, &err), SP_FAILED);
	assert_non_null(strstr(err.text, "rows 7000 to 7010 has no place"));
	check_same(r, &both, m.matrix);
	sp_pencil_rows_finish(&rows);
	sp_influence_destroy(m.matrix);
	sp_pencil_layout_finish(&m.layout);
	sp_pencil_destroy(p);
	sp_device_close(both.device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_matrix_by_two_devices_is_that_of_one),
	        cmocka_unit_test(parts_of_another_device_come_in_any_order),
	};

	return cmocka_run_group_tests_name("pencil devices", tests, set_up, tear_down);
}
