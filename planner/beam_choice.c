#include "beam_choice.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "beam.h"
#include "case_setup.h"
#include "mask.h"
#include "structure_names.h"
#include "vertebra_names.h"

/* What lies in the way is summed along rays, in mm of a burden; tissue's own is what makes a short way better. */
#define GRID_MM 4.0
#define SAD_MM 1000.0 /* rays are followed within the patient: the exact distance of the source hardly matters */
#define TISSUE 0.05
#define STEP_DEG 2
#define TURN_DEG 4       /* of one beam, at most */
#define TURN_PRICE 0.02  /* of the whole burden of a beam, at TURN_DEG: no turn for nothing */
#define LEAST_APART 18.0 /* two neighbours */
#define ARM_GAP_MM 8.0   /* air between two parts of the body on one ray that makes the outer one an arm */

typedef enum { LEVEL_CERVICAL, LEVEL_THORACIC, LEVEL_LUMBAR, LEVEL_SACRAL } spine_level;
static const char *const level_names[] = {"cervical", "thoracic", "lumbar", "sacral"};

/* Burden of a mm of what may lie in the way, at each level; ours, by the limits that are hardest to hold there. */
typedef struct {
	const char *name; /* as structure-names.yaml has it */
	const char *word; /* for people */
	double burden[4]; /* by level */
} obstacle;

static const obstacle obstacles[] = {
        {"Lung_L", "lungs", {0.05, 0.05, 0.1, 0.1}},       {"Lung_R", "lungs", {0.05, 0.05, 0.1, 0.1}},
        {"Kidney", "kidneys", {0.5, 0.5, 0.5, 0.5}},       {"Heart", "heart", {0.1, 0.1, 0.1, 0.1}},
        {"Bowel_Small", "bowel", {0.05, 0.05, 0.1, 0.15}}, {"Bowel_Large", "bowel", {0.05, 0.05, 0.1, 0.15}},
        {"Stomach", "stomach", {0.1, 0.1, 0.1, 0.1}},
};
#define N_OBSTACLES (sizeof obstacles / sizeof *obstacles)
#define HARDWARE_BURDEN 1.0
#define CORD_BURDEN 0.3
#define ARM_BURDEN 60.0 /* for the beam as a whole: an arm is nowhere twice */

/* Organs that tell the level, when they share slices with the target. */
static const struct {
	const char *name;
	spine_level level;
} landmarks[] = {{"Brainstem", LEVEL_CERVICAL},     {"Mandible", LEVEL_CERVICAL},      {"mandible", LEVEL_CERVICAL},
                 {"Larynx", LEVEL_CERVICAL},        {"Parotid_L", LEVEL_CERVICAL},     {"Parotid_R", LEVEL_CERVICAL},
                 {"Thyroid", LEVEL_CERVICAL},       {"thyroid_gland", LEVEL_CERVICAL}, {"Bladder", LEVEL_SACRAL},
                 {"urinary_bladder", LEVEL_SACRAL}, {"hip_left", LEVEL_SACRAL},        {"hip_right", LEVEL_SACRAL},
                 {"Rectum", LEVEL_SACRAL},          {"Femur_Head_L", LEVEL_SACRAL}};

typedef struct {
	const sp_case *c;
	sp_grid grid;
	sp_structure_names *names;
	spine_level level;
	float *fraction, *target, *body, *burden;
	int16_t *what; /* which structure the burden is of, -1: none */
	double centre_mm[3], low_mm[3], high_mm[3];
	sp_error *err;
} chooser;

/* ---- level and side ---- */

/* Share of the target's slices that the structure has too. */
static double shares_slices(const chooser *x, const sp_structure *s)
{
	double low[3], high[3];

	if (!sp_structure_bounds(low, high, s, &x->c->ct))
		return 0.0;
	return fmax(0.0, fmin(high[2], x->high_mm[2]) - fmax(low[2], x->low_mm[2])) /
	       fmax(1.0, x->high_mm[2] - x->low_mm[2]);
}

