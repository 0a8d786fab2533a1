#include "thorax.h"

#include "spine.h"

double sp_thorax_shift(double z)
{
	double axis[3];

	sp_spine_axis(axis, z);
	return 0.6 * axis[1];
}

static double body(const double p[3], const void *data)
{
	double furrow = p[1] > 0.0 ? 5.0 * exp(-(p[0] / 15.0) * (p[0] / 15.0)) : 0.0; /* down the middle of the back */

	(void)data;
	return sp_oval(p[0], p[1] + 35.0 - sp_thorax_shift(p[2]), 165.0, 110.0) + furrow;
}

static double skin(const double p[3], const void *data)
{
	double f = body(p, data);

	return fmax(f, -3.0 - f);
}

static double under_skin(const double p[3], const void *data)
{
	return body(p, data) + 2.0;
}

/* Inner surface of the fat under the skin: 9 mm behind, 14 in front, 20 at the sides. */
static double muscle_wall(const double p[3], const void *data)
{
	double furrow = p[1] > 0.0 ? 4.0 * exp(-(p[0] / 12.0) * (p[0] / 12.0)) : 0.0;

	(void)data;
	return sp_oval(p[0], p[1] + 32.5 - sp_thorax_shift(p[2]), 145.0, 98.0) + furrow;
}

void sp_thorax_cavity_axes(double half[2], double *middle_y, double z)
{
	half[0] = 126.0 - 0.10 * fmax(z, 0.0); /* the chest narrows towards the shoulders */
	half[1] = 84.0 - 0.06 * fmax(z, 0.0);
	*middle_y = -37.0 + sp_thorax_shift(z);
}

double sp_thorax_cavity(const double p[3], const void *data)
{
	double half[2], y;

	(void)data;
	sp_thorax_cavity_axes(half, &y, p[2]);
	return sp_oval(p[0], p[1] - y, half[0], half[1]);
}

double sp_thorax_back(const double p[3], const void *data)
{
	(void)data;
	return sp_ellipse(p[0], p[1] - 40.0 - sp_thorax_shift(p[2]), 46.0, 24.0);
}

double sp_thorax_inside(const double p[3], const void *data)
{
	return sp_smooth_max(sp_thorax_cavity(p, data), -sp_thorax_back(p, data), 6.0);
}

/* Thin sheets of fat between the muscles: round those beside the spine, and between the layers at the side. */
static double fat_planes(const double p[3], const void *data)
{
	double round_back = fabs(sp_thorax_back(p, data) + 2.0) - 0.8;
	double side = fmax(fabs(muscle_wall(p, data) + 8.5) - 0.9, fmax(75.0 - fabs(p[0]), -70.0 - p[1]));
	double middle = fmax(fabs(p[0]) - 0.9, 40.0 - p[1]);

	return fmax(fmax(fmin(fmin(round_back, side), middle), -sp_thorax_inside(p, data)), muscle_wall(p, data));
}

/* The shoulder blades lie on the ribs and end at T7. */
static double scapula(const double p[3], const void *data)
{
	static const double middle[3] = {98.0, 16.0, 80.0}, half[3] = {40.0, 34.0, 62.0};
	const double q[3] = {fabs(p[0]), p[1] - sp_thorax_shift(p[2]), p[2]};

	return fmax(fabs(sp_thorax_cavity(p, data) - 12.0) - 2.4, sp_ellipsoid(q, middle, half));
}

static double fat_texture(const double p[3])
{
	return 6.0 * sp_texture(p, 6.0, 1);
}

static double muscle_texture(const double p[3])
{
	/* grain, and streaks of fat here and there */
	return 8.0 * sp_texture(p, 7.0, 2) - 55.0 * fmax(sp_texture(p, 9.0, 3) - 1.1, 0.0);
}

#define HIGH_AND_LOW               \
	{-170.0, -165.0, -400.0},  \
	{                          \
		170.0, 85.0, 400.0 \
	}

const sp_shape sp_thorax_body = {body, NULL, HIGH_AND_LOW}, sp_thorax_skin = {skin, NULL, HIGH_AND_LOW};

/* CT numbers at 120 kV without contrast (docs/phantoms.md). */
static const sp_solid wall[] = {
        {{body, NULL, HIGH_AND_LOW}, 15.0, NULL},
        {{under_skin, NULL, HIGH_AND_LOW}, -105.0, fat_texture},
        {{muscle_wall, NULL, HIGH_AND_LOW}, 54.0, muscle_texture},
        {{fat_planes, NULL, HIGH_AND_LOW}, -70.0, NULL},
        {{sp_thorax_inside, NULL, HIGH_AND_LOW}, -98.0, fat_texture},
        {{scapula, NULL, {-140.0, -60.0, 16.0}, {140.0, 60.0, 400.0}}, 420.0, NULL},
};

sp_status sp_thorax_add(sp_scene *scene, const sp_solid *solids, size_t n, sp_error *err)
{
	sp_status st = SP_OK;

	for (size_t i = 0; i < n && st == SP_OK; i++)
		st = sp_scene_add(scene, &solids[i].shape, solids[i].hu, solids[i].texture, err);
	return st;
}

sp_status sp_thorax_paint(sp_scene *scene, sp_error *err)
{
	sp_status st;

	if ((st = sp_thorax_add(scene, wall, sizeof wall / sizeof *wall, err)) != SP_OK ||
	    (st = sp_ribs_paint(scene, err)) != SP_OK || (st = sp_lungs_paint(scene, err)) != SP_OK)
		return st;
	return sp_organs_paint(scene, err);
}
