/* Photons. A flight is decided for several stratified sites at once: sites are flights of their own along the same ray,
 * each with its share of the weight (Woodcock tracking, with a majorant for every brick that the ray crosses). One
 * sampled interaction serves all of them, and the electrons that it sets free are followed from every site
 * (mc_electron.h); one site, drawn by weight, carries the photon on. */

#define MAX_SEGMENTS (3 * SP_MC_MAX_BRICKS_PER_AXIS)
#define MAX_BLOCKS (SP_MOST_SITES / SP_LANES)

/* Values of one photon energy: interpolation between two rows of a table. */
static inline float table_at(const transport *t, global const float *table, uint row, float f, uint material)
{
	uint n = t->setup->n_materials;

	return mix(table[row * n + material], table[(row + 1) * n + material], f);
}

typedef struct {
	uint row;
	float f;                       /* how far from the row to the next */
	float mu[SP_MATERIALS];        /* cm2/g */
	float majorant[SP_MC_CLASSES]; /* of a class and those before it */
} photon_tables;

static void look_up(photon_tables *out, const transport *t, float energy)
{
	/* a spectrum may begin below the tables: what is below their first row is taken as there */
	uint bits = max(as_uint(energy), (127u + SP_MC_ENERGY_LOG2) << 23) - ((127u + SP_MC_ENERGY_LOG2) << 23);
	uint n = t->setup->n_materials;

	out->row = min(bits >> SP_MC_ROW_SHIFT, (uint)(SP_MC_ROWS - 1));
	out->f = (float)(bits & ((1u << SP_MC_ROW_SHIFT) - 1)) * (1.0f / (1u << SP_MC_ROW_SHIFT));
	for (int c = 0; c < SP_MC_CLASSES; c++)
		out->majorant[c] = 0.0f;
	for (uint m = 0; m < n; m++) {
		float mu = table_at(t, t->attenuation, out->row, out->f, m);

		out->mu[m] = mu;
		for (uint c = t->class_of[m]; c < SP_MC_CLASSES; c++)
			out->majorant[c] = max(out->majorant[c], mu);
	}
}

/* The bricks along a ray, joined where they are alike: distance and majorant optical depth at each one's end. */
typedef struct {
	float end[MAX_SEGMENTS + 1], depth[MAX_SEGMENTS + 1], majorant[MAX_SEGMENTS + 1];
	int uniform; /* every brick is of one material and density: no try is a miss */
	int n;
} ray_path;

static void trace_bricks(ray_path *out, const transport *t, const photon *p, const photon_tables *tables)
{
	constant sp_mc_setup *s = t->setup;
	float x[3] = {p->x, p->y, p->z}, u[3] = {p->u, p->v, p->w}, next[3], step[3], at = 0.0f, depth = 0.0f,
	      last = -1.0f;
	int cell[3], way[3], n = 0;
	int uniform = 1;

	for (int a = 0; a < 3; a++) {
		cell[a] = clamp((int)(x[a] * s->bricks_per_cm[a]), 0, (int)s->bricks_n[a] - 1);
		way[a] = u[a] < 0.0f ? -1 : 1;
		step[a] = fabs(u[a]) > 1e-7f ? s->brick_cm[a] / fabs(u[a]) : 1e9f;
		next[a] = fabs(u[a]) > 1e-7f ? ((float)(cell[a] + (way[a] > 0)) * s->brick_cm[a] - x[a]) / u[a] : 1e9f;
	}
	for (int count = 0; count < MAX_SEGMENTS; count++) {
		global const sp_mc_brick *b =
		        t->bricks + ((uint)cell[2] * s->bricks_n[1] + (uint)cell[1]) * s->bricks_n[0] + (uint)cell[0];
		uint word = b->word;
		float mu = (float)(word & 0xffffu) * (1.0f / SP_MC_DENSITY_UNIT) *
		           (word & SP_MC_MIXED ? tables->majorant[word >> 24] : tables->mu[word >> 24]);
		int axis = next[0] < next[1] ? (next[0] < next[2] ? 0 : 2) : (next[1] < next[2] ? 1 : 2);
		float end = max(next[axis], at);

		if (word & SP_MC_MIXED)
			uniform = 0;
		depth += (end - at) * mu;
		if (mu != last || n == 0)
			n++;
		out->end[n - 1] = end;
		out->depth[n - 1] = depth;
		out->majorant[n - 1] = mu;
		last = mu;
		at = end;
		next[axis] += step[axis];
		cell[axis] += way[axis];
		if (cell[axis] < 0 || cell[axis] >= (int)s->bricks_n[axis])
			break;
	}
	out->n = n;
	out->uniform = uniform;
}

