/* What the host side of Monte Carlo shares: mc_geometry.c, mc_source.c and mc_tables.c make what mc.c sends. */
#ifndef SP_MC_INTERNAL_H
#define SP_MC_INTERNAL_H

#include "mc.h"
#include "mc_head.h"
#include "mc_tables.h"

enum { SP_MC_MAX_BUFFERS = 24, SP_MC_GPU_GROUP = 32 };

/* mc.c runs batches, mc_influence.c columns of a matrix. buffer: the arguments that all kernels of transport begin
 * with.
 */
struct sp_mc {
	sp_device *device;
	cl_kernel transport, close;
	cl_mem buffer[SP_MC_MAX_BUFFERS];
	int n_buffers;
	cl_mem tally, sum, squares, accounts, counter;
	size_t n_items, local; /* work-items, and how many a group has */
	cl_uint n_tallies;
	size_t n_tally, tally_cells; /* voxels of the dose grid, cells of a tally in memory */
	sp_u32 tally_shape[3];
	size_t n_openings;
	uint32_t batch_histories;
	sp_u32 shift;
	uint64_t batches;
	size_t chunk;
	char options[256]; /* of the kernels, but for SP_OWN_TALLY */
	sp_mc **others;    /* the same on the device's companions */
	size_t n_others;
};

/* Of mc and its others, the i-th. */
sp_mc *sp_mc_on(sp_mc *mc, size_t i);

/* Voxel words and bricks; fills the setup's geometry. materials: the ones that occur, in the order of their indices in
 * the words; class_of their classes. */
typedef struct {
	sp_u32 *voxels;
	size_t n_voxels;
	sp_mc_brick *bricks;
	size_t n_bricks;
	bool boxes_pay; /* enough of the matter is in uniform bricks to ask them first */
} sp_mc_geometry;

/* The materials that occur in `where`: *n of them in materials, and for each material of sp_matter its place. */
void sp_mc_find_materials(int materials[256], size_t *n, uint8_t place[256], const sp_mc_matter *where);

sp_status sp_mc_geometry_make(sp_mc_geometry *out, sp_mc_setup *setup, const sp_mc_matter *where,
                              const uint8_t place[256], const sp_u32 *class_of, sp_error *err);
void sp_mc_geometry_finish(sp_mc_geometry *g);

/* The setup's part about bricks, and how many voxels each has along the axes. */
void sp_mc_bricks_size(sp_mc_setup *setup, size_t per_brick[3], const sp_grid *g);
/* The bricks of voxel words (x fastest). */
sp_status sp_mc_bricks_fill(sp_mc_brick *out, bool *boxes_pay, const sp_mc_setup *s, const size_t per_brick[3],
                            const sp_grid *g, const sp_u32 *voxels, const sp_u32 *class_of, sp_error *err);

/* Sets the voxel words' clearance and uniformity, and returns the setup's uniform_growth. density: in the words' units;
 * room: for two numbers a voxel. */
float sp_mc_look_around(sp_u32 *words, const uint16_t *density, const sp_grid *g, uint16_t *room);

typedef struct {
	sp_mc_source head;
	sp_mc_beam *beams;
	sp_mc_rectangle *rectangles;
	float *spectrum; /* n_spectra of SP_MC_SPECTRUM + 1 */
	size_t n_beams, n_rectangles, n_spectra, n_intervals, n_numbers;
	sp_u32 alpha[SP_MC_DIMS];
	sp_mc_head machine; /* what follows is empty without a head */
	sp_mc_interval *intervals;
	float *numbers;
} sp_mc_source_data;

/* low_edge_mm: the low corner of the geometry's grid. */
sp_status sp_mc_source_make(sp_mc_source_data *out, const sp_mc_particles *p, const double low_edge_mm[3],
                            sp_error *err);
void sp_mc_source_finish(sp_mc_source_data *s);

#endif
