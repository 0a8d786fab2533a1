#include "deliver_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

void make_fields(rig *r, size_t n, bool turned, bool moves)
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

void make_rig(rig *r, bool turned, bool moves)
{
	make_fields(r, 1, turned, moves);
}

void finish_rig(rig *r)
{
	sp_aperture_map_destroy(r->map);
	sp_fields_destroy(r->fields);
	sp_beam_set_destroy(r->bixels);
	sp_machine_destroy(r->machine);
}

void set_ragged(rig *r)
{
	const sp_field *f = &r->fields->fields[0];

	for (size_t s = 0; s < f->n_states; s++)
		for (size_t k = 0; k < f->n_pairs; k++)
			sp_aperture_set_leaves(r->map, r->map->x, 0, s, k, -15.3 + 1.7 * (double)k + 2.9 * (double)s,
			                       4.1 + 1.3 * (double)k - 2.2 * (double)s);
	for (size_t i = 0; i < f->n_intervals; i++)
		sp_aperture_set_mu(r->map, r->map->x, 0, i, 3.0 + 2.0 * (double)i);
}

void complete_under(rig *r, const double rectangle[4], double from_mm, double width_mm, size_t n_pairs)
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
