#include "accuracy_montecarlo.h"

#include "alloc.h"
#include "clock.h"
#include "interrupt.h"
#include "mc_beams.h"
#include "mc_scoring.h"
#include "progress.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEAR_MM 1.0
/* The phantom's voxels: of a patient's size, so that long steps and repeated tracks are judged as they are used. Large
 * or thin ones would cut every step short and leave no voxel with uniform surroundings. All layers are whole voxels. */
#define VOXEL_MM 5.0

/* Uncertainties are from batches; of so many they are good to 13 %. */
#define LEAST_BATCHES 32

/* Histories of a batch where a narrow beam meets few boxes, or each particle deposits all it has: the least number of
 * batches is then enough. */
#define BEAM_BATCH 8192

static const struct {
	double tolerance_percent, mean_limit_percent;
} limits[] = {[SP_REFERENCE_WATER] = {1.0, 0.5},
              [SP_REFERENCE_SLAB] = {2.0, 1.0},
              [SP_REFERENCE_PENCIL] = {1.5, 0.0},
              [SP_REFERENCE_ELECTRON] = {1.5, 0.0}};

typedef struct {
	sp_mc_matter where;
	float *density;
	uint8_t *material;
	sp_spectrum spectrum;
	sp_mc_beams beams;
} problem;

static void problem_finish(problem *p)
{
	free(p->density);
	free(p->material);
	sp_spectrum_finish(&p->spectrum);
	sp_mc_beams_finish(&p->beams);
	*p = (problem){0};
}

static sp_status fill_layers(problem *p, const sp_reference_case *c, const sp_matter *m, sp_error *err)
{
	const size_t n_across = (size_t)lround(SP_REFERENCE_SIDE_MM / VOXEL_MM), layer = n_across * n_across;
	const double first = 0.5 * (VOXEL_MM - SP_REFERENCE_SIDE_MM);
	sp_grid *g = &p->where.grid;
	double bottom = 0.0;
	size_t n = 0;

	*g = (sp_grid){{n_across, n_across, (size_t)lround(sp_reference_depth_mm(c) / VOXEL_MM)},
	               {VOXEL_MM, VOXEL_MM, VOXEL_MM},
	               {first, first, 0.5 * VOXEL_MM}};
	p->where.density_g_cm3 = p->density = sp_alloc_array(sp_grid_voxels(g), sizeof *p->density);
	p->where.material = p->material = sp_alloc_array(sp_grid_voxels(g), sizeof *p->material);
	if (!p->density || !p->material)
		return sp_fail(err, SP_NO_MEMORY, "no memory for the phantom of %s", c->name);
	for (int l = 0; l < 3 && c->layers[l].material; l++) {
		int material = sp_matter_find(m, c->layers[l].material);

		if (material < 0)
			return sp_fail(err, SP_FAILED, "no material is called %s", c->layers[l].material);
		bottom += c->layers[l].thickness_mm;
		for (; n < sp_grid_voxels(g) && ((double)(n / layer) + 0.5) * VOXEL_MM < bottom; n++) {
			p->density[n] = (float)sp_matter_density_g_cm3(m, material);
			p->material[n] = (uint8_t)material;
		}
	}
	return SP_OK;
}

static sp_status problem_make(problem *p, const sp_reference_case *c, const sp_matter *m, sp_error *err)
{
	const double field[2] = {c->field_mm, c->field_mm};
	sp_status st;

	if ((st = fill_layers(p, c, m, err)) != SP_OK)
		return st;
	if (c->energy_mev > 0.0)
		st = sp_spectrum_mono(&p->spectrum, c->energy_mev, err);
	else
		st = sp_spectrum_read(&p->spectrum, "mohan6", err);
	if (st != SP_OK)
		return st;
	return sp_mc_beams_of_field(&p->beams, c->energy_mev > 0.0 ? -1.0 : SP_REFERENCE_SSD_MM, field, -1.0, err);
}

/* Boxes of one width in y, scored on a grid that is one voxel wide there, in steps that all boxes' edges are multiples
 * of. */
typedef struct {
	sp_grid grid;
	sp_mc_scoring scoring;
	float *dose; /* mean of all batches so far */
	bool whole_width;
	double most_gy;
	double *before, *sum, *squares; /* by box: n times the mean so far, and over batches */
} strip;

static void strip_finish(strip *s)
{
	sp_mc_scoring_finish(&s->scoring);
	free(s->dose);
	free(s->before);
	free(s->sum);
	free(s->squares);
}

