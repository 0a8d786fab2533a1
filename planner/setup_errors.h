/* Set-up errors a plan is tested against or made for: shifts in several directions and turns about three axes, each a
 * scenario of its own. */
#ifndef SP_SETUP_ERRORS_H
#define SP_SETUP_ERRORS_H

#include <stdbool.h>
#include <stddef.h>

#include "status.h"

#define SP_MOST_ERRORS 8 /* lengths, and angles */

typedef struct {
	size_t n_shifts, n_rotations;
	double shift_mm[SP_MOST_ERRORS], rotation_deg[SP_MOST_ERRORS];
	unsigned directions; /* of each shift: 6 (along the axes), 14 (and the corners), 18 (and the edges) or 26 */
	bool together;       /* also every turn with every shift */
} sp_setup_errors;

/* A patient displaced: shift (LPS), and turn about the LPS axes through the isocentre. */
typedef struct {
	char name[80];
	double shift_mm[3], rotation_deg[3];
} sp_scenario;

/* Reads "1mm,2mm,1deg": lengths above 0 up to 20 mm, angles above 0 up to 10 degrees, the units needed. */
bool sp_setup_errors_parse(sp_setup_errors *out, const char *text);

/* The scenarios, the undisturbed patient not among them: a shift of s mm is s mm long in each direction. free(*out). */
sp_status sp_scenarios_make(sp_scenario **out, size_t *n_out, const sp_setup_errors *e, sp_error *err);

#endif
