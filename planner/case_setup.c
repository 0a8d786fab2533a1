#include "case_setup.h"

#include "alloc.h"
#include "mask.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Nine beams from behind and the sides for the spine, as most published plans have them; nine all round elsewhere. */
static const double spine_angles_deg[] = {100, 120, 140, 160, 180, 200, 220, 240, 260};
static const double round_angles_deg[] = {0, 40, 80, 120, 160, 200, 240, 280, 320};
#define OWN_BEAMS 9

#define MOST_VOXELS 4e9

/* Less electron density than this (water is 1) is air. */
#define AIR 0.02f

sp_status sp_setup_dose_grid(sp_grid *out, const sp_case *c, const double spacing_mm[3], sp_error *err)
{
	const sp_structure *external = sp_case_find_role(c, SP_ROLE_EXTERNAL);
	double low[3], high[3], voxels = 1.0;

	if (!external || !sp_structure_bounds(low, high, external, &c->ct))
		for (int a = 0; a < 3; a++) {
			low[a] = sp_grid_low_edge_mm(&c->ct, a);
			high[a] = sp_grid_high_edge_mm(&c->ct, a);
		}
	for (int a = 0; a < 3; a++) {
		low[a] = fmax(low[a], sp_grid_low_edge_mm(&c->ct, a));
		high[a] = fmin(high[a], sp_grid_high_edge_mm(&c->ct, a));
		voxels *= ceil((high[a] - low[a]) / spacing_mm[a]) + 1.0;
	}
	if (!(voxels < MOST_VOXELS))
		return sp_fail(err, SP_BAD_INPUT,
		               "a dose grid of %g x %g x %g mm would have %.3g voxels; choose a coarser one",
		               spacing_mm[0], spacing_mm[1], spacing_mm[2], voxels);
	sp_grid_cover(out, low, high, spacing_mm, &c->ct);
	return SP_OK;
}

/* The centre of volume, to 0.1 mm. */
static void centre_of(double out_mm[3], const float *fraction, const sp_grid *grid)
{
	double sum = 0.0, moment[3] = {0}, p[3];

	for (size_t v = 0; v < sp_grid_voxels(grid); v++) {
		if (!(fraction[v] > 0.0f))
			continue;
		sp_grid_centre(p, grid, v);
		sum += (double)fraction[v];
		for (int a = 0; a < 3; a++)
			moment[a] += (double)fraction[v] * p[a];
	}
	for (int a = 0; a < 3; a++)
		out_mm[a] = sum > 0.0 ? round(10.0 * moment[a] / sum) / 10.0 : grid->origin_mm[a];
}

sp_status sp_setup_beams(sp_beam_set **out, const sp_case *c, const sp_grid *grid, const sp_setup_beam_options *o,
                         sp_error *err)
{
	const sp_structure *target = sp_case_target(c);
	bool spine = sp_case_find_role(c, SP_ROLE_CORD) != NULL, from_case = !o->angles_deg && c->n_beams > 0;
	const double *angles = o->angles_deg ? o->angles_deg : spine ? spine_angles_deg : round_angles_deg;
	size_t n = from_case ? c->n_beams : o->angles_deg ? o->n_angles : OWN_BEAMS;
	sp_beam_setup *setups = NULL;
	float *fraction = NULL;
	double centre[3];
	sp_status st;

	*out = NULL;
	if (!target)
		return sp_fail(err, SP_BAD_INPUT,
		               "the case has no target (a structure with role ptv, ctv or gtv, or the "
		               "one named by /prescription)");
	setups = sp_alloc_array(n, sizeof *setups);
	fraction = sp_alloc_array(sp_grid_voxels(grid), sizeof *fraction);
	if (!setups || !fraction) {
		st = sp_fail(err, SP_NO_MEMORY, "no memory for the target on a grid of %zu voxels",
		             sp_grid_voxels(grid));
		goto cleanup;
	}
	if ((st = sp_structure_fractions(fraction, target, &c->ct, grid, err)) != SP_OK)
		goto cleanup;
	centre_of(centre, fraction, grid);
	for (size_t i = 0; i < n; i++) {
		const sp_case_beam *b = from_case ? &c->beams[i] : NULL;

		if (b)
			setups[i] = (sp_beam_setup){b->gantry_deg, b->collimator_deg, b->couch_deg, {0}};
		else
			setups[i] = (sp_beam_setup){angles[i], o->collimator_deg, 0.0, {0}};
		memcpy(setups[i].isocentre_mm, b && b->has_isocentre ? b->isocentre_mm : centre, sizeof centre);
	}
	st = (o->between_leaves ? sp_beam_set_cover_between_leaves : sp_beam_set_cover)(
	        out, setups, n, o->sad_mm, c->patient_position, o->bixel_mm, fraction, grid, o->margin_mm, err);
cleanup:
	free(setups);
	free(fraction);
	return st;
}