/* Distances at which lanes have flown through so much majorant optical depth, and the majorant there. */
static void locate(fv *distance, fv *majorant, const ray_path *path, fv depth)
{
	float_lanes d, s, m;
	int k = 0;

	d.v = depth;
	if (path->n == 1) {
		*distance = depth / FV(path->majorant[0]);
		*majorant = FV(path->majorant[0]);
		return;
	}
	for (int l = 0; l < SP_LANES; l++) {
		while (k > 0 && path->depth[k - 1] > d.at[l])
			k--;
		while (k < path->n - 1 && path->depth[k] <= d.at[l])
			k++;
		m.at[l] = path->majorant[k];
		s.at[l] = path->end[k] - max(0.0f, path->depth[k] - d.at[l]) / max(m.at[l], 1e-12f);
	}
	*distance = s.v;
	*majorant = m.v;
}

/* Room for electrons, one of it for each work-item. */
typedef struct {
	kept_numbers kept;
#if SP_REPEAT
	track tracks[SP_TRACKS];
#endif
} work_space;

typedef struct {
	float_lanes x[MAX_BLOCKS], y[MAX_BLOCKS], z[MAX_BLOCKS], weight[MAX_BLOCKS]; /* weight 0: flew out */
	uint_lanes word[MAX_BLOCKS];                                                 /* of the voxel */
	fv reach[MAX_BLOCKS]; /* how far, at least, matter is that of the site in every direction */
	int blocks;
	int there; /* how many there are */
	int alike; /* all of one material */
} photon_sites;

/* Places n_sites sites on the path, as many of them as do not fly out; number: where in their strata. */
static void place_sites(photon_sites *out, const transport *t, const photon *p, const photon_tables *tables,
                        const ray_path *path, int n_sites, float number, uint object)
{
	float total = path->depth[path->n - 1], share = 1.0f / (float)n_sites;
	/* sites beyond have flown out whatever they meet */
	int within = min((int)ceil((float)n_sites * (1.0f - exp(-total)) - number) + 1, n_sites);
	uint tries = 0, first_material = 0xffffffffu;

	out->blocks = (within + SP_LANES - 1) / SP_LANES;
	out->there = 0;
	out->alike = 1;
	for (int b = 0; b < out->blocks; b++) {
		fv j = TO_FV(lane_numbers() + IV(b * SP_LANES)) + FV(number);
		fv depth = -log(max(FV(1.0f) - j * FV(share), FV(1e-9f))), distance, majorant, x, y, z;
		iv open = HOLDS(j < FV((float)n_sites)) & HOLDS(depth < FV(total)), done = IV(0);
		uint_lanes words;

		words.v = UV(0);
		out->x[b].v = out->y[b].v = out->z[b].v = FV(0.0f);
		for (int round = 0; round < 1000 && ANY(open); round++) {
			uv word, material;
			float_lanes mu;
			iv hit, in;

			locate(&distance, &majorant, path, depth);
			x = FV(p->x) + distance * FV(p->u);
			y = FV(p->y) + distance * FV(p->v);
			z = FV(p->z) + distance * FV(p->w);
			in = inside_box(x, y, z, t->setup->extent_cm) & open;
			word = matter_words(t, x, y, z, in);
			material = word >> 24;
			if (path->uniform) {
				hit = in;
			} else {
				uint_lanes m;

				m.v = material;
				for (int l = 0; l < SP_LANES; l++)
					mu.at[l] = tables->mu[m.at[l]];
				hit = in & HOLDS(lane_uniform((uint4)(t->base.x, t->base.y, object, 0), t->key,
				                              0x01000000u + tries++) *
				                         majorant <
				                 mu.v * word_density(word));
			}
			out->x[b].v = PICK(hit, x, out->x[b].v);
			out->y[b].v = PICK(hit, y, out->y[b].v);
			out->z[b].v = PICK(hit, z, out->z[b].v);
			words.v = PICK(hit, word, words.v);
			done |= hit;
			open &= in & ~hit;
			if (ANY(open)) {
				depth -= log(lane_uniform((uint4)(t->base.x, t->base.y, object, 0), t->key,
				                          0x01000000u + tries++));
				open &= HOLDS(depth < FV(total));
			}
		}
		out->weight[b].v = PICK(done, FV(p->weight * share), FV(0.0f));
		out->word[b] = words;
		out->reach[b] = reach_of(t, out->x[b].v, out->y[b].v, out->z[b].v, words.v, done);
		{
			int_lanes d;

			d.v = done;
			for (int l = 0; l < SP_LANES; l++)
				if (d.at[l]) {
					if (first_material == 0xffffffffu)
						first_material = words.at[l] >> 24;
					out->alike &= words.at[l] >> 24 == first_material;
					out->there++;
				}
		}
	}
}

