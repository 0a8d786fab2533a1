/* Electron density, or density and material, of a whole CT, a few slices at a time so that nothing but the result is as
 * large as the CT. */
#include "matter_internal.h"

#include "alloc.h"
#include "mask.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLAB_SLICES = 8 };

/* A structure that has a say in what is where. */
typedef struct {
	const sp_structure *structure;
	double value;                 /* NAN: its voxels keep the CT's */
	uint8_t material;             /* of that value */
	bool outside;                 /* counts outside the body too (support, hardware) */
	double low_mm[3], high_mm[3]; /* its bounds */
} layer;

/* What is painted. */
typedef enum { ELECTRONS, DENSITY_AND_MATERIAL } quantity;

typedef struct {
	quantity what;
	float value[UINT16_MAX + 1];      /* by HU - INT16_MIN: electrons relative to water, or g/cm3 */
	uint8_t material[UINT16_MAX + 1]; /* only with DENSITY_AND_MATERIAL */
	uint8_t vacuum;                   /* material where nothing is */
	layer external;                   /* structure NULL: the whole CT is body */
	size_t n_layers;
	layer *layers; /* in the order in which they take effect */
} painting;

static sp_status unknown_material(const sp_matter *m, const sp_structure *s, sp_error *err)
{
	char names[1024] = "";

	for (size_t i = 0; i < m->n_named; i++) {
		size_t used = strlen(names);

		snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", m->materials[i].name);
	}
	return sp_fail(err, SP_BAD_INPUT, "/structures/%s: unknown material '%s', expected one of %s", s->name,
	               s->material, names);
}

/* Density and composition that a structure's override asks for. */
static sp_status find_override(layer *out, quantity what, const sp_matter *m, const sp_structure *s, sp_error *err)
{
	int found = s->material ? sp_matter_find(m, s->material) : -1;
	double density = s->density_g_cm3;

	out->value = NAN;
	if (s->material && found < 0)
		return unknown_material(m, s, err);
	if (!s->material && isnan(density))
		return SP_OK;
	if (isnan(density))
		density = sp_matter_density_g_cm3(m, found);
	if (!(density >= 0.0 && density <= SP_MATTER_MAX_DENSITY_G_CM3))
		return sp_fail(err, SP_BAD_INPUT, "/structures/%s: density override %g g/cm3, expected 0 to %g",
		               s->name, density, SP_MATTER_MAX_DENSITY_G_CM3);
	if (found < 0) /* a density alone is taken to be the tissue, or metal, of that density */
		found = sp_matter_hu_material(m, sp_matter_density_hu(m, density));
	out->value = what == ELECTRONS ? density * sp_matter_z_over_a(m, found) / m->water_electrons : density;
	out->material = (uint8_t)found;
	return SP_OK;
}

static bool stands_outside(const sp_structure *s)
{
	return s->role == SP_ROLE_SUPPORT || s->role == SP_ROLE_HARDWARE;
}

static sp_status make_layer(layer *out, quantity what, const sp_matter *m, const sp_case *c, const sp_structure *s,
                            sp_error *err)
{
	out->structure = s;
	out->outside = stands_outside(s);
	if (!sp_structure_bounds(out->low_mm, out->high_mm, s, &c->ct))
		for (int a = 0; a < 3; a++) { /* empty: touches no slab */
			out->low_mm[a] = INFINITY;
			out->high_mm[a] = -INFINITY;
		}
	return find_override(out, what, m, s, err);
}

/* First the body's own override, then other structures' in the order of the case, support and hardware last. */
static sp_status plan_painting(painting *p, const sp_matter *m, const sp_case *c, sp_error *err)
{
	const sp_structure *external = sp_case_find_role(c, SP_ROLE_EXTERNAL);
	sp_status st;

	for (int hu = INT16_MIN; hu <= INT16_MAX; hu++) {
		p->value[hu - INT16_MIN] = (float)(p->what == ELECTRONS ? sp_matter_hu_electron_density(m, (int16_t)hu)
		                                                        : sp_matter_hu_density(m, (int16_t)hu));
		p->material[hu - INT16_MIN] = (uint8_t)sp_matter_hu_material(m, (int16_t)hu);
	}
	p->external.value = NAN;
	if (external && (st = make_layer(&p->external, p->what, m, c, external, err)) != SP_OK)
		return st;
	if (!(p->layers = sp_alloc_array(c->n_structures, sizeof *p->layers)))
		return sp_fail(err, SP_NO_MEMORY, "no memory for %zu structures", c->n_structures);
	for (int last = 0; last <= 1; last++)
		for (size_t i = 0; i < c->n_structures; i++) {
			const sp_structure *s = c->structures + i;
			layer l;

			if (s == external || stands_outside(s) != last)
				continue;
			if ((st = make_layer(&l, p->what, m, c, s, err)) != SP_OK)
				return st;
			/* without an override only what stands outside the body matters, and only where there is a body
			 */
			if (!isnan(l.value) || (l.outside && external))
				p->layers[p->n_layers++] = l;
		}
	return SP_OK;
}

/* fraction of each voxel of the slab in the structure; false (and nothing written) where it does not reach. */
static sp_status fractions(float *out, bool *any, const layer *l, const sp_case *c, const sp_grid *slab, sp_error *err)
{
	*any = l->high_mm[2] > sp_grid_low_edge_mm(slab, 2) && l->low_mm[2] < sp_grid_high_edge_mm(slab, 2);
	return *any ? sp_structure_fractions(out, l->structure, &c->ct, slab, err) : SP_OK;
}

