/* What the files of engine/matter share. */
#ifndef SP_MATTER_INTERNAL_H
#define SP_MATTER_INTERNAL_H

#include "cross_sections.h"
#include "csv.h"
#include "embedded.h"
#include "matter.h"

extern const sp_embedded sp_matter_data[]; /* the files of engine/matter/data */

/* One stretch of the calibration: density = offset + slope * HU from hu_from up to the next stretch. */
typedef struct {
	int hu_from, hu_to;
	double offset, slope;
	int material;
} hu_range;

/* Rows first .. end - 1 of one of the tables below; none: both 0. */
typedef struct {
	size_t first, end;
} row_span;

typedef struct {
	char *name;
	double density_g_cm3, z_over_a;
	double weight[SP_MATTER_MAX_Z + 1]; /* by atomic number */
	row_span stopping;                  /* none: computed */
	int hu;                             /* of those of the calibration: the middle of its range */
} material;

typedef struct {
	char *name;
	int material;
} alias;

/* Rows of tables, each element's or material's in ascending order of energy, which comes first in all of them. */
typedef struct {
	double mev, ln_mev;
	double ln_mu[5]; /* cm2/g; -INFINITY below a threshold. Processes as in sp_attenuation */
} photon_row;

typedef struct {
	double mev, ln_mev;
	double ln_stopping; /* collision, MeV cm2/g */
} stopping_row;

typedef struct {
	double mev, ln_mev;
	double chi[SP_BREMS_POINTS]; /* millibarn */
} brems_row;

/* A sub-shell of an atom. */
typedef struct {
	double electrons, ev;
} shell;

struct sp_matter {
	size_t n_named, n_materials; /* materials.csv's, then those of the calibration */
	size_t n_aliases, n_ranges, capacity;
	material *materials;
	alias *aliases;
	hu_range *ranges;       /* ascending, without gaps */
	double water_electrons; /* density times Z/A of liquid water, mol/cm3 */
	photon_row *photons;
	stopping_row *stopping;
	brems_row *brems;
	shell *shells;
	row_span photons_of[SP_MATTER_MAX_Z + 1], brems_of[SP_MATTER_MAX_Z + 1], shells_of[SP_MATTER_MAX_Z + 1];
	double brems_k_over_t[SP_BREMS_POINTS];
};

/* A zeroed material behind the others, named; NULL when memory is short. */
material *matter_add_material(struct sp_matter *m, const char *name);

/* The row of span from which to interpolate at mev: the last one not above it that has a successor. rows: of size
 * bytes each, their energy first. */
size_t matter_find_row(const void *rows, size_t size, row_span span, double mev);

/* Each reads its table into m. Electrons: after the materials. */
sp_status matter_read_photons(struct sp_matter *m, sp_error *err);
sp_status matter_read_electrons(struct sp_matter *m, sp_error *err);
sp_status matter_read_shells(struct sp_matter *m, sp_error *err);

/* The rows of each atomic number in a table whose column 0 it is; SP_FAILED where one's rows do not stand together. */
sp_status matter_find_elements(row_span of[SP_MATTER_MAX_Z + 1], const sp_csv *csv, sp_error *err);

/* Mean excitation energy of an element by itself; NAN where no shipped table holds it. */
double matter_element_excitation_ev(int z);

/* Mean excitation energy of a material by Bragg's rule, and the collision stopping power that follows from it
 * (stopping_formula.c). excitation_ev: normally matter_excitation_ev's. */
double matter_excitation_ev(const material *one);
sp_status matter_formula_stopping(double *out, const struct sp_matter *m, const material *one, double excitation_ev,
                                  const double *energy_mev, size_t n, sp_error *err);

/* Parses one of the embedded tables. */
sp_status matter_open_table(sp_csv *out, const char *name, sp_error *err);

/* Weight fractions (columns w_<symbol>) of one row, scaled to the sum 1. */
sp_status matter_read_weights(double weight[SP_MATTER_MAX_Z + 1], const sp_csv *csv, size_t row, sp_error *err);

/* Sum of w Z/A, mol/g. */
double matter_z_over_a(const double weight[SP_MATTER_MAX_Z + 1]);

/* The calibration table of m, from a file or, for NULL, the shipped one. */
sp_status matter_read_calibration(struct sp_matter *m, const char *path, sp_error *err);

#endif
