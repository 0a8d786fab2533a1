/* What `spineplan plan` is to give dose to: roles by names, margins that the case lacks, a boost. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "case_setup.h"
#include "log.h"
#include "plan_command.h"
#include "structure_names.h"
#include "targets.h"

#define OWN_MARGIN_MM 2.0 /* docs/targets.md */

/* Names that say what a structure is, where the case does not. */
static const sp_role named_roles[] = {SP_ROLE_EXTERNAL, SP_ROLE_GTV,  SP_ROLE_CTV,
                                      SP_ROLE_PTV,      SP_ROLE_CORD, SP_ROLE_PRV};

sp_status sp_plan_take_roles(sp_case *c, sp_error *err)
{
	sp_structure_names *names;
	sp_status st = sp_structure_names_read(&names, err);

	for (size_t i = 0; st == SP_OK && i < sizeof named_roles / sizeof *named_roles; i++) {
		char word[32];
		size_t which[16], n;
		bool together;

		if (sp_case_find_role(c, named_roles[i]))
			continue;
		snprintf(word, sizeof word, "role:%s", sp_role_name(named_roles[i]));
		n = sp_structure_names_match(which, 16, &together, names, word, c);
		for (size_t k = 0; k < n && k < 16; k++) {
			c->structures[which[k]].role = named_roles[i];
			sp_log_info("%s is the %s by its name", c->structures[which[k]].name, word + 5);
		}
	}
	sp_structure_names_destroy(names);
	return st;
}

static void say_boost(const sp_case *c)
{
	sp_log_info("boost: %s gets %g Gy at the same time", c->prescription.boost, c->prescription.boost_gy);
}

sp_status sp_plan_set_boost(sp_case *c, const sp_plan_arguments *a, const sp_protocol *p, double dose_gy, sp_error *err)
{
	const char *colon = a->boost ? strrchr(a->boost, ':') : NULL;
	const sp_structure *s = NULL;
	char *name, *end = NULL;
	double boost_gy;
	sp_status st = SP_OK;

	if (!a->boost) {
		/* a protocol of the command line comes before what the case asks for, which belongs to another */
		if ((a->protocol || !c->prescription.boost) && (st = sp_protocol_take_boost(c, p, err)) != SP_OK)
			return st;
		if ((st = sp_setup_check_boost(c, dose_gy, err)) == SP_OK && c->prescription.boost)
			say_boost(c);
		return st;
	}
	if (strcmp(a->boost, "none") == 0) {
		free(c->prescription.boost);
		c->prescription.boost = NULL;
		c->prescription.boost_gy = 0.0;
		return SP_OK;
	}
	boost_gy = colon ? strtod(colon + 1, &end) : 0.0;
	if (!colon || colon == a->boost || end == colon + 1 || *end || !(boost_gy < 1000.0))
		return sp_fail(err, SP_BAD_INPUT, "--boost is '%s', expected a structure and its dose, as GTV:27",
		               a->boost);
	if (!(name = sp_copy_text(a->boost)))
		return sp_fail(err, SP_NO_MEMORY, "out of memory for a boost");
	name[colon - a->boost] = '\0';
	if (!(s = sp_case_find(c, name)) && sp_role_parse(name) != SP_ROLE_COUNT)
		s = sp_case_find_role(c, sp_role_parse(name));
	if (!s)
		st = sp_fail(err, SP_BAD_INPUT, "--boost: the case has no structure '%.100s', nor one of that role",
		             name);
	free(name);
	if (st != SP_OK)
		return st;
	if (!(name = sp_copy_text(s->name)))
		return sp_fail(err, SP_NO_MEMORY, "out of memory for a boost");
	free(c->prescription.boost);
	c->prescription.boost = name;
	c->prescription.boost_gy = boost_gy;
	if ((st = sp_setup_check_boost(c, dose_gy, err)) != SP_OK)
		return st;
	say_boost(c);
	return SP_OK;
}

sp_status sp_plan_complete_targets(sp_case *c, const sp_protocol *p, double dose_gy, sp_error *err)
{
	bool cut = false;
	json_t *made, *one;
	sp_status st;
	size_t i;

	for (i = 0; p && i < p->n_limits; i++)
		cut |= p->limits[i].hard && strcmp(p->limits[i].structure, "role:prv") == 0 &&
		       p->limits[i].value < dose_gy;
	if (!cut || c->prescription.target || sp_case_find_role(c, SP_ROLE_PTV) || !sp_case_target(c))
		return SP_OK;
	if (!(made = json_array()))
		return sp_fail(err, SP_NO_MEMORY, "out of memory making targets");
	st = sp_targets_complete(made, c, OWN_MARGIN_MM, OWN_MARGIN_MM, true, err);
	json_array_foreach(made, i, one) sp_log_info(
	        "made %s (%.2f cc): %s", json_string_value(json_object_get(one, "name")),
	        json_number_value(json_object_get(one, "volume_cc")), json_string_value(json_object_get(one, "how")));
	json_decref(made);
	return st;
}
