/* Leaf ends and monitor units: their fluence is what the openings let through, its derivative is right, fields reach
 * what their leaves reach, and arcs are made as slow as the leaves. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "deliver_fixture.h"
#include "opening.h"
#include "to_delivery.h"

static void the_mean_opening_is_that_of_many_places_on_the_way(void **state)
{
	const double from[] = {-3.0, 1.0, 2.0, 4.0, -9.0, 2.0}, to[] = {9.0, 4.0, 2.0, -2.0, -8.0, 2.00001};
	double by_from, by_to, low, high, unused[2];

	(void)state;
	for (int i = 0; i < 6; i++) {
		double mean = sp_opening_mean(from[i], to[i], 0.0, 5.0, &by_from, &by_to), sum = 0.0;

		for (int k = 0; k < 10000; k++)
			sum += 1e-4 * sp_opening_at(from[i] + (to[i] - from[i]) * (k + 0.5) * 1e-4, 0.0, 5.0);
		assert_true(fabs(mean - sum) < 1e-6); /* the sum's own error: its step squared */
		high = sp_opening_mean(from[i], to[i] + 1e-3, 0.0, 5.0, &unused[0], &unused[1]);
		low = sp_opening_mean(from[i], to[i] - 1e-3, 0.0, 5.0, &unused[0], &unused[1]);
		assert_true(fabs(by_to - (high - low) / 2e-3) < 1e-3);
		high = sp_opening_mean(from[i] + 1e-3, to[i], 0.0, 5.0, &unused[0], &unused[1]);
		low = sp_opening_mean(from[i] - 1e-3, to[i], 0.0, 5.0, &unused[0], &unused[1]);
		assert_true(fabs(by_from - (high - low) / 2e-3) < 1e-3);
	}
}

/* All fluence, summed over bixels, is the openings' area (with the leaf gap) and the closed leaves' leak. */
static void the_fluence_is_what_the_openings_let_through(void **state)
{
	for (int turned = 0; turned < 2; turned++) {
		double bank1[40], bank2[40], sum = 0.0, wanted = 0.0, t, gap, *weights;
		rig r;

		(void)state;
		make_rig(&r, turned, false);
		set_ragged(&r);
		t = r.machine->mlc->transmission;
		gap = r.machine->mlc->leaf_gap_mm;
		weights = calloc(r.bixels->n_bixels, sizeof *weights);
		r.map->map.weights(r.map, weights, r.map->x);
		for (size_t b = 0; b < r.bixels->n_bixels; b++)
			sum += weights[b] * 25.0;
		assert_int_equal(r.fields->fields[0].n_pairs, turned ? 12 : 8);
		for (size_t s = 0; s < 3; s++) {
			double mu = 3.0 + 2.0 * (double)s;

			sp_aperture_leaves(bank1, bank2, r.map, r.map->x, 0, s);
			wanted += mu * t * 60.0 * 40.0;
			for (size_t k = 0; k < r.fields->fields[0].n_pairs; k++) {
				double near = fmax(bank1[k] - 0.5 * gap, turned ? -20 : -25);
				double far = fmin(bank2[k] + 0.5 * gap, turned ? 20 : 35);

				wanted += mu * (1.0 - t) * 5.0 * (far - near);
			}
		}
		assert_true(fabs(sum - wanted) < 1e-9 * wanted);
		free(weights);
		finish_rig(&r);
	}
}

static double linear_cost(const rig *r, const double *x, const double *by_weights, double *room)
{
	double sum = 0.0;

	r->map->map.weights(r->map, room, x);
	for (size_t b = 0; b < r->bixels->n_bixels; b++)
		sum += by_weights[b] * room[b];
	return sum;
}

/* Central differences of 1e-4 in a fluence that is piecewise quadratic: exact but for rounding, away from bixel edges.
 */
static void the_gradient_by_leaf_ends_and_monitor_units_is_right(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		rig r;
		double *by_weights, *room, *gradient;
		size_t wrong = 0;

		make_rig(&r, kind & 1, kind & 2);
		set_ragged(&r);
		by_weights = calloc(r.bixels->n_bixels, sizeof *by_weights);
		room = calloc(r.bixels->n_bixels, sizeof *room);
		gradient = calloc(r.fields->n_variables, sizeof *gradient);
		for (size_t b = 0; b < r.bixels->n_bixels; b++)
			by_weights[b] = sin(1.0 + 3.0 * (double)b);
		r.map->map.pull_back(r.map, gradient, r.map->x, by_weights, false);
		for (size_t v = 0; v < r.fields->n_variables; v++) {
			double x = r.map->x[v], high, low;

			r.map->x[v] = x + 1e-4;
			high = linear_cost(&r, r.map->x, by_weights, room);
			r.map->x[v] = x - 1e-4;
			low = linear_cost(&r, r.map->x, by_weights, room);
			r.map->x[v] = x;
			wrong += fabs(gradient[v] - (high - low) / 2e-4) > 1e-6;
		}
		assert_int_equal(wrong, 0);
		free(by_weights);
		free(room);
		free(gradient);
		finish_rig(&r);
	}
}

static void pairs_that_would_cross_stay_a_least_gap_apart(void **state)
{
	double bank1[40], bank2[40];
	rig r;

	(void)state;
	make_rig(&r, false, false);
	sp_aperture_set_leaves(r.map, r.map->x, 0, 0, 2, 10.0, 6.0);
	sp_aperture_leaves(bank1, bank2, r.map, r.map->x, 0, 0);
	assert_true(fabs(bank1[2] - 7.75) < 1e-9 && fabs(bank2[2] - 8.25) < 1e-9);
	finish_rig(&r);
}

