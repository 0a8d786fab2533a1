#include "box_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

void add_box(sp_case *c, const char *name, sp_role role, const double low[3], const double high[3], double step_mm)
{
	sp_structure *s;

	assert_int_equal(sp_case_add_structure(&s, c, name, role, NULL), SP_OK);
	for (double z = low[2]; z <= high[2]; z += step_mm) {
		const double points[4][3] = {
		        {low[0], low[1], z}, {high[0], low[1], z}, {high[0], high[1], z}, {low[0], high[1], z}};

		assert_int_equal(sp_structure_add_polygon(s, points, 4, NULL), SP_OK);
	}
}
