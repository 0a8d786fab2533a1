/* The same electron in the same matter goes the same way: where a site's surroundings are uniform as far as any
 * electron of that energy can get, one track is made and laid down at every such site (Kawrakow's history repetition,
 * in: Advanced Monte Carlo for Radiation Physics, Springer 2001, 229). How far the track at hand gets must not matter:
 * to repeat only those that stay inside, and to draw others anew, would let too few cross an interface. Lengths are
 * mass thicknesses (g/cm2) from the start, so that sites of one material but other densities share a track. The physics
 * is that of mc_electron.h. */

#define TRACK_POINTS 128
#define TRACK_PHOTONS 32
#define TRACK_STACK 12

typedef struct {
	float x, y, z, energy;
} track_point;

typedef struct {
	float x, y, z, u, v, w, energy;
} track_photon;

typedef struct {
	uint material;
	int whole; /* 0: did not fit */
	int n_points, n_photons;
	/* one of the sites so far sends off the track's photons for all of them: their weight, its place and 1/density
	 */
	float weight, from_x, from_y, from_z, per_mass;
	track_point point[TRACK_POINTS];
	track_photon photon[TRACK_PHOTONS];
} track;

typedef struct {
	float x, y, z, u, v, w, energy;
	uint object;
	int positron;
} track_particle;

/* Energy that waits for its place: neighbouring deposits become one at the place of one of them, chosen by energy. */
typedef struct {
	track_point at;
	random_stream *random;
} pending_point;

static void put_point(track *k, const track_point *p)
{
	if (p->energy <= 0.0f)
		return;
	if (k->n_points == TRACK_POINTS) {
		k->whole = 0;
		return;
	}
	k->point[k->n_points++] = *p;
}

static void leave_energy(track *k, pending_point *pending, float quantum, float x, float y, float z, float energy)
{
	float sum = pending->at.energy + energy;

	if (energy <= 0.0f)
		return;
	if (pending->at.energy == 0.0f || draw(pending->random) * sum < energy) {
		pending->at.x = x;
		pending->at.y = y;
		pending->at.z = z;
	}
	pending->at.energy = sum;
	if (sum >= quantum) {
		put_point(k, &pending->at);
		pending->at.energy = 0.0f;
	}
}

static void track_send_photon(track *k, const track_particle *p, float energy, float cosine, float azimuth)
{
	track_photon *f;

	if (k->n_photons == TRACK_PHOTONS) {
		k->whole = 0;
		return;
	}
	f = k->photon + k->n_photons++;
	f->x = p->x;
	f->y = p->y;
	f->z = p->z;
	f->u = p->u;
	f->v = p->v;
	f->w = p->w;
	turn_one(&f->u, &f->v, &f->w, cosine, sqrt(max(0.0f, 1.0f - cosine * cosine)), cos(azimuth), sin(azimuth));
	f->energy = energy;
}

/* A discrete collision; false when the particle is no more. */
static bool track_collide(track *k, const transport *t, uint *next_object, track_particle *stack, int *n_stack,
                          track_particle *p, float accept, random_stream *r)
{
	constant sp_mc_setup *s = t->setup;
	uint row = kind_row(s, p->positron) + k->material * SP_MC_ROWS + lane_row(p->energy);
	float4 e = t->electron[row], v = t->event[row];
	float flight = v.y, kind, azimuth;

	if (accept * s->event_majorant >= e.w + flight)
		return true;
	kind = draw(r) * (e.w + flight);
	azimuth = 6.2831853f * draw(r);
	if (kind < v.x * e.w) {
		float low, left, c;

		if (p->energy <= (p->positron ? 1.0f : 2.0f) * s->electron_cut)
			return true;
		low = p->energy * (p->positron ? FIRST_LANE(sample_bhabha(FV(p->energy), s->electron_cut, IV(-1), r))
		                               : FIRST_LANE(sample_moller(FV(p->energy), s->electron_cut, IV(-1), r)));
		left = p->energy - low;
		if (*n_stack == TRACK_STACK) {
			k->whole = 0;
			return false;
		}
		stack[*n_stack] = *p;
		stack[*n_stack].energy = low;
		stack[*n_stack].positron = 0;
		stack[*n_stack].object = (*next_object)++;
		c = FIRST_LANE(moller_cosine(FV(p->energy), FV(low)));
		turn_one(&stack[*n_stack].u, &stack[*n_stack].v, &stack[*n_stack].w, c, sqrt(1.0f - c * c),
		         -cos(azimuth), -sin(azimuth));
		++*n_stack;
		c = FIRST_LANE(moller_cosine(FV(p->energy), FV(left)));
		turn_one(&p->u, &p->v, &p->w, c, sqrt(1.0f - c * c), cos(azimuth), sin(azimuth));
		p->energy = left;
	} else if (kind < e.w) {
		float energy = FIRST_LANE(brems_energy(t, FV(p->energy), UV(k->material), draw(r))),
		      c = boosted_cosine(p->energy, draw(r));

		if (p->energy <= s->photon_cut)
			return true;
		track_send_photon(k, p, energy, c, azimuth);
		p->energy = max(p->energy - energy, 0.0f);
	} else {
		float c, other, energy = sample_annihilation(&c, &other, p->energy, r);

		track_send_photon(k, p, energy, c, azimuth);
		track_send_photon(k, p, p->energy + 2.0f * ELECTRON_MEV - energy, other, azimuth + 3.1415927f);
		return false;
	}
	return true;
}

