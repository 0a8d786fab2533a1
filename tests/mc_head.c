/* The machine's head as a source: leaves against what their file says, rays against the beam's geometry. */
#include "beam.h"
#include "mc_fixture.h"
#include "mc_internal.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

typedef struct {
	sp_machine *machine;
	sp_delivery *delivery;
	sp_mc_head_source head;
} rig;

/* One beam of two control points with the leaves of `leaf_file`; leaves all open until told otherwise. */
static void make(rig *r, const char *leaf_file, double mu)
{
	const double jaws[4] = {-100.0, 100.0, -60.0, 60.0};

	assert_int_equal(sp_machine_read(&r->machine, "generic-6mv", NULL), SP_OK);
	assert_int_equal(sp_machine_set_mlc(r->machine, leaf_file, NULL), SP_OK);
	assert_int_equal(sp_delivery_create(&r->delivery, "generic-6mv", NULL, 1, NULL), SP_OK);
	assert_int_equal(sp_delivery_beam_make(r->delivery->beams, 2, r->machine->mlc->n_pairs,
	                                       r->machine->mlc->boundaries_mm, NULL),
	                 SP_OK);
	r->delivery->beams->sad_mm = 1000.0;
	r->delivery->beams->mu = mu;
	for (int i = 0; i < 2; i++) {
		sp_control_point *p = r->delivery->beams->points + i;

		memcpy(p->jaws_mm, jaws, sizeof jaws);
		p->cumulative_mu = i * mu;
		for (size_t k = 0; k < r->delivery->beams->n_pairs; k++) {
			p->leaves_mm[k] = -150.0;
			p->leaves_mm[r->delivery->beams->n_pairs + k] = 150.0;
		}
	}
}

/* Sets one pair of both control points. */
static void set_pair(rig *r, size_t pair, double low, double high)
{
	for (int i = 0; i < 2; i++) {
		r->delivery->beams->points[i].leaves_mm[pair] = low;
		r->delivery->beams->points[i].leaves_mm[r->delivery->beams->n_pairs + pair] = high;
	}
}

static void finish(rig *r)
{
	sp_mc_head_finish(&r->head);
	sp_delivery_destroy(r->delivery);
	sp_machine_destroy(r->machine);
}

static void make_head(rig *r, const mc_rig *m, const char *position)
{
	sp_error err = {0};

	if (sp_mc_head_make(&r->head, r->machine, r->delivery, position, m->matter, &err) != SP_OK)
		fail_msg("%s", err.text);
}

/* Transmission at n places (mm) from (x0, y0) on by (dx, dy); free() it. */
static float *through(rig *r, mc_rig *m, size_t n, double x0, double y0, double dx, double dy, double share)
{
	float *places = malloc(3 * n * sizeof *places), *out;
	cl_mem head, intervals, numbers, at;

	make_head(r, m, "HFS");
	for (size_t i = 0; i < n; i++) {
		places[i] = (float)(0.1 * (x0 + dx * (double)i));
		places[n + i] = (float)(0.1 * (y0 + dy * (double)i));
		places[2 * n + i] = (float)share;
	}
	head = mc_buffer(m, sizeof r->head.head, &r->head.head);
	intervals = mc_buffer(m, r->head.n_intervals * sizeof *r->head.intervals, r->head.intervals);
	numbers = mc_buffer(m, r->head.n_numbers * sizeof *r->head.numbers, r->head.numbers);
	at = mc_buffer(m, 3 * n * sizeof *places, places);
	{
		const sp_argument a[] = {SP_ARG(head), SP_ARG(intervals), SP_ARG(numbers), SP_ARG(at)};

		out = mc_run(m, "leaf_samples", n, n, a, 4);
	}
	mc_free_buffers(m);
	sp_mc_head_finish(&r->head);
	free(places);
	return out;
}

static double mean(const float *values, size_t n)
{
	double sum = 0.0;

	for (size_t i = 0; i < n; i++)
		sum += (double)values[i];
	return sum / (double)n;
}

/* Across eight leaves of one width, all closed far away: the mean is the file's, and the strips between leaves let
 * through as much more as it says. */
