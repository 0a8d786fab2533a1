#include "spine.h"

/* Distances between the middles of neighbouring bodies: half of each body's height and a disc of 4 to 5 mm. */
const sp_level sp_levels[] = {
        {"T04", 91.8, 0.93},
        {"T05", 69.6, 0.94},
        {"T06", 46.9, 0.96},
        {"T07", 23.7, 0.98},
        {"T08", 0.0, 1.00},
        {"T09", -24.3, 1.03},
        {"T10", -49.4, 1.07},
        {"T11", -75.6, 1.12},
        {"T12", -103.6, 1.18},
        {"L01", -133.0, 1.22},
        {0},
};

/* Thoracic kyphosis: a circle of 400 mm radius to second order (210 mm of it turn by 30 degrees), the crest just above
 * T8; and an S to the side of 1.5 mm, so that the picture is the same in no mirror. */
#define KYPHOSIS_RADIUS_MM 400.0
#define CREST_MM 10.0
#define SIDE_MM 4.0
#define SIDE_LENGTH_MM 150.0

void sp_spine_axis(double out[3], double s)
{
	double t = s / SIDE_LENGTH_MM;

	out[0] = SIDE_MM * t * (1.0 - t * t);
	out[1] = (CREST_MM * CREST_MM - (s - CREST_MM) * (s - CREST_MM)) / (2.0 * KYPHOSIS_RADIUS_MM);
	out[2] = s;
}

/* Unit vectors left, back and up along the axis at s. */
static void frame(double left[3], double back[3], double up[3], double s)
{
	double t = s / SIDE_LENGTH_MM, dx = SIDE_MM / SIDE_LENGTH_MM * (1.0 - 3.0 * t * t);
	double dy = (CREST_MM - s) / KYPHOSIS_RADIUS_MM, n = 1.0 / sqrt(1.0 + dx * dx + dy * dy), m;

	up[0] = dx * n;
	up[1] = dy * n;
	up[2] = n;
	m = 1.0 / sqrt(1.0 - up[1] * up[1]);
	back[0] = -up[1] * up[0] * m;
	back[1] = (1.0 - up[1] * up[1]) * m;
	back[2] = -up[1] * up[2] * m;
	left[0] = back[1] * up[2] - back[2] * up[1];
	left[1] = back[2] * up[0] - back[0] * up[2];
	left[2] = back[0] * up[1] - back[1] * up[0];
}

static void into_frame(double out[3], const double p[3], double s)
{
	double axis[3], left[3], back[3], up[3];

	sp_spine_axis(axis, s);
	frame(left, back, up, s);
	for (int i = 0; i < 3; i++)
		out[i] = 0.0;
	for (int i = 0; i < 3; i++) {
		double d = p[i] - axis[i];

		out[0] += d * left[i];
		out[1] += d * back[i];
		out[2] += d * up[i];
	}
}

void sp_spine_coordinates(double out[3], const double p[3])
{
	double s = p[2];

	/* the plane across the axis through p by Newton's method, to better than 0.05 mm: in front of the axis (v < 0)
	 * neighbouring planes draw together */
	for (int i = 0; i < 2; i++) {
		into_frame(out, p, s);
		s += out[2] / (1.0 + out[1] / KYPHOSIS_RADIUS_MM);
	}
	out[2] = s;
}

void sp_level_coordinates(double out[3], const double p[3], const sp_level *level)
{
	into_frame(out, p, level->s_mm);
	for (int i = 0; i < 3; i++)
		out[i] /= level->scale;
}

void sp_level_place(double out[3], const double q[3], const sp_level *level)
{
	double axis[3], left[3], back[3], up[3];

	sp_spine_axis(axis, level->s_mm);
	frame(left, back, up, level->s_mm);
	for (int i = 0; i < 3; i++)
		out[i] = axis[i] + level->scale * (q[0] * left[i] + q[1] * back[i] + q[2] * up[i]);
}

