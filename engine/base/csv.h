/* Small data tables: comma-separated text with '#' comment lines, one header line, and rows of equal length. Cells may
 * stand in double quotes. */
#ifndef SP_CSV_H
#define SP_CSV_H

#include <stddef.h>

#include "status.h"

typedef struct {
	const char *name; /* borrowed, for messages */
	size_t n_columns, n_rows;
	char **cells;  /* header first, then the rows */
	size_t *lines; /* the line of the text on which each row stands */
	char *text;
} sp_csv;

/* Parses bytes of text (need not end in a zero byte). SP_BAD_INPUT names the line. sp_csv_finish also after failure. */
sp_status sp_csv_parse(sp_csv *out, const char *name, const char *text, size_t bytes, sp_error *err);
void sp_csv_finish(sp_csv *csv);

/* The column with that header. */
sp_status sp_csv_column(size_t *out, const sp_csv *csv, const char *header, sp_error *err);

const char *sp_csv_header(const sp_csv *csv, size_t column);
const char *sp_csv_cell(const sp_csv *csv, size_t row, size_t column);

/* A cell as a finite number; SP_BAD_INPUT names table, line, column and what was found. */
sp_status sp_csv_number(double *out, const sp_csv *csv, size_t row, size_t column, sp_error *err);

#endif