static void closed_leaves_let_through_what_their_file_says(void **state)
{
	static const struct {
		const char *file;
		double width;
	} kinds[] = {{"millennium-120", 5.0}, {"hd120", 2.5}};
	mc_rig *m = *state;

	for (int k = 0; k < 2; k++) {
		size_t n = 8000;
		rig r = {0};
		float *t, least = 1.0f, most = 0.0f;
		double wide; /* the file's mean is over all leaves: their mean width */

		make(&r, kinds[k].file, 10.0);
		for (size_t i = 0; i < r.delivery->beams->n_pairs; i++)
			set_pair(&r, i, 80.0, 80.0);
		t = through(&r, m, n, -30.0, 0.0, 0.0, 8.0 * kinds[k].width / (double)n, 0.5);
		for (size_t i = 0; i < n; i++) {
			least = fminf(least, t[i]);
			most = fmaxf(most, t[i]);
		}
		assert_near((double)(most / least), r.machine->mlc->interleaf_transmission, 1e-3);
		wide = r.machine->mlc->boundaries_mm[60] - r.machine->mlc->boundaries_mm[0];
		/* the narrow leaves of the middle have more strips than the mean */
		assert_near(mean(t, n),
		            (double)least * (1.0 + r.machine->mlc->tongue_mm / kinds[k].width *
		                                           (r.machine->mlc->interleaf_transmission - 1.0)),
		            2e-5);
		assert_near((double)least * (1.0 + 60.0 * r.machine->mlc->tongue_mm / wide *
		                                           (r.machine->mlc->interleaf_transmission - 1.0)),
		            r.machine->mlc->transmission, 2e-5);
		free(t);
		finish(&r);
	}
}

/* What a slit between leaf ends lets through beside what the closed leaf does is its width and the leaf gap, whatever
 * the width. */
static void a_slit_is_wider_than_set_by_the_leaf_gap(void **state)
{
	const double widths[] = {10.0, 20.0, 50.0};
	mc_rig *m = *state;

	for (int k = 0; k < 6; k++) {
		size_t n = 12000;
		double closed, open, length = 120.0, width = widths[k / 2];
		rig r = {0};
		float *t;

		make(&r, k % 2 ? "hd120" : "millennium-120", 10.0);
		for (size_t i = 0; i < r.delivery->beams->n_pairs; i++)
			set_pair(&r, i, 7.0 - 0.5 * width, 7.0 + 0.5 * width);
		t = through(&r, m, n, 7.0 - 0.5 * length, 1.2, length / (double)n, 0.0, 0.5);
		closed = (double)t[0];
		open = (mean(t, n) - closed) / (1.0 - closed) * length;
		assert_near(open, width + r.machine->mlc->leaf_gap_mm, 0.02);
		free(t);
		finish(&r);
	}
}

/* Two fields that together open every leaf once: at the edge of two neighbours each has the other's tongue in its way,
 * so that their sum is darker there than one field that opens both. */
static void tongue_and_groove_darken_the_seam_of_two_fields(void **state)
{
	enum { N = 2000, PAIR = 30 };
	mc_rig *m = *state;
	float *t[3];
	double half_leaf;
	rig r = {0};

	make(&r, "millennium-120", 10.0);
	for (int field = 0; field < 3; field++) {
		set_pair(&r, PAIR - 1, field == 1 ? 80.0 : -80.0, 80.0);
		set_pair(&r, PAIR, field == 0 ? 80.0 : -80.0, 80.0);
		t[field] = through(&r, m, N, 0.0, -4.0, 0.0, 8.0 / N, 0.5);
	}
	/* half of the height of the strip, through which both leaves let interleaf_transmission times a leaf's */
	half_leaf = sqrt(r.machine->mlc->interleaf_transmission * fmin((double)t[0][N - 1], (double)t[1][N - 1]));
	for (int i = 0; i < N; i++) {
		double y = -4.0 + 8.0 / N * i, sum = (double)t[0][i] + (double)t[1][i];

		assert_near((double)t[2][i], 1.0, 1e-6);
		if (fabs(y) < 0.5 * r.machine->mlc->tongue_mm - 0.01)
			assert_near(sum, 2.0 * half_leaf, 1e-3);
		else if (fabs(y) > 0.5 * r.machine->mlc->tongue_mm + 0.01)
			assert_near(sum, 1.0 + r.machine->mlc->transmission, 0.002);
	}
	for (int field = 0; field < 3; field++)
		free(t[field]);
	finish(&r);
}

