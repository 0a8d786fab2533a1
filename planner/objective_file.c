#include "objective_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "atomic_file.h"
#include "yaml.h"

#define MAX_FILE_BYTES (1u << 20)
#define TEXT(key, member) CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER, sp_objective_entry, member, 1, 200)
#define NUMBER(key, member) CYAML_FIELD_FLOAT(key, CYAML_FLAG_OPTIONAL, sp_objective_entry, member)

static const cyaml_schema_field_t entry_fields[] = {
        TEXT("structure", structure),
        TEXT("kind", kind),
        NUMBER("dose_gy", dose_gy),
        NUMBER("volume_percent", volume_percent),
        NUMBER("a", a),
        NUMBER("weight", weight),
        CYAML_FIELD_END,
};
static const cyaml_schema_value_t entry_schema = {
        CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, sp_objective_entry, entry_fields)};

static const cyaml_schema_field_t file_fields[] = {
        CYAML_FIELD_SEQUENCE_COUNT("objectives", CYAML_FLAG_POINTER, sp_objective_file, objectives, n_objectives,
                                   &entry_schema, 1, 500),
        CYAML_FIELD_END,
};
static const cyaml_schema_value_t file_schema = {
        CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, sp_objective_file, file_fields)};

static const char *const kind_names[] = {
        [SP_SQUARED_OVERDOSE] = "squared_overdose",
        [SP_SQUARED_UNDERDOSE] = "squared_underdose",
        [SP_SQUARED_DEVIATION] = "squared_deviation",
        [SP_MEAN_DOSE] = "mean_dose",
        [SP_MEAN_OVERDOSE] = "mean_overdose",
        [SP_GEUD] = "geud",
        [SP_DVH_MAX] = "dvh_max",
        [SP_DVH_MIN] = "dvh_min",
        [SP_LIMIT_MAX] = "limit_max",
        [SP_LIMIT_DVH_MAX] = "limit_dvh_max",
        [SP_LIMIT_DVH_MIN] = "limit_dvh_min",
        [SP_LIMIT_MEAN] = "limit_mean",
};
#define N_KINDS (sizeof kind_names / sizeof *kind_names)

const char *sp_term_kind_name(sp_term_kind kind)
{
	return kind_names[kind];
}

sp_status sp_objective_file_read(sp_objective_file **out, const char *path, sp_error *err)
{
	char *text = NULL;
	size_t bytes;
	sp_status st = sp_file_read_all(&text, &bytes, path, MAX_FILE_BYTES, err);

	*out = NULL;
	if (st == SP_OK)
		st = sp_yaml_load((void **)out, text, bytes, path, &file_schema, err);
	free(text);
	return st;
}

void sp_objective_file_destroy(sp_objective_file *f)
{
	sp_yaml_free(&file_schema, f);
}

sp_status sp_objective_to_term(sp_term *out, const sp_objective_entry *entry, const char *path, sp_error *err)
{
	char known[256] = "";
	size_t kind = 0;

	while (kind < N_KINDS && strcmp(kind_names[kind], entry->kind) != 0)
		kind++;
	if (kind == N_KINDS) {
		for (size_t k = 0; k < N_KINDS; k++)
			snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", k ? ", " : "",
			         kind_names[k]);
		return sp_fail(err, SP_BAD_INPUT, "%s: the objective on %s has the kind '%s', expected one of %s", path,
		               entry->structure, entry->kind, known);
	}
	memset(out, 0, sizeof *out);
	out->kind = (sp_term_kind)kind;
	snprintf(out->name, sizeof out->name, "%s", entry->structure);
	out->dose_gy = entry->dose_gy;
	out->volume = entry->volume_percent / 100.0;
	out->a = entry->a;
	out->weight = entry->weight;
	return SP_OK;
}
