/* spineplan plan: the main job. The work is planner/plan_fluence.c and planner/deliver/plan_deliver.c. */
#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "atomic_file.h"
#include "clock.h"
#include "commands.h"
#include "earlier_option.h"
#include "evaluate.h"
#include "log.h"
#include "margin_limits.h"
#include "options.h"
#include "plan_deliver.h"
#include "plan_file.h"
#include "plan_fluence.h"
#include "targets.h"

#define MAX_ANGLES 360

/* An odd number of beams at equal steps, so that none opposes another: what they share is the target. */
static const double around_deg[] = {180, 208, 235, 263, 291, 319, 346, 14, 41, 69, 97, 125, 152};

/* Of Monte Carlo's doses on the way to a deliverable plan; their noise is smoothed. */
#define ROUGH_UNCERTAINTY 0.02

static const char help[] =
        "usage: spineplan plan CASE -o PLAN [options]\n"
        "\n"
        "Plans a case: influence matrix, optimisation with hard limits, dose, evaluation, plan file.\n"
        "\n"
        "  -o, --output PLAN      the plan file to write (HDF5)\n"
        "      --protocol NAME    a shipped protocol or a YAML file; default: what the case names\n"
        "      --dose-gy D        prescription; default: that of --protocol, else the case's\n"
        "      --technique T      fluence: weights of bixels, not deliverable on a machine (default); imrt: step and\n"
        "                         shoot; vmat: arcs. The last dose of these two is Monte Carlo of the control points\n"
        "      --segments N       imrt: segments in all (default 7 a beam)\n"
        "      --arcs N           vmat: 1 to 3 (default 2)\n"
        "      --arc A,B          vmat: gantry angles between which they turn (default 181,179)\n"
        "      --mlc NAME         a shipped leaf file or a YAML file, instead of the machine's\n"
        "      --engine E         pencil: finite-size pencil beam (default); mc: Monte Carlo, matrix and dose\n"
        "      --uncertainty U    mc: standard uncertainty of the dose, mean above half of the maximum (default 1%)\n"
        "      --bixel-uncertainty U  mc: the same of each bixel in the matrix (default 5%)\n"
        "      --seed S           mc: the same seed gives the same bits on the same device (default 1)\n"
        "      --machine NAME     a shipped machine or a YAML file (default generic-6mv)\n"
        "      --beams A,B,...    gantry angles in degrees; default: the case's beams, else 9 beams, from behind\n"
        "                         when there is a cord, all round otherwise\n"
        "                         around: 13 all round\n"
        "      --target-weight W      how much dose that the target lacks counts against all that is asked besides "
        "the\n"
        "                         hard limits (default 1); 4 gives more coverage and a wider half isodose\n"
        "      --bixel-mm S       bixel side at the isocentre (default 5)\n"
        "      --grid-mm S        spacing of the dose grid (default 2)\n"
        "      --cutoff-mm R      pencil: lateral reach of a bixel in the matrix (default 50); the final dose has no "
        "cut-off\n"
        "      --robust E         hold the hard limits under set-up errors E too (1mm or 1mm,1deg: shifts, turns "
        "about\n"
        "                         three axes); replaces the PRV of the cord. Pencil beam only\n"
        "      --directions N     of each shift: 6 (default), 14, 18 or 26\n" SP_EARLIER_HELP
        "      --max-time S       seconds of optimisation at most (default 0: until it converges)\n"
        "      --device D         index or part of the name of an OpenCL device (see spineplan devices); mc: several "
        "as\n"
        "                         0,1 or all share the work, with the same result\n"
        "      --require-limits   exit status 1 when the plan misses a limit\n"
        "      --json             print the evaluation as JSON instead of a table\n"
        "\n"
        "A plan that misses a hard limit is written, with a warning and exit status 1.\n"
        "Ctrl-C ends the optimisation, keeps the best plan so far and exits with status 4.\n"
        "\n"
        "example: spineplan plan case.h5 --protocol sc24-24gy-2fx -o plan.h5\n";

