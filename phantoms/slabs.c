/* Layers of any materials along +z from the surface z = 0, the axis at x = y = 0, and nothing round them: the geometry
 * of depth-dose benchmarks. CT numbers cannot say "titanium" or "water of exactly 1 g/cm3", so each layer and each box
 * is a structure that covers its place exactly, cuts out what later boxes take, and overrides material and density.
 * slab_options.c reads the layers from text. */
#include "phantoms_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "alloc.h"
#include "matter.h"

/* Metals are implants, the rest is tissue: cortical bone ends below 2, aluminium begins at 2.7 g/cm3. */
#define HARDWARE_FROM_G_CM3 2.3

/* A part with its place (layers too) and matter. */
typedef struct {
	const sp_phantom_part *part;
	double low[3], high[3];
	const char *material; /* engine/matter's */
	double density_g_cm3, hu;
} placed;

typedef struct {
	size_t n;
	placed parts[SP_PHANTOM_MAX_PARTS];
	double low[3], high[3], voxel[3];
} slab_plan;

static sp_status place_matter(placed *p, size_t number, const sp_matter *matter, sp_error *err)
{
	int m = sp_matter_find(matter, p->part->material);

	if (m < 0)
		return sp_fail(err, SP_BAD_INPUT,
		               "part %zu is of unknown material '%s', expected for example water, lung, "
		               "bone, titanium or another of the %zu names in the table of materials",
		               number, p->part->material, sp_matter_count(matter));
	p->material = sp_matter_name(matter, m);
	p->density_g_cm3 = p->part->density_g_cm3 > 0.0 ? p->part->density_g_cm3 : sp_matter_density_g_cm3(matter, m);
	p->hu = fmin(sp_matter_hu(matter, m), 3071.0);
	return SP_OK;
}

static sp_status place_layers(slab_plan *plan, const sp_phantom_options *o, sp_error *err)
{
	sp_status st;

	for (size_t i = 0; i < o->n_parts; i++) {
		placed *p = &plan->parts[plan->n];

		if (o->parts[i].is_box)
			continue;
		*p = (placed){.part = &o->parts[i],
		              .low = {plan->low[0], plan->low[1], plan->high[2]},
		              .high = {plan->high[0], plan->high[1], plan->high[2] + o->parts[i].thickness_mm}};
		plan->high[2] = p->high[2];
		if ((st = sp_phantom_whole_voxels(p->high[2], plan->voxel[2], 2, "the end of a layer", err)) != SP_OK)
			return st;
		plan->n++;
	}
	return plan->n ? SP_OK
	               : sp_fail(err, SP_BAD_INPUT, "slabs need at least one --layer, for example --layer water:300");
}

static sp_status place_boxes(slab_plan *plan, const sp_phantom_options *o, sp_error *err)
{
	sp_status st;

	for (size_t i = 0; i < o->n_parts; i++) {
		const sp_phantom_part *box = &o->parts[i];
		placed *p = &plan->parts[plan->n];

		if (!box->is_box)
			continue;
		*p = (placed){.part = box};
		for (int a = 0; a < 3; a++) {
			p->low[a] = box->low_mm[a];
			p->high[a] = box->high_mm[a];
			if (p->low[a] < plan->low[a] - 1e-6 || p->high[a] > plan->high[a] + 1e-6)
				return sp_fail(
				        err, SP_BAD_INPUT,
				        "the box of %s reaches from %g to %g mm along %c, but the slabs from %g to %g",
				        box->material, p->low[a], p->high[a], "xyz"[a], plan -> low[a],
				        plan -> high[a]);
			/* a voxel that two overrides share would have neither density exactly */
			for (int face = 0; face < 2; face++) {
				double at = (face ? p->high[a] : p->low[a]) - plan->low[a];

				if ((st = sp_phantom_whole_voxels(at, plan->voxel[a], a, "a box's face from the edge",
				                                  err)) != SP_OK)
					return st;
			}
		}
		plan->n++;
	}
	return SP_OK;
}

