/* The writing side of h5.h. The file goes through a driver of our own (h5_disk.c), so that a full disk shows there and
 * not as errors that the library cannot get over. */
#include "h5_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "atomic_file.h"
#include "h5_disk.h"

/* Elements a chunk holds at most: at 2 to 8 bytes, half a megabyte to four. */
#define CHUNK_ELEMENTS (512u * 1024u)
/* Past level 3 deflate takes twice the time for 1 to 2 % less (512 x 512 x 101 chest CT). */
#define DEFLATE_LEVEL 3

struct sp_h5_out {
	hid_t file, access; /* access holds the driver until the file is closed: HDF5 1.10 lets go of it too early */
	char *path, *temporary;
	sp_h5_disk disk;
};

/* To be called right after the library's call that failed, before anything is closed. */
static sp_status fail_write(sp_h5_out *f, const char *path, const char *attribute, sp_error *err)
{
	char reason[512];

	sp_h5_reason(reason, sizeof reason);
	if (f->disk.failure)
		return sp_fail(err, SP_IO, "cannot write %s: %s", f->path, strerror(f->disk.failure));
	f->disk.failure = ECANCELED; /* no need to write what is going to be thrown away */
	return sp_fail(err, SP_FAILED, "cannot write %s:%s%s%s: %s", f->path, path, attribute ? " " : "",
	               attribute ? attribute : "", reason[0] ? reason : "HDF5 gives no reason");
}

/* The end of every call that writes: the disk may have failed although the library knows nothing of it. */
static sp_status written(sp_h5_out *f, sp_status st, const char *path, sp_error *err)
{
	return st == SP_OK && f->disk.failure ? fail_write(f, path, NULL, err) : st;
}

sp_status sp_h5_create(sp_h5_out **out, const char *path, sp_error *err)
{
	sp_h5_out *f = sp_alloc_array(1, sizeof *f);
	sp_status st = SP_OK;
	char reason[512];

	*out = NULL;
	if (!f || !(f->path = sp_copy_text(path))) {
		free(f);
		return sp_fail(err, SP_NO_MEMORY, "out of memory writing %s", path);
	}
	f->file = f->access = H5I_INVALID_HID;
	if ((st = sp_atomic_begin(&f->temporary, path, err)) != SP_OK)
		goto cleanup;
	H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
	f->access = sp_h5_disk_access(&f->disk);
	f->file = f->access < 0 ? -1 : H5Fcreate(f->temporary, H5F_ACC_TRUNC, H5P_DEFAULT, f->access);
	sp_h5_reason(reason, sizeof reason);
	if (f->file < 0) {
		st = sp_fail(err, f->disk.failure == ENOMEM ? SP_NO_MEMORY : SP_IO, "cannot write %s: %s", path,
		             f->disk.failure ? strerror(f->disk.failure) : reason);
		goto cleanup;
	}
	*out = f;
	f = NULL;
cleanup:
	sp_h5_abandon(f);
	return st;
}

void sp_h5_abandon(sp_h5_out *f)
{
	if (!f)
		return;
	f->disk.failure = f->disk.failure ? f->disk.failure : ECANCELED;
	if (f->file >= 0)
		H5Fclose(f->file);
	if (f->access >= 0)
		H5Pclose(f->access);
	sp_atomic_abandon(f->temporary);
	free(f->temporary);
	free(f->path);
	free(f);
}

sp_status sp_h5_commit(sp_h5_out **out, sp_error *err)
{
	sp_h5_out *f = *out;
	sp_status st = SP_OK;

	*out = NULL;
	if (H5Fclose(f->file) < 0 || f->disk.failure)
		st = fail_write(f, "/", NULL, err);
	f->file = H5I_INVALID_HID;
	if (st == SP_OK)
		st = sp_atomic_commit(f->temporary, f->path, err);
	sp_h5_abandon(f);
	return st;
}

