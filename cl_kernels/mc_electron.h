/* Electrons and positrons: sets of SP_LANES particles that start alike at several places and share their random
 * numbers, but live each in the matter around it (Kawrakow's simultaneous transport of particle sets, in: Advanced
 * Monte Carlo for Radiation Physics, Springer 2001, 229).
 *
 * Class II with a random hinge. A step ends after the mass thickness that its energy allows, counted with the density
 * where it begins, and no later than matter much denser or thinner may come (the voxels' clearance). Everything that
 * happens along it (loss, scattering, deposit) is taken at one point, uniform along the step: the hinge. The path in a
 * voxel, its density and material are thus right on average without a walk from voxel to voxel. Discrete collisions are
 * placed by a majorant and accepted at their place. */

#define MAX_STEPS 2000
#define KEPT_STEPS 96
#define SET_STACK 10
#define EACH_SET _Pragma("unroll") for (int j = 0; j < SP_SETS; j++)
#define ELECTRON_MEV 0.51099895f
#define TYPICAL_STOPPING \
	1.9f /* MeV cm2/g: for the energy in the middle of a step, where only the second order counts */

#define STOPPING_AT_CUT 2.4f /* MeV cm2/g, at 0.2 to 0.4 MeV */

/* The transport coefficient falls with energy about as E^-1.7; over a step its mean exceeds its value in the middle by
 * this times the square of the relative loss (1.7 2.7 / 24). */
#define SCATTERING_CURVATURE 0.19f

typedef struct {
	fv x, y, z, u, v, w, energy, weight;
	uint object;
	int positron;
} electron_set;

/* What the lanes of a track share at one step. */
typedef struct {
	float hinge;        /* share of the step */
	uint node;          /* of the scattering table */
	float cosine, sine; /* of the azimuth */
	float event;        /* -ln of the probability of getting further without an event */
	float accept;
} step_numbers;

typedef struct {
	uint object; /* whose numbers they are */
	uint filled;
	step_numbers step[KEPT_STEPS];
} kept_numbers;

static inline step_numbers draw_step(const transport *t, uint object, uint step)
{
	/* a number takes the upper 23 bits of a word; the lower 9 of all four make two more */
	uint4 bits = philox((uint4)(t->base.x, t->base.y, object, step * 4), t->key), low = bits & 0x1ffu;
	float4 a = uniform4(bits);
	float between = ((float)((low.z >> 5) << 9 | low.w) + 0.5f) * (1.0f / 8192.0f);
	step_numbers s;

	s.hinge = a.x;
	s.node = min((uint)(SP_MC_NODES_PER_L * minus_log(a.y) + between), (uint)(SP_MC_NODES - 1));
	direction_of(&s.cosine, &s.sine, a.z);
	s.event = minus_log(a.w);
	s.accept = uniform(low.x << 23 | low.y << 14 | (low.z & 0x1fu) << 9);
	return s;
}

static inline step_numbers step_of(const transport *t, kept_numbers *kept, uint object, uint step)
{
	if (kept->object != object) {
		kept->object = object;
		kept->filled = 0;
	}
	if (step < kept->filled)
		return kept->step[step];
	if (step == kept->filled && step < KEPT_STEPS) {
		kept->step[step] = draw_step(t, object, step);
		kept->filled++;
		return kept->step[step];
	}
	return draw_step(t, object, step);
}

/* Turns directions by the angle of cosine c and sine s about azimuths of cosine cp and sine sp (basis of Duff et al.,
 * J. Comput. Graph. Tech. 6 (2017) 1). */
#define DEFINE_TURN(name, real)                                                                                \
	static inline void name(real *u, real *v, real *w, real c, real s, real cp, real sp)                   \
	{                                                                                                      \
		real sign = *w < (real)(0.0f) ? (real)(-1.0f) : (real)(1.0f), a = (real)(-1.0f) / (sign + *w); \
		real b = *u * *v * a, x = (real)(1.0f) + sign * *u * *u * a, y = sign * b, z = -sign * *u;     \
		real q = sign + *v * *v * a, r = -*v;                                                          \
		real nu = c * *u + s * (cp * x + sp * b), nv = c * *v + s * (cp * y + sp * q),                 \
		     nw = c * *w + s * (cp * z + sp * r);                                                      \
		real fix = (real)(1.5f) - (real)(0.5f) * (nu * nu + nv * nv + nw * nw);                        \
                                                                                                               \
		*u = nu * fix;                                                                                 \
		*v = nv * fix;                                                                                 \
		*w = nw * fix;                                                                                 \
	}

