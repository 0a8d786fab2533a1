#include "reference_curves.h"

#include "alloc.h"
#include "atomic_file.h"
#include "csv.h"
#include "embedded.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const sp_embedded sp_egsnrc_files[]; /* tests/data/egsnrc, embedded by the build */

#define MAX_CURVE_BYTES ((size_t)1 << 22)

#define WATER_300                      \
	{                              \
		{"water", 300.0}, {0}, \
		{                      \
			0              \
		}                      \
	}

const sp_reference_case sp_reference_cases[SP_REFERENCE_CASES] = {
        {"water_6mv_3x3", "water, 30 x 30 mm", SP_REFERENCE_WATER, 0.0, 30.0, WATER_300},
        {"water_6mv_10x10", "water, 100 x 100 mm", SP_REFERENCE_WATER, 0.0, 100.0, WATER_300},
        {"lung_slab_6mv",
         "100 mm lung, 30 x 30 mm",
         SP_REFERENCE_SLAB,
         0.0,
         30.0,
         {{"water", 50.0}, {"lung_inflated_icru", 100.0}, {"water", 150.0}}},
        {"bone_slab_6mv",
         "30 mm bone, 50 x 50 mm",
         SP_REFERENCE_SLAB,
         0.0,
         50.0,
         {{"water", 50.0}, {"bone_cortical_icrp", 30.0}, {"water", 220.0}}},
        {"titanium_slab_6mv",
         "10 mm titanium, 50 x 50 mm",
         SP_REFERENCE_SLAB,
         0.0,
         50.0,
         {{"water", 50.0}, {"titanium", 10.0}, {"water", 240.0}}},
        {"mono_pencil_0.5mev", "0.5 MeV, 5 x 5 mm", SP_REFERENCE_PENCIL, 0.5, 5.0, WATER_300},
        {"mono_pencil_1.25mev", "1.25 MeV, 5 x 5 mm", SP_REFERENCE_PENCIL, 1.25, 5.0, WATER_300},
        {"mono_pencil_2mev", "2 MeV, 5 x 5 mm", SP_REFERENCE_PENCIL, 2.0, 5.0, WATER_300},
        {"mono_pencil_6mev", "6 MeV, 5 x 5 mm", SP_REFERENCE_PENCIL, 6.0, 5.0, WATER_300},
        {"mono_pencil_15mev", "15 MeV, 5 x 5 mm", SP_REFERENCE_PENCIL, 15.0, 5.0, WATER_300},
        {"electron_10mev_water",
         "10 MeV electrons, water",
         SP_REFERENCE_ELECTRON,
         10.0,
         100.0,
         {{"water", 200.0}, {0}, {0}}},
        {"electron_15mev_bone",
         "15 MeV electrons, bone",
         SP_REFERENCE_ELECTRON,
         15.0,
         100.0,
         {{"water", 20.0}, {"bone_cortical_icrp", 20.0}, {"water", 160.0}}},
};

double sp_reference_depth_mm(const sp_reference_case *c)
{
	return c->layers[0].thickness_mm + c->layers[1].thickness_mm + c->layers[2].thickness_mm;
}

/* Opens the table; *text_out is to be freed after it. */
static sp_status open_table(sp_csv *out, char **text_out, const char *name, const char *folder, sp_error *err)
{
	char path[1024];
	const sp_embedded *e;
	size_t bytes;
	sp_status st;

	snprintf(path, sizeof path, "%s%s%s.csv", folder ? folder : "", folder ? "/" : "", name);
	if (folder) {
		if ((st = sp_file_read_all(text_out, &bytes, path, MAX_CURVE_BYTES, err)) != SP_OK)
			return st;
		return sp_csv_parse(out, name, *text_out, bytes, err);
	}
	if (!(e = sp_embedded_find(sp_egsnrc_files, path)))
		return sp_fail(err, SP_FAILED, "no reference curves are called %s", path);
	return sp_csv_parse(out, name, (const char *)e->data, e->bytes, err);
}

/* The rows of the table, in mm. */
static sp_status read_boxes(sp_reference_curves *out, const sp_csv *csv, double first_depth_mm, sp_error *err)
{
	static const char *const names[] = {
	        "x_min_cm",      "x_max_cm", "y_min_cm", "y_max_cm", "z_min_cm", "z_max_cm", "dose_Gy_per_particle",
	        "rel_unc_1sigma"};
	size_t column[8], curve;
	sp_status st = sp_csv_column(&curve, csv, "curve", err);

	for (int i = 0; st == SP_OK && i < 8; i++)
		st = sp_csv_column(&column[i], csv, names[i], err);
	for (size_t r = 0; st == SP_OK && r < csv->n_rows; r++) {
		const char *kind = sp_csv_cell(csv, r, curve);
		sp_reference_box *b = out->boxes + out->n;
		double v[8];

		for (int i = 0; st == SP_OK && i < 8; i++)
			st = sp_csv_number(&v[i], csv, r, column[i], err);
		if (st != SP_OK || 10.0 * v[4] < first_depth_mm - 1e-6)
			continue;
		for (int a = 0; a < 3; a++) {
			b->low_mm[a] = 10.0 * v[2 * a];
			b->high_mm[a] = 10.0 * v[2 * a + 1];
		}
		b->dose_gy = v[6];
		b->sigma_gy = v[6] * v[7];
		b->along_depth = strcmp(kind, "depth_dose") == 0;
		b->whole_width = strncmp(kind, "line_", 5) == 0;
		out->n++;
	}
	if (st == SP_OK && out->n == 0)
		st = sp_fail(err, SP_BAD_INPUT, "%s has no points deeper than %g mm", csv->name, first_depth_mm);
	return st;
}

sp_status sp_reference_read(sp_reference_curves *out, const char *name, const char *folder, double first_depth_mm,
                            sp_error *err)
{
	char *text = NULL;
	sp_csv csv = {0};
	sp_status st;

	*out = (sp_reference_curves){0};
	if ((st = open_table(&csv, &text, name, folder, err)) != SP_OK)
		goto cleanup;
	if (!(out->boxes = sp_alloc_array(csv.n_rows + 1, sizeof *out->boxes))) {
		st = sp_fail(err, SP_NO_MEMORY, "no memory for the curves of %s", name);
		goto cleanup;
	}
	st = read_boxes(out, &csv, first_depth_mm, err);
cleanup:
	if (st != SP_OK)
		sp_reference_finish(out);
	sp_csv_finish(&csv);
	free(text);
	return st;
}

void sp_reference_finish(sp_reference_curves *c)
{
	free(c->boxes);
	*c = (sp_reference_curves){0};
}
