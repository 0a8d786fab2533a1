/* Cumulative dose-volume histograms.
 *
 * A voxel is not a point: its volume is spread over the doses that lie within it. With a locally linear dose the spread
 * of a box is that of three uniform shares; we use one uniform share of the same variance. Of a voxel that lies partly
 * inside, the part is taken as cut off by a plane across the gradient of the fractions, which gives its centre and its
 * extent; both are exact for a plane along the voxel's faces. So DVHs of small structures in steep gradients are right
 * to far less than a voxel. structure_dose.c adds finer sampling where a structure is small. */
#include "evaluate.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"

/* Doses are resolved to this share of the structure's dose range (30 Gy: 4 mGy); between nodes we interpolate. */
#define BINS 8192
/* Below this share of a voxel a fraction is rounding, and sets no maximum. */
#define LEAST_FRACTION 1e-4f

typedef struct {
	double middle, low, high, volume;
} spread;

typedef struct {
	const float *dose, *fraction;
	const sp_grid *grid;
	size_t stride[3];
	double voxel_cc;
} field;

/* Change of an array across one voxel along an axis: central difference, one-sided at the edges. */
static double difference(const float *a, size_t at, size_t i, size_t n, size_t stride)
{
	size_t low = i > 0 ? at - stride : at, high = i + 1 < n ? at + stride : at;

	return low == high ? 0.0 : ((double)a[high] - (double)a[low]) / (i > 0 && i + 1 < n ? 2.0 : 1.0);
}

/* Keeps a spread within the doses of the voxel and its six neighbours: a straight line through a peak would reach
 * beyond it. Half a voxel of a linear dose always stays within. Where a neighbour is missing nothing is known, nothing
 * cut. */
static void keep_within_neighbours(spread *r, const field *f, const size_t ijk[3], size_t at)
{
	double least = f->dose[at], most = f->dose[at];

	for (int axis = 0; axis < 3; axis++) {
		if (ijk[axis] == 0 || ijk[axis] + 1 >= f->grid->n[axis])
			return;
		for (int side = 0; side < 2; side++) {
			double d = f->dose[side ? at + f->stride[axis] : at - f->stride[axis]];

			least = fmin(least, d);
			most = fmax(most, d);
		}
	}
	r->middle = fmin(fmax(r->middle, least), most);
	r->low = fmax(r->low, least);
	r->high = fmin(r->high, most);
}

static spread spread_of(const field *f, const size_t ijk[3], size_t at)
{
	double d[3], s[3], across = 0.0, steep = 0.0, norm = 0.0, half, inside = f->fraction[at];
	spread r = {.middle = f->dose[at], .volume = inside * f->voxel_cc};

	for (int axis = 0; axis < 3; axis++) {
		d[axis] = difference(f->dose, at, ijk[axis], f->grid->n[axis], f->stride[axis]);
		steep += d[axis] * d[axis];
	}
	if (inside < 1.0) {
		for (int axis = 0; axis < 3; axis++) {
			s[axis] = difference(f->fraction, at, ijk[axis], f->grid->n[axis], f->stride[axis]);
			norm += s[axis] * s[axis];
		}
		if (norm > 0.0) {
			for (int axis = 0; axis < 3; axis++)
				across += d[axis] * s[axis];
			across /= sqrt(norm); /* dose change per voxel along the inward normal */
			r.middle += across * (1.0 - inside) / 2.0;
			steep -= across * across * (1.0 - inside * inside);
		}
	}
	half = sqrt(fmax(0.0, steep)) / 2.0;
	r.low = r.middle - half;
	r.high = r.middle + half;
	keep_within_neighbours(&r, f, ijk, at);
	return r;
}

typedef void (*visitor)(void *context, const spread *s);

static void for_each_voxel(const field *f, float least, visitor visit, void *context)
{
	const size_t *n = f->grid->n;
	size_t at = 0;

	for (size_t k = 0; k < n[2]; k++)
		for (size_t j = 0; j < n[1]; j++)
			for (size_t i = 0; i < n[0]; i++, at++) {
				spread s;

				if (!(f->fraction[at] > least))
					continue;
				s = spread_of(f, (const size_t[3]){i, j, k}, at);
				visit(context, &s);
			}
}

