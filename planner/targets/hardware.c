/* Metal and streaks on the CT's own voxels, as masks. Densities and materials are painted by engine/matter. */
#include "hardware.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "distance.h"
#include "log.h"
#include "mask.h"
#include "structure_names.h"
#include "vertebra_names.h"

typedef struct {
	sp_case *c;
	const sp_hardware_options *o;
	size_t n;
	float *share;   /* scratch */
	uint8_t *metal; /* of all hardware */
	json_t *record, *implants, *pieces, *streaks;
	sp_error *err;
} marking;

static sp_status out_of_memory(const marking *m)
{
	return sp_fail(m->err, SP_NO_MEMORY, "out of memory marking hardware");
}

static sp_status note(const marking *m, json_t *list, json_t *row)
{
	return row && json_array_append_new(list, row) == 0 ? SP_OK : out_of_memory(m);
}

static sp_status set_material(const marking *m, const sp_hardware_contour *k, bool implant)
{
	sp_structure *s = (sp_structure *)(uintptr_t)sp_case_find(m->c, k->structure);
	double cc;
	sp_status st;

	if (!s)
		return sp_fail(m->err, SP_BAD_INPUT, "the case has no structure '%s' to be made of %s", k->structure,
		               k->material);
	free(s->material);
	s->density_g_cm3 = NAN;
	if (!(s->material = sp_copy_text(k->material)))
		return out_of_memory(m);
	if (implant)
		s->role = SP_ROLE_HARDWARE;
	if ((st = sp_structure_volume_cc(&cc, s, &m->c->ct, m->err)) != SP_OK)
		return st;
	return note(m, m->implants,
	            json_pack("{s:s, s:s, s:s, s:f}", "structure", s->name, "material", s->material, "role",
	                      sp_role_name(s->role), "volume_cc", cc));
}

/* Marks in `out` the voxels of s that are inside by more than `least`. */
static sp_status mark(uint8_t *out, const marking *m, const sp_structure *s, float least)
{
	sp_status st = sp_structure_fractions(m->share, s, &m->c->ct, &m->c->ct, m->err);

	for (size_t v = 0; st == SP_OK && v < m->n; v++)
		out[v] |= m->share[v] > least;
	return st;
}

/* What lies in the body; everything where the case has no external. */
static sp_status mark_body(uint8_t *out, const marking *m)
{
	const sp_structure *body = sp_case_find_role(m->c, SP_ROLE_EXTERNAL);

	if (body)
		return mark(out, m, body, 0.5f);
	memset(out, 1, m->n);
	return SP_OK;
}

/* Lists the voxels with in == 1 that hang together with `first` (26 neighbours), in[] of which becomes `value`; where:
 * their middle. Returns how many they are. */
static size_t fill(uint8_t *in, uint8_t value, size_t *list, size_t first, const sp_grid *g, double where[3])
{
	size_t n = 1;
	double sum[3] = {0}, p[3];

	in[first] = value;
	list[0] = first;
	for (size_t i = 0; i < n; i++) {
		size_t v = list[i], at[3] = {v % g->n[0], v / g->n[0] % g->n[1], v / g->n[0] / g->n[1]};

		sp_grid_centre(p, g, v);
		for (int a = 0; a < 3; a++)
			sum[a] += p[a];
		for (size_t d = 0; d < 27; d++) {
			/* below 0 wraps round to beyond n */
			size_t x = at[0] + d % 3 - 1, y = at[1] + d / 3 % 3 - 1, z = at[2] + d / 9 - 1;

			if (x >= g->n[0] || y >= g->n[1] || z >= g->n[2] || in[sp_grid_index(g, x, y, z)] != 1)
				continue;
			list[n] = sp_grid_index(g, x, y, z);
			in[list[n++]] = value;
		}
	}
	for (int a = 0; a < 3; a++)
		where[a] = round(10.0 * sum[a] / (double)n) / 10.0;
	return n;
}

static sp_status add_mask(marking *m, const char *name, sp_role role, const char *material, uint32_t rgb,
                          const uint8_t *in)
{
	const uint8_t colour[3] = {(uint8_t)(rgb >> 16), (uint8_t)(rgb >> 8), (uint8_t)rgb};
	sp_structure *s;
	sp_status st;

	sp_case_remove_structure(m->c, name);
	if ((st = sp_case_add_structure(&s, m->c, name, role, m->err)) != SP_OK)
		return st;
	s->has_colour = true;
	memcpy(s->colour, colour, sizeof colour);
	if (!(s->material = sp_copy_text(material)))
		return out_of_memory(m);
	return sp_structure_set_mask(s, in, &m->c->ct, m->err);
}

