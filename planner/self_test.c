#include "self_test.h"

#include <math.h>
#include <stdlib.h>

#include "alloc.h"
#include "influence.h"
#include "machine.h"
#include "open_field.h"
#include "pencil.h"

/* ---- products of whole numbers: every term and sum is below 2^24, so floats are exact and nothing is tolerated ----
 */

#define ROWS 97
#define COLUMNS 53
#define FULL_SCALE 65535 /* a row's largest entry; with it 16-bit rounding keeps whole numbers */

/* Entry of the matrix: a band of columns that moves with the row, interrupted, and one full-scale entry a row. */
static unsigned entry(unsigned row, unsigned column)
{
	if (column == row % COLUMNS)
		return FULL_SCALE;
	return column % 11 == 3 || (column + 2 * row) % 5 == 0 ? 0 : (3 * row + column) % 101 + 1;
}

static sp_status make_matrix(sp_influence **out, sp_device *d, sp_error *err)
{
	static const sp_grid grid = {{ROWS, 1, 1}, {1.0, 1.0, 1.0}, {0.0, 0.0, 0.0}};
	uint64_t *rows = sp_alloc_array(ROWS, sizeof *rows), *indptr = sp_alloc_array(ROWS + 1, sizeof *indptr);
	uint32_t *indices = sp_alloc_array(ROWS * COLUMNS, sizeof *indices);
	float *data = sp_alloc_array(ROWS * COLUMNS, sizeof *data);
	sp_status st;

	if (rows && indptr && indices && data) {
		size_t n = 0;

		for (unsigned row = 0; row < ROWS; row++) {
			rows[row] = row;
			for (unsigned column = 0; column < COLUMNS; column++)
				if (entry(row, column)) {
					indices[n] = column;
					data[n++] = (float)entry(row, column);
				}
			indptr[row + 1] = n;
		}
		st = sp_influence_from_csr(out, d, &grid, rows, ROWS, COLUMNS, indptr, indices, data, err);
	} else {
		st = sp_fail(err, SP_NO_MEMORY, "out of memory for the self-test");
	}
	free(rows);
	free(indptr);
	free(indices);
	free(data);
	return st;
}

/* Numbers of results that are not exactly right. */
static sp_status count_wrong_products(unsigned *wrong, sp_device *d, sp_error *err)
{
	float w[COLUMNS], g[ROWS], dose[ROWS], gradient[COLUMNS];
	cl_mem w_buffer = NULL, g_buffer = NULL, dose_buffer = NULL, gradient_buffer = NULL;
	sp_influence *m = NULL;
	sp_status st;

	*wrong = 0;
	for (unsigned c = 0; c < COLUMNS; c++)
		w[c] = (float)(c % 4);
	for (unsigned r = 0; r < ROWS; r++)
		g[r] = (float)(r % 3);
	if ((st = make_matrix(&m, d, err)) != SP_OK ||
	    (st = sp_buffer_create(&w_buffer, d, CL_MEM_READ_ONLY, sizeof w, w, "weights", err)) != SP_OK ||
	    (st = sp_buffer_create(&g_buffer, d, CL_MEM_READ_ONLY, sizeof g, g, "dose gradient", err)) != SP_OK ||
	    (st = sp_buffer_create(&dose_buffer, d, CL_MEM_READ_WRITE, sizeof dose, NULL, "dose", err)) != SP_OK ||
	    (st = sp_buffer_create(&gradient_buffer, d, CL_MEM_READ_WRITE, sizeof gradient, NULL, "gradient", err)) !=
	            SP_OK ||
	    (st = sp_influence_multiply(m, dose_buffer, w_buffer, err)) != SP_OK ||
	    (st = sp_influence_multiply_transposed(m, gradient_buffer, g_buffer, err)) != SP_OK ||
	    (st = sp_buffer_read(d, dose_buffer, 0, sizeof dose, dose, err)) != SP_OK ||
	    (st = sp_buffer_read(d, gradient_buffer, 0, sizeof gradient, gradient, err)) != SP_OK)
		goto cleanup;
	for (unsigned r = 0; r < ROWS; r++) {
		unsigned sum = 0;

		for (unsigned c = 0; c < COLUMNS; c++)
			sum += entry(r, c) * (c % 4);
		*wrong += dose[r] != (float)sum;
	}
	for (unsigned c = 0; c < COLUMNS; c++) {
		unsigned sum = 0;

		for (unsigned r = 0; r < ROWS; r++)
			sum += entry(r, c) * (r % 3);
		*wrong += gradient[c] != (float)sum;
	}
cleanup:
	sp_buffer_release(&w_buffer);
	sp_buffer_release(&g_buffer);
	sp_buffer_release(&dose_buffer);
	sp_buffer_release(&gradient_buffer);
	sp_influence_destroy(m);
	return st;
}

/* ---- a pencil-beam dose ---- */

/* Water, 6 MV (Mohan), point source at 900 mm, 100 x 100 mm in 1000 mm: absolute doses on the axis by EGSnrc, from
 * tests/data/egsnrc/water_6mv_10x10.csv. Tolerance 2 % of the maximum, as in `spineplan bench accuracy`; EGSnrc's own
 * standard uncertainty is 0.4 to 0.6 % there. */
