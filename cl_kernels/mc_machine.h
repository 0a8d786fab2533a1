/* Photons of a machine's head: from the focal spot or the extra-focal source along a ray past the jaws' edges and
 * through the leaves of a control point, which is drawn by monitor units. What lies in the way attenuates; roulette
 * turns that into photons of one weight. docs/physics.md has the model. */

/* The object that the numbers of a history's start belong to (mc_random.h). */
#define SP_MC_HEAD_OBJECT 0xfffffff0u

typedef struct {
	constant sp_mc_head *head;
	global const sp_mc_interval *intervals;
	global const float *numbers; /* fluence by radius, then leaves and their boundaries */
} head_tables;

/* Cosine and sine of an angle in turns. */
static void angle_of(float *c, float *s, float turns)
{
	direction_of(c, s, turns - floor(turns));
}

/* A beam's axes in the patient, as engine/beam/frame.c has them. */
static void head_axes(float3 *x_axis, float3 *y_axis, float3 *towards_source, constant sp_mc_head *h,
                      global const sp_mc_interval *w, float share)
{
	float cg, sg, cb, sb, cc, sc;
	float3 in[3], *const out[3] = {x_axis, y_axis, towards_source};

	angle_of(&cg, &sg, w->gantry[0] + share * w->gantry[1]);
	angle_of(&cb, &sb, w->collimator[0] + share * w->collimator[1]);
	angle_of(&cc, &sc, w->couch[0] + share * w->couch[1]);
	in[0] = (float3)(cb * cg, sb, -cb * sg);
	in[1] = (float3)(-sb * cg, cb, sb * sg);
	in[2] = (float3)(sg, 0.0f, cg);
	for (int i = 0; i < 3; i++)
		*out[i] = (float3)(h->position[0] * (cc * in[i].x + sc * in[i].y), h->position[1] * in[i].z,
		                   h->position[2] * (cc * in[i].y - sc * in[i].x));
}

/* A particle of rectangle r at the point (x, y in -1..1) of it; weight 0 where it is stopped. row: of the energies.
 * lane: which of those that start together. */
static photon leave_head(uint *row, const head_tables *t, sp_mc_rectangle r, float x, float y, uint4 base, uint2 key,
                         uint lane)
{
	constant sp_mc_head *h = t->head;
	global const sp_mc_interval *w = t->intervals + r.beam;
	bool extra = r.kind == SP_MC_EXTRA_FOCAL, electrons = r.kind == SP_MC_ELECTRONS;
	float4 draw = uniform4(philox((uint4)(base.x, base.y, SP_MC_HEAD_OBJECT, 2 * lane), key)),
	       place = uniform4(philox((uint4)(base.x, base.y, SP_MC_HEAD_OBJECT, 2 * lane + 1), key));
	float share = draw.x, ax = r.x_cm + x * r.half_x_cm, ay = r.y_cm + y * r.half_y_cm,
	      from = extra       ? h->extra_distance
	             : electrons ? h->electron_distance
	                         : 0.0f,
	      wide = extra ? h->extra_sigma : h->electron_sigma, radius, c, s, qx, qy, sx, sy, through, at;
	bool open = ax >= mix(w->jaws[0][0], w->jaws[1][0], share) && ax <= mix(w->jaws[0][1], w->jaws[1][1], share) &&
	            ay >= mix(w->jaws[0][2], w->jaws[1][2], share) && ay <= mix(w->jaws[0][3], w->jaws[1][3], share);
	float3 x_axis, y_axis, back, p, u;
	photon out = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 1.0f, 0.0f, 0.0f};

	*row = 0;
	if (open != (r.kind != SP_MC_THROUGH_JAWS))
		return out;
	radius = sqrt(2.0f * minus_log(place.x));
	direction_of(&c, &s, place.y);
	qx = radius * c * (extra || electrons ? wide : h->spot_x);
	qy = radius * s * (extra || electrons ? wide : h->spot_y);
	/* the ray goes through the place at the height of the jaws' edges */
	sx = (ax * h->jaw_x / h->sad - qx) / (h->jaw_x - from);
	sy = (ay * h->jaw_y / h->sad - qy) / (h->jaw_y - from);
	if (extra || electrons) {
		through = 1.0f;
		*row = h->n_radii + electrons;
	} else {
		float px = qx + sx * h->sad, py = qy + sy * h->sad;

		at = min(sqrt(px * px + py * py) * h->per_radius, (float)(h->n_radii - 1));
		*row = min((uint)at, h->n_radii - 2);
		at -= (float)*row;
		through = mix(t->numbers[*row], t->numbers[*row + 1], at);
		*row += place.z < at;
	}
	if (w->n_pairs > 0) {
		float scale = h->sad / h->mlc;

		through *= through_leaves(h, w, t->numbers, scale * (qx + sx * (h->mlc - from)),
		                          scale * (qy + sy * (h->mlc - from)), share, electrons);
	}
	if (draw.y >= through)
		return out;
	head_axes(&x_axis, &y_axis, &back, h, w, share);
	p = (float3)(w->isocentre[0], w->isocentre[1], w->isocentre[2]) + qx * x_axis + qy * y_axis +
	    (h->sad - from) * back;
	u = normalize(sx * x_axis + sy * y_axis - back);
	out.x = p.x;
	out.y = p.y;
	out.z = p.z;
	out.u = u.x;
	out.v = u.y;
	out.w = u.z;
	out.weight = r.kind == SP_MC_THROUGH_JAWS ? SP_MC_LEAK_WEIGHT : electrons ? SP_MC_ELECTRON_WEIGHT : 1.0f;
	return out;
}
