/* From a fluence to apertures: few of them come near to it, in whichever way the leaves lie better over a beam. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "deliver_fixture.h"
#include "sequence.h"

/* A fluence that is three apertures exactly is found again in three. */
static void a_sequence_of_few_apertures_is_near_the_fluence(void **state)
{
	double *wanted, *got, square = 0.0, left = 0.0;
	sp_segments s;
	sp_error err = {0};
	rig r;

	(void)state;
	make_rig(&r, false, false);
	wanted = calloc(r.bixels->n_bixels, sizeof *wanted);
	got = calloc(r.bixels->n_bixels, sizeof *got);
	for (size_t b = 0; b < r.bixels->n_bixels; b++) {
		double x = r.bixels->beams[0].x_mm[b], y = r.bixels->beams[0].y_mm[b];

		wanted[b] = (fabs(x) < 15 && fabs(y) < 15 ? 20.0 : 0.0) + (x > 5 && y > 0 ? 10.0 : 0.0) +
		            (x < -5 && y < 5 ? 5.0 : 0.0);
	}
	assert_int_equal(sp_sequence(&s, r.fields, wanted, 6, false, 1.0, &err), SP_OK);
	assert_true(s.n >= 3 && s.n <= 6);
	for (size_t k = 0; k < s.n; k++)
		for (size_t b = 0; b < r.bixels->n_bixels; b++) {
			size_t pair = b / 12;
			double x = r.bixels->beams[0].x_mm[b];

			if (x > s.segments[k].leaves_mm[pair] && x < s.segments[k].leaves_mm[8 + pair])
				got[b] += s.segments[k].mu;
		}
	for (size_t b = 0; b < r.bixels->n_bixels; b++) {
		square += wanted[b] * wanted[b];
		left += (wanted[b] - got[b]) * (wanted[b] - got[b]);
	}
	assert_true(left < 0.02 * square); /* shares tried for the next aperture are a coarse list */
	sp_segments_finish(&s);
	free(wanted);
	free(got);
	finish_rig(&r);
}

/* Two fields on trial of the rig's beam, the second one's leaves a quarter further, and a fluence of 20 everywhere. */
static void cross_fields(sp_fields **out, double **wanted, const rig *r)
{
	sp_error err = {0};

	assert_int_equal(sp_fields_create(out, r->machine, r->bixels, 2, &err), SP_OK);
	(*out)->on_trial = true;
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(sp_field_make(&(*out)->fields[i], 1, 1, &err), SP_OK);
		(*out)->fields[i].turned = i == 1;
		(*out)->fields[i].intervals[0] = (sp_interval){.gantry_deg = 40.0, .least_mu = 1.0};
	}
	assert_int_equal(sp_fields_complete(*out, &err), SP_OK);
	*wanted = calloc(r->bixels->n_bixels, sizeof **wanted);
	for (size_t b = 0; b < r->bixels->n_bixels; b++)
		(*wanted)[b] = 20.0;
}

static void finish_crossed(rig *r, sp_fields *fields, double *wanted)
{
	free(wanted);
	sp_fields_destroy(fields);
	finish_rig(r);
}

/* Leaves that do not go far enough either way: every aperture is open somewhere, however many are asked for. */
static void what_leaves_do_not_reach_gets_no_apertures(void **state)
{
	double *wanted;
	sp_fields *fields;
	sp_segments s;
	sp_error err = {0};
	rig r;

	(void)state;
	make_rig(&r, false, false);
	r.machine->mlc->max_span_mm = 30.0;
	cross_fields(&fields, &wanted, &r);
	assert_true(fields->fields[0].is_cut && fields->fields[1].is_cut);
	assert_int_equal(sp_sequence(&s, fields, wanted, 30, false, 1.0, &err), SP_OK);
	assert_true(s.n > 0);
	for (size_t k = 0; k < s.n; k++) {
		const size_t n = fields->fields[s.segments[k].field].n_pairs;
		double open = 0.0;

		for (size_t p = 0; p < n; p++)
			open += s.segments[k].leaves_mm[n + p] - s.segments[k].leaves_mm[p];
		assert_true(open > 4.0 + 0.5 * (double)n); /* more than the least gaps and a bixel */
	}
	sp_segments_finish(&s);
	finish_crossed(&r, fields, wanted);
}

