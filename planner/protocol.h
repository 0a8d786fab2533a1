/* Planning protocols: prescription, goals and organ limits as YAML data with their sources (planner/protocols). */
#ifndef SP_PROTOCOL_H
#define SP_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>

#include "case.h"
#include "embedded.h"
#include "status.h"

typedef enum { SP_LIMIT_IS_UPPER, SP_LIMIT_IS_LOWER } sp_limit_sense;

struct sp_structure_names;

/* One limit on a structure, by role or by name. */
typedef struct {
	char *structure; /* a name of structure-names.yaml or of the case ("Esophagus"), "role:cord", "role:target" */
	char *metric;    /* as metric.h reads it: "Dmax", "D0.03cc", "D5cc", "D95%", "Dmean", "DC1500cc", "V20Gy%" */
	double value;    /* Gy, percent or cc, as the metric says */
	sp_limit_sense sense;
	bool hard;       /* the optimiser must hold it: a serial organ, where the hottest part decides */
	bool goal;       /* wanted, but gives way to the limits: judged apart, and not part of "all limits met" */
	bool unverified; /* the value has not been compared with the original publication */
	char *unless;    /* judged only where the case holds no such structure ("role:prv"); NULL: always */
	char *source;
	const struct sp_structure_names *names; /* borrowed from the protocol */
} sp_limit;

typedef struct {
	char *name, *title, *source;
	double dose_gy;
	unsigned fractions;
	size_t n_limits;
	sp_limit *limits;
	char *boost; /* structure (a name or "role:gtv") that gets boost_gy at the same time; NULL: none */
	double boost_gy;
	double max_dose_percent; /* hot spot allowed inside the target, % of the prescription; 0: not stated */
	struct sp_structure_names *names;
} sp_protocol;

/* name_or_path: a shipped protocol's name ("sc24-24gy-2fx") or a path to a YAML file. */
sp_status sp_protocol_read(sp_protocol **out, const char *name_or_path, sp_error *err);
void sp_protocol_destroy(sp_protocol *p);

/* The protocol's boost into a prescription of dose_gy, where it has one: the structure that it means in this case.
 * SP_BAD_INPUT where the case has none. p may be NULL. */
sp_status sp_protocol_take_boost(sp_case *c, const sp_protocol *p, sp_error *err);

/* The hottest dose that the target of a prescription of dose_gy may have: max_dose_percent of it, and at least 15 %
 * above a boost within it. 0 where the protocol states none and there is no boost. p may be NULL. */
double sp_protocol_hottest_gy(const sp_protocol *p, const sp_prescription *rx, double dose_gy);

/* The case's structures that a limit is about: indices into c->structures, at most max; returns how many. None where
 * the limit's `unless` is present. */
size_t sp_limit_match(size_t *out, size_t max, const sp_limit *l, const sp_case *c);

/* True where the limit's `unless` is present: something else is judged in its place. */
bool sp_limit_is_moot(const sp_limit *l, const sp_case *c);

/* True where the matches are parts of one organ (two lungs) and are judged as one; otherwise each is judged alone. */
bool sp_limit_is_joint(const sp_limit *l, const sp_case *c);

/* Names of the shipped protocols, NULL-terminated. */
const char *const *sp_protocol_names(void);

/* The shipped YAML files by name. */
extern const sp_embedded sp_protocol_files[];

#endif
