/* The plan file (docs/plan-format.md): beams, weights, dose, evaluation and provenance. */
#ifndef SP_PLAN_FILE_H
#define SP_PLAN_FILE_H

#include <jansson.h>

#include "beam.h"
#include "case.h"
#include "status.h"

#define SP_PLAN_VERSION 1

typedef struct {
	const sp_case *c;      /* structures, prescription and CT are carried over */
	const char *technique; /* "fluence" */
	const char *machine;
	const sp_beam_set *beams; /* NULL in a plan that was read from a file without beams */
	const double *weights;    /* beams->n_bixels */
	sp_grid dose_grid;
	const float *dose_gy;  /* [z][y][x], whole course */
	const float *sigma_gy; /* its standard uncertainty, NULL: the engine has none */
	const json_t *evaluation;
	const json_t *provenance; /* version, device, seed, case sha256, command line, seconds by stage */
} sp_plan;

/* Also makes the DVHs that the file holds. Atomic: the file appears whole or not at all. */
sp_status sp_plan_write(const sp_plan *p, const char *path, sp_error *err);

/* What a plan file holds, owned by it. */
typedef struct {
	sp_case *c; /* structures, prescription, CT: enough to evaluate again without the case file */
	char *technique, *machine;
	sp_beam_set *beams;
	double *weights;
	sp_grid dose_grid;
	float *dose_gy;
	json_t *evaluation, *provenance;
} sp_plan_content;

sp_status sp_plan_read(sp_plan_content **out, const char *path, sp_error *err);
void sp_plan_content_destroy(sp_plan_content *p);

#endif
