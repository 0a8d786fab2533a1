/* What leaves the source: a history's rectangle, energy, position and direction.
 *
 * The histories of a batch sit evenly spaced along one line that winds through all rectangles (in each along the Morton
 * curve, from a start that is random for each batch): they fill the field evenly, and neighbours in number are
 * neighbours in space, so that the memory that they touch stays in the cache. The other numbers of a first flight come
 * from Roberts' additive sequence (powers of the inverse of the root of x^(SP_MC_DIMS + 1) = x + 1), shifted at random
 * too. */

typedef struct {
	global const sp_mc_beam *beams;
	global const sp_mc_rectangle *rectangles;
	global const float *spectrum;
	constant sp_mc_source *source;
	head_tables head;
	constant uint *alpha;
	uint shift[SP_MC_DIMS], start;
} source_tables;

/* Dimension d of the sequence's point `index`. */
static inline float low_discrepancy(const source_tables *t, uint index, int d)
{
#if SP_SEQUENCE
	return uniform(t->alpha[d] * index + t->shift[d]);
#else
	return uniform(philox((uint4)(index, (uint)d, t->shift[d], 0), (uint2)(t->start, 0)).x);
#endif
}

static inline uint find_rectangle(const source_tables *t, uint place)
{
	uint low = 0, high = t->source->n_rectangles - 1;

	while (low < high) {
		uint middle = (low + high) / 2;

		if (t->rectangles[middle].end > place)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* Every second bit of x. */
static inline uint even_bits(uint x)
{
	x &= 0x55555555u;
	x = (x | x >> 1) & 0x33333333u;
	x = (x | x >> 2) & 0x0f0f0f0fu;
	x = (x | x >> 4) & 0x00ff00ffu;
	return (x | x >> 8) & 0x0000ffffu;
}

/* The point (-1..1) of a rectangle at a place of its curve. */
static inline void point_on_curve(float *x, float *y, uint place)
{
	*x = ((float)even_bits(place) + 0.5f) * (1.0f / 32768.0f) - 1.0f;
	*y = ((float)even_bits(place >> 1) + 0.5f) * (1.0f / 32768.0f) - 1.0f;
}

/* The rectangle of history `index` of the batch and the point (-1..1) in it. */
static uint place_on_line(float *x, float *y, const source_tables *t, uint index)
{
#if SP_SEQUENCE
	uint place = (uint)(((ulong)index << 32) / t->source->batch_histories) + t->start;
#else
	uint place = philox((uint4)(index, SP_MC_DIMS, t->start, 0), (uint2)(t->start, 0)).x;
#endif
	uint rectangle = find_rectangle(t, place), first = rectangle ? t->rectangles[rectangle - 1].end : 0;
	/* the last one ends at 2^32, which does not fit */
	ulong length = (ulong)(t->rectangles[rectangle].end - first) + (rectangle + 1 == t->source->n_rectangles);

	point_on_curve(x, y, (uint)(((ulong)(place - first) << 32) / length));
	return rectangle;
}

/* row: which of the spectra. */
static inline float sample_energy(const source_tables *t, uint row, float number)
{
	float x = number * SP_MC_SPECTRUM;
	uint i = min((uint)x, (uint)(SP_MC_SPECTRUM - 1));
	global const float *spectrum = t->spectrum + row * (SP_MC_SPECTRUM + 1);

	return mix(spectrum[i], spectrum[i + 1], x - (float)i);
}

/* A particle that starts at the point (x, y in -1..1) of a rectangle; its position is on the plane or at the point. */
static photon start_photon(const source_tables *t, uint rectangle, float x, float y, float energy)
{
	sp_mc_rectangle r = t->rectangles[rectangle];
	sp_mc_beam b = t->beams[r.beam];
	float ax = r.x_cm + x * r.half_x_cm, ay = r.y_cm + y * r.half_y_cm, px, py, pz, norm;
	photon p;

	px = b.centre_cm[0] + ax * b.x_axis[0] + ay * b.y_axis[0];
	py = b.centre_cm[1] + ax * b.x_axis[1] + ay * b.y_axis[1];
	pz = b.centre_cm[2] + ax * b.x_axis[2] + ay * b.y_axis[2];
	p.energy = energy;
	p.weight = 1.0f;
	if (b.parallel) {
		p.x = px;
		p.y = py;
		p.z = pz;
		p.u = b.direction[0];
		p.v = b.direction[1];
		p.w = b.direction[2];
		return p;
	}
	p.x = b.source_cm[0];
	p.y = b.source_cm[1];
	p.z = b.source_cm[2];
	px -= p.x;
	py -= p.y;
	pz -= p.z;
	norm = 1.0f / sqrt(px * px + py * py + pz * pz);
	p.u = px * norm;
	p.v = py * norm;
	p.w = pz * norm;
	if (b.isotropic > 0.0f) {
		float cosine = b.distance_cm * norm;

		p.weight = cosine * cosine * cosine / b.isotropic;
	}
	return p;
}

/* Moves a photon on to the geometry; false when it passes by. */
static bool enter(photon *p, constant float *extent)
{
	float x[3] = {p->x, p->y, p->z}, u[3] = {p->u, p->v, p->w}, near = 0.0f, far = 1e9f;

	for (int a = 0; a < 3; a++) {
		float t0, t1;

		if (fabs(u[a]) < 1e-9f) {
			if (x[a] < 0.0f || x[a] >= extent[a])
				return false;
			continue;
		}
		t0 = -x[a] / u[a];
		t1 = (extent[a] - x[a]) / u[a];
		near = max(near, min(t0, t1));
		far = min(far, max(t0, t1));
	}
	if (near >= far)
		return false;
	near += 1e-5f; /* inside, whatever rounding does */
	p->x = clamp(x[0] + near * u[0], 0.0f, extent[0] * 0.9999999f);
	p->y = clamp(x[1] + near * u[1], 0.0f, extent[1] * 0.9999999f);
	p->z = clamp(x[2] + near * u[2], 0.0f, extent[2] * 0.9999999f);
	return true;
}
