#include "thorax.h"

#include "spine.h"

#define EVERYWHERE_LOW                 \
	{                              \
		-400.0, -400.0, -400.0 \
	}
#define EVERYWHERE_HIGH             \
	{                           \
		400.0, 400.0, 400.0 \
	}

/* The trunk follows the kyphosis, flatter than the spine does. */
static double trunk_shift(double z)
{
	double axis[3];

	sp_spine_axis(axis, z);
	return 0.6 * axis[1];
}

static double ellipse_at(const double p[3], double y, double a, double b, double power)
{
	return sp_superellipse(p[0], p[1] - y - trunk_shift(p[2]), a, b, power);
}

double sp_thorax_body(const double p[3], const void *data)
{
	double furrow = p[1] > 0.0 ? 5.0 * exp(-(p[0] / 15.0) * (p[0] / 15.0)) : 0.0; /* down the middle of the back */

	(void)data;
	return ellipse_at(p, -35.0, 165.0, 110.0, 2.3) + furrow;
}

double sp_thorax_skin(const double p[3], const void *data)
{
	double f = sp_thorax_body(p, data);

	return fmax(f, -3.0 - f);
}

static double under_skin(const double p[3], const void *data)
{
	return sp_thorax_body(p, data) + 2.0;
}

/* Inner surface of the fat under the skin: 9 mm behind, 14 in front, 20 at the sides. */
static double muscle_wall(const double p[3], const void *data)
{
	double furrow = p[1] > 0.0 ? 4.0 * exp(-(p[0] / 12.0) * (p[0] / 12.0)) : 0.0;

	(void)data;
	return ellipse_at(p, -32.5, 145.0, 98.0, 2.3) + furrow;
}

void sp_thorax_cavity(double half[2], double *middle_y, double z)
{
	half[0] = 126.0 - 0.10 * fmax(z, 0.0); /* the chest narrows towards the shoulders */
	half[1] = 84.0 - 0.06 * fmax(z, 0.0);
	*middle_y = -37.0 + trunk_shift(z);
}

static double cavity(const double p[3], const void *data)
{
	double half[2], y;

	(void)data;
	sp_thorax_cavity(half, &y, p[2]);
	return sp_superellipse(p[0], p[1] - y, half[0], half[1], 2.3);
}

/* Muscles beside the spine and the roots of the ribs bulge into the cavity from behind. */
static double back_wall(const double p[3])
{
	return ellipse_at(p, 40.0, 46.0, 24.0, 2.0);
}

static double inside_wall(const double p[3], const void *data)
{
	return sp_smooth_max(cavity(p, data), -back_wall(p), 6.0);
}

/* A tube round a point (u, v) of the spine's cross-section. */
static double along(const double p[3], double u, double v, double a, double b)
{
	double q[3];

	sp_spine_coordinates(q, p);
	return sp_ellipse(q[0] - u, q[1] - v, a, b);
}

double sp_thorax_aorta(const double p[3], const void *data)
{
	double down = fmax(-p[2], 0.0) / 110.0; /* it nears the midline towards the diaphragm */

	(void)data;
	return along(p, 22.0 - 12.0 * down, -18.0 - 11.0 * down, 12.2, 12.2);
}

double sp_thorax_oesophagus(const double p[3], const void *data)
{
	double down = fmin(fmax(-p[2], 0.0) / 60.0, 1.3); /* to the hiatus in front of the aorta, then to the stomach */

	(void)data;
	return fmax(along(p, 2.0 + 10.0 * down * down, -28.0 - 18.0 * down, 9.5, 6.0), -72.0 - p[2]);
}

static double oesophagus_lumen(const double p[3], const void *data)
{
	double down = fmin(fmax(-p[2], 0.0) / 60.0, 1.3);

	(void)data;
	return fmax(along(p, 2.0 + 10.0 * down * down, -28.0 - 18.0 * down, 4.0, 1.3), -45.0 - p[2]);
}

static double azygos(const double p[3], const void *data)
{
	(void)data;
	return along(p, -9.0, -19.5, 3.6, 3.6);
}

/* The heart's long axis points to the left, forwards and down. */
static void heart_frame(double q[3], const double p[3])
{
	const double c = cos(0.6), s = sin(0.6), ct = cos(0.35), st = sin(0.35);
	double x = p[0] - 22.0, y = p[1] + 72.0, z = p[2] - 10.0;
	double x1 = c * x - s * y, y1 = s * x + c * y;

	q[0] = ct * x1 - st * z;
	q[1] = y1;
	q[2] = st * x1 + ct * z;
}

