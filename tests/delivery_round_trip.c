/* Control points move evenly with monitor units, the gantry turns the way it is told, and beams of control points come
 * back from a plan file as they were written. */
#include "plan_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "delivery.h"
#include "h5.h"

static char path[64];

#define PAIRS 3
static const double boundaries[PAIRS + 1] = {-12.5, -7.5, -2.5, 7.5};

static void set_point(sp_control_point *p, double gantry, int turn, double mu, double shift)
{
	*p = (sp_control_point){.gantry_deg = gantry,
	                        .collimator_deg = 350.0,
	                        .couch_deg = 5.0,
	                        .gantry_turn = turn,
	                        .jaws_mm = {-30.0 + shift, 41.0, -22.0, 23.0 + shift},
	                        .leaves_mm = p->leaves_mm,
	                        .cumulative_mu = mu};
	for (size_t k = 0; k < PAIRS; k++) {
		p->leaves_mm[k] = -10.0 - (double)k + shift;
		p->leaves_mm[PAIRS + k] = 12.0 + 2.0 * (double)k + shift;
	}
}

/* An arc over 0 degrees and a step-and-shoot beam of two segments. */
static sp_delivery *two_beams(void)
{
	sp_delivery *d = NULL;
	sp_error err = {0};

	assert_int_equal(sp_delivery_create(&d, "generic-6mv", "millennium-120", 2, &err), SP_OK);
	for (int b = 0; b < 2; b++) {
		assert_int_equal(sp_delivery_beam_make(&d->beams[b], b ? 4 : 3, PAIRS, boundaries, &err), SP_OK);
		memcpy(d->beams[b].isocentre_mm, (double[]){12, -20, 60}, 3 * sizeof(double));
		d->beams[b].sad_mm = 1000.0;
	}
	d->beams[0].technique = SP_BEAM_VMAT;
	d->beams[0].name = strdup("arc");
	d->beams[0].mu = 110.5;
	set_point(&d->beams[0].points[0], 350.0, 1, 0.0, 0.0);
	set_point(&d->beams[0].points[1], 10.0, 1, 40.0, 4.0);
	set_point(&d->beams[0].points[2], 200.0, 0, 110.5, 1.0);
	d->beams[1].technique = SP_BEAM_IMRT;
	d->beams[1].mu = 30.0;
	set_point(&d->beams[1].points[0], 90.0, 0, 0.0, 0.0);
	set_point(&d->beams[1].points[1], 90.0, 0, 20.0, 0.0);
	set_point(&d->beams[1].points[2], 90.0, 0, 20.0, 5.0);
	set_point(&d->beams[1].points[3], 90.0, 0, 30.0, 5.0);
	return d;
}

static void all_moves_evenly_with_monitor_units(void **state)
{
	sp_delivery *d = two_beams();
	double leaves[2 * PAIRS];
	sp_control_point p = {.leaves_mm = leaves};

	(void)state;
	sp_delivery_beam_at(&p, &d->beams[0], 10.0); /* a quarter of the way from 350 to 10 */
	assert_true(fabs(p.gantry_deg - 355.0) < 1e-9 && p.cumulative_mu == 10.0);
	assert_true(fabs(p.jaws_mm[0] + 29.0) < 1e-9 && p.jaws_mm[1] == 41.0);
	assert_true(fabs(leaves[1] + 10.0) < 1e-9 && fabs(leaves[PAIRS + 2] - 17.0) < 1e-9);
	sp_delivery_beam_at(&p, &d->beams[0], 40.0 + 70.5 / 2.0);
	assert_true(fabs(p.gantry_deg - 105.0) < 1e-9);
	sp_delivery_beam_at(&p, &d->beams[0], 1e3); /* beyond the end */
	assert_true(p.gantry_deg == 200.0 && p.cumulative_mu == 110.5);
	sp_delivery_beam_at(&p, &d->beams[1], 19.9); /* the first segment stays as it is ... */
	assert_true(leaves[0] == -10.0);
	sp_delivery_beam_at(&p, &d->beams[1], 20.0); /* ... until the second */
	assert_true(leaves[0] == -5.0);
	sp_delivery_destroy(d);
}