DEFINE_TURN(turn, fv)        /* lanes */
DEFINE_TURN(turn_one, float) /* one particle */

/* Where a particle's material begins in the tables of electrons: positrons have rows of their own, behind. */
static inline uint kind_row(constant sp_mc_setup *s, int positron)
{
	return positron ? s->n_materials * SP_MC_ROWS : 0;
}

static inline uv energy_row(fv energy)
{
	iv row = (AS_IV(energy) - IV((127 + SP_MC_ENERGY_LOG2) << 23)) >> SP_MC_ROW_SHIFT;

	return AS_UV(clamp(row, IV(0), IV(SP_MC_ROWS - 1)));
}

static inline uint lane_row(float energy)
{
	return (uint)clamp((as_int(energy) - ((127 + SP_MC_ENERGY_LOG2) << 23)) >> SP_MC_ROW_SHIFT, 0, SP_MC_ROWS - 1);
}

/* (1 - cosine)/2 of multiple scattering of strength k (path length times first transport coefficient); eta: an index.
 */
static inline fv scattering_y(const transport *t, uint node, fv eta, fv k)
{
	iv bin = clamp((AS_IV(k) - IV((127 + SP_MC_K_LOG2) << 23)) >> SP_MC_K_SHIFT, IV(0), IV(SP_MC_KS - 1));
	uv where = UV(node * (SP_MC_ETAS * SP_MC_KS)) + AS_UV(TO_IV(eta)) * UV(SP_MC_KS) + AS_UV(bin);

	return min(k * gather_float(t->scattering, where), FV(1.0f));
}

/* One of the lanes by weight (a lane of weight 0 never), and the weight of all. */
static inline int choose_lane(fv weight, float number, float *sum_out)
{
	float_lanes w;
	float sum = lane_sum(weight), left = number * sum;
	int last = 0;

	w.v = weight;
	*sum_out = sum;
	for (int l = 0; l < SP_LANES; l++) {
		if (w.at[l] > 0.0f)
			last = l;
		left -= w.at[l];
		if (left < 0.0f && w.at[l] > 0.0f)
			return l;
	}
	return last;
}

static inline float lane(fv x, int l)
{
	float_lanes a;

	a.v = x;
	return a.at[l];
}

static inline void turn_photon(photon *p, float cosine, float azimuth)
{
	turn_one(&p->u, &p->v, &p->w, cosine, sqrt(max(0.0f, 1.0f - cosine * cosine)), cos(azimuth), sin(azimuth));
}

/* A photon that one of the lanes sends off for all. */
static void send_photon(transport *t, photon_stack *photons, const electron_set *e, int l, float weight, float energy,
                        float cosine, float azimuth)
{
	photon p = {lane(e->x, l), lane(e->y, l), lane(e->z, l), lane(e->u, l),
	            lane(e->v, l), lane(e->w, l), energy,        weight};

	turn_photon(&p, cosine, azimuth);
	push_photon(t, photons, &p);
}

/* Where positrons have stopped (weight > 0): two photons back to back from one of them. */
static void annihilate_at_rest(transport *t, photon_stack *photons, const electron_set *e, fv weight, uint step)
{
	float4 r = uniform4(philox((uint4)(t->base.x, t->base.y, e->object, step * 4 + 3), t->key));
	float all;
	int l = choose_lane(weight, r.x, &all);

	send_photon(t, photons, e, l, all, ELECTRON_MEV, 2.0f * r.y - 1.0f, 6.2831853f * r.z);
	send_photon(t, photons, e, l, all, ELECTRON_MEV, 1.0f - 2.0f * r.y, 6.2831853f * r.z + 3.1415927f);
}