enum { COMPTON, PHOTOELECTRIC, PAIR, RAYLEIGH, N_INTERACTIONS };

static inline float interaction_share(const transport *t, const photon_tables *tables, int kind, uint material)
{
	float c = table_at(t, t->compton, tables->row, tables->f, material),
	      e = table_at(t, t->photoelectric, tables->row, tables->f, material),
	      p = table_at(t, t->pair, tables->row, tables->f, material);

	return kind == COMPTON ? c : kind == PHOTOELECTRIC ? e : kind == PAIR ? p : max(0.0f, 1.0f - c - e - p);
}

/* Which interaction all sites have: drawn with the mean probability over the sites, whose weights then carry how much
 * more or less likely it is in their own material. Their sum stays the same. */
static int choose_interaction(photon_sites *sites, const transport *t, const photon_tables *tables, float number)
{
	float mean[N_INTERACTIONS] = {0.0f, 0.0f, 0.0f, 0.0f}, sum = 0.0f;
	int kind = 0;

	for (int b = 0; b < sites->blocks; b++)
		for (int l = 0; l < SP_LANES; l++) {
			if (sites->weight[b].at[l] == 0.0f || (sites->alike && sum > 0.0f))
				continue;
			for (int k = 0; k < N_INTERACTIONS; k++)
				mean[k] += interaction_share(t, tables, k, sites->word[b].at[l] >> 24);
			sum += 1.0f;
		}
	number *= mean[0] + mean[1] + mean[2] + mean[3];
	while (kind < N_INTERACTIONS - 1 && number >= mean[kind])
		number -= mean[kind++];
	if (!sites->alike)
		for (int b = 0; b < sites->blocks; b++)
			for (int l = 0; l < SP_LANES; l++)
				if (sites->weight[b].at[l] > 0.0f)
					sites->weight[b].at[l] *=
					        interaction_share(t, tables, kind, sites->word[b].at[l] >> 24) * sum /
					        mean[kind];
	return kind;
}

/* The site that carries the photon on for all: block and lane, drawn by weight; sum: of all weights. */
static void choose_site(int *block, int *at, const photon_sites *sites, float sum, float number)
{
	float left = number * sum;

	for (int b = 0; b < sites->blocks; b++)
		for (int l = 0; l < SP_LANES; l++) {
			float w = sites->weight[b].at[l];

			if (w == 0.0f)
				continue;
			*block = b;
			*at = l;
			left -= w;
			if (left < 0.0f)
				return;
		}
}

