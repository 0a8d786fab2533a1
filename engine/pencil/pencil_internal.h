/* What the files of this folder share: kernel_table.c reads the kernels, pencil.c holds what is on the device, fan.c
 * lays out beams and traces their fans, matrix.c shares the rows of the influence matrix out over devices,
 * matrix_rows.c fills them, dose.c adds up weighted bixels. */
#ifndef SP_PENCIL_INTERNAL_H
#define SP_PENCIL_INTERNAL_H

#include "pencil.h"

#include "shared/pencil_beam.h"

#define SP_PENCIL_MAX_GAUSSIANS 12

/* A kernel table (engine/pencil/kernels) on even steps of SP_PENCIL_TABLE_STEP_MM from depth 0 on. */
typedef struct {
	size_t n_gaussians, n_rows;
	double sigma_mm[SP_PENCIL_MAX_GAUSSIANS];
	float *weight; /* [row][gaussian], Gy per (photon/cm2) of a broad beam */
} sp_pencil_table;

/* name: without ".csv". */
sp_status sp_pencil_table_read(sp_pencil_table *out, const char *name, sp_error *err);
/* The table that a machine's kernel key asks for: one by its name, or one superposed for the machine's spectra. */
sp_status sp_pencil_table_of(sp_pencil_table *out, const sp_machine *machine, sp_error *err);
/* Resamples a table: depth_mm ascending from 0, weight [depth][gaussian] as above. */
sp_status sp_pencil_table_fill(sp_pencil_table *out, const double *sigma_mm, size_t n_gaussians, const double *depth_mm,
                               const double *weight, size_t n_depths, sp_error *err);
void sp_pencil_table_finish(sp_pencil_table *t);

/* How far Gaussian sigma_mm follows the density far upstream rather than the near one, 0 to 1. */
double sp_pencil_far_share(double sigma_mm);

struct sp_pencil {
	sp_device *device;
	sp_grid ct; /* cropped to what is not air */
	double source_fwhm_mm[2], collimator_mm, fluence_per_mu_cm2, soften[3];
	size_t n_gaussians, table_rows;
	cl_mem ct_grid, density, kernel_shape, table;
	sp_pencil **others; /* the same on the device's companions */
	size_t n_others;
};

/* The grid as kernels see it. */
sp_pencil_grid sp_pencil_device_grid(const sp_grid *g);

/* All beams of a set as kernels see them, with their fans laid out. */
typedef struct {
	size_t n_beams, n_segments, n_first;
	sp_pencil_beam *beams;
	sp_pencil_segment *segments;
	uint32_t *first_segment; /* per beam rows + 1 numbers, see sp_pencil_beam.first_row_segment */
	size_t most_places;      /* largest number of lattice columns or rows of any beam */
	size_t fan_bytes;        /* of the largest fan */
} sp_pencil_layout;

/* Fans cover the bixels and reach_mm around them; reach_mm = INFINITY: the whole dose grid. */
sp_status sp_pencil_layout_make(sp_pencil_layout *out, const sp_pencil *p, const sp_beam_set *beams,
                                const sp_grid *dose_grid, double reach_mm, sp_error *err);
void sp_pencil_layout_finish(sp_pencil_layout *l);

/* A kernel of pencil.cl for fields of up to `places` lattice columns or rows in one piece (a multiple of 8). */
sp_status sp_pencil_kernel(cl_kernel *out, const sp_pencil *p, const char *name, size_t places, sp_error *err);

/* Queues the tracing of beam b's fan into the buffer fan. beams: the layout's beams on the device. */
sp_status sp_pencil_trace(const sp_pencil *p, cl_kernel trace, const sp_pencil_layout *l, cl_mem beams, size_t b,
                          cl_mem fan, sp_error *err);

#endif
