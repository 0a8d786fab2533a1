/* YAML against a schema. libcyaml reports through a log: the cause first, then where, from the inside out. */
#include "yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct {
	char text[1024];
	size_t used, lines;
} complaint;

/* Keeps the cause and the innermost two places; what lies further out adds nothing that a line number does not say. */
static void collect(cyaml_log_t level, void *context, const char *format, va_list args)
{
	complaint *c = context;
	char line[512];
	const char *start = line;

	if (level < CYAML_LOG_ERROR || c->lines >= 3)
		return;
	vsnprintf(line, sizeof line, format, args);
	if (strncmp(start, "Load: ", 6) == 0)
		start += 6;
	start += strspn(start, " ");
	line[strcspn(line, "\n")] = '\0';
	if (*start == '\0' || strncmp(start, "Backtrace", 9) == 0)
		return;
	if (c->lines > 0 && c->used + 2 < sizeof c->text) {
		memcpy(c->text + c->used, ", ", 3);
		c->used += 2;
	}
	snprintf(c->text + c->used, sizeof c->text - c->used, "%s", start);
	c->used = strlen(c->text);
	c->lines++;
}

static cyaml_config_t config_for(complaint *c)
{
	return (cyaml_config_t){.log_fn = collect,
	                        .log_ctx = c,
	                        .mem_fn = cyaml_mem,
	                        .log_level = CYAML_LOG_ERROR,
	                        .flags = CYAML_CFG_NO_ALIAS};
}

sp_status sp_yaml_load(void **out, const char *text, size_t bytes, const char *where,
                       const cyaml_schema_value_t *schema, sp_error *err)
{
	complaint c = {0};
	cyaml_config_t config = config_for(&c);
	cyaml_err_t result;

	*out = NULL;
	result = cyaml_load_data((const uint8_t *)text, bytes, &config, schema, out, NULL);
	if (result == CYAML_ERR_OOM)
		return sp_fail(err, SP_NO_MEMORY, "reading %s", where);
	if (result != CYAML_OK)
		return sp_fail(err, SP_BAD_INPUT, "%s: %s", where, c.used > 0 ? c.text : cyaml_strerror(result));
	if (!*out)
		return sp_fail(err, SP_BAD_INPUT, "%s: the file is empty", where);
	return SP_OK;
}

void sp_yaml_free(const cyaml_schema_value_t *schema, void *data)
{
	complaint c = {0};
	cyaml_config_t config = config_for(&c);

	if (data)
		cyaml_free(&config, schema, data, 0);
}
