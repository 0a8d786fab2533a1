/* Rows and terms of the optimisation. The terms' meaning is in optimise.h, their reasons in docs/planning.md. */
#include "plan_problem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "distance.h"
#include "log.h"
#include "mask.h"
#include "metric.h"

/* Voxels of a structure with the volume (in voxels) that each stands for. */
typedef struct {
	size_t n, capacity;
	uint64_t *voxels;
	float *volumes;
} voxel_set;

/* Normal tissue in shells round the target: the dose that a shell should not pass, as a share of the prescription.
 * The fall-off follows published spine plans: 90 to 50 % in about 2.5-5 mm beside the cord, and half the dose about
 * 10 mm from the target on average for a gradient index near 3.5. */
typedef struct {
	double outer_mm, dose_share, weight;
} shell;

static const shell shells[] = {
        {2.5, 0.95, 30.0},  {5.0, 0.75, 30.0},  {7.5, 0.60, 30.0},  {11.0, 0.48, 30.0},
        {16.0, 0.38, 20.0}, {25.0, 0.28, 20.0}, {40.0, 0.22, 10.0}, {1e9, 0.16, 10.0},
};
#define N_SHELLS (sizeof shells / sizeof *shells)

/* Farther out, dose varies slowly: every voxel up to DENSE_MM, every 2nd along each axis up to SPARSE_MM, then every
 * 4th. A kept voxel stands for those it replaces, so means keep their meaning. */
#define DENSE_MM 8.0
#define SPARSE_MM 25.0
#define ORGAN_DENSE_MM 20.0
#define ORGAN_SPARSE_MM 60.0
#define DENSE_VOXELS 10000 /* organs of fewer voxels are taken whole */

/* A protocol's limit that is not hard comes after the target's coverage is won but before everything else: its penalty
 * is several times the target's, and acts only where the limit is missed. */
#define SOFT_LIMIT_WEIGHT 8.0

/* A goal of coverage is a penalty and not corrected after the evaluation, as hard limits are: it aims at this much more
 * of the volume. On the lumbar case it then ends at the goal, and at 79.4 % of 80 % without. */
#define COVERAGE_MARGIN 0.03

/* Which voxels stand for a structure. */
typedef enum {
	/* As the evaluation sees it: between voxel centres the dose is linear, so that what lies in a voxel gets part
	 * of its dose from the neighbours, also from those beyond the structure's edge. For coverage, shares of the
	 * volume and means. */
	AS_INTERPOLATED,
	MOSTLY_INSIDE, /* by half or more. A voxel beyond the edge would hold a cord to the dose outside the cord. */
	ANY_SHARE      /* slivers too */
} voxel_choice;

#define LEAST_SHARE 1e-4f
#define MOST_SHARE 0.5f

typedef struct {
	const sp_case *c;
	const sp_grid *grid;
	const sp_protocol *protocol;
	double dose_gy, target_weight;
	float *fraction, *distance;
	uint32_t *row_of; /* 0: not a row; else row + 1 */
	voxel_set *sets;
	size_t n_sets, set_capacity;
	size_t *term_set;
	size_t term_set_capacity, term_capacity, limit_capacity;
	sp_plan_problem *problem;
	sp_error *err;
} builder;

static sp_status set_add(builder *b, voxel_set *s, uint64_t voxel, float volume)
{
	size_t capacity = s->capacity;
	sp_status st = sp_grow_array(&s->volumes, &capacity, s->n + 1, sizeof *s->volumes, b->err);

	if (st != SP_OK)
		return st;
	capacity = s->capacity;
	if ((st = sp_grow_array(&s->voxels, &capacity, s->n + 1, sizeof *s->voxels, b->err)) != SP_OK)
		return st;
	s->capacity = capacity;
	s->voxels[s->n] = voxel;
	s->volumes[s->n++] = volume;
	return SP_OK;
}

