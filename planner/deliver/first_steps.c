/* Step and shoot: a state and an interval a segment. A beam has up to two fields, of leaves across the cord and along
 * it (the collimator a quarter further): a pair of leaves along the cord covers it with the target open on both sides,
 * which leaves across it need two segments for, and twice the monitor units; those make its edges without steps. */
#include "deliver_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "log.h"
#include "sequence.h"

/* Segments of fewer monitor units (of a fraction) are worth neither the time nor the accuracy of their output. */
#define LEAST_MU 1.0

#define SEGMENTS_A_BEAM 7

/* Of the course. Rounding a beam's MU takes at most half a unit off a segment; 2 % are for sp_deliver_give_way. */
static double least_mu(const sp_deliver_job *j)
{
	const sp_machine_limits *l = &j->machine->limits;

	return fmax(LEAST_MU, 1.02 * (l->min_mu_per_control_point + 0.5 * l->mu_rounding)) * j->options->fractions;
}

size_t sp_deliver_most_segments(const sp_deliver_job *j)
{
	return j->options->segments ? j->options->segments : SEGMENTS_A_BEAM * j->session.plan->beams->n_beams;
}

/* Field i: the `trial`-th one tried, with n segments. */
static sp_status make_field(sp_deliver_job *j, sp_fields *set, size_t i, size_t trial, size_t n)
{
	const size_t b = trial / SP_STEP_WAYS;
	const sp_beam_setup *setup = &set->bixels->beams[b].setup;
	sp_field *f = &set->fields[i];
	sp_status st = sp_field_make(f, n, n, j->err);

	if (st != SP_OK)
		return st;
	f->turned = trial % SP_STEP_WAYS == 1;
	f->collimator_deg = setup->collimator_deg + (f->turned ? 90.0 : 0.0);
	f->couch_deg = setup->couch_deg;
	memcpy(f->isocentre_mm, setup->isocentre_mm, sizeof f->isocentre_mm);
	for (size_t k = 0; k < n; k++)
		f->intervals[k] = (sp_interval){.gantry_deg = setup->gantry_deg,
		                                .mid_gantry_deg = setup->gantry_deg,
		                                .from = k,
		                                .to = k,
		                                .beam = b,
		                                .least_mu = least_mu(j)};
	return SP_OK;
}

/* Fields of those tried that have segments, in the order of the beams; a beam begins with the collimator where the last
 * field left it, if it has a field there. field_of: by the number on trial. */
static sp_status make_fields(sp_deliver_job *j, const sp_segments *s, size_t *field_of, size_t *count)
{
	const sp_beam_set *bixels = j->session.plan->beams;
	size_t n = 0, last = 0;
	sp_status st;

	for (size_t k = 0; k < s->n; k++)
		count[s->segments[k].field]++;
	for (size_t t = 0; t < SP_STEP_WAYS * bixels->n_beams; t++)
		n += count[t] > 0;
	if (n == 0)
		return sp_fail(j->err, SP_BAD_INPUT, "the fluence is too weak for segments of %g MU", LEAST_MU);
	if ((st = sp_fields_create(&j->fields, j->machine, bixels, n, j->err)) != SP_OK)
		return st;
	j->fields->quiet = j->map != NULL; /* the first ones have said it */
	n = 0;
	for (size_t b = 0; b < bixels->n_beams; b++) {
		const size_t begin = last;

		for (size_t k = 0; st == SP_OK && k < SP_STEP_WAYS; k++) {
			size_t way = begin ^ k, trial = SP_STEP_WAYS * b + way;

			if (count[trial] == 0)
				continue;
			field_of[trial] = n;
			st = make_field(j, j->fields, n++, trial, count[trial]);
			last = way;
		}
	}
	return st == SP_OK ? sp_fields_complete(j->fields, j->err) : st;
}

static void fill_map(sp_aperture_map *m, const sp_deliver_job *j, const sp_segments *s, const size_t *field_of,
                     size_t *count)
{
	double sum = 0.0;

	memset(count, 0, SP_STEP_WAYS * j->fields->bixels->n_beams * sizeof *count);
	for (size_t k = 0; k < s->n; k++) {
		const sp_segment *g = &s->segments[k];
		size_t field = field_of[g->field], state = count[g->field]++;
		const sp_field *f = &j->fields->fields[field];

		for (size_t p = 0; p < f->n_pairs; p++)
			sp_aperture_set_leaves(m, m->x, field, state, p, g->leaves_mm[p], g->leaves_mm[f->n_pairs + p]);
		sp_aperture_set_mu(m, m->x, field, state, g->mu);
		sum += g->mu;
	}
	for (size_t k = j->fields->n_leaves; k < j->fields->n_variables; k++)
		m->scale[k] = fmax(1.0, 0.1 * sum / (double)s->n);
}

sp_status sp_deliver_trial_steps(sp_fields **out, sp_deliver_job *j)
{
	const sp_beam_set *bixels = j->session.plan->beams;
	const size_t n = SP_STEP_WAYS * bixels->n_beams;
	sp_status st;

	if ((st = sp_fields_create(out, j->machine, bixels, n, j->err)) != SP_OK)
		return st;
	(*out)->on_trial = true;
	for (size_t t = 0; st == SP_OK && t < n; t++)
		st = make_field(j, *out, t, t, 1);
	return st == SP_OK ? sp_fields_complete(*out, j->err) : st;
}

sp_status sp_deliver_make_steps(sp_deliver_job *j, const sp_segments *s)
{
	const size_t n = SP_STEP_WAYS * j->session.plan->beams->n_beams;
	size_t *field_of = sp_alloc_array(2 * n, sizeof *field_of);
	sp_fields *before = j->fields;
	sp_aperture_map *map = NULL;
	sp_status st;

	if (!field_of)
		return sp_fail(j->err, SP_NO_MEMORY, "no memory for %zu fields", n);
	j->fields = NULL;
	if ((st = make_fields(j, s, field_of, field_of + n)) == SP_OK &&
	    (st = sp_aperture_map_create(&map, j->fields, j->options->fractions, j->err)) == SP_OK) {
		fill_map(map, j, s, field_of, field_of + n);
		if (j->map) {
			map->output = j->map->output;
			map->mu_price = j->map->mu_price;
		}
		sp_aperture_map_destroy(j->map);
		j->map = map;
		sp_fields_destroy(before);
		sp_log_detail("%zu segments in %zu fields", s->n, j->fields->n_fields);
	} else {
		sp_fields_destroy(j->fields);
		j->fields = before;
	}
	free(field_of);
	return st;
}

sp_status sp_deliver_first_steps(sp_deliver_job *j)
{
	sp_fields *first = NULL; /* a segment each: to find out how many each gets */
	sp_segments s = {0};
	sp_status st = sp_deliver_trial_steps(&first, j);

	if (st == SP_OK && first->n_leaves == 0)
		st = sp_fail(j->err, SP_BAD_INPUT, "the target lies outside the leaves of %s", j->machine->mlc->name);
	if (st == SP_OK && (st = sp_sequence(&s, first, j->session.plan->weights, sp_deliver_most_segments(j),
	                                     j->options->one_collimator, least_mu(j), j->err)) == SP_OK)
		st = sp_deliver_make_steps(j, &s);
	sp_segments_finish(&s);
	sp_fields_destroy(first);
	return st;
}
