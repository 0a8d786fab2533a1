/* The table of materials: names, densities, compositions. CT numbers: hu_calibration.c; whole CTs: painting.c.
 */
#include "matter_internal.h"

#include "alloc.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

sp_status matter_open_table(sp_csv *out, const char *name, sp_error *err)
{
	const sp_embedded *file = sp_embedded_find(sp_matter_data, name);

	*out = (sp_csv){0};
	if (!file)
		return sp_fail(err, SP_FAILED, "table %s is not in the program", name);
	return sp_csv_parse(out, file->name, (const char *)file->data, file->bytes, err);
}

material *matter_add_material(sp_matter *m, const char *name)
{
	material *one;

	if (sp_grow_array(&m->materials, &m->capacity, m->n_materials + 1, sizeof *m->materials, NULL) != SP_OK)
		return NULL;
	one = m->materials + m->n_materials;
	*one = (material){.name = sp_copy_text(name)};
	if (!one->name)
		return NULL;
	m->n_materials++;
	return one;
}

static sp_status read_materials(sp_matter *m, sp_error *err)
{
	sp_csv csv;
	size_t name, density;
	sp_status st;

	if ((st = matter_open_table(&csv, "materials.csv", err)) != SP_OK ||
	    (st = sp_csv_column(&name, &csv, "material", err)) != SP_OK ||
	    (st = sp_csv_column(&density, &csv, "rho_g_cm3", err)) != SP_OK)
		goto cleanup;
	for (size_t row = 0; row < csv.n_rows; row++) {
		material *one = matter_add_material(m, sp_csv_cell(&csv, row, name));

		if (!one) {
			st = sp_fail(err, SP_NO_MEMORY, "no memory for materials");
			goto cleanup;
		}
		if ((st = sp_csv_number(&one->density_g_cm3, &csv, row, density, err)) != SP_OK ||
		    (st = matter_read_weights(one->weight, &csv, row, err)) != SP_OK)
			goto cleanup;
		one->z_over_a = matter_z_over_a(one->weight);
	}
	m->n_named = m->n_materials;
	if (sp_matter_find(m, "water") < 0) {
		st = sp_fail(err, SP_FAILED, "%s holds no water", csv.name);
		goto cleanup;
	}
	if (sp_matter_find(m, "air") < 0) {
		st = sp_fail(err, SP_FAILED, "%s holds no air", csv.name);
		goto cleanup;
	}
	m->water_electrons = m->materials[sp_matter_find(m, "water")].density_g_cm3 *
	                     m->materials[sp_matter_find(m, "water")].z_over_a;
cleanup:
	sp_csv_finish(&csv);
	return st;
}

static sp_status read_aliases(sp_matter *m, sp_error *err)
{
	sp_csv csv;
	sp_status st = matter_open_table(&csv, "material_aliases.csv", err);

	if (st != SP_OK)
		goto cleanup;
	if (!(m->aliases = sp_alloc_array(csv.n_rows, sizeof *m->aliases))) {
		st = sp_fail(err, SP_NO_MEMORY, "no memory for %zu names of materials", csv.n_rows);
		goto cleanup;
	}
	for (size_t row = 0; row < csv.n_rows; row++) {
		int found = sp_matter_find(m, sp_csv_cell(&csv, row, 1));

		if (found < 0)
			st = sp_fail(err, SP_FAILED, "%s: no material %s", csv.name, sp_csv_cell(&csv, row, 1));
		else if (!(m->aliases[row].name = sp_copy_text(sp_csv_cell(&csv, row, 0))))
			st = sp_fail(err, SP_NO_MEMORY, "no memory for names of materials");
		if (st != SP_OK)
			goto cleanup;
		m->aliases[row].material = found;
		m->n_aliases = row + 1;
	}
cleanup:
	sp_csv_finish(&csv);
	return st;
}

sp_status sp_matter_create(sp_matter **out, const char *calibration_path, sp_error *err)
{
	sp_matter *m = calloc(1, sizeof *m);
	sp_status st;

	*out = NULL;
	if (!m)
		return sp_fail(err, SP_NO_MEMORY, "no memory for materials");
	if ((st = read_materials(m, err)) != SP_OK || (st = read_aliases(m, err)) != SP_OK ||
	    (st = matter_read_photons(m, err)) != SP_OK || (st = matter_read_electrons(m, err)) != SP_OK ||
	    (st = matter_read_shells(m, err)) != SP_OK ||
	    (st = matter_read_calibration(m, calibration_path, err)) != SP_OK)
		goto cleanup;
	*out = m;
	m = NULL;
cleanup:
	sp_matter_destroy(m);
	return st;
}

void sp_matter_destroy(sp_matter *m)
{
	if (!m)
		return;
	for (size_t i = 0; m->materials && i < m->n_materials; i++)
		free(m->materials[i].name);
	for (size_t i = 0; m->aliases && i < m->n_aliases; i++)
		free(m->aliases[i].name);
	free(m->materials);
	free(m->aliases);
	free(m->ranges);
	free(m->photons);
	free(m->stopping);
	free(m->brems);
	free(m->shells);
	free(m);
}

/* Case, spaces, '-' and '_' make no difference: "Ti-6Al-4V" is ti6al4v, "cortical bone" is cortical_bone. */
static bool same_name(const char *a, const char *b)
{
	for (;; a++, b++) {
		while (*a == ' ' || *a == '-' || *a == '_')
			a++;
		while (*b == ' ' || *b == '-' || *b == '_')
			b++;
		if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
			return false;
		if (!*a)
			return true;
	}
}

static int find_material(const sp_matter *m, const char *name, size_t first, size_t end)
{
	for (size_t i = first; i < end; i++)
		if (same_name(name, m->materials[i].name))
			return (int)i;
	return -1;
}

int sp_matter_find(const sp_matter *m, const char *name)
{
	int found = find_material(m, name, 0, m->n_named);

	if (found >= 0)
		return found;
	for (size_t i = 0; i < m->n_aliases; i++)
		if (same_name(name, m->aliases[i].name))
			return m->aliases[i].material;
	return find_material(m, name, m->n_named, m->n_materials);
}

size_t sp_matter_count(const sp_matter *m)
{
	return m->n_named;
}

size_t sp_matter_count_all(const sp_matter *m)
{
	return m->n_materials;
}

const char *sp_matter_name(const sp_matter *m, int i)
{
	return m->materials[i].name;
}

double sp_matter_density_g_cm3(const sp_matter *m, int i)
{
	return m->materials[i].density_g_cm3;
}

double sp_matter_z_over_a(const sp_matter *m, int i)
{
	return m->materials[i].z_over_a;
}

const double *sp_matter_weights(const sp_matter *m, int i)
{
	return m->materials[i].weight;
}
