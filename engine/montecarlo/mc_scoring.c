#include "mc_scoring.h"

#include "alloc.h"
#include "shared/mc.h"

#include <math.h>
#include <stdlib.h>

#define JOULE_PER_MEV 1.602176634e-13 /* exact (SI 2019) */

/* Less than this is air: dose there is of no interest and noisy. */
#define AIR_G_CM3 0.01f

/* ---- mass of the dose grid's voxels ---- */

/* For one axis: voxel i of the dose grid overlaps `from`'s voxels first[i] .. by share[i * most + ...] of its width. */
typedef struct {
	size_t most, *first, *n;
	double *share;
} overlaps;

static void overlaps_finish(overlaps *o)
{
	free(o->first);
	free(o->n);
	free(o->share);
}

static sp_status overlaps_make(overlaps *o, const sp_grid *to, const sp_grid *from, int a, sp_error *err)
{
	double low = sp_grid_low_edge_mm(from, a), wide = from->spacing_mm[a], step = to->spacing_mm[a];

	*o = (overlaps){.most = (size_t)ceil(step / wide) + 2};
	o->first = sp_alloc_array(to->n[a], sizeof *o->first);
	o->n = sp_alloc_array(to->n[a], sizeof *o->n);
	o->share = sp_alloc_array(to->n[a] * o->most, sizeof *o->share);
	if (!o->first || !o->n || !o->share)
		return sp_fail(err, SP_NO_MEMORY, "no memory for the overlap of two grids");
	for (size_t i = 0; i < to->n[a]; i++) {
		/* edges in voxels of `from`; 1e-6 of one forgives rounding where edges coincide */
		double start = (sp_grid_low_edge_mm(to, a) + step * (double)i - low) / wide, end = start + step / wide;
		double begin = fmax(floor(start + 1e-6), 0.0);

		o->first[i] = (size_t)begin;
		for (double k = begin; k < fmin(ceil(end - 1e-6), (double)from->n[a]); k++)
			o->share[i * o->most + o->n[i]++] = (fmin(end, k + 1.0) - fmax(start, k)) * wide / step;
	}
	return SP_OK;
}

/* The density as the transport has it. */
static double transported(float density_g_cm3)
{
	return floor((double)(density_g_cm3 * SP_MC_DENSITY_UNIT + 0.5f)) / (double)SP_MC_DENSITY_UNIT;
}

static void average_voxel(sp_mc_scoring *out, size_t v, const sp_mc_matter *where, const overlaps o[3],
                          const size_t at[3], const double *factor)
{
	double mass = 0.0, water = 0.0;

	for (size_t c = 0; c < o[2].n[at[2]]; c++)
		for (size_t b = 0; b < o[1].n[at[1]]; b++)
			for (size_t a = 0; a < o[0].n[at[0]]; a++) {
				size_t from = sp_grid_index(&where->grid, o[0].first[at[0]] + a, o[1].first[at[1]] + b,
				                            o[2].first[at[2]] + c);
				double part = o[0].share[at[0] * o[0].most + a] * o[1].share[at[1] * o[1].most + b] *
				              o[2].share[at[2] * o[2].most + c] *
				              transported(where->density_g_cm3[from]);

				mass += part;
				water += factor ? part * factor[where->material[from]] : 0.0;
			}
	out->density_g_cm3[v] = (float)mass;
	if (factor)
		out->to_water[v] = mass > 0.0 ? (float)(water / mass) : 1.0f;
}

