/* Finding rows in the tables that matter_internal.h describes. */
#include "matter_internal.h"

#include <stdlib.h>
#include <string.h>

sp_status matter_find_elements(row_span of[SP_MATTER_MAX_Z + 1], const sp_csv *csv, sp_error *err)
{
	int last = 0;

	for (size_t row = 0; row < csv->n_rows; row++) {
		double number;
		int z;
		sp_status st = sp_csv_number(&number, csv, row, 0, err);

		if (st != SP_OK)
			return st;
		z = number >= 1.0 && number <= SP_MATTER_MAX_Z ? (int)number : 0;
		if (!z || (z != last && of[z].end))
			return sp_fail(err, SP_FAILED, "%s line %zu: Z = %g, expected 1 to %d and each in one piece",
			               csv->name, csv->lines[row + 1], number, SP_MATTER_MAX_Z);
		if (z != last)
			of[z].first = row;
		of[z].end = row + 1;
		last = z;
	}
	return SP_OK;
}

static double energy_of(const void *rows, size_t size, size_t row)
{
	double mev;

	memcpy(&mev, (const char *)rows + row * size, sizeof mev);
	return mev;
}

size_t matter_find_row(const void *rows, size_t size, row_span span, double mev)
{
	size_t low = span.first, high = span.end - 1; /* low: not above mev, or the first */

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (energy_of(rows, size, middle) <= mev)
			low = middle;
		else
			high = middle;
	}
	return low;
}
