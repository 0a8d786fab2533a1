/* A plan within all limits has no breach; each wrong plan breaks just the rule that it should. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "delivery_check.h"

#define POINTS 5

/* An arc from 200 to 208 degrees, 10 MU, leaves at rest but for pair 30; everything within the limits. */
static sp_delivery *good_arc(const sp_machine *m)
{
	sp_delivery *d = NULL;
	sp_delivery_beam *b;
	sp_error err = {0};

	assert_int_equal(sp_delivery_create(&d, m->name, m->mlc->name, 1, &err), SP_OK);
	b = &d->beams[0];
	assert_int_equal(sp_delivery_beam_make(b, POINTS, m->mlc->n_pairs, m->mlc->boundaries_mm, &err), SP_OK);
	b->technique = SP_BEAM_VMAT;
	b->sad_mm = 1000;
	b->mu = 10.0;
	for (size_t i = 0; i < POINTS; i++) {
		sp_control_point *p = &b->points[i];

		p->gantry_deg = 200.0 + 2.0 * (double)i;
		p->gantry_turn = i + 1 < POINTS;
		memcpy(p->jaws_mm, (double[]){-40, 50, -60, 60}, sizeof p->jaws_mm);
		p->cumulative_mu = 2.5 * (double)i;
		for (size_t k = 0; k < b->n_pairs; k++) {
			p->leaves_mm[k] = -20.0;
			p->leaves_mm[b->n_pairs + k] = 30.0;
		}
		p->leaves_mm[30] = -20.0 + 8.0 * (double)i;
		p->leaves_mm[b->n_pairs + 30] = 30.0 + 8.0 * (double)i;
	}
	return d;
}

/* Step and shoot at 200 degrees: two steps of 5 MU, between which leaves and jaws move without monitor units. */
static sp_delivery *good_steps(const sp_machine *m)
{
	sp_delivery *d = good_arc(m);
	sp_delivery_beam *b = &d->beams[0];

	b->technique = SP_BEAM_IMRT;
	free(b->points[4].leaves_mm); /* nothing frees a point beyond the last */
	b->n_points = 4;
	for (size_t i = 0; i < b->n_points; i++) {
		sp_control_point *p = &b->points[i];

		p->gantry_deg = 200.0;
		p->gantry_turn = 0;
		p->cumulative_mu = 5.0 * (double)((i + 1) / 2);
		p->leaves_mm[30] = i < 2 ? -20.0 : 60.0;
		p->leaves_mm[b->n_pairs + 30] = i < 2 ? 30.0 : 70.0;
	}
	return d;
}

static void all_leaves(sp_delivery_beam *b, double bank1, double bank2)
{
	for (size_t i = 0; i < b->n_points; i++)
		for (size_t k = 0; k < b->n_pairs; k++) {
			b->points[i].leaves_mm[k] = bank1;
			b->points[i].leaves_mm[b->n_pairs + k] = bank2;
		}
}

static void all_jaws(sp_delivery_beam *b, int which, double mm)
{
	for (size_t i = 0; i < b->n_points; i++)
		b->points[i].jaws_mm[which] = mm;
}

