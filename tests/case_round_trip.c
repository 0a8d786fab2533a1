/* A case that is written and read is the same case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "case.h"
#include "case_fixture.h"

#define OK(call) assert_int_equal((call), SP_OK)

static void assert_same_structure(const sp_structure *a, const sp_structure *b)
{
	assert_string_equal(a->name, b->name);
	assert_int_equal(a->role, b->role);
	assert_int_equal(a->has_colour, b->has_colour);
	assert_memory_equal(a->colour, b->colour, 3);
	assert_int_equal(a->n_polygons, b->n_polygons);
	if (a->n_polygons) {
		assert_memory_equal(a->offsets, b->offsets, (a->n_polygons + 1) * sizeof *a->offsets);
		assert_memory_equal(a->points_mm, b->points_mm, a->offsets[a->n_polygons] * 3 * sizeof(double));
	}
	assert_int_equal(a->has_mask, b->has_mask);
	assert_memory_equal(a->mask.first, b->mask.first, sizeof a->mask.first);
	assert_memory_equal(a->mask.n, b->mask.n, sizeof a->mask.n);
	if (a->has_mask)
		assert_memory_equal(a->mask.in, b->mask.in, a->mask.n[0] * a->mask.n[1] * a->mask.n[2]);
	assert_true(isnan(a->density_g_cm3) ? isnan(b->density_g_cm3) : a->density_g_cm3 == b->density_g_cm3);
	assert_int_equal(!a->material, !b->material);
	if (a->material)
		assert_string_equal(a->material, b->material);
}

static void a_case_survives_writing_and_reading(void **state)
{
	char path[] = "/tmp/spineplan-case-XXXXXX";
	sp_case *c = fixture_case(), *back;
	sp_error err = {0};

	(void)state;
	close(mkstemp(path));
	if (sp_case_write(c, path, &err) != SP_OK || sp_case_read(&back, path, &err) != SP_OK)
		fail_msg("%s", err.text);
	assert_true(sp_grid_equal(&c->ct, &back->ct));
	assert_memory_equal(c->hu, back->hu, sp_grid_voxels(&c->ct) * sizeof *c->hu);
	assert_string_equal(back->patient_position, "FFS");
	assert_string_equal(back->path, path);
	assert_int_equal(strlen(back->sha256), 64);
	assert_int_equal(back->n_structures, 4);
	for (size_t i = 0; i < c->n_structures; i++)
		assert_same_structure(&c->structures[i], sp_case_find(back, c->structures[i].name));
	assert_true(back->prescription.present && back->prescription.dose_gy == 24.0);
	assert_int_equal(back->prescription.fractions, 2);
	assert_string_equal(back->prescription.target, "PTV");
	assert_string_equal(back->prescription.protocol, "sc24-24gy-2fx");
	assert_int_equal(back->n_beams, 2);
	assert_true(back->beams[1].gantry_deg == 340.5 && back->beams[1].collimator_deg == 15.0);
	assert_true(back->beams[1].has_isocentre && !back->beams[0].has_isocentre);
	assert_true(back->beams[1].isocentre_mm[1] == -220.0);
	assert_string_equal(back->targets, c->targets);
	sp_case_destroy(c);
	sp_case_destroy(back);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_case_survives_writing_and_reading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