/* Mixes f of l's matter into a voxel. Its material becomes l's where that has half of the voxel or all of its matter.
 */
static void mix(float *value, uint8_t *material, const layer *l, float f)
{
	if (material && f > 0.0f && (f >= 0.5f || *value == 0.0f))
		*material = l->material;
	*value += f * ((float)l->value - *value);
}

/* The matter that the CT number tells. */
static void take_ct(float *value, uint8_t *material, const painting *p, int16_t hu)
{
	*value = p->value[hu - INT16_MIN];
	if (material)
		*material = p->material[hu - INT16_MIN];
}

static void take_nothing(float *value, uint8_t *material, const painting *p)
{
	*value = 0.0f;
	if (material)
		*material = p->vacuum;
}

/* value, material (or NULL): the slab's part of the result; body, part: a slab of floats each. */
static sp_status paint_slab(float *value, uint8_t *material, float *body, float *part, const painting *p,
                            const sp_case *c, const sp_grid *slab, const int16_t *hu, sp_error *err)
{
	size_t n = sp_grid_voxels(slab);
	bool any = false, own_body = !isnan(p->external.value);
	sp_status st;

	if (p->external.structure) {
		if ((st = fractions(body, &any, &p->external, c, slab, err)) != SP_OK)
			return st;
		if (!any)
			memset(body, 0, n * sizeof *body);
	}
	for (size_t v = 0; v < n; v++) {
		uint8_t *one = material ? material + v : NULL;

		/* a voxel on the skin: its CT number is the mean of both sides already, an override's value is not */
		if (!p->external.structure || (body[v] > 0.0f && !own_body))
			take_ct(value + v, one, p, hu[v]);
		else
			take_nothing(value + v, one, p);
		if (p->external.structure && own_body)
			mix(value + v, one, &p->external, body[v]);
	}
	for (size_t i = 0; i < p->n_layers; i++) {
		const layer *l = p->layers + i;

		if ((st = fractions(part, &any, l, c, slab, err)) != SP_OK)
			return st;
		for (size_t v = 0; any && v < n; v++) {
			uint8_t *one = material ? material + v : NULL;
			float f = part[v];

			if (p->external.structure && !l->outside)
				f = fminf(f, body[v]);
			if (!isnan(l->value))
				mix(value + v, one, l, f);
			else if (f > 0.0f && body[v] == 0.0f)
				take_ct(value + v, one, p, hu[v]);
		}
	}
	return SP_OK;
}

static sp_status paint(float *value_out, uint8_t *material_out, quantity what, const sp_matter *m, const sp_case *c,
                       sp_error *err)
{
	size_t plane = c->ct.n[0] * c->ct.n[1], slabs = (c->ct.n[2] + SLAB_SLICES - 1) / SLAB_SLICES;
	painting *p = calloc(1, sizeof *p);
	sp_status result = SP_OK;

	if (!p)
		return sp_fail(err, SP_NO_MEMORY, "no memory for HU tables");
	p->what = what;
	p->vacuum = (uint8_t)sp_matter_find(m, "air");
	if ((result = plan_painting(p, m, c, err)) != SP_OK)
		goto cleanup;
#pragma omp parallel for schedule(dynamic, 1)
	for (size_t s = 0; s < slabs; s++) {
		size_t first = s * SLAB_SLICES;
		sp_grid slab = c->ct;
		float *body, *part;
		sp_error *own = calloc(1, sizeof *own);
		sp_status st;

		slab.n[2] = c->ct.n[2] - first < SLAB_SLICES ? c->ct.n[2] - first : SLAB_SLICES;
		slab.origin_mm[2] += (double)first * slab.spacing_mm[2];
		body = sp_alloc_array(slab.n[2] * plane, sizeof *body);
		part = sp_alloc_array(slab.n[2] * plane, sizeof *part);
		if (!own || !body || !part)
			st = sp_fail(own, SP_NO_MEMORY, "no memory for the matter in %d CT slices", SLAB_SLICES);
		else
			st = paint_slab(value_out + first * plane, material_out ? material_out + first * plane : NULL,
			                body, part, p, c, &slab, c->hu + first * plane, own);
		if (st != SP_OK) {
#pragma omp critical
			result = sp_fail(err, st, "%s", own ? own->text : "no memory");
		}
		free(own);
		free(body);
		free(part);
	}
cleanup:
	free(p->layers);
	free(p);
	return result;
}

sp_status sp_matter_electron_density(float *red_out, const sp_matter *m, const sp_case *c, sp_error *err)
{
	return paint(red_out, NULL, ELECTRONS, m, c, err);
}

sp_status sp_matter_voxels(float *density_g_cm3_out, uint8_t *material_out, const sp_matter *m, const sp_case *c,
                           sp_error *err)
{
	if (m->n_materials > SP_MATTER_MAX_MATERIALS)
		return sp_fail(err, SP_BAD_INPUT,
		               "the HU calibration has %zu compositions, expected at most %zu for Monte Carlo",
		               m->n_materials - m->n_named, SP_MATTER_MAX_MATERIALS - m->n_named);
	return paint(density_g_cm3_out, material_out, DENSITY_AND_MATERIAL, m, c, err);
}