/* A new empty set; its index is *out. */
static sp_status new_set(size_t *out, builder *b)
{
	sp_status st = sp_grow_array(&b->sets, &b->set_capacity, b->n_sets + 1, sizeof *b->sets, b->err);

	if (st != SP_OK)
		return st;
	memset(&b->sets[b->n_sets], 0, sizeof *b->sets);
	*out = b->n_sets++;
	return SP_OK;
}

static double set_volume(const voxel_set *s)
{
	double sum = 0.0;

	for (size_t i = 0; i < s->n; i++)
		sum += s->volumes[i];
	return sum;
}

/* True for one voxel in step^3. */
static bool on_lattice(const sp_grid *g, size_t v, size_t step)
{
	return v % g->n[0] % step == 0 && v / g->n[0] % g->n[1] % step == 0 && v / g->n[0] / g->n[1] % step == 0;
}

/* How sparsely voxels are taken at v's distance from the target. */
static size_t step_of(const builder *b, size_t v, double dense_mm, double sparse_mm)
{
	return b->distance[v] <= dense_mm ? 1 : b->distance[v] <= sparse_mm ? 2 : 4;
}

/* A hat function has three quarters of its integral in its own voxel and an eighth in each neighbour along an axis;
 * what lies in a voxel is taken as spread evenly over it. */
sp_status sp_interpolate_shares(float *share, const sp_grid *g, sp_error *err)
{
	size_t voxels = sp_grid_voxels(g), stride = 1;

	for (int axis = 0; axis < 3; stride *= g->n[axis++]) {
		size_t n = g->n[axis];
		float *line = sp_alloc_array(n, sizeof *line);

		if (!line)
			return sp_fail(err, SP_NO_MEMORY, "out of memory weighting the voxels of a structure");
		for (size_t first = 0; first < voxels; first++) {
			if (first / stride % n)
				continue;
			for (size_t i = 0; i < n; i++)
				line[i] = share[first + i * stride];
			for (size_t i = 0; i < n; i++) /* beyond the outermost centres the dose stays as it is there */
				share[first + i * stride] =
				        0.75f * line[i] + 0.125f * (line[i ? i - 1 : i] + line[i + 1 < n ? i + 1 : i]);
		}
		free(line);
	}
	return SP_OK;
}

/* The voxels of structures `which` together (a voxel in several counts with its largest share). Large organs are taken
 * sparsely far from the target, as normal tissue is. */
static sp_status structures_set(size_t *out, builder *b, const size_t *which, size_t n, voxel_choice choice)
{
	size_t voxels = sp_grid_voxels(b->grid), inside = 0;
	const float least = choice == MOSTLY_INSIDE ? MOST_SHARE : LEAST_SHARE;
	float *one = NULL;
	sp_status st = new_set(out, b);

	if (st != SP_OK)
		return st;
	st = sp_structure_fractions(b->fraction, &b->c->structures[which[0]], &b->c->ct, b->grid, b->err);
	if (st == SP_OK && n > 1 && !(one = sp_alloc_array(voxels, sizeof *one)))
		st = sp_fail(b->err, SP_NO_MEMORY, "out of memory uniting structures");
	for (size_t i = 1; st == SP_OK && i < n; i++) {
		st = sp_structure_fractions(one, &b->c->structures[which[i]], &b->c->ct, b->grid, b->err);
		for (size_t v = 0; st == SP_OK && v < voxels; v++)
			b->fraction[v] = fmaxf(b->fraction[v], one[v]);
	}
	free(one);
	if (st == SP_OK && choice == AS_INTERPOLATED)
		st = sp_interpolate_shares(b->fraction, b->grid, b->err);
	for (size_t v = 0; v < voxels; v++)
		inside += b->fraction[v] >= least;
	for (size_t v = 0; st == SP_OK && v < voxels; v++) {
		size_t step = inside <= DENSE_VOXELS ? 1 : step_of(b, v, ORGAN_DENSE_MM, ORGAN_SPARSE_MM);

		if (b->fraction[v] >= least && on_lattice(b->grid, v, step))
			st = set_add(b, &b->sets[*out], v, b->fraction[v] * (float)(step * step * step));
	}
	return st;
}

