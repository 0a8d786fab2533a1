/* spineplan hardware: what is metal in a CT, and what is only its artefact. The work is planner/targets/hardware.c. */
#include "hardware.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "commands.h"
#include "matter.h"
#include "options.h"

static const char help[] =
        "usage: spineplan hardware CASE -o CASE2 [options]\n"
        "\n"
        "Gives implants their material, by contour or by CT number, and artefacts of their streaks that of tissue.\n"
        "\n"
        "  -o, --output CASE2          the case file to write\n"
        "      --contour NAME=MATERIAL this structure is an implant of titanium, ti6al4v, cocr, peek, peek_cf30,\n"
        "                              steel ...; may be given again\n"
        "      --tissue NAME=MATERIAL  inside this structure is muscle, spongiosa ..., whatever the CT says; may be\n"
        "                              given again\n"
        "      --find MATERIAL         what reaches --threshold-hu is an implant of this material\n"
        "      --threshold-hu HU       (default 2000)\n"
        "      --least-cc V            smaller pieces are left (default 0.05)\n"
        "      --streaks-mm D          within D mm of hardware, in its slices, what cannot be tissue becomes muscle,\n"
        "                              in vertebrae spongiosa (default: none)\n"
        "      --tissue-hu LOW,HIGH    what can be tissue outside of vertebrae (default -200,1300; -200,300 where all "
        "bone\n"
        "                              near the metal is drawn)\n"
        "      --bone-hu LOW,HIGH      the same in vertebrae (default -100,1600)\n"
        "      --json                  print what was done as JSON\n"
        "\n"
        "example: spineplan hardware case.h5 -o case2.h5 --find ti6al4v --contour Cage=peek --streaks-mm 40\n";

#define MOST 64

typedef struct {
	const char *case_path, *output;
	sp_hardware_contour implants[MOST], tissues[MOST];
	char *texts[2 * MOST]; /* what the contours' names point into */
	size_t n_texts;
	sp_hardware_options o;
	bool json;
} arguments;

enum { CONTOUR = 256, TISSUE, FIND, THRESHOLD, LEAST, STREAKS, TISSUE_HU, BONE_HU, JSON };

/* NAME=MATERIAL; a name may have an "=" of its own. */
static bool add_contour(arguments *a, sp_hardware_contour *list, size_t *n, const char *text)
{
	char *copy, *equals;

	if (*n >= MOST || !(copy = sp_copy_text(text)))
		return false;
	a->texts[a->n_texts++] = copy;
	if (!(equals = strrchr(copy, '=')) || equals == copy || !equals[1])
		return false;
	*equals = '\0';
	list[(*n)++] = (sp_hardware_contour){copy, equals + 1};
	return true;
}

static bool take(arguments *a, int option, const char *text)
{
	switch (option) {
	case 'o':
		a->output = text;
		return true;
	case CONTOUR:
		return add_contour(a, a->implants, &a->o.n_implants, text);
	case TISSUE:
		return add_contour(a, a->tissues, &a->o.n_tissues, text);
	case FIND:
		a->o.found_material = text;
		return *text != '\0';
	case THRESHOLD:
		return sp_option_number(&a->o.threshold_hu, text, 500.0, 32767.0);
	case LEAST:
		return sp_option_number(&a->o.least_cc, text, 0.0, 100.0);
	case STREAKS:
		return sp_option_number(&a->o.streak_mm, text, 0.0, 500.0);
	case TISSUE_HU:
		return sp_option_list(a->o.tissue_hu, 2, text) == 2 && a->o.tissue_hu[0] < a->o.tissue_hu[1];
	case BONE_HU:
		return sp_option_list(a->o.bone_hu, 2, text) == 2 && a->o.bone_hu[0] < a->o.bone_hu[1];
	default:
		return a->json = true;
	}
}

