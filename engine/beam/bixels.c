/* Which bixels a beam gets: those that the target's shadow touches, or those of an open rectangle. */
#include "beam.h"

#include "alloc.h"

#include <math.h>
#include <stdlib.h>

/* A marked rectangle of bixel places; place (i, j) has its centre at ((x0 + i) * bixel_mm, (y0 + j) * bixel_mm). */
typedef struct {
	long x0, y0;
	size_t nx, ny;
	unsigned char *hit;
} shadow;

/* Room for a field of 400 mm in bixels of 0.5 mm, and a brake for absurd sizes. */
#define MAX_PLACES ((size_t)1000 * 1000)

static sp_status check_bixel(double bixel_mm, sp_error *err)
{
	if (!(bixel_mm >= 0.5 && bixel_mm <= 50.0))
		return sp_fail(err, SP_BAD_INPUT, "bixel size is %g mm, expected 0.5 to 50", bixel_mm);
	return SP_OK;
}

/* Fills b from the marked places; x_shift and y_shift move the centres off whole multiples of the bixel size. */
static sp_status collect(sp_beam *b, const shadow *s, double bixel_mm, double x_shift_mm, double y_shift_mm,
                         sp_error *err)
{
	size_t n = 0, row = 0;

	for (size_t p = 0; p < s->nx * s->ny; p++)
		n += s->hit[p];
	b->x_mm = sp_alloc_array(n, sizeof *b->x_mm);
	b->y_mm = sp_alloc_array(n, sizeof *b->y_mm);
	b->row_y_mm = sp_alloc_array(s->ny, sizeof *b->row_y_mm);
	b->row_first = sp_alloc_array(s->ny + 1, sizeof *b->row_first);
	if (!b->x_mm || !b->y_mm || !b->row_y_mm || !b->row_first)
		return sp_fail(err, SP_NO_MEMORY, "no memory for %zu bixels", n);
	for (size_t j = 0; j < s->ny; j++) {
		size_t before = b->n_bixels;
		double y = (double)(s->y0 + (long)j) * bixel_mm + y_shift_mm;

		for (size_t i = 0; i < s->nx; i++) {
			if (!s->hit[j * s->nx + i])
				continue;
			b->x_mm[b->n_bixels] = (float)((double)(s->x0 + (long)i) * bixel_mm + x_shift_mm);
			b->y_mm[b->n_bixels++] = (float)y;
		}
		if (b->n_bixels == before)
			continue;
		b->row_y_mm[row] = (float)y;
		b->row_first[row++] = (uint32_t)before;
	}
	b->row_first[row] = (uint32_t)b->n_bixels;
	b->n_rows = row;
	return SP_OK;
}

/* Calls back for points that fill every voxel of the target, none farther than step_mm from the next. */
typedef void (*visit)(void *context, double x_mm, double y_mm, double axial_mm);

static void visit_target(visit f, void *context, const sp_beam_frame *frame, const float *fraction, const sp_grid *grid,
                         double step_mm)
{
	size_t n = sp_grid_voxels(grid), sub[3];

	for (int a = 0; a < 3; a++)
		sub[a] = (size_t)ceil(grid->spacing_mm[a] / step_mm);
	for (size_t v = 0; v < n; v++) {
		double centre[3], p[3], x, y, axial;

		if (!(fraction[v] > 0.0f))
			continue;
		sp_grid_centre(centre, grid, v);
		for (size_t k = 0; k < sub[0] * sub[1] * sub[2]; k++) {
			size_t at[3] = {k % sub[0], k / sub[0] % sub[1], k / (sub[0] * sub[1])};

			for (int a = 0; a < 3; a++)
				p[a] = centre[a] + grid->spacing_mm[a] * (((double)at[a] + 0.5) / (double)sub[a] - 0.5);
			sp_beam_project(&x, &y, &axial, frame, p);
			f(context, x, y, axial);
		}
	}
}

typedef struct {
	double low[2], high[2], least_axial;
} extent;

static void widen(void *context, double x, double y, double axial)
{
	extent *e = context;

	e->low[0] = fmin(e->low[0], x);
	e->high[0] = fmax(e->high[0], x);
	e->low[1] = fmin(e->low[1], y);
	e->high[1] = fmax(e->high[1], y);
	e->least_axial = fmin(e->least_axial, axial);
}

