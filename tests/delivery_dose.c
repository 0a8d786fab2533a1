/* Dose of control points by Monte Carlo: apertures beside the axis light up the right corner of a patient, for every
 * patient position; arcs light up what they pass. */
#include "beam.h"
#include "delivery_dose.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

typedef struct {
	sp_device *device;
	sp_matter *matter;
	sp_machine *machine;
	sp_case c;
	float *dose, *sigma;
} rig;

/* A block of water, longer in each direction than in the one before, with the isocentre away from its middle. */
static const double isocentre[3] = {12.0, -14.0, 26.0};

static int set_up(void **state)
{
	rig *r = calloc(1, sizeof *r);
	size_t n[3] = {17, 19, 21}, voxels = 17 * 19 * 21;

	*state = r;
	r->c.ct = (sp_grid){.n = {n[0], n[1], n[2]}, .spacing_mm = {10.0, 10.0, 10.0}};
	for (int a = 0; a < 3; a++)
		r->c.ct.origin_mm[a] = isocentre[a] - 5.0 * (double)(n[a] - 1);
	r->c.hu = calloc(voxels, sizeof *r->c.hu);
	r->dose = malloc(voxels * sizeof *r->dose);
	r->sigma = malloc(voxels * sizeof *r->sigma);
	return sp_device_open(&r->device, NULL, NULL) == SP_OK && sp_matter_create(&r->matter, NULL, NULL) == SP_OK &&
	                       sp_machine_read(&r->machine, "generic-6mv", NULL) == SP_OK
	               ? 0
	               : -1;
}

static int tear_down(void **state)
{
	rig *r = *state;

	sp_machine_destroy(r->machine);
	sp_matter_destroy(r->matter);
	sp_device_close(r->device);
	free(r->c.hu);
	free(r->dose);
	free(r->sigma);
	free(r);
	return 0;
}

/* A beam of two control points that differ in the gantry's angle only. */
static sp_delivery *beam_of(const sp_beam_setup *s, double gantry_to, const double jaws_mm[4], double mu)
{
	sp_delivery *d = NULL;

	assert_int_equal(sp_delivery_create(&d, "generic-6mv", NULL, 1, NULL), SP_OK);
	assert_int_equal(sp_delivery_beam_make(d->beams, 2, 0, NULL, NULL), SP_OK);
	d->beams->technique = gantry_to == s->gantry_deg ? SP_BEAM_STATIC : SP_BEAM_ARC;
	d->beams->sad_mm = 1000.0;
	d->beams->mu = mu;
	memcpy(d->beams->isocentre_mm, s->isocentre_mm, sizeof s->isocentre_mm);
	for (int i = 0; i < 2; i++) {
		sp_control_point *p = d->beams->points + i;

		p->gantry_deg = i ? gantry_to : s->gantry_deg;
		p->collimator_deg = s->collimator_deg;
		p->couch_deg = s->couch_deg;
		p->gantry_turn = i || gantry_to == s->gantry_deg ? 0 : 1;
		memcpy(p->jaws_mm, jaws_mm, sizeof p->jaws_mm);
		p->cumulative_mu = i * mu;
	}
	return d;
}

static void compute(rig *r, const sp_delivery *d, const char *position, double uncertainty)
{
	sp_delivery_dose_result result;
	sp_error err = {0};

	strcpy(r->c.patient_position, position);
	if (sp_delivery_dose_mc(r->dose, r->sigma, &result, r->device, &r->c, r->matter, r->machine, d, &r->c.ct,
	                        &(sp_delivery_dose_options){uncertainty, 3, 2048}, &err) != SP_OK)
		fail_msg("%s", err.text);
}

/* Dose at an offset from the isocentre. */
static double dose_at(const rig *r, double x, double y, double z)
{
	const double offset[3] = {x, y, z};
	size_t at[3];

	for (int a = 0; a < 3; a++) {
		double place = (isocentre[a] + offset[a] - r->c.ct.origin_mm[a]) / r->c.ct.spacing_mm[a];

		at[a] = (size_t)lround(place);
		assert_true(at[a] < r->c.ct.n[a]);
	}
	return (double)r->dose[sp_grid_index(&r->c.ct, at[0], at[1], at[2])];
}

/* The aperture is 45 to 65 mm along the beam limiting device's x and -30 to -10 along its y: its middle, (55, -20) in
 * the isocentre plane, lies where the hand-worked axes of tests/beam_geometry.c say; every mirror image of it stays
 * dark. */