static void the_gantry_turns_the_way_it_is_told(void **state)
{
	sp_control_point a = {.gantry_deg = 181.0, .gantry_turn = 1}, b = {.gantry_deg = 179.0};

	(void)state;
	assert_true(sp_gantry_travel_deg(&a, &b) == 358.0);
	a.gantry_turn = -1;
	assert_true(sp_gantry_travel_deg(&a, &b) == -2.0);
	assert_int_equal(sp_gantry_shorter_turn(181.0, 179.0), -1);
	assert_int_equal(sp_gantry_shorter_turn(359.0, 1.0), 1);
	assert_int_equal(sp_gantry_shorter_turn(1.0, 359.0), -1);
	assert_int_equal(sp_gantry_shorter_turn(77.0, 77.0), 0);
}

static void assert_beams_equal(const sp_delivery_beam *was, const sp_delivery_beam *is)
{
	assert_int_equal(is->technique, was->technique);
	assert_int_equal(is->n_points, was->n_points);
	assert_int_equal(is->n_pairs, PAIRS);
	assert_int_equal(is->leaf_axis, 'x');
	assert_true(is->mu == was->mu && is->sad_mm == was->sad_mm);
	assert_memory_equal(is->isocentre_mm, was->isocentre_mm, sizeof was->isocentre_mm);
	assert_memory_equal(is->leaf_boundaries_mm, boundaries, sizeof boundaries);
	for (size_t i = 0; i < was->n_points; i++) {
		sp_control_point a = was->points[i], b = is->points[i];

		assert_memory_equal(b.leaves_mm, a.leaves_mm, 2 * PAIRS * sizeof(double));
		assert_memory_equal(b.jaws_mm, a.jaws_mm, sizeof a.jaws_mm);
		assert_true(a.gantry_deg == b.gantry_deg && a.collimator_deg == b.collimator_deg);
		assert_true(a.couch_deg == b.couch_deg && a.cumulative_mu == b.cumulative_mu);
		assert_int_equal(a.gantry_turn, b.gantry_turn);
	}
}

static void control_points_come_back_as_they_were_written(void **state)
{
	sp_delivery *d = two_beams();
	sp_plan_content *p = NULL;
	plan_fixture f;
	sp_error err = {0};

	(void)state;
	plan_fixture_make(&f, NULL);
	f.plan.technique = "vmat";
	f.plan.beams = NULL;
	f.plan.delivery = d;
	assert_int_equal(sp_plan_write(&f.plan, path, &err), SP_OK);
	if (sp_plan_read(&p, path, &err) != SP_OK)
		fail_msg("%s", err.text);
	assert_null(p->beams);
	assert_string_equal(p->delivery->machine, "generic-6mv");
	assert_string_equal(p->delivery->mlc, "millennium-120");
	assert_int_equal(p->delivery->n_beams, 2);
	assert_string_equal(p->delivery->beams[0].name, "arc");
	assert_null(p->delivery->beams[1].name);
	assert_true(sp_delivery_mu(p->delivery) == 140.5);
	for (int b = 0; b < 2; b++)
		assert_beams_equal(&d->beams[b], &p->delivery->beams[b]);
	sp_plan_content_destroy(p);
	plan_fixture_finish(&f);
	sp_delivery_destroy(d);
	unlink(path);
}

