/* The numbers of a machine file that measurements in water can tell. */
#ifndef SP_COMMISSION_PARAMETERS_H
#define SP_COMMISSION_PARAMETERS_H

#include "machine.h"

/* In the order in which they are tried: one that the measurements cannot tell apart from those before it is held. */
typedef enum {
	SP_FIT_ELECTRON_MEV,
	SP_FIT_SPOT_X,
	SP_FIT_SPOT_Y,
	SP_FIT_SHARE,
	SP_FIT_FLUENCE_50, /* the fluence off the axis over the start's, by radius: 50, 100, 150, 200 mm */
	SP_FIT_FLUENCE_100,
	SP_FIT_FLUENCE_150,
	SP_FIT_FLUENCE_200,
	SP_FIT_ELECTRONS,
	SP_FIT_OUTPUT_PER_MM,
	SP_FIT_SIGMA,
	SP_FIT_ALUMINIUM,
	SP_FIT_LEAF_GAP,
	SP_FIT_TRANSMISSION,
	SP_FIT_PARAMETERS
} sp_fit_number;

#define SP_FIT_FIRST_OF_LEAVES SP_FIT_LEAF_GAP

typedef struct {
	const char *name; /* the key in the machine file */
	double width;     /* how far machines of one class lie apart: a number known worse than to half of it is held */
	double low, high;
} sp_fit_parameter;

extern const sp_fit_parameter sp_fit_parameters[SP_FIT_PARAMETERS];

/* A machine, and values of its parameters; `fluence` holds the start's. */
typedef struct {
	sp_machine *m;
	double *fluence;
} sp_fit_machine;

/* The values that a machine has. Its fluence is what relative ones refer to: 1. */
void sp_fit_values(double out[SP_FIT_PARAMETERS], const sp_machine *m);

/* Sets a machine to values, those that are fitted (free) brought into their ranges; a radius of the fluence that
 * is not goes with the free one nearest inside it. */
void sp_fit_apply(sp_fit_machine *f, const double values[SP_FIT_PARAMETERS], const int free[SP_FIT_PARAMETERS]);

/* Another copy of the machine by its name or path, with kernels that follow its spectrum and leaves of its own. */
sp_status sp_fit_machine_make(sp_fit_machine *out, const char *name_or_path, sp_error *err);
void sp_fit_machine_finish(sp_fit_machine *f);

#endif