typedef struct {
	const char *case_path, *plan_path, *protocol, *machine, *mlc, *device;
	double dose_gy;
	bool json, require_limits;
	double angles[MAX_ANGLES];
	const char *robust;
	sp_setup_errors errors;
	sp_earlier_options earlier;
	sp_plan_options plan;
	bool given['z' + 1]; /* by option */
	bool deliver;
	sp_deliver_options delivery;
} arguments;

static bool read_technique(arguments *a, const char *text)
{
	a->deliver = sp_beam_technique_find(&a->delivery.technique, text) &&
	             (a->delivery.technique == SP_BEAM_IMRT || a->delivery.technique == SP_BEAM_VMAT);
	return a->deliver || strcmp(text, "fluence") == 0;
}

static bool read_count(size_t *out, const char *text, uint64_t low, uint64_t high)
{
	uint64_t n;
	bool good = sp_option_whole(&n, text, low, high);

	*out = good ? (size_t)n : 0;
	return good;
}

/* An option that the plan asked for would not heed, and what it is for. */
static bool finds_unheeded(char *option, const char **needs, const arguments *a)
{
	const sp_beam_technique technique = a->delivery.technique;
	const struct {
		const char *options, *needs;
		bool heeded;
	} all[] = {{"u", "--engine mc, or --technique imrt or vmat", a->plan.montecarlo || a->deliver},
	           {"B", "--engine mc", a->plan.montecarlo},
	           {"c", "the pencil beam's matrix; Monte Carlo's is cut off nowhere", !a->plan.montecarlo},
	           {"n", "--technique imrt", a->deliver && technique == SP_BEAM_IMRT},
	           {"aA", "--technique vmat", a->deliver && technique == SP_BEAM_VMAT},
	           {"l", "--technique imrt or vmat", a->deliver},
	           {"N", "--robust", a->robust != NULL}};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		for (const char *o = all[i].options; *o; o++)
			if (a->given[(int)*o] && !all[i].heeded) {
				*option = *o;
				*needs = all[i].needs;
				return true;
			}
	return false;
}

