#include "delivery_time.h"

#include <math.h>

/* The slowest of the moves from one control point to another. */
static double move_s(const sp_machine *m, const sp_control_point *a, const sp_control_point *b, double gantry_deg,
                     size_t n_leaves)
{
	double s = fabs(gantry_deg) / m->limits.gantry_speed_deg_s, leaf = 0.0, jaw = 0.0;

	s = fmax(s, fabs(remainder(b->collimator_deg - a->collimator_deg, 360.0)) / m->limits.collimator_speed_deg_s);
	s = fmax(s, fabs(remainder(b->couch_deg - a->couch_deg, 360.0)) / m->limits.couch_speed_deg_s);
	for (int i = 0; i < 4; i++)
		jaw = fmax(jaw, fabs(b->jaws_mm[i] - a->jaws_mm[i]));
	for (size_t k = 0; k < n_leaves; k++)
		leaf = fmax(leaf, fabs(b->leaves_mm[k] - a->leaves_mm[k]));
	s = fmax(s, jaw / m->limits.jaw_speed_mm_s);
	return m->mlc && leaf > 0.0 ? fmax(s, leaf / m->mlc->max_leaf_speed_mm_s) : s;
}

void sp_delivery_time(sp_delivery_seconds *out, const sp_delivery *d, const sp_machine *machine)
{
	*out = (sp_delivery_seconds){0};
	for (size_t i = 0; i < d->n_beams; i++) {
		const sp_delivery_beam *b = &d->beams[i];

		for (size_t k = 0; k + 1 < b->n_points; k++) {
			const sp_control_point *p = &b->points[k], *q = p + 1;
			double mu = q->cumulative_mu - p->cumulative_mu;
			double move = move_s(machine, p, q, sp_gantry_travel_deg(p, q), 2 * b->n_pairs);

			if (mu > 0.0)
				out->beam_on_s += fmax(move, mu * 60.0 / machine->limits.max_dose_rate_mu_min);
			else
				out->between_s += move;
		}
		if (i + 1 < d->n_beams) { /* the gantry does not go through 180 degrees */
			const sp_control_point *p = &b->points[b->n_points - 1], *q = &d->beams[i + 1].points[0];
			double from = remainder(p->gantry_deg - 180.0, 360.0),
			       to = remainder(q->gantry_deg - 180.0, 360.0);
			double way = fabs((from < 0.0 ? from + 360.0 : from) - (to < 0.0 ? to + 360.0 : to));

			out->between_s += move_s(machine, p, q, fmin(way, 360.0),
			                         b->n_pairs == d->beams[i + 1].n_pairs ? 2 * b->n_pairs : 0);
		}
	}
}
