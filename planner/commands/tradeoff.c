/* spineplan tradeoff: plans along the front between the cord's limit and the target's coverage, from one matrix. */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "alloc.h"
#include "atomic_file.h"
#include "case_setup.h"
#include "clock.h"
#include "commands.h"
#include "evaluate.h"
#include "log.h"
#include "metric.h"
#include "metric_value.h"
#include "options.h"
#include "plan_file.h"
#include "plan_fluence.h"

#define MOST_PLANS 40

static const char help[] =
        "usage: spineplan tradeoff CASE -o FOLDER [options]\n"
        "\n"
        "Plans a case several times, with the hard limits of cord and PRV at falling shares of the protocol's, from "
        "one\n"
        "influence matrix, each search beginning where the last one ended. Shows what the target pays for the cord.\n"
        "\n"
        "  -o, --output FOLDER    gets plan-01.h5 ... and tradeoff.json; scripts/tradeoff draws it\n"
        "      --plans N          how many (default 8)\n"
        "      --from P, --to P   largest and smallest share of the limits, as 100% and 60% (default)\n"
        "      --structure NAME   the limits that move are this structure's; default: those of cord and PRV\n"
        "      --protocol NAME    a shipped protocol or a YAML file; default: what the case names\n"
        "      --machine NAME     a shipped machine or a YAML file (default generic-6mv)\n"
        "      --beams A,B,...    gantry angles in degrees; default as for `spineplan plan`\n"
        "      --bixel-mm S       bixel side at the isocentre (default 5)\n"
        "      --grid-mm S        spacing of the dose grid (default 2)\n"
        "      --device D         index or part of the name of an OpenCL device (see spineplan devices)\n"
        "      --json             print the front as JSON instead of a table\n"
        "\n"
        "Ctrl-C keeps the plans that are done and exits with status 4.\n"
        "\n"
        "example: spineplan tradeoff case.h5 --protocol sc24-24gy-2fx -o front\n";

typedef struct {
	const char *case_path, *folder, *protocol, *machine, *device, *structure;
	bool json;
	double from, to; /* shares of the limits */
	uint64_t n_plans;
	double angles[360];
	sp_plan_options plan;
} arguments;

typedef struct {
	const arguments *a;
	sp_case *c;
	const sp_protocol *original; /* judges */
	sp_protocol moving;          /* planned by: limits with values of their own */
	bool *moves;                 /* which of its limits */
	size_t n_planned, n_done;    /* searched; written */
	double dose_gy;
	const sp_machine *machine;
	json_t *plans, *command_line;
} front;

/* "85%" to 0.85. */
static bool read_share(double *out, const char *text)
{
	char *rest;

	*out = 0.01 * strtod(text, &rest);
	return rest != text && strcmp(rest, "%") == 0 && *out >= 0.1 && *out <= 2.0;
}

