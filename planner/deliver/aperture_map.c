#include "aperture_map.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "opening.h"

/* What counts as a small step: mm of a leaf. */
#define LEAF_STEP_MM 2.0

/* Within this of the least gap a pair is closed. */
#define CLOSED_MM 1e-6

/* ---- variables ---- */

static size_t leaf_variable(const sp_field *f, size_t state, size_t bank, size_t pair)
{
	return f->first_leaf + (state * 2 + bank) * f->n_pairs + pair;
}

typedef struct {
	double end_mm[2];
	bool closed;  /* at or within the least gap */
	bool crossed; /* within: both ends follow the middle */
} pair_ends;

static pair_ends ends_of(const sp_aperture_map *m, const double *x, const sp_field *f, size_t state, size_t pair)
{
	double gap = m->fields->machine->mlc->min_gap_mm;
	pair_ends e = {.end_mm = {f->low_mm + x[leaf_variable(f, state, 0, pair)],
	                          f->high_mm - x[leaf_variable(f, state, 1, pair)]}};
	double open = e.end_mm[1] - e.end_mm[0], middle = 0.5 * (e.end_mm[0] + e.end_mm[1]);

	e.closed = open <= gap + CLOSED_MM;
	e.crossed = open < gap - CLOSED_MM;
	if (e.crossed) {
		middle = fmin(fmax(middle, f->low_mm + 0.5 * gap), f->high_mm - 0.5 * gap);
		e.end_mm[0] = middle - 0.5 * gap;
		e.end_mm[1] = middle + 0.5 * gap;
	}
	return e;
}

void sp_aperture_leaves(double *bank1_mm, double *bank2_mm, const sp_aperture_map *m, const double *x, size_t field,
                        size_t state)
{
	const sp_field *f = &m->fields->fields[field];

	for (size_t k = 0; k < f->n_pairs; k++) {
		pair_ends e = ends_of(m, x, f, state, k);

		bank1_mm[k] = e.end_mm[0];
		bank2_mm[k] = e.end_mm[1];
	}
}

void sp_aperture_set_leaves(sp_aperture_map *m, double *x, size_t field, size_t state, size_t pair, double bank1_mm,
                            double bank2_mm)
{
	const sp_field *f = &m->fields->fields[field];

	x[leaf_variable(f, state, 0, pair)] = fmax(0.0, bank1_mm - f->low_mm);
	x[leaf_variable(f, state, 1, pair)] = fmax(0.0, f->high_mm - bank2_mm);
}

static bool is_at_most(const sp_interval *i, double mu)
{
	return i->most_mu > 0.0 && mu >= i->most_mu;
}

double sp_aperture_mu(const sp_aperture_map *m, const double *x, size_t field, size_t interval)
{
	const sp_field *f = &m->fields->fields[field];
	const sp_interval *i = &f->intervals[interval];
	double mu = i->least_mu + x[f->first_mu + interval];

	return is_at_most(i, mu) ? i->most_mu : mu;
}

void sp_aperture_set_mu(const sp_aperture_map *m, double *x, size_t field, size_t interval, double mu)
{
	const sp_field *f = &m->fields->fields[field];

	x[f->first_mu + interval] = fmax(0.0, mu - f->intervals[interval].least_mu);
}

/* ---- fluence and its derivatives ---- */

/* One pass over all bixels under all leaves. Which of the arrays are there decides what is done: weights are added to;
 * by_weights is the gradient to pull back, by_leaves (as the leaf ends are) and by_mu what it becomes; change and
 * change_mu are pushed forward into weights. */
typedef struct {
	double *weights;
	const double *by_weights, *change; /* change: of the variables */
	double *out;                       /* by the variables */
	bool absolute;
} pass;

/* The derivative by one leaf end goes to its variable; where a pair follows its middle, to both of its variables alike.
 */
static void give_to_leaf(const pass *p, const sp_field *f, size_t state, size_t bank, size_t pair, bool crossed,
                         double d)
{
	/* bank 2's variable counts from the far edge: its sign turns */
	double own = p->absolute ? fabs(d) : bank ? -d : d;

	if (!crossed) {
		p->out[leaf_variable(f, state, bank, pair)] += own;
		return;
	}
	p->out[leaf_variable(f, state, 0, pair)] += 0.5 * (p->absolute ? fabs(d) : d);
	p->out[leaf_variable(f, state, 1, pair)] += 0.5 * (p->absolute ? fabs(d) : -d);
}

