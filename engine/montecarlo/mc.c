/* Host side of Monte Carlo: tables and geometry to the device, launches, sums back. */
#include "mc_internal.h"

#include "alloc.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SITES = 128, GPU_ITEMS_A_UNIT = 256 };

static sp_status add_buffer(sp_mc *mc, size_t bytes, const void *data, const char *what, sp_error *err)
{
	sp_status st =
	        sp_buffer_create(&mc->buffer[mc->n_buffers], mc->device, CL_MEM_READ_ONLY, bytes, data, what, err);

	if (st == SP_OK)
		mc->n_buffers++;
	return st;
}

static sp_status send_tables(sp_mc *mc, const sp_mc_tables *t, sp_error *err)
{
	size_t photon = (SP_MC_ROWS + 1) * t->n_materials * sizeof(float),
	       electron = 2 * (size_t)SP_MC_ROWS * t->n_materials * 4 * sizeof(float);
	const struct {
		size_t bytes;
		const void *data;
	} tables[] = {{photon, t->attenuation},
	              {photon, t->compton},
	              {photon, t->photoelectric},
	              {photon, t->pair},
	              {photon, t->rayleigh},
	              {electron, t->electron},
	              {electron, t->event},
	              {sizeof sp_mc_scattering, sp_mc_scattering},
	              {t->n_materials * SP_MC_BREMS_ENERGIES * SP_MC_BREMS_SHARES * sizeof(float), t->brems},
	              {sizeof t->pair_share, t->pair_share},
	              {t->n_materials * sizeof(sp_u32), t->class_of}};
	sp_status st = SP_OK;

	for (size_t i = 0; st == SP_OK && i < sizeof tables / sizeof *tables; i++)
		st = add_buffer(mc, tables[i].bytes, tables[i].data, "Monte Carlo table", err);
	return st;
}

static sp_status send_source(sp_mc *mc, const sp_mc_source_data *s, sp_error *err)
{
	const struct {
		size_t bytes;
		const void *data;
		const char *what;
	} parts[] = {{sizeof s->head, &s->head, "source"},
	             {s->n_beams * sizeof *s->beams, s->beams, "beams"},
	             {s->n_rectangles * sizeof *s->rectangles, s->rectangles, "openings"},
	             {s->n_spectra * (SP_MC_SPECTRUM + 1) * sizeof(float), s->spectrum, "spectrum"},
	             {sizeof s->alpha, s->alpha, "sequence"},
	             {sizeof s->machine, &s->machine, "machine's head"},
	             {s->n_intervals * sizeof *s->intervals, s->intervals, "control points"},
	             {s->n_numbers * sizeof *s->numbers, s->numbers, "leaves"}};
	sp_status st = SP_OK;

	for (size_t i = 0; st == SP_OK && i < sizeof parts / sizeof *parts; i++)
		st = add_buffer(mc, parts[i].bytes, parts[i].data, parts[i].what, err);
	return st;
}

static void set_up(sp_mc_setup *s, const sp_mc_options *o, const sp_grid *geometry, const sp_grid *tally)
{
	for (int a = 0; a < 3; a++) {
		double per_cm = 10.0 / tally->spacing_mm[a];

		s->tally_per_cm[a] = (float)per_cm;
		s->tally_shift[a] =
		        (float)((sp_grid_low_edge_mm(geometry, a) - sp_grid_low_edge_mm(tally, a)) * 0.1 * per_cm);
		s->tally_n[a] = (sp_u32)tally->n[a];
	}
	s->tally_n[3] = SP_MC_CELLS(s->tally_n[0], s->tally_n[1], s->tally_n[2]);
	s->electron_cut = (float)o->electron_cut_mev;
	s->photon_cut = (float)o->photon_cut_mev;
	s->seed[0] = (sp_u32)o->seed;
	s->seed[1] = (sp_u32)(o->seed >> 32);
	if (o->plain) {
		s->step_per_mev = 0.05f / 1.9f;
		s->longest_step = 0.05f;
		s->site_scale = 0.0f;
		s->least_sites = s->most_sites = 1;
		s->quantum = 0.0f;
		s->survive = 1.0f;
	} else {
		s->step_per_mev = 0.10f / 1.9f;
		s->longest_step = 0.15f;
		s->site_scale = 64.0f;
		s->least_sites = 16;
		s->most_sites = MOST_SITES;
		s->quantum = 0.1f;
		s->survive = o->without & SP_MC_ROULETTE ? 1e9f : 0.4f;
	}
	if (o->without & SP_MC_SITES) {
		s->site_scale = 0.0f;
		s->least_sites = s->most_sites = 1;
	}
}

