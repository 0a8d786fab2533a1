/* spineplan biology: BED, EQD2 and models of a plan, alone or after an earlier course. The work is planner/biology.c.
 */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "biology.h"
#include "commands.h"
#include "earlier_option.h"
#include "options.h"
#include "plan_file.h"

static const char help[] = "usage: spineplan biology PLAN [OPTIONS]\n"
                           "\n"
                           "BED and EQD2 of every structure, cord risk and local control by published models, each "
                           "with its source and the\n"
                           "warning that belongs to it; after an earlier course also the rules for re-irradiation.\n"
                           "\n"
                           "      --fractions N      of the plan (default: its prescription's)\n" SP_EARLIER_HELP
                           "      --require-rules    exit status 1 when a rule for re-irradiation is missed\n"
                           "      --json             print the report as JSON (docs/reirradiation.md)\n"
                           "\n"
                           "example: spineplan biology plan.h5 --earlier old.h5 --earlier-fractions 10 --months 8\n";

typedef struct {
	const char *plan_path;
	uint64_t fractions;
	bool json, require_rules;
	sp_earlier_options earlier;
} arguments;

/* -1: go on; else the exit status to end with. */
static int parse(arguments *a, int argc, char **argv)
{
	static const struct option options[] = {{"fractions", required_argument, NULL, 'f'},
	                                        SP_EARLIER_LONG_OPTIONS,
	                                        {"require-rules", no_argument, NULL, 'r'},
	                                        {"json", no_argument, NULL, 'j'},
	                                        {"help", no_argument, NULL, 'h'},
	                                        {NULL, 0, NULL, 0}};
	const char *missing;
	int option;

	opterr = 0;
	optind = 1;
	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		bool good = true;

		if (option == 'f')
			good = sp_option_whole(&a->fractions, optarg, 1, 200);
		else if (option == 'r')
			a->require_rules = true;
		else if (option == 'j')
			a->json = true;
		else if (option == 'h')
			return fputs(help, stdout) < 0;
		else if (option == ':')
			return sp_command_usage("biology", "%s needs a value", argv[optind - 1]);
		else if (!sp_earlier_option(&a->earlier, option, optarg, &good))
			return sp_command_usage("biology", "no option %s", argv[optind - 1]);
		if (!good)
			return sp_command_usage("biology", "'%s' is no good value for its option", optarg);
	}
	if (optind != argc - 1)
		return sp_command_usage("biology", optind >= argc ? "which plan?" : "more than one plan given");
	if ((missing = sp_earlier_incomplete(&a->earlier)))
		return sp_command_usage("biology", "%s", missing);
	a->plan_path = argv[optind];
	return -1;
}

static sp_status report(json_t **out, const arguments *a, sp_error *err)
{
	sp_earlier_dose earlier = {0};
	sp_plan_content *p = NULL;
	json_t *rules = NULL;
	unsigned fractions;
	sp_status st = sp_plan_read(&p, a->plan_path, err);

	if (st != SP_OK)
		return st;
	fractions = a->fractions                 ? (unsigned)a->fractions
	            : p->c->prescription.present ? p->c->prescription.fractions
	                                         : 0;
	if (fractions == 0)
		st = sp_fail(err, SP_BAD_INPUT, "%s does not say in how many fractions; use --fractions N",
		             a->plan_path);
	if (st == SP_OK)
		st = sp_biology_report(out, p->c, &p->dose_grid, p->dose_gy, fractions, err);
	if (st == SP_OK && a->earlier.path &&
	    (st = sp_earlier_dose_read(&earlier, &a->earlier, p->c, &p->dose_grid, err)) == SP_OK &&
	    (st = sp_reirradiation_report(&rules, &earlier, p->c, &p->dose_grid, p->dose_gy, fractions, err)) == SP_OK)
		json_object_set_new(*out, "reirradiation", rules);
	sp_earlier_dose_finish(&earlier);
	sp_plan_content_destroy(p);
	return st;
}

int sp_command_biology(int argc, char **argv)
{
	arguments a = {.earlier = SP_EARLIER_DEFAULTS};
	const json_t *rules;
	json_t *found = NULL;
	sp_error err = {0};
	int status = parse(&a, argc, argv);

	if (status >= 0)
		return status;
	status = 0;
	if (report(&found, &a, &err) != SP_OK) {
		status = sp_command_fail("biology", &err);
	} else {
		rules = json_object_get(found, "reirradiation");
		if (a.json) {
			json_dumpf(found, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(8));
			putchar('\n');
		} else {
			sp_biology_print(found);
			if (rules)
				sp_reirradiation_print(rules);
			puts("Research software, not a medical device. Doses need independent verification.");
		}
		if (a.require_rules && !json_is_true(json_object_get(rules, "all_rules_met")))
			status = 1;
	}
	json_decref(found);
	return status;
}
