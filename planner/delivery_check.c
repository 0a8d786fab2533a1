#include "delivery_check.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "alloc.h"

/* Rounding of positions (mm), angles (degrees) and monitor units in files. */
#define ROUND_MM 0.011
#define ROUND_DEG 0.05
#define ROUND_MU 1e-3
#define ROUND_SHARE 1e-3 /* of speeds and rates */

static const char *const names[SP_RULE_COUNT] = {"leaves",    "leaf gap",      "leaf span",     "leaf travel",
                                                 "jaws",      "monitor units", "MU per degree", "leaf speed",
                                                 "jaw speed", "turns",         "control points"};

const char *sp_rule_name(sp_rule rule)
{
	return names[rule];
}

typedef struct {
	sp_breach worst[SP_RULE_COUNT]; /* of the beam at hand */
	const sp_delivery_beam *beam;
	const sp_machine *machine;
	double place_deg; /* of the gantry, clockwise from its stop at 180: 0 to 360 */
	bool has_turned;
	bool turns_back; /* its first turn is counter-clockwise */
} judge;

/* Notes a breach of `rule` at a control point; how bad it is tells which is kept. */
__attribute__((format(printf, 6, 7))) static void breach(judge *j, sp_rule rule, size_t point, double value,
                                                         double limit, const char *format, ...)
{
	sp_breach *w = &j->worst[rule];
	va_list list;

	w->times++;
	if (w->times > 1 && !(fabs(value - limit) > fabs(w->value - w->limit)))
		return;
	w->rule = rule;
	w->point = point;
	w->value = value;
	w->limit = limit;
	va_start(list, format);
	vsnprintf(w->text, sizeof w->text, format, list);
	va_end(list);
}

/* ---- places ---- */

static bool pair_moves(const sp_delivery_beam *b, size_t k)
{
	for (size_t i = 1; i < b->n_points; i++)
		if (fabs(b->points[i].leaves_mm[k] - b->points[0].leaves_mm[k]) > ROUND_MM ||
		    fabs(b->points[i].leaves_mm[b->n_pairs + k] - b->points[0].leaves_mm[b->n_pairs + k]) > ROUND_MM)
			return true;
	return false;
}

static void judge_leaf_shape(judge *j)
{
	const sp_delivery_beam *b = j->beam;
	const sp_mlc *m = j->machine->mlc;
	double most = 0.0;

	if (b->n_pairs == 0)
		return;
	if (!m || b->n_pairs != m->n_pairs) {
		breach(j, SP_RULE_LEAVES, 0, (double)b->n_pairs, m ? m->n_pairs : 0.0,
		       "the plan has %zu pairs of leaves, the machine %u", b->n_pairs, m ? m->n_pairs : 0);
		return;
	}
	for (size_t k = 0; k <= b->n_pairs; k++)
		most = fmax(most, fabs(b->leaf_boundaries_mm[k] - m->boundaries_mm[k]));
	if (most > ROUND_MM)
		breach(j, SP_RULE_LEAVES, 0, most, 0.0, "leaf edges lie up to %.2f mm from those of %s", most, m->name);
}

static void judge_leaf_places(judge *j, size_t point)
{
	const sp_delivery_beam *b = j->beam;
	const sp_mlc *m = j->machine->mlc;
	const double *leaves = b->points[point].leaves_mm;

	for (size_t k = 0; k < b->n_pairs; k++) {
		double gap = leaves[b->n_pairs + k] - leaves[k];

		if (gap < m->min_gap_mm - ROUND_MM && pair_moves(b, k))
			breach(j, SP_RULE_GAP, point, gap, m->min_gap_mm,
			       "pair %zu moves with a gap of %.2f mm, at least %.2f", k, gap, m->min_gap_mm);
	}
	for (int bank = 0; bank < 2; bank++) {
		const double *p = leaves + (bank ? b->n_pairs : 0);
		double low = p[0], high = p[0], past;

		for (size_t k = 1; k < b->n_pairs; k++) {
			low = fmin(low, p[k]);
			high = fmax(high, p[k]);
		}
		if (high - low > m->max_span_mm + ROUND_MM)
			breach(j, SP_RULE_SPAN, point, high - low, m->max_span_mm,
			       "leaves of bank %d lie %.1f mm apart, at most %.1f", bank + 1, high - low,
			       m->max_span_mm);
		past = bank ? -low : high;
		if (past > m->overtravel_mm + ROUND_MM)
			breach(j, SP_RULE_OVERTRAVEL, point, past, m->overtravel_mm,
			       "a leaf of bank %d goes %.1f mm past the axis, at most %.1f", bank + 1, past,
			       m->overtravel_mm);
		past = bank ? high : -low;
		if (past > m->max_position_mm + ROUND_MM)
			breach(j, SP_RULE_OVERTRAVEL, point, past, m->max_position_mm,
			       "a leaf of bank %d is drawn back %.1f mm, at most %.1f", bank + 1, past,
			       m->max_position_mm);
	}
}

