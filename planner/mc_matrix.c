#include "mc_matrix.h"

#include "alloc.h"
#include "mc_beams.h"
#include "mc_scoring.h"

#include <stdlib.h>

#define KEEP 1e-3
#define GRAY_G_PER_MEV 1.602176634e-10

typedef struct {
	float *density;
	uint8_t *material;
	double *ones, *gray;
	float *mass_g;
	sp_spectrum spectrum;
	sp_mc_beams beams;
	sp_mc_scoring scoring;
	sp_mc *mc;
} work;

static void finish(work *w)
{
	sp_mc_destroy(w->mc);
	sp_mc_scoring_finish(&w->scoring);
	sp_mc_beams_finish(&w->beams);
	sp_spectrum_finish(&w->spectrum);
	free(w->mass_g);
	free(w->gray);
	free(w->ones);
	free(w->density);
	free(w->material);
}

static sp_status reserve(work *w, size_t n_ct, size_t n_bixels, size_t n_voxels, sp_error *err)
{
	w->density = sp_alloc_array(n_ct, sizeof *w->density);
	w->material = sp_alloc_array(n_ct, sizeof *w->material);
	w->ones = sp_alloc_array(n_bixels, sizeof *w->ones);
	w->gray = sp_alloc_array(n_bixels, sizeof *w->gray);
	w->mass_g = sp_alloc_array(n_voxels, sizeof *w->mass_g);
	return w->density && w->material && w->ones && w->gray && w->mass_g
	               ? SP_OK
	               : sp_fail(err, SP_NO_MEMORY, "no memory for the matter of %zu voxels", n_ct);
}

sp_status sp_mc_matrix(sp_influence **out, sp_mc_influence_result *result, sp_device *d, const sp_case *c,
                       const sp_matter *matter, const sp_machine *machine, const sp_beam_set *set, const sp_grid *grid,
                       const uint64_t *voxels, size_t n_voxels, const sp_mc_matrix_options *o, sp_error *err)
{
	const sp_mc_options options = {.seed = o->seed, .batch_histories = 1024};
	sp_progress progress;
	sp_mc_influence_options columns;
	sp_mc_matter where;
	sp_mc_particles particles;
	work w = {0};
	sp_status st;

	*out = NULL;
	if ((st = reserve(&w, sp_grid_voxels(&c->ct), set->n_bixels, sp_grid_voxels(grid), err)) != SP_OK ||
	    (st = sp_matter_voxels(w.density, w.material, matter, c, err)) != SP_OK ||
	    (st = sp_spectrum_read(&w.spectrum, machine->kernel, err)) != SP_OK)
		goto cleanup;
	where = (sp_mc_matter){c->ct, w.density, w.material};
	for (size_t i = 0; i < set->n_bixels; i++)
		w.ones[i] = 1.0; /* every bixel is an opening, in its order */
	if ((st = sp_mc_beams_of_plan(&w.beams, set, w.ones, machine->fluence_per_mu_cm2, err)) != SP_OK ||
	    (st = sp_mc_scoring_make(&w.scoring, &where, grid, NULL, err)) != SP_OK)
		goto cleanup;
	for (size_t i = 0; i < set->n_bixels; i++)
		w.gray[i] = w.beams.particles / (double)set->n_bixels * GRAY_G_PER_MEV;
	for (size_t v = 0; v < sp_grid_voxels(grid); v++)
		w.mass_g[v] = (float)((double)w.scoring.density_g_cm3[v] * sp_grid_voxel_volume_cc(grid));
	particles = (sp_mc_particles){false,          &w.spectrum,     w.beams.n_planes, w.beams.n_openings,
	                              w.beams.planes, w.beams.openings};
	if ((st = sp_mc_create(&w.mc, d, matter, &where, grid, &particles, &options, err)) != SP_OK)
		goto cleanup;
	columns = (sp_mc_influence_options){.grid = grid,
	                                    .rows = voxels,
	                                    .n_rows = n_voxels,
	                                    .gray = w.gray,
	                                    .mass_g = w.mass_g,
	                                    .uncertainty = o->uncertainty,
	                                    .histories = o->histories,
	                                    .keep = KEEP};
	sp_progress_start(&progress, "Monte Carlo matrix");
	st = sp_mc_influence(out, result, w.mc, &columns, &progress, err);
	sp_progress_end(&progress, NULL);
cleanup:
	finish(&w);
	return st;
}
