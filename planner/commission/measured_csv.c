/* Tables of measurements: one row a point, the columns told by the header. */
#include "measured_internal.h"

#include "csv.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { KIND, FIELD_X, FIELD_Y, SSD, DEPTH, X, Y, DOSE, NEEDED, UNCERTAINTY = NEEDED, GAP, COLUMNS };

static const char *const headers[COLUMNS] = {"kind", "field_x_mm", "field_y_mm", "ssd_mm",      "depth_mm",
                                             "x_mm", "y_mm",       "dose",       "uncertainty", "gap_mm"};
static const char *const kinds[] = {"depth", "profile", "output", "absolute", "sweep"};

#define NONE ((size_t)-1)
#define BESIDE_MM 0.5
#define ALONG_Y 0.0087 /* x over y of a line that is taken for the y axis: half a degree */

static sp_status find_columns(size_t column[COLUMNS], const sp_csv *csv, sp_error *err)
{
	char other[32];
	size_t at;

	for (int c = 0; c < COLUMNS; c++) {
		const char *unit = strstr(headers[c], "_mm");

		if (sp_csv_column(&column[c], csv, headers[c], NULL) == SP_OK)
			continue;
		column[c] = NONE;
		snprintf(other, sizeof other, "%.*s_cm", (int)(unit ? unit - headers[c] : 0), headers[c]);
		if (unit && sp_csv_column(&at, csv, other, NULL) == SP_OK)
			return sp_fail(err, SP_BAD_INPUT, "%s: there is a column %s, expected %s: lengths are mm",
			               csv->name, other, headers[c]);
		if (c < NEEDED)
			return sp_fail(err, SP_BAD_INPUT,
			               "%s: there is no column %s; expected kind, field_x_mm, field_y_mm, ssd_mm, "
			               "depth_mm, x_mm, y_mm and dose, and maybe uncertainty and gap_mm",
			               csv->name, headers[c]);
	}
	return SP_OK;
}

static sp_status find_kind(sp_measured_kind *out, const sp_csv *csv, size_t row, size_t column, sp_error *err)
{
	const char *cell = sp_csv_cell(csv, row, column);

	for (int k = 0; k < 5; k++)
		if (strcmp(cell, kinds[k]) == 0) {
			*out = (sp_measured_kind)k;
			return SP_OK;
		}
	return sp_fail(err, SP_BAD_INPUT,
	               "%s line %zu: the kind is '%s', expected depth, profile, output, absolute or "
	               "sweep",
	               csv->name, csv->lines[row + 1], cell);
}

/* A row's numbers; x and y apart. */
typedef struct {
	sp_measured_kind kind;
	double v[COLUMNS];
} row_values;

static sp_status read_row(row_values *out, const sp_csv *csv, size_t row, const size_t column[COLUMNS], sp_error *err)
{
	sp_status st = find_kind(&out->kind, csv, row, column[KIND], err);

	for (int c = FIELD_X; st == SP_OK && c < COLUMNS; c++) {
		const char *cell = column[c] == NONE ? "" : sp_csv_cell(csv, row, column[c]);

		out->v[c] = 0.0;
		if (c >= NEEDED && cell[strspn(cell, " \t")] == '\0') {
			if (c == GAP && out->kind == SP_MEASURED_SWEEP)
				st = sp_fail(err, SP_BAD_INPUT, "%s line %zu: a sweep needs its gap_mm", csv->name,
				             csv->lines[row + 1]);
			continue;
		}
		st = sp_csv_number(&out->v[c], csv, row, column[c], err);
	}
	return st;
}

