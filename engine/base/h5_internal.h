/* What h5_read.c (the asking side) and h5_reader.c (the process that answers) say to each other, and what all of
 * engine/base/h5_*.c need. Both ends are the same program, so the structs cross the socket as they are. */
#ifndef SP_H5_INTERNAL_H
#define SP_H5_INTERNAL_H

/* The calls of 1.10, which every later HDF5 still offers under these names. */
#define H5_USE_110_API
#include <hdf5.h>

#include "h5.h"

#define SP_H5_NAME_BYTES 256

typedef enum {
	SP_H5_ASK_OPEN,
	SP_H5_ASK_LOOK,
	SP_H5_ASK_LIST,
	SP_H5_ASK_ROWS,
	SP_H5_ASK_TEXT,
	SP_H5_ASK_ATTRIBUTE_NUMBERS,
	SP_H5_ASK_ATTRIBUTE_TEXT
} sp_h5_question;

typedef struct {
	sp_h5_question question;
	sp_h5_type type;
	uint64_t first_row, n_rows, n_elements;
	char path[SP_H5_PATH_BYTES], attribute[SP_H5_NAME_BYTES];
} sp_h5_request;

/* bytes of payload follow. A failed answer has its sentence (without the file's path) in text and no payload. */
typedef struct {
	sp_status status;
	bool found;
	uint64_t bytes;
	sp_h5_info info;
	char text[1024];
} sp_h5_reply;

/* Most bytes of text or names that are passed on; more is a damaged or hostile file. */
#define SP_H5_MAX_TEXT (64u << 20)

/* The memory type of sp_h5_type (a constant of the library: not to be closed), and its form on disk. */
hid_t sp_h5_memory_type(sp_h5_type type);
hid_t sp_h5_disk_type(sp_h5_type type);

/* The innermost entry of HDF5's error stack, "" if there is none; clears the stack. */
void sp_h5_reason(char *out, size_t out_bytes);

/* The life of the reader process (h5_reader.c): answers questions about the file on the socket until it closes. */
void sp_h5_reader_serve(int socket_fd, const char *path) __attribute__((noreturn));

typedef struct {
	int socket_fd;
	hid_t file;
	sp_h5_reply answer;
} sp_h5_reader;

/* Sends r->answer and its payload. */
void sp_h5_reader_say(sp_h5_reader *r, const void *payload, uint64_t bytes);

/* Answers with a failure. The sentence goes on where the file's name ends, so it begins with ":" or " ". */
void sp_h5_reader_refuse(sp_h5_reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same with the library's reason; the call that failed must be the last one made. */
void sp_h5_reader_refuse_broken(sp_h5_reader *r, const char *path, const char *attribute);

/* From now on a question's share of processor time, and that for so many bytes. */
void sp_h5_reader_limit_time(uint64_t bytes);

/* From now on the memory that a question without data may take, and so many bytes more. */
void sp_h5_reader_limit_memory(uint64_t bytes);

/* h5_objects.c. Opens path link by link; only hard links are followed. < 0 and *missing where there is no such link;
 * < 0 and an answer already given otherwise. The other two answer also when it is missing (or no dataset). */
hid_t sp_h5_open_object(sp_h5_reader *r, const char *path, bool *missing);
hid_t sp_h5_open_or_refuse(sp_h5_reader *r, const char *path);
hid_t sp_h5_open_dataset(sp_h5_reader *r, const char *path);

sp_h5_class sp_h5_class_of(hid_t type);

/* Rank, dims and number of elements; false where they cannot be. */
bool sp_h5_take_shape(sp_h5_info *info, hid_t space);

/* Answers, and returns true, where the data lie outside the file or are compressed by what we do not have. */
bool sp_h5_refuse_layout(sp_h5_reader *r, const char *path, hid_t dataset);

/* h5_answers.c; each gives exactly one answer (rows: one a block). */
void sp_h5_answer_look(sp_h5_reader *r, const sp_h5_request *rq);
void sp_h5_answer_list(sp_h5_reader *r, const sp_h5_request *rq);
void sp_h5_answer_rows(sp_h5_reader *r, sp_h5_request *rq);
void sp_h5_answer_text(sp_h5_reader *r, const sp_h5_request *rq);
void sp_h5_answer_attribute(sp_h5_reader *r, const sp_h5_request *rq);

#endif
