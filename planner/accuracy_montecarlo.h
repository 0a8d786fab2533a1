/* Our Monte Carlo against the reference curves: absolute dose a source particle, every case of sp_reference_cases. */
#ifndef SP_ACCURACY_MONTECARLO_H
#define SP_ACCURACY_MONTECARLO_H

#include "accuracy.h"
#include "mc.h"

typedef struct {
	const char *folder;    /* CSV files to use instead of those built in, or NULL */
	double uncertainty;    /* mean relative standard uncertainty where the reference is above half of the maximum */
	double most_histories; /* of a case's run, 0: no limit */
	sp_mc_options mc;      /* cuts, plain and seed; batch_histories 0: ours */
} sp_accuracy_mc_options;

/* Every box of a case, for who wants more than the summary. */
typedef struct {
	sp_reference_curves reference;
	sp_box_dose *own; /* reference.n of them */
} sp_accuracy_points;

/* number: 0 .. SP_REFERENCE_CASES - 1. Passes: 98 % of the points within 1 % of the maximum in water, 2 % in slabs, 1.5
 * % in pencils and of electrons, or 1 mm; mean deviation within 0.5 % in water, 1 % in slabs. points: NULL, or what to
 * finish with sp_accuracy_points_finish. */
sp_status sp_accuracy_measure_mc(sp_accuracy *out, sp_accuracy_points *points, unsigned number, sp_device *d,
                                 const sp_matter *matter, const sp_accuracy_mc_options *options, sp_error *err);
void sp_accuracy_points_finish(sp_accuracy_points *points);

#endif