static void extend_range(void *context, const spread *s)
{
	sp_dvh *d = context;

	d->min_gy = fmin(d->min_gy, fmax(0.0, s->low));
	d->max_gy = fmax(d->max_gy, fmax(0.0, s->high));
}

typedef struct {
	sp_dvh *dvh;
	double *whole; /* difference array of volume that fills whole bins, a bin's share each */
	double *part;  /* volume that falls into a bin's part */
	double width;  /* of a bin, Gy */
	double dose_volume;
} filling;

/* Bin position of a dose, within the range. */
static double position(const filling *f, double dose)
{
	return fmin(fmax((dose - f->dvh->min_gy) / f->width, 0.0), BINS);
}

static void fill(void *context, const spread *s)
{
	filling *f = context;
	double low = position(f, s->low), high = position(f, s->high);
	size_t first = low < BINS ? (size_t)low : BINS - 1, last = high < BINS ? (size_t)high : BINS - 1;

	f->dvh->volume_total_cc += s->volume;
	f->dose_volume += s->volume * fmax(0.0, s->middle);
	if (first == last || high - low < 1e-9) {
		f->part[first] += s->volume;
		return;
	}
	f->part[first] += s->volume * ((double)(first + 1) - low) / (high - low);
	f->part[last] += s->volume * (high - (double)last) / (high - low);
	f->whole[first + 1] += s->volume / (high - low);
	f->whole[last] -= s->volume / (high - low);
}

/* One dose everywhere: a step, with no width to share into bins. */
static void fill_step(sp_dvh *d, const field *f)
{
	double volume = 0.0;

	for (size_t i = 0; i < sp_grid_voxels(f->grid); i++)
		volume += f->fraction[i] > 0.0f ? f->fraction[i] * f->voxel_cc : 0.0;
	d->n = 2;
	d->dose_gy[0] = (float)d->max_gy;
	d->dose_gy[1] = nextafterf((float)d->max_gy, INFINITY);
	d->volume_cc[0] = (float)volume;
	d->volume_cc[1] = 0.0f;
	d->volume_total_cc = volume;
	d->mean_gy = d->max_gy;
}

static sp_status fill_bins(sp_dvh *d, const field *f, sp_error *err)
{
	filling b = {.dvh = d, .width = (d->max_gy - d->min_gy) / BINS};
	sp_status st = SP_OK;
	double running = 0.0, above = 0.0;

	b.whole = sp_alloc_array(BINS + 1, sizeof *b.whole);
	b.part = sp_alloc_array(BINS + 1, sizeof *b.part);
	if (!b.whole || !b.part) {
		st = sp_fail(err, SP_NO_MEMORY, "making a DVH");
		goto cleanup;
	}
	for_each_voxel(f, 0.0f, fill, &b);
	for (size_t i = 0; i < BINS; i++) {
		running += b.whole[i];
		b.part[i] += running;
	}
	d->n = BINS + 1;
	for (size_t i = BINS + 1; i-- > 0;) {
		if (i < BINS)
			above += b.part[i];
		d->dose_gy[i] = (float)(d->min_gy + (double)i * b.width);
		d->volume_cc[i] = (float)above;
	}
	d->mean_gy = d->volume_total_cc > 0.0 ? b.dose_volume / d->volume_total_cc : 0.0;
cleanup:
	free(b.whole);
	free(b.part);
	return st;
}

/* Room for the nodes and for a step below them (sp_dvh_add_cold). */
static sp_status allocate(sp_dvh *d, sp_error *err)
{
	d->dose_gy = sp_alloc_array(BINS + 3, sizeof *d->dose_gy);
	d->volume_cc = sp_alloc_array(BINS + 3, sizeof *d->volume_cc);
	if (!d->dose_gy || !d->volume_cc)
		return sp_fail(err, SP_NO_MEMORY, "making a DVH");
	return SP_OK;
}

