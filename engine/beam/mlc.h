/* The multileaf collimator: a YAML file, or one of those shipped with the program by name ("millennium-120", "hd120",
 * "agility-160"). */
#ifndef SP_MLC_H
#define SP_MLC_H

#include <stddef.h>

#include "status.h"

/* What hangs on the beam's energy. */
typedef struct {
	double energy_mv;
	int flattened;       /* 1: with flattening filter */
	double transmission; /* through closed leaves, mean over their width */
	double leaf_gap_mm;  /* dosimetric leaf gap: how much wider a slit between leaf ends looks than it is set */
} sp_mlc_beam;

/* Lengths in mm; across and along the leaves they are those of the isocentre plane unless said otherwise. */
typedef struct {
	char *name;
	double *boundaries_mm; /* n_pairs + 1 edges of the leaves across their motion, ascending */
	unsigned n_boundaries, n_pairs;
	double distance_mm,
	        height_mm;    /* from the source to the middle of the leaves, and their extent along the beam */
	double end_radius_mm; /* of the rounded leaf end, at the leaf; 0: a straight end that follows the beam */
	double tongue_mm;     /* width of the strip between two leaves in which tongue and groove overlap */
	double interleaf_transmission; /* in that strip, both leaves closed, over the transmission beside it: >= 1 */
	double max_leaf_speed_mm_s;
	double min_gap_mm;      /* between opposed leaf ends that move */
	double max_span_mm;     /* from the most forward to the most backward leaf of a bank */
	double overtravel_mm;   /* how far a leaf goes past the axis */
	double max_position_mm; /* how far a leaf draws back from the axis */
	sp_mlc_beam *beams;
	unsigned n_beams;
	double transmission, leaf_gap_mm; /* of the beam that sp_mlc_choose_beam found */
	char sha256[65];                  /* of the file */
} sp_mlc;

/* name_or_path: a shipped leaf file's name, or a path to a YAML file. Errors name the file, the key, what was found. */
sp_status sp_mlc_read(sp_mlc **out, const char *name_or_path, sp_error *err);

/* Sets transmission and leaf_gap_mm to those of the nearest energy, flattened or not as asked where there is such. */
void sp_mlc_choose_beam(sp_mlc *m, double energy_mv, int flattened);

/* Gives the leaves other edges across their motion (n_pairs + 1, mm in the isocentre plane, ascending) and leaves all
 * else as it is, for a bank that has no file of its own. SP_BAD_INPUT where leaves are narrower than twice the tongue.
 */
sp_status sp_mlc_reshape(sp_mlc *m, const double *boundaries_mm, size_t n_pairs, sp_error *err);

/* Width of the leaves next to the axis, mm. */
double sp_mlc_width_mm(const double *boundaries_mm, size_t n_pairs);

void sp_mlc_destroy(sp_mlc *m);

#endif
