/* What the machine is told to do: beams of control points, with jaws, leaves and monitor units. Lengths are mm in the
 * isocentre plane, in the axes of the beam limiting devices; angles are IEC 61217 degrees; monitor units are those of
 * one fraction. Reading and writing is planner/delivery_file.h. */
#ifndef SP_DELIVERY_H
#define SP_DELIVERY_H

#include <stdbool.h>
#include <stddef.h>

#include "status.h"

typedef enum {
	SP_BEAM_STATIC, /* nothing moves */
	SP_BEAM_IMRT,   /* the leaves move: step-and-shoot or sliding window */
	SP_BEAM_ARC,    /* the gantry moves */
	SP_BEAM_VMAT    /* both do */
} sp_beam_technique;

typedef struct {
	double gantry_deg, collimator_deg, couch_deg;
	int gantry_turn;   /* to the next control point: 1 clockwise, -1 counter-clockwise, 0 it stands */
	double jaws_mm[4]; /* X1, X2, Y1, Y2 */
	double *leaves_mm; /* bank 1 (the side of X1 or Y1), then bank 2: 2 * n_pairs; NULL without a multileaf
	                      collimator */
	double cumulative_mu;
} sp_control_point;

typedef struct {
	char *name; /* may be NULL */
	sp_beam_technique technique;
	double isocentre_mm[3]; /* LPS */
	double sad_mm, mu;
	size_t n_pairs;             /* of leaves; 0 without a multileaf collimator */
	double *leaf_boundaries_mm; /* n_pairs + 1, ascending: edges of the leaves across their motion */
	char leaf_axis;             /* 'x': leaves move along x; 'y': along y */
	size_t n_points;            /* >= 2 */
	sp_control_point *points;   /* cumulative_mu from 0 to mu, never falling */
} sp_delivery_beam;

typedef struct {
	char *machine, *mlc; /* names of machine and leaf files; mlc may be NULL */
	double energy_mv;    /* nominal, for those who read the file; 0: not told, and not read from a file */
	bool flattened;
	size_t n_beams;
	sp_delivery_beam *beams;
} sp_delivery;

/* "static", "imrt", "arc" or "vmat"; the second is false for any other text. */
const char *sp_beam_technique_name(sp_beam_technique technique);
bool sp_beam_technique_find(sp_beam_technique *out, const char *name);

/* n_beams empty beams for the machine; mlc may be NULL. */
sp_status sp_delivery_create(sp_delivery **out, const char *machine, const char *mlc, size_t n_beams, sp_error *err);
void sp_delivery_destroy(sp_delivery *d);

/* Room for an empty beam's control points; boundaries_mm (n_pairs + 1 numbers) is copied, NULL with n_pairs = 0. */
sp_status sp_delivery_beam_make(sp_delivery_beam *b, size_t n_points, size_t n_pairs, const double *boundaries_mm,
                                sp_error *err);

/* That a beam can be understood at all: finite numbers, monitor units that rise from 0 to mu, boundaries that ascend,
 * leaves and jaws that do not cross, turns that lead to the next angle. `name` begins the sentence. Whether a machine
 * can deliver it is another question (spineplan check). */
sp_status sp_delivery_beam_check(const sp_delivery_beam *b, const char *name, sp_error *err);

/* How far the gantry goes from one control point to the next, degrees, clockwise positive: (-360, 360). */
double sp_gantry_travel_deg(const sp_control_point *from, const sp_control_point *to);

/* The turn of the shorter way between two angles; clockwise where both are as long. */
int sp_gantry_shorter_turn(double from_deg, double to_deg);

/* Everything at a cumulative MU (0 to mu): between two control points all moves evenly with MU. Where several control
 * points have that MU, the last of them. out->leaves_mm must have room for 2 * n_pairs numbers, or be NULL. Angles are
 * in [0, 360); gantry_turn is that of the interval. */
void sp_delivery_beam_at(sp_control_point *out, const sp_delivery_beam *b, double cumulative_mu);

/* The sum over beams, one fraction. */
double sp_delivery_mu(const sp_delivery *d);

#endif
