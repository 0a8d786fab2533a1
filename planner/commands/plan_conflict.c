/* Hard limits that a plan could not hold, and what a user does about it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "log.h"
#include "mask.h"
#include "plan_command.h"

/* A hard limit missed by more than this has not been held; less is rounding, or the noise of a last dose. */
#define HELD_SHARE 0.01
/* Of the target at the prescription. Below that no plan is of use, whatever its limits. */
#define USEFUL_PERCENT 50.0

static const char *text_of(const json_t *row, const char *key)
{
	const char *found = json_string_value(json_object_get(row, key));

	return found ? found : "";
}

static double number_of(const json_t *row, const char *key)
{
	return json_number_value(json_object_get(row, key));
}

/* Appends "NAME METRIC 18.2 (limit 17)". */
static void name_limit(char *out, size_t bytes, const json_t *row)
{
	size_t used = strlen(out);

	snprintf(out + used, bytes - used, "%s%s %s %.4g (limit %g)", used ? ", " : "", text_of(row, "structure"),
	         text_of(row, "metric"), number_of(row, "value"), number_of(row, "limit"));
}

void sp_plan_say_empty(const sp_case *c, const sp_protocol *p)
{
	double low[3], high[3];
	size_t *which = sp_alloc_array(c->n_structures, sizeof *which);

	for (size_t i = 0; p && which && i < p->n_limits; i++) {
		size_t n = sp_limit_match(which, c->n_structures, &p->limits[i], c);

		for (size_t k = 0; k < n && p->limits[i].hard; k++)
			if (!sp_structure_bounds(low, high, &c->structures[which[k]], &c->ct))
				sp_log_warning("%s is empty: its hard limit on %s can be neither held nor judged",
				               c->structures[which[k]].name, p->limits[i].metric);
	}
	free(which);
}

bool sp_plan_say_conflict(const json_t *evaluation, bool ended_early)
{
	const char *target = text_of(json_object_get(evaluation, "prescription"), "target");
	char missed[800] = "", binding[800] = "", unknown[800] = "";
	double covered = 100.0;
	const json_t *row;
	size_t i;

	json_array_foreach(json_object_get(evaluation, "limits"), i, row)
	{
		bool lower = strcmp(text_of(row, "sense"), "at least") == 0;
		double limit = number_of(row, "limit"), over = (number_of(row, "value") - limit) * (lower ? -1.0 : 1.0);

		if (!json_is_true(json_object_get(row, "hard")))
			continue;
		if (over > HELD_SHARE * limit)
			name_limit(missed, sizeof missed, row);
		else if (over > -0.02 * limit)
			name_limit(binding, sizeof binding, row);
	}
	json_array_foreach(json_object_get(evaluation, "not_judged"), i, row)
	{
		size_t used = strlen(unknown);

		if (json_is_true(json_object_get(row, "counts_as_missed")))
			snprintf(unknown + used, sizeof unknown - used, "%s%s %s (%s)", used ? ", " : "",
			         text_of(row, "structure"), text_of(row, "metric"), text_of(row, "reason"));
	}
	json_array_foreach(json_object_get(evaluation, "structures"), i,
	                   row) if (strcmp(text_of(row, "name"), target) == 0) covered =
	        number_of(json_object_get(row, "metrics"), "V100_pct");
	if (*missed)
		sp_log_warning("NOT a plan to use: hard limits are missed: %s. %s", missed,
		               ended_early ? "The search was ended before it could hold them."
		                           : "They cannot be held together in this case: loosen one of them, lower the "
		                             "dose, or cut the target back.");
	if (*unknown)
		sp_log_warning("NOT a plan to use: hard limits could not be judged: %s", unknown);
	if (covered < USEFUL_PERCENT)
		sp_log_warning("only %.0f %% of %s get the prescription%s%s", covered, target,
		               *binding ? "; at their limit are " : "", binding);
	return *missed || *unknown;
}