static bool same_word(const char *a, const char *b)
{
	while (*a && *b && tolower((unsigned char)*a) == tolower((unsigned char)*b))
		a++, b++;
	return !*a && !*b;
}

/* How well a group of names shares the target's slices. */
static double presence(const chooser *x, const char *const *names)
{
	double most = 0.0;

	for (; *names; names++) {
		size_t which[16], n;
		bool together;

		n = sp_structure_names_match(which, 16, &together, x->names, *names, x->c);
		for (size_t i = 0; i < n && i < 16; i++)
			most = fmax(most, shares_slices(x, &x->c->structures[which[i]]));
	}
	return most;
}

/* The level that a bone's name tells. */
static bool level_of(spine_level *out, const char *name)
{
	static const char *const sacral[] = {"sacrum", "Bone_Sacrum", "S1", "vertebrae_S1", "S2", "S3",
	                                     "S4",     "S5",          NULL};
	char level[4];

	for (const char *const *s = sacral; *s; s++)
		if (same_word(name, *s)) {
			*out = LEVEL_SACRAL;
			return true;
		}
	if (!sp_vertebra_level(level, name))
		return false;
	*out = level[0] == 'C' ? LEVEL_CERVICAL : level[0] == 'T' ? LEVEL_THORACIC : LEVEL_LUMBAR;
	return true;
}

static void find_level(sp_beam_choice *out, chooser *x)
{
	static const char *const lungs[] = {"Lung_L", "Lung_R", "Lungs", NULL};
	static const char *const abdomen[] = {"Kidney", "Liver", "Stomach", NULL};
	double best = 0.0, lung, belly;

	for (size_t i = 0; i < x->c->n_structures; i++) {
		const sp_structure *s = &x->c->structures[i];
		double share = shares_slices(x, s);
		spine_level level;

		if (!(share > best) || !level_of(&level, s->name))
			continue;
		best = share;
		x->level = level;
		snprintf(out->level, sizeof out->level, "%s (%.60s)", level_names[x->level], s->name);
	}
	if (best > 0.0)
		return;
	for (size_t i = 0; i < x->c->n_structures; i++)
		for (size_t k = 0; k < sizeof landmarks / sizeof *landmarks; k++) {
			const sp_structure *s = &x->c->structures[i];

			if (!same_word(s->name, landmarks[k].name) || !(shares_slices(x, s) > best))
				continue;
			best = shares_slices(x, s);
			x->level = landmarks[k].level;
			snprintf(out->level, sizeof out->level, "%s (%.60s beside it)", level_names[x->level], s->name);
		}
	if (best > 0.3)
		return;
	lung = presence(x, lungs);
	belly = presence(x, abdomen);
	if (lung > 0.0 || belly > 0.0) {
		x->level = belly > lung ? LEVEL_LUMBAR : LEVEL_THORACIC;
		snprintf(out->level, sizeof out->level, "%s (%s)", level_names[x->level],
		         lung > 0.0 && belly > 0.0 ? "lungs and abdominal organs beside it"
		         : lung > 0.0              ? "lungs beside it"
		                                   : "abdominal organs beside it, no lung");
		return;
	}
	if (best > 0.0)
		return;
	x->level = LEVEL_THORACIC;
	snprintf(out->level, sizeof out->level, "unknown (no vertebra by name, no organ beside it)");
}

/* Where the target lies against the cord, in the patient's left and right. */
static sp_status find_side(sp_beam_choice *out, chooser *x, const sp_structure *cord)
{
	double sum = 0.0, moment = 0.0, p[3], off;
	sp_status st = sp_structure_fractions(x->fraction, cord, &x->c->ct, &x->grid, x->err);

	for (size_t v = 0; st == SP_OK && v < sp_grid_voxels(&x->grid); v++) {
		sp_grid_centre(p, &x->grid, v);
		if (p[2] < x->low_mm[2] || p[2] > x->high_mm[2])
			continue;
		sum += (double)x->fraction[v];
		moment += (double)x->fraction[v] * p[0];
	}
	off = sum > 0.0 ? x->centre_mm[0] - moment / sum : 0.0;
	if (!(sum > 0.0))
		snprintf(out->side, sizeof out->side, "no cord in its slices");
	else if (fabs(off) < 3.0)
		snprintf(out->side, sizeof out->side, "in the middle");
	else
		snprintf(out->side, sizeof out->side, "%s of the cord by %.0f mm",
		         off > 0.0 ? "the patient's left" : "the patient's right", fabs(off));
	return st;
}

