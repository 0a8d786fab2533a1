#include "delivery_dose.h"

#include "mc_case.h"

#include <math.h>

static bool leaves_match(const sp_mlc *mlc, const sp_delivery_beam *b)
{
	if (!mlc || mlc->n_pairs != b->n_pairs)
		return false;
	for (size_t k = 0; k <= b->n_pairs; k++)
		if (fabs(mlc->boundaries_mm[k] - b->leaf_boundaries_mm[k]) > 0.1)
			return false;
	return true;
}

/* Other leaves for the machine where the delivery's first ones are not the machine's. */
static sp_status choose_leaves(sp_machine *m, const sp_delivery *d, sp_error *err)
{
	static const char *const shipped[] = {"millennium-120", "hd120"};
	const sp_delivery_beam *b = NULL;
	sp_status st = SP_OK;

	for (size_t i = 0; i < d->n_beams && !b; i++)
		b = d->beams[i].n_pairs ? d->beams + i : NULL;
	if (!b || leaves_match(m->mlc, b))
		return SP_OK;
	for (size_t i = 0; st == SP_OK && i < sizeof shipped / sizeof *shipped && !leaves_match(m->mlc, b); i++)
		st = sp_machine_set_mlc(m, shipped[i], err);
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
