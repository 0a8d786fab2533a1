/* spineplan merge: adds up the parts of a Monte Carlo run. */
#include "commands.h"

#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mc_file.h"
#include "mc_state.h"
#include "options.h"

static const char help[] =
        "usage: spineplan merge PART... -o DOSE [--allow-gaps]\n"
        "Adds up doses that `spineplan dose --engine mc` made of parts of one run (--parts, --first-batch): dose and\n"
        "sigma are bit for bit those of one run over all batches. Parts of another case, plan, option or seed are\n"
        "refused, and batches that two parts hold.\n\n"
        "  -o, --output DOSE  where to write it\n"
        "  --allow-gaps       take what there is, although batches are missing\n"
        "  --help\n\n"
        "example: spineplan dose case.h5 plan.h5 -o part1.h5 --engine mc --histories 1e8 --parts 1/2\n"
        "         spineplan dose case.h5 plan.h5 -o part2.h5 --engine mc --histories 1e8 --parts 2/2\n"
        "         spineplan merge part1.h5 part2.h5 -o dose.h5\n";

typedef struct {
	const char *output;
	bool allow_gaps;
	int n;
	char **parts;
} options;

/* 0 to go on, or the exit status plus one. */
static int parse(options *o, int argc, char **argv)
{
	static const struct option known[] = {{"output", required_argument, NULL, 'o'},
	                                      {"allow-gaps", no_argument, NULL, 'g'},
	                                      {"help", no_argument, NULL, 'h'},
	                                      {NULL, 0, NULL, 0}};
	int c;

	optind = 1;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":o:h", known, NULL)) != -1) {
		if (c == 'h') {
			fputs(help, stdout);
			return 1;
		}
		if (c == 'o')
			o->output = optarg;
		else if (c == 'g')
			o->allow_gaps = true;
		else
			return sp_command_usage("merge", "%s is unknown or lacks its value", argv[optind - 1]) + 1;
	}
	o->n = argc - optind;
	o->parts = argv + optind;
	if (o->n == 0)
		return sp_command_usage("merge", "expected the PARTs to add up") + 1;
	if (!o->output)
		return sp_command_usage("merge", "where to? expected -o DOSE") + 1;
	if (sp_command_keeps_inputs("merge", o->output, (const char *const *)o->parts, o->n))
		return 2 + 1;
	return 0;
}

/* Batches that no part holds, as text; false when there are none. */
static bool missing(char *text, size_t bytes, const sp_mc_state *s)
{
	uint64_t next = 0;
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i <= s->n_ranges; i++) {
		uint64_t end = i < s->n_ranges ? s->ranges[i].first : s->total;

		if (end > next && used < bytes)
			used += (size_t)snprintf(text + used, bytes - used, "%s%" PRIu64 " to %" PRIu64,
			                         used ? ", " : "", next, end - 1);
		if (i < s->n_ranges)
			next = s->ranges[i].first + s->ranges[i].n;
	}
	return used > 0;
}

static sp_status add(sp_mc_state *sum, const options *o, int i, sp_error *err)
{
	sp_mc_state part = {0};
	sp_status st;

	if ((st = sp_mc_state_read(&part, o->parts[i], err)) != SP_OK)
		return st;
	if (strcmp(part.device, sum->device) != 0)
		sp_log_warning("%s was made on %s, %s on %s: their sum is right, but not the bits of one run",
		               o->parts[0], sum->device, o->parts[i], part.device);
	if ((double)sum->sums.accounts[SP_MC_EMITTED] + (double)part.sums.accounts[SP_MC_EMITTED] > 0x1p62)
		st = sp_fail(err, SP_BAD_INPUT, "with %s the sums of energies may not fit into 64 bits", o->parts[i]);
	else
		st = sp_mc_state_add(sum, o->parts[0], &part, o->parts[i], err);
	if (part.total > sum->total)
		sum->total = part.total;
	sp_mc_state_finish(&part);
	return st;
}

static sp_status run(const options *o, int argc, char **argv, sp_error *err)
{
	sp_mc_state sum = {0};
	json_t *provenance = NULL;
	char gaps[512];
	sp_status st = sp_mc_state_read(&sum, o->parts[0], err);

	for (int i = 1; i < o->n && st == SP_OK; i++)
		st = add(&sum, o, i, err);
	if (st != SP_OK)
		goto cleanup;
	sum.wanted = 0.0;
	sum.look_at = 0;
	if (!sp_mc_squares_fit(&sum.sums, sp_grid_voxels(&sum.scoring.grid))) {
		st = sp_fail(err, SP_BAD_INPUT, "the sums of squares of all parts may not fit into 64 bits");
	} else if (!missing(gaps, sizeof gaps, &sum)) {
		sum.total = 0;
	} else if (o->allow_gaps) {
		sp_log_warning("batches %s are missing", gaps);
	} else {
		st = sp_fail(err, SP_BAD_INPUT,
		             "batches %s are missing; add the parts that hold them, or say --allow-gaps to do without",
		             gaps);
	}
	if (st != SP_OK)
		goto cleanup;
	provenance = sp_mc_provenance(argc, argv);
	st = sp_mc_file_write(o->output, &sum, provenance, err);
cleanup:
	json_decref(provenance);
	sp_mc_state_finish(&sum);
	return st;
}

int sp_command_merge(int argc, char **argv)
{
	options o = {0};
	sp_error err = {0};
	int status = parse(&o, argc, argv);

	if (status != 0)
		return status - 1;
	return run(&o, argc, argv, &err) == SP_OK ? 0 : sp_command_fail("merge", &err);
}