sp_status sp_mc_scoring_make(sp_mc_scoring *out, const sp_mc_matter *where, const sp_grid *grid, const double *factor,
                             sp_error *err)
{
	overlaps o[3] = {{0}, {0}, {0}};
	sp_status st = SP_OK;

	*out = (sp_mc_scoring){.grid = *grid, .particles = 1.0};
	out->density_g_cm3 = sp_alloc_array(sp_grid_voxels(grid), sizeof *out->density_g_cm3);
	out->to_water = factor ? sp_alloc_array(sp_grid_voxels(grid), sizeof *out->to_water) : NULL;
	if (!out->density_g_cm3 || (factor && !out->to_water))
		st = sp_fail(err, SP_NO_MEMORY, "no memory for the density of %zu voxels", sp_grid_voxels(grid));
	for (int a = 0; a < 3 && st == SP_OK; a++)
		st = overlaps_make(&o[a], grid, &where->grid, a, err);
	if (st != SP_OK)
		goto cleanup;
#pragma omp parallel for
	for (size_t k = 0; k < grid->n[2]; k++)
		for (size_t j = 0; j < grid->n[1]; j++)
			for (size_t i = 0; i < grid->n[0]; i++)
				average_voxel(out, sp_grid_index(grid, i, j, k), where, o, (size_t[3]){i, j, k},
				              factor);
cleanup:
	for (int a = 0; a < 3; a++)
		overlaps_finish(&o[a]);
	if (st != SP_OK)
		sp_mc_scoring_finish(out);
	return st;
}

void sp_mc_scoring_finish(sp_mc_scoring *s)
{
	free(s->density_g_cm3);
	free(s->to_water);
	*s = (sp_mc_scoring){0};
}

/* ---- dose ---- */

void sp_mc_dose(float *dose_gy, float *sigma_gy, const sp_mc_scoring *s, const sp_mc_sums *sums)
{
	size_t n = sp_grid_voxels(&s->grid);
	double batches = (double)sums->batches, rounding = ldexp(1.0, (int)sums->shift) / sqrt(12.0),
	       gy_g = JOULE_PER_MEV * 1e3 / (double)SP_MC_TALLY_UNIT / (double)s->batch_histories * s->particles,
	       volume_cc = sp_grid_voxel_volume_cc(&s->grid);

#pragma omp parallel for
	for (size_t v = 0; v < n; v++) {
		double mass_g = (double)s->density_g_cm3[v] * volume_cc, mean = (double)sums->sum[v] / batches, gy,
		       variance;

		gy = mass_g > 0.0 ? gy_g / mass_g * (s->to_water ? (double)s->to_water[v] : 1.0) : 0.0;
		dose_gy[v] = (float)(mean * gy);
		if (!sigma_gy)
			continue;
		variance = ldexp((double)sums->squares[v], 2 * (int)sums->shift) / batches - mean * mean;
		/* of the mean; where there is dose it is at least what rounding the squares leaves unknown */
		variance = fmax(variance / (batches - 1.0), sums->sum[v] ? rounding * rounding / batches : 0.0);
		sigma_gy[v] = (float)(sqrt(variance) * gy);
	}
}

static bool is_air(const sp_mc_scoring *s, size_t v)
{
	return s->density_g_cm3[v] < AIR_G_CM3;
}

/* Mean over a voxel and its neighbours, those of air left out. */
static float smooth(const float *dose, const sp_mc_scoring *s, size_t i, size_t j, size_t k)
{
	const sp_grid *g = &s->grid;
	double sum = 0.0;
	size_t n = 0;

	for (size_t c = k ? k - 1 : 0; c <= k + 1 && c < g->n[2]; c++)
		for (size_t b = j ? j - 1 : 0; b <= j + 1 && b < g->n[1]; b++)
			for (size_t a = i ? i - 1 : 0; a <= i + 1 && a < g->n[0]; a++) {
				size_t v = sp_grid_index(g, a, b, c);

				sum += is_air(s, v) ? 0.0 : (double)dose[v];
				n += !is_air(s, v);
			}
	return (float)(sum / (double)n);
}