static sp_status add_term(builder *b, size_t set, sp_term term, const char *name)
{
	sp_plan_problem *p = b->problem;
	sp_status st;

	if (b->sets[set].n == 0)
		return SP_OK;
	if ((st = sp_grow_array(&p->terms, &b->term_capacity, p->n_terms + 1, sizeof *p->terms, b->err)) != SP_OK ||
	    (st = sp_grow_array(&b->term_set, &b->term_set_capacity, p->n_terms + 1, sizeof *b->term_set, b->err)) !=
	            SP_OK)
		return st;
	snprintf(term.name, sizeof term.name, "%s", name);
	b->term_set[p->n_terms] = set;
	p->terms[p->n_terms++] = term;
	return SP_OK;
}

/* Penalty weights are per (share of the prescription)^2, so that a recipe works for any dose. */
static double per_dose(const builder *b, double weight)
{
	return weight * 1e4 / (b->dose_gy * b->dose_gy);
}

/* As the target, a few per cent above its dose. */
static sp_status add_boost(builder *b)
{
	const sp_structure *boost = sp_case_boost(b->c);
	size_t index, set;
	sp_status st;

	if (!boost)
		return sp_fail(b->err, SP_BAD_INPUT, "the case has no structure '%s' to boost",
		               b->c->prescription.boost);
	index = (size_t)(boost - b->c->structures);
	if ((st = structures_set(&set, b, &index, 1, AS_INTERPOLATED)) != SP_OK)
		return st;
	if (b->sets[set].n == 0)
		return sp_fail(b->err, SP_BAD_INPUT, "boost '%s' has no volume on the dose grid", boost->name);
	return add_term(b, set,
	                (sp_term){.kind = SP_SQUARED_UNDERDOSE,
	                          .dose_gy = 1.03 * b->c->prescription.boost_gy,
	                          .weight = per_dose(b, b->target_weight),
	                          .level = SP_LEVEL_TARGET},
	                boost->name);
}

static sp_status add_target(builder *b, const sp_structure *target)
{
	const sp_structure *gtv = sp_case_find_role(b->c, SP_ROLE_GTV);
	size_t index = (size_t)(target - b->c->structures), set;
	const sp_prescription *rx = &b->c->prescription;
	const double own_gy = b->protocol && b->protocol->max_dose_percent > 0.0 ? 0.0 : 1.3 * b->dose_gy;
	const double warm_gy = rx->boost ? rx->boost_gy : b->dose_gy;
	const double hottest_gy = fmax(own_gy, sp_protocol_hottest_gy(b->protocol, rx, b->dose_gy));
	sp_status st = sp_structure_fractions(b->fraction, target, &b->c->ct, b->grid, b->err);

	if (st != SP_OK || (st = sp_distance_to(b->distance, b->fraction, b->grid, b->err)) != SP_OK ||
	    (st = structures_set(&set, b, &index, 1, AS_INTERPOLATED)) != SP_OK)
		return st;
	if (b->sets[set].n == 0)
		return sp_fail(b->err, SP_BAD_INPUT, "target '%s' has no volume on the dose grid", target->name);
	b->problem->target_term = b->problem->n_terms;
	st = add_term(b, set,
	              (sp_term){.kind = SP_SQUARED_UNDERDOSE,
	                        .dose_gy = 1.03 * b->dose_gy,
	                        .weight = per_dose(b, b->target_weight),
	                        .level = SP_LEVEL_TARGET},
	              target->name);
	if (st == SP_OK)
		st = add_term(b, set,
		              (sp_term){.kind = SP_SQUARED_OVERDOSE,
		                        .dose_gy = 0.4 * warm_gy + 0.6 * hottest_gy,
		                        .weight = per_dose(b, 0.05),
		                        .level = SP_LEVEL_TISSUE},
		              target->name);
	if (st == SP_OK)
		st = add_term(b, set, (sp_term){.kind = SP_LIMIT_MAX, .dose_gy = hottest_gy}, target->name);
	if (st == SP_OK && rx->boost)
		st = add_boost(b);
	if (st != SP_OK || !gtv || gtv == target || gtv == sp_case_boost(b->c))
		return st;
	index = (size_t)(gtv - b->c->structures);
	if ((st = structures_set(&set, b, &index, 1, AS_INTERPOLATED)) != SP_OK)
		return st;
	return add_term(b, set,
	                (sp_term){.kind = SP_SQUARED_UNDERDOSE,
	                          .dose_gy = 1.05 * b->dose_gy,
	                          .weight = per_dose(b, 0.5),
	                          .level = SP_LEVEL_TARGET},
	                gtv->name);
}

