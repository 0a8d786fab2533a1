/* Least squares with weights >= 0, all depths at once: the dose at the centre of round fields, the dose outside a
 * straight edge, and a mild penalty on second differences along depth, which keeps statistics out of the table. */
#include "kernel_fit.h"

#include "alloc.h"
#include "atomic_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { G = SP_KERNEL_GAUSSIANS };

/* One set for all spectra, chosen near what a free search for 6, 10 and 15 MV together took: 0.41, 1.0, 2.1, 4.4, 8.8,
 * 26, 66 and 171 mm. The centre of round fields is within 0.3 % of the total where depths are taken together,
 * statistics of a single one make up to 0.7 %. A width between 4 and 17 mm is needed: electrons of 10 MV come to rest
 * there. */
const double sp_kernel_sigma_mm[G] = {0.4, 1.0, 2.1, 4.2, 8.3, 25.0, 65.0, 170.0};

/* Distances from a straight edge at which the dose outside is fitted. */
static const double edge_mm[] = {1,  1.5, 2,  2.5, 3,  4,  5,  6,   7,   8,   10,  12, 15,
                                 20, 25,  30, 40,  50, 60, 80, 100, 130, 160, 200, 250};

enum { N_EDGES = sizeof edge_mm / sizeof edge_mm[0] };

/* Misfits that count as one: of a round field's centre and outside an edge, as shares of the total; outside the edge
 * also a share of the dose there. Smoothness: a second difference along depth of a weight's share. */
#define FIELD_UNIT 0.003
#define EDGE_UNIT 0.001
#define EDGE_SHARE 0.05
#define SMOOTH_UNIT 0.002
#define SUM_UNIT 1e-4
#define PI 3.14159265358979323846
#define SMALLEST_FIELD_MM 1.25

/* One depth's equations design * u = wanted, each line in units of its misfit. */
typedef struct {
	size_t n;
	double (*design)[G], *wanted, *unit;
} equations;

void sp_kernel_slabs(double low_mm[SP_KERNEL_DEPTHS], double high_mm[SP_KERNEL_DEPTHS])
{
	for (int i = 0; i < SP_KERNEL_DEPTHS; i++) {
		double middle = i <= 30 ? i : 35.0 + 5.0 * (i - 31), half = i <= 30 ? 0.5 : 2.5;

		low_mm[i] = fmax(0.0, middle - half);
		high_mm[i] = middle + half;
	}
}

/* The share of a ring's area (uniformly filled) that lies beyond a straight line at distance x from its centre. */
static double ring_beyond(double x, double r0, double r1)
{
	enum { PARTS = 8 };
	double sum = 0.0, area = 0.0;

	for (int i = 0; i < PARTS; i++) {
		double r = r0 + (i + 0.5) / PARTS * (r1 - r0);

		area += r;
		sum += r > x ? r * acos(x / r) / PI : 0.0;
	}
	return sum / area;
}

static void add_equation(equations *e, const double design[G], double wanted, double unit)
{
	for (int g = 0; g < G; g++)
		e->design[e->n][g] = design[g] / unit;
	e->wanted[e->n] = wanted / unit;
	e->unit[e->n++] = unit;
}

/* dose: the rings of one depth, and what lies beyond the last. */
static void make_equations(equations *e, const sp_pencil_rings *rings, const double *dose, double total)
{
	double design[G], inside = 0.0;
	const double *s = sp_kernel_sigma_mm;

	e->n = 0;
	for (size_t j = 0; j < rings->n_radii; j++) {
		double r = rings->radius_mm[j + 1];

		inside += dose[j] / total;
		if (r < SMALLEST_FIELD_MM - 1e-9)
			continue;
		for (int g = 0; g < G; g++)
			design[g] = -expm1(-0.5 * r * r / (s[g] * s[g]));
		add_equation(e, design, inside, FIELD_UNIT);
	}
	for (int i = 0; i < N_EDGES; i++) {
		double x = edge_mm[i], outside = 0.0, last = rings->radius_mm[rings->n_radii];

		for (size_t j = 0; j < rings->n_radii; j++)
			outside += dose[j] / total * ring_beyond(x, rings->radius_mm[j], rings->radius_mm[j + 1]);
		/* what is beyond the last ring, about 1.3 times as far out */
		outside += dose[rings->n_radii] / total * acos(x / (1.3 * last)) / PI;
		for (int g = 0; g < G; g++)
			design[g] = 0.5 * erfc(x / (sqrt(2.0) * s[g]));
		add_equation(e, design, outside, EDGE_UNIT + EDGE_SHARE * outside);
	}
	for (int g = 0; g < G; g++)
		design[g] = 1.0;
	add_equation(e, design, 1.0, SUM_UNIT);
}

