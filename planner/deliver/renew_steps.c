/* Step and shoot: what takes the place of segments that the search has no use for. With the gradient g of the cost by
 * the bixels' weights, a monitor unit through the openings o of an aperture changes the cost by
 *
 *     output * ((1 - T) sum_j o_j g_j + T sum_j g_j) + price,
 *
 * T being what the leaves let through. Of each pair of leaves the run of bixels with the lowest sum is the best: column
 * generation as in direct aperture optimisation (Romeijn et al., SIAM J. Optim. 15 (2005) 838). */
#include "deliver_internal.h"

#include <math.h>
#include <stdlib.h>

#include "alloc.h"
#include "log.h"

/* Segments of less than this many times the least monitor units are idle. */
#define IDLE 1.5

typedef struct {
	size_t field; /* on trial */
	double gain;  /* what a monitor unit takes off the cost */
	double *leaves_mm;
} offer;

/* The job's segments of at least `least` times the least monitor units. Counts them, of each field on trial, and the
 * others; both may be NULL. */
static sp_status segments_from(sp_segments *out, size_t *room, size_t *count, size_t *n_less, const sp_deliver_job *j,
                               double least)
{
	size_t widest = 0;
	double *leaves;
	sp_status st = SP_OK;

	for (size_t i = 0; i < j->fields->n_fields; i++)
		widest = j->fields->fields[i].n_pairs > widest ? j->fields->fields[i].n_pairs : widest;
	if (!(leaves = sp_alloc_array(2 * widest, sizeof *leaves)))
		return sp_fail(j->err, SP_NO_MEMORY, "no memory for a segment");
	for (size_t i = 0; i < j->fields->n_fields; i++) {
		const sp_field *f = &j->fields->fields[i];
		size_t trial = SP_STEP_WAYS * sp_field_beam(j->fields, i) + f->turned;

		for (size_t k = 0; st == SP_OK && k < f->n_intervals; k++) {
			double mu = sp_aperture_mu(j->map, j->map->x, i, k);

			if (mu < least * f->intervals[k].least_mu) {
				if (n_less)
					++*n_less;
				continue;
			}
			sp_aperture_leaves(leaves, leaves + f->n_pairs, j->map, j->map->x, i, f->intervals[k].from);
			st = sp_segments_add(out, room, trial, mu, leaves, f->n_pairs, j->err);
			if (count)
				count[trial]++;
		}
	}
	free(leaves);
	return st;
}

/* The best aperture of a field on trial. */
static sp_status make_offer(offer *o, const sp_deliver_job *j, const sp_fields *trial, const double *asked)
{
	const sp_mlc *mlc = j->machine->mlc;
	const sp_field *f = &trial->fields[o->field];
	const sp_beam *beam = &trial->bixels->beams[sp_field_beam(trial, o->field)];
	sp_fluence_map m;
	double through = 0.0, open;
	sp_status st;

	if (!(o->leaves_mm = sp_alloc_array(2 * f->n_pairs, sizeof *o->leaves_mm)))
		return sp_fail(j->err, SP_NO_MEMORY, "no memory for a segment");
	if ((st = sp_fluence_map_make(&m, trial, f, sp_field_beam(trial, o->field), asked, j->err)) != SP_OK)
		return st;
	open = sp_fluence_map_best_opening(o->leaves_mm, &m, f, 1.0, 0.0, mlc->min_gap_mm) / m.bixel_mm;
	for (size_t b = 0; b < beam->n_bixels; b++)
		through += asked[beam->first_bixel + b];
	o->gain = j->map->output * ((1.0 - mlc->transmission) * open + mlc->transmission * through) - j->map->mu_price;
	sp_fluence_map_finish(&m);
	return SP_OK;
}

static int by_gain(const void *a, const void *b)
{
	const offer *p = a, *q = b;

	if (p->gain != q->gain)
		return p->gain > q->gain ? -1 : 1;
	return (p->field > q->field) - (p->field < q->field);
}

/* The best apertures by the last gradient, one a field, after the segments of *s. */
static sp_status add_offers(sp_segments *s, size_t *room, size_t *count, sp_deliver_job *j, size_t *n_new)
{
	const size_t most_each = j->machine->limits.max_control_points / 2, most = sp_deliver_most_segments(j),
	             n_bixels = j->fields->bixels->n_bixels;
	double *asked = sp_alloc_array(n_bixels, sizeof *asked);
	sp_fields *trial = NULL;
	offer *offers = NULL;
	size_t n = 0;
	sp_status st = sp_deliver_trial_steps(&trial, j);

	if (st == SP_OK && (!asked || !(offers = sp_alloc_array(trial->n_fields, sizeof *offers))))
		st = sp_fail(j->err, SP_NO_MEMORY, "no memory for new segments");
	for (size_t b = 0; st == SP_OK && b < n_bixels; b++)
		asked[b] = -j->map->by_weights[b];
	for (size_t t = 0; st == SP_OK && t < trial->n_fields; t++) {
		if (trial->fields[t].n_pairs == 0 || sp_sequence_is_replaced(trial, t) || count[t] >= most_each)
			continue;
		offers[n].field = t;
		st = make_offer(&offers[n++], j, trial, asked);
	}
	if (st == SP_OK)
		qsort(offers, n, sizeof *offers, by_gain);
	for (size_t i = 0; st == SP_OK && i < n && s->n < most && offers[i].gain > 0.0; i++) {
		const size_t t = offers[i].field;
		const sp_field *f = &trial->fields[t];

		if (j->options->one_collimator && count[t] == 0 && count[t ^ 1] > 0)
			continue;
		/* at their least: the plan is no worse if nothing comes of them */
		st = sp_segments_add(s, room, t, f->intervals[0].least_mu, offers[i].leaves_mm, f->n_pairs, j->err);
		count[t]++;
		++*n_new;
	}
	for (size_t i = 0; offers && i < n; i++)
		free(offers[i].leaves_mm);
	free(offers);
	free(asked);
	sp_fields_destroy(trial);
	return st;
}

sp_status sp_deliver_all_steps(sp_segments *out, const sp_deliver_job *j)
{
	size_t room = 0;
	sp_status st;

	*out = (sp_segments){0};
	if ((st = segments_from(out, &room, NULL, NULL, j, 0.0)) != SP_OK)
		sp_segments_finish(out);
	return st;
}

sp_status sp_deliver_renew_steps(sp_deliver_job *j, bool add, bool *changed)
{
	size_t *count = sp_alloc_array(SP_STEP_WAYS * j->fields->bixels->n_beams, sizeof *count);
	size_t room = 0, n_idle = 0, n_new = 0;
	sp_segments s = {0};
	sp_status st = count ? SP_OK : sp_fail(j->err, SP_NO_MEMORY, "no memory for segments");

	*changed = false;
	if (st == SP_OK && (st = segments_from(&s, &room, count, &n_idle, j, IDLE)) == SP_OK && add)
		st = add_offers(&s, &room, count, j, &n_new);
	if (st == SP_OK && s.n > 0 && (n_idle || n_new)) {
		*changed = true;
		sp_log_info("%zu idle segments go, %zu come", n_idle, n_new);
		st = sp_deliver_make_steps(j, &s);
	}
	sp_segments_finish(&s);
	free(count);
	return st;
}
