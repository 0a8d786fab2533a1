/* Whether a case makes sense, however it was made. What cannot be planned on is refused; what a user should look at
 * is a warning (case_warnings.c). */
#include "case_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "contour_levels.h"

/* Of the smaller one: a GTV in the cord to more than this share, or a cord in the GTV, is a mistaken role. */
#define CORD_SHARE_REFUSED 0.5
/* Of the target: nearly all of it inside metal, or most of it outside the body, is a mistaken role. */
#define HARDWARE_SHARE_REFUSED 0.9
#define OUTSIDE_SHARE_REFUSED 0.5

const char *sp_case_place(const sp_case *c)
{
	return c->path ? c->path : "case";
}

static sp_status check_ct(const sp_case *c, sp_error *err)
{
	static const char *const positions[] = {"HFS", "HFP", "HFDR", "HFDL", "FFS", "FFP", "FFDR", "FFDL"};
	const char *file = sp_case_place(c);

	for (int a = 0; a < 3; a++) {
		if (c->ct.n[a] == 0)
			return sp_fail(err, SP_BAD_INPUT, "%s:/ct/hu has no voxels along %c", file, "xyz"[a]);
		if (!(c->ct.spacing_mm[a] > 0.0 && c->ct.spacing_mm[a] <= 100.0))
			return sp_fail(err, SP_BAD_INPUT, "%s:/ct/hu spacing_mm[%d] is %g, expected > 0 and <= 100",
			               file, a, c->ct.spacing_mm[a]);
		if (!(fabs(c->ct.origin_mm[a]) <= 1e5))
			return sp_fail(err, SP_BAD_INPUT, "%s:/ct/hu origin_mm[%d] is %g, expected -100000 to 100000",
			               file, a, c->ct.origin_mm[a]);
	}
	for (size_t i = 0; i < sizeof positions / sizeof *positions; i++)
		if (strcmp(c->patient_position, positions[i]) == 0)
			return SP_OK;
	return sp_fail(err, SP_BAD_INPUT,
	               "%s:/ct/hu patient_position is \"%s\", expected HFS, HFP, HFDR, HFDL, FFS, FFP, FFDR or FFDL",
	               file, c->patient_position);
}

/* UTF-8 without control characters, so that names can be printed and go into JSON. */
static bool is_plain(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	while (*p) {
		int more = *p < 0x80                 ? 0
		           : *p >= 0xc2 && *p < 0xe0 ? 1
		           : (*p & 0xf0) == 0xe0     ? 2
		           : *p >= 0xf0 && *p < 0xf5 ? 3
		                                     : -1;
		unsigned second = p[0] ? p[1] : 0;

		if (more < 0 || *p < 0x20 || *p == 0x7f)
			return false;
		/* over-long forms, surrogates, beyond U+10FFFF */
		if ((*p == 0xe0 && second < 0xa0) || (*p == 0xed && second > 0x9f) || (*p == 0xf0 && second < 0x90) ||
		    (*p == 0xf4 && second > 0x8f))
			return false;
		for (p++; more > 0; more--, p++)
			if ((*p & 0xc0) != 0x80)
				return false;
	}
	return true;
}

static sp_status check_text(const sp_case *c, const char *place, const char *text, sp_error *err)
{
	if (text && !is_plain(text))
		return sp_fail(err, SP_BAD_INPUT, "%s:%s is not plain UTF-8 text", sp_case_place(c), place);
	return SP_OK;
}

static sp_status check_name(const sp_case *c, const char *group, const char *name, sp_error *err)
{
	if (*name == '\0' || strlen(name) > SP_CASE_NAME_BYTES || strchr(name, '/') || strcmp(name, ".") == 0)
		return sp_fail(err, SP_BAD_INPUT, "%s:%s/%.60s: a name has 1 to %d bytes and no '/', and is not \".\"",
		               sp_case_place(c), group, name, SP_CASE_NAME_BYTES);
	if (!is_plain(name))
		return sp_fail(err, SP_BAD_INPUT, "%s:%s holds a name that is not plain UTF-8 text", sp_case_place(c),
		               group);
	return SP_OK;
}

/* Structures that may stick out of the CT: a couch, or a body that is wider than the field of view. */
static bool may_stick_out(const sp_structure *s)
{
	return s->role == SP_ROLE_EXTERNAL || s->role == SP_ROLE_SUPPORT;
}

bool sp_case_sticks_out(const sp_grid *ct, const double point_mm[3], int *axis)
{
	for (*axis = 0; *axis < 3; (*axis)++)
		if (point_mm[*axis] < sp_grid_low_edge_mm(ct, *axis) - ct->spacing_mm[*axis] ||
		    point_mm[*axis] > sp_grid_high_edge_mm(ct, *axis) + ct->spacing_mm[*axis])
			return true;
	return false;
}

