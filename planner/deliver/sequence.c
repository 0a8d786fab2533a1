#include "sequence.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"

/* Monitor units tried for the next aperture, in shares of the largest fluence left. */
static const double tried[] = {0.12, 0.2, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9};

typedef struct {
	sp_fluence_map left; /* fluence not yet given */
	double mu, gain;     /* of the next aperture */
	double *leaves_mm;
	size_t n; /* apertures so far */
} field_search;

static void find_next(field_search *s, const sp_field *f, double gap_mm, double least_mu, double *room_mm)
{
	double most = 0.0;

	s->gain = 0.0;
	for (size_t i = 0; i < s->left.n_pairs * s->left.n_places; i++)
		most = fmax(most, s->left.value[i]);
	for (size_t t = 0; t < sizeof tried / sizeof *tried; t++) {
		double mu = tried[t] * most, gain;

		if (mu < least_mu)
			continue;
		/* an aperture of mu over fluence R takes R^2 - (R - mu)^2 off the squared difference */
		gain = sp_fluence_map_best_opening(room_mm, &s->left, f, 2.0 * mu, mu * mu, gap_mm);
		if (gain > s->gain) {
			s->gain = gain;
			s->mu = mu;
			memcpy(s->leaves_mm, room_mm, 2 * f->n_pairs * sizeof *room_mm);
		}
	}
}

/* From the fluence that is left of the bixels. */
static void take_off(double *left, const field_search *s, const sp_fields *fields, size_t i)
{
	const sp_field *f = &fields->fields[i];
	const sp_tracks *t = &f->tracks[sp_field_beam(fields, i)];

	for (size_t k = 0; k < t->n; k++) {
		const sp_track *track = &t->tracks[k];

		for (size_t b = track->first; b < track->first + track->n; b++)
			if (t->along_mm[b] > s->leaves_mm[track->pair] &&
			    t->along_mm[b] < s->leaves_mm[f->n_pairs + track->pair])
				left[t->bixel[b]] -= s->mu * track->share;
	}
}

bool sp_sequence_is_replaced(const sp_fields *fields, size_t i)
{
	for (size_t k = 0; fields->fields[i].is_cut && k < fields->n_fields; k++)
		if (sp_field_beam(fields, k) == sp_field_beam(fields, i) && !fields->fields[k].is_cut)
			return true;
	return false;
}

sp_status sp_segments_add(sp_segments *out, size_t *room, size_t field, double mu, const double *leaves_mm,
                          size_t n_pairs, sp_error *err)
{
	sp_status st = sp_grow_array(&out->segments, room, out->n + 1, sizeof *out->segments, err);
	double *leaves;

	if (st != SP_OK)
		return st;
	if (!(leaves = sp_alloc_array(2 * n_pairs, sizeof *leaves)))
		return sp_fail(err, SP_NO_MEMORY, "no memory for a segment");
	memcpy(leaves, leaves_mm, 2 * n_pairs * sizeof *leaves);
	out->segments[out->n++] = (sp_segment){field, mu, leaves};
	return SP_OK;
}

/* The field whose next aperture gains most; a beam without any comes first, a field with most_each has enough, and with
 * one_each that which had a beam's first has all others of it. n_fields: none has anything left. */
static size_t choose(const field_search *s, const sp_fields *fields, const size_t *n_of_beam, size_t most_each,
                     bool one_each)
{
	size_t best = fields->n_fields;
	bool best_first = false;

	for (size_t i = 0; i < fields->n_fields; i++) {
		bool first = n_of_beam[sp_field_beam(fields, i)] == 0;

		if (!(s[i].gain > 0.0) || s[i].n >= most_each || (one_each && !first && s[i].n == 0))
			continue;
		if (best == fields->n_fields || (first && !best_first) ||
		    (first == best_first && s[i].gain > s[best].gain)) {
			best = i;
			best_first = first;
		}
	}
	return best;
}

