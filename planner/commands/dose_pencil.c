/* `spineplan dose` with the pencil beam. */
#include "dose.h"

#include <stdlib.h>

#include "alloc.h"
#include "atomic_file.h"
#include "case_setup.h"
#include "clock.h"
#include "delivery_dose.h"
#include "delivery_pencil.h"
#include "h5.h"
#include "log.h"
#include "machine.h"
#include "matter.h"
#include "pencil.h"
#include "plan_file.h"
#include "plan_machine.h"

/* All that a calculation needs and leaves. */
typedef struct {
	sp_case *c;
	sp_plan_content *plan;
	unsigned fractions; /* of a plan with control points */
	sp_machine *machine;
	sp_matter *matter;
	sp_device *device;
	sp_pencil *pencil;
	sp_beam_set *own_beams;
	double *own_weights;
	const sp_beam_set *beams;
	const double *weights;
	sp_grid grid;
	float *red, *dose;
} work;

static void finish(work *w)
{
	free(w->dose);
	free(w->red);
	free(w->own_weights);
	sp_beam_set_destroy(w->own_beams);
	sp_pencil_destroy(w->pencil);
	sp_device_close(w->device);
	sp_matter_destroy(w->matter);
	sp_machine_destroy(w->machine);
	sp_plan_content_destroy(w->plan);
	sp_case_destroy(w->c);
}

/* Beams and weights: the plan's, or an open field. */
static sp_status choose_beams(work *w, const sp_dose_options *o, const sp_machine *machine, sp_error *err)
{
	sp_status st;

	if (o->open_field) {
		st = sp_open_field_make(&w->own_beams, &w->own_weights, &o->field, machine, err);
		w->beams = w->own_beams;
		w->weights = w->own_weights;
		return st;
	}
	if (!w->plan->beams || !w->plan->weights)
		return sp_fail(err, SP_BAD_INPUT,
		               "%s has neither control points nor bixel weights to compute a dose from", o->plan_path);
	w->beams = w->plan->beams;
	w->weights = w->plan->weights;
	return SP_OK;
}

static sp_status choose_grid(work *w, const sp_dose_options *o, sp_error *err)
{
	const double fine_mm[3] = {1.25, 1.25, 1.0}, plan_mm[3] = {2.5, 2.5, 2.5};

	if (w->plan && !o->has_grid && w->plan->dose_grid.n[0] == 0)
		return sp_setup_dose_grid(&w->grid, w->c, plan_mm, err);
	if (w->plan && !o->has_grid) {
		w->grid = w->plan->dose_grid;
		return SP_OK;
	}
	return sp_setup_dose_grid(&w->grid, w->c, o->has_grid ? o->grid_mm : fine_mm, err);
}

/* Of all fractions. */
static sp_status compute_delivery(work *w, sp_error *err)
{
	size_t n = sp_grid_voxels(&w->grid);
	sp_status st;

	w->red = sp_alloc_array(sp_grid_voxels(&w->c->ct), sizeof *w->red);
	w->dose = sp_alloc_array(n, sizeof *w->dose);
	if (!w->red || !w->dose)
		return sp_fail(err, SP_NO_MEMORY, "no memory for a dose of %zu voxels", n);
	if ((st = sp_matter_electron_density(w->red, w->matter, w->c, err)) != SP_OK)
		return st;
	st = sp_delivery_dose_pencil(w->dose, w->device, w->c, w->matter, w->red, w->machine, w->plan->delivery,
	                             &w->grid, 0.0, err);
	for (size_t v = 0; st == SP_OK && v < n; v++)
		w->dose[v] *= (float)w->fractions;
	return st;
}

