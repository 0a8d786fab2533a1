/* The dose file of a Monte Carlo run or of parts of one (docs/monte-carlo.md). */
#ifndef SP_MC_FILE_H
#define SP_MC_FILE_H

#include <jansson.h>

#include "mc_state.h"
#include "status.h"

/* The value of a line "name: value" of a configuration, up to the end of the text, and its length; NULL if there is
 * none. */
const char *sp_mc_configured(size_t *length_out, const char *configuration, const char *name);

/* Dose and sigma of the state's sums, the sums themselves and the provenance, and what was reached to the log.
 * provenance: completed with what was reached. */
sp_status sp_mc_file_write(const char *path, const sp_mc_state *s, json_t *provenance, sp_error *err);

/* "spineplan VERSION", when, and the command line. */
json_t *sp_mc_provenance(int argc, char **argv);

#endif
