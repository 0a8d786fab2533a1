/* Electrons and positrons: sets of SP_LANES particles that start alike at several places and share their random numbers,
 * but live each in the matter around it (Kawrakow's simultaneous transport of particle sets, in: Advanced Monte Carlo
 * for Radiation Physics, Springer 2001, 229).
 *
 * Class II with a random hinge. A step ends after the mass thickness that its energy allows, counted with the density
 * where it begins, and no later than matter much denser may come (the voxels' clearance). Everything that happens along
 * it (loss, scattering, deposit) is taken at one point, uniform along the step: the hinge. The path in a voxel, its
 * density and material are thus right on average without a walk from voxel to voxel. Discrete collisions are placed by a
 * majorant and accepted at their place. */

#define MAX_STEPS 2000
#define KEPT_STEPS 96
#define SET_STACK 10
#define ELECTRON_MEV 0.51099895f
#define TYPICAL_STOPPING 1.9f /* MeV cm2/g: for the energy in the middle of a step, where only the second order counts */

typedef struct {
	fv x, y, z, u, v, w, energy, weight;
	uint object;
	int positron;
} electron_set;

/* What the lanes of a track share at one step. */
typedef struct {
	float hinge;      /* share of the step */
	uint node;        /* of the scattering table */
	float cosine, sine; /* of the azimuth */
	float event;      /* -ln of the probability of getting further without an event */
	float accept;
} step_numbers;

typedef struct {
	uint object; /* whose numbers they are */
	uint filled;
	step_numbers step[KEPT_STEPS];
} kept_numbers;

