/* Implants and their artefacts in a CT: metal by contour or by CT number, streaks by what cannot be tissue. */
#ifndef SP_HARDWARE_H
#define SP_HARDWARE_H

#include <jansson.h>

#include "case.h"

/* A structure that gets a material. */
typedef struct {
	const char *structure, *material;
} sp_hardware_contour;

typedef struct {
	const sp_hardware_contour *implants, *tissues; /* implants become hardware, tissues keep their role */
	size_t n_implants, n_tissues;
	const char *found_material; /* of what is found by CT number; NULL: nothing is looked for */
	double threshold_hu;        /* so much or more is metal */
	double least_cc;            /* smaller pieces are noise */
	double streak_mm;           /* artefacts are looked for so far from hardware, within slices; 0: not at all */
	double tissue_hu[2];        /* beyond these, outside of bone, is artefact */
	double bone_hu[2];          /* the same within vertebrae */
} sp_hardware_options;

/* Titanium shows 3071 HU and more on a 12-bit scale, and a voxel at its surface half of that. Fat begins at -120 HU, so
 * that what is darker than -200 HU beside a rod is no tissue. Bone that nobody has drawn may well have 1300 HU. */
#define SP_HARDWARE_DEFAULTS                                                                                           \
	{                                                                                                              \
		.threshold_hu = 2000.0, .least_cc = 0.05, .tissue_hu = {-200.0, 1300.0}, .bone_hu = { -100.0, 1600.0 } \
	}

/* What streaks become: muscle of ICRU 44 and spongiosa. */
#define SP_STREAK_TISSUE "muscle_icru"
#define SP_STREAK_BONE "spongiosa_icru"

/* Changes the case and says what it did (JSON: implants, pieces, streaks, notes). New structures: Metal_MATERIAL (role
 * hardware), Streaks_tissue and Streaks_bone. Lungs, trachea, bowel and stomach by name are no streaks, nor is what
 * lies outside the body. SP_BAD_INPUT for an unknown structure, and where no metal is found that was looked for. */
sp_status sp_hardware_mark(json_t **out, sp_case *c, const sp_hardware_options *o, sp_error *err);

#endif
