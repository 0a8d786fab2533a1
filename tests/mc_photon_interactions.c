/* What photons' interactions sample on the device against the formulas; the kernels' side is cl_kernels/mc_photon.h. */
#include "mc_fixture.h"

#include "cross_sections.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#define ELECTRON_MEV 0.51099895
#define PI 3.14159265358979323846

static double beta_of(double kinetic_mev)
{
	double gamma = 1.0 + kinetic_mev / ELECTRON_MEV;

	return sqrt(1.0 - 1.0 / (gamma * gamma));
}

/* Samples of a kernel whose arguments are seed and a float. */
static float *draw_samples(mc_rig *r, const char *kernel, size_t columns, cl_uint seed, double parameter)
{
	cl_float value = (cl_float)parameter;
	const sp_argument a[] = {SP_ARG(seed), SP_ARG(value)};

	return mc_run(r, kernel, r->samples, columns * r->samples, a, 2);
}

static void assert_follows(mc_rig *r, const float *sample, double (*density)(double, const double *),
                           const double *parameters, double low, double high, const char *what)
{
	mc_distribution *d = malloc(sizeof *d);
	double *share = malloc(r->samples * sizeof *share);

	assert_non_null(d);
	assert_non_null(share);
	mc_distribution_make(d, density, parameters, low, high);
	for (size_t i = 0; i < r->samples; i++)
		share[i] = mc_distribution_share(d, (double)sample[i]);
	assert_uniform(share, r->samples, what, parameters[0]);
	free(share);
	free(d);
}

/* Klein and Nishina, Z. Phys. 52 (1929) 853, per share of energy that the photon keeps. */
static double klein_nishina(double share, const double *energy_mev)
{
	double x = (1.0 / share - 1.0) * ELECTRON_MEV / energy_mev[0]; /* 1 - cosine */

	return share + 1.0 / share - x * (2.0 - x);
}

static void compton_scattering_follows_klein_nishina(void **state)
{
	static const double energies[] = {0.06, 0.3, 1.25, 6.0, 18.0};
	mc_rig *r = *state;

	for (cl_uint e = 0; e < 5; e++) {
		double k = energies[e] / ELECTRON_MEV;
		float *s = draw_samples(r, "compton_samples", 2, 11 + e, energies[e]);

		/* Compton's relation; floats round the share, whose part 1 - share is divided by k */
		for (size_t i = 0; i < r->samples; i++)
			assert_near((double)s[i] * (1.0 + k * (1.0 - (double)s[r->samples + i])), 1.0,
			            5e-7 * (2.0 + k));
		assert_follows(r, s, klein_nishina, energies + e, 1.0 / (1.0 + 2.0 * k), 1.0, "Klein-Nishina");
		free(s);
	}
}

/* Sauter, Ann. Phys. 403 (1931) 454, K shell, without its term in gamma (gamma - 1)(gamma - 2), as the transport has
 * it. */
static double sauter(double cosine, const double *energy_mev)
{
	return (1.0 - cosine * cosine) / pow(1.0 - beta_of(energy_mev[0]) * cosine, 4.0);
}

static void photoelectrons_follow_sauter(void **state)
{
	static const double energies[] = {0.06, 0.2, 1.0, 3.0};
	mc_rig *r = *state;

	for (cl_uint e = 0; e < 4; e++) {
		float *s = draw_samples(r, "photoelectron_samples", 1, 21 + e, energies[e]);

		assert_follows(r, s, sauter, energies + e, -1.0, 1.0, "Sauter");
		free(s);
	}
}

/* p ~ 1/(1 - beta cosine)^2: leading term of the angles of pairs (Motz, Olsen, Koch, Rev. Mod. Phys. 41 (1969) 581);
 * its distribution function. */
static double pair_cosine_share(double cosine, double energy_mev)
{
	double b = beta_of(energy_mev);

	return (1.0 - b * b) / (2.0 * b) * (1.0 / (1.0 - b * cosine) - 1.0 / (1.0 + b));
}

static double pair_share(double x, const double *energy_mev)
{
	return sp_mc_pair_density(energy_mev[0], x);
}

static void pairs_share_energy_as_bethe_and_heitler_say(void **state)
{
	static const double energies[] = {1.3, 2.0, 3.4, 6.0, 10.0, 17.0};
	mc_rig *r = *state;
	mc_distribution *d = malloc(sizeof *d);
	double *share = malloc(r->samples * sizeof *share);

	assert_non_null(d);
	assert_non_null(share);
	for (cl_uint e = 0; e < 6; e++) {
		cl_uint seed = 31 + e;
		cl_float energy = (cl_float)energies[e];
		cl_mem table = mc_buffer(r, sizeof r->tables.pair_share, r->tables.pair_share);
		const sp_argument a[] = {SP_ARG(seed), SP_ARG(energy), SP_ARG(table)};
		float *s = mc_run(r, "pair_samples", r->samples, 2 * r->samples, a, 3);

		mc_distribution_make(d, pair_share, energies + e, 0.0, 1.0);
		for (size_t i = 0; i < r->samples; i++)
			share[i] = mc_distribution_share(d, (double)s[i]);
		/* quantiles at 33 shares and 2 energies an octave, straight lines between */
		assert_uniform_within(share, r->samples, 0.003, "Bethe-Heitler", energies[e]);
		for (size_t i = 0; i < r->samples; i++)
			share[i] = pair_cosine_share((double)s[r->samples + i], energies[e]);
		assert_uniform(share, r->samples, "angle of pairs", energies[e]);
		free(s);
		mc_free_buffers(r);
	}
	free(share);
	free(d);
}