/* g/cm2: no electron of that energy gets farther. */
static inline float track_range(const transport *t, uint material, float energy, int positron)
{
	return t->event[kind_row(t->setup, positron) + material * SP_MC_ROWS + lane_row(energy)].z;
}

static void make_track(track *k, transport *t, kept_numbers *kept, uint object, uint material, float energy, float u,
                       float v, float w, int positron)
{
	constant sp_mc_setup *s = t->setup;
	track_particle stack[TRACK_STACK], p = {0.0f, 0.0f, 0.0f, u, v, w, energy, object, positron};
	random_stream place = {(uint4)(t->base.x, t->base.y, object ^ 0x40000000u, 0), t->key, (float4)(0.0f), 0};
	/* few enough points for the room there is */
	const float quantum = max(s->quantum, energy * (1.0f / 48.0f));
	int n_stack = 0;

	k->material = material;
	k->whole = 1;
	k->n_points = k->n_photons = 0;
	k->weight = 0.0f;
	for (;;) {
		pending_point pending = {{0.0f, 0.0f, 0.0f, 0.0f}, &place};
		bool there = true;

		for (uint step = 0; step < MAX_STEPS && there && p.energy > s->electron_cut; step++) {
			step_numbers number = step_of(t, kept, p.object, step);
			float mass = step_mass_one(s, p.energy), before = number.event / s->event_majorant, loss, xh,
			      yh, zh, y, path, k1;
			bool event = before < mass;
			float4 row;
			uint bin;

			mass = min(mass, before);
			path = mass * number.hinge;
			xh = p.x + path * p.u;
			yh = p.y + path * p.v;
			zh = p.z + path * p.w;
			row = t->electron[kind_row(s, p.positron) + material * SP_MC_ROWS +
			                  lane_row(max(p.energy - 0.5f * TYPICAL_STOPPING * mass, 0.25f * p.energy))];
			loss = min(row.x * mass, p.energy);
			leave_energy(k, &pending, quantum, xh, yh, zh, loss);
			p.energy -= loss;
			k1 = loss / (p.energy + 0.5f * loss);
			k1 = row.y * mass * (1.0f + SCATTERING_CURVATURE * k1 * k1);
			bin = (uint)clamp((as_int(k1) - ((127 + SP_MC_K_LOG2) << 23)) >> SP_MC_K_SHIFT, 0,
			                  SP_MC_KS - 1);
			y = min(1.0f, k1 * t->scattering[(number.node * SP_MC_ETAS + (uint)row.z) * SP_MC_KS + bin]);
			turn_one(&p.u, &p.v, &p.w, 1.0f - 2.0f * y, 2.0f * sqrt(y * (1.0f - y)), number.cosine,
			         number.sine);
			path = mass - path;
			p.x = xh + path * p.u;
			p.y = yh + path * p.v;
			p.z = zh + path * p.w;
			if (event && p.energy > s->electron_cut) {
				random_stream r = {(uint4)(t->base.x, t->base.y, p.object ^ 0x80000000u, step << 8),
				                   t->key, (float4)(0.0f), 0};

				there = track_collide(k, t, &t->next_object, stack, &n_stack, &p, number.accept, &r);
			}
			if (!k->whole)
				return;
		}
		if (there) {
			leave_energy(k, &pending, 0.0f, p.x, p.y, p.z, p.energy);
			if (p.positron) {
				float c = 2.0f * draw(&place) - 1.0f, azimuth = 6.2831853f * draw(&place);

				track_send_photon(k, &p, ELECTRON_MEV, c, azimuth);
				track_send_photon(k, &p, ELECTRON_MEV, -c, azimuth + 3.1415927f);
			}
		}
		put_point(k, &pending.at); /* what was still waiting when it went in flight */
		if (n_stack == 0 || !k->whole)
			return;
		p = stack[--n_stack];
	}
}

/* Lays the track down at sites; those that are not to have it come with weight 0. */
static void lay_track(track *k, transport *t, fv x, fv y, fv z, fv density, fv weight, random_stream *r)
{
	iv there = HOLDS(weight > FV(0.0f));
	fv per_mass = PICK(there, FV(1.0f) / density, FV(0.0f));

	for (int i = 0; i < k->n_points; i++) {
		track_point p = k->point[i];

		deposit(t, x + per_mass * FV(p.x), y + per_mass * FV(p.y), z + per_mass * FV(p.z),
		        weight * FV(p.energy));
	}
	if (k->n_photons > 0) {
		float sum;
		int l = choose_lane(weight, draw(r), &sum);

		k->weight += sum;
		if (draw(r) * k->weight < sum) { /* takes the place of the site chosen from those before */
			k->from_x = lane(x, l);
			k->from_y = lane(y, l);
			k->from_z = lane(z, l);
			k->per_mass = lane(per_mass, l);
		}
	}
}

/* The photons of all the sites that the track was laid down at. */
static void send_track_photons(const track *k, transport *t, photon_stack *photons)
{
	for (int i = 0; k->weight > 0.0f && i < k->n_photons; i++) {
		const track_photon *f = k->photon + i;
		photon p = {k->from_x + k->per_mass * f->x,
		            k->from_y + k->per_mass * f->y,
		            k->from_z + k->per_mass * f->z,
		            f->u,
		            f->v,
		            f->w,
		            f->energy,
		            k->weight};

		push_photon(t, photons, &p);
	}
}
