/* Reading a plan file: what docs/plan-format.md says, checked before it is used. */
#include "plan_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "case_file.h"
#include "delivery_file.h"
#include "h5.h"

#define PATH_BYTES 512
#define MAX_BEAMS 1000
#define MAX_VOXELS ((uint64_t)1 << 31)
#define MAX_BIXELS ((uint64_t)1 << 24)

void sp_plan_content_destroy(sp_plan_content *p)
{
	if (!p)
		return;
	sp_case_destroy(p->c);
	free(p->technique);
	free(p->machine);
	sp_beam_set_destroy(p->beams);
	free(p->weights);
	sp_delivery_destroy(p->delivery);
	free(p->dose_gy);
	json_decref(p->evaluation);
	json_decref(p->provenance);
	free(p);
}

static sp_status check_format(sp_h5_in *f, sp_error *err)
{
	char *format = NULL;
	double version = 0.0;
	bool found = false;
	sp_status st = sp_h5_get_text(&format, f, "/", "format", err);

	if (st == SP_OK && (!format || strcmp(format, "spineplan-plan") != 0))
		st = sp_fail(err, SP_BAD_INPUT,
		             "%s is no plan: its attribute format is '%s', expected 'spineplan-plan'", sp_h5_path(f),
		             format ? format : "not there");
	if (st == SP_OK)
		st = sp_h5_get_numbers(&version, 1, &found, f, "/", "version", err);
	if (st == SP_OK && (!found || version != SP_PLAN_VERSION))
		st = sp_fail(err, SP_BAD_INPUT, "%s:/ version is %g, expected %d", sp_h5_path(f), version,
		             SP_PLAN_VERSION);
	free(format);
	return st;
}

static sp_status required_numbers(double *out, size_t n, sp_h5_in *f, const char *object, const char *attribute,
                                  sp_error *err)
{
	bool found = false;
	sp_status st = sp_h5_get_numbers(out, n, &found, f, object, attribute, err);

	if (st == SP_OK && !found)
		st = sp_fail(err, SP_BAD_INPUT, "%s:%s has no attribute %s", sp_h5_path(f), object, attribute);
	for (size_t i = 0; st == SP_OK && i < n; i++)
		if (!isfinite(out[i]))
			st = sp_fail(err, SP_BAD_INPUT, "%s:%s %s[%zu] is %g, expected a finite number", sp_h5_path(f),
			             object, attribute, i, out[i]);
	return st;
}

static sp_status read_dose(sp_plan_content *p, sp_h5_in *f, sp_error *err)
{
	static const char path[] = "/dose/dose_gy";
	sp_grid *g = &p->dose_grid;
	sp_h5_info info;
	sp_status st = sp_h5_expect(&info, f, path, 3, NULL, MAX_VOXELS, err);

	if (st != SP_OK || (st = required_numbers(g->spacing_mm, 3, f, path, "spacing_mm", err)) != SP_OK ||
	    (st = required_numbers(g->origin_mm, 3, f, path, "origin_mm", err)) != SP_OK)
		return st;
	for (int a = 0; a < 3; a++) {
		g->n[a] = info.dims[2 - a];
		if (g->n[a] == 0)
			return sp_fail(err, SP_BAD_INPUT, "%s:%s is empty", sp_h5_path(f), path);
		if (!(g->spacing_mm[a] > 0.0))
			return sp_fail(err, SP_BAD_INPUT, "%s:%s spacing_mm[%d] is %g, expected > 0", sp_h5_path(f),
			               path, a, g->spacing_mm[a]);
	}
	if (!(p->dose_gy = sp_alloc_array(info.elements, sizeof *p->dose_gy)))
		return sp_fail(err, SP_NO_MEMORY, "reading %s", sp_h5_path(f));
	if ((st = sp_h5_read(f, path, SP_H5_F32, p->dose_gy, info.elements, err)) != SP_OK)
		return st;
	for (uint64_t i = 0; i < info.elements; i++)
		if (!(p->dose_gy[i] >= 0.0f && p->dose_gy[i] < 1e6f))
			return sp_fail(err, SP_BAD_INPUT, "%s:%s voxel %llu is %g Gy, expected 0 to 1e6", sp_h5_path(f),
			               path, (unsigned long long)i, (double)p->dose_gy[i]);
	return SP_OK;
}

