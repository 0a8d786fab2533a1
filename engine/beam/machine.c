/* Machine files: YAML checked against a schema. */
#include "machine.h"

#include "named_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

extern const sp_embedded sp_machine_files[]; /* engine/beam/machines, embedded by the build */

static const cyaml_schema_value_t number = {CYAML_VALUE_FLOAT(CYAML_FLAG_DEFAULT, double)};

static const cyaml_schema_field_t spectrum_fields[] = {
        CYAML_FIELD_FLOAT("electron_mev", CYAML_FLAG_DEFAULT, sp_machine_spectrum, electron_mev),
        CYAML_FIELD_FLOAT("shape", CYAML_FLAG_DEFAULT, sp_machine_spectrum, shape),
        CYAML_FIELD_FLOAT("tungsten_g_cm2", CYAML_FLAG_DEFAULT, sp_machine_spectrum, tungsten_g_cm2),
        CYAML_FIELD_FLOAT("aluminium_g_cm2", CYAML_FLAG_DEFAULT, sp_machine_spectrum, aluminium_g_cm2),
        CYAML_FIELD_END,
};

static const cyaml_schema_field_t extra_focal_fields[] = {
        CYAML_FIELD_FLOAT("distance_mm", CYAML_FLAG_DEFAULT, sp_machine_extra_focal, distance_mm),
        CYAML_FIELD_FLOAT("sigma_mm", CYAML_FLAG_DEFAULT, sp_machine_extra_focal, sigma_mm),
        CYAML_FIELD_FLOAT("share", CYAML_FLAG_DEFAULT, sp_machine_extra_focal, share),
        CYAML_FIELD_FLOAT("aluminium_g_cm2", CYAML_FLAG_DEFAULT, sp_machine_extra_focal, aluminium_g_cm2),
        CYAML_FIELD_END,
};

static const cyaml_schema_field_t electron_fields[] = {
        CYAML_FIELD_FLOAT("distance_mm", CYAML_FLAG_DEFAULT, sp_machine_electrons, distance_mm),
        CYAML_FIELD_FLOAT("sigma_mm", CYAML_FLAG_DEFAULT, sp_machine_electrons, sigma_mm),
        CYAML_FIELD_FLOAT("share", CYAML_FLAG_DEFAULT, sp_machine_electrons, share),
        CYAML_FIELD_FLOAT("mean_mev", CYAML_FLAG_DEFAULT, sp_machine_electrons, mean_mev),
        CYAML_FIELD_END,
};

static const cyaml_schema_field_t source_fields[] = {
        CYAML_FIELD_MAPPING("spectrum", CYAML_FLAG_DEFAULT, sp_machine_source, spectrum, spectrum_fields),
        CYAML_FIELD_SEQUENCE_COUNT("radius_mm", CYAML_FLAG_POINTER, sp_machine_source, radius_mm, n_radii, &number, 2,
                                   200),
        CYAML_FIELD_SEQUENCE_COUNT("fluence", CYAML_FLAG_POINTER, sp_machine_source, fluence, n_fluence, &number, 2,
                                   200),
        CYAML_FIELD_SEQUENCE_COUNT("softening_g_cm2", CYAML_FLAG_POINTER, sp_machine_source, softening_g_cm2,
                                   n_softening, &number, 2, 200),
        CYAML_FIELD_MAPPING("extra_focal", CYAML_FLAG_DEFAULT, sp_machine_source, extra_focal, extra_focal_fields),
        CYAML_FIELD_MAPPING("electrons", CYAML_FLAG_DEFAULT, sp_machine_source, electrons, electron_fields),
        CYAML_FIELD_FLOAT("output_per_mm", CYAML_FLAG_DEFAULT, sp_machine_source, output_per_mm),
        CYAML_FIELD_END,
};

static const cyaml_schema_field_t jaw_fields[] = {
        CYAML_FIELD_FLOAT("x_distance_mm", CYAML_FLAG_DEFAULT, sp_machine_jaws, x_distance_mm),
        CYAML_FIELD_FLOAT("y_distance_mm", CYAML_FLAG_DEFAULT, sp_machine_jaws, y_distance_mm),
        CYAML_FIELD_FLOAT("transmission", CYAML_FLAG_DEFAULT, sp_machine_jaws, transmission),
        CYAML_FIELD_END,
};

