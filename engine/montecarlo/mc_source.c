/* The source as the kernels read it. */
#include "mc_internal.h"

#include "alloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Steps of an additive sequence, in 1/2^32: found by a search for large products max(1,|h|) max(1,|k|) ||h a + k b||
 * over all pairs of dimensions and whole numbers h, k up to 48, so that no pair lines up. (Powers of one number do:
 * their pairs have small whole relations.) */
static const sp_u32 steps[SP_MC_DIMS] = {0x6308aa6d, 0x3e32ac4b, 0x3598b055, 0x178e12e1, 0x1280639f};

/* Mean of cos^3 over a rectangle: photons uniform per solid angle against uniform in the plane. */
static double mean_cos3(const sp_mc_opening *o, double distance)
{
	enum { STEPS = 200 };
	double sum = 0.0;

	for (int i = 0; i < STEPS; i++)
		for (int j = 0; j < STEPS; j++) {
			double x = o->x_mm + o->half_x_mm * ((2.0 * i + 1.0) / STEPS - 1.0),
			       y = o->y_mm + o->half_y_mm * ((2.0 * j + 1.0) / STEPS - 1.0);

			sum += pow(1.0 + (x * x + y * y) / (distance * distance), -1.5);
		}
	return sum / (STEPS * STEPS);
}

static void place(float out[4], const double in_mm[3], const double low_mm[3])
{
	for (int a = 0; a < 3; a++)
		out[a] = (float)(0.1 * (in_mm[a] - low_mm[a]));
	out[3] = 0.0f;
}

static void axis(float out[4], const double in[3])
{
	for (int a = 0; a < 3; a++)
		out[a] = (float)in[a];
	out[3] = 0.0f;
}

sp_status sp_mc_source_make(sp_mc_source_data *out, const sp_mc_particles *p, const double low_mm[3], sp_error *err)
{
	double sum = 0.0, so_far = 0.0;

	*out = (sp_mc_source_data){.head = {.n_rectangles = (sp_u32)p->n_openings, .electrons = p->electrons}};
	out->beams = sp_alloc_array(p->n_planes, sizeof *out->beams);
	out->rectangles = sp_alloc_array(p->n_openings, sizeof *out->rectangles);
	out->spectrum = sp_alloc_array(SP_MC_SPECTRUM + 1, sizeof *out->spectrum);
	if (!out->beams || !out->rectangles || !out->spectrum) {
		sp_mc_source_finish(out);
		return sp_fail(err, SP_NO_MEMORY, "no memory for a source of %zu openings", p->n_openings);
	}
	memcpy(out->alpha, steps, sizeof steps);
	for (size_t i = 0; i <= SP_MC_SPECTRUM; i++)
		out->spectrum[i] = (float)sp_spectrum_energy(p->spectrum, (double)i / SP_MC_SPECTRUM);
	for (size_t i = 0; i < p->n_planes; i++) {
		const sp_mc_plane *from = p->planes + i;
		sp_mc_beam *b = out->beams + i;
		double d2 = 0.0;

		place(b->source_cm, from->source_mm, low_mm);
		place(b->centre_cm, from->centre_mm, low_mm);
		axis(b->x_axis, from->x_axis);
		axis(b->y_axis, from->y_axis);
		axis(b->direction, from->direction);
		for (int a = 0; a < 3; a++)
			d2 += pow(from->centre_mm[a] - from->source_mm[a], 2.0);
		b->parallel = from->parallel;
		b->distance_cm = (float)(0.1 * sqrt(d2));
		b->isotropic = from->per_solid_angle ? (float)mean_cos3(p->openings, sqrt(d2)) : 0.0f;
	}
	for (size_t i = 0; i < p->n_openings; i++)
		sum += p->openings[i].weight;
	for (size_t i = 0; i < p->n_openings; i++) {
		const sp_mc_opening *o = p->openings + i;

		so_far += o->weight;
		out->rectangles[i] =
		        (sp_mc_rectangle){(float)(0.1 * o->x_mm),
		                          (float)(0.1 * o->y_mm),
		                          (float)(0.1 * o->half_x_mm),
		                          (float)(0.1 * o->half_y_mm),
		                          (sp_u32)o->plane,
		                          i + 1 == p->n_openings ? UINT32_MAX : (sp_u32)(so_far / sum * 4294967295.0),
		                          {0, 0}};
	}
	return SP_OK;
}

void sp_mc_source_finish(sp_mc_source_data *s)
{
	free(s->beams);
	free(s->rectangles);
	free(s->spectrum);
	*s = (sp_mc_source_data){0};
}
