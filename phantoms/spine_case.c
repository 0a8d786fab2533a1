#include "spine_case.h"

#include <stdio.h>

#include "margin.h"
#include "outline.h"
#include "thorax.h"
#include "tumour.h"
#include "vertebra.h"

/* The scan: from T12 to T4/5, and a finger's breadth of air round the trunk. */
static const double scan_low[3] = {-182.0, -170.0, -120.0}, scan_high[3] = {182.0, 88.0, 90.0};

#define NOISE_HU 12.0
#define PTV_MARGIN_MM 2.0
#define PRV_MARGIN_MM 2.0

/* Distances from CTV and cord, of which PTV and PRV are made. */
typedef struct {
	sp_distance_field ctv, cord;
} margins;

static double prv(const double p[3], const void *data)
{
	const margins *m = data;

	return sp_distance_field_at(&m->cord, p) - PRV_MARGIN_MM;
}

static double ptv(const double p[3], const void *data)
{
	const margins *m = data;

	return fmax(sp_distance_field_at(&m->ctv, p) - PTV_MARGIN_MM, -prv(p, data));
}

static sp_status make_margins(margins *m, const sp_spine *spine, sp_error *err)
{
	sp_shape ctv = sp_shape_with(sp_tumour_ctv, spine), cord = sp_shape_with(sp_spine_cord, spine);
	sp_status st;

	*m = (margins){.ctv = {.distance_mm = NULL}};
	/* beyond the scan by more than the margin, so that the scan cuts the PRV and not the cord's end */
	cord.low_mm[2] = scan_low[2] - 4.0;
	cord.high_mm[2] = scan_high[2] + 4.0;
	if ((st = sp_distance_field_init(&m->ctv, &ctv, 0.7, PTV_MARGIN_MM + 1.5, err)) != SP_OK)
		return st;
	return sp_distance_field_init(&m->cord, &cord, 0.6, PRV_MARGIN_MM + 1.5, err);
}

typedef struct {
	const char *name;
	sp_role role;
	uint32_t rgb;
	double step_mm; /* of the contour's samples */
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

static sp_shape grown(const sp_shape *shape, double by_mm)
{
	sp_shape out = *shape;

	for (int a = 0; a < 3; a++) {
		out.low_mm[a] -= by_mm;
		out.high_mm[a] += by_mm;
	}
	return out;
}

static sp_status add_targets(sp_case *c, const sp_spine *spine, const margins *m, sp_error *err)
{
	outlined list[] = {
	        {"GTV", SP_ROLE_GTV, 0xd01818, 0.5, sp_shape_with(sp_tumour_left, spine)},
	        {"CTV", SP_ROLE_CTV, 0xf08020, 0.5, sp_shape_with(sp_tumour_ctv, spine)},
	        {"PTV", SP_ROLE_PTV, 0xff40a0, 0.5, grown(&sp_tumour_ctv, PTV_MARGIN_MM + 1.0)},
	        {"SpinalCord", SP_ROLE_CORD, 0x20d020, 0.4, sp_shape_with(sp_spine_cord, spine)},
	        {"SpinalCord_PRV02", SP_ROLE_PRV, 0x80ff40, 0.4, grown(&sp_spine_cord, PRV_MARGIN_MM + 1.0)},
	        {"ThecalSac", SP_ROLE_ORGAN, 0x20c0c0, 0.4, sp_shape_with(sp_spine_sac, spine)},
	};

	list[2].shape.distance = ptv;
	list[4].shape.distance = prv;
	list[2].shape.data = list[4].shape.data = m;
	return add_outlined(c, list, sizeof list / sizeof *list, err);
}

static sp_status add_organs(sp_case *c, sp_error *err)
{
	const outlined list[] = {
	        {"Esophagus", SP_ROLE_ORGAN, 0xc09040, 0.7, sp_thorax_oesophagus},
	        {"A_Aorta", SP_ROLE_ORGAN, 0xe06060, 1.0, sp_thorax_aorta},
	        {"Heart", SP_ROLE_ORGAN, 0xb03060, 2.0, sp_thorax_heart},
	        {"Lung_L", SP_ROLE_ORGAN, 0x6090e0, 2.0, sp_thorax_lung_left},
	        {"Lung_R", SP_ROLE_ORGAN, 0x40c0e0, 2.0, sp_thorax_lung_right},
	        {"Liver", SP_ROLE_ORGAN, 0x806030, 2.0, sp_thorax_liver},
	        {"Stomach", SP_ROLE_ORGAN, 0x80c090, 2.0, sp_thorax_stomach},
	        {"Spleen", SP_ROLE_ORGAN, 0x9060b0, 2.0, sp_thorax_spleen},
	        {"Kidney_L", SP_ROLE_ORGAN, 0xe0c020, 1.5, sp_thorax_kidney_left},
	        {"Kidney_R", SP_ROLE_ORGAN, 0xc0e020, 1.5, sp_thorax_kidney_right},
	        {"Skin", SP_ROLE_ORGAN, 0xd0b090, 2.0, sp_thorax_skin},
	};

	return add_outlined(c, list, sizeof list / sizeof *list, err);
}

static sp_status add_vertebrae(sp_case *c, const sp_spine *spine, sp_error *err)
{
	sp_status st = SP_OK;

	for (int i = SP_LEVEL_T8 - 1; i <= SP_LEVEL_T8 + 1 && st == SP_OK;
	     i++) { /* the level treated and its neighbours */
		char name[32];
		outlined one = {name, SP_ROLE_ORGAN, 0xe8e8d0, 0.7, {sp_vertebra_bone, &sp_levels[i], {0}, {0}}};

		snprintf(name, sizeof name, "Vertebra_%s", sp_levels[i].name);
		sp_vertebra_bounds(one.shape.low_mm, one.shape.high_mm, &sp_levels[i]);
		if (i == SP_LEVEL_T8)
			one.shape = sp_shape_with(sp_tumour_bone_left, spine);
		st = add_outlined(c, &one, 1, err);
	}
	return st;
}

static sp_status add_structures(sp_case *c, const sp_spine *spine, sp_error *err)
{
	const outlined external = {"External", SP_ROLE_EXTERNAL, 0xb0b0b0, 2.0, sp_thorax_body};
	margins m;
	sp_status st;

	if ((st = make_margins(&m, spine, err)) == SP_OK && (st = add_outlined(c, &external, 1, err)) == SP_OK &&
	    (st = add_targets(c, spine, &m, err)) == SP_OK && (st = add_organs(c, err)) == SP_OK)
		st = add_vertebrae(c, spine, err);
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
	    (st = sp_thorax_paint(&scene, err)) != SP_OK || (st = sp_spine_paint(&scene, spine, err)) != SP_OK ||
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
