/* Segments that do nothing make way for the apertures that a gradient asks for. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "deliver_internal.h"

#define LEAST 1.0 /* MU of a segment of this machine and one fraction */

typedef struct {
	sp_deliver_job j;
	sp_machine *machine;
	sp_fluence_plan plan;
	sp_deliver_options options;
	sp_error err;
} rig;

/* A beam of 60 x 40 mm in bixels of 5 mm and two segments with leaves along x: an open one of 50 MU, one of least_mu
 * times `second` open from 0 to 10 mm. */
static void make_rig(rig *r, double second)
{
	const sp_beam_setup setup = {40.0, 0.0, 0.0, {1, 2, 3}};
	double leaves[2][16];
	sp_segments s = {0};
	size_t room = 0;

	*r = (rig){.options = {.technique = SP_BEAM_IMRT, .segments = 4, .fractions = 1.0}};
	assert_int_equal(sp_machine_read(&r->machine, "generic-6mv", &r->err), SP_OK);
	assert_int_equal(
	        sp_beam_set_rectangle(&r->plan.beams, &setup, 1000, "HFS", 5, (double[]){-30, 30, -20, 20}, &r->err),
	        SP_OK);
	r->j = (sp_deliver_job){.session = {.plan = &r->plan},
	                        .machine = r->machine,
	                        .options = &r->options,
	                        .mu_factor = 1.0,
	                        .err = &r->err};
	for (size_t k = 0; k < 8; k++) {
		leaves[0][k] = -30.0;
		leaves[0][8 + k] = 30.0;
		leaves[1][k] = 0.0;
		leaves[1][8 + k] = 10.0;
	}
	assert_int_equal(sp_segments_add(&s, &room, 0, 50.0, leaves[0], 8, &r->err), SP_OK);
	assert_int_equal(sp_segments_add(&s, &room, 0, second * LEAST, leaves[1], 8, &r->err), SP_OK);
	assert_int_equal(sp_deliver_make_steps(&r->j, &s), SP_OK);
	sp_segments_finish(&s);
	assert_int_equal(r->j.fields->n_fields, 1);
	r->j.map->output = 0.9;
	r->j.map->mu_price = 0.25;
}

static void finish_rig(rig *r)
{
	sp_aperture_map_destroy(r->j.map);
	sp_fields_destroy(r->j.fields);
	sp_beam_set_destroy(r->plan.beams);
	sp_machine_destroy(r->machine);
}

/* -1 in a block of the field, +1 elsewhere. */
static void ask_for(rig *r, double x1, double x2, double y1, double y2)
{
	const sp_beam *b = &r->plan.beams->beams[0];

	for (size_t i = 0; i < b->n_bixels; i++)
		r->j.map->by_weights[i] =
		        b->x_mm[i] > x1 && b->x_mm[i] < x2 && b->y_mm[i] > y1 && b->y_mm[i] < y2 ? -1.0 : 1.0;
}

static double mu_of(const rig *r, size_t field, size_t segment)
{
	return sp_aperture_mu(r->j.map, r->j.map->x, field, segment);
}

static void a_new_segment_opens_where_the_gradient_asks(void **state)
{
	double near[16], far[16], cost[2] = {0, 0}, *weights;
	bool changed;
	rig r;

	(void)state;
	make_rig(&r, 1.0);
	ask_for(&r, -20.0, 5.0, -10.0, 15.0);
	assert_int_equal(sp_deliver_renew_steps(&r.j, true, &changed), SP_OK);
	assert_true(changed);
	/* one for each way of the leaves, the idle one gone */
	assert_int_equal(r.j.fields->n_fields, 2);
	assert_int_equal(r.j.fields->fields[0].n_intervals, 2);
	assert_int_equal(r.j.fields->fields[1].n_intervals, 1);
	assert_true(r.j.fields->fields[1].turned && !r.j.fields->fields[0].turned);
	assert_true(mu_of(&r, 0, 0) == 50.0 && mu_of(&r, 0, 1) == LEAST);
	assert_true(r.j.map->output == 0.9 && r.j.map->mu_price == 0.25);
	sp_aperture_leaves(near, far, r.j.map, r.j.map->x, 0, 0);
	assert_true(near[3] == -30.0 && far[3] == 30.0);
	sp_aperture_leaves(near, far, r.j.map, r.j.map->x, 0, 1);
	for (size_t k = 0; k < 8; k++) {
		const bool open = k >= 2 && k < 7; /* pairs from -10 to 15 mm */

		if (open)
			assert_true(fabs(near[k] + 20.0) < 1e-9 && fabs(far[k] - 5.0) < 1e-9);
		else
			assert_true(far[k] - near[k] < 1.0 && (far[k] < -29.0 || near[k] > 29.0));
	}
	/* a monitor unit more of it takes off the cost */
	ask_for(&r, -20.0, 5.0, -10.0, 15.0);
	weights = calloc(r.plan.beams->n_bixels, sizeof *weights);
	for (size_t step = 0; step < 2; step++) {
		sp_aperture_set_mu(r.j.map, r.j.map->x, 0, 1, 10.0 + (double)step);
		r.j.map->map.weights(r.j.map, weights, r.j.map->x);
		for (size_t i = 0; i < r.plan.beams->n_bixels; i++)
			cost[step] += r.j.map->by_weights[i] * weights[i];
	}
	assert_true(cost[1] - cost[0] + r.j.map->mu_price < 0.0);
	free(weights);
	finish_rig(&r);
}

