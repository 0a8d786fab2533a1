#include "optimise_terms.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"

/* A single round's movement is a rough measure; it must neither hide the multipliers nor the doses. */
#define LEAST_GIVE 0.05
#define MOST_GIVE 20.0

typedef struct {
	double key;
	size_t voxel;
} candidate;

static bool kind_is_limit(sp_term_kind kind)
{
	return kind == SP_LIMIT_MAX || kind == SP_LIMIT_DVH_MAX || kind == SP_LIMIT_DVH_MIN || kind == SP_LIMIT_MEAN;
}

static bool kind_is_dvh(sp_term_kind kind)
{
	return kind == SP_DVH_MAX || kind == SP_DVH_MIN || kind == SP_LIMIT_DVH_MAX || kind == SP_LIMIT_DVH_MIN;
}

static bool kind_is_mean(sp_term_kind kind)
{
	return kind == SP_MEAN_DOSE || kind == SP_MEAN_OVERDOSE || kind == SP_LIMIT_MEAN;
}

static bool kind_wants_dose(const sp_term *t)
{
	return t->kind == SP_SQUARED_UNDERDOSE || t->kind == SP_SQUARED_DEVIATION || t->kind == SP_DVH_MIN ||
	       t->kind == SP_LIMIT_DVH_MIN || (t->kind == SP_GEUD && t->a < 0.0);
}

static sp_status check_term(const sp_term *t, size_t number, size_t n_rows, sp_error *err)
{
	double volume = 0.0;

	if (t->n == 0)
		return sp_fail(err, SP_BAD_INPUT, "objective %zu (%s) has no voxels in the dose grid", number, t->name);
	for (size_t i = 0; i < t->n; i++) {
		if (t->rows[i] >= n_rows || (i && t->rows[i] <= t->rows[i - 1]))
			return sp_fail(err, SP_BAD_INPUT,
			               "objective %zu (%s): voxel %zu is row %u, expected ascending rows below %zu",
			               number, t->name, i, t->rows[i], n_rows);
		if (!(t->volumes[i] >= 0.0f) || !isfinite(t->volumes[i]))
			return sp_fail(err, SP_BAD_INPUT,
			               "objective %zu (%s): voxel %zu has the volume %g, expected >= 0", number,
			               t->name, i, (double)t->volumes[i]);
		volume += t->volumes[i];
	}
	if (!(volume > 0.0))
		return sp_fail(err, SP_BAD_INPUT, "objective %zu (%s) has no volume", number, t->name);
	if (!(t->empty_volume >= 0.0) || (t->empty_volume > 0.0 && kind_wants_dose(t)))
		return sp_fail(err, SP_BAD_INPUT, "objective %zu (%s) wants dose where no bixel reaches", number,
		               t->name);
	if (!isfinite(t->dose_gy) || (t->kind != SP_MEAN_DOSE && t->dose_gy < 0.0))
		return sp_fail(err, SP_BAD_INPUT, "objective %zu (%s) has the dose %g Gy, expected >= 0", number,
		               t->name, t->dose_gy);
	if (!kind_is_limit(t->kind) && (!isfinite(t->weight) || t->weight < 0.0))
		return sp_fail(err, SP_BAD_INPUT, "objective %zu (%s) has the weight %g, expected >= 0", number,
		               t->name, t->weight);
	for (size_t i = 0; t->over_gy && i < t->n; i++)
		if (t->kind != SP_LIMIT_MAX || !(t->over_gy[i] <= 0.0f))
			return sp_fail(
			        err, SP_BAD_INPUT,
			        "objective %zu (%s): voxel %zu is given %g Gy of its own, expected at most 0 and "
			        "only for the largest dose",
			        number, t->name, i, (double)t->over_gy[i]);
	if (kind_is_dvh(t->kind) && !(t->volume >= 0.0 && t->volume <= 1.0))
		return sp_fail(err, SP_BAD_INPUT, "objective %zu (%s) has the volume share %g, expected 0 to 1", number,
		               t->name, t->volume);
	if (t->kind == SP_GEUD && (!isfinite(t->a) || t->a == 0.0))
		return sp_fail(err, SP_BAD_INPUT,
		               "objective %zu (%s) has the gEUD exponent %g, expected a number not 0", number, t->name,
		               t->a);
	return SP_OK;
}

