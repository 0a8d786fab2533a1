/* The fluence of every bixel under all leaves, and its derivatives. docs/delivery.md has the formulas. */
#include "aperture_internal.h"

#include <math.h>

#include "opening.h"

/* The derivative by one leaf end goes to its variable; where a pair follows its middle, to both of its variables alike.
 */
static void give_to_leaf(const sp_aperture_pass *p, const sp_field *f, size_t state, size_t bank, size_t pair,
                         bool crossed, double d)
{
	/* bank 2's variable counts from the far edge: its sign turns */
	double own = p->absolute ? fabs(d) : bank ? -d : d;

	if (!crossed) {
		p->out[sp_leaf_variable(f, state, bank, pair)] += own;
		return;
	}
	p->out[sp_leaf_variable(f, state, 0, pair)] += 0.5 * (p->absolute ? fabs(d) : d);
	p->out[sp_leaf_variable(f, state, 1, pair)] += 0.5 * (p->absolute ? fabs(d) : -d);
}

static double change_of_leaf(const sp_aperture_pass *p, const sp_field *f, size_t state, size_t bank, size_t pair)
{
	return p->change[sp_leaf_variable(f, state, bank, pair)];
}

/* Bixels of one track in one interval. */
static void pass_track(const sp_aperture_map *m, const sp_aperture_pass *p, const sp_field *f, const sp_interval *i,
                       const sp_tracks *t, const sp_track *track, const sp_pair_ends *from, const sp_pair_ends *to,
                       double mu, double mu_change, double *by_mu)
{
	const sp_mlc *mlc = m->fields->machine->mlc;
	double size = m->fields->bixel_mm, half_gap = 0.5 * mlc->leaf_gap_mm, clear = 1.0 - mlc->transmission;

	for (size_t b = track->first; b < track->first + track->n; b++) {
		double low = t->along_mm[b] - 0.5 * size, by[2][2], open, *weight;
		double near_mm = fmin(from->end_mm[0], to->end_mm[0]) - half_gap;
		double far_mm = fmax(from->end_mm[1], to->end_mm[1]) + half_gap;

		if (low + size <= near_mm || low >= far_mm)
			continue;
		/* the rounded ends let some dose through: they act half a leaf gap further apart on each side */
		open = sp_opening_mean(from->end_mm[1] + half_gap, to->end_mm[1] + half_gap, low, size, &by[1][0],
		                       &by[1][1]) -
		       sp_opening_mean(from->end_mm[0] - half_gap, to->end_mm[0] - half_gap, low, size, &by[0][0],
		                       &by[0][1]);
		if (p->weights) {
			weight = &p->weights[t->bixel[b]];
			*weight += (p->change ? mu_change : mu) * clear * track->share * open;
			for (size_t bank = 0; p->change && bank < 2; bank++)
				*weight += mu * clear * track->share *
				           (by[bank][0] * change_of_leaf(p, f, i->from, bank, track->pair) +
				            by[bank][1] * change_of_leaf(p, f, i->to, bank, track->pair));
		}
		if (p->out) {
			double g = p->by_weights[t->bixel[b]] * clear * track->share;

			*by_mu += g * open;
			for (size_t bank = 0; bank < 2; bank++) {
				double sign = bank ? mu * g : -mu * g;

				give_to_leaf(p, f, i->from, bank, track->pair, from->crossed, sign * by[bank][0]);
				give_to_leaf(p, f, i->to, bank, track->pair, to->crossed, sign * by[bank][1]);
			}
		}
	}
}

static void pass_interval(const sp_aperture_map *m, const sp_aperture_pass *p, const double *x, const sp_field *f,
                          size_t number)
{
	const sp_interval *i = &f->intervals[number];
	const sp_tracks *t = &f->tracks[i->beam];
	const sp_beam *beam = &m->fields->bixels->beams[i->beam];
	double transmission = m->fields->machine->mlc->transmission,
	       mu = m->output * sp_aperture_mu(m, x, (size_t)(f - m->fields->fields), number);
	double by_mu = 0.0, mu_change = p->change ? m->output * p->change[f->first_mu + number] : 0.0;

	for (size_t k = 0; k < t->n; k++) {
		sp_pair_ends from = sp_aperture_ends(m, x, f, i->from, t->tracks[k].pair);
		sp_pair_ends to = i->to == i->from ? from : sp_aperture_ends(m, x, f, i->to, t->tracks[k].pair);

		pass_track(m, p, f, i, t, &t->tracks[k], &from, &to, mu, mu_change, &by_mu);
	}
	for (size_t b = 0; b < beam->n_bixels; b++) { /* through closed leaves */
		if (p->weights)
			p->weights[beam->first_bixel + b] += transmission * (p->change ? mu_change : mu);
		if (p->out)
			by_mu += transmission * p->by_weights[beam->first_bixel + b];
	}
	if (p->out)
		p->out[f->first_mu + number] += m->output * by_mu;
}

void sp_aperture_pass_interval(const sp_aperture_map *m, const sp_aperture_pass *p, const double *x, size_t field,
                               size_t interval)
{
	pass_interval(m, p, x, &m->fields->fields[field], interval);
}

void sp_aperture_pass_all(const sp_aperture_map *m, const sp_aperture_pass *p, const double *x)
{
	for (size_t i = 0; i < m->fields->n_fields; i++)
		for (size_t k = 0; k < m->fields->fields[i].n_intervals; k++)
			pass_interval(m, p, x, &m->fields->fields[i], k);
}
