/* What electrons' and positrons' discrete collisions sample on the device against the formulas; the kernels' side is
 * cl_kernels/mc_electron.h. */
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
#define CUT_MEV 0.2

static double momentum(double kinetic_mev)
{
	return sqrt(kinetic_mev * (kinetic_mev + 2.0 * ELECTRON_MEV));
}

/* Moller, Ann. Phys. 406 (1932) 531; ICRU 37, eq. 2.9, in s = ln of the share of energy. */
static double moller(double s, const double *kinetic_mev)
{
	double tau = kinetic_mev[0] / ELECTRON_MEV, x = exp(s), y = 1.0 - x;

	return x * (1.0 / (x * x) + 1.0 / (y * y) + pow(tau / (tau + 1.0), 2.0) -
	            (2.0 * tau + 1.0) / ((tau + 1.0) * (tau + 1.0)) / (x * y));
}

static void knock_on_electrons_follow_moller(void **state)
{
	/* the first ones are just above twice the cut, below which there are none */
	static const float energies[MC_LANES] = {0.401f, 0.42f, 0.5f, 0.6f, 0.8f, 1.0f,  1.3f,  1.7f,
	                                         2.2f,   3.0f,  4.0f, 6.0f, 8.0f, 11.0f, 15.0f, 19.0f};
	mc_rig *r = *state;
	size_t n = r->samples;
	cl_uint seed = 51;
	cl_float cut = (cl_float)CUT_MEV;
	cl_mem buffer = mc_buffer(r, sizeof energies, energies);
	const sp_argument a[] = {SP_ARG(seed), SP_ARG(cut), SP_ARG(buffer)};
	float *s = mc_run(r, "moller_samples", n, 3 * MC_LANES * n, a, 3);
	double *share = malloc(n * sizeof *share);
	mc_distribution *d = malloc(sizeof *d);

	for (size_t l = 0; l < MC_LANES; l++) {
		double t = (double)energies[l];

		mc_distribution_make(d, moller, &t, log(CUT_MEV / t), log(0.5));
		for (size_t i = 0; i < n; i++) {
			double x = (double)s[l * n + i], p = momentum(t), p1 = momentum(x * t),
			       p2 = momentum(t - x * t);
			double c1 = (double)s[(MC_LANES + l) * n + i], c2 = (double)s[(2 * MC_LANES + l) * n + i];

			/* momentum is conserved along the electron's direction and across */
			assert_near((p1 * c1 + p2 * c2) / p, 1.0, 3e-6);
			assert_near((p1 * sqrt(1.0 - c1 * c1) - p2 * sqrt(1.0 - c2 * c2)) / p, 0.0, 3e-4);
			share[i] = mc_distribution_share(d, log(x));
		}
		/* near the threshold floats of the share lie 3e-8 apart, in an interval of 1e-3 */
		assert_uniform(share, n, "Moller", t);
	}
	free(d);
	free(share);
	free(s);
	mc_free_buffers(r);
}

/* Bhabha, Proc. R. Soc. A 154 (1936) 195; ICRU 37, eq. 2.13, in s = ln of the share of energy. */
static double bhabha(double s, const double *kinetic_mev)
{
	double gamma = 1.0 + kinetic_mev[0] / ELECTRON_MEV, y = 1.0 / (gamma + 1.0), x = exp(s), z = 1.0 - 2.0 * y;
	double beta2 = 1.0 - 1.0 / (gamma * gamma);

	return 1.0 / (beta2 * x) - (2.0 - y * y) + z * (3.0 + y * y) * x - (z * z + z * z * z) * x * x +
	       z * z * z * x * x * x;
}

