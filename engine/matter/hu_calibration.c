/* CT number -> mass density and composition, by stretches of straight lines. */
#include "matter_internal.h"

#include "alloc.h"
#include "atomic_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CALIBRATION_BYTES = 1 << 20 };

static sp_status read_range(hu_range *out, double weight[SP_MATTER_MAX_Z + 1], const sp_csv *csv, size_t row,
                            sp_error *err)
{
	static const char *const headers[] = {"HU_from", "HU_to", "density_offset_g_cm3", "density_slope_g_cm3_per_HU"};
	double value[4];
	size_t column;
	sp_status st;

	for (int i = 0; i < 4; i++)
		if ((st = sp_csv_column(&column, csv, headers[i], err)) != SP_OK ||
		    (st = sp_csv_number(&value[i], csv, row, column, err)) != SP_OK)
			return st;
	if ((st = matter_read_weights(weight, csv, row, err)) != SP_OK)
		return st;
	for (int i = 0; i < 2; i++)
		if (value[i] < INT16_MIN || value[i] > INT16_MAX || value[i] != floor(value[i]))
			return sp_fail(err, SP_BAD_INPUT,
			               "%s line %zu: %s is %g, expected a whole number within %d..%d", csv->name,
			               csv->lines[row + 1], headers[i], value[i], INT16_MIN, INT16_MAX);
	*out = (hu_range){(int)value[0], (int)value[1], value[2], value[3], -1};
	if (out->hu_to <= out->hu_from)
		return sp_fail(err, SP_BAD_INPUT, "%s line %zu: HU_to is %d, expected more than HU_from, %d", csv->name,
		               csv->lines[row + 1], out->hu_to, out->hu_from);
	if (out->offset + out->slope * out->hu_from < 0.0 || out->offset + out->slope * (out->hu_to - 1) < 0.0)
		return sp_fail(err, SP_BAD_INPUT, "%s line %zu: the density becomes negative", csv->name,
		               csv->lines[row + 1]);
	return SP_OK;
}

/* "hu:" and the table's name for it or its range; a number behind it where that is taken. */
static void name_material(char *out, size_t size, const sp_matter *m, const sp_csv *csv, size_t row, const hu_range *r)
{
	char plain[64];
	size_t column;

	if (sp_csv_column(&column, csv, "material", NULL) == SP_OK && *sp_csv_cell(csv, row, column))
		snprintf(plain, sizeof plain, "hu:%s", sp_csv_cell(csv, row, column));
	else
		snprintf(plain, sizeof plain, "hu:%d..%d", r->hu_from, r->hu_to - 1);
	snprintf(out, size, "%s", plain);
	for (unsigned n = 2; sp_matter_find(m, out) >= 0; n++)
		snprintf(out, size, "%s#%u", plain, n);
}

/* The material of ranges[row]: that of the range before where the composition is the same, else a new one. */
static sp_status find_composition(sp_matter *m, const double weight[SP_MATTER_MAX_Z + 1], const sp_csv *csv, size_t row,
                                  sp_error *err)
{
	hu_range *r = m->ranges + row;
	material *one = row ? m->materials + r[-1].material : NULL;
	char name[80];

	for (int z = 0; one && z <= SP_MATTER_MAX_Z; z++)
		if (fabs(one->weight[z] - weight[z]) > 1e-12)
			one = NULL;
	if (!one) {
		name_material(name, sizeof name, m, csv, row, r);
		if (!(one = matter_add_material(m, name)))
			return sp_fail(err, SP_NO_MEMORY, "no memory for materials");
		memcpy(one->weight, weight, sizeof one->weight);
		one->z_over_a = matter_z_over_a(weight);
		one->hu = r->hu_from; /* its first, until all are known */
	}
	r->material = (int)(one - m->materials);
	return SP_OK;
}

/* Nominal densities: in the middle of the HU that a material has. */
static void find_nominal(sp_matter *m)
{
	for (size_t i = 0; i < m->n_ranges; i++) {
		material *one = m->materials + m->ranges[i].material;

		if (i + 1 < m->n_ranges && m->ranges[i + 1].material == m->ranges[i].material)
			continue;
		one->hu = (one->hu + m->ranges[i].hu_to - 1) / 2;
		one->density_g_cm3 = sp_matter_hu_density(m, (int16_t)one->hu);
	}
}

