/* Beams: IEC 61217 angles to DICOM patient coordinates, bixel grids over the target, machine description. */
#ifndef SP_BEAM_H
#define SP_BEAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "grid.h"
#include "status.h"

typedef struct {
	double gantry_deg, collimator_deg, couch_deg; /* IEC 61217 */
	double isocentre_mm[3];                       /* LPS */
} sp_beam_setup;

/* Where a beam's own axes lie in the patient (head first supine): unit vectors in LPS. A point at beam limiting device
 * coordinates (x, y) in the isocentre plane is isocentre + x*x_axis + y*y_axis; towards_source points from the
 * isocentre to the source. */
typedef struct {
	double isocentre_mm[3], source_mm[3];
	double x_axis[3], y_axis[3], towards_source[3];
	double sad_mm;
} sp_beam_frame;

/* patient_position: "HFS", "HFP", "FFS", "FFP"; anything else is SP_BAD_INPUT. */
sp_status sp_beam_frame_make(sp_beam_frame *out, const sp_beam_setup *setup, double sad_mm,
                             const char *patient_position, sp_error *err);

/* Projects a point (LPS, mm) from the source on the isocentre plane: x, y (mm, BLD) and the distance from the source
 * along the beam axis (mm, positive downstream). */
void sp_beam_project(double *x_mm, double *y_mm, double *axial_mm, const sp_beam_frame *f, const double point_mm[3]);

/* The bixels of one beam: squares of bixel_mm in the isocentre plane, all centres on one lattice of that pitch (whole
 * multiples of bixel_mm over a target, or half a bixel off; a rectangle's lattice starts at its edge). They are
 * numbered row by row (y ascending), within a row by x ascending, so bixels of a row that follow each other in number
 * also follow each other in x (with gaps where the target has them). */
typedef struct {
	sp_beam_setup setup;
	sp_beam_frame frame;
	size_t first_bixel; /* its first column in the influence matrix */
	size_t n_bixels;
	float *x_mm, *y_mm; /* centres, BLD coordinates at the isocentre plane */
	size_t n_rows;
	float *row_y_mm;     /* n_rows, ascending */
	uint32_t *row_first; /* n_rows + 1: first bixel (within the beam) of each row */
} sp_beam;

typedef struct {
	double bixel_mm;
	size_t n_beams;
	sp_beam *beams;
	size_t n_bixels; /* of all beams: the columns of the influence matrix */
} sp_beam_set;

/* Bixels hit by the target (fractions > 0 on grid), grown by margin_mm in the isocentre plane. */
sp_status sp_beam_set_cover(sp_beam_set **out, const sp_beam_setup *setups, size_t n_beams, double sad_mm,
                            const char *patient_position, double bixel_mm, const float *target_fraction,
                            const sp_grid *grid, double margin_mm, sp_error *err);

/* The same with bixel edges, not centres, at whole multiples of bixel_mm, where the edges of leaves lie. */
sp_status sp_beam_set_cover_between_leaves(sp_beam_set **out, const sp_beam_setup *setups, size_t n_beams,
                                           double sad_mm, const char *patient_position, double bixel_mm,
                                           const float *target_fraction, const sp_grid *grid, double margin_mm,
                                           sp_error *err);

/* One beam with a rectangular open field x1..x2, y1..y2 (mm at the isocentre plane), tiled by whole bixels. */
sp_status sp_beam_set_rectangle(sp_beam_set **out, const sp_beam_setup *setup, double sad_mm,
                                const char *patient_position, double bixel_mm, const double field_mm[4], sp_error *err);

void sp_beam_set_destroy(sp_beam_set *b);

#endif