static void knock_on_electrons_of_positrons_follow_bhabha(void **state)
{
	/* the first ones are just above the cut, below which there are none */
	static const float energies[MC_LANES] = {0.21f, 0.25f, 0.3f, 0.4f, 0.6f, 1.0f,  1.3f,  1.7f,
	                                         2.2f,  3.0f,  4.0f, 6.0f, 8.0f, 11.0f, 15.0f, 19.0f};
	mc_rig *r = *state;
	size_t n = r->samples;
	cl_uint seed = 57;
	cl_float cut = (cl_float)CUT_MEV;
	cl_mem buffer = mc_buffer(r, sizeof energies, energies);
	const sp_argument a[] = {SP_ARG(seed), SP_ARG(cut), SP_ARG(buffer)};
	float *s = mc_run(r, "bhabha_samples", n, MC_LANES * n, a, 3);
	double *share = malloc(n * sizeof *share);
	mc_distribution *d = malloc(sizeof *d);

	for (size_t l = 0; l < MC_LANES; l++) {
		double t = (double)energies[l];

		mc_distribution_make(d, bhabha, &t, log(CUT_MEV / t), 0.0);
		for (size_t i = 0; i < n; i++)
			share[i] = mc_distribution_share(d, log((double)s[l * n + i]));
		assert_uniform(share, n, "Bhabha", t);
	}
	free(d);
	free(share);
	free(s);
	mc_free_buffers(r);
}

/* Heitler, The Quantum Theory of Radiation, sec. 27, per share of t + 2 mc2, in s = ln of it. */
static double annihilation(double s, const double *kinetic_mev)
{
	double g1 = 2.0 + kinetic_mev[0] / ELECTRON_MEV, x = exp(s);

	return 1.0 + 2.0 * (g1 - 1.0) / (g1 * g1) - x - 1.0 / (g1 * g1 * x);
}

static void annihilation_in_flight_follows_heitler_and_conserves_momentum(void **state)
{
	static const double energies[] = {0.05, 0.2, 1.0, 5.0, 15.0};
	mc_rig *r = *state;
	size_t n = r->samples;
	double *share = malloc(n * sizeof *share);
	mc_distribution *d = malloc(sizeof *d);

	for (cl_uint e = 0; e < 5; e++) {
		double t = energies[e], both = t + 2.0 * ELECTRON_MEV, tau = t / ELECTRON_MEV, p = momentum(t);
		double low = 0.5 * (1.0 - sqrt(tau / (tau + 2.0)));
		cl_uint seed = 61 + e;
		cl_float energy = (cl_float)t;
		const sp_argument a[] = {SP_ARG(seed), SP_ARG(energy)};
		float *s = mc_run(r, "annihilation_samples", n, 3 * n, a, 2);

		mc_distribution_make(d, annihilation, &t, log(low), log(1.0 - low));
		for (size_t i = 0; i < n; i++) {
			double k = (double)s[i], c = (double)s[n + i], k2 = both - k, c2 = (double)s[2 * n + i];

			/* energies add up by construction; momenta: floats, magnified by the largest over the
			 * positron's */
			assert_near((k * c + k2 * c2) / both, p / both, 2e-6);
			assert_near(k * sqrt(1.0 - c * c) / both, k2 * sqrt(1.0 - c2 * c2) / both, 1e-3);
			share[i] = mc_distribution_share(d, log(k / both));
		}
		assert_uniform(share, n, "annihilation", t);
		free(s);
	}
	free(d);
	free(share);
}

typedef struct {
	sp_brems shape;
	double kinetic_mev, cut;
} brems_parameters;

/* k dsigma/dk of Seltzer and Berger, At. Data Nucl. Data Tables 35 (1986) 345, in s = ln k. */
static double brems(double s, const double *parameters)
{
	const brems_parameters *p = (const void *)parameters;
	double x = exp(s) / p->kinetic_mev;
	int j = 0;

	while (j < SP_BREMS_POINTS - 2 && x >= p->shape.k_over_t[j + 1])
		j++;
	return p->shape.k_dsigma_dk[j] + (p->shape.k_dsigma_dk[j + 1] - p->shape.k_dsigma_dk[j]) *
	                                         (x - p->shape.k_over_t[j]) /
	                                         (p->shape.k_over_t[j + 1] - p->shape.k_over_t[j]);
}

