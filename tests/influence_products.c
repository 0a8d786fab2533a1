/* The products of the influence matrix against a plain double-precision reference, by all ways through the kernels and
 * with parts on the device and on the host. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "influence_fixture.h"

/* A float sum of n terms >= 0 is off by at most n/2 ulp of the sum (2^-24 each), here with n < 200 in any lane and a
 * factor for the rounding of products; 16-bit rounding of the entries is taken into the reference. */
#define SUM_TOLERANCE (200.0 * 0x1p-24)

typedef struct {
	const char *name;
	sp_product_way way;
	bool local_sums, small_memory, copies;
} variant;

static const variant variants[] = {
        {"rows, resident", SP_PRODUCT_ROWS, false, false, false},
        {"rows, on the host in place", SP_PRODUCT_ROWS, false, true, false},
        {"rows, copied from the host", SP_PRODUCT_ROWS, false, true, true},
        {"lanes with local sums, resident", SP_PRODUCT_LANES, true, false, false},
        {"lanes with global sums, resident", SP_PRODUCT_LANES, false, false, false},
        {"lanes with local sums, copied from the host", SP_PRODUCT_LANES, true, true, true},
};
#define N_VARIANTS (sizeof variants / sizeof *variants)

static void assert_products_right(sp_device *d, const variant *v, const csr *reference)
{
	sp_influence *m = matrix_of(d, reference, v->way, v->local_sums, v->copies);
	float *w = random_vector(reference->n_columns, 5), *g = random_vector(reference->n_rows, 6);
	float *dose = multiply(m, w), *gradient = multiply_transposed(m, g);
	double *expected = reference_gradient(reference, reference->n_rows, g);

	for (size_t row = 0; row < reference->n_rows; row++) {
		double sum = reference_dose(reference, row, w);

		if (!(fabs((double)dose[row] - sum) <= SUM_TOLERANCE * sum))
			fail_msg("%s: dose[%zu] is %.9g, expected %.9g", v->name, row, (double)dose[row], sum);
	}
	for (size_t column = 0; column < reference->n_columns; column++) {
		if (!(fabs((double)gradient[column] - expected[column]) <= SUM_TOLERANCE * expected[column]))
			fail_msg("%s: gradient[%zu] is %.9g, expected %.9g", v->name, column, (double)gradient[column],
			         expected[column]);
	}
	assert_int_equal(sp_influence_values(m), reference->indptr[reference->n_rows]);
	free(w);
	free(g);
	free(dose);
	free(gradient);
	free(expected);
	sp_influence_destroy(m);
}

static void products_agree_with_a_plain_reference(void **state)
{
	fixture *f = *state;

	for (size_t i = 0; i < N_VARIANTS; i++)
		assert_products_right(variants[i].small_memory ? f->small : f->device, &variants[i], &f->matrix);
}

/* Sizes around the lengths of vectors, teams and groups, one row, one column, no entry at all. */
static void odd_sizes_agree_too(void **state)
{
	static const size_t sizes[][2] = {{1, 1}, {1, 9}, {7, 8}, {33, 1}, {65, 17}, {3, 200}};
	fixture *f = *state;

	for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
		for (size_t i = 0; i < N_VARIANTS; i++) {
			csr c = random_csr(sizes[s][0], sizes[s][1], 40 + (unsigned)s);

			assert_products_right(variants[i].small_memory ? f->small : f->device, &variants[i], &c);
			csr_finish(&c);
		}
}

static void matrix_without_rows_gives_a_zero_gradient(void **state)
{
	fixture *f = *state;
	csr c = random_csr(0, 11, 1);

	for (size_t i = 0; i < N_VARIANTS; i++) {
		sp_influence *m = matrix_of(f->device, &c, variants[i].way, variants[i].local_sums, false);
		float nothing = 0.0f, *gradient = multiply_transposed(m, &nothing);

		for (size_t column = 0; column < 11; column++)
			assert_true(gradient[column] == 0.0f);
		free(gradient);
		sp_influence_destroy(m);
	}
	csr_finish(&c);
}

