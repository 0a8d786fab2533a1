/* What the files of the way to a deliverable plan share. */
#ifndef SP_DELIVER_INTERNAL_H
#define SP_DELIVER_INTERNAL_H

#include "aperture_map.h"
#include "plan_deliver.h"
#include "plan_session.h"

typedef struct {
	sp_plan_session session;
	const sp_machine *machine;
	const sp_deliver_options *options;
	sp_fields *fields;
	sp_aperture_map *map;
	double mu_factor; /* on all monitor units of the map, from the last dose */
	sp_error *err;
} sp_deliver_job;

/* From the fluence in the session's plan: fields, and a map whose x are the first apertures. */
sp_status sp_deliver_first_steps(sp_deliver_job *j);
sp_status sp_deliver_first_arcs(sp_deliver_job *j);

/* How an arc is cut: intervals of at most two degrees, and beams of the matrix that several of them share. */
typedef struct {
	size_t n_intervals, n_beams;
	double step_deg;
} sp_arc_plan;

sp_arc_plan sp_deliver_arc_plan(const sp_deliver_options *o);
double sp_deliver_beam_angle(const sp_deliver_options *o, size_t beam);

#endif