/* Kernels number cells with 32 bits, and gathers read theirs as signed. */
static sp_status check_cells(const sp_grid *g, const char *what, sp_error *err)
{
	double cells = 64.0;

	for (int a = 0; a < 3; a++)
		cells *= ceil(0.25 * (double)g->n[a]);
	if (cells < 0x1p31)
		return SP_OK;
	return sp_fail(err, SP_BAD_INPUT,
	               "the %s of %zu x %zu x %zu voxels is too large for Monte Carlo, which takes 2.1e9 voxels; "
	               "choose larger ones",
	               what, g->n[0], g->n[1], g->n[2]);
}

/* Vectors of particles suit processors; on GPUs neighbouring work-items are the lanes. */
static int lanes_of(const sp_mc *mc, const sp_mc_options *o)
{
	if (o->lanes)
		return o->lanes;
	return o->plain || o->without & (SP_MC_SITES | SP_MC_SETS) || !sp_device_describe(mc->device)->is_cpu ? 1 : 16;
}

/* A processor's threads have a tally each where there is room for that: atomics cost more than all else in a deposit.
 * None of this changes the result. */
static sp_status share_out(sp_mc *mc, const sp_mc_options *o, const sp_mc_setup *setup, sp_error *err)
{
	const sp_device_info *info = sp_device_describe(mc->device);
	size_t units = info->compute_units;

	if (!info->has_int64_atomics)
		return sp_fail(err, SP_DEVICE,
		               "%s has no 64-bit atomics, which Monte Carlo needs; choose another with --device "
		               "(spineplan devices lists them)",
		               info->name);
	mc->n_tally = (size_t)setup->tally_n[0] * setup->tally_n[1] * setup->tally_n[2];
	mc->tally_cells = (size_t)setup->tally_n[3] + 1;
	memcpy(mc->tally_shape, setup->tally_n, sizeof mc->tally_shape);
	mc->n_items = info->is_cpu ? units : units * GPU_ITEMS_A_UNIT;
	mc->local = info->is_cpu ? 1 : SP_MC_GPU_GROUP;
	mc->n_tallies = info->is_cpu && units * mc->tally_cells * 8 <= sp_device_alloc_limit(mc->device) / 2
	                        ? (cl_uint)units
	                        : 1;
	if (o->group) {
		mc->n_items = (size_t)o->group * 2;
		mc->local = o->group;
		mc->n_tallies = 1;
	}
	mc->chunk = o->chunk ? o->chunk : o->batch_histories / (4 * mc->n_items);
	mc->chunk = o->chunk ? mc->chunk : mc->chunk > 64 ? 64 : mc->chunk ? mc->chunk : 1;
	return SP_OK;
}