static void bremsstrahlung_follows_seltzer_and_berger(void **state)
{
	static const float energies[MC_LANES] = {0.21f, 0.5f, 1.0f, 2.0f, 3.3f,  5.0f, 9.0f,  19.0f,
	                                         0.3f,  0.7f, 1.4f, 2.6f, 4.25f, 7.0f, 12.0f, 17.0f};
	static const cl_uint materials[MC_LANES] = {
	        MC_WATER,    MC_WATER,    MC_WATER,    MC_WATER,    MC_WATER,    MC_WATER,    MC_WATER,    MC_WATER,
	        MC_TITANIUM, MC_TITANIUM, MC_TITANIUM, MC_TITANIUM, MC_TITANIUM, MC_TITANIUM, MC_TITANIUM, MC_BONE};
	mc_rig *r = *state;
	size_t n = r->samples;
	cl_uint seed = 71;
	sp_mc_setup setup = {.photon_cut = 0.05f};
	cl_mem set_up = mc_buffer(r, sizeof setup, &setup),
	       table = mc_buffer(r, r->tables.n_materials * SP_MC_BREMS_ENERGIES * SP_MC_BREMS_SHARES * sizeof(float),
	                         r->tables.brems),
	       energy = mc_buffer(r, sizeof energies, energies), material = mc_buffer(r, sizeof materials, materials);
	const sp_argument a[] = {SP_ARG(seed), SP_ARG(set_up), SP_ARG(table), SP_ARG(energy), SP_ARG(material)};
	float *s = mc_run(r, "brems_samples", n, MC_LANES * n, a, 5);
	double *share = malloc(n * sizeof *share);
	mc_distribution *d = malloc(sizeof *d);

	for (size_t l = 0; l < MC_LANES; l++) {
		brems_parameters p = {.kinetic_mev = (double)energies[l], .cut = 0.05};
		int index = sp_matter_find(r->matter, mc_material_names[materials[l]]);
		double mean = 0.0, expected = 0.0, sum = 0.0;

		assert_int_equal(sp_matter_brems(&p.shape, r->matter, index, &p.kinetic_mev, 1, NULL), SP_OK);
		mc_distribution_make(d, brems, (const double *)&p, log(p.cut), log(p.kinetic_mev));
		for (size_t i = 0; i < n; i++) {
			share[i] = mc_distribution_share(d, log((double)s[l * n + i]));
			mean += (double)s[l * n + i] / (double)n;
		}
		for (int i = 0; i < 10000; i++) {
			double x = log(p.cut) + (i + 0.5) / 10000 * log(p.kinetic_mev / p.cut),
			       w = brems(x, (double *)&p);

			expected += w * exp(x);
			sum += w;
		}
		/* quantiles at 129 shares, straight lines between, those of the nearest of 4 energies an octave */
		assert_uniform_within(share, n, 0.003, "Seltzer-Berger", p.kinetic_mev);
		if (getenv("MC_TEST_PRINT"))
			print_message("mean photon: %.5f of Seltzer and Berger's\n", mean * sum / expected);
		/* the mean photon: 1 % from the nearest row, and 5 sigma, where sigma is at most 1.8 times the mean */
		assert_near(mean * sum / expected, 1.0, 0.010 + 5.0 * 1.8 / sqrt((double)n));
	}
	free(d);
	free(share);
	free(s);
	mc_free_buffers(r);
}

