/* From solids to CT numbers: solids are painted one over the other, voxels at surfaces get the mean of what they hold,
 * and noise is laid over all. */
#ifndef SP_SCENE_H
#define SP_SCENE_H

#include <stdint.h>

#include "grid.h"
#include "shape.h"
#include "status.h"

typedef struct {
	sp_shape shape;
	double hu;
	/* Added to hu at a place (texture); NULL for none. Taken at the voxel centre. */
	double (*texture)(const double p[3]);
} sp_solid;

typedef struct {
	size_t n, capacity;
	sp_solid *solids; /* later ones cover earlier ones */
	size_t n_owned, owned_capacity;
	void **owned; /* data of the solids, freed with the scene */
} sp_scene;

sp_status sp_scene_add(sp_scene *scene, const sp_shape *shape, double hu, double (*texture)(const double p[3]),
                       sp_error *err);

/* Gives the scene memory that its solids refer to; it is freed with the scene, and at once where this fails. */
sp_status sp_scene_own(sp_scene *scene, void *data, sp_error *err);
void sp_scene_finish(sp_scene *scene);

/* hu_out[z][y][x] in floats: background_hu where there is no solid. */
sp_status sp_scene_render(float *hu_out, const sp_grid *grid, const sp_scene *scene, double background_hu,
                          sp_error *err);

/* Adds normal noise of standard deviation sigma_hu, slightly correlated between neighbours within a slice as the
 * reconstruction filter of a scanner does, and rounds to what a 12-bit scanner can show (-1024..3071). A voxel's noise
 * depends on the seed and its index alone. */
sp_status sp_scene_digitise(int16_t *hu_out, const float *hu, const sp_grid *grid, double sigma_hu, uint64_t seed,
                            sp_error *err);

/* Smooth random texture of unit variance and correlation length `scale_mm`, fixed for all cases. */
double sp_texture(const double p[3], double scale_mm, uint32_t which);

#endif
