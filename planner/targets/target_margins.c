/* PRV, PTV and the PTV without the PRV, where a case lacks them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "margin_growth.h"
#include "mask.h"
#include "structure_names.h"
#include "target_internal.h"

static sp_status copy_name(char **out, const sp_structure *s, sp_error *err)
{
	*out = NULL;
	return !s || (*out = sp_copy_text(s->name)) ? SP_OK : sp_fail(err, SP_NO_MEMORY, "out of memory for margins");
}

static sp_status grow(json_t *made, sp_case *c, const sp_margin *m, const char *how, sp_error *err)
{
	double cc;
	sp_status st = sp_margin_grow(&cc, c, m, err);

	return st == SP_OK && made ? sp_target_made(made, c, m->name, how, err) : st;
}

static sp_status add_prv(json_t *made, sp_case *c, const char *cord, double margin_mm, sp_error *err)
{
	char name[256], how[300];

	if (margin_mm == (double)(int)margin_mm)
		snprintf(name, sizeof name, "%.180s_PRV%02d", cord, (int)margin_mm);
	else
		snprintf(name, sizeof name, "%.180s_PRV_%gmm", cord, margin_mm);
	snprintf(how, sizeof how, "%.180s + %g mm", cord, margin_mm);
	return grow(made, c, &(sp_margin){name, SP_ROLE_PRV, 0x80ff40, cord, margin_mm, NULL, 0.0}, how, err);
}

/* What no target may reach into: the PRV, else the sac or cauda below the cord, else the cord. */
static sp_status find_spared(char **out, const sp_case *c, sp_error *err)
{
	static const char *const wanted[] = {"role:prv", "ThecalSac", "CaudaEquina", "role:cord"};
	sp_structure_names *names;
	sp_status st = sp_structure_names_read(&names, err);
	const sp_structure *s = NULL;

	*out = NULL;
	if (st != SP_OK)
		return st;
	for (size_t i = 0; i < sizeof wanted / sizeof *wanted && !s; i++) {
		bool together;
		size_t which;

		if (sp_structure_names_match(&which, 1, &together, names, wanted[i], c) > 0 &&
		    !sp_structure_is_empty(&c->structures[which]))
			s = &c->structures[which];
	}
	sp_structure_names_destroy(names);
	return copy_name(out, s, err);
}

/* The share of the target in the spared structure that makes a cut worth a structure of its own. */
#define OVERLAP_SHARE 0.002

static sp_status cut_back(json_t *made, sp_case *c, const char *target, sp_error *err)
{
	char *spared, how[450], name[256];
	const sp_structure *s = sp_case_find(c, target);
	double before, after = 0.0;
	sp_status st = find_spared(&spared, c, err);

	if (st != SP_OK || !spared)
		return st;
	snprintf(name, sizeof name, "%.180s_eval", target);
	snprintf(how, sizeof how, "%.180s without %.180s", target, spared);
	if ((st = sp_structure_volume_cc(&before, s, &c->ct, err)) == SP_OK)
		st = sp_margin_grow(&after, c, &(sp_margin){name, SP_ROLE_PTV, 0xff40a0, target, 0.0, spared, 0.0},
		                    err);
	free(spared);
	if (st != SP_OK)
		return st;
	if (after > before * (1.0 - OVERLAP_SHARE)) {
		sp_case_remove_structure(c, name);
		return SP_OK;
	}
	free(c->prescription.target);
	if (!(c->prescription.target = sp_copy_text(name)))
		return sp_fail(err, SP_NO_MEMORY, "out of memory for the target's name");
	return made ? sp_target_made(made, c, name, how, err) : SP_OK;
}

sp_status sp_targets_complete(json_t *made, sp_case *c, double ptv_margin_mm, double prv_margin_mm, bool cut,
                              sp_error *err)
{
	const sp_structure *cord = sp_case_find_role(c, SP_ROLE_CORD);
	const sp_structure *source;
	char *name = NULL, *target = NULL, how[300];
	sp_status st = SP_OK;

	if (prv_margin_mm >= 0.0 && cord && !sp_structure_is_empty(cord) && !sp_case_find_role(c, SP_ROLE_PRV)) {
		if ((st = copy_name(&name, cord, err)) == SP_OK)
			st = add_prv(made, c, name, prv_margin_mm, err);
		free(name);
		name = NULL;
	}
	if (st != SP_OK)
		return st;
	if (!(source = sp_case_find_role(c, SP_ROLE_CTV)))
		source = sp_case_find_role(c, SP_ROLE_GTV);
	if (ptv_margin_mm >= 0.0 && !c->prescription.target && !sp_case_find_role(c, SP_ROLE_PTV) && source) {
		if ((st = copy_name(&name, source, err)) != SP_OK)
			return st;
		snprintf(how, sizeof how, "%.180s + %g mm", name, ptv_margin_mm);
		st = grow(made, c, &(sp_margin){"PTV", SP_ROLE_PTV, 0xff40a0, name, ptv_margin_mm, NULL, 0.0}, how,
		          err);
		free(name);
		if (st != SP_OK)
			return st;
		if (!(c->prescription.target = sp_copy_text("PTV")))
			return sp_fail(err, SP_NO_MEMORY, "out of memory for the target's name");
	}
	if (cut && sp_case_target(c)) {
		if ((st = copy_name(&target, sp_case_target(c), err)) == SP_OK)
			st = cut_back(made, c, target, err);
		free(target);
	}
	return st;
}
