/* The way from the tumour to its targets. One vertebra's sectors: target_vertebra.c; the record: target_record.c. */
#include "targets.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "margin_growth.h"
#include "mask.h"
#include "space.h"
#include "target_internal.h"

#define STEP_MM 0.5

static bool bounds_of(double low[3], double high[3], const sp_targets *t)
{
	bool any = false;

	for (size_t i = 0; i < t->n_gtv + t->n_vertebrae; i++) {
		const sp_structure *s = i < t->n_gtv ? t->gtv[i] : t->vertebrae[i - t->n_gtv].bone;
		double l[3], h[3];

		if (!sp_structure_bounds(l, h, s, &t->c->ct))
			continue;
		for (int a = 0; a < 3; a++) {
			low[a] = any ? fmin(low[a], l[a]) : l[a];
			high[a] = any ? fmax(high[a], h[a]) : h[a];
		}
		any = true;
	}
	return any;
}

static sp_status unite_all(float *out, sp_targets *t, const sp_structure *const *list, size_t n)
{
	sp_status st = SP_OK;

	for (size_t i = 0; i < n && st == SP_OK; i++)
		st = sp_space_unite(out, t->scratch, list[i], &t->c->ct, &t->grid, t->err);
	return st;
}

/* Tumour and the included bone, without what keeps the tumour out: sac (or cord), and hardware that is not involved. */
static sp_status join_ctv(sp_targets *t)
{
	const sp_case *c = t->c;
	size_t n = sp_grid_voxels(&t->grid);
	sp_status st = SP_OK;

	for (size_t v = 0; v < n; v++)
		t->level[v] = fmaxf(t->level[v], t->tumour[v]);
	if (t->o->postoperative) {
		if ((st = sp_target_extend_canal(t)) != SP_OK)
			return st;
		for (size_t i = 0; i < c->n_structures && st == SP_OK; i++) {
			if (c->structures[i].role != SP_ROLE_HARDWARE)
				continue;
			st = sp_structure_fractions(t->scratch, &c->structures[i], &c->ct, &t->grid, t->err);
			for (size_t v = 0; st == SP_OK && v < n; v++)
				if (t->tumour_now[v] < 0.5f)
					t->level[v] = fminf(t->level[v], 1.0f - t->scratch[v]);
		}
	}
	if (st == SP_OK && t->barrier) {
		st = sp_structure_fractions(t->scratch, t->barrier, &c->ct, &t->grid, t->err);
		for (size_t v = 0; st == SP_OK && v < n; v++)
			t->level[v] = fminf(t->level[v], 1.0f - t->scratch[v]);
	}
	for (size_t v = 0; st == SP_OK && v < n; v++) /* from a share to a level */
		t->level[v] = 0.5f - t->level[v];
	return st;
}

static sp_status make_ctv(sp_targets *t)
{
	sp_structure *s;
	sp_status st = join_ctv(t);

	if (st == SP_OK && (st = sp_space_structure(&s, t->c, "CTV", SP_ROLE_CTV, 0xf08020, t->err)) == SP_OK &&
	    (st = sp_space_outline(s, t->level, &t->grid, t->cuts, t->err)) == SP_OK && s->n_polygons == 0)
		st = sp_fail(t->err, SP_BAD_INPUT,
		             "the CTV is empty: every part is excluded and the tumour lies in the sac");
	if (st == SP_OK)
		st = sp_target_made(t->made, t->c, "CTV",
		                    t->o->postoperative ? "tumour then and now, and the parts included"
		                                        : "tumour and the parts included",
		                    t->err);
	return st;
}

static void finish(sp_targets *t)
{
	for (size_t i = 0; i < t->n_vertebrae; i++)
		free(t->vertebrae[i].bone_share);
	free(t->vertebrae);
	free(t->gtv);
	free(t->tumour);
	free(t->tumour_now);
	free(t->canal_share);
	free(t->level);
	free(t->scratch);
	json_decref(t->made);
}

static sp_status prepare(sp_targets *t)
{
	double low[3], high[3];
	size_t n;
	sp_status st = sp_target_find_structures(t);

	if (st != SP_OK)
		return st;
	if (!bounds_of(low, high, t))
		return sp_fail(t->err, SP_BAD_INPUT, "the GTV is empty");
	for (int a = 0; a < 3; a++) {
		low[a] -= 8.0;
		high[a] += 8.0;
	}
	sp_space_cover(&t->grid, &t->cuts, &t->c->ct, low, high, STEP_MM);
	n = sp_grid_voxels(&t->grid);
	t->tumour = sp_alloc_array(n, sizeof *t->tumour);
	t->tumour_now = sp_alloc_array(n, sizeof *t->tumour_now);
	t->canal_share = sp_alloc_array(n, sizeof *t->canal_share);
	t->level = sp_alloc_array(n, sizeof *t->level);
	t->scratch = sp_alloc_array(n, sizeof *t->scratch);
	t->made = json_array();
	if (!t->tumour || !t->tumour_now || !t->canal_share || !t->level || !t->scratch || !t->made)
		return sp_fail(t->err, SP_NO_MEMORY, "out of memory for targets on %zu voxels", n);
	if ((st = unite_all(t->tumour, t, t->gtv, t->n_gtv)) != SP_OK ||
	    (st = unite_all(t->tumour_now, t, t->gtv, t->n_now)) != SP_OK)
		return st;
	return unite_all(t->canal_share, t, &t->canal, 1);
}

/* Vertebrae that hold no tumour are left out, save those that the user names. */
static sp_status decide_all(sp_targets *t)
{
	sp_status st = SP_OK;
	size_t kept = 0;

	for (size_t i = 0; i < t->n_vertebrae && st == SP_OK; i++) {
		sp_target_vertebra *v = &t->vertebrae[i];

		st = sp_target_decide_vertebra(t, v);
		if (st == SP_OK && (v->decision.included || t->o->n_vertebrae)) {
			t->vertebrae[kept++] = *v;
		} else {
			free(v->bone_share);
			v->bone_share = NULL;
		}
	}
	if (st != SP_OK)
		return st;
	t->n_vertebrae = kept;
	if (kept == 0)
		return sp_fail(t->err, SP_BAD_INPUT,
		               "no vertebra of the case holds a part of the GTV; name it with --vertebra");
	return sp_target_check_words(t);
}

sp_status sp_targets_make(json_t **record, sp_case *c, const sp_target_options *o, sp_error *err)
{
	sp_targets t = {.c = c, .o = o, .err = err};
	sp_status st;

	*record = NULL;
	if ((st = prepare(&t)) != SP_OK || (st = decide_all(&t)) != SP_OK ||
	    (st = sp_target_measure_canal(&t)) != SP_OK)
		goto cleanup;
	/* from here on structures of the case move: nothing borrowed from it is used any more, but by name */
	if ((st = sp_target_record(record, &t)) != SP_OK || (st = make_ctv(&t)) != SP_OK ||
	    (o->draw_sectors && (st = sp_target_draw_sectors(&t)) != SP_OK))
		goto cleanup;
	if (o->ptv_margin_mm >= 0.0) {
		sp_case_remove_structure(c, "PTV");
		sp_case_remove_structure(c, "PTV_eval");
		free(c->prescription.target);
		c->prescription.target = NULL;
		st = sp_targets_complete(t.made, c, o->ptv_margin_mm, o->prv_margin_mm, true, err);
	}
	if (st == SP_OK)
		st = sp_target_keep_record(*record, &t);
cleanup:
	if (st != SP_OK) {
		json_decref(*record);
		*record = NULL;
	}
	finish(&t);
	return st;
}
