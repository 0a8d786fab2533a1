/* The published rules for a second course at the cord, checked on two doses. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "biology.h"
#include "dose_file.h"
#include "earlier_dose.h"
#include "evaluate.h"
#include "fractionation.h"
#include "mask.h"
#include "structure_names.h"

#define POINT_CC 0.03
#define FINE_MM 1.0
#define SAME 0.02 /* of EQD2: what half of a dose's last decimal is worth at 12 Gy in 2 fractions */

static const char source[] =
        "Sahgal A, et al. Int J Radiat Oncol Biol Phys 2012;82:107-116; HyTEC (Sahgal A, et al. 2021)";

/* Largest EQD2 of 0.03 cc: of the earlier course, of the new one, and of both, summed voxel by voxel. */
typedef struct {
	double earlier, now, total;
} points;

static sp_status no_memory(sp_error *err)
{
	return sp_fail(err, SP_NO_MEMORY, "out of memory checking the rules of re-irradiation");
}

/* map: doses in the new course's fractions. EQD2 itself must not be interpolated between voxels: it is bent upwards. */
static sp_status point_of(double *out, const sp_case *c, size_t structure, const sp_grid *grid, const float *map,
                          double fractions, sp_error *err)
{
	double outside_cc;
	sp_dvh dvh;
	sp_status st = sp_dvh_of_structures(&dvh, &outside_cc, c, &structure, 1, grid, map, err);

	if (st == SP_OK)
		*out = dvh.n ? sp_eqd2_gy(sp_dvh_dose_at_cc(&dvh, POINT_CC), fractions, SP_ALPHA_BETA_CORD) : 0.0;
	sp_dvh_finish(&dvh);
	return st;
}

/* The sum of both courses is bent upwards between voxels where the new dose is steep: both are interpolated to a fine
 * grid over the structure first, each for itself, and summed there. */
static sp_status total_of(double *out, const sp_case *c, size_t structure, const sp_grid *grid, const float *dose_gy,
                          const float *earlier_eqd2_gy, double fractions, sp_error *err)
{
	const sp_dose now = {.grid = *grid, .gy = (float *)(uintptr_t)dose_gy};
	const sp_dose was = {.grid = *grid, .gy = (float *)(uintptr_t)earlier_eqd2_gy};
	double low[3], high[3], step[3];
	sp_grid fine;
	float *total;
	sp_status st;

	*out = 0.0;
	if (!sp_structure_bounds(low, high, &c->structures[structure], &c->ct))
		return SP_OK;
	for (int a = 0; a < 3; a++) {
		step[a] = fmin(grid->spacing_mm[a], FINE_MM);
		low[a] = fmax(low[a] - step[a], sp_grid_low_edge_mm(grid, a));
		high[a] = fmin(high[a] + step[a], sp_grid_high_edge_mm(grid, a));
	}
	sp_grid_cover(&fine, low, high, step, grid);
	if (!(total = sp_alloc_array(sp_grid_voxels(&fine), sizeof *total)))
		return no_memory(err);
	for (size_t v = 0; v < sp_grid_voxels(&fine); v++) {
		double p[3], dose = 0.0, earlier = 0.0;

		sp_grid_centre(p, &fine, v);
		sp_dose_at(&dose, &now, p);
		sp_dose_at(&earlier, &was, p);
		/* as a dose in the new course's fractions; EQD2 with alpha/beta 2 is half of the BED */
		total[v] = (float)sp_dose_of_bed_gy(
		        2.0 * (sp_eqd2_gy(fmax(0.0, dose), fractions, SP_ALPHA_BETA_CORD) + earlier), fractions,
		        SP_ALPHA_BETA_CORD);
	}
	st = point_of(out, c, structure, &fine, total, fractions, err);
	free(total);
	return st;
}

static json_t *rule(int number, const char *text, double value, double limit, const char *unit, bool judged, bool met)
{
	return json_pack("{s:i, s:s, s:o, s:f, s:s, s:o}", "rule", number, "text", text, "value",
	                 judged ? json_real(value) : json_null(), "limit", limit, "unit", unit, "met",
	                 judged ? json_boolean(met) : json_null());
}

static json_t *rules_of(const points *p, const sp_earlier_options *o)
{
	double share = p->total > 0.0 ? p->now / p->total : 0.0;

	return json_pack("[o, o, o, o]",
	                 rule(1, "total of both courses at the hottest point, EQD2 (alpha/beta 2)", p->total,
	                      SP_TOTAL_EQD2_GY, "Gy", true, p->total <= SP_TOTAL_EQD2_GY + SAME),
	                 rule(2, "new course at its hottest point, EQD2 (alpha/beta 2)", p->now, SP_NEW_EQD2_GY, "Gy",
	                      true, p->now <= SP_NEW_EQD2_GY + SAME),
	                 rule(3, "new course's share of the total", 100.0 * share, 100.0 * SP_NEW_SHARE, "%", true,
	                      share <= SP_NEW_SHARE),
	                 rule(4, "months since the earlier course, at least", o->months, SP_LEAST_MONTHS, "months",
	                      !isnan(o->months), o->months >= SP_LEAST_MONTHS));
}

