/* One vertebra: its frame, how much tumour each part holds, what the rule makes of it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "mask.h"
#include "space.h"
#include "target_internal.h"

/* "T08:left-lamina" or "left-lamina"; the bits where the word speaks of this vertebra, else 0. */
static unsigned word_for(const sp_target_vertebra *v, const char *word)
{
	const char *colon = strchr(word, ':');

	if (!colon)
		return sp_parts_parse(word);
	if (strncmp(word, v->level, (size_t)(colon - word)) != 0 || v->level[colon - word] != '\0')
		return 0;
	return sp_parts_parse(colon + 1);
}

static unsigned words_for(const sp_target_vertebra *v, const char *const *words, size_t n)
{
	unsigned bits = 0;

	for (size_t i = 0; i < n; i++)
		bits |= word_for(v, words[i]);
	return bits;
}

sp_status sp_target_check_words(const sp_targets *t)
{
	for (size_t i = 0; i < t->o->n_include + t->o->n_exclude; i++) {
		const char *word = i < t->o->n_include ? t->o->include[i] : t->o->exclude[i - t->o->n_include];
		bool known = false;

		for (size_t k = 0; k < t->n_vertebrae; k++)
			known |= word_for(&t->vertebrae[k], word) != 0;
		if (!known)
			return sp_fail(t->err, SP_BAD_INPUT,
			               "'%s' names no part of a vertebra with tumour; expected [LEVEL:]PART with PART "
			               "a sector's "
			               "number 1 to 6, body, left-pedicle, left-transverse-process, left-lamina, "
			               "spinous-process, "
			               "right-...",
			               word);
	}
	return SP_OK;
}

/* Before an operation that took bone away, the rule asks about the bone as it was; the space of what is gone still
 * belongs to a part, so tumour counts wherever it lies near the vertebra. */
static void share_out(sp_target_vertebra *v, const sp_targets *t)
{
	double cc = sp_grid_voxel_volume_cc(&t->grid), p[3], q[3];

	for (size_t i = 0; i < sp_grid_voxels(&t->grid); i++) {
		double bone = v->bone_share[i], tumour = fmin(t->tumour[i], bone);
		sp_part part;

		if (!(bone > 0.0))
			continue;
		sp_grid_centre(p, &t->grid, i);
		part = sp_part_at(&v->frame, p);
		v->involvement.bone_cc[part] += bone * cc;
		v->involvement.tumour_cc[part] += tumour * cc;
		if (part != SP_PART_BODY)
			continue;
		sp_vertebra_coordinates(q, &v->frame, p);
		if (q[0] > 0.0)
			v->involvement.body_left_cc += tumour * cc;
	}
}

sp_status sp_target_decide_vertebra(sp_targets *t, sp_target_vertebra *v)
{
	size_t n = sp_grid_voxels(&t->grid);
	double tumour = 0.0, p[3];
	sp_status st;

	if (!(v->bone_share = sp_alloc_array(n, sizeof *v->bone_share)))
		return sp_fail(t->err, SP_NO_MEMORY, "out of memory for the sectors of %s", v->name);
	if ((st = sp_structure_fractions(v->bone_share, v->bone, &t->c->ct, &t->grid, t->err)) != SP_OK)
		return st;
	for (size_t i = 0; i < n; i++)
		tumour += fminf(t->tumour[i], v->bone_share[i]);
	if (!(tumour > 0.0) && t->o->n_vertebrae == 0)
		return SP_OK; /* a neighbour that the GTV only comes near */
	if ((st = sp_vertebra_frame_find(&v->frame, v->bone_share, t->canal_share, &t->grid, v->name, t->err)) != SP_OK)
		return st;
	share_out(v, t);
	sp_consensus_decide(&v->decision, &v->involvement);
	sp_consensus_override(&v->decision, words_for(v, t->o->include, t->o->n_include),
	                      words_for(v, t->o->exclude, t->o->n_exclude));
	for (size_t i = 0; i < n; i++)
		if (v->bone_share[i] > t->level[i]) {
			sp_grid_centre(p, &t->grid, i);
			if (v->decision.included >> sp_part_at(&v->frame, p) & 1u)
				t->level[i] = v->bone_share[i];
		}
	return SP_OK;
}

