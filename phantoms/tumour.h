/* The tumour at T8, the targets that follow from it, and what the surgeon took away. Data of the shapes: const
 * sp_spine. */
#ifndef SP_TUMOUR_H
#define SP_TUMOUR_H

#include "spine.h"
#include "vertebra.h"

/* The sectors of T8 that the tumour fills: body and left pedicle. */
#define SP_TUMOUR_SECTORS (SP_SECTOR_BODY | SP_SECTOR_PEDICLE_L)

/* The whole tumour as it was found, and what of it is there now (after the operation, if any). */
double sp_tumour_found(const double p[3], const void *spine);
double sp_tumour_left(const double p[3], const void *spine);

/* Bone and epidural disease by the consensus sectors, drawn on the anatomy as found, without the thecal sac of now. */
double sp_tumour_ctv(const double p[3], const void *spine);

/* What the operation removed: laminae and spinous process, the left pedicle, the tumour for 2.5 mm round the sac, and
 * the bed of the cage. */
double sp_tumour_resected(const double p[3], const void *spine);

#endif
