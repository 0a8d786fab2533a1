/* The reader process's answers: what it finds in the file, and what it refuses. Handles left open where something is
 * broken do no harm: a caller that gets such an answer closes the file, and with it goes this process. */
#include "h5_internal.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES (4u << 20)
#define MAX_LINKS 100000
/* Room for a chunk while it is unpacked: old and new of a buffer that doubles, and the chunk. */
#define CHUNK_COPIES 4

void sp_h5_answer_look(sp_h5_reader *r, const sp_h5_request *rq)
{
	sp_h5_info *info = &r->answer.info;
	bool missing;
	hid_t id = sp_h5_open_object(r, rq->path, &missing), type = -1, space = -1;

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
		info->class = sp_h5_class_of(type);
		info->element_bytes = H5Tget_size(type);
		info->is_signed = H5Tget_class(type) == H5T_INTEGER && H5Tget_sign(type) == H5T_SGN_2;
		if (!sp_h5_take_shape(info, space)) {
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
	bool no_memory, too_much;
} name_list;

static herr_t add_name(hid_t group, const char *name, const H5L_info_t *link, void *context)
{
	name_list *list = context;
	size_t bytes = strlen(name) + 1;

	(void)group;
	(void)link;
	list->too_much = ++list->links > MAX_LINKS || bytes > SP_H5_NAME_BYTES;
	if (list->too_much)
		return -1;
	if (list->used + bytes > list->room) {
		size_t room = 2 * list->room + bytes + 4096;
		char *text = realloc(list->text, room);

		list->no_memory = !text;
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
	hid_t id = sp_h5_open_or_refuse(r, rq->path);
	herr_t done;

	if (id < 0)
		return;
	if (H5Iget_type(id) != H5I_GROUP) {
		sp_h5_reader_refuse(r, ":%s is not a group", rq->path);
		H5Oclose(id);
		return;
	}
	done = H5Literate(id, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, add_name, &list);
	if (done >= 0)
		sp_h5_reader_say(r, list.text, list.used);
	else if (list.no_memory)
		sp_h5_reader_refuse(r, ":%s: no memory for its names", rq->path);
	else if (list.too_much)
		sp_h5_reader_refuse(r, ":%s holds more than %d names, or one of more than %d bytes", rq->path,
		                    MAX_LINKS, SP_H5_NAME_BYTES - 1);
	else
		sp_h5_reader_refuse_broken(r, rq->path, "");
	free(list.text);
	H5Oclose(id);
}

/* ---- numbers ---- */

/* Rows of a block: whole chunks, so that none is decompressed twice, and about BLOCK_BYTES. Also the elements of a
 * chunk, 0 where there are none. */
static uint64_t block_rows(uint64_t *chunk_elements, hid_t dataset, uint64_t row_bytes)
{
	hid_t layout = H5Dget_create_plist(dataset);
	hsize_t chunk[H5S_MAX_RANK] = {1};
	uint64_t rows = row_bytes < BLOCK_BYTES ? BLOCK_BYTES / (row_bytes ? row_bytes : 1) : 1;
	int rank;

	*chunk_elements = 0;
	if (layout >= 0) {
		if (H5Pget_layout(layout) == H5D_CHUNKED && (rank = H5Pget_chunk(layout, H5S_MAX_RANK, chunk)) > 0) {
			/* the library allows no chunk of 4 GB or more */
			*chunk_elements = 1;
			for (int i = 0; i < rank; i++)
				*chunk_elements *= chunk[i];
			if (chunk[0] > 1)
				rows = (rows + chunk[0] - 1) / chunk[0] * chunk[0];
		}
		H5Pclose(layout);
	}
	return rows;
}

static void send_rows(sp_h5_reader *r, const sp_h5_request *rq, hid_t dataset, hid_t type, hid_t space,
                      const sp_h5_info *shape)
{
	uint64_t row_elements = shape->rank && shape->dims[0] ? shape->elements / shape->dims[0] : 1;
	uint64_t n_rows = shape->rank ? rq->n_rows : 1, row_bytes = row_elements * sp_h5_type_bytes(rq->type);
	uint64_t chunk_elements, rows = block_rows(&chunk_elements, dataset, row_bytes);
	hsize_t start[SP_H5_MAX_RANK] = {0}, count[SP_H5_MAX_RANK];
	hid_t memory = -1;
	char *block;

	if (rows > n_rows)
		rows = n_rows;
	/* inflating doubles its room as it goes; what a chunk inflates to beyond its own size is no chunk */
	sp_h5_reader_limit_memory(CHUNK_COPIES * chunk_elements * H5Tget_size(type) + rows * row_bytes);
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
	hid_t id = sp_h5_open_dataset(r, rq->path), space = -1, type = -1;
	uint64_t rows, elements;

	if (id < 0 || sp_h5_refuse_layout(r, rq->path, id))
		return;
	space = H5Dget_space(id);
	type = H5Dget_type(id);
	if (space < 0 || type < 0 || !sp_h5_take_shape(&shape, space)) {
		sp_h5_reader_refuse_broken(r, rq->path, "");
		goto cleanup;
	}
	if (sp_h5_class_of(type) != SP_H5_INTEGER && sp_h5_class_of(type) != SP_H5_FLOAT) {
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
		send_rows(r, rq, id, type, space, &shape);
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

	if (type < 0 || space < 0 || !sp_h5_take_shape(&shape, space)) {
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
		if (bytes > SP_H5_MAX_TEXT || !(text = calloc(bytes + 1, 1))) {
			sp_h5_reader_refuse(r, ":%s %s: no memory for a text of %zu bytes", rq->path, rq->attribute,
			                    bytes);
			return;
		}
		if (read_source(s, type, text) < 0) {
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
	hid_t id = sp_h5_open_dataset(r, rq->path);

	if (id < 0 || sp_h5_refuse_layout(r, rq->path, id))
		return;
	send_text(r, rq, &(text_source){id, false});
	H5Oclose(id);
}

static void send_numbers(sp_h5_reader *r, const sp_h5_request *rq, hid_t attribute)
{
	hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
	sp_h5_info shape = {0};
	double *values = NULL;

	if (type < 0 || space < 0 || !sp_h5_take_shape(&shape, space)) {
		sp_h5_reader_refuse_broken(r, rq->path, rq->attribute);
		return;
	}
	if (sp_h5_class_of(type) != SP_H5_INTEGER && sp_h5_class_of(type) != SP_H5_FLOAT) {
		sp_h5_reader_refuse(r, ":%s %s is not a number", rq->path, rq->attribute);
	} else if (shape.elements != rq->n_elements) {
		sp_h5_reader_refuse(r, ":%s %s holds %llu numbers, expected %llu", rq->path, rq->attribute,
		                    (unsigned long long)shape.elements, (unsigned long long)rq->n_elements);
	} else if (!(values = calloc(rq->n_elements + 1, sizeof *values))) {
		sp_h5_reader_refuse(r, ":%s %s: out of memory", rq->path, rq->attribute);
	} else if (rq->n_elements && H5Aread(attribute, H5T_NATIVE_DOUBLE, values) < 0) {
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
	hid_t object = sp_h5_open_object(r, rq->path, &missing), attribute;
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