/* ---- burdens ---- */

static sp_status add_burden(chooser *x, size_t structure, double burden)
{
	sp_status st = sp_structure_fractions(x->fraction, &x->c->structures[structure], &x->c->ct, &x->grid, x->err);

	for (size_t v = 0; st == SP_OK && v < sp_grid_voxels(&x->grid); v++)
		if (x->fraction[v] * (float)burden > x->burden[v]) {
			x->burden[v] = x->fraction[v] * (float)burden;
			x->what[v] = (int16_t)structure;
		}
	return st;
}

static sp_status add_burdens(chooser *x)
{
	const sp_structure *external = sp_case_find_role(x->c, SP_ROLE_EXTERNAL);
	sp_status st = SP_OK;

	for (size_t v = 0; v < sp_grid_voxels(&x->grid); v++) {
		x->what[v] = -1;
		x->body[v] = 1.0f;
	}
	if (external)
		st = sp_structure_fractions(x->body, external, &x->c->ct, &x->grid, x->err);
	for (size_t k = 0; st == SP_OK && k < N_OBSTACLES; k++) {
		size_t which[32], n;
		bool together;

		n = sp_structure_names_match(which, 32, &together, x->names, obstacles[k].name, x->c);
		for (size_t i = 0; st == SP_OK && i < n && i < 32; i++)
			st = add_burden(x, which[i], obstacles[k].burden[x->level]);
	}
	for (size_t i = 0; st == SP_OK && i < x->c->n_structures; i++) {
		sp_role role = x->c->structures[i].role;

		if (role == SP_ROLE_HARDWARE)
			st = add_burden(x, i, HARDWARE_BURDEN);
		else if (role == SP_ROLE_CORD)
			st = add_burden(x, i, CORD_BURDEN);
	}
	return st;
}

static bool voxel_at(size_t *out, const sp_grid *g, const double p[3])
{
	size_t at[3];

	for (int a = 0; a < 3; a++) {
		double place = floor((p[a] - sp_grid_low_edge_mm(g, a)) / g->spacing_mm[a]);

		if (place < 0.0 || place >= (double)g->n[a])
			return false;
		at[a] = (size_t)place;
	}
	*out = sp_grid_index(g, at[0], at[1], at[2]);
	return true;
}

/* What a ray meets from a point of the target towards the source. by_structure may be NULL. */
static double ray_burden(const chooser *x, const double from_mm[3], const sp_beam_frame *f, double *by_structure,
                         bool *arm)
{
	double sum = 0.0, p[3], outside_mm = 0.0, length = 0.0, way[3];
	size_t v;

	for (int a = 0; a < 3; a++) {
		way[a] = f->source_mm[a] - from_mm[a];
		length += way[a] * way[a];
	}
	length = sqrt(length);
	for (double at = 0.5 * GRID_MM; at < length; at += GRID_MM) {
		for (int a = 0; a < 3; a++)
			p[a] = from_mm[a] + at / length * way[a];
		if (!voxel_at(&v, &x->grid, p))
			break;
		if (x->body[v] < 0.5f) {
			outside_mm += GRID_MM;
			continue;
		}
		if (outside_mm >= ARM_GAP_MM)
			*arm = true;
		if (x->target[v] > 0.5f)
			continue;
		sum += GRID_MM * (TISSUE + (double)x->burden[v]);
		if (by_structure && x->what[v] >= 0)
			by_structure[x->what[v]] += GRID_MM * (double)x->burden[v];
	}
	return sum;
}

