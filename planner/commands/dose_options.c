/* The options of `spineplan dose`. */
#include "commands.h"
#include "dose.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mc.h"
#include "options.h"

static const char help[] =
        "usage: spineplan dose CASE PLAN -o DOSE [OPTIONS]\n"
        "       spineplan dose CASE -o DOSE --source point|parallel [--ssd-mm S] --field-mm XxY [OPTIONS]\n"
        "Computes the dose of a plan on a case (Gy, whole course), or that of a benchmark's field (Gy per source\n"
        "particle): along +z on the axis x = y = 0, the surface at z = 0. A point source lies S mm before the surface\n"
        "and is uniform per solid angle inside sharp edges; a parallel beam has the field's size everywhere.\n"
        "\n"
        "  -o, --output DOSE      where to write it (HDF5: /dose/dose_gy or /dose/dose_gy_per_particle)\n"
        "  --engine pencil|mc     finite-size pencil beam, or Monte Carlo (default: pencil, unless an option below\n"
        "                         needs mc)\n"
        "  --grid-mm X[xYxZ]      spacing of the dose grid (default: the plan's, or 2.5 where it has none; for a\n"
        "                         field the CT's with mc, 1.25x1.25x1 with pencil)\n"
        "  --machine NAME|FILE    default: the plan's, or generic-6mv\n"
        "  --mlc NAME|FILE        leaves of a plan with control points (default: the plan's, or the machine's)\n"
        "  --source point         a field instead of a plan; mc also: parallel\n"
        "  --ssd-mm S             source to surface\n"
        "  --field-mm X[xY]       its sides, 1000 mm from a point source\n"
        "  --particle photon      (default); mc also: electron\n"
        "  --spectrum NAME|FILE   of the field instead of that of --machine (mc: mohan6 without both);\n"
        "                         pencil: kernels of that name\n"
        "  --hardware-as-water    as if implants were water: what a calculation that knows no metal would say\n"
        "  --device SELECTOR      number or part of the name of the OpenCL device; several that share Monte Carlo's\n"
        "                         batches as 0,1 or all (docs/monte-carlo.md)\n"
        "\n"
        "Monte Carlo (bixels of a fluence plan get photons from a point; control points from a model of the machine's\n"
        "head: focal spot, extra-focal source, jaws, leaves):\n"
        "  --energy-mev E         all particles of the field have this energy\n"
        "  --uncertainty U%       stop at this mean standard uncertainty where the dose is above half of its maximum\n"
        "                         (default 1%)\n"
        "  --histories N          or follow N histories: whole batches, at least 8 (see --batch-histories)\n"
        "  --seed S               other random numbers (default 1)\n"
        "  --dose-to medium|water (default medium)\n"
        "  --max-time S           stop after S seconds with what there is\n"
        "  --resume               go on from DOSE.checkpoint, which an interrupted or killed run leaves\n"
        "  --checkpoint S         seconds between checkpoints (default 15)\n"
        "  --parts I/N            only part I of N of the --histories, for `spineplan merge`\n"
        "  --first-batch B        begin with batch B, to add to a run of B batches by `spineplan merge`\n"
        "  --batch-histories N    histories of a statistical batch (default by the number of voxels)\n"
        "  --electron-cut-mev E   electrons stop at this kinetic energy (default 0.2)\n"
        "  --photon-cut-mev E     photons stop at this energy (default 0.05)\n"
        "  --plain                without variance reduction and with short steps, to compare with\n"
        "  --without LIST         without single means of it: sites,sets,repeats,roulette,sequence\n"
        "  --chunk N              histories that a work-item follows; speed only, no bit of the dose depends on it\n"
        "  --help\n"
        "\n"
        "example: spineplan phantom slabs -o water.h5 --voxel-mm 5 --layer water:300\n"
        "         spineplan dose water.h5 -o dose.h5 --source point --ssd-mm 900 --field-mm 100x100\n"
        "         spineplan dose case.h5 plan.h5 -o dose.h5 --engine mc --uncertainty 1%\n";

enum {
	ENGINE = 256,
	GRID,
	MACHINE,
	MLC,
	SOURCE,
	SSD,
	FIELD,
	PARTICLE,
	SPECTRUM,
	AS_WATER,
	DEVICE,
	FIRST_OF_MC, /* those after it are Monte Carlo's alone */
	ENERGY,
	UNCERTAINTY,
	HISTORIES,
	SEED,
	DOSE_TO,
	MAX_TIME,
	RESUME,
	CHECKPOINT,
	PARTS,
	FIRST_BATCH,
	BATCH_HISTORIES,
	ELECTRON_CUT,
	PHOTON_CUT,
	PLAIN,
	WITHOUT,
	CHUNK
};

