/* What the files of `spineplan dose` share: dose.c runs one engine of dose_pencil.c and dose_montecarlo.c. */
#ifndef SP_DOSE_COMMAND_H
#define SP_DOSE_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "open_field.h"
#include "plan_file.h"
#include "status.h"

/* What only Monte Carlo can do or needs. */
typedef struct {
	bool parallel, electrons, plain, resume, to_water;
	double energy_mev;  /* 0: the spectrum's */
	double uncertainty; /* relative */
	double histories;   /* 0: until uncertainty */
	double electron_cut_mev, photon_cut_mev, max_seconds, checkpoint_seconds;
	unsigned without; /* SP_MC_SITES ... */
	uint64_t seed, first_batch, batch_histories, chunk;
	uint64_t part, parts; /* 1..parts; 0: the whole */
} sp_dose_mc_options;

typedef struct {
	const char *case_path, *plan_path, *output, *machine, *mlc, *device, *spectrum;
	bool monte_carlo, open_field, has_grid, has_ssd, has_field, hardware_as_water;
	double grid_mm[3];
	sp_open_field field;
	sp_dose_mc_options mc;
	int argc; /* the command line, for the record */
	char **argv;
} sp_dose_options;

/* 0 to go on, or the exit status plus one. */
int sp_dose_parse(sp_dose_options *o, int argc, char **argv);

/* Of a plan with control points: its isocentres have to lie in the case's CT or near it; *fractions: the plan's, else
 * the case's, else 1. */
sp_status sp_dose_check_delivery(unsigned *fractions, const sp_plan_content *plan, const sp_case *c, sp_error *err);

sp_status sp_dose_pencil(const sp_dose_options *o, sp_error *err);
sp_status sp_dose_montecarlo(const sp_dose_options *o, sp_error *err);

#endif
