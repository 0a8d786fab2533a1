/* Multiple scattering, what a step draws, and turns: cl_kernels/mc_electron.h and make_scattering_table.c. */
#include "mc_fixture.h"

#include "random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define PI 3.14159265358979323846

static double eta_at(int index)
{
	return ldexp(1.0, index + SP_MC_ETA_LOG2);
}

/* The strength in the middle of a column of the table. */
static double strength_at(int column)
{
	return ldexp(1.0 + (column % SP_MC_KS_PER_OCTAVE + 0.5) / SP_MC_KS_PER_OCTAVE,
	             column / SP_MC_KS_PER_OCTAVE + SP_MC_K_LOG2);
}

static double table_y(int node, int eta, int column)
{
	return (double)sp_mc_scattering[(node * SP_MC_ETAS + eta) * SP_MC_KS + column];
}

/* Probability of a node: L is exponential, and goes to its neighbours by how near they are. Integrated by midpoints. */
static double node_share(int node)
{
	enum { STEPS = 2000 };
	double sum = 0.0;

	for (int i = -STEPS; i < (node < SP_MC_NODES - 1 ? STEPS : 0); i++) {
		double l = (node + (i + 0.5) / STEPS) / SP_MC_NODES_PER_L;

		if (l > 0.0)
			sum += exp(-l) * (1.0 - fabs((i + 0.5) / STEPS)) / (STEPS * SP_MC_NODES_PER_L);
	}
	/* the last takes all beyond */
	return node < SP_MC_NODES - 1 ? sum : sum + exp(-(double)node / SP_MC_NODES_PER_L);
}

/* Goudsmit and Saunderson, Phys. Rev. 57 (1940) 24: <P1> = exp(-K), <P2> = exp(-K g2/g1). The table is scaled to the
 * first; the second has to come from its shape: 128 nodes and a grid of 700 angles give 1 - <P2> within 1 %, and within
 * 0.2 % where an electron's step is (K of 0.001 to 0.3). The smallest K hold less than a collision a step where eta is
 * large, and are not looked at: electrons do not come there. */
static void table_has_the_moments_of_goudsmit_and_saunderson(void **state)
{
	double share[SP_MC_NODES], worst = 0.0, worst_usual = 0.0;

	(void)state;
	for (int j = 0; j < SP_MC_NODES; j++)
		share[j] = node_share(j);
	for (int e = 0; e < SP_MC_ETAS; e++)
		for (int i = 0; i < SP_MC_KS; i++) {
			double k = strength_at(i), p1 = 0.0, p2 = 0.0, g1, g2, wrong;

			sp_mc_rutherford_moments(&g1, &g2, eta_at(e));
			if (k < g1 || k > 4.0)
				continue;
			for (int j = 0; j < SP_MC_NODES; j++) {
				double y = fmin(k * table_y(j, e, i), 1.0);

				p1 += share[j] * 2.0 * y;
				p2 += share[j] * 6.0 * y * (1.0 - y);
			}
			assert_near(p1 / -expm1(-k), 1.0, 3e-4);
			wrong = p2 / -expm1(-k * g2 / g1) - 1.0;
			worst = fmax(worst, fabs(wrong));
			if (k > 0.001 && k < 0.3)
				worst_usual = fmax(worst_usual, fabs(wrong));
		}
	if (getenv("MC_TEST_PRINT"))
		print_message("1 - <P2>: %.5f, usually %.5f\n", worst, worst_usual);
	assert_true(worst < 0.01);
	assert_true(worst_usual < 0.002);
}

/* Screened Rutherford scattering, collision by collision, in double precision on the host. */
static double plain_scattering(sp_random *random, double eta, double collisions)
{
	double u[3] = {0.0, 0.0, 1.0};

	for (double left = -log(sp_random_next(random)); left < collisions; left -= log(sp_random_next(random))) {
		double x = sp_random_next(random), y = eta * x / (1.0 + eta - x), c = 1.0 - 2.0 * y;
		double s = 2.0 * sqrt(y * (1.0 - y)), phi = 2.0 * PI * sp_random_next(random), q = hypot(u[0], u[1]);
		double a = s * cos(phi), b = s * sin(phi), cp = q > 0.0 ? u[0] / q : 1.0, sp = q > 0.0 ? u[1] / q : 0.0;
		double v[3] = {u[2] * cp * a - sp * b + u[0] * c, u[2] * sp * a + cp * b + u[1] * c, u[2] * c - q * a};

		memcpy(u, v, sizeof u);
	}
	/* exact for small angles too */
	return u[2] > 0.0 ? 0.25 * (u[0] * u[0] + u[1] * u[1]) / (0.5 * (1.0 + u[2])) : 0.5 * (1.0 - u[2]);
}