sp_status sp_mc_judge(sp_mc_quality *out, const sp_mc_scoring *s, const float *dose, const float *sigma, sp_error *err)
{
	const sp_grid *g = &s->grid;
	size_t n = sp_grid_voxels(g);
	float *smoothed = sp_alloc_array(n, sizeof *smoothed), most = 0.0f;
	double sum = 0.0;

	*out = (sp_mc_quality){.mean_sigma = 1.0};
	if (!smoothed)
		return sp_fail(err, SP_NO_MEMORY, "no memory for a dose of %zu voxels", n);
#pragma omp parallel for reduction(max : most)
	for (size_t k = 0; k < g->n[2]; k++)
		for (size_t j = 0; j < g->n[1]; j++)
			for (size_t i = 0; i < g->n[0]; i++) {
				size_t v = sp_grid_index(g, i, j, k);

				if (is_air(s, v))
					continue;
				smoothed[v] = smooth(dose, s, i, j, k);
				most = smoothed[v] > most ? smoothed[v] : most;
			}
	/* one after another: a sum whose order threads choose would not always stop a run at the same batch */
	for (size_t v = 0; v < n; v++) {
		if (!(smoothed[v] > 0.5f * most))
			continue;
		out->n_voxels++;
		sum += dose[v] > sigma[v] ? (double)sigma[v] / (double)dose[v] : 1.0;
	}
	free(smoothed);
	out->max_gy = (double)most;
	if (out->n_voxels)
		out->mean_sigma = sum / (double)out->n_voxels;
	return SP_OK;
}

bool sp_mc_squares_fit(const sp_mc_sums *sums, size_t n_voxels)
{
	int64_t most = 0;

	for (size_t v = 0; v < n_voxels; v++)
		most = sums->sum[v] > most ? sums->sum[v] : most;
	/* the sum of squares is (mean^2 + variance) times batches; where a voxel takes so much, the variance is small
	 */
	return !sums->batches || pow(ldexp((double)most, -(int)sums->shift), 2.0) / (double)sums->batches < 0x1p63;
}

uint64_t sp_mc_next_look(uint64_t n, double sigma, double wanted)
{
	double needed = (double)n * pow(sigma / wanted, 2.0), step = fmax(1.0, ceil(0.02 * (double)n));

	/* early estimates are rough: not more than twice as many at once */
	needed = fmin(ceil(needed), 2.0 * (double)n);
	return (uint64_t)fmax(needed, (double)n + step);
}

uint64_t sp_mc_most_batches(uint32_t batch_histories, const sp_spectrum *s)
{
	return (uint64_t)(0x1p62 / SP_MC_TALLY_UNIT / batch_histories / s->high_mev[s->n_bins - 1]);
}

uint32_t sp_mc_batch_for(size_t n_voxels)
{
	/* the more points of the low-discrepancy sequence, the better they are spread */
	uint32_t histories = 1u << 15;

	/* closing costs 1 to 2 ns a voxel, a history 3 us */
	while (histories < n_voxels / 32 && histories < 1u << 20)
		histories *= 2;
	return histories;
}

void sp_mc_balance_of(sp_mc_balance *out, const sp_mc_sums *sums, size_t n_voxels)
{
	const double mev = 1.0 / (double)SP_MC_TALLY_UNIT;
	int64_t deposited = 0;

	for (size_t v = 0; v < n_voxels; v++)
		deposited += sums->sum[v];
	*out = (sp_mc_balance){.emitted_mev = (double)sums->accounts[SP_MC_EMITTED] * mev,
	                       .escaped_mev = (double)sums->accounts[SP_MC_ESCAPED] * mev,
	                       .deposited_mev = (double)deposited * mev,
	                       .outside_mev = (double)sums->accounts[SP_MC_OUTSIDE] * mev,
	                       .lost_mev = (double)sums->accounts[SP_MC_LOST] * mev,
	                       .balance_mev = (double)sums->accounts[SP_MC_BALANCE] * mev};
	if (out->emitted_mev > 0.0)
		out->imbalance =
		        (out->escaped_mev + out->deposited_mev + out->outside_mev + out->lost_mev + out->balance_mev) /
		                out->emitted_mev -
		        1.0;
}
