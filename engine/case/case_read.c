/* A case from HDF5. Here: that everything is there, of the right kind and shape; whether it makes sense is for
 * case_check.c. Numbers may have any width that h5py users write; what is not there gets the default that
 * docs/case-format.md tells. */
#include "case_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "mask_box.h"
#include "sha256.h"

/* Larger than any CT (2048 x 2048 x 1024), and 8 GB. */
#define MAX_CT_VOXELS (1ull << 32)
#define MAX_POINTS 100000000ull
#define MAX_STRUCTURES 10000
#define MAX_BEAMS 1000
/* Voxels that are converted at a time. */
#define BLOCK_VOXELS (1u << 20)

/* Where we are: file and group. */
typedef struct {
	sp_h5_in *f;
	const char *group;
	sp_error *err;
} place;

static void join(char path_out[SP_H5_PATH_BYTES], const place *at, const char *folder, const char *name)
{
	sp_h5_join(path_out, at->group, folder, name);
}

static sp_status check_version(const place *at)
{
	const char *object = *at->group ? at->group : "/";
	const char *file = sp_h5_path(at->f);
	char *format = NULL;
	double version = 0.0;
	bool found;
	sp_status st;

	if ((st = sp_h5_get_text(&format, at->f, object, "format", at->err)) != SP_OK)
		return st;
	if (format && strcmp(format, "spineplan-case") != 0)
		st = sp_fail(at->err, SP_BAD_INPUT, "%s:%s format is \"%.60s\", expected \"spineplan-case\"", file,
		             object, format);
	free(format);
	if (st != SP_OK || (st = sp_h5_get_numbers(&version, 1, &found, at->f, object, "version", at->err)) != SP_OK)
		return st;
	if (!found)
		return sp_fail(at->err, SP_BAD_INPUT, "%s:%s has no attribute version, expected %d: is it a case file?",
		               file, object, SP_CASE_VERSION);
	if (version != SP_CASE_VERSION)
		return sp_fail(at->err, SP_BAD_INPUT, "%s:%s version is %g; this program reads version %d", file,
		               object, version, SP_CASE_VERSION);
	return SP_OK;
}

/* Other number types than int16, a block at a time; what int16 cannot hold is refused. */
static sp_status convert_hu(sp_case *c, const place *at, const char *path)
{
	size_t slice = c->ct.n[0] * c->ct.n[1], rows = BLOCK_VOXELS / slice ? BLOCK_VOXELS / slice : 1;
	double *block = sp_alloc_array(rows, slice * sizeof *block);
	sp_status st = block ? SP_OK : sp_fail(at->err, SP_NO_MEMORY, "out of memory reading %s", sp_h5_path(at->f));

	for (size_t k = 0; k < c->ct.n[2] && st == SP_OK; k += rows) {
		size_t n = c->ct.n[2] - k < rows ? c->ct.n[2] - k : rows;

		if ((st = sp_h5_read_rows(at->f, path, SP_H5_F64, k, n, block, n * slice, at->err)) != SP_OK)
			break;
		for (size_t i = 0; i < n * slice && st == SP_OK; i++) {
			if (block[i] >= INT16_MIN && block[i] <= INT16_MAX)
				c->hu[k * slice + i] = (int16_t)lround(block[i]);
			else
				st = sp_fail(at->err, SP_BAD_INPUT, "%s:%s holds %g, expected HU from %d to %d",
				             sp_h5_path(at->f), path, block[i], INT16_MIN, INT16_MAX);
		}
	}
	free(block);
	return st;
}

static sp_status get_vector(double out[3], bool *found, const place *at, const char *path, const char *attribute)
{
	return sp_h5_get_numbers(out, 3, found, at->f, path, attribute, at->err);
}