/* Pieces of voxels at the threshold or above, inside the body and outside of hardware that is drawn. */
static sp_status find_metal(marking *m)
{
	double cc = sp_grid_voxel_volume_cc(&m->c->ct), where[3];
	uint8_t *in = sp_alloc_array(m->n, 1), *body = sp_alloc_array(m->n, 1);
	size_t *list = sp_alloc_array(m->n, sizeof *list), kept = 0;
	char name[64];
	sp_status st = in && body && list ? SP_OK : out_of_memory(m);

	if (st == SP_OK)
		st = mark_body(body, m);
	for (size_t v = 0; st == SP_OK && v < m->n; v++)
		in[v] = m->c->hu[v] >= m->o->threshold_hu && body[v] && !m->metal[v];
	for (size_t v = 0; st == SP_OK && v < m->n; v++) {
		size_t size;

		if (in[v] != 1)
			continue;
		size = fill(in, 2, list, v, &m->c->ct, where);
		if ((double)size * cc < m->o->least_cc) {
			for (size_t i = 0; i < size; i++)
				in[list[i]] = 0;
			continue;
		}
		kept++;
		st = note(m, m->pieces,
		          json_pack("{s:f, s:[f,f,f]}", "volume_cc", (double)size * cc, "middle_mm", where[0], where[1],
		                    where[2]));
	}
	for (size_t v = 0; st == SP_OK && v < m->n; v++)
		m->metal[v] |= in[v] != 0;
	snprintf(name, sizeof name, "Metal_%.50s", m->o->found_material);
	if (st == SP_OK && !kept)
		st = sp_fail(m->err, SP_BAD_INPUT,
		             "no metal found: no piece of %g cc or more has %g HU or above inside the body, outside of "
		             "hardware that is drawn",
		             m->o->least_cc, m->o->threshold_hu);
	if (st == SP_OK)
		st = add_mask(m, name, SP_ROLE_HARDWARE, m->o->found_material, 0xaaaabe, in);
	free(in);
	free(body);
	free(list);
	return st;
}

/* Structures whose gas is real. */
static sp_status mark_hollow(uint8_t *out, const marking *m)
{
	static const char *const hollow[] = {"Lungs",       "Lung_L",      "Lung_R", "Trachea",
	                                     "Bowel_Small", "Bowel_Large", "Stomach"};
	size_t *which = sp_alloc_array(m->c->n_structures, sizeof *which);
	size_t lungs = 0;
	sp_structure_names *names = NULL;
	sp_status st = which ? sp_structure_names_read(&names, m->err) : out_of_memory(m);

	for (size_t i = 0; st == SP_OK && i < sizeof hollow / sizeof *hollow; i++) {
		bool together;
		size_t n = sp_structure_names_match(which, m->c->n_structures, &together, names, hollow[i], m->c);

		lungs += i < 3 ? n : 0;
		if (!lungs && i == 2)
			sp_log_warning("the case has no lungs by name; lung near metal would be taken for an artefact");
		for (size_t k = 0; st == SP_OK && k < n; k++)
			st = mark(out, m, &m->c->structures[which[k]], 0.0f);
	}
	sp_structure_names_destroy(names);
	free(which);
	return st;
}

static sp_status mark_bone(uint8_t *out, const marking *m)
{
	char level[4];
	sp_status st = SP_OK;

	for (size_t i = 0; st == SP_OK && i < m->c->n_structures; i++)
		if (sp_vertebra_level(level, m->c->structures[i].name) && m->c->structures[i].role != SP_ROLE_SECTOR)
			st = mark(out, m, &m->c->structures[i], 0.5f);
	return st;
}

/* Distance to metal within each slice: a scanner smears it along its own plane. */
static sp_status slice_distance(float *out, const marking *m)
{
	const sp_grid *g = &m->c->ct;
	const size_t plane = g->n[0] * g->n[1];
	sp_status st = SP_OK;

	for (size_t v = 0; v < m->n; v++)
		m->share[v] = m->metal[v];
	for (size_t k = 0; st == SP_OK && k < g->n[2]; k++) {
		const sp_grid slice = {.n = {g->n[0], g->n[1], 1},
		                       .spacing_mm = {g->spacing_mm[0], g->spacing_mm[1], g->spacing_mm[2]},
		                       .origin_mm = {g->origin_mm[0], g->origin_mm[1], 0.0}};

		if (memchr(m->metal + k * plane, 1, plane))
			st = sp_distance_to(out + k * plane, m->share + k * plane, &slice, m->err);
		else
			for (size_t v = 0; v < plane; v++)
				out[k * plane + v] = INFINITY;
	}
	return st;
}

