#include "named_file.h"

#include "atomic_file.h"
#include "sha256.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE_BYTES ((size_t)1 << 20)

/* The shipped files' names in one line. */
static void list_names(char *out, size_t bytes, const sp_embedded *list)
{
	size_t used = 0;

	out[0] = '\0';
	for (const sp_embedded *e = list; e->name && used < bytes; e++)
		used += (size_t)snprintf(out + used, bytes - used, "%s%.*s", used ? ", " : "",
		                         (int)(strlen(e->name) - strlen(".yaml")), e->name);
}

sp_status sp_named_file_load(void **out, char out_sha256[65], const sp_embedded *list, const char *what,
                             const char *name_or_path, const cyaml_schema_value_t *schema, sp_error *err)
{
	char file_name[128], names[256], *read = NULL;
	const char *text;
	const sp_embedded *shipped = NULL;
	size_t bytes = 0;
	sp_status st;

	*out = NULL;
	snprintf(file_name, sizeof file_name, "%s.yaml", name_or_path);
	shipped = sp_embedded_find(list, file_name);
	if (!shipped && !strpbrk(name_or_path, "/.")) {
		list_names(names, sizeof names, list);
		return sp_fail(err, SP_BAD_INPUT, "no %s is called '%s'; there are %s, or give the path of a YAML file",
		               what, name_or_path, names);
	}
	if (!shipped && (st = sp_file_read_all(&read, &bytes, name_or_path, MAX_FILE_BYTES, err)) != SP_OK)
		return st;
	text = shipped ? (const char *)shipped->data : read;
	bytes = shipped ? shipped->bytes : bytes;
	sp_sha256_bytes(out_sha256, text, bytes);
	st = sp_yaml_load(out, text, bytes, name_or_path, schema, err);
	free(read);
	return st;
}

sp_status sp_named_file_check(const sp_named_range *ranges, size_t n, const char *path, sp_error *err)
{
	for (size_t i = 0; i < n; i++)
		if (!(ranges[i].value >= ranges[i].low && ranges[i].value <= ranges[i].high))
			return sp_fail(err, SP_BAD_INPUT, "%s: %s is %g, expected %g to %g", path, ranges[i].key,
			               ranges[i].value, ranges[i].low, ranges[i].high);
	return SP_OK;
}