static void an_aperture_beside_the_axis_lights_up_its_corner(void **state)
{
	static const struct {
		double gantry, collimator, couch;
		const char *position;
		double x_axis[3], y_axis[3];
	} looks[] = {
	        {0, 0, 0, "HFS", {1, 0, 0}, {0, 0, 1}},
	        {90, 0, 0, "HFS", {0, 1, 0}, {0, 0, 1}},
	        {0, 90, 0, "HFS", {0, 0, 1}, {-1, 0, 0}},
	        {0, 0, 90, "HFS", {0, 0, -1}, {1, 0, 0}},
	        {30, 60, 45, "HFS", {0.91856, 0.25, 0.30619}, {-0.17678, -0.43301, 0.88388}},
	        {90, 0, 0, "HFP", {0, -1, 0}, {0, 0, 1}},
	        {0, 0, 0, "FFS", {-1, 0, 0}, {0, 0, -1}},
	        {30, 60, 45, "FFP", {0.91856, -0.25, -0.30619}, {-0.17678, 0.43301, -0.88388}},
	};
	const double jaws[4] = {45.0, 65.0, -30.0, -10.0};
	rig *r = *state;

	for (size_t i = 0; i < sizeof looks / sizeof *looks; i++) {
		sp_beam_setup s = {looks[i].gantry,
		                   looks[i].collimator,
		                   looks[i].couch,
		                   {isocentre[0], isocentre[1], isocentre[2]}};
		sp_delivery *d = beam_of(&s, s.gantry_deg, jaws, 100.0);
		const double *x = looks[i].x_axis, *y = looks[i].y_axis;
		double lit;

		compute(r, d, looks[i].position, 0.1);
		lit = dose_at(r, 55 * x[0] - 20 * y[0], 55 * x[1] - 20 * y[1], 55 * x[2] - 20 * y[2]);
		for (int image = 1; image < 8; image++) {
			double u = image & 1 ? -55 : 55, v = image & 2 ? 20 : -20, a = image & 4 ? v : u,
			       b = image & 4 ? u : v;
			double dark = dose_at(r, a * x[0] + b * y[0], a * x[1] + b * y[1], a * x[2] + b * y[2]);

			if (!(lit > 5.0 * dark))
				fail_msg("%s, gantry %g, collimator %g, couch %g: %g Gy in the aperture, %g Gy in its "
				         "image %d",
				         looks[i].position, s.gantry_deg, s.collimator_deg, s.couch_deg, lit, dark,
				         image);
		}
		sp_delivery_destroy(d);
	}
}

/* From 60 clockwise to 120 the gantry passes the patient's left (supine): the mean direction is that of 90, and the
 * dose 60 mm to the left of the isocentre, 30 mm in front of and behind it, is even; a beam that jumped to either end
 * would light up one of them only. */
static void an_arc_moves_evenly_between_its_control_points(void **state)
{
	const double jaws[4] = {-10.0, 10.0, -30.0, 30.0};
	sp_beam_setup s = {60.0, 0.0, 0.0, {isocentre[0], isocentre[1], isocentre[2]}};
	sp_delivery *d = beam_of(&s, 120.0, jaws, 100.0);
	double front, middle, behind, right;
	rig *r = *state;

	compute(r, d, "HFS", 0.05);
	front = dose_at(r, 60, -30, 0);
	middle = dose_at(r, 60, 0, 0);
	behind = dose_at(r, 60, 30, 0);
	right = dose_at(r, -60, 0, 0);
	if (!(fabs(front / behind - 1.0) < 0.25 && front + behind > middle && right < 0.8 * middle))
		fail_msg("front %g, middle %g, behind %g, right %g Gy", front, middle, behind, right);
	sp_delivery_destroy(d);
}

static void wrong_leaves_are_refused(void **state)
{
	const double jaws[4] = {-10.0, 10.0, -30.0, 30.0}, two[3] = {-10.0, 0.0, 10.0};
	sp_delivery_dose_result result;
	sp_delivery *d = NULL;
	sp_error err = {0};
	rig *r = *state;

	assert_int_equal(sp_delivery_create(&d, "generic-6mv", NULL, 1, NULL), SP_OK);
	assert_int_equal(sp_delivery_beam_make(d->beams, 2, 2, two, NULL), SP_OK);
	d->beams->sad_mm = 1000.0;
	memcpy(d->beams->points[0].jaws_mm, jaws, sizeof jaws);
	strcpy(r->c.patient_position, "HFS");
	assert_int_equal(sp_delivery_dose_mc(r->dose, r->sigma, &result, r->device, &r->c, r->matter, r->machine, d,
	                                     &r->c.ct, &(sp_delivery_dose_options){0.1, 3, 0}, &err),
	                 SP_BAD_INPUT);
	assert_string_equal(err.text, "beam 0 has 2 pairs of leaves, 'millennium-120' of machine 'generic-6mv' has 60");
	sp_delivery_destroy(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(an_aperture_beside_the_axis_lights_up_its_corner),
	        cmocka_unit_test(an_arc_moves_evenly_between_its_control_points),
	        cmocka_unit_test(wrong_leaves_are_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
