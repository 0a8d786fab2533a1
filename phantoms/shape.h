/* Implicit solids: a function that is negative inside and nowhere steeper than 1 (a lower bound of the distance to the
 * surface, in mm), so that a voxel farther from the surface than its half diagonal needs no second look. */
#ifndef SP_SHAPE_H
#define SP_SHAPE_H

#include <math.h>

/* distance(p, data) with p in mm; the shape lies within low..high. data is borrowed. */
typedef struct {
	double (*distance)(const double p[3], const void *data);
	const void *data;
	double low_mm[3], high_mm[3];
} sp_shape;

/* The same shape function with other data. */
static inline sp_shape sp_shape_with(sp_shape shape, const void *data)
{
	shape.data = data;
	return shape;
}

/* Functions are distances to first order only: farther than this many times a radius is surely beyond it. */
#define SP_SHAPE_SURELY 1.3

/* Polynomial smooth minimum and maximum: corners between a and b are rounded over the width k (mm). */
static inline double sp_smooth_min(double a, double b, double k)
{
	double h = fmax(k - fabs(a - b), 0.0) / k;

	return fmin(a, b) - 0.25 * h * h * k;
}

static inline double sp_smooth_max(double a, double b, double k)
{
	return -sp_smooth_min(-a, -b, k);
}

/* An ellipse at the origin with half axes a and b, to first order in the distance. */
double sp_ellipse(double x, double y, double a, double b);

/* |x/a|^2.5 + |y/b|^2.5 = 1, an ellipse with fuller corners, to first order in the distance. */
double sp_oval(double x, double y, double a, double b);

double sp_ellipsoid(const double p[3], const double centre[3], const double half[3]);

/* A line from a to b whose radius grows from ra to rb, with round ends. */
double sp_cone_line(const double p[3], const double a[3], const double b[3], double ra, double rb);

/* A cylinder from a to b with flat ends. */
double sp_rod(const double p[3], const double a[3], const double b[3], double radius);

#endif