/* Creation of links: names are UTF-8, and missing groups above are made. */
static hid_t link_properties(void)
{
	hid_t p = H5Pcreate(H5P_LINK_CREATE);

	H5Pset_char_encoding(p, H5T_CSET_UTF8);
	H5Pset_create_intermediate_group(p, 1);
	return p;
}

sp_status sp_h5_write_group(sp_h5_out *f, const char *group, sp_error *err)
{
	hid_t links = link_properties(), id = H5Gopen2(f->file, group, H5P_DEFAULT);
	sp_status st = SP_OK;

	if (id < 0)
		id = H5Gcreate2(f->file, group, links, H5P_DEFAULT, H5P_DEFAULT);
	if (id < 0)
		st = fail_write(f, group, NULL, err);
	else
		H5Gclose(id);
	H5Pclose(links);
	return written(f, st, group, err);
}

sp_status sp_h5_link(sp_h5_out *f, const char *existing, const char *name, sp_error *err)
{
	hid_t links = link_properties();
	sp_status st = SP_OK;

	if (H5Lcreate_hard(f->file, existing, f->file, name, links, H5P_DEFAULT) < 0)
		st = fail_write(f, name, NULL, err);
	H5Pclose(links);
	return st;
}

/* Whole trailing dimensions as far as they fit; so a 512 x 512 slice is one chunk, and slices are read one by one. */
static void choose_chunk(hsize_t chunk[SP_H5_MAX_RANK], int rank, const uint64_t *dims)
{
	uint64_t room = CHUNK_ELEMENTS;

	for (int i = rank - 1; i >= 0; i--) {
		chunk[i] = dims[i] < room ? dims[i] : room;
		chunk[i] = chunk[i] ? chunk[i] : 1;
		room /= chunk[i];
	}
}

uint64_t sp_h5_chunk_rows(int rank, const uint64_t *dims)
{
	hsize_t chunk[SP_H5_MAX_RANK];

	choose_chunk(chunk, rank, dims);
	return chunk[0];
}

static hid_t create_dataset(sp_h5_out *f, const char *path, hid_t type, int rank, const uint64_t *dims, bool compress)
{
	hid_t links = link_properties(), layout = H5Pcreate(H5P_DATASET_CREATE);
	hsize_t size[SP_H5_MAX_RANK], chunk[SP_H5_MAX_RANK];
	hid_t space, id;
	bool empty = false;

	for (int i = 0; i < rank; i++) {
		size[i] = dims[i];
		empty = empty || dims[i] == 0;
	}
	space = rank ? H5Screate_simple(rank, size, NULL) : H5Screate(H5S_SCALAR);
	H5Pset_obj_track_times(layout, 0); /* equal content makes equal files */
	if (compress && rank && !empty) {
		choose_chunk(chunk, rank, dims);
		H5Pset_chunk(layout, rank, chunk);
		H5Pset_shuffle(layout);
		H5Pset_deflate(layout, DEFLATE_LEVEL);
	}
	id = H5Dcreate2(f->file, path, type, space, links, layout, H5P_DEFAULT);
	if (id >= 0) {
		H5Sclose(space);
		H5Pclose(layout);
		H5Pclose(links);
	} /* else: handles are left to the error path, so that the library's reason is not cleared */
	return id;
}

sp_status sp_h5_write_begin(sp_h5_out *f, const char *path, sp_h5_type type, int rank, const uint64_t *dims,
                            bool compress, sp_error *err)
{
	hid_t id = create_dataset(f, path, sp_h5_disk_type(type), rank, dims, compress);

	if (id < 0)
		return fail_write(f, path, NULL, err);
	if (H5Dclose(id) < 0)
		return fail_write(f, path, NULL, err);
	return written(f, SP_OK, path, err);
}

