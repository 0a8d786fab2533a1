/* spineplan targets: CTV, PTV and PRV from the tumour, with the reasons. The work is planner/targets. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "options.h"
#include "targets.h"

static const char help[] =
        "usage: spineplan targets CASE -o CASE2 [options]\n"
        "\n"
        "Makes targets from the tumour (GTV): finds the six sectors of the vertebrae that hold it, decides by the\n"
        "published consensus which belong to the CTV, measures how far the tumour reaches into the canal, and adds\n"
        "CTV, PTV and the cord's PRV by margins. Says what was decided and why; the report of a plan draws it.\n"
        "\n"
        "  -o, --output CASE2           the case file to write\n"
        "      --gtv NAME               the tumour (default: all structures of role gtv)\n"
        "      --vertebra NAME          a vertebra's contour; may be given again (default: by name, where the GTV "
        "lies)\n"
        "      --canal NAME             what runs through it (default: canal, sac or cord, by name)\n"
        "      --include [LEVEL:]PART   take this part into the CTV whatever the rule says; may be given again\n"
        "      --exclude [LEVEL:]PART   leave this part out; PART: 1 to 6, or body, left-pedicle,\n"
        "                               left-transverse-process, left-lamina, spinous-process, right-...\n"
        "      --postoperative          after surgery: the disease as it was found decides, hardware stays out\n"
        "      --preop-gtv NAME         the tumour before the operation\n"
        "      --preop-vertebra NAME    the vertebra's contour before the operation\n"
        "      --canal-extension-mm D   after surgery: how far the CTV goes on along the canal (default 5)\n"
        "      --ptv-margin-mm D        CTV to PTV (default 2)\n"
        "      --prv-margin-mm D        cord to its PRV, where the case has none (default 2)\n"
        "      --no-sectors             do not draw the sectors as structures\n"
        "      --json                   print the record as JSON\n"
        "\n"
        "Where the PTV reaches into the PRV, PTV_eval is the PTV without it, and the prescription is for PTV_eval.\n"
        "\n"
        "example: spineplan targets case.h5 -o targets.h5 --exclude right-pedicle\n";

#define MOST_WORDS 64

typedef struct {
	const char *case_path, *output;
	const char *vertebrae[MOST_WORDS], *include[MOST_WORDS], *exclude[MOST_WORDS];
	sp_target_options o;
	bool json;
} arguments;

static bool add_word(const char **list, size_t *n, const char *word)
{
	if (*n >= MOST_WORDS)
		return false;
	list[(*n)++] = word;
	return true;
}

/* -1: go on; else the exit status to end with. */
static int parse(arguments *a, int argc, char **argv)
{
	static const struct option options[] = {
	        {"output", required_argument, NULL, 'o'},
	        {"gtv", required_argument, NULL, 'g'},
	        {"vertebra", required_argument, NULL, 'v'},
	        {"canal", required_argument, NULL, 'c'},
	        {"include", required_argument, NULL, 'i'},
	        {"exclude", required_argument, NULL, 'e'},
	        {"postoperative", no_argument, NULL, 'p'},
	        {"preop-gtv", required_argument, NULL, 'G'},
	        {"preop-vertebra", required_argument, NULL, 'V'},
	        {"canal-extension-mm", required_argument, NULL, 'C'},
	        {"ptv-margin-mm", required_argument, NULL, 'P'},
	        {"prv-margin-mm", required_argument, NULL, 'R'},
	        {"no-sectors", no_argument, NULL, 's'},
	        {"json", no_argument, NULL, 'j'},
	        {"help", no_argument, NULL, 'h'},
	        {NULL, 0, NULL, 0},
	};
	int option;

	a->o = SP_TARGET_DEFAULTS;
	a->o.vertebrae = a->vertebrae;
	a->o.include = a->include;
	a->o.exclude = a->exclude;
	opterr = 0;
	optind = 1;
	while ((option = getopt_long(argc, argv, ":o:h", options, NULL)) != -1) {
		bool good = true;

		switch (option) {
		case 'o':
			a->output = optarg;
			break;
		case 'g':
			a->o.gtv = optarg;
			break;
		case 'v':
			good = add_word(a->vertebrae, &a->o.n_vertebrae, optarg);
			break;
		case 'c':
			a->o.canal = optarg;
			break;
		case 'i':
			good = add_word(a->include, &a->o.n_include, optarg);
			break;
		case 'e':
			good = add_word(a->exclude, &a->o.n_exclude, optarg);
			break;
		case 'p':
			a->o.postoperative = true;
			break;
		case 'G':
			a->o.preop_gtv = optarg;
			break;
		case 'V':
			a->o.preop_vertebra = optarg;
			break;
		case 'C':
			good = sp_option_number(&a->o.canal_extension_mm, optarg, 0.0, 50.0);
			break;
		case 'P':
			good = sp_option_number(&a->o.ptv_margin_mm, optarg, 0.0, 20.0);
			break;
		case 'R':
			good = sp_option_number(&a->o.prv_margin_mm, optarg, 0.0, 20.0);
			break;
		case 's':
			a->o.draw_sectors = false;
			break;
		case 'j':
			a->json = true;
			break;
		case 'h':
			fputs(help, stdout);
			return 0;
		case ':':
			return sp_command_usage("targets", "%s needs a value", argv[optind - 1]);
		default:
			return sp_command_usage("targets", "no option %s", argv[optind - 1]);
		}
		if (!good)
			return sp_command_usage("targets", "'%s' is no good value for its option", optarg);
	}
	if (optind != argc - 1)
		return sp_command_usage("targets", optind >= argc ? "which case?" : "more than one case given");
	a->case_path = argv[optind];
	if (!a->output)
		return sp_command_usage("targets", "say where the new case goes with -o CASE2");
	if ((a->o.preop_gtv || a->o.preop_vertebra) && !a->o.postoperative)
		return sp_command_usage("targets", "--preop-gtv and --preop-vertebra belong to --postoperative");
	return -1;
}

