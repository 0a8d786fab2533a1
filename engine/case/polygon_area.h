/* Exact areas of polygons in the cells of a plane grid, by the even-odd rule. */
#ifndef SP_POLYGON_AREA_H
#define SP_POLYGON_AREA_H

#include <stddef.h>

#include "status.h"

/* A window of cells: cell (i, j) spans low + (i, j) * step to low + (i + 1, j + 1) * step. */
typedef struct {
	size_t n[2];
	double low_mm[2], step_mm[2];
} sp_plane;

/* Points x, y (every third double, so that x, y, z triples can be given) of one closed polygon. */
typedef struct {
	const double *points_mm;
	size_t n;
} sp_polygon;

/* area_out[n[1]][n[0]]: the share of each cell that is inside an odd number of the polygons. Polygons may have any
 * direction, touch, cross and nest; those of fewer than three points enclose nothing. SP_NO_MEMORY only. */
sp_status sp_polygon_area(float *area_out, const sp_plane *plane, const sp_polygon *polygons, size_t n_polygons,
                          sp_error *err);

#endif
