/* Which structures are vertebrae, by their names. */
#ifndef SP_VERTEBRA_NAMES_H
#define SP_VERTEBRA_NAMES_H

#include <stdbool.h>

/* Reads the level from "Vertebra_T08", "vertebrae_L3", "VB T8", "C2" or "T08": level_out "T08". False for names that
 * say no level, and for parts of a vertebra ("VB_L1" is a body alone). */
bool sp_vertebra_level(char level_out[4], const char *name);

#endif
