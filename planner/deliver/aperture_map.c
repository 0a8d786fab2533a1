/* The variables, and the weight map made of them. The pass over all bixels is in aperture_pass.c, the cost of leaf
 * speed and monitor units in aperture_cost.c. */
#include "aperture_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"

/* What counts as a small step: mm of a leaf. */
#define LEAF_STEP_MM 2.0

/* Within this of the least gap a pair is closed. */
#define CLOSED_MM 1e-6

/* ---- variables ---- */

sp_pair_ends sp_aperture_ends(const sp_aperture_map *m, const double *x, const sp_field *f, size_t state, size_t pair)
{
	double gap = m->fields->machine->mlc->min_gap_mm;
	sp_pair_ends e = {.end_mm = {f->low_mm + x[sp_leaf_variable(f, state, 0, pair)],
	                             f->high_mm - x[sp_leaf_variable(f, state, 1, pair)]}};
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
		sp_pair_ends e = sp_aperture_ends(m, x, f, state, k);

		bank1_mm[k] = e.end_mm[0];
		bank2_mm[k] = e.end_mm[1];
	}
}

void sp_aperture_set_leaves(sp_aperture_map *m, double *x, size_t field, size_t state, size_t pair, double bank1_mm,
                            double bank2_mm)
{
	const sp_field *f = &m->fields->fields[field];

	x[sp_leaf_variable(f, state, 0, pair)] = fmax(0.0, bank1_mm - f->low_mm);
	x[sp_leaf_variable(f, state, 1, pair)] = fmax(0.0, f->high_mm - bank2_mm);
}

bool sp_aperture_is_at_most(const sp_interval *i, double mu)
{
	return i->most_mu > 0.0 && mu >= i->most_mu;
}

double sp_aperture_mu(const sp_aperture_map *m, const double *x, size_t field, size_t interval)
{
	const sp_field *f = &m->fields->fields[field];
	const sp_interval *i = &f->intervals[interval];
	double mu = i->least_mu + x[f->first_mu + interval];

	return sp_aperture_is_at_most(i, mu) ? i->most_mu : mu;
}

void sp_aperture_set_mu(const sp_aperture_map *m, double *x, size_t field, size_t interval, double mu)
{
	const sp_field *f = &m->fields->fields[field];

	x[f->first_mu + interval] = fmax(0.0, mu - f->intervals[interval].least_mu);
}

/* ---- the weight map ---- */

static void weights(void *context, double *weights_out, const double *x)
{
	const sp_aperture_map *m = context;

	memset(weights_out, 0, m->fields->bixels->n_bixels * sizeof *weights_out);
	sp_aperture_pass_all(m, &(sp_aperture_pass){.weights = weights_out}, x);
}

static void push_absolute(void *context, double *weights_out, const double *x, const double *change)
{
	const sp_aperture_map *m = context;

	memset(weights_out, 0, m->fields->bixels->n_bixels * sizeof *weights_out);
	sp_aperture_pass_all(m, &(sp_aperture_pass){.weights = weights_out, .change = change, .absolute = true}, x);
}

/* Monitor units at their most cannot grow. */
static void keep_mu(const sp_aperture_map *m, const double *x, double *out)
{
	for (size_t i = 0; i < m->fields->n_fields; i++) {
		const sp_field *f = &m->fields->fields[i];

		for (size_t k = 0; k < f->n_intervals; k++)
			if (sp_aperture_is_at_most(&f->intervals[k],
			                           f->intervals[k].least_mu + x[f->first_mu + k] + 1e-9))
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
				double *near = &out[sp_leaf_variable(f, s, 0, k)],
				       *far = &out[sp_leaf_variable(f, s, 1, k)];

				/* both variables grow as the pair closes */
				if (*near + *far < 0.0 && sp_aperture_ends(m, x, f, s, k).closed) {
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
	sp_aperture_pass_all(m, &(sp_aperture_pass){.by_weights = by_weights, .out = out, .absolute = absolute}, x);
	if (!absolute) {
		memcpy(m->by_weights, by_weights, m->fields->bixels->n_bixels * sizeof *by_weights);
		keep_gaps(m, x, out);
		keep_mu(m, x, out);
	}
}

/* Ends that have crossed, and monitor units above their most, go back to where they act. */
void sp_aperture_settle(void *context, double *x)
{
	sp_aperture_map *m = context;

	for (size_t i = 0; i < m->fields->n_fields; i++) {
		const sp_field *f = &m->fields->fields[i];

		for (size_t k = 0; k < f->n_intervals; k++)
			x[f->first_mu + k] = sp_aperture_mu(m, x, i, k) - f->intervals[k].least_mu;
		for (size_t s = 0; s < f->n_states; s++)
			for (size_t k = 0; k < f->n_pairs; k++) {
				sp_pair_ends e = sp_aperture_ends(m, x, f, s, k);

				if (e.crossed)
					sp_aperture_set_leaves(m, x, i, s, k, e.end_mm[0], e.end_mm[1]);
			}
	}
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
	m->by_weights = sp_alloc_array(fields->bixels->n_bixels, sizeof *m->by_weights);
	m->leaves = sp_alloc_array(widest, sizeof *m->leaves);
	m->leaf_gradient = sp_alloc_array(widest, sizeof *m->leaf_gradient);
	m->limits_mm = sp_alloc_array(longest, sizeof *m->limits_mm);
	if (!m->x || !m->scale || !m->by_weights || !m->leaves || !m->leaf_gradient || !m->limits_mm) {
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
	                         .settle = sp_aperture_settle,
	                         .cost = sp_aperture_cost,
	                         .between_rounds = moves ? sp_aperture_between_rounds : NULL,
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
	free(m->by_weights);
	free(m->leaves);
	free(m->leaf_gradient);
	free(m->limits_mm);
	free(m);
}
