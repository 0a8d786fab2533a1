/* Leaf ends and monitor units: their fluence is what the openings let through, its derivative is right, sequences come
 * back to the fluence, and arcs are made as slow as the leaves. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "aperture_map.h"
#include "mu_map.h"
#include "opening.h"
#include "sequence.h"
#include "to_delivery.h"

typedef struct {
	sp_machine *machine;
	sp_beam_set *bixels;
	sp_fields *fields;
	sp_aperture_map *map;
} rig;

/* n fields over one beam, of 60 x 40 mm in bixels of 5 mm; two intervals between three states, or one segment a state.
 */
static void make_fields(rig *r, size_t n, bool turned, bool moves)
{
	const sp_beam_setup setup = {40.0, 30.0, 0.0, {1, 2, 3}};
	sp_error err = {0};

	assert_int_equal(sp_machine_read(&r->machine, "generic-6mv", &err), SP_OK);
	assert_int_equal(sp_beam_set_rectangle(&r->bixels, &setup, 1000, "HFS", 5, (double[]){-25, 35, -20, 20}, &err),
	                 SP_OK);
	assert_int_equal(sp_fields_create(&r->fields, r->machine, r->bixels, n, &err), SP_OK);
	for (size_t i = 0; i < n; i++) {
		sp_field *f = &r->fields->fields[i];

		assert_int_equal(sp_field_make(f, 3, moves ? 2 : 3, &err), SP_OK);
		f->turned = turned;
		f->moves = moves;
		f->gantry_turn = moves;
		for (size_t k = 0; k < f->n_intervals; k++)
			f->intervals[k] = (sp_interval){.gantry_deg = 40.0 + (moves ? 2.0 * (double)k : 0.0),
			                                .from = k,
			                                .to = moves ? k + 1 : k,
			                                .travel_deg = moves ? 2.0 : 0.0,
			                                .least_mu = 1.0};
	}
	assert_int_equal(sp_fields_complete(r->fields, &err), SP_OK);
	assert_int_equal(sp_aperture_map_create(&r->map, r->fields, 1.0, &err), SP_OK);
}

static void make_rig(rig *r, bool turned, bool moves)
{
	make_fields(r, 1, turned, moves);
}

static void finish_rig(rig *r)
{
	sp_aperture_map_destroy(r->map);
	sp_fields_destroy(r->fields);
	sp_beam_set_destroy(r->bixels);
	sp_machine_destroy(r->machine);
}

/* Ragged openings, all pairs different, with the second bank's ends off the bixels' edges. */
static void set_ragged(rig *r)
{
	const sp_field *f = &r->fields->fields[0];

	for (size_t s = 0; s < f->n_states; s++)
		for (size_t k = 0; k < f->n_pairs; k++)
			sp_aperture_set_leaves(r->map, r->map->x, 0, s, k, -15.3 + 1.7 * (double)k + 2.9 * (double)s,
			                       4.1 + 1.3 * (double)k - 2.2 * (double)s);
	for (size_t i = 0; i < f->n_intervals; i++)
		sp_aperture_set_mu(r->map, r->map->x, 0, i, 3.0 + 2.0 * (double)i);
}

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

