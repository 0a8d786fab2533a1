/* The dose-influence matrix D: voxels (rows) by bixels (columns), Gy per unit bixel weight (course dose).
 * It lives on the device in parts of whole rows; the layout of a part is cl_kernels/shared/influence_part.h. */
#ifndef SP_INFLUENCE_H
#define SP_INFLUENCE_H

#include <CL/cl.h>
#include <stdbool.h>
#include <stdint.h>

#include "device.h"
#include "grid.h"
#include "status.h"

/* The buffers of one part. When a matrix does not fit on the device, parts are kept on the host and brought over for
 * each product; `resident` tells. */
typedef struct {
	size_t first_row, n_rows, n_runs, n_values;
	cl_mem row_run, run_column, run_value, row_scale, value;
} sp_influence_part;

typedef struct sp_influence sp_influence;

/* An empty matrix. rows[n_rows]: the voxel of `grid` that each row stands for, ascending (copied). */
sp_status sp_influence_create(sp_influence **out, sp_device *d, const sp_grid *grid, const uint64_t *rows,
                              size_t n_rows, size_t n_columns, sp_error *err);
void sp_influence_destroy(sp_influence *m);

/* Appends a filled part (rows must follow on the last part's). Takes ownership of its buffers, also on failure; when
 * the device's memory limit would be passed, the part moves to host memory. */
sp_status sp_influence_append(sp_influence *m, sp_influence_part *part, sp_error *err);

/* The same for a part on another device (a companion of the matrix's, see sp_device_open), its rows anywhere among
 * those that no part has yet. Several threads may not do so at once. */
sp_status sp_influence_place(sp_influence *m, sp_device *from, sp_influence_part *part, sp_error *err);

size_t sp_influence_rows(const sp_influence *m);
size_t sp_influence_columns(const sp_influence *m);
uint64_t sp_influence_values(const sp_influence *m); /* stored entries */
uint64_t sp_influence_bytes(const sp_influence *m);  /* memory they take, indices included */
sp_device *sp_influence_device(const sp_influence *m);
const sp_grid *sp_influence_grid(const sp_influence *m);
const uint64_t *sp_influence_row_voxels(const sp_influence *m);

/* dose = D w. dose: n_rows floats, weights: n_columns floats, both device buffers. Bitwise repeatable on a device. */
sp_status sp_influence_multiply(sp_influence *m, cl_mem dose, cl_mem weights, sp_error *err);

/* gradient = D^T g: n_columns floats from n_rows floats (device buffers). Bitwise repeatable on a device. */
sp_status sp_influence_multiply_transposed(sp_influence *m, cl_mem gradient, cl_mem g, sp_error *err);

/* A new matrix with only the given rows (indices into this one's rows, ascending). */
sp_status sp_influence_select_rows(sp_influence **out, sp_influence *m, const uint64_t *rows, size_t n_rows,
                                   sp_error *err);

/* Which columns of a matrix are summed to new ones: factor[e] times column j goes to new column `column[e]`, e from
 * first[j] up to first[j + 1]. No factor is below 0. */
typedef struct {
	size_t n_columns; /* of the new matrix */
	const size_t *first;
	const uint32_t *column;
	const float *factor;
} sp_column_mix;

/* A new matrix with those columns and the same rows. */
sp_status sp_influence_mix_columns(sp_influence **out, sp_influence *m, const sp_column_mix *mix, sp_error *err);

/* The rows of several matrices (of one device, with the same columns) one below the other, numbered anew: the result's
 * grid is a line of its rows. The parts move over; the given matrices are left without rows, for the caller to destroy.
 */
sp_status sp_influence_join(sp_influence **out, sp_influence *const *matrices, size_t n, sp_error *err);

/* From and to host CSR. */
sp_status sp_influence_from_csr(sp_influence **out, sp_device *d, const sp_grid *grid, const uint64_t *rows,
                                size_t n_rows, size_t n_columns, const uint64_t *indptr, const uint32_t *indices,
                                const float *data, sp_error *err);

/* What the columns are bixels of, for those who read the file. */
typedef struct {
	size_t n;
	const double *setups; /* n x 6: gantry, collimator, couch (degrees), isocentre x, y, z (mm) */
	const char *machine;
	double energy_mv, sad_mm, bixel_mm;
} sp_influence_beams;

/* HDF5 group /influence of the file: CSR as scipy.sparse has it (data float32, indices uint32, indptr uint64,
 * attribute shape = voxels of the grid, bixels), spacing_mm, origin_mm, size, beside it `bixels` (per column: beam,
 * x_mm, y_mm, given by the caller as n_columns x 3 floats, or NULL) and `beams` (or NULL). Streamed part by part.
 * Reading gives the same matrix bit for bit. */
sp_status sp_influence_write(sp_influence *m, const float *bixels, const sp_influence_beams *beams, const char *path,
                             sp_error *err);
sp_status sp_influence_read(sp_influence **out, sp_device *d, const char *path, sp_error *err);

#endif