static sp_status make(sp_mc *mc, const sp_matter *m, const sp_mc_matter *where, const sp_grid *tally,
                      const sp_mc_particles *particles, const sp_mc_options *o, sp_error *err)
{
	int materials[256];
	uint8_t place[256] = {0};
	size_t n_materials;
	sp_mc_tables tables = {0};
	sp_mc_geometry geometry = {0};
	sp_mc_source_data source = {0};
	sp_mc_setup setup = {0};
	double low_mm[3], max_mev = particles->spectrum->high_mev[particles->spectrum->n_bins - 1];
	bool one_site = o->plain || o->without & SP_MC_SITES;
	char options[320];
	sp_status st;

	if ((st = check_cells(&where->grid, "CT", err)) != SP_OK ||
	    (st = check_cells(tally, "dose grid", err)) != SP_OK)
		return st;
	for (int a = 0; a < 3; a++)
		low_mm[a] = sp_grid_low_edge_mm(&where->grid, a);
	set_up(&setup, o, &where->grid, tally);
	sp_mc_find_materials(materials, &n_materials, place, where);
	if ((st = share_out(mc, o, &setup, err)) != SP_OK ||
	    (st = sp_mc_tables_make(&tables, m, materials, n_materials, o->electron_cut_mev, o->photon_cut_mev, max_mev,
	                            err)) != SP_OK)
		goto cleanup;
	setup.event_majorant = tables.event_majorant;
	setup.n_materials = (sp_u32)tables.n_materials;
	if ((st = sp_mc_geometry_make(&geometry, &setup, where, place, tables.class_of, err)) != SP_OK ||
	    (st = sp_mc_source_make(&source, particles, low_mm, err)) != SP_OK)
		goto cleanup;
	source.head.batch_histories = o->batch_histories;
	if ((st = add_buffer(mc, sizeof setup, &setup, "Monte Carlo setup", err)) != SP_OK ||
	    (st = add_buffer(mc, geometry.n_voxels * sizeof(sp_u32), geometry.voxels, "voxels", err)) != SP_OK ||
	    (st = add_buffer(mc, geometry.n_bricks * sizeof(sp_mc_brick), geometry.bricks, "bricks", err)) != SP_OK ||
	    (st = send_tables(mc, &tables, err)) != SP_OK || (st = send_source(mc, &source, err)) != SP_OK)
		goto cleanup;
	mc->n_openings = source.n_rectangles;
	if ((st = sp_buffer_create(&mc->tally, mc->device, CL_MEM_READ_WRITE, mc->n_tallies * mc->tally_cells * 8, NULL,
	                           "tally", err)) != SP_OK ||
	    (st = sp_buffer_create(&mc->counter, mc->device, CL_MEM_READ_WRITE, 4, NULL, "counter", err)) != SP_OK ||
	    (st = sp_buffer_create(&mc->sum, mc->device, CL_MEM_READ_WRITE, mc->n_tally * 8, NULL, "sum of batches",
	                           err)) != SP_OK ||
	    (st = sp_buffer_create(&mc->squares, mc->device, CL_MEM_READ_WRITE, mc->n_tally * 8, NULL,
	                           "squares of batches", err)) != SP_OK ||
	    (st = sp_buffer_create(&mc->accounts, mc->device, CL_MEM_READ_WRITE, SP_MC_ACCOUNTS * 8, NULL,
	                           "energy accounts", err)) != SP_OK ||
	    (st = sp_buffer_zero(mc->device, mc->tally, mc->n_tallies * mc->tally_cells * 8, err)) != SP_OK ||
	    (st = sp_buffer_zero(mc->device, mc->sum, mc->n_tally * 8, err)) != SP_OK ||
	    (st = sp_buffer_zero(mc->device, mc->squares, mc->n_tally * 8, err)) != SP_OK ||
	    (st = sp_buffer_zero(mc->device, mc->accounts, SP_MC_ACCOUNTS * 8, err)) != SP_OK)
		goto cleanup;
	snprintf(mc->options, sizeof mc->options,
	         "-DSP_MATERIALS=%zu -DSP_LANES=%d -DSP_MOST_SITES=%d -DSP_REPEAT=%d -DSP_SAME_GRID=%d "
	         "-DSP_HEAD=%d -DSP_SEQUENCE=%d -DSP_BOXES=%d -cl-fast-relaxed-math",
	         tables.n_materials, lanes_of(mc, o), one_site ? 1 : MOST_SITES,
	         !one_site && !(o->without & SP_MC_REPEATS), sp_grid_equal(tally, &where->grid),
	         particles->head != NULL, !(o->without & SP_MC_SEQUENCE), geometry.boxes_pay);
	snprintf(options, sizeof options, "%s -DSP_OWN_TALLY=%d", mc->options, mc->n_tallies == mc->n_items);
	if ((st = sp_device_kernel(&mc->transport, mc->device, "mc_transport.cl", "mc_transport", options, err)) !=
	    SP_OK)
		goto cleanup;
	st = sp_device_kernel(&mc->close, mc->device, "mc_transport.cl", "mc_close_batch", options, err);
cleanup:
	sp_mc_tables_finish(&tables);
	sp_mc_geometry_finish(&geometry);
	sp_mc_source_finish(&source);
	return st;
}

