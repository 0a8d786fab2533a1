/* The tumour at T8, the targets that follow from it, and what the surgeon took away. Data of the shapes: const
 * sp_spine. */
#ifndef SP_TUMOUR_H
#define SP_TUMOUR_H

#include "spine.h"
#include "vertebra.h"

/* The sectors of T8 that the tumour fills: body and left pedicle. */
#define SP_TUMOUR_SECTORS (SP_SECTOR_BODY | SP_SECTOR_PEDICLE_L)

/* The shapes below want a const sp_spine as data (sp_shape_with). */

/* The whole tumour as it was found, and what of it is there now (after the operation, if any). */
extern const sp_shape sp_tumour_found, sp_tumour_left;

/* Bone and epidural disease by the consensus sectors, drawn on the anatomy as found, without the thecal sac of now. */
extern const sp_shape sp_tumour_ctv;

/* What the operation removed: laminae and spinous process, the left pedicle, the tumour for 2.5 mm round the sac, and
 * the bed of the cage. */
extern const sp_shape sp_tumour_resected;

/* T8 with the tumour in it, as far as it was left. */
extern const sp_shape sp_tumour_bone_left;

#endif
