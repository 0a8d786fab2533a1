#include "fields.h"

#include <math.h>
#include <stdlib.h>

#include "alloc.h"
#include "log.h"

/* Closed leaves wait this far behind the X jaw, which covers the gap between their ends. */
#define BEYOND_JAW_MM 3.0

sp_status sp_fields_possible(const sp_machine *machine, sp_error *err)
{
	if (machine->mlc)
		return SP_OK;
	return sp_fail(err, SP_BAD_INPUT,
	               "machine %s has no multileaf collimator (mlc), which deliverable plans need: --mlc lends one, "
	               "--technique fluence does without",
	               machine->name);
}

sp_status sp_fields_create(sp_fields **out, const sp_machine *machine, const sp_beam_set *bixels, size_t n,
                           sp_error *err)
{
	sp_status st;
	sp_fields *f;

	*out = NULL;
	if ((st = sp_fields_possible(machine, err)) != SP_OK)
		return st;
	if (!(f = sp_alloc_array(1, sizeof *f)) || !(f->fields = sp_alloc_array(n, sizeof *f->fields))) {
		free(f);
		return sp_fail(err, SP_NO_MEMORY, "no memory for %zu fields", n);
	}
	f->machine = machine;
	f->bixels = bixels;
	f->bixel_mm = bixels->bixel_mm;
	f->n_fields = n;
	*out = f;
	return SP_OK;
}

void sp_fields_destroy(sp_fields *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n_fields; i++) {
		sp_field *field = &f->fields[i];

		for (size_t b = 0; field->tracks && b < f->bixels->n_beams; b++) {
			free(field->tracks[b].tracks);
			free(field->tracks[b].bixel);
			free(field->tracks[b].along_mm);
		}
		free(field->tracks);
		free(field->intervals);
	}
	free(f->fields);
	free(f);
}

sp_status sp_field_make(sp_field *f, size_t n_states, size_t n_intervals, sp_error *err)
{
	if (!(f->intervals = sp_alloc_array(n_intervals, sizeof *f->intervals)))
		return sp_fail(err, SP_NO_MEMORY, "no memory for a field of %zu intervals", n_intervals);
	f->n_states = n_states;
	f->n_intervals = n_intervals;
	return SP_OK;
}

/* A bixel's centre along and across the field's leaves. With the collimator a quarter further, x is the old y and y the
 * old x backwards. */
static void place(double *along, double *across, const sp_field *f, const sp_beam *b, size_t i)
{
	*along = f->turned ? (double)b->y_mm[i] : (double)b->x_mm[i];
	*across = f->turned ? -(double)b->x_mm[i] : (double)b->y_mm[i];
}

/* Cuts an extent along axis a (0: along the leaves) to what the machine has there. */
static void cut_extent(sp_field *f, double *low, double *high, double least, double most, bool say, const char *way,
                       const char *what)
{
	if (*low >= least - 1e-6 && *high <= most + 1e-6)
		return;
	f->is_cut = true;
	if (say)
		sp_log_warning("a field goes from %.0f to %.0f mm %s the leaves, %s from %.0f to %.0f mm: its edges "
		               "are left out; another collimator angle may help",
		               *low, *high, way, what, least, most);
	*low = fmax(*low, least);
	*high = fmin(*high, most);
}

/* On trial such a field has no pairs. */
static sp_status leave_out_of_reach(const sp_fields *set, sp_field *f, sp_error *err)
{
	if (!set->on_trial)
		return sp_fail(err, SP_BAD_INPUT, "the target lies outside the leaves of %s", set->machine->mlc->name);
	f->is_cut = true;
	f->n_pairs = 0;
	return SP_OK;
}

/* The window and the pairs that cover the bixels of all beams that the field uses. */
static sp_status find_extent(sp_fields *set, sp_field *f, const unsigned char *used, sp_error *err)
{
	const sp_mlc *mlc = set->machine->mlc;
	double low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY}, half = 0.5 * set->bixel_mm, middle,
	       beyond, reach = fmin(mlc->overtravel_mm, mlc->max_position_mm); /* of both banks, to either side */
	const bool say = !set->on_trial && !set->quiet;
	size_t last;

	f->is_cut = false;
	for (size_t b = 0; b < set->bixels->n_beams; b++)
		for (size_t i = 0; used[b] && i < set->bixels->beams[b].n_bixels; i++) {
			double at[2];

			place(&at[0], &at[1], f, &set->bixels->beams[b], i);
			for (int a = 0; a < 2; a++) {
				low[a] = fmin(low[a], at[a] - half);
				high[a] = fmax(high[a], at[a] + half);
			}
		}
	middle = 0.5 * (low[0] + high[0]);
	if (high[0] - low[0] > mlc->max_span_mm) {
		f->is_cut = true;
		if (say)
			sp_log_warning("a field is %.0f mm wide along the leaves, which lie at most %.0f mm apart: its "
			               "edges are left out; another collimator angle may help",
			               high[0] - low[0], mlc->max_span_mm);
		low[0] = middle - 0.5 * mlc->max_span_mm;
		high[0] = middle + 0.5 * mlc->max_span_mm;
	}
	cut_extent(f, &low[0], &high[0], -reach, reach, say, "along", "whose ends go");
	cut_extent(f, &low[1], &high[1], mlc->boundaries_mm[0], mlc->boundaries_mm[mlc->n_pairs], say, "across",
	           "which lie");
	for (int a = 0; a < 2; a++) {
		double most = 0.5 * set->machine->limits.max_field_mm[a];

		cut_extent(f, &low[a], &high[a], -most, most, say, a ? "across" : "along", "while the jaws open");
	}
	if (!(high[0] > low[0] && high[1] > low[1]))
		return leave_out_of_reach(set, f, err);
	f->jaws_mm[0] = fmin(low[0], set->machine->limits.jaw_overtravel_mm[0]);
	f->jaws_mm[1] = fmax(high[0], -set->machine->limits.jaw_overtravel_mm[0]);
	f->jaws_mm[2] = fmin(low[1], set->machine->limits.jaw_overtravel_mm[1]);
	f->jaws_mm[3] = fmax(high[1], -set->machine->limits.jaw_overtravel_mm[1]);
	beyond = fmin(BEYOND_JAW_MM, 0.5 * (mlc->max_span_mm - (high[0] - low[0])));
	f->low_mm = fmax(low[0] - beyond, -reach);
	f->high_mm = fmin(high[0] + beyond, reach);
	for (f->first_pair = 0; f->first_pair < mlc->n_pairs && mlc->boundaries_mm[f->first_pair + 1] <= low[1] + 1e-6;)
		f->first_pair++;
	for (last = f->first_pair; last < mlc->n_pairs && mlc->boundaries_mm[last] < high[1] - 1e-6;)
		last++;
	f->n_pairs = last - f->first_pair;
	f->boundaries_mm = mlc->boundaries_mm + f->first_pair;
	if (f->n_pairs == 0 || !(f->high_mm - f->low_mm > 2.0 * mlc->min_gap_mm))
		return leave_out_of_reach(set, f, err);
	return SP_OK;
}

