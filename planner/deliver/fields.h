/* Fields: beams of a machine as the optimiser of apertures sees them. A field has leaf states (the segments of an IMRT
 * beam, the control points of an arc) and intervals in which dose is given; each interval shines through the bixels of
 * one beam of the influence matrix. Lengths are mm in the isocentre plane, along and across the field's own leaves. */
#ifndef SP_FIELDS_H
#define SP_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

#include "beam.h"
#include "machine.h"
#include "status.h"

/* The bixels that a leaf pair covers, one row of them: `share` of their width lies under the pair. */
typedef struct {
	size_t pair; /* among the field's pairs */
	double share;
	size_t first, n; /* into sp_tracks.bixel and along_mm */
} sp_track;

/* All rows of one beam of the matrix under the leaves of one field. */
typedef struct {
	size_t n;
	sp_track *tracks;
	size_t *bixel;    /* columns of the matrix */
	double *along_mm; /* centres, ascending in each track */
} sp_tracks;

typedef struct {
	double gantry_deg, mid_gantry_deg; /* where it begins; the middle */
	size_t from, to;                   /* states of the field: the same where nothing moves */
	size_t beam;                       /* of the matrix */
	double travel_deg;                 /* of the gantry, 0 or more */
	double least_mu, most_mu;          /* of the course; most_mu 0: no limit */
} sp_interval;

typedef struct {
	bool turned; /* the leaves move along y of the matrix's bixels: collimator 90 degrees more than theirs */
	bool moves;  /* leaves move between states while the beam is on */
	bool is_cut; /* some of its bixels lie where leaves or jaws do not reach */
	int gantry_turn;
	double collimator_deg, couch_deg, isocentre_mm[3];
	size_t first_pair, n_pairs;  /* of the machine's leaves: those over bixels */
	const double *boundaries_mm; /* of the first pair on, n_pairs + 1; the machine's */
	double low_mm, high_mm;      /* between which the leaves move: a little beyond the X jaws */
	double jaws_mm[4];           /* X1, X2, Y1, Y2: around the bixels */
	sp_tracks *tracks;           /* one for each beam of the matrix, empty where it has no interval */
	size_t n_states, n_intervals;
	sp_interval *intervals;
	size_t first_leaf, first_mu; /* variables: [state][bank][pair], [interval] */
} sp_field;

typedef struct {
	const sp_machine *machine;
	const sp_beam_set *bixels;
	size_t n_fields;
	sp_field *fields;
	size_t n_variables, n_leaves; /* leaf variables come first */
	bool on_trial;                /* fields that are cut give no warning, those out of reach have no pairs */
	bool quiet;                   /* fields that are cut give no warning */
	double bixel_mm;
} sp_fields;

/* The beam of the matrix that all intervals of a step-and-shoot field shine through. */
static inline size_t sp_field_beam(const sp_fields *fields, size_t i)
{
	return fields->fields[i].intervals[0].beam;
}

/* SP_BAD_INPUT when the machine has no leaves. */
sp_status sp_fields_possible(const sp_machine *machine, sp_error *err);

/* n fields without states, over the bixels of a matrix; kept pointers must outlive them. SP_BAD_INPUT when the machine
 * has no leaves. */
sp_status sp_fields_create(sp_fields **out, const sp_machine *machine, const sp_beam_set *bixels, size_t n,
                           sp_error *err);
void sp_fields_destroy(sp_fields *f);

/* Room for a field's intervals, which the caller fills in. */
sp_status sp_field_make(sp_field *f, size_t n_states, size_t n_intervals, sp_error *err);

/* When all intervals are filled in: pairs, tracks, the window that the leaves may use (no wider than the leaves of a
 * bank may lie apart), and the numbers of the variables. */
sp_status sp_fields_complete(sp_fields *f, sp_error *err);

#endif