/* The table's quantiles are those of collisions sampled one by one, from less than one a step to some tens. The share
 * beyond each quantile: 5 sigma, and for the table 2 % of the share and 0.1 % of all (where nearly all directions are
 * reached, scaling to the right mean moves the last quantiles across y = 1). */
static void table_is_what_single_collisions_add_up_to(void **state)
{
	static const struct {
		int eta, column;
	} cases[] = {{10, 0}, {10, 14}, {14, 24}, {14, 33}, {18, 39}, {18, 50}, {20, 55}, {21, 60}};
	mc_rig *r = *state;
	size_t n = r->small ? 2000 : 100000;

	for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
		double eta = eta_at(cases[c].eta), k = strength_at(cases[c].column), g1, g2, worst = 0.0;
		size_t beyond[SP_MC_NODES] = {0};
		sp_random random;

		sp_mc_rutherford_moments(&g1, &g2, eta);
		sp_random_start(&random, 91, c);
		for (size_t i = 0; i < n; i++) {
			double y = plain_scattering(&random, eta, k / g1);

			for (int j = 0; j < 60 && y > k * table_y(j, cases[c].eta, cases[c].column); j++)
				beyond[j]++;
		}
		for (int j = 0; j < 60; j++) {
			double expected = exp(-(double)j / SP_MC_NODES_PER_L),
			       sigma = sqrt(expected * (1.0 - expected) / (double)n);
			double found = (double)beyond[j] / (double)n;

			/* no collision at all: nothing lies beyond 0 */
			if (table_y(j, cases[c].eta, cases[c].column) == 0.0)
				continue;
			worst = fmax(worst, (fabs(found - expected) - 5.0 * sigma - 0.001) / expected);
		}
		if (getenv("MC_TEST_PRINT"))
			print_message("eta %.3g, K %.3g, %.2f collisions: %.4f beyond 5 sigma\n", eta, k, k / g1,
			              worst);
		if (!(worst < 0.02))
			fail_msg("eta %.3g, K %.3g (%.2f collisions): a quantile's share is wrong by %.3f", eta, k,
			         k / g1, worst);
	}
}

/* What the device draws from the table: <P1> of 16 strengths at once, within 5 sigma and what the width of a column
 * costs: strengths up to 1/9 from its middle share one shape, whose mean falls behind at second order, K/2 * K/9. */
static void device_scatters_by_the_strength_of_the_path(void **state)
{
	static const int etas[] = {4, 9, 13, 20};
	mc_rig *r = *state;
	size_t n = r->samples;
	cl_mem table = mc_buffer(r, sizeof sp_mc_scattering, sp_mc_scattering);

	for (cl_uint e = 0; e < 4; e++) {
		float strengths[MC_LANES];
		double g1, g2;
		cl_float eta = (cl_float)etas[e];
		cl_uint seed = 101 + e;
		cl_mem buffer;

		sp_mc_rutherford_moments(&g1, &g2, eta_at(etas[e]));
		/* up to 1.6 */
		for (int l = 0; l < MC_LANES; l++)
			strengths[l] = (float)fmax(1.6 * pow(0.6, l), 2.0 * g1);
		buffer = mc_buffer(r, sizeof strengths, strengths);
		const sp_argument a[] = {SP_ARG(seed), SP_ARG(eta), SP_ARG(buffer), SP_ARG(table)};
		float *s = mc_run(r, "scattering_samples", n, MC_LANES * n, a, 4);

		for (size_t l = 0; l < MC_LANES; l++) {
			double k = (double)strengths[l], mean = 0.0, square = 0.0, sigma;

			for (size_t i = 0; i < n; i++) {
				double y = (double)s[l * n + i];

				assert_true(y >= 0.0 && y <= 1.0);
				mean += 2.0 * y / (double)n;
				square += 4.0 * y * y / (double)n;
			}
			sigma = sqrt((square - mean * mean) / (double)n);
			assert_near(mean, -expm1(-k), 5.0 * sigma + k * k / 18.0 * exp(-k) + 2e-3 * k);
		}
		free(s);
	}
	mc_free_buffers(r);
}

