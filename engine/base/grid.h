/* A regular voxel grid in DICOM patient coordinates (LPS, mm) and small vectors. Arrays on it are [z][y][x]. */
#ifndef SP_GRID_H
#define SP_GRID_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
	size_t n[3];          /* voxels along x, y, z */
	double spacing_mm[3]; /* > 0 */
	double origin_mm[3];  /* centre of voxel (0,0,0) */
} sp_grid;

size_t sp_grid_voxels(const sp_grid *g);
double sp_grid_voxel_volume_cc(const sp_grid *g);

/* Index of voxel (i,j,k) in a [z][y][x] array. */
static inline size_t sp_grid_index(const sp_grid *g, size_t i, size_t j, size_t k)
{
	return (k * g->n[1] + j) * g->n[0] + i;
}

/* Centre of voxel `index` (LPS, mm). */
void sp_grid_centre(double out_mm[3], const sp_grid *g, size_t index);

/* Lower and upper outer edges of the grid along an axis (mm). */
double sp_grid_low_edge_mm(const sp_grid *g, int axis);
double sp_grid_high_edge_mm(const sp_grid *g, int axis);

/* A grid of the given spacing whose outer box is the smallest that covers the box low..high and whose voxel edges lie
 * on whole multiples of the spacing from `anchor`'s low edges (so that grids of equal spacing line up). */
void sp_grid_cover(sp_grid *out, const double low_mm[3], const double high_mm[3], const double spacing_mm[3],
                   const sp_grid *anchor);

/* Equal sizes, and origin and spacing equal within 1e-6 mm. */
bool sp_grid_equal(const sp_grid *a, const sp_grid *b);

#endif