sp_status matter_read_calibration(sp_matter *m, const char *path, sp_error *err)
{
	double weight[SP_MATTER_MAX_Z + 1];
	sp_csv csv = {0};
	char *text = NULL;
	size_t bytes;
	sp_status st;

	if (path) {
		if ((st = sp_file_read_all(&text, &bytes, path, MAX_CALIBRATION_BYTES, err)) != SP_OK)
			return st;
		st = sp_csv_parse(&csv, path, text, bytes, err);
	} else {
		st = matter_open_table(&csv, "hu_calibration.csv", err);
	}
	if (st != SP_OK)
		goto cleanup;
	if (csv.n_rows == 0) {
		st = sp_fail(err, SP_BAD_INPUT, "%s has no rows", csv.name);
		goto cleanup;
	}
	if (!(m->ranges = sp_alloc_array(csv.n_rows, sizeof *m->ranges))) {
		st = sp_fail(err, SP_NO_MEMORY, "no memory for the HU calibration");
		goto cleanup;
	}
	for (size_t row = 0; row < csv.n_rows; row++) {
		if ((st = read_range(m->ranges + row, weight, &csv, row, err)) != SP_OK)
			goto cleanup;
		if (row && m->ranges[row].hu_from != m->ranges[row - 1].hu_to) {
			st = sp_fail(err, SP_BAD_INPUT,
			             "%s line %zu: HU_from is %d, expected %d, where the row before ends", csv.name,
			             csv.lines[row + 1], m->ranges[row].hu_from, m->ranges[row - 1].hu_to);
			goto cleanup;
		}
		if ((st = find_composition(m, weight, &csv, row, err)) != SP_OK)
			goto cleanup;
	}
	m->n_ranges = csv.n_rows;
	find_nominal(m);
cleanup:
	sp_csv_finish(&csv);
	free(text);
	return st;
}

/* Clamps *hu to the table: below its first and above its last number the ends hold. */
static const hu_range *find_range(const sp_matter *m, int *hu)
{
	size_t low = 0, high = m->n_ranges; /* low's range begins at or below *hu */
	int last = m->ranges[m->n_ranges - 1].hu_to - 1;

	*hu = *hu < m->ranges[0].hu_from ? m->ranges[0].hu_from : *hu > last ? last : *hu;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (m->ranges[middle].hu_from <= *hu)
			low = middle;
		else
			high = middle;
	}
	return m->ranges + low;
}

double sp_matter_hu_density(const sp_matter *m, int16_t hu)
{
	int clamped = hu;
	const hu_range *r = find_range(m, &clamped);

	return r->offset + r->slope * clamped;
}

int sp_matter_hu_material(const sp_matter *m, int16_t hu)
{
	int clamped = hu;

	return find_range(m, &clamped)->material;
}

double sp_matter_hu_z_over_a(const sp_matter *m, int16_t hu)
{
	return m->materials[sp_matter_hu_material(m, hu)].z_over_a;
}

double sp_matter_hu_electron_density(const sp_matter *m, int16_t hu)
{
	return sp_matter_hu_density(m, hu) * sp_matter_hu_z_over_a(m, hu) / m->water_electrons;
}

int16_t sp_matter_density_hu(const sp_matter *m, double density_g_cm3)
{
	int best = 0, last_best = 0;
	double least = INFINITY;

	for (int hu = m->ranges[0].hu_from; hu < m->ranges[m->n_ranges - 1].hu_to; hu++) {
		double miss = fabs(sp_matter_hu_density(m, (int16_t)hu) - density_g_cm3);

		if (miss < least) {
			least = miss;
			best = last_best = hu;
		} else if (miss <= least && hu == last_best + 1) {
			last_best = hu; /* a stretch of constant density: its middle keeps clear of both neighbours */
		}
	}
	return (int16_t)((best + last_best) / 2);
}

/* Water and air have their CT numbers by the definition of the scale; a calibration for tissues gives others. */
int16_t sp_matter_hu(const sp_matter *m, int i)
{
	if ((size_t)i >= m->n_named)
		return (int16_t)m->materials[i].hu;
	if (strncmp(m->materials[i].name, "water", 5) == 0)
		return 0;
	if (strcmp(m->materials[i].name, "air") == 0)
		return -1000;
	return sp_matter_density_hu(m, m->materials[i].density_g_cm3);
}