/* The sac where the case has it, for which the rules were made; else the PRV, else the cord. */
static sp_status choose_reference(size_t *out, const sp_case *c, sp_error *err)
{
	const sp_structure *other = sp_case_find_role(c, SP_ROLE_PRV);
	sp_structure_names *names = NULL;
	bool together;
	size_t found;
	sp_status st = sp_structure_names_read(&names, err);

	if (st != SP_OK)
		return st;
	if (sp_structure_names_match(&found, 1, &together, names, "ThecalSac", c) > 0 && !together) {
		*out = found;
	} else if (other || (other = sp_case_find_role(c, SP_ROLE_CORD))) {
		*out = (size_t)(other - c->structures);
	} else {
		st = sp_fail(err, SP_BAD_INPUT, "the case has no thecal sac, PRV or cord to judge an earlier dose on");
	}
	sp_structure_names_destroy(names);
	return st;
}

sp_status sp_reirradiation_report(json_t **out, const sp_earlier_dose *e, const sp_case *c, const sp_grid *grid,
                                  const float *dose_gy, double fractions, sp_error *err)
{
	size_t voxels = sp_grid_voxels(grid), reference = 0;
	float *before = sp_alloc_array(voxels, sizeof *before);
	json_t *rows = json_array(), *rules = NULL;
	points at_reference = {0};
	sp_status st = before && rows ? SP_OK : no_memory(err);

	*out = NULL;
	for (size_t v = 0; st == SP_OK && v < voxels; v++)
		before[v] = (float)sp_dose_of_bed_gy(2.0 * (double)e->eqd2_gy[v], fractions, SP_ALPHA_BETA_CORD);
	if (st == SP_OK)
		st = choose_reference(&reference, c, err);
	for (size_t i = 0; st == SP_OK && i < c->n_structures; i++) {
		sp_role role = c->structures[i].role;
		points p;

		if (i != reference && role != SP_ROLE_CORD && role != SP_ROLE_PRV)
			continue;
		if ((st = point_of(&p.earlier, c, i, grid, before, fractions, err)) != SP_OK ||
		    (st = point_of(&p.now, c, i, grid, dose_gy, fractions, err)) != SP_OK ||
		    (st = total_of(&p.total, c, i, grid, dose_gy, e->eqd2_gy, fractions, err)) != SP_OK)
			break;
		if (i == reference)
			at_reference = p;
		if (json_array_append_new(rows,
		                          json_pack("{s:s, s:f, s:f, s:f, s:f, s:f}", "structure",
		                                    c->structures[i].name, "earlier_eqd2_Gy", p.earlier, "new_eqd2_Gy",
		                                    p.now, "total_eqd2_Gy", p.total, "sum_of_largest_eqd2_Gy",
		                                    p.earlier + p.now, "total_bed2_Gy", 2.0 * p.total)) != 0)
			st = no_memory(err);
	}
	if (st == SP_OK && !(rules = rules_of(&at_reference, &e->options)))
		st = no_memory(err);
	if (st == SP_OK) {
		bool all = true, judged = !isnan(e->options.months);
		json_t *row;
		size_t i;

		json_array_foreach(rules, i, row) all = all && !json_is_false(json_object_get(row, "met"));
		*out = json_pack(
		        "{s:s, s:f, s:f, s:f, s:s, s:O, s:O, s:o, s:s, s:s}", "earlier", e->options.path,
		        "earlier_fractions", e->options.fractions, "recovery", e->options.recovery,
		        "total_eqd2_limit_Gy", e->options.total_eqd2_gy, "judged_on", c->structures[reference].name,
		        "structures", rows, "rules", rules, "all_rules_met",
		        !all     ? json_false()
		        : judged ? json_true()
		                 : json_null(),
		        "source", source, "warning",
		        "Largest doses are those of 0.03 cc; sums are voxel by voxel through the given transform, "
		        "whose errors are not in them. The rules count no recovery, and come from few patients.");
		if (!*out)
			st = no_memory(err);
	}
	free(before);
	json_decref(rows);
	json_decref(rules);
	return st;
}

void sp_reirradiation_print(const json_t *report)
{
	json_t *row;
	size_t i;

	printf("\nEarlier course %s: EQD2 (alpha/beta 2) of the hottest 0.03 cc, Gy\n",
	       json_string_value(json_object_get(report, "earlier")));
	printf("structure             earlier     new   total\n");
	json_array_foreach(json_object_get(report, "structures"), i, row)
	        printf("%-20.20s %8.2f %7.2f %7.2f\n", json_string_value(json_object_get(row, "structure")),
	               json_number_value(json_object_get(row, "earlier_eqd2_Gy")),
	               json_number_value(json_object_get(row, "new_eqd2_Gy")),
	               json_number_value(json_object_get(row, "total_eqd2_Gy")));
	printf("Rules for re-irradiation, judged on %s (%s)\n", json_string_value(json_object_get(report, "judged_on")),
	       json_string_value(json_object_get(report, "source")));
	json_array_foreach(json_object_get(report, "rules"), i, row)
	{
		const json_t *met = json_object_get(row, "met"), *value = json_object_get(row, "value");

		printf("  %-10s %d. %s: ",
		       json_is_true(met)    ? "met"
		       : json_is_false(met) ? "MISSED"
		                            : "not judged",
		       (int)json_integer_value(json_object_get(row, "rule")),
		       json_string_value(json_object_get(row, "text")));
		if (json_is_number(value))
			printf("%.1f of ", json_number_value(value));
		printf("%.0f %s\n", json_number_value(json_object_get(row, "limit")),
		       json_string_value(json_object_get(row, "unit")));
	}
	printf("%s\n", json_string_value(json_object_get(report, "warning")));
}
