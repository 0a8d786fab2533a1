/* Machine files: YAML checked against a schema by libcyaml. */
#include "machine.h"

#include "alloc.h"
#include "atomic_file.h"
#include "embedded.h"

#include <cyaml/cyaml.h>
#include <math.h>
#include <stdarg.h>
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

/* What libcyaml says while it gives up: the reason first, then where it stood. */
typedef struct {
	char text[512];
	size_t used;
} complaint;

static void listen(cyaml_log_t level, void *context, const char *format, va_list args)
{
	complaint *c = context;
	char line[256];
	size_t n;

	if (level < CYAML_LOG_ERROR)
		return;
	n = (size_t)vsnprintf(line, sizeof line, format, args);
	n = n < sizeof line ? n : sizeof line - 1;
	while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == ' '))
		line[--n] = '\0';
	c->used += (size_t)snprintf(c->text + c->used, sizeof c->text - c->used, "%s%s", c->used ? "; " : "", line);
	c->used = c->used < sizeof c->text ? c->used : sizeof c->text - 1;
}

static void *allocate(void *context, void *old, size_t bytes)
{
	(void)context;
	if (bytes == 0) {
		free(old);
		return NULL;
	}
	return realloc(old, bytes);
}

static cyaml_config_t config(complaint *c)
{
	return (cyaml_config_t){.log_fn = listen, .log_ctx = c, .log_level = CYAML_LOG_WARNING, .mem_fn = allocate};
}

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
	complaint said = {0};
	cyaml_config_t how = config(&said);
	sp_machine *m = NULL;
	size_t bytes = 0;
	cyaml_err_t code;
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
	code = cyaml_load_data(shipped ? shipped->data : (const uint8_t *)text, shipped ? shipped->bytes : bytes, &how,
	                       &schema, (cyaml_data_t **)&m, NULL);
	if (code != CYAML_OK)
		st = sp_fail(err, code == CYAML_ERR_OOM ? SP_NO_MEMORY : SP_BAD_INPUT,
		             "%s is not a machine file: %s%s%s", name_or_path, cyaml_strerror(code),
		             said.used ? ": " : "", said.text);
	else if (!m)
		st = sp_fail(err, SP_BAD_INPUT, "%s is not a machine file: it is empty", name_or_path);
	else
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
	if (!m)
		return;
	free(m->name);
	free(m->kernel);
	free(m);
}
