/* Cross-sections of water on the reference transport's energy grid. */
#include "reference_internal.h"

#include "alloc.h"
#include "cross_sections.h"

#include <stdlib.h>

#define ELECTRON_RADIUS_CM 2.8179403e-13
#define FINE_STRUCTURE (1.0 / 137.036)
#define AVOGADRO 6.02214076e23

/* Atoms of H and O and electrons in a cm3 of water. */
typedef struct {
	double atoms[N_ELASTIC], electrons, density;
} composition;

static const double charge[N_ELASTIC] = {1.0, 8.0};

photon_row photon_at(const sp_reference_water *w, double energy)
{
	double f;
	const photon_row *a = w->photon + grid_find(energy, &f), *b = a + 1;

	return (photon_row){a->incoherent + f * (b->incoherent - a->incoherent),
	                    a->photoelectric + f * (b->photoelectric - a->photoelectric),
	                    a->pair + f * (b->pair - a->pair)};
}

electron_row electron_at(const sp_reference_water *w, double energy)
{
	double f;
	const electron_row *a = w->electron + grid_find(energy, &f), *b = a + 1;
	electron_row row;
	double *out = &row.loss;
	const double *from = &a->loss, *to = &b->loss;

	_Static_assert(sizeof row % sizeof *out == 0, "a row is nothing but doubles");
	for (size_t i = 0; i < sizeof row / sizeof *out; i++)
		out[i] = from[i] + f * (to[i] - from[i]);
	return row;
}

static sp_status fill_photons(sp_reference_water *w, const sp_matter *m, int water, const double *energy,
                              const composition *c, sp_error *err)
{
	sp_attenuation *mu = sp_alloc_array(N_ENERGIES, sizeof *mu);
	sp_status st;

	if (!mu)
		return sp_fail(err, SP_NO_MEMORY, "no memory for photon cross-sections");
	st = sp_matter_attenuation(mu, m, water, energy, N_ENERGIES, err);
	for (size_t i = 0; st == SP_OK && i < N_ENERGIES; i++)
		w->photon[i] = (photon_row){mu[i].incoherent * c->density, mu[i].photoelectric * c->density,
		                            (mu[i].pair_nuclear + mu[i].pair_triplet) * c->density};
	free(mu);
	return st;
}

/* Integrals over x = w/t from ELECTRON_CUT to t/2 of Moller's cross-section (see sample_moller): collisions (1/cm) and
 * energy (MeV/cm) that leave in knock-on electrons. */
static void integrate_moller(double *collisions, double *loss, double t, const composition *c)
{
	double gamma = 1.0 + t / ELECTRON_MEV, beta2 = 1.0 - 1.0 / (gamma * gamma), tau = gamma - 1.0;
	double factor = c->electrons * 2.0 * PI * ELECTRON_RADIUS_CM * ELECTRON_RADIUS_CM * ELECTRON_MEV / (beta2 * t);
	double c1 = tau / (tau + 1.0), c2 = (2.0 * tau + 1.0) / ((tau + 1.0) * (tau + 1.0)), low = ELECTRON_CUT / t;
	enum { STEPS = 400 };

	*collisions = *loss = 0.0;
	if (low >= 0.5)
		return;
	for (int i = 0; i < STEPS; i++) { /* midpoints, even in ln x: dx = x dln x */
		double dln = log(0.5 / low) / STEPS, x = low * exp((i + 0.5) * dln), y = 1.0 - x;
		double density = factor * (1.0 / (x * x) + 1.0 / (y * y) + c1 * c1 - c2 / (x * y)) * x * dln;

		*collisions += density;
		*loss += density * x * t;
	}
}