static sp_status check_polygon(const sp_case *c, const sp_structure *s, size_t which, sp_error *err)
{
	const char *file = sp_case_place(c);
	const double *first = s->points_mm + 3 * s->offsets[which];
	size_t n = (size_t)(s->offsets[which + 1] - s->offsets[which]);
	double low = INFINITY, high = -INFINITY;
	int axis;

	for (size_t i = 0; i < n; i++) {
		const double *p = first + 3 * i;

		for (int a = 0; a < 3; a++)
			if (!(fabs(p[a]) <= 1e6))
				return sp_fail(err, SP_BAD_INPUT,
				               "%s:/structures/%s/points_mm[%zu][%d] is %g, expected a position in mm",
				               file, s->name, (size_t)s->offsets[which] + i, a, p[a]);
		if (!may_stick_out(s) && sp_case_sticks_out(&c->ct, p, &axis))
			return sp_fail(
			        err, SP_BAD_INPUT,
			        "%s:/structures/%s/points_mm[%zu] is outside the CT: %c is %g mm, the CT goes from %g "
			        "to %g mm",
			        file, s->name, (size_t)s->offsets[which] + i, "xyz"[axis], p[axis],
			        sp_grid_low_edge_mm(&c->ct, axis), sp_grid_high_edge_mm(&c->ct, axis));
		low = fmin(low, p[2]);
		high = fmax(high, p[2]);
	}
	if (n >= 3 && high - low > SP_PLANAR_MM)
		return sp_fail(
		        err, SP_BAD_INPUT,
		        "%s:/structures/%s polygon %zu is not planar: its z goes from %g to %g mm, expected one slice",
		        file, s->name, which, low, high);
	return SP_OK;
}

static sp_status check_structure(const sp_case *c, const sp_structure *s, sp_error *err)
{
	const char *file = sp_case_place(c);
	sp_status st = check_name(c, "/structures", s->name, err);

	if (st != SP_OK)
		return st;
	for (const sp_structure *other = c->structures; other < s; other++) {
		if (strcmp(other->name, s->name) == 0)
			return sp_fail(err, SP_BAD_INPUT, "%s:/structures/%s is there twice", file, s->name);
		if (other->role == SP_ROLE_EXTERNAL && s->role == SP_ROLE_EXTERNAL)
			return sp_fail(
			        err, SP_BAD_INPUT,
			        "%s:/structures/%s and /structures/%s both have the role external, expected one body "
			        "outline",
			        file, other->name, s->name);
	}
	if (check_text(c, "/structures material", s->material, err) != SP_OK)
		return SP_BAD_INPUT;
	if (!isnan(s->density_g_cm3) && !(s->density_g_cm3 >= 0.0 && s->density_g_cm3 <= 25.0))
		return sp_fail(err, SP_BAD_INPUT, "%s:/structures/%s density_g_cm3 is %g, expected 0 to 25", file,
		               s->name, s->density_g_cm3);
	for (int a = 0; s->has_mask && a < 3; a++)
		if (s->mask.first[a] + s->mask.n[a] > c->ct.n[a])
			return sp_fail(err, SP_BAD_INPUT, "%s:/structures/%s/mask is larger than the CT along %c", file,
			               s->name, "xyz"[a]);
	for (size_t i = 0; i < s->n_polygons; i++)
		if ((st = check_polygon(c, s, i, err)) != SP_OK)
			return st;
	return SP_OK;
}

static sp_status check_prescription(const sp_case *c, sp_error *err)
{
	const sp_prescription *p = &c->prescription;
	const char *file = sp_case_place(c);
	const sp_structure *target = sp_case_target(c);
	double volume_cc;
	sp_status st;

	if (!p->present)
		return SP_OK;
	if (check_text(c, "/prescription target", p->target, err) != SP_OK ||
	    check_text(c, "/prescription protocol", p->protocol, err) != SP_OK)
		return SP_BAD_INPUT;
	if (!(p->dose_gy > 0.0) && !(p->protocol && p->dose_gy == 0.0))
		return sp_fail(err, SP_BAD_INPUT, "%s:/prescription dose_gy is %g, expected > 0", file, p->dose_gy);
	if (p->fractions == 0 && !p->protocol)
		return sp_fail(err, SP_BAD_INPUT, "%s:/prescription fractions is 0, expected at least 1", file);
	if (!target && p->target)
		return sp_fail(err, SP_BAD_INPUT, "%s:/prescription target is \"%s\", and there is no /structures/%s",
		               file, p->target, p->target);
	if (check_text(c, "/prescription boost", p->boost, err) != SP_OK)
		return SP_BAD_INPUT;
	if (p->boost && !sp_case_boost(c))
		return sp_fail(err, SP_BAD_INPUT, "%s:/prescription boost is \"%s\", and there is no /structures/%s",
		               file, p->boost, p->boost);
	if (p->boost && !(p->boost_gy > p->dose_gy && p->boost_gy < 1000.0))
		return sp_fail(
		        err, SP_BAD_INPUT,
		        "%s:/prescription boost_gy is %g, expected more than dose_gy and < 1000 (Gy, whole course)",
		        file, p->boost_gy);
	if (!target)
		return sp_fail(err, SP_BAD_INPUT,
		               "%s:/prescription names no target, and no structure has the role ptv, ctv or gtv", file);
	/* an outline without area (points on a line) is as empty as none */
	if ((st = sp_structure_volume_cc(&volume_cc, target, &c->ct, err)) != SP_OK)
		return st;
	if (!(volume_cc > 0.0))
		return sp_fail(err, SP_BAD_INPUT,
		               "%s:/structures/%s is empty, and it is the target of the prescription", file,
		               target->name);
	return SP_OK;
}

