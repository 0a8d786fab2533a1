/* The reference doses of tests/data/egsnrc: what was computed there, and the curves. */
#ifndef SP_REFERENCE_CURVES_H
#define SP_REFERENCE_CURVES_H

#include <stdbool.h>
#include <stddef.h>

#include "status.h"

typedef enum { SP_REFERENCE_WATER, SP_REFERENCE_SLAB, SP_REFERENCE_PENCIL, SP_REFERENCE_ELECTRON } sp_reference_kind;

/* material as engine/matter calls it */
typedef struct {
	const char *material;
	double thickness_mm;
} sp_reference_layer;

/* A phantom of 300 x 300 mm in vacuum, its surface at z = 0, the beam along +z on its axis. Of water and slab: photons
 * of 6 MV from a point 900 mm before the surface, the field's sides taken 1000 mm from it; of pencil and electron: a
 * parallel beam of one energy. */
typedef struct {
	const char *name, *what;
	sp_reference_kind kind;
	double energy_mev, field_mm;
	sp_reference_layer layers[3];
} sp_reference_case;

#define SP_REFERENCE_CASES 12
#define SP_REFERENCE_SIDE_MM 300.0
#define SP_REFERENCE_SSD_MM 900.0

/* The first five are 6 MV fields: all that the pencil beam has kernels for. */
extern const sp_reference_case sp_reference_cases[SP_REFERENCE_CASES];

double sp_reference_depth_mm(const sp_reference_case *c);

/* The mean dose in a box. */
typedef struct {
	double low_mm[3], high_mm[3];
	double dose_gy, sigma_gy; /* a source particle, standard uncertainty */
	bool along_depth;         /* of a depth dose; else of a profile */
	bool whole_width;         /* averaged over the phantom's whole width in y */
} sp_reference_box;

typedef struct {
	size_t n;
	sp_reference_box *boxes;
} sp_reference_curves;

/* The curves of a case, from folder/NAME.csv or (NULL) built in; boxes that begin before first_depth_mm are left out.
 */
sp_status sp_reference_read(sp_reference_curves *out, const char *name, const char *folder, double first_depth_mm,
                            sp_error *err);
void sp_reference_finish(sp_reference_curves *c);

#endif
