/* Collision stopping power of any mixture: Berger and Seltzer's formula (NBSIR 82-2550, ICRU 37) with
 * Bragg's rule for the mean excitation energy and Sternheimer's model of the density effect (Phys. Rev. 88 (1952) 851;
 * Sternheimer, Berger, Seltzer, At. Data Nucl. Data Tables 30 (1984) 261), from which ICRU 37's tables were made. */
#include "alloc.h"
#include "matter_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ELECTRON_MEV 0.51099895
#define BETHE 0.153536       /* MeV cm2/mol: pi r_e2 mc2 N_A */
#define PLASMA_EV 28.816     /* plasma energy of 1 mol of electrons per cm3 */
#define LIQUID_G_CM3 0.1     /* nothing that is thinner holds together */
#define ALLOY_NONMETALS 0.01 /* by weight, in steel for example */
#define THINNEST_G_CM3 1e-6  /* for the density effect of a vacuum */

/* Elements whose presence tells a compound from an alloy. Silicon does not. */
static bool is_nonmetal(int z)
{
	return z == 1 || (z >= 6 && z <= 9) || (z >= 15 && z <= 18) || z == 34 || z == 53;
}

static bool is_metal(int z)
{
	return !is_nonmetal(z) && z != 14;
}

/* What gases at room temperature are made of. */
static bool is_gaseous(int z)
{
	return is_nonmetal(z) && z <= 18 && z != 15 && z != 16;
}

typedef enum { PURE, GAS, ALLOY, COMPOUND } bonding;

static bonding bonding_of(const material *one)
{
	double gas = 0.0, nonmetal = 0.0;

	for (int z = 1; z <= SP_MATTER_MAX_Z; z++) {
		if (one->weight[z] > 1.0 - 1e-9)
			return is_metal(z) ? ALLOY : PURE;
		gas += is_gaseous(z) ? one->weight[z] : 0.0;
		nonmetal += is_nonmetal(z) ? one->weight[z] : 0.0;
	}
	if (gas > 1.0 - 1e-9 && one->density_g_cm3 < LIQUID_G_CM3)
		return GAS;
	return nonmetal < ALLOY_NONMETALS ? ALLOY : COMPOUND;
}

/* ICRU 37: constituents of compounds, liquid and solid ones and gases. Of the elements' own values only
 * carbon's is not a gas's. */
static double constituent_excitation_ev(int z, bonding b)
{
	if (b == GAS && z == 6)
		return 70.0;
	if (b != COMPOUND)
		return matter_element_excitation_ev(z);
	switch (z) {
	case 1:
		return 19.2;
	case 6:
		return 81.0;
	case 7:
		return 82.0;
	case 8:
		return 106.0;
	case 9:
		return 112.0;
	case 17:
		return 180.0;
	default:
		return 1.13 * matter_element_excitation_ev(z);
	}
}

double matter_excitation_ev(const material *one)
{
	bonding b = bonding_of(one);
	double sum = 0.0;

	for (int z = 1; z <= SP_MATTER_MAX_Z; z++)
		if (one->weight[z] > 0.0)
			sum += one->weight[z] * z / sp_matter_atomic_weight(z) * log(constituent_excitation_ev(z, b));
	return exp(sum / one->z_over_a);
}

sp_status matter_read_shells(sp_matter *m, sp_error *err)
{
	sp_csv csv;
	sp_status st;

	if ((st = matter_open_table(&csv, "shells.csv", err)) != SP_OK ||
	    (st = matter_find_elements(m->shells_of, &csv, err)) != SP_OK)
		goto cleanup;
	if (!(m->shells = sp_alloc_array(csv.n_rows, sizeof *m->shells)))
		st = sp_fail(err, SP_NO_MEMORY, "no memory for atomic shells");
	for (size_t row = 0; st == SP_OK && row < csv.n_rows; row++)
		if ((st = sp_csv_number(&m->shells[row].electrons, &csv, row, 1, err)) == SP_OK)
			st = sp_csv_number(&m->shells[row].ev, &csv, row, 2, err);
cleanup:
	sp_csv_finish(&csv);
	return st;
}

/* Sternheimer's oscillators, energies in units of the plasma energy. */
typedef struct {
	double share; /* of all electrons */
	double nu2;   /* squared energy of the sub-shell times Sternheimer's factor; 0: conduction electrons */
	double l2;    /* the same raised by the polarisation of its own electrons */
} oscillator;

