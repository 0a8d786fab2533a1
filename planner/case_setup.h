/* What a dose calculation on a case starts from: the dose grid, the beams with their bixels, the voxels of the body. */
#ifndef SP_CASE_SETUP_H
#define SP_CASE_SETUP_H

#include "beam.h"
#include "case.h"
#include "status.h"

/* A grid that covers the body outline (without one, the CT) and stays inside the CT. */
sp_status sp_setup_dose_grid(sp_grid *out, const sp_case *c, const double spacing_mm[3], sp_error *err);

typedef struct {
	const double *angles_deg; /* gantry angles; NULL: the case's beams, else nine of our own choice */
	size_t n_angles;
	double sad_mm, bixel_mm, margin_mm; /* margin around the target's shadow */
	double collimator_deg;              /* of beams that are not the case's */
	bool between_leaves;                /* bixel edges at whole multiples of bixel_mm, else their centres */
} sp_setup_beam_options;

/* Beams over the case's target, which must exist; the isocentre is the target's centre of volume where the case does
 * not give one. grid: on which the target is taken. */
sp_status sp_setup_beams(sp_beam_set **out, const sp_case *c, const sp_grid *grid, const sp_setup_beam_options *o,
                         sp_error *err);

/* A boost that the case asks for has to be above dose_gy, the prescription, and at least half of its structure in the
 * target: a dose grows outwards, and one asked for outside would be bought with what lies there. SP_BAD_INPUT says what
 * is wrong. */
sp_status sp_setup_check_boost(const sp_case *c, double dose_gy, sp_error *err);

/* All hardware of the case is water of 1 g/cm3 from now on: what a calculation that knows no metal sees. SP_BAD_INPUT
 * where the case has no hardware. */
sp_status sp_setup_hardware_as_water(sp_case *c, sp_error *err);

/* The voxels of grid, ascending, that hold a part of the body outline; without one, those that hold matter (red on the
 * CT grid > 0.02) at their centre. *out is malloc'ed. */
sp_status sp_setup_body_voxels(uint64_t **out, size_t *n, const sp_case *c, const sp_grid *grid, const float *red,
                               sp_error *err);

#endif