static void deposit_at_sites(transport *t, const photon_sites *sites, float energy)
{
	for (int b = 0; b < sites->blocks; b++)
		deposit(t, sites->x[b].v, sites->y[b].v, sites->z[b].v, sites->weight[b].v * FV(energy));
}

/* Electrons of sites that wait until there are enough of them to fill the lanes of SP_SETS sets. */
typedef struct {
	float_lanes x[SP_SETS], y[SP_SETS], z[SP_SETS], weight[SP_SETS];
	int n;
} waiting_sites;

static void follow_waiting(transport *t, photon_stack *photons, work_space *space, waiting_sites *waiting,
                           const electron_set *alike)
{
	electron_set e[SP_SETS];

	for (int l = waiting->n; l < SP_SETS * SP_LANES; l++) { /* nobody there: anywhere */
		waiting->x[l / SP_LANES].at[l % SP_LANES] = waiting->x[0].at[0];
		waiting->y[l / SP_LANES].at[l % SP_LANES] = waiting->y[0].at[0];
		waiting->z[l / SP_LANES].at[l % SP_LANES] = waiting->z[0].at[0];
		waiting->weight[l / SP_LANES].at[l % SP_LANES] = 0.0f;
	}
	for (int j = 0; j < SP_SETS; j++) {
		e[j] = *alike;
		e[j].x = waiting->x[j].v;
		e[j].y = waiting->y[j].v;
		e[j].z = waiting->z[j].v;
		e[j].weight = waiting->weight[j].v;
	}
	waiting->n = 0;
	follow(t, photons, e, &space->kept);
}

/* The same electron from every site; direction: polar angle and azimuth to the photon's. */
static void set_free(transport *t, photon_stack *photons, work_space *space, const photon_sites *sites, const photon *p,
                     float energy, float cosine, float azimuth, int positron)
{
	uint object = t->next_object++;
	float u = p->u, v = p->v, w = p->w;
	electron_set alike;
	waiting_sites waiting;
#if SP_REPEAT
	random_stream r = {(uint4)(t->base.x, t->base.y, object ^ 0x20000000u, 0), t->key, (float4)(0.0f), 0};
	int tracks = 0;
#endif

	if (energy <= t->setup->electron_cut && !positron) {
		deposit_at_sites(t, sites, energy);
		return;
	}
	cosine = clamp(cosine, -1.0f, 1.0f);
	turn_one(&u, &v, &w, cosine, sqrt(1.0f - cosine * cosine), cos(azimuth), sin(azimuth));
	alike.u = FV(u);
	alike.v = FV(v);
	alike.w = FV(w);
	alike.energy = FV(energy);
	alike.object = object;
	alike.positron = positron;
	waiting.n = 0;
	for (int b = 0; b < sites->blocks; b++) {
		float_lanes weight = sites->weight[b];

#if SP_REPEAT
		/* sites in the middle of one matter: a track of that material */
		uv word = sites->word[b].v;
		iv left = HOLDS(weight.v > FV(0.0f)) & HOLDS(sites->reach[b] > FV(0.0f));

		for (int tries = 0; tries < SP_TRACKS && ANY(left); tries++) {
			int_lanes open;
			iv here;
			int l = 0, k = 0;
			uint material;

			open.v = left;
			while (l < SP_LANES - 1 && !open.at[l])
				l++;
			material = sites->word[b].at[l] >> 24;
			here = left & HOLDS(word >> 24 == UV(material));
			left &= ~here;
			here &= HOLDS(FV(track_range(t, material, energy, positron)) <
			              word_density(word) * sites->reach[b]);
			if (!ANY(here))
				continue;
			while (k < tracks && space->tracks[k].material != material)
				k++;
			if (k == SP_TRACKS)
				continue;
			if (k == tracks)
				make_track(&space->tracks[tracks++], t, &space->kept, object, material, energy, u, v, w,
				           positron);
			if (!space->tracks[k].whole)
				continue;
			lay_track(&space->tracks[k], t, sites->x[b].v, sites->y[b].v, sites->z[b].v, word_density(word),
			          PICK(here, weight.v, FV(0.0f)), &r);
			weight.v = PICK(here, FV(0.0f), weight.v);
		}
		if (!ANY(HOLDS(weight.v > FV(0.0f))))
			continue;
#endif
		for (int l = 0; l < SP_LANES; l++) {
			int set = waiting.n / SP_LANES, at = waiting.n % SP_LANES;

			if (weight.at[l] == 0.0f)
				continue;
			waiting.x[set].at[at] = sites->x[b].at[l];
			waiting.y[set].at[at] = sites->y[b].at[l];
			waiting.z[set].at[at] = sites->z[b].at[l];
			waiting.weight[set].at[at] = weight.at[l];
			if (++waiting.n == SP_SETS * SP_LANES)
				follow_waiting(t, photons, space, &waiting, &alike);
		}
	}
	if (waiting.n > 0)
		follow_waiting(t, photons, space, &waiting, &alike);
#if SP_REPEAT
	for (int k = 0; k < tracks; k++)
		send_track_photons(&space->tracks[k], t, photons);
#endif
}

