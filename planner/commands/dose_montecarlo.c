/* `spineplan dose` by Monte Carlo. The loop over batches is engine/montecarlo/mc_job.c. */
#include "dose.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alloc.h"
#include "atomic_file.h"
#include "case_setup.h"
#include "clock.h"
#include "log.h"
#include "machine.h"
#include "matter.h"
#include "machine_spectrum.h"
#include "mc_beams.h"
#include "mc_file.h"
#include "mc_head.h"
#include "mc_job.h"
#include "mc_to_water.h"
#include "plan_file.h"
#include "plan_machine.h"
#include "sha256.h"

typedef struct {
	sp_case *c;
	sp_plan_content *plan;
	unsigned fractions; /* of a plan with control points */
	sp_machine *machine;
	sp_matter *matter;
	sp_device *device;
	sp_spectrum spectrum;
	sp_mc_beams beams;
	sp_grid grid;
	sp_mc_matter where;
	float *density;
	uint8_t *material;
	sp_mc_options options;
	sp_mc *mc;
	sp_mc_state state;
	char *checkpoint;
} work;

static void finish(work *w)
{
	free(w->checkpoint);
	sp_mc_state_finish(&w->state);
	sp_mc_destroy(w->mc);
	free(w->density);
	free(w->material);
	sp_mc_beams_finish(&w->beams);
	sp_spectrum_finish(&w->spectrum);
	sp_device_close(w->device);
	sp_matter_destroy(w->matter);
	sp_machine_destroy(w->machine);
	sp_plan_content_destroy(w->plan);
	sp_case_destroy(w->c);
}

/* Fails before the long work when the output cannot be written; also the checkpoint's name. */
static sp_status prepare_output(work *w, const sp_dose_options *o, sp_error *err)
{
	size_t bytes = strlen(o->output) + sizeof ".checkpoint";
	sp_status st = sp_atomic_check(o->output, err);

	if (st == SP_OK && !(w->checkpoint = malloc(bytes)))
		st = sp_fail(err, SP_NO_MEMORY, "no memory for a name");
	if (st != SP_OK)
		return st;
	snprintf(w->checkpoint, bytes, "%s.checkpoint", o->output);
	if (!o->mc.resume && access(w->checkpoint, F_OK) == 0)
		sp_log_warning("%s is of an earlier run, which --resume would have gone on with; this one starts anew",
		               w->checkpoint);
	return SP_OK;
}

static sp_status read_inputs(work *w, const sp_dose_options *o, sp_error *err)
{
	const char *sha;
	sp_status st;

	if ((st = sp_case_read(&w->c, o->case_path, err)) != SP_OK ||
	    (o->hardware_as_water && (st = sp_setup_hardware_as_water(w->c, err)) != SP_OK))
		return st;
	if (o->plan_path && (st = sp_plan_read_beams(&w->plan, o->plan_path, err)) != SP_OK)
		return st;
	if (o->plan_path && !w->plan->delivery && (!w->plan->beams || !w->plan->weights))
		return sp_fail(err, SP_BAD_INPUT,
		               "%s has neither control points nor bixel weights to compute a dose from", o->plan_path);
	if (w->plan && !w->plan->delivery && o->mlc)
		return sp_fail(err, SP_BAD_INPUT,
		               "%s has no control points: there are no leaves that --mlc could replace", o->plan_path);
	sha = w->plan ? json_string_value(json_object_get(w->plan->provenance, "case_sha256")) : NULL;
	if (sha && strcmp(sha, w->c->sha256) != 0)
		sp_log_warning("%s was made for another case than %s", o->plan_path, o->case_path);
	if (w->plan && w->plan->delivery && (st = sp_dose_check_delivery(&w->fractions, w->plan, w->c, err)) != SP_OK)
		return st;
	st = sp_plan_machine(&w->machine, w->plan, o->plan_path, o->machine, o->mlc, err);
	if (st != SP_OK || (w->plan && w->plan->delivery)) /* control points bring their spectrum */
		return st;
	if (o->mc.energy_mev > 0.0)
		return sp_spectrum_mono(&w->spectrum, o->mc.energy_mev, err);
	if (w->plan || (o->machine && !o->spectrum))
		return sp_machine_spectrum_make(&w->spectrum, &w->machine->source.spectrum, 0.0, w->matter, err);
	return sp_spectrum_read(&w->spectrum, o->spectrum ? o->spectrum : "mohan6", err);
}