static sp_status read_vector(void *out, sp_h5_in *f, const char *group, const char *name, sp_h5_type type, uint64_t n,
                             sp_error *err)
{
	char path[PATH_BYTES];
	sp_h5_info info;
	sp_status st;

	snprintf(path, sizeof path, "%s/%s", group, name);
	if ((st = sp_h5_expect(&info, f, path, 1, (uint64_t[]){n}, MAX_BIXELS, err)) != SP_OK)
		return st;
	return sp_h5_read(f, path, type, out, n, err);
}

/* Rows of bixels that follow each other at one y; the format keeps them in that order. */
static sp_status find_rows(sp_beam *b, const char *where, const char *group, sp_error *err)
{
	for (size_t i = 0; i < b->n_bixels; i++) {
		if (!(isfinite(b->x_mm[i]) && isfinite(b->y_mm[i])))
			return sp_fail(err, SP_BAD_INPUT, "%s:%s bixel %zu lies at (%g, %g), expected finite numbers",
			               where, group, i, (double)b->x_mm[i], (double)b->y_mm[i]);
		if (i > 0 && b->y_mm[i] == b->y_mm[i - 1])
			continue;
		if (i > 0 && b->y_mm[i] < b->y_mm[i - 1])
			return sp_fail(err, SP_BAD_INPUT,
			               "%s:%s bixel_y_mm falls at bixel %zu, expected rows in ascending order", where,
			               group, i);
		b->row_y_mm[b->n_rows] = b->y_mm[i];
		b->row_first[b->n_rows++] = (uint32_t)i;
	}
	b->row_first[b->n_rows] = (uint32_t)b->n_bixels;
	return SP_OK;
}

static sp_status read_setup(sp_beam *b, double *bixel_mm, sp_h5_in *f, const char *group, const sp_case *c,
                            sp_error *err)
{
	double sad_mm = 0.0;
	sp_status st;

	if ((st = required_numbers(b->setup.isocentre_mm, 3, f, group, "isocentre_mm", err)) != SP_OK ||
	    (st = required_numbers(&sad_mm, 1, f, group, "sad_mm", err)) != SP_OK ||
	    (st = required_numbers(bixel_mm, 1, f, group, "bixel_mm", err)) != SP_OK ||
	    (st = read_vector(&b->setup.gantry_deg, f, group, "gantry_deg", SP_H5_F64, 1, err)) != SP_OK ||
	    (st = read_vector(&b->setup.collimator_deg, f, group, "collimator_deg", SP_H5_F64, 1, err)) != SP_OK ||
	    (st = read_vector(&b->setup.couch_deg, f, group, "couch_deg", SP_H5_F64, 1, err)) != SP_OK)
		return st;
	if (!(sad_mm > 0.0) || !(*bixel_mm > 0.0))
		return sp_fail(err, SP_BAD_INPUT, "%s:%s sad_mm is %g and bixel_mm %g, expected both > 0",
		               sp_h5_path(f), group, sad_mm, *bixel_mm);
	return sp_beam_frame_make(&b->frame, &b->setup, sad_mm, c->patient_position, err);
}

