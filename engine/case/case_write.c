/* A case as HDF5: the names and types of docs/case-format.md. */
#include "case_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"

static sp_status write_ct(const sp_case *c, sp_h5_out *f, const char *group, sp_error *err)
{
	uint64_t dims[3] = {c->ct.n[2], c->ct.n[1], c->ct.n[0]};
	char path[SP_H5_PATH_BYTES];
	sp_status st;

	sp_h5_join(path, group, "/ct/hu", "");
	if ((st = sp_h5_write(f, path, SP_H5_I16, 3, dims, true, c->hu, err)) != SP_OK ||
	    (st = sp_h5_set_numbers(f, path, "spacing_mm", SP_H5_F64, 3, c->ct.spacing_mm, err)) != SP_OK ||
	    (st = sp_h5_set_numbers(f, path, "origin_mm", SP_H5_F64, 3, c->ct.origin_mm, err)) != SP_OK ||
	    (st = sp_h5_set_text(f, path, "patient_position", c->patient_position, err)) != SP_OK)
		return st;
	return SP_OK;
}

/* The whole CT's shape in the file, a few slices at a time from the cropped box. */
static sp_status write_mask(const sp_structure *s, const sp_grid *ct, sp_h5_out *f, const char *path, sp_error *err)
{
	uint64_t dims[3] = {ct->n[2], ct->n[1], ct->n[0]}, rows = sp_h5_chunk_rows(3, dims);
	const sp_mask_box *b = &s->mask;
	size_t slice = ct->n[0] * ct->n[1], top = b->first[2] + b->n[2];
	uint8_t *block = sp_alloc_array(rows, slice);
	sp_status st = SP_OK;

	if (!block)
		return sp_fail(err, SP_NO_MEMORY, "out of memory writing the mask of %s", s->name);
	if ((st = sp_h5_write_begin(f, path, SP_H5_U8, 3, dims, true, err)) != SP_OK)
		goto cleanup;
	/* slices never written hold the fill value, 0 */
	for (size_t k0 = b->first[2] / rows * rows; k0 < top && st == SP_OK; k0 += rows) {
		size_t n = ct->n[2] - k0 < rows ? ct->n[2] - k0 : rows;

		memset(block, 0, n * slice);
		for (size_t k = k0 > b->first[2] ? k0 : b->first[2]; k < k0 + n && k < top; k++)
			for (size_t j = 0; j < b->n[1]; j++)
				memcpy(block + (k - k0) * slice + (b->first[1] + j) * ct->n[0] + b->first[0],
				       b->in + ((k - b->first[2]) * b->n[1] + j) * b->n[0], b->n[0]);
		st = sp_h5_write_rows(f, path, SP_H5_U8, k0, n, block, err);
	}
cleanup:
	free(block);
	return st;
}

static sp_status write_contours(const sp_structure *s, sp_h5_out *f, const char *group, sp_error *err)
{
	static const uint64_t none = 0;
	uint64_t n_points = s->n_polygons ? s->offsets[s->n_polygons] : 0;
	char path[SP_H5_PATH_BYTES];
	sp_status st;

	sp_h5_join(path, group, "/points_mm", "");
	if ((st = sp_h5_write(f, path, SP_H5_F64, 2, (uint64_t[]){n_points, 3}, true, s->points_mm, err)) != SP_OK)
		return st;
	sp_h5_join(path, group, "/offsets", "");
	return sp_h5_write(f, path, SP_H5_U64, 1, (uint64_t[]){s->n_polygons + 1}, false,
	                   s->n_polygons ? s->offsets : &none, err);
}

static sp_status write_structure(const sp_structure *s, const sp_grid *ct, sp_h5_out *f, const char *group,
                                 sp_error *err)
{
	char path[SP_H5_PATH_BYTES], mask[SP_H5_PATH_BYTES];
	sp_status st;

	sp_h5_join(path, group, "/structures/", s->name);
	if ((st = sp_h5_write_group(f, path, err)) != SP_OK ||
	    (st = sp_h5_set_text(f, path, "role", sp_role_name(s->role), err)) != SP_OK)
		return st;
	if (s->has_colour && (st = sp_h5_set_numbers(f, path, "colour", SP_H5_U8, 3, s->colour, err)) != SP_OK)
		return st;
	if (!isnan(s->density_g_cm3) &&
	    (st = sp_h5_set_numbers(f, path, "density_g_cm3", SP_H5_F64, 1, &s->density_g_cm3, err)) != SP_OK)
		return st;
	if (s->material && (st = sp_h5_set_text(f, path, "material", s->material, err)) != SP_OK)
		return st;
	if (!s->has_mask)
		return write_contours(s, f, path, err);
	sp_h5_join(mask, path, "/mask", "");
	return write_mask(s, ct, f, mask, err);
}