/* A step's numbers: hinge, acceptance and azimuth uniform, the event exponential, nodes as node_share says. */
static void steps_draw_independent_numbers(void **state)
{
	mc_rig *r = *state;
	size_t n = r->samples, count[64] = {0};
	double *share = malloc(n * sizeof *share), chi2 = 0.0;
	cl_uint seed = 111, step = 2;
	const sp_argument a[] = {SP_ARG(seed), SP_ARG(step)};
	float *s = mc_run(r, "step_samples", n, 7 * n, a, 2);
	const float *hinge = s, *node = s + n, *cosine = s + 2 * n, *sine = s + 3 * n, *event = s + 4 * n,
	            *accept = s + 5 * n;
	int bins = 0;

	for (size_t i = 0; i < n; i++) {
		assert_near((double)(cosine[i] * cosine[i] + sine[i] * sine[i]), 1.0, 1e-5);
		assert_true(s[6 * n + i] == 1.0f);
		count[(size_t)fmin((double)node[i], 63.0)]++;
		share[i] = (double)hinge[i];
	}
	assert_uniform(share, n, "hinge", 0.0);
	for (size_t i = 0; i < n; i++)
		share[i] = (double)accept[i];
	assert_uniform(share, n, "acceptance", 0.0);
	for (size_t i = 0; i < n; i++)
		share[i] = -expm1(-(double)event[i]);
	assert_uniform(share, n, "event", 0.0);
	for (size_t i = 0; i < n; i++)
		share[i] = atan2((double)sine[i], (double)cosine[i]) / (2.0 * PI) + 0.5;
	assert_uniform(share, n, "azimuth", 0.0);
	/* pairs of numbers that would be uniform alone, but not if they were the same or followed one another */
	for (size_t i = 0; i < n; i++)
		share[i] = fmod((double)hinge[i] + (double)accept[i], 1.0);
	assert_uniform(share, n, "hinge and acceptance", 0.0);
	for (size_t i = 0; i < n; i++)
		share[i] = fmod(exp(-(double)event[i]) + (double)hinge[i], 1.0);
	assert_uniform(share, n, "event and hinge", 0.0);
	for (int j = 0; j < 63; j++) {
		double expected = (double)n * node_share(j);

		if (expected < 8.0)
			break;
		chi2 += pow((double)count[j] - expected, 2.0) / expected;
		bins++;
	}
	/* degrees of freedom: bins; this many sigma are passed once in 1e6 (Wilson and Hilferty, Proc. Natl. Acad. Sci.
	 * 17 (1931) 684) */
	assert_true(bins > (r->small ? 10 : 20));
	if (!(chi2 < bins * pow(1.0 - 2.0 / (9.0 * bins) + 4.75 * sqrt(2.0 / (9.0 * bins)), 3.0)))
		fail_msg("chi-square %.1f for %d nodes", chi2, bins);
	free(share);
	free(s);
}

/* Directions into all octants, along and nearly along the axes; azimuths all around. The azimuth is that of a right-
 * handed frame which depends on the direction alone. */
