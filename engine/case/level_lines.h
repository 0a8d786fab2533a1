/* Closed lines of level 0 through samples of a plane: marching squares. */
#ifndef SP_LEVEL_LINES_H
#define SP_LEVEL_LINES_H

#include "case.h"

/* n[0] x n[1] samples f[n[1]][n[0]] from first_mm at step_mm in the plane z_mm; negative is inside. The outermost
 * samples must be positive, so that every line closes. */
typedef struct {
	size_t n[2];
	double first_mm[2], step_mm[2], z_mm;
	const double *f;
	/* Where between two neighbouring samples (a at p, b one step along axis) the level is crossed, as a share of
	 * the step; NULL: by a straight line between them. */
	double (*crossing)(void *context, const double p_mm[3], int axis, double step_mm, double a, double b);
	void *context;
} sp_level_plane;

/* Appends the lines to s as polygons, holes included (even-odd rule). Points that lie within 0.01 mm of the line
 * between their neighbours are left out, and so are specks of less than 0.05 mm2. SP_NO_MEMORY only. */
sp_status sp_level_lines_add(sp_structure *s, const sp_level_plane *plane, sp_error *err);

#endif
