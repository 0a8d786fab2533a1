/* Machine files: YAML checked against a schema. */
#include "machine.h"

#include "atomic_file.h"
#include "embedded.h"
#include "yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const sp_embedded sp_machine_files[]; /* engine/beam/machines, embedded by the build */

#define MAX_FILE_BYTES ((size_t)1 << 20)

static const cyaml_schema_value_t number = {CYAML_VALUE_FLOAT(CYAML_FLAG_DEFAULT, double)};

static const cyaml_schema_field_t fields[] = {
        CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, sp_machine, name, 1, CYAML_UNLIMITED),
        CYAML_FIELD_FLOAT("sad_mm", CYAML_FLAG_DEFAULT, sp_machine, sad_mm),
        CYAML_FIELD_SEQUENCE_FIXED("source_fwhm_mm", CYAML_FLAG_DEFAULT, sp_machine, source_fwhm_mm, &number, 2),
        CYAML_FIELD_FLOAT("collimator_mm", CYAML_FLAG_DEFAULT, sp_machine, collimator_mm),
        CYAML_FIELD_STRING_PTR("kernel", CYAML_FLAG_POINTER, sp_machine, kernel, 1, CYAML_UNLIMITED),
        CYAML_FIELD_FLOAT("fluence_per_mu_cm2", CYAML_FLAG_DEFAULT, sp_machine, fluence_per_mu_cm2),
        CYAML_FIELD_END,
};

static const cyaml_schema_value_t schema = {CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, sp_machine, fields)};

static sp_status check(const sp_machine *m, const char *path, sp_error *err)
{
	const struct {
		const char *key;
		double value, low, high;
	} ranges[] = {
	        {"sad_mm", m->sad_mm, 100.0, 10000.0},
	        {"source_fwhm_mm[0]", m->source_fwhm_mm[0], 0.0, 20.0},
	        {"source_fwhm_mm[1]", m->source_fwhm_mm[1], 0.0, 20.0},
	        {"collimator_mm", m->collimator_mm, 50.0, m->sad_mm},
	        {"fluence_per_mu_cm2", m->fluence_per_mu_cm2, 1e3, 1e15},
	};

	for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
		if (!(ranges[i].value >= ranges[i].low && ranges[i].value <= ranges[i].high))
			return sp_fail(err, SP_BAD_INPUT, "%s: %s is %g, expected %g to %g", path, ranges[i].key,
			               ranges[i].value, ranges[i].low, ranges[i].high);
	return SP_OK;
}

/* The shipped machines' names in one line, for the message about an unknown one. */
static void list_names(char *out, size_t bytes)
{
	size_t used = 0;

	out[0] = '\0';
	for (const sp_embedded *e = sp_machine_files; e->name && used < bytes; e++)
		used += (size_t)snprintf(out + used, bytes - used, "%s%.*s", used ? ", " : "",
		                         (int)(strlen(e->name) - strlen(".yaml")), e->name);
}

sp_status sp_machine_read(sp_machine **out, const char *name_or_path, sp_error *err)
{
	char file_name[128], names[256], *text = NULL;
	const sp_embedded *shipped = NULL;
	sp_machine *m = NULL;
	size_t bytes = 0;
	void *loaded = NULL;
	sp_status st = SP_OK;

	*out = NULL;
	snprintf(file_name, sizeof file_name, "%s.yaml", name_or_path);
	shipped = sp_embedded_find(sp_machine_files, file_name);
	if (!shipped && !strpbrk(name_or_path, "/.")) {
		list_names(names, sizeof names);
		return sp_fail(err, SP_BAD_INPUT,
		               "no machine is called '%s'; there are %s, or give the path of a YAML file", name_or_path,
		               names);
	}
	if (!shipped && (st = sp_file_read_all(&text, &bytes, name_or_path, MAX_FILE_BYTES, err)) != SP_OK)
		return st;
	st = sp_yaml_load(&loaded, shipped ? (const char *)shipped->data : text, shipped ? shipped->bytes : bytes,
	                  name_or_path, &schema, err);
	m = loaded;
	if (st == SP_OK && !m)
		st = sp_fail(err, SP_BAD_INPUT, "%s is not a machine file: it is empty", name_or_path);
	if (st == SP_OK)
		st = check(m, name_or_path, err);
	if (st == SP_OK) {
		*out = m;
		m = NULL;
	}
	sp_machine_destroy(m);
	free(text);
	return st;
}

void sp_machine_destroy(sp_machine *m)
{
	sp_yaml_free(&schema, m);
}
