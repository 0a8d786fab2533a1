#include "delivery_fluence.h"

#include "alloc.h"
#include "shared/mc_leaves.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PLACES_ALONG 5 /* of a bixel, along the leaves and across: tenths of 2.5 mm resolve tongue and groove */
#define PLACES_ACROSS 10
#define MOMENTS 4     /* of an interval in which something moves, at least */
#define MOMENT_MM 2.5 /* and nothing moves farther from one moment to the next: a bixel sees each gap pass */
#define MOST_MOMENTS 400
#define SAME_DEG 0.01
#define SCATTER_BIXEL_MM 10.0
#define SCATTER_REACH_MM 80.0

/* What a map is made of; value: of one bixel with its centre at (x, y) at a moment (share) of an interval. */
typedef struct map_job {
	const sp_machine *m;
	const sp_mc_head_source *head;
	const sp_off_axis *off_axis;
	double target_share, bixel_mm, reach_mm;
	double (*value)(const struct map_job *j, const sp_delivery_beam *b, const sp_mc_interval *w,
	                const sp_control_point *now, double share, double x, double y);
} map_job;

static double overlap(double low, double high, double at, double width)
{
	double l = fmax(low, at - 0.5 * width), h = fmin(high, at + 0.5 * width);

	return h > l ? (h - l) / width : 0.0;
}

static double leaves_at(const map_job *j, const sp_mc_interval *w, double share, double x, double y)
{
	if (w->n_pairs == 0)
		return 1.0;
	return (double)through_leaves(&j->head->head, w, j->head->numbers, (float)(0.1 * x), (float)(0.1 * y),
	                              (float)share, false);
}

/* Dose that the target's photons give off the axis, over the axis. */
static double target_at(const map_job *j, double x, double y)
{
	double r = hypot(x, y);

	return sp_machine_fluence_at(&j->m->source, r) * sp_off_axis_at(j->off_axis->per_photon, r);
}

static double target_value(const map_job *j, const sp_delivery_beam *b, const sp_mc_interval *w,
                           const sp_control_point *now, double share, double x, double y)
{
	const double *jaws = now->jaws_mm;
	double open = overlap(jaws[0], jaws[1], x, j->bixel_mm) * overlap(jaws[2], jaws[3], y, j->bixel_mm), sum = 0.0;

	(void)b;
	if (!(open > 0.0))
		return 0.0;
	for (int k = 0; w->n_pairs && k < PLACES_ALONG * PLACES_ACROSS; k++) {
		double along = j->bixel_mm * ((k % PLACES_ALONG + 0.5) / PLACES_ALONG - 0.5),
		       across = j->bixel_mm * ((k / PLACES_ALONG + 0.5) / PLACES_ACROSS - 0.5);

		sum += leaves_at(j, w, share, x + (w->along_y ? across : along), y + (w->along_y ? along : across)) /
		       (PLACES_ALONG * PLACES_ACROSS);
	}
	return j->target_share * open * (w->n_pairs ? sum : 1.0) * target_at(j, x, y);
}

static double normal_part(double low, double high, double sigma)
{
	return high > low ? 0.5 * (erf(high / (sigma * sqrt(2.0))) - erf(low / (sigma * sqrt(2.0)))) : 0.0;
}

/* An edge at `edge` of a device at distance_mm, thrown back from a place of the isocentre plane on the extra-focal
 * source. */
static double thrown_back(const sp_machine *m, double from, double edge, double distance_mm, double at)
{
	return at + (edge * distance_mm / m->sad_mm - at) * (m->sad_mm - from) / (m->sad_mm - distance_mm);
}

/* A Gaussian source below the target. */
typedef struct {
	double from_mm, sigma_mm, transmission; /* of closed leaves */
} wide_source;

