/* Gantry angles for a spine: by the target's level, its side of the cord, and what lies in the way. */
#ifndef SP_BEAM_CHOICE_H
#define SP_BEAM_CHOICE_H

#include "case.h"
#include "status.h"

#define SP_CHOSEN_BEAMS 13

typedef struct {
	size_t n;
	double angles_deg[SP_CHOSEN_BEAMS]; /* IEC 61217, couch 0 */
	char level[120];                    /* "thoracic (Vertebra_T08)", "lumbar (kidneys beside it, no lung)" */
	char side[120];                     /* "left of the cord by 6 mm", "on both sides of the cord" */
	char avoided[240];                  /* "2 turned away from Kidney_L, arms", or "" */
} sp_beam_choice;

/* For a case with a cord (or its PRV): SP_CHOSEN_BEAMS beams all round, none opposing another, turned as a whole and
 * each by up to 4 degrees so that least of what matters at that level lies between skin and target: hardware, arms,
 * kidneys, lungs, the cord itself, depth. out->n is 0 where the case has neither cord nor PRV. SP_BAD_INPUT where it
 * has no target or its position is none that the beams know. */
sp_status sp_beam_choice_make(sp_beam_choice *out, const sp_case *c, sp_error *err);

#endif
