/* The trunk round the spine: outline, fat, muscle, ribs, lungs and organs. Frame and units as in spine.h. */
#ifndef SP_THORAX_H
#define SP_THORAX_H

#include "scene.h"

/* Implicit shapes; data is not used. */
double sp_thorax_body(const double p[3], const void *data);
double sp_thorax_skin(const double p[3], const void *data); /* the outer 3 mm of the body */
double sp_thorax_lung_left(const double p[3], const void *data);
double sp_thorax_lung_right(const double p[3], const void *data);
double sp_thorax_heart(const double p[3], const void *data);
double sp_thorax_aorta(const double p[3], const void *data);
double sp_thorax_oesophagus(const double p[3], const void *data);
double sp_thorax_kidney_left(const double p[3], const void *data);
double sp_thorax_kidney_right(const double p[3], const void *data);
double sp_thorax_liver(const double p[3], const void *data);
double sp_thorax_stomach(const double p[3], const void *data);
double sp_thorax_spleen(const double p[3], const void *data);

/* Paints everything but the spine, from the skin inwards. The scene borrows static data only. */
sp_status sp_thorax_paint(sp_scene *scene, sp_error *err);

/* Paints the ribs and the breast bone (ribs.c). */
sp_status sp_ribs_paint(sp_scene *scene, sp_error *err);

/* Half axes of the inside of the chest wall at height z, the depth of its middle, for ribs that run in the wall. */
void sp_thorax_cavity(double half_mm[2], double *middle_y, double z);

#endif
