/* Ribs, costal cartilage and breast bone. A rib leaves the side of its vertebra, passes the transverse process and runs
 * in the chest wall, forwards and down. */
#include "thorax.h"

#include <stdbool.h>

#include "alloc.h"
#include "spine.h"

#define PI 3.14159265358979323846
#define MAX_NODES 20
#define MAX_SEGMENTS 512

/* A rib is 7 mm thick and 12 mm high: a line of 3.5 mm radius, stretched along z. */
#define FLAT 0.58

typedef struct {
	double a[3], b[3]; /* z times FLAT */
	double ra, rb;
} segment;

/* Lives as long as the scene that borrows its segments. */
typedef struct {
	size_t n, n_bone; /* bone first, then cartilage */
	segment segments[MAX_SEGMENTS];
} rib_cage;

typedef struct {
	double s_mm, scale;       /* of the vertebra */
	double end_deg, bone_deg; /* how far round it goes, 0 behind and 180 in front; then cartilage */
} rib;

/* T2 and T3 lie above the spine's levels but come down into the scan at the side. */
static const rib ribs[] = {
        {134.0, 0.95, 150, 140}, {113.0, 0.93, 150, 140}, {91.8, 0.93, 152, 140}, {69.6, 0.94, 152, 138},
        {46.9, 0.96, 152, 136},  {23.7, 0.98, 152, 132},  {0.0, 1.0, 146, 126},   {-24.3, 1.03, 140, 120},
        {-49.4, 1.07, 130, 112}, {-75.6, 1.12, 95, 92},   {-103.6, 1.18, 62, 60},
};

/* Where rib r is at `deg` round the chest wall (side +1 left). */
static void wall_point(double out[3], const rib *r, double side, double deg)
{
	double angle = deg * PI / 180.0, half[2], y, down = sin(0.5 * angle);

	out[2] = r->s_mm + 2.0 - 78.0 * down * down;
	sp_thorax_cavity_axes(half, &y, out[2]);
	out[0] = side * (half[0] + 4.5) * sin(angle);
	out[1] = y + (half[1] + 4.5) * cos(angle);
}

static size_t rib_nodes(double nodes[MAX_NODES][3], double *cartilage_from, const rib *r, double side)
{
	/* head, neck, tubercle in front of the transverse process, in the frame of the vertebra */
	static const double root[3][3] = {{16.5, 9.5, 7.0}, {23.5, 21.5, 4.0}, {32.0, 31.0, 2.0}};
	const sp_level at = {"", r->s_mm, r->scale};
	size_t n = 0;

	for (; n < 3; n++) {
		const double q[3] = {side * root[n][0], root[n][1], root[n][2]};

		sp_level_place(nodes[n], q, &at);
	}
	for (double deg = 34.0; deg <= r->end_deg && n < MAX_NODES; deg += 8.5)
		wall_point(nodes[n++], r, side, deg);
	*cartilage_from = 3.0 + (r->bone_deg - 34.0) / 8.5;
	return n;
}

static void make_segments(rib_cage *cage, bool cartilage)
{
	for (size_t i = 0; i < sizeof ribs / sizeof *ribs; i++)
		for (double side = -1.0; side <= 1.0; side += 2.0) {
			double nodes[MAX_NODES][3], from;
			size_t n = rib_nodes(nodes, &from, &ribs[i], side);

			for (size_t j = 0; j + 1 < n && cage->n < MAX_SEGMENTS; j++) {
				segment *s = &cage->segments[cage->n];
				double radius = j < 2 ? 3.0 : 3.4;

				if (((double)j >= from) != cartilage)
					continue;
				for (int a = 0; a < 3; a++) {
					s->a[a] = nodes[j][a] * (a == 2 ? FLAT : 1.0);
					s->b[a] = nodes[j + 1][a] * (a == 2 ? FLAT : 1.0);
				}
				s->ra = s->rb = radius;
				cage->n++;
			}
		}
}

static double segment_surface(const double p[3], const void *data)
{
	const segment *s = data;
	const double q[3] = {p[0], p[1], p[2] * FLAT};

	return sp_cone_line(q, s->a, s->b, s->ra, s->rb);
}

static double segment_marrow(const double p[3], const void *data)
{
	return segment_surface(p, data) + 1.2;
}

static sp_status paint_segments(sp_scene *scene, const rib_cage *cage, size_t from, size_t to, bool marrow, double hu,
                                sp_error *err)
{
	sp_status st = SP_OK;

	for (size_t i = from; i < to && st == SP_OK; i++) {
		const segment *s = &cage->segments[i];
		sp_shape shape = {marrow ? segment_marrow : segment_surface, s, {0}, {0}};

		for (int a = 0; a < 3; a++) {
			double stretch = a == 2 ? FLAT : 1.0, r = fmax(s->ra, s->rb);

			shape.low_mm[a] = (fmin(s->a[a], s->b[a]) - r) / stretch;
			shape.high_mm[a] = (fmax(s->a[a], s->b[a]) + r) / stretch;
		}
		st = sp_scene_add(scene, &shape, hu, NULL, err);
	}
	return st;
}

/* The body of the breast bone ends at T9; it follows the front of the chest wall. */
static double sternum(const double p[3], const void *data)
{
	double half[2], y;

	(void)data;
	sp_thorax_cavity_axes(half, &y, p[2]);
	return sp_smooth_max(sp_ellipse(p[0], p[1] - (y - half[1] - 5.0), 18.0, 5.5), -18.0 - p[2], 8.0);
}

static double sternum_marrow(const double p[3], const void *data)
{
	return sternum(p, data) + 1.2;
}

sp_status sp_ribs_paint(sp_scene *scene, sp_error *err)
{
	static const sp_shape breast_bone[2] = {{sternum, NULL, {-20, -170, -20}, {20, -90, 400}},
	                                        {sternum_marrow, NULL, {-20, -170, -20}, {20, -90, 400}}};
	rib_cage *cage = sp_alloc_array(1, sizeof *cage);
	sp_status st;

	if (!cage)
		return sp_fail(err, SP_NO_MEMORY, "making ribs: out of memory");
	if ((st = sp_scene_own(scene, cage, err)) != SP_OK)
		return st;
	make_segments(cage, false);
	cage->n_bone = cage->n;
	make_segments(cage, true);
	/* all cortex before all marrow, so that the marrow runs through the joints of the segments */
	if ((st = paint_segments(scene, cage, cage->n_bone, cage->n, false, 105.0, err)) != SP_OK ||
	    (st = paint_segments(scene, cage, 0, cage->n_bone, false, 780.0, err)) != SP_OK ||
	    (st = paint_segments(scene, cage, 0, cage->n_bone, true, 190.0, err)) != SP_OK ||
	    (st = sp_scene_add(scene, &breast_bone[0], 600.0, NULL, err)) != SP_OK)
		return st;
	return sp_scene_add(scene, &breast_bone[1], 120.0, NULL, err);
}