static sp_status make_oscillators(oscillator **out, size_t *n_out, const sp_matter *m, const material *one,
                                  double plasma_ev, sp_error *err)
{
	bool conducts = bonding_of(one) == ALLOY;
	size_t n = 0;

	*out = NULL;
	*n_out = 0;
	for (int z = 1; z <= SP_MATTER_MAX_Z; z++) {
		size_t rows = m->shells_of[z].end - m->shells_of[z].first;

		if (one->weight[z] > 0.0 && rows == 0)
			return sp_fail(err, SP_FAILED, "shells.csv holds nothing for Z = %d", z);
		n += one->weight[z] > 0.0 ? rows : 0;
	}
	if (!(*out = sp_alloc_array(n, sizeof **out)))
		return sp_fail(err, SP_NO_MEMORY, "no memory for the density effect");
	*n_out = n;
	n = 0;
	for (int z = 1; z <= SP_MATTER_MAX_Z; z++)
		for (size_t row = m->shells_of[z].first; one->weight[z] > 0.0 && row < m->shells_of[z].end; row++) {
			bool free_electrons = conducts && is_metal(z) && row + 1 == m->shells_of[z].end;
			double nu = free_electrons ? 0.0 : m->shells[row].ev / plasma_ev;

			(*out)[n++] = (oscillator){one->weight[z] / sp_matter_atomic_weight(z) *
			                                   m->shells[row].electrons / one->z_over_a,
			                           nu * nu, 0.0};
		}
	return SP_OK;
}

/* Conduction electrons: the whole plasma energy of their own density. */
static double raised(const oscillator *o, double factor2)
{
	return o->nu2 > 0.0 ? factor2 * o->nu2 + 2.0 / 3.0 * o->share : o->share;
}

/* Scales the sub-shells' energies so that the oscillators have the mean excitation energy. */
static void fit_oscillators(oscillator *o, size_t n, double excitation_ev, double plasma_ev)
{
	double low = 1e-4, high = 1e4, wanted = 2.0 * log(excitation_ev / plasma_ev);

	for (int step = 0; step < 60; step++) {
		double middle = sqrt(low * high), sum = 0.0;

		for (size_t i = 0; i < n; i++)
			sum += o[i].share * log(raised(o + i, middle));
		if (sum > wanted)
			high = middle;
		else
			low = middle;
	}
	for (size_t i = 0; i < n; i++) {
		o[i].l2 = raised(o + i, low);
		o[i].nu2 *= low;
	}
}

/* The density effect: l2 solves sum of share/(nu2 + l2) = 1/beta2 - 1. */
static double density_effect(const oscillator *o, size_t n, double beta2)
{
	double wanted = 1.0 / beta2 - 1.0, l2, mean = 0.0, free_share = 0.0, at_0 = 0.0, delta;

	for (size_t i = 0; i < n; i++) {
		mean += o[i].share * o[i].nu2;
		free_share += o[i].nu2 > 0.0 ? 0.0 : o[i].share;
		at_0 += o[i].nu2 > 0.0 ? o[i].share / o[i].nu2 : INFINITY;
	}
	if (at_0 <= wanted) /* an insulator too slow to have any */
		return 0.0;
	/* The reciprocal of the sum is concave in l2: Newton's steps approach from below and never pass. */
	l2 = fmax(0.0, fmax(1.0 / wanted - mean, free_share / wanted));
	for (int step = 0; step < 50; step++) {
		double sum = 0.0, slope = 0.0, move;

		for (size_t i = 0; i < n; i++) {
			double part = 1.0 / (o[i].nu2 + l2);

			sum += o[i].share * part;
			slope += o[i].share * part * part;
		}
		move = (sum / wanted - 1.0) * sum / slope;
		l2 += move;
		if (!(fabs(move) > 1e-10 * l2))
			break;
	}
	delta = -l2 * (1.0 - beta2);
	for (size_t i = 0; i < n; i++)
		delta += o[i].share * log1p(l2 / o[i].l2);
	return delta;
}

sp_status matter_formula_stopping(double *out, const sp_matter *m, const material *one, double excitation_ev,
                                  const double *energy_mev, size_t n, sp_error *err)
{
	double plasma_ev = PLASMA_EV * sqrt(fmax(one->density_g_cm3, THINNEST_G_CM3) * one->z_over_a);
	double excitation = excitation_ev * 1e-6 / ELECTRON_MEV;
	oscillator *o;
	size_t n_oscillators;
	sp_status st = make_oscillators(&o, &n_oscillators, m, one, plasma_ev, err);

	if (st != SP_OK)
		return st;
	fit_oscillators(o, n_oscillators, excitation_ev, plasma_ev);
	for (size_t i = 0; i < n; i++) {
		double tau = energy_mev[i] / ELECTRON_MEV, gamma = 1.0 + tau, beta2 = 1.0 - 1.0 / (gamma * gamma);
		double f = 1.0 - beta2 + (tau * tau / 8.0 - (2.0 * tau + 1.0) * log(2.0)) / (gamma * gamma);

		out[i] = BETHE * one->z_over_a / beta2 *
		         (log(tau * tau * (tau + 2.0) / (2.0 * excitation * excitation)) + f -
		          density_effect(o, n_oscillators, beta2));
	}
	free(o);
	return SP_OK;
}