/* The part that owns a point: the last box over it, else its layer. */
static size_t owner(const slab_plan *plan, double x, double y, double z)
{
	for (size_t i = plan->n; i-- > 0;) {
		const placed *p = &plan->parts[i];

		if (x > p->low[0] && x < p->high[0] && y > p->low[1] && y < p->high[1] && z > p->low[2] &&
		    z < p->high[2])
			return i;
	}
	return 0;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The faces of all parts across axis, sorted, each once. */
static size_t faces(double *out, const slab_plan *plan, int axis)
{
	size_t n = 0, kept = 1;

	for (size_t i = 0; i < plan->n; i++) {
		out[n++] = plan->parts[i].low[axis];
		out[n++] = plan->parts[i].high[axis];
	}
	qsort(out, n, sizeof *out, ascending);
	for (size_t i = 1; i < n; i++)
		if (out[i] - out[kept - 1] > 1e-6)
			out[kept++] = out[i];
	return kept;
}

/* Gives hu to the voxels of slice k within a rectangle. */
static void fill_rectangle(float *hu_out, const sp_grid *ct, size_t k, const double low[2], const double high[2],
                           double hu)
{
	for (size_t j = 0; j < ct->n[1]; j++)
		for (size_t i = 0; i < ct->n[0]; i++) {
			double x = ct->origin_mm[0] + ct->spacing_mm[0] * (double)i;
			double y = ct->origin_mm[1] + ct->spacing_mm[1] * (double)j;

			if (x > low[0] && x < high[0] && y > low[1] && y < high[1])
				hu_out[sp_grid_index(ct, i, j, k)] = (float)hu;
		}
}

/* Cuts slice k into rectangles of one owner each and gives them to the owners' structures (which follow the external
 * in the case, in the order of the parts). */
static sp_status cut_slice(sp_case *c, float *hu, const slab_plan *plan, size_t k, sp_error *err)
{
	double x[2 * SP_PHANTOM_MAX_PARTS], y[2 * SP_PHANTOM_MAX_PARTS];
	double z = c->ct.origin_mm[2] + c->ct.spacing_mm[2] * (double)k;
	size_t nx = faces(x, plan, 0), ny = faces(y, plan, 1);
	sp_status st;

	for (size_t j = 0; j + 1 < ny; j++)
		for (size_t i = 0, run; i + 1 < nx; i = run) {
			double mid_y = 0.5 * (y[j] + y[j + 1]);
			size_t own = owner(plan, 0.5 * (x[i] + x[i + 1]), mid_y, z);

			for (run = i + 1; run + 1 < nx; run++)
				if (owner(plan, 0.5 * (x[run] + x[run + 1]), mid_y, z) != own)
					break;
			const double low[3] = {x[i], y[j], z - 0.1 * c->ct.spacing_mm[2]};
			const double high[3] = {x[run], y[j + 1], z + 0.1 * c->ct.spacing_mm[2]};

			if ((st = sp_phantom_add_box(&c->structures[own + 1], &c->ct, low, high, err)) != SP_OK)
				return st;
			fill_rectangle(hu, &c->ct, k, low, high, plan->parts[own].hu);
		}
	return SP_OK;
}

static sp_status add_structures(sp_case *c, const slab_plan *plan, sp_error *err)
{
	static const uint32_t colours[] = {0x4080ff, 0xf0c040, 0x60c060, 0xd070d0, 0xe08040, 0x40c0c0};
	sp_structure *s;
	sp_status st;

	if ((st = sp_phantom_structure(&s, c, "External", SP_ROLE_EXTERNAL, 0xb0b0b0, err)) != SP_OK ||
	    (st = sp_phantom_add_box(s, &c->ct, plan->low, plan->high, err)) != SP_OK)
		return st;
	for (size_t i = 0; i < plan->n; i++) {
		const placed *p = &plan->parts[i];
		sp_role role = p->density_g_cm3 >= HARDWARE_FROM_G_CM3 ? SP_ROLE_HARDWARE : SP_ROLE_ORGAN;
		char name[96];

		snprintf(name, sizeof name, "%s%zu_%s", p->part->is_box ? "Box" : "Layer", i + 1, p->material);
		if ((st = sp_phantom_structure(&s, c, name, role, colours[i % (sizeof colours / sizeof *colours)],
		                               err)) != SP_OK ||
		    (st = sp_phantom_override(s, p->material, p->density_g_cm3, err)) != SP_OK)
			return st;
	}
	return SP_OK;
}

static sp_status make_plan(slab_plan *plan, const sp_phantom_options *o, const sp_matter *matter, sp_error *err)
{
	double size[2] = {300.0, 300.0};
	sp_status st;

	*plan = (slab_plan){.voxel = {5.0, 5.0, 2.0}};
	for (int a = 0; a < 3; a++) {
		if (o->given & SP_PHANTOM_VOXEL)
			plan->voxel[a] = o->voxel_mm[a];
		if (a == 2)
			break;
		if (o->given & SP_PHANTOM_SIZE)
			size[a] = o->size_mm[a];
		if ((st = sp_phantom_whole_voxels(size[a], plan->voxel[a], a, "the size", err)) != SP_OK)
			return st;
		plan->low[a] = -0.5 * size[a];
		plan->high[a] = 0.5 * size[a];
	}
	if ((st = place_layers(plan, o, err)) != SP_OK || (st = place_boxes(plan, o, err)) != SP_OK)
		return st;
	for (size_t i = 0; i < plan->n; i++)
		if ((st = place_matter(&plan->parts[i], i + 1, matter, err)) != SP_OK)
			return st;
	return SP_OK;
}

sp_status sp_phantom_slabs(sp_case **out, const sp_phantom_options *o, sp_error *err)
{
	sp_matter *matter = NULL;
	sp_case *c = NULL;
	float *hu = NULL;
	slab_plan plan;
	sp_status st;

	if ((st = sp_matter_create(&matter, NULL, err)) != SP_OK || (st = make_plan(&plan, o, matter, err)) != SP_OK ||
	    (st = sp_phantom_create(&c, plan.low, plan.high, plan.voxel, err)) != SP_OK ||
	    (st = add_structures(c, &plan, err)) != SP_OK)
		goto cleanup;
	if (!(hu = sp_alloc_array(sp_grid_voxels(&c->ct), sizeof *hu))) {
		st = sp_fail(err, SP_NO_MEMORY, "slabs of %zu voxels: out of memory", sp_grid_voxels(&c->ct));
		goto cleanup;
	}
	for (size_t k = 0; k < c->ct.n[2]; k++)
		if ((st = cut_slice(c, hu, &plan, k, err)) != SP_OK)
			goto cleanup;
	if ((st = sp_phantom_digitise(c, hu, o, 0.0, err)) != SP_OK)
		goto cleanup;
	*out = c;
	c = NULL;
cleanup:
	free(hu);
	sp_case_destroy(c);
	sp_matter_destroy(matter);
	return st;
}