static sp_status read_ct(sp_case *c, const place *at)
{
	char path[SP_H5_PATH_BYTES], *position = NULL;
	sp_h5_info info;
	bool found;
	size_t n;
	sp_status st;

	join(path, at, "/ct/hu", "");
	if ((st = sp_h5_expect(&info, at->f, path, 3, NULL, MAX_CT_VOXELS, at->err)) != SP_OK)
		return st;
	for (int a = 0; a < 3; a++)
		c->ct.n[a] = (size_t)info.dims[2 - a];
	if (info.elements == 0)
		return sp_fail(at->err, SP_BAD_INPUT, "%s:%s has no voxels", sp_h5_path(at->f), path);
	if ((st = get_vector(c->ct.spacing_mm, &found, at, path, "spacing_mm")) != SP_OK)
		return st;
	if (!found)
		return sp_fail(at->err, SP_BAD_INPUT, "%s:%s has no attribute spacing_mm, expected 3 numbers (x, y, z)",
		               sp_h5_path(at->f), path);
	if ((st = get_vector(c->ct.origin_mm, &found, at, path, "origin_mm")) != SP_OK ||
	    (st = sp_h5_get_text(&position, at->f, path, "patient_position", at->err)) != SP_OK)
		return st;
	if (position && strlen(position) >= sizeof c->patient_position)
		st = sp_fail(at->err, SP_BAD_INPUT, "%s:%s patient_position is \"%.60s\", expected HFS or the like",
		             sp_h5_path(at->f), path, position);
	else
		snprintf(c->patient_position, sizeof c->patient_position, "%s", position ? position : "HFS");
	free(position);
	if (st != SP_OK)
		return st;
	n = sp_grid_voxels(&c->ct);
	if (!(c->hu = malloc(n * sizeof *c->hu)))
		return sp_fail(at->err, SP_NO_MEMORY, "out of memory for the %zu voxels of %s", n, sp_h5_path(at->f));
	if (info.class == SP_H5_INTEGER && (info.element_bytes == 1 || (info.element_bytes == 2 && info.is_signed)))
		return sp_h5_read(at->f, path, SP_H5_I16, c->hu, n, at->err);
	return convert_hu(c, at, path);
}

/* ---- structures ---- */

static sp_status read_contours(sp_structure *s, const place *at, const char *path, bool has_offsets)
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
	if (!(s->offsets = sp_alloc_array(n_offsets, sizeof *s->offsets)))
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
static sp_status read_mask(sp_structure *s, const place *at, const char *path, const sp_grid *ct)
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

static sp_status read_colour(sp_structure *s, const place *at, const char *path)
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

static sp_status read_role(sp_role *out, const place *at, const char *path)
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

