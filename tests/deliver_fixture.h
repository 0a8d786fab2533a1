/* Fields over a beam of bixels, and a map of their leaf ends and monitor units, for the tests of deliverable plans. */
#ifndef SP_DELIVER_FIXTURE_H
#define SP_DELIVER_FIXTURE_H

#include "aperture_map.h"

typedef struct {
	sp_machine *machine;
	sp_beam_set *bixels;
	sp_fields *fields;
	sp_aperture_map *map;
} rig;

/* n fields over one beam, of 60 x 40 mm in bixels of 5 mm; two intervals between three states, or one segment a state.
 */
void make_fields(rig *r, size_t n, bool turned, bool moves);
void make_rig(rig *r, bool turned, bool moves); /* one field */
void finish_rig(rig *r);

/* Ragged openings of the first field, all pairs different, with the second bank's ends off the bixels' edges. */
void set_ragged(rig *r);

/* A field of `rectangle` in bixels of 5 mm, under leaves with boundaries_mm from_mm on, each width_mm wide. */
void complete_under(rig *r, const double rectangle[4], double from_mm, double width_mm, size_t n_pairs);

#endif