static sp_status make_beams(work *w, const sp_dose_options *o, sp_error *err)
{
	double before_mm = fmin(sp_grid_low_edge_mm(&w->c->ct, 2), 0.0) - 1.0;

	sp_status st;

	if (w->plan && w->plan->delivery) {
		st = sp_mc_beams_of_delivery(&w->beams, w->plan->delivery, w->machine, w->c->patient_position,
		                             w->matter, err);
		w->beams.particles *= w->fractions; /* the plan's monitor units are one's */
		return st == SP_OK ? sp_spectrum_copy(&w->spectrum, w->beams.head->spectra, err) : st;
	}
	if (w->plan)
		return sp_mc_beams_of_plan(&w->beams, w->plan->beams, w->plan->weights, w->machine->fluence_per_mu_cm2,
		                           err);
	return sp_mc_beams_of_field(&w->beams, o->mc.parallel ? -1.0 : o->field.ssd_mm, o->field.field_mm, before_mm,
	                            err);
}

static sp_status choose_grid(work *w, const sp_dose_options *o, sp_error *err)
{
	const double own_mm[3] = {2.5, 2.5, 2.5};

	if (o->has_grid)
		return sp_setup_dose_grid(&w->grid, w->c, o->grid_mm, err);
	if (w->plan && w->plan->dose_grid.n[0] == 0) /* a plan without a dose */
		return sp_setup_dose_grid(&w->grid, w->c, own_mm, err);
	w->grid = w->plan ? w->plan->dose_grid : w->c->ct;
	return SP_OK;
}

static sp_status describe_matter(work *w, const sp_dose_options *o, sp_error *err)
{
	size_t n = sp_grid_voxels(&w->c->ct);
	double factor[256];
	sp_status st;

	w->density = sp_alloc_array(n, sizeof *w->density);
	w->material = sp_alloc_array(n, sizeof *w->material);
	if (!w->density || !w->material)
		return sp_fail(err, SP_NO_MEMORY, "no memory for the matter of %zu voxels", n);
	if ((st = sp_matter_voxels(w->density, w->material, w->matter, w->c, err)) != SP_OK ||
	    (o->mc.to_water && (st = sp_mc_to_water(factor, w->matter, &w->spectrum, o->mc.electrons, err)) != SP_OK))
		return st;
	w->where = (sp_mc_matter){w->c->ct, w->density, w->material};
	if ((st = sp_mc_scoring_make(&w->state.scoring, &w->where, &w->grid, o->mc.to_water ? factor : NULL, err)) !=
	    SP_OK)
		return st;
	w->state.scoring.particles = w->beams.particles;
	w->state.scoring.batch_histories = w->options.batch_histories;
	return SP_OK;
}

static void write_spectrum(FILE *f, const sp_spectrum *s)
{
	char hash[65];

	sp_sha256_bytes(hash, s->cumulative, s->n_bins * sizeof *s->cumulative);
	fprintf(f, "spectrum: %zu bins up to %.17g MeV, mean %.17g MeV, shares %.16s\n", s->n_bins,
	        s->high_mev[s->n_bins - 1], sp_spectrum_mean_energy(s), hash);
}

static void write_head(FILE *f, const work *w)
{
	const sp_mc_head_source *h = w->beams.head;
	char head[65], moves[65], numbers[65];

	sp_sha256_bytes(head, &h->head, sizeof h->head);
	sp_sha256_bytes(moves, h->intervals, h->n_intervals * sizeof *h->intervals);
	sp_sha256_bytes(numbers, h->numbers, h->n_numbers * sizeof *h->numbers);
	fprintf(f, "machine: %s, head %.16s, control points %.16s, leaves %.16s, %.17g photons\n", w->machine->name,
	        head, moves, numbers, h->particles);
}