sp_status sp_h5_write(sp_h5_out *f, const char *path, sp_h5_type type, int rank, const uint64_t *dims, bool compress,
                      const void *data, sp_error *err)
{
	hid_t id = create_dataset(f, path, sp_h5_disk_type(type), rank, dims, compress);
	uint64_t elements = 1;
	sp_status st = SP_OK;

	if (id < 0)
		return fail_write(f, path, NULL, err);
	for (int i = 0; i < rank; i++)
		elements *= dims[i];
	if (elements && H5Dwrite(id, sp_h5_memory_type(type), H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0)
		st = fail_write(f, path, NULL, err);
	if (H5Dclose(id) < 0 && st == SP_OK)
		st = fail_write(f, path, NULL, err);
	return written(f, st, path, err);
}

sp_status sp_h5_write_rows(sp_h5_out *f, const char *path, sp_h5_type type, uint64_t first_row, uint64_t n_rows,
                           const void *data, sp_error *err)
{
	hsize_t start[SP_H5_MAX_RANK] = {first_row}, count[SP_H5_MAX_RANK];
	hid_t memory = H5I_INVALID_HID, space = H5I_INVALID_HID, id;
	sp_status st = SP_OK;
	int rank;

	if (n_rows == 0)
		return SP_OK;
	id = H5Dopen2(f->file, path, H5P_DEFAULT);
	if (id < 0)
		return fail_write(f, path, NULL, err);
	space = H5Dget_space(id);
	rank = H5Sget_simple_extent_dims(space, count, NULL);
	count[0] = n_rows;
	if (rank < 1 || H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL) < 0 ||
	    (memory = H5Screate_simple(rank, count, NULL)) < 0 ||
	    H5Dwrite(id, sp_h5_memory_type(type), memory, space, H5P_DEFAULT, data) < 0)
		st = fail_write(f, path, NULL, err);
	if (memory >= 0)
		H5Sclose(memory);
	H5Sclose(space);
	if (H5Dclose(id) < 0 && st == SP_OK)
		st = fail_write(f, path, NULL, err);
	return written(f, st, path, err);
}

static hid_t utf8_type(size_t bytes)
{
	hid_t type = H5Tcopy(H5T_C_S1);

	H5Tset_size(type, bytes);
	H5Tset_cset(type, H5T_CSET_UTF8);
	return type;
}

sp_status sp_h5_write_text(sp_h5_out *f, const char *path, const char *text, sp_error *err)
{
	size_t bytes = strlen(text);
	hid_t type = utf8_type(bytes ? bytes + 1 : 1), id = create_dataset(f, path, type, 0, NULL, false);
	sp_status st = SP_OK;

	if (id < 0 || H5Dwrite(id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text) < 0)
		st = fail_write(f, path, NULL, err);
	if (id >= 0 && H5Dclose(id) < 0 && st == SP_OK)
		st = fail_write(f, path, NULL, err);
	H5Tclose(type);
	return written(f, st, path, err);
}

static sp_status set_attribute(sp_h5_out *f, const char *object, const char *attribute, hid_t disk, hid_t memory,
                               hid_t space, const void *values, sp_error *err)
{
	hid_t id = H5Acreate_by_name(f->file, object, attribute, disk, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
	sp_status st = SP_OK;

	if (id < 0 || H5Awrite(id, memory, values) < 0)
		st = fail_write(f, object, attribute, err);
	if (id >= 0 && H5Aclose(id) < 0 && st == SP_OK)
		st = fail_write(f, object, attribute, err);
	H5Sclose(space);
	return written(f, st, object, err);
}

sp_status sp_h5_set_numbers(sp_h5_out *f, const char *object, const char *attribute, sp_h5_type type, size_t n,
                            const void *values, sp_error *err)
{
	hsize_t size = n;
	hid_t space = n == 1 ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &size, NULL);

	return set_attribute(f, object, attribute, sp_h5_disk_type(type), sp_h5_memory_type(type), space, values, err);
}

/* Variable length: h5py gives such an attribute as a str. */
sp_status sp_h5_set_text(sp_h5_out *f, const char *object, const char *attribute, const char *text, sp_error *err)
{
	hid_t type = utf8_type(H5T_VARIABLE);
	sp_status st = set_attribute(f, object, attribute, type, type, H5Screate(H5S_SCALAR), &text, err);

	H5Tclose(type);
	return st;
}