/* -1: go on; else the exit status to end with. */
static int parse(arguments *a, int argc, char **argv)
{
	static const struct option options[] = {
	        {"output", required_argument, NULL, 'o'},
	        {"protocol", required_argument, NULL, 'p'},
	        {"dose-gy", required_argument, NULL, 'D'},
	        {"technique", required_argument, NULL, 't'},
	        {"segments", required_argument, NULL, 'n'},
	        {"arcs", required_argument, NULL, 'a'},
	        {"arc", required_argument, NULL, 'A'},
	        {"mlc", required_argument, NULL, 'l'},
	        {"engine", required_argument, NULL, 'e'},
	        {"machine", required_argument, NULL, 'm'},
	        {"seed", required_argument, NULL, 'S'},
	        {"uncertainty", required_argument, NULL, 'u'},
	        {"bixel-uncertainty", required_argument, NULL, 'B'},
	        {"beams", required_argument, NULL, 'b'},
	        {"target-weight", required_argument, NULL, 'W'},
	        {"bixel-mm", required_argument, NULL, 'x'},
	        {"grid-mm", required_argument, NULL, 'g'},
	        {"cutoff-mm", required_argument, NULL, 'c'},
	        {"robust", required_argument, NULL, 'R'},
	        {"directions", required_argument, NULL, 'N'},
	        SP_EARLIER_LONG_OPTIONS,
	        {"max-time", required_argument, NULL, 's'},
	        {"device", required_argument, NULL, 'd'},
	        {"require-limits", no_argument, NULL, 'r'},
	        {"json", no_argument, NULL, 'j'},
	        {"help", no_argument, NULL, 'h'},
	        {NULL, 0, NULL, 0},
	};
	const char *missing, *needs;
	char unheeded;
	int option;

	opterr = 0;
	optind = 1;
	while ((option = getopt_long(argc, argv, ":o:h", options, NULL)) != -1) {
		bool good = true;

		if (option <= 'z')
			a->given[option] = true;

		switch (option) {
		case 'o':
			a->plan_path = optarg;
			break;
		case 'p':
			a->protocol = optarg;
			break;
		case 'D':
			good = sp_option_number(&a->dose_gy, optarg, 0.1, 1000.0);
			break;
		case 't':
			good = read_technique(a, optarg);
			break;
		case 'n':
			good = read_count(&a->delivery.segments, optarg, 1, 1000);
			break;
		case 'a':
			good = read_count(&a->delivery.arcs, optarg, 1, 3);
			break;
		case 'A':
			good = sp_option_list(a->delivery.arc_deg, 2, optarg) == 2;
			break;
		case 'l':
			a->mlc = optarg;
			break;
		case 'e':
			a->plan.montecarlo = strcmp(optarg, "mc") == 0;
			good = a->plan.montecarlo || strcmp(optarg, "pencil") == 0;
			break;
		case 'S':
			good = sp_option_whole(&a->plan.seed, optarg, 0, UINT64_MAX / 2);
			break;
		case 'u':
			good = sp_option_percent(&a->plan.uncertainty, optarg);
			break;
		case 'B':
			good = sp_option_percent(&a->plan.bixel_uncertainty, optarg);
			break;
		case 'm':
			a->machine = optarg;
			break;
		case 'b':
			a->plan.angles_deg = a->angles;
			if (strcmp(optarg, "around") == 0) {
				memcpy(a->angles, around_deg, sizeof around_deg);
				a->plan.n_angles = sizeof around_deg / sizeof *around_deg;
				break;
			}
			good = (a->plan.n_angles = sp_option_angles(a->angles, MAX_ANGLES, optarg)) > 0;
			break;
		case 'W':
			good = sp_option_number(&a->plan.target_weight, optarg, 0.01, 100.0);
			break;
		case 'x':
			good = sp_option_number(&a->plan.bixel_mm, optarg, 1.0, 50.0);
			break;
		case 'g':
			good = sp_option_number(&a->plan.grid_mm, optarg, 0.5, 20.0);
			break;
		case 'c':
			good = sp_option_number(&a->plan.cutoff_mm, optarg, 5.0, 500.0);
			break;
		case 'R':
			a->robust = optarg;
			good = sp_setup_errors_parse(&a->errors, optarg);
			break;
		case 'N':
			good = sp_option_directions(&a->errors.directions, optarg);
			break;
		case 's':
			good = sp_option_number(&a->plan.max_seconds, optarg, 0.0, 1e7);
			break;
		case 'd':
			a->device = optarg;
			break;
		case 'r':
			a->require_limits = true;
			break;
		case 'j':
			a->json = true;
			break;
		case 'h':
			fputs(help, stdout);
			return 0;
		case ':':
			return sp_command_usage("plan", "%s needs a value", argv[optind - 1]);
		default:
			if (sp_earlier_option(&a->earlier, option, optarg, &good))
				break;
			return sp_command_usage("plan", "no option %s", argv[optind - 1]);
		}
		if (!good)
			return sp_command_usage("plan", "'%s' is no good value for --%s", optarg,
			                        sp_option_name(options, option));
	}
	if (optind != argc - 1)
		return sp_command_usage("plan", optind >= argc ? "which case?" : "more than one case given");
	a->case_path = argv[optind];
	if ((missing = sp_earlier_incomplete(&a->earlier)))
		return sp_command_usage("plan", "%s", missing);
	if (a->robust && a->earlier.path)
		return sp_command_usage("plan", "--robust and --earlier cannot be planned for together yet");
	if (a->robust && a->plan.montecarlo)
		return sp_command_usage("plan", "--robust plans by pencil beam; leave out --engine mc");
	if (a->deliver && (a->robust || a->earlier.path))
		return sp_command_usage("plan", "--robust and an earlier course go with --technique fluence only");
	if (!a->plan_path)
		return sp_command_usage("plan", "say where the plan goes with -o PLAN");
	if (a->deliver && a->plan.montecarlo)
		return sp_command_usage("plan",
		                        "--technique imrt and vmat search with the pencil beam's matrix and have Monte "
		                        "Carlo doses anyway: leave out --engine mc");
	if (finds_unheeded(&unheeded, &needs, a))
		return sp_command_usage("plan", "--%s is for %s", sp_option_name(options, unheeded), needs);
	if (a->given['S'] && !a->plan.montecarlo && !a->deliver) /* a script may give it to every plan */
		sp_log_warning("--seed changes nothing: a fluence plan by pencil beam has no random numbers");
	if (sp_command_keeps_inputs("plan", a->plan_path, (const char *const[]){a->case_path, a->protocol, a->machine},
	                            3))
		return 2;
	return -1;
}

