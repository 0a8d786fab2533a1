/* Beams as the kernels see them: lattice of bixels, segments, and the fan of rays that carries depth. */
#include "pencil_internal.h"

#include "alloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SIGMA_PER_FWHM 0.42466090014400953 /* 1 / (2 sqrt(2 ln 2)) */

/* Rays and sheets lie as close as the dose grid asks, within these bounds: below 1 mm a CT has nothing to show, above
 * 2 mm bone edges blur. */
#define FINEST_STEP_MM 1.0
#define COARSEST_STEP_MM 2.0

/* A voxel nearer to the source than this is outside any patient and would give a fan without bounds. */
#define NEAREST_AXIAL_MM 100.0

typedef struct {
	double low[3], high[3]; /* x, y in the isocentre plane, distance from the source along the axis */
} reach_box;

/* Bounds of a grid's outer box as the beam sees it: its corners' bounds, since the box is convex and in front. */
static reach_box box_seen(const sp_beam_frame *f, const sp_grid *g)
{
	reach_box box = {{INFINITY, INFINITY, INFINITY}, {-INFINITY, -INFINITY, -INFINITY}};

	for (int c = 0; c < 8; c++) {
		double point[3], seen[3];

		for (int a = 0; a < 3; a++)
			point[a] = c >> a & 1 ? sp_grid_high_edge_mm(g, a) : sp_grid_low_edge_mm(g, a);
		sp_beam_project(&seen[0], &seen[1], &seen[2], f, point);
		for (int a = 0; a < 3; a++) {
			box.low[a] = fmin(box.low[a], seen[a]);
			box.high[a] = fmax(box.high[a], seen[a]);
		}
	}
	return box;
}

static sp_status lay_out_fan(sp_pencil_beam *b, const sp_beam *beam, const sp_grid *ct, const sp_grid *dose_grid,
                             double bixel_mm, double reach_mm, sp_error *err)
{
	reach_box dose = box_seen(&beam->frame, dose_grid), patient = box_seen(&beam->frame, ct);
	const double *s = dose_grid->spacing_mm;
	double step = fmin(fmax(fmin(s[0], fmin(s[1], s[2])), FINEST_STEP_MM), COARSEST_STEP_MM), first, last;
	double field_low[2] = {b->bixel_x_mm, b->bixel_y_mm};
	double places[2] = {(double)b->columns, (double)b->rows};

	if (dose.low[2] < NEAREST_AXIAL_MM || patient.low[2] < NEAREST_AXIAL_MM)
		return sp_fail(err, SP_BAD_INPUT,
		               "the beam at gantry %g has its source inside the image or close to it; check the "
		               "isocentre",
		               beam->setup.gantry_deg);
	for (int a = 0; a < 2; a++) {
		double low = fmax(fmax(dose.low[a], patient.low[a]), field_low[a] - 0.5 * bixel_mm - reach_mm);
		double high = fmin(fmin(dose.high[a], patient.high[a]),
		                   field_low[a] + (places[a] - 0.5) * bixel_mm + reach_mm);

		first = floor(low / step) * step;
		b->fan_n[a] = high > low ? (sp_u32)ceil((high - first) / step) + 1 : 2;
		if (a == 0)
			b->fan_x_mm = (float)first;
		else
			b->fan_y_mm = (float)first;
	}
	b->fan_step_mm = (float)step;
	b->sheet_step_mm = (float)step;
	first = floor(patient.low[2] / step) * step;
	last = fmax(fmin(dose.high[2], patient.high[2]), first + step);
	b->fan_axial_mm = (float)first;
	b->sheets = (sp_u32)ceil((last - first) / step) + 1;
	return SP_OK;
}

static sp_status lay_out_bixels(sp_pencil_layout *l, sp_pencil_beam *b, const sp_beam *beam, double bixel_mm,
                                sp_error *err)
{
	double x0 = INFINITY, x1 = -INFINITY, y0, y1;

	if (beam->n_bixels == 0)
		return sp_fail(err, SP_BAD_INPUT, "the beam at gantry %g has no bixels", beam->setup.gantry_deg);
	for (size_t i = 0; i < beam->n_bixels; i++) {
		x0 = fmin(x0, (double)beam->x_mm[i]);
		x1 = fmax(x1, (double)beam->x_mm[i]);
	}
	y0 = (double)beam->row_y_mm[0];
	y1 = (double)beam->row_y_mm[beam->n_rows - 1];
	b->bixel_mm = (float)bixel_mm;
	b->bixel_x_mm = (float)x0;
	b->bixel_y_mm = (float)y0;
	b->columns = (sp_u32)lround((x1 - x0) / bixel_mm) + 1;
	b->rows = (sp_u32)lround((y1 - y0) / bixel_mm) + 1;
	b->first_row_segment = (sp_u32)l->n_first;
	for (size_t k = 0, r = 0; k < b->rows; k++) {
		l->first_segment[l->n_first++] = (uint32_t)l->n_segments;
		if (r >= beam->n_rows || lround(((double)beam->row_y_mm[r] - y0) / bixel_mm) != (long)k)
			continue;
		for (size_t i = beam->row_first[r]; i < beam->row_first[r + 1]; i++) {
			sp_u32 column = (sp_u32)lround(((double)beam->x_mm[i] - x0) / bixel_mm);
			sp_pencil_segment *last = i > beam->row_first[r] ? &l->segments[l->n_segments - 1] : NULL;

			if (last && last->column + last->count == column) {
				last->count++;
				continue;
			}
			l->segments[l->n_segments++] =
			        (sp_pencil_segment){column, 1, (sp_u32)(beam->first_bixel + i), 0};
		}
		r++;
	}
	l->first_segment[l->n_first++] = (uint32_t)l->n_segments;
	return SP_OK;
}

