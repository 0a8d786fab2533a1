#include "mc_job.h"

#include "alloc.h"
#include "clock.h"
#include "interrupt.h"
#include "log.h"
#include "progress.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROUND_S 0.5

typedef struct {
	const sp_mc_job *job;
	sp_mc *mc;
	sp_mc_state *state; /* sums: those of the checkpoint that the run goes on from */
	bool resumed;
	uint64_t done, before; /* batches, and those of the checkpoint among them */
	double started_s, saved_s, save_cost_s;
	uint64_t look_at, looked_at;
	double sigma; /* at the last look; 0: none yet */
	float *dose, *spread;
} running;

/* All sums so far: the device's and the checkpoint's. */
static sp_status read_sums(sp_mc_sums *out, const running *r, sp_error *err)
{
	size_t n = sp_grid_voxels(&r->state->scoring.grid);
	sp_status st = sp_mc_read(out, r->mc, err);

	if (st == SP_OK && r->resumed)
		sp_mc_sums_add(out, &r->state->sums, n);
	return st;
}

static sp_status resume(running *r, sp_error *err)
{
	sp_mc_state *s = r->state, saved = {0};
	const char *path = r->job->checkpoint;
	sp_status st;

	if (access(path, F_OK) != 0) {
		sp_log_info("Monte Carlo: there is no checkpoint %s, so the run starts at its beginning", path);
		return SP_OK;
	}
	if ((st = sp_mc_state_read(&saved, path, err)) != SP_OK ||
	    (st = sp_mc_same_configuration(saved.configuration, path, s->configuration, "what is asked for", err)) !=
	            SP_OK)
		goto cleanup;
	if (strcmp(saved.device, s->device) != 0)
		st = sp_fail(err, SP_BAD_INPUT, "%s was made on %s, this is %s; other devices round differently", path,
		             saved.device, s->device);
	else if (!sp_grid_equal(&saved.scoring.grid, &s->scoring.grid))
		st = sp_fail(err, SP_BAD_INPUT, "%s has another dose grid", path);
	else if (saved.n_ranges != 1 || saved.ranges[0].first != r->job->first)
		st = sp_fail(err, SP_BAD_INPUT, "%s starts at batch %llu, expected %llu: it is of another part", path,
		             (unsigned long long)(saved.n_ranges ? saved.ranges[0].first : 0),
		             (unsigned long long)r->job->first);
	else if (r->job->batches && saved.sums.batches > r->job->batches)
		st = sp_fail(err, SP_BAD_INPUT, "%s holds %llu batches already, asked for are %llu", path,
		             (unsigned long long)saved.sums.batches, (unsigned long long)r->job->batches);
	if (st != SP_OK)
		goto cleanup;
	r->resumed = true;
	r->done = r->before = saved.sums.batches;
	/* with another aim the next look is now */
	r->look_at = saved.wanted == s->wanted && saved.look_at > r->done ? saved.look_at : r->done + 1;
	s->seconds = saved.seconds;
	s->sums = saved.sums;
	saved.sums = (sp_mc_sums){0};
	sp_log_info("Monte Carlo: goes on after %llu batches of %s", (unsigned long long)r->done, path);
cleanup:
	sp_mc_state_finish(&saved);
	return st;
}

static sp_status save(running *r, sp_error *err)
{
	double start = sp_clock_seconds();
	sp_mc_state now = *r->state;
	sp_mc_range range = {r->job->first, r->done};
	sp_h5_out *f = NULL;
	sp_status st;

	if (!r->job->checkpoint || r->done == 0)
		return SP_OK;
	now.ranges = &range;
	now.n_ranges = 1;
	now.look_at = r->look_at;
	now.seconds += start - r->started_s;
	if ((st = read_sums(&now.sums, r, err)) == SP_OK && (st = sp_h5_create(&f, r->job->checkpoint, err)) == SP_OK &&
	    (st = sp_mc_state_write(f, &now, false, err)) == SP_OK)
		st = sp_h5_commit(&f, err);
	sp_h5_abandon(f);
	sp_mc_sums_finish(&now.sums);
	r->saved_s = sp_clock_seconds();
	r->save_cost_s = r->saved_s - start;
	return st;
}