static sp_status strip_make(strip *s, const sp_reference_curves *curves, const problem *p, const sp_reference_case *c,
                            sp_error *err)
{
	const double across = c->kind == SP_REFERENCE_PENCIL ? 0.5 : 2.5, along = 0.5;
	size_t nx = (size_t)lround(SP_REFERENCE_SIDE_MM / across),
	       nz = (size_t)lround(sp_reference_depth_mm(c) / along), first = 0;
	double width;

	while (curves->boxes[first].whole_width != s->whole_width)
		first++;
	width = curves->boxes[first].high_mm[1] - curves->boxes[first].low_mm[1];
	for (size_t i = first; i < curves->n; i++) {
		const sp_reference_box *b = curves->boxes + i;

		if (b->whole_width != s->whole_width)
			continue;
		if (fabs(b->high_mm[1] - b->low_mm[1] - width) > 1e-6 || fabs(b->high_mm[1] + b->low_mm[1]) > 1e-6)
			return sp_fail(err, SP_BAD_INPUT,
			               "the curves of %s have boxes from y = %g to %g mm, expected %g to %g mm",
			               c->name, b->low_mm[1], b->high_mm[1], -0.5 * width, 0.5 * width);
		s->most_gy = fmax(s->most_gy, b->dose_gy);
	}
	s->grid = (sp_grid){
	        {nx, 1, nz}, {across, width, along}, {0.5 * (across - SP_REFERENCE_SIDE_MM), 0.0, 0.5 * along}};
	s->dose = sp_alloc_array(sp_grid_voxels(&s->grid), sizeof *s->dose);
	s->before = sp_alloc_array(curves->n, sizeof *s->before);
	s->sum = sp_alloc_array(curves->n, sizeof *s->sum);
	s->squares = sp_alloc_array(curves->n, sizeof *s->squares);
	if (!s->dose || !s->before || !s->sum || !s->squares)
		return sp_fail(err, SP_NO_MEMORY, "no memory for the dose of %s", c->name);
	return sp_mc_scoring_make(&s->scoring, &p->where, &s->grid, NULL, err);
}

/* Phantom and beam are symmetric, and the reference is the mean of both sides. */
static void fold(float *dose, const sp_grid *g)
{
	for (size_t k = 0; k < g->n[2]; k++)
		for (size_t i = 0; i < g->n[0] / 2; i++) {
			float *a = dose + sp_grid_index(g, i, 0, k),
			      *b = dose + sp_grid_index(g, g->n[0] - 1 - i, 0, k);

			*a = *b = 0.5f * (*a + *b);
		}
}

/* Takes the boxes' doses in the newest batch into the sums; gives the mean relative uncertainty. */
static sp_status add_batch(double *uncertainty, strip *s, const sp_reference_curves *curves, sp_mc *mc, sp_error *err)
{
	double relative = 0.0, n;
	sp_mc_sums sums = {0};
	size_t high = 0;
	sp_status st;

	*uncertainty = 1.0;
	if ((st = sp_mc_read(&sums, mc, err)) != SP_OK)
		return st;
	sp_mc_dose(s->dose, NULL, &s->scoring, &sums);
	n = (double)sums.batches;
	sp_mc_sums_finish(&sums);
	fold(s->dose, &s->grid);
	for (size_t i = 0; i < curves->n; i++) {
		const sp_reference_box *b = curves->boxes + i;
		double total, batch;

		if (b->whole_width != s->whole_width)
			continue;
		total = n * sp_accuracy_box_mean(s->dose, &s->grid, b->low_mm, b->high_mm);
		batch = total - s->before[i];
		s->before[i] = total;
		s->sum[i] += batch;
		s->squares[i] += batch * batch;
		if (b->dose_gy > 0.5 * s->most_gy) {
			double mean = s->sum[i] / n;

			relative += n > 1.0 ? sqrt(fmax(s->squares[i] / n - mean * mean, 0.0) / (n - 1.0)) / mean : 1.0;
			high++;
		}
	}
	*uncertainty = high ? relative / (double)high : 0.0;
	return SP_OK;
}

static void show(sp_progress *bar, const char *name, double uncertainty, double wanted)
{
	char note[96];

	snprintf(note, sizeof note, "%s, uncertainty %.2f %%", name, 100.0 * uncertainty);
	sp_progress_show(bar, fmin(pow(wanted / uncertainty, 2.0), 1.0), note);
}