static void set_vector(float out[4], const double v[3])
{
	for (int a = 0; a < 3; a++)
		out[a] = (float)v[a];
	out[3] = 0.0f;
}

/* Variance of a box of uniform density along a direction. */
static double box_variance(const double direction[3], const double size_mm[3])
{
	double sum = 0.0;

	for (int a = 0; a < 3; a++)
		sum += direction[a] * direction[a] * size_mm[a] * size_mm[a];
	return sum / 12.0;
}

/* Rows of all lattices, gaps counted, for the size of first_segment. */
static size_t count_lattice_rows(const sp_beam_set *set)
{
	size_t n = 0;

	for (size_t i = 0; i < set->n_beams; i++) {
		const sp_beam *b = &set->beams[i];

		if (b->n_rows > 0)
			n += (size_t)lround((double)(b->row_y_mm[b->n_rows - 1] - b->row_y_mm[0]) / set->bixel_mm) + 2;
	}
	return n;
}

sp_status sp_pencil_layout_make(sp_pencil_layout *out, const sp_pencil *p, const sp_beam_set *set,
                                const sp_grid *dose_grid, double reach_mm, sp_error *err)
{
	sp_pencil_layout l = {.n_beams = set->n_beams};
	sp_status st = SP_OK;

	*out = (sp_pencil_layout){0};
	if (set->n_bixels == 0 || set->n_bixels >= UINT32_MAX || sp_grid_voxels(dose_grid) >= UINT32_MAX)
		return sp_fail(err, SP_BAD_INPUT, "%zu bixels and %zu dose voxels cannot be planned with",
		               set->n_bixels, sp_grid_voxels(dose_grid));
	l.beams = sp_alloc_array(set->n_beams, sizeof *l.beams);
	l.segments = sp_alloc_array(set->n_bixels, sizeof *l.segments);
	l.first_segment = sp_alloc_array(count_lattice_rows(set), sizeof *l.first_segment);
	if (!l.beams || !l.segments || !l.first_segment) {
		st = sp_fail(err, SP_NO_MEMORY, "no memory for the layout of %zu beams", set->n_beams);
		goto cleanup;
	}
	for (size_t i = 0; i < set->n_beams; i++) {
		const sp_beam *beam = &set->beams[i];
		sp_pencil_beam *b = &l.beams[i];
		size_t fan_bytes;

		set_vector(b->source_mm, beam->frame.source_mm);
		set_vector(b->isocentre_mm, beam->frame.isocentre_mm);
		set_vector(b->x_axis, beam->frame.x_axis);
		set_vector(b->y_axis, beam->frame.y_axis);
		set_vector(b->towards_source, beam->frame.towards_source);
		b->sad_mm = (float)beam->frame.sad_mm;
		b->blur_x = (float)(p->source_fwhm_mm[0] * SIGMA_PER_FWHM / p->collimator_mm);
		b->blur_y = (float)(p->source_fwhm_mm[1] * SIGMA_PER_FWHM / p->collimator_mm);
		b->collimator_mm = (float)p->collimator_mm;
		b->fluence_cm2 = (float)p->fluence_per_mu_cm2;
		for (int i = 0; i < 3; i++)
			b->soften[i] = (float)p->soften[i];
		b->voxel_x_mm2 = (float)box_variance(beam->frame.x_axis, dose_grid->spacing_mm);
		b->voxel_y_mm2 = (float)box_variance(beam->frame.y_axis, dose_grid->spacing_mm);
		if ((st = lay_out_bixels(&l, b, beam, set->bixel_mm, err)) != SP_OK)
			goto cleanup;
		if ((st = lay_out_fan(b, beam, &p->ct, dose_grid, set->bixel_mm, reach_mm, err)) != SP_OK)
			goto cleanup;
		fan_bytes = (size_t)b->fan_n[0] * b->fan_n[1] * b->sheets * sizeof(cl_uint2);
		l.fan_bytes = fan_bytes > l.fan_bytes ? fan_bytes : l.fan_bytes;
		l.most_places = b->columns > l.most_places ? b->columns : l.most_places;
		l.most_places = b->rows > l.most_places ? b->rows : l.most_places;
	}
	*out = l;
	l = (sp_pencil_layout){0};
cleanup:
	sp_pencil_layout_finish(&l);
	return st;
}

void sp_pencil_layout_finish(sp_pencil_layout *l)
{
	free(l->beams);
	free(l->segments);
	free(l->first_segment);
	*l = (sp_pencil_layout){0};
}

sp_status sp_pencil_trace(const sp_pencil *p, cl_kernel trace, const sp_pencil_layout *l, cl_mem beams, size_t b,
                          cl_mem fan, sp_error *err)
{
	cl_uint number = (cl_uint)b;
	const sp_argument arguments[] = {SP_ARG(p->ct_grid), SP_ARG(p->density), SP_ARG(beams), SP_ARG(number),
	                                 SP_ARG(fan)};
	sp_status st = sp_kernel_set_all(trace, arguments, sizeof arguments / sizeof *arguments, err);

	if (st != SP_OK)
		return st;
	return sp_device_launch(p->device, trace, (size_t)l->beams[b].fan_n[0] * l->beams[b].fan_n[1], 32, err);
}
