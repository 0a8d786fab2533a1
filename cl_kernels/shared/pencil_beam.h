/* What the pencil-beam kernels (fan_trace.cl, pencil.cl) need of the patient's grid, of one beam and of its fan of
 * rays. Lengths in mm. */
#ifndef SP_PENCIL_BEAM_H
#define SP_PENCIL_BEAM_H
#include "shared/host_device.h"

/* A regular grid: voxel (i, j, k) has its centre at origin + spacing * (i, j, k). */
typedef struct {
	float origin_mm[4]; /* [3] unused */
	float spacing_mm[4];
	sp_u32 n[4]; /* x, y, z, x*y*z */
} sp_pencil_grid;
SP_SAME_SIZE(sp_pencil_grid, 48);

/* A beam: where its axes lie, its lattice of bixels and its fan.
 *
 * Bixel place (column j, row k) has its centre at (bixel_x_mm + j * bixel_mm, bixel_y_mm + k * bixel_mm) in the
 * isocentre plane. Ray (i, j) of the fan goes from the source through (fan_x_mm + i * fan_step_mm, fan_y_mm + j *
 * fan_step_mm) of that plane; sheet s is the plane at fan_axial_mm + s * sheet_step_mm from the source along the axis.
 */
typedef struct {
	float source_mm[4]; /* LPS, [3] unused */
	float isocentre_mm[4];
	float x_axis[4], y_axis[4], towards_source[4];
	float sad_mm, bixel_mm, bixel_x_mm, bixel_y_mm;
	float fan_x_mm, fan_y_mm, fan_step_mm, fan_axial_mm, sheet_step_mm;
	/* Standard deviation, per mm behind the collimator and in the isocentre plane's scale, of the focal spot's
	 * blur: sigma = blur * (axial - collimator) * sad / axial. */
	float blur_x, blur_y, collimator_mm;
	/* Variance (mm2) of a dose voxel's box along the x and y axes: the dose is the voxel's mean, not its centre's.
	 */
	float voxel_x_mm2, voxel_y_mm2;
	/* Photons per cm2 and unit weight in the isocentre plane */
	float fluence_cm2;
	sp_u32 fan_n[2], sheets;  /* rays along x and y; sheets */
	sp_u32 columns, rows;     /* of the bixel lattice */
	sp_u32 first_row_segment; /* this beam's place in the list of first segments (rows + 1 numbers) */
	/* The beam softens off its axis: at r mm from it in the isocentre plane a depth d takes exp(-d m(r)) of the
	 * dose, m(r) = r (soften[0] + r (soften[1] + r soften[2])) */
	float soften[3];
} sp_pencil_beam;
SP_SAME_SIZE(sp_pencil_beam, 176);

/* A stretch of neighbouring bixels in one row of a beam: `count` of them from column `column` of the lattice on, the
 * first being column `bixel` of the influence matrix. */
typedef struct {
	sp_u32 column, count, bixel, unused;
} sp_pencil_segment;
SP_SAME_SIZE(sp_pencil_segment, 16);

/* What a fan holds at every ray and sheet, 8 bytes: the radiological depth (mm of water, float bits), and two mean
 * densities along the ray upstream of that place, 16 bits each in units of 1/SP_FAN_DENSITY_UNIT of water: near in the
 * high half, far in the low half. */
#define SP_FAN_DENSITY_UNIT 8192.0f

/* Radiological length (mm of water) upstream over which the near and the far density are taken: the range of the mean
 * electron that a 6 MV beam sets free (1.3 MeV: 6 mm), and a few centimetres, over which photons scatter. */
#define SP_FAN_NEAR_MM 6.0f
#define SP_FAN_FAR_MM 50.0f

/* Below this electron density (water is 1) a voxel counts as air around the patient: it adds depth, but is left out of
 * the mean densities. */
#define SP_FAN_AIR 0.02f

/* Positions of voxels on the bixel lattice, for deciding which bixels they see, are in 1/SP_LATTICE_UNITS bixel. */
#define SP_LATTICE_UNITS 16

/* Rows of the depth table are this far apart. */
#define SP_PENCIL_TABLE_STEP_MM 0.5f

#endif
