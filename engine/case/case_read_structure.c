/* A structure from HDF5: contours or a mask, and its attributes. */
#include <math.h>
#include <stdlib.h>

#include "alloc.h"
#include "case_internal.h"
#include "mask_box.h"

#define MAX_POINTS 100000000ull
/* Voxels that are looked at a time. */
#define BLOCK_VOXELS (1u << 20)

static sp_status read_contours(sp_structure *s, const sp_case_source *at, const char *path, bool has_offsets)
{
	char name[SP_H5_PATH_BYTES];
	sp_h5_info points, offsets;
	uint64_t n_offsets = 2;
	sp_status st;

	sp_h5_join(name, path, "/points_mm", "");
	if ((st = sp_h5_expect(&points, at->f, name, 2, (uint64_t[]){0, 3}, 3 * MAX_POINTS, at->err)) != SP_OK)
		return st;
	if (!(s->points_mm = malloc(points.elements * sizeof *s->points_mm + 1)))
		return sp_fail(at->err, SP_NO_MEMORY, "out of memory for %s:%s", sp_h5_path(at->f), name);
	if ((st = sp_h5_read(at->f, name, SP_H5_F64, s->points_mm, points.elements, at->err)) != SP_OK)
		return st;
	sp_h5_join(name, path, "/offsets", "");
	if (has_offsets) {
		if ((st = sp_h5_expect(&offsets, at->f, name, 1, NULL, MAX_POINTS, at->err)) != SP_OK)
			return st;
		if (offsets.elements == 0)
			return sp_fail(at->err, SP_BAD_INPUT, "%s:%s is empty, expected polygons + 1 numbers",
			               sp_h5_path(at->f), name);
		n_offsets = offsets.elements;
	}
	if (!(s->offsets = sp_alloc_array(n_offsets + 1, sizeof *s->offsets)))
		return sp_fail(at->err, SP_NO_MEMORY, "out of memory for %s:%s", sp_h5_path(at->f), name);
	s->offsets[1] = points.dims[0]; /* without offsets, all points are one polygon */
	if (has_offsets && (st = sp_h5_read(at->f, name, SP_H5_U64, s->offsets, n_offsets, at->err)) != SP_OK)
		return st;
	s->n_polygons = n_offsets - 1;
	/* what the rest of the program relies on, so it is settled here: 0 <= ... <= number of points */
	for (size_t i = 0; i < n_offsets; i++) {
		uint64_t least = i ? s->offsets[i - 1] : 0;

		if (s->offsets[i] < least || s->offsets[i] > points.dims[0] || (i == 0 && s->offsets[0] != 0))
			return sp_fail(
			        at->err, SP_BAD_INPUT,
			        "%s:%s[%zu] is %llu, expected offsets that begin with 0, do not fall and end with "
			        "the number of points, %llu",
			        sp_h5_path(at->f), name, i, (unsigned long long)s->offsets[i],
			        (unsigned long long)points.dims[0]);
	}
	if (s->offsets[n_offsets - 1] != points.dims[0])
		return sp_fail(at->err, SP_BAD_INPUT, "%s:%s ends with %llu, expected the number of points, %llu",
		               sp_h5_path(at->f), name, (unsigned long long)s->offsets[n_offsets - 1],
		               (unsigned long long)points.dims[0]);
	return SP_OK;
}

/* Twice through the file: for the box of what is inside, then for its voxels. So memory is the box and a block. */
static sp_status read_mask(sp_structure *s, const sp_case_source *at, const char *path, const sp_grid *ct)
{
	uint64_t dims[3] = {ct->n[2], ct->n[1], ct->n[0]};
	size_t slice = ct->n[0] * ct->n[1], rows = BLOCK_VOXELS / slice ? BLOCK_VOXELS / slice : 1;
	sp_mask_extent extent;
	uint8_t *block = NULL;
	sp_h5_info info;
	sp_status st;

	if ((st = sp_h5_expect(&info, at->f, path, 3, dims, UINT64_MAX, at->err)) != SP_OK)
		return st;
	if (!(block = sp_alloc_array(rows, slice)))
		return sp_fail(at->err, SP_NO_MEMORY, "out of memory for %s:%s", sp_h5_path(at->f), path);
	sp_mask_extent_init(&extent);
	for (int pass = 0; pass < 2 && st == SP_OK; pass++) {
		size_t from = pass ? s->mask.first[2] : 0, to = pass ? from + s->mask.n[2] : ct->n[2];

		for (size_t k0 = from / rows * rows; k0 < to && st == SP_OK; k0 += rows) {
			size_t n = ct->n[2] - k0 < rows ? ct->n[2] - k0 : rows;

			if ((st = sp_h5_read_rows(at->f, path, SP_H5_U8, k0, n, block, n * slice, at->err)) == SP_OK)
				pass ? sp_mask_box_copy(&s->mask, block, ct->n[0], ct->n[1], k0, n)
				     : sp_mask_extent_add(&extent, block, ct->n[0], ct->n[1], k0, n);
		}
		if (pass == 0 && st == SP_OK)
			st = sp_mask_box_alloc(&s->mask, &extent, at->err);
	}
	s->has_mask = st == SP_OK;
	free(block);
	return st;
}

