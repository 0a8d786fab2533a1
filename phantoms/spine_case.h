/* From a spine with its tumour to a case: picture, structures, prescription. Used by both spine phantoms. */
#ifndef SP_SPINE_CASE_H
#define SP_SPINE_CASE_H

#include "phantoms_internal.h"
#include "spine.h"

/* The case without hardware, still in the frame of the spine. `metal` adds solids on top of the anatomy (NULL for
 * none). spine must outlive the call only. */
sp_status sp_spine_case(sp_case **out, const sp_spine *spine, const sp_phantom_options *o,
                        sp_status (*metal)(sp_scene *scene, const sp_spine *spine, sp_error *err), sp_error *err);

/* Paints the spine over the trunk; the scene borrows spine. */
sp_status sp_spine_paint(sp_scene *scene, const sp_spine *spine, sp_error *err);

/* Ends both: moves the case away from the origin and checks nothing. */
void sp_spine_case_place(sp_case *c);

#endif
