/* What the phantoms' files share with each other and with nobody else. */
#ifndef SP_PHANTOMS_INTERNAL_H
#define SP_PHANTOMS_INTERNAL_H

#include "phantom.h"
#include "scene.h"

sp_status sp_phantom_water(sp_case **out, const sp_phantom_options *o, sp_error *err);
sp_status sp_phantom_slabs(sp_case **out, const sp_phantom_options *o, sp_error *err);
sp_status sp_phantom_tg119(sp_case **out, const sp_phantom_options *o, sp_error *err);
sp_status sp_phantom_thoracic_spine(sp_case **out, const sp_phantom_options *o, sp_error *err);
sp_status sp_phantom_postop_spine(sp_case **out, const sp_phantom_options *o, sp_error *err);

/* An empty case whose CT covers the box low..high from its low corner in voxels of voxel_mm. */
sp_status sp_phantom_create(sp_case **out, const double low_mm[3], const double high_mm[3], const double voxel_mm[3],
                            sp_error *err);

/* Refuses a length that is not a whole number of voxels; `what` names it in the sentence. */
sp_status sp_phantom_whole_voxels(double length_mm, double voxel_mm, int axis, const char *what, sp_error *err);

/* Renders scene into the CT, with the noise that the user asked for or the phantom's own. */
sp_status sp_phantom_render(sp_case *c, const sp_scene *scene, double background_hu, const sp_phantom_options *o,
                            double default_noise_hu, sp_error *err);

/* The same from CT numbers that are there already. */
sp_status sp_phantom_digitise(sp_case *c, const float *hu, const sp_phantom_options *o, double default_noise_hu,
                              sp_error *err);

/* Appends a structure with its RGB colour (0xRRGGBB). */
sp_status sp_phantom_structure(sp_structure **out, sp_case *c, const char *name, sp_role role, uint32_t rgb,
                               sp_error *err);

/* Appends one rectangle at every CT slice whose centre lies in low_mm[2]..high_mm[2]. */
sp_status sp_phantom_add_box(sp_structure *s, const sp_grid *ct, const double low_mm[3], const double high_mm[3],
                             sp_error *err);

/* Sets the override of density and material of s. */
sp_status sp_phantom_override(sp_structure *s, const char *material, double density_g_cm3, sp_error *err);

/* Fills the prescription; target and protocol may be NULL. */
sp_status sp_phantom_prescribe(sp_case *c, double dose_gy, unsigned fractions, const char *target, const char *protocol,
                               sp_error *err);

/* Moves the whole case by shift_mm, so that its origin is not a special place. */
void sp_phantom_shift(sp_case *c, const double shift_mm[3]);

#endif