static json_t *provenance_of(const arguments *a, int argc, char **argv, const sp_case *c, const sp_device *device,
                             const sp_fluence_plan *p, double total_seconds)
{
	const sp_device_info *info = sp_device_describe(device);
	json_t *command = json_array();
	char utc[21];

	for (int i = 0; i < argc; i++)
		json_array_append_new(command, json_string(argv[i]));
	sp_clock_utc_text(utc);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:b, s:s}",
	                 "program", "spineplan " SP_VERSION, "made_utc", utc, "device", info->name, "driver",
	                 info->driver, "case_sha256", c->sha256, "machine", a->machine, "engine",
	                 a->plan.montecarlo ? "Monte Carlo" : "pencil beam", "command_line", command, "matrix_seconds",
	                 p->matrix_seconds, "optimise_seconds", p->optimise_seconds, "dose_seconds", p->dose_seconds,
	                 "total_seconds", total_seconds, "objective", p->optimisation.objective, "iterations",
	                 (json_int_t)p->optimisation.iterations, "matrix_entries", (json_int_t)p->n_values, "converged",
	                 p->optimisation.converged, "notice",
	                 "Research software, not a medical device. Doses need independent verification. A fluence plan "
	                 "is not deliverable on a machine.");
}

/* Fails before the long work when the output cannot be written. */
static sp_status check_output(const char *path, sp_error *err)
{
	char *temporary;
	sp_status st = sp_atomic_begin(&temporary, path, err);

	sp_atomic_abandon(temporary);
	free(temporary);
	return st;
}

/* A protocol of the command line brings its own dose and fractions: those of the case belong to another. */
static bool is_new(const arguments *a, const sp_protocol *p)
{
	return a->protocol && p && p->dose_gy > 0.0;
}

/* What the plan is made for stands in its prescription, so that it is judged by that later. */
static sp_status prescribe(sp_case *c, const arguments *a, const sp_protocol *p, double dose_gy, sp_error *err)
{
	sp_prescription *rx = &c->prescription;
	char *name = NULL;

	if (a->protocol) {
		/* a file is found again from any folder; what is no file is a shipped name */
		if (!(name = strcmp(a->protocol, p->name) ? realpath(a->protocol, NULL) : NULL) &&
		    !(name = sp_copy_text(a->protocol)))
			return sp_fail(err, SP_NO_MEMORY, "out of memory for the name of a protocol");
		if (rx->present && rx->fractions && p->fractions && rx->fractions != p->fractions)
			sp_log_warning("%s is for %u fractions; the plan is judged by %s, for %u", a->case_path,
			               rx->fractions, p->name, p->fractions);
		free(rx->protocol);
		rx->protocol = name;
		if (p->fractions)
			rx->fractions = p->fractions;
	}
	rx->present = true;
	rx->dose_gy = dose_gy;
	return SP_OK;
}

