/* spineplan phantom: makes a case by program. */
#include "commands.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "phantom.h"

enum { LIST = 256, VOXEL, NOISE, SEED, SIZE, LAYER, BOX, GRADE, HARDWARE, CAGE };

static const struct option long_options[] = {
        {"output", required_argument, NULL, 'o'},
        {"list", no_argument, NULL, LIST},
        {"voxel-mm", required_argument, NULL, VOXEL},
        {"noise-hu", required_argument, NULL, NOISE},
        {"seed", required_argument, NULL, SEED},
        {"size-mm", required_argument, NULL, SIZE},
        {"layer", required_argument, NULL, LAYER},
        {"box", required_argument, NULL, BOX},
        {"epidural-grade", required_argument, NULL, GRADE},
        {"hardware", required_argument, NULL, HARDWARE},
        {"cage", required_argument, NULL, CAGE},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
};

static void print_list(void)
{
	for (const sp_phantom *p = sp_phantom_list(); p->name; p++)
		printf("%-15s %s\n", p->name, p->summary);
}

static void print_help(void)
{
	puts("usage: spineplan phantom NAME -o CASE [OPTIONS]\n"
	     "       spineplan phantom --list\n"
	     "Makes a case by program: a block for physics checks or a spine for planning.\n\n"
	     "  -o, --output CASE       where to write the case (HDF5)\n"
	     "      --list              the phantoms, one line each\n"
	     "      --voxel-mm X[xYxZ]  voxel size (default 2x2x2 for spines)\n"
	     "      --noise-hu S        standard deviation of the CT noise (default 12 for spines, 0 for blocks)\n"
	     "      --seed N            seed of the noise (default 1)\n"
	     "      --size-mm XxYxZ     size of the water block; XxY for slabs\n"
	     "      --layer MATERIAL:MM[:G_CM3]\n"
	     "                          slabs: the next layer downwards\n"
	     "      --box MATERIAL:X0,X1,Y0,Y1,Z0,Z1\n"
	     "                          slabs: a box in the layers (mm from the middle of the surface)\n"
	     "      --epidural-grade G  spines: 0 bone only, 1 sac deformed, 2 cord pressed, 3 no fluid visible\n"
	     "      --hardware METAL    postop-spine: titanium or cocr (cobalt-chrome rods)\n"
	     "      --cage KIND         postop-spine: peek, titanium or none\n\n"
	     "example: spineplan phantom thoracic-spine -o case.h5 --epidural-grade 2\n"
	     "         spineplan phantom slabs -o slab.h5 --layer water:50 --layer lung:100 --layer water:150\n\n"
	     "phantoms:");
	print_list();
}

/* Reads n numbers with 'x' between them; a single number stands for all when `one_for_all`. */
static bool parse_numbers(double *out, int n, const char *text, bool one_for_all)
{
	for (int i = 0; i < n; i++) {
		char *end;

		out[i] = strtod(text, &end);
		if (end == text || !isfinite(out[i]) || out[i] < 0.0)
			return false;
		if (!*end && i == 0 && one_for_all) {
			for (i = 1; i < n; i++)
				out[i] = out[0];
			return true;
		}
		if (*end != (i + 1 < n ? 'x' : '\0'))
			return false;
		text = end + 1;
	}
	return true;
}

static bool parse_choice(int *out, const char *text, const char *const *words)
{
	for (*out = 0; words[*out]; (*out)++)
		if (strcmp(words[*out], text) == 0)
			return true;
	return false;
}

