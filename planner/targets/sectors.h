/* The six sectors of a vertebra in which targets are drawn (Cox et al., Int. J. Radiat. Oncol. Biol. Phys. 83 (2012)
 * e597), seen from above: 1 body, 2 left pedicle, 3 left transverse process and lamina, 4 spinous process, 5 right
 * transverse process and lamina, 6 right pedicle. The rule asks for transverse process and lamina apart, so sectors 3
 * and 5 have two parts each. Left and right are the patient's. */
#ifndef SP_SECTORS_H
#define SP_SECTORS_H

#include "frame.h"

typedef enum {
	SP_PART_BODY,
	SP_PART_PEDICLE_L,
	SP_PART_TRANSVERSE_L,
	SP_PART_LAMINA_L,
	SP_PART_SPINOUS,
	SP_PART_LAMINA_R,
	SP_PART_TRANSVERSE_R,
	SP_PART_PEDICLE_R,
	SP_PART_COUNT
} sp_part;

/* "left transverse process". */
const char *sp_part_name(sp_part part);

/* 1..6. */
int sp_part_sector(sp_part part);

/* Bits (1 << sp_part) of "left-lamina", "left lamina", or of a sector's number "3"; 0 for an unknown word. */
unsigned sp_parts_parse(const char *word);

/* The part that a point belongs to, if there is bone: in front of the canal's front wall the body; then for two thirds
 * of the canal's depth the pedicles; behind them the spinous process in the middle half of the canal's width, laminae
 * to its edges, transverse (and articular) processes beyond. */
sp_part sp_part_at(const sp_vertebra_frame *f, const double p_mm[3]);

#endif
