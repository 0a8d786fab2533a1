/* The pencil-beam kernels: every entry of a small matrix against the formula in double precision, and what must hold
 * between matrix, dose, repetitions and memory limits. */
#include "alloc.h"
#include "pencil_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define DENSITY 0.8125 /* a whole multiple of 1/SP_FAN_DENSITY_UNIT: its rounding is no part of the formula */
#define CUTOFF_MM 22.0

/* Dose voxels inside the block, unequal spacings, none nearer than 3 mm to its faces. */
static const sp_grid voxels_grid = {{7, 6, 5}, {10.0, 6.0, 12.5}, {-30.0, -86.0, 28.0}};

static uint64_t *all_voxels(const sp_grid *g)
{
	uint64_t *v = sp_alloc_array(sp_grid_voxels(g), sizeof *v);

	for (size_t i = 0; i < sp_grid_voxels(g); i++)
		v[i] = i;
	return v;
}

/* The part of a Gaussian at 0 that falls between two edges. */
static double part(double low, double high, double sigma)
{
	return 0.5 * (erf(high / (sigma * sqrt(2.0))) - erf(low / (sigma * sqrt(2.0))));
}

/* Gy per unit weight at a point of the even block, from the bixel at (bx, by) of a beam whose axis is along an axis of
 * the block; surface_mm: axial distance of the surface. */
static double formula(const sp_pencil_table *t, const sp_machine *m, const sp_beam_frame *f, const sp_grid *g,
                      const double point[3], double bx, double by, double surface_mm)
{
	double u, v, axial, slant, depth, at, sum = 0.0;
	double spot = 0.42466090014400953 / m->collimator_mm; /* 1 / (2 sqrt(2 ln 2)) */
	size_t row;

	sp_beam_project(&u, &v, &axial, f, point);
	slant = sqrt(1.0 + (u * u + v * v) / (f->sad_mm * f->sad_mm));
	depth = DENSITY * (axial - surface_mm) * slant;
	row = (size_t)(depth / 0.5);
	at = depth / 0.5 - (double)row;
	for (size_t i = 0; i < t->n_gaussians; i++) {
		const float *w = t->weight + row * t->n_gaussians + i;
		double weight = (double)w[0] + at * ((double)w[t->n_gaussians] - (double)w[0]), sigma[2];

		for (int a = 0; a < 2; a++) {
			const double *axis = a == 0 ? f->x_axis : f->y_axis;
			double blur = m->source_fwhm_mm[a] * spot * (axial - m->collimator_mm), box = 0.0;

			for (int x = 0; x < 3; x++)
				box += pow(axis[x] * g->spacing_mm[x], 2.0) / 12.0;
			sigma[a] = sqrt(pow(t->sigma_mm[i] / DENSITY, 2.0) + blur * blur + box) * f->sad_mm / axial;
		}
		sum += weight * part(bx - 2.5 - u, bx + 2.5 - u, sigma[0]) * part(by - 2.5 - v, by + 2.5 - v, sigma[1]);
	}
	return sum * m->fluence_per_mu_cm2 * pow(f->sad_mm / axial, 2.0) * slant;
}

/* Rounding to 16 bits (0.5 in 65535), the depth between rays 2 mm apart (below 1e-5 of it), and the kernel's erf: 3e-7
 * of a share that is 0.01 for the widest Gaussian, once across and once along. Together below 6e-5 of the row's
 * largest. */
#define ENTRY_TOLERANCE 6e-5

/* The largest entry of a row, were there no cut-off. */
static double largest(const sp_pencil_table *t, const sp_machine *m, const sp_beam_set *beams, const double point[3],
                      const double surface_mm[2])
{
	double most = 0.0;

	for (size_t b = 0; b < beams->n_beams; b++)
		for (size_t i = 0; i < beams->beams[b].n_bixels; i++)
			most = fmax(most, formula(t, m, &beams->beams[b].frame, &voxels_grid, point,
			                          (double)beams->beams[b].x_mm[i], (double)beams->beams[b].y_mm[i],
			                          surface_mm[b]));
	return most;
}