static sp_status find_protocol(sp_protocol **out, double *dose_gy, const arguments *a, const sp_case *c, sp_error *err)
{
	const char *name = a->protocol ? a->protocol : c->prescription.present ? c->prescription.protocol : NULL;
	sp_status st;

	*out = NULL;
	if (name && (st = sp_protocol_read(out, name, err)) != SP_OK)
		return st;
	*dose_gy = a->dose_gy > 0.0                              ? a->dose_gy
	           : c->prescription.present && !is_new(a, *out) ? c->prescription.dose_gy
	           : *out                                        ? (*out)->dose_gy
	                                                         : 0.0;
	if (*dose_gy <= 0.0 && *out) /* a case may leave its dose to its protocol */
		*dose_gy = (*out)->dose_gy;
	if (*dose_gy <= 0.0)
		return sp_fail(err, SP_BAD_INPUT,
		               "%s has no /prescription, and no protocol is given; use --protocol NAME or --dose-gy D",
		               a->case_path);
	if (!name)
		sp_log_warning(
		        "no protocol: only the target and normal tissue are planned for, no organ limits are held");
	else
		sp_log_info("protocol %s: %s; prescription %g Gy", (*out)->name, (*out)->title, *dose_gy);
	return SP_OK;
}

/* The protocol as it is planned by and as the plan is judged by: under set-up errors the PRV's limits are goals. */
typedef struct {
	sp_protocol planned, judged;
	const sp_protocol *to_plan, *to_judge;
	sp_scenario *scenarios;
} robust_setting;

static sp_status set_robust(robust_setting *out, arguments *a, const sp_case *c, const sp_protocol *p, sp_error *err)
{
	sp_status st;

	*out = (robust_setting){.to_plan = p, .to_judge = p};
	if (!a->robust)
		return SP_OK;
	if (!p)
		return sp_fail(err, SP_BAD_INPUT, "--robust holds hard limits, and there is no protocol that has any");
	if ((st = sp_scenarios_make(&out->scenarios, &a->plan.n_scenarios, &a->errors, err)) != SP_OK ||
	    (st = sp_protocol_without_margins(&out->planned, p, c, false, err)) != SP_OK ||
	    (st = sp_protocol_without_margins(&out->judged, p, c, true, err)) != SP_OK)
		return st;
	a->plan.scenarios = out->scenarios;
	out->to_plan = &out->planned;
	out->to_judge = &out->judged;
	return SP_OK;
}

/* The budgets of an earlier course are for so many fractions of the new one. */
static sp_status set_earlier(arguments *a, const sp_case *c, const sp_protocol *p, sp_error *err)
{
	unsigned own = c->prescription.present ? c->prescription.fractions : 0;

	if (!a->earlier.path)
		return SP_OK;
	a->plan.earlier = &a->earlier;
	a->plan.fractions = p && p->fractions && (a->protocol || !own) ? p->fractions : own;
	return a->plan.fractions
	               ? SP_OK
	               : sp_fail(err, SP_BAD_INPUT,
	                         "%s does not say in how many fractions it is planned; name a protocol that does",
	                         a->case_path);
}

static void finish_robust(robust_setting *r)
{
	free(r->planned.limits);
	free(r->judged.limits);
	free(r->scenarios);
}

static void print_robust(const json_t *robust)
{
	json_t *row;
	size_t i;

	printf("\nWorst of %zu set-up errors\n", json_array_size(json_object_get(robust, "scenarios")));
	json_array_foreach(json_object_get(robust, "limits"), i, row) printf(
	        "  %-7s %-17s %-11s %7.2f, limit %7.2f %s (%s)\n",
	        json_is_true(json_object_get(row, "met")) ? "met" : "MISSED",
	        json_string_value(json_object_get(row, "structure")), json_string_value(json_object_get(row, "metric")),
	        json_number_value(json_object_get(row, "worst")), json_number_value(json_object_get(row, "limit")),
	        json_string_value(json_object_get(row, "unit")),
	        json_string_value(json_object_get(row, "worst_scenario")));
}

