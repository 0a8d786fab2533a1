/* W2CAD, the ASCII exchange format of measured beams: $STOM and $ENOM round each scan, %KEY VALUE lines, then points
 * <x y z dose> in mm; $ENOF ends the file. */
#include "measured_internal.h"

#include "log.h"

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BESIDE_MM 0.5

typedef struct {
	bool open, left_out, has_type, has_field, has_ssd, has_depth;
	char axis;
	bool has_direction;
	double along[2]; /* a diagonal's direction, by its first point off the axis */
	sp_measured_kind kind;
	double field_mm[2], ssd_mm, depth_mm;
	size_t line, promised; /* where it begins; %PNTS, 0: not told */
	sp_measured_scan *scan;
	size_t n; /* points read, those of scans left out too */
	bool is_wrong;
	sp_error wrong; /* the first thing in the header */
} state;

typedef struct {
	sp_measured *m;
	const char *name;
	size_t line;
	state now;
	char told[128]; /* what was left out */
} reader;

#define WRONG(r, ...) wrong(r, err, __VA_ARGS__)

__attribute__((format(printf, 3, 4))) static sp_status wrong(const reader *r, sp_error *err, const char *format, ...);

#include <stdarg.h>

static sp_status wrong(const reader *r, sp_error *err, const char *format, ...)
{
	char text[256];
	va_list a;

	va_start(a, format);
	vsnprintf(text, sizeof text, format, a);
	va_end(a);
	return sp_fail(err, SP_BAD_INPUT, "%s line %zu: %s", r->name, r->line, text);
}

/* n finite numbers at text with `between` (or blanks) between them and nothing else up to `end`. */
static bool numbers(double *out, int n, const char *text, char between, char end)
{
	char *after;

	for (int i = 0; i < n; i++) {
		out[i] = strtod(text, &after);
		if (after == text || !isfinite(out[i]))
			return false;
		text = after + strspn(after, " \t");
		if (i + 1 < n && between != ' ' && *text++ != between)
			return false;
	}
	return *text == end;
}

/* The scan under way is of no use here; its reason is told once a file. */
static void leave_out(reader *r, const char *key, const char *value)
{
	char code[16];
	size_t n = strlen(r->told);

	r->now.left_out = true;
	snprintf(code, sizeof code, "%.12s;", value);
	if (strstr(r->told, code))
		return;
	sp_log_warning("%s line %zu: scans with %s '%.12s' are left out", r->name, r->line, key, value);
	snprintf(r->told + n, sizeof r->told - n, "%s", code);
}

/* Exports of a whole commissioning hold much that says nothing of the open photon beam: it is left out. */
static void read_type(reader *r, const char *value)
{
	static const struct {
		const char *code;
		sp_measured_kind kind;
	} types[] = {{"OPD", SP_MEASURED_DEPTH}, {"OPP", SP_MEASURED_PROFILE}, {"DPR", SP_MEASURED_PROFILE}};

	r->now.has_type = true;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (strcasecmp(value, types[i].code) == 0) {
			r->now.kind = types[i].kind;
			if (strcmp(types[i].code, "DPR") == 0 && !r->now.axis)
				r->now.axis = 'D';
			return;
		}
	leave_out(r, "%TYPE", value);
}

static sp_status read_value(reader *r, const char *key, const char *value, sp_error *err)
{
	state *s = &r->now;
	double v;

	if (strcmp(key, "%FLSZ") == 0) {
		s->has_field = numbers(s->field_mm, 2, value, '*', '\0');
		return s->has_field ? SP_OK : WRONG(r, "%%FLSZ is '%s', expected two sides in mm as 100*100", value);
	}
	if (strcmp(key, "%AXIS") == 0) {
		s->axis = value[0];
		return value[1] == '\0' && strchr("XYZD", value[0])
		               ? SP_OK
		               : WRONG(r, "%%AXIS is '%s', expected X, Y, Z or D", value);
	}
	if (strcmp(key, "%SSD") != 0 && strcmp(key, "%DPTH") != 0 && strcmp(key, "%PNTS") != 0)
		return SP_OK; /* version, date, detector, step */
	if (!numbers(&v, 1, value, ' ', '\0') || v < 0.0 || v > 1e6)
		return WRONG(r, "%s is '%s', expected a number", key, value);
	if (strcmp(key, "%SSD") == 0) {
		s->ssd_mm = v;
		s->has_ssd = true;
	} else if (strcmp(key, "%DPTH") == 0) {
		s->depth_mm = v;
		s->has_depth = true;
	} else {
		s->promised = (size_t)v;
	}
	return SP_OK;
}