static void judge_jaws(judge *j, size_t point)
{
	const double *jaws = j->beam->points[point].jaws_mm;
	const sp_machine_limits *l = &j->machine->limits;

	for (int a = 0; a < 2; a++) {
		double low = jaws[2 * a], high = jaws[2 * a + 1], past = fmax(low, -high), back = fmax(-low, high);

		if (past > l->jaw_overtravel_mm[a] + ROUND_MM)
			breach(j, SP_RULE_JAWS, point, past, l->jaw_overtravel_mm[a],
			       "%c jaw %.1f mm past the axis, at most %.1f", "XY"[a], past, l -> jaw_overtravel_mm[a]);
		if (high - low > l->max_field_mm[a] + ROUND_MM || back > 0.5 * l->max_field_mm[a] + ROUND_MM)
			breach(j, SP_RULE_JAWS, point, fmax(high - low, 2.0 * back), l->max_field_mm[a],
			       "%c jaws at %.1f and %.1f mm, the largest field is %.1f", "XY"[a], low, high,
			       l -> max_field_mm[a]);
	}
}

/* ---- monitor units ---- */

static void judge_mu(judge *j)
{
	const sp_delivery_beam *b = j->beam;
	const sp_machine_limits *l = &j->machine->limits;
	double last = b->points[b->n_points - 1].cumulative_mu, off;

	if (fabs(b->points[0].cumulative_mu) > ROUND_MU)
		breach(j, SP_RULE_MU, 0, b->points[0].cumulative_mu, 0.0, "the first control point has %.3f MU, not 0",
		       b->points[0].cumulative_mu);
	if (fabs(last - b->mu) > ROUND_MU)
		breach(j, SP_RULE_MU, b->n_points - 1, last, b->mu,
		       "control points add up to %.3f MU, the beam says %.3f", last, b->mu);
	if (!(b->mu > 0.0))
		breach(j, SP_RULE_MU, 0, b->mu, 0.0, "the beam has no monitor units");
	off = l->mu_rounding > 0.0 ? fabs(remainder(b->mu, l->mu_rounding)) : 0.0;
	if (off > ROUND_MU)
		breach(j, SP_RULE_MU, b->n_points - 1, b->mu, b->mu - remainder(b->mu, l->mu_rounding),
		       "%.4f MU is no multiple of %g", b->mu, l->mu_rounding);
}

/* ---- from one control point to the next ---- */

/* Degrees from the stop at 180 (going clockwise) to an angle: 0 to 360. */
static double from_stop_deg(double gantry_deg)
{
	double u = fmod(gantry_deg - 180.0, 360.0);

	return u < 0.0 ? u + 360.0 : u;
}

static void judge_turn(judge *j, size_t i, double travel)
{
	const sp_delivery_beam *b = j->beam;
	const sp_control_point *p = &b->points[i], *q = p + 1;
	bool may_turn = b->technique == SP_BEAM_ARC || b->technique == SP_BEAM_VMAT;

	if (fabs(travel) <= ROUND_DEG)
		travel = 0.0;
	if (i == 0)
		j->place_deg = from_stop_deg(p->gantry_deg);
	if (j->place_deg <= ROUND_DEG && travel < 0.0 && !j->has_turned)
		j->place_deg += 360.0; /* 180 is both ends: the first turn tells which */
	j->place_deg += travel;
	if (travel != 0.0 && !j->has_turned)
		j->turns_back = travel < 0.0;
	else if (travel != 0.0 && j->turns_back != (travel < 0.0))
		breach(j, SP_RULE_TURN, i, travel, 0.0, "the gantry turns round within the beam, at %.1f degrees",
		       p->gantry_deg);
	j->has_turned |= travel != 0.0;
	if (j->place_deg < -ROUND_DEG || j->place_deg > 360.0 + ROUND_DEG)
		breach(j, SP_RULE_TURN, i, j->place_deg, 360.0,
		       "the gantry goes through 180 degrees, from %.1f to %.1f", p->gantry_deg, q->gantry_deg);
	if (!may_turn && travel != 0.0)
		breach(j, SP_RULE_TURN, i, travel, 0.0, "the gantry of a %s beam turns by %.1f degrees",
		       sp_beam_technique_name(b->technique), travel);
	if (fabs(remainder(q->collimator_deg - p->collimator_deg, 360.0)) > ROUND_DEG ||
	    fabs(remainder(q->couch_deg - p->couch_deg, 360.0)) > ROUND_DEG)
		breach(j, SP_RULE_TURN, i, 1.0, 0.0, "collimator or couch turn within the beam");
}

/* The most that a jaw and a leaf go. */
static void most_travel(double *jaw_mm, double *leaf_mm, const sp_delivery_beam *b, size_t i)
{
	const sp_control_point *p = &b->points[i], *q = p + 1;

	*jaw_mm = *leaf_mm = 0.0;
	for (int a = 0; a < 4; a++)
		*jaw_mm = fmax(*jaw_mm, fabs(q->jaws_mm[a] - p->jaws_mm[a]));
	for (size_t k = 0; k < 2 * b->n_pairs; k++)
		*leaf_mm = fmax(*leaf_mm, fabs(q->leaves_mm[k] - p->leaves_mm[k]));
}