/* -1: go on; else the exit status to end with. */
static int parse(arguments *a, int argc, char **argv)
{
	static const struct option options[] = {
	        {"output", required_argument, NULL, 'o'},
	        {"plans", required_argument, NULL, 'n'},
	        {"from", required_argument, NULL, 'F'},
	        {"to", required_argument, NULL, 'T'},
	        {"structure", required_argument, NULL, 's'},
	        {"protocol", required_argument, NULL, 'p'},
	        {"machine", required_argument, NULL, 'm'},
	        {"beams", required_argument, NULL, 'b'},
	        {"bixel-mm", required_argument, NULL, 'x'},
	        {"grid-mm", required_argument, NULL, 'g'},
	        {"device", required_argument, NULL, 'd'},
	        {"json", no_argument, NULL, 'j'},
	        {"help", no_argument, NULL, 'h'},
	        {NULL, 0, NULL, 0},
	};
	int option;

	opterr = 0;
	optind = 1;
	while ((option = getopt_long(argc, argv, ":o:h", options, NULL)) != -1) {
		bool good = true;

		switch (option) {
		case 'o':
			a->folder = optarg;
			break;
		case 'n':
			good = sp_option_whole(&a->n_plans, optarg, 2, MOST_PLANS);
			break;
		case 'F':
			good = read_share(&a->from, optarg);
			break;
		case 'T':
			good = read_share(&a->to, optarg);
			break;
		case 's':
			a->structure = optarg;
			break;
		case 'p':
			a->protocol = optarg;
			break;
		case 'm':
			a->machine = optarg;
			break;
		case 'b':
			a->plan.angles_deg = a->angles;
			good = (a->plan.n_angles = sp_option_angles(a->angles, 360, optarg)) > 0;
			break;
		case 'x':
			good = sp_option_number(&a->plan.bixel_mm, optarg, 1.0, 50.0);
			break;
		case 'g':
			good = sp_option_number(&a->plan.grid_mm, optarg, 0.5, 20.0);
			break;
		case 'd':
			a->device = optarg;
			break;
		case 'j':
			a->json = true;
			break;
		case 'h':
			fputs(help, stdout);
			return 0;
		case ':':
			return sp_command_usage("tradeoff", "%s needs a value", argv[optind - 1]);
		default:
			return sp_command_usage("tradeoff", "no option %s", argv[optind - 1]);
		}
		if (!good)
			return sp_command_usage("tradeoff", "'%s' is no good value for its option", optarg);
	}
	if (optind != argc - 1)
		return sp_command_usage("tradeoff", optind >= argc ? "which case?" : "more than one case given");
	a->case_path = argv[optind];
	if (!a->folder)
		return sp_command_usage("tradeoff", "say where the plans go with -o FOLDER");
	if (!(a->from > a->to))
		return sp_command_usage("tradeoff", "--from is %g %%, expected more than --to, %g %%", 100.0 * a->from,
		                        100.0 * a->to);
	return -1;
}

/* True where the limit is hard, an upper dose, and on what the user names or on cord and PRV alone. */
static bool is_moving(const front *f, const sp_limit *l, size_t *which)
{
	size_t n = sp_limit_match(which, f->c->n_structures, l, f->c);
	sp_metric m;

	if (!l->hard || l->goal || l->sense != SP_LIMIT_IS_UPPER || n == 0 ||
	    sp_metric_parse(&m, l->metric, NULL) != SP_OK || strcmp(sp_metric_unit(&m), "Gy") != 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		const sp_structure *s = &f->c->structures[which[i]];

		if (f->a->structure ? strcmp(s->name, f->a->structure) != 0
		                    : s->role != SP_ROLE_CORD && s->role != SP_ROLE_PRV)
			return false;
	}
	return true;
}

static double share_of(const arguments *a, size_t number)
{
	return a->from + (a->to - a->from) * (double)number / (double)(a->n_plans - 1);
}

/* Gives the limits the values of a plan of the front. */
static void move_limits(front *f, size_t number)
{
	for (size_t i = 0; i < f->moving.n_limits; i++)
		if (f->moves[i])
			f->moving.limits[i].value = share_of(f->a, number) * f->original->limits[i].value;
}

static sp_status begin(front *f, sp_error *err)
{
	size_t *which = sp_alloc_array(f->c->n_structures, sizeof *which), n = 0;

	f->moving = *f->original;
	f->moving.limits = sp_alloc_array(f->original->n_limits, sizeof *f->moving.limits);
	f->moves = sp_alloc_array(f->original->n_limits, sizeof *f->moves);
	f->plans = json_array();
	if (!which || !f->moving.limits || !f->moves || !f->plans) {
		free(which);
		return sp_fail(err, SP_NO_MEMORY, "out of memory for a front of plans");
	}
	for (size_t i = 0; i < f->original->n_limits; i++) {
		f->moving.limits[i] = f->original->limits[i];
		n += f->moves[i] = is_moving(f, &f->original->limits[i], which);
	}
	free(which);
	if (n == 0)
		return sp_fail(err, SP_BAD_INPUT, "%s has no hard dose limit on %s in %s", f->original->name,
		               f->a->structure ? f->a->structure : "a cord or PRV", f->a->case_path);
	move_limits(f, 0);
	return SP_OK;
}

