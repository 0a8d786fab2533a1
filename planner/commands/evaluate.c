/* spineplan evaluate: what a plan's dose does to each structure, and whether its protocol's limits hold. */
#include "commands.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "atomic_file.h"
#include "earlier_dose.h"
#include "evaluate.h"
#include "log.h"
#include "margin_limits.h"
#include "options.h"
#include "plan_file.h"

static const char help[] = "usage: spineplan evaluate PLAN [OPTIONS]\n"
                           "Shows DVH metrics, conformity, and the protocol's limits with pass or fail.\n\n"
                           "  --protocol NAME|FILE  judge by this protocol instead of the one the plan was made with\n"
                           "  --list-protocols      names of the protocols that are built in\n"
                           "  --json                print the evaluation as JSON (docs/evaluation.md)\n"
                           "  --dvh FILE.csv        also write the DVHs: structure, dose in Gy, volume in cc and in %\n"
                           "  --require-limits      exit status 1 when a limit is missed, or none could be judged\n"
                           "  --help\n\n"
                           "example: spineplan evaluate plan.h5 --protocol sc24-24gy-2fx --require-limits\n";

typedef struct {
	const char *plan, *protocol, *dvh;
	bool json, require_limits;
} options;

/* 0 to go on, or the exit status plus one. */
static int parse(options *o, int argc, char **argv)
{
	static const struct option known[] = {{"protocol", required_argument, NULL, 'p'},
	                                      {"list-protocols", no_argument, NULL, 'l'},
	                                      {"json", no_argument, NULL, 'j'},
	                                      {"dvh", required_argument, NULL, 'd'},
	                                      {"require-limits", no_argument, NULL, 'r'},
	                                      {"help", no_argument, NULL, 'h'},
	                                      {NULL, 0, NULL, 0}};
	int c;

	optind = 1;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", known, NULL)) != -1)
		switch (c) {
		case 'p':
			o->protocol = optarg;
			break;
		case 'l':
			for (const char *const *name = sp_protocol_names(); *name; name++)
				puts(*name);
			return 1;
		case 'j':
			o->json = true;
			break;
		case 'd':
			o->dvh = optarg;
			break;
		case 'r':
			o->require_limits = true;
			break;
		case 'h':
			fputs(help, stdout);
			return 1;
		case ':':
			return 1 + sp_command_usage("evaluate", "option %s needs a value", argv[optind - 1]);
		default:
			return 1 + sp_command_usage("evaluate", "no option %s", argv[optind - 1]);
		}
	if (optind != argc - 1)
		return 1 + sp_command_usage("evaluate", optind < argc ? "one PLAN at a time" : "which PLAN?");
	o->plan = argv[optind];
	if (sp_command_keeps_inputs("evaluate", o->dvh, (const char *const[]){o->plan, o->protocol}, 2))
		return 2 + 1;
	return 0;
}

/* The protocol asked for, else the plan's; *out NULL where there is none. */
static sp_status find_protocol(sp_protocol **out, const options *o, const sp_case *c, sp_error *err)
{
	const char *name = o->protocol ? o->protocol : c->prescription.present ? c->prescription.protocol : NULL;
	sp_status st;

	*out = NULL;
	if (!name)
		return SP_OK;
	if ((st = sp_protocol_read(out, name, err)) != SP_OK)
		return st;
	if (c->prescription.present && c->prescription.fractions && (*out)->fractions != c->prescription.fractions)
		sp_log_warning("the plan is for %u fractions, the limits of %s are for %u", c->prescription.fractions,
		               (*out)->name, (*out)->fractions);
	return SP_OK;
}

/* A name as a CSV field. */
static void write_name(FILE *f, const char *name)
{
	fputc('"', f);
	for (; *name; name++) {
		if (*name == '"')
			fputc('"', f);
		fputc(*name, f);
	}
	fputc('"', f);
}