/* Runs batches until the boxes of that width are known well enough. */
static sp_status run_strip(sp_box_dose *own, double *histories, bool whole_width, const sp_reference_curves *curves,
                           const problem *p, const sp_reference_case *c, sp_device *d, const sp_matter *m,
                           const sp_accuracy_mc_options *o, sp_error *err)
{
	const sp_mc_particles particles = {c->kind == SP_REFERENCE_ELECTRON,
	                                   &p->spectrum,
	                                   p->beams.n_planes,
	                                   p->beams.n_openings,
	                                   p->beams.planes,
	                                   p->beams.openings,
	                                   NULL};
	strip s = {.whole_width = whole_width};
	sp_mc_options mc_options = o->mc;
	double uncertainty = 1.0, n = 0.0;
	sp_mc *mc = NULL;
	sp_progress bar;
	sp_status st;

	if ((st = strip_make(&s, curves, p, c, err)) != SP_OK)
		goto cleanup;
	if (!mc_options.batch_histories)
		mc_options.batch_histories =
		        c->energy_mev > 0.0 ? BEAM_BATCH : sp_mc_batch_for(sp_grid_voxels(&s.grid));
	s.scoring.particles = 1.0;
	s.scoring.batch_histories = mc_options.batch_histories;
	if ((st = sp_mc_create(&mc, d, m, &p->where, &s.grid, &particles, &mc_options, err)) != SP_OK)
		goto cleanup;
	sp_progress_start(&bar, "Monte Carlo");
	while (n < LEAST_BATCHES ||
	       (uncertainty > o->uncertainty &&
	        (o->most_histories == 0.0 || n * mc_options.batch_histories < o->most_histories))) {
		if (sp_interrupt_asked()) {
			st = sp_fail(err, SP_INTERRUPTED, "interrupted in %s", c->name);
			goto cleanup;
		}
		if ((st = sp_mc_run(mc, (uint64_t)n, 1, err)) != SP_OK ||
		    (st = add_batch(&uncertainty, &s, curves, mc, err)) != SP_OK)
			goto cleanup;
		n += 1.0;
		show(&bar, c->name, uncertainty, o->uncertainty);
	}
	sp_progress_end(&bar, c->name);
	*histories += n * mc_options.batch_histories;
	for (size_t i = 0; i < curves->n; i++) {
		double mean = s.sum[i] / n;

		if (curves->boxes[i].whole_width != whole_width)
			continue;
		sp_accuracy_box(&own[i], &curves->boxes[i], s.dose, &s.grid, NEAR_MM);
		own[i].sigma_gy = sqrt(fmax(s.squares[i] / n - mean * mean, 0.0) / (n - 1.0));
	}
cleanup:
	sp_mc_destroy(mc);
	strip_finish(&s);
	return st;
}

sp_status sp_accuracy_measure_mc(sp_accuracy *out, sp_accuracy_points *points, unsigned number, sp_device *d,
                                 const sp_matter *matter, const sp_accuracy_mc_options *options, sp_error *err)
{
	const sp_reference_case *c = &sp_reference_cases[number];
	double start = sp_clock_seconds();
	sp_accuracy_points all = {0};
	problem p = {0};
	bool lines = false;
	sp_status st;

	*out = (sp_accuracy){.name = c->name,
	                     .what = c->what,
	                     .required = true,
	                     .tolerance_percent = limits[c->kind].tolerance_percent,
	                     .tolerance_mm = NEAR_MM,
	                     .needed_percent = 98.0,
	                     .mean_limit_percent = limits[c->kind].mean_limit_percent};
	if (points)
		*points = all;
	if ((st = sp_reference_read(&all.reference, c->name, options->folder, 0.0, err)) != SP_OK)
		goto cleanup;
	if (!(all.own = sp_alloc_array(all.reference.n, sizeof *all.own))) {
		st = sp_fail(err, SP_NO_MEMORY, "no memory for the curves of %s", c->name);
		goto cleanup;
	}
	for (size_t i = 0; i < all.reference.n; i++)
		lines = lines || all.reference.boxes[i].whole_width;
	if ((st = problem_make(&p, c, matter, err)) != SP_OK)
		goto cleanup;
	for (int width = 0; width <= (int)lines && st == SP_OK; width++)
		st = run_strip(all.own, &out->histories, width != 0, &all.reference, &p, c, d, matter, options, err);
	if (st != SP_OK)
		goto cleanup;
	sp_accuracy_judge(out, &all.reference, all.own);
	out->seconds = sp_clock_seconds() - start;
	if (points) {
		*points = all;
		all = (sp_accuracy_points){0};
	}
cleanup:
	sp_accuracy_points_finish(&all);
	problem_finish(&p);
	return st;
}

void sp_accuracy_points_finish(sp_accuracy_points *points)
{
	sp_reference_finish(&points->reference);
	free(points->own);
	*points = (sp_accuracy_points){0};
}