sp_status sp_setup_hardware_as_water(sp_case *c, sp_error *err)
{
	bool any = false;

	for (size_t i = 0; i < c->n_structures; i++) {
		sp_structure *s = &c->structures[i];

		if (s->role != SP_ROLE_HARDWARE)
			continue;
		any = true;
		s->density_g_cm3 = 1.0;
		free(s->material);
		if (!(s->material = sp_copy_text("water")))
			return sp_fail(err, SP_NO_MEMORY, "out of memory for a material's name");
	}
	return any ? SP_OK
	           : sp_fail(err, SP_BAD_INPUT, "%s has no structure of role hardware to be taken as water",
	                     c->path ? c->path : "the case");
}

/* True where the CT voxel at the centre of dose voxel v holds matter. */
static bool holds_matter(const sp_grid *ct, const float *red, const sp_grid *grid, size_t v)
{
	double p[3];
	size_t at[3];

	sp_grid_centre(p, grid, v);
	for (int a = 0; a < 3; a++) {
		double place = floor((p[a] - sp_grid_low_edge_mm(ct, a)) / ct->spacing_mm[a]);

		if (place < 0.0 || place >= (double)ct->n[a])
			return false;
		at[a] = (size_t)place;
	}
	return red[sp_grid_index(ct, at[0], at[1], at[2])] > AIR;
}

sp_status sp_setup_body_voxels(uint64_t **out, size_t *n_out, const sp_case *c, const sp_grid *grid, const float *red,
                               sp_error *err)
{
	const sp_structure *external = sp_case_find_role(c, SP_ROLE_EXTERNAL);
	size_t n_voxels = sp_grid_voxels(grid), n = 0;
	uint64_t *voxels = sp_alloc_array(n_voxels, sizeof *voxels);
	float *fraction = external ? sp_alloc_array(n_voxels, sizeof *fraction) : NULL;
	sp_status st = SP_OK;

	*out = NULL;
	if (!voxels || (external && !fraction))
		st = sp_fail(err, SP_NO_MEMORY, "no memory for the list of %zu voxels", n_voxels);
	else if (external)
		st = sp_structure_fractions(fraction, external, &c->ct, grid, err);
	if (st == SP_OK) {
		for (size_t v = 0; v < n_voxels; v++)
			if (external ? fraction[v] > 0.0f : holds_matter(&c->ct, red, grid, v))
				voxels[n++] = v;
		*n_out = n;
		*out = voxels;
		voxels = NULL;
	}
	free(voxels);
	free(fraction);
	return st;
}

/* How much of a structure lies in another one: share of its volume. */
static sp_status share_inside(double *out, const sp_case *c, const sp_structure *s, const sp_structure *in,
                              sp_error *err)
{
	double low[3], high[3], whole = 0.0, inside = 0.0;
	float *a, *b;
	sp_grid grid; /* no larger than the structure */
	sp_status st;
	size_t n;

	*out = 0.0;
	if (!sp_structure_bounds(low, high, s, &c->ct))
		return SP_OK;
	sp_grid_cover(&grid, low, high, c->ct.spacing_mm, &c->ct);
	n = sp_grid_voxels(&grid);
	a = sp_alloc_array(n, sizeof *a);
	b = sp_alloc_array(n, sizeof *b);
	st = a && b ? SP_OK : sp_fail(err, SP_NO_MEMORY, "out of memory for a boost");
	if (st == SP_OK && (st = sp_structure_fractions(a, s, &c->ct, &grid, err)) == SP_OK)
		st = sp_structure_fractions(b, in, &c->ct, &grid, err);
	for (size_t v = 0; st == SP_OK && v < n; v++) {
		whole += (double)a[v];
		inside += (double)fminf(a[v], b[v]);
	}
	*out = whole > 0.0 ? inside / whole : 0.0;
	free(a);
	free(b);
	return st;
}

sp_status sp_setup_check_boost(const sp_case *c, double dose_gy, sp_error *err)
{
	const sp_prescription *rx = &c->prescription;
	const sp_structure *boost = sp_case_boost(c), *target = sp_case_target(c);
	double share;
	sp_status st;

	if (!rx->boost)
		return SP_OK;
	if (!(rx->boost_gy > dose_gy))
		return sp_fail(err, SP_BAD_INPUT,
		               "the boost of %s asks for %g Gy, expected more than the prescription of %g Gy "
		               "(--boost NAME:GY asks for another, --boost none for none)",
		               rx->boost, rx->boost_gy, dose_gy);
	if (!boost)
		return sp_fail(err, SP_BAD_INPUT, "the case has no structure '%s' to boost", rx->boost);
	if (!target || (st = share_inside(&share, c, boost, target, err)) != SP_OK)
		return target ? st : SP_OK; /* a plan without a target is refused elsewhere */
	if (share < 0.5)
		return sp_fail(err, SP_BAD_INPUT, "only %.0f %% of %s, which is to get a boost, lies in the target %s",
		               100.0 * share, boost->name, target->name);
	return SP_OK;
}