/* Each breaks one rule. */
static void edges_elsewhere(sp_delivery_beam *b)
{
	b->leaf_boundaries_mm[3] += 0.4;
}
static void fewer_pairs(sp_delivery_beam *b)
{
	for (size_t i = 0; i < b->n_points; i++) /* bank 2 follows bank 1 */
		for (size_t k = 0; k < 20; k++) {
			b->points[i].leaves_mm[k] = -20.0;
			b->points[i].leaves_mm[20 + k] = 30.0;
		}
	b->n_pairs = 20;
}
static void gap_of_a_moving_pair(sp_delivery_beam *b)
{
	for (size_t i = 0; i < b->n_points; i++)
		b->points[i].leaves_mm[b->n_pairs + 30] = b->points[i].leaves_mm[30] + 0.2;
}
static void bank_1_spread(sp_delivery_beam *b)
{
	for (size_t i = 0; i < b->n_points; i++)
		b->points[i].leaves_mm[5] = -140.0;
}
static void bank_2_spread(sp_delivery_beam *b)
{
	for (size_t i = 0; i < b->n_points; i++)
		b->points[i].leaves_mm[b->n_pairs + 5] = 30.0 + 151.0;
}
static void bank_1_far_over(sp_delivery_beam *b)
{
	all_leaves(b, 202.0, 200.0); /* crossed, so that bank 2 is not drawn back too far; what stands may be closed */
}
static void bank_1_drawn_back(sp_delivery_beam *b)
{
	all_leaves(b, -205.0, 30.0);
}
static void bank_2_drawn_back(sp_delivery_beam *b)
{
	all_leaves(b, -20.0, 203.0);
}
static void x_jaw_past_the_axis(sp_delivery_beam *b)
{
	all_jaws(b, 0, 25.0);
}
static void other_x_jaw_past_the_axis(sp_delivery_beam *b)
{
	all_jaws(b, 1, -21.0);
}
static void y_jaw_past_the_axis(sp_delivery_beam *b)
{
	all_jaws(b, 2, 104.0);
	all_jaws(b, 3, 130.0);
}
static void jaw_drawn_back_too_far(sp_delivery_beam *b)
{
	all_jaws(b, 3, 230.0);
}
static void sum_that_differs(sp_delivery_beam *b)
{
	b->mu = 10.5;
}
static void mu_not_rounded(sp_delivery_beam *b)
{
	b->mu = b->points[b->n_points - 1].cumulative_mu = 10.03;
}
static void no_mu(sp_delivery_beam *b)
{
	b->mu = 0.0;
	for (size_t i = 0; i < b->n_points; i++)
		b->points[i].cumulative_mu = 0.0;
}
static void mu_that_do_not_begin_at_0(sp_delivery_beam *b)
{
	b->points[0].cumulative_mu = 1.0;
}
static void mu_that_fall(sp_delivery_beam *b)
{
	b->points[1].cumulative_mu = 5.5;
}
static void step_of_too_few_mu(sp_delivery_beam *b)
{
	b->points[1].cumulative_mu = b->points[2].cumulative_mu = 0.005;
}
static void too_few_mu_a_degree(sp_delivery_beam *b)
{
	b->points[1].cumulative_mu = 0.1;
}
static void turn_without_mu(sp_delivery_beam *b)
{
	b->points[1].cumulative_mu = 0.0;
}
static void too_many_mu_a_degree(sp_delivery_beam *b)
{
	b->mu = 100.0;
	b->points[b->n_points - 1].cumulative_mu = 100.0;
}
static void leaf_too_fast(sp_delivery_beam *b)
{
	b->points[2].leaves_mm[b->n_pairs + 30] += 9.0;
}
static void leaf_too_fast_in_a_step(sp_delivery_beam *b)
{
	b->points[1].leaves_mm[30] = -10.0; /* 5 MU take 0.21 s: 47 mm/s */
}
static void jaw_too_fast(sp_delivery_beam *b)
{
	b->points[3].jaws_mm[1] += 12.0;
}
static void gantry_through_its_stop(sp_delivery_beam *b)
{
	for (size_t i = 0; i < b->n_points; i++)
		b->points[i].gantry_deg = 176.0 + 2.0 * (double)i;
}
static void gantry_that_turns_round(sp_delivery_beam *b)
{
	b->points[2].gantry_turn = b->points[3].gantry_turn = -1;
	b->points[3].gantry_deg = 202.0;
	b->points[4].gantry_deg = 200.0;
}
static void turn_of_an_imrt_beam(sp_delivery_beam *b)
{
	b->technique = SP_BEAM_IMRT;
}
static void turn_of_a_static_beam(sp_delivery_beam *b)
{
	b->technique = SP_BEAM_STATIC;
}
static void collimator_turns(sp_delivery_beam *b)
{
	for (size_t i = 0; i < b->n_points; i++)
		b->points[i].collimator_deg = 90.0 + (double)i;
}
static void couch_turns(sp_delivery_beam *b)
{
	b->points[2].couch_deg = 359.0;
}
static void collimator_turns_between_steps(sp_delivery_beam *b)
{
	b->points[2].collimator_deg = b->points[3].collimator_deg = 5.0;
}

typedef struct {
	void (*spoil)(sp_delivery_beam *b);
	sp_rule rule;
} wrong_plan;

static void judge_all(sp_delivery *(*good)(const sp_machine *m), const wrong_plan *cases, size_t n)
{
	sp_machine *m = NULL;
	sp_error err = {0};

	assert_int_equal(sp_machine_read(&m, "generic-6fff", &err), SP_OK);
	for (size_t i = 0; i < n; i++) {
		sp_delivery *d = good(m);
		sp_delivery_verdict v;

		assert_int_equal(sp_delivery_judge(&v, d, m, &err), SP_OK);
		assert_int_equal(v.n, 0);
		cases[i].spoil(&d->beams[0]);
		assert_int_equal(sp_delivery_judge(&v, d, m, &err), SP_OK);
		if (v.n != 1 || v.breaches[0].rule != cases[i].rule)
			fail_msg("case %zu breaks %zu rules, expected %s; the first: %s", i, v.n,
			         sp_rule_name(cases[i].rule), v.n ? v.breaches[0].text : "none");
		sp_delivery_verdict_finish(&v);
		sp_delivery_destroy(d);
	}
	sp_machine_destroy(m);
}