static sp_status create_one(sp_mc **out, sp_device *d, const sp_matter *m, const sp_mc_matter *where,
                            const sp_grid *tally, const sp_mc_particles *particles, const sp_mc_options *options,
                            sp_error *err)
{
	sp_mc *mc = calloc(1, sizeof *mc);
	sp_mc_options o = *options;
	sp_status st;

	*out = NULL;
	if (!mc)
		return sp_fail(err, SP_NO_MEMORY, "no memory for Monte Carlo");
	o.electron_cut_mev = o.electron_cut_mev > 0.0 ? o.electron_cut_mev : SP_MC_ELECTRON_CUT_MEV;
	o.photon_cut_mev = o.photon_cut_mev > 0.0 ? o.photon_cut_mev : SP_MC_PHOTON_CUT_MEV;
	mc->device = d;
	mc->batch_histories = o.batch_histories;
	while ((1u << mc->shift) < o.batch_histories)
		mc->shift++;
	mc->shift++;
	if ((st = make(mc, m, where, tally, particles, &o, err)) == SP_OK) {
		*out = mc;
		mc = NULL;
	}
	sp_mc_destroy(mc);
	return st;
}

sp_status sp_mc_create(sp_mc **out, sp_device *d, const sp_matter *m, const sp_mc_matter *where, const sp_grid *tally,
                       const sp_mc_particles *particles, const sp_mc_options *options, sp_error *err)
{
	size_t n = sp_device_companions(d);
	sp_mc *mc;
	sp_status st = create_one(&mc, d, m, where, tally, particles, options, err);

	*out = NULL;
	if (st == SP_OK && n && !(mc->others = sp_alloc_array(n, sizeof *mc->others)))
		st = sp_fail(err, SP_NO_MEMORY, "no memory for Monte Carlo on %zu devices", n + 1);
	for (size_t i = 0; st == SP_OK && i < n; i++)
		if ((st = create_one(&mc->others[i], sp_device_companion(d, i), m, where, tally, particles, options,
		                     err)) == SP_OK)
			mc->n_others++;
	if (st == SP_OK)
		*out = mc;
	else
		sp_mc_destroy(mc);
	return st;
}

size_t sp_mc_devices(const sp_mc *mc)
{
	return mc->n_others + 1;
}

sp_mc *sp_mc_on(sp_mc *mc, size_t i)
{
	return i ? mc->others[i - 1] : mc;
}

void sp_mc_destroy(sp_mc *mc)
{
	if (!mc)
		return;
	for (size_t i = 0; i < mc->n_others; i++)
		sp_mc_destroy(mc->others[i]);
	free(mc->others);
	for (int i = 0; i < mc->n_buffers; i++)
		sp_buffer_release(&mc->buffer[i]);
	sp_buffer_release(&mc->tally);
	sp_buffer_release(&mc->sum);
	sp_buffer_release(&mc->squares);
	sp_buffer_release(&mc->accounts);
	sp_buffer_release(&mc->counter);
	if (mc->transport)
		clReleaseKernel(mc->transport);
	if (mc->close)
		clReleaseKernel(mc->close);
	free(mc);
}

static sp_status run_batch(sp_mc *mc, uint64_t batch, sp_error *err)
{
	cl_ulong first = batch * mc->batch_histories, n_tally = mc->n_tally;
	cl_uint histories = mc->batch_histories, chunk = (cl_uint)mc->chunk, shift = mc->shift;
	const sp_argument last[] = {SP_ARG(mc->tally), SP_ARG(mc->accounts), SP_ARG(mc->counter),
	                            SP_ARG(first),     SP_ARG(histories),    SP_ARG(chunk)};
	const sp_argument closing[] = {SP_ARG(mc->buffer[0]), SP_ARG(mc->tally), SP_ARG(mc->sum),
	                               SP_ARG(mc->squares),   SP_ARG(n_tally),   SP_ARG(mc->n_tallies),
	                               SP_ARG(shift)};
	sp_status st = SP_OK;

	for (int i = 0; st == SP_OK && i < mc->n_buffers; i++)
		st = sp_kernel_set(mc->transport, (cl_uint)i, sizeof mc->buffer[i], &mc->buffer[i], err);
	for (int i = 0; st == SP_OK && i < 6; i++)
		st = sp_kernel_set(mc->transport, (cl_uint)(mc->n_buffers + i), last[i].bytes, last[i].value, err);
	if (st != SP_OK || (st = sp_buffer_zero(mc->device, mc->counter, 4, err)) != SP_OK ||
	    (st = sp_device_launch(mc->device, mc->transport, mc->n_items, mc->local, err)) != SP_OK ||
	    (st = sp_kernel_set_all(mc->close, closing, 7, err)) != SP_OK ||
	    (st = sp_device_launch(mc->device, mc->close, mc->n_tally, 0, err)) != SP_OK)
		return st;
	return sp_device_finish(mc->device, err);
}

