/* Protocols: a YAML file, its tables of limits by number of fractions, and the checks that a schema cannot make. */
#include "protocol.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "atomic_file.h"
#include "fractionation.h"
#include "metric.h"
#include "protocol_file.h"
#include "structure_names.h"

#define MAX_FILE_BYTES (1u << 20)

static void limit_finish(sp_limit *l)
{
	free(l->structure);
	free(l->metric);
	free(l->unless);
	free(l->source);
}

void sp_protocol_destroy(sp_protocol *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n_limits; i++)
		limit_finish(&p->limits[i]);
	free(p->limits);
	free(p->name);
	free(p->title);
	free(p->source);
	free(p->boost);
	sp_structure_names_destroy(p->names);
	free(p);
}

/* "role:cord" must name a role (or the target). */
static sp_status check_structure(const char *name, const char *where, sp_error *err)
{
	if (strncmp(name, "role:", 5) == 0 && strcmp(name, "role:target") != 0 &&
	    sp_role_parse(name + 5) == SP_ROLE_COUNT)
		return sp_fail(err, SP_BAD_INPUT,
		               "%s: '%s' is no role; expected role:target or a role of the case format", where, name);
	return SP_OK;
}

static bool has_limit(const sp_protocol *p, const sp_limit *l)
{
	for (size_t i = 0; i < p->n_limits; i++) {
		const sp_limit *o = &p->limits[i];

		if (strcmp(o->structure, l->structure) == 0 && strcmp(o->metric, l->metric) == 0 &&
		    strcmp(o->unless ? o->unless : "", l->unless ? l->unless : "") == 0)
			return true;
	}
	return false;
}

/* Checks a limit (its texts borrowed) and appends a copy, unless an earlier one on the same thing stands. */
static sp_status add_limit(sp_protocol *p, size_t *capacity, const sp_limit *l, const char *where, sp_error *err)
{
	sp_error inner = {0};
	sp_metric metric;
	sp_limit copy = *l;
	sp_status st;

	if (sp_metric_parse(&metric, l->metric, &inner) != SP_OK)
		return sp_fail(err, SP_BAD_INPUT, "%s: limit on %s: %s", where, l->structure, inner.text);
	if (!(l->value >= 0.0 && l->value < 1e6))
		return sp_fail(err, SP_BAD_INPUT, "%s: limit on %s %s is %g, expected 0 to 1e6", where, l->structure,
		               l->metric, l->value);
	if (l->hard && l->goal)
		return sp_fail(err, SP_BAD_INPUT, "%s: %s %s is both hard and a goal; expected one of them at most",
		               where, l->structure, l->metric);
	if ((st = check_structure(l->structure, where, err)) != SP_OK)
		return st;
	if (l->unless && (st = check_structure(l->unless, where, err)) != SP_OK)
		return st;
	if (has_limit(p, l))
		return SP_OK;
	if ((st = sp_grow_array(&p->limits, capacity, p->n_limits + 1, sizeof *p->limits, err)) != SP_OK)
		return st;
	copy.structure = sp_copy_text(l->structure);
	copy.metric = sp_copy_text(l->metric);
	copy.unless = l->unless ? sp_copy_text(l->unless) : NULL;
	copy.source = sp_copy_text(l->source);
	copy.names = p->names;
	if (!copy.structure || !copy.metric || (l->unless && !copy.unless) || !copy.source) {
		limit_finish(&copy);
		return sp_fail(err, SP_NO_MEMORY, "reading %s", where);
	}
	p->limits[p->n_limits++] = copy;
	return SP_OK;
}

