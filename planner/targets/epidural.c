#include "epidural.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "canal_sections.h"
#include "distance.h"
#include "mask.h"
#include "space.h"

#define STEP_MM 0.4
#define STRETCH_MM 45.0     /* how far above and below the tumour sac and cord are looked at */
#define CANAL_CC 0.05       /* less tumour than this in the canal is a contour's edge */
#define TOUCH_MM 0.75       /* twice a contour's accuracy in plane */
#define DEFORMED_MM 1.0     /* loss of the sac's depth ... */
#define DEFORMED_SHARE 0.08 /* ... or of its area that counts as deformed */
#define PRESSED_MM 0.5      /* the same for the cord */
#define PRESSED_SHARE 0.05
#define FLUID_MM 0.5 /* a film thinner than this shows on no MRI */
#define BINS 72      /* of the sac's outline, 5 degrees each */

/* The sac's rim: inside it, with a neighbour in plane that is not. */
static bool is_rim(const sp_canal *m, size_t i, size_t j, size_t k)
{
	const sp_grid *g = &m->grid;
	size_t v = sp_grid_index(g, i, j, k);

	if (m->sac[v] < 0.5f || i == 0 || j == 0 || i + 1 == g->n[0] || j + 1 == g->n[1])
		return false;
	return m->sac[v - 1] < 0.5f || m->sac[v + 1] < 0.5f || m->sac[v - g->n[0]] < 0.5f || m->sac[v + g->n[0]] < 0.5f;
}

/* Where the tumour touches the sac; distance: to the tumour. */
static void find_contact(sp_epidural *out, const sp_canal *m)
{
	const sp_grid *g = &m->grid;
	double first = INFINITY, last = -INFINITY;

	for (size_t k = 0; k < g->n[2]; k++) {
		bool touched[BINS] = {false};
		sp_canal_section s = sp_canal_look(m->sac, m, k);
		double bins = 0.0, p[3], round = 2.0 * sqrt(M_PI * s.area);

		for (size_t j = 0; j < g->n[1]; j++)
			for (size_t i = 0; i < g->n[0]; i++) {
				size_t v = sp_grid_index(g, i, j, k);
				double angle;

				if (!is_rim(m, i, j, k) || m->distance[v] > TOUCH_MM + g->spacing_mm[0])
					continue;
				sp_grid_centre(p, g, v);
				angle = (atan2(p[1] - s.y, p[0] - s.x) + M_PI) / (2.0 * M_PI);
				touched[(int)(angle * BINS) % BINS] = true;
			}
		for (int b = 0; b < BINS; b++)
			bins += touched[b];
		if (!(bins > 0.0))
			continue;
		first = fmin(first, g->origin_mm[2] + g->spacing_mm[2] * (double)k);
		last = fmax(last, g->origin_mm[2] + g->spacing_mm[2] * (double)k);
		if (bins / BINS * round > out->contact_mm) {
			out->contact_mm = bins / BINS * round;
			out->contact_degrees = 360.0 * bins / BINS;
		}
	}
	out->contact_height_mm = last >= first ? last - first + g->spacing_mm[2] : 0.0;
}

static void measure_tumour(sp_epidural *out, const sp_canal *m)
{
	const sp_grid *g = &m->grid;
	const sp_vertebra_frame *f = m->frame;
	double middle = 0.5 * (f->front_mm + f->rear_mm), depth = 0.5 * (f->rear_mm - f->front_mm);
	double cc = sp_grid_voxel_volume_cc(g), nearest = INFINITY, p[3], q[3];

	for (size_t v = 0; v < sp_grid_voxels(g); v++) {
		if (m->cord && m->cord[v] >= 0.5f)
			nearest = fmin(nearest, m->distance[v]);
		if (m->gtv[v] < 0.5f || m->bone[v] >= 0.5f || (m->sac && m->sac[v] >= 0.5f))
			continue;
		sp_grid_centre(p, g, v);
		sp_vertebra_coordinates(q, f, p);
		if (hypot(q[0] / f->half_width_mm, (q[1] - middle) / depth) < 1.0)
			out->epidural_cc += cc;
	}
	if (m->cord)
		/* centres lie inside, so the nearest pair is a little farther apart than the surfaces */
		out->to_cord_mm = fmax(nearest - 0.5 * g->spacing_mm[0], 0.0);
}

