#include "tumour.h"

static double tumour_in_bone(const double p[3])
{
	/* two lobes: the back left of the body, and through the left pedicle to its end */
	static const double body_at[3] = {4.5, 3.0, -0.5}, body_half[3] = {10.0, 10.5, 8.6};
	static const double pedicle_at[3] = {11.5, 15.5, 2.5}, pedicle_half[3] = {6.5, 10.0, 7.5};
	const sp_level *t8 = &sp_levels[SP_LEVEL_T8];
	double q[3];

	sp_level_coordinates(q, p, t8);
	return fmax(sp_smooth_min(sp_ellipsoid(q, body_at, body_half), sp_ellipsoid(q, pedicle_at, pedicle_half), 5.0),
	            sp_vertebra_bone(p, t8));
}

static double found(const double p[3], const void *data)
{
	const sp_spine *spine = data;

	return fmin(tumour_in_bone(p), sp_spine_epidural(p, spine->tumour_grade, spine->tumour_grade));
}

static double resected(const double p[3], const void *data)
{
	const sp_spine *spine = data;
	static const double spinous[2][3] = {{0.0, 36.0, -7.0}, {0.0, 57.0, -28.0}};
	double q[3], arch, pedicle, separation;

	if (!spine->operated)
		return 1e3;
	sp_level_coordinates(q, p, &sp_levels[SP_LEVEL_T8]);
	arch = sp_smooth_max(sp_smooth_max(24.0 - q[1], fabs(q[0]) - 17.0, 6.0),
	                     sp_smooth_max(fabs(q[2] + 3.0) - 16.0, q[1] - 62.0, 6.0), 6.0);
	/* the spinous process to its tip, clear of the arch of T9 */
	arch = fmin(arch, sp_cone_line(q, spinous[0], spinous[1], 6.0, 6.0));
	pedicle = fmax(fmax(fmax(12.0 - q[1], q[1] - 40.0), 5.0 - q[0]),
	               sp_smooth_max(q[0] - 18.0, fabs(q[2] - 2.0) - 9.0, 5.0));
	/* the sac itself is no part of it */
	separation = fmax(sp_spine_sac.distance(p, spine) - 2.5, fabs(q[2]) - 14.0);
	if (spine->cage != SP_CAGE_NONE) {
		double bed = fmax(hypot(q[0] + 1.5, q[1] + 1.0) - 10.0, fabs(q[2]) - 11.9);

		separation = fmin(separation, bed);
	}
	return fmax(fmin(fmin(arch, pedicle), separation), -sp_spine_sac.distance(p, spine));
}

static double left(const double p[3], const void *data)
{
	/* the sac has opened into the place of the tumour that pressed it */
	return fmax(fmax(found(p, data), -resected(p, data)), -sp_spine_sac.distance(p, data));
}

static double target(const double p[3], const void *data)
{
	unsigned sectors = sp_consensus_ctv(SP_TUMOUR_SECTORS);
	double ctv = fmin(sp_vertebra_sectors(p, &sp_levels[SP_LEVEL_T8], sectors), found(p, data));

	return fmax(ctv, -sp_spine_sac.distance(p, data));
}

static double bone_left(const double p[3], const void *data)
{
	return fmax(sp_vertebra_bone(p, &sp_levels[SP_LEVEL_T8]), -resected(p, data));
}

#define ROUND_T8                 \
	{-24.0, -20.0, -37.0},   \
	{                        \
		36.0, 66.0, 22.0 \
	}

const sp_shape sp_tumour_found = {found, NULL, ROUND_T8}, sp_tumour_left = {left, NULL, ROUND_T8};
const sp_shape sp_tumour_ctv = {target, NULL, ROUND_T8}, sp_tumour_resected = {resected, NULL, ROUND_T8};
const sp_shape sp_tumour_bone_left = {bone_left, NULL, {-40.0, -24.0, -50.0}, {40.0, 72.0, 28.0}};
