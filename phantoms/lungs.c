/* Lungs with their vessels, and the airways: what the mediastinum and the diaphragm leave of the chest. */
#include "thorax.h"

#include "spine.h"

static double trachea(const double p[3], const void *data)
{
	/* the carina at T5, main bronchi to the hila */
	static const double carina[3] = {-1.0, -40.0, 72.0}, top[3] = {-1.0, -36.0, 140.0};
	static const double left[3] = {40.0, -44.0, 42.0}, right[3] = {-34.0, -42.0, 44.0};
	double f = sp_cone_line(p, carina, top, 8.0, 9.0);

	(void)data;
	f = sp_smooth_min(f, sp_cone_line(p, carina, left, 6.5, 5.5), 4.0);
	return sp_smooth_min(f, sp_cone_line(p, carina, right, 7.0, 6.0), 4.0);
}

static double trachea_wall(const double p[3], const void *data)
{
	return trachea(p, data) - 1.8;
}

/* What lies between the lungs, as far as they are concerned. */
static double mediastinum(const double p[3])
{
	double q[3], f;

	sp_spine_coordinates(q, p);
	f = sp_smooth_min(sp_ellipse(q[0], q[1] - 3.0, 20.0, 21.0), sp_thorax_back(p, NULL) - 1.5, 8.0);
	f = sp_smooth_min(f, sp_ellipse(q[0] - 4.0, q[1] + 22.0, 15.0, 14.0), 8.0); /* before the spine */
	f = sp_smooth_min(f, sp_thorax_aorta_at(q) - 2.5, 5.0);
	f = sp_smooth_min(f, sp_thorax_oesophagus_at(q) - 4.0, 8.0);
	f = sp_smooth_min(f, sp_thorax_heart.distance(p, NULL) - 5.5, 8.0); /* with its fat */
	f = sp_smooth_min(f, sp_ellipse(p[0], p[1] + 92.0 - sp_thorax_shift(p[2]), 9.0, 40.0), 14.0);
	if (p[2] > 10.0)
		f = sp_smooth_min(f, fmax(sp_thorax_great_vessels(p, NULL) - 3.0, 0.3 * (12.0 - p[2])), 12.0);
	if (p[2] > 25.0)
		f = sp_smooth_min(f, fmax(trachea(p, NULL) - 4.0, fabs(p[0]) - 32.0), 8.0);
	return sp_smooth_min(f, sp_thorax_cava(p, NULL) - 3.0, 10.0);
}

static double lung(const double p[3], double side)
{
	double f = fmax(sp_thorax_cavity(p, NULL) + 2.0, 1.5 - side * p[0]), dome, apart;

	if (f > 12.0) /* nothing below makes it smaller */
		return f;
	dome = fmin(sp_thorax_right_dome(p), sp_thorax_left_dome(p));
	f = sp_smooth_max(f, 2.5 - dome, 4.0);
	/* the recess between diaphragm and chest wall ends at T12 behind and higher in front */
	f = sp_smooth_max(f, 0.9 * (-92.0 - p[2] + 0.3 * fmax(-p[1], 0.0)), 8.0);
	/* beside the mediastinum by more than the lung is deep, it has no say */
	apart = fmax(fmax(p[0] - 95.0, -75.0 - p[0]), p[2] > 70.0 ? fabs(p[0]) - 50.0 : -1.0);
	return f > 12.0 || apart > 5.0 - f ? f : sp_smooth_max(f, -mediastinum(p), 5.0);
}

static double lung_left(const double p[3], const void *data)
{
	(void)data;
	return lung(p, 1.0);
}

static double lung_right(const double p[3], const void *data)
{
	(void)data;
	return lung(p, -1.0);
}

const sp_shape sp_thorax_lung_left = {lung_left, NULL, {0.0, -130.0, -110.0}, {127.0, 60.0, 400.0}};
const sp_shape sp_thorax_lung_right = {lung_right, NULL, {-127.0, -130.0, -110.0}, {0.0, 60.0, 400.0}};

/* Vessels from the hila outwards: the larger ones that a CT of 2 mm shows. */
typedef struct {
	double a[3], b[3], ra, rb;
} vessel_line;