/* The optimiser's term for a protocol limit; false when the limit asks nothing of it. */
static bool term_of_limit(sp_term *out, const sp_limit *l, const sp_metric *m, double volume_cc, double prescription_gy,
                          double soft_weight)
{
	bool upper = l->sense == SP_LIMIT_IS_UPPER;
	double dose = l->value, share = 0.0;
	bool mean = false, whole = false;

	switch (m->kind) {
	case SP_METRIC_DMAX:
		whole = true;
		break;
	case SP_METRIC_DMEAN:
		mean = true;
		break;
	case SP_METRIC_DOSE_AT_CC:
		share = m->x / volume_cc;
		break;
	case SP_METRIC_DOSE_AT_PERCENT:
		share = 0.01 * m->x;
		break;
	case SP_METRIC_DOSE_OF_COLDEST_CC: /* all but the coldest x cc may exceed the dose */
		share = 1.0 - m->x / volume_cc;
		break;
	case SP_METRIC_VOLUME_AT_GY:
	case SP_METRIC_VOLUME_AT_PERCENT:
		dose = m->kind == SP_METRIC_VOLUME_AT_GY ? m->x : 0.01 * m->x * prescription_gy;
		share = m->percent ? 0.01 * l->value : l->value / volume_cc;
		break;
	case SP_METRIC_VOLUME_BELOW_GY: /* at least `value` below x is at most the rest at x or more */
		dose = m->x;
		share = 1.0 - (m->percent ? 0.01 * l->value : l->value / volume_cc);
		upper = !upper;
		break;
	default:
		return false;
	}
	if (share < 0.0) /* asks for more volume than the structure has (or than lies on the dose grid) */
		return false;
	if (upper && !mean && share >= 1.0)
		return false;
	if (mean && !upper) {
		sp_log_warning("%s %s at least %g Gy is judged, but not planned for; D50%% would be", l->structure,
		               l->metric, dose);
		return false;
	}
	*out = (sp_term){.dose_gy = dose,
	                 .volume = share,
	                 .weight = soft_weight,
	                 .level = l->hard ? SP_LEVEL_LIMIT
	                          : upper ? SP_LEVEL_ORGANS
	                                  : SP_LEVEL_TARGET};
	if (!upper && !l->hard)
		out->volume = fmin(1.0, share + COVERAGE_MARGIN);
	if (mean)
		out->kind = l->hard ? SP_LIMIT_MEAN : SP_MEAN_OVERDOSE;
	else if (upper)
		out->kind = l->hard ? (whole ? SP_LIMIT_MAX : SP_LIMIT_DVH_MAX)
		                    : (whole ? SP_SQUARED_OVERDOSE : SP_DVH_MAX);
	else
		out->kind = l->hard ? SP_LIMIT_DVH_MIN : SP_DVH_MIN;
	return true;
}

/* D at 0.03 cc and the like hang on a few voxels at the structure's hot side; all else is a matter of its volume. */
static voxel_choice choice_for(const sp_limit *l, const sp_metric *m)
{
	switch (m->kind) {
	case SP_METRIC_DMAX:
	case SP_METRIC_DMIN:
	case SP_METRIC_DOSE_AT_CC:
	case SP_METRIC_DOSE_OF_COLDEST_CC:
		return l->hard ? MOSTLY_INSIDE : ANY_SHARE;
	default:
		return AS_INTERPOLATED;
	}
}

