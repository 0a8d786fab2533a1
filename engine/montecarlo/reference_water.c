/* Particles through water. Water is the same everywhere, so one shower (all that follows a photon's first interaction)
 * is made once around the origin, in endless water, and then scored as if it had begun at several depths, each with the
 * weight of a photon's first interaction there. What happens above the surface for such a depth, and all that descends
 * from it, is left out: nothing comes back from the vacuum. */
#include "reference_internal.h"

#include "alloc.h"
#include "interrupt.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum { N_SHIFTS = 16, N_BATCHES = 64, MAX_STACK = 256 };
#define BOTTOM_CM 50.0
#define GRAY_G_PER_MEV 1.602176634e-10

typedef struct {
	double z, energy, top;
	size_t ring;
} deposit;

typedef struct {
	const sp_reference_water *w;
	const sp_pencil_rings *rings;
	sp_random random;
	particle stack[MAX_STACK];
	size_t n_stack;
	deposit *deposits;
	size_t n_deposits, capacity;
	bool failed;
} shower;

static void push(shower *s, const particle *p)
{
	if (s->n_stack < MAX_STACK)
		s->stack[s->n_stack++] = *p;
	else
		s->failed = true; /* a cascade below 30 MeV holds a few dozen at most */
}

static size_t find_ring(const sp_pencil_rings *rings, double r_mm)
{
	size_t low = 0, high = rings->n_radii;

	if (r_mm >= rings->radius_mm[high])
		return high;
	while (high - low > 1) {
		size_t middle = (low + high) / 2;

		*(r_mm < rings->radius_mm[middle] ? &high : &low) = middle;
	}
	return low;
}

static void deposit_energy(shower *s, const double x[3], double energy, double top)
{
	if (energy <= 0.0)
		return;
	if (sp_grow_array(&s->deposits, &s->capacity, s->n_deposits + 1, sizeof *s->deposits, NULL) != SP_OK) {
		s->failed = true;
		return;
	}
	s->deposits[s->n_deposits++] =
	        (deposit){x[2], energy, fmin(top, x[2]), find_ring(s->rings, 10.0 * sqrt(x[0] * x[0] + x[1] * x[1]))};
}

static void move(particle *p, double path)
{
	for (int i = 0; i < 3; i++)
		p->x[i] += path * p->u[i];
	p->top = fmin(p->top, p->x[2]);
}

/* Puts a charged particle on the stack, or stops it where it is. */
static void push_charged(shower *s, const particle *parent, int kind, double energy, double cos_theta, double phi)
{
	particle p = *parent;

	p.kind = kind;
	p.energy = energy;
	turn(p.u, cos_theta, phi);
	push(s, &p);
}

static void push_photon(shower *s, const particle *parent, double energy, double cos_theta, double phi)
{
	push_charged(s, parent, PHOTON, energy, cos_theta, phi);
}

static void compton(shower *s, const particle *photon)
{
	double cos_theta, phi = 2.0 * PI * sp_random_next(&s->random);
	double k = photon->energy, scattered = k * sample_klein_nishina(&cos_theta, k, &s->random), t = k - scattered;
	double p = sqrt(t * (t + 2.0 * ELECTRON_MEV));

	push_photon(s, photon, scattered, cos_theta, phi);
	push_charged(s, photon, ELECTRON, t, p > 0.0 ? fmin(1.0, (k - scattered * cos_theta) / p) : 1.0, phi + PI);
}

/* The energy is shared evenly at random; both go off at the mean angle mc2/E (as in the reference calculations). */
static void pair(shower *s, const particle *photon)
{
	double shared = photon->energy - 2.0 * ELECTRON_MEV, t = shared * sp_random_next(&s->random);
	double cos_theta = cos(ELECTRON_MEV / photon->energy), phi = 2.0 * PI * sp_random_next(&s->random);

	push_charged(s, photon, ELECTRON, t, cos_theta, phi);
	push_charged(s, photon, POSITRON, shared - t, cos_theta, phi + PI);
}

/* One interaction of a photon where it is. */
static void interact(shower *s, const particle *photon)
{
	photon_row mu = photon_at(s->w, photon->energy);
	double u = sp_random_next(&s->random) * (mu.incoherent + mu.photoelectric + mu.pair);

	if (u < mu.incoherent)
		compton(s, photon);
	else if (u < mu.incoherent + mu.pair && photon->energy > 2.0 * ELECTRON_MEV)
		pair(s, photon);
	else
		push_charged(s, photon, ELECTRON, photon->energy, 1.0, 0.0);
}

