/* IEC 61217 angles and the DICOM patient position to a beam's own axes in the patient. */
#include "beam.h"

#include <math.h>
#include <string.h>

/* The patient support's axes (IEC 61217: x to the right of someone who faces the gantry, y to the gantry, z up)
 * written in LPS for each patient position: support x = sign[0] * L, y = sign[1] * S, z = sign[2] * P. */
typedef struct {
	const char *name;
	double sign[3];
} position;

static const position positions[] = {
        {"HFS", {+1.0, +1.0, -1.0}},
        {"HFP", {-1.0, +1.0, +1.0}},
        {"FFS", {-1.0, -1.0, -1.0}},
        {"FFP", {+1.0, -1.0, +1.0}},
};

static double radians(double deg)
{
	return deg * (3.14159265358979323846 / 180.0);
}

/* Fixed-system vector to LPS: into the support, which is turned by the couch angle about z, then into the patient. */
static void fixed_to_lps(double out[3], const double fixed[3], double couch_deg, const double sign[3])
{
	double c = cos(radians(couch_deg)), s = sin(radians(couch_deg));
	double x = c * fixed[0] + s * fixed[1], y = -s * fixed[0] + c * fixed[1], z = fixed[2];

	out[0] = sign[0] * x;
	out[1] = sign[2] * z;
	out[2] = sign[1] * y;
}

sp_status sp_beam_frame_make(sp_beam_frame *out, const sp_beam_setup *setup, double sad_mm,
                             const char *patient_position, sp_error *err)
{
	const position *p = NULL;
	double cg = cos(radians(setup->gantry_deg)), sg = sin(radians(setup->gantry_deg));
	double cb = cos(radians(setup->collimator_deg)), sb = sin(radians(setup->collimator_deg));
	/* The gantry turns about the fixed y axis and carries x to (cos, 0, -sin), z to (sin, 0, cos); the collimator
	 * turns about that z, counterclockwise as the source sees it. */
	double x_fixed[3] = {cb * cg, sb, -cb * sg};
	double y_fixed[3] = {-sb * cg, cb, sb * sg};
	double z_fixed[3] = {sg, 0.0, cg};

	for (size_t i = 0; i < sizeof positions / sizeof positions[0] && !p; i++)
		if (patient_position && strcmp(patient_position, positions[i].name) == 0)
			p = &positions[i];
	if (!p)
		return sp_fail(err, SP_BAD_INPUT, "patient position is '%s', expected HFS, HFP, FFS or FFP",
		               patient_position ? patient_position : "");
	if (!isfinite(setup->gantry_deg) || !isfinite(setup->collimator_deg) || !isfinite(setup->couch_deg) ||
	    !isfinite(setup->isocentre_mm[0]) || !isfinite(setup->isocentre_mm[1]) || !isfinite(setup->isocentre_mm[2]))
		return sp_fail(err, SP_BAD_INPUT, "a beam's angles or isocentre are not finite numbers");
	if (!(sad_mm > 0.0) || !isfinite(sad_mm))
		return sp_fail(err, SP_BAD_INPUT, "source-axis distance is %g mm, expected > 0", sad_mm);

	fixed_to_lps(out->x_axis, x_fixed, setup->couch_deg, p->sign);
	fixed_to_lps(out->y_axis, y_fixed, setup->couch_deg, p->sign);
	fixed_to_lps(out->towards_source, z_fixed, setup->couch_deg, p->sign);
	out->sad_mm = sad_mm;
	for (int i = 0; i < 3; i++) {
		out->isocentre_mm[i] = setup->isocentre_mm[i];
		out->source_mm[i] = setup->isocentre_mm[i] + sad_mm * out->towards_source[i];
	}
	return SP_OK;
}

void sp_beam_project(double *x_mm, double *y_mm, double *axial_mm, const sp_beam_frame *f, const double point_mm[3])
{
	double x = 0.0, y = 0.0, z = 0.0;

	for (int i = 0; i < 3; i++) {
		double d = point_mm[i] - f->isocentre_mm[i];

		x += d * f->x_axis[i];
		y += d * f->y_axis[i];
		z += d * f->towards_source[i];
	}
	*axial_mm = f->sad_mm - z;
	*x_mm = x * f->sad_mm / *axial_mm;
	*y_mm = y * f->sad_mm / *axial_mm;
}