/* Size of a vertebra relative to T8, anywhere along the spine. */
static double scale_at(double s)
{
	const sp_level *l = sp_levels;

	if (s >= l->s_mm)
		return l->scale;
	for (; l[1].name; l++)
		if (s >= l[1].s_mm)
			return l[1].scale + (l->scale - l[1].scale) * (s - l[1].s_mm) / (l->s_mm - l[1].s_mm);
	return l->scale;
}

double sp_spine_canal(const double p[3], const void *data)
{
	double q[3], scale;

	(void)data;
	sp_spine_coordinates(q, p);
	scale = scale_at(q[2]);
	return scale * sp_ellipse(q[0] / scale, q[1] / scale - 21.4, 8.6, 9.0);
}

double sp_spine_discs(const double p[3], const void *data)
{
	double q[3], scale;

	(void)data;
	sp_spine_coordinates(q, p);
	scale = scale_at(q[2]);
	return scale * sp_smooth_max(sp_oval(q[0] / scale, q[1] / scale + 0.4, 14.8, 13.2), q[1] / scale - 12.6, 3.0);
}

/* Sac and cord as ellipses (middle and half axes, mm) at the height of the tumour, by epidural grade; the tumour comes
 * from the front left. Undisturbed sizes: docs/phantoms.md. The cord lies in front of the sac's middle, as in a
 * kyphosis. */
typedef struct {
	double u, v, a, b;
} ellipse;

static const ellipse sacs[] = {
        {0.0, 20.4, 7.0, 6.0}, {-0.4, 21.4, 6.8, 5.2}, {-1.0, 23.2, 6.4, 3.9}, {-1.2, 24.5, 5.2, 2.6}};
static const ellipse cords[] = {
        {0.0, 20.0, 4.5, 3.5}, {-0.3, 20.8, 4.5, 3.5}, {-0.9, 22.4, 4.7, 3.0}, {-1.2, 24.5, 5.0, 2.4}};

/* The share of the disturbance at s: full to 7 mm from the middle of T8, none from 22 mm. */
static double disturbance(double s)
{
	double t = fmin(fmax((fabs(s) - 7.0) / 15.0, 0.0), 1.0);

	return 1.0 - t * t * (3.0 - 2.0 * t);
}

static double along_spine(const double p[3], const ellipse *rest, const ellipse *pressed)
{
	double q[3], w;

	sp_spine_coordinates(q, p);
	w = disturbance(q[2]);
	return sp_ellipse(q[0] - (rest->u + w * (pressed->u - rest->u)), q[1] - (rest->v + w * (pressed->v - rest->v)),
	                  rest->a + w * (pressed->a - rest->a), rest->b + w * (pressed->b - rest->b));
}

double sp_spine_sac_of_grade(const double p[3], int grade)
{
	return along_spine(p, &sacs[0], &sacs[grade]);
}

static double sac(const double p[3], const void *data)
{
	const sp_spine *spine = data;

	return sp_spine_sac_of_grade(p, spine->canal_grade);
}

static double cord(const double p[3], const void *data)
{
	const sp_spine *spine = data;

	return along_spine(p, &cords[0], &cords[spine->canal_grade]);
}

const sp_shape sp_spine_sac = {sac, NULL, {-14.0, -26.0, -400.0}, {14.0, 34.0, 400.0}};
const sp_shape sp_spine_cord = {cord, NULL, {-11.0, -20.0, -400.0}, {11.0, 32.0, 400.0}};

double sp_spine_epidural(const double p[3], int tumour_grade, int sac_grade)
{
	/* half axes of the mass, which grows from the back of the body and the left pedicle round the sac */
	static const double half[4][3] = {{1.0, 1.0, 1.0}, {9.0, 7.0, 11.0}, {10.5, 10.0, 12.0}, {12.0, 12.5, 13.0}};
	static const double middle[3] = {3.5, 12.0, 0.0};
	double q[3];

	if (tumour_grade == 0)
		return 1e3;
	sp_spine_coordinates(q, p);
	return fmax(fmax(sp_ellipsoid(q, middle, half[tumour_grade]), sp_ellipse(q[0], q[1] - 21.0, 8.3, 8.0)),
	            -sp_spine_sac_of_grade(p, sac_grade));
}
