/* The course of the spine, its levels, and what runs along it: canal, thecal sac, cord, tumour in the canal. Lengths in
 * mm, origin in the middle of the body of T8, axes as in DICOM (x left, y back, z head). */
#ifndef SP_SPINE_H
#define SP_SPINE_H

#include <stdbool.h>

#include "phantom.h"
#include "shape.h"

/* How far the disease has gone and what was done about it. */
typedef struct {
	int canal_grade;  /* shape of sac and cord in the scan: epidural grade 0..3 */
	int tumour_grade; /* of the tumour when it was found; equal to canal_grade unless operated */
	bool operated;
	sp_phantom_metal metal;
	sp_phantom_cage cage;
} sp_spine;

typedef struct {
	const char *name; /* "T08" */
	double s_mm;      /* along the spine, 0 at T8 */
	double scale;     /* size relative to T8 */
} sp_level;

/* T4 to L1 from the head down, ended by a NULL name; and the index of T8. */
extern const sp_level sp_levels[];
enum { SP_LEVEL_T8 = 4 };

/* The point of the spine's axis (through the middles of the vertebral bodies) at s. */
void sp_spine_axis(double out_mm[3], double s_mm);

/* u (left), v (back) and s (along) of p in the frame that follows the spine. */
void sp_spine_coordinates(double out_uvs[3], const double p[3]);

/* p in the frame of a level's body, divided by the level's scale. */
void sp_level_coordinates(double out[3], const double p[3], const sp_level *level);

/* From a level's frame back to the patient. */
void sp_level_place(double out_mm[3], const double q[3], const sp_level *level);

/* Soft part of the canal (between vertebrae too) and the column of discs (vertebrae not cut out); no data. */
double sp_spine_canal(const double p[3], const void *data);
double sp_spine_discs(const double p[3], const void *data);

/* Thecal sac and cord; give them a const sp_spine as data (sp_shape_with). */
extern const sp_shape sp_spine_sac, sp_spine_cord;

/* The part of the tumour that lies in the canal, outside the sac of the given grade; positive everywhere for grade 0.
 */
double sp_spine_epidural(const double p[3], int tumour_grade, int sac_grade);

/* Thecal sac as it is with the given grade. */
double sp_spine_sac_of_grade(const double p[3], int grade);

#endif
