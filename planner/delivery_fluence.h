/* Fluence maps of a delivery for the pencil beam: what jaws and leaves leave of the target's and the extra-focal
 * source's photons, bixel by bixel. */
#ifndef SP_DELIVERY_FLUENCE_H
#define SP_DELIVERY_FLUENCE_H

#include "beam.h"
#include "mc_head.h"
#include "off_axis.h"

/* Bixels (one beam for each direction that the machine shines from) and their weights: 1 is the fluence of 1 MU on the
 * axis of the reference field. */
typedef struct {
	sp_beam_set *set;
	double *weights;
} sp_delivery_map;

/* The target's photons on bixels of bixel_mm (50 places in each), and those of the extra-focal source and through
 * the jaws on bixels of 10 mm, which reach 80 mm farther. head: of the same delivery and machine. */
sp_status sp_delivery_target_map(sp_delivery_map *out, const sp_delivery *d, const sp_machine *m,
                                 const sp_mc_head_source *head, const sp_off_axis *off_axis,
                                 const char *patient_position, double bixel_mm, sp_error *err);
sp_status sp_delivery_scatter_map(sp_delivery_map *out, const sp_delivery *d, const sp_machine *m,
                                  const sp_mc_head_source *head, const sp_off_axis *off_axis,
                                  const char *patient_position, sp_error *err);
/* Electrons that contaminate the beam, by the same bixels; a closed leaf stops them. */
sp_status sp_delivery_electron_map(sp_delivery_map *out, const sp_delivery *d, const sp_machine *m,
                                   const sp_mc_head_source *head, const char *patient_position, sp_error *err);
void sp_delivery_map_finish(sp_delivery_map *map);

#endif