static void every_entry_is_the_formula(void **state)
{
	const rig *r = *state;
	const sp_beam_setup setups[2] = {rig_setup(0.0, 0.0, 0.0), rig_setup(90.0, 0.0, 0.0)};
	/* surfaces at y = -90 (20 mm above the isocentre) and x = 44 (42 mm from it) */
	const double surface_mm[2] = {980.0, 958.0};
	sp_pencil *p = rig_pencil(r, (float)DENSITY);
	sp_beam_set *beams = rig_beams(setups, 2);
	uint64_t *voxels = all_voxels(&voxels_grid);
	size_t n = sp_grid_voxels(&voxels_grid), kept = 0, left_out = 0, every = rig_small() ? 7 : 1;
	sp_influence *m = NULL;
	sp_pencil_table t;
	double *weights = sp_alloc_array(beams->n_bixels, sizeof *weights), *most = sp_alloc_array(n, sizeof *most);

	assert_int_equal(sp_pencil_table_read(&t, r->machine->kernel, NULL), SP_OK);
	assert_int_equal(sp_pencil_influence(&m, p, beams, &voxels_grid, voxels, n, CUTOFF_MM, NULL), SP_OK);
	for (size_t v = 0; v < n; v++) {
		double point[3];

		sp_grid_centre(point, &voxels_grid, v);
		most[v] = largest(&t, r->machine, beams, point, surface_mm);
	}
	for (size_t c = 0; c < beams->n_bixels; c += every) {
		const sp_beam *beam = &beams->beams[c >= beams->beams[1].first_bixel];
		double bx = (double)beam->x_mm[c - beam->first_bixel], by = (double)beam->y_mm[c - beam->first_bixel];
		float *column;

		weights[c] = 1.0;
		column = rig_multiply(r, m, weights);
		weights[c] = 0.0;
		for (size_t v = 0; v < n; v++) {
			double got = (double)column[v], point[3], x, y, axial, away, want;

			sp_grid_centre(point, &voxels_grid, v);
			sp_beam_project(&x, &y, &axial, &beam->frame, point);
			away = hypot(x - bx, y - by);
			/* the cut-off knows positions to 1/32 bixel each way */
			if (away > CUTOFF_MM + 0.25) {
				assert_true(got == 0.0);
				left_out++;
				continue;
			}
			if (away > CUTOFF_MM - 0.25 && got == 0.0)
				continue;
			want = formula(&t, r->machine, &beam->frame, &voxels_grid, point, bx, by,
			               surface_mm[beam != beams->beams]);
			if (!(fabs(got - want) <= ENTRY_TOLERANCE * most[v]))
				fail_msg("bixel %zu voxel %zu: %.7g, formula %.7g", c, v, got, want);
			kept++;
		}
		free(column);
	}
	assert_true(kept > 2000 / every && left_out > 2000 / every);
	assert_true(sp_influence_values(m) >= kept);
	free(most);
	free(weights);
	free(voxels);
	sp_influence_destroy(m);
	sp_pencil_table_finish(&t);
	sp_beam_set_destroy(beams);
	sp_pencil_destroy(p);
}

/* Weights that differ from bixel to bixel. */
static double *uneven_weights(size_t n)
{
	double *w = sp_alloc_array(n, sizeof *w);

	for (size_t i = 0; i < n; i++)
		w[i] = 0.2 + (double)((i * 37) % 11);
	return w;
}

/* Two ways through the same physics; sums of some hundred floats, entries rounded to 16 bits. */
static void dose_is_the_matrix_without_a_cut_off(void **state)
{
	const rig *r = *state;
	const sp_beam_setup setups[2] = {rig_setup(33.0, -20.0, 15.0), rig_setup(180.0, 45.0, 0.0)};
	sp_pencil *p = rig_pencil(r, 1.1f);
	sp_beam_set *beams = rig_beams(setups, 2);
	uint64_t *voxels = all_voxels(&voxels_grid);
	size_t n = sp_grid_voxels(&voxels_grid);
	double *weights = uneven_weights(beams->n_bixels), most = 0.0;
	float *dose = sp_alloc_array(n, sizeof *dose), *product;
	sp_influence *m = NULL;

	assert_int_equal(sp_pencil_influence(&m, p, beams, &voxels_grid, voxels, n, 500.0, NULL), SP_OK);
	assert_int_equal(sp_influence_values(m), n * beams->n_bixels);
	product = rig_multiply(r, m, weights);
	assert_int_equal(sp_pencil_dose(dose, p, beams, weights, &voxels_grid, NULL), SP_OK);
	for (size_t v = 0; v < n; v++)
		most = fmax(most, (double)dose[v]);
	assert_true(most > 0.0);
	for (size_t v = 0; v < n; v++)
		if (!(fabs((double)dose[v] - (double)product[v]) <= 3e-5 * most))
			fail_msg("voxel %zu: dose %g, matrix %g, largest %g", v, (double)dose[v], (double)product[v],
			         most);
	free(product);
	free(dose);
	free(weights);
	free(voxels);
	sp_influence_destroy(m);
	sp_beam_set_destroy(beams);
	sp_pencil_destroy(p);
}

