#include "parameters.h"

#include "alloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RADIUS_STEP_MM 50.0

/* Widths: about what published models of machines of one class lie apart (spots 1 to 2 mm, extra-focal shares 5 to 12
 * %, electron energies a few tenths of an MeV, leaf gaps and transmissions as docs/machines.md has them). */
const sp_fit_parameter sp_fit_parameters[SP_FIT_PARAMETERS] = {
        [SP_FIT_ELECTRON_MEV] = {"source.spectrum.electron_mev", 0.4, 1.5, 28.0},
        [SP_FIT_SPOT_X] = {"source_fwhm_mm[0]", 0.6, 0.2, 8.0},
        [SP_FIT_SPOT_Y] = {"source_fwhm_mm[1]", 0.6, 0.2, 8.0},
        [SP_FIT_SHARE] = {"source.extra_focal.share", 0.03, 0.0, 0.4},
        [SP_FIT_FLUENCE_50] = {"source.fluence at 50 mm", 0.03, 0.3, 3.0},
        [SP_FIT_FLUENCE_100] = {"source.fluence at 100 mm", 0.03, 0.3, 3.0},
        [SP_FIT_FLUENCE_150] = {"source.fluence at 150 mm", 0.03, 0.3, 3.0},
        [SP_FIT_FLUENCE_200] = {"source.fluence at 200 mm", 0.03, 0.3, 3.0},
        [SP_FIT_ELECTRONS] = {"source.electrons.share", 0.002, 0.0, 0.1},
        [SP_FIT_OUTPUT_PER_MM] = {"source.output_per_mm", 5e-5, -9e-4, 9e-4},
        [SP_FIT_SIGMA] = {"source.extra_focal.sigma_mm", 6.0, 2.0, 80.0},
        [SP_FIT_ALUMINIUM] = {"source.spectrum.aluminium_g_cm2", 6.0, 0.0, 190.0},
        [SP_FIT_LEAF_GAP] = {"leaves.leaf_gap_mm", 0.6, 0.0, 8.0},
        [SP_FIT_TRANSMISSION] = {"leaves.transmission", 0.006, 2e-5, 0.15},
};

void sp_fit_values(double out[SP_FIT_PARAMETERS], const sp_machine *m)
{
	const sp_machine_source *s = &m->source;

	out[SP_FIT_ELECTRON_MEV] = s->spectrum.electron_mev;
	out[SP_FIT_ALUMINIUM] = s->spectrum.aluminium_g_cm2;
	out[SP_FIT_SPOT_X] = m->source_fwhm_mm[0];
	out[SP_FIT_SPOT_Y] = m->source_fwhm_mm[1];
	out[SP_FIT_SHARE] = s->extra_focal.share;
	out[SP_FIT_SIGMA] = s->extra_focal.sigma_mm;
	for (int i = SP_FIT_FLUENCE_50; i <= SP_FIT_FLUENCE_200; i++)
		out[i] = 1.0;
	out[SP_FIT_ELECTRONS] = s->electrons.share;
	out[SP_FIT_OUTPUT_PER_MM] = s->output_per_mm;
	out[SP_FIT_LEAF_GAP] = m->mlc ? m->mlc->leaf_gap_mm : 0.0;
	out[SP_FIT_TRANSMISSION] = m->mlc ? m->mlc->transmission : 0.0;
}

/* What is not fitted stays as it is, also where it lies outside the range of the fit. */
static double in_range(const double values[SP_FIT_PARAMETERS], const int free[SP_FIT_PARAMETERS], int i)
{
	if (!free[i])
		return values[i];
	return fmin(fmax(values[i], sp_fit_parameters[i].low), sp_fit_parameters[i].high);
}

/* What the fluence at a radius is multiplied by: 1 on the axis, linear between the radii that are fitted, and beyond
 * the last of them as there. */
static double fluence_factor(double radius_mm, const double values[SP_FIT_PARAMETERS],
                             const int free[SP_FIT_PARAMETERS])
{
	double before_mm = 0.0, before = 1.0;

	for (int i = SP_FIT_FLUENCE_50; i <= SP_FIT_FLUENCE_200; i++) {
		double at_mm = RADIUS_STEP_MM * (i - SP_FIT_FLUENCE_50 + 1), at = in_range(values, free, i);

		if (!free[i])
			continue;
		if (radius_mm < at_mm)
			return before + (at - before) * (radius_mm - before_mm) / (at_mm - before_mm);
		before_mm = at_mm;
		before = at;
	}
	return before;
}

void sp_fit_apply(sp_fit_machine *f, const double values[SP_FIT_PARAMETERS], const int free[SP_FIT_PARAMETERS])
{
	sp_machine *m = f->m;
	sp_machine_source *s = &m->source;

	s->spectrum.electron_mev = in_range(values, free, SP_FIT_ELECTRON_MEV);
	s->spectrum.aluminium_g_cm2 = in_range(values, free, SP_FIT_ALUMINIUM);
	m->source_fwhm_mm[0] = in_range(values, free, SP_FIT_SPOT_X);
	m->source_fwhm_mm[1] = in_range(values, free, SP_FIT_SPOT_Y);
	s->extra_focal.share = in_range(values, free, SP_FIT_SHARE);
	s->extra_focal.sigma_mm = in_range(values, free, SP_FIT_SIGMA);
	for (unsigned i = 0; i < s->n_radii; i++)
		s->fluence[i] = f->fluence[i] * fluence_factor(s->radius_mm[i], values, free);
	s->electrons.share = in_range(values, free, SP_FIT_ELECTRONS);
	s->output_per_mm = in_range(values, free, SP_FIT_OUTPUT_PER_MM);
	if (m->mlc && m->leaves) {
		m->leaves->leaf_gap_mm = m->mlc->leaf_gap_mm = in_range(values, free, SP_FIT_LEAF_GAP);
		m->leaves->transmission = m->mlc->transmission = in_range(values, free, SP_FIT_TRANSMISSION);
	}
}

sp_status sp_fit_machine_make(sp_fit_machine *out, const char *name_or_path, sp_error *err)
{
	sp_machine *m = NULL;
	char *kernel = strdup("superposed");
	sp_status st;

	*out = (sp_fit_machine){0};
	if (!kernel)
		return sp_fail(err, SP_NO_MEMORY, "no memory for a machine");
	if ((st = sp_machine_read(&m, name_or_path, err)) != SP_OK) {
		free(kernel);
		return st;
	}
	out->m = m;
	free(m->kernel);
	m->kernel = kernel;
	out->fluence = sp_alloc_array(m->source.n_radii, sizeof *out->fluence);
	if (m->mlc && !m->leaves)
		m->leaves = sp_alloc_array(1, sizeof *m->leaves);
	if (!out->fluence || (m->mlc && !m->leaves)) {
		sp_fit_machine_finish(out);
		return sp_fail(err, SP_NO_MEMORY, "no memory for a machine");
	}
	memcpy(out->fluence, m->source.fluence, m->source.n_radii * sizeof *out->fluence);
	if (m->mlc)
		*m->leaves = (sp_machine_leaves){m->mlc->transmission, m->mlc->leaf_gap_mm};
	return SP_OK;
}

void sp_fit_machine_finish(sp_fit_machine *f)
{
	sp_machine_destroy(f->m);
	free(f->fluence);
	*f = (sp_fit_machine){0};
}
