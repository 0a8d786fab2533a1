/* Which parts of a vertebra belong to the CTV, from where the tumour sits: the consensus for the intact spine (Cox et
 * al., Int. J. Radiat. Oncol. Biol. Phys. 83 (2012) e597, table 2 and its rules). */
#ifndef SP_CONSENSUS_H
#define SP_CONSENSUS_H

#include "sectors.h"

/* The tumour in one vertebra. */
typedef struct {
	double bone_cc[SP_PART_COUNT], tumour_cc[SP_PART_COUNT]; /* of bone, and of tumour in it */
	double body_left_cc;                                     /* tumour in the body left of the midline */
} sp_involvement;

typedef struct {
	unsigned involved, included;              /* bits of sp_part */
	unsigned near_threshold;                  /* parts whose involvement is a close call */
	const char *reason[SP_PART_COUNT];        /* why a part is in or out; never NULL */
	bool body_diffuse, body_left, body_right; /* how the tumour lies in the body */
	bool ring;                                /* the CTV closes round the cord */
} sp_consensus;

/* A part counts as involved when the tumour fills a tenth of it or 0.2 cc; in the body, 0.2 cc or more. A body is
 * involved diffusely when half of it is tumour and neither side holds less than 30 % of that, to one side when three
 * quarters of the tumour lie there. These numbers are ours: the consensus has words. */
void sp_consensus_decide(sp_consensus *out, const sp_involvement *in);

/* The physician's word: parts to add and to take away, whatever the rule says. */
void sp_consensus_override(sp_consensus *c, unsigned include, unsigned exclude);

#endif