static sp_status read_beam(sp_plan_content *p, size_t index, sp_h5_in *f, sp_error *err)
{
	sp_beam *b = &p->beams->beams[index];
	char group[64], path[PATH_BYTES];
	double *weights;
	sp_h5_info info;
	sp_status st;

	snprintf(group, sizeof group, "/beams/%zu", index);
	snprintf(path, sizeof path, "%s/weights", group);
	if ((st = read_setup(b, &p->beams->bixel_mm, f, group, p->c, err)) != SP_OK ||
	    (st = sp_h5_expect(&info, f, path, 1, NULL, MAX_BIXELS, err)) != SP_OK)
		return st;
	b->first_bixel = p->beams->n_bixels;
	b->n_bixels = info.dims[0];
	b->x_mm = sp_alloc_array(b->n_bixels, sizeof *b->x_mm);
	b->y_mm = sp_alloc_array(b->n_bixels, sizeof *b->y_mm);
	b->row_y_mm = sp_alloc_array(b->n_bixels, sizeof *b->row_y_mm);
	b->row_first = sp_alloc_array(b->n_bixels + 1, sizeof *b->row_first);
	weights = realloc(p->weights, (b->first_bixel + b->n_bixels + 1) * sizeof *weights);
	if (weights)
		p->weights = weights;
	if (!b->x_mm || !b->y_mm || !b->row_y_mm || !b->row_first || !weights)
		return sp_fail(err, SP_NO_MEMORY, "reading %s", sp_h5_path(f));
	weights += b->first_bixel;
	if ((st = read_vector(b->x_mm, f, group, "bixel_x_mm", SP_H5_F32, b->n_bixels, err)) != SP_OK ||
	    (st = read_vector(b->y_mm, f, group, "bixel_y_mm", SP_H5_F32, b->n_bixels, err)) != SP_OK ||
	    (st = sp_h5_read(f, path, SP_H5_F64, weights, b->n_bixels, err)) != SP_OK)
		return st;
	for (size_t i = 0; i < b->n_bixels; i++)
		if (!(weights[i] >= 0.0 && weights[i] < 1e12))
			return sp_fail(err, SP_BAD_INPUT, "%s:%s[%zu] is %g, expected 0 to 1e12", sp_h5_path(f), path,
			               i, weights[i]);
	p->beams->n_bixels += b->n_bixels;
	return find_rows(b, sp_h5_path(f), group, err);
}

/* Beams have control points, or bixels; not some these and some those. */
static sp_status have_points(bool *out, sp_h5_in *f, size_t n, sp_error *err)
{
	for (size_t i = 0; i < n; i++) {
		char path[64];
		sp_h5_info info;
		sp_status st;

		snprintf(path, sizeof path, "/beams/%zu/cumulative_mu", i);
		if ((st = sp_h5_look(&info, f, path, err)) != SP_OK)
			return st;
		if (i > 0 && *out != (info.kind == SP_H5_DATASET))
			return sp_fail(err, SP_BAD_INPUT, "%s: beam %zu %s control points, unlike the beams before it",
			               sp_h5_path(f), i, *out ? "has no" : "has");
		*out = info.kind == SP_H5_DATASET;
	}
	return SP_OK;
}

/* A plan without /beams (a dose of unknown make) has none. */
static sp_status read_beams(sp_plan_content *p, sp_h5_in *f, sp_error *err)
{
	char **names = NULL;
	size_t n = 0;
	bool controlled = false;
	sp_h5_info info;
	sp_status st = sp_h5_look(&info, f, "/beams", err);

	if (st != SP_OK || info.kind == SP_H5_NOTHING)
		return st;
	if ((st = sp_h5_list(&names, &n, f, "/beams", err)) != SP_OK)
		return st;
	free(names);
	if (n == 0 || n > MAX_BEAMS)
		return sp_fail(err, SP_BAD_INPUT, "%s:/beams holds %zu beams, expected 1 to %d", sp_h5_path(f), n,
		               MAX_BEAMS);
	if ((st = have_points(&controlled, f, n, err)) != SP_OK)
		return st;
	if (controlled)
		return sp_delivery_read(&p->delivery, f, n, p->machine, err);
	if (!p->c)
		return sp_fail(err, SP_BAD_INPUT, "%s has bixels but no /case to say how the patient lies",
		               sp_h5_path(f));
	if (!(p->beams = sp_alloc_array(1, sizeof *p->beams)) ||
	    !(p->beams->beams = sp_alloc_array(n, sizeof *p->beams->beams)))
		return sp_fail(err, SP_NO_MEMORY, "reading %s", sp_h5_path(f));
	p->beams->n_beams = n;
	for (size_t i = 0; i < n; i++)
		if ((st = read_beam(p, i, f, err)) != SP_OK)
			return st;
	return SP_OK;
}