/* In the middle of a run: a full disk must not cost what has been computed. */
static void save_if_possible(running *r)
{
	sp_error own = {0};

	if (save(r, &own) != SP_OK) {
		sp_log_warning("no checkpoint: %s", own.text);
		r->saved_s = sp_clock_seconds();
	}
}

static sp_status check_squares(const running *r, const sp_mc_sums *sums, sp_error *err)
{
	if (sp_mc_squares_fit(sums, sp_grid_voxels(&r->state->scoring.grid)))
		return SP_OK;
	return sp_fail(
	        err, SP_BAD_INPUT,
	        "after %llu batches the sums of squares of energies may not fit into 64 bits; use larger batches "
	        "(--batch-histories)",
	        (unsigned long long)sums->batches);
}

/* The uncertainty reached. */
static sp_status look(running *r, bool *enough, sp_error *err)
{
	const sp_mc_scoring *scoring = &r->state->scoring;
	double wanted = r->state->wanted;
	sp_mc_sums sums = {0};
	sp_mc_quality q;
	sp_status st;

	*enough = false;
	if ((st = read_sums(&sums, r, err)) != SP_OK)
		return st;
	sp_mc_dose(r->dose, r->spread, scoring, &sums);
	if ((st = check_squares(r, &sums, err)) == SP_OK)
		st = sp_mc_judge(&q, scoring, r->dose, r->spread, err);
	sp_mc_sums_finish(&sums);
	if (st != SP_OK)
		return st;
	r->sigma = q.mean_sigma;
	*enough = wanted > 0.0 && q.mean_sigma <= wanted;
	r->look_at = wanted > 0.0 ? sp_mc_next_look(r->done, q.mean_sigma, wanted) : r->done + r->done / 2 + 1;
	r->looked_at = r->done;
	return SP_OK;
}

static void show(const running *r, sp_progress *bar)
{
	double run = (double)(r->done - r->before), rate = run / fmax(sp_clock_seconds() - r->started_s, 1e-6),
	       total = (double)r->job->batches;
	char note[128], sigma[48] = "", left[48] = "";

	if (r->job->batches == 0 && r->sigma > 0.0) /* sigma falls with the root of the histories */
		total = (double)r->looked_at * pow(r->sigma / r->state->wanted, 2.0);
	total = total > 0.0 ? fmax(total, (double)r->done) : 0.0;
	if (r->sigma > 0.0)
		snprintf(sigma, sizeof sigma, "sigma %.2f %%, ", 100.0 * r->sigma);
	if (total > 0.0)
		snprintf(left, sizeof left, ", %.0f s left", (total - (double)r->done) / rate);
	snprintf(note, sizeof note, "%s%.3g histories/s%s", sigma, rate * (double)r->state->scoring.batch_histories,
	         left);
	sp_progress_show(bar, total > 0.0 ? (double)r->done / total : 0.0, note);
}

/* Batches until something is to be looked at. One device looks round after each; several begin and end together, so
 * they are given enough to do for ROUND_S. */
static uint64_t next_batches(const running *r, double batch_s)
{
	size_t devices = sp_mc_devices(r->mc);
	uint64_t n = devices == 1 ? 1
	                          : (uint64_t)((double)devices * fmin(fmax(ROUND_S / fmax(batch_s, 1e-4), 1.0), 1e4)),
	         most = r->job->most_batches - r->done,
	         look = r->look_at > SP_MC_LEAST_BATCHES ? r->look_at : SP_MC_LEAST_BATCHES;

	if (r->job->batches && r->job->batches - r->done < most)
		most = r->job->batches - r->done;
	if (look > r->done && look - r->done < most)
		most = look - r->done;
	return n < most ? n : most;
}

