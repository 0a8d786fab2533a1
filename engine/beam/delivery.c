#include "delivery.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"

/* Rounding in files: MU, degrees and mm to this. */
#define SAME_MU 1e-3
#define SAME_DEG 0.05
#define CROSSED_MM 0.01

static const char *const technique_names[] = {"static", "imrt", "arc", "vmat"};
#define N_TECHNIQUES (sizeof technique_names / sizeof *technique_names)

const char *sp_beam_technique_name(sp_beam_technique technique)
{
	return technique_names[technique];
}

bool sp_beam_technique_find(sp_beam_technique *out, const char *name)
{
	for (size_t i = 0; name && i < N_TECHNIQUES; i++)
		if (strcmp(name, technique_names[i]) == 0) {
			*out = (sp_beam_technique)i;
			return true;
		}
	return false;
}

sp_status sp_delivery_create(sp_delivery **out, const char *machine, const char *mlc, size_t n_beams, sp_error *err)
{
	sp_delivery *d = sp_alloc_array(1, sizeof *d);

	*out = NULL;
	if (d) {
		d->machine = sp_copy_text(machine);
		d->mlc = mlc ? sp_copy_text(mlc) : NULL;
		d->beams = sp_alloc_array(n_beams, sizeof *d->beams);
		d->n_beams = d->beams ? n_beams : 0;
	}
	if (!d || !d->machine || (mlc && !d->mlc) || !d->beams) {
		sp_delivery_destroy(d);
		return sp_fail(err, SP_NO_MEMORY, "no memory for a plan of %zu beams", n_beams);
	}
	*out = d;
	return SP_OK;
}

static void finish_beam(sp_delivery_beam *b)
{
	for (size_t i = 0; b->points && i < b->n_points; i++)
		free(b->points[i].leaves_mm);
	free(b->points);
	free(b->leaf_boundaries_mm);
	free(b->name);
}

void sp_delivery_destroy(sp_delivery *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->n_beams; i++)
		finish_beam(&d->beams[i]);
	free(d->beams);
	free(d->machine);
	free(d->mlc);
	free(d);
}

sp_status sp_delivery_beam_make(sp_delivery_beam *b, size_t n_points, size_t n_pairs, const double *boundaries_mm,
                                sp_error *err)
{
	b->points = sp_alloc_array(n_points, sizeof *b->points);
	b->n_points = b->points ? n_points : 0;
	b->leaf_axis = 'x';
	if (!b->points)
		goto no_memory;
	if (n_pairs == 0)
		return SP_OK;
	if (!(b->leaf_boundaries_mm = sp_alloc_array(n_pairs + 1, sizeof *b->leaf_boundaries_mm)))
		goto no_memory;
	memcpy(b->leaf_boundaries_mm, boundaries_mm, (n_pairs + 1) * sizeof *boundaries_mm);
	b->n_pairs = n_pairs;
	for (size_t i = 0; i < n_points; i++)
		if (!(b->points[i].leaves_mm = sp_alloc_array(2 * n_pairs, sizeof(double))))
			goto no_memory;
	return SP_OK;
no_memory:
	return sp_fail(err, SP_NO_MEMORY, "no memory for a beam of %zu control points", n_points);
}

static sp_status check_point(const sp_delivery_beam *b, size_t i, const char *name, sp_error *err)
{
	const sp_control_point *p = &b->points[i];

	if (!isfinite(p->gantry_deg) || !isfinite(p->collimator_deg) || !isfinite(p->couch_deg))
		return sp_fail(err, SP_BAD_INPUT, "%s control point %zu has an angle that is no finite number", name,
		               i);
	if (p->gantry_turn < -1 || p->gantry_turn > 1)
		return sp_fail(err, SP_BAD_INPUT, "%s control point %zu has gantry_turn %d, expected -1, 0 or 1", name,
		               i, p->gantry_turn);
	for (int a = 0; a < 4; a += 2)
		if (!(isfinite(p->jaws_mm[a]) && isfinite(p->jaws_mm[a + 1])) ||
		    p->jaws_mm[a] > p->jaws_mm[a + 1] + CROSSED_MM)
			return sp_fail(err, SP_BAD_INPUT,
			               "%s control point %zu has its %s jaws at %g and %g mm, expected the first below "
			               "the second",
			               name, i, a ? "Y" : "X", p->jaws_mm[a], p->jaws_mm[a + 1]);
	for (size_t k = 0; k < b->n_pairs; k++) {
		double low = p->leaves_mm[k], high = p->leaves_mm[b->n_pairs + k];

		if (!(isfinite(low) && isfinite(high)) || low > high + CROSSED_MM)
			return sp_fail(err, SP_BAD_INPUT,
			               "%s control point %zu has leaf pair %zu at %g and %g mm, expected bank 1 below "
			               "bank 2",
			               name, i, k, low, high);
	}
	if (i + 1 < b->n_points && p->gantry_turn == 0) {
		double apart = fabs(remainder(b->points[i + 1].gantry_deg - p->gantry_deg, 360.0));

		if (apart > SAME_DEG)
			return sp_fail(err, SP_BAD_INPUT,
			               "%s: the gantry stands after control point %zu (gantry_turn 0) but goes from %g "
			               "to %g degrees",
			               name, i, p->gantry_deg, b->points[i + 1].gantry_deg);
	}
	return SP_OK;
}

