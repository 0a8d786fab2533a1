#include "csv.h"

#include "alloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Ends the line at p with a zero byte and returns the start of the next one, or NULL after the last. */
static char *cut_line(char *p)
{
	char *end = strchr(p, '\n');

	if (end)
		*end = '\0';
	p[strcspn(p, "\r")] = '\0';
	return end ? end + 1 : NULL;
}

/* Cuts the next cell off *p; *p becomes NULL after the line's last one. */
static char *cut_cell(char **p)
{
	char *cell = *p, *end;

	if (*cell == '"' && (end = strchr(cell + 1, '"'))) {
		*end++ = '\0';
		cell++;
		end += strcspn(end, ",");
	} else {
		end = cell + strcspn(cell, ",");
	}
	*p = *end ? end + 1 : NULL;
	*end = '\0';
	return cell;
}

static size_t count_cells(const char *line)
{
	size_t n = 1;
	int quoted = 0;

	for (; *line; line++) {
		quoted ^= *line == '"';
		n += *line == ',' && !quoted;
	}
	return n;
}

static int is_content(const char *line)
{
	return line[0] != '#' && line[strspn(line, " \t")] != '\0';
}

sp_status sp_csv_parse(sp_csv *out, const char *name, const char *text, size_t bytes, sp_error *err)
{
	size_t max_lines = 1, number = 0, row = 0;

	*out = (sp_csv){.name = name};
	for (size_t i = 0; i < bytes; i++)
		max_lines += text[i] == '\n';
	if (bytes == (size_t)-1 || !(out->text = malloc(bytes + 1)))
		return sp_fail(err, SP_NO_MEMORY, "no memory for table %s", name);
	memcpy(out->text, text, bytes);
	out->text[bytes] = '\0';
	for (char *line = out->text, *next; line; line = next) {
		next = cut_line(line);
		number++;
		if (!is_content(line))
			continue;
		if (!out->cells) {
			out->n_columns = count_cells(line);
			out->cells = sp_alloc_array(max_lines, out->n_columns * sizeof *out->cells);
			out->lines = sp_alloc_array(max_lines, sizeof *out->lines);
			if (!out->cells || !out->lines)
				return sp_fail(err, SP_NO_MEMORY, "no memory for table %s", name);
		}
		if (count_cells(line) != out->n_columns)
			return sp_fail(err, SP_BAD_INPUT, "%s line %zu has %zu cells, expected %zu as in the header",
			               name, number, count_cells(line), out->n_columns);
		out->lines[row] = number;
		for (size_t c = 0; c < out->n_columns; c++) {
			static char empty[] = "";

			out->cells[row * out->n_columns + c] = line ? cut_cell(&line) : empty;
		}
		row++;
	}
	if (row == 0)
		return sp_fail(err, SP_BAD_INPUT, "table %s has no header line", name);
	out->n_rows = row - 1;
	return SP_OK;
}

void sp_csv_finish(sp_csv *csv)
{
	free(csv->cells);
	free(csv->lines);
	free(csv->text);
	*csv = (sp_csv){0};
}

const char *sp_csv_header(const sp_csv *csv, size_t column)
{
	return csv->cells[column];
}

const char *sp_csv_cell(const sp_csv *csv, size_t row, size_t column)
{
	return csv->cells[(row + 1) * csv->n_columns + column];
}

sp_status sp_csv_column(size_t *out, const sp_csv *csv, const char *header, sp_error *err)
{
	for (*out = 0; *out < csv->n_columns; ++*out)
		if (strcmp(sp_csv_header(csv, *out), header) == 0)
			return SP_OK;
	return sp_fail(err, SP_BAD_INPUT, "table %s has no column %s", csv->name, header);
}

sp_status sp_csv_number(double *out, const sp_csv *csv, size_t row, size_t column, sp_error *err)
{
	const char *cell = sp_csv_cell(csv, row, column);
	char *end;

	*out = strtod(cell, &end);
	if (end == cell || end[strspn(end, " \t")] != '\0' || !isfinite(*out))
		return sp_fail(err, SP_BAD_INPUT, "%s line %zu, column %s: found '%s', expected a number", csv->name,
		               csv->lines[row + 1], sp_csv_header(csv, column), cell);
	return SP_OK;
}
