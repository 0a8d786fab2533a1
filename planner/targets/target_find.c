/* Which structures of the case the targets are made from. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "mask.h"
#include "structure_names.h"
#include "target_internal.h"
#include "vertebra_names.h"

static sp_status named(const sp_structure **out, const sp_targets *t, const char *name)
{
	if (!(*out = sp_case_find(t->c, name)))
		return sp_fail(t->err, SP_BAD_INPUT, "the case has no structure '%s'", name);
	if (sp_structure_is_empty(*out))
		return sp_fail(t->err, SP_BAD_INPUT, "structure '%s' is empty", name);
	return SP_OK;
}

static sp_status find_gtv(sp_targets *t)
{
	const sp_structure *preop = NULL, *one;
	sp_status st;

	if (!(t->gtv = sp_alloc_array(t->c->n_structures + 2, sizeof *t->gtv)))
		return sp_fail(t->err, SP_NO_MEMORY, "out of memory finding the GTV");
	if (t->o->preop_gtv && (st = named(&preop, t, t->o->preop_gtv)) != SP_OK)
		return st;
	if (t->o->gtv) {
		if ((st = named(&one, t, t->o->gtv)) != SP_OK)
			return st;
		t->gtv[t->n_gtv++] = one;
	} else {
		for (size_t i = 0; i < t->c->n_structures; i++)
			if (t->c->structures[i].role == SP_ROLE_GTV && &t->c->structures[i] != preop &&
			    !sp_structure_is_empty(&t->c->structures[i]))
				t->gtv[t->n_gtv++] = &t->c->structures[i];
	}
	t->n_now = t->n_gtv;
	if (preop)
		t->gtv[t->n_gtv++] = preop;
	if (t->n_gtv == 0)
		return sp_fail(t->err, SP_BAD_INPUT,
		               "the case has no GTV (a structure of role gtv); name it with --gtv");
	return SP_OK;
}

/* The first structure that goes by one of the names, which end with NULL. */
static const sp_structure *by_names(const sp_targets *t, const sp_structure_names *names, const char *const *wanted)
{
	for (; *wanted; wanted++) {
		bool together;
		size_t which[64], n = sp_structure_names_match(which, 64, &together, names, *wanted, t->c);

		for (size_t i = 0; i < n && i < 64; i++)
			if (!sp_structure_is_empty(&t->c->structures[which[i]]))
				return &t->c->structures[which[i]];
	}
	return NULL;
}

static sp_status find_canal(sp_targets *t)
{
	static const char *const canals[] = {"SpinalCanal", "ThecalSac", "role:cord", "CaudaEquina", NULL};
	static const char *const sacs[] = {"ThecalSac", "CaudaEquina", NULL}, *const cords[] = {"role:cord", NULL};
	sp_structure_names *names;
	sp_status st = sp_structure_names_read(&names, t->err);

	if (st != SP_OK)
		return st;
	t->sac = by_names(t, names, sacs);
	t->cord = by_names(t, names, cords);
	t->barrier = t->sac ? t->sac : t->cord;
	if (t->o->canal)
		st = named(&t->canal, t, t->o->canal);
	else if (!(t->canal = by_names(t, names, canals)))
		st = sp_fail(t->err, SP_BAD_INPUT,
		             "the case has no canal, sac, cord or cauda, round which the sectors lie; name one with "
		             "--canal");
	sp_structure_names_destroy(names);
	return st;
}

static sp_status add_vertebra(sp_targets *t, const sp_structure *s)
{
	sp_target_vertebra *v = &t->vertebrae[t->n_vertebrae++];

	v->bone = s;
	snprintf(v->name, sizeof v->name, "%s", s->name);
	if (!sp_vertebra_level(v->level, s->name))
		v->level[0] = '\0';
	return SP_OK;
}

static bool touches_gtv(const sp_targets *t, const sp_structure *s)
{
	double low[3], high[3], l[3], h[3];

	if (!sp_structure_bounds(low, high, s, &t->c->ct))
		return false;
	for (size_t i = 0; i < t->n_gtv; i++)
		if (sp_structure_bounds(l, h, t->gtv[i], &t->c->ct) && l[0] <= high[0] && h[0] >= low[0] &&
		    l[1] <= high[1] && h[1] >= low[1] && l[2] <= high[2] && h[2] >= low[2])
			return true;
	return false;
}

static sp_status find_vertebrae(sp_targets *t)
{
	const sp_structure *s;
	char level[4];
	sp_status st;

	if (!(t->vertebrae = sp_alloc_array(t->c->n_structures + t->o->n_vertebrae + 1, sizeof *t->vertebrae)))
		return sp_fail(t->err, SP_NO_MEMORY, "out of memory finding vertebrae");
	for (size_t i = 0; i < t->o->n_vertebrae; i++)
		if ((st = named(&s, t, t->o->vertebrae[i])) != SP_OK || (st = add_vertebra(t, s)) != SP_OK)
			return st;
	for (size_t i = 0; t->o->n_vertebrae == 0 && i < t->c->n_structures; i++) {
		s = &t->c->structures[i];
		if (s->role != SP_ROLE_SECTOR && sp_vertebra_level(level, s->name) && touches_gtv(t, s) &&
		    (st = add_vertebra(t, s)) != SP_OK)
			return st;
	}
	if (t->n_vertebrae == 0)
		return sp_fail(
		        t->err, SP_BAD_INPUT,
		        "no vertebra is drawn where the GTV lies (a structure called Vertebra_T08, vertebrae_L3, L3 or "
		        "the like); name it with --vertebra");
	if (t->o->preop_vertebra) {
		if ((st = named(&s, t, t->o->preop_vertebra)) != SP_OK)
			return st;
		if (t->n_vertebrae != 1)
			return sp_fail(t->err, SP_BAD_INPUT,
			               "the bone before the operation is given for one vertebra, but %zu hold tumour; "
			               "name the "
			               "one with --vertebra",
			               t->n_vertebrae);
		t->vertebrae[0].bone = s;
	}
	return SP_OK;
}

sp_status sp_target_find_structures(sp_targets *t)
{
	sp_status st;

	if ((st = find_gtv(t)) != SP_OK || (st = find_canal(t)) != SP_OK)
		return st;
	return find_vertebrae(t);
}