/* All that the sums depend on, line by line. */
static sp_status configure(work *w, const sp_dose_options *o, sp_error *err)
{
	const sp_device_info *device = sp_device_describe(w->device);
	const sp_mc_options *mc = &w->options;
	const sp_grid *g = &w->grid;
	char kernels[65], plan[65] = "none", *text = NULL;
	size_t bytes;
	FILE *f;
	sp_status st;

	if ((st = sp_device_source_hash(kernels, "mc_transport.cl", err)) != SP_OK ||
	    (o->plan_path && (st = sp_sha256_file(plan, o->plan_path, err)) != SP_OK))
		return st;
	if (!(f = open_memstream(&text, &bytes)))
		return sp_fail(err, SP_NO_MEMORY, "no memory for the configuration");
	fprintf(f, "program: spineplan " SP_VERSION "\nkernels: %s\ncase: %s\nplan: %s\nsource: %s\n", kernels,
	        w->c->sha256, plan,
	        w->plan          ? "plan"
	        : o->mc.parallel ? "parallel"
	                         : "point");
	if (w->beams.head)
		write_head(f, w);
	else if (w->plan)
		fprintf(f, "machine: %s, %.17g photons/cm2\n", w->machine->name, w->machine->fluence_per_mu_cm2);
	else
		fprintf(f, "field: %.17g x %.17g mm, ssd %.17g mm\n", o->field.field_mm[0], o->field.field_mm[1],
		        o->mc.parallel ? 0.0 : o->field.ssd_mm);
	if (o->hardware_as_water)
		fputs("hardware: as water\n", f);
	fprintf(f, "particle: %s\n", o->mc.electrons ? "electron" : "photon");
	write_spectrum(f, &w->spectrum);
	fprintf(f, "seed: %" PRIu64 "\nbatch: %" PRIu32 " histories\ncuts: electrons %.17g MeV, photons %.17g MeV\n",
	        mc->seed, mc->batch_histories, mc->electron_cut_mev, mc->photon_cut_mev);
	fprintf(f, "plain: %s\nwithout: %u\ndose to: %s\n", mc->plain ? "yes" : "no", mc->without,
	        o->mc.to_water ? "water" : "medium");
	fprintf(f, "grid: %zu x %zu x %zu voxels of %.17g x %.17g x %.17g mm at %.17g %.17g %.17g mm\n", g->n[0],
	        g->n[1], g->n[2], g->spacing_mm[0], g->spacing_mm[1], g->spacing_mm[2], g->origin_mm[0],
	        g->origin_mm[1], g->origin_mm[2]);
	if (fclose(f) != 0 || !(w->state.device = malloc(sizeof device->name + sizeof device->driver + 16))) {
		free(text);
		return sp_fail(err, SP_NO_MEMORY, "no memory for the configuration");
	}
	w->state.configuration = text;
	sprintf(w->state.device, "%s, driver %s", device->name, device->driver);
	return SP_OK;
}

static sp_status set_up(work *w, const sp_dose_options *o, sp_error *err)
{
	const sp_dose_mc_options *mc = &o->mc;
	double start = sp_clock_seconds();
	bool slow;
	sp_status st;

	if ((st = prepare_output(w, o, err)) != SP_OK || (st = sp_matter_create(&w->matter, NULL, err)) != SP_OK ||
	    (st = read_inputs(w, o, err)) != SP_OK || (st = sp_device_open(&w->device, o->device, err)) != SP_OK ||
	    (st = choose_grid(w, o, err)) != SP_OK || (st = make_beams(w, o, err)) != SP_OK)
		return st;
	/* large batches are for fine grids, whose closing takes time; where histories take longer they would leave too
	 * much between two checkpoints */
	slow = mc->plain || mc->electrons || mc->without & (SP_MC_SITES | SP_MC_SETS);
	w->options = (sp_mc_options){
	        .electron_cut_mev = mc->electron_cut_mev > 0.0 ? mc->electron_cut_mev : SP_MC_ELECTRON_CUT_MEV,
	        .photon_cut_mev = mc->photon_cut_mev > 0.0 ? mc->photon_cut_mev : SP_MC_PHOTON_CUT_MEV,
	        .plain = mc->plain,
	        .without = mc->without,
	        .seed = mc->seed,
	        .batch_histories = mc->batch_histories ? (uint32_t)mc->batch_histories
	                                               : sp_mc_batch_for(slow ? 1 : sp_grid_voxels(&w->grid)),
	        .chunk = (uint32_t)mc->chunk};
	sp_log_info("Monte Carlo: %s, dose to %s on %zu x %zu x %zu voxels, batches of %u histories, seed %" PRIu64
	            "; makes tables and kernels (the kernels' first time takes longer)",
	            mc->electrons ? "electrons" : "photons", mc->to_water ? "water" : "the medium", w->grid.n[0],
	            w->grid.n[1], w->grid.n[2], w->options.batch_histories, mc->seed);
	if ((st = describe_matter(w, o, err)) != SP_OK || (st = configure(w, o, err)) != SP_OK ||
	    (st = sp_mc_create(&w->mc, w->device, w->matter, &w->where, &w->grid,
	                       &(sp_mc_particles){mc->electrons, &w->spectrum, w->beams.n_planes, w->beams.n_openings,
	                                          w->beams.planes, w->beams.openings, w->beams.head},
	                       &w->options, err)) != SP_OK)
		return st;
	sp_log_info("Monte Carlo: starts after %.1f s", sp_clock_seconds() - start);
	return SP_OK;
}

