#include "delivery_pencil.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "delivery_fluence.h"
#include "pencil.h"

enum { TARGET, SCATTER, ELECTRONS, N_PARTS };

/* Fluence maps, each for a table of kernels. */
struct sp_delivery_pencil {
	sp_device *device;
	const sp_grid *ct;
	const float *red;
	sp_machine photons, electrons; /* what the pencils blur by */
	char electron_kernel[160];
	double output, soften[3];
	sp_delivery_map maps[N_PARTS]; /* set NULL: no such part */
};

/* The machine as the pencil beam is to blur it: past its leaves, or past its jaws where there are no leaves in the way.
 */
static sp_machine blurring(const sp_machine *m, const sp_delivery *d)
{
	sp_machine out = *m;
	bool leaves = false;

	for (size_t i = 0; i < d->n_beams; i++)
		leaves = leaves || d->beams[i].n_pairs > 0;
	if (leaves) {
		out.collimator_mm = m->mlc->distance_mm;
	} else { /* one distance for both, and the spot wider or narrower to make up for it */
		const double edge[2] = {m->jaws.x_distance_mm, m->jaws.y_distance_mm};

		out.collimator_mm = 0.5 * (edge[0] + edge[1]);
		for (int a = 0; a < 2; a++)
			out.source_fwhm_mm[a] *=
			        (m->sad_mm - edge[a]) / edge[a] * out.collimator_mm / (m->sad_mm - out.collimator_mm);
	}
	return out;
}

static sp_status make_maps(sp_delivery_pencil *p, const sp_machine *m, const sp_delivery *d,
                           const sp_off_axis *off_axis, const sp_matter *matter, const char *position, double bixel_mm,
                           sp_error *err)
{
	sp_mc_head_source head = {0};
	sp_status st = sp_mc_head_make(&head, m, d, position, matter, err);

	if (st == SP_OK && (st = sp_delivery_target_map(&p->maps[TARGET], d, m, &head, off_axis, position,
	                                                bixel_mm > 0.0 ? bixel_mm : 2.5, err)) == SP_OK)
		st = sp_delivery_scatter_map(&p->maps[SCATTER], d, m, &head, off_axis, position, err);
	if (st == SP_OK && sp_pencil_has_kernels(p->electron_kernel))
		st = sp_delivery_electron_map(&p->maps[ELECTRONS], d, m, &head, position, err);
	sp_mc_head_finish(&head);
	return st;
}

sp_status sp_delivery_pencil_create(sp_delivery_pencil **out, sp_device *device, const sp_case *c,
                                    const sp_matter *matter, const float *red, const sp_machine *machine,
                                    const sp_delivery *d, double bixel_mm, sp_error *err)
{
	sp_delivery_pencil *p = sp_alloc_array(1, sizeof *p);
	sp_off_axis off_axis;
	sp_status st;

	*out = NULL;
	if (!p)
		return sp_fail(err, SP_NO_MEMORY, "no memory for a dose by pencil beam");
	p->device = device;
	p->ct = &c->ct;
	p->red = red;
	p->output = machine->pencil_output;
	p->photons = p->electrons = blurring(machine, d);
	snprintf(p->electron_kernel, sizeof p->electron_kernel, "%s-electrons", machine->kernel);
	p->electrons.kernel = p->electron_kernel;
	if ((st = sp_off_axis_make(&off_axis, machine, matter, err)) == SP_OK)
		st = make_maps(p, machine, d, &off_axis, matter, c->patient_position, bixel_mm, err);
	if (st != SP_OK) {
		sp_delivery_pencil_destroy(p);
		return st;
	}
	memcpy(p->soften, off_axis.soften, sizeof p->soften);
	*out = p;
	return SP_OK;
}

/* Adds what one part gives; room: as large as dose_gy. The device holds one part's pencil at a time. */
static sp_status add_part(float *dose_gy, float *room, sp_delivery_pencil *p, int part,
                          const sp_displacement *displaced, const sp_grid *grid, const unsigned char *wanted,
                          sp_error *err)
{
	const sp_delivery_map *map = &p->maps[part];
	const double *weights = map->weights;
	const sp_machine *machine = part == ELECTRONS ? &p->electrons : &p->photons;
	sp_beam_set *moved = NULL;
	sp_pencil *pencil = NULL;
	sp_status st = displaced ? sp_beam_set_displace(&moved, map->set, displaced, err) : SP_OK;

	if (st == SP_OK && (st = sp_pencil_create(&pencil, p->device, machine, p->ct, p->red, err)) == SP_OK) {
		if (part == TARGET)
			sp_pencil_set_softening(pencil, p->soften);
		st = sp_pencil_doses(&room, pencil, moved ? moved : map->set, &weights, 1, grid, wanted, err);
	}
	for (size_t v = 0; st == SP_OK && v < sp_grid_voxels(grid); v++)
		dose_gy[v] += room[v];
	sp_pencil_destroy(pencil);
	sp_beam_set_destroy(moved);
	return st;
}

sp_status sp_delivery_pencil_dose(float *dose_gy, sp_delivery_pencil *p, const sp_displacement *displaced,
                                  const sp_grid *grid, const unsigned char *wanted, sp_error *err)
{
	float *room = sp_alloc_array(sp_grid_voxels(grid), sizeof *room);
	sp_status st = SP_OK;

	if (!room)
		return sp_fail(err, SP_NO_MEMORY, "no memory for a dose of %zu voxels", sp_grid_voxels(grid));
	memset(dose_gy, 0, sp_grid_voxels(grid) * sizeof *dose_gy);
	for (int i = 0; st == SP_OK && i < N_PARTS; i++)
		if (p->maps[i].set)
			st = add_part(dose_gy, room, p, i, displaced, grid, wanted, err);
	for (size_t v = 0; st == SP_OK && v < sp_grid_voxels(grid); v++)
		dose_gy[v] *= (float)p->output;
	free(room);
	return st;
}

void sp_delivery_pencil_destroy(sp_delivery_pencil *p)
{
	if (!p)
		return;
	for (int i = 0; i < N_PARTS; i++)
		sp_delivery_map_finish(&p->maps[i]);
	free(p);
}

sp_status sp_delivery_dose_pencil(float *dose_gy, sp_device *device, const sp_case *c, const sp_matter *matter,
                                  const float *red, const sp_machine *machine, const sp_delivery *d,
                                  const sp_grid *grid, double bixel_mm, sp_error *err)
{
	sp_delivery_pencil *p;
	sp_status st = sp_delivery_pencil_create(&p, device, c, matter, red, machine, d, bixel_mm, err);

	if (st == SP_OK)
		st = sp_delivery_pencil_dose(dose_gy, p, NULL, grid, NULL, err);
	sp_delivery_pencil_destroy(p);
	return st;
}