static sp_status compute(work *w, const sp_dose_options *o, sp_error *err)
{
	char *kernel = NULL;
	sp_machine machine;
	sp_status st;

	if ((st = sp_case_read(&w->c, o->case_path, err)) != SP_OK ||
	    (o->hardware_as_water && (st = sp_setup_hardware_as_water(w->c, err)) != SP_OK))
		return st;
	if (o->plan_path && (st = sp_plan_read_beams(&w->plan, o->plan_path, err)) != SP_OK)
		return st;
	if (w->plan && !w->plan->delivery && o->mlc)
		return sp_fail(err, SP_BAD_INPUT,
		               "%s has no control points: there are no leaves that --mlc could replace", o->plan_path);
	if (w->plan && w->plan->delivery && o->spectrum)
		return sp_fail(err, SP_BAD_INPUT,
		               "%s has control points, whose spectrum is the machine's: leave out --spectrum",
		               o->plan_path);
	if (w->plan && w->plan->delivery && (st = sp_dose_check_delivery(&w->fractions, w->plan, w->c, err)) != SP_OK)
		return st;
	st = sp_plan_machine(&w->machine, w->plan, o->plan_path, o->machine, o->mlc, err);
	if (st != SP_OK || (st = sp_matter_create(&w->matter, NULL, err)) != SP_OK ||
	    (st = sp_device_open(&w->device, o->device, err)) != SP_OK || (st = choose_grid(w, o, err)) != SP_OK)
		return st;
	if (w->plan && w->plan->delivery)
		return compute_delivery(w, err);
	machine = *w->machine;
	if (o->open_field)
		machine.source_fwhm_mm[0] = machine.source_fwhm_mm[1] = 0.0;
	/* a field without a machine has the reference's spectrum */
	if ((o->spectrum || (o->open_field && !o->machine)) &&
	    !(machine.kernel = kernel = sp_copy_text(o->spectrum ? o->spectrum : "mohan6")))
		return sp_fail(err, SP_NO_MEMORY, "no memory for a name");
	if ((st = choose_beams(w, o, &machine, err)) != SP_OK)
		goto cleanup;
	w->red = sp_alloc_array(sp_grid_voxels(&w->c->ct), sizeof *w->red);
	w->dose = sp_alloc_array(sp_grid_voxels(&w->grid), sizeof *w->dose);
	if (!w->red || !w->dose) {
		st = sp_fail(err, SP_NO_MEMORY, "no memory for a dose of %zu voxels", sp_grid_voxels(&w->grid));
		goto cleanup;
	}
	if ((st = sp_matter_electron_density(w->red, w->matter, w->c, err)) != SP_OK ||
	    (st = sp_pencil_create(&w->pencil, w->device, &machine, &w->c->ct, w->red, err)) != SP_OK)
		goto cleanup;
	st = sp_pencil_dose(w->dose, w->pencil, w->beams, w->weights, &w->grid, err);
cleanup:
	free(kernel);
	return st;
}

static sp_status write_dose(const work *w, const sp_dose_options *o, sp_error *err)
{
	const char *path = o->open_field ? "/dose/dose_gy_per_particle" : "/dose/dose_gy";
	const uint64_t dims[3] = {w->grid.n[2], w->grid.n[1], w->grid.n[0]};
	sp_h5_out *f = NULL;
	sp_status st = sp_h5_create(&f, o->output, err);

	if (st == SP_OK)
		st = sp_h5_write(f, path, SP_H5_F32, 3, dims, true, w->dose, err);
	if (st == SP_OK)
		st = sp_h5_set_numbers(f, path, "spacing_mm", SP_H5_F64, 3, w->grid.spacing_mm, err);
	if (st == SP_OK)
		st = sp_h5_set_numbers(f, path, "origin_mm", SP_H5_F64, 3, w->grid.origin_mm, err);
	if (st == SP_OK)
		st = sp_h5_set_text(f, path, "unit", o->open_field ? "Gy per photon" : "Gy", err);
	if (st == SP_OK)
		st = sp_h5_set_text(f, "/", "program", "spineplan " SP_VERSION, err);
	if (st == SP_OK)
		st = sp_h5_set_text(f, "/", "engine", "pencil beam, dose to water", err);
	if (st == SP_OK)
		return sp_h5_commit(&f, err);
	sp_h5_abandon(f);
	return st;
}

sp_status sp_dose_pencil(const sp_dose_options *o, sp_error *err)
{
	double start = sp_clock_seconds();
	work w = {0};
	sp_status st;

	if ((st = sp_atomic_check(o->output, err)) == SP_OK && (st = compute(&w, o, err)) == SP_OK)
		st = write_dose(&w, o, err);
	if (st == SP_OK)
		sp_log_info("%s: %zu x %zu x %zu voxels of %g x %g x %g mm in %.1f s", o->output, w.grid.n[0],
		            w.grid.n[1], w.grid.n[2], w.grid.spacing_mm[0], w.grid.spacing_mm[1], w.grid.spacing_mm[2],
		            sp_clock_seconds() - start);
	finish(&w);
	return st;
}
