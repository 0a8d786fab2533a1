/* Finds the case's structures that a protocol speaks of. */
#include "structure_names.h"

#include <ctype.h>
#include <string.h>

#include "protocol.h"
#include "yaml.h"

static const cyaml_schema_value_t text_schema = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, 200)};

static const cyaml_schema_field_t name_fields[] = {
        CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, sp_structure_name, name, 1, 200),
        CYAML_FIELD_SEQUENCE_COUNT("synonyms", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, sp_structure_name, synonyms,
                                   n_synonyms, &text_schema, 0, 200),
        CYAML_FIELD_SEQUENCE_COUNT("parts", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, sp_structure_name, parts, n_parts,
                                   &text_schema, 0, 32),
        CYAML_FIELD_END,
};
static const cyaml_schema_value_t name_schema = {
        CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, sp_structure_name, name_fields)};
static const cyaml_schema_field_t names_fields[] = {
        CYAML_FIELD_SEQUENCE_COUNT("structures", CYAML_FLAG_POINTER, sp_structure_names, structures, n_structures,
                                   &name_schema, 1, 1000),
        CYAML_FIELD_END,
};
static const cyaml_schema_value_t names_schema = {
        CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, sp_structure_names, names_fields)};

sp_status sp_structure_names_read(sp_structure_names **out, sp_error *err)
{
	const sp_embedded *file = sp_embedded_find(sp_protocol_files, "structure-names.yaml");

	*out = NULL;
	if (!file)
		return sp_fail(err, SP_FAILED, "structure-names.yaml is not in this build");
	return sp_yaml_load((void **)out, (const char *)file->data, file->bytes, file->name, &names_schema, err);
}

void sp_structure_names_destroy(sp_structure_names *names)
{
	sp_yaml_free(&names_schema, names);
}

/* Letters and digits alone, letters small; bytes beyond ASCII count as they are. */
static bool next_letter(char *out, const char **at)
{
	while (**at != '\0' && strchr(" _-.", **at))
		(*at)++;
	if (**at == '\0')
		return false;
	*out = (char)tolower((unsigned char)**at);
	(*at)++;
	return true;
}

static bool same_name(const char *a, const char *b)
{
	char x = 0, y = 0;
	bool more_a, more_b;

	do {
		more_a = next_letter(&x, &a);
		more_b = next_letter(&y, &b);
	} while (more_a && more_b && x == y);
	return !more_a && !more_b;
}

static const sp_structure_name *find_entry(const sp_structure_names *names, const char *name)
{
	for (size_t i = 0; i < names->n_structures; i++)
		if (same_name(names->structures[i].name, name))
			return &names->structures[i];
	return NULL;
}

static bool goes_by(const sp_structure *s, const char *name, const sp_structure_name *entry)
{
	if (same_name(s->name, name))
		return true;
	for (size_t i = 0; entry && i < entry->n_synonyms; i++)
		if (same_name(s->name, entry->synonyms[i]))
			return true;
	return false;
}

static bool stands_for(const sp_case *c, const sp_structure *s, const char *name, const sp_structure_name *entry)
{
	if (strncmp(name, "role:", 5) != 0)
		return goes_by(s, name, entry);
	if (strcmp(name, "role:target") == 0)
		return s == sp_case_target(c);
	/* a cord that was brought in as just another organ is still a cord */
	return s->role == sp_role_parse(name + 5) || (s->role == SP_ROLE_ORGAN && goes_by(s, name, entry));
}

/* depth: parts may have parts (a lung of lobes), but not without end. */
static size_t match(size_t *out, size_t max, bool *together, const sp_structure_names *names, const char *name,
                    const sp_case *c, int depth)
{
	const sp_structure_name *entry = find_entry(names, name);
	size_t n = 0;

	*together = false;
	for (size_t i = 0; i < c->n_structures && n < max; i++)
		if (stands_for(c, &c->structures[i], name, entry))
			out[n++] = i;
	if (n > 0 || !entry || depth == 0)
		return n;
	for (size_t i = 0; i < entry->n_parts; i++) {
		bool ignored;
		size_t more = match(out + n, max - n, &ignored, names, entry->parts[i], c, depth - 1);

		if (more == 0)
			return 0; /* half a lung pair says nothing of the pair */
		n += more;
	}
	*together = n > 0;
	return n;
}

size_t sp_structure_names_match(size_t *out, size_t max, bool *together, const sp_structure_names *names,
                                const char *name, const sp_case *c)
{
	return match(out, max, together, names, name, c, 3);
}
