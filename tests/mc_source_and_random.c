/* Random numbers, the low-discrepancy sequence and the source: cl_kernels/mc_random.h, mc_source.h. */
#include "mc_fixture.h"

#include "mc_internal.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* The known answers of philox4x32-10 that Random123 is shipped with (its kat_vectors; Salmon, Moraes, Dror, Shaw,
 * SC11). */
static void philox_gives_its_known_answers(void **state)
{
	static const cl_uint in[3][6] = {
	        {0, 0, 0, 0, 0, 0},
	        {0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu},
	        {0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u, 0xa4093822u, 0x299f31d0u}};
	static const cl_uint answers[3][4] = {{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u},
	                                      {0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu},
	                                      {0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u}};
	mc_rig *r = *state;
	cl_mem buffer = mc_buffer(r, sizeof in, in);
	const sp_argument a[] = {SP_ARG(buffer)};
	float *out = mc_run(r, "philox_words", 3, 12, a, 1);

	assert_memory_equal(out, answers, sizeof answers);
	free(out);
	mc_free_buffers(r);
}

/* Every draw of a stream, across the refill after four, and every lane; lanes are no copies of one another. */
static void numbers_are_uniform(void **state)
{
	mc_rig *r = *state;
	size_t n = r->samples;
	cl_uint seed = 5;
	const sp_argument a[] = {SP_ARG(seed)};
	float *s = mc_run(r, "uniform_samples", n, (7 + MC_LANES) * n, a, 1);
	double *share = malloc(n * sizeof *share);

	for (size_t j = 0; j < 7 + MC_LANES; j++) {
		for (size_t i = 0; i < n; i++) {
			assert_true(s[j * n + i] > 0.0f && s[j * n + i] < 1.0f);
			share[i] = (double)s[j * n + i];
		}
		assert_uniform(share, n, "draw", (double)j);
		for (size_t i = 0; i < n && j > 0; i++)
			share[i] = fmod((double)s[j * n + i] + (double)s[(j - 1) * n + i], 1.0);
		assert_uniform(share, n, "sum of two draws", (double)j);
	}
	free(share);
	free(s);
}

/* A history's numbers of the sequence: each alone, and each two, spread more evenly than random
 * numbers would. */
static void numbers_of_the_first_flight_are_even(void **state)
{
	enum { N = 4096, CELLS = 8 };
	static const sp_mc_plane plane = {.parallel = true};
	static const sp_mc_opening opening = {0, 0.0, 0.0, 1.0, 1.0, 1.0, 0};
	mc_rig *r = *state;
	sp_spectrum spectrum;
	sp_mc_particles particles = {false, &spectrum, 1, 1, &plane, &opening, NULL};
	sp_mc_source_data data;
	const double low[3] = {0.0, 0.0, 0.0};
	cl_uint seed = 0x9e3779b9u;
	float *s;

	assert_int_equal(sp_spectrum_mono(&spectrum, 6.0, NULL), SP_OK);
	assert_int_equal(sp_mc_source_make(&data, &particles, low, NULL), SP_OK);
	{
		cl_mem alpha = mc_buffer(r, sizeof data.alpha, data.alpha);
		const sp_argument a[] = {SP_ARG(seed), SP_ARG(alpha)};

		s = mc_run(r, "sequence_samples", N, SP_MC_DIMS * N, a, 2);
	}
	for (size_t d = 0; d < SP_MC_DIMS; d++) {
		size_t in[256] = {0};

		/* 16 points a cell on average; random ones would give from 4 to 30 */
		for (size_t i = 0; i < N; i++)
			in[(size_t)(s[d * N + i] * 256.0f)]++;
		for (size_t c = 0; c < 256; c++)
			assert_in_range(in[c], 11, 21);
		for (size_t e = 0; e < d; e++) {
			size_t count[CELLS][CELLS] = {{0}};
			double chi2 = 0.0;

			for (size_t i = 0; i < N; i++)
				count[(size_t)(s[d * N + i] * CELLS)][(size_t)(s[e * N + i] * CELLS)]++;
			for (size_t x = 0; x < CELLS; x++)
				for (size_t y = 0; y < CELLS; y++)
					chi2 += pow((double)count[x][y] - N / 64.0, 2.0) / (N / 64.0);
			if (getenv("MC_TEST_PRINT"))
				print_message("dimensions %zu, %zu: chi-square %.1f\n", d, e, chi2);
			/* random points: 63, below 32 once in 3000 */
			if (!(chi2 < 32.0))
				fail_msg("dimensions %zu and %zu: chi-square %.1f for 64 cells", d, e, chi2);
		}
	}
	free(s);
	sp_mc_source_finish(&data);
	sp_spectrum_finish(&spectrum);
	mc_free_buffers(r);
}