/* D w with the device's memory limited to limit_mb (NULL: as it is). */
static float *product_under(const rig *r, const char *limit_mb, const sp_grid *grid, size_t *bytes)
{
	const sp_beam_setup setups[2] = {rig_setup(33.0, -20.0, 15.0), rig_setup(180.0, 45.0, 0.0)};
	uint64_t *voxels = all_voxels(grid);
	sp_beam_set *beams = rig_beams(setups, 2);
	double *weights = uneven_weights(beams->n_bixels);
	rig own = *r;
	sp_influence *m = NULL;
	sp_pencil *p;
	float *dose;

	if (limit_mb)
		setenv("SPINEPLAN_DEVICE_MEMORY_MB", limit_mb, 1);
	assert_int_equal(sp_device_open(&own.device, NULL, NULL), SP_OK);
	unsetenv("SPINEPLAN_DEVICE_MEMORY_MB");
	p = rig_pencil(&own, 0.9f);
	assert_int_equal(sp_pencil_influence(&m, p, beams, grid, voxels, sp_grid_voxels(grid), 40.0, NULL), SP_OK);
	*bytes = (size_t)sp_influence_bytes(m);
	dose = rig_multiply(&own, m, weights);
	sp_influence_destroy(m);
	sp_pencil_destroy(p);
	sp_beam_set_destroy(beams);
	free(weights);
	free(voxels);
	sp_device_close(own.device);
	return dose;
}

static void a_memory_limit_cuts_the_work_but_changes_no_bit(void **state)
{
	const rig *r = *state;
	const sp_grid grid = {{60, 28, 20}, {1.25, 1.25, 3.5}, {-36.0, -88.0, 24.0}};
	size_t bytes, cut_bytes, again_bytes;
	float *whole, *again, *cut;

	if (rig_small())
		skip();
	whole = product_under(r, NULL, &grid, &bytes);
	again = product_under(r, NULL, &grid, &again_bytes);
	cut = product_under(r, "4", &grid, &cut_bytes);
	assert_true(bytes > 4u * 1000 * 1000); /* else nothing would have been cut */
	assert_memory_equal(whole, again, sp_grid_voxels(&grid) * sizeof *whole);
	assert_memory_equal(whole, cut, sp_grid_voxels(&grid) * sizeof *whole);
	assert_true(cut_bytes >= bytes);
	free(whole);
	free(again);
	free(cut);
}

/* The dose-weighted mean of the voxels' projections is the bixel's centre, whichever way the beam is turned. Scatter
 * that leaves the small block pulls it off by less than 1 mm. */