static json_t *metric_of(const json_t *evaluation, const char *structure, const char *key)
{
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(evaluation, "structures"), i, row)
	{
		json_t *value = json_object_get(json_object_get(row, "metrics"), key);

		if (strcmp(json_string_value(json_object_get(row, "name")), structure) == 0)
			return value ? json_incref(value) : json_null();
	}
	return json_null();
}

/* The moving limits with their values; the protocol's own value stays beside. */
static json_t *limits_of(const front *f, const json_t *evaluation)
{
	json_t *list = json_array();
	size_t *which = sp_alloc_array(f->c->n_structures, sizeof *which);

	for (size_t i = 0; which && i < f->moving.n_limits; i++) {
		size_t n = f->moves[i] ? sp_limit_match(which, f->c->n_structures, &f->moving.limits[i], f->c) : 0;
		char key[SP_METRIC_KEY_BYTES];
		sp_metric m;

		if (n == 0 || sp_metric_parse(&m, f->moving.limits[i].metric, NULL) != SP_OK)
			continue;
		sp_metric_key(key, &m);
		for (size_t k = 0; k < n; k++) {
			const char *name = f->c->structures[which[k]].name;

			json_array_append_new(list, json_pack("{s:s, s:s, s:f, s:f, s:o}", "structure", name, "metric",
			                                      key, "limit", f->moving.limits[i].value, "protocol",
			                                      f->original->limits[i].value, "value",
			                                      metric_of(evaluation, name, key)));
		}
	}
	free(which);
	return list;
}

static json_t *row_of(const front *f, const json_t *evaluation, const char *file)
{
	const sp_structure *target = sp_case_target(f->c), *gtv = sp_case_find_role(f->c, SP_ROLE_GTV);

	return json_pack("{s:s, s:f, s:o, s:s, s:o, s:o, s:o, s:O, s:O}", "file", file, "share",
	                 share_of(f->a, f->n_done), "limits", limits_of(f, evaluation), "target", target->name,
	                 "V100_pct", metric_of(evaluation, target->name, "V100_pct"), "D95_Gy",
	                 metric_of(evaluation, target->name, "D95_Gy"), "gtv_D98_Gy",
	                 gtv ? metric_of(evaluation, gtv->name, "D98_Gy") : json_null(), "paddick_ci",
	                 json_object_get(evaluation, "paddick_ci"), "all_limits_met",
	                 json_object_get(evaluation, "all_limits_met"));
}

static json_t *provenance_of(const front *f)
{
	char utc[21];

	sp_clock_utc_text(utc);
	return json_pack(
	        "{s:s, s:s, s:s, s:s, s:s, s:s, s:O, s:f, s:s}", "program", "spineplan " SP_VERSION, "made_utc", utc,
	        "case_sha256", f->c->sha256, "machine", f->machine->name, "machine_sha256", f->machine->sha256,
	        "engine", "pencil beam", "command_line", f->command_line, "limit_share", share_of(f->a, f->n_done),
	        "notice",
	        "Research software, not a medical device. Doses need independent verification. A fluence plan is "
	        "not deliverable on a machine.");
}

static sp_status next_limits(void *context, bool *go_on, sp_error *err)
{
	front *f = context;

	(void)err;
	sp_log_info("plan %zu of %llu: limits at %.0f %%", f->n_planned + 1, (unsigned long long)f->a->n_plans,
	            100.0 * share_of(f->a, f->n_planned));
	if (++f->n_planned < f->a->n_plans) {
		move_limits(f, f->n_planned);
		*go_on = true;
	}
	return SP_OK;
}

