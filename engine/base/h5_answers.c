/* The reader process's answers: what it finds in the file, and what it refuses. Handles left open where something is
 * broken do no harm: a caller that gets such an answer closes the file, and with it goes this process. */
#include "h5_internal.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES (4u << 20)
#define MAX_LINKS 100000

/* Opens path link by link; only hard links are followed. < 0 and *missing where there is no such link; < 0 and an
 * answer already given otherwise. */
static hid_t open_object(sp_h5_reader *r, const char *path, bool *missing)
{
	hid_t here = H5Oopen(r->file, "/", H5P_DEFAULT);
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
			sp_h5_reader_refuse(r, ":%s is a soft or external link; only the file's own objects are read",
			                    name);
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

static hid_t open_or_refuse(sp_h5_reader *r, const char *path)
{
	bool missing;
	hid_t id = open_object(r, path, &missing);

	if (id < 0 && missing)
		sp_h5_reader_refuse(r, ":%s is missing", path);
	return id;
}

static hid_t open_dataset_or_refuse(sp_h5_reader *r, const char *path)
{
	hid_t id = open_or_refuse(r, path);

	if (id >= 0 && H5Iget_type(id) != H5I_DATASET) {
		sp_h5_reader_refuse(r, ":%s is not a dataset", path);
		H5Oclose(id);
		return -1;
	}
	return id;
}

/* ---- what is there ---- */

static sp_h5_class class_of(hid_t type)
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

/* Rank, dims and number of elements; the product is checked. */
static bool take_shape(sp_h5_info *info, hid_t space)
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

/* Data outside the file, or compressed by what we do not have. */
static bool refuse_layout(sp_h5_reader *r, const char *path, hid_t dataset)
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

void sp_h5_answer_look(sp_h5_reader *r, const sp_h5_request *rq)
{
	sp_h5_info *info = &r->answer.info;
	bool missing;
	hid_t id = open_object(r, rq->path, &missing), type = -1, space = -1;

	if (id < 0) {
		if (missing)
			sp_h5_reader_say(r, NULL, 0);
		return;
	}
	info->kind = SP_H5_OTHER;
	if (H5Iget_type(id) == H5I_GROUP)
		info->kind = SP_H5_GROUP;
	if (H5Iget_type(id) == H5I_DATASET) {
		info->kind = SP_H5_DATASET;
		type = H5Dget_type(id);
		space = H5Dget_space(id);
		if (type < 0 || space < 0) {
			sp_h5_reader_refuse_broken(r, rq->path, "");
			goto cleanup;
		}
		info->class = class_of(type);
		info->element_bytes = H5Tget_size(type);
		info->is_signed = H5Tget_class(type) == H5T_INTEGER && H5Tget_sign(type) == H5T_SGN_2;
		if (!take_shape(info, space)) {
			sp_h5_reader_refuse(r, ":%s has more dimensions or elements than can be", rq->path);
			goto cleanup;
		}
	}
	sp_h5_reader_say(r, NULL, 0);
cleanup:
	if (type >= 0)
		H5Tclose(type);
	if (space >= 0)
		H5Sclose(space);
	H5Oclose(id);
}

typedef struct {
	char *text;
	size_t used, room, links;
} name_list;

static herr_t add_name(hid_t group, const char *name, const H5L_info_t *link, void *context)
{
	name_list *list = context;
	size_t bytes = strlen(name) + 1;

	(void)group;
	(void)link;
	if (++list->links > MAX_LINKS || bytes > SP_H5_NAME_BYTES)
		return -1;
	if (list->used + bytes > list->room) {
		size_t room = 2 * list->room + bytes + 4096;
		char *text = realloc(list->text, room);

		if (!text)
			return -1;
		list->text = text;
		list->room = room;
	}
	memcpy(list->text + list->used, name, bytes);
	list->used += bytes;
	return 0;
}

void sp_h5_answer_list(sp_h5_reader *r, const sp_h5_request *rq)
{
	name_list list = {0};
	hid_t id = open_or_refuse(r, rq->path);

	if (id < 0)
		return;
	if (H5Iget_type(id) != H5I_GROUP)
		sp_h5_reader_refuse(r, ":%s is not a group", rq->path);
	else if (H5Literate(id, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, add_name, &list) < 0)
		sp_h5_reader_refuse_broken(r, rq->path, "");
	else
		sp_h5_reader_say(r, list.text, list.used);
	free(list.text);
	H5Oclose(id);
}

/* ---- numbers ---- */

/* Rows of a block: whole chunks, so that none is decompressed twice, and about BLOCK_BYTES. */
static uint64_t block_rows(hid_t dataset, uint64_t row_bytes)
{
	hid_t layout = H5Dget_create_plist(dataset);
	hsize_t chunk[H5S_MAX_RANK] = {1};
	uint64_t rows = row_bytes < BLOCK_BYTES ? BLOCK_BYTES / (row_bytes ? row_bytes : 1) : 1;

	if (layout >= 0) {
		if (H5Pget_layout(layout) == H5D_CHUNKED && H5Pget_chunk(layout, H5S_MAX_RANK, chunk) > 0 &&
		    chunk[0] > 1)
			rows = (rows + chunk[0] - 1) / chunk[0] * chunk[0];
		H5Pclose(layout);
	}
	return rows;
}

static void send_rows(sp_h5_reader *r, const sp_h5_request *rq, hid_t dataset, hid_t space, const sp_h5_info *shape)
{
	uint64_t row_elements = shape->rank && shape->dims[0] ? shape->elements / shape->dims[0] : 1;
	uint64_t n_rows = shape->rank ? rq->n_rows : 1, row_bytes = row_elements * sp_h5_type_bytes(rq->type);
	uint64_t rows = block_rows(dataset, row_bytes);
	hsize_t start[SP_H5_MAX_RANK] = {0}, count[SP_H5_MAX_RANK];
	hid_t memory = -1;
	char *block;

	if (rows > n_rows)
		rows = n_rows;
	if (rows > UINT64_MAX / (row_bytes ? row_bytes : 1) || !(block = malloc(rows * row_bytes + 1))) {
		sp_h5_reader_refuse(r, ":%s: no memory for a block of %llu rows", rq->path, (unsigned long long)rows);
		return;
	}
	if (n_rows == 0 || row_bytes == 0)
		sp_h5_reader_say(r, NULL, 0);
	for (int i = 0; i < shape->rank; i++)
		count[i] = shape->dims[i];
	for (uint64_t done = 0; row_bytes && done < n_rows; done += count[0]) {
		start[0] = rq->first_row + done;
		count[0] = n_rows - done < rows ? n_rows - done : rows;
		sp_h5_reader_limit_time(count[0] * row_bytes);
		if (shape->rank) {
			memory = H5Screate_simple(shape->rank, count, NULL);
			H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL);
		}
		if (H5Dread(dataset, sp_h5_memory_type(rq->type), shape->rank ? memory : H5S_ALL,
		            shape->rank ? space : H5S_ALL, H5P_DEFAULT, block) < 0) {
			sp_h5_reader_refuse_broken(r, rq->path, "");
			break;
		}
		if (memory >= 0)
			H5Sclose(memory);
		sp_h5_reader_say(r, block, count[0] * row_bytes);
	}
	free(block);
}