/* Every cell of every opening gets its share of a batch's histories, to one or two that the curve's ends cut off. */
static void histories_cover_the_openings_evenly(void **state)
{
	enum { N = 3 * 4096, CELLS = 8, OPENINGS = 3 };
	static const sp_mc_plane plane = {.parallel = true};
	static const sp_mc_opening openings[OPENINGS] = {
	        {0, 0.0, 0.0, 1.0, 1.0, 1.0, 0}, {0, 5.0, 0.0, 2.0, 1.0, 3.0, 0}, {0, 0.0, 9.0, 1.0, 4.0, 2.0, 0}};
	static const double total = 6.0;
	mc_rig *r = *state;
	sp_spectrum spectrum;
	sp_mc_particles particles = {false, &spectrum, 1, OPENINGS, &plane, openings, NULL};
	sp_mc_source_data data;
	const double low[3] = {0.0, 0.0, 0.0};
	cl_uint seed = 0x9e3779b9u;
	size_t count[OPENINGS][CELLS][CELLS] = {{{0}}};
	float *s;

	assert_int_equal(sp_spectrum_mono(&spectrum, 6.0, NULL), SP_OK);
	assert_int_equal(sp_mc_source_make(&data, &particles, low, NULL), SP_OK);
	data.head.batch_histories = N;
	{
		cl_mem source = mc_buffer(r, sizeof data.head, &data.head),
		       rectangles = mc_buffer(r, OPENINGS * sizeof *data.rectangles, data.rectangles);
		const sp_argument a[] = {SP_ARG(seed), SP_ARG(source), SP_ARG(rectangles)};

		s = mc_run(r, "line_samples", N, 3 * N, a, 3);
	}
	for (size_t i = 0; i < N; i++) {
		float x = 0.5f + 0.5f * s[N + i], y = 0.5f + 0.5f * s[2 * N + i];

		assert_true(x > 0.0f && x < 1.0f && y > 0.0f && y < 1.0f);
		count[(size_t)s[i]][(size_t)(y * CELLS)][(size_t)(x * CELLS)]++;
	}
	for (size_t o = 0; o < OPENINGS; o++)
		for (size_t c = 0; c < CELLS * CELLS; c++)
			assert_near((double)count[o][c / CELLS][c % CELLS],
			            N * openings[o].weight / total / (CELLS * CELLS), 2.0);
	free(s);
	sp_mc_source_finish(&data);
	sp_spectrum_finish(&spectrum);
	mc_free_buffers(r);
}

/* A point source off-axis in a turned frame with two openings of unequal size and weight, and a parallel beam. */
typedef struct {
	sp_mc_plane planes[2];
	sp_mc_opening openings[3];
	sp_spectrum spectrum;
	sp_mc_source_data data;
	float *s; /* of kernel source_samples */
	size_t n;
} beam;

static const double low_mm[3] = {-30.0, -20.0, 10.0};
static const float extent_cm[3] = {6.0f, 5.0f, 7.0f};