static sp_status take_plan(void *context, const sp_fluence_plan *plan, sp_error *err)
{
	front *f = context;
	json_t *evaluation = NULL, *provenance = provenance_of(f), *row = NULL;
	char path[4096], file[32];
	sp_status st;

	move_limits(f, f->n_done);
	snprintf(file, sizeof file, "plan-%02zu.h5", f->n_done + 1);
	if (snprintf(path, sizeof path, "%s/%s", f->a->folder, file) >= (int)sizeof path)
		st = sp_fail(err, SP_BAD_INPUT, "%s is too long a name", f->a->folder);
	else
		st = sp_evaluate(&evaluation, f->c, &plan->dose_grid, plan->dose_gy, f->original, err);
	if (st != SP_OK)
		goto cleanup;
	json_object_set(evaluation, "provenance", provenance);
	st = sp_plan_write(&(sp_plan){.c = f->c,
	                              .technique = "fluence",
	                              .machine = f->machine->name,
	                              .beams = plan->beams,
	                              .weights = plan->weights,
	                              .dose_grid = plan->dose_grid,
	                              .dose_gy = plan->dose_gy,
	                              .evaluation = evaluation,
	                              .provenance = provenance},
	                   path, err);
	row = row_of(f, evaluation, file);
	if (st == SP_OK && (!row || json_array_append_new(f->plans, row) != 0))
		st = sp_fail(err, SP_NO_MEMORY, "out of memory for a front of plans");
	if (st != SP_OK)
		goto cleanup;
	f->n_done++;
cleanup:
	json_decref(evaluation);
	json_decref(provenance);
	return st;
}

static void print_front(const json_t *plans)
{
	json_t *row, *limit;
	size_t i;

	limit = json_array_get(json_object_get(json_array_get(plans, 0), "limits"), 0);
	if (!limit)
		return;
	printf("What the target %s pays for %s %s\n\n",
	       json_string_value(json_object_get(json_array_get(plans, 0), "target")),
	       json_string_value(json_object_get(limit, "structure")),
	       json_string_value(json_object_get(limit, "metric")));
	printf("plan         share   limit  value    V100     D95  GTV D98  limits of the protocol\n");
	printf("                 %%      Gy     Gy       %%      Gy       Gy\n");
	json_array_foreach(plans, i, row)
	{
		limit = json_array_get(json_object_get(row, "limits"), 0);
		printf("%-11s %6.1f %7.2f %6.2f %7.2f %7.2f %8.2f  %s\n",
		       json_string_value(json_object_get(row, "file")),
		       100.0 * json_number_value(json_object_get(row, "share")),
		       json_number_value(json_object_get(limit, "limit")),
		       json_number_value(json_object_get(limit, "value")),
		       json_number_value(json_object_get(row, "V100_pct")),
		       json_number_value(json_object_get(row, "D95_Gy")),
		       json_number_value(json_object_get(row, "gtv_D98_Gy")),
		       json_is_true(json_object_get(row, "all_limits_met")) ? "met" : "MISSED");
	}
	printf("\nResearch software, not a medical device. Doses need independent verification.\n");
}

static sp_status write_front(const front *f, const sp_fluence_plan *plan, double seconds, json_t **out, sp_error *err)
{
	char path[4096];
	char *text;
	sp_status st;

	*out = json_pack("{s:s, s:s, s:f, s:O, s:O, s:f, s:f}", "format", "spineplan-tradeoff", "protocol",
	                 f->original->name, "dose_gy", f->dose_gy, "plans", f->plans, "command_line", f->command_line,
	                 "matrix_seconds", plan ? plan->matrix_seconds : 0.0, "total_seconds", seconds);
	text = *out ? json_dumps(*out, JSON_INDENT(1) | JSON_REAL_PRECISION(8)) : NULL;
	snprintf(path, sizeof path, "%s/tradeoff.json", f->a->folder);
	st = text ? sp_file_write_all(path, text, strlen(text), err)
	          : sp_fail(err, SP_NO_MEMORY, "out of memory for a front of plans");
	free(text);
	return st;
}