static sp_status write_prescription(const sp_prescription *p, sp_h5_out *f, const char *group, sp_error *err)
{
	char path[SP_H5_PATH_BYTES];
	uint32_t fractions = p->fractions;
	sp_status st;

	if (!p->present)
		return SP_OK;
	sp_h5_join(path, group, "/prescription", "");
	if ((st = sp_h5_write_group(f, path, err)) != SP_OK)
		return st;
	if (p->dose_gy > 0.0 && (st = sp_h5_set_numbers(f, path, "dose_gy", SP_H5_F64, 1, &p->dose_gy, err)) != SP_OK)
		return st;
	if (fractions && (st = sp_h5_set_numbers(f, path, "fractions", SP_H5_U32, 1, &fractions, err)) != SP_OK)
		return st;
	if (p->target && (st = sp_h5_set_text(f, path, "target", p->target, err)) != SP_OK)
		return st;
	if (p->protocol && (st = sp_h5_set_text(f, path, "protocol", p->protocol, err)) != SP_OK)
		return st;
	if (!p->boost)
		return SP_OK;
	if ((st = sp_h5_set_text(f, path, "boost", p->boost, err)) != SP_OK)
		return st;
	return sp_h5_set_numbers(f, path, "boost_gy", SP_H5_F64, 1, &p->boost_gy, err);
}

static sp_status write_beam(const sp_case_beam *b, sp_h5_out *f, const char *group, sp_error *err)
{
	char path[SP_H5_PATH_BYTES];
	sp_status st;

	sp_h5_join(path, group, "/beams/", b->name);
	if ((st = sp_h5_write_group(f, path, err)) != SP_OK ||
	    (st = sp_h5_set_numbers(f, path, "gantry_deg", SP_H5_F64, 1, &b->gantry_deg, err)) != SP_OK ||
	    (st = sp_h5_set_numbers(f, path, "collimator_deg", SP_H5_F64, 1, &b->collimator_deg, err)) != SP_OK ||
	    (st = sp_h5_set_numbers(f, path, "couch_deg", SP_H5_F64, 1, &b->couch_deg, err)) != SP_OK)
		return st;
	return b->has_isocentre ? sp_h5_set_numbers(f, path, "isocentre_mm", SP_H5_F64, 3, b->isocentre_mm, err)
	                        : SP_OK;
}

sp_status sp_case_write_group(const sp_case *c, sp_h5_out *f, const char *group, sp_error *err)
{
	const char *object = *group ? group : "/";
	uint32_t version = SP_CASE_VERSION;
	char path[SP_H5_PATH_BYTES];
	sp_status st;

	sp_h5_join(path, group, "/structures", "");
	if ((st = sp_h5_write_group(f, path, err)) != SP_OK ||
	    (st = sp_h5_set_text(f, object, "format", "spineplan-case", err)) != SP_OK ||
	    (st = sp_h5_set_numbers(f, object, "version", SP_H5_U32, 1, &version, err)) != SP_OK ||
	    (st = write_ct(c, f, group, err)) != SP_OK ||
	    (st = write_prescription(&c->prescription, f, group, err)) != SP_OK)
		return st;
	for (size_t i = 0; i < c->n_structures; i++)
		if ((st = write_structure(&c->structures[i], &c->ct, f, group, err)) != SP_OK)
			return st;
	for (size_t i = 0; i < c->n_beams; i++)
		if ((st = write_beam(&c->beams[i], f, group, err)) != SP_OK)
			return st;
	sp_h5_join(path, group, "/targets", "");
	return c->targets ? sp_h5_write_text(f, path, c->targets, err) : SP_OK;
}

sp_status sp_case_write(const sp_case *c, const char *path, sp_error *err)
{
	sp_h5_out *f = NULL;
	sp_status st;

	if ((st = sp_case_check(c, err)) != SP_OK || (st = sp_h5_create(&f, path, err)) != SP_OK)
		return st;
	if ((st = sp_case_write_group(c, f, "", err)) == SP_OK)
		return sp_h5_commit(&f, err);
	sp_h5_abandon(f);
	return st;
}