static bool lost(double now, double rest, double by)
{
	return rest - now >= by; /* false for NAN */
}

static void decide(sp_epidural *e, bool has_sac, bool has_cord)
{
	bool deformed = lost(e->sac_depth, e->sac_depth_rest, DEFORMED_MM) ||
	                lost(e->sac_area, e->sac_area_rest, DEFORMED_SHARE * e->sac_area_rest);
	bool touches = has_cord && e->to_cord_mm <= TOUCH_MM;
	bool pressed = touches && (lost(e->cord_depth, e->cord_depth_rest, PRESSED_MM) ||
	                           lost(e->cord_area, e->cord_area_rest, PRESSED_SHARE * e->cord_area_rest));

	if (e->epidural_cc < CANAL_CC)
		e->grade = SP_EPIDURAL_0;
	else if (!has_sac || isnan(e->sac_area_rest))
		e->grade = SP_EPIDURAL_NOT_GRADED;
	else if (!deformed)
		e->grade = SP_EPIDURAL_1A;
	else if (!has_cord || (touches && isnan(e->cord_area_rest)))
		e->grade = SP_EPIDURAL_NOT_GRADED;
	else if (!touches)
		e->grade = SP_EPIDURAL_1B;
	else if (e->fluid_mm < FLUID_MM)
		e->grade = SP_EPIDURAL_3;
	else
		e->grade = pressed ? SP_EPIDURAL_2 : SP_EPIDURAL_1C;
}

static sp_status measure(sp_epidural *out, sp_canal *m, sp_error *err)
{
	size_t worst = sp_canal_worst_slice(m, m->sac ? m->sac : m->cord ? m->cord : m->gtv);
	sp_status st = sp_distance_to(m->distance, m->gtv, &m->grid, err);

	if (st == SP_OK && m->sac)
		st = sp_canal_compare(&out->sac_area, &out->sac_depth, &out->sac_area_rest, &out->sac_depth_rest, m,
		                      m->sac, worst, err);
	if (st == SP_OK && m->cord)
		st = sp_canal_compare(&out->cord_area, &out->cord_depth, &out->cord_area_rest, &out->cord_depth_rest, m,
		                      m->cord, worst, err);
	if (st != SP_OK)
		return st;
	if (m->sac && m->cord) /* a ring as wide all round as the one between circles of these areas */
		out->fluid_mm = (sqrt(fmax(out->sac_area, 0.0)) - sqrt(fmax(out->cord_area, 0.0))) / sqrt(M_PI);
	if (m->sac)
		find_contact(out, m);
	measure_tumour(out, m);
	decide(out, m->sac != NULL, m->cord != NULL);
	return SP_OK;
}

static sp_status load(float **out, sp_canal *m, const sp_structure *const *list, size_t n, const sp_grid *ct,
                      sp_error *err)
{
	sp_status st = SP_OK;

	if (!(*out = sp_alloc_array(sp_grid_voxels(&m->grid), sizeof **out)))
		return sp_fail(err, SP_NO_MEMORY, "out of memory measuring the canal");
	for (size_t i = 0; i < n && st == SP_OK; i++)
		st = sp_space_unite(*out, m->scratch, list[i], ct, &m->grid, err);
	return st;
}

/* Round the canal, as high as the tumour and a stretch beyond. */
static bool cover(sp_canal *m, const sp_structure *const *gtv, size_t n_gtv, const sp_grid *ct)
{
	double low[3], high[3], from[3], to[3];
	size_t cuts;

	m->low_z = INFINITY;
	m->high_z = -INFINITY;
	for (size_t i = 0; i < n_gtv; i++)
		if (sp_structure_bounds(low, high, gtv[i], ct)) {
			m->low_z = fmin(m->low_z, low[2]);
			m->high_z = fmax(m->high_z, high[2]);
		}
	if (!(m->high_z > m->low_z))
		return false;
	for (int a = 0; a < 3; a++) {
		from[a] = m->frame->centre_mm[a] - 28.0;
		to[a] = m->frame->centre_mm[a] + 28.0;
	}
	from[2] = m->low_z - STRETCH_MM;
	to[2] = m->high_z + STRETCH_MM;
	sp_space_cover(&m->grid, &cuts, ct, from, to, STEP_MM);
	m->grid.spacing_mm[2] *= (double)cuts; /* one plane a slice: contours know no more */
	m->grid.origin_mm[2] += 0.5 * (m->grid.spacing_mm[2] - m->grid.spacing_mm[2] / (double)cuts);
	m->grid.n[2] /= cuts;
	return true;
}

