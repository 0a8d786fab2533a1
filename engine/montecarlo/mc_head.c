#include "mc_head.h"

#include "alloc.h"
#include "machine_spectrum.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Radial tables: rows RADIUS_STEP_MM apart up to the corner of the largest field. */
#define RADIUS_STEP_MM 10.0
#define N_RADII 31

static double erf_part(double low, double high, double sigma)
{
	return 0.5 * (erf(high / (sigma * sqrt(2.0))) - erf(low / (sigma * sqrt(2.0))));
}

/* Along one axis: the jaws' edges at distance `jaw` from the target, thrown back from the place on the source. */
static double seen_along(double low, double high, double at, double jaw, double from, double sad, double sigma)
{
	double scale = (sad - from) / (sad - jaw), edge[2] = {low * jaw / sad, high * jaw / sad};

	for (int i = 0; i < 2; i++)
		edge[i] = at + (edge[i] - at) * scale;
	return erf_part(edge[0], edge[1], sigma);
}

double sp_extra_focal_seen(const sp_machine *m, const double jaws_mm[4], double x_mm, double y_mm)
{
	const sp_machine_extra_focal *e = &m->source.extra_focal;

	return seen_along(jaws_mm[0], jaws_mm[1], x_mm, m->jaws.x_distance_mm, e->distance_mm, m->sad_mm, e->sigma_mm) *
	       seen_along(jaws_mm[2], jaws_mm[3], y_mm, m->jaws.y_distance_mm, e->distance_mm, m->sad_mm, e->sigma_mm);
}

double sp_target_share(const sp_machine *m)
{
	double half = 0.5 * m->reference.field_mm, jaws[4] = {-half, half, -half, half};

	return 1.0 / (1.0 + m->source.extra_focal.share * sp_extra_focal_seen(m, jaws, 0.0, 0.0));
}

/* Through the middle of a closed leaf: the file has the mean over its width. */
static double leaf_transmission(const sp_mlc *mlc)
{
	double width = (mlc->boundaries_mm[mlc->n_pairs] - mlc->boundaries_mm[0]) / mlc->n_pairs,
	       strip = mlc->tongue_mm / width;

	return mlc->transmission / (1.0 - strip + strip * mlc->interleaf_transmission);
}

double sp_leaf_end_shift_mm(const sp_mlc *mlc, double sad_mm)
{
	enum { STEPS = 20000 };
	double closed = leaf_transmission(mlc), mu = -log(closed) / mlc->height_mm, sum = 0.0, r = mlc->end_radius_mm,
	       step = r / STEPS;

	for (int i = 0; i < STEPS; i++) {
		double d = step * (i + 0.5), chord = fmin(2.0 * sqrt(d * (2.0 * r - d)), mlc->height_mm);

		sum += (exp(-mu * chord) - closed) / (1.0 - closed) * step;
	}
	return sum * sad_mm / mlc->distance_mm - 0.5 * mlc->leaf_gap_mm;
}

static double at_radius(const double *values, const sp_machine_source *s, double radius)
{
	unsigned i = 0;
	double part;

	while (i + 2 < s->n_radii && radius > s->radius_mm[i + 1])
		i++;
	part = fmin((radius - s->radius_mm[i]) / (s->radius_mm[i + 1] - s->radius_mm[i]), 1.0);
	return values[i] + part * (values[i + 1] - values[i]);
}