/* Whether a row goes on with the scan of the row before. */
static bool goes_on(const row_values *a, const row_values *b)
{
	bool same = a->kind == b->kind && a->v[SSD] == b->v[SSD],
	     field = a->v[FIELD_X] == b->v[FIELD_X] && a->v[FIELD_Y] == b->v[FIELD_Y];

	switch (b->kind) {
	case SP_MEASURED_DEPTH:
		return same && field;
	case SP_MEASURED_PROFILE: /* on one line through the axis */
		return same && field && a->v[DEPTH] == b->v[DEPTH] &&
		       fabs(a->v[X] * b->v[Y] - a->v[Y] * b->v[X]) <=
		               BESIDE_MM * fmax(hypot(a->v[X], a->v[Y]), hypot(b->v[X], b->v[Y]));
	case SP_MEASURED_OUTPUT:
		return same;
	case SP_MEASURED_SWEEP:
		return same && field && a->v[DEPTH] == b->v[DEPTH];
	default:
		return false;
	}
}

/* From the beam's x axis, in (-90, 90]. */
static double direction_deg(double x, double y)
{
	double deg = atan2(y, x) * 57.29577951308232;

	deg = deg > 90.0 ? deg - 180.0 : deg <= -90.0 ? deg + 180.0 : deg;
	return fabs(deg) < 0.5 ? 0.0 : fabs(fabs(deg) - 90.0) < 0.5 ? 90.0 : deg;
}

static sp_status add_row(sp_measured_scan *s, const row_values *r, const char *name, size_t line, sp_error *err)
{
	double from_axis = hypot(r->v[X], r->v[Y]), sign = 1.0;
	sp_measured_point p = {.field_mm = {r->v[FIELD_X], r->v[FIELD_Y]},
	                       .depth_mm = r->v[DEPTH],
	                       .gap_mm = r->v[GAP],
	                       .dose = r->v[DOSE],
	                       .uncertainty = r->v[UNCERTAINTY]};

	if (s->kind != SP_MEASURED_PROFILE && from_axis > BESIDE_MM)
		return sp_fail(err, SP_BAD_INPUT, "%s line %zu: a %s %g mm beside the axis, expected one on it", name,
		               line, kinds[s->kind], from_axis);
	if (s->kind == SP_MEASURED_PROFILE && from_axis > BESIDE_MM)
		s->direction_deg = direction_deg(r->v[X], r->v[Y]);
	if (fabs(r->v[X]) <= ALONG_Y * fabs(r->v[Y]) ? r->v[Y] < 0.0 : r->v[X] < 0.0)
		sign = -1.0;
	p.at_mm = sign * from_axis;
	return sp_measured_add_point(s, &p, err);
}

sp_status sp_measured_read_csv(sp_measured *m, const char *name, const char *text, size_t bytes, sp_error *err)
{
	size_t column[COLUMNS];
	sp_measured_scan *s = NULL;
	row_values now, before = {0};
	sp_csv csv = {0};
	size_t mark = strncmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0; /* of UTF-8, as spreadsheets write it */
	sp_status st = sp_csv_parse(&csv, name, text + mark, bytes - mark, err);

	if (st == SP_OK)
		st = find_columns(column, &csv, err);
	if (st == SP_OK && csv.n_rows == 0)
		st = sp_fail(err, SP_BAD_INPUT, "%s: there is a header, and no row below it", name);
	for (size_t r = 0; st == SP_OK && r < csv.n_rows; r++) {
		if ((st = read_row(&now, &csv, r, column, err)) != SP_OK)
			break;
		if (!s || !goes_on(&before, &now))
			st = sp_measured_add_scan(&s, m, now.kind, name, csv.lines[r + 1], err);
		if (st == SP_OK) {
			s->ssd_mm = now.v[SSD];
			st = add_row(s, &now, name, csv.lines[r + 1], err);
		}
		/* a point on the axis does not tell the scan's direction: compare with one that does */
		if (r == 0 || now.kind != SP_MEASURED_PROFILE || hypot(now.v[X], now.v[Y]) > BESIDE_MM ||
		    !goes_on(&before, &now))
			before = now;
	}
	sp_csv_finish(&csv);
	return st;
}