/* Klein and Nishina: the scattered photon's share of the energy; the first numbers come from outside. */
static float sample_compton(float *cosine, float energy, float first, float second, random_stream *r)
{
	float k = energy / ELECTRON_MEV, least = 1.0f / (1.0f + 2.0f * k);
	float a1 = -log(least), a2 = 0.5f * (1.0f - least * least), share = 1.0f, x = 0.0f;

	for (int tries = 0; tries < 100; tries++) {
		float sine2;

		share = second * (a1 + a2) < a1 ? exp(-a1 * first)
		                                : sqrt(least * least + (1.0f - least * least) * first);
		x = (1.0f - share) / (k * share); /* 1 - cos theta */
		sine2 = x * (2.0f - x);
		if (draw(r) <= 1.0f - share * sine2 / (1.0f + share * share))
			break;
		first = draw(r);
		second = draw(r);
	}
	*cosine = clamp(1.0f - x, -1.0f, 1.0f);
	return share;
}

/* Sauter: cosine of the photoelectron, p ~ (1 - c^2)/(1 - beta c)^4, its leading term. */
static float sample_photoelectron(float energy, random_stream *r)
{
	float gamma = 1.0f + energy / ELECTRON_MEV, beta = sqrt(1.0f - 1.0f / (gamma * gamma)), c = 1.0f;

	for (int tries = 0; tries < 100; tries++) {
		float v =
		        2.0f * draw(r) - 1.0f; /* cosine in the electron's frame: (1 - v^2) and the Jacobian's square */

		c = (v + beta) / (1.0f + beta * v);
		/* of p(c) dc = (1 - v^2) (...) dv remains (1 - v^2) times a constant */
		if (draw(r) <= 1.0f - v * v)
			break;
	}
	return c;
}

static float sample_pair_share(const transport *t, float energy, float number)
{
	float e = clamp(2.0f * (log2(energy) - SP_MC_PAIR_LOG2), 0.0f, SP_MC_PAIR_ENERGIES - 1.001f),
	      x = number * (SP_MC_PAIR_SHARES - 1);
	uint row = (uint)e, i = min((uint)x, (uint)(SP_MC_PAIR_SHARES - 2));
	global const float *a = t->pair_share + row * SP_MC_PAIR_SHARES + i, *b = a + SP_MC_PAIR_SHARES;

	return mix(mix(a[0], a[1], x - (float)i), mix(b[0], b[1], x - (float)i), e - (float)row);
}

/* Rayleigh: 1 - cosine, p ~ (1 + cosine^2) / (1 + width (1 - cosine))^2. */
static float sample_rayleigh(float width, random_stream *r)
{
	float x = 0.0f;

	for (int tries = 0; tries < 100; tries++) {
		float u = draw(r);

		x = 2.0f * u / (1.0f + 2.0f * width * (1.0f - u));
		if (2.0f * draw(r) <= 1.0f + (1.0f - x) * (1.0f - x))
			break;
	}
	return x;
}

