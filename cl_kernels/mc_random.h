/* Random numbers without state: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, SC11), a function of the seed, the history,
 * the object in the history (a photon, an electron track) and the draw. Whoever computes a history gets the same. */

#define PHILOX_ROUNDS 10

/* Products in 64 bits: PoCL puts mul_hi together from 16-bit pieces. */
static inline uint4 philox(uint4 counter, uint2 key)
{
	uint x = counter.x, y = counter.y, z = counter.z, w = counter.w, k0 = key.x, k1 = key.y;

	for (int round = 0; round < PHILOX_ROUNDS; round++) {
		ulong a = (ulong)0xD2511F53u * x, b = (ulong)0xCD9E8D57u * z;

		x = (uint)(b >> 32) ^ y ^ k0;
		y = (uint)b;
		z = (uint)(a >> 32) ^ w ^ k1;
		w = (uint)a;
		k0 += 0x9E3779B9u;
		k1 += 0xBB67AE85u;
	}
	return (uint4)(x, y, z, w);
}

/* Uniform in (0, 1): never 0 or 1. */
static inline float uniform(uint bits)
{
	return ((float)(bits >> 9) + 0.5f) * (1.0f / 8388608.0f);
}

static inline float4 uniform4(uint4 bits)
{
	return (convert_float4(as_int4(bits >> 9)) + 0.5f) * (1.0f / 8388608.0f);
}

/* -ln x for x in (0, 1), to 1e-5: the logarithm of the mantissa by a polynomial (Chebyshev fit of log2 on 1..2). */
static inline float minus_log(float x)
{
	uint bits = as_uint(x);
	float exponent = (float)((int)(bits >> 23) - 127), m = as_float((bits & 0x7fffffu) | 0x3f800000u);
	float p = 0.04392863f;

	p = p * m - 0.40947559f;
	p = p * m + 1.61017755f;
	p = p * m - 3.52021884f;
	p = p * m + 5.06975632f;
	p = p * m - 2.79415368f;
	return max(0.0f, -0.69314718f * (exponent + p));
}

/* Cosine and sine of 2 pi x, x in 0..1, to 1e-6: polynomials on a quarter of the circle. */
static inline void direction_of(float *cosine, float *sine, float x)
{
	float q = x * 4.0f, n = floor(q + 0.5f), f = q - n, f2 = f * f;
	float s = f * (1.57079631f + f2 * (-0.645963711f + f2 * (0.0796876733f + f2 * -0.00467376696f)));
	float c = 1.0f + f2 * (-1.23370052f + f2 * (0.253669463f + f2 * (-0.0208632565f + f2 * 0.000919260264f)));
	int k = (int)n & 3;
	float a = k & 1 ? s : c, b = k & 1 ? c : s;

	*cosine = k == 1 || k == 2 ? -a : a;
	*sine = k >= 2 ? -b : b;
}

/* A stream of numbers for code that draws an unknown number of them. */
typedef struct {
	uint4 counter; /* x, y: history; z: object; w: next draw */
	uint2 key;
	float4 drawn;
	uint left;
} random_stream;

static inline float draw(random_stream *r)
{
	float x;

	if (r->left == 0) {
		r->drawn = uniform4(philox(r->counter, r->key));
		r->counter.w++;
		r->left = 4;
	}
	x = r->drawn.x;
	r->drawn = r->drawn.yzwx;
	r->left--;
	return x;
}

/* A number for every lane: the second and third words are free for the caller. */
static inline fv lane_uniform(uint4 base, uint2 key, uint draw_number)
{
	uv x = UV(base.x), y = UV(base.y), z = UV(base.z), w = AS_UV(lane_numbers()) + UV(draw_number * SP_LANES);

	for (int round = 0; round < PHILOX_ROUNDS; round++) {
		ulv a = TO_ULV(x) * (ulv)0xD2511F53u, b = TO_ULV(z) * (ulv)0xCD9E8D57u;

		x = TO_UV(b >> (ulv)32) ^ y ^ UV(key.x);
		y = TO_UV(b);
		z = TO_UV(a >> (ulv)32) ^ w ^ UV(key.y);
		w = TO_UV(a);
		key += (uint2)(0x9E3779B9u, 0xBB67AE85u);
	}
	return (TO_FV(AS_IV(x >> 9)) + FV(0.5f)) * FV(1.0f / 8388608.0f);
}
