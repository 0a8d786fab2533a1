/* From a case to a plan that a machine can deliver: fluence, apertures, search over leaf ends and monitor units, dose
 * of the control points by Monte Carlo, corrections where that breaks a limit. docs/delivery.md tells how. */
#ifndef SP_PLAN_DELIVER_H
#define SP_PLAN_DELIVER_H

#include "delivery.h"
#include "delivery_time.h"
#include "plan_fluence.h"

typedef struct {
	sp_beam_technique technique; /* SP_BEAM_IMRT or SP_BEAM_VMAT */
	size_t segments;             /* IMRT: at most, in all; 0: seven a beam */
	bool one_collimator;         /* IMRT: one field a beam, in either way, not up to two */
	size_t arcs;                 /* VMAT: 1 to 3 */
	double arc_deg[2];           /* where the first arc begins and ends, clockwise; each next one goes back */
	double fractions;            /* of the course */
	double rough_uncertainty;    /* of the Monte Carlo doses on the way; the last one has sp_plan_options' */
} sp_deliver_options;

/* What a step of the way reached: fluence and deliverable by the search's own dose, which is smoothed, the last by the
 * dose as it is. */
typedef struct {
	double objective, target_d95_gy, cord_d003cc_gy; /* NAN where there is no cord limit */
} sp_reached;

typedef struct {
	sp_fluence_plan *plan; /* dose, times; weights are the bixels' fluence by the apertures */
	sp_delivery *delivery;
	sp_reached fluence, deliverable, last; /* last: by Monte Carlo, monitor units as delivered */
	size_t n_segments;                     /* or intervals between control points */
	sp_delivery_seconds seconds;           /* of one fraction */
} sp_delivered_plan;

/* Statuses as of sp_plan_fluence; options->plan must ask for a pencil beam's matrix. */
sp_status sp_plan_deliver(sp_delivered_plan **out, const sp_case *c, const sp_protocol *protocol, double dose_gy,
                          const sp_machine *machine, const sp_matter *matter, sp_device *device,
                          const sp_plan_options *options, const sp_deliver_options *deliver, sp_error *err);
void sp_delivered_plan_destroy(sp_delivered_plan *p);

#endif
