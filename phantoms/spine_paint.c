/* Paints the spine into the trunk: discs, canal, vertebrae, tumour or what surgery left, sac and cord. */
#include "spine_case.h"

#include "tumour.h"
#include "vertebra.h"

/* CT numbers at 120 kV (docs/phantoms.md). The cortex is as thick as a CT shows it, 1 to 1.7 mm, and less dense than
 * compact bone: the true shell is a third of a millimetre thick and porous. */
#define HU_CORTEX 950.0
#define HU_SPONGIOSA 175.0
#define HU_DISC 85.0
#define HU_CANAL_FAT (-70.0)
#define HU_FLUID 12.0
#define HU_CORD 38.0
#define HU_TUMOUR 52.0
#define HU_SCAR 20.0

static double spongiosa_texture(const double p[3])
{
	return 28.0 * sp_texture(p, 2.2, 6);
}

static double tumour_texture(const double p[3])
{
	return 16.0 * sp_texture(p, 4.0, 7);
}

static sp_status paint_vertebrae(sp_scene *scene, sp_error *err)
{
	sp_status st = SP_OK;

	for (int marrow = 0; marrow < 2; marrow++)
		for (const sp_level *l = sp_levels; l->name && st == SP_OK; l++) {
			sp_shape shape = {marrow ? sp_vertebra_marrow : sp_vertebra_bone, l, {0}, {0}};

			sp_vertebra_bounds(shape.low_mm, shape.high_mm, l);
			st = sp_scene_add(scene, &shape, marrow ? HU_SPONGIOSA : HU_CORTEX,
			                  marrow ? spongiosa_texture : NULL, err);
		}
	return st;
}

/* Fat round the nerve roots, between the pedicles. */
static double foramina(const double p[3], const void *data)
{
	double q[3];

	(void)data;
	sp_spine_coordinates(q, p);
	return sp_ellipse(fabs(q[0]) - 13.0, q[1] - 19.0, 7.0, 4.5);
}

sp_status sp_spine_paint(sp_scene *scene, const sp_spine *spine, sp_error *err)
{
	const sp_solid below[] = {
	        {{foramina, NULL, {-25.0, -40.0, -400.0}, {25.0, 40.0, 400.0}}, HU_CANAL_FAT, NULL},
	        {{sp_spine_discs, NULL, {-25.0, -50.0, -400.0}, {25.0, 25.0, 400.0}}, HU_DISC, NULL},
	        {{sp_spine_canal, NULL, {-15.0, -30.0, -400.0}, {15.0, 40.0, 400.0}}, HU_CANAL_FAT, NULL},
	};
	const sp_solid above[] = {
	        {sp_shape_with(sp_tumour_resected, spine), HU_SCAR, tumour_texture},
	        {sp_shape_with(sp_tumour_left, spine), HU_TUMOUR, tumour_texture},
	        {sp_shape_with(sp_spine_sac, spine), HU_FLUID, NULL},
	        {sp_shape_with(sp_spine_cord, spine), HU_CORD, NULL},
	};
	sp_status st = SP_OK;

	for (size_t i = 0; i < sizeof below / sizeof *below && st == SP_OK; i++)
		st = sp_scene_add(scene, &below[i].shape, below[i].hu, below[i].texture, err);
	if (st == SP_OK)
		st = paint_vertebrae(scene, err);
	for (size_t i = 0; i < sizeof above / sizeof *above && st == SP_OK; i++)
		st = sp_scene_add(scene, &above[i].shape, above[i].hu, above[i].texture, err);
	return st;
}
