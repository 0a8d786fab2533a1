/* Where particles are: voxels, bricks, the tally. Positions in cm from the geometry's low corner. */

typedef struct {
	constant sp_mc_setup *setup;
	global const uint *voxels;
	global const sp_mc_brick *bricks;
	global const float *attenuation, *compton, *photoelectric, *pair, *rayleigh; /* [row][material] */
	global const float4 *electron, *event;                                       /* [material][row] */
	global const float *scattering, *brems, *pair_share;
	global const uint *class_of;
	global long *tally;
	/* of the history */
	uint4 base; /* x, y: history number */
	uint2 key;
	uint next_object;
	/* energy accounts of the history, MeV times weight */
	float escaped, lost;
	float balance; /* killed by roulette less what the survivors took over, and the like: 0 on average */
} transport;

static inline iv inside_box(fv x, fv y, fv z, constant float *extent)
{
	return HOLDS(x >= FV(0.0f)) & HOLDS(x < FV(extent[0])) & HOLDS(y >= FV(0.0f)) & HOLDS(y < FV(extent[1])) &
	       HOLDS(z >= FV(0.0f)) & HOLDS(z < FV(extent[2]));
}

static inline uv cell_of(fv x, fv y, fv z, constant float *per_cm, constant uint *n)
{
	/* rounding could put a point just inside the far face one cell too far */
	uv i = min(AS_UV(TO_IV(x * FV(per_cm[0]))), UV(n[0] - 1)),
	   j = min(AS_UV(TO_IV(y * FV(per_cm[1]))), UV(n[1] - 1)),
	   k = min(AS_UV(TO_IV(z * FV(per_cm[2]))), UV(n[2] - 1));

	return SP_MC_CELL(i, j, k, n[0], n[1]);
}

/* The voxels of points, 0 for those outside, and their words (vacuum outside). */
static inline uv voxel_cells(const transport *t, fv x, fv y, fv z, iv inside)
{
	return PICK(inside, cell_of(x, y, z, t->setup->voxels_per_cm, t->setup->n), UV(0));
}

static inline uv voxel_words(const transport *t, fv x, fv y, fv z, iv inside)
{
	return PICK(inside, gather(t->voxels, voxel_cells(t, x, y, z, inside)), UV(0));
}

static inline fv word_density(uv word)
{
	return TO_FV(AS_IV(word & UV(0xffffu))) * FV(1.0f / SP_MC_DENSITY_UNIT);
}

static inline fv word_clearance(const transport *t, uv word)
{
	return TO_FV(AS_IV((word >> 16) & UV(0xfu))) * FV(t->setup->clearance_cm);
}

/* How far the voxel's own matter reaches in every direction, at least. */
static inline fv word_uniform(const transport *t, uv word)
{
	fv code = TO_FV(AS_IV((word >> 20) & UV(0xfu)));

	return SP_MC_REACH(code, FV(t->setup->uniform_growth)) * FV(t->setup->clearance_cm);
}

#define BRICK_WORDS (sizeof(sp_mc_brick) / 4)

/* Where the bricks of points inside the geometry begin, counted in words. */
static inline uv brick_words_at(const transport *t, fv x, fv y, fv z)
{
	constant sp_mc_setup *s = t->setup;
	uv i = min(AS_UV(TO_IV(x * FV(s->bricks_per_cm[0]))), UV(s->bricks_n[0] - 1)),
	   j = min(AS_UV(TO_IV(y * FV(s->bricks_per_cm[1]))), UV(s->bricks_n[1] - 1)),
	   k = min(AS_UV(TO_IV(z * FV(s->bricks_per_cm[2]))), UV(s->bricks_n[2] - 1));

	return ((k * UV(s->bricks_n[1]) + j) * UV(s->bricks_n[0]) + i) * UV(BRICK_WORDS);
}

/* Words of points, of which only the matter counts: from bricks where these are uniform, as they are few enough for a
 * processor's cache, which the voxels are not. */
static inline uv matter_words(const transport *t, fv x, fv y, fv z, iv inside)
{
#if SP_BOXES
	uv word = gather((global const uint *)t->bricks, PICK(inside, brick_words_at(t, x, y, z), UV(0)));
	iv mixed = HOLDS((word & UV(SP_MC_MIXED)) != UV(0)) & inside;

	if (ANY(mixed))
		word = PICK(mixed, voxel_words(t, x, y, z, mixed), word);
	return PICK(inside, word, UV(0));
#else
	return voxel_words(t, x, y, z, inside);
#endif
}

/* How far, at least, matter is that of such a word in every direction, in the lanes where `there` holds. */
static inline fv reach_of(const transport *t, fv x, fv y, fv z, uv word, iv there)
{
	fv reach = word_uniform(t, word);

#if SP_BOXES
	uv brick = PICK(there, brick_words_at(t, x, y, z), UV(0));
	iv uniform = HOLDS((gather((global const uint *)t->bricks, brick) & UV(SP_MC_MIXED)) == UV(0)) & there;

	if (ANY(uniform)) {
		global const float *low = (global const float *)t->bricks + 1, *high = low + 3; /* low_cm, high_cm */
		fv in_x = min(x - gather_float(low, brick), gather_float(high, brick) - x),
		   in_y = min(y - gather_float(low + 1, brick), gather_float(high + 1, brick) - y),
		   in_z = min(z - gather_float(low + 2, brick), gather_float(high + 2, brick) - z);

		reach = PICK(uniform, min(in_x, min(in_y, in_z)), reach);
	}
#endif
	return reach;
}

static inline void add_to_cells(transport *t, uv cells, fv energy)
{
	uint_lanes cell;
	int_lanes units;

	cell.v = cells;
	units.v = TO_IV(energy * FV(SP_MC_TALLY_UNIT) + FV(0.5f));
	for (int l = 0; l < SP_LANES; l++)
		TALLY_ADD(t->tally + cell.at[l], units.at[l]);
}

/* Adds energy (MeV times weight) at points; lanes that are not to count have energy 0. */
static inline void deposit(transport *t, fv x, fv y, fv z, fv energy)
{
	constant sp_mc_setup *s = t->setup;
	fv i = x * FV(s->tally_per_cm[0]) + FV(s->tally_shift[0]),
	   j = y * FV(s->tally_per_cm[1]) + FV(s->tally_shift[1]),
	   k = z * FV(s->tally_per_cm[2]) + FV(s->tally_shift[2]);
	iv inside = HOLDS(i >= FV(0.0f)) & HOLDS(i < FV((float)s->tally_n[0])) & HOLDS(j >= FV(0.0f)) &
	            HOLDS(j < FV((float)s->tally_n[1])) & HOLDS(k >= FV(0.0f)) & HOLDS(k < FV((float)s->tally_n[2]));
	uint_lanes cell;

	uv a = AS_UV(TO_IV(i)), b = AS_UV(TO_IV(j)), c = AS_UV(TO_IV(k));

	cell.v = PICK(inside, SP_MC_CELL(a, b, c, s->tally_n[0], s->tally_n[1]),
	              UV(s->tally_n[3])); /* one cell more takes what is outside */
	add_to_cells(t, cell.v, energy);
}

/* The same where the points' voxels are known; lanes outside have energy 0. */
static inline void deposit_in_voxels(transport *t, uv voxel, fv x, fv y, fv z, fv energy)
{
#if SP_SAME_GRID
	add_to_cells(t, voxel, energy);
#else
	deposit(t, x, y, z, energy);
#endif
}
