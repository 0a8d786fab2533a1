/* What `spineplan dose` asks of a plan with control points before it computes, by either engine. */
#include "dose.h"

#include <math.h>

#include "log.h"

/* An isocentre farther outside the CT than this is of another patient, or in other coordinates. */
#define FAR_MM 100.0

static double outside_mm(const sp_grid *g, const double at_mm[3])
{
	double sum = 0.0;

	for (int a = 0; a < 3; a++) {
		double low = sp_grid_low_edge_mm(g, a), high = low + (double)g->n[a] * g->spacing_mm[a],
		       far = fmax(fmax(low - at_mm[a], at_mm[a] - high), 0.0);

		sum += far * far;
	}
	return sqrt(sum);
}

/* 0 where there is no case or it does not say. */
static unsigned fractions_of(const sp_case *c)
{
	return c && c->prescription.present ? c->prescription.fractions : 0;
}

sp_status sp_dose_check_delivery(unsigned *fractions, const sp_plan_content *plan, const sp_case *c, sp_error *err)
{
	unsigned of_case = fractions_of(c), of_plan = plan->fractions ? plan->fractions : fractions_of(plan->c);

	for (size_t i = 0; i < plan->delivery->n_beams; i++) {
		const double *at = plan->delivery->beams[i].isocentre_mm;
		double far = outside_mm(&c->ct, at);

		if (far > FAR_MM)
			return sp_fail(
			        err, SP_BAD_INPUT,
			        "the isocentre of beam %zu (%.1f %.1f %.1f mm) lies %.0f mm outside the case's CT: "
			        "the plan is for another patient (scripts/rtplan2h5 --isocentre moves one)",
			        i, at[0], at[1], at[2], far);
	}
	*fractions = of_plan ? of_plan : of_case ? of_case : 1;
	if (of_plan && of_case && of_plan != of_case)
		sp_log_warning("the plan is for %u fractions, the case's prescription for %u: the dose is that of %u",
		               of_plan, of_case, of_plan);
	if (!of_plan && !of_case)
		sp_log_info("neither plan nor case says how many fractions: the dose is that of one");
	return SP_OK;
}
