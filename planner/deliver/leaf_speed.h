/* How far leaves may go between two control points of an arc, and a cost that keeps them within: an augmented
 * Lagrangian, as for dose limits. What is left of it at the end, sp_leaf_speed_repair removes. */
#ifndef SP_LEAF_SPEED_H
#define SP_LEAF_SPEED_H

#include "fields.h"

typedef struct {
	const sp_fields *fields;
	double penalty;   /* cost of 1 mm2 too far */
	double *shift_mm; /* multiplier over twice the penalty; one for each leaf and interval */
	size_t n;
} sp_leaf_speed;

/* NULL in *out where no field moves. penalty: cost of 1 mm2 of travel too far. */
sp_status sp_leaf_speed_create(sp_leaf_speed **out, const sp_fields *fields, double penalty, sp_error *err);
void sp_leaf_speed_destroy(sp_leaf_speed *s);

/* Seconds that an interval takes at least, by gantry and dose rate. mu: of one fraction. */
double sp_interval_seconds(const sp_machine *machine, double travel_deg, double mu);

/* How far a leaf may go in an interval (mm); fraction_mu: MU of one fraction. */
double sp_interval_travel_mm(const sp_machine *machine, const sp_interval *i, double fraction_mu);

/* limits_mm[interval]: of field f. ends: leaf ends [state][bank][pair] of the field; adds to gradient and diagonal of
 * the same shape (may be NULL) with the derivative by the ends. */
double sp_leaf_speed_cost(const sp_leaf_speed *s, size_t field, const double *ends, const double *limits_mm,
                          double *gradient, double *diagonal);
void sp_leaf_speed_update(sp_leaf_speed *s, size_t field, const double *ends, const double *limits_mm);

/* Moves the ends to the nearest course that keeps all limits: the mean of a forward and a backward pass, both of which
 * hold them. Gaps between banks stay at least as they were least. */
sp_status sp_leaf_speed_repair(double *ends, const sp_field *f, const double *limits_mm, sp_error *err);

#endif