static sp_status add_own_limits(sp_protocol *p, size_t *capacity, const sp_file_protocol *f, const char *where,
                                sp_error *err)
{
	for (unsigned i = 0; i < f->n_limits; i++) {
		const sp_file_limit *l = &f->limits[i];
		sp_limit limit = {.structure = l->structure,
		                  .metric = l->metric,
		                  .unless = l->unless,
		                  .source = l->source,
		                  .hard = l->hard,
		                  .goal = l->goal,
		                  .unverified = l->unverified};
		sp_status st;

		if ((l->at_most != NULL) == (l->at_least != NULL))
			return sp_fail(err, SP_BAD_INPUT,
			               "%s: limits[%u] (%s %s) has %s, expected one of at_most and at_least", where, i,
			               l->structure, l->metric, l->at_most ? "both at_most and at_least" : "no number");
		limit.sense = l->at_most ? SP_LIMIT_IS_UPPER : SP_LIMIT_IS_LOWER;
		limit.value = l->at_most ? *l->at_most : *l->at_least;
		if ((st = add_limit(p, capacity, &limit, where, err)) != SP_OK)
			return st;
	}
	return SP_OK;
}

/* Equal steps of BED from one number of fractions to the next. */
static double between(const sp_file_value *a, const sp_file_value *b, double alpha_beta_gy, unsigned fractions)
{
	double t = (double)(fractions - a->fractions) / (double)(b->fractions - a->fractions);
	double bed = (1.0 - t) * sp_bed_gy(a->value, a->fractions, alpha_beta_gy) +
	             t * sp_bed_gy(b->value, b->fractions, alpha_beta_gy);

	return sp_dose_of_bed_gy(bed, fractions, alpha_beta_gy);
}

/* The row's value for a number of fractions: as published, or derived (then remark says how). False: it has none. */
static bool row_value(double *value, const sp_file_value **published, char remark[160], bool *unverified,
                      const sp_file_row *r, unsigned fractions)
{
	const sp_file_value *below = NULL, *above = NULL;

	*published = NULL;
	*unverified = r->unverified;
	remark[0] = '\0';
	if (r->eqd2_at_most) {
		*value = sp_dose_of_bed_gy(sp_bed_gy(*r->eqd2_at_most, *r->eqd2_at_most / 2.0, r->alpha_beta_gy),
		                           fractions, r->alpha_beta_gy);
		snprintf(remark, 160, "derived: as %g Gy in 2 Gy fractions, alpha/beta %g Gy, of ", *r->eqd2_at_most,
		         r->alpha_beta_gy);
		return true;
	}
	for (unsigned i = 0; i < r->n_at_most; i++) {
		const sp_file_value *v = &r->at_most[i];

		if (v->fractions == fractions) {
			*published = v;
			*value = v->value;
			*unverified = *unverified || v->unverified;
			return true;
		}
		if (v->fractions < fractions && (!below || v->fractions > below->fractions))
			below = v;
		if (v->fractions > fractions && (!above || v->fractions < above->fractions))
			above = v;
	}
	if (!r->interpolate || !below || !above)
		return false;
	*unverified = *unverified || below->unverified || above->unverified;
	*value = between(below, above, r->alpha_beta_gy, fractions);
	snprintf(remark, 160, "derived: equal steps of BED (alpha/beta %g Gy) between %u and %u fractions of ",
	         r->alpha_beta_gy, below->fractions, above->fractions);
	return true;
}

static sp_status add_row(sp_protocol *p, size_t *capacity, const sp_file_row *r, const sp_file_table *t,
                         const char *where, sp_error *err)
{
	const sp_file_value *published;
	const char *source = r->source ? r->source : t->source;
	char remark[160], text[1400];
	sp_limit limit = {.structure = r->structure,
	                  .metric = r->metric,
	                  .unless = r->unless,
	                  .hard = r->hard,
	                  .goal = r->goal,
	                  .sense = SP_LIMIT_IS_UPPER};

	if ((r->n_at_most > 0) == (r->eqd2_at_most != NULL))
		return sp_fail(err, SP_BAD_INPUT, "%s: row %s %s: expected one of at_most and eqd2_at_most", where,
		               r->structure, r->metric);
	if ((r->eqd2_at_most || r->interpolate) && !(r->alpha_beta_gy > 0.0))
		return sp_fail(err, SP_BAD_INPUT, "%s: row %s %s: alpha_beta_gy is %g, expected > 0 to derive doses",
		               where, r->structure, r->metric, r->alpha_beta_gy);
	if (!row_value(&limit.value, &published, remark, &limit.unverified, r, p->fractions))
		return SP_OK;
	if (published && published->source)
		source = published->source;
	snprintf(text, sizeof text, "%s%s", remark, source);
	limit.source = text;
	if (!published) /* a derived number is given as precisely as published ones are */
		limit.value = round(limit.value * 10.0) / 10.0;
	return add_limit(p, capacity, &limit, where, err);
}

