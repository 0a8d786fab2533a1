#include "frame.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"

#define ROUNDS 3
#define REACH_MM 28.0 /* no canal's wall is farther from its middle than this */
#define RAY_MM 0.25
#define MOST_HITS 4096
#define MOST_POINTS 4000
#define IN_FRONT_MM -7.0
#define BODY_WEIGHT                                                                                      \
	3.0 /* for symmetry the body counts more: half an arch without the other must not turn the plane \
	     */
#define SIDE_QUANTILE 0.25 /* the canal is as wide as the pedicles let it be, above and below them it is open */

typedef struct {
	const float *bone, *canal;
	const sp_grid *grid;
	double line[2], slope[2], line_z; /* x and y of the canal's content at height z: line + slope * (z - line_z) */
	double low_w, high_w;             /* of the body, from the centre */
	sp_vertebra_frame f;
	double *hits;
	size_t n_points;
	double (*points)[3];
	bool *in_front; /* of the canal, roughly */
} search;

static double dot(const double a[3], const double b[3])
{
	return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static void normalise(double a[3])
{
	double n = sqrt(dot(a, a));

	for (int i = 0; i < 3; i++)
		a[i] /= n;
}

void sp_vertebra_coordinates(double out[3], const sp_vertebra_frame *f, const double p[3])
{
	double d[3] = {p[0] - f->centre_mm[0], p[1] - f->centre_mm[1], p[2] - f->centre_mm[2]};

	out[0] = dot(d, f->left);
	out[1] = dot(d, f->back);
	out[2] = dot(d, f->up);
}

static bool is_bone(const search *s, const double p[3])
{
	const sp_grid *g = s->grid;
	size_t at[3];

	for (int a = 0; a < 3; a++) {
		double place = floor((p[a] - sp_grid_low_edge_mm(g, a)) / g->spacing_mm[a]);

		if (place < 0.0 || place >= (double)g->n[a])
			return false;
		at[a] = (size_t)place;
	}
	return s->bone[sp_grid_index(g, at[0], at[1], at[2])] >= 0.5f;
}

/* The straight line through the middles of the canal's content in the planes low_z to high_z (least squares). */
static bool fit_line(search *s, double low_z, double high_z)
{
	const sp_grid *g = s->grid;
	double n = 0.0, z_sum = 0.0, zz = 0.0, x_sum[2] = {0}, xz[2] = {0};

	for (size_t k = 0; k < g->n[2]; k++) {
		double z = g->origin_mm[2] + g->spacing_mm[2] * (double)k, sum = 0.0, m[2] = {0};

		if (z < low_z || z > high_z)
			continue;
		for (size_t j = 0; j < g->n[1]; j++)
			for (size_t i = 0; i < g->n[0]; i++) {
				double share = s->canal[sp_grid_index(g, i, j, k)];

				sum += share;
				m[0] += share * (double)i;
				m[1] += share * (double)j;
			}
		if (!(sum > 0.0))
			continue;
		n++;
		z_sum += z - s->line_z;
		zz += (z - s->line_z) * (z - s->line_z);
		for (int a = 0; a < 2; a++) {
			double x = g->origin_mm[a] + g->spacing_mm[a] * m[a] / sum;

			x_sum[a] += x;
			xz[a] += x * (z - s->line_z);
		}
	}
	if (n < 3.0 || !(n * zz - z_sum * z_sum > 0.0))
		return false;
	for (int a = 0; a < 2; a++) {
		s->slope[a] = (n * xz[a] - z_sum * x_sum[a]) / (n * zz - z_sum * z_sum);
		s->line[a] = (x_sum[a] - s->slope[a] * z_sum) / n;
	}
	s->f.up[0] = s->slope[0];
	s->f.up[1] = s->slope[1];
	s->f.up[2] = 1.0;
	normalise(s->f.up);
	return true;
}

/* back (any vector) across up, and left with it. */
static void set_back(sp_vertebra_frame *f, const double back[3])
{
	double along = dot(back, f->up);

	for (int a = 0; a < 3; a++)
		f->back[a] = back[a] - along * f->up[a];
	normalise(f->back);
	f->left[0] = f->back[1] * f->up[2] - f->back[2] * f->up[1];
	f->left[1] = f->back[2] * f->up[0] - f->back[0] * f->up[2];
	f->left[2] = f->back[0] * f->up[1] - f->back[1] * f->up[0];
}

/* How far from (u, v, w) along +-left or +-back the bone begins; false: not within reach, or we stand in it. */
static bool ray(double *out, const search *s, const double uvw[3], int axis, double sign)
{
	const sp_vertebra_frame *f = &s->f;
	double p[3];

	for (double t = 0.0; t < REACH_MM; t += RAY_MM) {
		double q[3] = {uvw[0], uvw[1], uvw[2]};

		q[axis] += sign * t;
		for (int a = 0; a < 3; a++)
			p[a] = f->centre_mm[a] + q[0] * f->left[a] + q[1] * f->back[a] + q[2] * f->up[a];
		if (is_bone(s, p)) {
			*out = q[axis];
			return t > 0.0;
		}
	}
	return false;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Where rays along an axis hit, from a fan of starts side by side and all heights of the body: the hit that the share
 * `quantile` of them comes before; false where fewer than a tenth hit. */
static bool wall(double *out, search *s, int axis, double sign, const double *offsets, size_t n_offsets,
                 double quantile)
{
	size_t n = 0, all = 0;

	for (double w = s->low_w; w <= s->high_w && n < MOST_HITS; w += 1.0)
		for (size_t i = 0; i < n_offsets && n < MOST_HITS; i++) {
			double from[3] = {0.0, 0.0, w};

			from[1 - axis] = offsets[i];
			all++;
			n += ray(&s->hits[n], s, from, axis, sign);
		}
	if (10 * n < all || n == 0)
		return false;
	qsort(s->hits, n, sizeof *s->hits, ascending);
	*out = s->hits[(size_t)((sign > 0.0 ? quantile : 1.0 - quantile) * (double)(n - 1))];
	return true;
}

static bool find_walls(search *s)
{
	static const double beside[] = {-2.0, -1.0, 0.0, 1.0, 2.0}, before[] = {-4.0, -3.0, -2.0, -1.0, 0.0};
	sp_vertebra_frame *f = &s->f;
	double left = 0.0, right = 0.0, shift_v;

	if (!wall(&f->front_mm, s, 1, -1.0, beside, 5, 0.5))
		return false;
	f->has_rear = wall(&f->rear_mm, s, 1, 1.0, beside, 5, 0.5);
	f->has_left = wall(&left, s, 0, 1.0, before, 5, SIDE_QUANTILE);
	f->has_right = wall(&right, s, 0, -1.0, before, 5, SIDE_QUANTILE);
	if (f->has_left && f->has_right) {
		f->half_width_mm = 0.5 * (left - right);
	} else if (f->has_left || f->has_right) {
		f->half_width_mm = f->has_left ? left : -right;
	} else {
		f->half_width_mm = f->has_rear ? 0.5 * (f->rear_mm - f->front_mm) : -f->front_mm;
	}
	if (!f->has_rear) /* about as deep as wide */
		f->rear_mm = f->front_mm + 2.0 * f->half_width_mm;
	shift_v = 0.5 * (f->front_mm + f->rear_mm);
	for (int a = 0; a < 3; a++)
		f->centre_mm[a] += shift_v * f->back[a];
	f->front_mm -= shift_v;
	f->rear_mm -= shift_v;
	return true;
}

/* The share of the bone that has bone on the other side of the plane through the canal's middle, moved by `aside` along
 * left. */
static double symmetry(const search *s, const sp_vertebra_frame *f, double aside)
{
	double sum = 0.0, all = 0.0, p[3];

	for (size_t i = 0; i < s->n_points; i++) {
		const double *q = s->points[i];
		double d = 0.0, weight = s->in_front[i] ? BODY_WEIGHT : 1.0;

		for (int a = 0; a < 3; a++)
			d += (q[a] - f->centre_mm[a]) * f->left[a];
		for (int a = 0; a < 3; a++)
			p[a] = q[a] - 2.0 * (d - aside) * f->left[a];
		all += weight;
		sum += is_bone(s, p) ? weight : 0.0;
	}
	return sum / all;
}

/* Turns and moves the frame to where the bone is most alike on both sides: a vertebra of which a part is missing still
 * has the rest. */
static void find_plane(search *s, double reach_deg, double reach_mm)
{
	double best = -1.0, turn = 0.0, aside = 0.0, steps[2] = {reach_deg / 10.0, reach_mm / 4.0};
	sp_vertebra_frame start = s->f;

	for (size_t i = 0; i < s->n_points; i++) {
		double q[3];

		sp_vertebra_coordinates(q, &start, s->points[i]);
		s->in_front[i] = q[1] < IN_FRONT_MM;
	}
	for (int level = 0; level < 3; level++, steps[0] *= 0.2, steps[1] *= 0.25) {
		int n[2] = {level ? 4 : 10, 4};
		double middle[2] = {turn, aside};

		for (int i = -n[0]; i <= n[0]; i++)
			for (int k = -n[1]; k <= n[1]; k++) {
				double angle = (middle[0] + i * steps[0]) * M_PI / 180.0, back[3], alike;
				sp_vertebra_frame f = start;

				for (int a = 0; a < 3; a++)
					back[a] = cos(angle) * start.back[a] + sin(angle) * start.left[a];
				set_back(&f, back);
				alike = symmetry(s, &f, middle[1] + k * steps[1]);
				/* of equals the least turned */
				alike -= 1e-6 * (fabs(middle[0] + i * steps[0]) + fabs(middle[1] + k * steps[1]));
				if (alike > best) {
					best = alike;
					turn = middle[0] + i * steps[0];
					aside = middle[1] + k * steps[1];
					s->f = f;
				}
			}
	}
	for (int a = 0; a < 3; a++)
		s->f.centre_mm[a] += aside * s->f.left[a];
}

/* The body is what lies in front of the canal: it tells how high the vertebra is, and where its middle. */
static bool look_at_body(search *s)
{
	const sp_grid *g = s->grid;
	sp_vertebra_frame *f = &s->f;
	double n = 0.0, sum = 0.0, squares = 0.0, half, p[3], q[3];

	for (size_t v = 0; v < sp_grid_voxels(g); v++) {
		if (s->bone[v] < 0.5f)
			continue;
		sp_grid_centre(p, g, v);
		sp_vertebra_coordinates(q, f, p);
		if (q[1] > f->front_mm - 1.0)
			continue;
		n++;
		sum += q[2];
		squares += q[2] * q[2];
	}
	if (n < 100.0)
		return false;
	sum /= n;
	half = sqrt(3.0 * fmax(squares / n - sum * sum, 0.01)); /* of a block with that spread */
	f->body_mm = 2.0 * half;
	for (int a = 0; a < 3; a++)
		f->centre_mm[a] += sum * f->up[a];
	s->low_w = -0.9 * half;
	s->high_w = 0.9 * half;
	return true;
}

/* Every so many-th voxel of the bone, for symmetry. */
static sp_status choose_points(search *s, const char *name, sp_error *err)
{
	size_t n = 0, step, voxels = sp_grid_voxels(s->grid);

	for (size_t v = 0; v < voxels; v++)
		n += s->bone[v] >= 0.5f;
	step = n / MOST_POINTS + 1;
	if (!(s->points = sp_alloc_array(n / step + 1, sizeof *s->points)) ||
	    !(s->in_front = sp_alloc_array(n / step + 1, sizeof *s->in_front)) ||
	    !(s->hits = sp_alloc_array(MOST_HITS, sizeof *s->hits)))
		return sp_fail(err, SP_NO_MEMORY, "out of memory for the sectors of %s", name);
	n = 0;
	for (size_t v = 0; v < voxels; v++)
		if (s->bone[v] >= 0.5f && n++ % step == 0)
			sp_grid_centre(s->points[s->n_points++], s->grid, v);
	return SP_OK;
}

sp_status sp_vertebra_frame_find(sp_vertebra_frame *out, const float *bone, const float *canal, const sp_grid *grid,
                                 const char *name, sp_error *err)
{
	search s = {.bone = bone, .canal = canal, .grid = grid};
	double low_z = INFINITY, high_z = -INFINITY;
	bool found = true;
	sp_status st;

	for (size_t v = 0; v < sp_grid_voxels(grid); v++)
		if (bone[v] >= 0.5f) {
			double p[3];

			sp_grid_centre(p, grid, v);
			low_z = fmin(low_z, p[2]);
			high_z = fmax(high_z, p[2]);
		}
	if (!(high_z > low_z))
		return sp_fail(err, SP_BAD_INPUT, "vertebra %s is empty", name);
	s.line_z = 0.5 * (low_z + high_z);
	if (!fit_line(&s, low_z, high_z))
		return sp_fail(err, SP_BAD_INPUT,
		               "no canal, sac or cord runs through vertebra %s: its sectors lie round one", name);
	if ((st = choose_points(&s, name, err)) != SP_OK)
		goto cleanup;
	s.f.centre_mm[0] = s.line[0];
	s.f.centre_mm[1] = s.line[1];
	s.f.centre_mm[2] = s.line_z;
	set_back(&s.f, (const double[3]){0.0, 1.0, 0.0});
	s.low_w = low_z - s.line_z;
	s.high_w = high_z - s.line_z;
	for (int round = 0; round < ROUNDS && found; round++) {
		double back[3], reach;

		find_plane(&s, round ? 15.0 : 60.0, round ? 2.0 : 5.0);
		found = find_walls(&s) && look_at_body(&s);
		memcpy(back, s.f.back, sizeof back);
		/* the canal's direction at the body, not along the spinous process; a coarse contour needs some length
		 */
		reach = fmax(0.5 * s.f.body_mm + 5.0, 15.0);
		if (found && round == 0 && fit_line(&s, s.f.centre_mm[2] - reach, s.f.centre_mm[2] + reach))
			set_back(&s.f, back);
	}
	*out = s.f;
	if (!found)
		st = sp_fail(err, SP_BAD_INPUT,
		             "vertebra %s has no body in front of what runs in its canal; is it a whole vertebra?",
		             name);
cleanup:
	free(s.hits);
	free(s.points);
	free(s.in_front);
	return st;
}
