/* One vertebra with its parts, the six sectors in which targets are drawn, and the consensus rule for the CTV. */
#ifndef SP_VERTEBRA_H
#define SP_VERTEBRA_H

#include "spine.h"

/* Sectors of a vertebra seen from above (Cox et al. 2012); left and right are the patient's. */
enum {
	SP_SECTOR_BODY = 1 << 0,
	SP_SECTOR_PEDICLE_L = 1 << 1,
	SP_SECTOR_LAMINA_L = 1 << 2, /* with the transverse process */
	SP_SECTOR_SPINOUS = 1 << 3,
	SP_SECTOR_LAMINA_R = 1 << 4,
	SP_SECTOR_PEDICLE_R = 1 << 5
};

/* The sectors that belong to the CTV when the tumour sits in the given ones (Cox et al., Int. J. Radiat. Oncol. Biol.
 * Phys. 83 (2012) e597, table 2). Pure arithmetic on the bits. */
unsigned sp_consensus_ctv(unsigned gtv_sectors);

/* The bone of a level (data: const sp_level), its marrow space, and its bone within some sectors (end plates
 * drawn flat, as a contour of the whole body is). */
double sp_vertebra_bone(const double p[3], const void *level);
double sp_vertebra_marrow(const double p[3], const void *level);
double sp_vertebra_sectors(const double p[3], const sp_level *level, unsigned sectors);

/* A box round a level's bone. */
void sp_vertebra_bounds(double low_mm[3], double high_mm[3], const sp_level *level);

#endif