/* Part of a source that (x, y) sees past jaws and leaves. */
static double seen(const map_job *j, const wide_source *s, const sp_delivery_beam *b, const sp_control_point *now,
                   double x, double y)
{
	const sp_machine *m = j->m;
	const sp_mlc *mlc = m->mlc;
	double sigma = s->sigma_mm, from = s->from_mm, sum = 0.0, jaw[4], whole;
	bool along_y = b->leaf_axis == 'y';
	const double at[2] = {along_y ? y : x, along_y ? x : y}; /* along and across the leaves */

	for (int a = 0; a < 4; a++)
		jaw[a] = thrown_back(m, from, now->jaws_mm[a], a < 2 ? m->jaws.x_distance_mm : m->jaws.y_distance_mm,
		                     a < 2 ? x : y);
	if (b->n_pairs == 0)
		return normal_part(jaw[0], jaw[1], sigma) * normal_part(jaw[2], jaw[3], sigma);
	if (along_y)
		for (int a = 0; a < 2; a++) {
			double other = jaw[a];

			jaw[a] = jaw[a + 2];
			jaw[a + 2] = other;
		}
	whole = normal_part(jaw[0], jaw[1], sigma);
	for (size_t k = 0; k < b->n_pairs; k++) {
		double low = thrown_back(m, from, now->leaves_mm[k] - 0.5 * mlc->leaf_gap_mm, mlc->distance_mm, at[0]),
		       high = thrown_back(m, from, now->leaves_mm[b->n_pairs + k] + 0.5 * mlc->leaf_gap_mm,
		                          mlc->distance_mm, at[0]),
		       first = thrown_back(m, from, mlc->boundaries_mm[k], mlc->distance_mm, at[1]),
		       second = thrown_back(m, from, mlc->boundaries_mm[k + 1], mlc->distance_mm, at[1]),
		       across = normal_part(fmax(first, jaw[2]), fmin(second, jaw[3]), sigma), open;

		if (!(across > 1e-9))
			continue;
		open = normal_part(fmax(low, jaw[0]), fmin(high, jaw[1]), sigma);
		sum += across * (open + s->transmission * (whole - open));
	}
	return sum;
}

static double scatter_value(const map_job *j, const sp_delivery_beam *b, const sp_mc_interval *w,
                            const sp_control_point *now, double share, double x, double y)
{
	const sp_machine_extra_focal *e = &j->m->source.extra_focal;
	const wide_source source = {e->distance_mm, e->sigma_mm, j->m->mlc ? j->m->mlc->transmission : 0.0};
	const double *jaws = now->jaws_mm;
	double open = overlap(jaws[0], jaws[1], x, j->bixel_mm) * overlap(jaws[2], jaws[3], y, j->bixel_mm),
	       value = e->share * seen(j, &source, b, now, x, y);

	if (open < 1.0)
		value += (1.0 - open) * j->m->jaws.transmission * leaves_at(j, w, share, x, y) * target_at(j, x, y);
	return j->target_share * value;
}

static double electron_value(const map_job *j, const sp_delivery_beam *b, const sp_mc_interval *w,
                             const sp_control_point *now, double share, double x, double y)
{
	const sp_machine_electrons *e = &j->m->source.electrons;
	const wide_source source = {e->distance_mm, e->sigma_mm, 0.0};

	(void)w;
	(void)share;
	return j->target_share * e->share * seen(j, &source, b, now, x, y);
}

/* Into how many openings interval i is cut. */
static int moments_of(const sp_delivery_beam *b, size_t i)
{
	const sp_control_point *from = b->points + i, *to = from + 1;
	double farthest_mm = 0.0;

	for (int a = 0; a < 4; a++)
		farthest_mm = fmax(farthest_mm, fabs(to->jaws_mm[a] - from->jaws_mm[a]));
	for (size_t l = 0; l < 2 * b->n_pairs; l++)
		farthest_mm = fmax(farthest_mm, fabs(to->leaves_mm[l] - from->leaves_mm[l]));
	return farthest_mm > 0.0 ? (int)fmin(fmax(MOMENTS, ceil(farthest_mm / MOMENT_MM - 1e-6)), MOST_MOMENTS) : 1;
}

static bool turns(const sp_delivery_beam *b, size_t i)
{
	const sp_control_point *from = b->points + i, *to = from + 1;

	return fabs(sp_gantry_travel_deg(from, to)) > SAME_DEG ||
	       fabs(remainder(to->collimator_deg - from->collimator_deg, 360.0)) > SAME_DEG ||
	       fabs(remainder(to->couch_deg - from->couch_deg, 360.0)) > SAME_DEG;
}

