#include "delivery_dose.h"

#include "alloc.h"
#include "delivery_fluence.h"
#include "log.h"
#include "mc_case.h"
#include "pencil.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool leaves_match(const sp_mlc *mlc, const sp_delivery_beam *b)
{
	if (!mlc || mlc->n_pairs != b->n_pairs)
		return false;
	for (size_t k = 0; k <= b->n_pairs; k++)
		if (fabs(mlc->boundaries_mm[k] - b->leaf_boundaries_mm[k]) > 0.1)
			return false;
	return true;
}

static const char *const shipped_leaves[] = {"millennium-120", "hd120", "agility-160"};
enum { N_SHIPPED = sizeof shipped_leaves / sizeof *shipped_leaves };

/* No shipped leaves have the plan's edges: those whose width by the axis is nearest get them. */
static sp_status lend_leaves(sp_machine *m, const sp_delivery_beam *b, sp_error *err)
{
	double wanted = sp_mlc_width_mm(b->leaf_boundaries_mm, b->n_pairs), least = INFINITY;
	const char *best = NULL;
	sp_status st = SP_OK;

	for (size_t i = 0; i < N_SHIPPED && st == SP_OK; i++) {
		sp_mlc *mlc = NULL;
		double far;

		if ((st = sp_mlc_read(&mlc, shipped_leaves[i], err)) != SP_OK)
			break;
		far = fabs(sp_mlc_width_mm(mlc->boundaries_mm, mlc->n_pairs) - wanted);
		if (far < least) {
			least = far;
			best = shipped_leaves[i];
		}
		sp_mlc_destroy(mlc);
	}
	if (st != SP_OK || (st = sp_machine_set_mlc(m, best, err)) != SP_OK ||
	    (st = sp_mlc_reshape(m->mlc, b->leaf_boundaries_mm, b->n_pairs, err)) != SP_OK)
		return st;
	sp_log_warning(
	        "no leaf file has the plan's %zu pairs of leaves (%g mm wide by the axis, from %g to %g mm): they are "
	        "taken to have the height, ends, transmission and gap of '%s'; --mlc FILE gives them their own",
	        b->n_pairs, wanted, b->leaf_boundaries_mm[0], b->leaf_boundaries_mm[b->n_pairs], best);
	return SP_OK;
}

/* Other leaves for the machine where the delivery's first ones are not the machine's. */
static sp_status choose_leaves(sp_machine *m, const sp_delivery *d, sp_error *err)
{
	const sp_delivery_beam *b = NULL;
	sp_status st = SP_OK;

	for (size_t i = 0; i < d->n_beams && !b; i++)
		b = d->beams[i].n_pairs ? d->beams + i : NULL;
	if (!b || leaves_match(m->mlc, b))
		return SP_OK;
	for (size_t i = 0; st == SP_OK && i < N_SHIPPED && !leaves_match(m->mlc, b); i++)
		st = sp_machine_set_mlc(m, shipped_leaves[i], err);
	if (st == SP_OK && !leaves_match(m->mlc, b))
		return lend_leaves(m, b, err);
	if (st == SP_OK)
		sp_log_info("leaves: '%s', whose edges the plan's have", m->mlc->name);
	return st;
}

sp_status sp_delivery_machine(sp_machine **out, const sp_delivery *d, const char *machine, const char *mlc,
                              sp_error *err)
{
	sp_machine *m = NULL;
	sp_status st;

	*out = NULL;
	mlc = mlc ? mlc : d->mlc;
	if ((st = sp_machine_read(&m, machine ? machine : d->machine, err)) != SP_OK)
		return st;
	st = mlc ? sp_machine_set_mlc(m, mlc, err) : choose_leaves(m, d, err);
	if (st != SP_OK) {
		sp_machine_destroy(m);
		return st;
	}
	*out = m;
	return SP_OK;
}

sp_status sp_delivery_dose_mc(float *dose_gy, float *sigma_gy, sp_delivery_dose_result *result, sp_device *device,
                              const sp_case *c, const sp_matter *matter, const sp_machine *machine,
                              const sp_delivery *d, const sp_grid *grid, const sp_delivery_dose_options *o,
                              sp_error *err)
{
	sp_mc_dose_result reached = {0};
	sp_mc_case *m = NULL;
	sp_status st = sp_mc_case_create(&m, device, c, matter, machine, grid, err);

	if (st == SP_OK)
		st = sp_mc_case_delivery(dose_gy, sigma_gy, &reached, m, d, o->uncertainty, o->seed, o->batch_histories,
		                         err);
	*result = (sp_delivery_dose_result){reached.uncertainty, reached.histories};
	sp_mc_case_destroy(m);
	return st;
}