/* The batches to run, and of how many. */
static sp_status share_out(sp_mc_job *job, work *w, const sp_dose_mc_options *o, sp_error *err)
{
	double size = (double)w->options.batch_histories,
	       most = (double)sp_mc_most_batches(w->options.batch_histories, &w->spectrum);
	uint64_t total = (uint64_t)ceil(o->histories / size);

	job->first = o->first_batch;
	job->most_batches = (uint64_t)most;
	w->state.wanted = o->histories > 0.0 ? 0.0 : o->uncertainty > 0.0 ? o->uncertainty : 0.01;
	if (!(o->histories > 0.0))
		return SP_OK;
	total = total < SP_MC_LEAST_BATCHES ? SP_MC_LEAST_BATCHES : total;
	if ((double)total > most)
		return sp_fail(err, SP_BAD_INPUT,
		               "%g histories are more than the sums can hold (%.3g); share them out over other seeds",
		               o->histories, most * size);
	job->batches = total;
	if ((double)total * size != o->histories)
		sp_log_info("Monte Carlo: %" PRIu64 " whole batches make %.10g histories", total, (double)total * size);
	if (!o->parts)
		return SP_OK;
	if (total < o->parts)
		return sp_fail(err, SP_BAD_INPUT,
		               "%" PRIu64 " batches of %u histories cannot be shared out over %" PRIu64
		               " parts; ask for more --histories or smaller --batch-histories",
		               total, w->options.batch_histories, o->parts);
	w->state.total = total;
	job->first =
	        total / o->parts * (o->part - 1) + (o->part - 1 < total % o->parts ? o->part - 1 : total % o->parts);
	job->batches = total / o->parts + (o->part - 1 < total % o->parts);
	return SP_OK;
}

sp_status sp_dose_montecarlo(const sp_dose_options *o, sp_error *err)
{
	double start = sp_clock_seconds();
	work w = {0};
	sp_mc_job job = {0};
	json_t *provenance = NULL;
	sp_status st;

	if ((st = set_up(&w, o, err)) != SP_OK || (st = share_out(&job, &w, &o->mc, err)) != SP_OK)
		goto cleanup;
	job.max_seconds = o->mc.max_seconds;
	job.checkpoint = w.checkpoint;
	job.checkpoint_seconds = o->mc.checkpoint_seconds;
	job.resume = o->mc.resume;
	if ((st = sp_mc_job_run(&w.state, w.mc, &job, err)) != SP_OK)
		goto cleanup;
	provenance = sp_mc_provenance(o->argc, o->argv);
	json_object_set_new(provenance, "case_sha256", json_string(w.c->sha256));
	json_object_set_new(provenance, "total_seconds", json_real(sp_clock_seconds() - start));
	if ((st = sp_mc_file_write(o->output, &w.state, provenance, err)) == SP_OK)
		unlink(w.checkpoint);
cleanup:
	json_decref(provenance);
	finish(&w);
	return st;
}