/* Intervals first .. last - 1 of a beam that shine from one direction, the first of their openings being interval `w`
 * of the head. */
typedef struct {
	const sp_delivery_beam *b;
	size_t first, last, interval;
} direction;

/* Adds what one direction gives to its bixels. */
static sp_status fill(double *weights, const sp_beam *beam, const direction *d, const map_job *j, sp_error *err)
{
	size_t w = d->interval;
	double *leaves = sp_alloc_array(2 * d->b->n_pairs + 1, sizeof *leaves);

	if (!leaves)
		return sp_fail(err, SP_NO_MEMORY, "no memory for leaves");
	for (size_t i = d->first; i < d->last; i++) {
		const sp_control_point *from = d->b->points + i, *to = from + 1;
		int moments = moments_of(d->b, i);
		double mu = to->cumulative_mu - from->cumulative_mu;

		if (!(mu > 0.0))
			continue;
		for (int k = 0; k < moments; k++) {
			double share = (k + 0.5) / moments, worth;
			sp_control_point now = {.leaves_mm = leaves};

			for (int a = 0; a < 4; a++)
				now.jaws_mm[a] = from->jaws_mm[a] + share * (to->jaws_mm[a] - from->jaws_mm[a]);
			for (size_t l = 0; l < 2 * d->b->n_pairs; l++)
				leaves[l] = from->leaves_mm[l] + share * (to->leaves_mm[l] - from->leaves_mm[l]);
			worth = mu / moments * sp_machine_output(j->m, now.jaws_mm);
			for (size_t p = 0; p < beam->n_bixels; p++)
				weights[p] += worth * j->value(j, d->b, j->head->intervals + w, &now, share,
				                               (double)beam->x_mm[p], (double)beam->y_mm[p]);
		}
		w++;
	}
	free(leaves);
	return SP_OK;
}

/* The rectangle around all jaw openings of a direction, whole bixels wide, and the reach beyond. */
static void hull_of(double hull[4], const direction *d, const map_job *j)
{
	for (size_t i = d->first; i <= d->last; i++)
		for (int a = 0; a < 4; a++) {
			double jaw = d->b->points[i].jaws_mm[a];

			hull[a] = i == d->first ? jaw : a % 2 ? fmax(hull[a], jaw) : fmin(hull[a], jaw);
		}
	for (int a = 0; a < 4; a += 2) {
		hull[a + 1] = hull[a] + j->bixel_mm * fmax(ceil((hull[a + 1] - hull[a]) / j->bixel_mm - 1e-6), 1.0);
		hull[a] -= j->reach_mm;
		hull[a + 1] += j->reach_mm;
	}
}

/* The next direction of a beam from control point `first` on; false when there is none. */
static bool next_direction(direction *out, const sp_delivery_beam *b, size_t first, size_t interval)
{
	if (first + 1 >= b->n_points)
		return false;
	*out = (direction){b, first, first + 1, interval};
	if (!turns(b, first))
		while (out->last + 1 < b->n_points && !turns(b, out->last))
			out->last++;
	return true;
}

static double mu_of(const direction *d)
{
	return d->b->points[d->last].cumulative_mu - d->b->points[d->first].cumulative_mu;
}

/* Takes the one beam of `from` over into `set`. */
static sp_status take_over(sp_delivery_map *map, sp_beam_set *from, sp_error *err)
{
	sp_beam_set *set = map->set;
	sp_beam *beams = realloc(set->beams, (set->n_beams + 1) * sizeof *beams);
	double *weights;

	if (!beams)
		return sp_fail(err, SP_NO_MEMORY, "no memory for %zu beams", set->n_beams + 1);
	set->beams = beams;
	if (!(weights = realloc(map->weights, (set->n_bixels + from->n_bixels) * sizeof *weights)))
		return sp_fail(err, SP_NO_MEMORY, "no memory for %zu bixels", set->n_bixels + from->n_bixels);
	map->weights = weights;
	memset(weights + set->n_bixels, 0, from->n_bixels * sizeof *weights);
	beams[set->n_beams] = from->beams[0];
	beams[set->n_beams].first_bixel = set->n_bixels;
	from->n_beams = 0; /* its arrays are the set's now */
	set->bixel_mm = from->bixel_mm;
	set->n_beams++;
	set->n_bixels += from->n_bixels;
	return SP_OK;
}

