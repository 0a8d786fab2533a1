#include "shape.h"

#include <stddef.h>

double sp_ellipse(double x, double y, double a, double b)
{
	double u = x / a, v = y / b, k0 = sqrt(u * u + v * v), k1 = sqrt(u * u / (a * a) + v * v / (b * b));

	/* f/|grad f| of f = k0^2 - k0; near the centre the gradient vanishes and the smaller half axis bounds it */
	return k1 < 1e-9 ? -fmin(a, b) : fmax(k0 * (k0 - 1.0) / k1, -fmin(a, b));
}

double sp_oval(double x, double y, double a, double b)
{
	double u = fabs(x / a), v = fabs(y / b), u15 = u * sqrt(u), v15 = v * sqrt(v);
	double sum = u15 * u + v15 * v, r, gx, gy;

	if (sum < 1e-9)
		return -fmin(a, b);
	r = pow(sum, 0.4); /* homogeneous of degree 1, so r - 1 over its gradient is the distance to first order */
	gx = u15 / a;
	gy = v15 / b;
	return fmax((r - 1.0) * sum / (r * sqrt(gx * gx + gy * gy)), -fmin(a, b));
}

double sp_ellipsoid(const double p[3], const double centre[3], const double half[3])
{
	double k0 = 0.0, k1 = 0.0, smallest = fmin(half[0], fmin(half[1], half[2]));

	for (int i = 0; i < 3; i++) {
		double u = (p[i] - centre[i]) / half[i];

		k0 += u * u;
		k1 += u * u / (half[i] * half[i]);
	}
	k0 = sqrt(k0);
	k1 = sqrt(k1);
	return k1 < 1e-9 ? -smallest : fmax(k0 * (k0 - 1.0) / k1, -smallest);
}

/* Share (0..1) of the way from a to b at which p projects, and the distance of p from that point. */
static double project(double *out_distance, const double p[3], const double a[3], const double b[3])
{
	double ab2 = 0.0, along = 0.0, d2 = 0.0, t;

	for (int i = 0; i < 3; i++) {
		ab2 += (b[i] - a[i]) * (b[i] - a[i]);
		along += (p[i] - a[i]) * (b[i] - a[i]);
	}
	t = ab2 > 0.0 ? fmin(fmax(along / ab2, 0.0), 1.0) : 0.0;
	for (int i = 0; i < 3; i++) {
		double d = p[i] - a[i] - t * (b[i] - a[i]);

		d2 += d * d;
	}
	*out_distance = sqrt(d2);
	return t;
}

double sp_cone_line(const double p[3], const double a[3], const double b[3], double ra, double rb)
{
	double d, t = project(&d, p, a, b);

	return d - (ra + t * (rb - ra));
}

double sp_rod(const double p[3], const double a[3], const double b[3], double radius)
{
	double length = 0.0, along = 0.0, d2 = 0.0, across, beyond;

	for (int i = 0; i < 3; i++) {
		length += (b[i] - a[i]) * (b[i] - a[i]);
		d2 += (p[i] - a[i]) * (p[i] - a[i]);
	}
	length = sqrt(length);
	for (int i = 0; i < 3; i++)
		along += (p[i] - a[i]) * (b[i] - a[i]) / length;
	across = sqrt(fmax(d2 - along * along, 0.0)) - radius;
	beyond = fabs(along - 0.5 * length) - 0.5 * length;
	if (across > 0.0 && beyond > 0.0)
		return hypot(across, beyond);
	return fmax(across, beyond);
}
