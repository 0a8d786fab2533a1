/* The options of `spineplan plan`. */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "log.h"
#include "options.h"
#include "plan_command.h"

/* An odd number of beams at equal steps, so that none opposes another: what they share is the target. */
static const double around_deg[] = {180, 208, 235, 263, 291, 319, 346, 14, 41, 69, 97, 125, 152};

static const char help[] =
        "usage: spineplan plan CASE -o PLAN [options]\n"
        "\n"
        "Plans a case: matrix, optimisation with hard limits, dose, evaluation, plan file.\n"
        "\n"
        "  -o, --output PLAN      the plan file to write (HDF5)\n"
        "      --protocol NAME    a shipped protocol or a YAML file; default: what the case names\n"
        "      --dose-gy D        prescription; default: that of --protocol, else the case's\n"
        "      --boost NAME:D     simultaneous integrated boost: D Gy to structure NAME (or a role: gtv) within the "
        "target\n"
        "      --technique T      imrt: step and shoot (default with --protocol); vmat: arcs; their last dose is "
        "Monte\n"
        "                         Carlo. fluence: not deliverable (default without --protocol)\n"
        "      --segments N       imrt: most segments (default 7 a beam)\n"
        "      --one-collimator   imrt: one field a beam; default: also one with the collimator 90 degrees on\n"
        "      --arcs N           vmat: 1 to 3 (default 2)\n"
        "      --arc A,B          vmat: gantry angles between which they turn (default 181,179)\n"
        "      --mlc NAME         a shipped leaf file or a YAML file, instead of the machine's\n"
        "      --engine E         pencil: finite-size pencil beam (default); mc: Monte Carlo, matrix and dose\n"
        "      --uncertainty U    mc: standard uncertainty of the dose, mean above half of the maximum (default 1%)\n"
        "      --bixel-uncertainty U  mc: the same of each bixel in the matrix (default 5%)\n"
        "      --seed S           mc: the same seed gives the same bits on the same device (default 1)\n"
        "      --machine NAME     a shipped machine or a YAML file (default generic-6mv)\n"
        "      --beams A,B,...    gantry angles in degrees; default: the case's beams, else 13 chosen by the\n"
        "                         target's level, side and what lies in the way when there is a cord, 9 all round\n"
        "                         otherwise; around: 13 all round\n"
        "      --target-slip P%   by priority: hard limits, then the target, then other organs, then the rest, for "
        "which\n"
        "                         the target may lack P% of the prescription more (default for a spine's fluence: 2%)\n"
        "      --target-weight W  one sum of all objectives instead, in which dose that the target lacks counts W "
        "times\n"
        "                         (default where there is no cord: 1; else for imrt, vmat, mc, --robust, --earlier: "
        "4)\n"
        "      --bixel-mm S       bixel side at the isocentre (default 2.5 for a spine, else 5; imrt, vmat, mc,\n"
        "                         --robust: 5)\n"
        "      --grid-mm S        spacing of the dose grid (default 2)\n"
        "      --cutoff-mm R      pencil: lateral reach of a bixel in the matrix (default 50); the final dose has no "
        "cut-off\n"
        "      --robust E         hold the hard limits under set-up errors E too (1mm or 1mm,1deg: shifts, turns "
        "about\n"
        "                         three axes); replaces the PRV of the cord. Pencil beam only\n"
        "      --directions N     of each shift: 6 (default), 14, 18 or 26\n" SP_EARLIER_HELP
        "      --max-time S       seconds of optimisation at most (default 0: until it converges)\n"
        "      --device D         index or part of the name of an OpenCL device (see spineplan devices); several as "
        "0,1\n"
        "                         or all share the work, with the same result\n"
        "      --require-limits   exit status 1 when the plan misses a limit\n"
        "      --json             print the evaluation as JSON instead of a table\n"
        "\n"
        "A plan that misses a hard limit is written, with a warning and exit status 1.\n"
        "Ctrl-C ends the optimisation, keeps the best plan so far and exits with status 4.\n"
        "\n"
        "example: spineplan plan case.h5 --protocol sc24-24gy-2fx -o plan.h5\n";

static bool read_technique(sp_plan_arguments *a, const char *text)
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

/* No gantry goes through 180 degrees (delivery_check.h), from where the first angle is counted here, clockwise. */
static bool arc_crosses_stop(const double arc_deg[2])
{
	const double slack_deg = 1e-6;
	double start = fmod(arc_deg[0] - 180.0, 360.0), span = fmod(arc_deg[1] - arc_deg[0], 360.0);

	start = start < 0.0 ? start + 360.0 : start;
	span = span <= 0.0 ? span + 360.0 : span;
	return start + span > 360.0 + slack_deg;
}