static sp_status read_structure(sp_case *c, const place *at, const char *name)
{
	char path[SP_H5_PATH_BYTES], part[SP_H5_PATH_BYTES];
	sp_h5_info group, points, offsets, mask;
	sp_structure *s;
	sp_role role;
	bool found;
	sp_status st;

	join(path, at, "/structures/", name);
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

/* ---- prescription and beams ---- */

static sp_status read_prescription(sp_prescription *p, const place *at)
{
	char path[SP_H5_PATH_BYTES];
	double fractions = 0.0;
	sp_h5_info info;
	bool has_dose, has_fractions;
	sp_status st;

	join(path, at, "/prescription", "");
	if ((st = sp_h5_look(&info, at->f, path, at->err)) != SP_OK || info.kind == SP_H5_NOTHING)
		return st;
	p->present = true;
	if ((st = sp_h5_get_numbers(&p->dose_gy, 1, &has_dose, at->f, path, "dose_gy", at->err)) != SP_OK ||
	    (st = sp_h5_get_numbers(&fractions, 1, &has_fractions, at->f, path, "fractions", at->err)) != SP_OK ||
	    (st = sp_h5_get_text(&p->target, at->f, path, "target", at->err)) != SP_OK ||
	    (st = sp_h5_get_text(&p->protocol, at->f, path, "protocol", at->err)) != SP_OK)
		return st;
	if (!p->protocol && !(has_dose && has_fractions))
		return sp_fail(at->err, SP_BAD_INPUT,
		               "%s:%s has no attribute %s, expected %s (or a protocol that says it)", sp_h5_path(at->f),
		               path, has_dose ? "fractions" : "dose_gy",
		               has_dose ? "their number" : "the dose of the whole course");
	if (has_dose && !(p->dose_gy > 0.0 && p->dose_gy < 1000.0))
		return sp_fail(at->err, SP_BAD_INPUT, "%s:%s dose_gy is %g, expected > 0 and < 1000 (Gy, whole course)",
		               sp_h5_path(at->f), path, p->dose_gy);
	if (has_fractions && !(fractions >= 1.0 && fractions <= 200.0 && fractions == floor(fractions)))
		return sp_fail(at->err, SP_BAD_INPUT, "%s:%s fractions is %g, expected a whole number from 1 to 200",
		               sp_h5_path(at->f), path, fractions);
	p->fractions = (unsigned)fractions;
	return SP_OK;
}

static sp_status read_beam(sp_case_beam *b, const place *at, const char *name)
{
	char path[SP_H5_PATH_BYTES];
	bool found;
	sp_status st;

	join(path, at, "/beams/", name);
	if (!(b->name = sp_copy_text(name)))
		return sp_fail(at->err, SP_NO_MEMORY, "out of memory for beam %s", name);
	if ((st = sp_h5_get_numbers(&b->gantry_deg, 1, &found, at->f, path, "gantry_deg", at->err)) != SP_OK)
		return st;
	if (!found)
		return sp_fail(at->err, SP_BAD_INPUT, "%s:%s has no attribute gantry_deg", sp_h5_path(at->f), path);
	if ((st = sp_h5_get_numbers(&b->collimator_deg, 1, &found, at->f, path, "collimator_deg", at->err)) != SP_OK ||
	    (st = sp_h5_get_numbers(&b->couch_deg, 1, &found, at->f, path, "couch_deg", at->err)) != SP_OK)
		return st;
	return sp_h5_get_numbers(b->isocentre_mm, 3, &b->has_isocentre, at->f, path, "isocentre_mm", at->err);
}

/* The names in a group of the case; none where there is no such group. */
static sp_status list_group(char ***names, size_t *n, const place *at, const char *group, size_t most)
{
	char path[SP_H5_PATH_BYTES];
	sp_h5_info info;
	sp_status st;

	*names = NULL;
	*n = 0;
	join(path, at, group, "");
	if ((st = sp_h5_look(&info, at->f, path, at->err)) != SP_OK || info.kind == SP_H5_NOTHING)
		return st;
	if ((st = sp_h5_list(names, n, at->f, path, at->err)) == SP_OK && *n > most)
		st = sp_fail(at->err, SP_BAD_INPUT, "%s:%s holds %zu names, expected at most %zu", sp_h5_path(at->f),
		             path, *n, most);
	return st;
}

sp_status sp_case_read_group(sp_case **out, sp_h5_in *f, const char *group, sp_error *err)
{
	place at = {f, group, err};
	sp_case *c = NULL;
	char **names = NULL;
	size_t n;
	sp_status st;

	*out = NULL;
	if (!(c = sp_alloc_array(1, sizeof *c)) || !(c->path = sp_copy_text(sp_h5_path(f)))) {
		st = sp_fail(err, SP_NO_MEMORY, "out of memory reading %s", sp_h5_path(f));
		goto cleanup;
	}
	if ((st = check_version(&at)) != SP_OK || (st = read_ct(c, &at)) != SP_OK ||
	    (st = read_prescription(&c->prescription, &at)) != SP_OK ||
	    (st = list_group(&names, &n, &at, "/structures", MAX_STRUCTURES)) != SP_OK)
		goto cleanup;
	for (size_t i = 0; i < n; i++)
		if ((st = read_structure(c, &at, names[i])) != SP_OK)
			goto cleanup;
	free(names);
	if ((st = list_group(&names, &n, &at, "/beams", MAX_BEAMS)) != SP_OK)
		goto cleanup;
	if (!(c->beams = sp_alloc_array(n, sizeof *c->beams))) {
		st = sp_fail(err, SP_NO_MEMORY, "out of memory for %zu beams", n);
		goto cleanup;
	}
	for (; c->n_beams < n; c->n_beams++)
		if ((st = read_beam(&c->beams[c->n_beams], &at, names[c->n_beams])) != SP_OK) {
			c->n_beams++; /* its name is to be freed */
			goto cleanup;
		}
	if ((st = sp_case_check(c, err)) != SP_OK)
		goto cleanup;
	*out = c;
	c = NULL;
cleanup:
	free(names);
	sp_case_destroy(c);
	return st;
}

sp_status sp_case_read(sp_case **out, const char *path, sp_error *err)
{
	sp_h5_in *f = NULL;
	sp_case *c = NULL;
	sp_status st;

	*out = NULL;
	if ((st = sp_h5_open(&f, path, err)) != SP_OK || (st = sp_case_read_group(&c, f, "", err)) != SP_OK ||
	    (st = sp_sha256_file(c->sha256, path, err)) != SP_OK)
		goto cleanup;
	*out = c;
	c = NULL;
cleanup:
	sp_case_destroy(c);
	sp_h5_close(f);
	return st;
}