typedef struct {
	sp_mc *mc;
	uint64_t first;
} batches;

static sp_status take_batch(void *context, size_t worker, uint64_t piece, sp_error *err)
{
	batches *b = context;
	sp_mc *mc = sp_mc_on(b->mc, worker);
	sp_status st = run_batch(mc, b->first + piece, err);

	if (st == SP_OK)
		mc->batches++;
	return st;
}

sp_status sp_mc_run(sp_mc *mc, uint64_t first, uint64_t n, sp_error *err)
{
	return sp_device_share(take_batch, &(batches){mc, first}, sp_mc_devices(mc), n, err);
}

/* The last cell of each tally takes what is outside the dose grid, and is never closed. */
static sp_status read_outside(int64_t *out, sp_mc *mc, sp_error *err)
{
	sp_status st = SP_OK;
	int64_t cell;

	*out = 0;
	for (size_t k = 0; k < mc->n_tallies && st == SP_OK; k++) {
		st = sp_buffer_read(mc->device, mc->tally, ((k + 1) * mc->tally_cells - 1) * 8, 8, &cell, err);
		*out += st == SP_OK ? cell : 0;
	}
	return st;
}

static sp_status read_one(sp_mc_sums *out, sp_mc *mc, sp_error *err)
{
	sp_status st;

	*out = (sp_mc_sums){.batches = mc->batches, .shift = mc->shift};
	out->sum = sp_alloc_array(mc->n_tally, sizeof *out->sum);
	out->squares = sp_alloc_array(mc->n_tally, sizeof *out->squares);
	if (!out->sum || !out->squares) {
		sp_mc_sums_finish(out);
		return sp_fail(err, SP_NO_MEMORY, "no memory for the sums of %zu voxels", mc->n_tally);
	}
	if ((st = sp_buffer_read(mc->device, mc->sum, 0, mc->n_tally * 8, out->sum, err)) != SP_OK ||
	    (st = sp_buffer_read(mc->device, mc->squares, 0, mc->n_tally * 8, out->squares, err)) != SP_OK ||
	    (st = sp_buffer_read(mc->device, mc->accounts, 0, sizeof out->accounts, out->accounts, err)) != SP_OK ||
	    (st = read_outside(&out->accounts[SP_MC_OUTSIDE], mc, err)) != SP_OK)
		sp_mc_sums_finish(out);
	return st;
}

void sp_mc_sums_add(sp_mc_sums *to, const sp_mc_sums *more, size_t n_voxels)
{
	for (size_t v = 0; v < n_voxels; v++) {
		to->sum[v] += more->sum[v];
		to->squares[v] += more->squares[v];
	}
	for (int a = 0; a < SP_MC_ACCOUNT_COUNT; a++)
		to->accounts[a] += more->accounts[a];
	to->batches += more->batches;
}

sp_status sp_mc_read(sp_mc_sums *out, sp_mc *mc, sp_error *err)
{
	sp_status st = read_one(out, mc, err);
	sp_mc_sums more;

	for (size_t i = 0; st == SP_OK && i < mc->n_others; i++) {
		if ((st = read_one(&more, mc->others[i], err)) == SP_OK) {
			sp_mc_sums_add(out, &more, mc->n_tally);
			sp_mc_sums_finish(&more);
		} else {
			sp_mc_sums_finish(out);
		}
	}
	return st;
}

void sp_mc_sums_finish(sp_mc_sums *s)
{
	free(s->sum);
	free(s->squares);
	*s = (sp_mc_sums){0};
}