typedef struct {
	shadow *s;
	double bixel_mm, margin_mm, shift_mm;
} marker;

/* Marks every bixel whose square lies within margin_mm of the point. */
static void mark(void *context, double x, double y, double axial)
{
	const marker *m = context;
	double reach = m->margin_mm / m->bixel_mm + 0.5;
	double px = (x - m->shift_mm) / m->bixel_mm, py = (y - m->shift_mm) / m->bixel_mm;
	double r2 = m->margin_mm * m->margin_mm / (m->bixel_mm * m->bixel_mm);

	(void)axial;
	for (long j = (long)ceil(py - reach); (double)j <= py + reach; j++)
		for (long i = (long)ceil(px - reach); (double)i <= px + reach; i++) {
			double dx = fmax(fabs((double)i - px) - 0.5, 0.0), dy = fmax(fabs((double)j - py) - 0.5, 0.0);

			if (dx * dx + dy * dy <= r2)
				m->s->hit[(size_t)(j - m->s->y0) * m->s->nx + (size_t)(i - m->s->x0)] = 1;
		}
}

static sp_status cover_beam(sp_beam *b, double bixel_mm, double shift_mm, const float *fraction, const sp_grid *grid,
                            double margin_mm, sp_error *err)
{
	extent e = {{INFINITY, INFINITY}, {-INFINITY, -INFINITY}, INFINITY};
	double reach = margin_mm / bixel_mm + 1.0, nx, ny;
	shadow s = {0};
	sp_status st;

	visit_target(widen, &e, &b->frame, fraction, grid, 0.5 * bixel_mm);
	if (!(e.low[0] <= e.high[0]))
		return sp_fail(err, SP_BAD_INPUT, "the target is empty, so no bixel can be aimed at it");
	if (!(e.least_axial > 0.1 * b->frame.sad_mm))
		return sp_fail(err, SP_BAD_INPUT, "the target comes within %g mm of the source; check the isocentre",
		               e.least_axial);
	s.x0 = (long)floor((e.low[0] - shift_mm) / bixel_mm - reach);
	s.y0 = (long)floor((e.low[1] - shift_mm) / bixel_mm - reach);
	nx = ceil((e.high[0] - shift_mm) / bixel_mm + reach) - (double)s.x0 + 1.0;
	ny = ceil((e.high[1] - shift_mm) / bixel_mm + reach) - (double)s.y0 + 1.0;
	if (nx * ny > (double)MAX_PLACES)
		return sp_fail(err, SP_BAD_INPUT, "the target's shadow is %g x %g mm, too large for bixels of %g mm",
		               e.high[0] - e.low[0], e.high[1] - e.low[1], bixel_mm);
	s.nx = (size_t)nx;
	s.ny = (size_t)ny;
	if (!(s.hit = sp_alloc_array(s.nx * s.ny, 1)))
		return sp_fail(err, SP_NO_MEMORY, "no memory for the shadow of the target");
	visit_target(mark, &(marker){&s, bixel_mm, margin_mm, shift_mm}, &b->frame, fraction, grid, 0.5 * bixel_mm);
	st = collect(b, &s, bixel_mm, shift_mm, shift_mm, err);
	free(s.hit);
	return st;
}

/* On failure *out may hold a part-made set, which the caller destroys. */
static sp_status make_set(sp_beam_set **out, const sp_beam_setup *setups, size_t n_beams, double sad_mm,
                          const char *patient_position, double bixel_mm, sp_error *err)
{
	sp_beam_set *set = NULL;
	sp_status st = check_bixel(bixel_mm, err);

	if (st != SP_OK)
		return st;
	if (!(set = sp_alloc_array(1, sizeof *set)) || !(set->beams = sp_alloc_array(n_beams, sizeof *set->beams))) {
		free(set);
		return sp_fail(err, SP_NO_MEMORY, "no memory for %zu beams", n_beams);
	}
	set->bixel_mm = bixel_mm;
	set->n_beams = n_beams;
	*out = set;
	for (size_t i = 0; i < n_beams; i++) {
		set->beams[i].setup = setups[i];
		st = sp_beam_frame_make(&set->beams[i].frame, &setups[i], sad_mm, patient_position, err);
		if (st != SP_OK)
			return st;
	}
	return SP_OK;
}

