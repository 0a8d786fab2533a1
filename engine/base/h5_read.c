/* The asking side of h5.h's reading calls. What answers is h5_reader.c in a process of its own; nothing that comes
 * back is trusted to be of the size expected. */
#include "h5_internal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alloc.h"
#include "interrupt.h"

/* The reader limits its own processor time; this one only ends waits for a disk that no longer answers. */
#define PATIENCE_MS (10 * 60 * 1000)
/* Deflate shrinks 1032 : 1 at best; small files may also hold data that was never written (all fill value). */
#define BEST_COMPRESSION 1040u
#define FREE_BYTES (64u << 20)

struct sp_h5_in {
	char *path;
	uint64_t bytes;
	pid_t reader; /* 0 when it has ended */
	int socket_fd;
};

const char *sp_h5_path(const sp_h5_in *f)
{
	return f->path;
}

uint64_t sp_h5_file_bytes(const sp_h5_in *f)
{
	return f->bytes;
}

/* Ends the reader and says how it died: the signal, or 0. */
static int end_reader(sp_h5_in *f, bool kill_it)
{
	int how = 0;

	if (f->socket_fd >= 0)
		close(f->socket_fd); /* this is what an idle reader ends on */
	f->socket_fd = -1;
	if (f->reader <= 0)
		return 0;
	if (kill_it)
		kill(f->reader, SIGKILL);
	while (waitpid(f->reader, &how, 0) < 0 && errno == EINTR)
		;
	f->reader = 0;
	return WIFSIGNALED(how) ? WTERMSIG(how) : 0;
}

static sp_status fail_dead(sp_h5_in *f, const sp_h5_request *rq, sp_error *err)
{
	int how = end_reader(f, false);

	if (how == SIGXCPU || how == SIGKILL)
		return sp_fail(err, SP_BAD_INPUT,
		               "%s:%s cannot be read: the HDF5 library found no end; the file is damaged", f->path,
		               rq->path);
	return sp_fail(err, SP_BAD_INPUT, "%s:%s cannot be read: the HDF5 library crashed; the file is damaged",
	               f->path, rq->path);
}

/* Exactly bytes from the reader. */
static sp_status receive(sp_h5_in *f, const sp_h5_request *rq, void *out, uint64_t bytes, sp_error *err)
{
	char *to = out;
	struct pollfd wait = {f->socket_fd, POLLIN, 0};

	while (bytes) {
		int ready = poll(&wait, 1, PATIENCE_MS);
		ssize_t got;

		if (sp_interrupt_asked()) {
			end_reader(f, true);
			return sp_fail(err, SP_INTERRUPTED, "interrupted while reading %s", f->path);
		}
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready == 0) {
			end_reader(f, true);
			return sp_fail(err, SP_IO, "%s:%s cannot be read: no answer for %d minutes", f->path, rq->path,
			               PATIENCE_MS / 60000);
		}
		got = recv(f->socket_fd, to, bytes < (8u << 20) ? bytes : (8u << 20), 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return fail_dead(f, rq, err);
		to += got;
		bytes -= (uint64_t)got;
	}
	return SP_OK;
}

static sp_status name_request(sp_h5_request *rq, sp_h5_in *f, sp_h5_question question, const char *path,
                              const char *attribute, sp_error *err)
{
	memset(rq, 0, sizeof *rq);
	rq->question = question;
	if (strlen(path) >= sizeof rq->path || strlen(attribute) >= sizeof rq->attribute)
		return sp_fail(err, SP_BAD_INPUT, "%s: the name %.60s... is too long", f->path, path);
	memcpy(rq->path, path, strlen(path));
	memcpy(rq->attribute, attribute, strlen(attribute));
	return SP_OK;
}

