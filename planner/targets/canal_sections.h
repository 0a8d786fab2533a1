/* Sac and cord slice by slice: how large they are beside the tumour and away from it. */
#ifndef SP_CANAL_SECTIONS_H
#define SP_CANAL_SECTIONS_H

#include "frame.h"

/* A slice of sac or cord: area (mm2), depth from front to back (mm), middle (mm). */
typedef struct {
	double area, depth, x, y;
} sp_canal_section;

/* What lies in the canal as partial volumes, one plane a CT slice; NULL: not drawn. distance: to the tumour. */
typedef struct {
	sp_grid grid;
	float *gtv, *sac, *cord, *bone, *scratch, *distance;
	double low_z, high_z; /* of the tumour */
	const sp_vertebra_frame *frame;
} sp_canal;

sp_canal_section sp_canal_look(const float *in, const sp_canal *m, size_t k);

/* Area and depth of sac or cord (in) at slice `worst`, and their medians away from the tumour; those are NAN where the
 * scan shows too little of it. */
sp_status sp_canal_compare(double *area, double *depth, double *area_rest, double *depth_rest, const sp_canal *m,
                           const float *in, size_t worst, sp_error *err);

/* The slice within the tumour's height where sac or cord is smallest. */
size_t sp_canal_worst_slice(const sp_canal *m, const float *in);

#endif