/* Normal equations of one depth. */
typedef struct {
	double square[G][G], right[G];
} normal;

static void make_normal(normal *out, const equations *e)
{
	memset(out, 0, sizeof *out);
	for (size_t i = 0; i < e->n; i++)
		for (int g = 0; g < G; g++) {
			out->right[g] += e->design[i][g] * e->wanted[i];
			for (int h = 0; h < G; h++)
				out->square[g][h] += e->design[i][g] * e->design[i][h];
		}
}

/* Adds the smoothness penalty's part to the gradient and curvature at depth d of one Gaussian's shares. */
static void add_smoothness(double *gradient, double *curvature, const double (*u)[G], const double *depth_mm, size_t n,
                           size_t d, int g)
{
	for (size_t middle = d ? d - 1 : 0; middle <= d + 1; middle++) {
		double left, right, factor[3], second = 0.0;

		if (middle < 2 || middle + 1 >= n) /* the first millimetre bends too strongly */
			continue;
		/* the value at the middle against the straight line between its neighbours */
		left = depth_mm[middle] - depth_mm[middle - 1];
		right = depth_mm[middle + 1] - depth_mm[middle];
		factor[0] = right / (left + right) / SMOOTH_UNIT;
		factor[1] = -1.0 / SMOOTH_UNIT;
		factor[2] = left / (left + right) / SMOOTH_UNIT;
		for (int k = 0; k < 3; k++)
			second += factor[k] * u[middle - 1 + (size_t)k][g];
		*gradient += second * factor[d + 1 - middle];
		*curvature += factor[d + 1 - middle] * factor[d + 1 - middle];
	}
}

/* Cyclic coordinate descent with u >= 0: convex, so it ends at the optimum. */
static void solve(double (*u)[G], const normal *normals, const double *depth_mm, size_t n)
{
	enum { MAX_SWEEPS = 200000 };
	double change = 1.0;

	for (int sweep = 0; sweep < MAX_SWEEPS && change > 1e-8; sweep++) {
		change = 0.0;
		for (size_t d = 0; d < n; d++)
			for (int g = 0; g < G; g++) {
				double gradient = -normals[d].right[g], curvature = normals[d].square[g][g], next;

				for (int h = 0; h < G; h++)
					gradient += normals[d].square[g][h] * u[d][h];
				add_smoothness(&gradient, &curvature, (const double(*)[G])u, depth_mm, n, d, g);
				next = fmax(0.0, u[d][g] - gradient / curvature);
				change = fmax(change, fabs(next - u[d][g]));
				u[d][g] = next;
			}
	}
}

static void note_misfits(sp_kernel_table *t, const equations *e, const double u[G])
{
	for (size_t i = 0; i + 1 < e->n; i++) {
		double misfit = -e->wanted[i];

		for (int g = 0; g < G; g++)
			misfit += e->design[i][g] * u[g];
		misfit = fabs(misfit) * e->unit[i];
		if (e->unit[i] == FIELD_UNIT)
			t->worst_field = fmax(t->worst_field, misfit);
		else
			t->worst_edge = fmax(t->worst_edge, misfit);
	}
}

/* The first slab's middle is not the surface: continue the straight line through the first two depths. */
static void extend_to_surface(sp_kernel_table *t)
{
	double f = t->depth_mm[0] / (t->depth_mm[1] - t->depth_mm[0]), *w = t->weight_gy_cm2;

	t->total_gy_cm2[0] = 0.0;
	for (int g = 0; g < G; g++) {
		w[g] = fmax(0.0, w[g] - f * (w[G + g] - w[g]));
		t->total_gy_cm2[0] += w[g];
	}
	t->depth_mm[0] = 0.0;
}