static void a_bixel_shines_along_its_own_ray(void **state)
{
	const rig *r = *state;
	const sp_beam_setup setup = rig_setup(28.0, 40.0, -12.0);
	const sp_grid fine = {{40, 19, 36}, {2.0, 2.0, 2.0}, {-37.0, -88.0, 22.0}},
	              coarse = {{20, 9, 18}, {4.0, 4.0, 4.0}, {-36.0, -87.0, 23.0}}, grid = rig_small() ? coarse : fine;
	sp_pencil *p = rig_pencil(r, 1.0f);
	sp_beam_set *beams = rig_beams(&setup, 1);
	const sp_beam *b = &beams->beams[0];
	size_t chosen = b->n_bixels / 3;
	double *weights = sp_alloc_array(beams->n_bixels, sizeof *weights), sum = 0.0, mean[2] = {0.0, 0.0};
	float *dose = sp_alloc_array(sp_grid_voxels(&grid), sizeof *dose), most = 0.0f;

	weights[chosen] = 1.0;
	assert_int_equal(sp_pencil_dose(dose, p, beams, weights, &grid, NULL), SP_OK);
	for (size_t v = 0; v < sp_grid_voxels(&grid); v++)
		most = dose[v] > most ? dose[v] : most;
	for (size_t v = 0; v < sp_grid_voxels(&grid); v++) {
		double point[3], x, y, axial;

		if (dose[v] < 0.3f * most)
			continue;
		sp_grid_centre(point, &grid, v);
		sp_beam_project(&x, &y, &axial, &b->frame, point);
		sum += (double)dose[v];
		mean[0] += x * (double)dose[v];
		mean[1] += y * (double)dose[v];
	}
	assert_true(fabs((double)b->x_mm[chosen]) > 4.0 || fabs((double)b->y_mm[chosen]) > 4.0);
	if (!(hypot(mean[0] / sum - (double)b->x_mm[chosen], mean[1] / sum - (double)b->y_mm[chosen]) < 1.0))
		fail_msg("the bixel at %g, %g shines at %g, %g", (double)b->x_mm[chosen], (double)b->y_mm[chosen],
		         mean[0] / sum, mean[1] / sum);
	free(dose);
	free(weights);
	sp_beam_set_destroy(beams);
	sp_pencil_destroy(p);
}

/* The dose grid reaches 10 mm beyond the block; what overlaps it gets dose, what does not gets none, in the matrix as
 * well. */
static void there_is_no_dose_in_vacuum(void **state)
{
	const rig *r = *state;
	const sp_beam_setup setup = rig_setup(0.0, 0.0, 0.0);
	const sp_grid grid = {{1, 12, 1}, {5.0, 5.0, 5.0}, {2.0, -99.0, 60.0}}; /* y -101.5 .. -41.5 */
	sp_pencil *p = rig_pencil(r, 1.0f);
	sp_beam_set *beams = rig_beams(&setup, 1);
	double *weights = uneven_weights(beams->n_bixels);
	uint64_t *voxels = all_voxels(&grid);
	sp_influence *m = NULL;
	float dose[12], *product;

	assert_int_equal(sp_pencil_dose(dose, p, beams, weights, &grid, NULL), SP_OK);
	assert_int_equal(sp_pencil_influence(&m, p, beams, &grid, voxels, 12, 30.0, NULL), SP_OK);
	product = rig_multiply(r, m, weights);
	for (int j = 0; j < 12; j++) {
		double low = -101.5 + 5.0 * j;
		bool inside = low + 5.0 > -90.0 && low < -50.0;

		if ((dose[j] > 0.0f) != inside || (product[j] > 0.0f) != inside)
			fail_msg("voxel %d from y %g mm: dose %g, matrix %g", j, low, (double)dose[j],
			         (double)product[j]);
	}
	free(product);
	free(voxels);
	free(weights);
	sp_influence_destroy(m);
	sp_beam_set_destroy(beams);
	sp_pencil_destroy(p);
}

static void nonsense_is_refused(void **state)
{
	const rig *r = *state;
	const sp_beam_setup setup = rig_setup(0.0, 0.0, 0.0);
	sp_machine unknown = *r->machine;
	char name[] = "no-such-kernels";
	float red[8] = {0};
	const sp_grid tiny = {{2, 2, 2}, {1.0, 1.0, 1.0}, {0.0, 0.0, 0.0}};
	sp_pencil *p = rig_pencil(r, 1.0f);
	sp_beam_set *beams = rig_beams(&setup, 1);
	sp_pencil *none = NULL;
	sp_influence *m = NULL;
	uint64_t voxel = 0;
	sp_error err = {0};

	assert_int_equal(sp_pencil_influence(&m, p, beams, &voxels_grid, &voxel, 1, 1.0, &err), SP_BAD_INPUT);
	assert_string_equal(err.text, "the cut-off is 1 mm, expected one bixel (5 mm) to 1000");
	err = (sp_error){0};
	assert_int_equal(sp_pencil_create(&none, r->device, r->machine, &tiny, red, &err), SP_BAD_INPUT);
	assert_string_equal(err.text, "the image holds no matter: every electron density is 0");
	err = (sp_error){0};
	unknown.kernel = name;
	red[3] = 1.0f;
	assert_int_equal(sp_pencil_create(&none, r->device, &unknown, &tiny, red, &err), SP_BAD_INPUT);
	assert_string_equal(err.text, "no pencil kernel table is called 'no-such-kernels'");
	sp_beam_set_destroy(beams);
	sp_pencil_destroy(p);
}

