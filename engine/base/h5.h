/* HDF5 files, with every answer of the library checked.
 *
 * Writing happens here, under a temporary name: the file appears whole or not at all. Reading happens in a process of
 * its own (h5_reader.c) with limits on memory and processor time, because the HDF5 library can crash or hang on damaged
 * files; this process only sees what came through a socket, and a damaged file becomes a sentence.
 *
 * Objects are named by their path from the root ("/ct/hu", "/" for the root). Only hard links are followed, and data
 * that a file keeps in other files is refused. */
#ifndef SP_H5_H
#define SP_H5_H

#include <stdbool.h>
#include <stdint.h>

#include "status.h"

#define SP_H5_MAX_RANK 8
#define SP_H5_PATH_BYTES 1024

/* path_out = a + b + c, cut off at SP_H5_PATH_BYTES. */
void sp_h5_join(char path_out[SP_H5_PATH_BYTES], const char *a, const char *b, const char *c);

/* The number type in our memory; in a file that we write also the type on disk (little endian). */
typedef enum {
	SP_H5_U8,
	SP_H5_I8,
	SP_H5_I16,
	SP_H5_I32,
	SP_H5_U32,
	SP_H5_I64,
	SP_H5_U64,
	SP_H5_F32,
	SP_H5_F64
} sp_h5_type;

size_t sp_h5_type_bytes(sp_h5_type type);

/* ---- writing ---- */

typedef struct sp_h5_out sp_h5_out;

/* Starts a new file that will be called path. */
sp_status sp_h5_create(sp_h5_out **out, const char *path, sp_error *err);

/* Flushes, closes and renames; *f is freed and set to NULL, also on failure (then nothing is left on disk). */
sp_status sp_h5_commit(sp_h5_out **f, sp_error *err);

/* Throws an unfinished file away. NULL is fine. */
void sp_h5_abandon(sp_h5_out *f);

/* Makes a group and the groups above it; one that exists is fine. */
sp_status sp_h5_write_group(sp_h5_out *f, const char *group, sp_error *err);

/* A whole dataset ([dims[0]][dims[1]]...) with the groups above it. compress: chunked, shuffled and deflated. */
sp_status sp_h5_write(sp_h5_out *f, const char *path, sp_h5_type type, int rank, const uint64_t *dims, bool compress,
                      const void *data, sp_error *err);

/* A dataset that is filled row by row (rows: the first dimension) by sp_h5_write_rows. */
sp_status sp_h5_write_begin(sp_h5_out *f, const char *path, sp_h5_type type, int rank, const uint64_t *dims,
                            bool compress, sp_error *err);
sp_status sp_h5_write_rows(sp_h5_out *f, const char *path, sp_h5_type type, uint64_t first_row, uint64_t n_rows,
                           const void *data, sp_error *err);

/* Rows that a chunk of a compressed dataset holds: writing whole chunks at a time compresses each only once. */
uint64_t sp_h5_chunk_rows(int rank, const uint64_t *dims);

/* A second name (hard link) for an object that exists. */
sp_status sp_h5_link(sp_h5_out *f, const char *existing, const char *name, sp_error *err);

/* Text of any length as a scalar dataset (UTF-8); attributes hold 64 kB at most. */
sp_status sp_h5_write_text(sp_h5_out *f, const char *path, const char *text, sp_error *err);

/* Attributes of an object that exists: one number (n = 1, scalar), an array of n > 1, or text (UTF-8). */
sp_status sp_h5_set_numbers(sp_h5_out *f, const char *object, const char *attribute, sp_h5_type type, size_t n,
                            const void *values, sp_error *err);
sp_status sp_h5_set_text(sp_h5_out *f, const char *object, const char *attribute, const char *text, sp_error *err);

/* ---- reading ---- */

typedef struct sp_h5_in sp_h5_in;

typedef enum { SP_H5_NOTHING, SP_H5_GROUP, SP_H5_DATASET, SP_H5_OTHER } sp_h5_kind;
typedef enum { SP_H5_INTEGER, SP_H5_FLOAT, SP_H5_TEXT, SP_H5_STRANGE } sp_h5_class;

/* What there is under a path. For a dataset also its numbers; scalars have rank 0 and one element. */
typedef struct {
	sp_h5_kind kind;
	sp_h5_class class;
	size_t element_bytes;
	bool is_signed; /* integers */
	int rank;
	uint64_t dims[SP_H5_MAX_RANK];
	uint64_t elements;
} sp_h5_info;

/* Opens a file for reading and starts its reader process. Statuses of all read calls: SP_IO (the file cannot be
 * opened), SP_BAD_INPUT (not HDF5, damaged, not as asked), SP_NO_MEMORY, SP_INTERRUPTED. After the reader process has
 * died every further call fails. */
sp_status sp_h5_open(sp_h5_in **out, const char *path, sp_error *err);
void sp_h5_close(sp_h5_in *f);

/* The path given to sp_h5_open, and the file's size. */
const char *sp_h5_path(const sp_h5_in *f);
uint64_t sp_h5_file_bytes(const sp_h5_in *f);

/* kind is SP_H5_NOTHING where there is no such object; that is no failure. */
sp_status sp_h5_look(sp_h5_info *out, sp_h5_in *f, const char *path, sp_error *err);

/* The names in a group, in the order of their bytes; one allocation: free(*out). */
sp_status sp_h5_list(char ***out, size_t *n_out, sp_h5_in *f, const char *group, sp_error *err);

/* Looks, and refuses what is not a numeric dataset of the rank and dims expected (dims[i] = 0: any size; NULL: any),
 * or claims more elements than max_elements or than a file of this size can hold. */
sp_status sp_h5_expect(sp_h5_info *out, sp_h5_in *f, const char *path, int rank, const uint64_t *dims,
                       uint64_t max_elements, sp_error *err);

/* n_elements numbers of a dataset, converted to type as C does, but clamped to its range. */
sp_status sp_h5_read(sp_h5_in *f, const char *path, sp_h5_type type, void *data_out, uint64_t n_elements,
                     sp_error *err);

/* Rows first_row.. of a dataset; n_elements is what the caller has room for, and must be right. */
sp_status sp_h5_read_rows(sp_h5_in *f, const char *path, sp_h5_type type, uint64_t first_row, uint64_t n_rows,
                          void *data_out, uint64_t n_elements, sp_error *err);

/* The text of a scalar dataset, malloc'ed, at most 64 MB. */
sp_status sp_h5_read_text(char **out, sp_h5_in *f, const char *path, sp_error *err);

/* Attributes. Absent: *found = false (numbers) or *out = NULL (text), and SP_OK. Numbers may be integers, floats or
 * booleans of any width, exactly n of them (a scalar counts as one); text fixed or variable in length. */
sp_status sp_h5_get_numbers(double *out, size_t n, bool *found, sp_h5_in *f, const char *object, const char *attribute,
                            sp_error *err);
sp_status sp_h5_get_text(char **out, sp_h5_in *f, const char *object, const char *attribute, sp_error *err);

#endif
