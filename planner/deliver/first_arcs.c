/* Arcs: one field an arc, a state for each control point, an interval between two of them. Every second interval has a
 * beam of its own in the matrix, which lies in the middle of two. */
#include "deliver_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "log.h"
#include "sequence.h"

/* Widest step between control points, and how many of them share a beam of the matrix. */
#define STEP_DEG 2.0
#define SHARED 2

/* First apertures: where the fluence of neighbouring angles is above this share of its largest. */
#define OPEN_SHARE 0.3
#define NEIGHBOURS 4

/* Cost of 1 mm2 of travel that a leaf has not the time for, in shares of the fluence's objective. */
#define SPEED_SHARE 1e-3

/* Of the machine's most MU per degree what the search may use: the rest is for sp_deliver_use_room, which multiplies
 * all monitor units alike and could give none where a single interval stood at the machine's limit. */
#define MU_PER_DEGREE_SHARE 0.93

sp_arc_plan sp_deliver_arc_plan(const sp_deliver_options *o)
{
	double span = fmod(o->arc_deg[1] - o->arc_deg[0], 360.0);
	sp_arc_plan a;

	span = span <= 0.0 ? span + 360.0 : span;
	a.n_intervals = (size_t)ceil(span / STEP_DEG - 1e-9);
	a.step_deg = span / (double)a.n_intervals;
	a.n_beams = (a.n_intervals + SHARED - 1) / SHARED;
	return a;
}

double sp_deliver_beam_angle(const sp_deliver_options *o, size_t beam)
{
	sp_arc_plan a = sp_deliver_arc_plan(o);
	double last = fmin((double)((beam + 1) * SHARED), (double)a.n_intervals);

	return fmod(o->arc_deg[0] + a.step_deg * 0.5 * ((double)(beam * SHARED) + last) + 360.0, 360.0);
}

/* Of an interval, course: what rounding the arc's MU may take off, and 5 % for sp_deliver_give_way and the rest. */
static double least_mu(const sp_deliver_job *j, const sp_arc_plan *a)
{
	const sp_machine_limits *l = &j->machine->limits;

	return (1.05 * l->min_mu_per_degree * a->step_deg + 0.5 * l->mu_rounding / (double)a->n_intervals) *
	       j->options->fractions;
}

static sp_status make_field(sp_deliver_job *j, size_t number)
{
	sp_arc_plan a = sp_deliver_arc_plan(j->options);
	const sp_beam_setup *setup = &j->fields->bixels->beams[0].setup;
	sp_field *f = &j->fields->fields[number];
	bool back = number % 2 == 1;
	sp_status st;

	if (a.n_intervals + 1 > j->machine->limits.max_control_points)
		return sp_fail(
		        j->err, SP_BAD_INPUT,
		        "the arc has %zu control points, %s takes at most %u in a beam: a shorter --arc has fewer",
		        a.n_intervals + 1, j->machine->name, j->machine->limits.max_control_points);
	st = sp_field_make(f, a.n_intervals + 1, a.n_intervals, j->err);

	if (st != SP_OK)
		return st;
	f->moves = true;
	f->gantry_turn = back ? -1 : 1;
	f->turned = !back; /* leaves along the cord, across it on the way back */
	f->collimator_deg = setup->collimator_deg + (f->turned ? 90.0 : 0.0);
	f->couch_deg = setup->couch_deg;
	memcpy(f->isocentre_mm, setup->isocentre_mm, sizeof f->isocentre_mm);
	for (size_t k = 0; k < a.n_intervals; k++) {
		size_t along = back ? a.n_intervals - 1 - k : k; /* counted from the first arc's start */
		double start = j->options->arc_deg[0] + a.step_deg * (double)(back ? along + 1 : along);

		f->intervals[k] = (sp_interval){.gantry_deg = start,
		                                .mid_gantry_deg = start + 0.5 * f->gantry_turn * a.step_deg,
		                                .from = k,
		                                .to = k + 1,
		                                .beam = along / SHARED,
		                                .travel_deg = a.step_deg,
		                                .least_mu = least_mu(j, &a),
		                                .most_mu = MU_PER_DEGREE_SHARE * j->machine->limits.max_mu_per_degree *
		                                           a.step_deg * j->options->fractions};
	}
	return SP_OK;
}

/* Adds the fluence of another angle to a map of the same field. */
static void add_map(sp_fluence_map *to, const sp_fluence_map *from, double weight)
{
	long shift = lround((to->low_mm - from->low_mm) / to->bixel_mm);

	for (size_t k = 0; k < to->n_pairs; k++)
		for (size_t i = 0; i < to->n_places; i++) {
			long other = (long)i + shift;

			if (other >= 0 && other < (long)from->n_places)
				to->value[k * to->n_places + i] +=
				        weight * from->value[k * from->n_places + (size_t)other];
		}
}