sp_status sp_kernel_fit(sp_kernel_table *out, const sp_pencil_rings *rings, sp_error *err)
{
	size_t n = rings->n_depths, columns = rings->n_radii + 1, most = rings->n_radii + N_EDGES + 1;
	equations *e = sp_alloc_array(n, sizeof *e);
	normal *normals = sp_alloc_array(n, sizeof *normals);
	double(*u)[G] = sp_alloc_array(n, sizeof *u), (*design)[G] = sp_alloc_array(n * most, sizeof *design);
	double *lines = sp_alloc_array(n * most, 2 * sizeof *lines);
	sp_status st = SP_OK;

	*out = (sp_kernel_table){.n_depths = n};
	out->depth_mm = sp_alloc_array(n, sizeof(double));
	out->total_gy_cm2 = sp_alloc_array(n, sizeof(double));
	out->weight_gy_cm2 = sp_alloc_array(n, G * sizeof(double));
	if (!e || !normals || !u || !design || !lines || !out->depth_mm || !out->total_gy_cm2 || !out->weight_gy_cm2) {
		st = sp_fail(err, SP_NO_MEMORY, "no memory to fit a pencil kernel");
		goto cleanup;
	}
	for (size_t d = 0; d < n; d++) {
		const double *dose = rings->dose_gy_cm2 + d * columns;

		out->depth_mm[d] = 0.5 * (rings->depth_low_mm[d] + rings->depth_high_mm[d]);
		for (size_t j = 0; j < columns; j++)
			out->total_gy_cm2[d] += dose[j];
		if (!(out->total_gy_cm2[d] > 0.0)) {
			st = sp_fail(err, SP_FAILED, "no dose at depth %g mm: too few histories", out->depth_mm[d]);
			goto cleanup;
		}
		e[d] = (equations){0, design + d * most, lines + 2 * d * most, lines + (2 * d + 1) * most};
		make_equations(&e[d], rings, dose, out->total_gy_cm2[d]);
		make_normal(&normals[d], &e[d]);
	}
	solve(u, normals, out->depth_mm, n);
	for (size_t d = 0; d < n; d++) {
		double sum = 0.0;

		if (out->depth_mm[d] >= 10.0)
			note_misfits(out, &e[d], u[d]);
		for (int g = 0; g < G; g++)
			sum += u[d][g];
		for (int g = 0; g < G; g++)
			out->weight_gy_cm2[d * G + (size_t)g] = out->total_gy_cm2[d] * u[d][g] / sum;
	}
	if (n > 1)
		extend_to_surface(out);
cleanup:
	free(e);
	free(normals);
	free(u);
	free(design);
	free(lines);
	if (st != SP_OK)
		sp_kernel_table_finish(out);
	return st;
}

void sp_kernel_table_finish(sp_kernel_table *t)
{
	free(t->depth_mm);
	free(t->total_gy_cm2);
	free(t->weight_gy_cm2);
	*t = (sp_kernel_table){0};
}

sp_status sp_kernel_table_write(const sp_kernel_table *t, const char *header, const char *path, sp_error *err)
{
	enum { LINE_BYTES = 16 * (G + 2) };
	size_t room = strlen(header) + (t->n_depths + 1) * LINE_BYTES, used;
	char *text = sp_alloc_array(room, 1);
	sp_status st;

	if (!text)
		return sp_fail(err, SP_NO_MEMORY, "no memory to write %s", path);
	used = (size_t)snprintf(text, room, "%ssigma_mm,total", header);
	for (int g = 0; g < G; g++)
		used += (size_t)snprintf(text + used, room - used, ",%g", sp_kernel_sigma_mm[g]);
	used += (size_t)snprintf(text + used, room - used, "\n");
	for (size_t d = 0; d < t->n_depths; d++) {
		used += (size_t)snprintf(text + used, room - used, "%g,%.5e", t->depth_mm[d], t->total_gy_cm2[d]);
		for (int g = 0; g < G; g++)
			used += (size_t)snprintf(text + used, room - used, ",%.5e",
			                         t->weight_gy_cm2[d * G + (size_t)g]);
		used += (size_t)snprintf(text + used, room - used, "\n");
	}
	st = sp_file_write_all(path, text, used, err);
	free(text);
	return st;
}