/* Takes one option into o; returns 0, or the exit status of a command that cannot go on. */
static int take_option(sp_phantom_options *o, int option, const char *text)
{
	static const char *const grades[] = {"0", "1", "2", "3", NULL}, *const metals[] = {"titanium", "cocr", NULL},
	                         *const cages[] = {"none", "peek", "titanium", NULL};
	sp_error err = {0};
	char *end;
	int choice;

	switch (option) {
	case VOXEL:
		o->given |= SP_PHANTOM_VOXEL;
		if (!parse_numbers(o->voxel_mm, 3, text, true))
			return sp_command_usage("phantom", "--voxel-mm is '%s', expected for example 2x2x2", text);
		return 0;
	case NOISE:
		o->given |= SP_PHANTOM_NOISE;
		if (!parse_numbers(&o->noise_hu, 1, text, false))
			return sp_command_usage("phantom", "--noise-hu is '%s', expected a number from 0", text);
		return 0;
	case SEED:
		o->given |= SP_PHANTOM_SEED;
		o->seed = strtoull(text, &end, 10);
		if (end == text || *end || *text == '-')
			return sp_command_usage("phantom", "--seed is '%s', expected a whole number from 0", text);
		return 0;
	case SIZE:
		o->given |= SP_PHANTOM_SIZE;
		if (!parse_numbers(o->size_mm, 3, text, true) && !parse_numbers(o->size_mm, 2, text, false))
			return sp_command_usage("phantom", "--size-mm is '%s', expected for example 300x300x300", text);
		return 0;
	case LAYER:
	case BOX:
		o->given |= option == LAYER ? SP_PHANTOM_LAYER : SP_PHANTOM_BOX;
		if (o->n_parts == SP_PHANTOM_MAX_PARTS)
			return sp_command_usage("phantom", "more than %d layers and boxes", SP_PHANTOM_MAX_PARTS);
		if ((option == LAYER ? sp_phantom_parse_layer : sp_phantom_parse_box)(&o->parts[o->n_parts++], text,
		                                                                      &err) != SP_OK)
			return sp_command_usage("phantom", "%s", err.text);
		return 0;
	case GRADE:
		o->given |= SP_PHANTOM_GRADE;
		if (!parse_choice(&o->epidural_grade, text, grades))
			return sp_command_usage("phantom", "--epidural-grade is '%s', expected 0, 1, 2 or 3", text);
		return 0;
	case HARDWARE:
		o->given |= SP_PHANTOM_HARDWARE;
		if (!parse_choice(&choice, text, metals))
			return sp_command_usage("phantom", "--hardware is '%s', expected titanium or cocr", text);
		o->hardware = (sp_phantom_metal)choice;
		return 0;
	default:
		o->given |= SP_PHANTOM_CAGE;
		if (!parse_choice(&choice, text, cages))
			return sp_command_usage("phantom", "--cage is '%s', expected peek, titanium or none", text);
		o->cage = (sp_phantom_cage)choice;
		return 0;
	}
}

static int make(const char *name, const char *output, const sp_phantom_options *o)
{
	sp_error err = {0};
	sp_case *c;
	sp_status st;

	if ((st = sp_phantom_make(&c, name, o, &err)) == SP_OK && (st = sp_case_write(c, output, &err)) == SP_OK)
		sp_log_info("%s: %s, %zu x %zu x %zu voxels, %zu structures", output, name, c->ct.n[0], c->ct.n[1],
		            c->ct.n[2], c->n_structures);
	sp_case_destroy(c);
	return st == SP_OK ? 0 : sp_command_fail("phantom", &err);
}

int sp_command_phantom(int argc, char **argv)
{
	sp_phantom_options o = {0};
	const char *output = NULL;
	int option, status;

	optind = 1;
	opterr = 0;
	while ((option = getopt_long(argc, argv, "o:h", long_options, NULL)) != -1) {
		switch (option) {
		case 'h':
			return print_help(), 0;
		case LIST:
			return print_list(), 0;
		case 'o':
			output = optarg;
			break;
		case '?':
			return sp_command_usage("phantom", "%s is unknown or lacks its value", argv[optind - 1]);
		default:
			if ((status = take_option(&o, option, optarg)) != 0)
				return status;
		}
	}
	if (optind != argc - 1)
		return sp_command_usage("phantom", "expected one NAME, found %d", argc - optind);
	if (!sp_phantom_find(argv[optind]))
		return sp_command_usage("phantom", "no phantom '%s'; --list names them", argv[optind]);
	if (!output)
		return sp_command_usage("phantom", "where to? expected -o CASE");
	return make(argv[optind], output, &o);
}
