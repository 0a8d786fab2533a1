#include "spine_case.h"

#include <stdio.h>

#include "margin.h"
#include "outline.h"
#include "thorax.h"
#include "tumour.h"

/* The scan: from T12 to T4/5, and a finger's breadth of air round the trunk. */
static const double scan_low[3] = {-182.0, -170.0, -120.0}, scan_high[3] = {182.0, 88.0, 90.0};

#define NOISE_HU 12.0
#define PTV_MARGIN_MM 2.0
#define PRV_MARGIN_MM 2.0

/* A box round what belongs to T8 and its tumour. */
#define T8_LOW                      \
	{                           \
		-45.0, -25.0, -50.0 \
	}
#define T8_HIGH                  \
	{                        \
		45.0, 72.0, 28.0 \
	}
#define CANAL_LOW                    \
	{                            \
		-15.0, -30.0, -400.0 \
	}
#define CANAL_HIGH                \
	{                         \
		15.0, 40.0, 400.0 \
	}

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
			st = sp_scene_add(scene, &shape, marrow ? 175.0 : 850.0, marrow ? spongiosa_texture : NULL,
			                  err);
		}
	return st;
}

static double foramina(const double p[3], const void *data)
{
	double q[3];

	(void)data;
	sp_spine_coordinates(q, p);
	return sp_ellipse(fabs(q[0]) - 13.0, q[1] - 19.0, 7.0, 4.5);
}

