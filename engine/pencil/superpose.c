#include "superpose.h"

#include "alloc.h"
#include "cross_sections.h"
#include "csv.h"
#include "embedded.h"
#include "machine_spectrum.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

extern const sp_embedded sp_pencil_kernel_files[]; /* engine/pencil/kernels, embedded by the build */

#define FIRST 2 /* column of the first Gaussian; before it energy_mev and depth_mm */
#define MOST_ENERGIES 32
#define MOST_BINS 128

/* Kernels of single energies, all at the same depths. */
typedef struct {
	size_t n_energies, n_depths, n_gaussians;
	double mev[MOST_ENERGIES];
	double *depth_mm, *weight; /* [depth]; [energy][depth][gaussian], Gy cm2 */
	double sigma_mm[SP_PENCIL_MAX_GAUSSIANS];
} single_energies;

static void finish(single_energies *s)
{
	free(s->depth_mm);
	free(s->weight);
}

/* Rows come energy by energy, each with the same depths. */
static sp_status parse(single_energies *out, const sp_csv *csv, sp_error *err)
{
	size_t g = csv->n_columns - FIRST;
	sp_status st = SP_OK;

	out->n_gaussians = g;
	out->depth_mm = sp_alloc_array(csv->n_rows, sizeof(double));
	out->weight = sp_alloc_array(csv->n_rows * g, sizeof(double));
	if (!out->depth_mm || !out->weight)
		return sp_fail(err, SP_NO_MEMORY, "no memory for %s", csv->name);
	for (size_t i = 0; i < g; i++)
		out->sigma_mm[i] = strtod(sp_csv_header(csv, FIRST + i), NULL);
	for (size_t r = 0; st == SP_OK && r < csv->n_rows; r++) {
		double mev = 0.0, depth = 0.0;

		if ((st = sp_csv_number(&mev, csv, r, 0, err)) != SP_OK ||
		    (st = sp_csv_number(&depth, csv, r, 1, err)) != SP_OK)
			break;
		if (out->n_energies == 0 || mev != out->mev[out->n_energies - 1])
			out->mev[out->n_energies++] = mev;
		if (out->n_energies == 1)
			out->depth_mm[out->n_depths++] = depth;
		for (size_t i = 0; st == SP_OK && i < g; i++)
			st = sp_csv_number(&out->weight[r * g + i], csv, r, FIRST + i, err);
	}
	return st;
}

static sp_status load(single_energies *out, const char *file, sp_error *err)
{
	const sp_embedded *e = sp_embedded_find(sp_pencil_kernel_files, file);
	sp_csv csv = {0};
	sp_status st = sp_csv_parse(&csv, file, (const char *)e->data, e->bytes, err);

	*out = (single_energies){0};
	if (st == SP_OK)
		st = parse(out, &csv, err);
	sp_csv_finish(&csv);
	return st;
}

/* Where an energy lies among the table's: between k and k + 1, share t of the way by the logarithm; held at the ends.
 */
static size_t place(double *t, const single_energies *s, double mev)
{
	size_t k = 0;

	while (k + 2 < s->n_energies && mev >= s->mev[k + 1])
		k++;
	*t = fmin(fmax(log(mev / s->mev[k]) / log(s->mev[k + 1] / s->mev[k]), 0.0), 1.0);
	return k;
}

static double total_cm2_g(const sp_attenuation *a)
{
	return a->coherent + a->incoherent + a->photoelectric + a->pair_nuclear + a->pair_triplet;
}

static sp_status water_attenuation(double *mu_mm, const double *mev, size_t n, const sp_matter *matter, sp_error *err)
{
	sp_attenuation a[MOST_BINS];
	sp_status st = sp_matter_attenuation(a, matter, sp_matter_find(matter, "water"), mev, n, err);

	for (size_t i = 0; st == SP_OK && i < n; i++)
		mu_mm[i] = 0.1 * total_cm2_g(a + i);
	return st;
}

/* A spectrum's bins. */
typedef struct {
	size_t n;
	double mev[MOST_BINS], share[MOST_BINS]; /* share: in number */
} bins;