static const vessel_line vessels[] = {
        {{34, -48, 30}, {70, -30, 10}, 6.0, 4.0},    {{70, -30, 10}, {96, -8, -22}, 4.0, 2.2},
        {{70, -30, 10}, {86, -52, -8}, 3.4, 1.8},    {{36, -40, 24}, {58, 0, -10}, 5.5, 3.2},
        {{58, 0, -10}, {72, 18, -44}, 3.2, 1.6},     {{58, 0, -10}, {60, 22, 6}, 2.6, 1.4},
        {{36, -46, 40}, {78, -44, 56}, 5.0, 2.8},    {{78, -44, 56}, {100, -30, 74}, 2.8, 1.5},
        {{40, -40, 44}, {62, -4, 66}, 4.2, 2.0},     {{62, -4, 66}, {84, 12, 74}, 2.0, 1.2},
        {{36, -54, 36}, {74, -84, 40}, 4.4, 1.8},    {{86, -52, -8}, {106, -58, -24}, 1.8, 1.1},
        {{96, -8, -22}, {108, -14, -48}, 2.2, 1.2},  {{72, 18, -44}, {66, 24, -70}, 1.6, 1.0},
        {{78, -44, 56}, {90, -68, 70}, 2.4, 1.3},    {{70, -30, 10}, {88, -18, 24}, 2.8, 1.3},
        {{-32, -46, 34}, {-64, -32, 12}, 6.2, 4.4},  {{-64, -32, 12}, {-94, -14, -14}, 4.4, 2.2},
        {{-64, -32, 12}, {-88, -58, -4}, 3.6, 1.8},  {{-32, -40, 28}, {-54, -2, -4}, 5.5, 3.4},
        {{-54, -2, -4}, {-66, 20, -36}, 3.4, 1.6},   {{-54, -2, -4}, {-80, 14, 8}, 2.8, 1.4},
        {{-34, -46, 44}, {-80, -40, 60}, 5.0, 2.6},  {{-80, -40, 60}, {-98, -22, 76}, 2.6, 1.4},
        {{-36, -40, 44}, {-56, -2, 70}, 4.4, 1.9},   {{-32, -56, 38}, {-66, -88, 36}, 4.6, 1.8},
        {{-94, -14, -14}, {-106, 0, -40}, 2.2, 1.1}, {{-88, -58, -4}, {-108, -60, -14}, 1.8, 1.1},
        {{-80, -40, 60}, {-92, -66, 68}, 2.2, 1.2},  {{-64, -32, 12}, {-90, -28, 26}, 2.8, 1.3},
};

static double vessel(const double p[3], const void *data)
{
	const vessel_line *v = data;
	double f = sp_cone_line(p, v->a, v->b, v->ra, v->rb);

	/* the roots may leave the lung by 3 mm, the rest stays inside */
	return f > 3.0 ? f : fmax(f, lung(p, v->a[0] > 0.0 ? 1.0 : -1.0) - 3.0);
}

static sp_status add_vessels(sp_scene *scene, sp_error *err)
{
	sp_status st = SP_OK;

	for (size_t i = 0; i < sizeof vessels / sizeof *vessels && st == SP_OK; i++) {
		const vessel_line *v = &vessels[i];
		sp_shape shape = {vessel, v, {0}, {0}};
		double r = fmax(v->ra, v->rb);

		for (int a = 0; a < 3; a++) {
			shape.low_mm[a] = fmin(v->a[a], v->b[a]) - r;
			shape.high_mm[a] = fmax(v->a[a], v->b[a]) + r;
		}
		st = sp_scene_add(scene, &shape, 38.0, NULL, err);
	}
	return st;
}

static double lung_texture(const double p[3])
{
	/* blood collects in the lower part of a lying patient: about 60 HU from front to back */
	return 0.35 * (p[1] + 37.0) + 22.0 * sp_texture(p, 4.0, 4) + 12.0 * sp_texture(p, 12.0, 5);
}

sp_status sp_lungs_paint(sp_scene *scene, sp_error *err)
{
	static const sp_shape wall = {trachea_wall, NULL, {-45.0, -62.0, 30.0}, {52.0, -15.0, 160.0}};
	static const sp_shape air = {trachea, NULL, {-45.0, -62.0, 30.0}, {52.0, -15.0, 160.0}};
	sp_status st;

	if ((st = sp_scene_add(scene, &sp_thorax_lung_left, -835.0, lung_texture, err)) != SP_OK ||
	    (st = sp_scene_add(scene, &sp_thorax_lung_right, -835.0, lung_texture, err)) != SP_OK ||
	    (st = add_vessels(scene, err)) != SP_OK || (st = sp_scene_add(scene, &wall, 10.0, NULL, err)) != SP_OK)
		return st;
	return sp_scene_add(scene, &air, -985.0, NULL, err);
}
