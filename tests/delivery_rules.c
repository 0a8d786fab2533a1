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

static void all_leaves(sp_delivery_beam *b, size_t point, double bank1, double bank2)
{
	for (size_t k = 0; k < b->n_pairs; k++) {
		b->points[point].leaves_mm[k] = bank1;
		b->points[point].leaves_mm[b->n_pairs + k] = bank2;
	}
}

/* Each breaks one rule. */
static void edges_elsewhere(sp_delivery_beam *b)
{
	b->leaf_boundaries_mm[3] += 0.4;
}
static void gap_of_a_moving_pair(sp_delivery_beam *b)
{
	b->points[2].leaves_mm[b->n_pairs + 30] = b->points[2].leaves_mm[30] + 0.2;
}
static void bank_spread(sp_delivery_beam *b)
{
	for (size_t i = 0; i < POINTS; i++)
		b->points[i].leaves_mm[5] = -140.0;
}
static void leaves_far_over(sp_delivery_beam *b)
{
	for (size_t i = 0; i < POINTS; i++)
		all_leaves(b, i, 205.0, 210.0);
}
static void jaw_past_the_axis(sp_delivery_beam *b)
{
	for (size_t i = 0; i < POINTS; i++)
		b->points[i].jaws_mm[0] = 25.0;
}
static void field_too_large(sp_delivery_beam *b)
{
	for (size_t i = 0; i < POINTS; i++)
		b->points[i].jaws_mm[3] = 230.0;
}
static void sum_that_differs(sp_delivery_beam *b)
{
	b->mu = 10.5;
}
static void mu_not_rounded(sp_delivery_beam *b)
{
	b->mu = b->points[POINTS - 1].cumulative_mu = 10.03;
}
static void too_few_mu_a_degree(sp_delivery_beam *b)
{
	b->points[1].cumulative_mu = 0.1;
}
static void too_many_mu_a_degree(sp_delivery_beam *b)
{
	b->mu = 100.0;
	b->points[POINTS - 1].cumulative_mu = 100.0;
}
static void leaf_too_fast(sp_delivery_beam *b)
{
	b->points[2].leaves_mm[b->n_pairs + 30] += 9.0;
}
static void jaw_too_fast(sp_delivery_beam *b)
{
	b->points[3].jaws_mm[1] += 12.0;
}
static void gantry_through_its_stop(sp_delivery_beam *b)
{
	for (size_t i = 0; i < POINTS; i++)
		b->points[i].gantry_deg = 176.0 + 2.0 * (double)i;
}
static void turn_of_a_static_beam(sp_delivery_beam *b)
{
	b->technique = SP_BEAM_IMRT;
}

static void each_wrong_plan_breaks_its_rule_and_no_other(void **state)
{
	const struct {
		void (*spoil)(sp_delivery_beam *b);
		sp_rule rule;
	} cases[] = {{edges_elsewhere, SP_RULE_LEAVES},
	             {gap_of_a_moving_pair, SP_RULE_GAP},
	             {bank_spread, SP_RULE_SPAN},
	             {leaves_far_over, SP_RULE_OVERTRAVEL},
	             {jaw_past_the_axis, SP_RULE_JAWS},
	             {field_too_large, SP_RULE_JAWS},
	             {sum_that_differs, SP_RULE_MU},
	             {mu_not_rounded, SP_RULE_MU},
	             {too_few_mu_a_degree, SP_RULE_MU_PER_DEGREE},
	             {too_many_mu_a_degree, SP_RULE_MU_PER_DEGREE},
	             {leaf_too_fast, SP_RULE_LEAF_SPEED},
	             {jaw_too_fast, SP_RULE_JAW_SPEED},
	             {gantry_through_its_stop, SP_RULE_TURN},
	             {turn_of_a_static_beam, SP_RULE_TURN}};
	sp_machine *m = NULL;
	sp_error err = {0};

	(void)state;
	assert_int_equal(sp_machine_read(&m, "generic-6fff", &err), SP_OK);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		sp_delivery *d = good_arc(m);
		sp_delivery_verdict v;
		bool found = false;

		assert_int_equal(sp_delivery_judge(&v, d, m, &err), SP_OK);
		assert_int_equal(v.n, 0);
		cases[i].spoil(&d->beams[0]);
		assert_int_equal(sp_delivery_judge(&v, d, m, &err), SP_OK);
		for (size_t k = 0; k < v.n; k++) {
			found |= v.breaches[k].rule == cases[i].rule;
			/* a leaf that closes its gap in one step is too fast as well; 205 mm over is also a moving
			 * pair's end */
			if (v.breaches[k].rule != cases[i].rule && v.breaches[k].rule != SP_RULE_LEAF_SPEED)
				fail_msg("case %zu also breaks %s: %s", i, sp_rule_name(v.breaches[k].rule),
				         v.breaches[k].text);
		}
		if (!found)
			fail_msg("case %zu does not break %s", i, sp_rule_name(cases[i].rule));
		sp_delivery_verdict_finish(&v);
		sp_delivery_destroy(d);
	}
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
	        cmocka_unit_test(each_wrong_plan_breaks_its_rule_and_no_other),
	        cmocka_unit_test(too_many_control_points_are_a_breach),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