static void fill_head(sp_mc_head *h, const sp_machine *m, const char *patient_position)
{
	static const struct {
		const char *name;
		float sign[3];
	} positions[] = {{"HFS", {1, -1, 1}}, {"HFP", {-1, 1, 1}}, {"FFS", {-1, -1, -1}}, {"FFP", {1, 1, -1}}};
	const double per_fwhm = 0.1 / (2.0 * sqrt(2.0 * log(2.0)));

	for (size_t i = 0; i < 4; i++)
		if (strcmp(positions[i].name, patient_position) == 0)
			memcpy(h->position, positions[i].sign, sizeof positions[i].sign);
	h->sad = (float)(0.1 * m->sad_mm);
	h->jaw_x = (float)(0.1 * m->jaws.x_distance_mm);
	h->jaw_y = (float)(0.1 * m->jaws.y_distance_mm);
	h->spot_x = (float)(per_fwhm * m->source_fwhm_mm[0]);
	h->spot_y = (float)(per_fwhm * m->source_fwhm_mm[1]);
	h->extra_distance = (float)(0.1 * m->source.extra_focal.distance_mm);
	h->extra_sigma = (float)(0.1 * m->source.extra_focal.sigma_mm);
	h->electron_distance = (float)(0.1 * m->source.electrons.distance_mm);
	h->electron_sigma = (float)(0.1 * m->source.electrons.sigma_mm);
	h->per_radius = (float)(10.0 / RADIUS_STEP_MM);
	h->n_radii = N_RADII;
	if (m->mlc) {
		const sp_mlc *mlc = m->mlc;
		double mu_height = -log(leaf_transmission(mlc));

		h->mlc = (float)(0.1 * mlc->distance_mm);
		h->leaf_mu = (float)(10.0 * mu_height / mlc->height_mm);
		h->leaf_height = (float)(0.1 * mlc->height_mm);
		h->end_radius = (float)(0.1 * mlc->end_radius_mm);
		h->end_shift = (float)(0.1 * sp_leaf_end_shift_mm(mlc, m->sad_mm));
		h->tongue = (float)(0.05 * mlc->tongue_mm);
		h->tongue_share = (float)(0.5 * (1.0 - log(mlc->interleaf_transmission) / mu_height));
	}
}

static sp_status check(const sp_machine *m, const sp_delivery_beam *b, size_t i, sp_error *err)
{
	if (fabs(b->sad_mm - m->sad_mm) > 0.5)
		return sp_fail(err, SP_BAD_INPUT, "beam %zu has a source-axis distance of %g mm, machine '%s' has %g",
		               i, b->sad_mm, m->name, m->sad_mm);
	if (b->n_pairs == 0)
		return SP_OK;
	if (!m->mlc)
		return sp_fail(err, SP_BAD_INPUT, "beam %zu has leaves, machine '%s' has none", i, m->name);
	if (b->n_pairs != m->mlc->n_pairs)
		return sp_fail(err, SP_BAD_INPUT, "beam %zu has %zu pairs of leaves, '%s' of machine '%s' has %u", i,
		               b->n_pairs, m->mlc->name, m->name, m->mlc->n_pairs);
	for (size_t k = 0; k <= b->n_pairs; k++)
		if (fabs(b->leaf_boundaries_mm[k] - m->mlc->boundaries_mm[k]) > 0.1)
			return sp_fail(err, SP_BAD_INPUT,
			               "beam %zu has leaf_boundaries_mm[%zu] = %g, '%s' of machine '%s' has %g", i, k,
			               b->leaf_boundaries_mm[k], m->mlc->name, m->name, m->mlc->boundaries_mm[k]);
	return SP_OK;
}

static sp_status reserve(sp_mc_head_source *h, const sp_delivery *d, sp_error *err)
{
	for (size_t i = 0; i < d->n_beams; i++) {
		h->n_intervals += d->beams[i].n_points - 1;
		h->n_numbers += d->beams[i].n_points * 2 * d->beams[i].n_pairs + d->beams[i].n_pairs + 1;
	}
	h->n_numbers += N_RADII;
	h->n_spectra = N_RADII + 2;
	h->intervals = sp_alloc_array(h->n_intervals, sizeof *h->intervals);
	h->isocentres_mm = sp_alloc_array(3 * h->n_intervals, sizeof *h->isocentres_mm);
	h->numbers = sp_alloc_array(h->n_numbers, sizeof *h->numbers);
	h->spectra = sp_alloc_array(h->n_spectra, sizeof *h->spectra);
	h->openings = sp_alloc_array(4 * h->n_intervals, sizeof *h->openings);
	return h->intervals && h->isocentres_mm && h->numbers && h->spectra && h->openings
	               ? SP_OK
	               : sp_fail(err, SP_NO_MEMORY, "no memory for a source of %zu control points", h->n_intervals);
}