static const cyaml_schema_field_t limit_fields[] = {
        CYAML_FIELD_FLOAT("gantry_speed_deg_s", CYAML_FLAG_DEFAULT, sp_machine_limits, gantry_speed_deg_s),
        CYAML_FIELD_FLOAT("collimator_speed_deg_s", CYAML_FLAG_DEFAULT, sp_machine_limits, collimator_speed_deg_s),
        CYAML_FIELD_FLOAT("couch_speed_deg_s", CYAML_FLAG_DEFAULT, sp_machine_limits, couch_speed_deg_s),
        CYAML_FIELD_FLOAT("jaw_speed_mm_s", CYAML_FLAG_DEFAULT, sp_machine_limits, jaw_speed_mm_s),
        CYAML_FIELD_FLOAT("max_dose_rate_mu_min", CYAML_FLAG_DEFAULT, sp_machine_limits, max_dose_rate_mu_min),
        CYAML_FIELD_FLOAT("min_mu_per_degree", CYAML_FLAG_DEFAULT, sp_machine_limits, min_mu_per_degree),
        CYAML_FIELD_FLOAT("max_mu_per_degree", CYAML_FLAG_DEFAULT, sp_machine_limits, max_mu_per_degree),
        CYAML_FIELD_FLOAT("min_mu_per_control_point", CYAML_FLAG_DEFAULT, sp_machine_limits, min_mu_per_control_point),
        CYAML_FIELD_SEQUENCE_FIXED("jaw_overtravel_mm", CYAML_FLAG_DEFAULT, sp_machine_limits, jaw_overtravel_mm,
                                   &number, 2),
        CYAML_FIELD_SEQUENCE_FIXED("max_field_mm", CYAML_FLAG_DEFAULT, sp_machine_limits, max_field_mm, &number, 2),
        CYAML_FIELD_FLOAT("mu_rounding", CYAML_FLAG_DEFAULT, sp_machine_limits, mu_rounding),
        CYAML_FIELD_UINT("max_control_points", CYAML_FLAG_DEFAULT, sp_machine_limits, max_control_points),
        CYAML_FIELD_END,
};

static const cyaml_schema_field_t reference_fields[] = {
        CYAML_FIELD_FLOAT("ssd_mm", CYAML_FLAG_DEFAULT, sp_machine_reference, ssd_mm),
        CYAML_FIELD_FLOAT("depth_mm", CYAML_FLAG_DEFAULT, sp_machine_reference, depth_mm),
        CYAML_FIELD_FLOAT("field_mm", CYAML_FLAG_DEFAULT, sp_machine_reference, field_mm),
        CYAML_FIELD_FLOAT("gy_per_mu", CYAML_FLAG_DEFAULT, sp_machine_reference, gy_per_mu),
        CYAML_FIELD_END,
};

static const cyaml_schema_field_t leaf_fields[] = {
        CYAML_FIELD_FLOAT("transmission", CYAML_FLAG_DEFAULT, sp_machine_leaves, transmission),
        CYAML_FIELD_FLOAT("leaf_gap_mm", CYAML_FLAG_DEFAULT, sp_machine_leaves, leaf_gap_mm),
        CYAML_FIELD_END,
};

static const cyaml_schema_field_t fields[] = {
        CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, sp_machine, name, 1, CYAML_UNLIMITED),
        CYAML_FIELD_FLOAT("energy_mv", CYAML_FLAG_DEFAULT, sp_machine, energy_mv),
        CYAML_FIELD_BOOL("flattened", CYAML_FLAG_DEFAULT, sp_machine, flattened),
        CYAML_FIELD_FLOAT("sad_mm", CYAML_FLAG_DEFAULT, sp_machine, sad_mm),
        CYAML_FIELD_SEQUENCE_FIXED("source_fwhm_mm", CYAML_FLAG_DEFAULT, sp_machine, source_fwhm_mm, &number, 2),
        CYAML_FIELD_FLOAT("collimator_mm", CYAML_FLAG_DEFAULT, sp_machine, collimator_mm),
        CYAML_FIELD_STRING_PTR("kernel", CYAML_FLAG_POINTER, sp_machine, kernel, 1, CYAML_UNLIMITED),
        CYAML_FIELD_FLOAT("fluence_per_mu_cm2", CYAML_FLAG_DEFAULT, sp_machine, fluence_per_mu_cm2),
        CYAML_FIELD_FLOAT("pencil_output", CYAML_FLAG_DEFAULT, sp_machine, pencil_output),
        CYAML_FIELD_STRING_PTR("mlc", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, sp_machine, mlc_name, 1,
                               CYAML_UNLIMITED),
        CYAML_FIELD_MAPPING_PTR("leaves", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, sp_machine, leaves, leaf_fields),
        CYAML_FIELD_MAPPING("source", CYAML_FLAG_DEFAULT, sp_machine, source, source_fields),
        CYAML_FIELD_MAPPING("jaws", CYAML_FLAG_DEFAULT, sp_machine, jaws, jaw_fields),
        CYAML_FIELD_MAPPING("limits", CYAML_FLAG_DEFAULT, sp_machine, limits, limit_fields),
        CYAML_FIELD_MAPPING("reference", CYAML_FLAG_DEFAULT, sp_machine, reference, reference_fields),
        CYAML_FIELD_END,
};

