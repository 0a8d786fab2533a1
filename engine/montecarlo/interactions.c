/* Single interactions of the reference transport. */
#include "reference_internal.h"

void turn(double u[3], double cos_theta, double phi)
{
	double sin_theta = sqrt(fmax(0.0, 1.0 - cos_theta * cos_theta)), c = cos(phi) * sin_theta,
	       s = sin(phi) * sin_theta;
	double x = u[0], y = u[1], z = u[2], across = sqrt(x * x + y * y), norm;

	if (across < 1e-10) {
		u[0] = c;
		u[1] = s;
		u[2] = z > 0.0 ? cos_theta : -cos_theta;
		return;
	}
	u[0] = x * cos_theta + (x * z * c - y * s) / across;
	u[1] = y * cos_theta + (y * z * c + x * s) / across;
	u[2] = z * cos_theta - across * c;
	norm = 1.0 / sqrt(u[0] * u[0] + u[1] * u[1] + u[2] * u[2]);
	for (int i = 0; i < 3; i++)
		u[i] *= norm;
}

/* dsigma/deps ~ (1/eps + eps) (1 - eps sin2/(1 + eps2)): the first bracket by composition, the second by rejection. */
double sample_klein_nishina(double *cos_theta, double energy, sp_random *r)
{
	double k = energy / ELECTRON_MEV, eps0 = 1.0 / (1.0 + 2.0 * k);
	double a1 = -log(eps0), a2 = 0.5 * (1.0 - eps0 * eps0);

	for (;;) {
		double u = sp_random_next(r), v = sp_random_next(r), eps, t, sin2;

		eps = u * (a1 + a2) < a1 ? exp(-a1 * v) : sqrt(eps0 * eps0 + (1.0 - eps0 * eps0) * v);
		t = (1.0 - eps) / (k * eps); /* 1 - cos theta */
		sin2 = t * (2.0 - t);
		if (sp_random_next(r) <= 1.0 - eps * sin2 / (1.0 + eps * eps)) {
			*cos_theta = 1.0 - t;
			return eps;
		}
	}
}

/* dsigma/dx ~ 1/x2 + 1/(1-x)2 + (tau/(tau+1))2 - (2 tau+1)/(tau+1)2 / (x (1-x)), x = w/t <= 1/2 (ICRU 37, eq. 2.9). */
double sample_moller(double t, sp_random *r)
{
	double tau = t / ELECTRON_MEV, low = ELECTRON_CUT / t;
	double c1 = tau / (tau + 1.0), c2 = (2.0 * tau + 1.0) / ((tau + 1.0) * (tau + 1.0));

	for (;;) {
		double x = 1.0 / (1.0 / low - sp_random_next(r) * (1.0 / low - 2.0)), y = x / (1.0 - x);

		/* times x2, at most 1 + 1 + 1/4 */
		if (sp_random_next(r) * 2.25 <= 1.0 + y * y + c1 * c1 * x * x - c2 * y)
			return x * t;
	}
}

double sample_brems(const sp_reference_water *w, double t, sp_random *r)
{
	double f;
	size_t i = grid_find(t, &f);
	const struct brems_shape *shape = w->brems + i + (sp_random_next(r) < f);

	for (;;) {
		double x = PHOTON_CUT / t * pow(t / PHOTON_CUT, sp_random_next(r)), value;
		int j = 0;

		while (j < SP_BREMS_POINTS - 2 && x >= shape->k_over_t[j + 1])
			j++;
		value = shape->value[j] + (shape->value[j + 1] - shape->value[j]) * (x - shape->k_over_t[j]) /
		                                  (shape->k_over_t[j + 1] - shape->k_over_t[j]);
		if (sp_random_next(r) * shape->max <= value)
			return x * t;
	}
}

/* dsigma/dx ~ 1/x (1 + 2 gamma/(gamma+1)2 - x - 1/((gamma+1)2 x)), the same for both photons' shares x and 1 - x
 * (Heitler, The Quantum Theory of Radiation, sec. 27): 1/x by inversion, the bracket by rejection. */
double sample_annihilation(double t, sp_random *r)
{
	double gamma = 1.0 + t / ELECTRON_MEV, g1 = gamma + 1.0, c = 1.0 + 2.0 * gamma / (g1 * g1);
	double low = 0.5 * (1.0 - sqrt((gamma - 1.0) / g1)), most = c - 2.0 / g1; /* at x = 1 / (gamma + 1) */

	for (;;) {
		double x = low * pow((1.0 - low) / low, sp_random_next(r));

		if (sp_random_next(r) * most <= c - x - 1.0 / (g1 * g1 * x))
			return x;
	}
}

double spin_factor(double mu, double beta2, double z)
{
	double root = sqrt(mu);

	return 1.0 - beta2 * mu + PI * z / 137.036 * sqrt(beta2) * root * (1.0 - root);
}

/* Screened Rutherford: p(mu) ~ 1/(mu + A)2 above mu_hard, times the spin factor. */
double sample_elastic(const electron_row *row, double t, int i, sp_random *r)
{
	static const double z[N_ELASTIC] = {1.0, 8.0};
	double a = row->screening[i], high = 1.0 / (row->mu_hard + a), low = 1.0 / (1.0 + a);
	double mu = 1.0 / (high - sp_random_next(r) * (high - low)) - a;
	double gamma = 1.0 + t / ELECTRON_MEV, beta2 = 1.0 - 1.0 / (gamma * gamma);
	double most = 1.0 + 0.25 * PI * z[i] / 137.036; /* root (1 - root) <= 1/4 */

	return sp_random_next(r) * most <= spin_factor(mu, beta2, z[i]) ? mu : -1.0;
}

/* Two uniform pieces, 0..mu0 and mu0..1, whose mean and mean square are those of Goudsmit and Saunderson's
 * distribution (the method of PENELOPE: Baro, Sempau, Fernandez-Varea, Salvat, NIM B 100 (1995) 31, sec. 3.2). */
double sample_soft(double g1, double g2, sp_random *r)
{
	double p1 = exp(-g1), p2 = exp(-g2), mean = 0.5 * (1.0 - p1), square = 1.0 / 3.0 - 0.5 * p1 + p2 / 6.0;
	double mu0 = (2.0 * mean - 3.0 * square) / (1.0 - 2.0 * mean), inner = 1.0 - 2.0 * mean + mu0;

	if (!(p1 > 1e-3 && mu0 >= 0.0 && mu0 <= 1.0)) /* all memory of the direction is lost */
		return sp_random_next(r);
	return sp_random_next(r) < inner ? mu0 * sp_random_next(r) : mu0 + (1.0 - mu0) * sp_random_next(r);
}