static sp_status read_key(reader *r, const char *key, const char *value, sp_error *err)
{
	state *s = &r->now;
	sp_error found = {0};

	if (s->n > 0) /* points have begun: their scan was made by the keys before them */
		return WRONG(r, "%.40s after the scan's first point, expected it before", key);
	if (strcmp(key, "%TYPE") == 0)
		read_type(r, value);
	else if (strcmp(key, "%BMTY") == 0 && strcasecmp(value, "PHO") != 0)
		leave_out(r, "%BMTY", value);
	else if (read_value(r, key, value, &found) != SP_OK && !s->is_wrong) {
		s->is_wrong = true; /* what a scan that is left out says of itself does not matter */
		s->wrong = found;
	}
	return SP_OK;
}

/* What was found wrong in the header of a scan that is used. */
static sp_status header_status(const state *s, sp_error *err)
{
	if (s->left_out || !s->is_wrong)
		return SP_OK;
	if (err)
		*err = s->wrong;
	return SP_BAD_INPUT;
}

/* The scan's header is whole when its first point comes. */
static sp_status begin_points(reader *r, sp_error *err)
{
	state *s = &r->now;
	const char *lacks = !s->has_type ? "%TYPE" : !s->has_field ? "%FLSZ" : !s->has_ssd ? "%SSD" : NULL;
	sp_status st;

	if ((st = header_status(s, err)) != SP_OK)
		return st;
	if (lacks)
		return WRONG(r, "the scan has points, but no %s before them", lacks);
	if (s->kind == SP_MEASURED_PROFILE && (s->axis == 'Z' || !s->axis))
		return WRONG(r, "a profile needs %%AXIS X, Y or D");
	if ((st = sp_measured_add_scan(&s->scan, r->m, s->kind, r->name, s->line, err)) != SP_OK)
		return st;
	s->scan->ssd_mm = s->ssd_mm;
	s->scan->direction_deg = s->kind != SP_MEASURED_PROFILE || s->axis == 'X' ? 0.0 : 90.0;
	return SP_OK;
}

/* The direction of a diagonal, in (-90, 90], from its first point that is off the axis. */
static void set_direction(state *s, const double *v)
{
	double from_axis = hypot(v[0], v[1]), sign = v[0] < 0.0 || (v[0] == 0.0 && v[1] < 0.0) ? -1.0 : 1.0;

	if (s->has_direction || from_axis <= BESIDE_MM)
		return;
	s->has_direction = true;
	s->along[0] = sign * v[0] / from_axis;
	s->along[1] = sign * v[1] / from_axis;
	s->scan->direction_deg = atan2(s->along[1], s->along[0]) * 57.29577951308232;
}

