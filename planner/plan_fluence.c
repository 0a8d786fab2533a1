/* The way of the data: case → electron density → beams → influence matrix → optimiser → dose without cut-off. */
#include "plan_fluence.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "case_setup.h"
#include "clock.h"
#include "influence.h"
#include "log.h"
#include "mask.h"
#include "pencil.h"
#include "plan_problem.h"

/* Rounds of planning against the dose without cut-off; the first correction brings most of it. */
#define MAX_ROUNDS 3

static sp_status make_beams(sp_beam_set **out, const sp_case *c, const sp_grid *grid, const sp_machine *machine,
                            const sp_plan_options *o, sp_error *err)
{
	/* one bixel of margin: the penumbra of the last bixel must not fall on the target's edge */
	const sp_setup_beam_options setup = {.angles_deg = o->n_angles ? o->angles_deg : NULL,
	                                     .n_angles = o->n_angles,
	                                     .sad_mm = machine->sad_mm,
	                                     .bixel_mm = o->bixel_mm,
	                                     .margin_mm = o->bixel_mm};

	return sp_setup_beams(out, c, grid, &setup, err);
}

typedef struct {
	const sp_plan_problem *problem;
	double prescription_gy;
	double shown_s;
} progress_context;

/* One line now and then: objective, worst limit, coverage of the target and largest dose of the cord. */
static bool show_iteration(void *context, size_t iteration, double objective, double miss_gy, const float *dose)
{
	progress_context *x = context;
	const sp_plan_problem *p = x->problem;
	double now = sp_clock_seconds(), covered = 0.0, volume = 0.0, cord = 0.0;
	char cord_text[128] = "";

	if (now - x->shown_s < 2.0 && iteration > 1)
		return true;
	x->shown_s = now;
	const sp_term *t = &p->terms[p->target_term];

	for (size_t i = 0; i < t->n; i++) {
		volume += t->volumes[i];
		if (dose[t->rows[i]] >= x->prescription_gy)
			covered += t->volumes[i];
	}
	if (p->cord_term != SIZE_MAX) {
		t = &p->terms[p->cord_term];
		for (size_t i = 0; i < t->n; i++)
			cord = fmax(cord, dose[t->rows[i]]);
		snprintf(cord_text, sizeof cord_text, ", %s max %.2f Gy", t->name, cord);
	}
	sp_log_info("  iteration %4zu: objective %.5g, target at prescription %.1f %%%s, worst limit miss %.2f Gy",
	            iteration, objective, 100.0 * covered / volume, cord_text, miss_gy);
	return true;
}

/* The rows' share of a dose on the whole grid, less what the matrix already gives: what its cut-off leaves out. */
static void offset_of(float *offset, const float *whole, const float *rows_dose, const sp_plan_problem *p)
{
	for (size_t i = 0; i < p->n_voxels; i++)
		offset[i] += whole[p->voxels[i]] - rows_dose[i];
}

static sp_status optimise_rounds(sp_fluence_plan *plan, sp_influence *matrix, sp_pencil *pencil,
                                 const sp_plan_problem *problem, double dose_gy, const sp_plan_options *o,
                                 sp_error *err)
{
	float *rows_dose = sp_alloc_array(problem->n_voxels, sizeof *rows_dose);
	float *offset = sp_alloc_array(problem->n_voxels, sizeof *offset);
	progress_context context = {problem, dose_gy, 0.0};
	double started = sp_clock_seconds();
	sp_status st = rows_dose && offset ? SP_OK : sp_fail(err, SP_NO_MEMORY, "out of memory optimising");

	for (int round = 0; st == SP_OK && round < MAX_ROUNDS; round++) {
		sp_optimise_options options = {.max_seconds = o->max_seconds,
		                               .tolerance = 1e-4,
		                               .limit_tolerance_gy = 0.02,
		                               .start = round ? plan->weights : NULL,
		                               .offset_gy = round ? offset : NULL,
		                               .on_iteration = show_iteration,
		                               .context = &context};
		double largest = 0.0, before = sp_clock_seconds();

		if (o->max_seconds > 0.0) {
			options.max_seconds = o->max_seconds - (before - started);
			if (options.max_seconds <= 0.0)
				break;
		}
		st = sp_optimise(plan->weights, rows_dose, &plan->optimisation, matrix, problem->terms,
		                 problem->n_terms, &options, err);
		plan->optimise_seconds += sp_clock_seconds() - before;
		if (st != SP_OK)
			break;
		before = sp_clock_seconds();
		st = sp_pencil_dose(plan->dose_gy, pencil, plan->beams, plan->weights, &plan->dose_grid, err);
		plan->dose_seconds += sp_clock_seconds() - before;
		if (st != SP_OK || plan->optimisation.interrupted)
			break;
		for (size_t i = 0; i < problem->n_voxels; i++)
			largest = fmax(largest, fabs(plan->dose_gy[problem->voxels[i]] - rows_dose[i]));
		offset_of(offset, plan->dose_gy, rows_dose, problem);
		sp_log_detail("round %d: the matrix leaves out at most %.3f Gy", round + 1, largest);
		if (largest < 0.02)
			break;
	}
	free(rows_dose);
	free(offset);
	return st;
}