static sp_status add_table(sp_protocol *p, size_t *capacity, const char *name, const char *where, sp_error *err)
{
	const sp_embedded *file;
	sp_file_table *t = NULL;
	char base[128];
	sp_status st;

	snprintf(base, sizeof base, "%s.yaml", name);
	if (!(file = sp_embedded_find(sp_protocol_files, base)))
		return sp_fail(err, SP_BAD_INPUT,
		               "%s: tables: there is no table '%s'; expected cord-sbrt, organs-tg101 or "
		               "organs-conventional",
		               where, name);
	if ((st = sp_file_table_load(&t, (const char *)file->data, file->bytes, base, err)) != SP_OK)
		return st;
	for (unsigned i = 0; i < t->n_rows && st == SP_OK; i++)
		st = add_row(p, capacity, &t->rows[i], t, base, err);
	sp_file_table_free(t);
	return st;
}

static sp_status add_boost(sp_protocol *p, const sp_file_boost *boost, const char *where, sp_error *err)
{
	if (!(boost->dose_gy > p->dose_gy && boost->dose_gy < 1000.0))
		return sp_fail(err, SP_BAD_INPUT, "%s: boost: dose_gy is %g, expected more than the prescription of %g",
		               where, boost->dose_gy, p->dose_gy);
	p->boost_gy = boost->dose_gy;
	if (!(p->boost = sp_copy_text(boost->structure)))
		return sp_fail(err, SP_NO_MEMORY, "reading %s", where);
	return check_structure(boost->structure, where, err);
}

static sp_status build(sp_protocol *p, const sp_file_protocol *f, const char *where, sp_error *err)
{
	size_t capacity = 0;
	sp_status st;

	p->dose_gy = f->dose_gy;
	p->fractions = f->fractions;
	p->max_dose_percent = f->max_dose_percent;
	if (!(f->dose_gy > 0.0 && f->dose_gy <= 200.0))
		return sp_fail(err, SP_BAD_INPUT, "%s: dose_gy is %g, expected more than 0 and at most 200", where,
		               f->dose_gy);
	if (f->fractions < 1 || f->fractions > 100)
		return sp_fail(err, SP_BAD_INPUT, "%s: fractions is %u, expected 1 to 100", where, f->fractions);
	if (f->max_dose_percent != 0.0 && !(f->max_dose_percent >= 100.0 && f->max_dose_percent <= 1000.0))
		return sp_fail(err, SP_BAD_INPUT, "%s: max_dose_percent is %g, expected 100 to 1000", where,
		               f->max_dose_percent);
	p->name = sp_copy_text(f->name);
	p->title = sp_copy_text(f->title);
	p->source = sp_copy_text(f->source);
	if (!p->name || !p->title || !p->source)
		return sp_fail(err, SP_NO_MEMORY, "reading %s", where);
	if (f->boost && (st = add_boost(p, f->boost, where, err)) != SP_OK)
		return st;
	if ((st = sp_structure_names_read(&p->names, err)) != SP_OK)
		return st;
	if ((st = add_own_limits(p, &capacity, f, where, err)) != SP_OK)
		return st;
	for (unsigned i = 0; i < f->n_tables; i++)
		if ((st = add_table(p, &capacity, f->tables[i], where, err)) != SP_OK)
			return st;
	return SP_OK;
}

