/* Shares numbered pieces of work out over several devices, a host thread each: whichever is free takes the next. */
#include "device_internal.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"

typedef struct {
	sp_share_work *work;
	void *context;
	uint64_t n_pieces;
	atomic_ullong next;
	atomic_bool failed;
} shared_work;

typedef struct {
	shared_work *shared;
	size_t worker;
	pthread_t thread;
	bool started;
	sp_status status;
	sp_error err;
} shared_worker;

static void *run(void *of_worker)
{
	shared_worker *w = of_worker;
	shared_work *s = w->shared;

	while (!s->failed) {
		uint64_t piece = atomic_fetch_add(&s->next, 1);

		if (piece >= s->n_pieces)
			break;
		if ((w->status = s->work(s->context, w->worker, piece, &w->err)) != SP_OK)
			s->failed = true;
	}
	return NULL;
}

sp_status sp_device_share(sp_share_work *work, void *context, size_t n_workers, uint64_t n_pieces, sp_error *err)
{
	shared_work s = {.work = work, .context = context, .n_pieces = n_pieces};
	shared_worker *workers = sp_alloc_array(n_workers, sizeof *workers);
	sp_status st = SP_OK;

	if (!workers)
		return sp_fail(err, SP_NO_MEMORY, "no memory for %zu workers", n_workers);
	for (size_t i = 0; i < n_workers; i++) {
		workers[i].shared = &s;
		workers[i].worker = i;
		/* where no thread is to be had the others do its work; the first is this one */
		workers[i].started =
		        i && i < n_pieces && pthread_create(&workers[i].thread, NULL, run, &workers[i]) == 0;
	}
	run(&workers[0]);
	for (size_t i = 1; i < n_workers; i++)
		if (workers[i].started)
			pthread_join(workers[i].thread, NULL);
	for (size_t i = 0; i < n_workers && st == SP_OK; i++)
		if ((st = workers[i].status) != SP_OK && err)
			*err = workers[i].err;
	free(workers);
	return st;
}