/* Tables by radius; *greatest: the largest fluence, which the table is relative to. */
static sp_status fill_radii(sp_mc_head_source *h, double *greatest, const sp_machine *m, const sp_matter *matter,
                            sp_error *err)
{
	const sp_machine_source *s = &m->source;
	sp_status st = SP_OK;

	*greatest = 0.0;
	for (size_t i = 0; i < N_RADII; i++)
		*greatest = fmax(*greatest, at_radius(s->fluence, s, RADIUS_STEP_MM * (double)i));
	for (size_t i = 0; st == SP_OK && i < N_RADII; i++) {
		double radius = RADIUS_STEP_MM * (double)i;

		h->numbers[i] = (float)(at_radius(s->fluence, s, radius) / *greatest);
		st = sp_machine_spectrum_make(h->spectra + i, &s->spectrum, at_radius(s->softening_g_cm2, s, radius),
		                              matter, err);
	}
	if (st == SP_OK)
		st = sp_machine_spectrum_make(h->spectra + N_RADII, &s->spectrum, -s->extra_focal.aluminium_g_cm2,
		                              matter, err);
	if (st == SP_OK)
		st = sp_machine_electron_spectrum(h->spectra + N_RADII + 1, s, err);
	return st;
}

/* Photons of one fraction over fluence_per_mu_cm2, by what they are. */
typedef struct {
	double target, extra_focal, through_jaws, electrons; /* per MU and cm2 */
} rates;

static void open_rectangle(sp_mc_head_source *h, const double hull[4], uint32_t kind, double rate)
{
	sp_mc_opening o = {.plane = h->n_intervals,
	                   .x_mm = 0.5 * (hull[0] + hull[1]),
	                   .y_mm = 0.5 * (hull[2] + hull[3]),
	                   .half_x_mm = 0.5 * (hull[1] - hull[0]),
	                   .half_y_mm = 0.5 * (hull[3] - hull[2]),
	                   .kind = kind};

	o.weight = rate * 0.04 * o.half_x_mm * o.half_y_mm; /* cm2 */
	if (o.weight > 0.0)
		h->openings[h->n_openings++] = o;
}

static void add_interval(sp_mc_head_source *h, const sp_delivery_beam *b, size_t i, size_t leaves, size_t boundaries,
                         const sp_machine *m, const rates *r)
{
	const sp_control_point *from = b->points + i, *to = from + 1;
	const double whole[4] = {-0.5 * m->limits.max_field_mm[0], 0.5 * m->limits.max_field_mm[0],
	                         -0.5 * m->limits.max_field_mm[1], 0.5 * m->limits.max_field_mm[1]};
	double mu = to->cumulative_mu - from->cumulative_mu, hull[4], jaws[4];
	sp_mc_interval w = {.leaves = {(sp_u32)leaves, (sp_u32)(leaves + 2 * b->n_pairs)},
	                    .boundaries = (sp_u32)boundaries,
	                    .n_pairs = (sp_u32)b->n_pairs,
	                    .along_y = b->leaf_axis == 'y'};

	if (!(mu > 0.0))
		return;
	w.gantry[0] = (float)(from->gantry_deg / 360.0);
	w.gantry[1] = (float)(sp_gantry_travel_deg(from, to) / 360.0);
	w.collimator[0] = (float)(from->collimator_deg / 360.0);
	w.collimator[1] = (float)(remainder(to->collimator_deg - from->collimator_deg, 360.0) / 360.0);
	w.couch[0] = (float)(from->couch_deg / 360.0);
	w.couch[1] = (float)(remainder(to->couch_deg - from->couch_deg, 360.0) / 360.0);
	for (int a = 0; a < 4; a++) {
		w.jaws[0][a] = (float)(0.1 * from->jaws_mm[a]);
		w.jaws[1][a] = (float)(0.1 * to->jaws_mm[a]);
		jaws[a] = 0.5 * (from->jaws_mm[a] + to->jaws_mm[a]);
		hull[a] = a % 2 ? fmax(from->jaws_mm[a], to->jaws_mm[a]) : fmin(from->jaws_mm[a], to->jaws_mm[a]);
	}
	mu *= sp_machine_output(m, jaws);
	open_rectangle(h, hull, SP_MC_TARGET, r->target * mu);
	open_rectangle(h, hull, SP_MC_EXTRA_FOCAL, r->extra_focal * mu);
	open_rectangle(h, whole, SP_MC_THROUGH_JAWS, r->through_jaws * mu);
	open_rectangle(h, hull, SP_MC_ELECTRONS, r->electrons * mu);
	memcpy(h->isocentres_mm + 3 * h->n_intervals, b->isocentre_mm, sizeof b->isocentre_mm);
	h->intervals[h->n_intervals++] = w;
}

