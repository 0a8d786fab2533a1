/* The fan of rays: depths against an exact sum over voxels in double precision, mean densities against what they are
 * defined to be. */
#include "alloc.h"
#include "pencil_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

typedef struct {
	float depth;
	sp_u32 densities;
} fan_cell;

/* One beam's fan, read back: [ray y][ray x][sheet]. */
static fan_cell *trace(const rig *r, const sp_grid *ct, const float *red, const sp_beam_set *beams,
                       sp_pencil_beam *beam_out)
{
	sp_pencil *p = NULL;
	sp_pencil_layout l;
	cl_kernel k = NULL;
	cl_mem fan = NULL, buffer = NULL;
	fan_cell *cells;

	assert_int_equal(sp_pencil_create(&p, r->device, r->machine, ct, red, NULL), SP_OK);
	assert_int_equal(sp_pencil_layout_make(&l, p, beams, ct, 40.0, NULL), SP_OK);
	assert_int_equal(sp_device_kernel(&k, r->device, "fan_trace.cl", "fan_trace", "", NULL), SP_OK);
	assert_int_equal(sp_buffer_create(&buffer, r->device, CL_MEM_READ_ONLY, sizeof *l.beams, l.beams, "b", NULL),
	                 SP_OK);
	assert_int_equal(sp_buffer_create(&fan, r->device, CL_MEM_READ_WRITE, l.fan_bytes, NULL, "f", NULL), SP_OK);
	assert_int_equal(sp_pencil_trace(p, k, &l, buffer, 0, fan, NULL), SP_OK);
	cells = malloc(l.fan_bytes);
	assert_int_equal(sp_buffer_read(r->device, fan, 0, l.fan_bytes, cells, NULL), SP_OK);
	*beam_out = l.beams[0];
	clReleaseKernel(k);
	sp_buffer_release(&fan);
	sp_buffer_release(&buffer);
	sp_pencil_layout_finish(&l);
	sp_pencil_destroy(p);
	return cells;
}

