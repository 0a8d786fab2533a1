#include "painting_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

const sp_grid painting_ct = {{12, 10, 21}, {2.0, 3.0, 2.5}, {-7.0, 11.0, 40.0}};

int painting_set_up(void **state)
{
	static painting_rig r;

	*state = &r;
	r.red = malloc(sp_grid_voxels(&painting_ct) * sizeof *r.red);
	r.density = malloc(sp_grid_voxels(&painting_ct) * sizeof *r.density);
	r.material = malloc(sp_grid_voxels(&painting_ct));
	return !r.red || !r.density || !r.material || sp_matter_create(&r.m, NULL, NULL) != SP_OK ||
	       sp_case_create(&r.c, &painting_ct, -1000, NULL) != SP_OK;
}

int painting_tear_down(void **state)
{
	painting_rig *r = *state;

	sp_matter_destroy(r->m);
	sp_case_destroy(r->c);
	free(r->red);
	free(r->density);
	free(r->material);
	return 0;
}

sp_structure *painting_add_box(sp_case *c, const char *name, sp_role role, const size_t low[3], const size_t high[3],
                               double wider_mm)
{
	sp_structure *s;

	assert_int_equal(sp_case_add_structure(&s, c, name, role, NULL), SP_OK);
	for (size_t k = low[2]; k <= high[2]; k++) {
		double x0 = painting_ct.origin_mm[0] + ((double)low[0] - 0.5) * painting_ct.spacing_mm[0] - wider_mm;
		double x1 = painting_ct.origin_mm[0] + ((double)high[0] + 0.5) * painting_ct.spacing_mm[0] + wider_mm;
		double y0 = painting_ct.origin_mm[1] + ((double)low[1] - 0.5) * painting_ct.spacing_mm[1];
		double y1 = painting_ct.origin_mm[1] + ((double)high[1] + 0.5) * painting_ct.spacing_mm[1];
		double z = painting_ct.origin_mm[2] + (double)k * painting_ct.spacing_mm[2];
		const double box[4][3] = {{x0, y0, z}, {x1, y0, z}, {x1, y1, z}, {x0, y1, z}};

		assert_int_equal(sp_structure_add_polygon(s, box, 4, NULL), SP_OK);
	}
	return s;
}

void painting_set_material(sp_structure *s, const char *name)
{
	s->material = malloc(strlen(name) + 1);
	assert_non_null(s->material);
	strcpy(s->material, name);
}

void painting_assert_near(double found, double expected, double tolerance)
{
	if (!(fabs(found - expected) <= tolerance))
		fail_msg("found %.9g, expected %.9g within %.2g", found, expected, tolerance);
}
