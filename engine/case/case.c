/* Making, finding and freeing what a case holds. Files: case_read.c, case_write.c; rules: case_check.c. */
#include "case.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"

static const char *const role_names[SP_ROLE_COUNT] = {"external", "gtv",   "ctv",      "ptv",     "cord",
                                                      "prv",      "organ", "hardware", "support", "sector"};

const char *sp_role_name(sp_role role)
{
	return role < SP_ROLE_COUNT ? role_names[role] : "unknown";
}

sp_role sp_role_parse(const char *word)
{
	int role = 0;

	while (role < SP_ROLE_COUNT && strcmp(word, role_names[role]) != 0)
		role++;
	return (sp_role)role;
}

sp_status sp_case_create(sp_case **out, const sp_grid *ct, int16_t hu, sp_error *err)
{
	sp_case *c = NULL;
	size_t n = sp_grid_voxels(ct);

	*out = NULL;
	if (!(c = sp_alloc_array(1, sizeof *c)) || !(c->hu = sp_alloc_array(n, sizeof *c->hu))) {
		sp_case_destroy(c);
		return sp_fail(err, SP_NO_MEMORY, "out of memory for a CT of %zu x %zu x %zu voxels", ct->n[0],
		               ct->n[1], ct->n[2]);
	}
	c->ct = *ct;
	for (size_t i = 0; hu != 0 && i < n; i++)
		c->hu[i] = hu;
	memcpy(c->patient_position, "HFS", 4);
	*out = c;
	return SP_OK;
}

static void finish_structure(sp_structure *s)
{
	free(s->name);
	free(s->points_mm);
	free(s->offsets);
	free(s->mask.in);
	free(s->material);
}

void sp_case_destroy(sp_case *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_structures; i++)
		finish_structure(&c->structures[i]);
	for (size_t i = 0; i < c->n_beams; i++)
		free(c->beams[i].name);
	free(c->structures);
	free(c->beams);
	free(c->prescription.target);
	free(c->prescription.protocol);
	free(c->prescription.boost);
	free(c->targets);
	free(c->hu);
	free(c->path);
	free(c);
}

sp_status sp_case_add_structure(sp_structure **out, sp_case *c, const char *name, sp_role role, sp_error *err)
{
	sp_structure *grown = realloc(c->structures, (c->n_structures + 1) * sizeof *grown), *s;

	*out = NULL;
	if (!grown)
		return sp_fail(err, SP_NO_MEMORY, "out of memory for structure %s", name);
	c->structures = grown;
	s = &grown[c->n_structures];
	memset(s, 0, sizeof *s);
	s->role = role;
	s->density_g_cm3 = NAN;
	if (!(s->name = sp_copy_text(name)))
		return sp_fail(err, SP_NO_MEMORY, "out of memory for structure %s", name);
	c->n_structures++;
	*out = s;
	return SP_OK;
}

void sp_case_remove_structure(sp_case *c, const char *name)
{
	for (size_t i = 0; i < c->n_structures; i++)
		if (strcmp(c->structures[i].name, name) == 0) {
			finish_structure(&c->structures[i]);
			memmove(&c->structures[i], &c->structures[i + 1],
			        (--c->n_structures - i) * sizeof *c->structures);
			return;
		}
}

sp_status sp_structure_add_polygon(sp_structure *s, const double (*points_mm)[3], size_t n, sp_error *err)
{
	size_t before = s->n_polygons ? (size_t)s->offsets[s->n_polygons] : 0;
	double *points = realloc(s->points_mm, (before + n + 1) * 3 * sizeof *points);
	uint64_t *offsets;

	if (!points)
		return sp_fail(err, SP_NO_MEMORY, "out of memory for a polygon of %s", s->name);
	s->points_mm = points;
	offsets = realloc(s->offsets, (s->n_polygons + 2) * sizeof *offsets);
	if (!offsets)
		return sp_fail(err, SP_NO_MEMORY, "out of memory for a polygon of %s", s->name);
	s->offsets = offsets;
	memcpy(points + 3 * before, points_mm, n * sizeof *points_mm);
	offsets[s->n_polygons] = before;
	offsets[++s->n_polygons] = before + n;
	return SP_OK;
}

const sp_structure *sp_case_find(const sp_case *c, const char *name)
{
	for (size_t i = 0; i < c->n_structures; i++)
		if (strcmp(c->structures[i].name, name) == 0)
			return &c->structures[i];
	return NULL;
}

const sp_structure *sp_case_find_role(const sp_case *c, sp_role role)
{
	for (size_t i = 0; i < c->n_structures; i++)
		if (c->structures[i].role == role)
			return &c->structures[i];
	return NULL;
}

const sp_structure *sp_case_target(const sp_case *c)
{
	static const sp_role targets[] = {SP_ROLE_PTV, SP_ROLE_CTV, SP_ROLE_GTV};

	if (c->prescription.target)
		return sp_case_find(c, c->prescription.target);
	for (size_t i = 0; i < 3; i++) {
		const sp_structure *s = sp_case_find_role(c, targets[i]);

		if (s)
			return s;
	}
	return NULL;
}

const sp_structure *sp_case_boost(const sp_case *c)
{
	return c->prescription.boost ? sp_case_find(c, c->prescription.boost) : NULL;
}
