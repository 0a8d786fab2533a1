/* Margins: planning targets and planning risk volumes. */
#ifndef SP_MARGIN_GROWTH_H
#define SP_MARGIN_GROWTH_H

#include "case.h"

typedef struct {
	const char *name; /* of the new structure; one of that name is replaced */
	sp_role role;
	uint32_t rgb;
	const char *source; /* the structure that grows by margin_mm (0: stays as it is) */
	double margin_mm;
	const char *avoid; /* what is left out, itself grown by avoid_mm; NULL: nothing */
	double avoid_mm;
} sp_margin;

/* Adds the structure to the case as contours in its slices; volume_cc: what came of it. SP_BAD_INPUT where source or
 * avoid is not in the case, or nothing is left. Distances are Euclidean, in three dimensions, good to about 0.3 mm. */
sp_status sp_margin_grow(double *volume_cc, sp_case *c, const sp_margin *m, sp_error *err);

#endif
