#include "mc_case.h"

#include "alloc.h"
#include "machine_spectrum.h"
#include "mc_beams.h"
#include "mc_head.h"
#include "mc_job.h"

#include <stdlib.h>

#define KEEP 1e-3
#define GRAY_G_PER_MEV 1.602176634e-10
#define ROUGH 0.03 /* uncertainty of a dose that few histories are enough for */

struct sp_mc_case {
	sp_device *device;
	const sp_matter *matter;
	const sp_machine *machine;
	const sp_case *c;
	float *density;
	uint8_t *material;
	sp_mc_matter where;
	sp_spectrum spectrum;
	sp_mc_scoring scoring; /* of the dose grid */
};

void sp_mc_case_destroy(sp_mc_case *m)
{
	if (!m)
		return;
	sp_mc_scoring_finish(&m->scoring);
	sp_spectrum_finish(&m->spectrum);
	free(m->density);
	free(m->material);
	free(m);
}

const float *sp_mc_case_density(const sp_mc_case *m)
{
	return m->scoring.density_g_cm3;
}

sp_status sp_mc_case_create(sp_mc_case **out, sp_device *d, const sp_case *c, const sp_matter *matter,
                            const sp_machine *machine, const sp_grid *grid, sp_error *err)
{
	size_t n = sp_grid_voxels(&c->ct);
	sp_mc_case *m = sp_alloc_array(1, sizeof *m);
	sp_status st;

	*out = NULL;
	if (!m)
		return sp_fail(err, SP_NO_MEMORY, "no memory for a case of %zu voxels", n);
	m->device = d;
	m->matter = matter;
	m->machine = machine;
	m->c = c;
	m->density = sp_alloc_array(n, sizeof *m->density);
	m->material = sp_alloc_array(n, sizeof *m->material);
	m->where = (sp_mc_matter){c->ct, m->density, m->material};
	if (!m->density || !m->material)
		st = sp_fail(err, SP_NO_MEMORY, "no memory for the matter of %zu voxels", n);
	else if ((st = sp_matter_voxels(m->density, m->material, matter, c, err)) == SP_OK &&
	         (st = sp_machine_spectrum_make(&m->spectrum, &machine->source.spectrum, 0.0, matter, err)) == SP_OK)
		st = sp_mc_scoring_make(&m->scoring, &m->where, grid, NULL, err);
	if (st != SP_OK) {
		sp_mc_case_destroy(m);
		return st;
	}
	*out = m;
	return SP_OK;
}

static sp_status create_engine(sp_mc **out, const sp_mc_beams *beams, const sp_mc_case *m, const sp_mc_options *options,
                               sp_error *err)
{
	return sp_mc_create(out, m->device, m->matter, &m->where, &m->scoring.grid,
	                    &(sp_mc_particles){.spectrum = beams->head ? beams->head->spectra : &m->spectrum,
	                                       .n_planes = beams->n_planes,
	                                       .n_openings = beams->n_openings,
	                                       .planes = beams->planes,
	                                       .openings = beams->openings,
	                                       .head = beams->head},
	                    options, err);
}

/* The engine for the bixels' weights; beams has to outlive it. */
static sp_status start_engine(sp_mc **out, sp_mc_beams *beams, const sp_mc_case *m, const sp_beam_set *set,
                              const double *weights, const sp_mc_options *options, sp_error *err)
{
	sp_status st = sp_mc_beams_of_plan(beams, set, weights, m->machine->fluence_per_mu_cm2, err);

	return st == SP_OK ? create_engine(out, beams, m, options, err) : st;
}

