/* An evaluation as tables for people. */
#include "evaluate.h"

#include <stdio.h>
#include <string.h>

static const char *text(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "-";
}

static void print_number(const json_t *value, int width, int decimals)
{
	if (json_is_number(value))
		printf(" %*.*f", width, decimals, json_number_value(value));
	else
		printf(" %*s", width, "-");
}

/* Display columns of UTF-8 text: bytes that continue a letter take no place. */
static int columns(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xC0) != 0x80;
	return n;
}

static void print_padded(const char *s, int width)
{
	int pad = width - columns(s);

	printf("%s%*s", s, pad > 0 ? pad : 0, "");
}

static int widest(const json_t *rows, const char *key, int least)
{
	size_t i;
	json_t *row;

	json_array_foreach(rows, i, row)
	{
		int n = columns(text(row, key));

		least = n > least ? n : least;
	}
	return least > 40 ? 40 : least;
}

/* Targets first, then what is to be spared. */
static const char *const role_order[] = {"gtv",   "ctv",      "ptv",      "cord",   "prv",
                                         "organ", "external", "hardware", "support"};

static void print_structure(const json_t *row, int width, const char *const *keys, size_t n_keys)
{
	double outside_cc = json_number_value(json_object_get(row, "outside_dose_grid_cc"));

	print_padded(text(row, "name"), width);
	printf("  %-9s", text(row, "role"));
	print_number(json_object_get(row, "volume_cc"), 9, 2);
	for (size_t m = 0; m < n_keys; m++)
		print_number(json_object_get(json_object_get(row, "metrics"), keys[m]), 7, 2);
	if (outside_cc > 0.0)
		printf("  %.0f cc beyond the dose grid, taken as 0 Gy", outside_cc);
	printf("\n");
}

static void print_structures(const json_t *structures)
{
	static const char *const keys[] = {"Dmax_Gy", "D0.03cc_Gy", "D2_Gy",   "D50_Gy",
	                                   "D95_Gy",  "D98_Gy",     "Dmin_Gy", "Dmean_Gy"};
	static const char *const heads[] = {"Dmax", "D0.03cc", "D2%", "D50%", "D95%", "D98%", "Dmin", "Dmean"};
	size_t n_keys = sizeof keys / sizeof *keys, i;
	int width = widest(structures, "name", 9);
	json_t *row;

	print_padded("structure", width);
	printf("  %-9s %9s", "role", "volume");
	for (size_t m = 0; m < n_keys; m++)
		printf(" %7s", heads[m]);
	printf("\n%*s  %-9s %9s", width, "", "", "cc");
	for (size_t m = 0; m < n_keys; m++)
		printf(" %7s", "Gy");
	printf("\n");
	for (size_t role = 0; role < sizeof role_order / sizeof *role_order; role++)
		json_array_foreach(structures, i, row)
		{
			if (strcmp(text(row, "role"), role_order[role]) == 0)
				print_structure(row, width, keys, n_keys);
		}
}

/* A key as protocols write the metric: "D95_Gy" is D95%, "V100_pct" V100%, "V17Gy_cc" V17Gy. */
static void metric_name(char *out, size_t bytes, const char *key)
{
	int stem = (int)strcspn(key, "_");
	bool share = strcmp(key + stem, "_pct") == 0;

	if (key[0] == 'D' && strcmp(key + stem, "_Gy") == 0)
		share = key[1] >= '0' && key[1] <= '9' && key[stem - 1] != 'c';
	snprintf(out, bytes, "%.*s%s", stem, key, share ? "%" : "");
}

static void print_judged(const char *title, const json_t *rows, const char *met, const char *missed)
{
	int width = widest(rows, "structure", 9);
	size_t i;
	json_t *row;

	if (json_array_size(rows) == 0)
		return;
	printf("\n%s\n", title);
	json_array_foreach(rows, i, row)
	{
		char metric[64];
		const char *unit = text(row, "unit");
		bool good = json_is_true(json_object_get(row, "met"));

		metric_name(metric, sizeof metric, text(row, "metric"));
		printf("  %s  ", good ? met : missed);
		print_padded(text(row, "structure"), width);
		printf("  %-9s", metric);
		print_number(json_object_get(row, "value"), 8, 2);
		printf(" %-2s  %s", unit, strcmp(text(row, "sense"), "at least") == 0 ? ">=" : "<=");
		print_number(json_object_get(row, "limit"), 8, 2);
		printf(" %-2s%s%s\n", unit, json_is_true(json_object_get(row, "hard")) ? "  hard" : "",
		       json_is_true(json_object_get(row, "unverified")) ? "  (limit not verified in its source)" : "");
	}
}

