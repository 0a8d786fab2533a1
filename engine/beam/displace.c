#include "displace.h"

#include "alloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double radians(double deg)
{
	return deg * (3.14159265358979323846 / 180.0);
}

/* r[row][column] = Rz Ry Rx. */
static void rotation(double r[3][3], const double deg[3])
{
	double cx = cos(radians(deg[0])), sx = sin(radians(deg[0]));
	double cy = cos(radians(deg[1])), sy = sin(radians(deg[1]));
	double cz = cos(radians(deg[2])), sz = sin(radians(deg[2]));
	const double rows[3][3] = {{cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx},
	                           {sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx},
	                           {-sy, cy * sx, cy * cx}};

	memcpy(r, rows, sizeof rows);
}

void sp_displacement_apply(double out_mm[3], const sp_displacement *d, const double point_mm[3])
{
	double r[3][3], result[3];

	rotation(r, d->rotation_deg);
	for (int i = 0; i < 3; i++) {
		result[i] = d->pivot_mm[i] + d->shift_mm[i];
		for (int k = 0; k < 3; k++)
			result[i] += r[i][k] * (point_mm[k] - d->pivot_mm[k]);
	}
	memcpy(out_mm, result, sizeof result);
}

/* R^T v: a direction of the room as the turned patient sees it. */
static void turn_back(double out[3], const double r[3][3], const double v[3])
{
	double result[3] = {0};

	for (int i = 0; i < 3; i++)
		for (int k = 0; k < 3; k++)
			result[i] += r[k][i] * v[k];
	memcpy(out, result, sizeof result);
}

static void point_back(double point_mm[3], const double r[3][3], const sp_displacement *d)
{
	double v[3];

	for (int i = 0; i < 3; i++)
		v[i] = point_mm[i] - d->shift_mm[i] - d->pivot_mm[i];
	turn_back(point_mm, r, v);
	for (int i = 0; i < 3; i++)
		point_mm[i] += d->pivot_mm[i];
}

static sp_status copy_beam(sp_beam *out, const sp_beam *b, sp_error *err)
{
	*out = *b;
	out->x_mm = sp_alloc_array(b->n_bixels, sizeof *b->x_mm);
	out->y_mm = sp_alloc_array(b->n_bixels, sizeof *b->y_mm);
	out->row_y_mm = sp_alloc_array(b->n_rows, sizeof *b->row_y_mm);
	out->row_first = sp_alloc_array(b->n_rows + 1, sizeof *b->row_first);
	if (!out->x_mm || !out->y_mm || !out->row_y_mm || !out->row_first)
		return sp_fail(err, SP_NO_MEMORY, "no memory for the bixels of a displaced beam");
	memcpy(out->x_mm, b->x_mm, b->n_bixels * sizeof *b->x_mm);
	memcpy(out->y_mm, b->y_mm, b->n_bixels * sizeof *b->y_mm);
	memcpy(out->row_y_mm, b->row_y_mm, b->n_rows * sizeof *b->row_y_mm);
	memcpy(out->row_first, b->row_first, (b->n_rows + 1) * sizeof *b->row_first);
	return SP_OK;
}

sp_status sp_beam_set_displace(sp_beam_set **out, const sp_beam_set *set, const sp_displacement *d, sp_error *err)
{
	sp_beam_set *moved = sp_alloc_array(1, sizeof *moved);
	double r[3][3];
	sp_status st = SP_OK;

	*out = NULL;
	if (!moved || !(moved->beams = sp_alloc_array(set->n_beams, sizeof *moved->beams))) {
		free(moved);
		return sp_fail(err, SP_NO_MEMORY, "no memory for %zu displaced beams", set->n_beams);
	}
	moved->bixel_mm = set->bixel_mm;
	moved->n_beams = set->n_beams;
	moved->n_bixels = set->n_bixels;
	rotation(r, d->rotation_deg);
	for (size_t i = 0; st == SP_OK && i < set->n_beams; i++) {
		sp_beam_frame *f = &moved->beams[i].frame;

		if ((st = copy_beam(&moved->beams[i], &set->beams[i], err)) != SP_OK)
			break;
		point_back(f->isocentre_mm, (const double(*)[3])r, d);
		point_back(f->source_mm, (const double(*)[3])r, d);
		turn_back(f->x_axis, (const double(*)[3])r, f->x_axis);
		turn_back(f->y_axis, (const double(*)[3])r, f->y_axis);
		turn_back(f->towards_source, (const double(*)[3])r, f->towards_source);
	}
	if (st != SP_OK) {
		sp_beam_set_destroy(moved);
		return st;
	}
	*out = moved;
	return SP_OK;
}