/* A row of bixels across the leaves: its place there, and which bixels. */
typedef struct {
	double across, along;
	size_t bixel;
} spot;

static int by_row(const void *a, const void *b)
{
	const spot *p = a, *q = b;

	if (p->across != q->across)
		return p->across < q->across ? -1 : 1;
	return (p->along > q->along) - (p->along < q->along);
}

/* How much of a row of bixels lies under a pair; 0 for what is rounding. */
static double overlap_mm(const sp_field *f, size_t pair, double across_mm, double half_mm)
{
	double mm = fmin(across_mm + half_mm, f->boundaries_mm[pair + 1]) -
	            fmax(across_mm - half_mm, f->boundaries_mm[pair]);

	return mm > 1e-6 ? mm : 0.0;
}

static sp_status make_tracks(sp_tracks *t, const sp_fields *set, const sp_field *f, const sp_beam *b, sp_error *err)
{
	size_t n = b->n_bixels, room = 0;
	double half = 0.5 * set->bixel_mm;
	spot *s = sp_alloc_array(n, sizeof *s);

	for (size_t i = 0; s && i < n; i++) {
		place(&s[i].along, &s[i].across, f, b, i);
		s[i].bixel = b->first_bixel + i;
	}
	if (s)
		qsort(s, n, sizeof *s, by_row);
	for (size_t i = 0; s && i < n; i++)
		for (size_t k = 0; (i == 0 || s[i].across != s[i - 1].across) && k < f->n_pairs; k++)
			room += overlap_mm(f, k, s[i].across, half) > 0.0;
	t->tracks = sp_alloc_array(room, sizeof *t->tracks);
	t->bixel = sp_alloc_array(n, sizeof *t->bixel);
	t->along_mm = sp_alloc_array(n, sizeof *t->along_mm);
	if (!s || !t->tracks || !t->bixel || !t->along_mm) {
		free(s);
		return sp_fail(err, SP_NO_MEMORY, "no memory for the bixels under the leaves");
	}
	for (size_t i = 0, next; i < n; i = next) {
		for (next = i; next < n && s[next].across == s[i].across; next++) {
			t->bixel[next] = s[next].bixel;
			t->along_mm[next] = s[next].along;
		}
		for (size_t k = 0; k < f->n_pairs && t->n < room; k++) {
			double overlap = overlap_mm(f, k, s[i].across, half);

			if (overlap > 0.0)
				t->tracks[t->n++] = (sp_track){k, overlap / set->bixel_mm, i, next - i};
		}
	}
	free(s);
	return SP_OK;
}

sp_status sp_fields_complete(sp_fields *set, sp_error *err)
{
	unsigned char *used = sp_alloc_array(set->bixels->n_beams, 1);
	sp_status st = used ? SP_OK : sp_fail(err, SP_NO_MEMORY, "no memory for fields");

	set->n_leaves = 0;
	for (size_t i = 0; st == SP_OK && i < set->n_fields; i++) {
		sp_field *f = &set->fields[i];

		for (size_t b = 0; b < set->bixels->n_beams; b++)
			used[b] = 0;
		for (size_t k = 0; k < f->n_intervals; k++)
			used[f->intervals[k].beam] = 1;
		if (!(f->tracks = sp_alloc_array(set->bixels->n_beams, sizeof *f->tracks)))
			st = sp_fail(err, SP_NO_MEMORY, "no memory for fields");
		else
			st = find_extent(set, f, used, err);
		for (size_t b = 0; st == SP_OK && b < set->bixels->n_beams; b++)
			if (used[b])
				st = make_tracks(&f->tracks[b], set, f, &set->bixels->beams[b], err);
		f->first_leaf = set->n_leaves;
		set->n_leaves += f->n_states * 2 * f->n_pairs;
	}
	set->n_variables = set->n_leaves;
	for (size_t i = 0; i < set->n_fields; i++) {
		set->fields[i].first_mu = set->n_variables;
		set->n_variables += set->fields[i].n_intervals;
	}
	free(used);
	return st;
}
