/* Where a vertebra's body, arch and canal lie: the frame in which its sectors are told apart. */
#ifndef SP_VERTEBRA_FRAME_H
#define SP_VERTEBRA_FRAME_H

#include <stdbool.h>

#include "grid.h"
#include "status.h"

/* Unit vectors in patient coordinates; u, v, w of a point are its distances from centre_mm along left, back and up. */
typedef struct {
	double centre_mm[3]; /* the middle of the bony canal, at the height of the middle of the body */
	double left[3], back[3], up[3];
	double front_mm, rear_mm; /* v of the canal's walls: the back of the body (< 0), the front of the arch (> 0) */
	double half_width_mm;     /* of the canal between the pedicles */
	double body_mm;           /* height of the body */
	bool has_rear;            /* false: no arch behind the canal (removed), rear_mm is a guess from the width */
	bool has_left, has_right; /* the pedicles' walls were found */
} sp_vertebra_frame;

/* bone and canal: partial volumes [z][y][x] of the vertebra and of what runs in its canal (canal, sac or cord). The
 * axis is that of the canal's content; the walls are what rays from it hit; the
 * plane between left and right is that about which the bone is most alike, so a vertebra of which parts are missing is
 * found as well; one that is turned by more than 60 degrees from the patient's front is not.
 * `name` is for the message. SP_BAD_INPUT where there is no body in front of the canal. */
sp_status sp_vertebra_frame_find(sp_vertebra_frame *out, const float *bone, const float *canal, const sp_grid *grid,
                                 const char *name, sp_error *err);

/* u, v, w of a point. */
void sp_vertebra_coordinates(double out_uvw[3], const sp_vertebra_frame *f, const double p_mm[3]);

#endif