/* What the file says of a plan that a machine can deliver. */
static void add_delivery(json_t *provenance, const sp_delivered_plan *d)
{
	const struct {
		const char *name;
		const sp_reached *r;
	} steps[] = {{"fluence", &d->fluence}, {"apertures", &d->deliverable}, {"last_dose", &d->last}};

	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		json_t *step = json_pack("{s:f, s:f}", "objective", steps[i].r->objective, "target_d95_gy",
		                         steps[i].r->target_d95_gy);

		if (!isnan(steps[i].r->cord_d003cc_gy))
			json_object_set_new(step, "cord_d0.03cc_gy", json_real(steps[i].r->cord_d003cc_gy));
		json_object_set_new(provenance, steps[i].name, step);
	}
	json_object_set_new(provenance, "segments", json_integer((json_int_t)d->n_segments));
	json_object_set_new(provenance, "mu", json_real(sp_delivery_mu(d->delivery)));
	json_object_set_new(provenance, "beam_on_seconds", json_real(d->seconds.beam_on_s));
	json_object_set_new(provenance, "delivery_seconds", json_real(d->seconds.beam_on_s + d->seconds.between_s));
	json_object_set_new(
	        provenance, "notice",
	        json_string("Research software, not a medical device. Doses need independent verification."));
}

/* One of the two ways; *plan is the delivered plan's own where there is one. */
static sp_status make_plan(sp_fluence_plan **plan, sp_delivered_plan **delivered, arguments *a, const sp_case *c,
                           const sp_protocol *protocol, double dose_gy, const sp_machine *machine,
                           const sp_matter *matter, sp_device *device, sp_error *err)
{
	unsigned fractions = protocol && protocol->fractions ? protocol->fractions
	                     : c->prescription.present       ? c->prescription.fractions
	                                                     : 0;
	sp_status st;

	if (!a->deliver)
		return sp_plan_fluence(plan, c, protocol, dose_gy, machine, matter, device, &a->plan, err);
	if (!fractions)
		sp_log_warning("neither case nor protocol says in how many fractions: monitor units are for one");
	a->delivery.fractions = fractions ? (double)fractions : 1.0;
	a->delivery.rough_uncertainty = fmax(a->plan.uncertainty, ROUGH_UNCERTAINTY);
	st = sp_plan_deliver(delivered, c, protocol, dose_gy, machine, matter, device, &a->plan, &a->delivery, err);
	*plan = *delivered ? (*delivered)->plan : NULL;
	return st;
}

/* Leaves, beams and bixels of the technique. */
static sp_status choose_machine(sp_machine **out, const arguments *a, sp_error *err)
{
	sp_status st = sp_machine_read(out, a->machine, err);

	return st == SP_OK && a->mlc ? sp_machine_set_mlc(*out, a->mlc, err) : st;
}

/* One line with the structures that the protocol's limits were matched to by another name than theirs. */
static void say_names(const sp_case *c, const sp_protocol *p)
{
	char text[1000] = "";
	size_t length = 0;

	for (size_t s = 0; p && s < c->n_structures; s++)
		for (size_t i = 0; i < p->n_limits; i++) {
			const char *name = p->limits[i].structure;
			size_t which[64], n = sp_limit_match(which, 64, &p->limits[i], c);
			bool matched = false;

			for (size_t k = 0; k < n && k < 64; k++)
				matched |= which[k] == s;
			if (!matched || strcmp(name, c->structures[s].name) == 0 || strcmp(name, "role:target") == 0)
				continue;
			if (length < sizeof text - 1)
				length += (size_t)snprintf(text + length, sizeof text - length, "%s%s as %s",
				                           length ? ", " : "", c->structures[s].name,
				                           strncmp(name, "role:", 5) == 0 ? name + 5 : name);
			break;
		}
	if (length)
		sp_log_info("structures by name: %s%s", text, length >= sizeof text ? " ..." : "");
}