/* Cosine of what is isotropic in the frame of a particle of kinetic energy `energy` to the particle's direction,
 * p ~ 1/(1 - beta cosine)^2: photons of bremsstrahlung (a boosted dipole's, without its own pattern), and, as the
 * leading term of their angle, the particles of a pair. */
static inline float boosted_cosine(float energy, float number)
{
	float gamma = 1.0f + energy / ELECTRON_MEV, beta = sqrt(max(0.0f, 1.0f - 1.0f / (gamma * gamma)));
	float v = 2.0f * number - 1.0f;

	return (v + beta) / (1.0f + beta * v);
}

/* A lane's photon of bremsstrahlung: energies of all lanes (common share of the distribution). */
static fv brems_energy(const transport *t, fv energy, uv material, float number)
{
	constant sp_mc_setup *s = t->setup;
	float x = number * (SP_MC_BREMS_SHARES - 1), f;
	uint i = min((uint)x, (uint)(SP_MC_BREMS_SHARES - 2));
	fv g;
	iv row = TO_IV((log2(energy) - FV((float)SP_MC_BREMS_LOG2)) * FV((float)SP_MC_BREMS_PER_OCTAVE) + FV(0.5f));
	uv at = (material * UV(SP_MC_BREMS_ENERGIES) + AS_UV(clamp(row, IV(0), IV(SP_MC_BREMS_ENERGIES - 1)))) *
	                UV(SP_MC_BREMS_SHARES) +
	        UV(i);

	f = x - (float)i;
	g = FV(1.0f - f) * gather_float(t->brems, at) + FV(f) * gather_float(t->brems, at + UV(1));
	return FV(s->photon_cut) * exp2(g * log2(energy / FV(s->photon_cut)));
}

/* Annihilation in flight of a positron of kinetic energy `energy` (Heitler): the energy of one photon and the cosines
 * of both to the positron's direction. */
static float sample_annihilation(float *cosine, float *other_cosine, float energy, random_stream *r)
{
	float gamma = 1.0f + energy / ELECTRON_MEV, g1 = gamma + 1.0f, both = energy + 2.0f * ELECTRON_MEV;
	float low = 0.5f * (1.0f - sqrt((gamma - 1.0f) / g1)), most = 1.0f + 2.0f * gamma / (g1 * g1) - 2.0f / g1;
	float p = sqrt(energy * both), x, k;

	for (int tries = 0; tries < 64; tries++) {
		x = low * exp(draw(r) * log((1.0f - low) / low));
		if (draw(r) * most <= 1.0f + 2.0f * gamma / (g1 * g1) - x - 1.0f / (g1 * g1 * x))
			break;
	}
	k = x * both;
	*cosine = clamp((both - both * ELECTRON_MEV / k) / p, -1.0f, 1.0f);
	*other_cosine = clamp((p - k * *cosine) / (both - k), -1.0f, 1.0f);
	return k;
}

/* Moller: the knock-on electrons' shares of the kinetic energies, cut / energy to 1/2, where `open` holds. */
static fv sample_moller(fv energy, float cut, iv open, random_stream *r)
{
	fv low = FV(cut) / energy, tau = energy / FV(ELECTRON_MEV), tau1 = tau + FV(1.0f);
	fv c1 = tau / tau1, c2 = (FV(2.0f) * tau + FV(1.0f)) / (tau1 * tau1), share_of = FV(0.5f);

	for (int tries = 0; tries < 64 && ANY(open); tries++) {
		float share = draw(r);
		fv x = FV(1.0f) / (FV(1.0f) / low - FV(share) * (FV(1.0f) / low - FV(2.0f))), y = x / (FV(1.0f) - x);
		iv now = open & HOLDS(FV(2.25f * draw(r)) <= FV(1.0f) + y * y + c1 * c1 * x * x - c2 * y);

		share_of = PICK(now, x, share_of);
		open &= ~now;
	}
	return share_of;
}

