/* The source of a Monte Carlo calculation: a plan's bixels or control points, or the field of a physics benchmark. */
#ifndef SP_MC_BEAMS_H
#define SP_MC_BEAMS_H

#include "beam.h"
#include "delivery.h"
#include "machine.h"
#include "mc.h"
#include "status.h"

typedef struct {
	size_t n_planes, n_openings;
	sp_mc_plane *planes;
	sp_mc_opening *openings;
	sp_mc_head_source *head; /* of control points, in place of planes and openings; else NULL */
	double particles;        /* that a dose is for: those of the plan's weights, or 1 for a field */
} sp_mc_beams;

/* Each beam a point source over the isocentre plane, each bixel with a weight an opening in it. fluence_per_mu_cm2: the
 * photons per cm2 in that plane for weight 1. */
sp_status sp_mc_beams_of_plan(sp_mc_beams *out, const sp_beam_set *set, const double *weights,
                              double fluence_per_mu_cm2, sp_error *err);

/* Along +z on the axis x = y = 0, the surface at z = 0. From a point ssd_mm before the surface, field_mm its sides 1000
 * mm from the point, uniform per solid angle; or parallel (ssd_mm < 0), starting at start_mm (z). */
sp_status sp_mc_beams_of_field(sp_mc_beams *out, double ssd_mm, const double field_mm[2], double start_mm,
                               sp_error *err);

/* Control points, by a model of the machine's head; particles: of one fraction. */
sp_status sp_mc_beams_of_delivery(sp_mc_beams *out, const sp_delivery *delivery, const sp_machine *machine,
                                  const char *patient_position, const sp_matter *matter, sp_error *err);

void sp_mc_beams_finish(sp_mc_beams *b);

#endif