/* Rows that no part has filled have dose 0 and give nothing to the gradient. */
static void rows_not_filled_count_as_empty(void **state)
{
	fixture *f = *state;
	csr c = random_csr(50, 30, 3);
	sp_influence *m;
	double *expected;
	float *w = random_vector(30, 5), *g = random_vector(50, 6), *dose, *gradient;
	sp_csr_rows rows = {.name = "half", .n_rows = 20, .indptr = c.indptr, .indices = c.indices, .data = c.data};
	sp_error err = {0};

	assert_int_equal(sp_influence_create(&m, f->device, &c.grid, c.rows, 50, 30, &err), SP_OK);
	assert_int_equal(sp_influence_append_csr(m, &rows, NULL, &err), SP_OK);
	dose = multiply(m, w);
	gradient = multiply_transposed(m, g);
	expected = reference_gradient(&c, 20, g);
	for (size_t row = 0; row < 50; row++) {
		double sum = row < 20 ? reference_dose(&c, row, w) : 0.0;

		assert_true(fabs((double)dose[row] - sum) <= SUM_TOLERANCE * sum);
	}
	for (size_t column = 0; column < 30; column++)
		assert_true(fabs((double)gradient[column] - expected[column]) <= SUM_TOLERANCE * expected[column]);
	free(expected);
	free(w);
	free(g);
	free(dose);
	free(gradient);
	sp_influence_destroy(m);
	csr_finish(&c);
}

/* <D w, g> = <w, D^T g>: both kernels read the same matrix. Sums of positive float terms, so relative rounding only. */
static void products_are_adjoint(void **state)
{
	fixture *f = *state;

	for (size_t i = 0; i < N_VARIANTS; i++) {
		sp_influence *m = matrix_of(variants[i].small_memory ? f->small : f->device, &f->matrix,
		                            variants[i].way, variants[i].local_sums, variants[i].copies);
		float *w = random_vector(f->matrix.n_columns, 15), *g = random_vector(f->matrix.n_rows, 16);
		float *dose = multiply(m, w), *gradient = multiply_transposed(m, g);
		double left = 0.0, right = 0.0;

		for (size_t row = 0; row < f->matrix.n_rows; row++)
			left += (double)dose[row] * (double)g[row];
		for (size_t column = 0; column < f->matrix.n_columns; column++)
			right += (double)gradient[column] * (double)w[column];
		assert_true(left > 0.0);
		assert_true(fabs(left - right) <= SUM_TOLERANCE * left);
		free(w);
		free(g);
		free(dose);
		free(gradient);
		sp_influence_destroy(m);
	}
}

/* The same bits run after run, and wherever the parts lie: on the device, or cut small and brought over each time. */
static void products_repeat_bit_for_bit(void **state)
{
	fixture *f = *state;
	static const size_t first_of_way[] = {0, 3};

	for (size_t k = 0; k < 2; k++) {
		float *w = random_vector(f->matrix.n_columns, 25), *g = random_vector(f->matrix.n_rows, 26);
		float *dose = NULL, *gradient = NULL;

		for (size_t i = first_of_way[k]; i < (k ? N_VARIANTS : first_of_way[1]); i++) {
			sp_influence *m = matrix_of(variants[i].small_memory ? f->small : f->device, &f->matrix,
			                            variants[i].way, variants[i].local_sums, variants[i].copies);

			for (int run = 0; run < 3; run++) {
				float *dose_now = multiply(m, w), *gradient_now = multiply_transposed(m, g);

				if (!dose) {
					dose = dose_now;
					gradient = gradient_now;
					continue;
				}
				assert_memory_equal(dose_now, dose, f->matrix.n_rows * sizeof *dose);
				assert_memory_equal(gradient_now, gradient, f->matrix.n_columns * sizeof *gradient);
				free(dose_now);
				free(gradient_now);
			}
			sp_influence_destroy(m);
		}
		free(w);
		free(g);
		free(dose);
		free(gradient);
	}
}

static void small_memory_really_streams(void **state)
{
	fixture *f = *state;
	sp_influence *m = matrix_of(f->small, &f->matrix, SP_PRODUCT_ROWS, false, true);
	size_t on_host = 0;

	assert_true(m->n_parts > 3);
	for (size_t i = 0; i < m->n_parts; i++)
		on_host += !m->parts[i].resident;
	assert_true(on_host > 0 && on_host < m->n_parts);
	sp_influence_destroy(m);
	/* and the booked memory is free again */
	assert_true(sp_device_reserve(f->small, sp_device_memory_limit(f->small)));
	sp_device_unreserve(f->small, sp_device_memory_limit(f->small));
}

