/* What leaves that are too fast, and monitor units, cost the search; and leaves made slow enough. */
#include "aperture_internal.h"

#include <string.h>

/* Ends and travel limits of field i; m->leaves has room for the largest field's. */
static const double *field_ends(const sp_aperture_map *m, double *limits_mm, const double *x, size_t i)
{
	const sp_field *f = &m->fields->fields[i];

	for (size_t s = 0; s < f->n_states; s++)
		sp_aperture_leaves(m->leaves + s * 2 * f->n_pairs, m->leaves + (s * 2 + 1) * f->n_pairs, m, x, i, s);
	for (size_t k = 0; k < f->n_intervals; k++)
		/* what the gantry leaves them; monitor units may still fall, and more of them give more time */
		limits_mm[k] = sp_interval_travel_mm(m->fields->machine, &f->intervals[k], 0.0);
	return m->leaves;
}

double sp_aperture_cost(void *context, const double *x, double *gradient, double *diagonal)
{
	const sp_aperture_map *m = context;
	double sum = 0.0;

	for (size_t k = m->fields->n_leaves; k < m->fields->n_variables; k++) {
		sum += m->mu_price * x[k];
		if (gradient)
			gradient[k] += m->mu_price;
	}
	for (size_t i = 0; i < m->fields->n_fields && m->speed; i++) {
		const sp_field *f = &m->fields->fields[i];
		size_t n = f->n_states * 2 * f->n_pairs;
		double *by_ends = gradient ? m->leaf_gradient : NULL;

		if (!f->moves)
			continue;
		if (by_ends)
			memset(by_ends, 0, n * sizeof *by_ends);
		sum += sp_leaf_speed_cost(m->speed, i, field_ends(m, m->limits_mm, x, i), m->limits_mm, by_ends,
		                          diagonal ? diagonal + f->first_leaf : NULL);
		for (size_t k = 0; by_ends && k < n; k++)
			gradient[f->first_leaf + k] += k / f->n_pairs % 2 ? -by_ends[k] : by_ends[k];
	}
	return sum;
}

void sp_aperture_between_rounds(void *context, const double *x)
{
	sp_aperture_map *m = context;

	for (size_t i = 0; i < m->fields->n_fields && m->speed; i++)
		if (m->fields->fields[i].moves)
			sp_leaf_speed_update(m->speed, i, field_ends(m, m->limits_mm, x, i), m->limits_mm);
}

sp_status sp_aperture_repair_speed(sp_aperture_map *m, double *x, sp_error *err)
{
	sp_status st = SP_OK;

	sp_aperture_settle(m, x);
	for (size_t i = 0; st == SP_OK && i < m->fields->n_fields; i++) {
		const sp_field *f = &m->fields->fields[i];

		if (!f->moves)
			continue;
		field_ends(m, m->limits_mm, x, i);
		st = sp_leaf_speed_repair(m->leaves, f, m->limits_mm, err);
		for (size_t s = 0; st == SP_OK && s < f->n_states; s++)
			for (size_t k = 0; k < f->n_pairs; k++)
				sp_aperture_set_leaves(m, x, i, s, k, m->leaves[s * 2 * f->n_pairs + k],
				                       m->leaves[(s * 2 + 1) * f->n_pairs + k]);
	}
	return st;
}