/* The term of one limit on structures `which` taken together. */
static sp_status add_limit(builder *b, const sp_limit *l, const sp_metric *metric, const size_t *which, size_t n)
{
	const sp_structure *first = &b->c->structures[which[0]];
	sp_plan_problem *p = b->problem;
	size_t set;
	sp_term term;
	sp_status st = structures_set(&set, b, which, n, choice_for(l, metric));
	double volume_cc;

	if (st != SP_OK || b->sets[set].n == 0)
		return st;
	volume_cc = set_volume(&b->sets[set]) * sp_grid_voxel_volume_cc(b->grid);
	if (!term_of_limit(&term, l, metric, volume_cc, b->dose_gy, per_dose(b, SOFT_LIMIT_WEIGHT)))
		return SP_OK;
	if (l->hard && (first->role == SP_ROLE_CORD || first->role == SP_ROLE_PRV) && p->cord_term == SIZE_MAX)
		p->cord_term = p->n_terms;
	if (l->hard) {
		sp_plan_limit record = {l, p->n_terms, n, sp_alloc_array(n, sizeof *which), 0};

		if (!record.which)
			return sp_fail(b->err, SP_NO_MEMORY, "out of memory noting limits");
		memcpy(record.which, which, n * sizeof *which);
		st = sp_grow_array(&p->limits, &b->limit_capacity, p->n_limits + 1, sizeof record, b->err);
		if (st != SP_OK) {
			free(record.which);
			return st;
		}
		p->limits[p->n_limits++] = record;
	}
	return add_term(b, set, term, first->name);
}

static sp_status add_limits(builder *b)
{
	size_t *which = sp_alloc_array(b->c->n_structures, sizeof *which);
	sp_status st = which ? SP_OK : sp_fail(b->err, SP_NO_MEMORY, "out of memory matching limits");

	for (size_t i = 0; st == SP_OK && i < b->protocol->n_limits; i++) {
		const sp_limit *l = &b->protocol->limits[i];
		size_t n = sp_limit_match(which, b->c->n_structures, l, b->c);
		size_t together = sp_limit_is_joint(l, b->c) ? n : 1;
		sp_metric metric;

		if (n && (st = sp_metric_parse(&metric, l->metric, b->err)) != SP_OK)
			break;
		for (size_t k = 0; st == SP_OK && k < n; k += together)
			st = add_limit(b, l, &metric, which + k, together);
	}
	free(which);
	return st;
}

static sp_status add_shells(builder *b)
{
	const sp_structure *external = sp_case_find_role(b->c, SP_ROLE_EXTERNAL);
	const sp_grid *g = b->grid;
	size_t sets[N_SHELLS];
	sp_status st = SP_OK;

	for (size_t s = 0; s < N_SHELLS && st == SP_OK; s++)
		st = new_set(&sets[s], b);
	if (st == SP_OK && external)
		st = sp_structure_fractions(b->fraction, external, &b->c->ct, g, b->err);
	for (size_t v = 0; st == SP_OK && v < sp_grid_voxels(g); v++) {
		size_t s = 0, step;

		if (!(b->distance[v] > 0.0f) || (external && b->fraction[v] < 0.5f))
			continue;
		step = step_of(b, v, DENSE_MM, SPARSE_MM);
		if (!on_lattice(g, v, step))
			continue;
		while (b->distance[v] > shells[s].outer_mm && s + 1 < N_SHELLS)
			s++;
		st = set_add(b, &b->sets[sets[s]], v, (float)(step * step * step));
	}
	for (size_t s = 0; s < N_SHELLS && st == SP_OK; s++)
		st = add_term(b, sets[s],
		              (sp_term){.kind = SP_SQUARED_OVERDOSE,
		                        .dose_gy = shells[s].dose_share * b->dose_gy,
		                        .weight = per_dose(b, 0.01 * shells[s].weight),
		                        .level = SP_LEVEL_TISSUE},
		              "normal tissue");
	return st;
}

