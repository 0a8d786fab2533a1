/* What the gamma kernel needs to know of two doses and of the criterion. Lengths in mm.
 *
 * Dose A (the reference) is judged at its voxel centres; dose B is trilinear between its own centres. A cell of B is
 * the box between eight centres; cell (i, j, k) has centre (i, j, k) as its low corner.
 */
#ifndef SP_GAMMA_H
#define SP_GAMMA_H
#include "shared/host_device.h"

/* Where an A coordinate lies among B's centres, one axis: in which cell, and how far from the cell's low corner. */
typedef struct {
	float beyond_mm; /* 0 to the spacing of B */
	sp_u32 cell;
} sp_gamma_place;
SP_SAME_SIZE(sp_gamma_place, 8);

/* A cell near the one that holds the point: how many cells away, and how near the two can come (over all places of the
 * point in its cell), squared, in units of the distance criterion. The list is ordered by that. */
typedef struct {
	float nearest;
	short step[3];
	short unused;
} sp_gamma_cell;
SP_SAME_SIZE(sp_gamma_cell, 12);

typedef struct {
	float spacing_mm[4]; /* of B; [3] unused */
	float distance_mm;   /* the distance criterion */
	float dose;          /* the dose criterion: Gy, or for local gamma a share of the point's dose */
	float cap;           /* gammas from here on are given as this */
	sp_u32 is_local;
	sp_u32 n_a[2]; /* A: voxels along x and y */
	sp_u32 n_b[3]; /* B, the part at hand: centres along x, y, z */
	sp_u32 unused[3];
} sp_gamma_rule;
SP_SAME_SIZE(sp_gamma_rule, 64);
#endif
