/* Leaf files: YAML checked against a schema. */
#include "mlc.h"

#include "alloc.h"
#include "named_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

extern const sp_embedded sp_mlc_files[]; /* engine/beam/mlc, embedded by the build */

static const cyaml_schema_value_t number = {CYAML_VALUE_FLOAT(CYAML_FLAG_DEFAULT, double)};

static const cyaml_schema_field_t beam_fields[] = {
        CYAML_FIELD_FLOAT("energy_mv", CYAML_FLAG_DEFAULT, sp_mlc_beam, energy_mv),
        CYAML_FIELD_BOOL("flattened", CYAML_FLAG_DEFAULT, sp_mlc_beam, flattened),
        CYAML_FIELD_FLOAT("transmission", CYAML_FLAG_DEFAULT, sp_mlc_beam, transmission),
        CYAML_FIELD_FLOAT("leaf_gap_mm", CYAML_FLAG_DEFAULT, sp_mlc_beam, leaf_gap_mm),
        CYAML_FIELD_END,
};

static const cyaml_schema_value_t beam = {CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, sp_mlc_beam, beam_fields)};

static const cyaml_schema_field_t fields[] = {
        CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, sp_mlc, name, 1, CYAML_UNLIMITED),
        CYAML_FIELD_SEQUENCE_COUNT("boundaries_mm", CYAML_FLAG_POINTER, sp_mlc, boundaries_mm, n_boundaries, &number, 2,
                                   513),
        CYAML_FIELD_FLOAT("distance_mm", CYAML_FLAG_DEFAULT, sp_mlc, distance_mm),
        CYAML_FIELD_FLOAT("height_mm", CYAML_FLAG_DEFAULT, sp_mlc, height_mm),
        CYAML_FIELD_FLOAT("end_radius_mm", CYAML_FLAG_DEFAULT, sp_mlc, end_radius_mm),
        CYAML_FIELD_FLOAT("tongue_mm", CYAML_FLAG_DEFAULT, sp_mlc, tongue_mm),
        CYAML_FIELD_FLOAT("interleaf_transmission", CYAML_FLAG_DEFAULT, sp_mlc, interleaf_transmission),
        CYAML_FIELD_FLOAT("max_leaf_speed_mm_s", CYAML_FLAG_DEFAULT, sp_mlc, max_leaf_speed_mm_s),
        CYAML_FIELD_FLOAT("min_gap_mm", CYAML_FLAG_DEFAULT, sp_mlc, min_gap_mm),
        CYAML_FIELD_FLOAT("max_span_mm", CYAML_FLAG_DEFAULT, sp_mlc, max_span_mm),
        CYAML_FIELD_FLOAT("overtravel_mm", CYAML_FLAG_DEFAULT, sp_mlc, overtravel_mm),
        CYAML_FIELD_FLOAT("max_position_mm", CYAML_FLAG_DEFAULT, sp_mlc, max_position_mm),
        CYAML_FIELD_SEQUENCE_COUNT("beams", CYAML_FLAG_POINTER, sp_mlc, beams, n_beams, &beam, 1, 32),
        CYAML_FIELD_END,
};

static const cyaml_schema_value_t schema = {CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, sp_mlc, fields)};

static sp_status check_boundaries(const double *mm, size_t n, double tongue_mm, const char *path, sp_error *err)
{
	for (size_t i = 0; i < n; i++)
		if (!(fabs(mm[i]) <= 250.0) || (i && !(mm[i] >= mm[i - 1] + fmax(0.5, 2.0 * tongue_mm))))
			return sp_fail(
			        err, SP_BAD_INPUT,
			        "%s: boundaries_mm[%zu] is %g, expected numbers from -250 to 250 that rise by the "
			        "width of a leaf",
			        path, i, mm[i]);
	return SP_OK;
}

