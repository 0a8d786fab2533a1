/* What the files of engine/matter share. */
#ifndef SP_MATTER_INTERNAL_H
#define SP_MATTER_INTERNAL_H

#include "csv.h"
#include "embedded.h"
#include "matter.h"

extern const sp_embedded sp_matter_data[]; /* the files of engine/matter/data */

/* One stretch of the calibration: density = offset + slope * HU from hu_from up to the next stretch. */
typedef struct {
	int hu_from, hu_to;
	double offset, slope;
	double z_over_a;
} hu_range;

typedef struct {
	char *name;
	double density_g_cm3, z_over_a;
	double weight[SP_MATTER_MAX_Z + 1]; /* by atomic number */
} material;

typedef struct {
	char *name;
	int material;
} alias;

struct sp_matter {
	size_t n_materials, n_aliases, n_ranges;
	material *materials;
	alias *aliases;
	hu_range *ranges;       /* ascending, without gaps */
	double water_electrons; /* density times Z/A of liquid water, mol/cm3 */
};

/* Parses one of the embedded tables. */
sp_status matter_open_table(sp_csv *out, const char *name, sp_error *err);

/* Weight fractions (columns w_<symbol>) of one row, scaled to the sum 1. */
sp_status matter_read_weights(double weight[SP_MATTER_MAX_Z + 1], const sp_csv *csv, size_t row, sp_error *err);

/* Sum of w Z/A, mol/g. */
double matter_z_over_a(const double weight[SP_MATTER_MAX_Z + 1]);

/* The calibration table of m, from a file or, for NULL, the shipped one. */
sp_status matter_read_calibration(struct sp_matter *m, const char *path, sp_error *err);

#endif
