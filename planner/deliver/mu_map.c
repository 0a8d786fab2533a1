#include "mu_map.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "aperture_internal.h"

/* The interval of a variable: its number among all, in the order of first_mu. */
static const sp_interval *interval_of(const sp_mu_map *m, size_t k)
{
	const sp_fields *fields = m->apertures->fields;
	size_t field = 0;

	while (field + 1 < fields->n_fields && fields->fields[field + 1].first_mu <= fields->n_leaves + k)
		field++;
	return &fields->fields[field].intervals[fields->n_leaves + k - fields->fields[field].first_mu];
}

/* ---- the weight map ---- */

static double mu_of(const sp_interval *i, double x)
{
	double mu = i->least_mu + x;

	return sp_aperture_is_at_most(i, mu) ? i->most_mu : mu;
}

static void weights(void *context, double *weights_out, const double *x)
{
	const sp_mu_map *m = context;

	for (size_t k = 0; k < m->n; k++)
		weights_out[k] = mu_of(interval_of(m, k), x[k]);
}

static void push_absolute(void *context, double *weights_out, const double *x, const double *change)
{
	(void)x;
	memcpy(weights_out, change, ((const sp_mu_map *)context)->n * sizeof *change);
}

static void pull_back(void *context, double *out, const double *x, const double *by_weights, bool absolute)
{
	const sp_mu_map *m = context;

	(void)absolute; /* then none is below 0 */
	for (size_t k = 0; k < m->n; k++) {
		const sp_interval *i = interval_of(m, k);

		/* monitor units at their most cannot grow */
		out[k] =
		        sp_aperture_is_at_most(i, i->least_mu + x[k] + 1e-9) ? fmax(0.0, by_weights[k]) : by_weights[k];
	}
}

static void settle(void *context, double *x)
{
	const sp_mu_map *m = context;

	for (size_t k = 0; k < m->n; k++) {
		const sp_interval *i = interval_of(m, k);

		x[k] = mu_of(i, x[k]) - i->least_mu;
	}
}

static double cost(void *context, const double *x, double *gradient, double *diagonal)
{
	const sp_mu_map *m = context;
	double sum = 0.0;

	(void)diagonal;
	for (size_t k = 0; k < m->n; k++) {
		sum += m->apertures->mu_price * x[k];
		if (gradient)
			gradient[k] += m->apertures->mu_price;
	}
	return sum;
}

static void shown(void *context, const double *x)
{
	const sp_mu_map *m = context;
	double *to = m->apertures->x + m->apertures->fields->n_leaves;

	if (x != to)
		memcpy(to, x, m->n * sizeof *x);
}

/* ---- the columns ---- */

typedef struct {
	uint32_t bixel, column;
	float factor;
} opening;

typedef struct {
	size_t n, room;
	opening *of;
} openings;

static sp_status add_opening(openings *o, size_t bixel, size_t column, double factor, sp_error *err)
{
	sp_status st = sp_grow_array(&o->of, &o->room, o->n + 1, sizeof *o->of, err);

	if (st == SP_OK)
		o->of[o->n++] = (opening){(uint32_t)bixel, (uint32_t)column, (float)factor};
	return st;
}

/* What a course MU of each interval gives each bixel, interval after interval. */
static sp_status find_openings(openings *o, const sp_aperture_map *a, sp_error *err)
{
	const sp_fields *fields = a->fields;
	double *change = sp_alloc_array(fields->n_variables, sizeof *change),
	       *opened = sp_alloc_array(fields->bixels->n_bixels, sizeof *opened);
	sp_status st = change && opened ? SP_OK : sp_fail(err, SP_NO_MEMORY, "no memory for the openings of intervals");

	for (size_t f = 0; st == SP_OK && f < fields->n_fields; f++)
		for (size_t i = 0; st == SP_OK && i < fields->fields[f].n_intervals; i++) {
			const size_t variable = fields->fields[f].first_mu + i;
			const sp_beam *beam = &fields->bixels->beams[fields->fields[f].intervals[i].beam];

			memset(opened + beam->first_bixel, 0, beam->n_bixels * sizeof *opened);
			change[variable] = 1.0;
			sp_aperture_pass_interval(a, &(sp_aperture_pass){.weights = opened, .change = change}, a->x, f,
			                          i);
			change[variable] = 0.0;
			for (size_t b = beam->first_bixel; st == SP_OK && b < beam->first_bixel + beam->n_bixels; b++)
				if (opened[b] > 0.0)
					st = add_opening(o, b, variable - fields->n_leaves, opened[b], err);
		}
	free(change);
	free(opened);
	return st;
}

static sp_status make_matrix(sp_mu_map *m, sp_influence *whole, sp_error *err)
{
	const size_t n_bixels = sp_influence_columns(whole);
	size_t *first = sp_alloc_array(n_bixels + 2, sizeof *first);
	openings o = {0};
	uint32_t *column = NULL;
	float *factor = NULL;
	sp_status st = first ? find_openings(&o, m->apertures, err)
	                     : sp_fail(err, SP_NO_MEMORY, "no memory for the columns of intervals");

	if (st == SP_OK &&
	    (!(column = sp_alloc_array(o.n, sizeof *column)) || !(factor = sp_alloc_array(o.n, sizeof *factor))))
		st = sp_fail(err, SP_NO_MEMORY, "no memory for the columns of intervals");
	if (st == SP_OK) {
		/* first[b + 1] counts up from the first entry of b to that of b + 1 */
		for (size_t e = 0; e < o.n; e++)
			first[o.of[e].bixel + 2]++;
		for (size_t b = 2; b < n_bixels + 2; b++)
			first[b] += first[b - 1];
		for (size_t e = 0; e < o.n; e++) {
			const size_t to = first[o.of[e].bixel + 1]++;

			column[to] = o.of[e].column;
			factor[to] = o.of[e].factor;
		}
		st = sp_influence_mix_columns(&m->matrix, whole, &(sp_column_mix){m->n, first, column, factor}, err);
	}
	free(o.of);
	free(first);
	free(column);
	free(factor);
	return st;
}

/* ---- making and ending ---- */

sp_status sp_mu_map_create(sp_mu_map **out, sp_aperture_map *apertures, sp_influence *whole, sp_error *err)
{
	const sp_fields *fields = apertures->fields;
	sp_mu_map *m = sp_alloc_array(1, sizeof *m);
	sp_status st;

	*out = NULL;
	if (!m)
		return sp_fail(err, SP_NO_MEMORY, "no memory for monitor units");
	m->apertures = apertures;
	m->n = fields->n_variables - fields->n_leaves;
	m->map = (sp_weight_map){.context = m,
	                         .n = m->n,
	                         .start = apertures->x + fields->n_leaves,
	                         .scale = apertures->scale + fields->n_leaves,
	                         .weights = weights,
	                         .pull_back = pull_back,
	                         .push_absolute = push_absolute,
	                         .settle = settle,
	                         .cost = cost,
	                         .shown = shown};
	if (!(m->weights = sp_alloc_array(m->n, sizeof *m->weights)))
		st = sp_fail(err, SP_NO_MEMORY, "no memory for %zu monitor units", m->n);
	else
		st = make_matrix(m, whole, err);
	if (st == SP_OK)
		*out = m;
	else
		sp_mu_map_destroy(m);
	return st;
}

void sp_mu_map_destroy(sp_mu_map *m)
{
	if (!m)
		return;
	sp_influence_destroy(m->matrix);
	free(m->weights);
	free(m);
}
