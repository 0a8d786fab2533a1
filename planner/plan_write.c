/* Writing a plan file: the names and types of docs/plan-format.md. */
#include "plan_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "alloc.h"
#include "case_file.h"
#include "delivery_file.h"
#include "evaluate.h"
#include "h5.h"

#define PATH_BYTES 512
/* Points of a DVH in the file: 0.1 % of the hottest dose. */
#define DVH_POINTS 1001

static sp_status write_grid(const sp_grid *g, const float *values, const char *path, sp_h5_out *f, sp_error *err)
{
	uint64_t dims[3] = {g->n[2], g->n[1], g->n[0]};
	sp_status st;

	if ((st = sp_h5_write(f, path, SP_H5_F32, 3, dims, true, values, err)) != SP_OK ||
	    (st = sp_h5_set_numbers(f, path, "spacing_mm", SP_H5_F64, 3, g->spacing_mm, err)) != SP_OK)
		return st;
	return sp_h5_set_numbers(f, path, "origin_mm", SP_H5_F64, 3, g->origin_mm, err);
}

/* The rectangle around the bixels that give dose: X1, X2, Y1, Y2. Zero where none does. */
static void jaws_around(double out[4], const sp_beam *b, const double *weights, double bixel_mm)
{
	double half = bixel_mm / 2.0;
	bool any = false;

	for (int i = 0; i < 4; i++)
		out[i] = 0.0;
	for (size_t i = 0; i < b->n_bixels; i++) {
		double x = b->x_mm[i], y = b->y_mm[i];

		if (!(weights[i] > 0.0))
			continue;
		out[0] = any ? fmin(out[0], x - half) : x - half;
		out[1] = any ? fmax(out[1], x + half) : x + half;
		out[2] = any ? fmin(out[2], y - half) : y - half;
		out[3] = any ? fmax(out[3], y + half) : y + half;
		any = true;
	}
}

static sp_status write_numbers(sp_h5_out *f, const char *group, const char *name, sp_h5_type type, uint64_t rows,
                               uint64_t columns, const void *data, sp_error *err)
{
	char path[PATH_BYTES + 64];

	snprintf(path, sizeof path, "%s/%s", group, name);
	return sp_h5_write(f, path, type, columns ? 2 : 1, (uint64_t[]){rows, columns}, false, data, err);
}

static sp_status write_beam(const sp_plan *p, size_t index, sp_h5_out *f, sp_error *err)
{
	const sp_beam *b = &p->beams->beams[index];
	const double *weights = p->weights + b->first_bixel;
	double jaws[4];
	char group[64];
	sp_status st;

	snprintf(group, sizeof group, "/beams/%zu", index);
	jaws_around(jaws, b, weights, p->beams->bixel_mm);
	if ((st = sp_h5_write_group(f, group, err)) != SP_OK ||
	    (st = sp_h5_set_text(f, group, "technique", p->technique, err)) != SP_OK ||
	    (st = sp_h5_set_text(f, group, "machine", p->machine, err)) != SP_OK ||
	    (st = sp_h5_set_numbers(f, group, "isocentre_mm", SP_H5_F64, 3, b->setup.isocentre_mm, err)) != SP_OK ||
	    (st = sp_h5_set_numbers(f, group, "sad_mm", SP_H5_F64, 1, &b->frame.sad_mm, err)) != SP_OK ||
	    (st = sp_h5_set_numbers(f, group, "bixel_mm", SP_H5_F64, 1, &p->beams->bixel_mm, err)) != SP_OK ||
	    (st = write_numbers(f, group, "gantry_deg", SP_H5_F64, 1, 0, &b->setup.gantry_deg, err)) != SP_OK ||
	    (st = write_numbers(f, group, "collimator_deg", SP_H5_F64, 1, 0, &b->setup.collimator_deg, err)) != SP_OK ||
	    (st = write_numbers(f, group, "couch_deg", SP_H5_F64, 1, 0, &b->setup.couch_deg, err)) != SP_OK ||
	    (st = write_numbers(f, group, "jaws_mm", SP_H5_F64, 1, 4, jaws, err)) != SP_OK ||
	    (st = write_numbers(f, group, "bixel_x_mm", SP_H5_F32, b->n_bixels, 0, b->x_mm, err)) != SP_OK ||
	    (st = write_numbers(f, group, "bixel_y_mm", SP_H5_F32, b->n_bixels, 0, b->y_mm, err)) != SP_OK)
		return st;
	return write_numbers(f, group, "weights", SP_H5_F64, b->n_bixels, 0, weights, err);
}

