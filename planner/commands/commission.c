/* `spineplan commission`: a machine file fitted to measurements in a water tank. */
#include "commands.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "atomic_file.h"
#include "log.h"
#include "options.h"
#include "report.h"

static const char help[] =
        "usage: spineplan commission MACHINE --measured DIR -o NEW.yaml [OPTIONS]\n"
        "Fits the free parameters of a machine file (a shipped machine's name or a path) to depth doses, profiles,\n"
        "output factors, absolute doses and sweeping leaf gaps measured in a water tank (every *.csv and, as W2CAD,\n"
        "every *.asc of DIR; docs/commissioning.md), by the pencil beam. Writes the new machine file, and\n"
        "NEW.json with the curves before and after, which scripts/commission draws.\n"
        "\n"
        "  -o, --output NEW.yaml  the new machine file\n"
        "  --measured DIR         folder of the measurements\n"
        "  --name NAME            of the new machine (default: the output's name)\n"
        "  --hold NAME[,NAME]     leave these parameters as they are, by their keys (source.spectrum.electron_mev)\n"
        "  --detector-mm S        profiles were seen by a detector with a Gaussian response of this standard\n"
        "                         deviation (default 0; about 2.1 for a chamber of 3 mm radius)\n"
        "  --uncertainty U%       of a measured dose that tells none, share of its scan's maximum (default 0.5%)\n"
        "  --device SELECTOR      number or part of the name of the OpenCL device\n"
        "  --json                 print NEW.json's text instead of tables\n"
        "  --help\n"
        "\n"
        "Parameters that the measurements do not determine are held and named. Standard errors come from the\n"
        "covariance, by the reduced chi-square.\n"
        "\n"
        "example: spineplan commission generic-6mv --measured tank -o mine.yaml\n"
        "         spineplan plan case.h5 -o plan.h5 --machine ./mine.yaml\n";

typedef struct {
	const char *machine, *measured, *output, *name, *device;
	bool json, hold[SP_FIT_PARAMETERS];
	double detector_mm, uncertainty;
} options;

/* A comma-separated list of parameters' names. */
static bool parse_hold(bool hold[SP_FIT_PARAMETERS], const char *text)
{
	while (*text) {
		size_t n = strcspn(text, ",");
		bool found = false;

		for (int i = 0; i < SP_FIT_PARAMETERS; i++)
			if (strlen(sp_fit_parameters[i].name) == n && strncmp(sp_fit_parameters[i].name, text, n) == 0)
				found = hold[i] = true;
		if (!found)
			return false;
		text += n + (text[n] == ',');
	}
	return true;
}

static int parse(options *o, int argc, char **argv)
{
	static const struct option known[] = {{"output", required_argument, NULL, 'o'},
	                                      {"measured", required_argument, NULL, 'm'},
	                                      {"name", required_argument, NULL, 'n'},
	                                      {"hold", required_argument, NULL, 'k'},
	                                      {"detector-mm", required_argument, NULL, 'r'},
	                                      {"uncertainty", required_argument, NULL, 'u'},
	                                      {"device", required_argument, NULL, 'd'},
	                                      {"json", no_argument, NULL, 'j'},
	                                      {"help", no_argument, NULL, 'h'},
	                                      {NULL, 0, NULL, 0}};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":o:h", known, NULL)) != -1) {
		bool good = true;

		if (c == 'h') {
			fputs(help, stdout);
			return 1;
		}
		if (c == 'o')
			o->output = optarg;
		else if (c == 'm')
			o->measured = optarg;
		else if (c == 'n')
			o->name = optarg;
		else if (c == 'k')
			good = parse_hold(o->hold, optarg);
		else if (c == 'r')
			good = sp_option_number(&o->detector_mm, optarg, 0.0, 10.0);
		else if (c == 'u')
			good = sp_option_percent(&o->uncertainty, optarg);
		else if (c == 'd')
			o->device = optarg;
		else if (c == 'j')
			o->json = true;
		else
			return sp_command_usage("commission", "%s is unknown or lacks its value", argv[optind - 1]) + 1;
		if (!good)
			return sp_command_usage("commission", "'%s' is no good value for its option", optarg) + 1;
	}
	if (optind < argc)
		o->machine = argv[optind++];
	if (optind < argc)
		return sp_command_usage("commission", "'%s' is not understood", argv[optind]) + 1;
	if (!o->machine || !o->measured || !o->output)
		return sp_command_usage("commission", "MACHINE, --measured DIR and -o NEW.yaml are needed") + 1;
	if (strlen(o->output) >= 5 && strcmp(o->output + strlen(o->output) - 5, ".json") == 0)
		return sp_command_usage("commission", "-o %s would be overwritten by the curves: name it .yaml",
		                        o->output) +
		       1;
	return 0;
}

