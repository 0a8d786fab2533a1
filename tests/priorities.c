/* By priority, the target keeps what it can have but for the slip, and normal tissue gets what that leaves. */
#include "priorities.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* One voxel that is target (wants 10 Gy) and, through a dose that follows its own, an organ and normal tissue: the
 * search's end for any weights is known in closed form. pull_gy: the dose that a hard limit leaves the target at most.
 */
typedef struct {
	double most_gy, organ_gy, tissue_gy;
} toy;

static double optimum(const toy *t, const sp_plan_problem *p)
{
	double best = 0.0, least = HUGE_VAL;

	/* all costs are parabolas in the dose: a fine scan is exact enough and depends on nothing that is tested */
	for (double d = 0.0; d <= t->most_gy; d += 1e-4) {
		double cost = p->terms[0].weight * pow(fmax(0.0, 10.0 - d), 2.0) +
		              p->terms[1].weight * pow(fmax(0.0, d - t->organ_gy), 2.0) +
		              p->terms[2].weight * pow(fmax(0.0, d - t->tissue_gy), 2.0);

		if (cost < least) {
			least = cost;
			best = d;
		}
	}
	return best;
}

static sp_plan_problem problem_of(const toy *t, sp_term terms[3])
{
	static const uint32_t row = 0;
	static const float volume = 1.0f;

	terms[0] = (sp_term){.kind = SP_SQUARED_UNDERDOSE, .dose_gy = 10.0, .level = SP_LEVEL_TARGET};
	terms[1] = (sp_term){.kind = SP_SQUARED_OVERDOSE, .dose_gy = t->organ_gy, .level = SP_LEVEL_ORGANS};
	terms[2] = (sp_term){.kind = SP_SQUARED_OVERDOSE, .dose_gy = t->tissue_gy, .level = SP_LEVEL_TISSUE};
	for (int i = 0; i < 3; i++) {
		terms[i].weight = 1.0;
		terms[i].n = 1;
		terms[i].rows = &row;
		terms[i].volumes = &volume;
	}
	return (sp_plan_problem){.n_terms = 3, .terms = terms};
}

/* The dose at the end; searches: how many there were. */
static double planned(const toy *t, double slip, int *searches)
{
	sp_term terms[3];
	sp_plan_problem p = problem_of(t, terms);
	sp_priorities x;
	double dose = 0.0;
	bool go_on = true;

	assert_int_equal(sp_priorities_begin(&x, &p, slip, NULL), SP_OK);
	for (*searches = 0; go_on && *searches < 30; ++*searches) {
		float rows_dose;

		dose = optimum(t, &p);
		rows_dose = (float)dose;
		go_on = false;
		assert_int_equal(sp_priorities_step(&x, &p, &rows_dose, 1, true, &go_on, NULL), SP_OK);
	}
	assert_false(go_on);
	sp_priorities_finish(&x);
	return dose;
}

static void the_target_keeps_all_but_the_slip(void **state)
{
	/* nothing in the way but normal tissue, which no weight of its own would settle as here */
	const toy free = {10.0, 20.0, 2.0}, held = {7.0, 20.0, 2.0};
	int searches;
	double dose;

	(void)state;
	/* while it is sought, tissue weighs a tenth: (10 - d)^2 + (d - 2)^2 / 10 leaves it 0.727 Gy short. Within 10 %:
	 */
	dose = planned(&free, 2.0, &searches);
	assert_true(fabs(pow(10.0 - dose, 2.0) / (0.727 * 0.727 + 4.0) - 1.0) < 0.1);
	assert_true(searches <= 7);
	/* a hard limit at 7 Gy: the slip is given back from there */
	dose = planned(&held, 1.0, &searches);
	assert_true(fabs(pow(10.0 - dose, 2.0) / (9.0 + 1.0) - 1.0) < 0.1);
}

static void an_organ_comes_before_normal_tissue_and_after_the_target(void **state)
{
	/* tissue asks for nothing: the organ's limit is missed by no more than the target's slip makes it */
	const toy organ = {10.0, 6.0, 20.0};
	int searches;
	double dose = planned(&organ, 1.0, &searches);

	(void)state;
	assert_true(pow(10.0 - dose, 2.0) <= 1.1 * (1.0 + pow(10.0 - 9.637, 2.0)));
	assert_true(dose < 9.637); /* what the target had at best, the organ weighing a tenth */
}

/* What normal tissue weighs when the weights stay after so many searches: as they were found, or, cut short before the
 * last level, as they were at the begin. */
static void weights_stay_where_they_were_found(void **state)
{
	const toy t = {10.0, 20.0, 2.0};
	const int searches[] = {0, 1, 2, 6};

	(void)state;
	for (size_t k = 0; k < sizeof searches / sizeof *searches; k++) {
		const bool cut_short = searches[k] < 2; /* one for the limits, one for the target */
		sp_term terms[3];
		sp_plan_problem p = problem_of(&t, terms);
		sp_priorities x;
		double begin, found;

		assert_int_equal(sp_priorities_begin(&x, &p, 2.0, NULL), SP_OK);
		begin = terms[2].weight;
		for (int i = 0; i < searches[k]; i++) {
			float dose = (float)optimum(&t, &p);
			bool go_on = false;

			assert_int_equal(sp_priorities_step(&x, &p, &dose, 1, true, &go_on, NULL), SP_OK);
		}
		found = terms[2].weight;
		assert_true((found == begin) == (searches[k] == 0));
		sp_priorities_stay(&x, &p);
		for (int i = 0; i < 3; i++) {
			float dose = 3.0f;
			bool go_on = false;

			assert_true(terms[2].weight == (cut_short ? begin : found) && terms[1].weight == 1.0);
			assert_int_equal(sp_priorities_step(&x, &p, &dose, 1, true, &go_on, NULL), SP_OK);
			assert_false(go_on);
		}
		sp_priorities_finish(&x);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_target_keeps_all_but_the_slip),
	        cmocka_unit_test(an_organ_comes_before_normal_tissue_and_after_the_target),
	        cmocka_unit_test(weights_stay_where_they_were_found),
	};

	return cmocka_run_group_tests_name("priorities", tests, NULL, NULL);
}
