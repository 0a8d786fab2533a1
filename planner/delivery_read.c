#include "delivery_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"

#define PATH_BYTES 128
#define MAX_POINTS 10000
#define MAX_PAIRS 500

typedef struct {
	sp_h5_in *f;
	char group[64];
	sp_delivery_beam *beam;
	sp_error *err;
} reader;

static sp_status look(sp_h5_info *out, char path[PATH_BYTES], const reader *r, const char *name)
{
	snprintf(path, PATH_BYTES, "%s/%s", r->group, name);
	return sp_h5_look(out, r->f, path, r->err);
}

/* `name`: width numbers of each control point. */
static sp_status read_rows(double **out, const reader *r, const char *name, uint64_t n, uint64_t width)
{
	char path[PATH_BYTES];
	sp_h5_info info;
	sp_status st;

	snprintf(path, sizeof path, "%s/%s", r->group, name);
	if ((st = sp_h5_expect(&info, r->f, path, width > 1 ? 2 : 1, (uint64_t[]){n, width}, MAX_POINTS * 4, r->err)) !=
	    SP_OK)
		return st;
	if (!(*out = sp_alloc_array(info.elements, sizeof **out)))
		return sp_fail(r->err, SP_NO_MEMORY, "reading %s", sp_h5_path(r->f));
	return sp_h5_read(r->f, path, SP_H5_F64, *out, info.elements, r->err);
}

static sp_status read_column(const reader *r, const char *name, size_t offset, size_t width)
{
	sp_delivery_beam *b = r->beam;
	double *values = NULL;
	sp_status st = read_rows(&values, r, name, b->n_points, width);

	for (size_t i = 0; st == SP_OK && i < b->n_points; i++)
		memcpy((char *)&b->points[i] + offset, values + i * width, width * sizeof *values);
	free(values);
	return st;
}

/* Where the turns are missing, the gantry goes the shorter way. */
static sp_status read_turns(const reader *r)
{
	sp_delivery_beam *b = r->beam;
	double *values = NULL;
	char path[PATH_BYTES];
	sp_h5_info info;
	sp_status st = look(&info, path, r, "gantry_turn");

	if (st == SP_OK && info.kind != SP_H5_NOTHING)
		st = read_rows(&values, r, "gantry_turn", b->n_points, 1);
	for (size_t i = 0; st == SP_OK && i < b->n_points; i++) {
		if (values && !(fabs(values[i]) <= 1.0))
			st = sp_fail(r->err, SP_BAD_INPUT, "%s:%s[%zu] is %g, expected -1, 0 or 1", sp_h5_path(r->f),
			             path, i, values[i]);
		else if (values)
			b->points[i].gantry_turn = (int)values[i];
		else if (i + 1 < b->n_points)
			b->points[i].gantry_turn =
			        sp_gantry_shorter_turn(b->points[i].gantry_deg, b->points[i + 1].gantry_deg);
	}
	free(values);
	return st;
}

/* Pairs of leaves and the axis they move along; no pairs where there is no multileaf collimator. */
static sp_status read_leaf_shape(double **boundaries_mm, size_t *n_pairs, char *axis, const reader *r,
                                 uint64_t n_points)
{
	char path[PATH_BYTES], *text = NULL;
	sp_h5_info info;
	sp_status st = look(&info, path, r, "leaves_mm");

	if (st != SP_OK || info.kind == SP_H5_NOTHING)
		return st;
	if ((st = sp_h5_expect(&info, r->f, path, 3, (uint64_t[]){n_points, 2, 0}, MAX_POINTS * 2 * MAX_PAIRS,
	                       r->err)) != SP_OK)
		return st;
	if (info.dims[2] == 0 || info.dims[2] > MAX_PAIRS)
		return sp_fail(r->err, SP_BAD_INPUT, "%s:%s has %llu pairs of leaves, expected 1 to %d",
		               sp_h5_path(r->f), path, (unsigned long long)info.dims[2], MAX_PAIRS);
	*n_pairs = info.dims[2];
	if ((st = sp_h5_get_text(&text, r->f, path, "axis", r->err)) != SP_OK)
		return st;
	if (text && strcmp(text, "x") != 0 && strcmp(text, "y") != 0)
		st = sp_fail(r->err, SP_BAD_INPUT, "%s:%s axis is '%s', expected x or y", sp_h5_path(r->f), path, text);
	*axis = text ? text[0] : 'x';
	free(text);
	return st == SP_OK ? read_rows(boundaries_mm, r, "leaf_boundaries_mm", *n_pairs + 1, 1) : st;
}

static sp_status read_leaves(const reader *r)
{
	sp_delivery_beam *b = r->beam;
	size_t width = 2 * b->n_pairs;
	double *values;
	char path[PATH_BYTES];
	sp_status st;

	if (b->n_pairs == 0)
		return SP_OK;
	snprintf(path, sizeof path, "%s/leaves_mm", r->group);
	if (!(values = sp_alloc_array(b->n_points, width * sizeof *values)))
		return sp_fail(r->err, SP_NO_MEMORY, "reading %s", sp_h5_path(r->f));
	if ((st = sp_h5_read(r->f, path, SP_H5_F64, values, b->n_points * width, r->err)) == SP_OK)
		for (size_t i = 0; i < b->n_points; i++)
			memcpy(b->points[i].leaves_mm, values + i * width, width * sizeof *values);
	free(values);
	return st;
}

