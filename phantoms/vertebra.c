/* A thoracic vertebra from rounded lines and ellipses, in units of mm at T8 (docs/phantoms.md has the sources). */
#include "vertebra.h"

#define BODY_HALF_HEIGHT 9.7
#define END_PLATE_DISH 0.8
#define PEDICLES_FROM 12.8 /* depth (v) at which the body ends and the pedicles begin */
#define ARCH_FROM 24.5     /* where the pedicles end in laminae and transverse processes */
#define SPINOUS_HALF_WIDTH 4.0

unsigned sp_consensus_ctv(unsigned gtv)
{
	unsigned ctv = gtv;

	/* asked of the tumour's sectors alone: a lamina that joins the CTV for its pedicle brings no spinous process,
	 * so that a tumour of body and both pedicles closes no ring round the cord */
	if (gtv & SP_SECTOR_PEDICLE_L)
		ctv |= SP_SECTOR_LAMINA_L;
	if (gtv & SP_SECTOR_PEDICLE_R)
		ctv |= SP_SECTOR_LAMINA_R;
	if (gtv & SP_SECTOR_LAMINA_L)
		ctv |= SP_SECTOR_PEDICLE_L | SP_SECTOR_SPINOUS;
	if (gtv & SP_SECTOR_LAMINA_R)
		ctv |= SP_SECTOR_PEDICLE_R | SP_SECTOR_SPINOUS;
	if (gtv & SP_SECTOR_SPINOUS)
		ctv |= SP_SECTOR_LAMINA_L | SP_SECTOR_LAMINA_R;
	return ctv;
}

/* A line between two points of the right side mirrored to both, with z stretched by 1/flat about the height z0. */
static double limb(const double q[3], double z0, double flat, const double a[3], const double b[3], double ra,
                   double rb)
{
	const double m[3] = {fabs(q[0]), q[1], (q[2] - z0) * flat};

	return sp_cone_line(m, a, b, ra, rb);
}

static double body(const double q[3], double dish_mm)
{
	/* waist 1.2 mm narrower than the end plates, which are concave by dish_mm */
	double waist = 1.2 * fmax(1.0 - q[2] * q[2] / (BODY_HALF_HEIGHT * BODY_HALF_HEIGHT), 0.0);
	double dish = dish_mm * fmax(1.0 - (q[0] * q[0] + q[1] * q[1]) / 150.0, 0.0);
	double side = sp_oval(q[0], q[1] + 0.4, 15.2, 13.6) + waist;

	side = sp_smooth_max(side, q[1] - 12.6, 3.0);
	return sp_smooth_max(side, fabs(q[2]) - BODY_HALF_HEIGHT + dish, 2.0);
}

static double arch(const double q[3])
{
	static const double pedicle[2][3] = {{10.0, 8.0, 0.0}, {12.6, 25.0, 0.0}};
	static const double upper_facet[2][3] = {{12.8, 27.0, 2.0}, {12.0, 26.0, 13.0}};
	static const double lower_facet[2][3] = {{10.5, 31.0, -4.0}, {9.5, 33.0, -14.0}};
	static const double lamina[2][3] = {{12.0, 28.5, 0.0}, {0.0, 33.5, 0.0}};
	static const double transverse[2][3] = {{13.0, 28.0, 2.0}, {26.0, 37.0, 5.0}};
	static const double spinous[2][3] = {{0.0, 35.0, -5.0}, {0.0, 57.0, -27.0}};
	static const double spinous_edge[2][3] = {{0.0, 37.0, -11.0}, {0.0, 54.0, -29.0}};
	double f = limb(q, 3.0, 0.57, pedicle[0], pedicle[1], 3.4, 3.4);

	f = sp_smooth_min(f, limb(q, 0.0, 1.0, upper_facet[0], upper_facet[1], 3.5, 3.0), 2.0);
	f = sp_smooth_min(f, limb(q, -4.0, 0.36, lamina[0], lamina[1], 3.2, 3.2), 2.0);
	f = sp_smooth_min(f, limb(q, 0.0, 1.0, lower_facet[0], lower_facet[1], 3.3, 2.8), 2.0);
	f = sp_smooth_min(f, limb(q, 0.0, 1.0, transverse[0], transverse[1], 4.4, 4.8), 2.5);
	f = sp_smooth_min(f, limb(q, 0.0, 1.0, spinous[0], spinous[1], 3.6, 3.2), 2.5);
	return sp_smooth_min(f, limb(q, 0.0, 1.0, spinous_edge[0], spinous_edge[1], 2.8, 2.6), 2.5);
}

static double bone(const double q[3], double dish_mm)
{
	double canal = sp_ellipse(q[0], q[1] - 21.0, 8.3, 8.0);

	return sp_smooth_max(sp_smooth_min(body(q, dish_mm), arch(q), 2.5), -canal, 1.0);
}

double sp_vertebra_bone(const double p[3], const void *data)
{
	const sp_level *level = data;
	double q[3];

	sp_level_coordinates(q, p, level);
	return level->scale * bone(q, END_PLATE_DISH);
}

double sp_vertebra_marrow(const double p[3], const void *data)
{
	const sp_level *level = data;
	double q[3], arch_share;

	sp_level_coordinates(q, p, level);
	arch_share = fmin(fmax((q[1] - 8.0) / 12.0, 0.0), 1.0);
	/* cortex of 1.0 mm round the body, 1.7 mm in the arch */
	return level->scale * bone(q, END_PLATE_DISH) + 1.0 + 0.7 * arch_share;
}

double sp_vertebra_sectors(const double p[3], const sp_level *level, unsigned sectors)
{
	double q[3], f = 1e3;

	sp_level_coordinates(q, p, level);
	for (int side = -1; side <= 1; side += 2) { /* +1: left */
		double x = side * q[0];

		if (sectors & (side > 0 ? SP_SECTOR_PEDICLE_L : SP_SECTOR_PEDICLE_R))
			f = fmin(f, fmax(fmax(PEDICLES_FROM - q[1], q[1] - ARCH_FROM), -x));
		if (sectors & (side > 0 ? SP_SECTOR_LAMINA_L : SP_SECTOR_LAMINA_R))
			f = fmin(f, fmax(ARCH_FROM - q[1], SPINOUS_HALF_WIDTH - x));
	}
	if (sectors & SP_SECTOR_BODY)
		f = fmin(f, q[1] - PEDICLES_FROM);
	if (sectors & SP_SECTOR_SPINOUS)
		f = fmin(f, fmax(ARCH_FROM - q[1], fabs(q[0]) - SPINOUS_HALF_WIDTH));
	return level->scale * fmax(bone(q, 0.0), f);
}

void sp_vertebra_bounds(double low[3], double high[3], const sp_level *level)
{
	static const double half[3] = {33.0, 42.0, 26.0}, middle[3] = {0.0, 22.0, -9.0};
	double at[3];

	sp_level_place(at, middle, level);
	for (int a = 0; a < 3; a++) { /* the tilt of at most 20 degrees turns back into up and up into back */
		double other = a == 1 ? half[2] : a == 2 ? half[1] : 0.0;

		low[a] = at[a] - level->scale * (half[a] + 0.36 * other);
		high[a] = at[a] + level->scale * (half[a] + 0.36 * other);
	}
}