static const struct option known[] = {{"output", required_argument, NULL, 'o'},
                                      {"engine", required_argument, NULL, ENGINE},
                                      {"grid-mm", required_argument, NULL, GRID},
                                      {"machine", required_argument, NULL, MACHINE},
                                      {"mlc", required_argument, NULL, MLC},
                                      {"source", required_argument, NULL, SOURCE},
                                      {"ssd-mm", required_argument, NULL, SSD},
                                      {"field-mm", required_argument, NULL, FIELD},
                                      {"particle", required_argument, NULL, PARTICLE},
                                      {"spectrum", required_argument, NULL, SPECTRUM},
                                      {"hardware-as-water", no_argument, NULL, AS_WATER},
                                      {"device", required_argument, NULL, DEVICE},
                                      {"energy-mev", required_argument, NULL, ENERGY},
                                      {"uncertainty", required_argument, NULL, UNCERTAINTY},
                                      {"histories", required_argument, NULL, HISTORIES},
                                      {"seed", required_argument, NULL, SEED},
                                      {"dose-to", required_argument, NULL, DOSE_TO},
                                      {"max-time", required_argument, NULL, MAX_TIME},
                                      {"resume", no_argument, NULL, RESUME},
                                      {"checkpoint", required_argument, NULL, CHECKPOINT},
                                      {"parts", required_argument, NULL, PARTS},
                                      {"first-batch", required_argument, NULL, FIRST_BATCH},
                                      {"batch-histories", required_argument, NULL, BATCH_HISTORIES},
                                      {"electron-cut-mev", required_argument, NULL, ELECTRON_CUT},
                                      {"photon-cut-mev", required_argument, NULL, PHOTON_CUT},
                                      {"plain", no_argument, NULL, PLAIN},
                                      {"without", required_argument, NULL, WITHOUT},
                                      {"chunk", required_argument, NULL, CHUNK},
                                      {"help", no_argument, NULL, 'h'},
                                      {NULL, 0, NULL, 0}};

static bool part_of(sp_dose_mc_options *o, const char *text)
{
	const char *slash = strchr(text, '/');
	char first[24];

	if (!slash || (size_t)(slash - text) >= sizeof first)
		return false;
	memcpy(first, text, (size_t)(slash - text));
	first[slash - text] = '\0';
	return sp_option_whole(&o->parts, slash + 1, 1, 1000000) && sp_option_whole(&o->part, first, 1, o->parts);
}

/* Names of means of variance reduction, between commas. */
static bool means_of(unsigned *out, const char *text)
{
	static const struct {
		const char *name;
		unsigned means;
	} all[] = {{"sites", SP_MC_SITES},
	           {"sets", SP_MC_SETS},
	           {"repeats", SP_MC_REPEATS},
	           {"roulette", SP_MC_ROULETTE},
	           {"sequence", SP_MC_SEQUENCE}};
	const size_t n = sizeof all / sizeof *all;

	for (;;) {
		size_t length = strcspn(text, ","), i = 0;

		while (i < n && !(strlen(all[i].name) == length && strncmp(all[i].name, text, length) == 0))
			i++;
		if (i == n)
			return false;
		*out |= all[i].means;
		if (!text[length])
			return true;
		text += length + 1;
	}
}

/* One of two words. */
static bool word(bool *second, const char *text, const char *a, const char *b)
{
	*second = strcmp(text, b) == 0;
	return *second || strcmp(text, a) == 0;
}

static bool take_common(sp_dose_options *o, int option, const char *text)
{
	switch (option) {
	case 'o':
		o->output = text;
		return true;
	case GRID:
		o->has_grid = true;
		return sp_option_sizes(o->grid_mm, 3, text, 0.25, 50.0);
	case MACHINE:
		o->machine = text;
		return true;
	case MLC:
		o->mlc = text;
		return true;
	case SOURCE:
		o->open_field = true;
		return word(&o->mc.parallel, text, "point", "parallel");
	case SSD:
		o->has_ssd = true;
		return sp_option_number(&o->field.ssd_mm, text, 200.0, 10000.0);
	case FIELD:
		o->has_field = true;
		return sp_option_sizes(o->field.field_mm, 2, text, 0.5, 1000.0);
	case PARTICLE:
		return word(&o->mc.electrons, text, "photon", "electron");
	case SPECTRUM:
		o->spectrum = text;
		return true;
	case AS_WATER:
		return o->hardware_as_water = true;
	default:
		o->device = text;
		return true;
	}
}

