/* YAML against a schema (libcyaml), with errors that name the file, the line, the key and what was found. */
#ifndef SP_YAML_H
#define SP_YAML_H

#include <cyaml/cyaml.h>

#include "status.h"

/* Loads text (bytes long; need not end in zero) by a schema whose top value is a pointer to a mapping. where is the
 * file's name for messages. *out is freed by sp_yaml_free with the same schema. */
sp_status sp_yaml_load(void **out, const char *text, size_t bytes, const char *where,
                       const cyaml_schema_value_t *schema, sp_error *err);

/* NULL is fine. */
void sp_yaml_free(const cyaml_schema_value_t *schema, void *data);

#endif