static void make_bins(bins *out, const sp_spectrum *s)
{
	out->n = s->n_bins;
	for (size_t b = 0; b < s->n_bins; b++) {
		out->mev[b] = 0.5 * (s->low_mev[b] + s->high_mev[b]);
		out->share[b] = s->cumulative[b] - (b ? s->cumulative[b - 1] : 0.0);
	}
}

/* Between two energies a kernel over its energy, with the primary photons' attenuation taken out of it, is
 * interpolated: what is left changes little with energy. mu: of water at the bins' energies and at the table's. */
static void add_photons(double *out, const single_energies *s, size_t d, const bins *b, const double *mu_bin,
                        const double *mu_table)
{
	double taken[MOST_ENERGIES] = {0};

	for (size_t i = 0; i < b->n; i++) {
		double t;
		size_t k = place(&t, s, b->mev[i]);

		for (size_t j = k; j <= k + 1; j++)
			taken[j] += b->share[i] * (j == k ? 1.0 - t : t) * b->mev[i] / s->mev[j] *
			            exp((mu_table[j] - mu_bin[i]) * s->depth_mm[d]);
	}
	for (size_t j = 0; j < s->n_energies; j++)
		for (size_t g = 0; g < s->n_gaussians; g++)
			out[g] += taken[j] * s->weight[(j * s->n_depths + d) * s->n_gaussians + g];
}

static double electrons_at(const single_energies *s, size_t k, double depth_mm)
{
	const double *w = s->weight + k * s->n_depths;
	size_t i = 0;

	if (depth_mm >= s->depth_mm[s->n_depths - 1])
		return 0.0;
	while (depth_mm >= s->depth_mm[i + 1])
		i++;
	return w[i] + (w[i + 1] - w[i]) * (depth_mm - s->depth_mm[i]) / (s->depth_mm[i + 1] - s->depth_mm[i]);
}

/* Electrons' depth doses look alike over depth by energy: those of two energies are taken at the same depth by energy.
 */
static double electron_dose(const single_energies *s, size_t d, const bins *b)
{
	double sum = 0.0;

	for (size_t i = 0; i < b->n; i++) {
		double t;
		size_t k = place(&t, s, b->mev[i]);

		for (size_t j = k; j <= k + 1; j++)
			sum += b->share[i] * (j == k ? 1.0 - t : t) *
			       electrons_at(s, j, s->depth_mm[d] * s->mev[j] / b->mev[i]);
	}
	return sum;
}

struct sp_superposer {
	const sp_matter *matter;
	single_energies photons, electrons;
	/* the last tables, and what they were made for */
	sp_machine_spectrum spectrum;
	double end_mev, mean_mev;
	sp_pencil_table photon_table, electron_table;
};

sp_status sp_superposer_create(sp_superposer **out, const sp_matter *matter, sp_error *err)
{
	sp_superposer *s = sp_alloc_array(1, sizeof *s);
	sp_status st;

	*out = NULL;
	if (!s)
		return sp_fail(err, SP_NO_MEMORY, "no memory for pencil kernels");
	s->matter = matter;
	if ((st = load(&s->photons, "single-photons.csv", err)) == SP_OK)
		st = load(&s->electrons, "single-electrons.csv", err);
	if (st != SP_OK) {
		sp_superposer_destroy(s);
		return st;
	}
	*out = s;
	return SP_OK;
}

void sp_superposer_destroy(sp_superposer *s)
{
	if (!s)
		return;
	finish(&s->photons);
	finish(&s->electrons);
	sp_pencil_table_finish(&s->photon_table);
	sp_pencil_table_finish(&s->electron_table);
	free(s);
}