sp_status sp_target_measure_canal(sp_targets *t)
{
	double most = -1.0;
	const sp_target_vertebra *v;

	for (size_t i = 0; i < t->n_vertebrae; i++) {
		double sum = 0.0;

		for (int k = 0; k < SP_PART_COUNT; k++)
			sum += t->vertebrae[i].involvement.tumour_cc[k];
		if (sum > most) {
			most = sum;
			t->main_vertebra = i;
		}
	}
	v = &t->vertebrae[t->main_vertebra];
	return sp_epidural_measure(&t->epidural, t->gtv, t->n_gtv, t->sac, t->cord, v->bone, &v->frame, &t->c->ct,
	                           t->err);
}

/* True in the canal of the main vertebra, outside bone. */
static bool in_canal(const sp_targets *t, size_t voxel)
{
	const sp_target_vertebra *v = &t->vertebrae[t->main_vertebra];
	const sp_vertebra_frame *f = &v->frame;
	double middle = 0.5 * (f->front_mm + f->rear_mm), depth = 0.5 * (f->rear_mm - f->front_mm), p[3], q[3];

	if (v->bone_share[voxel] >= 0.5f)
		return false;
	sp_grid_centre(p, &t->grid, voxel);
	sp_vertebra_coordinates(q, f, p);
	return hypot(q[0] / f->half_width_mm, (q[1] - middle) / depth) < 1.0;
}

sp_status sp_target_extend_canal(sp_targets *t)
{
	const sp_grid *g = &t->grid;
	size_t plane = g->n[0] * g->n[1], reach = (size_t)floor(t->o->canal_extension_mm / g->spacing_mm[2]);
	float *grown = sp_alloc_array(sp_grid_voxels(g), sizeof *grown);

	if (!grown)
		return sp_fail(t->err, SP_NO_MEMORY, "out of memory extending the CTV along the canal");
	for (size_t v = 0; v < sp_grid_voxels(g); v++) {
		size_t k = v / plane;

		if (t->tumour[v] < 0.5f || !in_canal(t, v))
			continue;
		for (size_t d = 1; d <= reach; d++) {
			if (k >= d)
				grown[v - d * plane] = 1.0f;
			if (k + d < g->n[2])
				grown[v + d * plane] = 1.0f;
		}
	}
	for (size_t v = 0; v < sp_grid_voxels(g); v++)
		if (grown[v] > t->level[v] && in_canal(t, v))
			t->level[v] = grown[v];
	free(grown);
	return SP_OK;
}

sp_status sp_target_draw_sectors(sp_targets *t)
{
	static const uint32_t colours[] = {0, 0x4f8fd0, 0xd0a030, 0x50b070, 0xb060c0, 0x40b0b0, 0xd07040};
	size_t n = sp_grid_voxels(&t->grid);
	sp_status st = SP_OK;

	for (size_t k = 0; k < t->n_vertebrae; k++)
		for (int part = 0; part < SP_PART_COUNT && st == SP_OK; part++) {
			const sp_target_vertebra *v = &t->vertebrae[k];
			char name[300];
			sp_structure *s;
			double p[3];

			snprintf(name, sizeof name, "%.180s %d %s", v->level[0] ? v->level : v->name,
			         sp_part_sector((sp_part)part), sp_part_name((sp_part)part));
			for (size_t i = 0; i < n; i++) {
				t->scratch[i] = 0.5f;
				if (!(v->bone_share[i] > 0.0f))
					continue;
				sp_grid_centre(p, &t->grid, i);
				if ((int)sp_part_at(&v->frame, p) == part)
					t->scratch[i] = 0.5f - v->bone_share[i];
			}
			if ((st = sp_space_structure(&s, t->c, name, SP_ROLE_SECTOR,
			                             colours[sp_part_sector((sp_part)part)], t->err)) == SP_OK &&
			    (st = sp_space_outline(s, t->scratch, &t->grid, t->cuts, t->err)) == SP_OK &&
			    s->n_polygons == 0)
				sp_case_remove_structure(t->c, name);
		}
	return st;
}