/* Bhabha: the shares that positrons lose, cut / energy to 1, where `open` holds (constants: ICRU 37, eq. 2.13). */
static fv sample_bhabha(fv energy, float cut, iv open, random_stream *r)
{
	fv low = FV(cut) / energy, gamma = FV(1.0f) + energy / FV(ELECTRON_MEV), y = FV(1.0f) / (gamma + FV(1.0f));
	fv beta2 = FV(1.0f) - FV(1.0f) / (gamma * gamma), q = FV(1.0f) - FV(2.0f) * y, b1 = FV(2.0f) - y * y,
	   b2 = q * (FV(3.0f) + y * y), b3 = q * q * (FV(1.0f) + q), b4 = q * q * q, share_of = FV(1.0f);

	for (int tries = 0; tries < 64 && ANY(open); tries++) {
		float share = draw(r);
		fv x = FV(1.0f) / (FV(1.0f) / low - FV(share) * (FV(1.0f) / low - FV(1.0f)));
		iv now = open & HOLDS(FV(draw(r)) <= FV(1.0f) - beta2 * x * (b1 - x * (b2 - x * (b3 - x * b4))));

		share_of = PICK(now, x, share_of);
		open &= ~now;
	}
	return share_of;
}

/* Cosine between an electron of kinetic energy `before` and the one that leaves its collision with `after`. */
static inline fv moller_cosine(fv before, fv after)
{
	fv c2 = after * (before + FV(2.0f * ELECTRON_MEV)) / (before * (after + FV(2.0f * ELECTRON_MEV)));

	return sqrt(min(FV(1.0f), c2));
}

/* Discrete collisions at the end of a step for the lanes where `at` holds; numbers: the step's. knocked_object: what
 * those that all sets knock on at this step are called, 0 as long as there is none. */
static void collide(transport *t, photon_stack *photons, electron_set *stack, int *n_stack, electron_set *e, iv at,
                    fv majorant, float accept, uint step, uint *knocked_object)
{
	constant sp_mc_setup *s = t->setup;
	iv inside = inside_box(e->x, e->y, e->z, s->extent_cm) & at;
	uv word = voxel_words(t, e->x, e->y, e->z, inside), material = word >> 24,
	   row = UV(kind_row(s, e->positron)) + material * UV(SP_MC_ROWS) + energy_row(e->energy);
	fv density = word_density(word), discrete, knocking, flight, unused, total, number;
	const float least = e->positron ? s->electron_cut : 2.0f * s->electron_cut;
	iv accepted, hard, radiates, flies;
	random_stream r = {(uint4)(t->base.x, t->base.y, e->object ^ 0x80000000u, step << 8), t->key, (float4)(0.0f),
	                   0};
	float kind, azimuth, all;

	discrete = gather_float((global const float *)t->electron + 3, row << 2);
	gather_columns(&knocking, &flight, &unused, t->event, row);
	total = discrete + flight;
	accepted = inside & HOLDS(FV(accept) * majorant * FV(s->event_majorant) < density * total);
	if (!ANY(accepted))
		return;
	kind = draw(&r);
	azimuth = 6.2831853f * draw(&r);
	number = FV(kind) * total;
	hard = accepted & HOLDS(number < knocking * discrete) & HOLDS(e->energy > FV(least));
	radiates = accepted & HOLDS(number >= knocking * discrete) & HOLDS(number < discrete) &
	           HOLDS(e->energy > FV(s->photon_cut));
	flies = accepted & HOLDS(number >= discrete);
	if (ANY(flies)) { /* annihilation in flight, both photons from one lane */
		int l = choose_lane(PICK(flies, e->weight, FV(0.0f)), draw(&r), &all);
		float energy = lane(e->energy, l), c, other, k = sample_annihilation(&c, &other, energy, &r);

		send_photon(t, photons, e, l, all, k, c, azimuth);
		send_photon(t, photons, e, l, all, energy + 2.0f * ELECTRON_MEV - k, other, azimuth + 3.1415927f);
		/* what the other lanes would have sent differs by their energies: on average the same */
		t->balance += lane_sum(PICK(flies, (e->energy + FV(2.0f * ELECTRON_MEV)) * e->weight, FV(0.0f))) -
		              all * (energy + 2.0f * ELECTRON_MEV);
		e->energy = PICK(flies, FV(0.0f), e->energy);
		e->weight = PICK(flies, FV(0.0f), e->weight);
	}
	if (ANY(radiates)) {
		fv k = brems_energy(t, e->energy, material, draw(&r));
		int l = choose_lane(PICK(radiates, e->weight, FV(0.0f)), draw(&r), &all);

		send_photon(t, photons, e, l, all, lane(k, l), boosted_cosine(lane(e->energy, l), draw(&r)), azimuth);
		k = PICK(radiates, min(k, e->energy), FV(0.0f));
		t->balance += lane_sum(k * e->weight) - all * lane(k, l);
		e->energy -= k;
	}
	if (ANY(hard)) { /* Moller, Bhabha */
		fv low = (e->positron ? sample_bhabha(e->energy, s->electron_cut, hard, &r)
		                      : sample_moller(e->energy, s->electron_cut, hard, &r)) *
		         e->energy,
		   left = e->energy - low;
		fv cw = moller_cosine(e->energy, low), cl = moller_cosine(e->energy, left);
		electron_set *knocked;

		if (*n_stack < SET_STACK) {
			knocked = stack + (*n_stack)++;
			*knocked = *e;
			knocked->positron = 0;
			if (!*knocked_object)
				*knocked_object = t->next_object++;
			knocked->object = *knocked_object;
			knocked->energy = PICK(hard, low, FV(0.0f));
			knocked->weight = PICK(hard, e->weight, FV(0.0f));
			turn(&knocked->u, &knocked->v, &knocked->w, cw, sqrt(max(FV(0.0f), FV(1.0f) - cw * cw)),
			     FV(-cos(azimuth)), FV(-sin(azimuth)));
		} else {
			t->lost += lane_sum(PICK(hard, low * e->weight, FV(0.0f)));
		}
		cl = PICK(hard, cl, FV(1.0f));
		turn(&e->u, &e->v, &e->w, cl, sqrt(max(FV(0.0f), FV(1.0f) - cl * cl)), FV(cos(azimuth)),
		     FV(sin(azimuth)));
		e->energy = PICK(hard, left, e->energy);
	}
}