/* Integral of k dSigma/dk over dk from k1 to k2 (energy), or over dk/k (collisions). */
static double integrate_brems(const struct brems_shape *shape, double t, double k1, double k2, int energy)
{
	enum { STEPS = 400 };
	double sum = 0.0;

	if (k2 <= k1)
		return 0.0;
	for (int i = 0; i < STEPS; i++) {
		double x, value, width;
		int j = 0;

		if (energy) {
			width = (k2 - k1) / STEPS;
			x = (k1 + (i + 0.5) * width) / t;
		} else {
			width = log(k2 / k1) / STEPS;
			x = k1 * exp((i + 0.5) * width) / t;
		}
		while (j < SP_BREMS_POINTS - 2 && x >= shape->k_over_t[j + 1])
			j++;
		value = shape->value[j] + (shape->value[j + 1] - shape->value[j]) * (x - shape->k_over_t[j]) /
		                                  (shape->k_over_t[j + 1] - shape->k_over_t[j]);
		sum += value * width;
	}
	return sum;
}

/* Integrals of the screened Rutherford cross-section times the spin factor over mu in (0, end): 1 - <P1> is 2 mu and
 * 1 - <P2> is 6 mu (1 - mu), weighted. scale: Z2 (re mc2/(p c beta))2 pi times atoms per volume, 1/cm. */
static void add_soft(electron_row *row, double scale, double a, double end, double beta2, double z, int spin)
{
	enum { STEPS = 300 };
	double from = log(a), width = (log(a + end) - from) / STEPS;

	for (int i = 0; i < STEPS; i++) { /* even in ln(mu + a) */
		double s = exp(from + (i + 0.5) * width), mu = s - a, density = scale / s * width;

		if (spin)
			density *= spin_factor(mu, beta2, z);
		row->g1 += density * 2.0 * mu;
		row->g2 += density * 6.0 * mu * (1.0 - mu);
	}
}

static void fill_elastic(electron_row *row, double t, const composition *c)
{
	double gamma = 1.0 + t / ELECTRON_MEV, beta2 = 1.0 - 1.0 / (gamma * gamma);
	double p = sqrt(gamma * gamma - 1.0); /* in mc */
	double rutherford = PI * pow(ELECTRON_RADIUS_CM / (p * sqrt(beta2)), 2.0);
	double scale[N_ELASTIC], transport = 0.0, low = 0.0, high = 1.0, w, knock_on;

	for (int i = 0; i < N_ELASTIC; i++) {
		double z = charge[i], angle = FINE_STRUCTURE * cbrt(z) / (0.885 * p), a;

		/* Moliere's screening, Z. Naturforsch. 2a (1947) 133 */
		a = row->screening[i] =
		        0.25 * angle * angle * (1.13 + 3.76 * FINE_STRUCTURE * FINE_STRUCTURE * z * z / beta2);
		scale[i] = c->atoms[i] * z * z * rutherford;
		transport += 2.0 * scale[i] * (log((1.0 + a) / a) - 1.0 / (1.0 + a));
	}
	for (int step = 0; step < 60; step++) { /* 1 / (mean free path above mu_hard) = transport / HARD_ELASTIC */
		double sum = 0.0;

		row->mu_hard = low > 0.0 ? sqrt(low * high) : 1e-4 * high;
		for (int i = 0; i < N_ELASTIC; i++)
			sum += scale[i] * (1.0 / (row->mu_hard + row->screening[i]) - 1.0 / (1.0 + row->screening[i]));
		if (sum > transport / HARD_ELASTIC)
			low = row->mu_hard;
		else
			high = row->mu_hard;
	}
	row->g1 = row->g2 = 0.0;
	/* The primary's deflection by a knock-on electron of energy ELECTRON_CUT bounds that of the continuous ones. */
	w = fmin(ELECTRON_CUT, 0.5 * t);
	knock_on = 0.5 * (1.0 - sqrt((t - w) * (t + 2.0 * ELECTRON_MEV) / (t * (t - w + 2.0 * ELECTRON_MEV))));
	for (int i = 0; i < N_ELASTIC; i++) {
		double a = row->screening[i], z = charge[i];

		row->elastic[i] =
		        scale[i] * (1.0 / (row->mu_hard + a) - 1.0 / (1.0 + a)) * (1.0 + 0.25 * PI * z / 137.036);
		add_soft(row, scale[i], a, row->mu_hard, beta2, z, 1);
		/* Z electrons instead of a charge Z, with their own screening (see mc_electron_tables.c) */
		add_soft(row, scale[i] / z, SP_MC_FANO_SCREENING * a, knock_on, beta2, z, 0);
	}
}

