/* libcyaml schemas of protocols and limit tables. */
#include "protocol_file.h"

#include "yaml.h"

#define TEXT(key, type, member, extra) CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | (extra), type, member, 1, 1000)
#define OPTIONAL CYAML_FLAG_OPTIONAL

static const cyaml_schema_value_t text_schema = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, 200)};

static const cyaml_schema_field_t limit_fields[] = {
        TEXT("structure", sp_file_limit, structure, 0),
        TEXT("metric", sp_file_limit, metric, 0),
        TEXT("unless", sp_file_limit, unless, OPTIONAL),
        TEXT("source", sp_file_limit, source, 0),
        CYAML_FIELD_FLOAT_PTR("at_most", CYAML_FLAG_POINTER | OPTIONAL, sp_file_limit, at_most),
        CYAML_FIELD_FLOAT_PTR("at_least", CYAML_FLAG_POINTER | OPTIONAL, sp_file_limit, at_least),
        CYAML_FIELD_BOOL("hard", OPTIONAL, sp_file_limit, hard),
        CYAML_FIELD_BOOL("goal", OPTIONAL, sp_file_limit, goal),
        CYAML_FIELD_BOOL("unverified", OPTIONAL, sp_file_limit, unverified),
        CYAML_FIELD_END,
};
static const cyaml_schema_value_t limit_schema = {CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, sp_file_limit, limit_fields)};

static const cyaml_schema_field_t boost_fields[] = {
        TEXT("structure", sp_file_boost, structure, 0),
        CYAML_FIELD_FLOAT("dose_gy", CYAML_FLAG_DEFAULT, sp_file_boost, dose_gy),
        CYAML_FIELD_END,
};

static const cyaml_schema_field_t protocol_fields[] = {
        TEXT("name", sp_file_protocol, name, 0),
        TEXT("title", sp_file_protocol, title, 0),
        TEXT("source", sp_file_protocol, source, 0),
        CYAML_FIELD_FLOAT("dose_gy", CYAML_FLAG_DEFAULT, sp_file_protocol, dose_gy),
        CYAML_FIELD_UINT("fractions", CYAML_FLAG_DEFAULT, sp_file_protocol, fractions),
        CYAML_FIELD_FLOAT("max_dose_percent", OPTIONAL, sp_file_protocol, max_dose_percent),
        CYAML_FIELD_MAPPING_PTR("boost", CYAML_FLAG_POINTER | OPTIONAL, sp_file_protocol, boost, boost_fields),
        CYAML_FIELD_SEQUENCE_COUNT("tables", CYAML_FLAG_POINTER | OPTIONAL, sp_file_protocol, tables, n_tables,
                                   &text_schema, 0, 16),
        CYAML_FIELD_SEQUENCE_COUNT("limits", CYAML_FLAG_POINTER | OPTIONAL, sp_file_protocol, limits, n_limits,
                                   &limit_schema, 0, 500),
        CYAML_FIELD_END,
};
static const cyaml_schema_value_t protocol_schema = {
        CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, sp_file_protocol, protocol_fields)};

static const cyaml_schema_field_t value_fields[] = {
        CYAML_FIELD_UINT("fractions", CYAML_FLAG_DEFAULT, sp_file_value, fractions),
        CYAML_FIELD_FLOAT("value", CYAML_FLAG_DEFAULT, sp_file_value, value),
        TEXT("source", sp_file_value, source, OPTIONAL),
        CYAML_FIELD_BOOL("unverified", OPTIONAL, sp_file_value, unverified),
        CYAML_FIELD_END,
};
static const cyaml_schema_value_t value_schema = {CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, sp_file_value, value_fields)};

static const cyaml_schema_field_t row_fields[] = {
        TEXT("structure", sp_file_row, structure, 0),
        TEXT("metric", sp_file_row, metric, 0),
        TEXT("unless", sp_file_row, unless, OPTIONAL),
        TEXT("source", sp_file_row, source, OPTIONAL),
        CYAML_FIELD_BOOL("hard", OPTIONAL, sp_file_row, hard),
        CYAML_FIELD_BOOL("goal", OPTIONAL, sp_file_row, goal),
        CYAML_FIELD_BOOL("unverified", OPTIONAL, sp_file_row, unverified),
        CYAML_FIELD_BOOL("interpolate", OPTIONAL, sp_file_row, interpolate),
        CYAML_FIELD_FLOAT("alpha_beta_gy", OPTIONAL, sp_file_row, alpha_beta_gy),
        CYAML_FIELD_SEQUENCE_COUNT("at_most", CYAML_FLAG_POINTER | OPTIONAL, sp_file_row, at_most, n_at_most,
                                   &value_schema, 1, 16),
        CYAML_FIELD_FLOAT_PTR("eqd2_at_most", CYAML_FLAG_POINTER | OPTIONAL, sp_file_row, eqd2_at_most),
        CYAML_FIELD_END,
};
static const cyaml_schema_value_t row_schema = {CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, sp_file_row, row_fields)};

static const cyaml_schema_field_t table_fields[] = {
        TEXT("name", sp_file_table, name, 0),
        TEXT("title", sp_file_table, title, 0),
        TEXT("source", sp_file_table, source, 0),
        CYAML_FIELD_SEQUENCE_COUNT("rows", CYAML_FLAG_POINTER, sp_file_table, rows, n_rows, &row_schema, 1, 500),
        CYAML_FIELD_END,
};
static const cyaml_schema_value_t table_schema = {CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, sp_file_table, table_fields)};

sp_status sp_file_protocol_load(sp_file_protocol **out, const char *text, size_t bytes, const char *where,
                                sp_error *err)
{
	return sp_yaml_load((void **)out, text, bytes, where, &protocol_schema, err);
}

void sp_file_protocol_free(sp_file_protocol *p)
{
	sp_yaml_free(&protocol_schema, p);
}

sp_status sp_file_table_load(sp_file_table **out, const char *text, size_t bytes, const char *where, sp_error *err)
{
	return sp_yaml_load((void **)out, text, bytes, where, &table_schema, err);
}

void sp_file_table_free(sp_file_table *t)
{
	sp_yaml_free(&table_schema, t);
}