static const cyaml_schema_value_t schema = {CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, sp_machine, fields)};

static sp_status check_radii(const sp_machine_source *s, const char *path, sp_error *err)
{
	if (s->n_fluence != s->n_radii || s->n_softening != s->n_radii)
		return sp_fail(err, SP_BAD_INPUT,
		               "%s: source.radius_mm, fluence and softening_g_cm2 have %u, %u and %u numbers, expected "
		               "as many in each",
		               path, s->n_radii, s->n_fluence, s->n_softening);
	for (unsigned i = 0; i < s->n_radii; i++) {
		const sp_named_range of_radius[] = {
		        {"source.fluence", s->fluence[i], 1e-3, 100.0},
		        {"source.softening_g_cm2", s->softening_g_cm2[i], -200.0, 200.0},
		        {"source.radius_mm", s->radius_mm[i], i ? s->radius_mm[i - 1] + 0.1 : 0.0, i ? 1000.0 : 0.0},
		};
		sp_status st = sp_named_file_check(of_radius, 3, path, err);

		if (st != SP_OK)
			return st;
	}
	return SP_OK;
}

static sp_status check(const sp_machine *m, const char *path, sp_error *err)
{
	const sp_machine_limits *l = &m->limits;
	double nearest = fmin(m->jaws.x_distance_mm, m->jaws.y_distance_mm);
	const sp_named_range ranges[] = {
	        {"energy_mv", m->energy_mv, 1.0, 30.0},
	        {"sad_mm", m->sad_mm, 100.0, 10000.0},
	        {"source_fwhm_mm[0]", m->source_fwhm_mm[0], 0.0, 20.0},
	        {"source_fwhm_mm[1]", m->source_fwhm_mm[1], 0.0, 20.0},
	        {"collimator_mm", m->collimator_mm, 50.0, m->sad_mm},
	        {"fluence_per_mu_cm2", m->fluence_per_mu_cm2, 1e3, 1e15},
	        {"pencil_output", m->pencil_output, 0.8, 1.2},
	        {"source.spectrum.electron_mev", m->source.spectrum.electron_mev, 1.0, 29.0},
	        {"source.spectrum.shape", m->source.spectrum.shape, -1.99, 10.0},
	        {"source.spectrum.tungsten_g_cm2", m->source.spectrum.tungsten_g_cm2, 0.0, 100.0},
	        {"source.spectrum.aluminium_g_cm2", m->source.spectrum.aluminium_g_cm2, 0.0, 200.0},
	        {"source.extra_focal.distance_mm", m->source.extra_focal.distance_mm, 1.0, 0.9 * nearest},
	        {"source.extra_focal.sigma_mm", m->source.extra_focal.sigma_mm, 0.1, 100.0},
	        {"source.extra_focal.share", m->source.extra_focal.share, 0.0, 0.5},
	        {"source.extra_focal.aluminium_g_cm2", m->source.extra_focal.aluminium_g_cm2, -100.0, 100.0},
	        {"source.electrons.distance_mm", m->source.electrons.distance_mm, 1.0, 0.9 * nearest},
	        {"source.electrons.sigma_mm", m->source.electrons.sigma_mm, 0.1, 200.0},
	        {"source.electrons.share", m->source.electrons.share, 0.0, 0.5},
	        {"source.electrons.mean_mev", m->source.electrons.mean_mev, 0.1, 20.0},
	        {"source.output_per_mm", m->source.output_per_mm, -0.001, 0.001},
	        {"jaws.x_distance_mm", m->jaws.x_distance_mm, 50.0, 0.9 * m->sad_mm},
	        {"jaws.y_distance_mm", m->jaws.y_distance_mm, 50.0, 0.9 * m->sad_mm},
	        {"jaws.transmission", m->jaws.transmission, 0.0, 0.2},
	        {"limits.gantry_speed_deg_s", l->gantry_speed_deg_s, 0.1, 100.0},
	        {"limits.collimator_speed_deg_s", l->collimator_speed_deg_s, 0.1, 100.0},
	        {"limits.couch_speed_deg_s", l->couch_speed_deg_s, 0.1, 100.0},
	        {"limits.jaw_speed_mm_s", l->jaw_speed_mm_s, 1.0, 1000.0},
	        {"limits.max_dose_rate_mu_min", l->max_dose_rate_mu_min, 10.0, 100000.0},
	        {"limits.min_mu_per_degree", l->min_mu_per_degree, 0.0, 10.0},
	        {"limits.max_mu_per_degree", l->max_mu_per_degree, 1.0, 1000.0},
	        {"limits.min_mu_per_control_point", l->min_mu_per_control_point, 0.0, 10.0},
	        {"limits.jaw_overtravel_mm[0]", l->jaw_overtravel_mm[0], 0.0, 250.0},
	        {"limits.jaw_overtravel_mm[1]", l->jaw_overtravel_mm[1], 0.0, 250.0},
	        {"limits.max_field_mm[0]", l->max_field_mm[0], 10.0, 500.0},
	        {"limits.max_field_mm[1]", l->max_field_mm[1], 10.0, 500.0},
	        {"limits.mu_rounding", l->mu_rounding, 0.0, 10.0},
	        {"limits.max_control_points", l->max_control_points, 2.0, 100000.0},
	        {"reference.ssd_mm", m->reference.ssd_mm, 500.0, m->sad_mm},
	        {"reference.depth_mm", m->reference.depth_mm, 1.0, 400.0},
	        {"reference.field_mm", m->reference.field_mm, 10.0, 400.0},
	        {"reference.gy_per_mu", m->reference.gy_per_mu, 1e-4, 1.0},
	};

	sp_status st = check_radii(&m->source, path, err);

	return st == SP_OK ? sp_named_file_check(ranges, sizeof ranges / sizeof *ranges, path, err) : st;
}