/* A field of `rectangle` in bixels of 5 mm, under leaves with boundaries_mm from_mm on, each width_mm wide. */
static void complete_under(rig *r, const double rectangle[4], double from_mm, double width_mm, size_t n_pairs)
{
	const sp_beam_setup setup = {0.0, 0.0, 0.0, {0, 0, 0}};
	double boundaries_mm[101];
	sp_error err = {0};

	*r = (rig){0};
	for (size_t k = 0; k <= n_pairs; k++)
		boundaries_mm[k] = from_mm + width_mm * (double)k;
	assert_int_equal(sp_machine_read(&r->machine, "generic-6mv", &err), SP_OK);
	assert_int_equal(sp_mlc_reshape(r->machine->mlc, boundaries_mm, n_pairs, &err), SP_OK);
	assert_int_equal(sp_beam_set_rectangle(&r->bixels, &setup, 1000, "HFS", 5, rectangle, &err), SP_OK);
	assert_int_equal(sp_fields_create(&r->fields, r->machine, r->bixels, 1, &err), SP_OK);
	assert_int_equal(sp_field_make(&r->fields->fields[0], 1, 1, &err), SP_OK);
	r->fields->fields[0].intervals[0] = (sp_interval){.least_mu = 1.0};
	if (sp_fields_complete(r->fields, &err) != SP_OK)
		fail_msg("%s", err.text);
	assert_int_equal(sp_aperture_map_create(&r->map, r->fields, 1.0, &err), SP_OK);
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

/* Rows that see bixel after bixel, more and more of them. */
static sp_influence *staircase(sp_device *d, size_t n_bixels)
{
	enum { ROWS = 7 };
	const sp_grid grid = {{ROWS, 1, 1}, {1, 1, 1}, {0, 0, 0}};
	const uint64_t voxels[ROWS] = {0, 1, 2, 3, 4, 5, 6};
	uint64_t indptr[ROWS + 1] = {0};
	uint32_t *indices = calloc(ROWS * n_bixels, sizeof *indices);
	float *data = calloc(ROWS * n_bixels, sizeof *data);
	sp_influence *m;
	sp_error err = {0};

	for (size_t row = 0; row < ROWS; row++) {
		indptr[row + 1] = indptr[row];
		for (size_t b = row; b < n_bixels; b += ROWS - row) {
			indices[indptr[row + 1]] = (uint32_t)b;
			data[indptr[row + 1]++] = 0.1f + 0.01f * (float)(b % 13);
		}
	}
	assert_int_equal(sp_influence_from_csr(&m, d, &grid, voxels, ROWS, n_bixels, indptr, indices, data, &err),
	                 SP_OK);
	free(indices);
	free(data);
	return m;
}

static void multiply(float out[7], sp_influence *m, sp_device *d, const double *weights)
{
	const size_t n = sp_influence_columns(m);
	float *floats = calloc(n, sizeof *floats);
	cl_mem in, dose;

	for (size_t i = 0; i < n; i++)
		floats[i] = (float)weights[i];
	assert_int_equal(sp_buffer_create(&in, d, CL_MEM_READ_ONLY, n * sizeof *floats, floats, "weights", NULL),
	                 SP_OK);
	assert_int_equal(sp_buffer_create(&dose, d, CL_MEM_READ_WRITE, 7 * sizeof *out, NULL, "dose", NULL), SP_OK);
	assert_int_equal(sp_influence_multiply(m, dose, in, NULL), SP_OK);
	assert_int_equal(sp_buffer_read(d, dose, 0, 7 * sizeof *out, out, NULL), SP_OK);
	sp_buffer_release(&in);
	sp_buffer_release(&dose);
	free(floats);
}

static void monitor_units_alone_give_the_dose_of_their_apertures(void **state)
{
	sp_device *d = NULL;
	rig r;
	sp_influence *whole;
	sp_mu_map *m;
	sp_field *second;
	double *weights, mu[4], x[4] = {4.0, 9.0, 0.0, 50.0}, gradient[4] = {0};
	float by_bixels[7], by_mu[7];
	sp_error err = {0};

	(void)state;
	if (sp_device_open(&d, NULL, &err) != SP_OK)
		fail_msg("%s", err.text);
	make_fields(&r, 2, true, true);
	set_ragged(&r);
	second = &r.fields->fields[1];
	second->intervals[0].least_mu = 2.0;
	second->intervals[1].most_mu = 20.0;
	for (size_t s = 0; s < second->n_states; s++)
		for (size_t k = 0; k < second->n_pairs; k++)
			sp_aperture_set_leaves(r.map, r.map->x, 1, s, k, -3.1 - 1.1 * (double)s, 2.3 + 0.9 * (double)k);
	r.map->output = 0.93;
	r.map->mu_price = 0.25;
	weights = calloc(r.bixels->n_bixels, sizeof *weights);
	whole = staircase(d, r.bixels->n_bixels);
	assert_int_equal(sp_mu_map_create(&m, r.map, whole, &err), SP_OK);
	assert_int_equal(m->map.n, 4);
	assert_true(m->map.start[0] == 2.0 && m->map.start[1] == 4.0); /* 3 and 5 MU, 1 at least */

	/* other monitor units than those at hand, the last held at its most */
	m->map.weights(m, mu, x);
	assert_true(mu[0] == 5.0 && mu[1] == 10.0 && mu[2] == 2.0 && mu[3] == 20.0);
	multiply(by_mu, m->matrix, d, mu);
	m->map.settle(m, x);
	assert_true(x[0] == 4.0 && x[1] == 9.0 && x[2] == 0.0 && x[3] == 19.0);
	m->map.shown(m, x);
	r.map->map.weights(r.map, weights, r.map->x);
	multiply(by_bixels, whole, d, weights);
	for (int k = 0; k < 7; k++)
		assert_true(by_bixels[k] > 0.0f && fabsf(by_mu[k] - by_bixels[k]) <= 1e-4f * by_bixels[k]);

	/* the last cannot grow, but fall */
	m->map.pull_back(m, gradient, x, (double[]){-3.0, -2.0, -1.0, -3.0}, false);
	assert_true(gradient[0] == -3.0 && gradient[1] == -2.0 && gradient[2] == -1.0 && gradient[3] == 0.0);
	m->map.pull_back(m, gradient, x, (double[]){3.0, 3.0, 3.0, 3.0}, false);
	assert_true(gradient[0] == 3.0 && gradient[3] == 3.0);
	m->map.push_absolute(m, mu, x, (double[]){0.5, 1.5, 2.5, 3.5});
	assert_true(mu[0] == 0.5 && mu[1] == 1.5 && mu[2] == 2.5 && mu[3] == 3.5);
	memset(gradient, 0, sizeof gradient);
	assert_true(m->map.cost(m, x, gradient, NULL) == 0.25 * 32.0);
	assert_true(gradient[0] == 0.25 && gradient[3] == 0.25);

	sp_mu_map_destroy(m);
	sp_influence_destroy(whole);
	free(weights);
	finish_rig(&r);
	sp_device_close(d);
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
	        cmocka_unit_test(a_sequence_of_few_apertures_is_near_the_fluence),
	        cmocka_unit_test(what_leaves_do_not_reach_gets_no_apertures),
	        cmocka_unit_test(a_way_out_of_reach_leaves_the_beam_to_the_other),
	        cmocka_unit_test(leaves_along_a_strip_spare_it_in_one_aperture),
	        cmocka_unit_test(a_field_gets_no_more_segments_than_control_points_allow),
	        cmocka_unit_test(leaves_of_an_arc_are_made_slow_enough),
	        cmocka_unit_test(monitor_units_alone_give_the_dose_of_their_apertures),
	        cmocka_unit_test(apertures_become_control_points),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
