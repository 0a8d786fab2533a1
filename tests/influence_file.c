/* The influence matrix in a file: what is read is what was written, bit for bit; other programs' files are read, and
 * malformed ones refused with a sentence that says where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "h5.h"
#include "influence_fixture.h"

#define PATH "influence_file_test.h5"

static void assert_ok(sp_status st, const sp_error *err)
{
	if (st != SP_OK)
		fail_msg("%s", err->text);
}

static void assert_same_products(sp_influence *a, sp_influence *b)
{
	float *w = random_vector(a->n_columns, 1), *g = random_vector(a->n_rows, 2);
	float *dose[2] = {multiply(a, w), multiply(b, w)};
	float *gradient[2] = {multiply_transposed(a, g), multiply_transposed(b, g)};

	assert_memory_equal(dose[0], dose[1], a->n_rows * sizeof(float));
	assert_memory_equal(gradient[0], gradient[1], a->n_columns * sizeof(float));
	for (int i = 0; i < 2; i++) {
		free(dose[i]);
		free(gradient[i]);
	}
	free(w);
	free(g);
}

/* Arrays of the whole matrix, part after part, with run values as lengths so that cuts do not show. */
static void assert_same_storage(sp_influence *a, sp_influence *b)
{
	void *x[SP_PART_ARRAYS], *y[SP_PART_ARRAYS];
	size_t sizes[SP_PART_ARRAYS], other[SP_PART_ARRAYS];
	sp_error err = {0};

	assert_int_equal(a->n_parts, b->n_parts);
	for (size_t p = 0; p < a->n_parts; p++) {
		sp_part_sizes(sizes, &a->parts[p].part);
		sp_part_sizes(other, &b->parts[p].part);
		assert_memory_equal(sizes, other, sizeof sizes);
		assert_ok(sp_influence_host(x, a, p, &err), &err);
		assert_ok(sp_influence_host(y, b, p, &err), &err);
		for (int i = 0; i < SP_PART_ARRAYS; i++)
			assert_memory_equal(x[i], y[i], sizes[i]);
		sp_influence_host_done(a, p, x);
		sp_influence_host_done(b, p, y);
	}
}

static void what_is_read_is_what_was_written(void **state)
{
	fixture *f = *state;
	sp_influence *m = matrix_of(f->device, &f->matrix, SP_PRODUCT_ROWS, false, false), *back;
	float *bixels = random_vector(3 * f->matrix.n_columns, 3);
	sp_error err = {0};

	assert_ok(sp_influence_write(m, bixels, NULL, PATH, &err), &err);
	assert_ok(sp_influence_read(&back, f->device, PATH, &err), &err);
	assert_int_equal(sp_influence_rows(back), f->matrix.n_rows);
	assert_int_equal(sp_influence_columns(back), f->matrix.n_columns);
	assert_true(sp_grid_equal(sp_influence_grid(back), &f->matrix.grid));
	assert_memory_equal(sp_influence_row_voxels(back), f->matrix.rows, f->matrix.n_rows * sizeof(uint64_t));
	assert_same_storage(m, back);
	sp_influence_prepare_as(back, SP_PRODUCT_ROWS, false, &err);
	assert_same_products(m, back);
	sp_influence_destroy(back);
	sp_influence_destroy(m);
	free(bixels);
	unlink(PATH);
}

static void matrix_in_host_memory_is_written_and_read_the_same(void **state)
{
	fixture *f = *state;
	sp_influence *m = matrix_of(f->device, &f->matrix, SP_PRODUCT_ROWS, false, false);
	sp_influence *parts = matrix_of(f->small, &f->matrix, SP_PRODUCT_ROWS, false, true), *back;
	sp_error err = {0};

	assert_ok(sp_influence_write(parts, NULL, NULL, PATH, &err), &err);
	assert_ok(sp_influence_read(&back, f->small, PATH, &err), &err);
	assert_same_storage(parts, back);
	sp_influence_destroy(back);
	assert_ok(sp_influence_read(&back, f->device, PATH, &err), &err);
	sp_influence_prepare_as(back, SP_PRODUCT_ROWS, false, &err);
	assert_same_products(m, back);
	sp_influence_destroy(back);
	sp_influence_destroy(parts);
	sp_influence_destroy(m);
	unlink(PATH);
}

/* A scale that 65535 does not bring back: float(float(s * 65535) / 65535) differs from s for some s, so the largest
 * entry alone would not give the same matrix. And runs that touch, which the columns alone would join. */
