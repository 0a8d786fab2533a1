/* `spineplan kernels`: makes the pencil kernels of a photon spectrum by the reference transport. */
#include "commands.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "atomic_file.h"
#include "kernel_fit.h"
#include "machine_spectrum.h"
#include "options.h"

static const char help[] =
        "usage: spineplan kernels --spectrum NAME|FILE -o TABLE.csv [--histories N] [--seed S]\n"
        "       spineplan kernels --machine NAME|FILE -o TABLE.csv [--histories N] [--seed S]\n"
        "\n"
        "Follows photons of a spectrum through water with the reference transport (all cores) and writes the table\n"
        "of pencil kernels that a machine file names: at every depth a sum of Gaussians. Prints how well the\n"
        "Gaussians fit and how certain the table is.\n"
        "\n"
        "  --spectrum NAME|FILE  a spectrum shipped with the program (mohan6), or a CSV file with the columns\n"
        "                        E_low_MeV, E_high_MeV, probability\n"
        "  --machine NAME|FILE   the spectrum on the axis of a machine (docs/machines.md)\n"
        "  --histories N         photons to follow, default 5000000 (a minute and a half per million and core)\n"
        "  --seed S              start of the random numbers, default 1: same seed, same table\n"
        "  -o, --output FILE     the table\n"
        "  --help                this text\n"
        "\n"
        "example: spineplan kernels --spectrum mohan6 --histories 5000000 -o mohan6.csv\n";

typedef struct {
	const char *spectrum, *machine, *output; /* one of spectrum and machine */
	uint64_t histories, seed;
} options;

/* Digits only, 1..most. */
static bool parse_count(uint64_t *out, const char *text, uint64_t most)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *out >= 1 && *out <= most;
}

/* Largest relative standard uncertainty of the dose within 1.25 mm of the axis, and of the whole plane. */
static void worst_uncertainty(double *axis, double *plane, const sp_pencil_rings *r)
{
	*axis = *plane = 0.0;
	for (size_t d = 0; d < r->n_depths; d++) {
		double near = 0.0, near2 = 0.0, all = 0.0, all2 = 0.0;

		for (size_t j = 0; j <= r->n_radii; j++) {
			double dose = r->dose_gy_cm2[d * (r->n_radii + 1) + j];
			double sigma = r->sigma_gy_cm2[d * (r->n_radii + 1) + j];

			all += dose;
			all2 += sigma * sigma;
			if (j < r->n_radii && r->radius_mm[j + 1] < 1.26) {
				near += dose;
				near2 += sigma * sigma;
			}
		}
		*axis = fmax(*axis, sqrt(near2) / near);
		*plane = fmax(*plane, sqrt(all2) / all);
	}
}

static sp_status write_table(const options *o, const sp_spectrum *spectrum, const sp_pencil_rings *rings, sp_error *err)
{
	sp_kernel_table table;
	const char *of = o->machine ? o->machine : o->spectrum, *name = strrchr(of, '/') ? strrchr(of, '/') + 1 : of;
	char header[2048];
	double axis, plane;
	sp_status st = sp_kernel_fit(&table, rings, err);

	if (st != SP_OK)
		return st;
	worst_uncertainty(&axis, &plane, rings);
	snprintf(header, sizeof header,
	         "# Dose around a pencil of photons in water: infinitesimal, parallel, no inverse-square.\n"
	         "# K(d, r) = sum_i w_i(d) exp(-r^2 / (2 s_i^2)) / (2 pi s_i^2), Gy for one photon; linear in d.\n"
	         "# r and s_i in cm (the header line has mm), w_i in Gy cm2; total = sum_i w_i, the dose of a\n"
	         "# broad beam of one photon per cm2.\n"
	         "# Spectrum: %s, mean energy %.4f MeV. Made by\n"
	         "# spineplan kernels --%s %s --histories %" PRIu64 " --seed %" PRIu64 " -o TABLE\n"
	         "# Uncertainty (1 sigma, at most): %.2f %% within 1.25 mm of the axis, %.2f %% of the total.\n"
	         "# Misfit of the Gaussians from 10 mm depth on, of the total (at most): %.2f %% at the centre of\n"
	         "# round fields from 1.25 mm radius on, %.2f %% from 1 mm outside a straight edge on.\n",
	         name, sp_spectrum_mean_energy(spectrum), o->machine ? "machine" : "spectrum", name, o->histories,
	         o->seed, 100 * axis, 100 * plane, 100 * table.worst_field, 100 * table.worst_edge);
	if ((st = sp_kernel_table_write(&table, header, o->output, err)) == SP_OK)
		printf("%s: %zu depths, %d Gaussians\n"
		       "uncertainty, at most: %.3f %% within 1.25 mm of the axis, %.3f %% of the total\n"
		       "misfit from 10 mm depth on, at most: %.3f %% in round fields, %.3f %% outside an edge\n"
		       "energy a photon: %.5f MeV, left in water %.5f, escaped %.5f\n",
		       o->output, table.n_depths, SP_KERNEL_GAUSSIANS, 100 * axis, 100 * plane, 100 * table.worst_field,
		       100 * table.worst_edge, rings->emitted_mev, rings->deposited_mev, rings->escaped_mev);
	sp_kernel_table_finish(&table);
	return st;
}

