/* What the files of the reference transport share. Energies MeV, lengths cm. */
#ifndef SP_REFERENCE_INTERNAL_H
#define SP_REFERENCE_INTERNAL_H

#include "cross_sections.h"
#include "mc_tables_internal.h"
#include "random.h"
#include "reference_water.h"

#include <math.h>

#define ELECTRON_MEV 0.51099895
#define PI 3.14159265358979323846

/* Cut-offs. An electron of 50 keV goes 0.04 mm in water, a photon of 10 keV 2 mm. */
#define PHOTON_CUT 0.010   /* photons below are absorbed on the spot, bremsstrahlung below is continuous loss */
#define ELECTRON_CUT 0.050 /* electrons below stop on the spot, knock-on electrons below are continuous loss */
#define MAX_LOSS 0.08      /* share of its energy that an electron may lose in one step */
#define HARD_ELASTIC 0.1   /* mean free path of single large-angle scattering, in transport mean free paths */

enum { N_ENERGIES = 1024, N_ELASTIC = 2 };
#define MIN_MEV 0.009
#define MAX_MEV 29.9

typedef struct {
	double incoherent, photoelectric, pair; /* 1/cm */
} photon_row;

typedef struct {
	double loss;               /* continuous: collisions below ELECTRON_CUT, photons below PHOTON_CUT; MeV/cm */
	double positron_loss;      /* the same of positrons, whose knock-on electrons are sampled as electrons' are */
	double moller, brems;      /* discrete, 1/cm */
	double elastic[N_ELASTIC]; /* single scattering above mu_hard by H and O, majorant without spin factor, 1/cm */
	double mu_hard;            /* mu = (1 - cos theta) / 2 from which scattering is single */
	double screening[N_ELASTIC];
	double annihilation; /* of positrons in flight, 1/cm */
	double g1, g2;       /* 1 - <P1>, 1 - <P2> of all continuous scattering, 1/cm (first order in path length) */
} electron_row;

struct sp_reference_water {
	photon_row photon[N_ENERGIES];
	electron_row electron[N_ENERGIES];
	struct brems_shape {
		double k_over_t[SP_BREMS_POINTS], value[SP_BREMS_POINTS], max; /* k dSigma/dk */
	} brems[N_ENERGIES];
};

enum { PHOTON, ELECTRON, POSITRON };

typedef struct {
	double x[3], u[3], energy;
	double top; /* least depth that it or any of its ancestors reached, relative to the first interaction */
	int kind;
} particle;

static inline double grid_energy(size_t i)
{
	return MIN_MEV * pow(MAX_MEV / MIN_MEV, (double)i / (N_ENERGIES - 1));
}

/* Index of the grid point below e and the fraction (0..1) of the way to the next one. */
static inline size_t grid_find(double e, double *fraction)
{
	double x = log(e / MIN_MEV) * ((N_ENERGIES - 1) / log(MAX_MEV / MIN_MEV));
	size_t i;

	x = x < 0.0 ? 0.0 : x;
	i = x < N_ENERGIES - 2 ? (size_t)x : N_ENERGIES - 2;
	*fraction = x - (double)i;
	return i;
}

photon_row photon_at(const sp_reference_water *w, double energy);
electron_row electron_at(const sp_reference_water *w, double energy);

/* McKinley and Feshbach's spin factor of elastic scattering of electrons on charge z. */
double spin_factor(double mu, double beta2, double z);

/* Turns a direction by the polar angle and an azimuth. */
void turn(double u[3], double cos_theta, double phi);

/* Compton scattering after Klein and Nishina: the scattered photon's share of the energy; *cos_theta of the photon. */
double sample_klein_nishina(double *cos_theta, double energy, sp_random *r);

/* Moller scattering of an electron of kinetic energy t: energy of the knock-on electron, ELECTRON_CUT..t/2. */
double sample_moller(double t, sp_random *r);

/* Bremsstrahlung of an electron of kinetic energy t: energy of the photon, PHOTON_CUT..t. */
double sample_brems(const sp_reference_water *w, double t, sp_random *r);

/* Annihilation of a positron of kinetic energy t in flight: one photon's share (1/2..1 or the other's) of t + 2 mc2. */
double sample_annihilation(double t, sp_random *r);

/* mu of a single elastic scattering on element i, or -1 for none (the majorant was too large). */
double sample_elastic(const electron_row *row, double t, int i, sp_random *r);

/* mu of all continuous scattering over a path on which 1 - <P1> and 1 - <P2> add up to g1, g2. */
double sample_soft(double g1, double g2, sp_random *r);

#endif
