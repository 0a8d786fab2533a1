/* Small dense matrices as influence matrices, for the tests of the optimiser. */
#ifndef SP_OPTIMISE_FIXTURE_H
#define SP_OPTIMISE_FIXTURE_H

#include "influence.h"
#include "optimise.h"

/* entries[n_rows][n_columns], zeros left out; fails the test when that fails. */
sp_influence *dense_matrix(sp_device *d, size_t n_rows, size_t n_columns, const double *entries);

/* A deterministic number in (0, 1). */
double next_random(uint32_t *state);

/* A term on n rows of equal volume, starting at first_row; rows and volumes are kept in static tables. */
sp_term term_on(sp_term_kind kind, size_t first_row, size_t n, double dose_gy, double volume, double weight);

int device_set_up(void **state);
int device_tear_down(void **state);

#endif
