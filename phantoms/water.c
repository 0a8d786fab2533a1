/* A block of water round the origin with a rim of air: the simplest thing that a dose engine must get right. */
#include "phantoms_internal.h"

#include <math.h>

#include "scene.h"

#define RIM_MM 10.0

static double block(const double p[3], const void *data)
{
	const double *size = data;

	return fmax(fabs(p[0]) - 0.5 * size[0], fmax(fabs(p[1]) - 0.5 * size[1], fabs(p[2]) - 0.5 * size[2]));
}

static sp_status add_structures(sp_case *c, const double low[3], const double high[3], sp_error *err)
{
	sp_structure *s;
	sp_status st;

	if ((st = sp_phantom_structure(&s, c, "External", SP_ROLE_EXTERNAL, 0xb0b0b0, err)) != SP_OK ||
	    (st = sp_phantom_add_box(s, &c->ct, low, high, err)) != SP_OK)
		return st;
	/* CT numbers alone would give 0 HU soft tissue of 1.018 g/cm3 */
	if ((st = sp_phantom_structure(&s, c, "Water", SP_ROLE_ORGAN, 0x4080ff, err)) != SP_OK ||
	    (st = sp_phantom_add_box(s, &c->ct, low, high, err)) != SP_OK)
		return st;
	return sp_phantom_override(s, "water", 1.0, err);
}

sp_status sp_phantom_water(sp_case **out, const sp_phantom_options *o, sp_error *err)
{
	double size[3] = {300.0, 300.0, 300.0}, voxel[3] = {5.0, 5.0, 5.0}, low[3], high[3], grid_low[3], grid_high[3];
	sp_scene scene = {0};
	sp_case *c = NULL;
	sp_status st;

	for (int a = 0; a < 3; a++) {
		double rim;

		if (o->given & SP_PHANTOM_SIZE)
			size[a] = o->size_mm[a];
		if (o->given & SP_PHANTOM_VOXEL)
			voxel[a] = o->voxel_mm[a];
		if ((st = sp_phantom_whole_voxels(size[a], voxel[a], a, "the block", err)) != SP_OK)
			return st;
		rim = ceil(RIM_MM / voxel[a]) * voxel[a];
		high[a] = 0.5 * size[a];
		low[a] = -high[a];
		grid_low[a] = low[a] - rim;
		grid_high[a] = high[a] + rim;
	}
	const sp_shape shape = {block, size, {low[0], low[1], low[2]}, {high[0], high[1], high[2]}};

	if ((st = sp_phantom_create(&c, grid_low, grid_high, voxel, err)) != SP_OK ||
	    (st = sp_scene_add(&scene, &shape, 0.0, NULL, err)) != SP_OK ||
	    (st = sp_phantom_render(c, &scene, -1000.0, o, 0.0, err)) != SP_OK ||
	    (st = add_structures(c, low, high, err)) != SP_OK)
		goto cleanup;
	*out = c;
	c = NULL;
cleanup:
	sp_scene_finish(&scene);
	sp_case_destroy(c);
	return st;
}