/* Nothing comes where a monitor unit costs more than it brings, and busy segments stay. */
static void nothing_comes_that_does_not_pay(void **state)
{
	bool changed;
	rig r;

	(void)state;
	make_rig(&r, 1.0);
	ask_for(&r, -20.0, 5.0, -10.0, 15.0);
	r.j.map->mu_price = 25.0; /* 25 bixels at -1 */
	assert_int_equal(sp_deliver_renew_steps(&r.j, true, &changed), SP_OK);
	assert_true(changed && r.j.fields->n_fields == 1 && r.j.fields->fields[0].n_intervals == 1);
	assert_true(mu_of(&r, 0, 0) == 50.0);
	assert_int_equal(sp_deliver_renew_steps(&r.j, true, &changed), SP_OK);
	assert_false(changed);
	finish_rig(&r);
	make_rig(&r, 2.0);
	assert_int_equal(sp_deliver_renew_steps(&r.j, false, &changed), SP_OK);
	assert_true(!changed && r.j.fields->fields[0].n_intervals == 2);
	finish_rig(&r);
}

/* All segments asked for are there already; the leaves keep to one way; a machine takes so many control points. */
static void there_are_never_more_than_asked_for(void **state)
{
	bool changed;
	rig r;

	(void)state;
	make_rig(&r, 2.0);
	ask_for(&r, -20.0, 5.0, -10.0, 15.0);
	r.options.segments = 2;
	assert_int_equal(sp_deliver_renew_steps(&r.j, true, &changed), SP_OK);
	assert_false(changed);
	r.options.segments = 4;
	r.options.one_collimator = true;
	r.machine->limits.max_control_points = 5;
	assert_int_equal(sp_deliver_renew_steps(&r.j, true, &changed), SP_OK);
	assert_false(changed);
	r.machine->limits.max_control_points = 6;
	assert_int_equal(sp_deliver_renew_steps(&r.j, true, &changed), SP_OK);
	assert_true(changed && r.j.fields->n_fields == 1 && r.j.fields->fields[0].n_intervals == 3);
	finish_rig(&r);
}

/* A beam that has lost all its segments gets them in one way again, the better one. */
static void one_collimator_stays_one(void **state)
{
	bool changed;
	rig r;

	(void)state;
	make_rig(&r, 1.0);
	r.options.one_collimator = true;
	sp_aperture_set_mu(r.j.map, r.j.map->x, 0, 0, LEAST);
	ask_for(&r, -20.0, 5.0, -10.0, 15.0);
	assert_int_equal(sp_deliver_renew_steps(&r.j, true, &changed), SP_OK);
	assert_true(changed && r.j.fields->n_fields == 1 && r.j.fields->fields[0].n_intervals == 1);
	finish_rig(&r);
}

/* Where none is more than idle the plan stays as it is. */
static void the_last_segments_stay(void **state)
{
	bool changed;
	rig r;

	(void)state;
	make_rig(&r, 1.0);
	sp_aperture_set_mu(r.j.map, r.j.map->x, 0, 0, LEAST);
	assert_int_equal(sp_deliver_renew_steps(&r.j, false, &changed), SP_OK);
	assert_true(!changed && r.j.fields->fields[0].n_intervals == 2);
	finish_rig(&r);
}

/* What goes can come back as it was. */
static void all_segments_can_come_back(void **state)
{
	double near[2][16], far[2][16];
	sp_segments all;
	bool changed;
	rig r;

	(void)state;
	make_rig(&r, 1.2);
	sp_aperture_leaves(near[0], far[0], r.j.map, r.j.map->x, 0, 1);
	assert_int_equal(sp_deliver_all_steps(&all, &r.j), SP_OK);
	assert_int_equal(all.n, 2);
	assert_int_equal(sp_deliver_renew_steps(&r.j, false, &changed), SP_OK);
	assert_true(changed && r.j.fields->fields[0].n_intervals == 1);
	assert_int_equal(sp_deliver_make_steps(&r.j, &all), SP_OK);
	sp_segments_finish(&all);
	assert_true(r.j.fields->n_fields == 1 && r.j.fields->fields[0].n_intervals == 2);
	assert_true(mu_of(&r, 0, 0) == 50.0 && fabs(mu_of(&r, 0, 1) - 1.2 * LEAST) < 1e-12);
	sp_aperture_leaves(near[1], far[1], r.j.map, r.j.map->x, 0, 1);
	for (size_t k = 0; k < 8; k++)
		assert_true(near[0][k] == near[1][k] && far[0][k] == far[1][k]);
	assert_true(r.j.map->output == 0.9 && r.j.map->mu_price == 0.25);
	finish_rig(&r);
}

static void limits_decide_what_may_go(void **state)
{
	const struct {
		double before, after;
		bool breaks;
	} cases[] = {{-0.1, 0.3, true}, {-0.1, -0.05, false}, {-0.1, 0.004, false},
	             {0.2, 0.3, true},  {0.2, 0.2, false},    {0.2, 0.1, false}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const sp_limit_standing before = {.worst_miss_gy = cases[i].before},
		                        after = {.worst_miss_gy = cases[i].after};

		assert_int_equal(sp_deliver_breaks_limits(&before, &after), cases[i].breaks);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_new_segment_opens_where_the_gradient_asks),
	        cmocka_unit_test(nothing_comes_that_does_not_pay),
	        cmocka_unit_test(there_are_never_more_than_asked_for),
	        cmocka_unit_test(one_collimator_stays_one),
	        cmocka_unit_test(the_last_segments_stay),
	        cmocka_unit_test(all_segments_can_come_back),
	        cmocka_unit_test(limits_decide_what_may_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
