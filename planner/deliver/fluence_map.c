/* Fluence on the lattice of leaf pairs and bixels, and the openings that take most of it. */
#include "sequence.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"

sp_status sp_fluence_map_make(sp_fluence_map *out, const sp_fields *fields, const sp_field *f, size_t beam,
                              const double *weights, sp_error *err)
{
	const sp_tracks *t = &f->tracks[beam];
	double low = INFINITY, high = -INFINITY, size = fields->bixel_mm;

	*out = (sp_fluence_map){.n_pairs = f->n_pairs, .bixel_mm = size};
	for (size_t k = 0; k < t->n; k++) {
		low = fmin(low, t->along_mm[t->tracks[k].first] - 0.5 * size);
		high = fmax(high, t->along_mm[t->tracks[k].first + t->tracks[k].n - 1] + 0.5 * size);
	}
	out->low_mm = low;
	out->n_places = t->n ? (size_t)lround((high - low) / size) : 0;
	out->value = sp_alloc_array(out->n_pairs * out->n_places + 1, sizeof *out->value);
	out->width_mm = sp_alloc_array(out->n_pairs, sizeof *out->width_mm);
	if (!out->value || !out->width_mm) {
		sp_fluence_map_finish(out);
		return sp_fail(err, SP_NO_MEMORY, "no memory for a fluence of %zu x %zu places", out->n_pairs,
		               out->n_places);
	}
	for (size_t k = 0; k < t->n; k++)
		out->width_mm[t->tracks[k].pair] += t->tracks[k].share * size;
	for (size_t k = 0; k < t->n; k++) {
		const sp_track *track = &t->tracks[k];
		double share = track->share * size / out->width_mm[track->pair];

		for (size_t b = track->first; b < track->first + track->n; b++) {
			size_t place = (size_t)lround((t->along_mm[b] - low) / size - 0.5);

			out->value[track->pair * out->n_places + place] += share * weights[t->bixel[b]];
		}
	}
	return SP_OK;
}

void sp_fluence_map_finish(sp_fluence_map *m)
{
	free(m->value);
	free(m->width_mm);
	m->value = m->width_mm = NULL;
}

double sp_fluence_map_best_opening(double *leaves_mm, const sp_fluence_map *m, const sp_field *f, double gain,
                                   double cost, double gap_mm)
{
	double total = 0.0;

	for (size_t k = 0; k < m->n_pairs; k++) {
		const double *v = m->value + k * m->n_places;
		double best = 0.0, sum = 0.0, *near = &leaves_mm[k], *far = &leaves_mm[m->n_pairs + k];
		size_t first = 0, from = 0, to = 0;

		for (size_t i = 0; i < m->n_places; i++) {
			double middle = m->low_mm + ((double)i + 0.5) * m->bixel_mm;

			sum += gain * v[i] - cost;
			if (sum <= 0.0 || middle <= f->low_mm || middle >= f->high_mm) { /* leaves do not go there */
				sum = 0.0;
				first = i + 1;
			} else if (sum > best) {
				best = sum;
				from = first;
				to = i + 1;
			}
		}
		total += best * m->width_mm[k];
		*near = f->low_mm;
		*far = f->low_mm + gap_mm;
		if (best > 0.0) {
			*near = fmax(m->low_mm + (double)from * m->bixel_mm, f->low_mm);
			*far = fmin(m->low_mm + (double)to * m->bixel_mm, f->high_mm);
		}
		if (*far - *near < gap_mm) {
			*near = f->low_mm;
			*far = f->low_mm + gap_mm;
		}
	}
	return total;
}