/* The text of a shipped protocol, or of a file (then *owned). */
static sp_status find_text(const char **text, size_t *bytes, char **owned, const char *name_or_path, sp_error *err)
{
	char base[128], list[1024] = "";
	const sp_embedded *file;
	const char *const *names = sp_protocol_names();
	sp_status st;

	snprintf(base, sizeof base, "%s.yaml", name_or_path);
	for (size_t i = 0; names[i]; i++) {
		if (strcmp(names[i], name_or_path) == 0 && (file = sp_embedded_find(sp_protocol_files, base))) {
			*text = (const char *)file->data;
			*bytes = file->bytes;
			return SP_OK;
		}
		snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? ", " : "", names[i]);
	}
	if (!strchr(name_or_path, '/') && !strchr(name_or_path, '.'))
		return sp_fail(err, SP_BAD_INPUT, "there is no protocol '%s'; expected a YAML file or one of %s",
		               name_or_path, list);
	if ((st = sp_file_read_all(owned, bytes, name_or_path, MAX_FILE_BYTES, err)) == SP_OK)
		*text = *owned;
	return st;
}

sp_status sp_protocol_read(sp_protocol **out, const char *name_or_path, sp_error *err)
{
	sp_file_protocol *file = NULL;
	sp_protocol *p = NULL;
	const char *text = NULL;
	char *owned = NULL;
	size_t bytes = 0;
	sp_status st;

	*out = NULL;
	if ((st = find_text(&text, &bytes, &owned, name_or_path, err)) != SP_OK)
		goto cleanup;
	if ((st = sp_file_protocol_load(&file, text, bytes, name_or_path, err)) != SP_OK)
		goto cleanup;
	if (!(p = sp_alloc_array(1, sizeof *p))) {
		st = sp_fail(err, SP_NO_MEMORY, "reading %s", name_or_path);
		goto cleanup;
	}
	if ((st = build(p, file, name_or_path, err)) != SP_OK)
		goto cleanup;
	*out = p;
	p = NULL;
cleanup:
	sp_protocol_destroy(p);
	sp_file_protocol_free(file);
	free(owned);
	return st;
}

bool sp_limit_is_moot(const sp_limit *l, const sp_case *c)
{
	bool ignored;
	size_t one;

	return l->unless && sp_structure_names_match(&one, 1, &ignored, l->names, l->unless, c) > 0;
}

size_t sp_limit_match(size_t *out, size_t max, const sp_limit *l, const sp_case *c)
{
	bool ignored;

	if (sp_limit_is_moot(l, c))
		return 0;
	return sp_structure_names_match(out, max, &ignored, l->names, l->structure, c);
}

bool sp_limit_is_joint(const sp_limit *l, const sp_case *c)
{
	bool together;
	size_t parts[64];

	sp_structure_names_match(parts, sizeof parts / sizeof *parts, &together, l->names, l->structure, c);
	return together;
}

sp_status sp_protocol_take_boost(sp_case *c, const sp_protocol *p, sp_error *err)
{
	bool together;
	size_t which[2], n;
	char *name;

	if (!p || !p->boost)
		return SP_OK;
	n = sp_structure_names_match(which, 2, &together, p->names, p->boost, c);
	if (n != 1)
		return sp_fail(err, SP_BAD_INPUT,
		               "protocol %s has a boost for %s, of which the case has %s: --boost NAME:%g says which "
		               "structure it is, --boost none plans without",
		               p->name, p->boost, n ? "several" : "none", p->boost_gy);
	if (!(name = sp_copy_text(c->structures[which[0]].name)))
		return sp_fail(err, SP_NO_MEMORY, "out of memory for a boost");
	free(c->prescription.boost);
	c->prescription.boost = name;
	c->prescription.boost_gy = p->boost_gy;
	return SP_OK;
}

#define LEAST_ABOVE_BOOST 1.15

double sp_protocol_hottest_gy(const sp_protocol *p, const sp_prescription *rx, double dose_gy)
{
	double hottest = p ? 0.01 * p->max_dose_percent * dose_gy : 0.0;

	return rx->boost ? fmax(hottest, LEAST_ABOVE_BOOST * rx->boost_gy) : hottest;
}