/* An option that the plan asked for would not heed, and what it is for. */
static bool finds_unheeded(char *option, const char **needs, const sp_plan_arguments *a)
{
	const sp_beam_technique technique = a->delivery.technique;
	const struct {
		const char *options, *needs;
		bool heeded;
	} all[] = {{"u", "--engine mc, or --technique imrt or vmat", a->plan.montecarlo || a->deliver},
	           {"B", "--engine mc", a->plan.montecarlo},
	           {"c", "the pencil beam's matrix; Monte Carlo's is cut off nowhere", !a->plan.montecarlo},
	           {"nC", "--technique imrt", a->deliver && technique == SP_BEAM_IMRT},
	           {"aA", "--technique vmat", a->deliver && technique == SP_BEAM_VMAT},
	           {"l", "--technique imrt or vmat", a->deliver},
	           {"b", "fluence plans and --technique imrt; arcs run between the angles of --arc",
	            !(a->deliver && technique == SP_BEAM_VMAT)},
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

int sp_plan_parse(sp_plan_arguments *a, int argc, char **argv)
{
	static const struct option options[] = {
	        {"output", required_argument, NULL, 'o'},
	        {"protocol", required_argument, NULL, 'p'},
	        {"dose-gy", required_argument, NULL, 'D'},
	        {"technique", required_argument, NULL, 't'},
	        {"segments", required_argument, NULL, 'n'},
	        {"one-collimator", no_argument, NULL, 'C'},
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
	        {"boost", required_argument, NULL, 'G'},
	        {"target-slip", required_argument, NULL, 'P'},
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
		case 'C':
			a->delivery.one_collimator = true;
			break;
		case 'a':
			good = read_count(&a->delivery.arcs, optarg, 1, 3);
			break;
		case 'A':
			good = sp_option_angles(a->delivery.arc_deg, 2, optarg) == 2;
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
			good = (a->plan.n_angles = sp_option_angles(a->angles, SP_PLAN_MAX_ANGLES, optarg)) > 0;
			break;
		case 'W':
			good = sp_option_number(&a->plan.target_weight, optarg, 0.01, 100.0);
			break;
		case 'G':
			if (a->boost)
				return sp_command_usage("plan", "--boost is given twice; a plan has one boost");
			a->boost = optarg;
			break;
		case 'P':
			good = sp_option_percent(&a->plan.target_slip_percent, optarg);
			a->plan.target_slip_percent *= 100.0;
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
	if (a->given['p'] && !a->given['t']) { /* a protocol is for treatment */
		a->deliver = true;
		a->delivery.technique = SP_BEAM_IMRT;
	}
	if (a->robust && a->earlier.path)
		return sp_command_usage("plan", "--robust and --earlier cannot be planned for together yet");
	if (a->robust && a->plan.montecarlo)
		return sp_command_usage("plan", "--robust plans by pencil beam; leave out --engine mc");
	if (a->given['W'] && a->given['P'])
		return sp_command_usage("plan",
		                        "--target-weight makes one sum of all objectives, which has no --target-slip");
	if (!a->plan_path)
		return sp_command_usage("plan", "say where the plan goes with -o PLAN");
	if (a->deliver && a->plan.montecarlo)
		return sp_command_usage("plan",
		                        "--technique imrt and vmat search with the pencil beam's matrix and have Monte "
		                        "Carlo doses anyway: leave out --engine mc, or say --technique "
		                        "fluence");
	if (finds_unheeded(&unheeded, &needs, a))
		return sp_command_usage("plan", "--%s is for %s", sp_option_name(options, unheeded), needs);
	if (arc_crosses_stop(a->delivery.arc_deg))
		return sp_command_usage("plan",
		                        "--arc %g,%g goes clockwise through 180 degrees, where gantries stop; 181,179 "
		                        "is all round",
		                        a->delivery.arc_deg[0], a->delivery.arc_deg[1]);
	if (a->given['S'] && !a->plan.montecarlo && !a->deliver) /* a script may give it to every plan */
		sp_log_warning("--seed changes nothing: a fluence plan by pencil beam has no random numbers");
	if (sp_command_keeps_inputs("plan", a->plan_path, (const char *const[]){a->case_path, a->protocol, a->machine},
	                            3))
		return 2;
	return -1;
}