double sp_thorax_heart(const double p[3], const void *data)
{
	static const double zero[3] = {0.0, 0.0, 0.0}, half[3] = {58.0, 36.0, 46.0};
	double q[3];

	(void)data;
	heart_frame(q, p);
	return sp_ellipsoid(q, zero, half);
}

static double pericardium(const double p[3], const void *data)
{
	return sp_thorax_heart(p, data) - 5.0;
}

static double right_dome(const double p[3])
{
	static const double middle[3] = {-60.0, -45.0, -125.0}, half[3] = {92.0, 84.0, 94.0};

	return sp_ellipsoid(p, middle, half);
}

static double left_dome(const double p[3])
{
	static const double middle[3] = {66.0, -42.0, -130.0}, half[3] = {68.0, 80.0, 86.0};

	return sp_ellipsoid(p, middle, half);
}

double sp_thorax_liver(const double p[3], const void *data)
{
	return sp_smooth_max(sp_smooth_max(right_dome(p) + 4.0, inside_wall(p, data) + 4.0, 10.0),
	                     0.8 * (p[0] - 35.0) + 0.5 * (p[1] + 60.0), 25.0);
}

double sp_thorax_stomach(const double p[3], const void *data)
{
	static const double middle[3] = {52.0, -70.0, -110.0}, half[3] = {42.0, 36.0, 60.0};

	(void)data;
	return sp_ellipsoid(p, middle, half);
}

static double stomach_lumen(const double p[3], const void *data)
{
	return sp_thorax_stomach(p, data) + 5.0;
}

/* The patient lies on the back: gas in the front of the stomach. */
static double stomach_gas(const double p[3], const void *data)
{
	return fmax(stomach_lumen(p, data), p[1] + 84.0);
}

double sp_thorax_spleen(const double p[3], const void *data)
{
	static const double middle[3] = {92.0, -14.0, -112.0}, half[3] = {22.0, 42.0, 50.0};

	return sp_smooth_max(sp_ellipsoid(p, middle, half), inside_wall(p, data) + 5.0, 6.0);
}

static double kidney(const double p[3], double side, double top)
{
	/* 11 cm long, the poles turned outwards and back; the sinus lies below the scan */
	const double middle[3] = {side * 50.0, -4.0, top - 55.0}, half[3] = {27.0, 23.0, 55.0};
	const double lean = 0.18 * (p[2] - middle[2]);
	const double q[3] = {p[0] + side * lean, p[1] - 0.5 * lean, p[2]};

	return 0.95 * sp_ellipsoid(q, middle, half); /* 0.95: the lean steepens the function */
}

double sp_thorax_kidney_left(const double p[3], const void *data)
{
	(void)data;
	return kidney(p, 1.0, -80.0);
}

double sp_thorax_kidney_right(const double p[3], const void *data)
{
	(void)data;
	return kidney(p, -1.0, -92.0);
}

static double cava(const double p[3], const void *data)
{
	double q[3] = {-24.0, -52.0 + trunk_shift(p[2]), p[2]};

	(void)data;
	return fmax(sp_ellipse(p[0] - q[0], p[1] - q[1], 12.0, 10.0), p[2] + 15.0);
}

/* What lies between the lungs, as far as they are concerned. */
static double mediastinum(const double p[3])
{
	static const double vessels_middle[3] = {2.0, -62.0, 88.0}, vessels_half[3] = {36.0, 34.0, 42.0};
	double f = along(p, 0.0, 3.0, 20.0, 21.0);

	f = sp_smooth_min(f, back_wall(p) - 1.5, 8.0);
	f = sp_smooth_min(f, sp_thorax_aorta(p, NULL) - 2.5, 5.0);
	f = sp_smooth_min(f, sp_thorax_oesophagus(p, NULL) - 4.0, 8.0);
	f = sp_smooth_min(f, azygos(p, NULL) - 2.0, 4.0);
	f = sp_smooth_min(f, pericardium(p, NULL) - 1.0, 8.0);
	f = sp_smooth_min(f, ellipse_at(p, -92.0, 9.0, 40.0, 2.0), 14.0);
	f = sp_smooth_min(f, sp_ellipsoid(p, vessels_middle, vessels_half), 10.0);
	return sp_smooth_min(f, cava(p, NULL) - 3.0, 6.0);
}

