/* What structures are called: standard names (AAPM TG-263) with synonyms, read from structure-names.yaml. */
#ifndef SP_STRUCTURE_NAMES_H
#define SP_STRUCTURE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "case.h"
#include "status.h"

typedef struct {
	char *name;      /* "Esophagus", or "role:cord" for what else may stand for a role */
	char **synonyms; /* other names of the same structure */
	unsigned n_synonyms;
	char **parts; /* names of structures that together are this one ("Lung_L", "Lung_R") */
	unsigned n_parts;
} sp_structure_name;

typedef struct sp_structure_names {
	sp_structure_name *structures;
	unsigned n_structures;
} sp_structure_names;

sp_status sp_structure_names_read(sp_structure_names **out, sp_error *err);
void sp_structure_names_destroy(sp_structure_names *names);

/* Indices of the case's structures that go by a name (or "role:..."): at most max; returns how many. Letters' case,
 * blanks, "_", "-" and "." do not count. *together: no structure bears the name, but all its parts are there. */
size_t sp_structure_names_match(size_t *out, size_t max, bool *together, const sp_structure_names *names,
                                const char *name, const sp_case *c);

#endif