static inline step_numbers draw_step(const transport *t, uint object, uint step)
{
	float4 a = uniform4(philox((uint4)(t->base.x, t->base.y, object, step * 4), t->key));
	float4 b = uniform4(philox((uint4)(t->base.x, t->base.y, object, step * 4 + 1), t->key));
	step_numbers s;
	float angle = 6.2831853f * a.z;

	s.hinge = a.x;
	s.node = min((uint)(SP_MC_NODES_PER_L * -native_log(a.y) + b.y), (uint)(SP_MC_NODES - 1));
	s.cosine = native_cos(angle);
	s.sine = native_sin(angle);
	s.event = -native_log(b.x);
	s.accept = a.w;
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
static inline void turn(fv *u, fv *v, fv *w, fv c, fv s, fv cp, fv sp)
{
	fv sign = PICK(HOLDS(*w < FV(0.0f)), FV(-1.0f), FV(1.0f)), a = FV(-1.0f) / (sign + *w), b = *u * *v * a;
	fv x = FV(1.0f) + sign * *u * *u * a, y = sign * b, z = -sign * *u;
	fv p = b, q = sign + *v * *v * a, r = -*v;
	fv nu = c * *u + s * (cp * x + sp * p), nv = c * *v + s * (cp * y + sp * q), nw = c * *w + s * (cp * z + sp * r);
	fv fix = FV(1.5f) - FV(0.5f) * (nu * nu + nv * nv + nw * nw);

	*u = nu * fix;
	*v = nv * fix;
	*w = nw * fix;
}

static inline uv energy_row(fv energy)
{
	iv row = (AS_IV(energy) - IV((127 + SP_MC_ENERGY_LOG2) << 23)) >> SP_MC_ROW_SHIFT;

	return AS_UV(clamp(row, IV(0), IV(SP_MC_ROWS - 1)));
}

/* (1 - cosine)/2 of multiple scattering of strength k (path length times first transport coefficient); eta: an index. */
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

/* A photon that one of the lanes sends off for all. */
static void send_photon(transport *t, photon_stack *photons, const electron_set *e, int l, float weight, float energy,
                        float cosine, float azimuth)
{
	photon p;
	fv u = FV(lane(e->u, l)), v = FV(lane(e->v, l)), w = FV(lane(e->w, l));

	turn(&u, &v, &w, FV(cosine), FV(sqrt(max(0.0f, 1.0f - cosine * cosine))), FV(cos(azimuth)), FV(sin(azimuth)));
	p.x = lane(e->x, l);
	p.y = lane(e->y, l);
	p.z = lane(e->z, l);
	p.u = lane(u, 0);
	p.v = lane(v, 0);
	p.w = lane(w, 0);
	p.energy = energy;
	p.weight = weight;
	p.scattered = 1;
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

/* A lane's photon of bremsstrahlung: energies of all lanes (common share of the distribution). */
static fv brems_energy(const transport *t, fv energy, uv material, float number)
{
	constant sp_mc_setup *s = t->setup;
	float x = number * (SP_MC_BREMS_SHARES - 1), f;
	uint i = min((uint)x, (uint)(SP_MC_BREMS_SHARES - 2));
	fv g;
	iv row = TO_IV((log2(energy) - FV((float)SP_MC_BREMS_LOG2)) * FV((float)SP_MC_BREMS_PER_OCTAVE) + FV(0.5f));
	uv at = (material * UV(SP_MC_BREMS_ENERGIES) + AS_UV(clamp(row, IV(0), IV(SP_MC_BREMS_ENERGIES - 1)))) *
	                UV(SP_MC_BREMS_SHARES) + UV(i);

	f = x - (float)i;
	g = FV(1.0f - f) * gather_float(t->brems, at) + FV(f) * gather_float(t->brems, at + UV(1));
	return FV(s->photon_cut) * exp2(g * log2(energy / FV(s->photon_cut)));
}

/* Annihilation in flight of a positron of kinetic energy `energy` (Heitler): the energy of one photon and the cosines of
 * both to the positron's direction. */
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

/* Cosine between an electron of kinetic energy `before` and the one that leaves its collision with `after`. */
static inline fv moller_cosine(fv before, fv after)
{
	fv c2 = after * (before + FV(2.0f * ELECTRON_MEV)) / (before * (after + FV(2.0f * ELECTRON_MEV)));

	return sqrt(min(FV(1.0f), c2));
}

/* Discrete collisions at the end of a step for the lanes where `at` holds; numbers: the step's. */
static void collide(transport *t, photon_stack *photons, electron_set *stack, int *n_stack, electron_set *e, iv at,
                    fv majorant, float accept, uint step)
{
	constant sp_mc_setup *s = t->setup;
	iv inside = inside_box(e->x, e->y, e->z, s->extent_cm) & at;
	uv word = voxel_words(t, e->x, e->y, e->z, inside), material = word >> 24,
	   row = material * UV(SP_MC_ROWS) + energy_row(e->energy);
	fv density = word_density(word), stopping, g1, eta, discrete, moller, flight, unused, total, number;
	iv accepted, hard, radiates, flies;
	random_stream r = {(uint4)(t->base.x, t->base.y, e->object ^ 0x80000000u, step << 8), t->key, (float4)(0.0f), 0};
	float kind, azimuth, all;

	gather_rows(&stopping, &g1, &eta, &discrete, t->electron, row);
	gather_rows(&moller, &flight, &unused, &unused, t->event, row);
	flight = e->positron ? flight : FV(0.0f);
	total = discrete + flight;
	accepted = inside & HOLDS(FV(accept) * majorant * FV(s->event_majorant) < density * total);
	if (!ANY(accepted))
		return;
	kind = draw(&r);
	azimuth = 6.2831853f * draw(&r);
	number = FV(kind) * total;
	hard = accepted & HOLDS(number < moller * discrete) & HOLDS(e->energy > FV(2.0f * s->electron_cut));
	radiates = accepted & HOLDS(number >= moller * discrete) & HOLDS(number < discrete) &
	           HOLDS(e->energy > FV(s->photon_cut));
	flies = accepted & HOLDS(number >= discrete);
	if (ANY(flies)) { /* annihilation in flight, both photons from one lane */
		int l = choose_lane(PICK(flies, e->weight, FV(0.0f)), draw(&r), &all);
		float energy = lane(e->energy, l), c, other, k = sample_annihilation(&c, &other, energy, &r);

		send_photon(t, photons, e, l, all, k, c, azimuth);
		send_photon(t, photons, e, l, all, energy + 2.0f * ELECTRON_MEV - k, other, azimuth + 3.1415927f);
		/* what the other lanes would have sent differs by their energies: on average the same */
		e->energy = PICK(flies, FV(0.0f), e->energy);
		e->weight = PICK(flies, FV(0.0f), e->weight);
	}
	if (ANY(radiates)) {
		fv k = brems_energy(t, e->energy, material, draw(&r));
		int l = choose_lane(PICK(radiates, e->weight, FV(0.0f)), draw(&r), &all);
		float gamma = 1.0f + lane(e->energy, l) / ELECTRON_MEV, beta = sqrt(1.0f - 1.0f / (gamma * gamma)),
		      c = 2.0f * draw(&r) - 1.0f;

		send_photon(t, photons, e, l, all, lane(k, l), (c + beta) / (1.0f + beta * c), azimuth);
		e->energy = PICK(radiates, max(e->energy - k, FV(0.0f)), e->energy);
	}
	if (ANY(hard)) { /* Moller */
		fv low = sample_moller(e->energy, s->electron_cut, hard, &r) * e->energy, left = e->energy - low;
		fv cw = moller_cosine(e->energy, low), cl = moller_cosine(e->energy, left);
		electron_set *knocked;

		if (*n_stack < SET_STACK) {
			knocked = stack + (*n_stack)++;
			*knocked = *e;
			knocked->positron = 0;
			knocked->object = t->next_object++;
			knocked->energy = PICK(hard, low, FV(0.0f));
			knocked->weight = PICK(hard, e->weight, FV(0.0f));
			turn(&knocked->u, &knocked->v, &knocked->w, cw, sqrt(max(FV(0.0f), FV(1.0f) - cw * cw)),
			     FV(-cos(azimuth)), FV(-sin(azimuth)));
		} else {
			fv stays = PICK(hard, low * e->weight, FV(0.0f));

			deposit(t, e->x, e->y, e->z, stays);
			t->lost += lane_sum(stays);
		}
		cl = PICK(hard, cl, FV(1.0f));
		turn(&e->u, &e->v, &e->w, cl, sqrt(max(FV(0.0f), FV(1.0f) - cl * cl)), FV(cos(azimuth)), FV(sin(azimuth)));
		e->energy = PICK(hard, left, e->energy);
	}
}

/* Follows one set until all its lanes have stopped or left. Lanes without weight are not there. */
static void follow_set(transport *t, photon_stack *photons, electron_set *stack, int *n_stack, electron_set *e,
                       kept_numbers *kept)
{
	constant sp_mc_setup *s = t->setup;
	iv alive = HOLDS(e->weight > FV(0.0f));

	for (uint step = 0; step < MAX_STEPS && ANY(alive); step++) {
		step_numbers number = step_of(t, kept, e->object, step);
		iv inside = inside_box(e->x, e->y, e->z, s->extent_cm) & alive, events, stopped, gone = alive & ~inside;
		uv word, at;
		fv density, clearance, thickness, length, majorant, free_length, before, xh, yh, zh, mass, stopping, g1, eta,
		        discrete, loss, k, y, c, sine;

		if (ANY(gone)) {
			t->escaped += lane_sum(PICK(gone, (e->energy + FV(e->positron ? 2.0f * ELECTRON_MEV : 0.0f)) * e->weight,
			                            FV(0.0f)));
			alive = inside;
			e->weight = PICK(gone, FV(0.0f), e->weight);
			if (!ANY(alive))
				return;
		}
		word = voxel_words(t, e->x, e->y, e->z, inside);
		density = word_density(word);
		clearance = word_clearance(t, word);
		thickness = min(e->energy * FV(s->step_per_mev), FV(s->longest_step));
		free_length = thickness / max(density, FV(1e-6f));
		length = min(free_length, clearance);
		majorant = density * FV(SP_MC_DENSER);
		if (ANY(HOLDS(free_length > clearance) & inside)) { /* denser matter is near: what is densest around? */
			uv brick = PICK(inside, cell_of(e->x, e->y, e->z, s->bricks_per_cm, s->bricks_n), UV(0));
			fv near;
			float_lanes n;
			uint_lanes b;
			iv closer;

			b.v = brick;
			for (int l = 0; l < SP_LANES; l++)
				n.at[l] = t->bricks[b.at[l]].near_density;
			/* what is farther than the neighbouring bricks has not been looked at */
			near = min(thickness / max(n.v, FV(1e-6f)), FV(s->brick_cm[3]));
			closer = HOLDS(free_length > clearance) & HOLDS(near > clearance);
			length = PICK(closer, min(near, free_length), length);
			majorant = PICK(closer, n.v, majorant);
		}
		before = FV(number.event) / max(majorant * FV(s->event_majorant), FV(1e-9f));
		events = HOLDS(before < length) & alive;
		length = min(length, before);
		/* to the hinge, where the step's matter is taken */
		k = length * FV(number.hinge);
		xh = e->x + k * e->u;
		yh = e->y + k * e->v;
		zh = e->z + k * e->w;
		inside = inside_box(xh, yh, zh, s->extent_cm) & alive;
		word = voxel_words(t, xh, yh, zh, inside);
		mass = word_density(word) * length;
		at = (word >> 24) * UV(SP_MC_ROWS) + energy_row(max(e->energy - FV(0.5f * TYPICAL_STOPPING) * mass,
		                                                     FV(0.25f) * e->energy));
		gather_rows(&stopping, &g1, &eta, &discrete, t->electron, at);
		loss = min(stopping * mass, e->energy);
		deposit(t, xh, yh, zh, loss * e->weight);
		e->energy -= loss;
		k = g1 * mass;
		y = scattering_y(t, number.node, eta, k);
		c = FV(1.0f) - FV(2.0f) * y;
		sine = FV(2.0f) * sqrt(y * (FV(1.0f) - y));
		turn(&e->u, &e->v, &e->w, c, sine, FV(number.cosine), FV(number.sine));
		k = length * FV(1.0f - number.hinge);
		e->x = xh + k * e->u;
		e->y = yh + k * e->v;
		e->z = zh + k * e->w;
		if (ANY(events))
			collide(t, photons, stack, n_stack, e, events, majorant, number.accept, step);
		alive = HOLDS(e->weight > FV(0.0f));
		stopped = alive & HOLDS(e->energy <= FV(s->electron_cut));
		if (ANY(stopped)) {
			inside = inside_box(e->x, e->y, e->z, s->extent_cm);
			deposit(t, e->x, e->y, e->z, PICK(stopped & inside, e->energy * e->weight, FV(0.0f)));
			if (ANY(stopped & ~inside))
				t->escaped += lane_sum(PICK(stopped & ~inside,
				                            (e->energy + FV(e->positron ? 2.0f * ELECTRON_MEV : 0.0f)) * e->weight,
				                            FV(0.0f)));
			if (e->positron && ANY(stopped & inside))
				annihilate_at_rest(t, photons, e, PICK(stopped & inside, e->weight, FV(0.0f)), step);
			e->weight = PICK(stopped, FV(0.0f), e->weight);
			alive = HOLDS(e->weight > FV(0.0f));
		}
	}
	if (ANY(alive)) {
		fv stays = PICK(alive, e->energy * e->weight, FV(0.0f));

		t->lost += lane_sum(stays);
	}
}

/* Follows a set and all that it knocks on. */
static void follow(transport *t, photon_stack *photons, electron_set *first, kept_numbers *kept)
{
	electron_set stack[SET_STACK], now = *first;
	int n = 0;

	for (;;) {
		follow_set(t, photons, stack, &n, &now, kept);
		if (n == 0)
			return;
		now = stack[--n];
	}
}