static void awkward_scales_and_touching_runs_survive(void **state)
{
	enum { ROWS = 200, COLUMNS = 20 };
	fixture *f = *state;
	sp_grid grid = {{ROWS, 1, 1}, {1, 1, 1}, {0, 0, 0}};
	uint64_t voxels[ROWS], indptr[ROWS + 1] = {0};
	uint32_t indices[ROWS * 2], lengths[ROWS * 2];
	float data[ROWS * 2], scale[ROWS];
	sp_csr_rows rows = {.name = "awkward", .n_rows = ROWS, .indptr = indptr, .indices = indices, .data = data};
	sp_influence *m, *back;
	sp_error err = {0};

	for (unsigned i = 0; i < ROWS; i++) {
		voxels[i] = i;
		indptr[i + 1] = 2 * i + 2;
		scale[i] = 1e-5f * (1.0f + (float)i / 97.0f);
		indices[2 * i] = i % 19;
		indices[2 * i + 1] = i % 19 + 1;
		data[2 * i] = scale[i] * 65535.0f;
		data[2 * i + 1] = scale[i] * (float)(i * 300);
		lengths[2 * i] = lengths[2 * i + 1] = 1;
	}
	rows.row_scale = scale;
	rows.run_length = lengths;
	rows.n_run_lengths = 2 * ROWS;
	assert_ok(sp_influence_create(&m, f->device, &grid, voxels, ROWS, COLUMNS, &err), &err);
	assert_ok(sp_influence_append_csr(m, &rows, NULL, &err), &err);
	assert_int_equal(m->parts[0].part.n_runs, 2 * ROWS);
	assert_ok(sp_influence_write(m, NULL, NULL, PATH, &err), &err);
	assert_ok(sp_influence_read(&back, f->device, PATH, &err), &err);
	assert_same_storage(m, back);
	sp_influence_destroy(back);
	sp_influence_destroy(m);
	unlink(PATH);
}

static void empty_matrix_survives(void **state)
{
	fixture *f = *state;
	csr c = random_csr(0, 4, 1);
	sp_influence *m = matrix_of(f->device, &c, SP_PRODUCT_ROWS, false, false), *back;
	sp_error err = {0};

	assert_ok(sp_influence_write(m, NULL, NULL, PATH, &err), &err);
	assert_ok(sp_influence_read(&back, f->device, PATH, &err), &err);
	assert_int_equal(sp_influence_rows(back), 0);
	assert_int_equal(sp_influence_columns(back), 4);
	sp_influence_destroy(back);
	sp_influence_destroy(m);
	csr_finish(&c);
	unlink(PATH);
}

/* A small file as another program would write it, with one thing changed by each test: 2 x 2 x 1 voxels, 5 bixels. */
typedef struct {
	int64_t shape[2], size[3];
	double spacing_mm[3];
	int64_t indptr[5];
	int32_t indices[6];
	double data[6];
	uint64_t n_entries;
	bool integer_data;
} foreign;

static const foreign good = {.shape = {4, 5},
                             .size = {2, 2, 1},
                             .spacing_mm = {1, 2, 3},
                             .indptr = {0, 3, 3, 4, 6},
                             .indices = {0, 1, 4, 2, 0, 3},
                             .data = {1.0, 2.0, 0.5, 4.0, 0.25, 3.0},
                             .n_entries = 6};

static void write_foreign(const foreign *x)
{
	const double origin[3] = {0, 0, 0};
	const uint64_t five = 5;
	sp_h5_out *file;
	sp_error err = {0};

	assert_ok(sp_h5_create(&file, PATH, &err), &err);
	assert_ok(sp_h5_write_group(file, "/influence", &err), &err);
	assert_ok(sp_h5_set_numbers(file, "/influence", "shape", SP_H5_I64, 2, x->shape, &err), &err);
	assert_ok(sp_h5_set_numbers(file, "/influence", "size", SP_H5_I64, 3, x->size, &err), &err);
	assert_ok(sp_h5_set_numbers(file, "/influence", "spacing_mm", SP_H5_F64, 3, x->spacing_mm, &err), &err);
	assert_ok(sp_h5_set_numbers(file, "/influence", "origin_mm", SP_H5_F64, 3, origin, &err), &err);
	assert_ok(sp_h5_write(file, "/influence/indptr", SP_H5_I64, 1, &five, false, x->indptr, &err), &err);
	assert_ok(sp_h5_write(file, "/influence/indices", SP_H5_I32, 1, &x->n_entries, false, x->indices, &err), &err);
	assert_ok(sp_h5_write(file, "/influence/data", x->integer_data ? SP_H5_I64 : SP_H5_F64, 1, &x->n_entries, false,
	                      x->data, &err),
	          &err);
	assert_ok(sp_h5_commit(&file, &err), &err);
}