static void leaves_move_evenly_between_control_points(void **state)
{
	mc_rig *m = *state;
	rig r = {0};
	float *t;

	make(&r, "millennium-120", 10.0);
	for (size_t i = 0; i < 60; i++) {
		set_pair(&r, i, -80.0, -60.0);
		r.delivery->beams->points[1].leaves_mm[i] = 40.0;
		r.delivery->beams->points[1].leaves_mm[60 + i] = 60.0;
	}
	t = through(&r, m, 3, -40.0, 1.2, 30.0, 0.0, 0.25); /* the slit is at -50 to -30 then */
	assert_near((double)t[0], 1.0, 1e-6);
	assert_true(t[1] < 0.02f && t[2] < 0.02f);
	free(t);
	finish(&r);
}

static float *sample_head(rig *r, mc_rig *m, size_t n, uint32_t kind)
{
	sp_mc_source_data data;
	const double low[3] = {0.0, 0.0, 0.0};
	sp_spectrum none = {0};
	const sp_mc_particles particles = {false, &none, 0, 0, NULL, NULL, &r->head};
	cl_mem head, intervals, numbers, rectangle;
	size_t which = 0;
	float *out;

	assert_int_equal(sp_mc_source_make(&data, &particles, low, NULL), SP_OK);
	while (data.rectangles[which].kind != kind)
		which++;
	head = mc_buffer(m, sizeof data.machine, &data.machine);
	intervals = mc_buffer(m, data.n_intervals * sizeof *data.intervals, data.intervals);
	numbers = mc_buffer(m, data.n_numbers * sizeof *data.numbers, data.numbers);
	rectangle = mc_buffer(m, sizeof *data.rectangles, data.rectangles + which);
	{
		const sp_argument a[] = {SP_ARG(head), SP_ARG(intervals), SP_ARG(numbers), SP_ARG(rectangle)};

		out = mc_run(m, "head_samples", n, 8 * n, a, 4);
	}
	mc_free_buffers(m);
	sp_mc_source_finish(&data);
	return out;
}

/* With a point for a focal spot all rays go from the source to the jaws' opening as engine/beam/frame.c places them,
 * and fill it evenly. */
static void rays_lie_where_the_beams_frame_says(void **state)
{
	static const char *const positions[] = {"HFS", "HFP", "FFS", "FFP"};
	mc_rig *m = *state;
	size_t n = m->small ? 256 : 4096;
	double *share = malloc(2 * n * sizeof *share);

	for (int k = 0; k < 4; k++) {
		sp_beam_setup setup = {37.0 + 90.0 * k, -21.0, 13.0, {10.0, -20.0, 30.0}};
		const double jaws[4] = {-20.0, 60.0, 10.0, 50.0};
		sp_beam_frame f;
		rig r = {0};
		float *s;

		make(&r, "millennium-120", 10.0);
		r.machine->source_fwhm_mm[0] = r.machine->source_fwhm_mm[1] = 0.0;
		memcpy(r.delivery->beams->isocentre_mm, setup.isocentre_mm, sizeof setup.isocentre_mm);
		for (int i = 0; i < 2; i++) {
			sp_control_point *p = r.delivery->beams->points + i;

			p->gantry_deg = setup.gantry_deg;
			p->collimator_deg = setup.collimator_deg;
			p->couch_deg = setup.couch_deg;
			memcpy(p->jaws_mm, jaws, sizeof jaws);
		}
		for (unsigned i = 0; i < r.machine->source.n_radii; i++)
			r.machine->source.fluence[i] = 1.0;
		assert_int_equal(sp_beam_frame_make(&f, &setup, 1000.0, positions[k], NULL), SP_OK);
		make_head(&r, m, positions[k]);
		s = sample_head(&r, m, n, SP_MC_TARGET);
		for (size_t i = 0; i < n; i++) {
			double at[3], x, y, axial;

			assert_true(s[i] == 1.0f);
			for (int a = 0; a < 3; a++) {
				assert_near(10.0 * (double)s[(size_t)(1 + a) * n + i], f.source_mm[a], 0.005);
				at[a] = f.source_mm[a] + 900.0 * (double)s[(size_t)(4 + a) * n + i];
			}
			sp_beam_project(&x, &y, &axial, &f, at);
			share[i] = (x - jaws[0]) / (jaws[1] - jaws[0]);
			share[n + i] = (y - jaws[2]) / (jaws[3] - jaws[2]);
		}
		assert_uniform(share, n, "x in the opening", k);
		assert_uniform(share + n, n, "y in the opening", k);
		free(s);
		finish(&r);
	}
	free(share);
}