/* Mean over points of the target. */
static sp_status angle_burden(double *out, double *by_structure, bool *arm, const chooser *x, double angle_deg)
{
	sp_beam_setup setup = {.gantry_deg = angle_deg};
	sp_beam_frame f;
	size_t n = 0, seen = 0;
	sp_status st;

	memcpy(setup.isocentre_mm, x->centre_mm, sizeof x->centre_mm);
	if ((st = sp_beam_frame_make(&f, &setup, SAD_MM, x->c->patient_position, x->err)) != SP_OK)
		return st;
	*out = 0.0;
	*arm = false;
	for (size_t v = 0; v < sp_grid_voxels(&x->grid); v++) {
		double p[3];

		if (x->target[v] < 0.5f || seen++ % 4)
			continue;
		sp_grid_centre(p, &x->grid, v);
		*out += ray_burden(x, p, &f, by_structure, arm);
		n++;
	}
	if (n == 0)
		*out = ray_burden(x, x->centre_mm, &f, by_structure, arm), n = 1;
	*out = *out / (double)n + (*arm ? ARM_BURDEN : 0.0);
	return SP_OK;
}

/* ---- angles ---- */

static double burden_of(const double *burdens, double angle_deg)
{
	long at = lround(angle_deg / STEP_DEG) % (360 / STEP_DEG);

	return burdens[at < 0 ? at + 360 / STEP_DEG : at];
}

/* The best turn of one beam from where it would be. */
static double best_turn(double *cost_out, const double *burdens, double angle_deg)
{
	double best = HUGE_VAL, turn = 0.0;

	for (int t = 0; t <= TURN_DEG; t += STEP_DEG)
		for (int sign = -1; sign <= 1; sign += 2) {
			double cost = burden_of(burdens, angle_deg + sign * t) +
			              TURN_PRICE * t / TURN_DEG * burden_of(burdens, angle_deg);

			if (cost < best) {
				best = cost;
				turn = sign * t;
			}
		}
	*cost_out = best;
	return turn;
}

static double angle_of(double start_deg, size_t beam)
{
	return STEP_DEG * round((start_deg + 360.0 / SP_CHOSEN_BEAMS * (double)beam) / STEP_DEG);
}

static void choose_angles(sp_beam_choice *out, const double *burdens)
{
	double best = HUGE_VAL, best_start = 180.0, last = -HUGE_VAL, cost;

	for (int start = 180; start < 180 + 360 / SP_CHOSEN_BEAMS; start += STEP_DEG) {
		double sum = 0.0;

		for (size_t i = 0; i < SP_CHOSEN_BEAMS; i++) {
			best_turn(&cost, burdens, angle_of(start, i));
			sum += cost;
		}
		if (sum < 0.999 * best) {
			best = sum;
			best_start = start;
		}
	}
	out->n = SP_CHOSEN_BEAMS;
	for (size_t i = 0; i < SP_CHOSEN_BEAMS; i++) {
		double angle = angle_of(best_start, i), turn = best_turn(&cost, burdens, angle);

		if (angle + turn - last < LEAST_APART)
			turn = fmax(turn, last + LEAST_APART - angle);
		last = angle + turn;
		out->angles_deg[i] = fmod(last + 360.0, 360.0);
	}
}

