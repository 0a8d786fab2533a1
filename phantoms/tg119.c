/* The C-shape of AAPM TG-119 (Ezzell et al., Med. Phys. 36 (2009) 5359): a core of 10 mm radius and 100 mm length, a
 * gap of 5 mm, and a target of inner radius 15 mm, outer radius 37 mm and 80 mm length that lies round the front of the
 * core. The task group's phantom is a block of solid water; 300 x 150 x 300 mm here, as in the CORT data set. */
#include "phantoms_internal.h"

#include <math.h>

#include "outline.h"
#include "scene.h"

/* The ends of the C point this far backwards of the side; the published mask spans about 200 degrees. */
#define END_DEG 10.0

#define PI 3.14159265358979323846

static const double block_half_mm[3] = {150.0, 75.0, 150.0};

static double block(const double p[3], const void *data)
{
	(void)data;
	return fmax(fabs(p[0]) - block_half_mm[0], fmax(fabs(p[1]) - block_half_mm[1], fabs(p[2]) - block_half_mm[2]));
}

static double core(const double p[3], const void *data)
{
	(void)data;
	return fmax(hypot(p[0], p[1]) - 10.0, fabs(p[2]) - 50.0);
}

static double c_shape(const double p[3], const void *data)
{
	double r = hypot(p[0], p[1]), end = END_DEG * PI / 180.0;
	/* distance behind the two radial end faces */
	double behind = p[1] * cos(end) - fabs(p[0]) * sin(end);

	(void)data;
	return fmax(fmax(fmax(r - 37.0, 15.0 - r), behind), fabs(p[2]) - 40.0);
}

static const struct {
	const char *name;
	sp_role role;
	uint32_t rgb;
	sp_shape shape;
	double step_mm;
} parts[] = {
        {"PTV", SP_ROLE_PTV, 0xe02020, {c_shape, NULL, {-37.0, -37.0, -40.0}, {37.0, 7.0, 40.0}}, 0.5},
        {"Core", SP_ROLE_ORGAN, 0x20c040, {core, NULL, {-10.0, -10.0, -50.0}, {10.0, 10.0, 50.0}}, 0.5},
};

static sp_status add_structures(sp_case *c, sp_error *err)
{
	const double low[3] = {-block_half_mm[0], -block_half_mm[1], -block_half_mm[2]};
	sp_structure *s;
	sp_status st;

	if ((st = sp_phantom_structure(&s, c, "External", SP_ROLE_EXTERNAL, 0xb0b0b0, err)) != SP_OK ||
	    (st = sp_phantom_add_box(s, &c->ct, low, block_half_mm, err)) != SP_OK)
		return st;
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if ((st = sp_phantom_structure(&s, c, parts[i].name, parts[i].role, parts[i].rgb, err)) != SP_OK ||
		    (st = sp_outline_add(s, &c->ct, &parts[i].shape, parts[i].step_mm, err)) != SP_OK)
			return st;
	return sp_phantom_prescribe(c, 50.0, 25, "PTV", "tg119-c-shape", err);
}

sp_status sp_phantom_tg119(sp_case **out, const sp_phantom_options *o, sp_error *err)
{
	const sp_shape shape = {block, NULL, {-150.0, -75.0, -150.0}, {150.0, 75.0, 150.0}};
	double voxel[3] = {2.5, 2.5, 2.5}, low[3], high[3];
	sp_scene scene = {0};
	sp_case *c = NULL;
	sp_status st;

	for (int a = 0; a < 3; a++) {
		if (o->given & SP_PHANTOM_VOXEL)
			voxel[a] = o->voxel_mm[a];
		/* two voxels of air, and voxel edges through the origin */
		high[a] = (ceil(block_half_mm[a] / voxel[a]) + 2.0) * voxel[a];
		low[a] = -high[a];
	}
	if ((st = sp_phantom_create(&c, low, high, voxel, err)) != SP_OK ||
	    (st = sp_scene_add(&scene, &shape, 0.0, NULL, err)) != SP_OK ||
	    (st = sp_phantom_render(c, &scene, -1000.0, o, 0.0, err)) != SP_OK ||
	    (st = add_structures(c, err)) != SP_OK)
		goto cleanup;
	*out = c;
	c = NULL;
cleanup:
	sp_scene_finish(&scene);
	sp_case_destroy(c);
	return st;
}