sp_status sp_delivery_beam_check(const sp_delivery_beam *b, const char *name, sp_error *err)
{
	sp_status st = SP_OK;

	if (b->n_points < 2)
		return sp_fail(err, SP_BAD_INPUT, "%s has %zu control points, expected 2 or more", name, b->n_points);
	if (!(b->sad_mm > 0.0 && isfinite(b->sad_mm)))
		return sp_fail(err, SP_BAD_INPUT, "%s sad_mm is %g, expected > 0", name, b->sad_mm);
	for (int a = 0; a < 3; a++)
		if (!isfinite(b->isocentre_mm[a]))
			return sp_fail(err, SP_BAD_INPUT, "%s isocentre_mm[%d] is no finite number", name, a);
	for (size_t k = 0; b->n_pairs && k <= b->n_pairs; k++)
		if (!isfinite(b->leaf_boundaries_mm[k]) ||
		    (k > 0 && !(b->leaf_boundaries_mm[k] > b->leaf_boundaries_mm[k - 1])))
			return sp_fail(err, SP_BAD_INPUT,
			               "%s leaf_boundaries_mm[%zu] is %g, expected ascending numbers", name, k,
			               b->leaf_boundaries_mm[k]);
	if (b->n_pairs && b->leaf_axis != 'x' && b->leaf_axis != 'y')
		return sp_fail(err, SP_BAD_INPUT, "%s leaves move along '%c', expected x or y", name, b->leaf_axis);
	if (!(b->mu >= 0.0 && b->mu < 1e6))
		return sp_fail(err, SP_BAD_INPUT, "%s has %g MU, expected 0 to 1e6", name, b->mu);
	for (size_t i = 0; i < b->n_points && st == SP_OK; i++) {
		double mu = b->points[i].cumulative_mu, before = i ? b->points[i - 1].cumulative_mu : 0.0;

		if (!(mu >= before - SAME_MU) || !isfinite(mu) || (i == 0 && fabs(mu) > SAME_MU))
			return sp_fail(err, SP_BAD_INPUT,
			               "%s cumulative_mu[%zu] is %g after %g, expected numbers that rise from 0", name,
			               i, mu, before);
		st = check_point(b, i, name, err);
	}
	return st;
}

int sp_gantry_shorter_turn(double from_deg, double to_deg)
{
	double way = remainder(to_deg - from_deg, 360.0);

	return way > 0.0 || way == -180.0 ? 1 : way < 0.0 ? -1 : 0;
}

double sp_gantry_travel_deg(const sp_control_point *from, const sp_control_point *to)
{
	double way = fmod(to->gantry_deg - from->gantry_deg, 360.0); /* (-360, 360) */

	if (from->gantry_turn == 0)
		return remainder(way, 360.0); /* within rounding of nothing */
	if (from->gantry_turn > 0 && way < 0.0)
		way += 360.0;
	if (from->gantry_turn < 0 && way > 0.0)
		way -= 360.0;
	return way;
}

static double wrapped(double deg)
{
	double w = fmod(deg, 360.0);

	w = w < 0.0 ? w + 360.0 : w;
	return w < 360.0 ? w : 0.0; /* a tiny negative angle rounds up to 360 */
}

static double between(double a, double b, double share)
{
	return a + share * (b - a);
}

void sp_delivery_beam_at(sp_control_point *out, const sp_delivery_beam *b, double cumulative_mu)
{
	double *leaves = out->leaves_mm, share = 0.0, step;
	const sp_control_point *from, *to;
	size_t i = 0;

	while (i + 1 < b->n_points && b->points[i + 1].cumulative_mu <= cumulative_mu)
		i++;
	from = &b->points[i];
	to = i + 1 < b->n_points ? from + 1 : from;
	step = to->cumulative_mu - from->cumulative_mu;
	if (step > 0.0)
		share = fmin(fmax((cumulative_mu - from->cumulative_mu) / step, 0.0), 1.0);
	*out = *from;
	out->leaves_mm = leaves;
	out->cumulative_mu = from->cumulative_mu + share * step;
	out->gantry_deg = wrapped(from->gantry_deg + share * (to == from ? 0.0 : sp_gantry_travel_deg(from, to)));
	out->collimator_deg =
	        wrapped(from->collimator_deg + share * remainder(to->collimator_deg - from->collimator_deg, 360.0));
	out->couch_deg = wrapped(from->couch_deg + share * remainder(to->couch_deg - from->couch_deg, 360.0));
	for (int a = 0; a < 4; a++)
		out->jaws_mm[a] = between(from->jaws_mm[a], to->jaws_mm[a], share);
	for (size_t k = 0; leaves && k < 2 * b->n_pairs; k++)
		leaves[k] = between(from->leaves_mm[k], to->leaves_mm[k], share);
}

double sp_delivery_mu(const sp_delivery *d)
{
	double sum = 0.0;

	for (size_t i = 0; i < d->n_beams; i++)
		sum += d->beams[i].mu;
	return sum;
}