/* float64 data, int32 indices, int64 indptr, no rows: the voxels with entries become rows. */
static void matrix_of_another_program_is_read(void **state)
{
	fixture *f = *state;
	const float w[5] = {1, 1, 1, 1, 1};
	sp_influence *m;
	float *dose;
	sp_error err = {0};

	write_foreign(&good);
	assert_ok(sp_influence_read(&m, f->device, PATH, &err), &err);
	assert_int_equal(sp_influence_rows(m), 3);
	assert_int_equal(sp_influence_row_voxels(m)[1], 2);
	assert_int_equal(sp_influence_row_voxels(m)[2], 3);
	dose = multiply(m, w);
	/* entries are rounded to 1/65535 of their row's largest */
	assert_float_equal(dose[0], 3.5f, 1e-4f);
	assert_float_equal(dose[1], 4.0f, 1e-4f);
	assert_float_equal(dose[2], 3.25f, 1e-4f);
	free(dose);
	sp_influence_destroy(m);
	unlink(PATH);
}

static void assert_refused(fixture *f, const foreign *x, const char *says)
{
	sp_influence *m;
	sp_error err = {0};

	write_foreign(x);
	assert_int_equal(sp_influence_read(&m, f->device, PATH, &err), SP_BAD_INPUT);
	assert_null(m);
	if (!strstr(err.text, PATH) || !strstr(err.text, says))
		fail_msg("message is \"%s\", expected it to say \"%s\"", err.text, says);
	unlink(PATH);
}

static void malformed_matrices_are_refused_with_the_place(void **state)
{
	fixture *f = *state;
	foreign x;

	x = good, x.indices[4] = 5;
	assert_refused(f, &x, "indices[4] is 5, expected a bixel from 0 to below 5");
	x = good, x.indices[1] = -1;
	assert_refused(f, &x, "indices[1] is -1");
	x = good, x.indices[1] = 4, x.indices[2] = 1;
	assert_refused(f, &x, "row 0 does not have ascending columns");
	x = good, x.indices[1] = 0;
	assert_refused(f, &x, "row 0 does not have ascending columns");
	x = good, x.indptr[2] = 2;
	assert_refused(f, &x, "indptr falls from 3 to 2 at voxel 1");
	x = good, x.indptr[0] = 1;
	assert_refused(f, &x, "indptr[0] is 1, expected 0");
	x = good, x.indptr[4] = 7;
	assert_refused(f, &x, "/influence/data has 6 elements, but indptr ends at 7");
	x = good, x.data[3] = -4.0;
	assert_refused(f, &x, "row 1, column 2 is -4, expected a finite dose >= 0");
	x = good, x.data[0] = (double)(0.0f / 0.0f);
	assert_refused(f, &x, "row 0, column 0 is ");
	x = good, x.shape[0] = 5;
	assert_refused(f, &x, "shape has 5 voxels, but the grid 2 x 2 x 1");
	x = good, x.shape[1] = -5;
	assert_refused(f, &x, "shape[1] is -5");
	x = good, x.spacing_mm[1] = 0.0;
	assert_refused(f, &x, "spacing_mm[1] is 0");
	x = good, x.size[2] = 0;
	assert_refused(f, &x, "size[2] is 0");
	x = good, x.integer_data = true;
	assert_refused(f, &x, "/influence/data does not hold floating-point numbers");
}

static void missing_file_and_folder_are_named(void **state)
{
	fixture *f = *state;
	sp_influence *m = matrix_of(f->device, &f->matrix, SP_PRODUCT_ROWS, false, false), *back;
	sp_error err = {0};

	assert_int_equal(sp_influence_read(&back, f->device, "no_such_file.h5", &err), SP_IO);
	assert_non_null(strstr(err.text, "no_such_file.h5"));
	memset(&err, 0, sizeof err);
	assert_int_equal(sp_influence_write(m, NULL, NULL, "no_such_folder/m.h5", &err), SP_IO);
	assert_non_null(strstr(err.text, "no_such_folder/m.h5"));
	sp_influence_destroy(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(what_is_read_is_what_was_written),
	        cmocka_unit_test(matrix_in_host_memory_is_written_and_read_the_same),
	        cmocka_unit_test(awkward_scales_and_touching_runs_survive),
	        cmocka_unit_test(empty_matrix_survives),
	        cmocka_unit_test(matrix_of_another_program_is_read),
	        cmocka_unit_test(malformed_matrices_are_refused_with_the_place),
	        cmocka_unit_test(missing_file_and_folder_are_named),
	};

	return cmocka_run_group_tests(tests, influence_set_up, influence_tear_down);
}