/* Two photons of mc2, back to back, in any direction alike, for all lanes from one that is chosen by weight. */
static void positrons_at_rest_send_off_two_photons(void **state)
{
	static const float weights[MC_LANES] = {1.0f, 0.0f, 0.0f, 3.0f};
	mc_rig *r = *state;
	size_t n = r->samples, first = 0;
	cl_uint seed = 91;
	cl_mem buffer = mc_buffer(r, sizeof weights, weights);
	const sp_argument a[] = {SP_ARG(seed), SP_ARG(buffer)};
	float *s = mc_run(r, "rest_samples", n, 12 * n, a, 2);
	double *cosine = malloc(n * sizeof *cosine), *azimuth = malloc(n * sizeof *azimuth);

	assert_true(cosine && azimuth);
	for (size_t i = 0; i < n; i++) {
		const float *p = s + i;

		assert_true(p[0] == 0.0f || p[0] == 3.0f);
		first += p[0] == 0.0f;
		for (size_t k = 0; k < 2; k++) {
			assert_near((double)p[(6 * k + 4) * n], ELECTRON_MEV, 1e-6);
			assert_near((double)p[(6 * k + 5) * n], 4.0, 1e-6);
			assert_near((double)p[6 * k * n], (double)p[0], 0.0);
		}
		for (size_t c = 1; c < 4; c++)
			assert_near((double)p[c * n] + (double)p[(6 + c) * n], 0.0, 2e-6);
		cosine[i] = 0.5 + 0.5 * (double)p[3 * n];
		azimuth[i] = 0.5 + atan2((double)p[2 * n], (double)p[n]) / (2.0 * 3.14159265358979323846);
	}
	assert_uniform(cosine, n, "cosine of annihilation at rest", ELECTRON_MEV);
	assert_uniform(azimuth, n, "azimuth of annihilation at rest", ELECTRON_MEV);
	/* a quarter of the weight; 5 sigma */
	assert_near((double)first / (double)n, 0.25, 5.0 * sqrt(0.25 * 0.75 / (double)n));
	free(cosine);
	free(azimuth);
	free(s);
	mc_free_buffers(r);
}

static void a_lane_is_chosen_by_its_weight(void **state)
{
	static const float weights[MC_LANES] = {0.0f, 1.0f,  0.25f, 3.0f, 0.0f, 0.0f, 7.0f, 0.5f,
	                                        2.0f, 0.01f, 0.0f,  4.0f, 1.0f, 1.0f, 0.3f, 0.0f};
	mc_rig *r = *state;
	size_t n = r->samples, count[MC_LANES] = {0};
	cl_uint seed = 81;
	cl_mem buffer = mc_buffer(r, sizeof weights, weights);
	const sp_argument a[] = {SP_ARG(seed), SP_ARG(buffer)};
	float *s = mc_run(r, "chosen_lanes", n, 2 * n, a, 2);
	double chi2 = 0.0, sum = 20.06;

	for (size_t i = 0; i < n; i++) {
		count[(size_t)s[i]]++;
		assert_near((double)s[n + i], sum, 1e-5);
	}
	for (int l = 0; l < MC_LANES; l++) {
		double expected = (double)n * (double)weights[l] / sum;

		if (weights[l] == 0.0f)
			assert_int_equal(count[l], 0);
		else
			chi2 += pow((double)count[l] - expected, 2.0) / fmax(expected, 1.0);
	}
	/* 11 degrees of freedom: 50 is passed once in 2e6 */
	if (!(chi2 <= 50.0))
		fail_msg("chi-square %.1f for 12 lanes", chi2);
	free(s);
	mc_free_buffers(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(knock_on_electrons_follow_moller),
	        cmocka_unit_test(knock_on_electrons_of_positrons_follow_bhabha),
	        cmocka_unit_test(annihilation_in_flight_follows_heitler_and_conserves_momentum),
	        cmocka_unit_test(bremsstrahlung_follows_seltzer_and_berger),
	        cmocka_unit_test(positrons_at_rest_send_off_two_photons),
	        cmocka_unit_test(a_lane_is_chosen_by_its_weight),
	};

	return cmocka_run_group_tests_name("mc electron collisions", tests, mc_rig_set_up, mc_rig_tear_down);
}
