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

static void fill_spectrum(float out[SP_MC_SPECTRUM + 1], const sp_spectrum *s)
{
	for (size_t i = 0; i <= SP_MC_SPECTRUM; i++)
		out[i] = (float)sp_spectrum_energy(s, (double)i / SP_MC_SPECTRUM);
}

static sp_status reserve(sp_mc_source_data *s, sp_error *err)
{
	s->beams = sp_alloc_array(s->n_beams, sizeof *s->beams);
	s->rectangles = sp_alloc_array(s->n_rectangles, sizeof *s->rectangles);
	s->spectrum = sp_alloc_array(s->n_spectra * (SP_MC_SPECTRUM + 1), sizeof *s->spectrum);
	s->intervals = sp_alloc_array(s->n_intervals, sizeof *s->intervals);
	s->numbers = sp_alloc_array(s->n_numbers, sizeof *s->numbers);
	if (s->beams && s->rectangles && s->spectrum && s->intervals && s->numbers)
		return SP_OK;
	sp_mc_source_finish(s);
	return sp_fail(err, SP_NO_MEMORY, "no memory for a source of %zu openings", s->n_rectangles);
}

static void fill_head(sp_mc_source_data *out, const sp_mc_head_source *h, const double low_mm[3])
{
	out->machine = h->head;
	memcpy(out->numbers, h->numbers, h->n_numbers * sizeof *h->numbers);
	for (size_t i = 0; i < h->n_intervals; i++) {
		out->intervals[i] = h->intervals[i];
		place(out->intervals[i].isocentre, h->isocentres_mm + 3 * i, low_mm);
	}
	for (size_t i = 0; i < h->n_spectra; i++)
		fill_spectrum(out->spectrum + i * (SP_MC_SPECTRUM + 1), h->spectra + i);
}

static void fill_beams(sp_mc_source_data *out, const sp_mc_particles *p, const double low_mm[3])
{
	fill_spectrum(out->spectrum, p->spectrum);
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
}

sp_status sp_mc_source_make(sp_mc_source_data *out, const sp_mc_particles *p, const double low_mm[3], sp_error *err)
{
	const sp_mc_head_source *h = p->head;
	const sp_mc_opening *openings = h ? h->openings : p->openings;
	size_t n = h ? h->n_openings : p->n_openings;
	double sum = 0.0, so_far = 0.0;
	sp_status st;

	*out = (sp_mc_source_data){.head = {.n_rectangles = (sp_u32)n, .electrons = p->electrons},
	                           .n_rectangles = n,
	                           .n_beams = h ? 1 : p->n_planes,
	                           .n_spectra = h ? h->n_spectra : 1,
	                           .n_intervals = h ? h->n_intervals : 1,
	                           .n_numbers = h ? h->n_numbers : 1};
	if ((st = reserve(out, err)) != SP_OK)
		return st;
	memcpy(out->alpha, steps, sizeof steps);
	if (h)
		fill_head(out, h, low_mm);
	else
		fill_beams(out, p, low_mm);
	for (size_t i = 0; i < n; i++)
		sum += openings[i].weight;
	for (size_t i = 0; i < n; i++) {
		const sp_mc_opening *o = openings + i;

		so_far += o->weight;
		out->rectangles[i] = (sp_mc_rectangle){(float)(0.1 * o->x_mm),
		                                       (float)(0.1 * o->y_mm),
		                                       (float)(0.1 * o->half_x_mm),
		                                       (float)(0.1 * o->half_y_mm),
		                                       (sp_u32)o->plane,
		                                       i + 1 == n ? UINT32_MAX : (sp_u32)(so_far / sum * 4294967295.0),
		                                       o->kind,
		                                       0};
	}
	return SP_OK;
}

void sp_mc_source_finish(sp_mc_source_data *s)
{
	free(s->beams);
	free(s->rectangles);
	free(s->spectrum);
	free(s->intervals);
	free(s->numbers);
	*s = (sp_mc_source_data){0};
}