/* The density's integral is Bethe and Heitler's cross-section of nuclei. Born's approximation lacks the Coulomb
 * correction and screening, which nearly cancel in water: 2 % at 1.5 MeV, 1 % at 10 MeV. Towards the highest energies
 * it becomes 28/9 ln 2k - 218/27 in units of alpha re^2 Z^2 (Heitler, sec. 26, eq. 10). */
static void pair_density_gives_the_cross_section_of_xcom(void **state)
{
	enum { STEPS = 4000 };
	static const double energies[] = {1.5, 4.0, 6.0, 10.0, 20.0};
	mc_rig *r = *state;
	int water = sp_matter_find(r->matter, "water");
	const double *weight = sp_matter_weights(r->matter, water);
	double z2 = weight[1] / sp_matter_atomic_weight(1) + weight[8] * 64.0 / sp_matter_atomic_weight(8);

	for (int e = 0; e < 5; e++) {
		double sum = 0.0, sigma;
		sp_attenuation mu;

		for (int i = 0; i < STEPS; i++)
			sum += sp_mc_pair_density(energies[e], (i + 0.5) / STEPS) / STEPS;
		/* alpha re^2 Z^2 per unit of E+ / mc2 */
		sigma = 6.02214076e23 * z2 / 137.035999 * pow(2.8179403e-13, 2.0) * sum *
		        (energies[e] / ELECTRON_MEV - 2.0);
		assert_int_equal(sp_matter_attenuation(&mu, r->matter, water, energies + e, 1, NULL), SP_OK);
		if (getenv("MC_TEST_PRINT"))
			print_message("pairs at %g MeV: %.4f of XCOM\n", energies[e], sigma / mu.pair_nuclear);
		assert_near(sigma / mu.pair_nuclear, 1.0, 0.02);
	}
	{
		double k = 1000.0 / ELECTRON_MEV, sum = 0.0;

		for (int i = 0; i < 50 * STEPS; i++)
			sum += sp_mc_pair_density(1000.0, (i + 0.5) / (50 * STEPS)) / (50 * STEPS);
		assert_near(sum * (k - 2.0), 28.0 / 9.0 * log(2.0 * k) - 218.0 / 27.0, 1e-3);
	}
}

/* ln(1 + width x) as variable: its density is flat but for the Thomson factor and one power of the form factor. */
static double rayleigh(double s, const double *width)
{
	double x = expm1(s) / width[0];

	return (1.0 + (1.0 - x) * (1.0 - x)) / (1.0 + width[0] * x);
}

static void coherent_scattering_follows_its_form_factor(void **state)
{
	static const double widths[] = {0.8, 25.0, 900.0, 40000.0};
	mc_rig *r = *state;

	for (cl_uint e = 0; e < 4; e++) {
		float *x = draw_samples(r, "rayleigh_samples", 1, 41 + e, widths[e]);

		for (size_t i = 0; i < r->samples; i++)
			x[i] = (float)log1p(widths[e] * (double)x[i]);
		assert_follows(r, x, rayleigh, widths + e, 0.0, log1p(2.0 * widths[e]), "Rayleigh");
		free(x);
	}
}

/* pi re^2 (1 + cosine^2) Z^2 F^2 integrates to XCOM's coherent cross-section with the width of the tables, and the mean
 * cosine is forward, the more so the higher the energy. Every eighth row is solved for, 1e-3 (200 steps of
 * the table's integral); the rows between, straight lines across an eighth of an octave, are good to 1 %. */
static void form_factor_gives_the_coherent_cross_section(void **state)
{
	enum { STEPS = 20000 };
	static const int materials[] = {MC_WATER, MC_BONE, MC_TITANIUM};
	mc_rig *r = *state;

	for (int m = 0; m < 3; m++) {
		int index = sp_matter_find(r->matter, mc_material_names[materials[m]]);
		const double *weight = sp_matter_weights(r->matter, index);
		double z2 = 0.0, before = -1.0;

		for (int z = 1; z <= SP_MATTER_MAX_Z; z++)
			if (weight[z] > 0.0)
				z2 += weight[z] * z * z / sp_matter_atomic_weight(z);
		for (size_t row = 192; row < 520; row += 20) { /* 62 keV to 2 MeV */
			double energy = ldexp(1.0 + (double)(row % 64) / 64.0, (int)(row / 64) + SP_MC_ENERGY_LOG2);
			double width = (double)r->tables.rayleigh[row * r->tables.n_materials + (size_t)materials[m]];
			double sum = 0.0, cosine = 0.0, ds = log1p(2.0 * width) / STEPS;
			sp_attenuation mu;

			for (int i = 0; i < STEPS; i++) {
				double s = (i + 0.5) * ds, p = rayleigh(s, &width) * ds / width;

				sum += p;
				cosine += p * (1.0 - expm1(s) / width);
			}
			assert_int_equal(sp_matter_attenuation(&mu, r->matter, index, &energy, 1, NULL), SP_OK);
			assert_near(6.02214076e23 * z2 * PI * pow(2.8179403e-13, 2.0) * sum / mu.coherent, 1.0,
			            row % 8 == 0 ? 1e-3 : 0.01);
			assert_true(cosine / sum > before);
			before = cosine / sum;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(compton_scattering_follows_klein_nishina),
	        cmocka_unit_test(photoelectrons_follow_sauter),
	        cmocka_unit_test(pairs_share_energy_as_bethe_and_heitler_say),
	        cmocka_unit_test(pair_density_gives_the_cross_section_of_xcom),
	        cmocka_unit_test(coherent_scattering_follows_its_form_factor),
	        cmocka_unit_test(form_factor_gives_the_coherent_cross_section),
	};

	return cmocka_run_group_tests_name("mc photon interactions", tests, mc_rig_set_up, mc_rig_tear_down);
}
