/* From rings of dose around a pencil beam to the table that the pencil-beam engine reads: at every depth a sum of
 * Gaussians of fixed widths. Equations and file format: docs/physics.md. */
#ifndef SP_KERNEL_FIT_H
#define SP_KERNEL_FIT_H

#include "reference_water.h"

#define SP_KERNEL_GAUSSIANS 8

typedef struct {
	size_t n_depths;
	double *depth_mm;
	double *total_gy_cm2;  /* dose over the whole plane, which is that of a broad beam of one photon per cm2 */
	double *weight_gy_cm2; /* [depth][gaussian], none below 0; their sum is the total */
	double worst_field; /* largest misfit at the centre of round fields of 1.25 mm radius or more, of the total */
	double worst_edge;  /* largest misfit 1 mm or more outside a straight edge of a wide field, of the total */
} sp_kernel_table;

/* Standard deviations of the Gaussians, mm. */
extern const double sp_kernel_sigma_mm[SP_KERNEL_GAUSSIANS];

/* The slabs in which the rings for a table are to be scored: depths 0 to 30 mm by 1, 35 to 400 mm by 5. */
#define SP_KERNEL_DEPTHS 105
void sp_kernel_slabs(double low_mm[SP_KERNEL_DEPTHS], double high_mm[SP_KERNEL_DEPTHS]);

sp_status sp_kernel_fit(sp_kernel_table *out, const sp_pencil_rings *rings, sp_error *err);
void sp_kernel_table_finish(sp_kernel_table *t);

/* Writes the table as CSV (atomically) below a header of comment lines, each of which begins with '#'. */
sp_status sp_kernel_table_write(const sp_kernel_table *t, const char *header, const char *path, sp_error *err);

#endif