static void track_photon(shower *s, particle *p)
{
	photon_row mu;

	if (p->energy < PHOTON_CUT) {
		deposit_energy(s, p->x, p->energy, p->top);
		return;
	}
	mu = photon_at(s->w, p->energy);
	move(p, -log(sp_random_next(&s->random)) / (mu.incoherent + mu.photoelectric + mu.pair));
	interact(s, p);
}

/* The two photons of a positron that has stopped. */
static void annihilate(shower *s, const particle *p)
{
	double cos_theta = 2.0 * sp_random_next(&s->random) - 1.0, phi = 2.0 * PI * sp_random_next(&s->random);

	push_photon(s, p, ELECTRON_MEV, cos_theta, phi);
	push_photon(s, p, ELECTRON_MEV, -cos_theta, phi + PI);
}

/* Two photons that share energy and momentum of a positron in flight and an electron at rest. */
static void annihilate_in_flight(shower *s, particle *p)
{
	double t = p->energy, all = t + 2.0 * ELECTRON_MEV, momentum = sqrt(t * all),
	       phi = 2.0 * PI * sp_random_next(&s->random);
	double k = all * sample_annihilation(t, &s->random), cos_theta = (all - all * ELECTRON_MEV / k) / momentum;

	push_photon(s, p, k, cos_theta, phi);
	push_photon(s, p, all - k, (momentum - k * cos_theta) / (all - k), phi + PI);
}

static void knock_on(shower *s, particle *p)
{
	double t = p->energy, w = sample_moller(t, &s->random), phi = 2.0 * PI * sp_random_next(&s->random);
	double left = t - w, m = ELECTRON_MEV;

	push_charged(s, p, ELECTRON, w, sqrt(w * (t + 2.0 * m) / (t * (w + 2.0 * m))), phi + PI);
	turn(p->u, sqrt(left * (t + 2.0 * m) / (t * (left + 2.0 * m))), phi);
	p->energy = left;
}

/* Photon direction: a dipole's isotropic emission, seen from the laboratory. */
static void radiate(shower *s, particle *p)
{
	double k = sample_brems(s->w, p->energy, &s->random), gamma = 1.0 + p->energy / ELECTRON_MEV;
	double beta = sqrt(1.0 - 1.0 / (gamma * gamma)), c = 2.0 * sp_random_next(&s->random) - 1.0;

	push_photon(s, p, k, (c + beta) / (1.0 + beta * c), 2.0 * PI * sp_random_next(&s->random));
	p->energy -= k;
}

static double discrete(const electron_row *row, int kind)
{
	return row->moller + row->brems + row->elastic[0] + row->elastic[1] +
	       (kind == POSITRON ? row->annihilation : 0.0);
}

/* The discrete interaction at the end of a step, if there is one; majorant: what the step was drawn with. False when
 * the particle is no more. */
static bool electron_event(shower *s, particle *p, double majorant)
{
	electron_row row = electron_at(s->w, p->energy);
	double u = sp_random_next(&s->random) * majorant, mu;

	for (int i = 0; i < N_ELASTIC; i++) {
		if (u < row.elastic[i]) {
			if ((mu = sample_elastic(&row, p->energy, i, &s->random)) >= 0.0)
				turn(p->u, 1.0 - 2.0 * mu, 2.0 * PI * sp_random_next(&s->random));
			return true;
		}
		u -= row.elastic[i];
	}
	if (u < row.moller) {
		if (p->energy > 2.0 * ELECTRON_CUT)
			knock_on(s, p);
	} else if (u - row.moller < row.brems) {
		radiate(s, p);
	} else if (p->kind == POSITRON && u - row.moller - row.brems < row.annihilation) {
		annihilate_in_flight(s, p);
		return false;
	}
	return true;
}

static double loss_of(const electron_row *row, int kind)
{
	return kind == POSITRON ? row->positron_loss : row->loss;
}

/* Class II: steps to the next discrete interaction, or as far as MAX_LOSS lets it; continuous scattering happens all at
 * once at a random point of the step (the random hinge), continuous loss is left at another. */
