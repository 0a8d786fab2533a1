/* Planning protocols: prescription, objectives and organ limits as YAML data with their sources. */
#ifndef SP_PROTOCOL_H
#define SP_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>

#include "case.h"
#include "status.h"

typedef enum { SP_LIMIT_IS_UPPER, SP_LIMIT_IS_LOWER } sp_limit_sense;

/* One limit on a structure, by role or by name pattern. */
typedef struct {
	char *structure; /* case-insensitive name or synonym ("esophagus"), or "role:cord" */
	char *metric;    /* "Dmax", "D0.03cc", "D0.35cc", "D5cc", "D95%", "Dmean", "V20Gy%", "V17Gy_cc" */
	double value;    /* Gy, percent or cc, as the metric says */
	sp_limit_sense sense;
	bool hard; /* the optimiser must hold it */
	char *source;
} sp_limit;

typedef struct {
	char *name, *title, *source;
	double dose_gy;
	unsigned fractions;
	size_t n_limits;
	sp_limit *limits;
	double max_dose_percent; /* hot spot allowed inside the target, % of the prescription */
} sp_protocol;

/* name_or_path: a shipped protocol's name ("sc24-24gy-2fx") or a path to a YAML file. */
sp_status sp_protocol_read(sp_protocol **out, const char *name_or_path, sp_error *err);
void sp_protocol_destroy(sp_protocol *p);

/* The case's structures that a limit is about: indices into c->structures, at most max; returns how many. */
size_t sp_limit_match(size_t *out, size_t max, const sp_limit *l, const sp_case *c);

/* Names of the shipped protocols, NULL-terminated. */
const char *const *sp_protocol_names(void);

#endif
