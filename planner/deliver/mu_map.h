/* Monitor units alone as the variables of the optimiser, for leaves that stay where they are: a matrix with a column
 * for each interval, the sum of the bixels that it opens, in place of one for each bixel: a twentieth of the entries.
 */
#ifndef SP_MU_MAP_H
#define SP_MU_MAP_H

#include "aperture_map.h"

typedef struct {
	sp_aperture_map *apertures; /* borrowed: x and its monitor units */
	sp_influence *matrix;       /* Gy per course MU of each interval, in the order of their variables */
	sp_weight_map map;          /* its context is this */
	size_t n;
	double *weights; /* room for a weight of each column: course MU */
} sp_mu_map;

/* whole: the matrix of the apertures' bixels. */
sp_status sp_mu_map_create(sp_mu_map **out, sp_aperture_map *apertures, sp_influence *whole, sp_error *err);
void sp_mu_map_destroy(sp_mu_map *m);

#endif
