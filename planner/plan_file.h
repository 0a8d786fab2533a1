/* The plan file (docs/plan-format.md): beams, weights, dose, evaluation and provenance. */
#ifndef SP_PLAN_FILE_H
#define SP_PLAN_FILE_H

#include <jansson.h>

#include "beam.h"
#include "case.h"
#include "delivery.h"
#include "status.h"

#define SP_PLAN_VERSION 1

typedef struct {
	const sp_case *c;      /* structures, prescription and CT are carried over */
	const char *technique; /* "fluence", or that of beams with control points */
	const char *machine;
	const sp_beam_set *beams;    /* fluence: bixels; else NULL */
	const double *weights;       /* beams->n_bixels */
	const sp_delivery *delivery; /* beams with control points; NULL in a fluence plan */
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
	unsigned fractions; /* that an imported plan says itself; 0: those of its case count */
	sp_beam_set *beams; /* of a fluence plan, else NULL */
	double *weights;
	sp_delivery *delivery; /* of a plan with control points, else NULL */
	sp_grid dose_grid;
	float *dose_gy;
	json_t *evaluation, *provenance;
} sp_plan_content;

/* A whole plan: with its case and its dose. */
sp_status sp_plan_read(sp_plan_content **out, const char *path, sp_error *err);

/* The same, but the case and the dose may be missing, as in the plans of scripts/rtplan2h5: then c and dose_gy are NULL
 * and dose_grid is empty. */
sp_status sp_plan_read_beams(sp_plan_content **out, const char *path, sp_error *err);
void sp_plan_content_destroy(sp_plan_content *p);

#endif