static void turns_keep_length_angle_and_azimuth(void **state)
{
	static const double starts[][3] = {
	        {0, 0, 1},           {0, 0, -1},           {1, 0, 0},           {0, -1, 0},
	        {0.6, -0.48, 0.64},  {-0.36, 0.48, -0.8},  {0.48, 0.6, 0.64},   {0.48, 0.6, -0.64},
	        {-0.48, -0.6, 0.64}, {-0.48, -0.6, -0.64}, {0.48, -0.6, -0.64}, {-0.48, 0.6, 0.64},
	        {1e-4, 0, 1},        {0, 1e-4, -1},        {-1, 1e-5, -1e-6},   {1e-5, -1e-6, -1}};
	enum { STARTS = sizeof starts / sizeof *starts, ANGLES = 7, AZIMUTHS = 8, N = ANGLES * AZIMUTHS };
	mc_rig *r = *state;
	size_t m = MC_LANES * N;
	float *in = calloc(7 * m, sizeof *in), *out;
	cl_uint times = 1;

	for (size_t l = 0; l < STARTS; l++)
		for (size_t i = 0; i < N; i++) {
			double angle = (double)(i / AZIMUTHS) * PI / (ANGLES - 1),
			       phi = (double)(i % AZIMUTHS) * 2.0 * PI / AZIMUTHS;
			double norm = hypot(hypot(starts[l][0], starts[l][1]), starts[l][2]);
			double row[7] = {starts[l][0] / norm,
			                 starts[l][1] / norm,
			                 starts[l][2] / norm,
			                 cos(angle),
			                 sin(angle),
			                 cos(phi),
			                 sin(phi)};

			for (size_t j = 0; j < 7; j++)
				in[j * m + l * N + i] = (float)row[j];
		}
	{
		cl_mem buffer = mc_buffer(r, 7 * m * sizeof *in, in);
		const sp_argument a[] = {SP_ARG(buffer), SP_ARG(times)};

		out = mc_run(r, "turned", N, 3 * m, a, 2);
	}
	for (size_t l = 0; l < STARTS; l++)
		for (size_t angle = 0; angle < ANGLES; angle++) {
			double first[3] = {0};

			for (size_t azimuth = 0; azimuth < AZIMUTHS; azimuth++) {
				size_t at = l * N + angle * AZIMUTHS + azimuth;
				double u[3], v[3], c = (double)in[3 * m + at], s = (double)in[4 * m + at], across[3],
				                   side[3];

				for (size_t x = 0; x < 3; x++) {
					u[x] = (double)in[x * m + at];
					v[x] = (double)out[x * m + at];
				}
				assert_near(v[0] * v[0] + v[1] * v[1] + v[2] * v[2], 1.0, 4e-7);
				assert_near(u[0] * v[0] + u[1] * v[1] + u[2] * v[2], c, 4e-7);
				if (s < 0.1) /* straight on or back: no azimuth */
					continue;
				for (int x = 0; x < 3; x++)
					across[x] = (v[x] - c * u[x]) / s;
				if (azimuth == 0)
					memcpy(first, across, sizeof first);
				for (int x = 0; x < 3; x++)
					side[x] = u[(x + 1) % 3] * first[(x + 2) % 3] -
					          u[(x + 2) % 3] * first[(x + 1) % 3];
				assert_near(across[0] * first[0] + across[1] * first[1] + across[2] * first[2],
				            (double)in[5 * m + at], 2e-6);
				assert_near(across[0] * side[0] + across[1] * side[1] + across[2] * side[2],
				            (double)in[6 * m + at], 2e-6);
			}
		}
	free(out);
	mc_free_buffers(r);

	/* a thousand turns */
	times = r->small ? 100 : 1000;
	{
		cl_mem buffer = mc_buffer(r, 7 * m * sizeof *in, in);
		const sp_argument a[] = {SP_ARG(buffer), SP_ARG(times)};

		out = mc_run(r, "turned", N, 3 * m, a, 2);
	}
	for (size_t i = 0; i < m; i++) {
		double u = (double)out[i], v = (double)out[m + i], w = (double)out[2 * m + i];

		assert_near(u * u + v * v + w * w, 1.0, 4e-7);
	}
	free(out);
	free(in);
	mc_free_buffers(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(table_has_the_moments_of_goudsmit_and_saunderson),
	        cmocka_unit_test(table_is_what_single_collisions_add_up_to),
	        cmocka_unit_test(device_scatters_by_the_strength_of_the_path),
	        cmocka_unit_test(steps_draw_independent_numbers),
	        cmocka_unit_test(turns_keep_length_angle_and_azimuth),
	};

	return cmocka_run_group_tests_name("mc scattering", tests, mc_rig_set_up, mc_rig_tear_down);
}
