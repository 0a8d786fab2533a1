/* The thoracic spine after separation surgery: the arch of T8 and its left pedicle are gone, 2.5 mm lie between the sac
 * and what is left of the tumour, the sac has opened again; pedicle screws in T6, T7, T9 and T10 with a rod on each
 * side, and a cage between the end plates of T7 and T9. */
#include "spine_case.h"

#include <stdio.h>

#include "alloc.h"
#include "outline.h"
#include "tumour.h"

/* Common sizes: screws 5.5 mm x 40 mm, heads 12 mm, rods 5.5 mm, cage 17 mm wide. */
#define SCREW_RADIUS 2.75
#define HEAD_RADIUS 6.0
#define ROD_RADIUS 2.75
#define CAGE_RADIUS 8.5
#define CAGE_HALF_HEIGHT 11.9
#define TITANIUM "ti6al4v"

/* Where the rods run, in the frame that follows the spine; a little lateral of the screws' entry. */
#define ROD_U 15.6
#define ROD_V 40.0

static const int screwed[] = {SP_LEVEL_T8 - 2, SP_LEVEL_T8 - 1, SP_LEVEL_T8 + 1, SP_LEVEL_T8 + 2};

/* A screw from the back through the pedicle into the body, 10 degrees towards the middle; data: the level. */
static double screw_pair(const double p[3], const void *data)
{
	const sp_level *level = data;
	static const double entry[3] = {14.3, 31.0, 3.5}, tip[3] = {7.2, -7.0, 3.0}, head[3] = {15.6, 43.5, 4.0};
	double q[3];

	sp_level_coordinates(q, p, level);
	q[0] = fabs(q[0]);
	return fmin(level->scale * sp_rod(q, entry, tip, SCREW_RADIUS / level->scale),
	            level->scale * sp_rod(q, entry, head, HEAD_RADIUS / level->scale));
}

static double screws(const double p[3], const void *data)
{
	double f = 1e3;

	(void)data;
	for (size_t i = 0; i < sizeof screwed / sizeof *screwed; i++)
		f = fmin(f, screw_pair(p, &sp_levels[screwed[i]]));
	return f;
}

static double rod(const double p[3], double side)
{
	double q[3], top = sp_levels[SP_LEVEL_T8 - 2].s_mm + 14.0, bottom = sp_levels[SP_LEVEL_T8 + 2].s_mm - 10.0;

	sp_spine_coordinates(q, p);
	return fmax(hypot(q[0] - side * ROD_U, q[1] - ROD_V) - ROD_RADIUS, fmax(q[2] - top, bottom - q[2]));
}

static double rod_left(const double p[3], const void *data)
{
	(void)data;
	return rod(p, 1.0);
}

static double rod_right(const double p[3], const void *data)
{
	(void)data;
	return rod(p, -1.0);
}

/* Screws of a level without the rods that run through their heads, so that each place is of one material. */
static double screws_alone(const double p[3], const void *level)
{
	return fmax(screw_pair(p, level), -fmin(rod(p, 1.0), rod(p, -1.0)));
}

static double cage_outside(const double p[3], const void *data)
{
	double q[3];

	(void)data;
	sp_level_coordinates(q, p, &sp_levels[SP_LEVEL_T8]);
	return fmax(hypot(q[0] + 1.5, q[1] + 1.0) - CAGE_RADIUS, fabs(q[2]) - CAGE_HALF_HEIGHT);
}

/* Titanium mesh is thin, PEEK is thick. */
static double cage_wall_mm(const sp_spine *spine)
{
	return spine->cage == SP_CAGE_PEEK ? 3.5 : 1.8;
}

static double cage_wall(const double p[3], const void *data)
{
	double q[3];

	sp_level_coordinates(q, p, &sp_levels[SP_LEVEL_T8]);
	return fmax(cage_outside(p, data), CAGE_RADIUS - cage_wall_mm(data) - hypot(q[0] + 1.5, q[1] + 1.0));
}

#define CAGE_LOW                    \
	{                           \
		-14.0, -16.0, -16.0 \
	}
#define CAGE_HIGH                \
	{                        \
		12.0, 14.0, 16.0 \
	}
#define METAL_LOW                   \
	{                           \
		-26.0, -40.0, -80.0 \
	}
#define METAL_HIGH               \
	{                        \
		26.0, 56.0, 85.0 \
	}