/* The output's name without folder and ending. */
static char *default_name(const char *path)
{
	const char *slash = strrchr(path, '/'), *from = slash ? slash + 1 : path, *dot = strrchr(from, '.');

	return strndup(from, dot && dot > from ? (size_t)(dot - from) : strlen(from));
}

/* NEW.json beside NEW.yaml; NULL without memory. */
static char *json_path(const char *path)
{
	const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
	size_t stem = dot && (!slash || dot > slash + 1) ? (size_t)(dot - path) : strlen(path);
	char *out = malloc(stem + sizeof ".json");

	if (out)
		snprintf(out, stem + sizeof ".json", "%.*s.json", (int)stem, path);
	return out;
}

static sp_status write_machine(const options *o, sp_commission *c, const char *start, sp_error *err)
{
	char about[1024], *name = o->name ? strdup(o->name) : default_name(o->output);

	if (!name)
		return sp_fail(err, SP_NO_MEMORY, "no memory for a name");
	free(c->machine->name);
	c->machine->name = name;
	snprintf(about, sizeof about,
	         "Commissioned from %.400s by\nspineplan commission %.200s --measured %.200s\n"
	         "%zu points, %zu parameters fitted, reduced chi-square %.3g before, %.3g after. Keys: "
	         "docs/machines.md.",
	         o->measured, start, o->measured, c->n_points, c->n_free, c->chi2_start, c->chi2);
	for (char *at = about; (at = strpbrk(at, "\r\t")); at++)
		*at = ' ';
	return sp_machine_write(c->machine, about, o->output, err);
}

static sp_status write_results(const options *o, sp_commission *c, const sp_measured *measured, sp_error *err)
{
	char *path = json_path(o->output), *text = NULL;
	json_t *json = NULL;
	sp_status st = write_machine(o, c, o->machine, err);

	if (st != SP_OK)
		goto cleanup;
	json = sp_commission_json(c, measured, o->measured);
	text = json ? json_dumps(json, JSON_INDENT(1) | JSON_REAL_PRECISION(7)) : NULL;
	if (!path || !text) {
		st = sp_fail(err, SP_NO_MEMORY, "no memory for the curves");
		goto cleanup;
	}
	if ((st = sp_file_write_all(path, text, strlen(text), err)) != SP_OK)
		goto cleanup;
	if (o->json)
		puts(text);
	else
		sp_commission_print(c, measured);
	sp_log_info("%s is the new machine, %s its curves", o->output, path);
cleanup:
	free(path);
	free(text);
	json_decref(json);
	return st;
}

static sp_status run(const options *o, sp_error *err)
{
	const sp_commission_options how = {o->uncertainty, o->hold};
	sp_scan_model model = {.matter = NULL, .detector_sigma_mm = o->detector_mm};
	sp_matter *matter = NULL;
	sp_measured measured = {0};
	sp_commission found = {0};
	sp_status st;

	/* minutes of work: find out first whether the place can be written */
	if ((st = sp_atomic_check(o->output, err)) != SP_OK ||
	    (st = sp_measured_read(&measured, o->measured, err)) != SP_OK ||
	    (st = sp_matter_create(&matter, NULL, err)) != SP_OK ||
	    (st = sp_device_open(&model.device, o->device, err)) != SP_OK ||
	    (st = sp_water_tank_make(&model.tank, err)) != SP_OK)
		goto cleanup;
	model.matter = matter;
	if (measured.n_skipped)
		sp_log_warning("%zu scans that are not of open photon fields are left out", measured.n_skipped);
	if ((st = sp_commission_fit(&found, &measured, &model, o->machine, &how, err)) == SP_OK)
		st = write_results(o, &found, &measured, err);
cleanup:
	sp_commission_finish(&found, measured.n);
	sp_measured_finish(&measured);
	sp_water_tank_finish(&model.tank);
	sp_device_close(model.device);
	sp_matter_destroy(matter);
	return st;
}

int sp_command_commission(int argc, char **argv)
{
	options o = {.uncertainty = 0.005};
	sp_error err = {0};
	int status = parse(&o, argc, argv);

	if (status != 0)
		return status - 1;
	if (sp_command_keeps_inputs("commission", o.output, &o.machine, 1))
		return 2;
	return run(&o, &err) == SP_OK ? 0 : sp_command_fail("commission", &err);
}