static sp_status run_batches(running *r, sp_progress *bar, sp_error *err)
{
	const sp_mc_job *job = r->job;
	bool enough = false;
	double batch_s = 1e3; /* of one device; the first round tells */
	uint64_t n;
	sp_status st = SP_OK;

	while (!enough && (job->batches == 0 || r->done < job->batches)) {
		double now = sp_clock_seconds();

		if (sp_interrupt_asked()) {
			if ((st = save(r, err)) != SP_OK)
				return st;
			return sp_fail(err, SP_INTERRUPTED, "interrupted after %llu batches%s%s",
			               (unsigned long long)r->done,
			               job->checkpoint && r->done ? "; --resume goes on from " : "",
			               job->checkpoint && r->done ? job->checkpoint : "");
		}
		if (job->max_seconds > 0.0 && r->done && now - r->started_s > job->max_seconds) {
			sp_log_info("Monte Carlo: stops after %.0f s, before what was asked for is reached",
			            now - r->started_s);
			break;
		}
		if (r->done >= job->most_batches)
			return sp_fail(
			        err, SP_BAD_INPUT,
			        "after %llu batches the sums of energies may not fit into 64 bits; ask for a larger "
			        "uncertainty or a coarser grid",
			        (unsigned long long)r->done);
		if (now - r->saved_s > fmax(job->checkpoint_seconds, fmin(20.0 * r->save_cost_s, 20.0)))
			save_if_possible(r);
		n = next_batches(r, batch_s);
		if ((st = sp_mc_run(r->mc, job->first + r->done, n, err)) != SP_OK)
			return st;
		batch_s = (sp_clock_seconds() - now) * (double)sp_mc_devices(r->mc) / (double)n;
		r->done += n;
		if (r->done >= r->look_at && r->done >= SP_MC_LEAST_BATCHES && (st = look(r, &enough, err)) != SP_OK)
			return st;
		show(r, bar);
	}
	return SP_OK;
}

sp_status sp_mc_job_run(sp_mc_state *state, sp_mc *mc, const sp_mc_job *job, sp_error *err)
{
	size_t n = sp_grid_voxels(&state->scoring.grid);
	running r = {.job = job, .mc = mc, .state = state, .look_at = SP_MC_LEAST_BATCHES};
	sp_mc_sums sums = {0};
	sp_progress bar;
	sp_status st = SP_OK;

	r.dose = sp_alloc_array(n, sizeof *r.dose);
	r.spread = sp_alloc_array(n, sizeof *r.spread);
	if (!r.dose || !r.spread)
		st = sp_fail(err, SP_NO_MEMORY, "no memory for a dose of %zu voxels", n);
	if (st != SP_OK || (job->resume && job->checkpoint && (st = resume(&r, err)) != SP_OK))
		goto cleanup;
	r.started_s = r.saved_s = sp_clock_seconds();
	sp_progress_start(&bar, "Monte Carlo");
	st = run_batches(&r, &bar, err);
	sp_progress_end(&bar, NULL);
	if (st != SP_OK || (st = read_sums(&sums, &r, err)) != SP_OK)
		goto cleanup;
	state->seconds += sp_clock_seconds() - r.started_s;
	sp_mc_sums_finish(&state->sums);
	state->sums = sums;
	state->look_at = 0; /* a finished run looks no more */
	free(state->ranges);
	if (!(state->ranges = sp_alloc_array(1, sizeof *state->ranges))) {
		st = sp_fail(err, SP_NO_MEMORY, "no memory for a range");
		goto cleanup;
	}
	state->ranges[0] = (sp_mc_range){job->first, r.done};
	state->n_ranges = 1;
	st = check_squares(&r, &state->sums, err);
cleanup:
	free(r.dose);
	free(r.spread);
	return st;
}