static double lung(const double p[3], double side)
{
	double f = sp_smooth_max(cavity(p, NULL) + 2.0, -mediastinum(p), 5.0);

	f = fmax(f, 1.5 - side * p[0]);
	f = sp_smooth_max(f, 3.0 - fmin(right_dome(p), left_dome(p)), 4.0);
	/* the recess between diaphragm and chest wall ends at the height of T12 */
	return sp_smooth_max(f, -92.0 - p[2] + 0.3 * fmax(-p[1], 0.0), 8.0);
}

double sp_thorax_lung_left(const double p[3], const void *data)
{
	(void)data;
	return lung(p, 1.0);
}

double sp_thorax_lung_right(const double p[3], const void *data)
{
	(void)data;
	return lung(p, -1.0);
}

static double trachea(const double p[3], const void *data)
{
	/* the carina at T5, main bronchi to the hila */
	static const double carina[3] = {-1.0, -38.0, 72.0}, top[3] = {-1.0, -34.0, 140.0};
	static const double left[3] = {40.0, -42.0, 42.0}, right[3] = {-34.0, -40.0, 44.0};
	double f = sp_cone_line(p, carina, top, 8.0, 9.0);

	(void)data;
	f = sp_smooth_min(f, sp_cone_line(p, carina, left, 6.5, 5.5), 4.0);
	return sp_smooth_min(f, sp_cone_line(p, carina, right, 7.0, 6.0), 4.0);
}

static double trachea_wall(const double p[3], const void *data)
{
	return trachea(p, data) - 1.8;
}

/* Vessels from the hila outwards, mirrored with small differences: {side, from, to, radii}. */
static const struct {
	double a[3], b[3], ra, rb;
} vessels[] = {
        {{34, -48, 30}, {70, -30, 10}, 6.0, 4.0},    {{70, -30, 10}, {96, -8, -22}, 4.0, 2.2},
        {{70, -30, 10}, {86, -52, -8}, 3.4, 1.8},    {{36, -40, 24}, {58, 0, -10}, 5.5, 3.2},
        {{58, 0, -10}, {72, 18, -44}, 3.2, 1.6},     {{58, 0, -10}, {60, 22, 6}, 2.6, 1.4},
        {{36, -46, 40}, {78, -44, 56}, 5.0, 2.8},    {{78, -44, 56}, {100, -30, 74}, 2.8, 1.5},
        {{40, -40, 44}, {62, -4, 66}, 4.2, 2.0},     {{62, -4, 66}, {84, 12, 74}, 2.0, 1.2},
        {{36, -54, 36}, {74, -84, 40}, 4.4, 1.8},    {{86, -52, -8}, {106, -58, -24}, 1.8, 1.1},
        {{96, -8, -22}, {108, -14, -48}, 2.2, 1.2},  {{72, 18, -44}, {66, 24, -70}, 1.6, 1.0},
        {{-32, -46, 34}, {-64, -32, 12}, 6.2, 4.4},  {{-64, -32, 12}, {-94, -14, -14}, 4.4, 2.2},
        {{-64, -32, 12}, {-88, -58, -4}, 3.6, 1.8},  {{-32, -40, 28}, {-54, -2, -4}, 5.5, 3.4},
        {{-54, -2, -4}, {-66, 20, -36}, 3.4, 1.6},   {{-54, -2, -4}, {-80, 14, 8}, 2.8, 1.4},
        {{-34, -46, 44}, {-80, -40, 60}, 5.0, 2.6},  {{-80, -40, 60}, {-98, -22, 76}, 2.6, 1.4},
        {{-36, -40, 44}, {-56, -2, 70}, 4.4, 1.9},   {{-32, -56, 38}, {-66, -88, 36}, 4.6, 1.8},
        {{-94, -14, -14}, {-106, 0, -40}, 2.2, 1.1}, {{-88, -58, -4}, {-108, -60, -14}, 1.8, 1.1},
};

static double vessel(const double p[3], const void *data)
{
	size_t i = (size_t)((const char *)data - (const char *)vessels) / sizeof *vessels;
	double lungs = fmin(lung(p, 1.0), lung(p, -1.0));

	/* thin parts stay inside the lung, the roots may leave it */
	return fmax(sp_cone_line(p, vessels[i].a, vessels[i].b, vessels[i].ra, vessels[i].rb), lungs - 3.0);
}

static double fine_texture(const double p[3])
{
	return 5.0 * sp_texture(p, 5.0, 1);
}

static double muscle_texture(const double p[3])
{
	return 9.0 * sp_texture(p, 7.0, 2) - 10.0 * fmax(sp_texture(p, 11.0, 3) - 1.2, 0.0) * 6.0;
}