sp_status sp_epidural_measure(sp_epidural *out, const sp_structure *const *gtv, size_t n_gtv, const sp_structure *sac,
                              const sp_structure *cord, const sp_structure *vertebra, const sp_vertebra_frame *frame,
                              const sp_grid *ct, sp_error *err)
{
	sp_canal m = {.frame = frame};
	sp_status st;

	*out = (sp_epidural){.grade = SP_EPIDURAL_NOT_GRADED,
	                     .sac_area = NAN,
	                     .sac_area_rest = NAN,
	                     .sac_depth = NAN,
	                     .sac_depth_rest = NAN,
	                     .cord_area = NAN,
	                     .cord_area_rest = NAN,
	                     .cord_depth = NAN,
	                     .cord_depth_rest = NAN,
	                     .to_cord_mm = NAN,
	                     .fluid_mm = NAN};
	if (!cover(&m, gtv, n_gtv, ct))
		return SP_OK;
	m.scratch = sp_alloc_array(sp_grid_voxels(&m.grid), sizeof *m.scratch);
	m.distance = sp_alloc_array(sp_grid_voxels(&m.grid), sizeof *m.distance);
	st = m.scratch && m.distance ? SP_OK : sp_fail(err, SP_NO_MEMORY, "out of memory measuring the canal");
	if (st == SP_OK && (st = load(&m.gtv, &m, gtv, n_gtv, ct, err)) == SP_OK &&
	    (st = load(&m.bone, &m, &vertebra, 1, ct, err)) == SP_OK &&
	    (!sac || (st = load(&m.sac, &m, &sac, 1, ct, err)) == SP_OK) &&
	    (!cord || (st = load(&m.cord, &m, &cord, 1, ct, err)) == SP_OK))
		st = measure(out, &m, err);
	free(m.gtv);
	free(m.bone);
	free(m.sac);
	free(m.cord);
	free(m.scratch);
	free(m.distance);
	return st;
}

const char *sp_epidural_grade_name(sp_epidural_grade grade)
{
	static const char *const names[] = {"not graded", "0", "1a", "1b", "1c", "2", "3"};

	return names[grade];
}

static void set(json_t *o, const char *key, double value, double scale)
{
	json_object_set_new(o, key, isfinite(value) ? json_real(round(value * scale) / scale) : json_null());
}

json_t *sp_epidural_json(const sp_epidural *e)
{
	json_t *o = json_object();

	json_object_set_new(o, "grade", json_string(sp_epidural_grade_name(e->grade)));
	set(o, "epidural_cc", e->epidural_cc, 1000.0);
	set(o, "contact_mm", e->contact_mm, 10.0);
	set(o, "contact_degrees", e->contact_degrees, 10.0);
	set(o, "contact_height_mm", e->contact_height_mm, 10.0);
	set(o, "sac_area_mm2", e->sac_area, 10.0);
	set(o, "sac_area_at_rest_mm2", e->sac_area_rest, 10.0);
	set(o, "sac_depth_mm", e->sac_depth, 10.0);
	set(o, "sac_depth_at_rest_mm", e->sac_depth_rest, 10.0);
	set(o, "sac_compression_mm", e->sac_depth_rest - e->sac_depth, 10.0);
	set(o, "cord_area_mm2", e->cord_area, 10.0);
	set(o, "cord_area_at_rest_mm2", e->cord_area_rest, 10.0);
	set(o, "cord_depth_mm", e->cord_depth, 10.0);
	set(o, "cord_depth_at_rest_mm", e->cord_depth_rest, 10.0);
	set(o, "tumour_to_cord_mm", e->to_cord_mm, 10.0);
	set(o, "fluid_round_cord_mm", e->fluid_mm, 10.0);
	return o;
}