static sp_status paint_metal(sp_scene *scene, const sp_spine *spine, sp_error *err)
{
	/* metal is off the scale of a 12-bit scanner; PEEK looks like hard plastic, the filling like bone chips */
	const sp_solid solids[] = {
	        {{cage_outside, spine, CAGE_LOW, CAGE_HIGH}, 350.0, NULL},
	        {{cage_wall, spine, CAGE_LOW, CAGE_HIGH}, spine->cage == SP_CAGE_PEEK ? 150.0 : 8000.0, NULL},
	        {{screws, NULL, METAL_LOW, METAL_HIGH}, 8000.0, NULL},
	        {{rod_left, NULL, METAL_LOW, METAL_HIGH}, 12000.0, NULL},
	        {{rod_right, NULL, METAL_LOW, METAL_HIGH}, 12000.0, NULL},
	};
	sp_status st = SP_OK;

	for (size_t i = spine->cage == SP_CAGE_NONE ? 2 : 0; i < sizeof solids / sizeof *solids && st == SP_OK; i++)
		st = sp_scene_add(scene, &solids[i].shape, solids[i].hu, NULL, err);
	return st;
}

static sp_status add_hardware(sp_case *c, const char *name, const sp_shape *shape, const char *material, double density,
                              sp_error *err)
{
	sp_structure *s;
	sp_status st;

	if ((st = sp_phantom_structure(&s, c, name, SP_ROLE_HARDWARE, 0xffff40, err)) != SP_OK ||
	    (st = sp_outline_add(s, &c->ct, shape, 0.4, err)) != SP_OK)
		return st;
	return sp_phantom_override(s, material, density, err);
}

static sp_status add_all_hardware(sp_case *c, const sp_spine *spine, sp_error *err)
{
	const sp_shape left = {rod_left, NULL, METAL_LOW, METAL_HIGH}, right = {rod_right, NULL, METAL_LOW, METAL_HIGH};
	sp_shape pair = {screws_alone, NULL, METAL_LOW, METAL_HIGH};
	const sp_shape cage = {cage_wall, spine, CAGE_LOW, CAGE_HIGH};
	/* rods of cobalt-chrome go with titanium screws; densities: engine/matter/data/materials.csv */
	bool cocr = spine->metal == SP_METAL_COBALT_CHROME, peek = spine->cage == SP_CAGE_PEEK;
	const char *rods = cocr ? "cocr_f75" : TITANIUM;
	double rods_density = cocr ? 8.28 : 4.43;
	sp_status st;

	if ((st = add_hardware(c, "Rod_L", &left, rods, rods_density, err)) != SP_OK ||
	    (st = add_hardware(c, "Rod_R", &right, rods, rods_density, err)) != SP_OK)
		return st;
	/* a structure for each level: contours of one are taken to go on between its slices */
	for (size_t i = 0; i < sizeof screwed / sizeof *screwed; i++) {
		char name[32];

		pair.data = &sp_levels[screwed[i]];
		snprintf(name, sizeof name, "Screws_%s", sp_levels[screwed[i]].name);
		if ((st = add_hardware(c, name, &pair, TITANIUM, 4.43, err)) != SP_OK)
			return st;
	}
	if (spine->cage == SP_CAGE_NONE)
		return SP_OK;
	return add_hardware(c, "Cage", &cage, peek ? "peek" : TITANIUM, peek ? 1.30 : 4.43, err);
}

sp_status sp_phantom_postop_spine(sp_case **out, const sp_phantom_options *o, sp_error *err)
{
	/* surgery was for a cord without fluid round it, unless the user says otherwise */
	const sp_spine spine = {.canal_grade = 0,
	                        .tumour_grade = o->given & SP_PHANTOM_GRADE ? o->epidural_grade : 3,
	                        .operated = true,
	                        .metal = o->given & SP_PHANTOM_HARDWARE ? o->hardware : SP_METAL_TITANIUM,
	                        .cage = o->given & SP_PHANTOM_CAGE ? o->cage : SP_CAGE_PEEK};
	sp_case *c = NULL;
	sp_status st = sp_spine_case(&c, &spine, o, paint_metal, err);

	if (st != SP_OK)
		return st;
	if ((st = add_all_hardware(c, &spine, err)) != SP_OK) {
		sp_case_destroy(c);
		return st;
	}
	sp_spine_case_place(c);
	*out = c;
	return SP_OK;
}