static sp_status find_protocol(sp_protocol **out, front *f, sp_error *err)
{
	sp_prescription *rx = &f->c->prescription;
	const char *name = f->a->protocol ? f->a->protocol : rx->present ? rx->protocol : NULL;
	char *copy;
	sp_status st;

	if (!name)
		return sp_fail(err, SP_BAD_INPUT,
		               "%s names no protocol, so it has no limits to move; use --protocol NAME",
		               f->a->case_path);
	if ((st = sp_protocol_read(out, name, err)) != SP_OK)
		return st;
	f->original = *out;
	f->dose_gy = rx->present && rx->dose_gy > 0.0 && !f->a->protocol ? rx->dose_gy : (*out)->dose_gy;
	if (!(f->dose_gy > 0.0))
		f->dose_gy = rx->present ? rx->dose_gy : 0.0;
	if (!(f->dose_gy > 0.0))
		return sp_fail(err, SP_BAD_INPUT, "neither %s nor protocol %s has a dose", f->a->case_path,
		               (*out)->name);
	/* the plans are judged by what they were made for */
	if (f->a->protocol) {
		if (!(copy = realpath(name, NULL)) && !(copy = sp_copy_text(name)))
			return sp_fail(err, SP_NO_MEMORY, "out of memory for the name of a protocol");
		free(rx->protocol);
		rx->protocol = copy;
		rx->fractions = (*out)->fractions ? (*out)->fractions : rx->fractions;
	}
	if ((f->a->protocol || !rx->boost) && (st = sp_protocol_take_boost(f->c, *out, err)) != SP_OK)
		return st;
	rx->present = true;
	rx->dose_gy = f->dose_gy;
	return sp_setup_check_boost(f->c, f->dose_gy, err);
}

int sp_command_tradeoff(int argc, char **argv)
{
	arguments a = {.machine = "generic-6mv",
	               .from = 1.0,
	               .to = 0.6,
	               .n_plans = 8,
	               .plan = {.grid_mm = 2.0, .bixel_mm = 5.0, .cutoff_mm = 50.0}};
	double started = sp_clock_seconds();
	sp_error err = {0};
	front f = {.a = &a};
	sp_protocol *protocol = NULL;
	sp_machine *machine = NULL;
	sp_matter *matter = NULL;
	sp_device *device = NULL;
	sp_fluence_plan *plan = NULL;
	json_t *result = NULL;
	bool interrupted;
	sp_status st;
	int status = parse(&a, argc, argv);

	if (status >= 0)
		return status;
	f.command_line = json_array();
	for (int i = 0; i < argc; i++)
		json_array_append_new(f.command_line, json_string(argv[i]));
	if ((st = sp_case_read(&f.c, a.case_path, &err)) != SP_OK ||
	    (st = find_protocol(&protocol, &f, &err)) != SP_OK || (st = begin(&f, &err)) != SP_OK ||
	    (st = sp_machine_read(&machine, a.machine, &err)) != SP_OK ||
	    (st = sp_matter_create(&matter, NULL, &err)) != SP_OK ||
	    (st = sp_device_open(&device, a.device, &err)) != SP_OK)
		goto cleanup;
	if (mkdir(a.folder, 0777) != 0 && errno != EEXIST) {
		st = sp_fail(&err, SP_IO, "cannot make the folder %s: %s", a.folder, strerror(errno));
		goto cleanup;
	}
	f.machine = machine;
	a.plan.on_limits = next_limits;
	a.plan.on_plan = take_plan;
	a.plan.context = &f;
	st = sp_plan_fluence(&plan, f.c, &f.moving, f.dose_gy, machine, matter, device, &a.plan, &err);
	interrupted = st == SP_INTERRUPTED;
	if (interrupted)
		err = (sp_error){0};
	if ((st != SP_OK && !interrupted) ||
	    (st = write_front(&f, plan, sp_clock_seconds() - started, &result, &err)) != SP_OK)
		goto cleanup;
	if (a.json) {
		json_dumpf(result, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(8));
		putchar('\n');
	} else {
		print_front(f.plans);
	}
	fflush(stdout);
	sp_log_info("%s: %zu plans in %.1f s", a.folder, f.n_done, sp_clock_seconds() - started);
	if (interrupted)
		st = sp_fail(&err, SP_INTERRUPTED, "interrupted; %s holds %zu plans", a.folder, f.n_done);
cleanup:
	if (st != SP_OK)
		status = sp_command_fail("tradeoff", &err);
	json_decref(result);
	json_decref(f.plans);
	json_decref(f.command_line);
	sp_fluence_plan_destroy(plan);
	sp_device_close(device);
	sp_matter_destroy(matter);
	sp_machine_destroy(machine);
	free(f.moving.limits);
	free(f.moves);
	sp_protocol_destroy(protocol);
	sp_case_destroy(f.c);
	return status == -1 ? 0 : status;
}