/* Low-discrepancy numbers of a source photon's first flight. */
typedef struct {
	float site, chosen, compton, azimuth;
} first_numbers;

static void follow_photon(transport *t, photon_stack *photons, work_space *space, photon *p, const first_numbers *first)
{
	constant sp_mc_setup *s = t->setup;
	uint object = t->next_object++;
	random_stream r = {(uint4)(t->base.x, t->base.y, object, 0), t->key, (float4)(0.0f), 0};
	float number = draw(&r), choice = draw(&r), c1 = draw(&r), azimuth = draw(&r), weight;
	photon_tables tables;
	ray_path path;
	photon_sites sites;
	int n, kind;

	if (first) {
		number = first->site;
		choice = first->chosen;
		c1 = first->compton;
		azimuth = first->azimuth;
	}
	azimuth *= 6.2831853f;
	n = clamp((int)(s->site_scale * p->weight * p->energy / SP_LANES + 0.5f) * SP_LANES, (int)s->least_sites,
	          (int)s->most_sites);
	look_up(&tables, t, p->energy);
	trace_bricks(&path, t, p, &tables);
	place_sites(&sites, t, p, &tables, &path, n, number, object);
	weight = p->weight * (float)sites.there / (float)n;
	t->escaped += (p->weight - weight) * p->energy;
	if (sites.there == 0)
		return;
	kind = choose_interaction(&sites, t, &tables, draw(&r));
	/* the tables' last interval below the threshold reaches beyond it */
	if (kind == PAIR && p->energy <= 2.0f * ELECTRON_MEV)
		kind = COMPTON;
	{
		int b = 0, l = 0;
		photon on = *p;

		choose_site(&b, &l, &sites, weight, choice);
		on.x = sites.x[b].at[l];
		on.y = sites.y[b].at[l];
		on.z = sites.z[b].at[l];
		on.weight = weight;
		if (kind == COMPTON) {
			float cosine, share = sample_compton(&cosine, p->energy, c1, draw(&r), &r),
			              energy = share * p->energy;
			float electron = p->energy - energy,
			      momentum = sqrt(electron * (electron + 2.0f * ELECTRON_MEV));

			if (energy < s->photon_cut) { /* at all sites, not at the chosen one alone */
				deposit_at_sites(t, &sites, energy);
			} else {
				/* roulette up to the weight 1/survive: heavier photons would make heavy tracks */
				float survive = min(1.0f, s->survive * weight);

				t->balance += weight * energy;
				if (draw(&r) < survive) {
					on.weight /= survive;
					t->balance -= on.weight * energy;
					on.energy = energy;
					turn_photon(&on, cosine, azimuth);
					push_photon(t, photons, &on);
				}
			}
			set_free(t, photons, space, &sites, p, electron,
			         momentum > 0.0f ? (p->energy - energy * cosine) / momentum : 1.0f,
			         azimuth + 3.1415927f, 0);
		} else if (kind == PHOTOELECTRIC) {
			set_free(t, photons, space, &sites, p, p->energy, sample_photoelectron(p->energy, &r), azimuth,
			         0);
		} else if (kind == PAIR) {
			float energy = p->energy - 2.0f * ELECTRON_MEV,
			      electron = energy * sample_pair_share(t, p->energy, c1);

			set_free(t, photons, space, &sites, p, electron, boosted_cosine(electron, draw(&r)), azimuth,
			         0);
			set_free(t, photons, space, &sites, p, energy - electron,
			         boosted_cosine(energy - electron, draw(&r)), azimuth + 3.1415927f, 1);
		} else { /* Rayleigh */
			float width = table_at(t, t->rayleigh, tables.row, tables.f, sites.word[b].at[l] >> 24),
			      x = sample_rayleigh(width, &r);

			on.energy = p->energy;
			turn_photon(&on, 1.0f - x, azimuth);
			push_photon(t, photons, &on);
		}
	}
}
