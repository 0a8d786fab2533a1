/* Heart, great vessels, oesophagus and the upper abdomen under the diaphragm. */
#include "thorax.h"

#include "spine.h"

double sp_thorax_aorta_at(const double q[3])
{
	double down = fmax(-q[2], 0.0) / 110.0; /* it nears the midline towards the diaphragm */

	return sp_ellipse(q[0] - 22.0 + 12.0 * down, q[1] + 18.0 + 11.0 * down, 12.2, 12.2);
}

/* Middle of the oesophagus: before the spine, then forwards and left to the hiatus and the stomach. */
static void oesophagus_middle(double *u, double *v, double s)
{
	double down = fmin(fmax(-s, 0.0) / 60.0, 1.3);

	*u = 2.0 + 10.0 * down * down;
	*v = -28.0 - 18.0 * down;
}

double sp_thorax_oesophagus_at(const double q[3])
{
	double u, v;

	oesophagus_middle(&u, &v, q[2]);
	/* 0.9: it runs obliquely, which steepens the function */
	return 0.9 * fmax(sp_ellipse(q[0] - u, q[1] - v, 9.5, 6.0), -74.0 - q[2]);
}

double sp_thorax_azygos_at(const double q[3])
{
	return sp_ellipse(q[0] + 9.0, q[1] + 19.5, 3.6, 3.6);
}

static double aorta(const double p[3], const void *data)
{
	double q[3];

	(void)data;
	sp_spine_coordinates(q, p);
	return sp_thorax_aorta_at(q);
}

static double oesophagus(const double p[3], const void *data)
{
	double q[3];

	(void)data;
	sp_spine_coordinates(q, p);
	return sp_thorax_oesophagus_at(q);
}

/* Collapsed, with a little air. */
static double oesophagus_lumen(const double p[3], const void *data)
{
	double q[3], u, v;

	(void)data;
	sp_spine_coordinates(q, p);
	oesophagus_middle(&u, &v, q[2]);
	return fmax(sp_ellipse(q[0] - u, q[1] - v, 4.0, 1.3), -45.0 - q[2]);
}

static double azygos(const double p[3], const void *data)
{
	double q[3];

	(void)data;
	sp_spine_coordinates(q, p);
	return sp_thorax_azygos_at(q);
}

double sp_thorax_cava(const double p[3], const void *data)
{
	(void)data;
	return fmax(sp_ellipse(p[0] + 24.0, p[1] + 50.0 - sp_thorax_shift(p[2]), 12.0, 10.0), p[2] + 15.0);
}

double sp_thorax_right_dome(const double p[3])
{
	static const double middle[3] = {-60.0, -45.0, -125.0}, half[3] = {92.0, 84.0, 94.0};

	return sp_ellipsoid(p, middle, half);
}

double sp_thorax_left_dome(const double p[3])
{
	static const double middle[3] = {66.0, -42.0, -130.0}, half[3] = {68.0, 80.0, 86.0};

	return sp_ellipsoid(p, middle, half);
}

static double domes(const double p[3])
{
	return fmin(sp_thorax_right_dome(p), sp_thorax_left_dome(p));
}

static double diaphragm(const double p[3], const void *data)
{
	return fmax(fabs(domes(p)) - 1.8, sp_thorax_inside(p, data));
}

/* The long axis points to the left, forwards and down; the heart rests on the diaphragm. */
static double heart(const double p[3], const void *data)
{
	static const double middle[3] = {0.0, 0.0, 0.0}, half[3] = {57.0, 36.0, 47.0};
	const double c = cos(0.6), s = sin(0.6), ct = cos(0.35), st = sin(0.35);
	double x = p[0] - 20.0, y = p[1] + 72.0, z = p[2] + 2.0, along = c * x - s * y;
	const double q[3] = {ct * along - st * z, s * x + c * y, st * along + ct * z};

	(void)data;
	return sp_smooth_max(sp_ellipsoid(q, middle, half), 3.5 - domes(p), 6.0);
}

/* Root of the aorta, upper cava and the pulmonary arteries above the heart. */
double sp_thorax_great_vessels(const double p[3], const void *data)
{
	static const double root[2][3] = {{-12.0, -82.0, 36.0}, {-20.0, -78.0, 130.0}};
	static const double upper_cava[2][3] = {{-30.0, -64.0, 30.0}, {-34.0, -68.0, 130.0}};
	static const double trunk[2][3] = {{16.0, -90.0, 36.0}, {18.0, -74.0, 62.0}};
	static const double right[2][3] = {{18.0, -72.0, 60.0}, {-34.0, -56.0, 56.0}};
	static const double left[2][3] = {{18.0, -72.0, 62.0}, {38.0, -52.0, 58.0}};
	double f = sp_cone_line(p, root[0], root[1], 16.0, 15.0);

	(void)data;
	f = fmin(f, sp_cone_line(p, upper_cava[0], upper_cava[1], 9.0, 9.0));
	f = fmin(f, sp_cone_line(p, trunk[0], trunk[1], 14.0, 13.0));
	f = fmin(f, sp_cone_line(p, right[0], right[1], 11.0, 9.0));
	return fmin(f, sp_cone_line(p, left[0], left[1], 11.0, 9.0));
}

static double kidney(const double p[3], double side, double top)
{
	/* 11 cm long, the poles turned outwards and back; the sinus lies below the scan */
	const double middle[3] = {side * 50.0, -6.0, top - 55.0}, half[3] = {27.0, 23.0, 55.0};
	const double lean = 0.18 * (p[2] - middle[2]);
	const double q[3] = {p[0] + side * lean, p[1] - 0.5 * lean, p[2]};

	return 0.95 * sp_ellipsoid(q, middle, half); /* 0.95: the lean steepens the function */
}

