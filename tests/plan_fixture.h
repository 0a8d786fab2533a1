/* A small plan made by code: a target beside a cord, two beams, a dose that falls along x. */
#ifndef PLAN_FIXTURE_H
#define PLAN_FIXTURE_H

#include "plan_file.h"

typedef struct {
	sp_case *c;
	sp_beam_set *beams;
	double *weights;
	float *dose;
	json_t *evaluation, *provenance;
	sp_plan plan; /* borrows all of the above */
} plan_fixture;

/* protocol: its name is written into the prescription, and it judges the evaluation; NULL for none. */
void plan_fixture_make(plan_fixture *f, const char *protocol);
void plan_fixture_finish(plan_fixture *f);

#endif