/* The structure with the largest burden along the beams that were not taken, against those that were. */
static sp_status say_avoided(sp_beam_choice *out, const chooser *x)
{
	size_t n = x->c->n_structures, length = 0, arms = 0;
	double *chosen = sp_alloc_array(n, sizeof *chosen), *plain = sp_alloc_array(n, sizeof *plain), ignored;
	sp_status st = chosen && plain ? SP_OK : sp_fail(x->err, SP_NO_MEMORY, "out of memory choosing beams");
	bool arm;

	for (size_t i = 0; st == SP_OK && i < out->n; i++) {
		if ((st = angle_burden(&ignored, plain, &arm, x, angle_of(180.0, i))) != SP_OK)
			break;
		arms += arm;
		if ((st = angle_burden(&ignored, chosen, &arm, x, out->angles_deg[i])) == SP_OK && arm)
			arms = arms ? arms - 1 : 0;
	}
	for (size_t i = 0; st == SP_OK && i < n; i++)
		if (plain[i] > 0.0 && chosen[i] < 0.85 * plain[i] && length < sizeof out->avoided - 80)
			length += (size_t)snprintf(out->avoided + length, sizeof out->avoided - length,
			                           "%s%.40s (%.0f %% less)", length ? ", " : "",
			                           x->c->structures[i].name, 100.0 * (1.0 - chosen[i] / plain[i]));
	if (st == SP_OK && arms && length < sizeof out->avoided - 20)
		snprintf(out->avoided + length, sizeof out->avoided - length, "%sarms", length ? ", " : "");
	free(chosen);
	free(plain);
	return st;
}

static sp_status prepare(chooser *x, const sp_structure *target)
{
	const double spacing[3] = {GRID_MM, GRID_MM, GRID_MM};
	double sum = 0.0, p[3];
	size_t n;
	sp_status st;

	if ((st = sp_setup_dose_grid(&x->grid, x->c, spacing, x->err)) != SP_OK ||
	    (st = sp_structure_names_read(&x->names, x->err)) != SP_OK)
		return st;
	n = sp_grid_voxels(&x->grid);
	x->fraction = sp_alloc_array(n, sizeof *x->fraction);
	x->target = sp_alloc_array(n, sizeof *x->target);
	x->body = sp_alloc_array(n, sizeof *x->body);
	x->burden = sp_alloc_array(n, sizeof *x->burden);
	x->what = sp_alloc_array(n, sizeof *x->what);
	if (!x->fraction || !x->target || !x->body || !x->burden || !x->what)
		return sp_fail(x->err, SP_NO_MEMORY, "out of memory choosing beams");
	if ((st = sp_structure_fractions(x->target, target, &x->c->ct, &x->grid, x->err)) != SP_OK)
		return st;
	for (size_t v = 0; v < n; v++) {
		sp_grid_centre(p, &x->grid, v);
		sum += (double)x->target[v];
		for (int a = 0; a < 3; a++)
			x->centre_mm[a] += (double)x->target[v] * p[a];
	}
	if (!(sum > 0.0) || !sp_structure_bounds(x->low_mm, x->high_mm, target, &x->c->ct))
		return sp_fail(x->err, SP_BAD_INPUT, "target '%s' has no volume", target->name);
	for (int a = 0; a < 3; a++)
		x->centre_mm[a] /= sum;
	return SP_OK;
}

sp_status sp_beam_choice_make(sp_beam_choice *out, const sp_case *c, sp_error *err)
{
	const sp_structure *target = sp_case_target(c), *cord = sp_case_find_role(c, SP_ROLE_CORD);
	chooser x = {.c = c, .err = err};
	double burdens[360 / STEP_DEG];
	sp_status st;
	bool arm;

	*out = (sp_beam_choice){0};
	if (!cord)
		cord = sp_case_find_role(c, SP_ROLE_PRV);
	if (!cord)
		return SP_OK;
	if (!target)
		return sp_fail(err, SP_BAD_INPUT,
		               "the case has no target: it needs a structure of role ptv, ctv or gtv");
	if ((st = prepare(&x, target)) != SP_OK || (st = find_side(out, &x, cord)) != SP_OK)
		goto cleanup;
	find_level(out, &x);
	if ((st = add_burdens(&x)) != SP_OK)
		goto cleanup;
	for (size_t i = 0; i < 360 / STEP_DEG && st == SP_OK; i++)
		st = angle_burden(&burdens[i], NULL, &arm, &x, (double)(i * STEP_DEG));
	if (st != SP_OK)
		goto cleanup;
	choose_angles(out, burdens);
	st = say_avoided(out, &x);
cleanup:
	sp_structure_names_destroy(x.names);
	free(x.fraction);
	free(x.target);
	free(x.body);
	free(x.burden);
	free(x.what);
	return st;
}
