/* Margins in three dimensions: distances from the surface of a solid, sampled near it. */
#ifndef SP_MARGIN_H
#define SP_MARGIN_H

#include "grid.h"
#include "shape.h"
#include "status.h"

/* Euclidean distance (mm, negative inside) from a shape's surface at the nodes of a grid, cut off at +-reach_mm. */
typedef struct {
	sp_grid nodes;
	float *distance_mm;
	double reach_mm;
} sp_distance_field;

/* Samples shape on nodes step_mm apart, finds its surface to a fraction of a step on every edge between nodes, and
 * gives each node within reach_mm the distance of the nearest surface point. Error: at most step^2/(4 d) too far at
 * distance d, from the gaps between the surface points. */
sp_status sp_distance_field_init(sp_distance_field *f, const sp_shape *shape, double step_mm, double reach_mm,
                                 sp_error *err);
void sp_distance_field_finish(sp_distance_field *f);

/* The distance at p, linear between nodes; +reach_mm outside the nodes. */
double sp_distance_field_at(const sp_distance_field *f, const double p[3]);

#endif
