/* IEC 61217 angles, singly and together, against points worked out by hand from the standard's definitions. */
#include "beam.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* Doubles carry 1000 mm to 1e-13 mm; the hand-worked numbers below have seven decimals. */
#define TOLERANCE_MM 1e-6

static const double isocentre[3] = {12.0, -34.0, 56.0};

static sp_beam_frame frame_of(double gantry, double collimator, double couch, const char *position)
{
	sp_beam_setup setup = {gantry, collimator, couch, {isocentre[0], isocentre[1], isocentre[2]}};
	sp_beam_frame f;

	assert_int_equal(sp_beam_frame_make(&f, &setup, 1000.0, position, NULL), SP_OK);
	return f;
}

static void assert_vector(const double got[3], double x, double y, double z)
{
	const double want[3] = {x, y, z};

	for (int i = 0; i < 3; i++)
		if (!(fabs(got[i] - want[i]) <= TOLERANCE_MM))
			fail_msg("component %d is %.7f, expected %.7f", i, got[i], want[i]);
}

/* The source seen from the isocentre. */
static void assert_source(const sp_beam_frame *f, double x, double y, double z)
{
	const double from_isocentre[3] = {f->source_mm[0] - isocentre[0], f->source_mm[1] - isocentre[1],
	                                  f->source_mm[2] - isocentre[2]};

	assert_vector(from_isocentre, x, y, z);
}

static void gantry_0_shines_from_the_front_of_a_supine_patient(void **state)
{
	sp_beam_frame f = frame_of(0, 0, 0, "HFS");

	(void)state;
	assert_source(&f, 0, -1000, 0);
	assert_vector(f.x_axis, 1, 0, 0);
	assert_vector(f.y_axis, 0, 0, 1);
}

static void gantry_90_shines_from_the_left_of_a_supine_patient(void **state)
{
	sp_beam_frame f = frame_of(90, 0, 0, "HFS");

	(void)state;
	assert_source(&f, 1000, 0, 0);
	assert_vector(f.x_axis, 0, 1, 0); /* down, the patient's back */
	assert_vector(f.y_axis, 0, 0, 1);
}

/* sin 1 deg = 0.0174524064, cos 1 deg = 0.9998476952 */
static void one_degree_of_gantry_moves_the_source_to_the_patients_left(void **state)
{
	sp_beam_frame plus = frame_of(1, 0, 0, "HFS"), minus = frame_of(-1, 0, 0, "HFS");

	(void)state;
	assert_source(&plus, 17.4524064, -999.8476952, 0);
	assert_source(&minus, -17.4524064, -999.8476952, 0);
	assert_vector(plus.x_axis, 0.9998476952, 0.0174524064, 0);
}

/* Counterclockwise as the source sees it: from the front of a supine patient, head up, x (patient left) is to the
 * right and y (superior) is up, so x turns towards superior. */
static void collimator_turns_counterclockwise_as_the_source_sees_it(void **state)
{
	sp_beam_frame quarter = frame_of(0, 90, 0, "HFS"), plus = frame_of(0, 1, 0, "HFS"),
	              minus = frame_of(0, -1, 0, "HFS");

	(void)state;
	assert_vector(quarter.x_axis, 0, 0, 1);
	assert_vector(quarter.y_axis, -1, 0, 0);
	assert_vector(plus.x_axis, 0.9998476952, 0, 0.0174524064);
	assert_vector(minus.x_axis, 0.9998476952, 0, -0.0174524064);
	assert_source(&quarter, 0, -1000, 0);
}

/* Couch +90: counterclockwise from above, the head points to the fixed -x, so a source at fixed +x is at the feet. */
static void couch_90_puts_a_lateral_source_at_the_feet(void **state)
{
	sp_beam_frame f = frame_of(90, 0, 90, "HFS"), over = frame_of(0, 0, 90, "HFS");

	(void)state;
	assert_source(&f, 0, 0, -1000);
	assert_source(&over, 0, -1000, 0);
	assert_vector(over.x_axis, 0, 0, -1); /* the fixed +x side is where the feet are */
	assert_vector(over.y_axis, 1, 0, 0);  /* the gantry is at the patient's left */
}

static void one_degree_of_couch_tilts_a_lateral_source_to_the_feet(void **state)
{
	sp_beam_frame plus = frame_of(90, 0, 1, "HFS"), minus = frame_of(90, 0, -1, "HFS");

	(void)state;
	assert_source(&plus, 999.8476952, 0, -17.4524064);
	assert_source(&minus, 999.8476952, 0, 17.4524064);
}