/* The least that a plan of control points may be, as scripts/rtplan2h5 writes one without a case. */
static void write_imported(double second_gantry, double second_mu, bool with_weights)
{
	const uint64_t two[] = {2}, jaw_size[] = {2, 4};
	const double gantry[] = {175.0, second_gantry}, zero[2] = {0}, mu[] = {0.0, second_mu};
	const double jaws[] = {-20, 20, -30, 30, -20, 20, -30, 30}, iso[] = {1, 2, 3}, sad = 1000, total = 50;
	const uint32_t version = 1;
	sp_h5_out *f = NULL;
	sp_error err = {0};

	assert_int_equal(sp_h5_create(&f, path, &err), SP_OK);
	sp_h5_set_text(f, "/", "format", "spineplan-plan", &err);
	sp_h5_set_numbers(f, "/", "version", SP_H5_U32, 1, &version, &err);
	sp_h5_set_text(f, "/", "technique", "imported", &err);
	sp_h5_set_text(f, "/", "machine", "generic-6mv", &err);
	sp_h5_write_group(f, "/beams/0", &err);
	sp_h5_set_text(f, "/beams/0", "technique", "arc", &err);
	sp_h5_set_numbers(f, "/beams/0", "isocentre_mm", SP_H5_F64, 3, iso, &err);
	sp_h5_set_numbers(f, "/beams/0", "sad_mm", SP_H5_F64, 1, &sad, &err);
	sp_h5_set_numbers(f, "/beams/0", "mu", SP_H5_F64, 1, &total, &err);
	sp_h5_write(f, "/beams/0/gantry_deg", SP_H5_F64, 1, two, false, gantry, &err);
	sp_h5_write(f, "/beams/0/collimator_deg", SP_H5_F64, 1, two, false, zero, &err);
	sp_h5_write(f, "/beams/0/couch_deg", SP_H5_F64, 1, two, false, zero, &err);
	sp_h5_write(f, "/beams/0/jaws_mm", SP_H5_F64, 2, jaw_size, false, jaws, &err);
	sp_h5_write(f, "/beams/0/cumulative_mu", SP_H5_F64, 1, two, false, mu, &err);
	if (with_weights)
		sp_h5_write(f, "/beams/1/weights", SP_H5_F64, 1, two, false, mu, &err);
	assert_int_equal(sp_h5_commit(&f, &err), SP_OK);
}

static void an_imported_plan_without_case_dose_and_turns_is_read(void **state)
{
	sp_plan_content *p = NULL;
	sp_error err = {0};

	(void)state;
	write_imported(185.0, 50.0, false);
	if (sp_plan_read_beams(&p, path, &err) != SP_OK)
		fail_msg("%s", err.text);
	assert_null(p->c);
	assert_null(p->dose_gy);
	assert_int_equal(p->delivery->beams[0].n_pairs, 0);
	assert_int_equal(p->delivery->beams[0].points[0].gantry_turn, 1); /* the shorter way, over 180 */
	assert_string_equal(p->delivery->machine, "generic-6mv");
	sp_plan_content_destroy(p);
	assert_int_equal(sp_plan_read(&p, path, &err), SP_BAD_INPUT); /* no case to judge it by */
	unlink(path);
}

static void assert_refused(const char *word)
{
	sp_plan_content *p = NULL;
	sp_error err = {0};

	assert_int_equal(sp_plan_read_beams(&p, path, &err), SP_BAD_INPUT);
	if (!strstr(err.text, path) || !strstr(err.text, word))
		fail_msg("'%s' does not name the file and '%s'", err.text, word);
	unlink(path);
}

static void beams_that_cannot_be_are_refused_with_their_place(void **state)
{
	(void)state;
	write_imported(185.0, -1.0, false);
	assert_refused("cumulative_mu[1]");
	write_imported(NAN, 50.0, false);
	assert_refused("angle");
	write_imported(185.0, 50.0, true);
	assert_refused("beam 1 has no control points");
}

static void what_cannot_be_understood_is_said(void **state)
{
	const struct {
		double bad;
		const char *word;
	} cases[] = {{30.0, "leaf pair 1"}, {99.0, "X jaws"}, {7.0, "ascending"}, {91.0, "stands"}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		sp_delivery *d = two_beams();
		sp_delivery_beam *b = &d->beams[1];
		double *places[] = {&b->points[2].leaves_mm[1], &b->points[0].jaws_mm[0], &b->leaf_boundaries_mm[1],
		                    &b->points[1].gantry_deg};
		sp_error err = {0};

		assert_int_equal(sp_delivery_beam_check(b, "B", &err), SP_OK);
		*places[i] = cases[i].bad;
		assert_int_equal(sp_delivery_beam_check(b, "B", &err), SP_BAD_INPUT);
		if (!strstr(err.text, cases[i].word))
			fail_msg("'%s' does not say '%s'", err.text, cases[i].word);
		sp_delivery_destroy(d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(all_moves_evenly_with_monitor_units),
	        cmocka_unit_test(the_gantry_turns_the_way_it_is_told),
	        cmocka_unit_test(control_points_come_back_as_they_were_written),
	        cmocka_unit_test(an_imported_plan_without_case_dose_and_turns_is_read),
	        cmocka_unit_test(beams_that_cannot_be_are_refused_with_their_place),
	        cmocka_unit_test(what_cannot_be_understood_is_said),
	};

	snprintf(path, sizeof path, "/tmp/spineplan-delivery-%d.h5", (int)getpid());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
