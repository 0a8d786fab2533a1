#include "mc_beams.h"

#include "alloc.h"
#include "mc_head.h"

#include <stdlib.h>
#include <string.h>

#define SAD_MM 1000.0

static sp_status reserve(sp_mc_beams *b, size_t n_planes, size_t n_openings, sp_error *err)
{
	*b = (sp_mc_beams){.n_planes = n_planes, .n_openings = n_openings};
	b->planes = sp_alloc_array(n_planes, sizeof *b->planes);
	b->openings = sp_alloc_array(n_openings, sizeof *b->openings);
	if (b->planes && b->openings)
		return SP_OK;
	sp_mc_beams_finish(b);
	return sp_fail(err, SP_NO_MEMORY, "no memory for a source of %zu openings", n_openings);
}

void sp_mc_beams_finish(sp_mc_beams *b)
{
	free(b->planes);
	free(b->openings);
	if (b->head)
		sp_mc_head_finish(b->head);
	free(b->head);
	*b = (sp_mc_beams){0};
}

sp_status sp_mc_beams_of_plan(sp_mc_beams *out, const sp_beam_set *set, const double *weights,
                              double fluence_per_mu_cm2, sp_error *err)
{
	const double half = 0.5 * set->bixel_mm;
	double sum = 0.0;
	size_t n = 0;
	sp_status st;

	for (size_t i = 0; i < set->n_bixels; i++)
		n += weights[i] > 0.0;
	if (n == 0)
		return sp_fail(err, SP_BAD_INPUT, "all %zu bixel weights are 0: there is no dose to compute",
		               set->n_bixels);
	if ((st = reserve(out, set->n_beams, n, err)) != SP_OK)
		return st;
	n = 0;
	for (size_t b = 0; b < set->n_beams; b++) {
		const sp_beam *beam = set->beams + b;
		sp_mc_plane *p = out->planes + b;

		memcpy(p->source_mm, beam->frame.source_mm, sizeof p->source_mm);
		memcpy(p->centre_mm, beam->frame.isocentre_mm, sizeof p->centre_mm);
		memcpy(p->x_axis, beam->frame.x_axis, sizeof p->x_axis);
		memcpy(p->y_axis, beam->frame.y_axis, sizeof p->y_axis);
		for (int a = 0; a < 3; a++)
			p->direction[a] = -beam->frame.towards_source[a];
		for (size_t i = 0; i < beam->n_bixels; i++) {
			double weight = weights[beam->first_bixel + i];

			if (!(weight > 0.0))
				continue;
			sum += weight;
			out->openings[n++] =
			        (sp_mc_opening){b, (double)beam->x_mm[i], (double)beam->y_mm[i], half, half, weight, 0};
		}
	}
	out->particles = sum * fluence_per_mu_cm2 * set->bixel_mm * set->bixel_mm * 0.01; /* cm2 in mm2 */
	return SP_OK;
}

sp_status sp_mc_beams_of_field(sp_mc_beams *out, double ssd_mm, const double field_mm[2], double start_mm,
                               sp_error *err)
{
	bool parallel = ssd_mm < 0.0;
	sp_status st = reserve(out, 1, 1, err);

	if (st != SP_OK)
		return st;
	out->planes[0] = (sp_mc_plane){.parallel = parallel,
	                               .per_solid_angle = !parallel,
	                               .source_mm = {0.0, 0.0, -ssd_mm},
	                               .centre_mm = {0.0, 0.0, parallel ? start_mm : SAD_MM - ssd_mm},
	                               .x_axis = {1.0, 0.0, 0.0},
	                               .y_axis = {0.0, 1.0, 0.0},
	                               .direction = {0.0, 0.0, 1.0}};
	out->openings[0] = (sp_mc_opening){0, 0.0, 0.0, 0.5 * field_mm[0], 0.5 * field_mm[1], 1.0, 0};
	out->particles = 1.0;
	return SP_OK;
}

sp_status sp_mc_beams_of_delivery(sp_mc_beams *out, const sp_delivery *delivery, const sp_machine *machine,
                                  const char *patient_position, const sp_matter *matter, sp_error *err)
{
	sp_status st;

	*out = (sp_mc_beams){.head = sp_alloc_array(1, sizeof *out->head)};
	if (!out->head)
		return sp_fail(err, SP_NO_MEMORY, "no memory for a source");
	if ((st = sp_mc_head_make(out->head, machine, delivery, patient_position, matter, err)) != SP_OK) {
		sp_mc_beams_finish(out);
		return st;
	}
	out->particles = out->head->particles;
	return SP_OK;
}