typedef struct {
	const sp_fields *fields;
	field_search *each;
	double *left, *room_mm, least_mu;
	size_t *n_of_beam;
	sp_error *err;
} sequencer;

/* What the fields of a beam would do next. */
static sp_status look_at_beam(sequencer *q, size_t beam)
{
	sp_status st = SP_OK;

	for (size_t i = 0; st == SP_OK && i < q->fields->n_fields; i++) {
		const sp_field *f = &q->fields->fields[i];

		if (sp_field_beam(q->fields, i) != beam || f->n_pairs == 0 || sp_sequence_is_replaced(q->fields, i))
			continue;
		sp_fluence_map_finish(&q->each[i].left);
		if ((st = sp_fluence_map_make(&q->each[i].left, q->fields, f, beam, q->left, q->err)) == SP_OK)
			find_next(&q->each[i], f, q->fields->machine->mlc->min_gap_mm, q->least_mu, q->room_mm);
	}
	return st;
}

static sp_status make_sequencer(sequencer *q, const double *weights)
{
	const sp_fields *fields = q->fields;
	size_t widest = 0, n_bixels = fields->bixels->n_bixels;
	bool whole = true;

	for (size_t i = 0; i < fields->n_fields; i++)
		widest = fields->fields[i].n_pairs > widest ? fields->fields[i].n_pairs : widest;
	q->each = sp_alloc_array(fields->n_fields, sizeof *q->each);
	q->left = sp_alloc_array(n_bixels, sizeof *q->left);
	q->n_of_beam = sp_alloc_array(fields->bixels->n_beams, sizeof *q->n_of_beam);
	q->room_mm = sp_alloc_array(2 * widest, sizeof *q->room_mm);
	for (size_t i = 0; q->each && i < fields->n_fields; i++)
		whole &= (q->each[i].leaves_mm = sp_alloc_array(2 * widest, sizeof(double))) != NULL;
	if (!whole || !q->each || !q->left || !q->n_of_beam || !q->room_mm)
		return sp_fail(q->err, SP_NO_MEMORY, "no memory to sequence %zu fields", fields->n_fields);
	memcpy(q->left, weights, n_bixels * sizeof *q->left);
	return SP_OK;
}

static void finish_sequencer(sequencer *q)
{
	for (size_t i = 0; q->each && i < q->fields->n_fields; i++) {
		sp_fluence_map_finish(&q->each[i].left);
		free(q->each[i].leaves_mm);
	}
	free(q->each);
	free(q->left);
	free(q->n_of_beam);
	free(q->room_mm);
}

sp_status sp_sequence(sp_segments *out, const sp_fields *fields, const double *weights, size_t most, bool one_each,
                      double least_mu, sp_error *err)
{
	/* a control point before and one after the MU of each */
	const size_t most_each = fields->machine->limits.max_control_points / 2;
	sequencer q = {.fields = fields, .least_mu = least_mu, .err = err};
	size_t room = 0;
	sp_status st = make_sequencer(&q, weights);

	*out = (sp_segments){0};
	for (size_t b = 0; st == SP_OK && b < fields->bixels->n_beams; b++)
		st = look_at_beam(&q, b);
	while (st == SP_OK && out->n < most) {
		size_t i = choose(q.each, fields, q.n_of_beam, most_each, one_each);

		if (i == fields->n_fields)
			break;
		if ((st = sp_segments_add(out, &room, i, q.each[i].mu, q.each[i].leaves_mm, fields->fields[i].n_pairs,
		                          err)) != SP_OK)
			break;
		take_off(q.left, &q.each[i], fields, i);
		q.each[i].n++;
		q.n_of_beam[sp_field_beam(fields, i)]++;
		st = look_at_beam(&q, sp_field_beam(fields, i));
	}
	finish_sequencer(&q);
	if (st != SP_OK)
		sp_segments_finish(out);
	return st;
}

void sp_segments_finish(sp_segments *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->segments[i].leaves_mm);
	free(s->segments);
	*s = (sp_segments){0};
}
