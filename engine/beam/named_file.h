/* A file that is shipped with the program and asked for by its name, or one of the user's by its path. */
#ifndef SP_NAMED_FILE_H
#define SP_NAMED_FILE_H

#include "embedded.h"
#include "yaml.h"

/* Loads NAME.yaml of the list, or the file at a path (what has a '/' or a '.' in it), by a schema. what: "machine", for
 * the message that tells which names there are. out_sha256: of the file's text. */
sp_status sp_named_file_load(void **out, char out_sha256[65], const sp_embedded *list, const char *what,
                             const char *name_or_path, const cyaml_schema_value_t *schema, sp_error *err);

/* A number of a file and what it may be. */
typedef struct {
	const char *key;
	double value, low, high;
} sp_named_range;

/* The first number out of its range, as an error. */
sp_status sp_named_file_check(const sp_named_range *ranges, size_t n, const char *path, sp_error *err);

#endif
