/* Leaf positions and monitor units as the variables of the optimiser: what fluence every bixel gets from them, and the
 * derivative of that. docs/delivery.md has the formulas.
 *
 * Variables, all >= 0: the distance of each leaf end from the far edge of its window (bank 1 from low_mm, bank 2 from
 * high_mm; sp_field.first_leaf), then the course MU of each interval above its least (first_mu). */
#ifndef SP_APERTURE_MAP_H
#define SP_APERTURE_MAP_H

#include "fields.h"
#include "leaf_speed.h"
#include "optimise.h"

typedef struct {
	const sp_fields *fields;
	sp_weight_map map;    /* for sp_optimise; its context is this */
	sp_leaf_speed *speed; /* of arcs; NULL where no leaf moves with the beam on */
	double output;        /* weight of a bixel that a course MU shines through, 1 in the open */
	double mu_price;      /* cost of a course MU */
	double fractions;     /* of the course: limits on time hang on the MU of one */
	double *by_weights;   /* of the bixels: the gradient that was last pulled back */
	double *x;            /* start, and afterwards what was shown last */
	double *scale, *leaf_gradient, *leaves, *limits_mm;
} sp_aperture_map;

/* All leaves at the window's edges (everything open), monitor units at their least. */
sp_status sp_aperture_map_create(sp_aperture_map **out, const sp_fields *fields, double fractions, sp_error *err);
void sp_aperture_map_destroy(sp_aperture_map *m);

/* Leaf ends (bank 1, bank 2; n_pairs each) of a state as they are: never nearer to each other than the least gap. */
void sp_aperture_leaves(double *bank1_mm, double *bank2_mm, const sp_aperture_map *m, const double *x, size_t field,
                        size_t state);
/* Course MU of an interval. */
double sp_aperture_mu(const sp_aperture_map *m, const double *x, size_t field, size_t interval);

/* The same the other way. */
void sp_aperture_set_leaves(sp_aperture_map *m, double *x, size_t field, size_t state, size_t pair, double bank1_mm,
                            double bank2_mm);
void sp_aperture_set_mu(const sp_aperture_map *m, double *x, size_t field, size_t interval, double mu);

/* Changes x so that no leaf is too fast. */
sp_status sp_aperture_repair_speed(sp_aperture_map *m, double *x, sp_error *err);

#endif
