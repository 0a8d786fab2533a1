/* What the checks of a case share: case_check.c refuses, case_warnings.c warns. */
#ifndef SP_CASE_INTERNAL_H
#define SP_CASE_INTERNAL_H

#include "case.h"
#include "mask.h"

/* HDF5 would take more; with it a path through a plan file still has a bound. */
#define SP_CASE_NAME_BYTES 200

/* The file, or "case", for the head of a sentence. */
const char *sp_case_place(const sp_case *c);

/* True when the point is more than a voxel outside the CT; *axis tells along which axis. */
bool sp_case_sticks_out(const sp_grid *ct, const double point_mm[3], int *axis);

typedef struct {
	double a_cc, b_cc, common_cc;
} sp_case_overlap;

/* Pairs whose overlap is looked at: a target with the cord, or with hardware; a target or cord with the body. */
bool sp_case_pair_matters(const sp_structure *a, const sp_structure *b);

/* Both volumes, and the least that both can have in common, on a grid of about 2 mm: enough for shares. */
sp_status sp_case_measure_overlap(sp_case_overlap *out, const sp_structure *a, const sp_structure *b, const sp_grid *ct,
                                  sp_error *err);

#endif