sp_status sp_plan_fluence(sp_fluence_plan **out, const sp_case *c, const sp_protocol *protocol, double dose_gy,
                          const sp_machine *machine, const sp_matter *matter, sp_device *device,
                          const sp_plan_options *o, sp_error *err)
{
	const double spacing_mm[3] = {o->grid_mm, o->grid_mm, o->grid_mm};
	sp_fluence_plan *plan = sp_alloc_array(1, sizeof *plan);
	sp_plan_problem problem = {0};
	sp_pencil *pencil = NULL;
	sp_influence *matrix = NULL;
	float *red = NULL;
	double before;
	sp_status st;

	*out = NULL;
	if (!plan || !(red = sp_alloc_array(sp_grid_voxels(&c->ct), sizeof *red))) {
		st = sp_fail(err, SP_NO_MEMORY, "out of memory for the electron density of the CT");
		goto cleanup;
	}
	if ((st = sp_setup_dose_grid(&plan->dose_grid, c, spacing_mm, err)) != SP_OK ||
	    (st = sp_plan_problem_make(&problem, c, protocol, dose_gy, &plan->dose_grid, err)) != SP_OK ||
	    (st = make_beams(&plan->beams, c, &plan->dose_grid, machine, o, err)) != SP_OK)
		goto cleanup;
	plan->dose_gy = sp_alloc_array(sp_grid_voxels(&plan->dose_grid), sizeof *plan->dose_gy);
	plan->weights = sp_alloc_array(plan->beams->n_bixels, sizeof *plan->weights);
	if (!plan->dose_gy || !plan->weights) {
		st = sp_fail(err, SP_NO_MEMORY, "out of memory for a dose grid of %zu voxels",
		             sp_grid_voxels(&plan->dose_grid));
		goto cleanup;
	}
	sp_log_info("%zu beams, %zu bixels of %g mm, dose grid %zu x %zu x %zu of %g mm, %zu voxels in the problem",
	            plan->beams->n_beams, plan->beams->n_bixels, o->bixel_mm, plan->dose_grid.n[0],
	            plan->dose_grid.n[1], plan->dose_grid.n[2], o->grid_mm, problem.n_voxels);
	before = sp_clock_seconds();
	if ((st = sp_matter_electron_density(red, matter, c, err)) != SP_OK ||
	    (st = sp_pencil_create(&pencil, device, machine, &c->ct, red, err)) != SP_OK)
		goto cleanup;
	free(red);
	red = NULL;
	if ((st = sp_pencil_influence(&matrix, pencil, plan->beams, &plan->dose_grid, problem.voxels, problem.n_voxels,
	                              o->cutoff_mm, err)) != SP_OK)
		goto cleanup;
	plan->matrix_seconds = sp_clock_seconds() - before;
	plan->n_rows = sp_influence_rows(matrix);
	plan->n_values = sp_influence_values(matrix);
	sp_log_info("influence matrix: %zu x %zu, %.1f million entries, %.0f MB, %.1f s", plan->n_rows,
	            sp_influence_columns(matrix), 1e-6 * (double)plan->n_values,
	            1e-6 * (double)sp_influence_bytes(matrix), plan->matrix_seconds);
	st = optimise_rounds(plan, matrix, pencil, &problem, dose_gy, o, err);
	if (st != SP_OK)
		goto cleanup;
	if (plan->optimisation.interrupted)
		st = SP_INTERRUPTED;
	*out = plan;
	plan = NULL;
cleanup:
	free(red);
	sp_influence_destroy(matrix);
	sp_pencil_destroy(pencil);
	sp_plan_problem_finish(&problem);
	sp_fluence_plan_destroy(plan);
	return st;
}

void sp_fluence_plan_destroy(sp_fluence_plan *p)
{
	if (!p)
		return;
	sp_beam_set_destroy(p->beams);
	free(p->weights);
	free(p->dose_gy);
	free(p);
}