/* Several sets of weights at a time share the geometry and nothing else: every bit is what it is alone. */
static void doses_made_together_are_those_made_alone(void **state)
{
	const rig *r = *state;
	const sp_beam_setup setups[2] = {rig_setup(200, 15, 0), rig_setup(75, 0, 10)};
	sp_beam_set *beams = rig_beams(setups, 2);
	sp_pencil *p = rig_pencil(r, 0.9f);
	size_t n = sp_grid_voxels(&voxels_grid);
	double *weights[3];
	float *together[3], *alone = sp_alloc_array(n, sizeof *alone);

	for (size_t m = 0; m < 3; m++) {
		weights[m] = sp_alloc_array(beams->n_bixels, sizeof **weights);
		together[m] = sp_alloc_array(n, sizeof **together);
		for (size_t i = 0; i < beams->n_bixels; i++)
			weights[m][i] = (double)((i + 3 * m) % (5 + m));
	}
	assert_int_equal(
	        sp_pencil_doses(together, p, beams, (const double *const *)weights, 3, &voxels_grid, NULL, NULL),
	        SP_OK);
	for (size_t m = 0; m < 3; m++) {
		assert_int_equal(sp_pencil_dose(alone, p, beams, weights[m], &voxels_grid, NULL), SP_OK);
		assert_true(alone[n / 2] > 0.0f);
		assert_memory_equal(together[m], alone, n * sizeof *alone);
		free(weights[m]);
		free(together[m]);
	}
	free(alone);
	sp_pencil_destroy(p);
	sp_beam_set_destroy(beams);
}

/* Voxels that are not asked for change nothing in the others. */
static void dose_of_some_voxels_is_that_of_all(void **state)
{
	const rig *r = *state;
	const sp_beam_setup setup = rig_setup(200, 15, 0);
	sp_beam_set *beams = rig_beams(&setup, 1);
	sp_pencil *p = rig_pencil(r, 0.9f);
	size_t n = sp_grid_voxels(&voxels_grid);
	float *all = sp_alloc_array(n, sizeof *all), *some = sp_alloc_array(n, sizeof *some);
	unsigned char *wanted = sp_alloc_array(n, 1);
	double *weights = sp_alloc_array(beams->n_bixels, sizeof *weights);

	for (size_t i = 0; i < beams->n_bixels; i++)
		weights[i] = 1.0;
	for (size_t v = 0; v < n; v += 7)
		wanted[v] = 1;
	assert_int_equal(sp_pencil_dose(all, p, beams, weights, &voxels_grid, NULL), SP_OK);
	assert_int_equal(
	        sp_pencil_doses(&some, p, beams, (const double *const *)&weights, 1, &voxels_grid, wanted, NULL),
	        SP_OK);
	for (size_t v = 0; v < n; v++)
		assert_true(some[v] == (wanted[v] ? all[v] : 0.0f));
	assert_true(all[7 * (n / 14)] > 0.0f);
	free(all);
	free(some);
	free(wanted);
	free(weights);
	sp_pencil_destroy(p);
	sp_beam_set_destroy(beams);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_entry_is_the_formula),
	        cmocka_unit_test(dose_is_the_matrix_without_a_cut_off),
	        cmocka_unit_test(doses_made_together_are_those_made_alone),
	        cmocka_unit_test(dose_of_some_voxels_is_that_of_all),
	        cmocka_unit_test(a_memory_limit_cuts_the_work_but_changes_no_bit),
	        cmocka_unit_test(a_bixel_shines_along_its_own_ray),
	        cmocka_unit_test(there_is_no_dose_in_vacuum),
	        cmocka_unit_test(nonsense_is_refused),
	};

	return cmocka_run_group_tests(tests, rig_set_up, rig_tear_down);
}