/* Off the axis by more than leaf ends go, but under the leaves across: the turned field takes it all. */
static void a_way_out_of_reach_leaves_the_beam_to_the_other(void **state)
{
	double *wanted;
	sp_fields *fields;
	sp_segments s;
	sp_error err = {0};
	rig r;

	(void)state;
	complete_under(&r, (double[]){150, 190, -20, 20}, -250.0, 5.0, 100);
	r.machine->mlc->max_position_mm = 100.0;
	cross_fields(&fields, &wanted, &r);
	assert_int_equal(fields->fields[0].n_pairs, 0);
	assert_false(fields->fields[1].is_cut);
	assert_int_equal(sp_sequence(&s, fields, wanted, 5, false, 1.0, &err), SP_OK);
	assert_true(s.n > 0);
	for (size_t k = 0; k < s.n; k++)
		assert_int_equal(s.segments[k].field, 1);
	sp_segments_finish(&s);
	finish_crossed(&r, fields, wanted);
}

/* A strip along y without fluence, as a cord: one aperture of leaves along it, two of leaves across it where those
 * cannot be had. */
static void leaves_along_a_strip_spare_it_in_one_aperture(void **state)
{
	double *wanted;
	sp_fields *fields;
	sp_segments s;
	sp_error err = {0};
	rig r;

	(void)state;
	make_rig(&r, false, false);
	cross_fields(&fields, &wanted, &r);
	for (size_t b = 0; b < r.bixels->n_bixels; b++)
		if (fabs(r.bixels->beams[0].x_mm[b] - 5.0) <= 5.0)
			wanted[b] = 0.0;
	assert_int_equal(sp_sequence(&s, fields, wanted, 1, false, 1.0, &err), SP_OK);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.segments[0].field, 1);
	for (size_t k = 0; k < fields->fields[1].n_pairs; k++) { /* across is -x */
		double x = -0.5 * (fields->fields[1].boundaries_mm[k] + fields->fields[1].boundaries_mm[k + 1]);
		double open = s.segments[0].leaves_mm[fields->fields[1].n_pairs + k] - s.segments[0].leaves_mm[k];

		assert_true(fabs(x - 5.0) > 5.0 ? fabs(open - 40.0) < 1e-9 : open < 1.0);
	}
	sp_segments_finish(&s);

	for (size_t one = 0; one < 2; one++) {
		size_t n_of[2] = {0};

		for (size_t b = 0; b < r.bixels->n_bixels; b += 3)
			wanted[b] += 3.0 * (double)(b % 7);
		assert_int_equal(sp_sequence(&s, fields, wanted, 10, one, 1.0, &err), SP_OK);
		for (size_t k = 0; k < s.n; k++)
			n_of[s.segments[k].field]++;
		assert_true(one ? n_of[0] == 0 && n_of[1] > 1 : n_of[0] > 0 && n_of[1] > 0);
		sp_segments_finish(&s);
	}

	fields->fields[1].is_cut = true;
	assert_int_equal(sp_sequence(&s, fields, wanted, 10, false, 1.0, &err), SP_OK);
	assert_true(s.n >= 2);
	for (size_t k = 0; k < s.n; k++)
		assert_int_equal(s.segments[k].field, 0);
	sp_segments_finish(&s);
	finish_crossed(&r, fields, wanted);
}

/* As many segments as the machine has control points for, two each, however many more would come nearer. */
static void a_field_gets_no_more_segments_than_control_points_allow(void **state)
{
	double *wanted;
	sp_segments s;
	sp_error err = {0};
	rig r;

	(void)state;
	make_rig(&r, false, false);
	r.machine->limits.max_control_points = 7;
	wanted = calloc(r.bixels->n_bixels, sizeof *wanted);
	for (size_t b = 0; b < r.bixels->n_bixels; b++)
		wanted[b] = 20.0 + 7.0 * (double)(b * 11 % 13);
	assert_int_equal(sp_sequence(&s, r.fields, wanted, 50, false, 1.0, &err), SP_OK);
	assert_int_equal(s.n, 3);
	sp_segments_finish(&s);
	free(wanted);
	finish_rig(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_sequence_of_few_apertures_is_near_the_fluence),
	        cmocka_unit_test(what_leaves_do_not_reach_gets_no_apertures),
	        cmocka_unit_test(a_way_out_of_reach_leaves_the_beam_to_the_other),
	        cmocka_unit_test(leaves_along_a_strip_spare_it_in_one_aperture),
	        cmocka_unit_test(a_field_gets_no_more_segments_than_control_points_allow),
	};

	return cmocka_run_group_tests_name("sequence", tests, NULL, NULL);
}