static sp_status paint_spine(sp_scene *scene, const sp_spine *spine, sp_error *err)
{
	const sp_solid below[] = {
	        {{foramina, NULL, {-25, -40, -400}, {25, 40, 400}}, -75.0, NULL},
	        {{sp_spine_discs, NULL, {-25, -50, -400}, {25, 25, 400}}, 85.0, NULL},
	        {{sp_spine_canal, NULL, CANAL_LOW, CANAL_HIGH}, -70.0, NULL},
	};
	const sp_solid above[] = {
	        {{sp_tumour_resected, spine, T8_LOW, T8_HIGH}, 20.0, tumour_texture}, /* fluid and scar */
	        {{sp_tumour_left, spine, T8_LOW, T8_HIGH}, 52.0, tumour_texture},     /* lytic */
	        {{sp_spine_sac, spine, CANAL_LOW, CANAL_HIGH}, 12.0, NULL},
	        {{sp_spine_cord, spine, CANAL_LOW, CANAL_HIGH}, 38.0, NULL},
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

/* Distances from CTV and cord, of which PTV and PRV are made. */
typedef struct {
	sp_distance_field ctv, cord;
} margins;

static double prv(const double p[3], const void *data)
{
	return sp_distance_field_at(&((const margins *)data)->cord, p) - PRV_MARGIN_MM;
}

static double ptv(const double p[3], const void *data)
{
	return fmax(sp_distance_field_at(&((const margins *)data)->ctv, p) - PTV_MARGIN_MM, -prv(p, data));
}

typedef struct {
	const char *name;
	sp_role role;
	uint32_t rgb;
	double step_mm;
	sp_shape shape;
} outlined;

static sp_status add_outlined(sp_case *c, const outlined *list, size_t n, sp_error *err)
{
	sp_structure *s;
	sp_status st = SP_OK;

	for (size_t i = 0; i < n && st == SP_OK; i++)
		if ((st = sp_phantom_structure(&s, c, list[i].name, list[i].role, list[i].rgb, err)) == SP_OK)
			st = sp_outline_add(s, &c->ct, &list[i].shape, list[i].step_mm, err);
	return st;
}

static sp_status add_targets(sp_case *c, const sp_spine *spine, const margins *m, sp_error *err)
{
	const outlined list[] = {
	        {"GTV", SP_ROLE_GTV, 0xd01818, 0.5, {sp_tumour_left, spine, T8_LOW, T8_HIGH}},
	        {"CTV", SP_ROLE_CTV, 0xf08020, 0.5, {sp_tumour_ctv, spine, T8_LOW, T8_HIGH}},
	        {"PTV", SP_ROLE_PTV, 0xff40a0, 0.5, {ptv, m, T8_LOW, T8_HIGH}},
	        {"SpinalCord", SP_ROLE_CORD, 0x20d020, 0.4, {sp_spine_cord, spine, CANAL_LOW, CANAL_HIGH}},
	        {"SpinalCord_PRV02", SP_ROLE_PRV, 0x80ff40, 0.4, {prv, m, CANAL_LOW, CANAL_HIGH}},
	        {"ThecalSac", SP_ROLE_ORGAN, 0x20c0c0, 0.4, {sp_spine_sac, spine, CANAL_LOW, CANAL_HIGH}},
	};

	return add_outlined(c, list, sizeof list / sizeof *list, err);
}

static sp_status add_organs(sp_case *c, sp_error *err)
{
	static const outlined list[] = {
	        {"Esophagus",
	         SP_ROLE_ORGAN,
	         0xc09040,
	         0.7,
	         {sp_thorax_oesophagus, NULL, {-20, -90, -75}, {45, 0, 400}}},
	        {"A_Aorta", SP_ROLE_ORGAN, 0xe06060, 1.0, {sp_thorax_aorta, NULL, {-20, -70, -400}, {45, 5, 400}}},
	        {"Heart", SP_ROLE_ORGAN, 0xb03060, 2.0, {sp_thorax_heart, NULL, {-60, -145, -70}, {100, 0, 90}}},
	        {"Lung_L", SP_ROLE_ORGAN, 0x6090e0, 2.0, {sp_thorax_lung_left, NULL, {0, -130, -130}, {127, 60, 400}}},
	        {"Lung_R",
	         SP_ROLE_ORGAN,
	         0x40c0e0,
	         2.0,
	         {sp_thorax_lung_right, NULL, {-127, -130, -130}, {0, 60, 400}}},
	        {"Liver", SP_ROLE_ORGAN, 0x806030, 2.0, {sp_thorax_liver, NULL, {-127, -130, -130}, {60, 60, -30}}},
	        {"Stomach", SP_ROLE_ORGAN, 0x80c090, 2.0, {sp_thorax_stomach, NULL, {8, -108, -172}, {96, -32, -48}}},
	        {"Spleen", SP_ROLE_ORGAN, 0x9060b0, 2.0, {sp_thorax_spleen, NULL, {68, -60, -164}, {116, 32, -60}}},
	        {"Kidney_L",
	         SP_ROLE_ORGAN,
	         0xe0c020,
	         1.5,
	         {sp_thorax_kidney_left, NULL, {5, -45, -195}, {95, 35, -78}}},
	        {"Kidney_R",
	         SP_ROLE_ORGAN,
	         0xc0e020,
	         1.5,
	         {sp_thorax_kidney_right, NULL, {-95, -45, -207}, {-5, 35, -90}}},
	        {"Skin", SP_ROLE_ORGAN, 0xd0b090, 2.0, {sp_thorax_skin, NULL, {-170, -165, -400}, {170, 85, 400}}},
	};

	return add_outlined(c, list, sizeof list / sizeof *list, err);
}

static sp_status add_vertebrae(sp_case *c, sp_error *err)
{
	sp_status st = SP_OK;

	/* the level treated and its neighbours, which hold the first third of the dose */
	for (int i = SP_LEVEL_T8 - 1; i <= SP_LEVEL_T8 + 1 && st == SP_OK; i++) {
		char name[32];
		outlined one = {name, SP_ROLE_ORGAN, 0xe8e8d0, 0.7, {sp_vertebra_bone, &sp_levels[i], {0}, {0}}};

		snprintf(name, sizeof name, "Vertebra_%s", sp_levels[i].name);
		sp_vertebra_bounds(one.shape.low_mm, one.shape.high_mm, &sp_levels[i]);
		st = add_outlined(c, &one, 1, err);
	}
	return st;
}

static sp_status add_structures(sp_case *c, const sp_spine *spine, sp_error *err)
{
	static const outlined external = {"External",
	                                  SP_ROLE_EXTERNAL,
	                                  0xb0b0b0,
	                                  2.0,
	                                  {sp_thorax_body, NULL, {-170, -165, -400}, {170, 85, 400}}};
	const sp_shape ctv = {sp_tumour_ctv, spine, T8_LOW, T8_HIGH};
	/* beyond the scan by more than the margin, so that the PRV is cut by the scan and not by the cord's end */
	const sp_shape cord = {sp_spine_cord, spine, {-8, -20, scan_low[2] - 4.0}, {8, 34, scan_high[2] + 4.0}};
	margins m = {.ctv = {.distance_mm = NULL}};
	sp_status st;

	if ((st = sp_distance_field_init(&m.ctv, &ctv, 0.7, PTV_MARGIN_MM + 1.5, err)) != SP_OK ||
	    (st = sp_distance_field_init(&m.cord, &cord, 0.5, PRV_MARGIN_MM + 1.5, err)) != SP_OK ||
	    (st = add_outlined(c, &external, 1, err)) != SP_OK || (st = add_targets(c, spine, &m, err)) != SP_OK ||
	    (st = add_organs(c, err)) != SP_OK)
		goto cleanup;
	st = add_vertebrae(c, err);
cleanup:
	sp_distance_field_finish(&m.ctv);
	sp_distance_field_finish(&m.cord);
	return st;
}

sp_status sp_spine_case(sp_case **out, const sp_spine *spine, const sp_phantom_options *o,
                        sp_status (*metal)(sp_scene *scene, const sp_spine *spine, sp_error *err), sp_error *err)
{
	double voxel[3] = {2.0, 2.0, 2.0};
	sp_scene scene = {0};
	sp_case *c = NULL;
	sp_status st;

	for (int a = 0; a < 3; a++)
		if (o->given & SP_PHANTOM_VOXEL)
			voxel[a] = o->voxel_mm[a];
	if ((st = sp_phantom_create(&c, scan_low, scan_high, voxel, err)) != SP_OK ||
	    (st = sp_thorax_paint(&scene, err)) != SP_OK || (st = paint_spine(&scene, spine, err)) != SP_OK ||
	    (metal && (st = metal(&scene, spine, err)) != SP_OK) ||
	    (st = sp_phantom_render(c, &scene, -1000.0, o, NOISE_HU, err)) != SP_OK ||
	    (st = add_structures(c, spine, err)) != SP_OK ||
	    (st = sp_phantom_prescribe(c, 24.0, 2, "PTV", "sc24-24gy-2fx", err)) != SP_OK)
		goto cleanup;
	*out = c;
	c = NULL;
cleanup:
	sp_scene_finish(&scene);
	sp_case_destroy(c);
	return st;
}

void sp_spine_case_place(sp_case *c)
{
	static const double table[3] = {4.0, -162.0, -538.0}; /* as a scanner's table would have it */

	sp_phantom_shift(c, table);
}