static void track_charged(shower *s, particle *p)
{
	while (p->energy > ELECTRON_CUT) {
		electron_row row = electron_at(s->w, p->energy),
		             later = electron_at(s->w, p->energy * (1.0 - MAX_LOSS));
		/* the rates change little and steadily over one step: the larger end, and 2 %, bound them */
		double majorant = 1.02 * fmax(discrete(&row, p->kind), discrete(&later, p->kind));
		double longest = MAX_LOSS * p->energy / loss_of(&later, p->kind),
		       step = -log(sp_random_next(&s->random)) / majorant;
		bool event = step < longest;
		double loss, hinge, where;
		particle at;

		step = event ? step : longest;
		row = electron_at(s->w, p->energy - 0.5 * step * loss_of(&row, p->kind));
		loss = fmin(step * loss_of(&row, p->kind), p->energy);
		hinge = step * sp_random_next(&s->random);
		where = step * sp_random_next(&s->random);
		at = *p;
		move(p, hinge);
		if (where > hinge)
			at = *p;
		turn(p->u, 1.0 - 2.0 * sample_soft(row.g1 * step, row.g2 * step, &s->random),
		     2.0 * PI * sp_random_next(&s->random));
		if (where > hinge)
			memcpy(at.u, p->u, sizeof at.u);
		move(&at, where > hinge ? where - hinge : where);
		deposit_energy(s, at.x, loss, at.top);
		move(p, step - hinge);
		p->energy -= loss;
		if (event && p->energy > ELECTRON_CUT && !electron_event(s, p, majorant))
			return;
	}
	deposit_energy(s, p->x, p->energy, p->top);
	if (p->kind == POSITRON)
		annihilate(s, p);
}

/* All that follows a photon's interaction at the origin. */
static void make_shower(shower *s, double energy)
{
	particle p = {.u = {0.0, 0.0, 1.0}, .energy = energy, .kind = PHOTON};

	s->n_deposits = 0;
	interact(s, &p);
	while (s->n_stack) {
		p = s->stack[--s->n_stack];
		if (p.kind == PHOTON)
			track_photon(s, &p);
		else
			track_charged(s, &p);
	}
}

/* Index of the slab at a depth, or n_depths. */
static size_t find_slab(const sp_pencil_rings *rings, double depth_mm)
{
	size_t low = 0, high = rings->n_depths;

	while (high > low) { /* the first slab that ends below the depth */
		size_t middle = (low + high) / 2;

		if (rings->depth_high_mm[middle] <= depth_mm)
			low = middle + 1;
		else
			high = middle;
	}
	return low < rings->n_depths && rings->depth_low_mm[low] <= depth_mm ? low : rings->n_depths;
}

typedef struct {
	double *ring_mev; /* [depth][ring or beyond] */
	double emitted, deposited, escaped;
	bool failed;
} batch;

/* Scores the shower with its first interaction once in each of N_SHIFTS equal stretches of depth, at the place u (0..1)
 * of what is attenuated there; the weight is the stretch's share of all photons. */
static void score(batch *b, shower *s, double energy, double u)
{
	const sp_pencil_rings *rings = s->rings;
	photon_row row = photon_at(s->w, energy);
	double mu = row.incoherent + row.photoelectric + row.pair, stretch = BOTTOM_CM / N_SHIFTS;

	b->emitted += energy;
	for (int shift = 0; shift < N_SHIFTS; shift++) {
		double from = shift * stretch, share = -expm1(-mu * stretch), weight = exp(-mu * from) * share;
		double z0 = from - log1p(-share * u) / mu;

		for (size_t i = 0; i < s->n_deposits; i++) {
			const deposit *d = s->deposits + i;
			double z = z0 + d->z;
			size_t slab;

			if (z0 + d->top < 0.0 || z > BOTTOM_CM) {
				b->escaped += weight * d->energy;
				continue;
			}
			b->deposited += weight * d->energy;
			if ((slab = find_slab(rings, 10.0 * z)) < rings->n_depths)
				b->ring_mev[slab * (rings->n_radii + 1) + d->ring] += weight * d->energy;
		}
	}
	b->escaped += energy * exp(-mu * BOTTOM_CM); /* those that pass without interacting */
}

/* Energies and depths come from Roberts' R2 sequence (powers of the inverse of the root of x^3 = x + 1), shifted at
 * random by the seed: each batch then has nearly the spectrum itself, and the first interactions lie nearly evenly in
 * depth. */
static void run_batch(batch *b, shower *s, const sp_spectrum *spectrum, uint64_t first, uint64_t end, uint64_t seed)
{
	double shift[2];

	sp_random_start(&s->random, seed, UINT64_MAX);
	shift[0] = sp_random_next(&s->random);
	shift[1] = sp_random_next(&s->random);
	for (uint64_t history = first; history < end && !s->failed; history++) {
		double energy =
		        sp_spectrum_energy(spectrum, fmod(shift[0] + (double)history * 0.7548776662466927, 1.0));

		if (energy < MIN_MEV)
			continue; /* cannot get past the first millimetres */
		sp_random_start(&s->random, seed, history);
		make_shower(s, energy);
		score(b, s, energy, fmod(shift[1] + (double)history * 0.5698402909980532, 1.0));
	}
	b->failed = s->failed;
}