static void selected_rows_have_the_dose_they_had(void **state)
{
	fixture *f = *state;
	uint64_t *rows = calloc(f->matrix.n_rows, sizeof *rows);
	size_t n = 0;
	float *w = random_vector(f->matrix.n_columns, 35);

	for (size_t row = 0; row < f->matrix.n_rows; row += 1 + row % 5)
		rows[n++] = row;
	for (size_t i = 0; i < N_VARIANTS; i++) {
		sp_device *d = variants[i].small_memory ? f->small : f->device;
		sp_influence *m = matrix_of(d, &f->matrix, variants[i].way, variants[i].local_sums, variants[i].copies);
		sp_influence *some;
		sp_error err = {0};
		float *dose, *some_dose;

		assert_int_equal(sp_influence_select_rows(&some, m, rows, n, &err), SP_OK);
		assert_int_equal(sp_influence_rows(some), n);
		assert_int_equal(sp_influence_columns(some), f->matrix.n_columns);
		assert_int_equal(sp_influence_prepare_as(some, variants[i].way, variants[i].local_sums, &err), SP_OK);
		dose = multiply(m, w);
		some_dose = multiply(some, w);
		for (size_t k = 0; k < n; k++) {
			assert_true(some_dose[k] == dose[rows[k]]);
			assert_int_equal(sp_influence_row_voxels(some)[k], f->matrix.rows[rows[k]]);
		}
		free(dose);
		free(some_dose);
		sp_influence_destroy(some);
		sp_influence_destroy(m);
	}
	free(rows);
	free(w);
}

static void mixed_columns_give_the_dose_of_what_they_are_made_of(void **state)
{
	fixture *f = *state;
	const size_t n = f->matrix.n_columns, n_new = 5;
	float *mu = random_vector(n_new, 51), *factor = random_vector(3 * n, 52), *w = calloc(n, sizeof *w);
	size_t *first = calloc(n + 1, sizeof *first), entries = 0;
	uint32_t *column = calloc(3 * n, sizeof *column);

	/* column j has a part in none to three of the new ones; new column 4 stays empty */
	for (size_t j = 0; j < n; j++) {
		for (uint32_t k = 0; k < j % 4; k++) {
			column[entries] = (uint32_t)((j + k) % 4);
			w[j] += factor[entries] * mu[column[entries]];
			entries++;
		}
		first[j + 1] = entries;
	}
	for (size_t i = 0; i < N_VARIANTS; i++) {
		sp_device *d = variants[i].small_memory ? f->small : f->device;
		sp_influence *m = matrix_of(d, &f->matrix, variants[i].way, variants[i].local_sums, variants[i].copies),
		             *mixed;
		sp_error err = {0};
		float *dose, *mixed_dose;

		/* 7 rows at a time: many blocks, the last of a part shorter */
		assert_int_equal(sp_influence_mix_columns_as(&mixed, m, &(sp_column_mix){n_new, first, column, factor},
		                                             7 * n_new, &err),
		                 SP_OK);
		assert_int_equal(sp_influence_rows(mixed), f->matrix.n_rows);
		assert_int_equal(sp_influence_columns(mixed), n_new);
		dose = multiply(m, w);
		mixed_dose = multiply(mixed, mu);
		for (size_t k = 0; k < f->matrix.n_rows; k++) {
			/* each of the new entries is rounded to 1/65535 of the row's largest, which is no more than
			 * the dose over its monitor units */
			assert_true(fabsf(mixed_dose[k] - dose[k]) <= 1e-4f * dose[k]);
			assert_int_equal(sp_influence_row_voxels(mixed)[k], f->matrix.rows[k]);
		}
		free(dose);
		free(mixed_dose);
		sp_influence_destroy(mixed);
		sp_influence_destroy(m);
	}
	free(mu);
	free(factor);
	free(w);
	free(first);
	free(column);
}

