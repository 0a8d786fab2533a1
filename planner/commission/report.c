#include "report.h"

#include <math.h>
#include <stdio.h>

static const char *const states[] = {"fitted", "held: not determined", "at the end of its range", "held: not measured"};

static const char *state_of(const sp_fit_result *r)
{
	return r->state == SP_FIT_HELD && r->error == 0.0 ? "held: as asked" : states[r->state];
}

static bool shown(const sp_commission *c, int i)
{
	return i < SP_FIT_FIRST_OF_LEAVES || c->machine->mlc;
}

static void print_parameters(const sp_commission *c)
{
	printf("%-34s %12s %12s %12s\n", "parameter", "start", "value", "error");
	for (int i = 0; i < SP_FIT_PARAMETERS; i++) {
		const sp_fit_result *r = c->parameters + i;

		if (!shown(c, i))
			continue;
		printf("%-34s %12.5g %12.5g ", sp_fit_parameters[i].name, r->start, r->value);
		if (r->state == SP_FIT_FOUND)
			printf("%12.2g\n", r->error);
		else if (r->error > 0.0 && isfinite(r->error))
			printf("%12s %s (would be known to %.2g)\n", "", state_of(r), r->error);
		else
			printf("%12s %s\n", "", state_of(r));
	}
	printf("%-34s %12.5g %12.5g ", "fluence_per_mu_cm2", c->output_start, c->output);
	if (c->output_measured)
		printf("%12.2g\n", c->output_error);
	else
		printf("%12s of the file's reference dose\n", "");
}

static void print_passed(const sp_scan_result *r)
{
	printf("  %5.1f %% %6.2f %%", r->n_judged ? 100.0 * (double)r->n_passed / (double)r->n_judged : 100.0,
	       100.0 * r->worst);
}

static void add(sp_scan_result *sum, const sp_scan_result *r)
{
	sum->n_judged += r->n_judged;
	sum->n_passed += r->n_passed;
	sum->worst = fmax(sum->worst, r->worst);
}

void sp_scans_print(const sp_measured *measured, const sp_scan_result *before, const sp_scan_result *after)
{
	sp_scan_result all[2] = {{0}, {0}};

	printf("%-44s %6s  %18s%s\n", "scan", "points", after ? "before" : "passes, worst",
	       after ? "             after" : "");
	for (size_t k = 0; k < measured->n; k++) {
		char text[96];

		sp_measured_describe(text, sizeof text, measured->scans + k);
		printf("%-44s %6zu", text, before[k].n_judged);
		print_passed(before + k);
		add(all, before + k);
		if (after) {
			print_passed(after + k);
			add(all + 1, after + k);
		}
		printf("\n");
	}
	printf("%-44s %6zu", "all", all[0].n_judged);
	print_passed(all);
	if (after)
		print_passed(all + 1);
	printf("\npasses: gamma of 1 %% of the scan's maximum and 1 mm at most 1; single places: within 1 %%\n");
}

void sp_commission_print(const sp_commission *c, const sp_measured *measured)
{
	print_parameters(c);
	printf("%zu points, %zu parameters fitted; reduced chi-square %.3g before, %.3g after", c->n_points, c->n_free,
	       c->chi2_start, c->chi2);
	if (c->leaves_chi2 > 0.0)
		printf(", of the sweeping gaps %.3g", c->leaves_chi2);
	printf("\n\n");
	sp_scans_print(measured, c->before, c->after);
}

static json_t *numbers(const double *values, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < n; i++)
		json_array_append_new(list, isfinite(values[i]) ? json_real(values[i]) : json_null());
	return list;
}

static json_t *result_json(const sp_measured_scan *s, const sp_scan_result *r)
{
	return json_pack("{s:I,s:I,s:f,s:o,s:o,s:o,s:o}", "judged", (json_int_t)r->n_judged, "passed",
	                 (json_int_t)r->n_passed, "worst", r->worst, "computed", numbers(r->at_points, s->n), "gamma",
	                 numbers(r->gamma, s->n), "curve_mm", numbers(r->place_mm, r->n_curve), "curve",
	                 numbers(r->curve, r->n_curve));
}

static json_t *points_json(const sp_measured_scan *s)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < s->n; i++) {
		const sp_measured_point *p = s->points + i;

		json_array_append_new(list, json_pack("{s:[f,f],s:f,s:f,s:f,s:f}", "field_mm", p->field_mm[0],
		                                      p->field_mm[1], "depth_mm", p->depth_mm, "at_mm", p->at_mm,
		                                      "gap_mm", p->gap_mm, "dose", p->dose));
	}
	return list;
}

json_t *sp_scans_json(const sp_measured *measured, const sp_scan_result *before, const sp_scan_result *after)
{
	json_t *list = json_array();

	for (size_t k = 0; list && k < measured->n; k++) {
		const sp_measured_scan *s = measured->scans + k;
		char text[96];
		json_t *one;

		sp_measured_describe(text, sizeof text, s);
		one = json_pack("{s:s,s:s,s:s,s:f,s:f,s:o,s:o}", "what", text, "kind", sp_measured_kind_name(s->kind),
		                "where", s->where, "ssd_mm", s->ssd_mm, "direction_deg", s->direction_deg, "points",
		                points_json(s), after ? "before" : "computed", result_json(s, before + k));
		if (one && after)
			json_object_set_new(one, "after", result_json(s, after + k));
		json_array_append_new(list, one);
	}
	return list;
}

json_t *sp_commission_json(const sp_commission *c, const sp_measured *measured, const char *folder)
{
	json_t *parameters = json_array();

	for (int i = 0; parameters && i < SP_FIT_PARAMETERS; i++) {
		const sp_fit_result *r = c->parameters + i;

		if (shown(c, i))
			json_array_append_new(parameters,
			                      json_pack("{s:s,s:f,s:f,s:o,s:s,s:b}", "name", sp_fit_parameters[i].name,
			                                "start", r->start, "value", r->value, "error",
			                                isfinite(r->error) ? json_real(r->error) : json_null(), "state",
			                                state_of(r), "fitted",
			                                r->state == SP_FIT_FOUND || r->state == SP_FIT_AT_LIMIT));
	}
	if (parameters)
		json_array_append_new(parameters,
		                      json_pack("{s:s,s:f,s:f,s:f,s:s,s:b}", "name", "fluence_per_mu_cm2", "start",
		                                c->output_start, "value", c->output, "error", c->output_error, "state",
		                                c->output_measured ? "fitted" : "of the file's reference dose",
		                                "fitted", (int)c->output_measured));
	return json_pack("{s:s,s:s,s:o,s:f,s:f,s:f,s:I,s:o}", "machine", c->machine->name, "measured", folder,
	                 "parameters", parameters, "chi2_before", c->chi2_start, "chi2_after", c->chi2, "chi2_leaves",
	                 c->leaves_chi2, "points", (json_int_t)c->n_points, "scans",
	                 sp_scans_json(measured, c->before, c->after));
}