sp_status sp_dvh_make(sp_dvh *out, const float *dose_gy, const float *fraction, const sp_grid *grid, sp_error *err)
{
	field f = {.dose = dose_gy,
	           .fraction = fraction,
	           .grid = grid,
	           .stride = {1, grid->n[0], grid->n[0] * grid->n[1]},
	           .voxel_cc = sp_grid_voxel_volume_cc(grid)};
	sp_status st;

	*out = (sp_dvh){.min_gy = INFINITY, .max_gy = -INFINITY};
	for_each_voxel(&f, LEAST_FRACTION, extend_range, out);
	if (!(out->max_gy >= out->min_gy)) { /* nothing of the structure lies on the grid */
		*out = (sp_dvh){0};
		return SP_OK;
	}
	st = allocate(out, err);
	if (st == SP_OK && out->max_gy - out->min_gy <= 1e-7 * out->max_gy)
		fill_step(out, &f);
	else if (st == SP_OK)
		st = fill_bins(out, &f, err);
	if (st != SP_OK)
		sp_dvh_finish(out);
	return st;
}

sp_status sp_dvh_add_cold(sp_dvh *d, double volume_cc, sp_error *err)
{
	double warm_cc = d->volume_total_cc;
	sp_status st;

	if (!(volume_cc > 0.0))
		return SP_OK;
	if (d->n == 0 && (st = allocate(d, err)) != SP_OK)
		return st;
	/* a step at dose 0: all of it, and next to it what there was */
	memmove(d->dose_gy + 2, d->dose_gy, d->n * sizeof *d->dose_gy);
	memmove(d->volume_cc + 2, d->volume_cc, d->n * sizeof *d->volume_cc);
	d->volume_total_cc = warm_cc + volume_cc;
	d->mean_gy *= warm_cc / d->volume_total_cc;
	d->min_gy = 0.0;
	d->dose_gy[0] = 0.0f;
	d->dose_gy[1] = FLT_MIN;
	d->volume_cc[0] = (float)d->volume_total_cc;
	d->volume_cc[1] = (float)warm_cc;
	if (d->n > 0 && d->dose_gy[2] <= FLT_MIN)
		d->dose_gy[2] = 2.0f * FLT_MIN;
	d->n += 2;
	return SP_OK;
}

void sp_dvh_finish(sp_dvh *dvh)
{
	if (!dvh)
		return;
	free(dvh->dose_gy);
	free(dvh->volume_cc);
	*dvh = (sp_dvh){0};
}

double sp_dvh_dose_at_cc(const sp_dvh *d, double volume_cc)
{
	size_t low = 0, high = d->n;
	double v0, v1, dose;

	/* rounding of the sums must not turn "all of it" into "more than there is" */
	if (d->n == 0 || volume_cc > d->volume_total_cc * (1.0 + 1e-6))
		return 0.0;
	if (volume_cc >= d->volume_cc[0])
		return d->min_gy;
	if (volume_cc <= 0.0)
		return d->max_gy;
	while (high - low > 1) { /* volume_cc[low] >= wanted > volume_cc[high] */
		size_t middle = (low + high) / 2;

		if (d->volume_cc[middle] >= volume_cc)
			low = middle;
		else
			high = middle;
	}
	if (high == d->n)
		return d->dose_gy[low];
	v0 = d->volume_cc[low];
	v1 = d->volume_cc[high];
	dose = d->dose_gy[low] + (v0 - volume_cc) / (v0 - v1) * ((double)d->dose_gy[high] - (double)d->dose_gy[low]);
	return dose > 1e-9 ? dose : 0.0; /* within the step of sp_dvh_add_cold */
}

double sp_dvh_dose_at_share(const sp_dvh *d, double share)
{
	return sp_dvh_dose_at_cc(d, fmin(share, 1.0) * d->volume_total_cc);
}

double sp_dvh_volume_at_gy(const sp_dvh *d, double dose_gy)
{
	size_t low = 0, high = d->n;
	double share;

	if (d->n == 0)
		return 0.0;
	if (dose_gy <= d->dose_gy[0])
		return d->volume_total_cc;
	if (dose_gy > d->dose_gy[d->n - 1])
		return 0.0;
	while (high - low > 1) { /* dose_gy[low] < wanted <= dose_gy[high] */
		size_t middle = (low + high) / 2;

		if (d->dose_gy[middle] < dose_gy)
			low = middle;
		else
			high = middle;
	}
	if (high == d->n)
		return d->volume_cc[low];
	share = (dose_gy - d->dose_gy[low]) / ((double)d->dose_gy[high] - (double)d->dose_gy[low]);
	return d->volume_cc[low] + share * ((double)d->volume_cc[high] - (double)d->volume_cc[low]);
}
