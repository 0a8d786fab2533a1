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
#include "mask.h"

#define OK(call) assert_int_equal((call), SP_OK)

static const sp_grid grid = {{23, 17, 11}, {1.25, 1.5, 3.0}, {-14.0, -230.5, 812.25}};

static void add_square(sp_structure *s, double x0, double x1, double y0, double y1, double z)
{
	const double points[4][3] = {{x0, y0, z}, {x1, y0, z}, {x1, y1, z}, {x0, y1, z}};

	OK(sp_structure_add_polygon(s, points, 4, NULL));
}

static sp_case *make_case(void)
{
	sp_case *c;
	sp_structure *s;
	uint8_t *in = calloc(sp_grid_voxels(&grid), 1);

	OK(sp_case_create(&c, &grid, -1000, NULL));
	for (size_t i = 0; i < sp_grid_voxels(&grid); i++)
		c->hu[i] = (int16_t)(i * 37 % 3000 - 1000);
	OK(sp_case_add_structure(&s, c,
	                         "R\xc3\xbc"
	                         "ckenmark 'x' [1].",
	                         SP_ROLE_CORD, NULL));
	for (int k = 2; k < 8; k++)
		add_square(s, -2.0, 1.5, -226.0, -222.0, 812.25 + 3.0 * k);
	s->has_colour = true;
	memcpy(s->colour, (uint8_t[]){250, 3, 77}, 3);
	OK(sp_case_add_structure(&s, c, "cage", SP_ROLE_HARDWARE, NULL));
	for (size_t k = 3; k < 9; k++)
		for (size_t i = 5; i < 20; i++)
			in[sp_grid_index(&grid, i, 2 + k % 3, k)] = 1;
	OK(sp_structure_set_mask(s, in, &grid, NULL));
	s->density_g_cm3 = 4.43;
	s->material = strdup("titanium");
	OK(sp_case_add_structure(&s, c, "PTV", SP_ROLE_PTV, NULL));
	add_square(s, 4.0, 9.0, -226.0, -215.0, 821.25);
	OK(sp_case_add_structure(&s, c, "nothing", SP_ROLE_ORGAN, NULL));
	c->prescription = (sp_prescription){true, 24.0, 2, strdup("PTV"), strdup("sc24-24gy-2fx")};
	c->n_beams = 2;
	c->beams = calloc(2, sizeof *c->beams);
	c->beams[0] = (sp_case_beam){strdup("1"), 20.0, 0.0, 0.0, false, {0, 0, 0}};
	c->beams[1] = (sp_case_beam){strdup("2"), 340.5, 15.0, 5.0, true, {1.0, -220.0, 821.0}};
	memcpy(c->patient_position, "FFS", 4);
	free(in);
	return c;
}

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
	sp_case *c = make_case(), *back;
	sp_error err = {0};

	(void)state;
	close(mkstemp(path));
	if (sp_case_write(c, path, &err) != SP_OK || sp_case_read(&back, path, &err) != SP_OK)
		fail_msg("%s", err.text);
	assert_true(sp_grid_equal(&c->ct, &back->ct));
	assert_memory_equal(c->hu, back->hu, sp_grid_voxels(&grid) * sizeof *c->hu);
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
