#include "to_delivery.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"

/* Leaf positions are given to 0.01 mm. */
static double rounded_mm(double mm)
{
	return round(100.0 * mm) / 100.0;
}

static double wrapped_deg(double deg)
{
	double w = fmod(deg, 360.0);

	return w < 0.0 ? w + 360.0 : w;
}

/* All leaves of the machine: those over bixels as the search has them, the others closed in the middle, under the jaws.
 */
static void set_leaves(sp_control_point *p, const sp_aperture_map *m, const double *x, size_t field, size_t state)
{
	const sp_field *f = &m->fields->fields[field];
	const sp_mlc *mlc = m->fields->machine->mlc;
	double middle = rounded_mm(0.5 * (f->low_mm + f->high_mm)), gap = mlc->min_gap_mm;
	double *bank1 = p->leaves_mm, *bank2 = p->leaves_mm + mlc->n_pairs;

	for (size_t k = 0; k < mlc->n_pairs; k++) {
		bank1[k] = rounded_mm(middle - 0.5 * gap);
		bank2[k] = bank1[k] + gap;
	}
	sp_aperture_leaves(bank1 + f->first_pair, bank2 + f->first_pair, m, x, field, state);
	for (size_t k = f->first_pair; k < f->first_pair + f->n_pairs; k++) {
		bank1[k] = rounded_mm(bank1[k]);
		bank2[k] = fmax(rounded_mm(bank2[k]), rounded_mm(bank1[k] + gap));
	}
}

static void set_place(sp_control_point *p, const sp_field *f, double gantry_deg, double mu)
{
	p->gantry_deg = wrapped_deg(gantry_deg);
	p->collimator_deg = wrapped_deg(f->collimator_deg);
	p->couch_deg = f->couch_deg;
	p->gantry_turn = f->gantry_turn;
	memcpy(p->jaws_mm, f->jaws_mm, sizeof p->jaws_mm);
	p->cumulative_mu = mu;
}

static double fraction_mu(const sp_aperture_map *m, const double *x, size_t field, size_t interval, double fractions)
{
	return sp_aperture_mu(m, x, field, interval) / fractions;
}

/* The beam's MU: the sum, rounded to what the machine counts in; all its parts change alike. */
static double beam_mu(const sp_aperture_map *m, const double *x, size_t field, double fractions, double *factor)
{
	double sum = 0.0, unit = m->fields->machine->limits.mu_rounding, whole;

	for (size_t k = 0; k < m->fields->fields[field].n_intervals; k++)
		sum += fraction_mu(m, x, field, k, fractions);
	whole = unit > 0.0 ? round(sum / unit) * unit : sum;
	*factor = sum > 0.0 ? whole / sum : 0.0;
	return whole;
}

static sp_status make_steps(sp_delivery_beam *b, const sp_aperture_map *m, const double *x, size_t field,
                            double fractions, sp_error *err)
{
	const sp_field *f = &m->fields->fields[field];
	const sp_mlc *mlc = m->fields->machine->mlc;
	double factor, sum = 0.0, total = beam_mu(m, x, field, fractions, &factor);
	sp_status st = sp_delivery_beam_make(b, 2 * f->n_intervals, mlc->n_pairs, mlc->boundaries_mm, err);

	if (st != SP_OK)
		return st;
	b->technique = f->n_intervals > 1 ? SP_BEAM_IMRT : SP_BEAM_STATIC;
	b->mu = total;
	for (size_t k = 0; k < f->n_intervals; k++) {
		sp_control_point *start = &b->points[2 * k], *end = start + 1;

		set_place(start, f, f->intervals[k].gantry_deg, sum);
		sum += factor * fraction_mu(m, x, field, k, fractions);
		set_place(end, f, f->intervals[k].gantry_deg, k + 1 < f->n_intervals ? sum : total);
		set_leaves(start, m, x, field, f->intervals[k].from);
		set_leaves(end, m, x, field, f->intervals[k].from);
	}
	return SP_OK;
}

static sp_status make_arc(sp_delivery_beam *b, const sp_aperture_map *m, const double *x, size_t field,
                          double fractions, sp_error *err)
{
	const sp_field *f = &m->fields->fields[field];
	const sp_mlc *mlc = m->fields->machine->mlc;
	double factor, sum = 0.0, total = beam_mu(m, x, field, fractions, &factor);
	sp_status st = sp_delivery_beam_make(b, f->n_intervals + 1, mlc->n_pairs, mlc->boundaries_mm, err);

	if (st != SP_OK)
		return st;
	b->technique = SP_BEAM_VMAT;
	b->mu = total;
	for (size_t k = 0; k <= f->n_intervals; k++) {
		bool last = k == f->n_intervals;
		const sp_interval *i = &f->intervals[last ? k - 1 : k];
		double end_deg = i->gantry_deg + f->gantry_turn * i->travel_deg;

		set_place(&b->points[k], f, last ? end_deg : i->gantry_deg, last ? total : sum);
		set_leaves(&b->points[k], m, x, field, last ? i->to : i->from);
		if (last)
			b->points[k].gantry_turn = 0;
		else
			sum += factor * fraction_mu(m, x, field, k, fractions);
	}
	return SP_OK;
}

sp_status sp_apertures_deliver(sp_delivery **out, const sp_aperture_map *m, const double *x, double fractions,
                               sp_error *err)
{
	const sp_fields *set = m->fields;
	sp_delivery *d = NULL;
	sp_status st = sp_delivery_create(&d, set->machine->name, set->machine->mlc->name, set->n_fields, err);

	*out = NULL;
	if (st == SP_OK) {
		d->energy_mv = set->machine->energy_mv;
		d->flattened = set->machine->flattened;
	}
	for (size_t i = 0; st == SP_OK && i < set->n_fields; i++) {
		const sp_field *f = &set->fields[i];
		sp_delivery_beam *b = &d->beams[i];
		char name[32];

		memcpy(b->isocentre_mm, f->isocentre_mm, sizeof b->isocentre_mm);
		b->sad_mm = set->machine->sad_mm;
		snprintf(name, sizeof name, f->moves ? "arc %zu" : "beam %zu", i + 1);
		if (!(b->name = sp_copy_text(name)))
			st = sp_fail(err, SP_NO_MEMORY, "no memory for a beam's name");
		else
			st = (f->moves ? make_arc : make_steps)(b, m, x, i, fractions, err);
		if (st == SP_OK)
			st = sp_delivery_beam_check(b, name, err);
	}
	if (st != SP_OK) {
		sp_delivery_destroy(d);
		return st;
	}
	*out = d;
	return SP_OK;
}
