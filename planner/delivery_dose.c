#include "delivery_dose.h"

#include "log.h"
#include "mc_case.h"

#include <math.h>
#include <stdlib.h>

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
