/* The list of phantoms and what they share; each phantom has a file of its own. */
#include "phantoms_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"

#define MAX_VOXELS 4e8 /* four times the largest CT that planning is meant for, 800 MB */
#define COMMON (SP_PHANTOM_VOXEL | SP_PHANTOM_NOISE | SP_PHANTOM_SEED)

static const sp_phantom phantoms[] = {
        {"water", "a block of water in air", COMMON | SP_PHANTOM_SIZE, sp_phantom_water},
        {"slabs", "layers of any materials along +z from the surface z = 0, exact in density",
         COMMON | SP_PHANTOM_SIZE | SP_PHANTOM_LAYER | SP_PHANTOM_BOX, sp_phantom_slabs},
        {"tg119-c-shape", "AAPM TG-119 C-shaped target round a core, 50 Gy in 25 fractions", COMMON, sp_phantom_tg119},
        {"thoracic-spine", "T8 metastasis in body and pedicle, 24 Gy in 2 fractions", COMMON | SP_PHANTOM_GRADE,
         sp_phantom_thoracic_spine},
        {"postop-spine", "the same after separation surgery, with rods, screws and a cage",
         COMMON | SP_PHANTOM_GRADE | SP_PHANTOM_HARDWARE | SP_PHANTOM_CAGE, sp_phantom_postop_spine},
        {NULL, NULL, 0, NULL},
};

static const struct {
	unsigned bit;
	const char *name;
} option_names[] = {
        {SP_PHANTOM_VOXEL, "--voxel-mm"},       {SP_PHANTOM_NOISE, "--noise-hu"},    {SP_PHANTOM_SEED, "--seed"},
        {SP_PHANTOM_SIZE, "--size-mm"},         {SP_PHANTOM_LAYER, "--layer"},       {SP_PHANTOM_BOX, "--box"},
        {SP_PHANTOM_GRADE, "--epidural-grade"}, {SP_PHANTOM_HARDWARE, "--hardware"}, {SP_PHANTOM_CAGE, "--cage"},
};

const sp_phantom *sp_phantom_list(void)
{
	return phantoms;
}

const sp_phantom *sp_phantom_find(const char *name)
{
	for (const sp_phantom *p = phantoms; p->name; p++)
		if (strcmp(p->name, name) == 0)
			return p;
	return NULL;
}

static sp_status check_options(const sp_phantom *p, const sp_phantom_options *o, sp_error *err)
{
	for (size_t i = 0; i < sizeof option_names / sizeof *option_names; i++)
		if (o->given & option_names[i].bit & ~p->options)
			return sp_fail(err, SP_BAD_INPUT, "phantom %s has no option %s", p->name, option_names[i].name);
	for (int a = 0; a < 3; a++)
		if (o->given & SP_PHANTOM_VOXEL && !(o->voxel_mm[a] >= 0.2 && o->voxel_mm[a] <= 50.0))
			return sp_fail(err, SP_BAD_INPUT, "voxel size is %g mm along %c, expected 0.2 to 50",
			               o->voxel_mm[a], "xyz"[a]);
	if (o->given & SP_PHANTOM_NOISE && !(o->noise_hu >= 0.0 && o->noise_hu <= 1000.0))
		return sp_fail(err, SP_BAD_INPUT, "noise is %g HU, expected 0 to 1000", o->noise_hu);
	if (o->given & SP_PHANTOM_GRADE && (o->epidural_grade < 0 || o->epidural_grade > 3))
		return sp_fail(err, SP_BAD_INPUT, "epidural grade is %d, expected 0 to 3", o->epidural_grade);
	return SP_OK;
}

sp_status sp_phantom_make(sp_case **out, const char *name, const sp_phantom_options *o, sp_error *err)
{
	const sp_phantom *p = sp_phantom_find(name);
	sp_status st;

	*out = NULL;
	if (!p)
		return sp_fail(err, SP_BAD_INPUT, "no phantom '%s'; `spineplan phantom --list` names them", name);
	if ((st = check_options(p, o, err)) != SP_OK || (st = p->make(out, o, err)) != SP_OK)
		return st;
	if ((st = sp_case_check(*out, err)) != SP_OK) {
		sp_case_destroy(*out);
		*out = NULL;
	}
	return st;
}

sp_status sp_phantom_create(sp_case **out, const double low_mm[3], const double high_mm[3], const double voxel_mm[3],
                            sp_error *err)
{
	double voxels = 1.0;
	sp_grid ct;

	for (int a = 0; a < 3; a++) {
		double n = fmax(ceil((high_mm[a] - low_mm[a]) / voxel_mm[a] - 1e-6), 1.0);

		ct.spacing_mm[a] = voxel_mm[a];
		ct.origin_mm[a] = low_mm[a] + 0.5 * voxel_mm[a];
		ct.n[a] = (size_t)fmin(n, MAX_VOXELS);
		voxels *= n;
	}
	if (voxels > MAX_VOXELS)
		return sp_fail(err, SP_BAD_INPUT,
		               "the phantom would hold %.3g voxels, expected at most %.3g; choose larger ones", voxels,
		               MAX_VOXELS);
	return sp_case_create(out, &ct, -1000, err);
}

