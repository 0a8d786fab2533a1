#include "plan_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "evaluate.h"
#include "mask.h"
#include "solid_fixture.h"

static const sp_grid ct = {{50, 44, 40}, {2.0, 2.2, 2.5}, {-48.5, -70.1, 12.5}};
static const sp_grid dose_grid = {{30, 27, 24}, {3.0, 3.3, 3.5}, {-45.7, -66.6, 15.2}};

void plan_fixture_make(plan_fixture *f, const char *protocol)
{
	const double ptv_mm[2] = {12, -20}, cord_mm[2] = {-12, -20};
	const sp_beam_setup setups[2] = {{0, 10, 0, {12, -20, 60}}, {130, 0, 0, {12, -20, 60}}};
	/* 24 Gy at x = 6 mm, 1 Gy/mm: the cord (x -17 to -7) gets 1 to 11 Gy, the target (x 2 to 22) 20 to 40 */
	const double linear[] = {18, 1, 0, 0};
	float *fraction = malloc(sp_grid_voxels(&dose_grid) * sizeof *fraction);
	sp_protocol *p = NULL;
	sp_error err = {0};

	memset(f, 0, sizeof *f);
	f->c = solid_case(&ct);
	f->c->hu[5] = -321;
	strcpy(f->c->patient_position, "HFS");
	solid_add(f->c, "BODY", SP_ROLE_EXTERNAL, (double[]){0, -25}, 15, 105, 2.5, solid_cylinder, (double[]){0, 40});
	solid_add(f->c, "PTV 24", SP_ROLE_PTV, ptv_mm, 50, 70, 2.5, solid_cylinder, (double[]){0, 10});
	solid_add(f->c, "SpinalCord", SP_ROLE_CORD, cord_mm, 30, 90, 2.5, solid_cylinder, (double[]){0, 5});
	f->c->prescription.present = true;
	f->c->prescription.dose_gy = 24;
	f->c->prescription.fractions = 2;
	if (protocol)
		f->c->prescription.protocol = strdup(protocol);
	assert_int_equal(sp_structure_fractions(fraction, &f->c->structures[1], &ct, &dose_grid, &err), SP_OK);
	assert_int_equal(sp_beam_set_cover(&f->beams, setups, 2, 1000, "HFS", 5, fraction, &dose_grid, 3, &err), SP_OK);
	free(fraction);
	f->weights = calloc(f->beams->n_bixels, sizeof *f->weights);
	for (size_t i = 0; i < f->beams->n_bixels; i++)
		f->weights[i] = 0.25 * (double)(i % 5);
	f->dose = solid_dose(&dose_grid, solid_linear_dose, linear);
	for (size_t i = 0; i < sp_grid_voxels(&dose_grid); i++)
		f->dose[i] = f->dose[i] > 0.0f ? f->dose[i] : 0.0f;
	if (protocol)
		assert_int_equal(sp_protocol_read(&p, protocol, &err), SP_OK);
	assert_int_equal(sp_evaluate(&f->evaluation, f->c, &dose_grid, f->dose, p, &err), SP_OK);
	sp_protocol_destroy(p);
	f->provenance =
	        json_pack("{s:s, s:i, s:{s:f}}", "version", "spineplan test", "seed", 7, "seconds", "optimise", 1.5);
	f->plan = (sp_plan){.c = f->c,
	                    .technique = "fluence",
	                    .machine = "generic-6mv",
	                    .beams = f->beams,
	                    .weights = f->weights,
	                    .dose_grid = dose_grid,
	                    .dose_gy = f->dose,
	                    .evaluation = f->evaluation,
	                    .provenance = f->provenance};
}

void plan_fixture_finish(plan_fixture *f)
{
	sp_case_destroy(f->c);
	sp_beam_set_destroy(f->beams);
	free(f->weights);
	free(f->dose);
	json_decref(f->evaluation);
	json_decref(f->provenance);
}
