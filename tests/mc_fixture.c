#include "mc_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

const char *const mc_material_names[MC_MATERIALS] = {"water", "lung", "bone", "titanium", "air"};

int mc_rig_set_up(void **state)
{
	mc_rig *r = calloc(1, sizeof *r);
	int materials[MC_MATERIALS];
	sp_error err = {0};

	/* kernels of tests/kernels are read from there: they are not in the program */
	if (!r || setenv("SPINEPLAN_KERNEL_DIR", SP_TEST_KERNELS, 1) != 0 ||
	    sp_device_open(&r->device, NULL, &err) != SP_OK || sp_matter_create(&r->matter, NULL, &err) != SP_OK)
		goto failed;
	for (int i = 0; i < MC_MATERIALS; i++)
		materials[i] = sp_matter_find(r->matter, mc_material_names[i]);
	if (sp_mc_tables_make(&r->tables, r->matter, materials, MC_MATERIALS, 0.2, 0.05, 20.0, &err) != SP_OK)
		goto failed;
	r->small = getenv("SPINEPLAN_SMALL_TESTS") != NULL;
	r->samples = r->small ? 640 : 200000;
	*state = r;
	return 0;
failed:
	print_error("%s\n", err.text);
	return -1;
}

int mc_rig_tear_down(void **state)
{
	mc_rig *r = *state;

	mc_free_buffers(r);
	sp_mc_tables_finish(&r->tables);
	sp_matter_destroy(r->matter);
	sp_device_close(r->device);
	free(r);
	return 0;
}

cl_mem mc_buffer(mc_rig *r, size_t bytes, const void *data)
{
	sp_error err = {0};

	assert_true(r->n_buffers < (int)(sizeof r->buffer / sizeof *r->buffer));
	if (sp_buffer_create(&r->buffer[r->n_buffers], r->device, CL_MEM_READ_ONLY, bytes, data, "test", &err) != SP_OK)
		fail_msg("%s", err.text);
	return r->buffer[r->n_buffers++];
}

void mc_free_buffers(mc_rig *r)
{
	while (r->n_buffers > 0)
		sp_buffer_release(&r->buffer[--r->n_buffers]);
}

float *mc_run(mc_rig *r, const char *kernel, size_t n, size_t n_out, const sp_argument *arguments, size_t n_arguments)
{
	char options[1024];
	cl_kernel k = NULL;
	cl_mem out = NULL;
	cl_uint count = (cl_uint)n;
	float *samples = malloc(n_out * sizeof *samples);
	sp_error err = {0};

	assert_non_null(samples);
	/* the options of engine/montecarlo/mc.c */
	snprintf(options, sizeof options,
	         "-DSP_MATERIALS=%zu -DSP_LANES=%d -DSP_MOST_SITES=96 -cl-fast-relaxed-math -I %s",
	         r->tables.n_materials, MC_LANES, SP_CL_KERNELS);
	if (sp_device_kernel(&k, r->device, "mc_samples.cl", kernel, options, &err) != SP_OK ||
	    sp_buffer_create(&out, r->device, CL_MEM_READ_WRITE, n_out * sizeof *samples, NULL, "samples", &err) !=
	            SP_OK ||
	    sp_kernel_set(k, 0, sizeof out, &out, &err) != SP_OK ||
	    sp_kernel_set(k, 1, sizeof count, &count, &err) != SP_OK)
		fail_msg("%s", err.text);
	for (size_t i = 0; i < n_arguments; i++)
		if (sp_kernel_set(k, (cl_uint)(2 + i), arguments[i].bytes, arguments[i].value, &err) != SP_OK)
			fail_msg("%s", err.text);
	/* groups of 16: a large one takes much stack for kernels with arrays of their own */
	if (sp_device_launch(r->device, k, n, 16, &err) != SP_OK ||
	    sp_buffer_read(r->device, out, 0, n_out * sizeof *samples, samples, &err) != SP_OK)
		fail_msg("%s", err.text);
	sp_buffer_release(&out);
	clReleaseKernel(k);
	return samples;
}

void assert_near(double found, double expected, double tolerance)
{
	if (!(fabs(found - expected) <= tolerance))
		fail_msg("found %.9g, expected %.9g within %.2g", found, expected, tolerance);
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double largest_distance(const double *share, size_t n)
{
	double *sorted = malloc(n * sizeof *sorted), most = 0.0;

	assert_non_null(sorted);
	memcpy(sorted, share, n * sizeof *sorted);
	qsort(sorted, n, sizeof *sorted, ascending);
	/* a little beyond 0 and 1: samples are floats */
	if (!(sorted[0] >= -1e-4 && sorted[n - 1] <= 1.0001))
		fail_msg("samples outside of the distribution: shares from %g to %g", sorted[0], sorted[n - 1]);
	for (size_t i = 0; i < n; i++)
		most = fmax(most, fmax((double)(i + 1) / (double)n - sorted[i], sorted[i] - (double)i / (double)n));
	free(sorted);
	return most;
}

/* 2.7: 2 exp(-2 * 2.7^2) = 9e-7 */
#define KOLMOGOROV 2.7

void assert_uniform_within(const double *share, size_t n, double distance, const char *what, double parameter)
{
	double found = largest_distance(share, n), limit = distance + KOLMOGOROV / sqrt((double)n);

	if (getenv("MC_TEST_PRINT"))
		print_message("%s (%g): distance %.5f, limit %.5f\n", what, parameter, found, limit);
	if (!(found <= limit))
		fail_msg("%s (%g): distance %.5f, expected at most %.5f", what, parameter, found, limit);
}

void assert_uniform(const double *share, size_t n, const char *what, double parameter)
{
	enum { BINS = 32 };
	size_t count[BINS] = {0};
	double expected = (double)n / BINS, chi2 = 0.0;

	assert_uniform_within(share, n, 0.0, what, parameter);
	for (size_t i = 0; i < n; i++)
		count[(size_t)fmin(fmax(share[i] * BINS, 0.0), BINS - 1.0)]++;
	for (int b = 0; b < BINS; b++)
		chi2 += pow((double)count[b] - expected, 2.0) / expected;
	if (getenv("MC_TEST_PRINT"))
		print_message("%s (%g): chi-square %.1f\n", what, parameter, chi2);
	/* 31 degrees of freedom: 84 is passed once in 1e6 */
	if (!(chi2 <= 84.0))
		fail_msg("%s (%g): chi-square %.1f for %d bins", what, parameter, chi2, BINS);
}

enum { STEPS = sizeof((mc_distribution *)0)->cumulative / sizeof(double) - 1 };

void mc_distribution_make(mc_distribution *out, double (*density)(double, const double *), const double *parameters,
                          double low, double high)
{
	out->low = low;
	out->high = high;
	out->cumulative[0] = 0.0;
	for (int i = 0; i < STEPS; i++)
		out->cumulative[i + 1] =
		        out->cumulative[i] + density(low + (i + 0.5) / STEPS * (high - low), parameters);
	for (int i = 1; i <= STEPS; i++)
		out->cumulative[i] /= out->cumulative[STEPS];
}

double mc_distribution_share(const mc_distribution *d, double s)
{
	double x = (s - d->low) / (d->high - d->low) * STEPS;
	int i = (int)fmin(fmax(x, 0.0), STEPS - 1.0);

	/* what lies outside stays outside, for largest_distance to see */
	if (x < 0.0 || x > STEPS)
		return x / STEPS;
	return d->cumulative[i] + (x - i) * (d->cumulative[i + 1] - d->cumulative[i]);
}