static sp_status write_dvh(const sp_plan *p, size_t structure, sp_h5_out *f, sp_error *err)
{
	float dose[DVH_POINTS], volume[DVH_POINTS];
	double outside_cc;
	char group[PATH_BYTES];
	sp_dvh dvh = {0};
	sp_status st = sp_dvh_of_structures(&dvh, &outside_cc, p->c, &structure, 1, &p->dose_grid, p->dose_gy, err);

	for (size_t i = 0; i < DVH_POINTS; i++) {
		dose[i] = (float)(dvh.max_gy * (double)i / (DVH_POINTS - 1));
		volume[i] = (float)sp_dvh_volume_at_gy(&dvh, dose[i]);
	}
	snprintf(group, sizeof group, "/dvh/%s", p->c->structures[structure].name);
	if (st == SP_OK)
		st = write_numbers(f, group, "dose_gy", SP_H5_F32, DVH_POINTS, 0, dose, err);
	if (st == SP_OK)
		st = write_numbers(f, group, "volume_cc", SP_H5_F32, DVH_POINTS, 0, volume, err);
	sp_dvh_finish(&dvh);
	return st;
}

/* The object as text; its plain members also as attributes, which h5dump and h5py show at once. */
static sp_status write_json(sp_h5_out *f, const char *path, const json_t *object, bool attributes, sp_error *err)
{
	char *text = json_dumps(object, JSON_INDENT(1));
	const char *key;
	json_t *value;
	sp_status st;

	if (!text)
		return sp_fail(err, SP_NO_MEMORY, "writing %s", path);
	st = sp_h5_write_text(f, path, text, err);
	free(text);
	json_object_foreach((json_t *)object, key, value)
	{
		double number = json_number_value(value);

		if (st != SP_OK || !attributes)
			break;
		if (json_is_string(value))
			st = sp_h5_set_text(f, path, key, json_string_value(value), err);
		else if (json_is_number(value))
			st = sp_h5_set_numbers(f, path, key, SP_H5_F64, 1, &number, err);
	}
	return st;
}

static sp_status write_case(const sp_plan *p, sp_h5_out *f, sp_error *err)
{
	sp_status st;

	if ((st = sp_case_write_group(p->c, f, "/case", err)) != SP_OK ||
	    (st = sp_h5_link(f, "/case/ct", "/ct", err)) != SP_OK ||
	    (st = sp_h5_link(f, "/case/structures", "/structures", err)) != SP_OK)
		return st;
	return p->c->prescription.present ? sp_h5_link(f, "/case/prescription", "/prescription", err) : SP_OK;
}

static sp_status write_all(const sp_plan *p, sp_h5_out *f, sp_error *err)
{
	uint32_t version = SP_PLAN_VERSION;
	sp_status st;

	if ((st = sp_h5_set_text(f, "/", "format", "spineplan-plan", err)) != SP_OK ||
	    (st = sp_h5_set_numbers(f, "/", "version", SP_H5_U32, 1, &version, err)) != SP_OK ||
	    (st = sp_h5_set_text(f, "/", "technique", p->technique, err)) != SP_OK ||
	    (st = sp_h5_set_text(f, "/", "machine", p->machine, err)) != SP_OK ||
	    (st = write_case(p, f, err)) != SP_OK ||
	    (st = write_grid(&p->dose_grid, p->dose_gy, "/dose/dose_gy", f, err)) != SP_OK ||
	    (p->sigma_gy && (st = write_grid(&p->dose_grid, p->sigma_gy, "/dose/sigma_gy", f, err)) != SP_OK))
		return st;
	for (size_t i = 0; p->beams && i < p->beams->n_beams; i++)
		if ((st = write_beam(p, i, f, err)) != SP_OK)
			return st;
	if (p->delivery && (st = sp_delivery_write(p->delivery, f, err)) != SP_OK)
		return st;
	for (size_t i = 0; i < p->c->n_structures; i++)
		if ((st = write_dvh(p, i, f, err)) != SP_OK)
			return st;
	if (p->evaluation && (st = write_json(f, "/evaluation", p->evaluation, false, err)) != SP_OK)
		return st;
	return p->provenance ? write_json(f, "/provenance", p->provenance, true, err) : SP_OK;
}

sp_status sp_plan_write(const sp_plan *p, const char *path, sp_error *err)
{
	sp_h5_out *f = NULL;
	sp_status st;

	if ((st = sp_h5_create(&f, path, err)) != SP_OK)
		return st;
	if ((st = write_all(p, f, err)) == SP_OK)
		return sp_h5_commit(&f, err);
	sp_h5_abandon(f);
	return st;
}