static sp_status check(const sp_mlc *m, const char *path, sp_error *err)
{
	const sp_named_range ranges[] = {
	        {"distance_mm", m->distance_mm, 100.0, 900.0},
	        {"height_mm", m->height_mm, 10.0, 200.0},
	        {"end_radius_mm", m->end_radius_mm, 0.0, 1000.0},
	        {"tongue_mm", m->tongue_mm, 0.0, 2.0},
	        {"interleaf_transmission", m->interleaf_transmission, 1.0, 10.0},
	        {"max_leaf_speed_mm_s", m->max_leaf_speed_mm_s, 1.0, 1000.0},
	        {"min_gap_mm", m->min_gap_mm, 0.0, 20.0},
	        {"max_span_mm", m->max_span_mm, 10.0, 500.0},
	        {"overtravel_mm", m->overtravel_mm, 0.0, 250.0},
	        {"max_position_mm", m->max_position_mm, 10.0, 250.0},
	};
	sp_status st = sp_named_file_check(ranges, sizeof ranges / sizeof *ranges, path, err);

	if (st == SP_OK)
		st = check_boundaries(m->boundaries_mm, m->n_boundaries, m->tongue_mm, path, err);
	for (unsigned i = 0; st == SP_OK && i < m->n_beams; i++) {
		const sp_named_range of_beam[] = {
		        {"energy_mv", m->beams[i].energy_mv, 1.0, 30.0},
		        {"transmission", m->beams[i].transmission, 1e-5, 0.2},
		        {"leaf_gap_mm", m->beams[i].leaf_gap_mm, 0.0, 10.0},
		};

		st = sp_named_file_check(of_beam, sizeof of_beam / sizeof *of_beam, path, err);
	}
	return st;
}

sp_status sp_mlc_read(sp_mlc **out, const char *name_or_path, sp_error *err)
{
	void *loaded = NULL;
	char sha256[65];
	sp_mlc *m;
	sp_status st = sp_named_file_load(&loaded, sha256, sp_mlc_files, "leaf file", name_or_path, &schema, err);

	*out = NULL;
	m = loaded;
	if (st == SP_OK)
		st = check(m, name_or_path, err);
	if (st != SP_OK) {
		sp_mlc_destroy(m);
		return st;
	}
	memcpy(m->sha256, sha256, sizeof sha256);
	m->n_pairs = m->n_boundaries - 1;
	sp_mlc_choose_beam(m, m->beams[0].energy_mv, m->beams[0].flattened);
	*out = m;
	return SP_OK;
}

void sp_mlc_choose_beam(sp_mlc *m, double energy_mv, int flattened)
{
	const sp_mlc_beam *best = NULL;
	double least = INFINITY;

	for (unsigned i = 0; i < m->n_beams; i++) {
		const sp_mlc_beam *b = m->beams + i;
		double far = fabs(b->energy_mv - energy_mv) + (!b->flattened == !flattened ? 0.0 : 100.0);

		if (far < least) {
			least = far;
			best = b;
		}
	}
	m->transmission = best->transmission;
	m->leaf_gap_mm = best->leaf_gap_mm;
}

sp_status sp_mlc_reshape(sp_mlc *m, const double *boundaries_mm, size_t n_pairs, sp_error *err)
{
	double *own;
	sp_status st = check_boundaries(boundaries_mm, n_pairs + 1, m->tongue_mm, m->name, err);

	if (st != SP_OK)
		return st;
	if (!(own = sp_alloc_array(n_pairs + 1, sizeof *own)))
		return sp_fail(err, SP_NO_MEMORY, "no memory for %zu pairs of leaves", n_pairs);
	memcpy(own, boundaries_mm, (n_pairs + 1) * sizeof *own);
	free(m->boundaries_mm);
	m->boundaries_mm = own;
	m->n_pairs = (unsigned)n_pairs;
	m->n_boundaries = m->n_pairs + 1;
	return SP_OK;
}

double sp_mlc_width_mm(const double *boundaries_mm, size_t n_pairs)
{
	return boundaries_mm[n_pairs / 2 + 1] - boundaries_mm[n_pairs / 2];
}

void sp_mlc_destroy(sp_mlc *m)
{
	sp_yaml_free(&schema, m);
}