void sp_h5_answer_rows(sp_h5_reader *r, sp_h5_request *rq)
{
	sp_h5_info shape = {0};
	hid_t id = open_dataset_or_refuse(r, rq->path), space = -1, type = -1;
	uint64_t rows, elements;

	if (id < 0 || refuse_layout(r, rq->path, id))
		return;
	space = H5Dget_space(id);
	type = H5Dget_type(id);
	if (space < 0 || type < 0 || !take_shape(&shape, space)) {
		sp_h5_reader_refuse_broken(r, rq->path, "");
		goto cleanup;
	}
	if (class_of(type) != SP_H5_INTEGER && class_of(type) != SP_H5_FLOAT) {
		sp_h5_reader_refuse(r, ":%s does not hold numbers", rq->path);
		goto cleanup;
	}
	rows = shape.rank ? shape.dims[0] : 1;
	if (rq->n_rows == UINT64_MAX)
		rq->n_rows = rows;
	elements = rows ? shape.elements / rows * rq->n_rows : 0;
	if (rq->first_row > rows || rq->n_rows > rows - rq->first_row || elements != rq->n_elements)
		sp_h5_reader_refuse(r,
		                    ":%s has %llu rows and %llu elements, expected %llu elements in rows %llu to %llu",
		                    rq->path, (unsigned long long)rows, (unsigned long long)shape.elements,
		                    (unsigned long long)rq->n_elements, (unsigned long long)rq->first_row,
		                    (unsigned long long)(rq->first_row + rq->n_rows));
	else
		send_rows(r, rq, id, space, &shape);
cleanup:
	if (type >= 0)
		H5Tclose(type);
	if (space >= 0)
		H5Sclose(space);
	H5Oclose(id);
}

/* ---- text and attributes ---- */

typedef struct {
	hid_t id; /* a dataset or an attribute */
	bool attribute;
} text_source;

static herr_t read_source(const text_source *s, hid_t memory, void *out)
{
	return s->attribute ? H5Aread(s->id, memory, out) : H5Dread(s->id, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, out);
}

