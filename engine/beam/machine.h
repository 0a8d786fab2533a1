/* The treatment machine: a YAML file, or one of those shipped with the program by name ("generic-6mv"). */
#ifndef SP_MACHINE_H
#define SP_MACHINE_H

#include "status.h"

typedef struct {
	char *name;
	double sad_mm;
	double source_fwhm_mm[2];  /* focal spot, x and y */
	double collimator_mm;      /* distance from the source to the edge that shapes the field */
	char *kernel;              /* name of the pencil kernel table (engine/pencil/kernels) */
	double fluence_per_mu_cm2; /* photons per cm2 in the isocentre plane in air for 1 MU, open field, on the axis */
} sp_machine;

/* name_or_path: a shipped machine's name, or a path to a YAML file. Errors name the file, the key, what was found. */
sp_status sp_machine_read(sp_machine **out, const char *name_or_path, sp_error *err);
void sp_machine_destroy(sp_machine *m);

#endif