static sp_status make_photons(sp_pencil_table *out, const sp_superposer *from, const sp_machine_spectrum *wanted,
                              sp_error *err)
{
	const single_energies *s = &from->photons;
	double mu_bin[MOST_BINS], mu_table[MOST_ENERGIES], *weight = NULL;
	sp_spectrum spectrum = {0};
	bins b;
	sp_status st = sp_machine_spectrum_make(&spectrum, wanted, 0.0, from->matter, err);

	if (st != SP_OK)
		return st;
	make_bins(&b, &spectrum);
	sp_spectrum_finish(&spectrum);
	if ((st = water_attenuation(mu_bin, b.mev, b.n, from->matter, err)) != SP_OK ||
	    (st = water_attenuation(mu_table, s->mev, s->n_energies, from->matter, err)) != SP_OK)
		return st;
	if (!(weight = sp_alloc_array(s->n_depths * s->n_gaussians, sizeof *weight)))
		return sp_fail(err, SP_NO_MEMORY, "no memory for pencil kernels");
	for (size_t d = 0; d < s->n_depths; d++)
		add_photons(weight + d * s->n_gaussians, s, d, &b, mu_bin, mu_table);
	st = sp_pencil_table_fill(out, s->sigma_mm, s->n_gaussians, s->depth_mm, weight, s->n_depths, err);
	free(weight);
	return st;
}

static sp_status make_electrons(sp_pencil_table *out, const single_energies *s, const sp_machine_source *source,
                                sp_error *err)
{
	double *weight = NULL;
	sp_spectrum spectrum = {0};
	bins b;
	sp_status st = sp_machine_electron_spectrum(&spectrum, source, err);

	if (st != SP_OK)
		return st;
	make_bins(&b, &spectrum);
	sp_spectrum_finish(&spectrum);
	if (!(weight = sp_alloc_array(s->n_depths, sizeof *weight)))
		return sp_fail(err, SP_NO_MEMORY, "no memory for pencil kernels");
	for (size_t d = 0; d < s->n_depths; d++)
		weight[d] = electron_dose(s, d, &b);
	st = sp_pencil_table_fill(out, s->sigma_mm, 1, s->depth_mm, weight, s->n_depths, err);
	free(weight);
	return st;
}

static sp_status copy_table(sp_pencil_table *out, const sp_pencil_table *t, sp_error *err)
{
	*out = *t;
	if (!(out->weight = sp_alloc_array(t->n_rows * t->n_gaussians, sizeof *out->weight)))
		return sp_fail(err, SP_NO_MEMORY, "no memory for pencil kernels");
	memcpy(out->weight, t->weight, t->n_rows * t->n_gaussians * sizeof *out->weight);
	return SP_OK;
}

static bool same_spectrum(const sp_machine_spectrum *a, const sp_machine_spectrum *b)
{
	return a->electron_mev == b->electron_mev && a->shape == b->shape && a->tungsten_g_cm2 == b->tungsten_g_cm2 &&
	       a->aluminium_g_cm2 == b->aluminium_g_cm2;
}

sp_status sp_superpose_photons(sp_pencil_table *out, sp_superposer *s, const sp_machine *machine, sp_error *err)
{
	const sp_machine_spectrum *wanted = &machine->source.spectrum;
	sp_status st;

	*out = (sp_pencil_table){0};
	if (!s->photon_table.weight || !same_spectrum(wanted, &s->spectrum)) {
		sp_pencil_table_finish(&s->photon_table);
		if ((st = make_photons(&s->photon_table, s, wanted, err)) != SP_OK)
			return st;
		s->spectrum = *wanted;
	}
	return copy_table(out, &s->photon_table, err);
}

sp_status sp_superpose_electrons(sp_pencil_table *out, sp_superposer *s, const sp_machine *machine, sp_error *err)
{
	const sp_machine_source *source = &machine->source;
	sp_status st;

	*out = (sp_pencil_table){0};
	if (!s->electron_table.weight || s->end_mev != source->spectrum.electron_mev ||
	    s->mean_mev != source->electrons.mean_mev) {
		sp_pencil_table_finish(&s->electron_table);
		if ((st = make_electrons(&s->electron_table, &s->electrons, source, err)) != SP_OK)
			return st;
		s->end_mev = source->spectrum.electron_mev;
		s->mean_mev = source->electrons.mean_mev;
	}
	return copy_table(out, &s->electron_table, err);
}