static sp_status choose_spectrum(sp_spectrum *out, const options *o, const sp_matter *matter, sp_error *err)
{
	sp_machine *m = NULL;
	sp_status st;

	if (!o->machine)
		return sp_spectrum_read(out, o->spectrum, err);
	if ((st = sp_machine_read(&m, o->machine, err)) == SP_OK)
		st = sp_machine_spectrum_make(out, &m->source.spectrum, 0.0, matter, err);
	sp_machine_destroy(m);
	return st;
}

static sp_status make_kernels(const options *o, sp_error *err)
{
	double low[SP_KERNEL_DEPTHS], high[SP_KERNEL_DEPTHS];
	sp_spectrum spectrum = {0};
	sp_matter *matter = NULL;
	sp_reference_water *water = NULL;
	sp_pencil_rings rings = {0};
	sp_progress progress;
	sp_status st;

	sp_kernel_slabs(low, high);
	/* minutes of work: find out first whether the place can be written */
	if ((st = sp_atomic_check(o->output, err)) != SP_OK || (st = sp_matter_create(&matter, NULL, err)) != SP_OK ||
	    (st = choose_spectrum(&spectrum, o, matter, err)) != SP_OK ||
	    (st = sp_reference_water_create(&water, matter, err)) != SP_OK ||
	    (st = sp_pencil_rings_create(&rings, low, high, SP_KERNEL_DEPTHS, err)) != SP_OK)
		goto cleanup;
	sp_progress_start(&progress, "pencil kernels");
	st = sp_reference_pencil(&rings, water, &spectrum, o->histories, o->seed, &progress, err);
	sp_progress_end(&progress, NULL);
	if (st == SP_OK)
		st = write_table(o, &spectrum, &rings, err);
cleanup:
	sp_spectrum_finish(&spectrum);
	sp_matter_destroy(matter);
	sp_reference_water_destroy(water);
	sp_pencil_rings_finish(&rings);
	return st;
}

int sp_command_kernels(int argc, char **argv)
{
	static const struct option longs[] = {
	        {"spectrum", required_argument, NULL, 'e'},
	        {"machine", required_argument, NULL, 'm'},
	        {"histories", required_argument, NULL, 'n'},
	        {"seed", required_argument, NULL, 's'},
	        {"output", required_argument, NULL, 'o'},
	        {"help", no_argument, NULL, 'h'},
	        {NULL, 0, NULL, 0},
	};
	options o = {.histories = 5000000, .seed = 1};
	sp_error err = {0};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "o:h", longs, NULL)) != -1) {
		if (c == 'h')
			return fputs(help, stdout) < 0;
		if (c == 'e')
			o.spectrum = optarg;
		else if (c == 'm')
			o.machine = optarg;
		else if (c == 'o')
			o.output = optarg;
		else if (c == 'n' && !parse_count(&o.histories, optarg, 1000000000000))
			return sp_command_usage("kernels", "--histories is '%s', expected a whole number from 1",
			                        optarg);
		else if (c == 's' && !parse_count(&o.seed, optarg, UINT64_MAX))
			return sp_command_usage("kernels", "--seed is '%s', expected a whole number from 1", optarg);
		else if (c == '?')
			return sp_command_usage("kernels", "'%s' is not understood", argv[optind - 1]);
	}
	if (optind < argc)
		return sp_command_usage("kernels", "'%s' is not understood", argv[optind]);
	if (!o.spectrum == !o.machine || !o.output)
		return sp_command_usage("kernels", "--spectrum and -o are needed, or --machine and -o");
	if (sp_command_keeps_inputs("kernels", o.output, o.machine ? &o.machine : &o.spectrum, 1))
		return 2;
	return make_kernels(&o, &err) == SP_OK ? 0 : sp_command_fail("kernels", &err);
}