static sp_status write_dvhs(FILE *f, const sp_plan_content *p, sp_error *err)
{
	fputs("structure,dose_gy,volume_cc,volume_pct\n", f);
	for (size_t i = 0; i < p->c->n_structures; i++) {
		sp_dvh d = {0};
		double outside_cc;
		sp_status st = sp_dvh_of_structures(&d, &outside_cc, p->c, &i, 1, &p->dose_grid, p->dose_gy, err);

		if (st != SP_OK)
			return st;
		for (int k = 0; k <= 1000 && d.n > 0; k++) {
			double dose = d.max_gy * k / 1000.0, volume = sp_dvh_volume_at_gy(&d, dose);

			write_name(f, p->c->structures[i].name);
			fprintf(f, ",%.5g,%.6g,%.5g\n", dose, volume, 100.0 * volume / d.volume_total_cc);
		}
		sp_dvh_finish(&d);
	}
	return SP_OK;
}

static sp_status save_dvhs(const char *path, const sp_plan_content *p, sp_error *err)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *f = open_memstream(&text, &bytes);
	sp_status st;

	if (!f)
		return sp_fail(err, SP_NO_MEMORY, "writing %s", path);
	st = write_dvhs(f, p, err);
	if (fclose(f) != 0 && st == SP_OK)
		st = sp_fail(err, SP_NO_MEMORY, "writing %s", path);
	if (st == SP_OK)
		st = sp_file_write_all(path, text, bytes, err);
	free(text);
	return st;
}

/* The plan's provenance with what this evaluation adds. */
static sp_status add_provenance(json_t *evaluation, const sp_plan_content *p, sp_error *err)
{
	json_t *own = json_object_get(evaluation, "provenance");

	if (p->provenance && json_object_update_missing(own, p->provenance) != 0)
		return sp_fail(err, SP_NO_MEMORY, "evaluating");
	return SP_OK;
}

/* A plan that holds its limits under set-up errors was made without the PRV's: they are goals, and how the limits held
 * is carried on; so is what an earlier course left. */
static sp_status evaluate(json_t **out, const sp_plan_content *p, const sp_protocol *protocol, sp_error *err)
{
	json_t *robust = json_object_get(p->evaluation, "robust"),
	       *earlier = json_object_get(p->evaluation, "reirradiation");
	sp_protocol own = {0};
	sp_status st = SP_OK;

	if (robust && protocol)
		st = sp_protocol_without_margins(&own, protocol, p->c, true, err);
	if (st == SP_OK)
		st = sp_evaluate(out, p->c, &p->dose_grid, p->dose_gy, own.limits ? &own : protocol, err);
	if (st == SP_OK && robust)
		json_object_set(*out, "robust", robust);
	if (st == SP_OK && earlier)
		json_object_set(*out, "reirradiation", earlier);
	free(own.limits);
	return st;
}

static int run(const options *o, sp_error *err)
{
	sp_plan_content *p = NULL;
	sp_protocol *protocol = NULL;
	json_t *evaluation = NULL;
	int status = 0;

	if (sp_plan_read(&p, o->plan, err) != SP_OK || find_protocol(&protocol, o, p->c, err) != SP_OK ||
	    evaluate(&evaluation, p, protocol, err) != SP_OK || add_provenance(evaluation, p, err) != SP_OK ||
	    (o->dvh && save_dvhs(o->dvh, p, err) != SP_OK)) {
		status = sp_command_fail("evaluate", err);
		goto cleanup;
	}
	if (protocol && !sp_case_find_role(p->c, SP_ROLE_CORD) && !sp_case_find_role(p->c, SP_ROLE_PRV))
		sp_log_warning("the case has neither cord nor PRV; limits were judged on what it has");
	if (o->json) {
		json_dumpf(evaluation, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(8));
		putchar('\n');
	} else {
		sp_evaluation_print(evaluation);
		if (json_object_get(evaluation, "reirradiation"))
			sp_reirradiation_print(json_object_get(evaluation, "reirradiation"));
	}
	if (o->require_limits && !json_is_true(json_object_get(evaluation, "all_limits_met")))
		status = 1;
cleanup:
	json_decref(evaluation);
	sp_protocol_destroy(protocol);
	sp_plan_content_destroy(p);
	return status;
}

int sp_command_evaluate(int argc, char **argv)
{
	options o = {0};
	sp_error err = {0};
	int done = parse(&o, argc, argv);

	return done ? done - 1 : run(&o, &err);
}
