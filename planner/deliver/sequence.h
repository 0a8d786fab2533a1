/* Step and shoot: the apertures that come nearest to a fluence, few of them. They are only where the search over leaf
 * ends starts (aperture_map.h), so nearness is all that counts. */
#ifndef SP_SEQUENCE_H
#define SP_SEQUENCE_H

#include "fields.h"

typedef struct {
	size_t field;
	double mu;         /* of the course */
	double *leaves_mm; /* bank 1, bank 2: 2 * n_pairs of the field */
} sp_segment;

typedef struct {
	size_t n;
	sp_segment *segments;
} sp_segments;

/* Greedy: aperture after aperture the one that takes most off the squared difference to the fluence, in whichever field
 * that is; at least one for every beam of the bixels with fluence, `most` in all, and in a field as many as its machine
 * takes. Fields of one beam share its fluence; one that is cut gets none where another is whole, and with one_each all
 * apertures of a beam are of one field, whichever has its first. All intervals of a field see its first interval's
 * beam. weights: of the bixels, as fluence plans have them; least_mu: of an aperture, course. */
sp_status sp_sequence(sp_segments *out, const sp_fields *fields, const double *weights, size_t most, bool one_each,
                      double least_mu, sp_error *err);
void sp_segments_finish(sp_segments *s);

/* One more at the end; leaves_mm: 2 * n_pairs (copied). *room: of out->segments. */
sp_status sp_segments_add(sp_segments *out, size_t *room, size_t field, double mu, const double *leaves_mm,
                          size_t n_pairs, sp_error *err);

/* Another field of the same beam reaches all of it, this one does not. */
bool sp_sequence_is_replaced(const sp_fields *fields, size_t field);

/* Fluence on the lattice of a field's pairs and bixels, [pair][place]; place 0 is the bixel that begins at
 * sp_fluence_map.low_mm. 0 where the matrix has no bixel. */
typedef struct {
	size_t n_pairs, n_places;
	double low_mm, bixel_mm;
	double *value, *width_mm; /* width_mm: of each pair that lies over bixels */
} sp_fluence_map;

sp_status sp_fluence_map_make(sp_fluence_map *out, const sp_fields *fields, const sp_field *f, size_t beam,
                              const double *weights, sp_error *err);
void sp_fluence_map_finish(sp_fluence_map *m);

/* Of each pair the run of places with the largest sum of (value * gain - cost), as leaf ends; where no run is above 0
 * the pair is closed at an edge. Returns the sum over pairs, each times its width. */
double sp_fluence_map_best_opening(double *leaves_mm, const sp_fluence_map *m, const sp_field *f, double gain,
                                   double cost, double gap_mm);

#endif
