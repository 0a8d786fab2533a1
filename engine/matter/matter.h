/* From CT numbers to matter: mass density, material and electron density; tables of materials and cross-sections. */
#ifndef SP_MATTER_H
#define SP_MATTER_H

#include "case.h"
#include "status.h"

#define SP_MATTER_MAX_Z 92               /* elements are numbered by Z up to here */
#define SP_MATTER_MAX_DENSITY_G_CM3 25.0 /* no matter is denser (osmium: 22.6) */
#define SP_MATTER_MAX_MATERIALS 255      /* in a CT */

typedef struct sp_matter sp_matter;

/* The materials and HU calibration shipped with the program; calibration_path (CSV as engine/matter/data/
 * hu_calibration.csv) replaces the latter, NULL keeps it. */
sp_status sp_matter_create(sp_matter **out, const char *calibration_path, sp_error *err);
void sp_matter_destroy(sp_matter *m);

/* Materials are numbered: first the named ones (sp_matter_count of them), then, up to sp_matter_count_all, one for each
 * composition of the HU calibration, "hu:soft_4" for example; neighbouring ranges of one composition share theirs. All
 * functions of this folder take both kinds. Find gives the index by name, or -1, the named ones before the others. */
int sp_matter_find(const sp_matter *m, const char *name);
size_t sp_matter_count(const sp_matter *m);
size_t sp_matter_count_all(const sp_matter *m);
const char *sp_matter_name(const sp_matter *m, int material);

/* Nominal mass density (g/cm3; of the calibration's: that in the middle of its HU) and mean Z/A (mol/g, sum of w Z/A).
 */
double sp_matter_density_g_cm3(const sp_matter *m, int material);
double sp_matter_z_over_a(const sp_matter *m, int material);

/* Weight fractions by atomic number (SP_MATTER_MAX_Z + 1 of them, sum 1); the atomic weight of an element in g/mol (NAN
 * where no shipped table holds it). */
const double *sp_matter_weights(const sp_matter *m, int material);
double sp_matter_atomic_weight(int z);

/* HU of the calibration that comes nearest to a mass density, or to a material's nominal one; within a stretch of
 * constant density (metals) its middle. Water is 0 and air -1000 by definition of the scale, although a calibration for
 * tissues gives 0 HU about 1.02 g/cm3: water phantoms need the material override "water". */
int16_t sp_matter_density_hu(const sp_matter *m, double density_g_cm3);
int16_t sp_matter_hu(const sp_matter *m, int material);

/* Mass density (g/cm3), material, mean Z/A (mol/g) and electron density relative to water for one HU. Beyond its ends
 * the calibration keeps its end values. */
double sp_matter_hu_density(const sp_matter *m, int16_t hu);
int sp_matter_hu_material(const sp_matter *m, int16_t hu);
double sp_matter_hu_z_over_a(const sp_matter *m, int16_t hu);
double sp_matter_hu_electron_density(const sp_matter *m, int16_t hu);

/* Electron density relative to liquid water for every CT voxel ([z][y][x] floats). Where there is an external contour,
 * only support and hardware count outside of it, the rest is 0. Overrides replace the CT's values by partial volume:
 * first that of the external contour, then those of the other structures in the order of the case (inside the external
 * contour only), then those of support and hardware. A density without a material is the calibration's matter of that
 * density; a material without a density has its nominal one. SP_BAD_INPUT names a structure whose material is unknown.
 */
sp_status sp_matter_electron_density(float *red_out, const sp_matter *m, const sp_case *c, sp_error *err);

/* Mass density (g/cm3) and material of every CT voxel by the same rules. The material is that of the last override that
 * has half of the voxel or more, or all that is in it, else that of the CT number; air where nothing is (density 0).
 * SP_BAD_INPUT for more than SP_MATTER_MAX_MATERIALS materials too. */
sp_status sp_matter_voxels(float *density_g_cm3_out, uint8_t *material_out, const sp_matter *m, const sp_case *c,
                           sp_error *err);

#endif