static void emit(beam *b, mc_rig *r, bool per_solid_angle)
{
	size_t n_openings = per_solid_angle ? 1 : 3;

	b->n = r->samples;
	b->planes[0] = (sp_mc_plane){.per_solid_angle = per_solid_angle,
	                             .source_mm = {20.0, -40.0, -300.0},
	                             .centre_mm = {5.0, -12.0, 40.0},
	                             .x_axis = {0.0, 1.0, 0.0},
	                             .y_axis = {-1.0, 0.0, 0.0}};
	if (per_solid_angle) { /* the mean is that of a plane across the line from the source */
		b->planes[0].source_mm[0] = 5.0;
		b->planes[0].source_mm[1] = -12.0;
	}
	b->planes[1] = (sp_mc_plane){.parallel = true,
	                             .centre_mm = {0.0, 0.0, -5.0},
	                             .x_axis = {1.0, 0.0, 0.0},
	                             .y_axis = {0.0, 1.0, 0.0},
	                             .direction = {0.0, 0.6, 0.8}};
	b->openings[0] = (sp_mc_opening){0, -6.0, 3.0, 9.0, 4.0, 3.0, 0};
	b->openings[1] = (sp_mc_opening){0, 12.0, -2.0, 5.0, 11.0, 1.0, 0};
	b->openings[2] = (sp_mc_opening){1, 2.0, -1.0, 3.0, 7.0, 2.0, 0};
	assert_int_equal(sp_spectrum_read(&b->spectrum, "mohan6", NULL), SP_OK);
	{
		const sp_mc_particles particles = {false, &b->spectrum, 2, n_openings, b->planes, b->openings, NULL};

		assert_int_equal(sp_mc_source_make(&b->data, &particles, low_mm, NULL), SP_OK);
	}
	{
		cl_uint seed = 77;
		const sp_argument drawn[] = {SP_ARG(seed)};
		float *numbers = mc_run(r, "uniform_samples", b->n, (7 + MC_LANES) * b->n, drawn, 1);
		cl_mem source = mc_buffer(r, sizeof b->data.head, &b->data.head),
		       beams = mc_buffer(r, 2 * sizeof *b->data.beams, b->data.beams),
		       rectangles = mc_buffer(r, n_openings * sizeof *b->data.rectangles, b->data.rectangles),
		       spectrum = mc_buffer(r, (SP_MC_SPECTRUM + 1) * sizeof(float), b->data.spectrum),
		       four = mc_buffer(r, 4 * b->n * sizeof(float), numbers),
		       extent = mc_buffer(r, sizeof extent_cm, extent_cm);
		const sp_argument a[] = {SP_ARG(source),   SP_ARG(beams), SP_ARG(rectangles),
		                         SP_ARG(spectrum), SP_ARG(four),  SP_ARG(extent)};

		b->s = mc_run(r, "source_samples", b->n, 13 * b->n, a, 6);
		free(numbers);
	}
}

static void finish(beam *b, mc_rig *r)
{
	free(b->s);
	sp_mc_source_finish(&b->data);
	sp_spectrum_finish(&b->spectrum);
	mc_free_buffers(r);
}

static double column(const beam *b, size_t c, size_t i)
{
	return (double)b->s[c * b->n + i];
}

/* Where a particle crosses its plane, in the plane's axes (mm). */
static void on_plane(double out[2], const beam *b, size_t i, const sp_mc_plane *p)
{
	double at[3], t;

	for (size_t a = 0; a < 3; a++)
		at[a] = 10.0 * column(b, 3 + a, i) + low_mm[a];
	/* from the point in the source to the plane, whose normal is z */
	t = (p->centre_mm[2] - at[2]) / column(b, 8, i);
	out[0] = out[1] = 0.0;
	for (size_t a = 0; a < 3; a++) {
		double d = at[a] + t * column(b, 6 + a, i) - p->centre_mm[a];

		out[0] += d * p->x_axis[a];
		out[1] += d * p->y_axis[a];
	}
}