static void each_wrong_arc_breaks_its_rule_and_no_other(void **state)
{
	const wrong_plan cases[] = {{edges_elsewhere, SP_RULE_LEAVES},
	                            {fewer_pairs, SP_RULE_LEAVES},
	                            {gap_of_a_moving_pair, SP_RULE_GAP},
	                            {bank_1_spread, SP_RULE_SPAN},
	                            {bank_2_spread, SP_RULE_SPAN},
	                            {bank_1_far_over, SP_RULE_OVERTRAVEL},
	                            {bank_1_drawn_back, SP_RULE_OVERTRAVEL},
	                            {bank_2_drawn_back, SP_RULE_OVERTRAVEL},
	                            {x_jaw_past_the_axis, SP_RULE_JAWS},
	                            {other_x_jaw_past_the_axis, SP_RULE_JAWS},
	                            {y_jaw_past_the_axis, SP_RULE_JAWS},
	                            {jaw_drawn_back_too_far, SP_RULE_JAWS},
	                            {sum_that_differs, SP_RULE_MU},
	                            {mu_not_rounded, SP_RULE_MU},
	                            {mu_that_do_not_begin_at_0, SP_RULE_MU},
	                            {mu_that_fall, SP_RULE_MU},
	                            {too_few_mu_a_degree, SP_RULE_MU_PER_DEGREE},
	                            {turn_without_mu, SP_RULE_MU_PER_DEGREE},
	                            {too_many_mu_a_degree, SP_RULE_MU_PER_DEGREE},
	                            {leaf_too_fast, SP_RULE_LEAF_SPEED},
	                            {jaw_too_fast, SP_RULE_JAW_SPEED},
	                            {gantry_through_its_stop, SP_RULE_TURN},
	                            {gantry_that_turns_round, SP_RULE_TURN},
	                            {turn_of_an_imrt_beam, SP_RULE_TURN},
	                            {turn_of_a_static_beam, SP_RULE_TURN},
	                            {collimator_turns, SP_RULE_TURN},
	                            {couch_turns, SP_RULE_TURN}};

	(void)state;
	judge_all(good_arc, cases, sizeof cases / sizeof *cases);
}

static void each_wrong_step_and_shoot_beam_breaks_its_rule_and_no_other(void **state)
{
	const wrong_plan cases[] = {{no_mu, SP_RULE_MU},
	                            {step_of_too_few_mu, SP_RULE_MU},
	                            {mu_that_fall, SP_RULE_MU},
	                            {leaf_too_fast_in_a_step, SP_RULE_LEAF_SPEED},
	                            {bank_1_drawn_back, SP_RULE_OVERTRAVEL},
	                            {collimator_turns_between_steps, SP_RULE_TURN},
	                            {couch_turns, SP_RULE_TURN}};

	(void)state;
	judge_all(good_steps, cases, sizeof cases / sizeof *cases);
}

/* Plans name no dose rate: the machine's greatest sets how little time the leaves get. */
static void leaves_that_are_too_fast_at_one_dose_rate_keep_up_at_a_lower_one(void **state)
{
	sp_machine *m = NULL;
	sp_delivery *d;
	sp_delivery_verdict v;
	sp_error err = {0};

	(void)state;
	assert_int_equal(sp_machine_read(&m, "generic-6fff", &err), SP_OK);
	d = good_steps(m);
	leaf_too_fast_in_a_step(&d->beams[0]);
	m->limits.max_dose_rate_mu_min = 700.0; /* 0.43 s: 23 mm/s */
	assert_int_equal(sp_delivery_judge(&v, d, m, &err), SP_OK);
	assert_int_equal(v.n, 0);
	sp_delivery_verdict_finish(&v);
	sp_delivery_destroy(d);
	sp_machine_destroy(m);
}

static void too_many_control_points_are_a_breach(void **state)
{
	sp_machine *m = NULL;
	sp_delivery *d;
	sp_delivery_verdict v;
	sp_error err = {0};

	(void)state;
	assert_int_equal(sp_machine_read(&m, "generic-6fff", &err), SP_OK);
	m->limits.max_control_points = POINTS - 1;
	d = good_arc(m);
	assert_int_equal(sp_delivery_judge(&v, d, m, &err), SP_OK);
	assert_int_equal(v.n, 1);
	assert_int_equal(v.breaches[0].rule, SP_RULE_POINTS);
	sp_delivery_verdict_finish(&v);
	sp_delivery_destroy(d);
	sp_machine_destroy(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(each_wrong_arc_breaks_its_rule_and_no_other),
	        cmocka_unit_test(each_wrong_step_and_shoot_beam_breaks_its_rule_and_no_other),
	        cmocka_unit_test(leaves_that_are_too_fast_at_one_dose_rate_keep_up_at_a_lower_one),
	        cmocka_unit_test(too_many_control_points_are_a_breach),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