/* What of the protocol could not be judged: structures that are not there in one line, the rest one by one. */
static void print_not_judged(const json_t *rows)
{
	size_t i, j, column = 0;
	json_t *row;

	if (json_array_size(rows) == 0)
		return;
	printf("\nNot judged\n");
	json_array_foreach(rows, i, row)
	{
		char metric[64];

		if (!json_is_true(json_object_get(row, "absent"))) {
			metric_name(metric, sizeof metric, text(row, "metric"));
			printf("  %s %s: %s%s\n", text(row, "structure"), metric, text(row, "reason"),
			       json_is_true(json_object_get(row, "counts_as_missed")) ? "  hard: counts as missed"
			                                                              : "");
		}
	}
	json_array_foreach(rows, i, row)
	{
		const char *name = text(row, "structure");
		bool said = !json_is_true(json_object_get(row, "absent"));

		for (j = 0; j < i && !said; j++)
			said = strcmp(name, text(json_array_get(rows, j), "structure")) == 0;
		if (said)
			continue;
		if (column == 0 || column + strlen(name) > 90)
			column = (size_t)printf("%s", column == 0 ? "  not in the case: " : ",\n    ");
		else
			column += (size_t)printf(", ");
		column += (size_t)printf("%s", name);
	}
	printf("%s", column ? "\n" : "");
}

static void print_index(const json_t *evaluation, const char *key, const char *what, int decimals)
{
	const json_t *value = json_object_get(evaluation, key);

	if (!json_is_number(value))
		return;
	printf("  ");
	print_padded(what, 44);
	print_number(value, 8, decimals);
	printf("\n");
}

bool sp_plan_is_unfinished(const json_t *provenance)
{
	return json_is_true(json_object_get(provenance, "interrupted"));
}

void sp_evaluation_print(const json_t *evaluation)
{
	const json_t *p = json_object_get(evaluation, "prescription");
	const json_t *met = json_object_get(evaluation, "all_limits_met");

	if (json_is_number(json_object_get(p, "dose_gy")))
		printf("Prescription %g Gy in %d fractions to %s", json_number_value(json_object_get(p, "dose_gy")),
		       (int)json_integer_value(json_object_get(p, "fractions")), text(p, "target"));
	else
		printf("No prescription");
	if (json_is_object(json_object_get(p, "boost")))
		printf(", boost of %g Gy to %s",
		       json_number_value(json_object_get(json_object_get(p, "boost"), "dose_gy")),
		       text(json_object_get(p, "boost"), "structure"));
	printf(", protocol %s. Doses in Gy for the whole course.\n\n",
	       json_is_string(json_object_get(p, "protocol")) ? text(p, "protocol") : "none");
	print_structures(json_object_get(evaluation, "structures"));
	print_judged("Limits", json_object_get(evaluation, "limits"), "met   ", "MISSED");
	print_judged("Goals (give way to the limits)", json_object_get(evaluation, "goals"), "met   ", "missed");
	print_not_judged(json_object_get(evaluation, "not_judged"));
	printf("\nTarget and dose\n");
	print_index(evaluation, "paddick_ci", "Paddick conformity index (1 is perfect)", 3);
	print_index(evaluation, "gradient_index", "gradient index V50%/V100%", 2);
	print_index(evaluation, "homogeneity_index", "homogeneity (D2% - D98%) / D50%", 3);
	print_index(evaluation, "r50", "V50% / target volume", 2);
	print_index(evaluation, "fall_off_pct_per_mm", "fall-off beside the cord, % per mm", 1);
	print_index(evaluation, "hot_spot_pct", "hottest point of the target, % of prescription", 1);
	printf("\n%s\nResearch software, not a medical device. Doses need independent verification.\n",
	       json_is_true(met)    ? "All limits met."
	       : json_is_false(met) ? "NOT all limits met."
	                            : "No limits judged.");
	if (sp_plan_is_unfinished(json_object_get(evaluation, "provenance")))
		printf("%s.\n", SP_PLAN_UNFINISHED);
}