#define N_DEPTHS 3
static const size_t depth_index[N_DEPTHS] = {10, 20, 40}; /* voxels of 5 mm */
static const double egsnrc_gy[N_DEPTHS] = {7.72137e-14, 5.86718e-14, 3.27513e-14};
#define EGSNRC_MAXIMUM_GY 9.0145e-14
#define DOSE_TOLERANCE (0.02 * EGSNRC_MAXIMUM_GY)

/* The matrix against the dose without it: 16-bit rounding (8e-6 of a voxel's largest entry, times some 400 entries) and
 * float sums. */
#define MATRIX_TOLERANCE (1e-3 * EGSNRC_MAXIMUM_GY)
#define WIDE_CUTOFF_MM 300.0 /* leaves nothing out */

static sp_status pencil_doses(float without_matrix[N_DEPTHS], float with_matrix[N_DEPTHS], sp_device *d, sp_error *err)
{
	static const sp_grid water = {{3, 3, 60}, {100.0, 100.0, 5.0}, {-100.0, -100.0, 2.5}};
	static const sp_grid grid = {{1, 1, 41}, {2.0, 2.0, 5.0}, {0.0, 0.0, 0.0}};
	static const sp_open_field field = {900.0, {100.0, 100.0}};
	float red[3 * 3 * 60], dose[41];
	float *w = NULL;
	uint64_t voxels[N_DEPTHS];
	cl_mem w_buffer = NULL, dose_buffer = NULL;
	sp_machine *machine = NULL, point;
	char kernel[] = "mohan6"; /* of the spectrum of the known dose */
	sp_beam_set *beams = NULL;
	double *weights = NULL;
	sp_pencil *p = NULL;
	sp_influence *m = NULL;
	sp_status st;

	for (size_t i = 0; i < sizeof red / sizeof *red; i++)
		red[i] = 1.0f;
	for (size_t i = 0; i < N_DEPTHS; i++)
		voxels[i] = depth_index[i];
	if ((st = sp_machine_read(&machine, "generic-6mv", err)) != SP_OK)
		return st;
	point = *machine;
	point.kernel = kernel;
	point.source_fwhm_mm[0] = point.source_fwhm_mm[1] = 0.0;
	if ((st = sp_open_field_make(&beams, &weights, &field, &point, err)) != SP_OK ||
	    (st = sp_pencil_create(&p, d, &point, &water, red, err)) != SP_OK ||
	    (st = sp_pencil_dose(dose, p, beams, weights, &grid, err)) != SP_OK ||
	    (st = sp_pencil_influence(&m, p, beams, &grid, voxels, N_DEPTHS, WIDE_CUTOFF_MM, err)) != SP_OK)
		goto cleanup;
	if (!(w = sp_alloc_array(beams->n_bixels, sizeof *w))) {
		st = sp_fail(err, SP_NO_MEMORY, "out of memory for the self-test");
		goto cleanup;
	}
	for (size_t i = 0; i < beams->n_bixels; i++)
		w[i] = (float)weights[i];
	for (size_t i = 0; i < N_DEPTHS; i++)
		without_matrix[i] = dose[depth_index[i]];
	if ((st = sp_buffer_create(&w_buffer, d, CL_MEM_READ_ONLY, beams->n_bixels * sizeof *w, w, "weights", err)) !=
	            SP_OK ||
	    (st = sp_buffer_create(&dose_buffer, d, CL_MEM_READ_WRITE, N_DEPTHS * sizeof(float), NULL, "dose", err)) !=
	            SP_OK ||
	    (st = sp_influence_multiply(m, dose_buffer, w_buffer, err)) != SP_OK)
		goto cleanup;
	st = sp_buffer_read(d, dose_buffer, 0, N_DEPTHS * sizeof(float), with_matrix, err);
cleanup:
	sp_buffer_release(&w_buffer);
	sp_buffer_release(&dose_buffer);
	sp_influence_destroy(m);
	sp_pencil_destroy(p);
	sp_beam_set_destroy(beams);
	sp_machine_destroy(machine);
	free(weights);
	free(w);
	return st;
}

static sp_self_test_check check(const char *what, const char *unit, double value, double expected, double tolerance)
{
	return (sp_self_test_check){what, unit, value, expected, tolerance, fabs(value - expected) <= tolerance};
}

sp_status sp_self_test(sp_self_test_check out[SP_SELF_TEST_CHECKS], sp_device *d, sp_error *err)
{
	static const char *const what[N_DEPTHS] = {"dose in 50 mm of water, against EGSnrc",
	                                           "dose in 100 mm of water, against EGSnrc",
	                                           "dose in 200 mm of water, against EGSnrc"};
	float without_matrix[N_DEPTHS], with_matrix[N_DEPTHS];
	double worst = 0.0;
	unsigned wrong;
	sp_status st = count_wrong_products(&wrong, d, err);

	if (st != SP_OK || (st = pencil_doses(without_matrix, with_matrix, d, err)) != SP_OK)
		return st;
	out[0] = check("products of whole numbers that are wrong", "", (double)wrong, 0.0, 0.0);
	for (size_t i = 0; i < N_DEPTHS; i++) {
		double difference = fabs((double)with_matrix[i] - (double)without_matrix[i]);

		out[1 + i] = check(what[i], "Gy per photon", (double)without_matrix[i], egsnrc_gy[i], DOSE_TOLERANCE);
		worst = difference > worst || isnan(difference) ? difference : worst;
	}
	out[4] = check("the same doses by the influence matrix, difference", "Gy per photon", worst, 0.0,
	               MATRIX_TOLERANCE);
	return SP_OK;
}
