/* What leaves let through, for the device (mc_machine.h) and for the fluence maps of the host alike. */
#ifndef SP_MC_LEAVES_H
#define SP_MC_LEAVES_H
#include "shared/mc_head.h"

#ifdef __OPENCL_C_VERSION__
#define SP_GLOBAL global
#define SP_CONSTANT constant
#define SP_SQRT(x) sqrt(x)
#define SP_EXP(x) exp(x)
#define SP_FMIN(a, b) min(a, b)
#define SP_FMAX(a, b) max(a, b)
#define SP_MIX(a, b, t) mix(a, b, t)
#else
#include <math.h>
#include <stdbool.h>
#define SP_GLOBAL
#define SP_CONSTANT const
#define SP_SQRT(x) sqrtf(x)
#define SP_EXP(x) expf(x)
#define SP_FMIN(a, b) fminf(a, b)
#define SP_FMAX(a, b) fmaxf(a, b)
#define SP_MIX(a, b, t) ((a) + ((b) - (a)) * (t))
#endif

/* Leaf that a place across the leaves belongs to; n_pairs where there is none. */
static inline sp_u32 find_leaf(SP_GLOBAL const float *boundaries, sp_u32 n_pairs, float at)
{
	sp_u32 low = 0, high = n_pairs;

	if (!(at >= boundaries[0] && at < boundaries[n_pairs]))
		return n_pairs;
	while (high - low > 1) {
		sp_u32 middle = (low + high) / 2;

		if (boundaries[middle] <= at)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* What a ray passes of one leaf's height: `inside` is how far it goes inside the leaf's end, at the leaf. A round end
 * is passed along a chord. */
static inline float height_passed(SP_CONSTANT sp_mc_head *h, float inside)
{
	float chord;

	if (inside <= 0.0f)
		return 0.0f;
	chord = 2.0f * SP_SQRT(SP_FMAX(inside * (2.0f * h->end_radius - inside), 0.0f));
	return inside >= h->end_radius ? h->leaf_height : SP_FMIN(chord, h->leaf_height);
}

/* The same of the pair of leaves `pair` at a place along their motion. */
static inline float pair_passed(SP_CONSTANT sp_mc_head *h, SP_GLOBAL const float *first, SP_GLOBAL const float *second,
                                sp_u32 n_pairs, sp_u32 pair, float share, float at)
{
	float low = SP_MIX(first[pair], second[pair], share),
	      high = SP_MIX(first[n_pairs + pair], second[n_pairs + pair], share), scale = h->mlc / h->sad;

	return SP_FMIN(h->leaf_height, height_passed(h, (low + h->end_shift - at) * scale) +
	                                       height_passed(h, (at - high + h->end_shift) * scale));
}

/* What gets through the leaves, electrons or photons, at a place (x, y), their share of the way between two control
 * points. */
static inline float through_leaves(SP_CONSTANT sp_mc_head *h, SP_GLOBAL const sp_mc_interval *w,
                                   SP_GLOBAL const float *numbers, float x, float y, float share, bool electrons)
{
	SP_GLOBAL const float *first = numbers + w->leaves[0], *second = numbers + w->leaves[1],
	                      *boundaries = numbers + w->boundaries;
	float along = w->along_y ? y : x, across = w->along_y ? x : y, passed;
	sp_u32 pair = find_leaf(boundaries, w->n_pairs, across), other;

	if (pair == w->n_pairs)
		return 1.0f;
	passed = pair_passed(h, first, second, w->n_pairs, pair, share, along);
	other = across - boundaries[pair] < h->tongue && pair > 0                    ? pair - 1
	        : boundaries[pair + 1] - across < h->tongue && pair + 1 < w->n_pairs ? pair + 1
	                                                                             : pair;
	if (other != pair) /* half of each leaf's height reaches into the strip between them */
		passed = h->tongue_share * (passed + pair_passed(h, first, second, w->n_pairs, other, share, along));
	if (electrons)
		return passed > 0.0f ? 0.0f : 1.0f;
	return SP_EXP(-h->leaf_mu * passed);
}

#endif
