/* Pencil kernel tables: CSV with one row a depth, columns depth, total (unused here) and one a Gaussian, resampled to
 * even steps. */
#include "pencil_internal.h"

#include "alloc.h"
#include "csv.h"
#include "embedded.h"
#include "superpose.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const sp_embedded sp_pencil_kernel_files[]; /* engine/pencil/kernels, embedded by the build */

#define FIRST 2 /* column of the first Gaussian */

/* Depths beyond any patient. The table's own end is carried on exponentially. */
#define TABLE_END_MM 800.0

/* Gaussians narrower than NARROW_MM are mostly electrons, which see the density near them; those wider than WIDE_MM are
 * scattered photons, which come from far. In between the share grows with the logarithm. */
#define NARROW_MM 8.5
#define WIDE_MM 20.0

double sp_pencil_far_share(double sigma_mm)
{
	return fmin(fmax(log(sigma_mm / NARROW_MM) / log(WIDE_MM / NARROW_MM), 0.0), 1.0);
}

/* Weight at a depth: linear between rows, exponential beyond the last as its final ten rows fall. */
static double weight_at(const double *depth, const double *weight, size_t n, size_t stride, double at)
{
	size_t i = 0, back = n > 10 ? n - 10 : 0;
	double last = weight[(n - 1) * stride], before = weight[back * stride];

	if (at >= depth[n - 1]) {
		if (!(last > 0.0) || !(before > last))
			return last;
		return last * exp((at - depth[n - 1]) * log(last / before) / (depth[n - 1] - depth[back]));
	}
	while (i + 2 < n && depth[i + 1] <= at)
		i++;
	return weight[i * stride] +
	       (weight[(i + 1) * stride] - weight[i * stride]) * (at - depth[i]) / (depth[i + 1] - depth[i]);
}

sp_status sp_pencil_table_fill(sp_pencil_table *out, const double *sigma_mm, size_t n_gaussians, const double *depth_mm,
                               const double *weight, size_t n_depths, sp_error *err)
{
	*out = (sp_pencil_table){.n_gaussians = n_gaussians,
	                         .n_rows = (size_t)(TABLE_END_MM / (double)SP_PENCIL_TABLE_STEP_MM) + 1};
	if (!(out->weight = sp_alloc_array(out->n_rows * n_gaussians, sizeof *out->weight)))
		return sp_fail(err, SP_NO_MEMORY, "no memory for a table of pencil kernels");
	memcpy(out->sigma_mm, sigma_mm, n_gaussians * sizeof *sigma_mm);
	for (size_t r = 0; r < out->n_rows; r++)
		for (size_t i = 0; i < n_gaussians; i++)
			out->weight[r * n_gaussians + i] =
			        (float)weight_at(depth_mm, weight + i, n_depths, n_gaussians,
			                         (double)r * (double)SP_PENCIL_TABLE_STEP_MM);
	return SP_OK;
}

static sp_status parse(sp_pencil_table *out, const sp_csv *csv, sp_error *err)
{
	size_t columns = csv->n_columns, n = columns - FIRST;
	double sigma_mm[SP_PENCIL_MAX_GAUSSIANS], total, *weight = NULL, *depth = NULL;
	sp_status st = SP_OK;

	if (columns <= FIRST || n > SP_PENCIL_MAX_GAUSSIANS || csv->n_rows < 2)
		return sp_fail(err, SP_BAD_INPUT, "%s has %zu columns and %zu depths, expected %d to %d and 2 or more",
		               csv->name, columns, csv->n_rows, FIRST + 1, FIRST + SP_PENCIL_MAX_GAUSSIANS);
	weight = sp_alloc_array(csv->n_rows * n, sizeof *weight);
	depth = sp_alloc_array(csv->n_rows, sizeof *depth);
	if (!weight || !depth) {
		st = sp_fail(err, SP_NO_MEMORY, "no memory for %s", csv->name);
		goto cleanup;
	}
	for (size_t i = 0; i < n; i++) {
		char *end;

		sigma_mm[i] = strtod(sp_csv_header(csv, FIRST + i), &end);
		if (*end || !(sigma_mm[i] > 0.01 && sigma_mm[i] < 1000.0)) {
			st = sp_fail(err, SP_BAD_INPUT, "%s: width %zu is '%s', expected 0.01 to 1000 mm", csv->name,
			             i + 1, sp_csv_header(csv, FIRST + i));
			goto cleanup;
		}
	}
	for (size_t r = 0; r < csv->n_rows; r++) {
		if ((st = sp_csv_number(&depth[r], csv, r, 0, err)) != SP_OK ||
		    (st = sp_csv_number(&total, csv, r, 1, err)) != SP_OK)
			goto cleanup;
		for (size_t i = 0; i < n; i++)
			if ((st = sp_csv_number(&weight[r * n + i], csv, r, FIRST + i, err)) != SP_OK)
				goto cleanup;
		if (r > 0 ? depth[r] <= depth[r - 1] : depth[0] != 0.0) {
			st = sp_fail(err, SP_BAD_INPUT, "%s: depth %g mm in row %zu, expected 0 first and then rising",
			             csv->name, depth[r], r + 1);
			goto cleanup;
		}
	}
	st = sp_pencil_table_fill(out, sigma_mm, n, depth, weight, csv->n_rows, err);
cleanup:
	free(weight);
	free(depth);
	return st;
}

sp_status sp_pencil_table_read(sp_pencil_table *out, const char *name, sp_error *err)
{
	char file[128];
	const sp_embedded *e;
	sp_csv csv = {0};
	sp_status st;

	*out = (sp_pencil_table){0};
	snprintf(file, sizeof file, "%s.csv", name);
	if (!(e = sp_embedded_find(sp_pencil_kernel_files, file)))
		return sp_fail(err, SP_BAD_INPUT, "no pencil kernel table is called '%s'", name);
	st = sp_csv_parse(&csv, file, (const char *)e->data, e->bytes, err);
	if (st == SP_OK)
		st = parse(out, &csv, err);
	sp_csv_finish(&csv);
	if (st != SP_OK)
		sp_pencil_table_finish(out);
	return st;
}

void sp_pencil_table_finish(sp_pencil_table *t)
{
	free(t->weight);
	t->weight = NULL;
}

bool sp_pencil_has_kernels(const char *name)
{
	char file[128];

	snprintf(file, sizeof file, "%s.csv", name);
	return strcmp(name, SP_KERNEL_SUPERPOSED) == 0 || strcmp(name, SP_KERNEL_SUPERPOSED_ELECTRONS) == 0 ||
	       sp_embedded_find(sp_pencil_kernel_files, file) != NULL;
}

sp_status sp_pencil_table_of(sp_pencil_table *out, const sp_machine *machine, sp_error *err)
{
	bool electrons = strcmp(machine->kernel, SP_KERNEL_SUPERPOSED_ELECTRONS) == 0;
	sp_superposer *own = NULL, *s = machine->superposer;
	sp_matter *matter = NULL;
	sp_status st = SP_OK;

	*out = (sp_pencil_table){0};
	if (!electrons && strcmp(machine->kernel, SP_KERNEL_SUPERPOSED) != 0)
		return sp_pencil_table_read(out, machine->kernel, err);
	if (!s && (st = sp_matter_create(&matter, NULL, err)) == SP_OK &&
	    (st = sp_superposer_create(&own, matter, err)) == SP_OK)
		s = own;
	if (st == SP_OK)
		st = electrons ? sp_superpose_electrons(out, s, machine, err)
		               : sp_superpose_photons(out, s, machine, err);
	sp_superposer_destroy(own);
	sp_matter_destroy(matter);
	return st;
}
