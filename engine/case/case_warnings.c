/* What a user should look at before planning on a case. */
#include "case_internal.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "alloc.h"
#include "contour_levels.h"

#define SENTENCE_BYTES 640
/* Below: padding outside the field of view is -1024 to -3072 on the scanners there are. */
#define LEAST_HU (-4000)

typedef struct {
	char *text; /* sentences, each with its zero byte */
	size_t used, capacity, n;
	sp_status st;
	sp_error *err;
} list;

static void warn(list *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void warn(list *l, const char *format, ...)
{
	va_list args;

	if (l->st != SP_OK ||
	    (l->st = sp_grow_array(&l->text, &l->capacity, l->used + SENTENCE_BYTES, 1, l->err)) != SP_OK)
		return;
	va_start(args, format);
	vsnprintf(l->text + l->used, SENTENCE_BYTES, format, args);
	va_end(args);
	l->used += strlen(l->text + l->used) + 1;
	l->n++;
}

static void look_at_hu(list *l, const sp_case *c)
{
	size_t n = sp_grid_voxels(&c->ct);
	int16_t low = INT16_MAX, high = INT16_MIN;

	for (size_t i = 0; i < n; i++) {
		low = c->hu[i] < low ? c->hu[i] : low;
		high = c->hu[i] > high ? c->hu[i] : high;
	}
	if (low < LEAST_HU)
		warn(l, "/ct/hu goes down to %d, expected at least %d: are these HU?", low, LEAST_HU);
	/* raw pixel values: air is 0 and water about 1000 */
	if (low >= 0 && high >= 1000)
		warn(l,
		     "/ct/hu goes from %d to %d, without air or fat: are these HU, or pixel values before rescaling?",
		     low, high);
}

static void look_at_contours(list *l, const sp_case *c, const sp_structure *s)
{
	sp_contour_levels levels;
	size_t short_ones = 0, outside = 0;
	int axis;

	for (size_t i = 0; i < s->n_polygons; i++)
		short_ones += s->offsets[i + 1] - s->offsets[i] < 3;
	if (short_ones)
		warn(l, "/structures/%s: %zu contours of fewer than 3 points are ignored", s->name, short_ones);
	for (size_t i = 0; s->n_polygons && i < s->offsets[s->n_polygons]; i++)
		outside += sp_case_sticks_out(&c->ct, s->points_mm + 3 * i, &axis);
	if (outside)
		warn(l, "/structures/%s sticks out of the CT (%zu points)", s->name, outside);
	if (l->st != SP_OK || (l->st = sp_contour_levels_init(&levels, s, c->ct.spacing_mm[2], l->err)) != SP_OK)
		return;
	if (levels.n_levels > levels.n_slices)
		warn(l, "/structures/%s: %zu missing slices are interpolated between %zu drawn ones", s->name,
		     levels.n_levels - levels.n_slices, levels.n_slices);
	if (levels.n_gaps)
		warn(l, "/structures/%s has %zu gaps of more than %g mm between slices: taken as separate parts",
		     s->name, levels.n_gaps, fmax(SP_BRIDGE_MM, 3.0 * levels.gap_mm));
	sp_contour_levels_finish(&levels);
}

static void look_at_structure(list *l, const sp_case *c, const sp_structure *s)
{
	if (sp_structure_is_empty(s))
		warn(l, "/structures/%s is empty", s->name);
	for (const sp_structure *other = c->structures; other < s; other++)
		if (strcasecmp(other->name, s->name) == 0)
			warn(l, "/structures/%s and /structures/%s differ only in capitals", other->name, s->name);
	if (!s->has_mask)
		look_at_contours(l, c, s);
}

static void look_at_pair(list *l, const sp_case *c, const sp_structure *a, const sp_structure *b)
{
	sp_case_overlap o;
	double share;

	if (l->st != SP_OK || !sp_case_pair_matters(a, b) ||
	    (l->st = sp_case_measure_overlap(&o, a, b, &c->ct, l->err)) != SP_OK)
		return;
	share = o.a_cc > 0.0 ? o.most_cc / o.a_cc : 1.0;
	/* in case of doubt there is nothing to warn of; a hundredth is how well outlines are drawn */
	if (b->role == SP_ROLE_EXTERNAL && share < 0.99)
		warn(l, "/structures/%s (%s): %.1f %% of it lie outside the body /structures/%s", a->name,
		     sp_role_name(a->role), 100.0 * (1.0 - share), b->name);
	if (b->role == SP_ROLE_HARDWARE && o.least_cc > 0.5 * o.a_cc)
		warn(l, "/structures/%s (%s): %.1f %% of it lie inside /structures/%s (hardware)", a->name,
		     sp_role_name(a->role), 100.0 * o.least_cc / o.a_cc, b->name);
	if (b->role == SP_ROLE_CORD && o.least_cc > 0.01 * o.b_cc)
		warn(l, "/structures/%s (%s) takes in %.1f %% of /structures/%s (cord)", a->name, sp_role_name(a->role),
		     100.0 * o.least_cc / o.b_cc, b->name);
}

sp_status sp_case_warnings(char ***out, size_t *n_out, const sp_case *c, sp_error *err)
{
	list l = {.err = err};
	char *text;

	*out = NULL;
	*n_out = 0;
	look_at_hu(&l, c);
	if (!sp_case_find_role(c, SP_ROLE_EXTERNAL))
		warn(&l, "no structure has the role external: the whole CT counts as body");
	if (!sp_case_find_role(c, SP_ROLE_CORD))
		warn(&l, "no structure has the role cord: no limit holds there");
	if (!c->prescription.present)
		warn(&l, "there is no /prescription");
	for (size_t i = 0; i < c->n_structures && l.st == SP_OK; i++)
		look_at_structure(&l, c, &c->structures[i]);
	for (size_t i = 0; i < c->n_structures; i++)
		for (size_t j = 0; j < c->n_structures; j++)
			look_at_pair(&l, c, &c->structures[i], &c->structures[j]);
	if (l.st == SP_OK && !(*out = sp_alloc_array(1, l.n * sizeof **out + l.used + 1)))
		l.st = sp_fail(err, SP_NO_MEMORY, "out of memory for %zu warnings", l.n);
	if (l.st == SP_OK) {
		text = memcpy((char *)(*out + l.n), l.text ? l.text : "", l.used);
		for (size_t i = 0; i < l.n; i++, text += strlen(text) + 1)
			(*out)[i] = text;
		*n_out = l.n;
	}
	free(l.text);
	return l.st;
}