static sp_status add_streaks(marking *m, const char *name, const char *material, const uint8_t *kind, uint8_t which,
                             uint8_t *in)
{
	size_t n = 0;
	double cc = sp_grid_voxel_volume_cc(&m->c->ct);
	sp_status st;

	for (size_t v = 0; v < m->n; v++)
		n += in[v] = kind[v] == which;
	if (!n)
		return SP_OK;
	st = add_mask(m, name, SP_ROLE_ORGAN, material, which == 1 ? 0x8c6e46 : 0xe0d8b0, in);
	return st != SP_OK ? st
	                   : note(m, m->streaks,
	                          json_pack("{s:s, s:s, s:f}", "structure", name, "material", material, "volume_cc",
	                                    (double)n * cc));
}

/* What cannot be tissue near metal: too dark or too bright. */
static sp_status find_streaks(marking *m)
{
	uint8_t *kind = sp_alloc_array(m->n, 1), *body = sp_alloc_array(m->n, 1), *hollow = sp_alloc_array(m->n, 1),
	        *bone = sp_alloc_array(m->n, 1);
	float *distance = sp_alloc_array(m->n, sizeof *distance);
	sp_status st = kind && body && hollow && bone && distance ? SP_OK : out_of_memory(m);

	if (st == SP_OK && (st = mark_body(body, m)) == SP_OK && (st = mark_hollow(hollow, m)) == SP_OK &&
	    (st = mark_bone(bone, m)) == SP_OK)
		st = slice_distance(distance, m);
	for (size_t v = 0; st == SP_OK && v < m->n; v++) {
		const double *hu = bone[v] ? m->o->bone_hu : m->o->tissue_hu;

		if (body[v] && !hollow[v] && !m->metal[v] && distance[v] <= m->o->streak_mm &&
		    (m->c->hu[v] < hu[0] || m->c->hu[v] > hu[1]))
			kind[v] = bone[v] ? 2 : 1;
	}
	if (st == SP_OK)
		st = add_streaks(m, "Streaks_tissue", SP_STREAK_TISSUE, kind, 1, body);
	if (st == SP_OK)
		st = add_streaks(m, "Streaks_bone", SP_STREAK_BONE, kind, 2, body);
	free(kind);
	free(body);
	free(hollow);
	free(bone);
	free(distance);
	return st;
}

sp_status sp_hardware_mark(json_t **out, sp_case *c, const sp_hardware_options *o, sp_error *err)
{
	marking m = {.c = c, .o = o, .n = sp_grid_voxels(&c->ct), .err = err};
	sp_status st = SP_OK;

	m.share = sp_alloc_array(m.n, sizeof *m.share);
	m.metal = sp_alloc_array(m.n, 1);
	m.record = json_pack("{s:[], s:[], s:[]}", "structures", "pieces", "streaks");
	m.implants = json_object_get(m.record, "structures");
	m.pieces = json_object_get(m.record, "pieces");
	m.streaks = json_object_get(m.record, "streaks");
	if (!m.share || !m.metal || !m.record)
		st = out_of_memory(&m);
	for (size_t i = 0; st == SP_OK && i < o->n_implants; i++)
		st = set_material(&m, &o->implants[i], true);
	for (size_t i = 0; st == SP_OK && i < o->n_tissues; i++)
		st = set_material(&m, &o->tissues[i], false);
	for (size_t i = 0; st == SP_OK && i < c->n_structures; i++)
		if (c->structures[i].role == SP_ROLE_HARDWARE)
			st = mark(m.metal, &m, &c->structures[i], 0.25f);
	if (st == SP_OK && o->found_material)
		st = find_metal(&m);
	if (st == SP_OK && o->streak_mm > 0.0)
		st = find_streaks(&m);
	free(m.share);
	free(m.metal);
	if (st != SP_OK) {
		json_decref(m.record);
		m.record = NULL;
	}
	*out = m.record;
	return st;
}