/* Photons of the extra-focal source in a disc of the isocentre plane: their number is what the part of the source gives
 * that the disc's middle sees. */
static void extra_focal_photons_are_as_many_as_their_source_is_seen(void **state)
{
	const double places[][2] = {{0.0, 0.0}, {85.0, 0.0}, {0.0, -58.0}, {110.0, 0.0}};
	mc_rig *m = *state;
	size_t n = m->small ? 4096 : 1 << 19, which = 0;
	rig r = {0};
	float *s;

	make(&r, "millennium-120", 10.0);
	make_head(&r, m, "HFS");
	s = sample_head(&r, m, n, SP_MC_EXTRA_FOCAL);
	while (r.head.openings[which].kind != SP_MC_EXTRA_FOCAL)
		which++;
	for (int k = 0; k < 4; k++) {
		const double radius = 8.0, area_cm2 = 0.01 * 3.14159265 * radius * radius;
		double expected, found = 0.0;

		for (size_t i = 0; i < n; i++) { /* head first supine, gantry 0: down is +y, x is x, head is z */
			double way = -(double)s[2 * n + i] / (double)s[5 * n + i],
			       x = 10.0 * ((double)s[n + i] + way * (double)s[4 * n + i]),
			       y = 10.0 * ((double)s[3 * n + i] + way * (double)s[6 * n + i]);

			found += s[i] > 0.0f && hypot(x - places[k][0], y - places[k][1]) < radius;
		}
		expected = 10.0 * area_cm2 * sp_target_share(r.machine) * r.machine->source.extra_focal.share *
		           sp_extra_focal_seen(r.machine, r.delivery->beams->points[0].jaws_mm, places[k][0],
		                               places[k][1]) *
		           (double)n / r.head.openings[which].weight;
		/* five standard deviations, and the curvature within the disc */
		assert_near(found, expected, 5.0 * sqrt(expected) + 0.02 * expected);
	}
	free(s);
	finish(&r);
}

/* The focal spot blurs: at a jaw's edge half of the fluence is left, and the width is the spot's, seen through the jaw.
 */
static void the_focal_spot_blurs_the_jaws_edge(void **state)
{
	mc_rig *m = *state;
	size_t n = m->small ? 4096 : 1 << 18;
	double expected, outside = 0.0, far = 0.0;
	rig r = {0};
	float *s;

	make(&r, "millennium-120", 10.0);
	r.machine->source_fwhm_mm[0] = 3.0;
	make_head(&r, m, "HFS");
	s = sample_head(&r, m, n, SP_MC_TARGET);
	for (size_t i = 0; i < n; i++) {
		double way = -(double)s[2 * n + i] / (double)s[5 * n + i],
		       x = 10.0 * ((double)s[n + i] + way * (double)s[4 * n + i]);

		outside += x > 100.0 ? (x - 100.0) * (double)s[i] : 0.0;
		far += (double)s[i];
	}
	/* mean way beyond an edge that is blurred by sigma: sigma^2 / 2 for fluence 1 a mm */
	expected = 3.0 / 2.3548 * (1000.0 - r.machine->jaws.x_distance_mm) / r.machine->jaws.x_distance_mm;
	expected = 0.25 * expected * expected / 200.0 * far;
	assert_near(outside, expected, 0.05 * expected + 5.0 * sqrt(expected));
	free(s);
	finish(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(closed_leaves_let_through_what_their_file_says),
	        cmocka_unit_test(a_slit_is_wider_than_set_by_the_leaf_gap),
	        cmocka_unit_test(tongue_and_groove_darken_the_seam_of_two_fields),
	        cmocka_unit_test(leaves_move_evenly_between_control_points),
	        cmocka_unit_test(rays_lie_where_the_beams_frame_says),
	        cmocka_unit_test(extra_focal_photons_are_as_many_as_their_source_is_seen),
	        cmocka_unit_test(the_focal_spot_blurs_the_jaws_edge),
	};

	return cmocka_run_group_tests(tests, mc_rig_set_up, mc_rig_tear_down);
}