static const char *text(const json_t *o, const char *key)
{
	const char *found = json_string_value(json_object_get(o, key));

	return found ? found : "";
}

static void print_part(const json_t *p)
{
	bool included = json_is_true(json_object_get(p, "included"));

	printf("  %lld %-24s %7.2f %8.2f %6.0f %%   %-4s%s%s\n",
	       (long long)json_integer_value(json_object_get(p, "sector")), text(p, "part"),
	       json_number_value(json_object_get(p, "bone_cc")), json_number_value(json_object_get(p, "tumour_cc")),
	       json_number_value(json_object_get(p, "tumour_percent")), included ? "in" : "out", text(p, "why"),
	       json_is_true(json_object_get(p, "close_call")) ? " (a close call: look)" : "");
}

static void print_number(const json_t *o, const char *key, const char *label, const char *unit)
{
	const json_t *value = json_object_get(o, key);

	if (json_is_number(value))
		printf("  %-32s %6.1f %s\n", label, json_number_value(value), unit);
}

static void print_record(const json_t *record)
{
	const json_t *e = json_object_get(record, "epidural"), *item;
	size_t i, k;

	printf("rule          %s\n", text(record, "source"));
	json_array_foreach(json_object_get(record, "vertebrae"), i, item)
	{
		const json_t *part;

		printf("\nvertebra      %s, tumour in the body: %s%s\n", text(item, "structure"),
		       text(item, "tumour_in_body"),
		       json_is_true(json_object_get(item, "ring_round_cord")) ? "; the CTV is a ring round the cord"
		                                                              : "");
		printf("  sector                      bone cc tumour cc   share   CTV why\n");
		json_array_foreach(json_object_get(item, "parts"), k, part) print_part(part);
	}
	printf("\nepidural      grade %s\n", text(e, "grade"));
	printf("  %-32s %6.2f cc\n", "tumour in the canal", json_number_value(json_object_get(e, "epidural_cc")));
	print_number(e, "contact_mm", "touches the sac over", "mm of its outline");
	print_number(e, "contact_height_mm", "for a height of", "mm");
	print_number(e, "sac_compression_mm", "sac pressed from front to back by", "mm");
	print_number(e, "tumour_to_cord_mm", "tumour to cord", "mm");
	print_number(e, "fluid_round_cord_mm", "fluid round the cord", "mm");
	putchar('\n');
	json_array_foreach(json_object_get(record, "made"), i, item)
	        printf("made          %-20s %8.2f cc  %s\n", text(item, "name"),
	               json_number_value(json_object_get(item, "volume_cc")), text(item, "how"));
	json_array_foreach(json_object_get(record, "notes"), i, item)
	        printf("note          %s\n", json_string_value(item));
}

int sp_command_targets(int argc, char **argv)
{
	arguments a = {0};
	sp_error err = {0};
	json_t *record = NULL;
	sp_case *c = NULL;
	sp_status st;
	int status = parse(&a, argc, argv);

	if (status >= 0)
		return status;
	if ((st = sp_case_read(&c, a.case_path, &err)) != SP_OK ||
	    (st = sp_targets_make(&record, c, &a.o, &err)) != SP_OK || (st = sp_case_write(c, a.output, &err)) != SP_OK)
		status = sp_command_fail("targets", &err);
	else if (a.json)
		status = json_dumpf(record, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(10)) != 0 ||
		                         putchar('\n') == EOF
		                 ? 2
		                 : 0;
	else
		print_record(record), status = 0;
	json_decref(record);
	sp_case_destroy(c);
	return status;
}
