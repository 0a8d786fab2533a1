/* A case from HDF5. Here: that everything is there, of the right kind and shape; whether it makes sense is for
 * case_check.c. Numbers may have any width that h5py users write; what is not there gets the default that
 * docs/case-format.md tells. */
#include "case_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "case_internal.h"
#include "sha256.h"

/* Larger than any CT (2048 x 2048 x 1024), and 8 GB. */
#define MAX_CT_VOXELS (1ull << 32)
#define MAX_STRUCTURES 10000
#define MAX_BEAMS 1000
/* Voxels that are converted at a time. */
#define BLOCK_VOXELS (1u << 20)

static sp_status check_version(const sp_case_source *at)
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
static sp_status convert_hu(sp_case *c, const sp_case_source *at, const char *path)
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

static sp_status get_vector(double out[3], bool *found, const sp_case_source *at, const char *path,
                            const char *attribute)
{
	return sp_h5_get_numbers(out, 3, found, at->f, path, attribute, at->err);
}

static sp_status read_ct(sp_case *c, const sp_case_source *at)
{
	char path[SP_H5_PATH_BYTES], *position = NULL;
	sp_h5_info info;
	bool found;
	size_t n;
	sp_status st;

	sp_h5_join(path, at->group, "/ct/hu", "");
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

static sp_status read_prescription(sp_prescription *p, const sp_case_source *at)
{
	char path[SP_H5_PATH_BYTES];
	double fractions = 0.0;
	sp_h5_info info;
	bool has_dose, has_fractions, has_boost;
	sp_status st;

	sp_h5_join(path, at->group, "/prescription", "");
	if ((st = sp_h5_look(&info, at->f, path, at->err)) != SP_OK || info.kind == SP_H5_NOTHING)
		return st;
	p->present = true;
	if ((st = sp_h5_get_numbers(&p->dose_gy, 1, &has_dose, at->f, path, "dose_gy", at->err)) != SP_OK ||
	    (st = sp_h5_get_numbers(&fractions, 1, &has_fractions, at->f, path, "fractions", at->err)) != SP_OK ||
	    (st = sp_h5_get_text(&p->target, at->f, path, "target", at->err)) != SP_OK ||
	    (st = sp_h5_get_text(&p->protocol, at->f, path, "protocol", at->err)) != SP_OK ||
	    (st = sp_h5_get_text(&p->boost, at->f, path, "boost", at->err)) != SP_OK ||
	    (st = sp_h5_get_numbers(&p->boost_gy, 1, &has_boost, at->f, path, "boost_gy", at->err)) != SP_OK)
		return st;
	if (has_boost != (p->boost != NULL))
		return sp_fail(at->err, SP_BAD_INPUT, "%s:%s has the attribute %s and lacks %s", sp_h5_path(at->f),
		               path, has_boost ? "boost_gy" : "boost", has_boost ? "boost" : "boost_gy");
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

static sp_status read_beam(sp_case_beam *b, const sp_case_source *at, const char *name)
{
	char path[SP_H5_PATH_BYTES];
	bool found;
	sp_status st;

	sp_h5_join(path, at->group, "/beams/", name);
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
static sp_status list_group(char ***names, size_t *n, const sp_case_source *at, const char *group, size_t most)
{
	char path[SP_H5_PATH_BYTES];
	sp_h5_info info;
	sp_status st;

	*names = NULL;
	*n = 0;
	sp_h5_join(path, at->group, group, "");
	if ((st = sp_h5_look(&info, at->f, path, at->err)) != SP_OK || info.kind == SP_H5_NOTHING)
		return st;
	if ((st = sp_h5_list(names, n, at->f, path, at->err)) == SP_OK && *n > most)
		st = sp_fail(at->err, SP_BAD_INPUT, "%s:%s holds %zu names, expected at most %zu", sp_h5_path(at->f),
		             path, *n, most);
	return st;
}

/* How the targets were made; a text, or nothing. What it says is for people and the report: it is not judged here. */
static sp_status read_targets(sp_case *c, const sp_case_source *at)
{
	char path[SP_H5_PATH_BYTES];
	sp_h5_info info;
	sp_status st;

	sp_h5_join(path, at->group, "/targets", "");
	if ((st = sp_h5_look(&info, at->f, path, at->err)) != SP_OK || info.kind != SP_H5_DATASET ||
	    info.class != SP_H5_TEXT)
		return st;
	return sp_h5_read_text(&c->targets, at->f, path, at->err);
}

sp_status sp_case_read_group(sp_case **out, sp_h5_in *f, const char *group, sp_error *err)
{
	sp_case_source at = {f, group, err};
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
		if ((st = sp_case_read_structure(c, &at, names[i])) != SP_OK)
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
	if ((st = read_targets(c, &at)) != SP_OK || (st = sp_case_check(c, err)) != SP_OK)
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