static sp_status add_direction(sp_delivery_map *out, const direction *d, const map_job *j, const char *position,
                               sp_error *err)
{
	double middle = 0.5 * (d->b->points[d->first].cumulative_mu + d->b->points[d->last].cumulative_mu), hull[4];
	sp_control_point now = {0};
	sp_beam_setup setup;
	sp_beam_set *one = NULL;
	const sp_beam *beam;
	sp_status st;

	sp_delivery_beam_at(&now, d->b, middle);
	setup = (sp_beam_setup){now.gantry_deg, now.collimator_deg, now.couch_deg, {0}};
	memcpy(setup.isocentre_mm, d->b->isocentre_mm, sizeof setup.isocentre_mm);
	hull_of(hull, d, j);
	if ((st = sp_beam_set_rectangle(&one, &setup, j->m->sad_mm, position, j->bixel_mm, hull, err)) != SP_OK)
		return st;
	if ((st = take_over(out, one, err)) == SP_OK) {
		beam = out->set->beams + out->set->n_beams - 1;
		st = fill(out->weights + beam->first_bixel, beam, d, j, err);
	}
	sp_beam_set_destroy(one);
	return st;
}

static sp_status make_map(sp_delivery_map *out, const sp_delivery *d, const map_job *j, const char *position,
                          sp_error *err)
{
	size_t interval = 0;
	sp_status st = SP_OK;

	*out = (sp_delivery_map){.set = sp_alloc_array(1, sizeof *out->set)};
	if (!out->set)
		return sp_fail(err, SP_NO_MEMORY, "no memory for a fluence map");
	for (size_t i = 0; st == SP_OK && i < d->n_beams; i++) {
		const sp_delivery_beam *b = d->beams + i;
		direction way;

		for (size_t first = 0; st == SP_OK && next_direction(&way, b, first, interval); first = way.last) {
			if (mu_of(&way) > 0.0)
				st = add_direction(out, &way, j, position, err);
			for (size_t k = way.first; k < way.last; k++)
				interval += b->points[k + 1].cumulative_mu > b->points[k].cumulative_mu;
		}
	}
	if (st != SP_OK)
		sp_delivery_map_finish(out);
	return st;
}

sp_status sp_delivery_target_map(sp_delivery_map *out, const sp_delivery *d, const sp_machine *m,
                                 const sp_mc_head_source *head, const sp_off_axis *off_axis,
                                 const char *patient_position, double bixel_mm, sp_error *err)
{
	const map_job j = {.m = m,
	                   .head = head,
	                   .off_axis = off_axis,
	                   .target_share = sp_target_share(m),
	                   .bixel_mm = bixel_mm,
	                   .reach_mm = 0.0,
	                   .value = target_value};

	return make_map(out, d, &j, patient_position, err);
}

sp_status sp_delivery_scatter_map(sp_delivery_map *out, const sp_delivery *d, const sp_machine *m,
                                  const sp_mc_head_source *head, const sp_off_axis *off_axis,
                                  const char *patient_position, sp_error *err)
{
	const map_job j = {.m = m,
	                   .head = head,
	                   .off_axis = off_axis,
	                   .target_share = sp_target_share(m),
	                   .bixel_mm = SCATTER_BIXEL_MM,
	                   .reach_mm = SCATTER_REACH_MM,
	                   .value = scatter_value};

	return make_map(out, d, &j, patient_position, err);
}

sp_status sp_delivery_electron_map(sp_delivery_map *out, const sp_delivery *d, const sp_machine *m,
                                   const sp_mc_head_source *head, const char *patient_position, sp_error *err)
{
	const map_job j = {.m = m,
	                   .head = head,
	                   .target_share = sp_target_share(m),
	                   .bixel_mm = SCATTER_BIXEL_MM,
	                   .reach_mm = SCATTER_REACH_MM,
	                   .value = electron_value};

	return make_map(out, d, &j, patient_position, err);
}

void sp_delivery_map_finish(sp_delivery_map *map)
{
	sp_beam_set_destroy(map->set);
	free(map->weights);
	*map = (sp_delivery_map){0};
}
