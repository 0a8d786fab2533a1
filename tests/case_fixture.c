#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "case_fixture.h"
#include "mask.h"

#define OK(call) assert_int_equal((call), SP_OK)

static const sp_grid grid = {{23, 17, 11}, {1.25, 1.5, 3.0}, {-14.0, -230.5, 812.25}};

static void add_square(sp_structure *s, double x0, double x1, double y0, double y1, double z)
{
	const double points[4][3] = {{x0, y0, z}, {x1, y0, z}, {x1, y1, z}, {x0, y1, z}};

	OK(sp_structure_add_polygon(s, points, 4, NULL));
}

sp_case *fixture_case(void)
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
	c->prescription = (sp_prescription){.present = true,
	                                    .dose_gy = 24.0,
	                                    .fractions = 2,
	                                    .target = strdup("PTV"),
	                                    .protocol = strdup("sc24-24gy-2fx")};
	c->targets = strdup("{\"rule\": \"by hand, 2 mm \\u00b1 0\"}");
	c->n_beams = 2;
	c->beams = calloc(2, sizeof *c->beams);
	c->beams[0] = (sp_case_beam){strdup("1"), 20.0, 0.0, 0.0, false, {0, 0, 0}};
	c->beams[1] = (sp_case_beam){strdup("2"), 340.5, 15.0, 5.0, true, {1.0, -220.0, 821.0}};
	memcpy(c->patient_position, "FFS", 4);
	free(in);
	return c;
}

void fixture_case_file(const char *path)
{
	sp_case *c = fixture_case();
	sp_error err = {0};

	if (sp_case_write(c, path, &err) != SP_OK)
		fail_msg("%s", err.text);
	sp_case_destroy(c);
}