sp_status sp_terms_create(sp_term_state **out, const sp_term *terms, size_t n_terms, size_t n_rows, double inset_gy,
                          sp_error *err)
{
	sp_term_state *states = sp_alloc_array(n_terms, sizeof *states);
	sp_status st;

	*out = NULL;
	if (!states)
		return sp_fail(err, SP_NO_MEMORY, "out of memory for %zu objectives", n_terms);
	for (size_t k = 0; k < n_terms; k++) {
		sp_term_state *t = &states[k];

		if ((st = check_term(&terms[k], k, n_rows, err)) != SP_OK)
			goto fail;
		t->term = &terms[k];
		t->is_limit = kind_is_limit(terms[k].kind);
		t->is_dvh = kind_is_dvh(terms[k].kind);
		t->is_upper = terms[k].kind != SP_SQUARED_UNDERDOSE && terms[k].kind != SP_DVH_MIN &&
		              terms[k].kind != SP_LIMIT_DVH_MIN;
		t->is_sum = kind_is_mean(terms[k].kind) || terms[k].kind == SP_GEUD;
		t->volume = terms[k].empty_volume;
		for (size_t i = 0; i < terms[k].n; i++)
			t->volume += terms[k].volumes[i];
		t->last_miss_gy = HUGE_VAL;
		if (t->is_limit)
			t->inset_gy = fmin(inset_gy, 0.002 * terms[k].dose_gy);
		t->give = 1.0;
		if ((t->is_limit && !t->is_sum && !(t->shift_gy = sp_alloc_array(terms[k].n, sizeof(double)))) ||
		    (t->is_dvh && !(t->is_free = sp_alloc_array(terms[k].n, 1))) ||
		    (t->is_dvh && t->is_limit &&
		     (!(t->freed_from_gy = sp_alloc_array(terms[k].n, sizeof(double))) ||
		      !(t->freed_shift_gy = sp_alloc_array(terms[k].n, sizeof(double)))))) {
			st = sp_fail(err, SP_NO_MEMORY, "out of memory for the %zu voxels of %s", terms[k].n,
			             terms[k].name);
			goto fail;
		}
	}
	*out = states;
	return SP_OK;
fail:
	sp_terms_destroy(states, n_terms);
	return st;
}

void sp_terms_destroy(sp_term_state *states, size_t n_terms)
{
	for (size_t k = 0; states && k < n_terms; k++) {
		free(states[k].shift_gy);
		free(states[k].is_free);
		free(states[k].freed_from_gy);
		free(states[k].freed_shift_gy);
	}
	free(states);
}

/* The term's dose at voxel i. */
static double dose_of_voxel(const sp_term_state *t, size_t i)
{
	return t->term->dose_gy + (t->term->over_gy ? (double)t->term->over_gy[i] : 0.0);
}

/* How far voxel i is beyond the term's dose on the side that counts. */
static double excess(const sp_term_state *t, size_t i, const float *dose_gy)
{
	double d = dose_gy[t->term->rows[i]];

	return t->is_upper ? d - dose_of_voxel(t, i) : dose_of_voxel(t, i) - d;
}

/* Largest volume that may lie beyond the dose. "D_v <= dose" with D_v the largest dose that the share v gets: the
 * volume beyond must stay just below the share; "D_v >= dose": up to the rest of it. */
static double volume_allowed(const sp_term_state *t)
{
	if (!t->is_dvh)
		return 0.0;
	return (t->is_upper ? t->term->volume * (1.0 - 1e-9) : (1.0 - t->term->volume) * (1.0 + 1e-9)) * t->volume;
}

static int by_key_descending(const void *a, const void *b)
{
	const candidate *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? 1 : -1;
	return (x->voxel > y->voxel) - (x->voxel < y->voxel); /* equal keys: the order does not depend on qsort */
}

/* The voxels whose key, how far they are beyond the dose (and what their multipliers add), is above key_above; largest
 * first. */
static sp_status sort_candidates(candidate **out, size_t *n_out, const sp_term_state *t, const float *dose_gy,
                                 bool with_multipliers, double key_above, sp_error *err)
{
	candidate *list = sp_alloc_array(t->term->n, sizeof *list);
	size_t n = 0;

	*out = NULL;
	if (!list)
		return sp_fail(err, SP_NO_MEMORY, "out of memory for the %zu voxels of %s", t->term->n, t->term->name);
	for (size_t i = 0; i < t->term->n; i++) {
		double key = excess(t, i, dose_gy) + (with_multipliers ? t->inset_gy + t->give * t->shift_gy[i] : 0.0);

		if (key > key_above && t->term->volumes[i] > 0.0f)
			list[n++] = (candidate){key, i};
	}
	qsort(list, n, sizeof *list, by_key_descending);
	*out = list;
	*n_out = n;
	return SP_OK;
}