/* With the beam on, dose rate and gantry at their limits set the time; leaves and jaws have to keep up. */
static void judge_step(judge *j, size_t i)
{
	const sp_delivery_beam *b = j->beam;
	const sp_machine_limits *l = &j->machine->limits;
	double travel = sp_gantry_travel_deg(&b->points[i], &b->points[i + 1]), turned = fabs(travel);
	double mu = b->points[i + 1].cumulative_mu - b->points[i].cumulative_mu, seconds, jaw, leaf;

	judge_turn(j, i, travel);
	if (mu < -ROUND_MU) {
		breach(j, SP_RULE_MU, i, mu, 0.0, "the monitor units fall by %.3f MU to the next control point", -mu);
		return;
	}
	if (!(mu > ROUND_MU)) {
		if (turned > ROUND_DEG)
			breach(j, SP_RULE_MU_PER_DEGREE, i, 0.0, l->min_mu_per_degree,
			       "the gantry turns without monitor units");
		return;
	}
	if (turned > ROUND_DEG && mu / turned < l->min_mu_per_degree * (1.0 - ROUND_SHARE))
		breach(j, SP_RULE_MU_PER_DEGREE, i, mu / turned, l->min_mu_per_degree,
		       "%.3f MU per degree, at least %.3f", mu / turned, l->min_mu_per_degree);
	if (turned > ROUND_DEG && mu / turned > l->max_mu_per_degree * (1.0 + ROUND_SHARE))
		breach(j, SP_RULE_MU_PER_DEGREE, i, mu / turned, l->max_mu_per_degree,
		       "%.2f MU per degree, at most %.2f", mu / turned, l->max_mu_per_degree);
	if (turned <= ROUND_DEG && mu < l->min_mu_per_control_point - ROUND_MU)
		breach(j, SP_RULE_MU, i, mu, l->min_mu_per_control_point, "a step of %.4f MU, at least %.4f", mu,
		       l->min_mu_per_control_point);
	seconds = fmax(turned / l->gantry_speed_deg_s, mu * 60.0 / l->max_dose_rate_mu_min);
	most_travel(&jaw, &leaf, b, i);
	if (jaw > ROUND_MM && jaw / seconds > l->jaw_speed_mm_s * (1.0 + ROUND_SHARE))
		breach(j, SP_RULE_JAW_SPEED, i, jaw / seconds, l->jaw_speed_mm_s,
		       "a jaw has to go %.1f mm/s, at most %.1f", jaw / seconds, l->jaw_speed_mm_s);
	if (j->machine->mlc && leaf > ROUND_MM &&
	    (leaf - 2.0 * ROUND_MM) / seconds > j->machine->mlc->max_leaf_speed_mm_s * (1.0 + ROUND_SHARE))
		breach(j, SP_RULE_LEAF_SPEED, i, leaf / seconds, j->machine->mlc->max_leaf_speed_mm_s,
		       "a leaf has to go %.1f mm/s, at most %.1f", leaf / seconds,
		       j->machine->mlc->max_leaf_speed_mm_s);
}

static void judge_beam(judge *j)
{
	const sp_delivery_beam *b = j->beam;

	judge_leaf_shape(j);
	judge_mu(j);
	if (b->n_points > j->machine->limits.max_control_points)
		breach(j, SP_RULE_POINTS, 0, (double)b->n_points, j->machine->limits.max_control_points,
		       "%zu control points, at most %u", b->n_points, j->machine->limits.max_control_points);
	for (size_t i = 0; i < b->n_points; i++) {
		judge_jaws(j, i);
		if (b->n_pairs && j->machine->mlc)
			judge_leaf_places(j, i);
		if (i + 1 < b->n_points)
			judge_step(j, i);
	}
}

sp_status sp_delivery_judge(sp_delivery_verdict *out, const sp_delivery *d, const sp_machine *machine, sp_error *err)
{
	size_t room = 0;
	sp_status st = SP_OK;

	*out = (sp_delivery_verdict){0};
	for (size_t i = 0; st == SP_OK && i < d->n_beams; i++) {
		judge j = {.beam = &d->beams[i], .machine = machine};

		judge_beam(&j);
		for (int r = 0; st == SP_OK && r < SP_RULE_COUNT; r++) {
			if (j.worst[r].times == 0)
				continue;
			if ((st = sp_grow_array(&out->breaches, &room, out->n + 1, sizeof *out->breaches, err)) !=
			    SP_OK)
				break;
			j.worst[r].beam = i;
			out->breaches[out->n++] = j.worst[r];
		}
	}
	if (st != SP_OK)
		sp_delivery_verdict_finish(out);
	return st;
}

void sp_delivery_verdict_finish(sp_delivery_verdict *v)
{
	free(v->breaches);
	*v = (sp_delivery_verdict){0};
}
