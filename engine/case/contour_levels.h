/* Polygons of a structure, sorted into levels: slabs of constant outline that fill the structure from end to end. */
#ifndef SP_CONTOUR_LEVELS_H
#define SP_CONTOUR_LEVELS_H

#include "case.h"
#include "polygon_area.h"

/* Polygons whose heights differ by no more than this lie in one slice; one whose points differ by more than
 * SP_PLANAR_MM is not planar. DICOM writers round to 1e-3 mm or so. */
#define SP_SAME_SLICE_MM 0.05
#define SP_PLANAR_MM 0.1

/* The widest gap that is bridged, mm; wider ones separate parts (lesions of two vertebrae, say), unless the structure
 * is drawn even more coarsely. */
#define SP_BRIDGE_MM 15.0

typedef struct {
	double z_mm;
	size_t first, n; /* in sp_contour_levels.polygons */
} sp_contour_slice;

/* The outline at z, a mixture of two slices: (1 - t) * slice a + t * slice b; a drawn slice has a == b. */
typedef struct {
	double z_mm, low_mm, high_mm;
	size_t a, b;
	double t;
} sp_contour_level;

typedef struct {
	size_t n_polygons, n_slices, n_levels, n_gaps;
	sp_polygon *polygons; /* points borrowed from the structure; only those that enclose an area */
	sp_contour_slice *slices;
	sp_contour_level *levels;
	double gap_mm; /* between neighbouring slices: the median, or slice_mm for a single slice */
} sp_contour_levels;

/* slice_mm: thickness for a structure that has only one slice. n_gaps counts gaps too wide to be bridged. */
sp_status sp_contour_levels_init(sp_contour_levels *out, const sp_structure *s, double slice_mm, sp_error *err);
void sp_contour_levels_finish(sp_contour_levels *l);

/* area_out[n[1]][n[0]] of one level; scratch: two more arrays of that size (used for mixtures). */
sp_status sp_contour_level_area(float *area_out, float *scratch, const sp_contour_levels *l,
                                const sp_contour_level *level, const sp_plane *plane, sp_error *err);

#endif