/* -1: go on; else the exit status to end with. */
static int parse(arguments *a, int argc, char **argv)
{
	static const struct option options[] = {
	        {"output", required_argument, NULL, 'o'},
	        {"contour", required_argument, NULL, CONTOUR},
	        {"tissue", required_argument, NULL, TISSUE},
	        {"find", required_argument, NULL, FIND},
	        {"threshold-hu", required_argument, NULL, THRESHOLD},
	        {"least-cc", required_argument, NULL, LEAST},
	        {"streaks-mm", required_argument, NULL, STREAKS},
	        {"tissue-hu", required_argument, NULL, TISSUE_HU},
	        {"bone-hu", required_argument, NULL, BONE_HU},
	        {"json", no_argument, NULL, JSON},
	        {"help", no_argument, NULL, 'h'},
	        {NULL, 0, NULL, 0},
	};
	int option;

	opterr = 0;
	optind = 1;
	while ((option = getopt_long(argc, argv, ":o:h", options, NULL)) != -1) {
		if (option == 'h') {
			fputs(help, stdout);
			return 0;
		}
		if (option == ':')
			return sp_command_usage("hardware", "%s needs a value", argv[optind - 1]);
		if (option == '?')
			return sp_command_usage("hardware", "no option %s", argv[optind - 1]);
		if (!take(a, option, optarg))
			return sp_command_usage("hardware", "'%s' is no good value for --%s", optarg,
			                        sp_option_name(options, option));
	}
	if (optind != argc - 1)
		return sp_command_usage("hardware", optind >= argc ? "which case?" : "more than one case given");
	a->case_path = argv[optind];
	if (!a->output)
		return sp_command_usage("hardware", "say where the new case goes with -o CASE2");
	if (!a->o.n_implants && !a->o.n_tissues && !a->o.found_material && !(a->o.streak_mm > 0.0))
		return sp_command_usage("hardware", "nothing to do: --contour, --tissue, --find or --streaks-mm");
	return -1;
}

static sp_status check_material(const sp_matter *m, const char *name, sp_error *err)
{
	return sp_matter_find(m, name) >= 0 ? SP_OK
	                                    : sp_fail(err, SP_BAD_INPUT,
	                                              "no material '%s'; the names are those of engine/matter/data "
	                                              "(titanium, ti6al4v, cocr, "
	                                              "steel, peek, peek_cf30, muscle, spongiosa ...)",
	                                              name);
}

static sp_status check_materials(const arguments *a, sp_error *err)
{
	sp_matter *m = NULL;
	sp_status st = sp_matter_create(&m, NULL, err);

	for (size_t i = 0; st == SP_OK && i < a->o.n_implants; i++)
		st = check_material(m, a->implants[i].material, err);
	for (size_t i = 0; st == SP_OK && i < a->o.n_tissues; i++)
		st = check_material(m, a->tissues[i].material, err);
	if (st == SP_OK && a->o.found_material)
		st = check_material(m, a->o.found_material, err);
	sp_matter_destroy(m);
	return st;
}

static void print_record(const json_t *record, const arguments *a)
{
	const json_t *row;
	size_t i;

	json_array_foreach(json_object_get(record, "structures"), i, row) printf(
	        "%-20s %-16s %8.2f cc  %s\n", json_string_value(json_object_get(row, "structure")),
	        json_string_value(json_object_get(row, "material")),
	        json_number_value(json_object_get(row, "volume_cc")), json_string_value(json_object_get(row, "role")));
	json_array_foreach(json_object_get(record, "pieces"), i, row)
	{
		const json_t *at = json_object_get(row, "middle_mm");

		printf("found by HU          %-16s %8.2f cc  at %.1f, %.1f, %.1f mm\n", a->o.found_material,
		       json_number_value(json_object_get(row, "volume_cc")), json_number_value(json_array_get(at, 0)),
		       json_number_value(json_array_get(at, 1)), json_number_value(json_array_get(at, 2)));
	}
	json_array_foreach(json_object_get(record, "streaks"), i, row)
	        printf("%-20s %-16s %8.2f cc  artefact\n", json_string_value(json_object_get(row, "structure")),
	               json_string_value(json_object_get(row, "material")),
	               json_number_value(json_object_get(row, "volume_cc")));
}

int sp_command_hardware(int argc, char **argv)
{
	arguments a = {.o = SP_HARDWARE_DEFAULTS};
	sp_error err = {0};
	json_t *record = NULL;
	sp_case *c = NULL;
	sp_status st;
	int status = parse(&a, argc, argv);

	if (status >= 0)
		goto cleanup;
	a.o.implants = a.implants;
	a.o.tissues = a.tissues;
	status = 0;
	if ((st = check_materials(&a, &err)) != SP_OK || (st = sp_case_read(&c, a.case_path, &err)) != SP_OK ||
	    (st = sp_hardware_mark(&record, c, &a.o, &err)) != SP_OK || (st = sp_case_check(c, &err)) != SP_OK ||
	    (st = sp_case_write(c, a.output, &err)) != SP_OK)
		status = sp_command_fail("hardware", &err);
	else if (!a.json)
		print_record(record, &a);
	else if (json_dumpf(record, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(8)) != 0 || putchar('\n') == EOF)
		status = 2;
cleanup:
	json_decref(record);
	sp_case_destroy(c);
	for (size_t i = 0; i < a.n_texts; i++)
		free(a.texts[i]);
	return status;
}