static void source_fills_its_openings_evenly(void **state)
{
	mc_rig *r = *state;
	beam b;
	double *x, *y, *energy;
	size_t count[3] = {0};

	emit(&b, r, false);
	x = malloc(b.n * sizeof *x);
	y = malloc(b.n * sizeof *y);
	energy = malloc(b.n * sizeof *energy);
	for (size_t o = 0; o < 3; o++) {
		const sp_mc_opening *opening = b.openings + o;
		double expected = (double)b.n * opening->weight / 6.0;

		for (size_t i = 0; i < b.n; i++) {
			double at[2];

			if ((size_t)column(&b, 0, i) != o)
				continue;
			on_plane(at, &b, i, b.planes + opening->plane);
			x[count[o]] = 0.5 + 0.5 * (at[0] - opening->x_mm) / opening->half_x_mm;
			y[count[o]++] = 0.5 + 0.5 * (at[1] - opening->y_mm) / opening->half_y_mm;
			assert_true(column(&b, 2, i) == 1.0);
		}
		/* 5 sigma */
		assert_near((double)count[o], expected, 5.0 * sqrt(expected));
		assert_uniform(x, count[o], "x in opening", (double)o);
		assert_uniform(y, count[o], "y in opening", (double)o);
	}
	for (size_t i = 0; i < b.n; i++) {
		double e = column(&b, 1, i), below = 0.0;
		size_t bin = 0;

		while (bin + 1 < b.spectrum.n_bins && b.spectrum.high_mev[bin] < e)
			below = b.spectrum.cumulative[bin++];
		energy[i] = below + (b.spectrum.cumulative[bin] - below) * (e - b.spectrum.low_mev[bin]) /
		                            (b.spectrum.high_mev[bin] - b.spectrum.low_mev[bin]);
	}
	assert_uniform(energy, b.n, "spectrum", 0.0);
	free(x);
	free(y);
	free(energy);
	finish(&b, r);
}

/* Uniform per solid angle: weights are cos^3 (inverse square and projection) over its mean, so that on average they are
 * 1. */
static void weights_make_the_source_uniform_per_solid_angle(void **state)
{
	mc_rig *r = *state;
	beam b;
	double sum = 0.0, square = 0.0, mean;

	emit(&b, r, true);
	mean = (double)b.data.beams[0].isotropic;
	for (size_t i = 0; i < b.n; i++) {
		double w = column(&b, 2, i);

		sum += w / (double)b.n;
		square += w * w / (double)b.n;
		assert_near(w * mean, pow(column(&b, 8, i), 3.0), 2e-6);
	}
	/* 5 sigma, and floats */
	assert_near(sum, 1.0, 5.0 * sqrt(fmax(0.0, square - sum * sum) / (double)b.n) + 1e-6);
	assert_true(square - sum * sum > 1e-8);
	finish(&b, r);
}

/* Into the box where the ray meets it: on its surface, on the ray; who misses by a formula in double precision misses.
 */
static void particles_enter_where_their_ray_meets_the_box(void **state)
{
	mc_rig *r = *state;
	beam b;
	size_t hits = 0;

	emit(&b, r, false);
	for (size_t i = 0; i < b.n; i++) {
		double near = 0.0, far = 1e9;

		for (size_t a = 0; a < 3; a++) {
			double x = column(&b, 3 + a, i), u = column(&b, 6 + a, i);

			if (fabs(u) < 1e-9) {
				far = x >= 0.0 && x < (double)extent_cm[a] ? far : -1.0;
				continue;
			}
			near = fmax(near, fmin(-x / u, ((double)extent_cm[a] - x) / u));
			far = fmin(far, fmax(-x / u, ((double)extent_cm[a] - x) / u));
		}
		if (fabs(far - near) < 1e-4) /* grazes an edge: either is right */
			continue;
		assert_true((column(&b, 9, i) == 1.0) == (near < far));
		if (near >= far)
			continue;
		hits++;
		for (size_t a = 0; a < 3; a++) {
			double at = column(&b, 10 + a, i);

			assert_true(at >= 0.0 && at <= (double)extent_cm[a]);
			/* 1e-5 cm inside, and floats of some 30 cm */
			assert_near(at, column(&b, 3 + a, i) + near * column(&b, 6 + a, i), 3e-5);
		}
	}
	assert_true(hits > b.n / 4 && hits < b.n);
	finish(&b, r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(philox_gives_its_known_answers),
	        cmocka_unit_test(numbers_are_uniform),
	        cmocka_unit_test(numbers_of_the_first_flight_are_even),
	        cmocka_unit_test(histories_cover_the_openings_evenly),
	        cmocka_unit_test(source_fills_its_openings_evenly),
	        cmocka_unit_test(weights_make_the_source_uniform_per_solid_angle),
	        cmocka_unit_test(particles_enter_where_their_ray_meets_the_box),
	};

	return cmocka_run_group_tests_name("mc source and random", tests, mc_rig_set_up, mc_rig_tear_down);
}