static sp_status receive_head(sp_h5_reply *answer, sp_h5_in *f, const sp_h5_request *rq, sp_error *err)
{
	sp_status st = receive(f, rq, answer, sizeof *answer, err);

	if (st != SP_OK)
		return st;
	answer->text[sizeof answer->text - 1] = '\0';
	return answer->status == SP_OK ? SP_OK : sp_fail(err, answer->status, "%s%s", f->path, answer->text);
}

/* Sends the request and takes the answer's head; the payload (answer->bytes) is the caller's to receive. */
static sp_status ask(sp_h5_reply *answer, sp_h5_in *f, const sp_h5_request *rq, sp_error *err)
{
	const char *from = (const char *)rq;
	size_t left = sizeof *rq;

	if (f->socket_fd < 0)
		return sp_fail(err, SP_BAD_INPUT, "%s:%s cannot be read: the file is damaged", f->path, rq->path);
	while (left) {
		ssize_t sent = send(f->socket_fd, from, left, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return fail_dead(f, rq, err);
		from += sent;
		left -= (size_t)sent;
	}
	return receive_head(answer, f, rq, err);
}

/* An answer whose length is its own: malloc'ed, with a zero byte after the last. */
static sp_status receive_text(char **out, sp_h5_in *f, const sp_h5_request *rq, uint64_t bytes, sp_error *err)
{
	char *text = bytes > SP_H5_MAX_TEXT ? NULL : sp_alloc_array(bytes + 1, 1);
	sp_status st;

	if (!text) {
		end_reader(f, true);
		return sp_fail(err, SP_NO_MEMORY, "%s:%s: no memory for a text of %llu bytes", f->path, rq->path,
		               (unsigned long long)bytes);
	}
	if ((st = receive(f, rq, text, bytes, err)) != SP_OK)
		free(text);
	else
		*out = text;
	return st;
}

static sp_status start_reader(sp_h5_in *f, sp_error *err)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return sp_fail(err, SP_IO, "cannot open %s: no socket for its reader: %s", f->path, strerror(errno));
	f->reader = fork();
	if (f->reader < 0) {
		close(ends[0]);
		close(ends[1]);
		return sp_fail(err, SP_NO_MEMORY, "cannot open %s: no process for its reader: %s", f->path,
		               strerror(errno));
	}
	if (f->reader == 0) {
		close(ends[0]);
		sp_h5_reader_serve(ends[1], f->path);
	}
	close(ends[1]);
	f->socket_fd = ends[0];
	return SP_OK;
}

sp_status sp_h5_open(sp_h5_in **out, const char *path, sp_error *err)
{
	sp_h5_in *f = NULL;
	sp_h5_request rq;
	sp_h5_reply answer;
	struct stat info;
	sp_status st;

	*out = NULL;
	/* the reader would wait for ever on a pipe, so what it may open is settled here */
	if (stat(path, &info) != 0)
		return sp_fail(err, SP_IO, "cannot open %s: %s", path, strerror(errno));
	if (!S_ISREG(info.st_mode))
		return sp_fail(err, SP_IO, "cannot open %s: it is %s", path,
		               S_ISDIR(info.st_mode) ? "a folder" : "not a regular file");
	if (access(path, R_OK) != 0)
		return sp_fail(err, SP_IO, "cannot open %s: %s", path, strerror(errno));
	f = sp_alloc_array(1, sizeof *f);
	if (!f || !(f->path = sp_copy_text(path))) {
		free(f);
		return sp_fail(err, SP_NO_MEMORY, "out of memory reading %s", path);
	}
	f->bytes = (uint64_t)info.st_size;
	f->socket_fd = -1;
	if ((st = start_reader(f, err)) != SP_OK ||
	    (st = name_request(&rq, f, SP_H5_ASK_OPEN, "/", "", err)) != SP_OK ||
	    (st = ask(&answer, f, &rq, err)) != SP_OK)
		goto cleanup;
	*out = f;
	f = NULL;
cleanup:
	sp_h5_close(f);
	return st;
}

void sp_h5_close(sp_h5_in *f)
{
	if (!f)
		return;
	end_reader(f, true); /* it holds nothing that wants to be put in order */
	free(f->path);
	free(f);
}