/* Gantry 30, collimator 60, couch 45, worked by hand in the fixed system:
 *   z = (sin 30, 0, cos 30) = (0.5, 0, 0.8660254)
 *   x = (cos 60 cos 30, sin 60, -cos 60 sin 30) = (0.4330127, 0.8660254, -0.25)
 * couch 45: x' = (x + y)/sqrt 2, y' = (y - x)/sqrt 2; LPS of a supine patient = (x', -z, y'). */
static void three_angles_together(void **state)
{
	sp_beam_frame f = frame_of(30, 60, 45, "HFS");

	(void)state;
	assert_source(&f, 353.5533906, -866.0254038, -353.5533906);
	assert_vector(f.x_axis, 0.9185586535, 0.25, 0.3061862178);
	/* y = (-sin 60 cos 30, cos 60, sin 60 sin 30) = (-0.75, 0.5, 0.4330127) */
	assert_vector(f.y_axis, -0.1767766953, -0.4330127019, 0.8838834765);
}

/* Looking from the source, the fixed axes stay; the patient lies the other way. */
static void other_patient_positions(void **state)
{
	sp_beam_frame hfp = frame_of(20, 0, 10, "HFP"), ffs = frame_of(20, 0, 10, "FFS"),
	              ffp = frame_of(20, 0, 10, "FFP"), hfs = frame_of(20, 0, 10, "HFS");
	/* support coordinates of the source: x = sin 20 cos 10, y = -sin 20 sin 10, z = cos 20, times 1000 */
	const double x = 336.8240888, y = -59.3911746, z = 939.6926208;

	(void)state;
	assert_source(&hfs, x, -z, y);
	assert_source(&hfp, -x, z, y);
	assert_source(&ffs, -x, -z, -y);
	assert_source(&ffp, x, z, -y);
}

static void axes_are_right_handed_and_of_length_one(void **state)
{
	const char *const names[] = {"HFS", "HFP", "FFS", "FFP"};

	(void)state;
	for (int p = 0; p < 4; p++) {
		sp_beam_frame f = frame_of(37, -21, 13, names[p]);
		const double *x = f.x_axis, *y = f.y_axis;

		assert_vector(
		        (double[3]){x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]},
		        f.towards_source[0], f.towards_source[1], f.towards_source[2]);
		assert_true(fabs(x[0] * x[0] + x[1] * x[1] + x[2] * x[2] - 1.0) < 1e-12);
	}
}

/* Gantry 90: the source is at the patient's left. A point 200 mm nearer to it, 30 mm posterior and 40 mm superior of
 * the isocentre is 800 mm from it and casts its shadow at 30/0.8 = 37.5 and 40/0.8 = 50. */
static void projection_magnifies_what_is_near_the_source(void **state)
{
	sp_beam_frame f = frame_of(90, 0, 0, "HFS");
	double point[3] = {isocentre[0] + 200.0, isocentre[1] + 30.0, isocentre[2] + 40.0}, x, y, axial;

	(void)state;
	sp_beam_project(&x, &y, &axial, &f, point);
	assert_vector((double[3]){x, y, axial}, 37.5, 50.0, 800.0);
}

static void unknown_patient_position_is_refused(void **state)
{
	sp_beam_setup setup = {0};
	sp_error err = {0};
	sp_beam_frame f;

	(void)state;
	assert_int_equal(sp_beam_frame_make(&f, &setup, 1000.0, "HFDL", &err), SP_BAD_INPUT);
	assert_string_equal(err.text, "patient position is 'HFDL', expected HFS, HFP, FFS or FFP");
	setup.gantry_deg = NAN;
	assert_int_equal(sp_beam_frame_make(&f, &setup, 1000.0, "HFS", NULL), SP_BAD_INPUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(gantry_0_shines_from_the_front_of_a_supine_patient),
	        cmocka_unit_test(gantry_90_shines_from_the_left_of_a_supine_patient),
	        cmocka_unit_test(one_degree_of_gantry_moves_the_source_to_the_patients_left),
	        cmocka_unit_test(collimator_turns_counterclockwise_as_the_source_sees_it),
	        cmocka_unit_test(couch_90_puts_a_lateral_source_at_the_feet),
	        cmocka_unit_test(one_degree_of_couch_tilts_a_lateral_source_to_the_feet),
	        cmocka_unit_test(three_angles_together),
	        cmocka_unit_test(other_patient_positions),
	        cmocka_unit_test(axes_are_right_handed_and_of_length_one),
	        cmocka_unit_test(projection_magnifies_what_is_near_the_source),
	        cmocka_unit_test(unknown_patient_position_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
