/* What the files of this folder share: reading (case_read.c, case_read_structure.c), and the checks, of which
 * case_check.c refuses and case_warnings.c warns. */
#ifndef SP_CASE_INTERNAL_H
#define SP_CASE_INTERNAL_H

#include "case.h"
#include "h5.h"
#include "mask.h"

/* HDF5 would take more; with it a path through a plan file still has a bound. */
#define SP_CASE_NAME_BYTES 200

/* What is being read: the file, the group in it that is the case ("" or a path), and where a failure goes. */
typedef struct {
	sp_h5_in *f;
	const char *group;
	sp_error *err;
} sp_case_source;

/* Appends the structure of that name to c, whose CT has been read. */
sp_status sp_case_read_structure(sp_case *c, const sp_case_source *at, const char *name);

/* The file, or "case", for the head of a sentence. */
const char *sp_case_place(const sp_case *c);

/* True when the point is more than a voxel outside the CT; *axis tells along which axis. */
bool sp_case_sticks_out(const sp_grid *ct, const double point_mm[3], int *axis);

/* What they have in common lies between least and most: where both fill a voxel partly, it is not known whether they
 * overlap in it or lie beside each other. */
typedef struct {
	double a_cc, b_cc, least_cc, most_cc;
} sp_case_overlap;

/* Pairs whose overlap is looked at: a target with the cord, or with hardware; a target or cord with the body.
 * Both have something in them. */
bool sp_case_pair_matters(const sp_structure *a, const sp_structure *b);

/* What a pair that matters has in common, on a grid of about 1 mm: enough for shares. b_cc is 0 for an external. */
sp_status sp_case_measure_overlap(sp_case_overlap *out, const sp_structure *a, const sp_structure *b, const sp_grid *ct,
                                  sp_error *err);

#endif