/* Fixed- or variable-length text of one element. */
static void send_text(sp_h5_reader *r, const sp_h5_request *rq, const text_source *s)
{
	hid_t type = s->attribute ? H5Aget_type(s->id) : H5Dget_type(s->id);
	hid_t space = s->attribute ? H5Aget_space(s->id) : H5Dget_space(s->id);
	sp_h5_info shape = {0};
	char *text = NULL;
	size_t bytes;

	if (type < 0 || space < 0 || !take_shape(&shape, space)) {
		sp_h5_reader_refuse_broken(r, rq->path, rq->attribute);
		return;
	}
	if (H5Tget_class(type) != H5T_STRING || shape.elements != 1) {
		sp_h5_reader_refuse(r, ":%s%s%s is not a text", rq->path, *rq->attribute ? " " : "", rq->attribute);
		return;
	}
	if (H5Tis_variable_str(type) > 0) {
		if (read_source(s, type, &text) < 0) {
			sp_h5_reader_refuse_broken(r, rq->path, rq->attribute);
			return;
		}
		bytes = text ? strlen(text) : 0;
	} else {
		bytes = H5Tget_size(type);
		if (bytes > SP_H5_MAX_TEXT || !(text = calloc(bytes + 1, 1)) || read_source(s, type, text) < 0) {
			sp_h5_reader_refuse_broken(r, rq->path, rq->attribute);
			return;
		}
		bytes = strlen(text);
		while (bytes && H5Tget_strpad(type) == H5T_STR_SPACEPAD && text[bytes - 1] == ' ')
			bytes--;
	}
	r->answer.found = true;
	if (bytes > SP_H5_MAX_TEXT)
		sp_h5_reader_refuse(r, ":%s%s%s is a text of %zu bytes", rq->path, *rq->attribute ? " " : "",
		                    rq->attribute, bytes);
	else
		sp_h5_reader_say(r, text, bytes);
	free(text); /* the library's variable-length texts come from malloc as well */
	H5Tclose(type);
	H5Sclose(space);
}

void sp_h5_answer_text(sp_h5_reader *r, const sp_h5_request *rq)
{
	hid_t id = open_dataset_or_refuse(r, rq->path);

	if (id < 0 || refuse_layout(r, rq->path, id))
		return;
	send_text(r, rq, &(text_source){id, false});
	H5Oclose(id);
}

static void send_numbers(sp_h5_reader *r, const sp_h5_request *rq, hid_t attribute)
{
	hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
	sp_h5_info shape = {0};
	double *values = NULL;

	if (type < 0 || space < 0 || !take_shape(&shape, space)) {
		sp_h5_reader_refuse_broken(r, rq->path, rq->attribute);
		return;
	}
	if (class_of(type) != SP_H5_INTEGER && class_of(type) != SP_H5_FLOAT) {
		sp_h5_reader_refuse(r, ":%s %s is not a number", rq->path, rq->attribute);
	} else if (shape.elements != rq->n_elements) {
		sp_h5_reader_refuse(r, ":%s %s holds %llu numbers, expected %llu", rq->path, rq->attribute,
		                    (unsigned long long)shape.elements, (unsigned long long)rq->n_elements);
	} else if (!(values = calloc(rq->n_elements + 1, sizeof *values)) ||
	           (rq->n_elements && H5Aread(attribute, H5T_NATIVE_DOUBLE, values) < 0)) {
		sp_h5_reader_refuse_broken(r, rq->path, rq->attribute);
	} else {
		r->answer.found = true;
		sp_h5_reader_say(r, values, rq->n_elements * sizeof *values);
	}
	free(values);
	H5Tclose(type);
	H5Sclose(space);
}

void sp_h5_answer_attribute(sp_h5_reader *r, const sp_h5_request *rq)
{
	bool missing;
	hid_t object = open_object(r, rq->path, &missing), attribute;
	htri_t exists;

	if (object < 0) {
		if (missing)
			sp_h5_reader_say(r, NULL, 0);
		return;
	}
	exists = H5Aexists(object, rq->attribute);
	if (exists == 0) {
		sp_h5_reader_say(r, NULL, 0);
	} else if (exists < 0 || (attribute = H5Aopen(object, rq->attribute, H5P_DEFAULT)) < 0) {
		sp_h5_reader_refuse_broken(r, rq->path, rq->attribute);
	} else {
		if (rq->question == SP_H5_ASK_ATTRIBUTE_TEXT)
			send_text(r, rq, &(text_source){attribute, true});
		else
			send_numbers(r, rq, attribute);
		H5Aclose(attribute);
	}
	H5Oclose(object);
}