static sp_status cover(sp_beam_set **out, const sp_beam_setup *setups, size_t n_beams, double sad_mm,
                       const char *patient_position, double bixel_mm, double shift_mm, const float *target_fraction,
                       const sp_grid *grid, double margin_mm, sp_error *err)
{
	sp_beam_set *set = NULL;
	sp_status st;

	*out = NULL;
	if (!(margin_mm >= 0.0 && margin_mm <= 100.0))
		return sp_fail(err, SP_BAD_INPUT, "the margin around the target is %g mm, expected 0 to 100",
		               margin_mm);
	st = make_set(&set, setups, n_beams, sad_mm, patient_position, bixel_mm, err);
	for (size_t i = 0; st == SP_OK && i < n_beams; i++) {
		st = cover_beam(&set->beams[i], bixel_mm, shift_mm, target_fraction, grid, margin_mm, err);
		if (st != SP_OK)
			break;
		set->beams[i].first_bixel = set->n_bixels;
		set->n_bixels += set->beams[i].n_bixels;
	}
	if (st != SP_OK) {
		sp_beam_set_destroy(set);
		return st;
	}
	*out = set;
	return SP_OK;
}

sp_status sp_beam_set_cover(sp_beam_set **out, const sp_beam_setup *setups, size_t n_beams, double sad_mm,
                            const char *patient_position, double bixel_mm, const float *target_fraction,
                            const sp_grid *grid, double margin_mm, sp_error *err)
{
	return cover(out, setups, n_beams, sad_mm, patient_position, bixel_mm, 0.0, target_fraction, grid, margin_mm,
	             err);
}

sp_status sp_beam_set_cover_between_leaves(sp_beam_set **out, const sp_beam_setup *setups, size_t n_beams,
                                           double sad_mm, const char *patient_position, double bixel_mm,
                                           const float *target_fraction, const sp_grid *grid, double margin_mm,
                                           sp_error *err)
{
	return cover(out, setups, n_beams, sad_mm, patient_position, bixel_mm, 0.5 * bixel_mm, target_fraction, grid,
	             margin_mm, err);
}

sp_status sp_beam_set_rectangle(sp_beam_set **out, const sp_beam_setup *setup, double sad_mm,
                                const char *patient_position, double bixel_mm, const double field_mm[4], sp_error *err)
{
	double nx = (field_mm[1] - field_mm[0]) / bixel_mm, ny = (field_mm[3] - field_mm[2]) / bixel_mm;
	sp_beam_set *set = NULL;
	shadow s = {0};
	sp_status st;

	*out = NULL;
	st = make_set(&set, setup, 1, sad_mm, patient_position, bixel_mm, err);
	if (st != SP_OK)
		goto cleanup;
	if (!(nx > 0.5 && ny > 0.5 && nx * ny <= (double)MAX_PLACES) || fabs(nx - round(nx)) > 1e-6 ||
	    fabs(ny - round(ny)) > 1e-6) {
		st = sp_fail(err, SP_BAD_INPUT, "the field %g..%g x %g..%g mm is not a whole number of bixels of %g mm",
		             field_mm[0], field_mm[1], field_mm[2], field_mm[3], bixel_mm);
		goto cleanup;
	}
	s.nx = (size_t)lround(nx);
	s.ny = (size_t)lround(ny);
	if (!(s.hit = sp_alloc_array(s.nx * s.ny, 1))) {
		st = sp_fail(err, SP_NO_MEMORY, "no memory for a field of %zu bixels", s.nx * s.ny);
		goto cleanup;
	}
	for (size_t p = 0; p < s.nx * s.ny; p++)
		s.hit[p] = 1;
	st = collect(&set->beams[0], &s, bixel_mm, field_mm[0] + 0.5 * bixel_mm, field_mm[2] + 0.5 * bixel_mm, err);
	if (st != SP_OK)
		goto cleanup;
	set->n_bixels = set->beams[0].n_bixels;
	*out = set;
	set = NULL;
cleanup:
	free(s.hit);
	sp_beam_set_destroy(set);
	return st;
}

void sp_beam_set_destroy(sp_beam_set *b)
{
	for (size_t i = 0; b && i < b->n_beams; i++) {
		free(b->beams[i].x_mm);
		free(b->beams[i].y_mm);
		free(b->beams[i].row_y_mm);
		free(b->beams[i].row_first);
	}
	if (b)
		free(b->beams);
	free(b);
}
