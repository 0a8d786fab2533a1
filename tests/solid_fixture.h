/* Cases made of solids that can be calculated by hand: circles on slices, and doses given as formulas. */
#ifndef SOLID_FIXTURE_H
#define SOLID_FIXTURE_H

#include "case.h"

/* A CT of air and a dose grid: unequal spacings and sizes, origin off zero. */
sp_case *solid_case(const sp_grid *ct);

typedef double (*radius_at)(double z_mm, const double *numbers);

/* Contours of 180 points every step_mm in z from low to high, radius by a function of z. Circles are drawn a little
 * large, so that the polygon has the circle's area. */
void solid_add(sp_case *c, const char *name, sp_role role, const double centre_mm[2], double low_mm, double high_mm,
               double step_mm, radius_at radius, const double *numbers);

/* numbers: z of the centre, radius. */
double solid_sphere(double z_mm, const double *numbers);
/* numbers: unused, radius. */
double solid_cylinder(double z_mm, const double *numbers);
/* numbers: z of the tip, change of radius per mm of z. */
double solid_cone(double z_mm, const double *numbers);

/* A dose on a grid from a formula of the place; free() it. */
typedef double (*dose_at)(const double place_mm[3], const double *numbers);
float *solid_dose(const sp_grid *grid, dose_at dose, const double *numbers);

/* numbers: dose at 0,0,0 and its change per mm along x, y, z. */
double solid_linear_dose(const double place_mm[3], const double *numbers);

#endif