/* The file's own numbers in place of the leaf file's. */
static sp_status own_leaves(sp_machine *m, const char *path, sp_error *err)
{
	const sp_named_range ranges[] = {
	        {"leaves.transmission", m->leaves->transmission, 1e-5, 0.2},
	        {"leaves.leaf_gap_mm", m->leaves->leaf_gap_mm, 0.0, 10.0},
	};
	sp_status st = sp_named_file_check(ranges, 2, path, err);

	if (st == SP_OK && !m->mlc)
		st = sp_fail(err, SP_BAD_INPUT, "%s: there is a key leaves, but no mlc whose leaves they are", path);
	if (st == SP_OK) {
		m->mlc->transmission = m->leaves->transmission;
		m->mlc->leaf_gap_mm = m->leaves->leaf_gap_mm;
	}
	return st;
}

sp_status sp_machine_read(sp_machine **out, const char *name_or_path, sp_error *err)
{
	void *loaded = NULL;
	char sha256[65];
	sp_machine *m;
	sp_status st = sp_named_file_load(&loaded, sha256, sp_machine_files, "machine", name_or_path, &schema, err);

	*out = NULL;
	m = loaded;
	if (st == SP_OK)
		st = check(m, name_or_path, err);
	if (st == SP_OK)
		memcpy(m->sha256, sha256, sizeof sha256);
	if (st == SP_OK && m->mlc_name)
		st = sp_machine_set_mlc(m, m->mlc_name, err);
	if (st == SP_OK && m->leaves)
		st = own_leaves(m, name_or_path, err);
	if (st == SP_OK) {
		*out = m;
		m = NULL;
	}
	sp_machine_destroy(m);
	return st;
}

double sp_machine_output(const sp_machine *m, const double jaws_mm[4])
{
	return 1.0 + m->source.output_per_mm * (jaws_mm[3] - jaws_mm[2] - m->reference.field_mm);
}

sp_status sp_machine_set_mlc(sp_machine *m, const char *name_or_path, sp_error *err)
{
	sp_mlc *mlc = NULL;
	sp_status st = sp_mlc_read(&mlc, name_or_path, err);

	if (st != SP_OK)
		return st;
	if (mlc->distance_mm >= 0.9 * m->sad_mm) {
		st = sp_fail(err, SP_BAD_INPUT, "%s: distance_mm is %g, too near the axis at %g mm of machine '%s'",
		             name_or_path, mlc->distance_mm, m->sad_mm, m->name);
		sp_mlc_destroy(mlc);
		return st;
	}
	sp_mlc_choose_beam(mlc, m->energy_mv, m->flattened);
	sp_mlc_destroy(m->mlc);
	m->mlc = mlc;
	return SP_OK;
}

void sp_machine_destroy(sp_machine *m)
{
	if (!m)
		return;
	sp_mlc_destroy(m->mlc);
	m->mlc = NULL;
	sp_yaml_free(&schema, m);
}