static sp_status read_colour(sp_structure *s, const sp_case_source *at, const char *path)
{
	double rgb[3];
	sp_status st = sp_h5_get_numbers(rgb, 3, &s->has_colour, at->f, path, "colour", at->err);

	for (int i = 0; st == SP_OK && s->has_colour && i < 3; i++) {
		if (!(rgb[i] >= 0.0 && rgb[i] <= 255.0))
			return sp_fail(at->err, SP_BAD_INPUT, "%s:%s colour[%d] is %g, expected 0 to 255",
			               sp_h5_path(at->f), path, i, rgb[i]);
		s->colour[i] = (uint8_t)lround(rgb[i]);
	}
	return st;
}

static sp_status read_role(sp_role *out, const sp_case_source *at, const char *path)
{
	char *word = NULL;
	sp_status st = sp_h5_get_text(&word, at->f, path, "role", at->err);

	if (st != SP_OK)
		return st;
	*out = word ? sp_role_parse(word) : SP_ROLE_ORGAN;
	if (*out == SP_ROLE_COUNT)
		st = sp_fail(at->err, SP_BAD_INPUT,
		             "%s:%s role is \"%.60s\", expected external, gtv, ctv, ptv, cord, prv, organ, hardware or "
		             "support",
		             sp_h5_path(at->f), path, word);
	free(word);
	return st;
}

sp_status sp_case_read_structure(sp_case *c, const sp_case_source *at, const char *name)
{
	char path[SP_H5_PATH_BYTES], part[SP_H5_PATH_BYTES];
	sp_h5_info group, points, offsets, mask;
	sp_structure *s;
	sp_role role;
	bool found;
	sp_status st;

	sp_h5_join(path, at->group, "/structures/", name);
	if ((st = sp_h5_look(&group, at->f, path, at->err)) != SP_OK)
		return st;
	if (group.kind != SP_H5_GROUP)
		return sp_fail(at->err, SP_BAD_INPUT, "%s:%s is not a group", sp_h5_path(at->f), path);
	if ((st = read_role(&role, at, path)) != SP_OK ||
	    (st = sp_case_add_structure(&s, c, name, role, at->err)) != SP_OK ||
	    (st = read_colour(s, at, path)) != SP_OK ||
	    (st = sp_h5_get_numbers(&s->density_g_cm3, 1, &found, at->f, path, "density_g_cm3", at->err)) != SP_OK ||
	    (st = sp_h5_get_text(&s->material, at->f, path, "material", at->err)) != SP_OK)
		return st;
	if (found && isnan(s->density_g_cm3)) /* in memory that means "the CT's" */
		return sp_fail(at->err, SP_BAD_INPUT, "%s:%s density_g_cm3 is nan, expected 0 to 25", sp_h5_path(at->f),
		               path);
	sp_h5_join(part, path, "/points_mm", "");
	st = sp_h5_look(&points, at->f, part, at->err);
	sp_h5_join(part, path, "/offsets", "");
	if (st == SP_OK)
		st = sp_h5_look(&offsets, at->f, part, at->err);
	sp_h5_join(part, path, "/mask", "");
	if (st == SP_OK)
		st = sp_h5_look(&mask, at->f, part, at->err);
	if (st != SP_OK)
		return st;
	if (mask.kind != SP_H5_NOTHING && points.kind != SP_H5_NOTHING)
		return sp_fail(at->err, SP_BAD_INPUT, "%s:%s has both points_mm and mask, expected one of them",
		               sp_h5_path(at->f), path);
	if (offsets.kind != SP_H5_NOTHING && points.kind == SP_H5_NOTHING)
		return sp_fail(at->err, SP_BAD_INPUT, "%s:%s/points_mm is missing, expected a dataset [any][3]",
		               sp_h5_path(at->f), path);
	if (mask.kind != SP_H5_NOTHING)
		return read_mask(s, at, part, &c->ct);
	return points.kind == SP_H5_NOTHING ? SP_OK : read_contours(s, at, path, offsets.kind != SP_H5_NOTHING);
}