static sp_status read_point(reader *r, const char *text, sp_error *err)
{
	state *s = &r->now;
	sp_measured_point p = {.field_mm = {s->field_mm[0], s->field_mm[1]}};
	double v[4], beside;
	sp_status st;

	if (s->left_out) {
		s->n++;
		return SP_OK;
	}
	if (!numbers(v, 4, text + 1, ' ', '>'))
		return WRONG(r, "'%.40s' is no point, expected <x y z dose> with four numbers", text);
	if (s->n == 0 && (st = begin_points(r, err)) != SP_OK)
		return st;
	s->n++;
	p.depth_mm = s->kind == SP_MEASURED_PROFILE && s->has_depth ? s->depth_mm : v[2];
	p.dose = v[3];
	if (s->kind == SP_MEASURED_DEPTH) {
		beside = hypot(v[0], v[1]);
	} else if (s->axis == 'D') {
		set_direction(s, v);
		p.at_mm = s->along[0] * v[0] + s->along[1] * v[1];
		beside = fabs(s->along[0] * v[1] - s->along[1] * v[0]);
	} else {
		p.at_mm = s->axis == 'X' ? v[0] : v[1];
		beside = fabs(s->axis == 'X' ? v[1] : v[0]);
	}
	if (beside > BESIDE_MM)
		return WRONG(r, "a point lies %g mm beside the axis, expected scans through the axis", beside);
	return sp_measured_add_point(s->scan, &p, err);
}

static sp_status end_scan(reader *r, sp_error *err)
{
	state *s = &r->now;
	sp_status st;

	if (!s->open)
		return WRONG(r, "$ENOM without a $STOM before it");
	if ((st = header_status(s, err)) != SP_OK)
		return st;
	if (s->n == 0 && !s->left_out)
		return WRONG(r, "the scan that begins on line %zu has no points", s->line);
	if (s->promised && s->n != s->promised && !s->left_out)
		return WRONG(r, "the scan that begins on line %zu has %zu points, and %%PNTS says %zu", s->line, s->n,
		             s->promised);
	r->m->n_skipped += s->left_out;
	*s = (state){0};
	return SP_OK;
}

/* line: without blanks at its ends, not empty. Some programs write "$ STOM" and "% TYPE". */
static sp_status read_line(reader *r, char *line, sp_error *err)
{
	size_t blanks = line[0] == '$' || line[0] == '%' ? strspn(line + 1, " \t") : 0;
	char *value;

	line[blanks] = line[0];
	line += blanks;
	value = line + strcspn(line, " \t");
	if (strncmp(line, "$STOM", 5) == 0) {
		if (r->now.open)
			return WRONG(r, "$STOM before the $ENOM of the scan that begins on line %zu", r->now.line);
		r->now = (state){.open = true, .line = r->line};
		return SP_OK;
	}
	if (strncmp(line, "$ENOM", 5) == 0)
		return end_scan(r, err);
	if (line[0] == '<' && r->now.open)
		return read_point(r, line, err);
	if (line[0] == '<')
		return WRONG(r, "a point outside of $STOM and $ENOM");
	if (line[0] != '%' || !r->now.open)
		return SP_OK; /* $NUMS, $ENOF, remarks */
	if (*value)
		*value++ = '\0';
	return read_key(r, line, value + strspn(value, " \t"), err);
}

sp_status sp_measured_read_w2cad(sp_measured *m, const char *name, const char *text, sp_error *err)
{
	reader r = {.m = m, .name = name};
	size_t before = m->n + m->n_skipped;
	sp_status st = SP_OK;

	while (st == SP_OK && *text) {
		size_t n = strcspn(text, "\n"), end = n;
		char line[512];

		r.line++;
		while (end > 0 && isspace((unsigned char)text[end - 1]))
			end--;
		if (end >= sizeof line)
			return WRONG(&r, "a line of %zu characters; this is no W2CAD file", end);
		memcpy(line, text, end);
		line[end] = '\0';
		if (line[strspn(line, " \t")])
			st = read_line(&r, line + strspn(line, " \t"), err);
		text += n + (text[n] == '\n');
	}
	if (st == SP_OK && r.now.open && (st = header_status(&r.now, err)) == SP_OK)
		st = WRONG(&r, "the file ends in the scan that begins on line %zu: it is cut short", r.now.line);
	if (st == SP_OK && m->n + m->n_skipped == before)
		st = sp_fail(err, SP_BAD_INPUT, "%s: there is no scan in it (no $STOM): this is no W2CAD file", name);
	return st;
}
