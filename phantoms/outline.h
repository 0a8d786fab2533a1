/* Contours of implicit solids: marching squares in every CT slice. */
#ifndef SP_OUTLINE_H
#define SP_OUTLINE_H

#include "case.h"
#include "shape.h"

/* Appends the closed polygons of shape in each CT slice to s, holes included (even-odd rule). step_mm is the distance
 * of the sampling points; a curve of radius r comes out inside its true place by at most step^2/(8 r). */
sp_status sp_outline_add(sp_structure *s, const sp_grid *ct, const sp_shape *shape, double step_mm, sp_error *err);

#endif