/* Where ray (i, j) passes a sheet. */
static void place(double out[3], const sp_beam_frame *f, const sp_pencil_beam *b, size_t i, size_t j, size_t sheet)
{
	double x = (double)b->fan_x_mm + (double)i * (double)b->fan_step_mm;
	double y = (double)b->fan_y_mm + (double)j * (double)b->fan_step_mm;
	double t = ((double)b->fan_axial_mm + (double)sheet * (double)b->sheet_step_mm) / f->sad_mm;

	for (int a = 0; a < 3; a++)
		out[a] = f->source_mm[a] +
		         t * (f->isocentre_mm[a] + x * f->x_axis[a] + y * f->y_axis[a] - f->source_mm[a]);
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Integral of the density from a to b: all crossings of voxel planes, sorted, each piece by its middle. */
static double depth_between(const sp_grid *g, const float *red, const double a[3], const double b[3])
{
	double at[128], length = 0.0, sum = 0.0;
	size_t n = 0;

	at[n++] = 0.0;
	at[n++] = 1.0;
	for (int x = 0; x < 3; x++) {
		length += (b[x] - a[x]) * (b[x] - a[x]);
		for (size_t i = 0; i <= g->n[x]; i++) {
			double t = (sp_grid_low_edge_mm(g, x) + (double)i * g->spacing_mm[x] - a[x]) / (b[x] - a[x]);

			if (t > 0.0 && t < 1.0)
				at[n++] = t;
		}
	}
	qsort(at, n, sizeof *at, ascending);
	for (size_t s = 0; s + 1 < n; s++) {
		double m = 0.5 * (at[s] + at[s + 1]);
		size_t v[3];
		bool inside = true;

		for (int x = 0; x < 3; x++) {
			double p = (a[x] + m * (b[x] - a[x]) - sp_grid_low_edge_mm(g, x)) / g->spacing_mm[x];

			inside = inside && p >= 0.0 && p < (double)g->n[x];
			v[x] = inside ? (size_t)p : 0;
		}
		if (inside)
			sum += (at[s + 1] - at[s]) * (double)red[sp_grid_index(g, v[0], v[1], v[2])];
	}
	return sum * sqrt(length);
}

/* Positions are floats in front of a source 1 m away (6e-5 mm a rounding, a handful of them), densities reach 2. */
#define DEPTH_TOLERANCE_MM 1e-3

static void depth_is_the_exact_sum_over_voxels(void **state)
{
	const rig *r = *state;
	sp_beam_setup setup = rig_setup(33.0, -20.0, 15.0);
	sp_beam_set *beams = rig_beams(&setup, 1);
	float *red = sp_alloc_array(sp_grid_voxels(&r->ct), sizeof *red);
	sp_pencil_beam b;
	fan_cell *fan;
	double worst = 0.0, deepest = 0.0;

	for (size_t v = 0; v < sp_grid_voxels(&r->ct); v++)
		red[v] = (float)((v * 7919) % 1000) * 0.002f;
	fan = trace(r, &r->ct, red, beams, &b);
	for (size_t j = 0; j < b.fan_n[1]; j += 3)
		for (size_t i = 0; i < b.fan_n[0]; i += 2)
			for (size_t s = 0; s < b.sheets; s++) {
				double p[3], d;

				place(p, &beams->beams[0].frame, &b, i, j, s);
				d = depth_between(&r->ct, red, beams->beams[0].frame.source_mm, p);
				deepest = fmax(deepest, d);
				worst = fmax(worst, fabs(d - (double)fan[(j * b.fan_n[0] + i) * b.sheets + s].depth));
			}
	assert_true(deepest > 40.0);
	if (worst > DEPTH_TOLERANCE_MM)
		fail_msg("a depth is off by %g mm", worst);
	free(fan);
	free(red);
	sp_beam_set_destroy(beams);
}

/* A beam along the slab's normal: the ray at x, y of the isocentre plane is longer by sqrt(1 + (x^2 + y^2)/sad^2). */
static void depth_in_a_slab_grows_with_the_slant(void **state)
{
	const rig *r = *state;
	sp_beam_setup setup = rig_setup(0.0, 0.0, 0.0);
	sp_beam_set *beams = rig_beams(&setup, 1);
	float *red = sp_alloc_array(sp_grid_voxels(&r->ct), sizeof *red);
	sp_pencil_beam b;
	fan_cell *fan;

	for (size_t v = 0; v < sp_grid_voxels(&r->ct); v++)
		red[v] = 1.7f;
	fan = trace(r, &r->ct, red, beams, &b);
	/* the sheet at 990 mm lies 10 mm below the surface (y = -90 is 980 mm from the source) */
	size_t i = b.fan_n[0] - 4, j = 5,
	       s = (size_t)lround((990.0 - (double)b.fan_axial_mm) / (double)b.sheet_step_mm);
	double x = (double)b.fan_x_mm + (double)i * (double)b.fan_step_mm;
	double y = (double)b.fan_y_mm + (double)j * (double)b.fan_step_mm;
	double expected = 17.0 * sqrt(1.0 + (x * x + y * y) * 1e-6);

	assert_true(fabs((double)fan[(j * b.fan_n[0] + i) * b.sheets + s].depth - expected) < DEPTH_TOLERANCE_MM);
	free(fan);
	free(red);
	sp_beam_set_destroy(beams);
}

static double near_density(fan_cell c)
{
	return (double)(c.densities >> 16) / (double)SP_FAN_DENSITY_UNIT;
}

static double far_density(fan_cell c)
{
	return (double)(c.densities & 0xffff) / (double)SP_FAN_DENSITY_UNIT;
}

/* 20 mm of density 1, then 20 mm of 0.25, straight down the middle. A stretch upstream begins at a sheet, so it is up
 * to one sheet (2 mm) longer than asked: the density lies between the two. */
static void mean_density_is_that_of_the_water_upstream(void **state)
{
	const rig *r = *state;
	sp_beam_setup setup = rig_setup(0.0, 0.0, 0.0);
	sp_beam_set *beams = rig_beams(&setup, 1);
	float *red = sp_alloc_array(sp_grid_voxels(&r->ct), sizeof *red);
	const double unit = 2.0 / (double)SP_FAN_DENSITY_UNIT; /* rounding of the stored number, and a float's */
	sp_pencil_beam b;
	fan_cell *fan, *ray;
	size_t top, i, j;

	for (size_t v = 0; v < sp_grid_voxels(&r->ct); v++)
		red[v] = v / 28 % 20 < 10 ? 1.0f : 0.25f;
	fan = trace(r, &r->ct, red, beams, &b);
	i = (size_t)lround(-(double)b.fan_x_mm / (double)b.fan_step_mm);
	j = (size_t)lround(-(double)b.fan_y_mm / (double)b.fan_step_mm);
	ray = fan + (j * b.fan_n[0] + i) * b.sheets;
	top = (size_t)lround((980.0 - (double)b.fan_axial_mm) / (double)b.sheet_step_mm);

	assert_true(fabs(near_density(ray[top + 5]) - 1.0) <= unit); /* 10 mm deep in water */
	assert_true(fabs(far_density(ray[top + 5]) - 1.0) <= unit);
	assert_true(fabs(near_density(ray[top + 1]) - 1.0) <= unit); /* air before the surface does not count */
	/* 8 mm behind the interface: 2 mm of water in the light layer; 4 mm (up to 6) more before it */
	assert_true(near_density(ray[top + 14]) >= 6.0 / 12.0 - unit);
	assert_true(near_density(ray[top + 14]) <= 8.0 / 14.0 + unit);
	/* far: never 50 mm, so all the way from the surface: 22 mm of water in 28 mm */
	assert_true(fabs(far_density(ray[top + 14]) - 22.0 / 28.0) <= unit);
	free(fan);
	free(red);
	sp_beam_set_destroy(beams);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(depth_is_the_exact_sum_over_voxels),
	        cmocka_unit_test(depth_in_a_slab_grows_with_the_slant),
	        cmocka_unit_test(mean_density_is_that_of_the_water_upstream),
	};

	return cmocka_run_group_tests(tests, rig_set_up, rig_tear_down);
}