static double kidney_left(const double p[3], const void *data)
{
	(void)data;
	return kidney(p, 1.0, -80.0);
}

static double kidney_right(const double p[3], const void *data)
{
	(void)data;
	return kidney(p, -1.0, -90.0);
}

/* The lobes leave room for the spine with the great vessels, for the right kidney in its fat, and thin out to the left.
 */
static double liver(const double p[3], const void *data)
{
	double f = sp_smooth_max(sp_thorax_right_dome(p) + 2.4, sp_thorax_inside(p, data) + 3.5, 5.0), q[3];

	if (f > 25.0)
		return f;
	sp_spine_coordinates(q, p);
	f = sp_smooth_max(f, -sp_ellipse(q[0] - 6.0, q[1] + 6.0, 38.0, 40.0), 10.0);
	f = sp_smooth_max(f, 7.0 - kidney_right(p, data), 6.0);
	return sp_smooth_max(f, 0.8 * (p[0] - 30.0) + 0.5 * (p[1] + 60.0), 20.0);
}

static double stomach(const double p[3], const void *data)
{
	static const double middle[3] = {46.0, -70.0, -110.0}, half[3] = {42.0, 36.0, 60.0};

	(void)data;
	return sp_ellipsoid(p, middle, half);
}

static double stomach_lumen(const double p[3], const void *data)
{
	return stomach(p, data) + 5.0;
}

/* The patient lies on the back: gas in the front of the stomach. */
static double stomach_gas(const double p[3], const void *data)
{
	return fmax(stomach_lumen(p, data), p[1] + 84.0);
}

static double spleen(const double p[3], const void *data)
{
	static const double middle[3] = {92.0, -14.0, -112.0}, half[3] = {22.0, 42.0, 50.0};

	return sp_smooth_max(sp_smooth_max(sp_ellipsoid(p, middle, half), sp_thorax_inside(p, data) + 4.0, 6.0),
	                     6.0 - kidney_left(p, data), 6.0);
}

const sp_shape sp_thorax_heart = {heart, NULL, {-62.0, -145.0, -60.0}, {98.0, -5.0, 65.0}};
const sp_shape sp_thorax_aorta = {aorta, NULL, {-20.0, -70.0, -400.0}, {45.0, 5.0, 400.0}};
const sp_shape sp_thorax_oesophagus = {oesophagus, NULL, {-20.0, -90.0, -76.0}, {45.0, 0.0, 400.0}};
const sp_shape sp_thorax_kidney_left = {kidney_left, NULL, {5.0, -50.0, -195.0}, {95.0, 40.0, -78.0}};
const sp_shape sp_thorax_kidney_right = {kidney_right, NULL, {-95.0, -50.0, -205.0}, {-5.0, 40.0, -88.0}};
const sp_shape sp_thorax_liver = {liver, NULL, {-127.0, -130.0, -160.0}, {60.0, 60.0, -30.0}};
const sp_shape sp_thorax_stomach = {stomach, NULL, {3.0, -108.0, -172.0}, {90.0, -32.0, -48.0}};
const sp_shape sp_thorax_spleen = {spleen, NULL, {68.0, -60.0, -164.0}, {116.0, 32.0, -60.0}};

static double organ_texture(const double p[3])
{
	return 4.0 * sp_texture(p, 5.0, 8);
}

static double blood_texture(const double p[3])
{
	return 3.0 * sp_texture(p, 9.0, 9);
}

sp_status sp_organs_paint(sp_scene *scene, sp_error *err)
{
	const sp_shape everywhere = {NULL, NULL, {-130.0, -150.0, -400.0}, {130.0, 60.0, 400.0}};
	sp_shape sheet = everywhere, azygos_vein = everywhere, vessels = everywhere, cava = everywhere;
	sp_shape lumen = sp_thorax_oesophagus, inside = sp_thorax_stomach, gas = sp_thorax_stomach;

	sheet.distance = diaphragm;
	sheet.high_mm[2] = -25.0;
	azygos_vein.distance = azygos;
	vessels.distance = sp_thorax_great_vessels;
	vessels.low_mm[2] = 15.0;
	cava.distance = sp_thorax_cava;
	cava.high_mm[2] = -10.0;
	lumen.distance = oesophagus_lumen;
	inside.distance = stomach_lumen;
	gas.distance = stomach_gas;
	const sp_solid organs[] = {
	        {sheet, 48.0, NULL},
	        {azygos_vein, 42.0, NULL},
	        {sp_thorax_liver, 58.0, organ_texture},
	        {sp_thorax_stomach, 40.0, NULL},
	        {inside, 18.0, organ_texture},
	        {gas, -960.0, NULL},
	        {sp_thorax_spleen, 48.0, organ_texture},
	        {sp_thorax_kidney_left, 32.0, organ_texture},
	        {sp_thorax_kidney_right, 32.0, organ_texture},
	        {cava, 42.0, NULL},
	        {vessels, 42.0, blood_texture},
	        {sp_thorax_heart, 44.0, blood_texture},
	        {sp_thorax_aorta, 43.0, NULL},
	        {sp_thorax_oesophagus, 34.0, NULL},
	        {lumen, -60.0, NULL},
	};

	return sp_thorax_add(scene, organs, sizeof organs / sizeof *organs, err);
}
