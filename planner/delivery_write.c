#include "delivery_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"

#define PATH_BYTES 128

/* One number, or `width` of them, of each control point. */
typedef struct {
	const char *name;
	size_t offset, width;
} column;

static const column columns[] = {
        {"gantry_deg", offsetof(sp_control_point, gantry_deg), 1},
        {"collimator_deg", offsetof(sp_control_point, collimator_deg), 1},
        {"couch_deg", offsetof(sp_control_point, couch_deg), 1},
        {"jaws_mm", offsetof(sp_control_point, jaws_mm), 4},
        {"cumulative_mu", offsetof(sp_control_point, cumulative_mu), 1},
};

static sp_status write_columns(const sp_delivery_beam *b, const char *group, sp_h5_out *f, sp_error *err)
{
	double *values = sp_alloc_array(b->n_points, 4 * sizeof *values);
	char path[PATH_BYTES];
	sp_status st = values ? SP_OK : sp_fail(err, SP_NO_MEMORY, "no memory to write %s", group);

	for (size_t c = 0; c < sizeof columns / sizeof *columns && st == SP_OK; c++) {
		size_t width = columns[c].width;

		for (size_t i = 0; i < b->n_points; i++)
			memcpy(values + i * width, (const char *)&b->points[i] + columns[c].offset,
			       width * sizeof *values);
		snprintf(path, sizeof path, "%s/%s", group, columns[c].name);
		st = sp_h5_write(f, path, SP_H5_F64, width > 1 ? 2 : 1, (uint64_t[]){b->n_points, width}, false, values,
		                 err);
	}
	free(values);
	return st;
}

static sp_status write_turns(const sp_delivery_beam *b, const char *group, sp_h5_out *f, sp_error *err)
{
	signed char *turns = sp_alloc_array(b->n_points, 1);
	char path[PATH_BYTES];
	sp_status st;

	if (!turns)
		return sp_fail(err, SP_NO_MEMORY, "no memory to write %s", group);
	for (size_t i = 0; i < b->n_points; i++)
		turns[i] = (signed char)b->points[i].gantry_turn;
	snprintf(path, sizeof path, "%s/gantry_turn", group);
	st = sp_h5_write(f, path, SP_H5_I8, 1, (uint64_t[]){b->n_points}, false, turns, err);
	free(turns);
	return st;
}

static sp_status write_leaves(const sp_delivery_beam *b, const char *group, sp_h5_out *f, sp_error *err)
{
	const char axis[2] = {b->leaf_axis, '\0'};
	size_t width = 2 * b->n_pairs;
	double *values;
	char path[PATH_BYTES];
	sp_status st;

	if (b->n_pairs == 0)
		return SP_OK;
	if (!(values = sp_alloc_array(b->n_points, width * sizeof *values)))
		return sp_fail(err, SP_NO_MEMORY, "no memory to write %s", group);
	for (size_t i = 0; i < b->n_points; i++)
		memcpy(values + i * width, b->points[i].leaves_mm, width * sizeof *values);
	snprintf(path, sizeof path, "%s/leaves_mm", group);
	if ((st = sp_h5_write(f, path, SP_H5_F64, 3, (uint64_t[]){b->n_points, 2, b->n_pairs}, true, values, err)) ==
	    SP_OK)
		st = sp_h5_set_text(f, path, "axis", axis, err);
	free(values);
	snprintf(path, sizeof path, "%s/leaf_boundaries_mm", group);
	if (st == SP_OK)
		st = sp_h5_write(f, path, SP_H5_F64, 1, (uint64_t[]){b->n_pairs + 1}, false, b->leaf_boundaries_mm,
		                 err);
	return st;
}

static sp_status write_energy(const sp_delivery *d, const char *group, sp_h5_out *f, sp_error *err)
{
	double filter = d->flattened ? 1.0 : 0.0;
	sp_status st = SP_OK;

	if (d->energy_mv > 0.0)
		st = sp_h5_set_numbers(f, group, "energy_mv", SP_H5_F64, 1, &d->energy_mv, err);
	if (st == SP_OK && d->energy_mv > 0.0)
		st = sp_h5_set_numbers(f, group, "flattening_filter", SP_H5_F64, 1, &filter, err);
	return st;
}

static sp_status write_beam(const sp_delivery *d, size_t index, sp_h5_out *f, sp_error *err)
{
	const sp_delivery_beam *b = &d->beams[index];
	char group[64];
	sp_status st;

	snprintf(group, sizeof group, "/beams/%zu", index);
	if ((st = sp_delivery_beam_check(b, group, err)) != SP_OK || (st = sp_h5_write_group(f, group, err)) != SP_OK ||
	    (st = sp_h5_set_text(f, group, "technique", sp_beam_technique_name(b->technique), err)) != SP_OK ||
	    (st = sp_h5_set_text(f, group, "machine", d->machine, err)) != SP_OK ||
	    (d->mlc && (st = sp_h5_set_text(f, group, "mlc", d->mlc, err)) != SP_OK) ||
	    (b->name && (st = sp_h5_set_text(f, group, "name", b->name, err)) != SP_OK) ||
	    (st = sp_h5_set_numbers(f, group, "isocentre_mm", SP_H5_F64, 3, b->isocentre_mm, err)) != SP_OK ||
	    (st = sp_h5_set_numbers(f, group, "sad_mm", SP_H5_F64, 1, &b->sad_mm, err)) != SP_OK ||
	    (st = sp_h5_set_numbers(f, group, "mu", SP_H5_F64, 1, &b->mu, err)) != SP_OK ||
	    (st = write_energy(d, group, f, err)) != SP_OK || (st = write_columns(b, group, f, err)) != SP_OK ||
	    (st = write_turns(b, group, f, err)) != SP_OK)
		return st;
	return write_leaves(b, group, f, err);
}

sp_status sp_delivery_write(const sp_delivery *d, sp_h5_out *f, sp_error *err)
{
	sp_status st = SP_OK;

	for (size_t i = 0; i < d->n_beams && st == SP_OK; i++)
		st = write_beam(d, i, f, err);
	return st;
}
