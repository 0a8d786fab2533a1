/* Elements by symbol, and what a mixture of them amounts to. */
#include "matter_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Standard atomic weights (IUPAC 2021, abridged), g/mol, and mean excitation energies (ICRU 37, table 4.3: of the
 * element itself, gases as gases), eV, of every element in the shipped tables. */
static const struct {
	char symbol[3];
	int z;
	double a, excitation_ev;
} elements[] = {
        {"H", 1, 1.008, 19.2},   {"C", 6, 12.011, 78},    {"N", 7, 14.007, 82},    {"O", 8, 15.999, 95},
        {"F", 9, 18.998, 115},   {"Na", 11, 22.990, 149}, {"Mg", 12, 24.305, 156}, {"Al", 13, 26.982, 166},
        {"Si", 14, 28.085, 173}, {"P", 15, 30.974, 173},  {"S", 16, 32.06, 180},   {"Cl", 17, 35.45, 174},
        {"Ar", 18, 39.95, 188},  {"K", 19, 39.098, 190},  {"Ca", 20, 40.078, 191}, {"Ti", 22, 47.867, 233},
        {"V", 23, 50.942, 245},  {"Cr", 24, 51.996, 257}, {"Mn", 25, 54.938, 272}, {"Fe", 26, 55.845, 286},
        {"Co", 27, 58.933, 297}, {"Ni", 28, 58.693, 311}, {"Cu", 29, 63.546, 322}, {"Zn", 30, 65.38, 330},
        {"Se", 34, 78.971, 348}, {"Mo", 42, 95.95, 424},  {"Sn", 50, 118.71, 488}, {"I", 53, 126.90, 491},
        {"Ta", 73, 180.95, 718}, {"W", 74, 183.84, 727},  {"Pt", 78, 195.08, 790}, {"Au", 79, 196.97, 790},
        {"Pb", 82, 207.2, 823},
};

#define N_ELEMENTS (sizeof elements / sizeof elements[0])

double sp_matter_atomic_weight(int z)
{
	for (size_t e = 0; e < N_ELEMENTS; e++)
		if (elements[e].z == z)
			return elements[e].a;
	return NAN;
}

double matter_element_excitation_ev(int z)
{
	for (size_t e = 0; e < N_ELEMENTS; e++)
		if (elements[e].z == z)
			return elements[e].excitation_ev;
	return NAN;
}

double matter_z_over_a(const double weight[SP_MATTER_MAX_Z + 1])
{
	double sum = 0.0;

	for (size_t e = 0; e < N_ELEMENTS; e++)
		sum += weight[elements[e].z] * elements[e].z / elements[e].a;
	return sum;
}

static int z_of_symbol(const char *symbol)
{
	for (size_t e = 0; e < N_ELEMENTS; e++)
		if (strcmp(elements[e].symbol, symbol) == 0)
			return elements[e].z;
	return 0;
}

sp_status matter_read_weights(double weight[SP_MATTER_MAX_Z + 1], const sp_csv *csv, size_t row, sp_error *err)
{
	double sum = 0.0;

	memset(weight, 0, (SP_MATTER_MAX_Z + 1) * sizeof *weight);
	for (size_t c = 0; c < csv->n_columns; c++) {
		const char *header = sp_csv_header(csv, c);
		double w;
		int z;
		sp_status st;

		if (strncmp(header, "w_", 2) != 0)
			continue;
		if (!(z = z_of_symbol(header + 2)))
			return sp_fail(err, SP_BAD_INPUT, "%s: column %s names no known element", csv->name, header);
		if ((st = sp_csv_number(&w, csv, row, c, err)) != SP_OK)
			return st;
		if (w < 0.0)
			return sp_fail(err, SP_BAD_INPUT, "%s line %zu: weight fraction %s is %g, expected >= 0",
			               csv->name, csv->lines[row + 1], header, w);
		weight[z] = w;
		sum += w;
	}
	if (fabs(sum - 1.0) > 0.01)
		return sp_fail(err, SP_BAD_INPUT, "%s line %zu: weight fractions add up to %g, expected 1", csv->name,
		               csv->lines[row + 1], sum);
	for (int z = 0; z <= SP_MATTER_MAX_Z; z++)
		weight[z] /= sum;
	return SP_OK;
}
