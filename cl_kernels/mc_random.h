/* Random numbers without state: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, SC11), a function of the seed, the history,
 * the object in the history (a photon, an electron track) and the draw. Whoever computes a history gets the same. */

#define PHILOX_ROUNDS 10

static inline uint4 philox(uint4 counter, uint2 key)
{
	for (int round = 0; round < PHILOX_ROUNDS; round++) {
		uint high0 = mul_hi(0xD2511F53u, counter.x), low0 = 0xD2511F53u * counter.x;
		uint high1 = mul_hi(0xCD9E8D57u, counter.z), low1 = 0xCD9E8D57u * counter.z;

		counter = (uint4)(high1 ^ counter.y ^ key.x, low1, high0 ^ counter.w ^ key.y, low0);
		key += (uint2)(0x9E3779B9u, 0xBB67AE85u);
	}
	return counter;
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
		uv high0 = mul_hi(UV(0xD2511F53u), x), low0 = UV(0xD2511F53u) * x;
		uv high1 = mul_hi(UV(0xCD9E8D57u), z), low1 = UV(0xCD9E8D57u) * z;

		x = high1 ^ y ^ UV(key.x);
		y = low1;
		z = high0 ^ w ^ UV(key.y);
		w = low0;
		key += (uint2)(0x9E3779B9u, 0xBB67AE85u);
	}
	return (TO_FV(AS_IV(x >> 9)) + FV(0.5f)) * FV(1.0f / 8388608.0f);
}