/* Lanes of no more energy than the cut-off stop where they are. */
static void stop(transport *t, photon_stack *photons, electron_set *e, uint step)
{
	iv stopped = HOLDS(e->weight > FV(0.0f)) & HOLDS(e->energy <= FV(t->setup->electron_cut)),
	   inside = inside_box(e->x, e->y, e->z, t->setup->extent_cm);

	if (!ANY(stopped))
		return;
	deposit(t, e->x, e->y, e->z, PICK(stopped & inside, e->energy * e->weight, FV(0.0f)));
	if (ANY(stopped & ~inside))
		t->escaped += lane_sum(PICK(stopped & ~inside,
		                            (e->energy + FV(e->positron ? 2.0f * ELECTRON_MEV : 0.0f)) * e->weight,
		                            FV(0.0f)));
	if (e->positron && ANY(stopped & inside))
		annihilate_at_rest(t, photons, e, PICK(stopped & inside, e->weight, FV(0.0f)), step);
	e->weight = PICK(stopped, FV(0.0f), e->weight);
}

/* Mass thickness of a step: a share of the energy, and near the cut-off no more than leads just below it. */
#define DEFINE_STEP_MASS(name, real)                                                                                  \
	static inline real name(constant sp_mc_setup *s, real energy)                                                 \
	{                                                                                                             \
		real left = (energy - (real)(0.97f * s->electron_cut)) * (real)(1.0f / STOPPING_AT_CUT);              \
                                                                                                                      \
		return min(min(energy * (real)(s->step_per_mev), (real)(s->longest_step)), max(left, (real)(1e-4f))); \
	}

DEFINE_STEP_MASS(step_mass, fv)
DEFINE_STEP_MASS(step_mass_one, float)

/* Way along a direction out of the voxel that a point is in, and into the next one by a hair: more than positions are
 * rounded by, or a particle on an edge would never get past it. */