/* The fluence of a beam of the matrix and its neighbours, as one field sees it. */
static sp_status mean_map(sp_fluence_map *out, sp_deliver_job *j, const sp_field *f, size_t beam)
{
	const double *weights = j->session.plan->weights;
	size_t n = j->fields->bixels->n_beams;
	double sum = 0.0;
	sp_status st = sp_fluence_map_make(out, j->fields, f, beam, weights, j->err);

	if (st != SP_OK)
		return st;
	memset(out->value, 0, out->n_pairs * out->n_places * sizeof *out->value);
	for (long d = -NEIGHBOURS; d <= NEIGHBOURS; d++) {
		long other = (long)beam + d;
		sp_fluence_map m;

		if (other < 0 || other >= (long)n)
			continue;
		if ((st = sp_fluence_map_make(&m, j->fields, f, (size_t)other, weights, j->err)) != SP_OK) {
			sp_fluence_map_finish(out);
			return st;
		}
		add_map(out, &m, (double)(NEIGHBOURS + 1 - labs(d)));
		sum += (double)(NEIGHBOURS + 1 - labs(d));
		sp_fluence_map_finish(&m);
	}
	for (size_t i = 0; i < out->n_pairs * out->n_places; i++)
		out->value[i] /= sum;
	return SP_OK;
}

/* Mean fluence within an opening. */
static double mean_within(const sp_fluence_map *m, const double *leaves_mm)
{
	double sum = 0.0, places = 0.0;

	for (size_t k = 0; k < m->n_pairs; k++)
		for (size_t i = 0; i < m->n_places; i++) {
			double middle = m->low_mm + ((double)i + 0.5) * m->bixel_mm;

			if (middle > leaves_mm[k] && middle < leaves_mm[m->n_pairs + k]) {
				sum += m->value[k * m->n_places + i];
				places += 1.0;
			}
		}
	return places > 0.0 ? sum / places : 0.0;
}

/* Openings of all intervals ([interval][bank][pair]) and their MU. */
static sp_status open_intervals(double *leaves_mm, sp_deliver_job *j, size_t number)
{
	const sp_field *f = &j->fields->fields[number];
	double passes = (double)(SHARED * j->fields->n_fields), gap = j->machine->mlc->min_gap_mm;
	sp_status st = SP_OK;

	for (size_t k = 0; st == SP_OK && k < f->n_intervals; k++) {
		double *own = leaves_mm + k * 2 * f->n_pairs, most = 0.0;
		sp_fluence_map m;

		if ((st = mean_map(&m, j, f, f->intervals[k].beam)) != SP_OK)
			break;
		for (size_t i = 0; i < m.n_pairs * m.n_places; i++)
			most = fmax(most, m.value[i]);
		sp_fluence_map_best_opening(own, &m, f, 1.0, OPEN_SHARE * most, gap);
		sp_aperture_set_mu(j->map, j->map->x, number, k, mean_within(&m, own) / passes);
		sp_fluence_map_finish(&m);
	}
	return st;
}

/* A control point lies between two intervals: where only one is open its leaves stand, else half way. */
static void place_states(sp_deliver_job *j, size_t number, const double *leaves_mm)
{
	const sp_field *f = &j->fields->fields[number];
	double gap = j->machine->mlc->min_gap_mm;

	for (size_t s = 0; s < f->n_states; s++)
		for (size_t k = 0; k < f->n_pairs; k++) {
			const double *a = leaves_mm + (s ? s - 1 : 0) * 2 * f->n_pairs + k;
			const double *b = leaves_mm + (s < f->n_intervals ? s : s - 1) * 2 * f->n_pairs + k;
			bool a_open = a[f->n_pairs] - a[0] > gap + 1e-6, b_open = b[f->n_pairs] - b[0] > gap + 1e-6;
			double share = a_open == b_open ? 0.5 : b_open ? 1.0 : 0.0;

			sp_aperture_set_leaves(j->map, j->map->x, number, s, k, a[0] + share * (b[0] - a[0]),
			                       a[f->n_pairs] + share * (b[f->n_pairs] - a[f->n_pairs]));
		}
}

sp_status sp_deliver_first_arcs(sp_deliver_job *j)
{
	sp_status st = sp_fields_create(&j->fields, j->machine, j->session.plan->beams, j->options->arcs, j->err);

	for (size_t i = 0; st == SP_OK && i < j->options->arcs; i++)
		st = make_field(j, i);
	if (st != SP_OK || (st = sp_fields_complete(j->fields, j->err)) != SP_OK ||
	    (st = sp_aperture_map_create(&j->map, j->fields, j->options->fractions, j->err)) != SP_OK ||
	    (st = sp_leaf_speed_create(&j->map->speed, j->fields, SPEED_SHARE * j->session.plan->optimisation.objective,
	                               j->err)) != SP_OK)
		return st;
	for (size_t i = 0; st == SP_OK && i < j->options->arcs; i++) {
		const sp_field *f = &j->fields->fields[i];
		double *leaves = sp_alloc_array(f->n_intervals * 2 * f->n_pairs, sizeof *leaves);

		if (!leaves)
			return sp_fail(j->err, SP_NO_MEMORY, "no memory for the leaves of an arc");
		if ((st = open_intervals(leaves, j, i)) == SP_OK)
			place_states(j, i, leaves);
		free(leaves);
	}
	return st == SP_OK ? sp_aperture_repair_speed(j->map, j->map->x, j->err) : st;
}