static sp_status check_beam(const sp_case *c, const sp_case_beam *b, sp_error *err)
{
	const double angles[3] = {b->gantry_deg, b->collimator_deg, b->couch_deg};
	static const char *const names[3] = {"gantry_deg", "collimator_deg", "couch_deg"};
	const char *file = sp_case_place(c);
	sp_status st = check_name(c, "/beams", b->name, err);

	for (int a = 0; a < 3 && st == SP_OK; a++) {
		if (!(fabs(angles[a]) <= 360.0))
			st = sp_fail(err, SP_BAD_INPUT, "%s:/beams/%s %s is %g, expected -360 to 360", file, b->name,
			             names[a], angles[a]);
		else if (b->has_isocentre && !(fabs(b->isocentre_mm[a]) <= 1e5))
			st = sp_fail(err, SP_BAD_INPUT,
			             "%s:/beams/%s isocentre_mm[%d] is %g, expected a position in mm", file, b->name, a,
			             b->isocentre_mm[a]);
	}
	return st;
}

/* Two structures whose roles contradict their places. */
static sp_status check_pair(const sp_case *c, const sp_structure *a, const sp_structure *b, sp_error *err)
{
	const char *file = sp_case_place(c);
	sp_case_overlap o;
	double common_cc;
	sp_status st;

	if (!sp_case_pair_matters(a, b))
		return SP_OK;
	if ((st = sp_case_measure_overlap(&o, a, b, &c->ct, err)) != SP_OK)
		return st;
	common_cc = 0.5 * (o.least_cc + o.most_cc);
	if (a->role == SP_ROLE_GTV && b->role == SP_ROLE_CORD && common_cc > CORD_SHARE_REFUSED * fmin(o.a_cc, o.b_cc))
		return sp_fail(
		        err, SP_BAD_INPUT,
		        "%s:/structures/%s (gtv) and /structures/%s (cord) share %.2f cc of %.2f and %.2f cc: one of "
		        "the roles is wrong",
		        file, a->name, b->name, common_cc, o.a_cc, o.b_cc);
	if (b->role == SP_ROLE_HARDWARE && common_cc > HARDWARE_SHARE_REFUSED * o.a_cc)
		return sp_fail(
		        err, SP_BAD_INPUT,
		        "%s:/structures/%s (%s) lies inside /structures/%s (hardware) with %.2f of %.2f cc: one of the "
		        "roles is wrong",
		        file, a->name, sp_role_name(a->role), b->name, common_cc, o.a_cc);
	if (b->role == SP_ROLE_EXTERNAL && common_cc < (1.0 - OUTSIDE_SHARE_REFUSED) * o.a_cc)
		return sp_fail(err, SP_BAD_INPUT,
		               "%s:/structures/%s (%s) lies outside the body /structures/%s with %.2f of %.2f cc", file,
		               a->name, sp_role_name(a->role), b->name, o.a_cc - common_cc, o.a_cc);
	return SP_OK;
}

sp_status sp_case_check(const sp_case *c, sp_error *err)
{
	sp_status st = check_ct(c, err);

	for (size_t i = 0; i < c->n_structures && st == SP_OK; i++)
		st = check_structure(c, &c->structures[i], err);
	if (st == SP_OK)
		st = check_prescription(c, err);
	for (size_t i = 0; i < c->n_beams && st == SP_OK; i++)
		st = check_beam(c, &c->beams[i], err);
	for (size_t i = 0; i < c->n_structures && st == SP_OK; i++)
		for (size_t j = 0; j < c->n_structures && st == SP_OK; j++)
			st = check_pair(c, &c->structures[i], &c->structures[j], err);
	return st;
}
