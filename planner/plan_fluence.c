#include "plan_fluence.h"

#include <stdlib.h>

#include "plan_session.h"

/* Corrections of the limits; most cases need four. */
#define MAX_ROUNDS 10
#define MAX_ROUNDS_BY_PRIORITY 16

sp_status sp_plan_fluence(sp_fluence_plan **out, const sp_case *c, const sp_protocol *protocol, double dose_gy,
                          const sp_machine *machine, const sp_matter *matter, sp_device *device,
                          const sp_plan_options *o, sp_error *err)
{
	sp_plan_session s;
	sp_status st;

	*out = NULL;
	if ((st = sp_plan_session_open(&s, c, protocol, dose_gy, machine, matter, device, o, err)) != SP_OK ||
	    (st = sp_plan_session_search(&s, NULL, o->target_slip_percent > 0.0 ? MAX_ROUNDS_BY_PRIORITY : MAX_ROUNDS,
	                                 o->max_seconds)) != SP_OK ||
	    (st = o->on_plan ? sp_plan_front_give(&s) : sp_plan_session_last_dose(&s)) != SP_OK ||
	    (!s.plan->interrupted && (st = sp_plan_session_report_scenarios(&s)) != SP_OK) ||
	    (st = sp_plan_session_report_earlier(&s)) != SP_OK)
		goto cleanup;
	if (s.plan->interrupted)
		st = SP_INTERRUPTED;
	*out = s.plan;
	s.plan = NULL;
cleanup:
	sp_plan_session_close(&s);
	return st;
}

void sp_fluence_plan_destroy(sp_fluence_plan *p)
{
	if (!p)
		return;
	sp_beam_set_destroy(p->beams);
	free(p->weights);
	free(p->dose_gy);
	free(p->sigma_gy);
	json_decref(p->robust);
	json_decref(p->reirradiation);
	free(p);
}
