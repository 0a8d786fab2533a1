/* Run by the build: writes the table of multiple scattering angles that the device samples from, as C source.
 *
 * Goudsmit and Saunderson's angular distribution (Phys. Rev. 57 (1940) 24) of a screened Rutherford cross-section
 * depends on two numbers only: the screening eta, p(y) ~ 1/(y + eta)^2 with y = (1 - cos theta)/2, and K = path length
 * times first transport coefficient, for which <cos theta> = exp(-K). For every eta and K of the grid the table holds
 * quantiles of y, in units of K/2, at evenly spaced L = -ln(share of larger angles): y is nearly a straight line in L
 * where scattering is multiple and rises as exp(L) where it is single. The layout is told in cl_kernels/shared/mc.h. */
#include "shared/mc.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_L = 12000, N_ANGLES = 700, N_QUADRATURE = 2000 };

static double moment[MAX_L + 1]; /* 1 - <P_l> of one collision */
static double angle_y[N_ANGLES]; /* y of the grid of angles, from 0 to 1 */
static float *legendre;          /* [angle][l]: (P_{l-1} - P_{l+1}) / 2 at that angle */

static void set_moments(double eta)
{
	static double x[N_QUADRATURE], weight[N_QUADRATURE], before[N_QUADRATURE], now[N_QUADRATURE];
	double from = log(eta), width = (log(1.0 + eta) - from) / N_QUADRATURE;

	for (int i = 0; i < N_QUADRATURE; i++) { /* midpoints, even in ln(y + eta) */
		double s = exp(from + (i + 0.5) * width);

		x[i] = 1.0 - 2.0 * (s - eta);
		weight[i] = eta * (1.0 + eta) / s * width;
		before[i] = 1.0;
		now[i] = x[i];
	}
	moment[0] = 0.0;
	for (int l = 1; l <= MAX_L; l++) {
		double sum = 0.0, a = (2.0 * l + 1.0) / (l + 1.0), b = l / (l + 1.0);

		for (int i = 0; i < N_QUADRATURE; i++) {
			double next = a * x[i] * now[i] - b * before[i];

			sum += weight[i] * (1.0 - now[i]);
			before[i] = now[i];
			now[i] = next;
		}
		moment[l] = sum;
	}
}

static void set_angles(void)
{
	if (!(legendre = malloc((size_t)N_ANGLES * (MAX_L + 1) * sizeof *legendre)))
		exit(1);
	for (int a = 0; a < N_ANGLES; a++) {
		double y = a == 0 ? 0.0 : pow(10.0, -10.0 * (1.0 - (double)a / (N_ANGLES - 1))), x = 1.0 - 2.0 * y;
		float *row = legendre + (size_t)a * (MAX_L + 1);
		double before = 1.0, now = x;

		angle_y[a] = y;
		row[0] = (float)y;
		for (int l = 1; l <= MAX_L; l++) {
			double next = ((2 * l + 1) * x * now - l * before) / (l + 1);

			row[l] = (float)(0.5 * (before - next));
			before = now;
			now = next;
		}
	}
}

/* Share of scattering into angles up to that of each grid angle. No collision and a single one have no convergent
 * series and are added as formulas. */
static void cumulative(double *out, double eta, double k)
{
	static double c[MAX_L + 1];
	double lambda = k / moment[1], none = lambda < 700.0 ? exp(-lambda) : 0.0, two = 0.0;
	int last = 1;

	for (int l = 0; l <= MAX_L; l++) {
		double x = lambda * moment[l];

		c[l] = exp(-x) - none * (1.0 + lambda - x);
		if (fabs(c[l]) * (2 * l + 1) > 1e-9)
			last = l;
	}
	two = c[0]; /* 1 - none (1 + lambda) */
	for (int a = 0; a < N_ANGLES; a++) {
		const float *row = legendre + (size_t)a * (MAX_L + 1);
		double sum = 0.0, y = angle_y[a];

		for (int l = 0; l <= last; l++)
			sum += c[l] * (double)row[l];
		if (a == N_ANGLES - 1)
			sum = two;
		out[a] = none * (1.0 + lambda * y * (1.0 + eta) / (y + eta)) + sum;
	}
	for (int a = 1; a < N_ANGLES; a++) /* rounding only */
		out[a] = fmin(1.0, fmax(out[a], out[a - 1]));
}

/* Probability that a node is drawn: L is exponential, and goes to its lower or upper neighbour in proportion. */
static double node_mass(int j)
{
	double h = 1.0 / SP_MC_NODES_PER_L, e = exp(-h), l = j * h, up = exp(-l) * (1.0 - (1.0 - e) / h);
	/* the upper bound of [l - h, l]: its L goes here with probability (L - l + h) / h */
	double down = j ? exp(-(l - h)) * ((1.0 - e) / h - e) : 0.0;

	return j == SP_MC_NODES - 1 ? down + exp(-l) : up + down;
}

int main(int argc, char **argv)
{
	static double share[N_ANGLES], y[SP_MC_NODES];
	static float table[SP_MC_NODES][SP_MC_ETAS][SP_MC_KS];
	FILE *f = argc == 2 ? fopen(argv[1], "w") : NULL;

	if (!f)
		return 2;
	set_angles();
	for (int e = 0; e < SP_MC_ETAS; e++) {
		double eta = ldexp(1.0, e + SP_MC_ETA_LOG2);

		set_moments(eta);
		for (int i = 0; i < SP_MC_KS; i++) {
			/* the middle of the interval of floats that share the upper bits */
			double k = ldexp(1.0 + ((i % SP_MC_KS_PER_OCTAVE) + 0.5) / SP_MC_KS_PER_OCTAVE,
			                 i / SP_MC_KS_PER_OCTAVE + SP_MC_K_LOG2);
			double mean = 0.0, wanted = 0.5 * -expm1(-k);
			int a = 0;

			cumulative(share, eta, k);
			for (int j = 0; j < SP_MC_NODES; j++) {
				double target = 1.0 - exp(-(double)j / SP_MC_NODES_PER_L);

				while (a < N_ANGLES - 2 && share[a + 1] < target)
					a++;
				if (target <= share[0])
					y[j] = 0.0;
				else
					y[j] = share[a + 1] > share[a]
					               ? angle_y[a] +
					                         (angle_y[a + 1] - angle_y[a]) *
					                                 fmin(1.0, (target - share[a]) /
					                                                   (share[a + 1] - share[a]))
					               : angle_y[a + 1];
				mean += node_mass(j) * y[j];
			}
			for (int j = 0; j < SP_MC_NODES; j++)
				table[j][e][i] = (float)(y[j] / k * wanted / mean);
		}
	}
	fprintf(f,
	        "#include \"mc_tables.h\"\n\nconst float sp_mc_scattering[SP_MC_NODES * SP_MC_ETAS * SP_MC_KS] = {\n");
	for (size_t i = 0; i < (size_t)SP_MC_NODES * SP_MC_ETAS * SP_MC_KS; i++)
		fprintf(f, "%.6ef,%c", (double)(&table[0][0][0])[i], i % 8 == 7 ? '\n' : ' ');
	fprintf(f, "};\n");
	return fclose(f) == 0 ? 0 : 1;
}
