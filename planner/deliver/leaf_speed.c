#include "leaf_speed.h"

#include <math.h>
#include <stdlib.h>

#include "alloc.h"

/* Share of the leaf speed that plans use: rounding of positions and monitor units must not break the rule. */
#define SPEED_SHARE 0.97

sp_status sp_leaf_speed_create(sp_leaf_speed **out, const sp_fields *fields, double penalty, sp_error *err)
{
	sp_leaf_speed *s;
	size_t n = 0;

	*out = NULL;
	for (size_t i = 0; i < fields->n_fields; i++)
		if (fields->fields[i].moves)
			n += fields->fields[i].n_intervals * 2 * fields->fields[i].n_pairs;
	if (n == 0)
		return SP_OK;
	if (!(s = sp_alloc_array(1, sizeof *s)) || !(s->shift_mm = sp_alloc_array(n, sizeof *s->shift_mm))) {
		free(s);
		return sp_fail(err, SP_NO_MEMORY, "no memory for the speeds of %zu leaves", n);
	}
	s->fields = fields;
	s->penalty = penalty;
	s->n = n;
	*out = s;
	return SP_OK;
}

void sp_leaf_speed_destroy(sp_leaf_speed *s)
{
	if (s)
		free(s->shift_mm);
	free(s);
}

double sp_interval_seconds(const sp_machine *machine, double travel_deg, double mu)
{
	return fmax(travel_deg / machine->limits.gantry_speed_deg_s, mu * 60.0 / machine->limits.max_dose_rate_mu_min);
}

double sp_interval_travel_mm(const sp_machine *machine, const sp_interval *i, double fraction_mu)
{
	return SPEED_SHARE * machine->mlc->max_leaf_speed_mm_s *
	       sp_interval_seconds(machine, i->travel_deg, fraction_mu);
}

static size_t first_shift(const sp_leaf_speed *s, size_t field)
{
	size_t n = 0;

	for (size_t i = 0; i < field; i++)
		if (s->fields->fields[i].moves)
			n += s->fields->fields[i].n_intervals * 2 * s->fields->fields[i].n_pairs;
	return n;
}

double sp_leaf_speed_cost(const sp_leaf_speed *s, size_t field, const double *ends, const double *limits_mm,
                          double *gradient, double *diagonal)
{
	const sp_field *f = &s->fields->fields[field];
	size_t width = 2 * f->n_pairs;
	const double *shift = s->shift_mm + first_shift(s, field);
	double sum = 0.0;

	for (size_t i = 0; i < f->n_intervals; i++)
		for (size_t k = 0; k < width; k++) {
			size_t from = f->intervals[i].from * width + k, to = f->intervals[i].to * width + k;
			double way = ends[to] - ends[from], miss = fabs(way) - limits_mm[i] + shift[i * width + k];

			if (!(miss > 0.0))
				continue;
			sum += s->penalty * miss * miss;
			if (gradient) {
				gradient[to] += copysign(2.0 * s->penalty * miss, way);
				gradient[from] -= copysign(2.0 * s->penalty * miss, way);
			}
			if (diagonal) {
				diagonal[to] += 4.0 * s->penalty;
				diagonal[from] += 4.0 * s->penalty;
			}
		}
	return sum;
}

void sp_leaf_speed_update(sp_leaf_speed *s, size_t field, const double *ends, const double *limits_mm)
{
	const sp_field *f = &s->fields->fields[field];
	size_t width = 2 * f->n_pairs;
	double *shift = s->shift_mm + first_shift(s, field);

	for (size_t i = 0; i < f->n_intervals; i++)
		for (size_t k = 0; k < width; k++) {
			double way = ends[f->intervals[i].to * width + k] - ends[f->intervals[i].from * width + k];

			shift[i * width + k] = fmax(0.0, fabs(way) - limits_mm[i] + shift[i * width + k]);
		}
}

sp_status sp_leaf_speed_repair(double *ends, const sp_field *f, const double *limits_mm, sp_error *err)
{
	size_t width = 2 * f->n_pairs, n = f->n_states * width;
	double *forward = sp_alloc_array(2 * n, sizeof *forward), *backward = forward + n;

	if (!forward)
		return sp_fail(err, SP_NO_MEMORY, "no memory for the leaves of an arc");
	for (size_t k = 0; k < n; k++)
		forward[k] = backward[k] = ends[k];
	for (size_t i = 0; i < f->n_intervals; i++)
		for (size_t k = 0; k < width; k++) {
			const double at = forward[i * width + k];
			double *next = &forward[(i + 1) * width + k];

			*next = fmin(fmax(*next, at - limits_mm[i]), at + limits_mm[i]);
		}
	for (size_t i = f->n_intervals; i-- > 0;)
		for (size_t k = 0; k < width; k++) {
			const double at = backward[(i + 1) * width + k];
			double *before = &backward[i * width + k];

			*before = fmin(fmax(*before, at - limits_mm[i]), at + limits_mm[i]);
		}
	for (size_t k = 0; k < n; k++)
		ends[k] = 0.5 * (forward[k] + backward[k]);
	free(forward);
	return SP_OK;
}