/* Annihilation in flight into two photons (Heitler, as in sample_annihilation), integrated over the photons' share. */
static double annihilation(double t, const composition *c)
{
	double gamma = 1.0 + t / ELECTRON_MEV, p = sqrt(gamma * gamma - 1.0);

	return c->electrons * PI * ELECTRON_RADIUS_CM * ELECTRON_RADIUS_CM / (gamma + 1.0) *
	       ((gamma * gamma + 4.0 * gamma + 1.0) / (p * p) * log(gamma + p) - (gamma + 3.0) / p);
}

static sp_status fill_electrons(sp_reference_water *w, const sp_matter *m, int water, const double *energy,
                                const composition *c, sp_error *err)
{
	double stopping[N_ENERGIES], t, loss;
	sp_brems *brems = sp_alloc_array(N_ENERGIES, sizeof *brems);
	size_t first = 0; /* the stopping powers start at 10 keV */
	sp_status st;

	if (!brems) {
		st = sp_fail(err, SP_NO_MEMORY, "no memory for electron cross-sections");
		goto cleanup;
	}
	while (energy[first] < 0.01)
		first++;
	if ((st = sp_matter_collision_stopping(stopping + first, m, water, energy + first, N_ENERGIES - first, err)) !=
	            SP_OK ||
	    (st = sp_matter_brems(brems, m, water, energy, N_ENERGIES, err)) != SP_OK)
		goto cleanup;
	for (size_t i = 0; i < N_ENERGIES; i++) {
		electron_row *row = w->electron + i;
		struct brems_shape *shape = w->brems + i;

		t = energy[i];
		for (int j = 0; j < SP_BREMS_POINTS; j++) {
			shape->k_over_t[j] = brems[i].k_over_t[j];
			shape->value[j] = brems[i].k_dsigma_dk[j] * c->density;
			shape->max = fmax(shape->max, shape->value[j]);
		}
		integrate_moller(&row->moller, &loss, t, c);
		row->brems = integrate_brems(shape, t, PHOTON_CUT, t, 0);
		row->loss = stopping[i > first ? i : first] * c->density - loss +
		            integrate_brems(shape, t, 0.0, fmin(PHOTON_CUT, t), 1);
		row->positron_loss = row->loss + c->electrons * 2.0 * PI * ELECTRON_RADIUS_CM * ELECTRON_RADIUS_CM *
		                                         ELECTRON_MEV * sp_mc_positron_stopping(t);
		row->annihilation = annihilation(t, c);
		fill_elastic(row, t, c);
	}
cleanup:
	free(brems);
	return st;
}

sp_status sp_reference_water_create(sp_reference_water **out, const sp_matter *m, sp_error *err)
{
	sp_reference_water *w = calloc(1, sizeof *w);
	int water = sp_matter_find(m, "water");
	const double *weight = sp_matter_weights(m, water);
	composition c = {.density = sp_matter_density_g_cm3(m, water)};
	double energy[N_ENERGIES];
	sp_status st;

	*out = NULL;
	if (!w)
		return sp_fail(err, SP_NO_MEMORY, "no memory for the reference transport");
	for (int i = 0; i < N_ELASTIC; i++)
		c.atoms[i] = c.density * weight[(int)charge[i]] * AVOGADRO / sp_matter_atomic_weight((int)charge[i]);
	c.electrons = c.density * sp_matter_z_over_a(m, water) * AVOGADRO;
	for (size_t i = 0; i < N_ENERGIES; i++)
		energy[i] = grid_energy(i);
	if ((st = fill_photons(w, m, water, energy, &c, err)) != SP_OK ||
	    (st = fill_electrons(w, m, water, energy, &c, err)) != SP_OK)
		goto cleanup;
	*out = w;
	w = NULL;
cleanup:
	sp_reference_water_destroy(w);
	return st;
}

void sp_reference_water_destroy(sp_reference_water *w)
{
	free(w);
}
