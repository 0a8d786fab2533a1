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

static void take_off(field_search *s)
{
	const sp_fluence_map *m = &s->left;

	for (size_t k = 0; k < m->n_pairs; k++)
		for (size_t i = 0; i < m->n_places; i++) {
			double middle = m->low_mm + ((double)i + 0.5) * m->bixel_mm;

			if (middle > s->leaves_mm[k] && middle < s->leaves_mm[m->n_pairs + k])
				m->value[k * m->n_places + i] -= s->mu;
		}
	s->n++;
}

static sp_status keep(sp_segments *out, size_t *room, size_t field, const field_search *s, size_t n_pairs,
                      sp_error *err)
{
	sp_status st = sp_grow_array(&out->segments, room, out->n + 1, sizeof *out->segments, err);
	double *leaves;

	if (st != SP_OK)
		return st;
	if (!(leaves = sp_alloc_array(2 * n_pairs, sizeof *leaves)))
		return sp_fail(err, SP_NO_MEMORY, "no memory for a segment");
	memcpy(leaves, s->leaves_mm, 2 * n_pairs * sizeof *leaves);
	out->segments[out->n++] = (sp_segment){field, s->mu, leaves};
	return SP_OK;
}

/* The field whose next aperture gains most; one without any comes first, one with most_each has enough. n_fields: none
 * has anything left. */
static size_t choose(const field_search *s, size_t n_fields, size_t most_each)
{
	size_t best = n_fields;

	for (size_t i = 0; i < n_fields; i++) {
		bool first = s[i].n == 0;

		if (!(s[i].gain > 0.0) || s[i].n >= most_each)
			continue;
		if (best == n_fields || (first && s[best].n > 0) ||
		    (first == (s[best].n == 0) && s[i].gain > s[best].gain))
			best = i;
	}
	return best;
}

sp_status sp_sequence(sp_segments *out, const sp_fields *fields, const double *weights, size_t most, double least_mu,
                      sp_error *err)
{
	const double gap_mm = fields->machine->mlc->min_gap_mm;
	/* a control point before and one after the MU of each */
	const size_t most_each = fields->machine->limits.max_control_points / 2;
	size_t n = fields->n_fields, widest = 0, room = 0;
	field_search *s = sp_alloc_array(n, sizeof *s);
	double *room_mm = NULL;
	sp_status st = s ? SP_OK : sp_fail(err, SP_NO_MEMORY, "no memory to sequence %zu fields", n);

	*out = (sp_segments){0};
	for (size_t i = 0; i < n; i++)
		widest = fields->fields[i].n_pairs > widest ? fields->fields[i].n_pairs : widest;
	if (st == SP_OK && !(room_mm = sp_alloc_array(2 * widest, sizeof *room_mm)))
		st = sp_fail(err, SP_NO_MEMORY, "no memory to sequence %zu fields", n);
	for (size_t i = 0; st == SP_OK && i < n; i++) {
		const sp_field *f = &fields->fields[i];

		if (!(s[i].leaves_mm = sp_alloc_array(2 * f->n_pairs, sizeof(double))))
			st = sp_fail(err, SP_NO_MEMORY, "no memory to sequence %zu fields", n);
		else
			st = sp_fluence_map_make(&s[i].left, fields, f, f->intervals[0].beam, weights, err);
		if (st == SP_OK)
			find_next(&s[i], f, gap_mm, least_mu, room_mm);
	}
	while (st == SP_OK && out->n < most) {
		size_t i = choose(s, n, most_each);

		if (i == n)
			break;
		if ((st = keep(out, &room, i, &s[i], fields->fields[i].n_pairs, err)) != SP_OK)
			break;
		take_off(&s[i]);
		find_next(&s[i], &fields->fields[i], gap_mm, least_mu, room_mm);
	}
	for (size_t i = 0; s && i < n; i++) {
		sp_fluence_map_finish(&s[i].left);
		free(s[i].leaves_mm);
	}
	free(s);
	free(room_mm);
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