/* Five leaves of 1 mm to a row of bixels: all of them open, every bixel but those at the edges has the whole MU. */
static void leaves_much_narrower_than_bixels_cover_all_rows(void **state)
{
	double *weights;
	rig r;

	(void)state;
	complete_under(&r, (double[]){-25, 35, -20, 20}, -50.0, 1.0, 100);
	weights = calloc(r.bixels->n_bixels, sizeof *weights);
	r.map->map.weights(r.map, weights, r.map->x);
	assert_int_equal(r.fields->fields[0].n_pairs, 40);
	for (size_t b = 0; b < r.bixels->n_bixels; b++)
		assert_true(fabs(weights[b] - 1.0) < 1e-9);
	free(weights);
	finish_rig(&r);
}

/* Beyond the last leaf nothing would shape the field: the jaws have to cover what is there. */
static void jaws_open_no_farther_than_leaves_and_field_reach(void **state)
{
	const sp_field *f;
	rig r;

	(void)state;
	complete_under(&r, (double[]){-25, 35, -70, 60}, -50.0, 5.0, 20);
	f = &r.fields->fields[0];
	assert_int_equal(f->n_pairs, 20);
	assert_true(fabs(f->jaws_mm[2] + 50.0) < 1e-9 && fabs(f->jaws_mm[3] - 50.0) < 1e-9);
	assert_true(fabs(f->jaws_mm[0] + 25.0) < 1e-9 && fabs(f->jaws_mm[1] - 35.0) < 1e-9);
	finish_rig(&r);
	complete_under(&r, (double[]){-25, 35, -210, 60}, -250.0, 5.0, 100); /* the largest field is 400 mm */
	assert_true(fabs(r.fields->fields[0].jaws_mm[2] + 200.0) < 1e-9);
	finish_rig(&r);
}

static void leaves_of_an_arc_are_made_slow_enough(void **state)
{
	const sp_field *f;
	double limit, bank[2][3][40];
	sp_error err = {0};
	rig r;

	(void)state;
	make_rig(&r, false, true);
	f = &r.fields->fields[0];
	for (size_t k = 0; k < f->n_pairs; k++) {
		sp_aperture_set_leaves(r.map, r.map->x, 0, 0, k, -20.0, -10.0 + (double)k);
		sp_aperture_set_leaves(r.map, r.map->x, 0, 1, k, 15.0, 20.0);
		sp_aperture_set_leaves(r.map, r.map->x, 0, 2, k, -20.0, 0.0);
	}
	for (size_t i = 0; i < 2; i++)
		sp_aperture_set_mu(r.map, r.map->x, 0, i, 2.0);
	assert_int_equal(sp_aperture_repair_speed(r.map, r.map->x, &err), SP_OK);
	for (size_t s = 0; s < 3; s++)
		sp_aperture_leaves(bank[0][s], bank[1][s], r.map, r.map->x, 0, s);
	limit = 25.0 / 3.0; /* 2 degrees take a third of a second */
	for (size_t s = 0; s < 2; s++)
		for (size_t k = 0; k < f->n_pairs; k++)
			for (size_t b = 0; b < 2; b++) {
				assert_true(fabs(bank[b][s + 1][k] - bank[b][s][k]) <= limit);
				assert_true(bank[1][s][k] - bank[0][s][k] >= 0.5 - 1e-9);
			}
	finish_rig(&r);
}

static void apertures_become_control_points(void **state)
{
	sp_delivery *d = NULL;
	sp_error err = {0};
	rig r;

	(void)state;
	make_rig(&r, false, false);
	set_ragged(&r);
	if (sp_apertures_deliver(&d, r.map, r.map->x, 2.0, &err) != SP_OK)
		fail_msg("%s", err.text);
	assert_int_equal(d->n_beams, 1);
	assert_int_equal(d->beams[0].n_points, 6);
	assert_int_equal(d->beams[0].technique, SP_BEAM_IMRT);
	assert_true(fabs(d->beams[0].mu - 7.5) < 1e-9); /* 15 of the course */
	assert_int_equal(d->beams[0].n_pairs, 60);
	assert_true(fabs(d->beams[0].points[2].leaves_mm[26] - (-15.3 + 2.9)) < 0.006); /* the pair from -20 mm on */
	assert_true(fabs(d->beams[0].points[1].cumulative_mu - 1.5) < 1e-9);
	sp_delivery_destroy(d);
	finish_rig(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_mean_opening_is_that_of_many_places_on_the_way),
	        cmocka_unit_test(the_fluence_is_what_the_openings_let_through),
	        cmocka_unit_test(the_gradient_by_leaf_ends_and_monitor_units_is_right),
	        cmocka_unit_test(pairs_that_would_cross_stay_a_least_gap_apart),
	        cmocka_unit_test(leaves_much_narrower_than_bixels_cover_all_rows),
	        cmocka_unit_test(jaws_open_no_farther_than_leaves_and_field_reach),
	        cmocka_unit_test(leaves_of_an_arc_are_made_slow_enough),
	        cmocka_unit_test(apertures_become_control_points),
	};

	return cmocka_run_group_tests_name("apertures", tests, NULL, NULL);
}