static size_t add_numbers(sp_mc_head_source *h, size_t at, const double *mm, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h->numbers[at + i] = (float)(0.1 * mm[i]);
	return at + n;
}

static void add_beam(sp_mc_head_source *h, size_t *at, const sp_delivery_beam *b, const sp_machine *m, const rates *r)
{
	size_t boundaries = *at, leaves;

	if (b->n_pairs)
		*at = add_numbers(h, *at, b->leaf_boundaries_mm, b->n_pairs + 1);
	leaves = *at;
	for (size_t i = 0; i < b->n_points; i++)
		if (b->n_pairs)
			*at = add_numbers(h, *at, b->points[i].leaves_mm, 2 * b->n_pairs);
	for (size_t i = 0; i + 1 < b->n_points; i++)
		add_interval(h, b, i, leaves + i * 2 * b->n_pairs, boundaries, m, r);
}

/* Particles through an area at the heights of the jaws' edges (as thrown on the isocentre plane by the target) over
 * those in that area of the isocentre plane, for a source below the target. */
static double spread(const sp_machine *m, double from)
{
	double x = m->jaws.x_distance_mm, y = m->jaws.y_distance_mm, sad = m->sad_mm;

	return (sad - from) / (x - from) * x / sad * (sad - from) / (y - from) * y / sad;
}

sp_status sp_mc_head_make(sp_mc_head_source *out, const sp_machine *machine, const sp_delivery *delivery,
                          const char *patient_position, const sp_matter *matter, sp_error *err)
{
	double greatest, share = sp_target_share(machine);
	size_t at = N_RADII;
	rates r;
	sp_status st;

	*out = (sp_mc_head_source){0};
	for (size_t i = 0; i < delivery->n_beams; i++)
		if ((st = check(machine, delivery->beams + i, i, err)) != SP_OK)
			return st;
	if ((st = reserve(out, delivery, err)) != SP_OK ||
	    (st = fill_radii(out, &greatest, machine, matter, err)) != SP_OK)
		goto cleanup;
	fill_head(&out->head, machine, patient_position);
	if (out->head.position[0] == 0.0f) {
		st = sp_fail(err, SP_BAD_INPUT, "patient position is '%s', expected HFS, HFP, FFS or FFP",
		             patient_position);
		goto cleanup;
	}
	r.target = share * greatest;
	r.through_jaws = share * greatest * machine->jaws.transmission / (double)SP_MC_LEAK_WEIGHT;
	r.extra_focal =
	        share * machine->source.extra_focal.share * spread(machine, machine->source.extra_focal.distance_mm);
	r.electrons = share * machine->source.electrons.share * spread(machine, machine->source.electrons.distance_mm) /
	              (double)SP_MC_ELECTRON_WEIGHT;
	out->n_intervals = 0;
	for (size_t i = 0; i < delivery->n_beams; i++)
		add_beam(out, &at, delivery->beams + i, machine, &r);
	for (size_t i = 0; i < out->n_openings; i++)
		out->particles += out->openings[i].weight * machine->fluence_per_mu_cm2;
	if (!(out->particles > 0.0))
		st = sp_fail(err, SP_BAD_INPUT,
		             "no beam has monitor units and an opening: there is no dose to compute");
cleanup:
	if (st != SP_OK)
		sp_mc_head_finish(out);
	return st;
}

void sp_mc_head_finish(sp_mc_head_source *h)
{
	for (size_t i = 0; h->spectra && i < h->n_spectra; i++)
		sp_spectrum_finish(h->spectra + i);
	free(h->spectra);
	free(h->intervals);
	free(h->isocentres_mm);
	free(h->numbers);
	free(h->openings);
	*h = (sp_mc_head_source){0};
}
