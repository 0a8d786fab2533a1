#include "optimise_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MOST_ROWS 1000

sp_influence *dense_matrix(sp_device *d, size_t n_rows, size_t n_columns, const double *entries)
{
	sp_grid grid = {{n_rows, 1, 1}, {2.0, 3.0, 4.0}, {-7.0, 5.0, 1.0}};
	uint64_t *rows = calloc(n_rows, sizeof *rows), *indptr = calloc(n_rows + 1, sizeof *indptr);
	uint32_t *indices = calloc(n_rows * n_columns, sizeof *indices);
	float *data = calloc(n_rows * n_columns, sizeof *data);
	sp_influence *m = NULL;
	sp_error err = {0};
	size_t n = 0;

	assert_true(rows && indptr && indices && data);
	for (size_t row = 0; row < n_rows; row++) {
		rows[row] = row;
		for (size_t column = 0; column < n_columns; column++) {
			if (entries[row * n_columns + column] == 0.0)
				continue;
			indices[n] = (uint32_t)column;
			data[n++] = (float)entries[row * n_columns + column];
		}
		indptr[row + 1] = n;
	}
	if (sp_influence_from_csr(&m, d, &grid, rows, n_rows, n_columns, indptr, indices, data, &err) != SP_OK)
		fail_msg("%s", err.text);
	free(rows);
	free(indptr);
	free(indices);
	free(data);
	return m;
}

double next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return ((double)(*state >> 8) + 0.5) / 16777216.0;
}

sp_term term_on(sp_term_kind kind, size_t first_row, size_t n, double dose_gy, double volume, double weight)
{
	static uint32_t rows[MOST_ROWS];
	static float volumes[MOST_ROWS];
	sp_term t = {.kind = kind, .dose_gy = dose_gy, .volume = volume, .weight = weight, .n = n};

	for (size_t i = 0; i < MOST_ROWS; i++) {
		rows[i] = (uint32_t)i;
		volumes[i] = 0.5f;
	}
	assert_true(first_row + n <= MOST_ROWS);
	memcpy(t.name, "structure", 10);
	t.rows = rows + first_row;
	t.volumes = volumes + first_row;
	return t;
}

int device_set_up(void **state)
{
	sp_error err = {0};

	if (sp_device_open((sp_device **)state, NULL, &err) != SP_OK)
		fail_msg("%s", err.text);
	return 0;
}

int device_tear_down(void **state)
{
	sp_device_close(*state);
	return 0;
}
