/* A small CT of air whose voxels are painted with matter; boxes on it for contours. */
#ifndef SP_PAINTING_FIXTURE_H
#define SP_PAINTING_FIXTURE_H

#include "matter.h"

/* Unequal sizes and spacings, and more slices than are handled at once. */
extern const sp_grid painting_ct;

typedef struct {
	sp_matter *m;
	sp_case *c;
	float *red, *density;
	uint8_t *material;
} painting_rig;

int painting_set_up(void **state);
int painting_tear_down(void **state);

/* A box from the lower edge of voxel `low` to the upper edge of voxel `high`, widened in x by wider_mm, on every slice.
 */
sp_structure *painting_add_box(sp_case *c, const char *name, sp_role role, const size_t low[3], const size_t high[3],
                               double wider_mm);
void painting_set_material(sp_structure *s, const char *name);

void painting_assert_near(double found, double expected, double tolerance);

#endif