/* How far the voxel at which the volume allowed is used up lies beyond the dose; negative: within. */
static sp_status excess_at_volume(double *out, const sp_term_state *t, const float *dose_gy, double key_above,
                                  sp_error *err)
{
	double allowed = volume_allowed(t), beyond = 0.0;
	candidate *list = NULL;
	size_t n, k = 0;
	sp_status st = sort_candidates(&list, &n, t, dose_gy, false, key_above, err);

	if (st != SP_OK)
		return st;
	*out = key_above;
	while (k < n && beyond <= allowed) {
		*out = list[k].key;
		beyond += t->term->volumes[list[k++].voxel];
	}
	free(list);
	return SP_OK;
}

sp_status sp_term_measure(sp_term_state *t, const float *dose_gy, sp_error *err)
{
	double allowed = volume_allowed(t), beyond = 0.0, largest = 0.0;

	t->miss_gy = 0.0;
	if (!t->is_limit)
		return SP_OK;
	if (t->term->kind == SP_LIMIT_MEAN) {
		t->miss_gy = fmax(0.0, sp_term_mean_gy(t, dose_gy) - t->term->dose_gy);
		return SP_OK;
	}
	for (size_t i = 0; i < t->term->n; i++) {
		double e = t->term->volumes[i] > 0.0f ? excess(t, i, dose_gy) : 0.0;

		if (e > 0.0)
			beyond += t->term->volumes[i];
		largest = fmax(largest, e);
	}
	if (beyond <= allowed)
		return SP_OK;
	if (!t->is_dvh) {
		t->miss_gy = largest;
		return SP_OK;
	}
	return excess_at_volume(&t->miss_gy, t, dose_gy, 0.0, err);
}

/* The voxels that went free last time have moved since: that tells how far a force moves a voxel. */
static void learn_give(sp_term_state *t, const float *dose_gy)
{
	double moved = 0.0, shift = 0.0;

	for (size_t i = 0; i < t->term->n; i++) {
		if (t->freed_shift_gy[i] > 0.0) {
			moved += excess(t, i, dose_gy) - t->freed_from_gy[i];
			shift += t->freed_shift_gy[i];
		}
		t->freed_shift_gy[i] = 0.0;
	}
	if (shift > 0.0)
		t->give = fmin(fmax(moved / shift, LEAST_GIVE), MOST_GIVE);
}

static void set_free(sp_term_state *t, size_t i, bool was_free, const float *dose_gy)
{
	t->is_free[i] = 1;
	if (!t->is_limit)
		return;
	if (!was_free) {
		t->freed_from_gy[i] = excess(t, i, dose_gy);
		t->freed_shift_gy[i] = t->shift_gy[i];
	}
	t->shift_gy[i] = 0.0;
}

sp_status sp_term_choose_free(sp_term_state *t, const float *dose_gy, sp_error *err)
{
	double allowed = volume_allowed(t), freed = 0.0;
	unsigned char *was_free;
	candidate *list;
	size_t n;
	sp_status st;

	if (!t->is_dvh)
		return SP_OK;
	if (!(was_free = sp_alloc_array(t->term->n, 1)))
		return sp_fail(err, SP_NO_MEMORY, "out of memory for the %zu voxels of %s", t->term->n, t->term->name);
	memcpy(was_free, t->is_free, t->term->n);
	if (t->is_limit)
		learn_give(t, dose_gy);
	if ((st = sort_candidates(&list, &n, t, dose_gy, t->is_limit, 0.0, err)) != SP_OK)
		goto cleanup;
	memset(t->is_free, 0, t->term->n);
	for (size_t k = 0; k < n; k++) {
		size_t i = list[k].voxel;

		if (freed + t->term->volumes[i] > allowed)
			continue; /* a smaller voxel may still fit */
		freed += t->term->volumes[i];
		set_free(t, i, was_free[i], dose_gy);
	}
	free(list);
cleanup:
	free(was_free);
	return st;
}

sp_status sp_term_dose_gy(double *out, const sp_term_state *t, const float *dose_gy, sp_error *err)
{
	double beyond;
	sp_status st;

	if (t->is_sum) {
		*out = t->term->kind == SP_GEUD ? sp_term_geud_gy(t, dose_gy) : sp_term_mean_gy(t, dose_gy);
		return SP_OK;
	}
	if ((st = excess_at_volume(&beyond, t, dose_gy, -HUGE_VAL, err)) == SP_OK)
		*out = t->is_upper ? t->term->dose_gy + beyond : t->term->dose_gy - beyond;
	return st;
}

