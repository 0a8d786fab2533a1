/* What the files of the aperture map share: variables in aperture_map.c, the pass over bixels in aperture_pass.c, the
 * cost of leaf speed and monitor units in aperture_cost.c. */
#ifndef SP_APERTURE_INTERNAL_H
#define SP_APERTURE_INTERNAL_H

#include "aperture_map.h"

/* Number of the variable of a leaf end; bank 0 or 1. */
static inline size_t sp_leaf_variable(const sp_field *f, size_t state, size_t bank, size_t pair)
{
	return f->first_leaf + (state * 2 + bank) * f->n_pairs + pair;
}

/* The leaf ends of a pair as they are. */
typedef struct {
	double end_mm[2];
	bool closed;  /* at or within the least gap */
	bool crossed; /* within: both ends follow the middle */
} sp_pair_ends;

sp_pair_ends sp_aperture_ends(const sp_aperture_map *m, const double *x, const sp_field *f, size_t state, size_t pair);

/* True for course MU that cannot grow. */
bool sp_aperture_is_at_most(const sp_interval *i, double mu);

/* Ends that have crossed, and monitor units above their most, go back to where they act. */
void sp_aperture_settle(void *context, double *x);

/* One pass over all bixels under all leaves. Which of the arrays are there decides what is done: weights are added to;
 * by_weights is the gradient to pull back, out what it becomes; change is pushed forward into weights. */
typedef struct {
	double *weights;
	const double *by_weights, *change; /* change: of the variables */
	double *out;                       /* by the variables */
	bool absolute;
} sp_aperture_pass;

void sp_aperture_pass_all(const sp_aperture_map *m, const sp_aperture_pass *p, const double *x);

/* Of one interval alone. */
void sp_aperture_pass_interval(const sp_aperture_map *m, const sp_aperture_pass *p, const double *x, size_t field,
                               size_t interval);

/* cost and between_rounds of the weight map; context: the map. */
double sp_aperture_cost(void *context, const double *x, double *gradient, double *diagonal);
void sp_aperture_between_rounds(void *context, const double *x);

#endif