/* Means and standard uncertainties of the batches; ring energies become dose times area. */
static void finish_rings(sp_pencil_rings *rings, const batch *batches, uint64_t histories)
{
	size_t columns = rings->n_radii + 1;

	rings->emitted_mev = rings->deposited_mev = rings->escaped_mev = 0.0;
	for (size_t b = 0; b < N_BATCHES; b++) {
		rings->emitted_mev += batches[b].emitted / (double)histories;
		rings->deposited_mev += batches[b].deposited / (double)histories;
		rings->escaped_mev += batches[b].escaped / (double)histories;
	}
	for (size_t i = 0; i < rings->n_depths * columns; i++) {
		double thickness_cm = 0.1 * (rings->depth_high_mm[i / columns] - rings->depth_low_mm[i / columns]);
		double unit = GRAY_G_PER_MEV / (thickness_cm * (double)histories), sum = 0.0, squares = 0.0;

		for (size_t b = 0; b < N_BATCHES; b++)
			sum += batches[b].ring_mev[i];
		for (size_t b = 0; b < N_BATCHES; b++)
			squares += pow(batches[b].ring_mev[i] - sum / N_BATCHES, 2.0);
		rings->dose_gy_cm2[i] = sum * unit;
		rings->sigma_gy_cm2[i] = sqrt(squares * N_BATCHES / (N_BATCHES - 1.0)) * unit;
	}
}

sp_status sp_reference_pencil(sp_pencil_rings *rings, const sp_reference_water *w, const sp_spectrum *spectrum,
                              uint64_t histories, uint64_t seed, sp_progress *progress, sp_error *err)
{
	size_t cells = rings->n_depths * (rings->n_radii + 1);
	batch batches[N_BATCHES] = {{0}};
	double *energy = sp_alloc_array(N_BATCHES, cells * sizeof *energy);
	int failed = 0, interrupted = 0, done = 0;

	if (!energy)
		return sp_fail(err, SP_NO_MEMORY, "no memory for %d batches of the reference transport", N_BATCHES);
#pragma omp parallel for schedule(dynamic, 1) reduction(| : failed, interrupted)
	for (int b = 0; b < N_BATCHES; b++) {
		shower *s = calloc(1, sizeof *s);

		batches[b].ring_mev = energy + (size_t)b * cells;
		if (!s || sp_interrupt_asked()) {
			failed |= !s;
			interrupted |= s != NULL;
			free(s);
			continue;
		}
		s->w = w;
		s->rings = rings;
		run_batch(&batches[b], s, spectrum, histories * (uint64_t)b / N_BATCHES,
		          histories * (uint64_t)(b + 1) / N_BATCHES, seed);
		failed |= batches[b].failed;
		free(s->deposits);
		free(s);
#pragma omp critical
		if (progress)
			sp_progress_show(progress, (double)++done / N_BATCHES, NULL);
	}
	if (!failed && !interrupted)
		finish_rings(rings, batches, histories);
	free(energy);
	if (interrupted)
		return sp_fail(err, SP_INTERRUPTED, "interrupted");
	return failed ? sp_fail(err, SP_NO_MEMORY, "no memory in the reference transport") : SP_OK;
}

sp_status sp_pencil_rings_create(sp_pencil_rings *out, const double *low, const double *high, size_t n, sp_error *err)
{
	size_t columns;

	*out = (sp_pencil_rings){.n_depths = n};
	for (double r = 0.0; r < 300.0; r = fmax(r + 0.05, 1.08 * r))
		out->n_radii++;
	columns = out->n_radii + 1;
	out->depth_low_mm = sp_alloc_array(n, sizeof(double));
	out->depth_high_mm = sp_alloc_array(n, sizeof(double));
	out->radius_mm = sp_alloc_array(columns, sizeof(double));
	out->dose_gy_cm2 = sp_alloc_array(n, columns * sizeof(double));
	out->sigma_gy_cm2 = sp_alloc_array(n, columns * sizeof(double));
	if (!out->depth_low_mm || !out->depth_high_mm || !out->radius_mm || !out->dose_gy_cm2 || !out->sigma_gy_cm2) {
		sp_pencil_rings_finish(out);
		return sp_fail(err, SP_NO_MEMORY, "no memory for %zu x %zu rings", n, columns);
	}
	memcpy(out->depth_low_mm, low, n * sizeof *low);
	memcpy(out->depth_high_mm, high, n * sizeof *high);
	for (size_t i = 1; i < columns; i++)
		out->radius_mm[i] = fmin(300.0, fmax(out->radius_mm[i - 1] + 0.05, 1.08 * out->radius_mm[i - 1]));
	return SP_OK;
}

void sp_pencil_rings_finish(sp_pencil_rings *rings)
{
	free(rings->depth_low_mm);
	free(rings->depth_high_mm);
	free(rings->radius_mm);
	free(rings->dose_gy_cm2);
	free(rings->sigma_gy_cm2);
	*rings = (sp_pencil_rings){0};
}