sp_status sp_mc_case_matrix(sp_influence **out, sp_mc_influence_result *result, sp_mc_case *m, const sp_beam_set *set,
                            const uint64_t *voxels, size_t n_voxels, const sp_mc_matrix_options *o, sp_error *err)
{
	const sp_grid *grid = &m->scoring.grid;
	const sp_mc_options options = {.seed = o->seed, .batch_histories = 1024};
	size_t n_grid = sp_grid_voxels(grid);
	double *ones = sp_alloc_array(set->n_bixels, sizeof *ones), *gray = sp_alloc_array(set->n_bixels, sizeof *gray);
	float *mass_g = sp_alloc_array(n_grid, sizeof *mass_g);
	const sp_mc_influence_options columns = {.grid = grid,
	                                         .rows = voxels,
	                                         .n_rows = n_voxels,
	                                         .gray = gray,
	                                         .mass_g = mass_g,
	                                         .uncertainty = o->uncertainty,
	                                         .histories = o->histories,
	                                         .keep = KEEP};
	sp_mc_beams beams = {0};
	sp_mc *mc = NULL;
	sp_progress progress;
	sp_status st;

	*out = NULL;
	if (!ones || !gray || !mass_g) {
		st = sp_fail(err, SP_NO_MEMORY, "no memory for a matrix of %zu bixels", set->n_bixels);
		goto cleanup;
	}
	for (size_t i = 0; i < set->n_bixels; i++)
		ones[i] = 1.0; /* every bixel is an opening, in its order */
	for (size_t v = 0; v < n_grid; v++)
		mass_g[v] = (float)((double)m->scoring.density_g_cm3[v] * sp_grid_voxel_volume_cc(grid));
	if ((st = start_engine(&mc, &beams, m, set, ones, &options, err)) != SP_OK)
		goto cleanup;
	for (size_t i = 0; i < set->n_bixels; i++)
		gray[i] = beams.particles / (double)set->n_bixels * GRAY_G_PER_MEV;
	sp_progress_start(&progress, "Monte Carlo matrix");
	st = sp_mc_influence(out, result, mc, &columns, &progress, err);
	sp_progress_end(&progress, NULL);
cleanup:
	sp_mc_destroy(mc);
	sp_mc_beams_finish(&beams);
	free(mass_g);
	free(gray);
	free(ones);
	return st;
}

/* Runs the engine of one of the two below until the uncertainty is reached. */
static sp_status run(float *dose_gy, float *sigma_gy, sp_mc_dose_result *result, sp_mc_case *m, sp_mc *mc,
                     const sp_spectrum *spectrum, double particles, double uncertainty, uint32_t batch_histories,
                     sp_error *err)
{
	const sp_mc_job job = {.most_batches = sp_mc_most_batches(batch_histories, spectrum)};
	sp_mc_state state = {.scoring = m->scoring, .wanted = uncertainty};
	sp_mc_quality quality;
	sp_status st;

	state.scoring.particles = particles;
	state.scoring.batch_histories = batch_histories;
	if ((st = sp_mc_job_run(&state, mc, &job, err)) == SP_OK) {
		sp_mc_dose(dose_gy, sigma_gy, &state.scoring, &state.sums);
		if ((st = sp_mc_judge(&quality, &state.scoring, dose_gy, sigma_gy, err)) == SP_OK)
			*result = (sp_mc_dose_result){quality.mean_sigma, state.sums.batches * batch_histories};
	}
	state.scoring = (sp_mc_scoring){0}; /* m's */
	sp_mc_state_finish(&state);
	return st;
}

static sp_mc_options run_options(const sp_mc_case *m, uint64_t seed)
{
	return (sp_mc_options){.seed = seed, .batch_histories = sp_mc_batch_for(sp_grid_voxels(&m->scoring.grid))};
}

sp_status sp_mc_case_dose(float *dose_gy, float *sigma_gy, sp_mc_dose_result *result, sp_mc_case *m,
                          const sp_beam_set *set, const double *weights, double uncertainty, uint64_t seed,
                          sp_error *err)
{
	sp_mc_options options = run_options(m, seed);
	sp_mc_beams beams = {0};
	sp_mc *mc = NULL;
	sp_status st;

	/* all histories of a fluence reach the patient: the fewest batches would take a rough dose far past its aim */
	if (uncertainty >= ROUGH)
		options.batch_histories /= 4;
	if ((st = start_engine(&mc, &beams, m, set, weights, &options, err)) == SP_OK)
		st = run(dose_gy, sigma_gy, result, m, mc, beams.head ? beams.head->spectra : &m->spectrum,
		         beams.particles, uncertainty, options.batch_histories, err);
	sp_mc_destroy(mc);
	sp_mc_beams_finish(&beams);
	return st;
}

sp_status sp_mc_case_delivery(float *dose_gy, float *sigma_gy, sp_mc_dose_result *result, sp_mc_case *m,
                              const sp_delivery *delivery, double uncertainty, uint64_t seed, uint32_t batch_histories,
                              sp_error *err)
{
	sp_mc_options options = run_options(m, seed);
	sp_mc_beams beams = {0};
	sp_mc *mc = NULL;
	sp_status st;

	options.batch_histories = batch_histories ? batch_histories : options.batch_histories;
	if ((st = sp_mc_beams_of_delivery(&beams, delivery, m->machine, m->c->patient_position, m->matter, err)) ==
	            SP_OK &&
	    (st = create_engine(&mc, &beams, m, &options, err)) == SP_OK)
		st = run(dose_gy, sigma_gy, result, m, mc, beams.head ? beams.head->spectra : &m->spectrum,
		         beams.particles, uncertainty, options.batch_histories, err);
	sp_mc_destroy(mc);
	sp_mc_beams_finish(&beams);
	return st;
}