/* Numbers the voxels that any set uses and points every term at its rows. */
static sp_status number_rows(builder *b)
{
	sp_plan_problem *p = b->problem;
	size_t voxels = sp_grid_voxels(b->grid);

	if (!(b->row_of = sp_alloc_array(voxels, sizeof *b->row_of)))
		goto no_memory;
	for (size_t s = 0; s < b->n_sets; s++)
		for (size_t i = 0; i < b->sets[s].n; i++)
			b->row_of[b->sets[s].voxels[i]] = 1;
	for (size_t v = 0; v < voxels; v++)
		p->n_voxels += b->row_of[v];
	if (!(p->voxels = sp_alloc_array(p->n_voxels, sizeof *p->voxels)))
		goto no_memory;
	for (size_t v = 0, row = 0; v < voxels; v++)
		if (b->row_of[v]) {
			p->voxels[row++] = v;
			b->row_of[v] = (uint32_t)row;
		}
	for (size_t t = 0; t < p->n_terms; t++) {
		voxel_set *s = &b->sets[b->term_set[t]];
		uint32_t *rows = sp_alloc_array(s->n, sizeof *rows);
		float *volumes = sp_alloc_array(s->n, sizeof *volumes);

		p->terms[t].rows = rows;
		p->terms[t].volumes = volumes;
		p->terms[t].n = s->n;
		if (!rows || !volumes)
			goto no_memory;
		memcpy(volumes, s->volumes, s->n * sizeof *volumes);
		for (size_t i = 0; i < s->n; i++)
			rows[i] = b->row_of[s->voxels[i]] - 1;
	}
	return SP_OK;
no_memory:
	return sp_fail(b->err, SP_NO_MEMORY, "out of memory numbering the rows of the plan");
}

sp_status sp_plan_problem_make(sp_plan_problem *out, const sp_case *c, const sp_protocol *protocol, double dose_gy,
                               double target_weight, const sp_grid *grid, sp_error *err)
{
	builder b = {.c = c,
	             .grid = grid,
	             .protocol = protocol,
	             .dose_gy = dose_gy,
	             .target_weight = target_weight,
	             .problem = out,
	             .err = err};
	const sp_structure *target = sp_case_target(c);
	sp_status st = SP_OK;

	*out = (sp_plan_problem){.target_term = SIZE_MAX, .cord_term = SIZE_MAX};
	if (!target)
		return sp_fail(err, SP_BAD_INPUT,
		               "the case has no target: it needs a structure of role ptv, ctv or gtv");
	b.fraction = sp_alloc_array(sp_grid_voxels(grid), sizeof *b.fraction);
	b.distance = sp_alloc_array(sp_grid_voxels(grid), sizeof *b.distance);
	if (!b.fraction || !b.distance)
		st = sp_fail(err, SP_NO_MEMORY, "out of memory for a dose grid of %zu voxels", sp_grid_voxels(grid));
	if (st == SP_OK)
		st = add_target(&b, target);
	if (st == SP_OK && protocol)
		st = add_limits(&b);
	if (st == SP_OK)
		st = add_shells(&b);
	if (st == SP_OK)
		st = number_rows(&b);
	for (size_t s = 0; s < b.n_sets; s++) {
		free(b.sets[s].voxels);
		free(b.sets[s].volumes);
	}
	free(b.sets);
	free(b.term_set);
	free(b.row_of);
	free(b.fraction);
	free(b.distance);
	if (st != SP_OK)
		sp_plan_problem_finish(out);
	return st;
}

void sp_plan_problem_finish(sp_plan_problem *p)
{
	for (size_t t = 0; t < p->n_terms; t++) {
		free((void *)(uintptr_t)p->terms[t].rows);
		free((void *)(uintptr_t)p->terms[t].volumes);
		free((void *)(uintptr_t)p->terms[t].over_gy);
	}
	for (size_t i = 0; i < p->n_limits; i++)
		free(p->limits[i].which);
	free(p->limits);
	free(p->terms);
	free(p->voxels);
	*p = (sp_plan_problem){0};
}