static inline fv voxel_exit(constant sp_mc_setup *s, fv x, fv y, fv z, fv u, fv v, fv w)
{
	fv at[3] = {x, y, z}, along[3] = {u, v, w}, exit = FV(1e9f);

	for (int a = 0; a < 3; a++) {
		fv in = at[a] * FV(s->voxels_per_cm[a]), left = in - floor(in);

		left = PICK(HOLDS(along[a] > FV(0.0f)), FV(1.0f) - left, left);
		exit = min(exit, left / max(fabs(along[a]) * FV(s->voxels_per_cm[a]), FV(1e-9f)));
	}
	return exit + FV(2e-5f + 2.5e-7f * max(max(s->extent_cm[0], s->extent_cm[1]), s->extent_cm[2]));
}

/* Follows SP_SETS sets of one object until all their lanes have stopped or left. Lanes without weight are not there.
 * Each phase of a step is done for all sets before the next phase: one set alone would wait for its own gathers. */
static void follow_sets(transport *t, photon_stack *photons, electron_set *stack, int *n_stack, electron_set *e,
                        kept_numbers *kept)
{
	constant sp_mc_setup *s = t->setup;
	const float rest = e->positron ? 2.0f * ELECTRON_MEV : 0.0f;
	const uint kind = kind_row(s, e->positron);
	fv x[SP_SETS], y[SP_SETS], z[SP_SETS], u[SP_SETS], v[SP_SETS], w[SP_SETS], energy[SP_SETS], weight[SP_SETS];
	/* matter where the step begins: how dense, and how far around nothing is much denser or thinner */
	fv density[SP_SETS], clearance[SP_SETS];
	uint step;

	EACH_SET
	{
		x[j] = e[j].x;
		y[j] = e[j].y;
		z[j] = e[j].z;
		u[j] = e[j].u;
		v[j] = e[j].v;
		w[j] = e[j].w;
		energy[j] = e[j].energy;
		weight[j] = e[j].weight;
		density[j] = FV(0.0f);
		clearance[j] = FV(-1.0f);
	}
	for (step = 0; step < MAX_STEPS; step++) {
		step_numbers number = step_of(t, kept, e->object, step);
		uint knocked_object = 0;
		iv alive[SP_SETS], inside[SP_SETS], events[SP_SETS], left = IV(0);
		fv length[SP_SETS], majorant[SP_SETS], mass[SP_SETS], xh[SP_SETS], yh[SP_SETS], zh[SP_SETS];
		fv stopping[SP_SETS], g1[SP_SETS], eta[SP_SETS], loss[SP_SETS];
		uv word[SP_SETS], voxel[SP_SETS], row[SP_SETS];

		EACH_SET
		{
			alive[j] = HOLDS(weight[j] > FV(0.0f));
			inside[j] = inside_box(x[j], y[j], z[j], s->extent_cm) & alive[j];
			if (ANY(alive[j] & ~inside[j])) {
				t->escaped += lane_sum(
				        PICK(alive[j] & ~inside[j], (energy[j] + FV(rest)) * weight[j], FV(0.0f)));
				alive[j] = inside[j];
				weight[j] = PICK(alive[j], weight[j], FV(0.0f));
			}
			left |= alive[j];
		}
		if (!ANY(left))
			return;
		EACH_SET
		{ /* how far */
			fv thickness = step_mass(s, energy[j]);
			fv free_length = thickness / max(density[j], FV(1e-6f)), before;

			if (ANY(HOLDS(free_length > clearance[j]) &
			        inside[j])) { /* the last hinge's matter does not reach that far */
				word[j] = voxel_words(t, x[j], y[j], z[j], inside[j]);
				density[j] = word_density(word[j]);
				clearance[j] = word_clearance(t, word[j]);
				free_length = thickness / max(density[j], FV(1e-6f));
			}
			if (ANY(HOLDS(free_length > clearance[j]) & inside[j])) /* at least to the end of the voxel */
				clearance[j] = max(clearance[j], voxel_exit(s, x[j], y[j], z[j], u[j], v[j], w[j]));
			length[j] = min(free_length, clearance[j]);
			majorant[j] = density[j] * FV(SP_MC_DENSER) + FV(SP_MC_ALIKE);
			before = FV(number.event) / max(majorant[j] * FV(s->event_majorant), FV(1e-9f));
			events[j] = HOLDS(before < length[j]) & alive[j];
			length[j] = min(length[j], before);
		}
		EACH_SET
		{ /* to the hinge, where the step's matter is taken */
			fv k = length[j] * FV(number.hinge);

			xh[j] = x[j] + k * u[j];
			yh[j] = y[j] + k * v[j];
			zh[j] = z[j] + k * w[j];
			inside[j] = inside_box(xh[j], yh[j], zh[j], s->extent_cm) & alive[j];
			voxel[j] = voxel_cells(t, xh[j], yh[j], zh[j], inside[j]);
			word[j] = PICK(inside[j], gather(t->voxels, voxel[j]), UV(0));
		}
		EACH_SET
		{
			density[j] = word_density(word[j]);
			clearance[j] = word_clearance(t, word[j]) - length[j] * FV(1.0f - number.hinge);
			mass[j] = density[j] * length[j];
			row[j] = UV(kind) + (word[j] >> 24) * UV(SP_MC_ROWS) +
			         energy_row(
			                 max(energy[j] - FV(0.5f * TYPICAL_STOPPING) * mass[j], FV(0.25f) * energy[j]));
			gather_columns(&stopping[j], &g1[j], &eta[j], t->electron, row[j]);
		}
		EACH_SET
		{
			loss[j] = min(stopping[j] * mass[j], energy[j]);
			if (ANY(alive[j]))
				deposit_in_voxels(t, voxel[j], xh[j], yh[j], zh[j], loss[j] * weight[j]);
			energy[j] -= loss[j];
		}
		EACH_SET
		{ /* scattering */
			fv rest_of_step = length[j] * FV(1.0f - number.hinge);
			fv lost = loss[j] / (energy[j] + FV(0.5f) * loss[j]);
			fv share = scattering_y(t, number.node, eta[j],
			                        g1[j] * mass[j] * (FV(1.0f) + FV(SCATTERING_CURVATURE) * lost * lost));

			turn(&u[j], &v[j], &w[j], FV(1.0f) - FV(2.0f) * share,
			     FV(2.0f) * sqrt(share * (FV(1.0f) - share)), FV(number.cosine), FV(number.sine));
			x[j] = xh[j] + rest_of_step * u[j];
			y[j] = yh[j] + rest_of_step * v[j];
			z[j] = zh[j] + rest_of_step * w[j];
		}
		EACH_SET
		{
			iv stopped = alive[j] & HOLDS(energy[j] <= FV(s->electron_cut));

			if (!ANY(events[j] | stopped))
				continue;
			e[j].x = x[j];
			e[j].y = y[j];
			e[j].z = z[j];
			e[j].u = u[j];
			e[j].v = v[j];
			e[j].w = w[j];
			e[j].energy = energy[j];
			e[j].weight = weight[j];
			if (ANY(events[j]))
				collide(t, photons, stack, n_stack, e + j, events[j], majorant[j], number.accept, step,
				        &knocked_object);
			stop(t, photons, e + j, step);
			u[j] = e[j].u;
			v[j] = e[j].v;
			w[j] = e[j].w;
			energy[j] = e[j].energy;
			weight[j] = e[j].weight;
		}
	}
	EACH_SET
	t->lost += lane_sum((energy[j] + FV(rest)) * weight[j]);
}

/* Follows sets of one object and all that they knock on. */
static void follow(transport *t, photon_stack *photons, electron_set *first, kept_numbers *kept)
{
	electron_set stack[SET_STACK], *now = first;
	int n = 0;

	for (;;) {
		follow_sets(t, photons, stack, &n, now, kept);
		if (n == 0)
			return;
		now = first;
		now[0] = stack[--n];
		for (int j = 1; j < SP_SETS; j++) {
			if (n > 0 && stack[n - 1].object == now[0].object) { /* knocked on at the same step */
				now[j] = stack[--n];
				continue;
			}
			now[j] = now[0];
			now[j].weight = FV(0.0f);
		}
	}
}