static double lung_texture(const double p[3])
{
	/* blood collects in the lower part of a lying patient: 60 HU from front to back */
	return 0.35 * (p[1] + 37.0) + 22.0 * sp_texture(p, 4.0, 4) + 12.0 * sp_texture(p, 12.0, 5);
}

/* CT numbers at 120 kV without contrast, from a radiologist's usual ranges (docs/phantoms.md). */
static const sp_solid layers[] = {
        {{sp_thorax_body, NULL, EVERYWHERE_LOW, EVERYWHERE_HIGH}, 15.0, NULL},
        {{under_skin, NULL, EVERYWHERE_LOW, EVERYWHERE_HIGH}, -105.0, fine_texture},
        {{muscle_wall, NULL, EVERYWHERE_LOW, EVERYWHERE_HIGH}, 54.0, muscle_texture},
        {{inside_wall, NULL, {-127, -130, -400}, {127, 60, 400}}, -98.0, fine_texture},
};

static const sp_solid organs[] = {
        {{sp_thorax_lung_left, NULL, {0, -130, -130}, {127, 60, 400}}, -835.0, lung_texture},
        {{sp_thorax_lung_right, NULL, {-127, -130, -130}, {0, 60, 400}}, -835.0, lung_texture},
        {{azygos, NULL, {-25, -60, -400}, {10, 10, 400}}, 42.0, NULL},
        {{sp_thorax_liver, NULL, {-127, -130, -130}, {60, 60, -30}}, 58.0, fine_texture},
        {{sp_thorax_stomach, NULL, {8, -108, -172}, {96, -32, -48}}, 40.0, NULL},
        {{stomach_lumen, NULL, {8, -108, -172}, {96, -32, -48}}, 18.0, fine_texture},
        {{stomach_gas, NULL, {8, -108, -172}, {96, -32, -48}}, -960.0, NULL},
        {{sp_thorax_spleen, NULL, {68, -60, -164}, {116, 32, -60}}, 48.0, fine_texture},
        {{sp_thorax_kidney_left, NULL, {5, -45, -195}, {95, 35, -78}}, 32.0, fine_texture},
        {{sp_thorax_kidney_right, NULL, {-95, -45, -207}, {-5, 35, -90}}, 32.0, fine_texture},
        {{cava, NULL, {-40, -90, -400}, {-8, -30, -10}}, 42.0, NULL},
        {{sp_thorax_heart, NULL, {-60, -145, -70}, {100, 0, 90}}, 42.0, fine_texture},
        {{sp_thorax_aorta, NULL, {-20, -70, -400}, {45, 5, 400}}, 43.0, NULL},
        {{sp_thorax_oesophagus, NULL, {-20, -90, -75}, {45, 0, 400}}, 34.0, NULL},
        {{oesophagus_lumen, NULL, {-20, -90, -50}, {45, 0, 400}}, -60.0, NULL},
        {{trachea_wall, NULL, {-45, -60, 30}, {52, -15, 160}}, 10.0, NULL},
        {{trachea, NULL, {-45, -60, 30}, {52, -15, 160}}, -985.0, NULL},
};

static sp_status add_all(sp_scene *scene, const sp_solid *solids, size_t n, sp_error *err)
{
	sp_status st = SP_OK;

	for (size_t i = 0; i < n && st == SP_OK; i++)
		st = sp_scene_add(scene, &solids[i].shape, solids[i].hu, solids[i].texture, err);
	return st;
}

static sp_status add_vessels(sp_scene *scene, sp_error *err)
{
	sp_status st = SP_OK;

	for (size_t i = 0; i < sizeof vessels / sizeof *vessels && st == SP_OK; i++) {
		sp_shape shape = {vessel, &vessels[i], {0}, {0}};
		double r = fmax(vessels[i].ra, vessels[i].rb);

		for (int a = 0; a < 3; a++) {
			shape.low_mm[a] = fmin(vessels[i].a[a], vessels[i].b[a]) - r;
			shape.high_mm[a] = fmax(vessels[i].a[a], vessels[i].b[a]) + r;
		}
		st = sp_scene_add(scene, &shape, 38.0, NULL, err);
	}
	return st;
}

sp_status sp_thorax_paint(sp_scene *scene, sp_error *err)
{
	sp_status st;

	if ((st = add_all(scene, layers, sizeof layers / sizeof *layers, err)) != SP_OK ||
	    (st = sp_ribs_paint(scene, err)) != SP_OK || (st = add_all(scene, organs, 2, err)) != SP_OK ||
	    (st = add_vessels(scene, err)) != SP_OK)
		return st;
	return add_all(scene, organs + 2, sizeof organs / sizeof *organs - 2, err);
}