/* The machine as the pencil beam is to blur it: past its leaves, or past its jaws where there are no leaves in the way.
 */
static sp_machine blurring(const sp_machine *m, const sp_delivery *d)
{
	sp_machine out = *m;
	bool leaves = false;

	for (size_t i = 0; i < d->n_beams; i++)
		leaves = leaves || d->beams[i].n_pairs > 0;
	if (leaves) {
		out.collimator_mm = m->mlc->distance_mm;
	} else { /* one distance for both, and the spot wider or narrower to make up for it */
		const double edge[2] = {m->jaws.x_distance_mm, m->jaws.y_distance_mm};

		out.collimator_mm = 0.5 * (edge[0] + edge[1]);
		for (int a = 0; a < 2; a++)
			out.source_fwhm_mm[a] *=
			        (m->sad_mm - edge[a]) / edge[a] * out.collimator_mm / (m->sad_mm - out.collimator_mm);
	}
	return out;
}

/* Adds what a map gives with one table of kernels. */
static sp_status add_map(float *dose_gy, float *room, sp_device *device, const sp_case *c, const float *red,
                         const sp_machine *m, const sp_delivery_map *map, const double soften[3], const sp_grid *grid,
                         sp_error *err)
{
	sp_pencil *p = NULL;
	sp_status st = sp_pencil_create(&p, device, m, &c->ct, red, err);

	if (st == SP_OK) {
		sp_pencil_set_softening(p, soften);
		st = sp_pencil_dose(room, p, map->set, map->weights, grid, err);
	}
	for (size_t v = 0; st == SP_OK && v < sp_grid_voxels(grid); v++)
		dose_gy[v] += room[v];
	sp_pencil_destroy(p);
	return st;
}

sp_status sp_delivery_dose_pencil(float *dose_gy, sp_device *device, const sp_case *c, const sp_matter *matter,
                                  const float *red, const sp_machine *machine, const sp_delivery *d,
                                  const sp_grid *grid, double bixel_mm, sp_error *err)
{
	const double even[3] = {0.0, 0.0, 0.0};
	const char *position = c->patient_position;
	sp_machine blurred = blurring(machine, d);
	sp_mc_head_source head = {0};
	sp_delivery_map map = {0};
	sp_off_axis off_axis;
	char electrons[160];
	float *room = sp_alloc_array(sp_grid_voxels(grid), sizeof *room);
	sp_status st;

	if (!room)
		return sp_fail(err, SP_NO_MEMORY, "no memory for a dose of %zu voxels", sp_grid_voxels(grid));
	memset(dose_gy, 0, sp_grid_voxels(grid) * sizeof *dose_gy);
	if ((st = sp_mc_head_make(&head, machine, d, position, matter, err)) != SP_OK ||
	    (st = sp_off_axis_make(&off_axis, machine, matter, err)) != SP_OK ||
	    (st = sp_delivery_target_map(&map, d, machine, &head, &off_axis, position, bixel_mm > 0.0 ? bixel_mm : 2.5,
	                                 err)) != SP_OK ||
	    (st = add_map(dose_gy, room, device, c, red, &blurred, &map, off_axis.soften, grid, err)) != SP_OK)
		goto cleanup;
	sp_delivery_map_finish(&map);
	if ((st = sp_delivery_scatter_map(&map, d, machine, &head, &off_axis, position, err)) != SP_OK ||
	    (st = add_map(dose_gy, room, device, c, red, &blurred, &map, even, grid, err)) != SP_OK)
		goto cleanup;
	sp_delivery_map_finish(&map);
	snprintf(electrons, sizeof electrons, "%s-electrons", machine->kernel);
	if (!sp_pencil_has_kernels(electrons))
		goto cleanup;
	blurred.kernel = electrons;
	if ((st = sp_delivery_electron_map(&map, d, machine, &head, position, err)) == SP_OK)
		st = add_map(dose_gy, room, device, c, red, &blurred, &map, even, grid, err);
cleanup:
	for (size_t v = 0; st == SP_OK && v < sp_grid_voxels(grid); v++)
		dose_gy[v] *= (float)machine->pencil_output;
	sp_delivery_map_finish(&map);
	sp_mc_head_finish(&head);
	free(room);
	return st;
}