static sp_status read_json(json_t **out, sp_h5_in *f, const char *path, sp_error *err)
{
	json_error_t problem;
	char *text = NULL;
	sp_h5_info info;
	sp_status st = sp_h5_look(&info, f, path, err);

	if (st != SP_OK || info.kind == SP_H5_NOTHING)
		return st;
	if ((st = sp_h5_read_text(&text, f, path, err)) != SP_OK)
		return st;
	*out = json_loads(text, 0, &problem);
	if (!json_is_object(*out))
		st = sp_fail(err, SP_BAD_INPUT, "%s:%s is no JSON object: %s (line %d)", sp_h5_path(f), path,
		             *out ? "another value" : problem.text, *out ? 1 : problem.line);
	free(text);
	return st;
}

static sp_status read_text(char **out, sp_h5_in *f, const char *attribute, sp_error *err)
{
	sp_status st = sp_h5_get_text(out, f, "/", attribute, err);

	if (st == SP_OK && !*out)
		st = sp_fail(err, SP_BAD_INPUT, "%s:/ has no attribute %s", sp_h5_path(f), attribute);
	return st;
}

static sp_status read_fractions(sp_plan_content *p, sp_h5_in *f, sp_error *err)
{
	double n = 0.0;
	bool found = false;
	sp_status st = sp_h5_get_numbers(&n, 1, &found, f, "/", "fractions", err);

	if (st == SP_OK && found && !(n >= 1.0 && n <= 1000.0))
		return sp_fail(err, SP_BAD_INPUT, "%s:/ fractions is %g, expected 1 to 1000", sp_h5_path(f), n);
	p->fractions = (unsigned)n;
	return st;
}

/* True where an object is there, or has to be. */
static sp_status is_wanted(bool *out, sp_h5_in *f, const char *path, bool whole, sp_error *err)
{
	sp_h5_info info = {.kind = SP_H5_NOTHING};
	sp_status st = whole ? SP_OK : sp_h5_look(&info, f, path, err);

	*out = whole || info.kind != SP_H5_NOTHING;
	return st;
}

static sp_status read_all(sp_plan_content *p, sp_h5_in *f, bool whole, sp_error *err)
{
	bool has_case, has_dose;
	sp_status st;

	if ((st = check_format(f, err)) != SP_OK || (st = read_text(&p->technique, f, "technique", err)) != SP_OK ||
	    (st = read_text(&p->machine, f, "machine", err)) != SP_OK || (st = read_fractions(p, f, err)) != SP_OK ||
	    (st = is_wanted(&has_case, f, "/case", whole, err)) != SP_OK ||
	    (st = is_wanted(&has_dose, f, "/dose/dose_gy", whole, err)) != SP_OK ||
	    (has_case && (st = sp_case_read_group(&p->c, f, "/case", err)) != SP_OK) ||
	    (has_dose && (st = read_dose(p, f, err)) != SP_OK) || (st = read_beams(p, f, err)) != SP_OK ||
	    (st = read_json(&p->evaluation, f, "/evaluation", err)) != SP_OK)
		return st;
	return read_json(&p->provenance, f, "/provenance", err);
}

static sp_status read_plan(sp_plan_content **out, const char *path, bool whole, sp_error *err)
{
	sp_plan_content *p = NULL;
	sp_h5_in *f = NULL;
	sp_status st;

	*out = NULL;
	if ((st = sp_h5_open(&f, path, err)) != SP_OK)
		return st;
	if (!(p = sp_alloc_array(1, sizeof *p)))
		st = sp_fail(err, SP_NO_MEMORY, "reading %s", path);
	else
		st = read_all(p, f, whole, err);
	sp_h5_close(f);
	if (st == SP_OK)
		*out = p;
	else
		sp_plan_content_destroy(p);
	return st;
}

sp_status sp_plan_read(sp_plan_content **out, const char *path, sp_error *err)
{
	return read_plan(out, path, true, err);
}

sp_status sp_plan_read_beams(sp_plan_content **out, const char *path, sp_error *err)
{
	return read_plan(out, path, false, err);
}