static double change_of_leaf(const pass *p, const sp_field *f, size_t state, size_t bank, size_t pair)
{
	return p->change[leaf_variable(f, state, bank, pair)];
}

/* Bixels of one track in one interval. */
static void pass_track(const sp_aperture_map *m, const pass *p, const sp_field *f, const sp_interval *i,
                       const sp_tracks *t, const sp_track *track, const pair_ends *from, const pair_ends *to, double mu,
                       double mu_change, double *by_mu)
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
			for (size_t bank = 0; !m->leaves_fixed && bank < 2; bank++) {
				double sign = bank ? mu * g : -mu * g;

				give_to_leaf(p, f, i->from, bank, track->pair, from->crossed, sign * by[bank][0]);
				give_to_leaf(p, f, i->to, bank, track->pair, to->crossed, sign * by[bank][1]);
			}
		}
	}
}

static void pass_interval(const sp_aperture_map *m, const pass *p, const double *x, const sp_field *f, size_t number)
{
	const sp_interval *i = &f->intervals[number];
	const sp_tracks *t = &f->tracks[i->beam];
	const sp_beam *beam = &m->fields->bixels->beams[i->beam];
	double transmission = m->fields->machine->mlc->transmission,
	       mu = m->output * sp_aperture_mu(m, x, (size_t)(f - m->fields->fields), number);
	double by_mu = 0.0, mu_change = p->change ? m->output * p->change[f->first_mu + number] : 0.0;

	for (size_t k = 0; k < t->n; k++) {
		pair_ends from = ends_of(m, x, f, i->from, t->tracks[k].pair);
		pair_ends to = i->to == i->from ? from : ends_of(m, x, f, i->to, t->tracks[k].pair);

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

static void pass_all(const sp_aperture_map *m, const pass *p, const double *x)
{
	for (size_t i = 0; i < m->fields->n_fields; i++)
		for (size_t k = 0; k < m->fields->fields[i].n_intervals; k++)
			pass_interval(m, p, x, &m->fields->fields[i], k);
}

static void weights(void *context, double *weights_out, const double *x)
{
	const sp_aperture_map *m = context;

	memset(weights_out, 0, m->fields->bixels->n_bixels * sizeof *weights_out);
	pass_all(m, &(pass){.weights = weights_out}, x);
}

static void push_absolute(void *context, double *weights_out, const double *x, const double *change)
{
	const sp_aperture_map *m = context;

	memset(weights_out, 0, m->fields->bixels->n_bixels * sizeof *weights_out);
	pass_all(m, &(pass){.weights = weights_out, .change = change, .absolute = true}, x);
}

/* Monitor units at their most cannot grow. */
static void keep_mu(const sp_aperture_map *m, const double *x, double *out)
{
	for (size_t i = 0; i < m->fields->n_fields; i++) {
		const sp_field *f = &m->fields->fields[i];

		for (size_t k = 0; k < f->n_intervals; k++)
			if (is_at_most(&f->intervals[k], f->intervals[k].least_mu + x[f->first_mu + k] + 1e-9))
				out[f->first_mu + k] = fmax(0.0, out[f->first_mu + k]);
	}
}

/* A closed pair cannot close further: where its ends would, only their common motion is left. */
static void keep_gaps(const sp_aperture_map *m, const double *x, double *out)
{
	for (size_t i = 0; i < m->fields->n_fields; i++) {
		const sp_field *f = &m->fields->fields[i];

		for (size_t s = 0; s < f->n_states; s++)
			for (size_t k = 0; k < f->n_pairs; k++) {
				double *near = &out[leaf_variable(f, s, 0, k)], *far = &out[leaf_variable(f, s, 1, k)];

				/* both variables grow as the pair closes */
				if (*near + *far < 0.0 && ends_of(m, x, f, s, k).closed) {
					double common = 0.5 * (*near - *far);

					*near = common;
					*far = -common;
				}
			}
	}
}

static void pull_back(void *context, double *out, const double *x, const double *by_weights, bool absolute)
{
	const sp_aperture_map *m = context;

	memset(out, 0, m->fields->n_variables * sizeof *out);
	pass_all(m, &(pass){.by_weights = by_weights, .out = out, .absolute = absolute}, x);
	if (absolute && m->leaves_fixed) /* they must not run away on a diagonal of 0 */
		for (size_t k = 0; k < m->fields->n_leaves; k++)
			out[k] = 1.0;
	if (!absolute && !m->leaves_fixed)
		keep_gaps(m, x, out);
	if (!absolute)
		keep_mu(m, x, out);
}

/* Ends that have crossed, and monitor units above their most, go back to where they act. */
static void settle(void *context, double *x)
{
	sp_aperture_map *m = context;

	for (size_t i = 0; i < m->fields->n_fields; i++) {
		const sp_field *f = &m->fields->fields[i];

		for (size_t k = 0; k < f->n_intervals; k++)
			x[f->first_mu + k] = sp_aperture_mu(m, x, i, k) - f->intervals[k].least_mu;
		for (size_t s = 0; s < f->n_states; s++)
			for (size_t k = 0; k < f->n_pairs; k++) {
				pair_ends e = ends_of(m, x, f, s, k);

				if (e.crossed)
					sp_aperture_set_leaves(m, x, i, s, k, e.end_mm[0], e.end_mm[1]);
			}
	}
}

/* ---- leaf speed and monitor units ---- */

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

static double own_cost(void *context, const double *x, double *gradient, double *diagonal)
{
	const sp_aperture_map *m = context;
	double sum = 0.0;

	for (size_t k = m->fields->n_leaves; k < m->fields->n_variables; k++) {
		sum += m->mu_price * x[k];
		if (gradient)
			gradient[k] += m->mu_price;
	}
	for (size_t i = 0; i < m->fields->n_fields && m->speed && !m->leaves_fixed; i++) {
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

static void between_rounds(void *context, const double *x)
{
	sp_aperture_map *m = context;

	for (size_t i = 0; i < m->fields->n_fields && m->speed && !m->leaves_fixed; i++)
		if (m->fields->fields[i].moves)
			sp_leaf_speed_update(m->speed, i, field_ends(m, m->limits_mm, x, i), m->limits_mm);
}

sp_status sp_aperture_repair_speed(sp_aperture_map *m, double *x, sp_error *err)
{
	sp_status st = SP_OK;

	settle(m, x);
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

/* ---- making and ending ---- */

static void shown(void *context, const double *x)
{
	sp_aperture_map *m = context;

	if (x != m->x)
		memcpy(m->x, x, m->fields->n_variables * sizeof *x);
}

sp_status sp_aperture_map_create(sp_aperture_map **out, const sp_fields *fields, double fractions, sp_error *err)
{
	sp_aperture_map *m = sp_alloc_array(1, sizeof *m);
	size_t n = fields->n_variables, widest = 0, longest = 0;
	bool moves = false;

	*out = NULL;
	if (!m)
		return sp_fail(err, SP_NO_MEMORY, "no memory for apertures");
	for (size_t i = 0; i < fields->n_fields; i++) {
		const sp_field *f = &fields->fields[i];

		moves |= f->moves;
		widest = f->n_states * 2 * f->n_pairs > widest ? f->n_states * 2 * f->n_pairs : widest;
		longest = f->n_intervals > longest ? f->n_intervals : longest;
	}
	m->fields = fields;
	m->output = 1.0;
	m->fractions = fractions;
	m->x = sp_alloc_array(n, sizeof *m->x);
	m->scale = sp_alloc_array(n, sizeof *m->scale);
	m->leaves = sp_alloc_array(widest, sizeof *m->leaves);
	m->leaf_gradient = sp_alloc_array(widest, sizeof *m->leaf_gradient);
	m->limits_mm = sp_alloc_array(longest, sizeof *m->limits_mm);
	if (!m->x || !m->scale || !m->leaves || !m->leaf_gradient || !m->limits_mm) {
		sp_aperture_map_destroy(m);
		return sp_fail(err, SP_NO_MEMORY, "no memory for %zu variables of apertures", n);
	}
	for (size_t k = 0; k < n; k++)
		m->scale[k] = k < fields->n_leaves ? LEAF_STEP_MM : 1.0;
	m->map = (sp_weight_map){.context = m,
	                         .n = n,
	                         .start = m->x,
	                         .scale = m->scale,
	                         .weights = weights,
	                         .pull_back = pull_back,
	                         .push_absolute = push_absolute,
	                         .settle = settle,
	                         .cost = own_cost,
	                         .between_rounds = moves ? between_rounds : NULL,
	                         .shown = shown};
	*out = m;
	return SP_OK;
}

void sp_aperture_map_destroy(sp_aperture_map *m)
{
	if (!m)
		return;
	sp_leaf_speed_destroy(m->speed);
	free(m->x);
	free(m->scale);
	free(m->leaves);
	free(m->leaf_gradient);
	free(m->limits_mm);
	free(m);
}
