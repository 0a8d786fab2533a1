/* The trunk round the spine, in three files: trunk.c (outline, fat, muscle; paints all), ribs.c, lungs.c (lungs and
 * mediastinum) and organs.c. Frame and units as in spine.h. */
#ifndef SP_THORAX_H
#define SP_THORAX_H

#include "scene.h"

/* Shapes that are contoured. */
extern const sp_shape sp_thorax_body, sp_thorax_skin; /* the skin is the outer 3 mm of the body */
extern const sp_shape sp_thorax_lung_left, sp_thorax_lung_right;
extern const sp_shape sp_thorax_heart, sp_thorax_aorta, sp_thorax_oesophagus;
extern const sp_shape sp_thorax_kidney_left, sp_thorax_kidney_right;
extern const sp_shape sp_thorax_liver, sp_thorax_stomach, sp_thorax_spleen;

/* Paints everything but the spine, from the skin inwards. The scene borrows static data only. */
sp_status sp_thorax_paint(sp_scene *scene, sp_error *err);

/* What the files of the trunk share. */
sp_status sp_ribs_paint(sp_scene *scene, sp_error *err);
sp_status sp_lungs_paint(sp_scene *scene, sp_error *err);
sp_status sp_organs_paint(sp_scene *scene, sp_error *err);
sp_status sp_thorax_add(sp_scene *scene, const sp_solid *solids, size_t n, sp_error *err);

/* How far the trunk is shifted to the back at height z: it follows the kyphosis, flatter than the spine does. */
double sp_thorax_shift(double z);

/* Half axes of the inside of the chest wall at height z and the depth of its middle; its surface; the same without the
 * muscles beside the spine, which bulge into it from behind, and those muscles. */
void sp_thorax_cavity_axes(double half_mm[2], double *middle_y, double z);
double sp_thorax_cavity(const double p[3], const void *data);
double sp_thorax_inside(const double p[3], const void *data);
double sp_thorax_back(const double p[3], const void *data);

/* Diaphragm: negative below. */
double sp_thorax_right_dome(const double p[3]);
double sp_thorax_left_dome(const double p[3]);

/* Oval tubes beside the spine, given a point in the frame that follows it. */
double sp_thorax_aorta_at(const double uvs[3]);
double sp_thorax_oesophagus_at(const double uvs[3]);
double sp_thorax_azygos_at(const double uvs[3]);
double sp_thorax_cava(const double p[3], const void *data);
double sp_thorax_great_vessels(const double p[3], const void *data);

#endif