sp_status sp_phantom_whole_voxels(double length_mm, double voxel_mm, int axis, const char *what, sp_error *err)
{
	double n = length_mm / voxel_mm;

	if (fabs(n - round(n)) > 1e-6)
		return sp_fail(
		        err, SP_BAD_INPUT,
		        "%s along %c (%g mm) is %g voxels of %g mm, expected a whole number; choose --voxel-mm to fit",
		        what, "xyz"[axis], length_mm, n, voxel_mm);
	return SP_OK;
}

sp_status sp_phantom_digitise(sp_case *c, const float *hu, const sp_phantom_options *o, double default_noise_hu,
                              sp_error *err)
{
	double sigma = o->given & SP_PHANTOM_NOISE ? o->noise_hu : default_noise_hu;

	return sp_scene_digitise(c->hu, hu, &c->ct, sigma, o->given & SP_PHANTOM_SEED ? o->seed : 1, err);
}

sp_status sp_phantom_render(sp_case *c, const sp_scene *scene, double background_hu, const sp_phantom_options *o,
                            double default_noise_hu, sp_error *err)
{
	float *hu = sp_alloc_array(sp_grid_voxels(&c->ct), sizeof *hu);
	sp_status st;

	if (!hu)
		return sp_fail(err, SP_NO_MEMORY, "a phantom of %zu voxels: out of memory", sp_grid_voxels(&c->ct));
	if ((st = sp_scene_render(hu, &c->ct, scene, background_hu, err)) == SP_OK)
		st = sp_phantom_digitise(c, hu, o, default_noise_hu, err);
	free(hu);
	return st;
}

sp_status sp_phantom_structure(sp_structure **out, sp_case *c, const char *name, sp_role role, uint32_t rgb,
                               sp_error *err)
{
	sp_status st = sp_case_add_structure(out, c, name, role, err);

	if (st != SP_OK)
		return st;
	(*out)->has_colour = true;
	for (int i = 0; i < 3; i++)
		(*out)->colour[i] = (uint8_t)(rgb >> (16 - 8 * i));
	return SP_OK;
}

sp_status sp_phantom_add_box(sp_structure *s, const sp_grid *ct, const double low_mm[3], const double high_mm[3],
                             sp_error *err)
{
	sp_status st = SP_OK;

	for (size_t k = 0; k < ct->n[2] && st == SP_OK; k++) {
		double z = ct->origin_mm[2] + ct->spacing_mm[2] * (double)k;
		const double corners[4][3] = {{low_mm[0], low_mm[1], z},
		                              {high_mm[0], low_mm[1], z},
		                              {high_mm[0], high_mm[1], z},
		                              {low_mm[0], high_mm[1], z}};

		if (z > low_mm[2] && z < high_mm[2])
			st = sp_structure_add_polygon(s, corners, 4, err);
	}
	return st;
}

sp_status sp_phantom_override(sp_structure *s, const char *material, double density_g_cm3, sp_error *err)
{
	char *name = sp_copy_text(material);

	if (!name)
		return sp_fail(err, SP_NO_MEMORY, "naming the material of %s: out of memory", s->name);
	free(s->material);
	s->material = name;
	s->density_g_cm3 = density_g_cm3;
	return SP_OK;
}

sp_status sp_phantom_prescribe(sp_case *c, double dose_gy, unsigned fractions, const char *target, const char *protocol,
                               sp_error *err)
{
	sp_prescription *p = &c->prescription;

	p->present = true;
	p->dose_gy = dose_gy;
	p->fractions = fractions;
	p->target = target ? sp_copy_text(target) : NULL;
	p->protocol = protocol ? sp_copy_text(protocol) : NULL;
	if ((target && !p->target) || (protocol && !p->protocol))
		return sp_fail(err, SP_NO_MEMORY, "making the prescription: out of memory");
	return SP_OK;
}

void sp_phantom_shift(sp_case *c, const double shift_mm[3])
{
	for (int a = 0; a < 3; a++)
		c->ct.origin_mm[a] += shift_mm[a];
	for (size_t i = 0; i < c->n_structures; i++) {
		sp_structure *s = &c->structures[i];
		uint64_t n = s->n_polygons ? s->offsets[s->n_polygons] : 0;

		for (uint64_t p = 0; p < 3 * n; p++)
			s->points_mm[p] += shift_mm[p % 3];
	}
}