static void joined_matrices_give_the_doses_one_below_the_other(void **state)
{
	fixture *f = *state;
	csr other = random_csr(57, f->matrix.n_columns, 41);
	float *w = random_vector(f->matrix.n_columns, 36);

	for (size_t i = 0; i < N_VARIANTS; i++) {
		sp_device *d = variants[i].small_memory ? f->small : f->device;
		sp_influence *two[2] = {
		        matrix_of(d, &f->matrix, variants[i].way, variants[i].local_sums, variants[i].copies),
		        matrix_of(d, &other, variants[i].way, variants[i].local_sums, variants[i].copies)};
		float *first = multiply(two[0], w), *second = multiply(two[1], w), *both, *sum, *g, *part[2];
		size_t n = f->matrix.n_rows;
		sp_influence *m;
		sp_error err = {0};

		g = random_vector(n + other.n_rows, 37);
		part[0] = multiply_transposed(two[0], g);
		part[1] = multiply_transposed(two[1], g + n);
		assert_int_equal(sp_influence_join(&m, two, 2, &err), SP_OK);
		assert_int_equal(sp_influence_rows(m), n + other.n_rows);
		assert_int_equal(sp_influence_values(m), sp_influence_values(two[0]) + sp_influence_values(two[1]));
		sp_influence_destroy(two[0]);
		sp_influence_destroy(two[1]);
		assert_int_equal(sp_influence_prepare_as(m, variants[i].way, variants[i].local_sums, &err), SP_OK);
		both = multiply(m, w);
		sum = multiply_transposed(m, g);
		for (size_t row = 0; row < n + other.n_rows; row++)
			assert_true(both[row] == (row < n ? first[row] : second[row - n]));
		for (size_t k = 0; k < f->matrix.n_columns; k++)
			/* sums of some hundred floats in another order */
			assert_true(fabsf(sum[k] - part[0][k] - part[1][k]) <= 1e-5f * (1.0f + fabsf(sum[k])));
		sp_influence_destroy(m);
		free(first);
		free(second);
		free(both);
		free(sum);
		free(g);
		free(part[0]);
		free(part[1]);
	}
	free(w);
	csr_finish(&other);
}

static void selection_of_nothing_and_wrong_rows(void **state)
{
	fixture *f = *state;
	sp_influence *m = matrix_of(f->device, &f->matrix, SP_PRODUCT_ROWS, false, false), *none;
	uint64_t twice[2] = {4, 4};
	sp_error err = {0};

	assert_int_equal(sp_influence_select_rows(&none, m, NULL, 0, &err), SP_OK);
	assert_int_equal(sp_influence_rows(none), 0);
	sp_influence_destroy(none);
	assert_int_equal(sp_influence_select_rows(&none, m, twice, 2, &err), SP_FAILED);
	assert_null(none);
	sp_influence_destroy(m);
}

static void entries_keep_16_bits_of_the_rows_largest(void **state)
{
	fixture *f = *state;
	uint64_t voxels[1] = {0}, indptr[2] = {0, 4};
	uint32_t indices[4] = {0, 1, 2, 5};
	float data[4] = {2.5f, 1e-5f, 0.7f, 1.234567f}, w[6] = {0};
	sp_grid grid = {{1, 1, 1}, {1, 1, 1}, {0, 0, 0}};
	sp_influence *m;
	sp_error err = {0};

	assert_int_equal(sp_influence_from_csr(&m, f->device, &grid, voxels, 1, 6, indptr, indices, data, &err), SP_OK);
	for (int i = 0; i < 4; i++) {
		float *dose;

		memset(w, 0, sizeof w);
		w[indices[i]] = 1.0f;
		dose = multiply(m, w);
		/* half a step of 1/65535 of the largest entry */
		assert_true(fabsf(dose[0] - data[i]) <= 0.5001f / 65535.0f * 2.5f);
		free(dose);
	}
	sp_influence_destroy(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(products_agree_with_a_plain_reference),
	        cmocka_unit_test(odd_sizes_agree_too),
	        cmocka_unit_test(matrix_without_rows_gives_a_zero_gradient),
	        cmocka_unit_test(rows_not_filled_count_as_empty),
	        cmocka_unit_test(products_are_adjoint),
	        cmocka_unit_test(products_repeat_bit_for_bit),
	        cmocka_unit_test(small_memory_really_streams),
	        cmocka_unit_test(selected_rows_have_the_dose_they_had),
	        cmocka_unit_test(mixed_columns_give_the_dose_of_what_they_are_made_of),
	        cmocka_unit_test(joined_matrices_give_the_doses_one_below_the_other),
	        cmocka_unit_test(selection_of_nothing_and_wrong_rows),
	        cmocka_unit_test(entries_keep_16_bits_of_the_rows_largest),
	};

	return cmocka_run_group_tests(tests, influence_set_up, influence_tear_down);
}