sp_status sp_h5_look(sp_h5_info *out, sp_h5_in *f, const char *path, sp_error *err)
{
	sp_h5_request rq;
	sp_h5_reply answer;
	sp_status st = name_request(&rq, f, SP_H5_ASK_LOOK, path, "", err);

	memset(out, 0, sizeof *out);
	if (st == SP_OK && (st = ask(&answer, f, &rq, err)) == SP_OK) {
		*out = answer.info;
		if (out->rank < 0 || out->rank > SP_H5_MAX_RANK)
			out->class = SP_H5_STRANGE;
	}
	return st;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

sp_status sp_h5_list(char ***out, size_t *n_out, sp_h5_in *f, const char *group, sp_error *err)
{
	sp_h5_request rq;
	sp_h5_reply answer;
	char *text = NULL, **names = NULL, *copy;
	size_t n = 0;
	sp_status st;

	*out = NULL;
	*n_out = 0;
	if ((st = name_request(&rq, f, SP_H5_ASK_LIST, group, "", err)) != SP_OK ||
	    (st = ask(&answer, f, &rq, err)) != SP_OK || (st = receive_text(&text, f, &rq, answer.bytes, err)) != SP_OK)
		return st;
	for (uint64_t i = 0; i < answer.bytes; i++)
		n += text[i] == '\0';
	names = sp_alloc_array(1, n * sizeof *names + answer.bytes + 1);
	if (!names) {
		st = sp_fail(err, SP_NO_MEMORY, "out of memory reading %s:%s", f->path, group);
		goto cleanup;
	}
	copy = (char *)(names + n);
	memcpy(copy, text, answer.bytes);
	for (size_t i = 0; i < n; i++, copy += strlen(copy) + 1)
		names[i] = copy;
	qsort(names, n, sizeof *names, compare_names);
	*out = names;
	*n_out = n;
cleanup:
	free(text);
	return st;
}

/* "[3][40][50]" */
static void print_dims(char *out, size_t bytes, int rank, const uint64_t *dims, bool zero_is_any)
{
	size_t used = 0;

	snprintf(out, bytes, "a single number");
	for (int i = 0; i < rank && used < bytes; i++)
		used += (size_t)(zero_is_any && dims[i] == 0
		                         ? snprintf(out + used, bytes - used, "[any]")
		                         : snprintf(out + used, bytes - used, "[%llu]", (unsigned long long)dims[i]));
}

sp_status sp_h5_expect(sp_h5_info *out, sp_h5_in *f, const char *path, int rank, const uint64_t *dims,
                       uint64_t max_elements, sp_error *err)
{
	static const uint64_t any[SP_H5_MAX_RANK] = {0};
	sp_status st = sp_h5_look(out, f, path, err);
	char found[256], wanted[256];
	bool same = out->rank == rank;

	if (st != SP_OK)
		return st;
	print_dims(wanted, sizeof wanted, rank, dims ? dims : any, true);
	if (out->kind == SP_H5_NOTHING)
		return sp_fail(err, SP_BAD_INPUT, "%s:%s is missing, expected a dataset %s", f->path, path, wanted);
	if (out->kind != SP_H5_DATASET)
		return sp_fail(err, SP_BAD_INPUT, "%s:%s is not a dataset, expected a dataset %s", f->path, path,
		               wanted);
	if (out->class != SP_H5_INTEGER && out->class != SP_H5_FLOAT)
		return sp_fail(err, SP_BAD_INPUT, "%s:%s does not hold numbers", f->path, path);
	for (int i = 0; same && dims && i < rank; i++)
		same = dims[i] == 0 || dims[i] == out->dims[i];
	if (!same) {
		print_dims(found, sizeof found, out->rank, out->dims, false);
		return sp_fail(err, SP_BAD_INPUT, "%s:%s is %s, expected %s", f->path, path, found, wanted);
	}
	if (out->elements > max_elements)
		return sp_fail(err, SP_BAD_INPUT, "%s:%s claims %llu elements, expected at most %llu", f->path, path,
		               (unsigned long long)out->elements, (unsigned long long)max_elements);
	if (out->elements > (f->bytes * BEST_COMPRESSION + FREE_BYTES) / (out->element_bytes ? out->element_bytes : 1))
		return sp_fail(err, SP_BAD_INPUT, "%s:%s claims %llu elements, more than a file of %llu bytes can hold",
		               f->path, path, (unsigned long long)out->elements, (unsigned long long)f->bytes);
	return SP_OK;
}

sp_status sp_h5_read_rows(sp_h5_in *f, const char *path, sp_h5_type type, uint64_t first_row, uint64_t n_rows,
                          void *data_out, uint64_t n_elements, sp_error *err)
{
	sp_h5_request rq;
	sp_h5_reply answer;
	char *to = data_out;
	sp_status st = name_request(&rq, f, SP_H5_ASK_ROWS, path, "", err);

	if (st != SP_OK)
		return st;
	rq.type = type;
	rq.first_row = first_row;
	rq.n_rows = n_rows;
	rq.n_elements = n_elements;
	if ((st = ask(&answer, f, &rq, err)) != SP_OK)
		return st;
	/* blocks, each with a head of its own: a broken one may follow good ones */
	for (uint64_t left = n_elements * sp_h5_type_bytes(type);;) {
		if (answer.bytes > left || (answer.bytes == 0 && left)) {
			end_reader(f, true);
			return sp_fail(err, SP_BAD_INPUT, "%s:%s cannot be read: the file is damaged", f->path, path);
		}
		if ((st = receive(f, &rq, to, answer.bytes, err)) != SP_OK)
			return st;
		to += answer.bytes;
		left -= answer.bytes;
		if (left == 0)
			return SP_OK;
		if ((st = receive_head(&answer, f, &rq, err)) != SP_OK)
			return st;
	}
}

sp_status sp_h5_read(sp_h5_in *f, const char *path, sp_h5_type type, void *data_out, uint64_t n_elements, sp_error *err)
{
	return sp_h5_read_rows(f, path, type, 0, UINT64_MAX, data_out, n_elements, err);
}

sp_status sp_h5_read_text(char **out, sp_h5_in *f, const char *path, sp_error *err)
{
	sp_h5_request rq;
	sp_h5_reply answer;
	sp_status st = name_request(&rq, f, SP_H5_ASK_TEXT, path, "", err);

	*out = NULL;
	if (st == SP_OK && (st = ask(&answer, f, &rq, err)) == SP_OK)
		st = receive_text(out, f, &rq, answer.bytes, err);
	return st;
}

sp_status sp_h5_get_text(char **out, sp_h5_in *f, const char *object, const char *attribute, sp_error *err)
{
	sp_h5_request rq;
	sp_h5_reply answer;
	sp_status st = name_request(&rq, f, SP_H5_ASK_ATTRIBUTE_TEXT, object, attribute, err);

	*out = NULL;
	if (st == SP_OK && (st = ask(&answer, f, &rq, err)) == SP_OK && answer.found)
		st = receive_text(out, f, &rq, answer.bytes, err);
	return st;
}

sp_status sp_h5_get_numbers(double *out, size_t n, bool *found, sp_h5_in *f, const char *object, const char *attribute,
                            sp_error *err)
{
	sp_h5_request rq;
	sp_h5_reply answer;
	sp_status st = name_request(&rq, f, SP_H5_ASK_ATTRIBUTE_NUMBERS, object, attribute, err);

	*found = false;
	rq.n_elements = n;
	if (st == SP_OK && (st = ask(&answer, f, &rq, err)) == SP_OK && answer.found) {
		*found = true;
		st = receive(f, &rq, out, n * sizeof *out, err);
	}
	return st;
}
