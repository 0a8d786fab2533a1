/* The pencil-beam engine's objects on the device: kernel table and a patient's electron density. The loops over voxels
 * are cl_kernels/pencil.cl, the rays cl_kernels/fan_trace.cl. */
#include "pencil_internal.h"

#include "alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

sp_pencil_grid sp_pencil_device_grid(const sp_grid *g)
{
	sp_pencil_grid out = {.n = {0, 0, 0, (sp_u32)sp_grid_voxels(g)}};

	for (int a = 0; a < 3; a++) {
		out.origin_mm[a] = (float)g->origin_mm[a];
		out.spacing_mm[a] = (float)g->spacing_mm[a];
		out.n[a] = (sp_u32)g->n[a];
	}
	return out;
}

static sp_status load_table(sp_pencil *p, const sp_machine *machine, sp_error *err)
{
	float shape[2 * SP_PENCIL_MAX_GAUSSIANS];
	sp_pencil_table t;
	sp_status st = sp_pencil_table_of(&t, machine, err);

	if (st != SP_OK)
		return st;
	p->n_gaussians = t.n_gaussians;
	p->table_rows = t.n_rows;
	for (size_t i = 0; i < t.n_gaussians; i++) {
		shape[2 * i] = (float)t.sigma_mm[i];
		shape[2 * i + 1] = (float)sp_pencil_far_share(t.sigma_mm[i]);
	}
	st = sp_buffer_create(&p->kernel_shape, p->device, CL_MEM_READ_ONLY, 2 * t.n_gaussians * sizeof *shape, shape,
	                      "widths of the pencil kernels", err);
	if (st == SP_OK)
		st = sp_buffer_create(&p->table, p->device, CL_MEM_READ_ONLY,
		                      t.n_rows * t.n_gaussians * sizeof *t.weight, t.weight, "pencil kernels", err);
	sp_pencil_table_finish(&t);
	return st;
}

/* The smallest grid that holds all matter; air around the patient would only cost rays their time. False: none. */
static bool crop(sp_grid *out, size_t first[3], const sp_grid *ct, const float *red)
{
	size_t low[3] = {ct->n[0], ct->n[1], ct->n[2]}, high[3] = {0}, v = 0;

	for (size_t k = 0; k < ct->n[2]; k++)
		for (size_t j = 0; j < ct->n[1]; j++)
			for (size_t i = 0; i < ct->n[0]; i++, v++) {
				const size_t at[3] = {i, j, k};

				if (!(red[v] > 0.0f))
					continue;
				for (int a = 0; a < 3; a++) {
					low[a] = at[a] < low[a] ? at[a] : low[a];
					high[a] = at[a] > high[a] ? at[a] : high[a];
				}
			}
	*out = *ct;
	for (int a = 0; a < 3; a++) {
		if (low[a] > high[a])
			return false;
		first[a] = low[a];
		out->n[a] = high[a] - low[a] + 1;
		out->origin_mm[a] += (double)low[a] * ct->spacing_mm[a];
	}
	return true;
}

static sp_status load_density(sp_pencil *p, const sp_grid *ct, const float *red, sp_error *err)
{
	size_t first[3], row = 0;
	float *part = NULL;
	sp_pencil_grid grid;
	sp_status st;

	if (!crop(&p->ct, first, ct, red))
		return sp_fail(err, SP_BAD_INPUT, "the image holds no matter: every electron density is 0");
	grid = sp_pencil_device_grid(&p->ct);
	if (!(part = sp_alloc_array(sp_grid_voxels(&p->ct), sizeof *part)))
		return sp_fail(err, SP_NO_MEMORY, "no memory for the electron density of %zu voxels",
		               sp_grid_voxels(&p->ct));
	for (size_t k = 0; k < p->ct.n[2]; k++)
		for (size_t j = 0; j < p->ct.n[1]; j++, row++)
			memcpy(part + row * p->ct.n[0], red + sp_grid_index(ct, first[0], first[1] + j, first[2] + k),
			       p->ct.n[0] * sizeof *part);
	st = sp_buffer_create(&p->ct_grid, p->device, CL_MEM_READ_ONLY, sizeof grid, &grid, "CT grid", err);
	if (st == SP_OK)
		st = sp_buffer_create(&p->density, p->device, CL_MEM_READ_ONLY, sp_grid_voxels(&p->ct) * sizeof *part,
		                      part, "electron density", err);
	free(part);
	return st;
}

static sp_status create_one(sp_pencil **out, sp_device *d, const sp_machine *machine, const sp_grid *ct,
                            const float *red, sp_error *err)
{
	sp_pencil *p = NULL;
	sp_status st;

	*out = NULL;
	if (sp_grid_voxels(ct) >= UINT32_MAX)
		return sp_fail(err, SP_BAD_INPUT, "the CT has %zu voxels, more than this engine can take",
		               sp_grid_voxels(ct));
	if (!(p = sp_alloc_array(1, sizeof *p)))
		return sp_fail(err, SP_NO_MEMORY, "no memory for the pencil-beam engine");
	p->device = d;
	p->source_fwhm_mm[0] = machine->source_fwhm_mm[0];
	p->source_fwhm_mm[1] = machine->source_fwhm_mm[1];
	p->collimator_mm = machine->collimator_mm;
	p->fluence_per_mu_cm2 = machine->fluence_per_mu_cm2;
	if ((st = load_table(p, machine, err)) != SP_OK)
		goto cleanup;
	if ((st = load_density(p, ct, red, err)) != SP_OK)
		goto cleanup;
	*out = p;
	p = NULL;
cleanup:
	sp_pencil_destroy(p);
	return st;
}

sp_status sp_pencil_create(sp_pencil **out, sp_device *d, const sp_machine *machine, const sp_grid *ct,
                           const float *red, sp_error *err)
{
	size_t n = sp_device_companions(d);
	sp_pencil *p;
	sp_status st = create_one(&p, d, machine, ct, red, err);

	*out = NULL;
	if (st == SP_OK && n && !(p->others = sp_alloc_array(n, sizeof *p->others)))
		st = sp_fail(err, SP_NO_MEMORY, "no memory for the pencil-beam engine on %zu devices", n + 1);
	for (size_t i = 0; st == SP_OK && i < n; i++)
		if ((st = create_one(&p->others[i], sp_device_companion(d, i), machine, ct, red, err)) == SP_OK)
			p->n_others++;
	if (st == SP_OK)
		*out = p;
	else
		sp_pencil_destroy(p);
	return st;
}

void sp_pencil_set_softening(sp_pencil *p, const double s[3])
{
	memcpy(p->soften, s, sizeof p->soften);
}

void sp_pencil_destroy(sp_pencil *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n_others; i++)
		sp_pencil_destroy(p->others[i]);
	free(p->others);
	sp_buffer_release(&p->ct_grid);
	sp_buffer_release(&p->density);
	sp_buffer_release(&p->kernel_shape);
	sp_buffer_release(&p->table);
	free(p);
}

sp_status sp_pencil_kernel(cl_kernel *out, const sp_pencil *p, const char *name, size_t places, sp_error *err)
{
	char options[96];

	snprintf(options, sizeof options, "-DGAUSSIANS=%zu -DPLACES=%zu", p->n_gaussians, places);
	return sp_device_kernel(out, p->device, "pencil.cl", name, options, err);
}
