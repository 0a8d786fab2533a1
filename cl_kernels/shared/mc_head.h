/* What host and device share of the machine's head as a source (mc_machine.h): control points, jaws, leaves. Positions
 * of jaws and leaves are those in the isocentre plane, lengths are cm, angles are turns. */
#ifndef SP_MC_HEAD_SHARED_H
#define SP_MC_HEAD_SHARED_H
#include "shared/host_device.h"

/* What a rectangle's photons are (sp_mc_rectangle.kind). */
#define SP_MC_TARGET 0       /* from the focal spot, through the jaws' opening */
#define SP_MC_EXTRA_FOCAL 1  /* from the extra-focal source, through the jaws' opening */
#define SP_MC_THROUGH_JAWS 2 /* from the focal spot, through the jaws */

#define SP_MC_ELECTRONS 3 /* electrons, through the jaws' opening and beside the leaves */

/* Many light electrons: they are few, and all that there is at the surface. */
#define SP_MC_ELECTRON_WEIGHT 0.25f

/* Fewer, heavier photons where little gets through. */
#define SP_MC_LEAK_WEIGHT 8.0f

typedef struct {
	float position[4];    /* signs of support x, z, y along L, P, S (engine/beam/frame.c) */
	float sad, mlc;       /* distance of the axis and of the leaves' middle from the target */
	float jaw_x, jaw_y;   /* and of the jaws' edges */
	float spot_x, spot_y; /* standard deviations of the focal spot */
	float extra_distance, extra_sigma, electron_distance, electron_sigma;
	float leaf_mu, leaf_height, end_radius; /* of a closed leaf, per cm of its height; at the leaf */
	float end_shift;    /* how far a leaf's end lies before its set position, in the isocentre plane */
	float tongue;       /* half of the strip between two leaves */
	float tongue_share; /* what each of the two has of a leaf's height in there */
	float per_radius;   /* rows of the radial tables per cm */
	sp_u32 n_radii;     /* of the tables: fluence over its largest, and energies; one more row of these is the
	                     * extra-focal source's
	                     */
} sp_mc_head;
SP_SAME_SIZE(sp_mc_head, 88);

/* From one control point to the next: all moves evenly. leaves: where in the list of positions bank 1 of each of the
 * two control points begins, bank 2 follows; boundaries: where the leaves' edges are. */
typedef struct {
	float isocentre[4];                       /* from the low corner of the geometry; [3] unused */
	float gantry[2], collimator[2], couch[2]; /* at its begin, and the way to its end */
	float jaws[2][4];                         /* X1, X2, Y1, Y2 at both ends */
	sp_u32 leaves[2], boundaries, n_pairs;    /* n_pairs 0: no leaves */
	sp_u32 along_y;                           /* 1: leaves move along y */
	sp_u32 unused[1];
} sp_mc_interval;
SP_SAME_SIZE(sp_mc_interval, 96);

#endif
