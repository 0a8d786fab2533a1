#include "solid_fixture.h"

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <cmocka.h>

#define POINTS 180

sp_case *solid_case(const sp_grid *ct)
{
	sp_case *c = NULL;
	sp_error err = {0};

	assert_int_equal(sp_case_create(&c, ct, 0, &err), SP_OK);
	return c;
}

void solid_add(sp_case *c, const char *name, sp_role role, const double centre_mm[2], double low_mm, double high_mm,
               double step_mm, radius_at radius, const double *numbers)
{
	const double turn = 2.0 * acos(-1.0) / POINTS, larger = sqrt(turn / sin(turn));
	sp_structure *s = NULL;
	sp_error err = {0};

	assert_int_equal(sp_case_add_structure(&s, c, name, role, &err), SP_OK);
	for (double z = low_mm + step_mm / 2; z < high_mm; z += step_mm) {
		double p[POINTS][3], r = radius(z, numbers) * larger;

		for (int i = 0; i < POINTS; i++) {
			p[i][0] = centre_mm[0] + r * cos(i * turn);
			p[i][1] = centre_mm[1] + r * sin(i * turn);
			p[i][2] = z;
		}
		assert_int_equal(sp_structure_add_polygon(s, (const double(*)[3])p, POINTS, &err), SP_OK);
	}
}

double solid_sphere(double z_mm, const double *numbers)
{
	double dz = z_mm - numbers[0];

	return sqrt(fmax(1e-4, numbers[1] * numbers[1] - dz * dz));
}

double solid_cylinder(double z_mm, const double *numbers)
{
	(void)z_mm;
	return numbers[1];
}

double solid_cone(double z_mm, const double *numbers)
{
	return fabs(z_mm - numbers[0]) * numbers[1];
}

float *solid_dose(const sp_grid *grid, dose_at dose, const double *numbers)
{
	size_t n = sp_grid_voxels(grid);
	float *out = malloc(n * sizeof *out);

	assert_non_null(out);
	for (size_t i = 0; i < n; i++) {
		double place[3];

		sp_grid_centre(place, grid, i);
		out[i] = (float)dose(place, numbers);
	}
	return out;
}

double solid_linear_dose(const double place_mm[3], const double *numbers)
{
	return numbers[0] + numbers[1] * place_mm[0] + numbers[2] * place_mm[1] + numbers[3] * place_mm[2];
}
