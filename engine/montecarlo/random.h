/* Random numbers of one history: xoshiro256** (Blackman, Vigna 2018), its state filled by splitmix64 from the seed and
 * the history's number, so that a history is the same whichever thread runs it. */
#ifndef SP_RANDOM_H
#define SP_RANDOM_H

#include <stdint.h>

typedef struct {
	uint64_t s[4];
} sp_random;

static inline uint64_t sp_random_mix(uint64_t *x)
{
	uint64_t z = (*x += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static inline void sp_random_start(sp_random *r, uint64_t seed, uint64_t history)
{
	uint64_t x = seed, key = sp_random_mix(&x) ^ history;

	for (int i = 0; i < 4; i++)
		r->s[i] = sp_random_mix(&key);
}

/* Uniform in (0, 1): never 0, so that logarithms are finite. */
static inline double sp_random_next(sp_random *r)
{
	uint64_t *s = r->s, x = s[1] * 5, t = s[1] << 17;

	x = ((x << 7) | (x >> 57)) * 9;
	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = (s[3] << 45) | (s[3] >> 19);
	return ((double)(x >> 11) + 0.5) * 0x1p-53;
}

#endif