static sp_status read_facts(const reader *r)
{
	sp_delivery_beam *b = r->beam;
	struct {
		const char *name;
		double *to;
		size_t n;
	} numbers[] = {{"isocentre_mm", b->isocentre_mm, 3}, {"sad_mm", &b->sad_mm, 1}, {"mu", &b->mu, 1}};
	char *technique = NULL;
	bool found;
	sp_status st = SP_OK;

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers && st == SP_OK; i++) {
		st = sp_h5_get_numbers(numbers[i].to, numbers[i].n, &found, r->f, r->group, numbers[i].name, r->err);
		if (st == SP_OK && !found)
			st = sp_fail(r->err, SP_BAD_INPUT, "%s:%s has no attribute %s", sp_h5_path(r->f), r->group,
			             numbers[i].name);
	}
	if (st != SP_OK || (st = sp_h5_get_text(&b->name, r->f, r->group, "name", r->err)) != SP_OK ||
	    (st = sp_h5_get_text(&technique, r->f, r->group, "technique", r->err)) != SP_OK)
		return st;
	if (!sp_beam_technique_find(&b->technique, technique))
		st = sp_fail(r->err, SP_BAD_INPUT, "%s:%s technique is '%s', expected static, imrt, arc or vmat",
		             sp_h5_path(r->f), r->group, technique ? technique : "not there");
	free(technique);
	return st;
}

static sp_status read_beam(const reader *r)
{
	double *boundaries_mm = NULL;
	size_t n_pairs = 0;
	char path[PATH_BYTES], name[SP_H5_PATH_BYTES], axis = 'x';
	sp_h5_info info;
	sp_status st;

	snprintf(path, sizeof path, "%s/cumulative_mu", r->group);
	if ((st = sp_h5_expect(&info, r->f, path, 1, NULL, MAX_POINTS, r->err)) != SP_OK ||
	    (st = read_leaf_shape(&boundaries_mm, &n_pairs, &axis, r, info.dims[0])) != SP_OK ||
	    (st = sp_delivery_beam_make(r->beam, info.dims[0], n_pairs, boundaries_mm, r->err)) != SP_OK)
		goto cleanup;
	r->beam->leaf_axis = axis;
	if ((st = read_facts(r)) != SP_OK ||
	    (st = read_column(r, "gantry_deg", offsetof(sp_control_point, gantry_deg), 1)) != SP_OK ||
	    (st = read_column(r, "collimator_deg", offsetof(sp_control_point, collimator_deg), 1)) != SP_OK ||
	    (st = read_column(r, "couch_deg", offsetof(sp_control_point, couch_deg), 1)) != SP_OK ||
	    (st = read_column(r, "jaws_mm", offsetof(sp_control_point, jaws_mm), 4)) != SP_OK ||
	    (st = read_column(r, "cumulative_mu", offsetof(sp_control_point, cumulative_mu), 1)) != SP_OK ||
	    (st = read_turns(r)) != SP_OK || (st = read_leaves(r)) != SP_OK)
		goto cleanup;
	sp_h5_join(name, sp_h5_path(r->f), ":", r->group);
	st = sp_delivery_beam_check(r->beam, name, r->err);
cleanup:
	free(boundaries_mm);
	return st;
}

/* One machine and one leaf file for all beams: the first's, or the plan's. */
static sp_status read_machine(char **to, const reader *r, const char *attribute, size_t index)
{
	char *own = NULL;
	sp_status st = sp_h5_get_text(&own, r->f, r->group, attribute, r->err);

	if (st == SP_OK && own && index == 0) {
		free(*to);
		*to = own;
		return SP_OK;
	}
	if (st == SP_OK && own && (!*to || strcmp(own, *to) != 0))
		st = sp_fail(r->err, SP_BAD_INPUT,
		             "%s:%s %s is '%s' after '%s' for the first beam, expected one for all", sp_h5_path(r->f),
		             r->group, attribute, own, *to ? *to : "none");
	free(own);
	return st;
}

sp_status sp_delivery_read(sp_delivery **out, sp_h5_in *f, size_t n, const char *machine, sp_error *err)
{
	sp_delivery *d = NULL;
	sp_status st = sp_delivery_create(&d, machine, NULL, n, err);

	*out = NULL;
	for (size_t i = 0; st == SP_OK && i < n; i++) {
		reader r = {.f = f, .beam = &d->beams[i], .err = err};

		snprintf(r.group, sizeof r.group, "/beams/%zu", i);
		if ((st = read_machine(&d->machine, &r, "machine", i)) == SP_OK &&
		    (st = read_machine(&d->mlc, &r, "mlc", i)) == SP_OK)
			st = read_beam(&r);
	}
	if (st != SP_OK) {
		sp_delivery_destroy(d);
		return st;
	}
	*out = d;
	return SP_OK;
}
