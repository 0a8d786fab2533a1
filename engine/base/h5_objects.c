/* Finding objects for the reader process: along hard links only, and with data that is in the file. */
#include "h5_internal.h"

#include <string.h>

hid_t sp_h5_open_object(sp_h5_reader *r, const char *path, bool *missing)
{
	hid_t here = H5Oopen(r->file, "/", H5P_DEFAULT);
	const char *whole = path;
	char name[SP_H5_PATH_BYTES];

	*missing = false;
	if (here < 0)
		sp_h5_reader_refuse_broken(r, "/", "");
	while (here >= 0) {
		H5L_info_t link;
		hid_t next;
		size_t length;

		path += strspn(path, "/");
		length = strcspn(path, "/");
		if (length == 0)
			return here;
		memcpy(name, path, length);
		name[length] = '\0';
		path += length;
		if (H5Iget_type(here) != H5I_GROUP || H5Lexists(here, name, H5P_DEFAULT) == 0) {
			*missing = true;
			H5Oclose(here);
			return -1;
		}
		if (H5Lget_info(here, name, &link, H5P_DEFAULT) < 0) {
			sp_h5_reader_refuse_broken(r, name, "");
			return -1;
		}
		if (link.type != H5L_TYPE_HARD) {
			sp_h5_reader_refuse(r, ":%.*s is a soft or external link; only the file's own objects are read",
			                    (int)(path - whole), whole);
			H5Oclose(here);
			return -1;
		}
		next = H5Oopen(here, name, H5P_DEFAULT);
		if (next < 0) {
			sp_h5_reader_refuse_broken(r, name, "");
			return -1;
		}
		H5Oclose(here);
		here = next;
	}
	return here;
}

hid_t sp_h5_open_or_refuse(sp_h5_reader *r, const char *path)
{
	bool missing;
	hid_t id = sp_h5_open_object(r, path, &missing);

	if (id < 0 && missing)
		sp_h5_reader_refuse(r, ":%s is missing", path);
	return id;
}

hid_t sp_h5_open_dataset(sp_h5_reader *r, const char *path)
{
	hid_t id = sp_h5_open_or_refuse(r, path);

	if (id >= 0 && H5Iget_type(id) != H5I_DATASET) {
		sp_h5_reader_refuse(r, ":%s is not a dataset", path);
		H5Oclose(id);
		return -1;
	}
	return id;
}

sp_h5_class sp_h5_class_of(hid_t type)
{
	switch (H5Tget_class(type)) {
	case H5T_INTEGER:
	case H5T_ENUM: /* h5py's booleans */
		return SP_H5_INTEGER;
	case H5T_FLOAT:
		return SP_H5_FLOAT;
	case H5T_STRING:
		return SP_H5_TEXT;
	default:
		return SP_H5_STRANGE;
	}
}

bool sp_h5_take_shape(sp_h5_info *info, hid_t space)
{
	hsize_t dims[H5S_MAX_RANK] = {0};
	int rank = H5Sget_simple_extent_ndims(space);

	if (rank < 0 || rank > SP_H5_MAX_RANK || H5Sget_simple_extent_dims(space, dims, NULL) < 0)
		return false;
	info->rank = rank;
	info->elements = H5Sget_simple_extent_type(space) == H5S_NULL ? 0 : 1;
	for (int i = 0; i < rank; i++) {
		info->dims[i] = dims[i];
		if (dims[i] && info->elements > UINT64_MAX / dims[i])
			return false;
		info->elements *= dims[i];
	}
	return true;
}

bool sp_h5_refuse_layout(sp_h5_reader *r, const char *path, hid_t dataset)
{
	hid_t layout = H5Dget_create_plist(dataset);
	bool refused = true;

	if (layout < 0) {
		sp_h5_reader_refuse_broken(r, path, "");
		return true;
	}
	if (H5Pget_external_count(layout) > 0 || H5Pget_layout(layout) == H5D_VIRTUAL) {
		sp_h5_reader_refuse(r, ":%s keeps its data in other files; only the file's own data is read", path);
		goto cleanup;
	}
	for (int i = 0; i < H5Pget_nfilters(layout); i++) {
		unsigned flags, values[16];
		size_t n_values = 16;
		char name[64] = "";
		H5Z_filter_t filter =
		        H5Pget_filter2(layout, (unsigned)i, &flags, &n_values, values, sizeof name, name, NULL);

		if (filter < 0 || H5Zfilter_avail(filter) <= 0) {
			sp_h5_reader_refuse(
			        r, ":%s is compressed with filter %d (%.63s), which is not at hand; write it with gzip",
			        path, (int)filter, name);
			goto cleanup;
		}
	}
	refused = false;
cleanup:
	H5Pclose(layout);
	return refused;
}
