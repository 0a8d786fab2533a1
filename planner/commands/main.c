/* spineplan: finds the command and runs it. */
#include "commands.h"
#include "interrupt.h"
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
} command;

static const command commands[] = {
        {"plan", sp_command_plan, "plan a case: the main job"},
        {"bench", sp_command_bench, "how accurate this program is, against reference data"},
        {"check", sp_command_check, "what is in a case, and whether it can be planned on"},
        {"dose", sp_command_dose, "the dose of a plan or of a benchmark's field, by pencil beam or Monte Carlo"},
        {"merge", sp_command_merge, "add up the parts of a Monte Carlo dose"},
        {"compare", sp_command_compare, "two doses: gamma, differences, profiles"},
        {"influence", sp_command_influence, "compute the dose-influence matrix of a case"},
        {"info", sp_command_info, "what kind of file this is, its sizes and provenance"},
        {"evaluate", sp_command_evaluate, "DVH metrics, conformity and limits of a plan"},
        {"tradeoff", sp_command_tradeoff, "plans along the front between cord and target"},
        {"biology", sp_command_biology, "BED, EQD2, cord risk, and rules for re-irradiation"},
        {"robustness", sp_command_robustness, "what set-up errors do to a plan"},
        {"optimise", sp_command_optimise, "bixel weights for an influence matrix, by objectives and limits"},
        {"targets", sp_command_targets, "CTV, PTV and PRV from the tumour, by rule"},
        {"hardware", sp_command_hardware, "implants by contour or CT number, and their artefacts"},
        {"phantom", sp_command_phantom, "make a case by program"},
        {"devices", sp_command_devices, "the OpenCL devices, and a test that they compute right"},
        {"commission", sp_command_commission, "fit a machine file to measurements in a water tank"},
        {"kernels", sp_command_kernels, "pencil kernels of a photon spectrum, by Monte Carlo"},
        {NULL, NULL, NULL},
};

int sp_command_fail(const char *name, const sp_error *err)
{
	fprintf(stderr, "spineplan %s: %s\n", name, err->text);
	return sp_exit_status(err->status);
}

int sp_command_usage(const char *name, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "spineplan %s: ", name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "; see `spineplan %s --help`\n", name);
	return 2;
}

static void print_help(FILE *out)
{
	fputs("spineplan: radiotherapy dose planning for spinal metastases\n"
	      "usage: spineplan [-q|-v] COMMAND [OPTIONS]; each command has --help\n\n",
	      out);
	for (const command *c = commands; c->name; c++)
		fprintf(out, "  %-10s %s\n", c->name, c->summary);
	fputs("\nResearch software, not a medical device. Doses need independent verification.\n", out);
}

int main(int argc, char **argv)
{
	int first = 1;

	for (; first < argc && argv[first][0] == '-'; first++) {
		if (strcmp(argv[first], "-q") == 0)
			sp_log_set_level(SP_LOG_QUIET);
		else if (strcmp(argv[first], "-v") == 0)
			sp_log_set_level(SP_LOG_DETAIL);
		else if (strcmp(argv[first], "--version") == 0)
			return puts("spineplan " SP_VERSION) < 0;
		else if (strcmp(argv[first], "--help") == 0 || strcmp(argv[first], "-h") == 0)
			return print_help(stdout), 0;
		else
			return fprintf(stderr, "spineplan: no option %s; see `spineplan --help`\n", argv[first]), 2;
	}
	if (first >= argc)
		return print_help(stderr), 2;
	sp_interrupt_catch();
	for (const command *c = commands; c->name; c++)
		if (strcmp(c->name, argv[first]) == 0)
			return c->run(argc - first, argv + first);
	fprintf(stderr, "spineplan: no command '%s'; see `spineplan --help`\n", argv[first]);
	return 2;
}