#define OWN_MARGIN_MM 2.0 /* docs/targets.md */

/* A case with a tumour but no PTV: PTV and PRV by margins, the PTV without the PRV where the cord may not have the
 * prescription. Nothing is made without a word, nor where the user has said what the target is. */
static sp_status complete_targets(sp_case *c, const sp_protocol *p, double dose_gy, sp_error *err)
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

/* True where hard limits could not be held, which is said with what to do; as is what holds down a target that gets
 * next to nothing. */
static bool say_conflict(const json_t *evaluation, bool ended_early)
{
	const char *target = text_of(json_object_get(evaluation, "prescription"), "target");
	char missed[800] = "", binding[800] = "";
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
	json_array_foreach(json_object_get(evaluation, "structures"), i,
	                   row) if (strcmp(text_of(row, "name"), target) == 0) covered =
	        number_of(json_object_get(row, "metrics"), "V100_pct");
	if (*missed)
		sp_log_warning("NOT a plan to use: hard limits are missed: %s. %s", missed,
		               ended_early ? "The search was ended before it could hold them."
		                           : "They cannot be held together in this case: loosen one of them, lower the "
		                             "dose, or cut the target back.");
	if (covered < USEFUL_PERCENT)
		sp_log_warning("only %.0f %% of %s get the prescription%s%s", covered, target,
		               *binding ? "; at their limit are " : "", binding);
	return *missed;
}

