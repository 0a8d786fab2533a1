#include "water_tank.h"

#include "alloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

sp_status sp_water_tank_make(sp_water_tank *out, sp_error *err)
{
	static char water[] = "water";
	sp_case *c = &out->water;
	size_t n;

	*out = (sp_water_tank){0};
	strcpy(c->patient_position, "HFS");
	c->ct = (sp_grid){.n = {52, 52, 66}, .spacing_mm = {10.0, 10.0, 5.0}, .origin_mm = {-255.0, -255.0, 2.5}};
	n = sp_grid_voxels(&c->ct);
	c->hu = sp_alloc_array(n, sizeof *c->hu);
	out->red = sp_alloc_array(n, sizeof *out->red);
	out->block.mask.in = sp_alloc_array(n, 1);
	if (!c->hu || !out->red || !out->block.mask.in)
		return sp_fail(err, SP_NO_MEMORY, "no memory for a water phantom");
	out->block.name = water;
	out->block.material = water;
	out->block.role = SP_ROLE_EXTERNAL;
	out->block.has_mask = true;
	out->block.density_g_cm3 = NAN;
	memcpy(out->block.mask.n, c->ct.n, sizeof c->ct.n);
	memset(out->block.mask.in, 1, n);
	c->structures = &out->block;
	c->n_structures = 1;
	for (size_t v = 0; v < n; v++)
		out->red[v] = 1.0f;
	return SP_OK;
}

void sp_water_tank_finish(sp_water_tank *t)
{
	free(t->water.hu);
	free(t->block.mask.in);
	free(t->red);
	*t = (sp_water_tank){0};
}

sp_status sp_water_field_delivery(sp_delivery **out, const sp_machine *m, const sp_water_field *f, size_t n_leaf_points,
                                  sp_error *err)
{
	bool leaves = n_leaf_points > 2;
	size_t n_points = leaves ? n_leaf_points : 2, n_pairs = leaves ? m->mlc->n_pairs : 0;
	sp_delivery_beam *b;
	sp_status st = sp_delivery_create(out, m->name, leaves ? m->mlc->name : NULL, 1, err);

	if (st != SP_OK || (st = sp_delivery_beam_make((*out)->beams, n_points, n_pairs,
	                                               leaves ? m->mlc->boundaries_mm : NULL, err)) != SP_OK)
		return st;
	b = (*out)->beams;
	b->sad_mm = m->sad_mm;
	b->mu = f->mu;
	b->leaf_axis = 'x';
	b->isocentre_mm[2] = m->sad_mm - f->ssd_mm;
	for (size_t i = 0; i < n_points; i++) {
		sp_control_point *p = b->points + i;

		p->gantry_deg = p->couch_deg = 90.0;
		p->collimator_deg = f->collimator_deg;
		p->cumulative_mu = f->mu * (double)i / (double)(n_points - 1);
		for (int a = 0; a < 4; a++)
			p->jaws_mm[a] = (a % 2 ? 0.5 : -0.5) * f->field_mm[a / 2];
		for (size_t k = 0; k < 2 * n_pairs; k++)
			p->leaves_mm[k] = p->jaws_mm[1] + 30.0;
	}
	return SP_OK;
}
