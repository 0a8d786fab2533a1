/* Vectors of SP_LANES particles or sites: 16 on processors (one register of AVX-512, two of AVX2), 1 on GPUs, where
 * neighbouring work-items are the lanes. A condition is -1 where it holds and 0 where not, in every lane. */
#ifndef SP_LANES
#define SP_LANES 16
#endif

#if SP_LANES == 16
typedef float16 fv;
typedef int16 iv;
typedef uint16 uv;
typedef ulong16 ulv;
#define FV(x) ((fv)(x))
#define IV(x) ((iv)(x))
#define UV(x) ((uv)(x))
#define PICK(condition, yes, no) select(no, yes, condition)
#define ANY(condition) any(condition)
#define ALL(condition) all(condition)
#define HOLDS(comparison) (comparison)
#define AS_FV(x) as_float16(x)
#define AS_IV(x) as_int16(x)
#define AS_UV(x) as_uint16(x)
#define TO_FV(x) convert_float16(x)
#define TO_IV(x) convert_int16(x)
#define TO_UV(x) convert_uint16(x)
#define TO_ULV(x) convert_ulong16(x)
#else
typedef float fv;
typedef int iv;
typedef uint uv;
typedef ulong ulv;
#define FV(x) (x)
#define IV(x) (x)
#define UV(x) (x)
#define PICK(condition, yes, no) ((condition) ? (yes) : (no))
#define ANY(condition) ((condition) != 0)
#define ALL(condition) ((condition) != 0)
#define HOLDS(comparison) (-(int)(comparison))
#define AS_FV(x) as_float(x)
#define AS_IV(x) as_int(x)
#define AS_UV(x) as_uint(x)
#define TO_FV(x) convert_float(x)
#define TO_IV(x) convert_int(x)
#define TO_UV(x) convert_uint(x)
#define TO_ULV(x) convert_ulong(x)
#endif

typedef union {
	fv v;
	float at[SP_LANES];
} float_lanes;

typedef union {
	uv v;
	uint at[SP_LANES];
} uint_lanes;

typedef union {
	iv v;
	int at[SP_LANES];
} int_lanes;

/* 0, 1, 2 ... */
static inline iv lane_numbers(void)
{
#if SP_LANES == 16
	return (iv)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#else
	return 0;
#endif
}

/* Where the compiler has it, the processor's own gather: loops over lanes go through memory, and a wide load stalls on
 * the narrow stores before it. */
#if SP_LANES == 16 && defined(__AVX512F__) && defined(__has_builtin)
#if __has_builtin(__builtin_ia32_gathersiv16sf) && __has_builtin(__builtin_ia32_gathersiv16si)
#define SP_GATHER 1
typedef float native_float16 __attribute__((vector_size(64)));
typedef int native_int16 __attribute__((vector_size(64)));
#endif
#endif
#ifndef SP_GATHER
#define SP_GATHER 0
#endif

static inline uv gather(global const uint *table, uv index)
{
#if SP_GATHER
	return AS_UV(__builtin_ia32_gathersiv16si((native_int16)IV(0), (const void *)(size_t)table,
	                                          __builtin_astype(index, native_int16), (ushort)0xffff, 4));
#else
	uint_lanes i, out;

	i.v = index;
	for (int l = 0; l < SP_LANES; l++)
		out.at[l] = table[i.at[l]];
	return out.v;
#endif
}

static inline fv gather_float(global const float *table, uv index)
{
	return AS_FV(gather((global const uint *)table, index));
}

/* The first three columns of rows of four floats. */
static inline void gather_columns(fv *a, fv *b, fv *c, global const float4 *table, uv index)
{
	global const float *first = (global const float *)table;

	index <<= 2;
	*a = gather_float(first, index);
	*b = gather_float(first + 1, index);
	*c = gather_float(first + 2, index);
}

#if SP_LANES == 16
#define FIRST_LANE(x) ((x).s0)
#else
#define FIRST_LANE(x) (x)
#endif

static inline float lane_sum(fv x)
{
#if SP_LANES == 16
	float8 a = x.lo + x.hi;
	float4 b = a.lo + a.hi;
	float2 c = b.lo + b.hi;

	return c.x + c.y;
#else
	return x;
#endif
}