int sp_command_plan(int argc, char **argv)
{
	arguments a = {.machine = "generic-6mv",
	               .errors = {.directions = 6},
	               .earlier = SP_EARLIER_DEFAULTS,
	               .plan = {.grid_mm = 2.0,
	                        .bixel_mm = 5.0,
	                        .cutoff_mm = 50.0,
	                        .bixel_uncertainty = 0.05,
	                        .uncertainty = 0.01,
	                        .seed = 1},
	               .delivery = {.arcs = 2, .arc_deg = {181.0, 179.0}}};
	double started = sp_clock_seconds(), dose_gy;
	sp_error err = {0};
	sp_case *c = NULL;
	sp_protocol *protocol = NULL;
	sp_machine *machine = NULL;
	sp_matter *matter = NULL;
	sp_device *device = NULL;
	sp_fluence_plan *plan = NULL;
	robust_setting robust = {0};
	sp_delivered_plan *delivered = NULL;
	json_t *evaluation = NULL, *provenance = NULL;
	const char *technique;
	bool interrupted, conflict;
	sp_status st;
	int status = parse(&a, argc, argv);

	if (status >= 0)
		return status;
	technique = a.deliver ? sp_beam_technique_name(a.delivery.technique) : "fluence";
	a.plan.between_leaves = a.deliver;
	if ((st = check_output(a.plan_path, &err)) != SP_OK || (st = sp_case_read(&c, a.case_path, &err)) != SP_OK ||
	    (st = find_protocol(&protocol, &dose_gy, &a, c, &err)) != SP_OK ||
	    (st = complete_targets(c, protocol, dose_gy, &err)) != SP_OK ||
	    (st = set_robust(&robust, &a, c, protocol, &err)) != SP_OK ||
	    (st = choose_machine(&machine, &a, &err)) != SP_OK ||
	    (st = sp_matter_create(&matter, NULL, &err)) != SP_OK ||
	    (st = sp_device_open(&device, a.device, &err)) != SP_OK)
		goto cleanup;
	if ((st = set_earlier(&a, c, protocol, &err)) != SP_OK)
		goto cleanup;
	say_names(c, protocol);
	st = make_plan(&plan, &delivered, &a, c, robust.to_plan, dose_gy, machine, matter, device, &err);
	interrupted = st == SP_INTERRUPTED;
	if (st != SP_OK && !plan)
		goto cleanup;
	if ((st = prescribe(c, &a, protocol, dose_gy, &err)) != SP_OK ||
	    (st = sp_evaluate(&evaluation, c, &plan->dose_grid, plan->dose_gy, robust.to_judge, &err)) != SP_OK)
		goto cleanup;
	provenance = provenance_of(&a, argc, argv, c, device, plan, sp_clock_seconds() - started);
	if (provenance && plan->sigma_gy) {
		json_object_set_new(provenance, "seed", json_integer((json_int_t)a.plan.seed));
		json_object_set_new(provenance, "dose_seed", json_integer((json_int_t)plan->dose_seed));
		json_object_set_new(provenance, "uncertainty", json_real(plan->uncertainty));
		json_object_set_new(provenance, "histories", json_integer((json_int_t)plan->histories));
	}
	if (provenance && a.robust)
		json_object_set_new(provenance, "robust", json_string(a.robust));
	if (plan->robust)
		json_object_set(evaluation, "robust", plan->robust);
	if (plan->reirradiation)
		json_object_set(evaluation, "reirradiation", plan->reirradiation);
	if (provenance && delivered)
		add_delivery(provenance, delivered);
	json_object_set(evaluation, "provenance", provenance);
	st = sp_plan_write(&(sp_plan){.c = c,
	                              .technique = technique,
	                              .machine = machine->name,
	                              .beams = delivered ? NULL : plan->beams,
	                              .weights = delivered ? NULL : plan->weights,
	                              .delivery = delivered ? delivered->delivery : NULL,
	                              .dose_grid = plan->dose_grid,
	                              .dose_gy = plan->dose_gy,
	                              .sigma_gy = plan->sigma_gy,
	                              .evaluation = evaluation,
	                              .provenance = provenance},
	                   a.plan_path, &err);
	if (st != SP_OK)
		goto cleanup;
	if (a.json) {
		json_dumpf(evaluation, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		sp_evaluation_print(evaluation);
		if (plan->robust)
			print_robust(plan->robust);
		if (plan->reirradiation)
			sp_reirradiation_print(plan->reirradiation);
	}
	fflush(stdout); /* before what comes on stderr */
	if (delivered)
		sp_log_info("%s: %zu beams, %zu %s, %.1f MU a fraction, delivered in %.0f s (beam on %.0f)",
		            a.plan_path, delivered->delivery->n_beams, delivered->n_segments,
		            a.delivery.technique == SP_BEAM_VMAT ? "pieces of arcs" : "segments",
		            sp_delivery_mu(delivered->delivery),
		            delivered->seconds.beam_on_s + delivered->seconds.between_s, delivered->seconds.beam_on_s);
	sp_log_info("%s: %s plan in %.1f s (matrix %.1f, optimisation %.1f, dose %.1f)", a.plan_path, technique,
	            sp_clock_seconds() - started, plan->matrix_seconds, plan->optimise_seconds, plan->dose_seconds);
	conflict = say_conflict(evaluation, plan->optimisation.interrupted);
	if (interrupted)
		st = sp_fail(&err, SP_INTERRUPTED, "interrupted; %s holds the best plan so far", a.plan_path);
	else if (conflict)
		status = 1;
	else if (a.require_limits &&
	         (!json_is_true(json_object_get(evaluation, "all_limits_met")) ||
	          (plan->robust && !json_is_true(json_object_get(plan->robust, "all_limits_met"))) ||
	          json_is_false(json_object_get(plan->reirradiation, "all_rules_met"))))
		status = 1;
cleanup:
	if (st != SP_OK)
		status = sp_command_fail("plan", &err);
	json_decref(provenance);
	json_decref(evaluation);
	if (delivered)
		sp_delivered_plan_destroy(delivered);
	else
		sp_fluence_plan_destroy(plan);
	finish_robust(&robust);
	sp_device_close(device);
	sp_matter_destroy(matter);
	sp_machine_destroy(machine);
	sp_protocol_destroy(protocol);
	sp_case_destroy(c);
	return status == -1 ? 0 : status;
}
