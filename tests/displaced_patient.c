/* A displaced patient: beams moved the other way must give what moving the patient gives. The reference moves the
 * patient itself (the grids of density and dose) and leaves the beams alone. */
#include "alloc.h"
#include "displace.h"
#include "pencil_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

/* A cube of equal spacings can be turned by right angles without resampling; uneven in x and y inside. */
#define N 20
#define STEP 4.0

/* Density that no turn or mirror image repeats. */
static float density_at(size_t i, size_t j, size_t k)
{
	return i < 6 && j > 9 ? 0.375f : j < 4 && k > 12 ? 1.5f : 1.0f;
}

static sp_grid cube(const double centre_mm[3])
{
	sp_grid g = {{N, N, N}, {STEP, STEP, STEP}, {0, 0, 0}};

	for (int a = 0; a < 3; a++)
		g.origin_mm[a] = centre_mm[a] - 0.5 * (N - 1) * STEP;
	return g;
}

static sp_pencil *engine(const rig *r, const sp_grid *g, bool turned)
{
	float *red = sp_alloc_array(sp_grid_voxels(g), sizeof *red);
	sp_pencil *p = NULL;

	for (size_t k = 0; k < N; k++)
		for (size_t j = 0; j < N; j++)
			for (size_t i = 0; i < N; i++)
				/* +90 degrees about z carries (x, y) to (-y, x): what is at (i, j) was at (j, N-1-i) */
				red[sp_grid_index(g, i, j, k)] =
				        turned ? density_at(j, N - 1 - i, k) : density_at(i, j, k);
	assert_int_equal(sp_pencil_create(&p, r->device, r->machine, g, red, NULL), SP_OK);
	free(red);
	return p;
}

static const double centre[3] = {2.0, -70.0, 60.0};

static sp_beam_set *beams(void)
{
	const sp_beam_setup setups[2] = {{200, 15, 0, {2, -70, 60}}, {75, 0, 10, {2, -70, 60}}};

	return rig_beams(setups, 2);
}

static float *dose_of(sp_pencil *p, const sp_beam_set *set, const double *weights, const sp_grid *g)
{
	float *dose = sp_alloc_array(sp_grid_voxels(g), sizeof *dose);

	assert_int_equal(sp_pencil_dose(dose, p, set, weights, g, NULL), SP_OK);
	return dose;
}

static double *uneven_weights(size_t n)
{
	double *w = sp_alloc_array(n, sizeof *w);

	for (size_t i = 0; i < n; i++)
		w[i] = 1.0 + (double)(i % 7);
	return w;
}

static double hottest(const float *dose, size_t n)
{
	double most = 0.0;

	for (size_t v = 0; v < n; v++)
		most = fmax(most, dose[v]);
	return most;
}

/* A point of the patient is seen from the displaced beams as its new place is from the planned ones. */
static void beams_see_a_displaced_point_where_it_has_come_to_lie(void **state)
{
	const sp_displacement d = {{1.5, -2.0, 0.7}, {3.0, -2.0, 5.0}, {2.0, -70.0, 60.0}};
	const double points[3][3] = {{10, -40, 70}, {-33, -99, 12}, {2, -70, 60}};
	sp_beam_set *set = beams(), *moved = NULL;

	(void)state;
	assert_int_equal(sp_beam_set_displace(&moved, set, &d, NULL), SP_OK);
	for (size_t b = 0; b < set->n_beams; b++)
		for (size_t i = 0; i < 3; i++) {
			double at[3], seen[3], expected[3];

			sp_displacement_apply(at, &d, points[i]);
			sp_beam_project(&expected[0], &expected[1], &expected[2], &set->beams[b].frame, at);
			sp_beam_project(&seen[0], &seen[1], &seen[2], &moved->beams[b].frame, points[i]);
			for (int a = 0; a < 3; a++)
				assert_true(fabs(seen[a] - expected[a]) < 1e-9); /* rounding of doubles of 1000 mm */
		}
	sp_beam_set_destroy(moved);
	sp_beam_set_destroy(set);
}