static bool take_mc(sp_dose_mc_options *o, int option, const char *text)
{
	switch (option) {
	case ENERGY:
		return sp_option_number(&o->energy_mev, text, 0.06, 29.0);
	case UNCERTAINTY:
		return sp_option_percent(&o->uncertainty, text);
	case HISTORIES:
		return sp_option_number(&o->histories, text, 1.0, 1e12);
	case SEED:
		return sp_option_whole(&o->seed, text, 0, UINT64_MAX);
	case DOSE_TO:
		return word(&o->to_water, text, "medium", "water");
	case MAX_TIME:
		return sp_option_number(&o->max_seconds, text, 0.01, 1e8);
	case RESUME:
		return o->resume = true;
	case CHECKPOINT:
		return sp_option_number(&o->checkpoint_seconds, text, 0.0, 3600.0);
	case PARTS:
		return part_of(o, text);
	case FIRST_BATCH:
		return sp_option_whole(&o->first_batch, text, 0, (uint64_t)1 << 40);
	case BATCH_HISTORIES:
		return sp_option_whole(&o->batch_histories, text, 16, 1u << 30);
	case ELECTRON_CUT:
		return sp_option_number(&o->electron_cut_mev, text, 0.05, 1.0);
	case PHOTON_CUT:
		return sp_option_number(&o->photon_cut_mev, text, 0.01, 1.0);
	case PLAIN:
		return o->plain = true;
	case WITHOUT:
		return means_of(&o->without, text);
	default:
		return sp_option_whole(&o->chunk, text, 1, 1u << 20);
	}
}

/* What does not go together; 0 or the exit status plus one. */
static int check(const sp_dose_options *o, const char *engine, const char *needs_mc)
{
	if (engine && !o->monte_carlo && needs_mc)
		return sp_command_usage("dose", "--%s is not for --engine pencil", needs_mc) + 1;
	if (!o->output)
		return sp_command_usage("dose", "where to? expected -o DOSE") + 1;
	if (o->open_field != o->has_field || (o->open_field && !o->mc.parallel && !o->has_ssd) ||
	    (!o->open_field && o->has_ssd))
		return sp_command_usage("dose", "--source, --ssd-mm (of a point) and --field-mm belong together") + 1;
	if (o->open_field && o->mlc)
		return sp_command_usage("dose", "--mlc is for a plan with control points; a field has no leaves") + 1;
	if (!o->monte_carlo)
		return 0;
	if (!o->open_field && (o->mc.electrons || o->mc.energy_mev > 0.0 || o->spectrum))
		return sp_command_usage("dose", "--particle, --spectrum and --energy-mev are for --source; a plan has "
		                                "its machine's spectrum") +
		       1;
	if (o->mc.energy_mev > 0.0 && o->spectrum)
		return sp_command_usage("dose", "--energy-mev and --spectrum exclude each other") + 1;
	if (o->mc.electrons && !(o->mc.energy_mev > 0.0) && !o->spectrum)
		return sp_command_usage("dose", "electrons need --energy-mev or --spectrum") + 1;
	if (o->mc.histories > 0.0 && o->mc.uncertainty > 0.0)
		return sp_command_usage("dose", "--histories and --uncertainty exclude each other") + 1;
	if (o->mc.parts && (!(o->mc.histories > 0.0) || o->mc.first_batch))
		return sp_command_usage("dose", "--parts shares out --histories N and excludes --first-batch") + 1;
	return 0;
}

int sp_dose_parse(sp_dose_options *o, int argc, char **argv)
{
	const char *engine = NULL, *needs_mc = NULL;
	int c, n;

	*o = (sp_dose_options){.argc = argc, .argv = argv};
	o->mc.seed = 1;
	o->mc.checkpoint_seconds = 15.0;
	optind = 1;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":o:h", known, NULL)) != -1) {
		if (c == 'h') {
			fputs(help, stdout);
			return 1;
		}
		if (c == '?' || c == ':')
			return sp_command_usage("dose", "%s is unknown or lacks its value", argv[optind - 1]) + 1;
		if (c == ENGINE) {
			engine = optarg;
			if (!word(&o->monte_carlo, engine, "pencil", "mc"))
				return sp_command_usage("dose", "'%s' is no good value for --%s", optarg,
				                        sp_option_name(known, c)) +
				       1;
		} else if (!(c > FIRST_OF_MC ? take_mc(&o->mc, c, optarg) : take_common(o, c, optarg))) {
			return sp_command_usage("dose", "'%s' is no good value for --%s", optarg,
			                        sp_option_name(known, c)) +
			       1;
		}
		if (c > FIRST_OF_MC)
			for (const struct option *k = known; k->name; k++)
				needs_mc = k->val == c ? k->name : needs_mc;
	}
	needs_mc = o->mc.parallel ? "source parallel" : o->mc.electrons ? "particle electron" : needs_mc;
	o->monte_carlo = o->monte_carlo || (!engine && needs_mc);
	n = argc - optind;
	if (n != (o->open_field ? 1 : 2))
		return sp_command_usage("dose",
		                        o->open_field ? "expected one CASE, found %d arguments"
		                                      : "expected CASE and PLAN (or --source), found %d arguments",
		                        n) +
		       1;
	o->case_path = argv[optind];
	o->plan_path = o->open_field ? NULL : argv[optind + 1];
	if (sp_command_keeps_inputs("dose", o->output, (const char *const[]){o->case_path, o->plan_path, o->machine},
	                            3))
		return 2 + 1;
	return check(o, engine, needs_mc);
}
