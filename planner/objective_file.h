/* Objectives and limits as a YAML file names them, for `spineplan optimise` (docs/optimisation.md has the format). */
#ifndef SP_OBJECTIVE_FILE_H
#define SP_OBJECTIVE_FILE_H

#include "optimise.h"

typedef struct {
	char *structure, *kind; /* kind: the words of sp_term_kind_name */
	double dose_gy, volume_percent, a, weight;
} sp_objective_entry;

typedef struct {
	sp_objective_entry *objectives;
	unsigned n_objectives;
} sp_objective_file;

sp_status sp_objective_file_read(sp_objective_file **out, const char *path, sp_error *err);
void sp_objective_file_destroy(sp_objective_file *f);

/* Fills kind, doses, volume share and weight of a term; its voxels are the caller's. path for messages. */
sp_status sp_objective_to_term(sp_term *out, const sp_objective_entry *entry, const char *path, sp_error *err);

/* "squared_overdose", "limit_max" and so on. */
const char *sp_term_kind_name(sp_term_kind kind);

#endif