/* x goes to y, y to z and z to x for +90 degrees about z, x and y: right-handed. */
static void a_turn_is_right_handed_and_x_comes_first(void **state)
{
	static const double from[3][3] = {{0, 1, 0}, {0, 0, 1}, {1, 0, 0}},
	                    to[3][3] = {{0, 0, 1}, {1, 0, 0}, {0, 1, 0}};
	const sp_displacement both = {{0, 0, 5}, {90, 0, 90}, {0, 0, 0}};
	double at[3];

	(void)state;
	for (int axis = 0; axis < 3; axis++) {
		sp_displacement d = {{0}, {0}, {0}};

		d.rotation_deg[axis] = 90.0;
		sp_displacement_apply(at, &d, from[axis]);
		for (int a = 0; a < 3; a++)
			assert_true(fabs(at[a] - to[axis][a]) < 1e-12);
	}
	/* y to z about x, and z stays about z; then up by 5 */
	sp_displacement_apply(at, &both, (const double[3]){0, 1, 0});
	assert_true(fabs(at[0]) < 1e-12 && fabs(at[1]) < 1e-12 && fabs(at[2] - 6.0) < 1e-12);
}

static void a_shift_gives_the_dose_of_the_shifted_patient(void **state)
{
	const rig *r = *state;
	const sp_displacement d = {{3.0, -4.0, 5.0}, {0}, {9, 9, 9}};
	sp_grid here = cube(centre), there = here;
	sp_beam_set *set = beams(), *moved = NULL;
	double *w = uneven_weights(set->n_bixels);
	sp_pencil *p = engine(r, &here, false), *q;
	float *seen, *expected, *still;
	double most, change = 0.0;

	for (int a = 0; a < 3; a++)
		there.origin_mm[a] += d.shift_mm[a];
	q = engine(r, &there, false);
	assert_int_equal(sp_beam_set_displace(&moved, set, &d, NULL), SP_OK);
	seen = dose_of(p, moved, w, &here);
	expected = dose_of(q, set, w, &there);
	still = dose_of(p, set, w, &here);
	most = hottest(expected, sp_grid_voxels(&here));
	for (size_t v = 0; v < sp_grid_voxels(&here); v++) {
		/* the same geometry but for float rounding of coordinates */
		assert_true(fabs((double)seen[v] - (double)expected[v]) < 2e-3 * most);
		change = fmax(change, fabs((double)seen[v] - (double)still[v]));
	}
	assert_true(change > 0.2 * most); /* it is a shift that matters */
	free(seen);
	free(expected);
	free(still);
	free(w);
	sp_pencil_destroy(p);
	sp_pencil_destroy(q);
	sp_beam_set_destroy(moved);
	sp_beam_set_destroy(set);
}

static void a_turn_gives_the_dose_of_the_turned_patient(void **state)
{
	const rig *r = *state;
	const sp_displacement d = {{0}, {0, 0, 90}, {2.0, -70.0, 60.0}};
	sp_grid g = cube(centre);
	sp_beam_set *set = beams(), *moved = NULL;
	double *w = uneven_weights(set->n_bixels);
	sp_pencil *p = engine(r, &g, false), *q = engine(r, &g, true);
	float *seen, *expected;
	double most;

	assert_int_equal(sp_beam_set_displace(&moved, set, &d, NULL), SP_OK);
	seen = dose_of(p, moved, w, &g);
	expected = dose_of(q, set, w, &g);
	most = hottest(expected, sp_grid_voxels(&g));
	for (size_t k = 0; k < N; k++)
		for (size_t j = 0; j < N; j++)
			for (size_t i = 0; i < N; i++) {
				double was = seen[sp_grid_index(&g, j, N - 1 - i, k)];

				assert_true(fabs(was - (double)expected[sp_grid_index(&g, i, j, k)]) < 2e-3 * most);
			}
	free(seen);
	free(expected);
	free(w);
	sp_pencil_destroy(p);
	sp_pencil_destroy(q);
	sp_beam_set_destroy(moved);
	sp_beam_set_destroy(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(beams_see_a_displaced_point_where_it_has_come_to_lie),
	        cmocka_unit_test(a_turn_is_right_handed_and_x_comes_first),
	        cmocka_unit_test(a_shift_gives_the_dose_of_the_shifted_patient),
	        cmocka_unit_test(a_turn_gives_the_dose_of_the_turned_patient),
	};

	return cmocka_run_group_tests(tests, rig_set_up, rig_tear_down);
}
