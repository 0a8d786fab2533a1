/* How far the tumour reaches into the canal, measured from contours: contact with the sac, how much sac and cord are
 * pressed, and the grade that follows. */
#ifndef SP_EPIDURAL_H
#define SP_EPIDURAL_H

#include <jansson.h>

#include "case.h"
#include "frame.h"

/* Epidural spinal cord compression scale (Bilsky MH, et al., J Neurosurg Spine 2010;13:324-328). */
typedef enum {
	SP_EPIDURAL_NOT_GRADED, /* sac or cord is not drawn where it is needed */
	SP_EPIDURAL_0,          /* bone only */
	SP_EPIDURAL_1A,         /* in the canal, the sac keeps its shape */
	SP_EPIDURAL_1B,         /* the sac is deformed, the cord not touched */
	SP_EPIDURAL_1C,         /* the sac is deformed, the cord touched */
	SP_EPIDURAL_2,          /* the cord is pressed, fluid still visible */
	SP_EPIDURAL_3           /* no fluid visible round the cord */
} sp_epidural_grade;

/* Lengths in mm, areas in mm2, at the slice where the sac is smallest; NAN where a structure is not drawn or shows no
 * stretch away from the tumour to compare with. */
typedef struct {
	sp_epidural_grade grade;
	double epidural_cc;       /* tumour in the canal, outside bone and sac */
	double contact_mm;        /* longest stretch of the sac's outline in a slice that the tumour touches */
	double contact_degrees;   /* the same seen from the sac's middle */
	double contact_height_mm; /* slices with contact, from first to last */
	double sac_area, sac_area_rest, sac_depth, sac_depth_rest; /* depth: front to back */
	double cord_area, cord_area_rest, cord_depth, cord_depth_rest;
	double to_cord_mm; /* least distance from tumour to cord; 0: they touch */
	double fluid_mm;   /* mean width of the fluid round the cord */
} sp_epidural;

/* gtv: all tumour, as structures; sac and cord may be NULL. vertebra: for what is bone; frame: its frame. */
sp_status sp_epidural_measure(sp_epidural *out, const sp_structure *const *gtv, size_t n_gtv, const sp_structure *sac,
                              const sp_structure *cord, const sp_structure *vertebra, const sp_vertebra_frame *frame,
                              const sp_grid *ct, sp_error *err);

/* "1b". */
const char *sp_epidural_grade_name(sp_epidural_grade grade);

/* The measurements as an object; null for what could not be measured. */
json_t *sp_epidural_json(const sp_epidural *e);

#endif