void sp_term_update_multipliers(sp_term_state *t, const float *dose_gy)
{
	if (t->term->kind == SP_LIMIT_MEAN)
		t->sum_shift_gy =
		        fmax(0.0, t->sum_shift_gy + sp_term_mean_gy(t, dose_gy) - t->term->dose_gy + t->inset_gy);
	for (size_t i = 0; t->shift_gy && i < t->term->n; i++)
		if (!t->is_free || !t->is_free[i])
			t->shift_gy[i] = fmax(0.0, t->shift_gy[i] + excess(t, i, dose_gy) + t->inset_gy);
}

void sp_term_scale_penalty(sp_term_state *t, double factor)
{
	t->penalty *= factor;
	t->sum_shift_gy /= factor;
	for (size_t i = 0; t->shift_gy && i < t->term->n; i++)
		t->shift_gy[i] /= factor;
	for (size_t i = 0; t->freed_shift_gy && i < t->term->n; i++)
		t->freed_shift_gy[i] /= factor;
	t->give *= factor; /* the force of a shift has grown */
}

double sp_term_inactive_below_gy(const sp_term_state *t)
{
	bool one_sided = t->is_upper && !t->is_sum && t->term->kind != SP_SQUARED_DEVIATION;
	double least = 0.0;

	for (size_t i = 0; t->term->over_gy && i < t->term->n; i++)
		least = fmin(least, (double)t->term->over_gy[i]);
	return one_sided ? t->term->dose_gy + least - t->inset_gy : -HUGE_VAL;
}

sp_voxel_cost sp_term_voxel_cost(const sp_term_state *t, size_t i)
{
	double share = t->term->volumes[i] / t->volume, shift = t->inset_gy + (t->shift_gy ? t->shift_gy[i] : 0.0);
	float cost = (float)((t->is_limit ? t->penalty : t->term->weight) * share);
	sp_voxel_cost c = {.is_limit = t->is_limit};

	if (t->is_sum || (t->is_free && t->is_free[i]))
		return c;
	if (t->is_upper) {
		c.above_gy = (float)(dose_of_voxel(t, i) - shift);
		c.above_cost = cost;
	}
	if (!t->is_upper || t->term->kind == SP_SQUARED_DEVIATION) {
		c.below_gy = (float)(t->term->dose_gy + shift);
		c.below_cost = cost;
	}
	return c;
}

double sp_term_mean_gy(const sp_term_state *t, const float *dose_gy)
{
	double sum = 0.0;

	for (size_t i = 0; i < t->term->n; i++)
		sum += (double)t->term->volumes[i] * dose_gy[t->term->rows[i]];
	return sum / t->volume;
}

double sp_term_geud_gy(const sp_term_state *t, const float *dose_gy)
{
	double reference = sp_term_mean_gy(t, dose_gy), sum = 0.0;

	if (!(reference > 0.0))
		return 0.0;
	for (size_t i = 0; i < t->term->n; i++)
		sum += t->term->volumes[i] * pow(fmax(dose_gy[t->term->rows[i]] / reference, 0.05), t->term->a);
	return reference * pow(sum / t->volume, 1.0 / t->term->a);
}

double sp_term_objective(const sp_term_state *t, const float *dose_gy)
{
	double sum = 0.0;

	if (t->is_limit)
		return 0.0;
	if (t->term->kind == SP_MEAN_DOSE)
		return t->term->weight * sp_term_mean_gy(t, dose_gy);
	if (t->term->kind == SP_MEAN_OVERDOSE) {
		double miss = fmax(0.0, sp_term_mean_gy(t, dose_gy) - t->term->dose_gy);

		return t->term->weight * miss * miss;
	}
	if (t->term->kind == SP_GEUD) {
		double miss = sp_term_geud_gy(t, dose_gy) - t->term->dose_gy;

		miss = fmax(0.0, t->term->a < 0.0 ? -miss : miss);
		return t->term->weight * miss * miss;
	}
	for (size_t i = 0; i < t->term->n; i++) {
		double e = excess(t, i, dose_gy);

		if ((e > 0.0 || t->term->kind == SP_SQUARED_DEVIATION) && !(t->is_free && t->is_free[i]))
			sum += t->term->volumes[i] * e * e;
	}
	return t->term->weight * sum / t->volume;
}
