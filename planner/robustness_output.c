/* The robustness of a plan as tables and as a file. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "h5.h"
#include "robustness.h"

static const char *text(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "-";
}

/* D0.03cc_Gy as D0.03cc, V100_pct as V100. */
static void print_metric(const char *key, int width)
{
	const char *end = strrchr(key, '_');

	printf(" %*.*s", width, (int)(end ? end - key : (long)strlen(key)), key);
}

static void print_values(const char *name, const json_t *values, const char *verdict)
{
	json_t *value;
	size_t i;

	printf("%-28s", name);
	json_array_foreach(values, i, value)
	{
		if (json_is_number(value))
			printf(" %12.2f", json_number_value(value));
		else
			printf(" %12s", "-");
	}
	printf("  %s\n", verdict);
}

static void print_limits(const json_t *limits, int n_scenarios)
{
	json_t *row;
	size_t i;

	if (json_array_size(limits) == 0) {
		printf("\nNo limits judged.\n");
		return;
	}
	printf("\nWorst case of each limit                   planned    worst    limit  met in  worst scenario\n");
	json_array_foreach(limits, i, row)
	{
		int met = (int)json_integer_value(json_object_get(row, "met_in"));
		bool margin = json_is_true(json_object_get(row, "margin"));

		printf("  %-7s %-18.18s",
		       margin                                                                    ? "margin"
		       : met == n_scenarios && json_is_true(json_object_get(row, "nominal_met")) ? "met"
		                                                                                 : "MISSED",
		       text(row, "structure"));
		print_metric(text(row, "metric"), 9);
		printf(" %9.2f %8.2f %s%6.2f  %3d/%-3d %s\n", json_number_value(json_object_get(row, "nominal")),
		       json_number_value(json_object_get(row, "worst")),
		       strcmp(text(row, "sense"), "at most") ? ">=" : "<=",
		       json_number_value(json_object_get(row, "limit")), met, n_scenarios, text(row, "worst_scenario"));
	}
}

/* Largest difference between the computed and the moved dose in the table's doses. */
static double moved_dose_off(const json_t *scenarios, const json_t *columns)
{
	double most = 0.0;
	json_t *row, *value;
	size_t i, k;

	json_array_foreach(scenarios, i, row) json_array_foreach(json_object_get(row, "values"), k, value)
	{
		const json_t *moved = json_array_get(json_object_get(row, "values_by_moved_dose"), k);
		bool is_dose = strstr(text(json_array_get(columns, k), "metric"), "_Gy") != NULL;

		if (is_dose && json_is_number(value) && json_is_number(moved))
			most = fmax(most, fabs(json_number_value(value) - json_number_value(moved)));
	}
	return most;
}

void sp_robustness_print(const json_t *result)
{
	const json_t *scenarios = json_object_get(result, "scenarios"), *columns = json_object_get(result, "columns");
	int n = (int)json_integer_value(json_object_get(result, "scenarios_computed"));
	json_t *row;
	size_t i;

	printf("%-28s", "scenario");
	json_array_foreach(columns, i, row) printf(" %12.12s", text(row, "structure"));
	printf("  limits\n%-28s", "");
	json_array_foreach(columns, i, row) print_metric(text(row, "metric"), 12);
	putchar('\n');
	print_values("as planned", json_object_get(result, "nominal"), "");
	json_array_foreach(scenarios, i, row)
	{
		char missed[32] = "met";
		size_t count = json_array_size(json_object_get(row, "limits_missed"));

		if (count)
			snprintf(missed, sizeof missed, "%zu MISSED", count);
		print_values(text(row, "name"), json_object_get(row, "values"), missed);
	}
	print_values("worst", json_object_get(result, "worst"), "");
	print_limits(json_object_get(result, "limits"), n);
	printf("\nLimits met in %d of %d scenarios. Moving the planned dose instead of computing it anew changes its "
	       "doses by at most %.2f Gy.\nDoses: %s. Research software, not a medical device. Doses need independent "
	       "verification.\n",
	       (int)json_integer_value(json_object_get(result, "scenarios_with_all_limits_met")), n,
	       moved_dose_off(scenarios, columns), text(result, "engine"));
}

static sp_status write_band(const sp_robustness *r, const sp_dvh_band *b, const sp_case *c, sp_h5_out *f, sp_error *err)
{
	char group[SP_H5_PATH_BYTES], path[SP_H5_PATH_BYTES];
	sp_status st;

	sp_h5_join(group, "/dvh/", c->structures[b->structure].name, "");
	sp_h5_join(path, group, "/dose_gy", "");
	if ((st = sp_h5_write(f, path, SP_H5_F32, 1, (uint64_t[]){SP_BAND_POINTS}, false, b->dose_gy, err)) != SP_OK)
		return st;
	sp_h5_join(path, group, "/volume_cc", "");
	return sp_h5_write(f, path, SP_H5_F32, 2, (uint64_t[]){1 + r->n_scenarios, SP_BAND_POINTS}, true, b->volume_cc,
	                   err);
}

sp_status sp_robustness_write(const sp_robustness *r, const sp_case *c, const char *path, sp_error *err)
{
	char *json = json_dumps(r->result, JSON_INDENT(1) | JSON_REAL_PRECISION(8));
	uint32_t version = 1;
	sp_h5_out *f = NULL;
	sp_status st;

	if (!json)
		return sp_fail(err, SP_NO_MEMORY, "writing %s", path);
	if ((st = sp_h5_create(&f, path, err)) == SP_OK)
		st = sp_h5_set_text(f, "/", "format", "spineplan-robustness", err);
	if (st == SP_OK)
		st = sp_h5_set_numbers(f, "/", "version", SP_H5_U32, 1, &version, err);
	if (st == SP_OK)
		st = sp_h5_write_text(f, "/robustness", json, err);
	for (size_t i = 0; st == SP_OK && i < r->n_bands; i++)
		st = write_band(r, &r->bands[i], c, f, err);
	free(json);
	if (st == SP_OK)
		return sp_h5_commit(&f, err);
	sp_h5_abandon(f);
	return st;
}
