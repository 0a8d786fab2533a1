#include "open_field.h"

#include "alloc.h"

#include <math.h>
#include <stdlib.h>

#define SAD_MM 1000.0

/* The largest of these that tiles the field. Which one makes no difference to the dose but through the weights, which
 * are constant over a bixel and fall by less than 1 % from the axis to the edge of a 100 mm field. */
static const double bixel_sizes_mm[] = {5.0, 4.0, 3.0, 2.5, 2.0, 1.0, 0.5};

static double choose_bixel(const double field_mm[2])
{
	for (size_t i = 0; i < sizeof bixel_sizes_mm / sizeof *bixel_sizes_mm; i++) {
		double nx = field_mm[0] / bixel_sizes_mm[i], ny = field_mm[1] / bixel_sizes_mm[i];

		if (fabs(nx - round(nx)) < 1e-9 && fabs(ny - round(ny)) < 1e-9)
			return bixel_sizes_mm[i];
	}
	return 0.0;
}

sp_status sp_open_field_make(sp_beam_set **out, double **weights_out, const sp_open_field *f, const sp_machine *machine,
                             sp_error *err)
{
	/* Gantry and couch at 90 degrees bring the source to the feet; with the collimator at 90 too, the beam's x axis
	 * is the patient's. */
	const sp_beam_setup setup = {90.0, 90.0, 90.0, {0.0, 0.0, SAD_MM - f->ssd_mm}};
	const double x = 0.5 * f->field_mm[0], y = 0.5 * f->field_mm[1], edges[4] = {-x, x, -y, y};
	double bixel_mm = choose_bixel(f->field_mm), sum = 0.0, per_photon;
	sp_beam_set *set = NULL;
	double *weights = NULL;
	sp_status st;

	*out = NULL;
	*weights_out = NULL;
	if (!(f->ssd_mm >= 200.0 && f->ssd_mm <= 10000.0))
		return sp_fail(err, SP_BAD_INPUT, "the source-surface distance is %g mm, expected 200 to 10000",
		               f->ssd_mm);
	if (!(f->field_mm[0] > 0.0 && f->field_mm[0] <= 400.0 && f->field_mm[1] > 0.0 && f->field_mm[1] <= 400.0) ||
	    bixel_mm == 0.0)
		return sp_fail(err, SP_BAD_INPUT,
		               "the field is %g x %g mm, expected whole multiples of 0.5 mm up to 400 mm",
		               f->field_mm[0], f->field_mm[1]);
	if ((st = sp_beam_set_rectangle(&set, &setup, SAD_MM, "HFS", bixel_mm, edges, err)) != SP_OK)
		return st;
	if (!(weights = sp_alloc_array(set->n_bixels, sizeof *weights))) {
		sp_beam_set_destroy(set);
		return sp_fail(err, SP_NO_MEMORY, "no memory for %zu bixels", set->n_bixels);
	}
	/* Photons per area of a plane fall as the cube of the cosine when they are uniform per solid angle. */
	for (size_t i = 0; i < set->n_bixels; i++) {
		double bx = (double)set->beams[0].x_mm[i], by = (double)set->beams[0].y_mm[i];

		weights[i] = pow(1.0 + (bx * bx + by * by) / (SAD_MM * SAD_MM), -1.5);
		sum += weights[i];
	}
	per_photon = 1.0 / (sum * machine->fluence_per_mu_cm2 * bixel_mm * bixel_mm * 0.01 /* cm2 in mm2 */);
	for (size_t i = 0; i < set->n_bixels; i++)
		weights[i] *= per_photon;
	*out = set;
	*weights_out = weights;
	return SP_OK;
}
