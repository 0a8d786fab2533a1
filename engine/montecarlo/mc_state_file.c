#include "mc_state.h"

#include "alloc.h"
#include "shared/mc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GROUP "/montecarlo"
#define STATE_VERSION 1
#define MOST_VOXELS ((uint64_t)1 << 36)
#define MOST_RANGES ((uint64_t)1 << 20)

/* Numbers of the group that are not arrays of voxels; exact integers, which attributes as doubles would not be. */
enum { BATCHES, BATCH_HISTORIES, SHIFT, TOTAL, LOOK_AT, CHECK, N_COUNTS };

/* Tells apart what was written and what a failing disk made of it. */
static uint64_t check_of(const sp_mc_sums *s, size_t n)
{
	uint64_t h = s->batches;

	for (size_t v = 0; v < n; v++)
		h = (h ^ (uint64_t)s->sum[v]) * 0x9e3779b97f4a7c15u + s->squares[v];
	for (int i = 0; i < SP_MC_ACCOUNT_COUNT; i++)
		h = (h ^ (uint64_t)s->accounts[i]) * 0x9e3779b97f4a7c15u;
	return h;
}

static sp_status write_voxels(sp_h5_out *f, const char *path, sp_h5_type type, const sp_grid *g, bool compress,
                              const void *data, sp_error *err)
{
	const uint64_t dims[3] = {g->n[2], g->n[1], g->n[0]};
	sp_status st;

	if ((st = sp_h5_write(f, path, type, 3, dims, compress, data, err)) != SP_OK ||
	    (st = sp_h5_set_numbers(f, path, "spacing_mm", SP_H5_F64, 3, g->spacing_mm, err)) != SP_OK)
		return st;
	return sp_h5_set_numbers(f, path, "origin_mm", SP_H5_F64, 3, g->origin_mm, err);
}

sp_status sp_mc_state_write(sp_h5_out *f, const sp_mc_state *s, bool compress, sp_error *err)
{
	const sp_grid *g = &s->scoring.grid;
	const uint64_t counts[N_COUNTS] = {s->sums.batches, s->scoring.batch_histories,
	                                   s->sums.shift,   s->total,
	                                   s->look_at,      check_of(&s->sums, sp_grid_voxels(g))},
	               n_counts[1] = {N_COUNTS}, n_accounts[1] = {SP_MC_ACCOUNT_COUNT}, n_ranges[2] = {s->n_ranges, 2};
	const double version = STATE_VERSION, unit = 1.0 / (double)SP_MC_TALLY_UNIT;
	sp_status st;

	if ((st = sp_h5_write_group(f, GROUP, err)) != SP_OK ||
	    (st = sp_h5_set_numbers(f, GROUP, "version", SP_H5_U32, 1, &(uint32_t){(uint32_t)version}, err)) != SP_OK ||
	    (st = sp_h5_set_numbers(f, GROUP, "unit_mev", SP_H5_F64, 1, &unit, err)) != SP_OK ||
	    (st = sp_h5_set_numbers(f, GROUP, "particles", SP_H5_F64, 1, &s->scoring.particles, err)) != SP_OK ||
	    (st = sp_h5_set_numbers(f, GROUP, "wanted", SP_H5_F64, 1, &s->wanted, err)) != SP_OK ||
	    (st = sp_h5_set_numbers(f, GROUP, "seconds", SP_H5_F64, 1, &s->seconds, err)) != SP_OK ||
	    (st = sp_h5_set_text(f, GROUP, "device", s->device, err)) != SP_OK ||
	    (st = sp_h5_write_text(f, GROUP "/configuration", s->configuration, err)) != SP_OK ||
	    (st = sp_h5_write(f, GROUP "/counts", SP_H5_U64, 1, n_counts, false, counts, err)) != SP_OK ||
	    (st = sp_h5_write(f, GROUP "/accounts", SP_H5_I64, 1, n_accounts, false, s->sums.accounts, err)) != SP_OK ||
	    (st = sp_h5_write(f, GROUP "/ranges", SP_H5_U64, 2, n_ranges, false, s->ranges, err)) != SP_OK ||
	    (st = write_voxels(f, GROUP "/sum", SP_H5_I64, g, compress, s->sums.sum, err)) != SP_OK ||
	    (st = write_voxels(f, GROUP "/squares", SP_H5_U64, g, compress, s->sums.squares, err)) != SP_OK ||
	    (st = write_voxels(f, GROUP "/density_g_cm3", SP_H5_F32, g, compress, s->scoring.density_g_cm3, err)) !=
	            SP_OK)
		return st;
	return s->scoring.to_water
	               ? write_voxels(f, GROUP "/to_water", SP_H5_F32, g, compress, s->scoring.to_water, err)
	               : SP_OK;
}

static sp_status read_voxels(void *out, sp_h5_in *f, const char *path, sp_h5_type type, const sp_grid *g, sp_error *err)
{
	const uint64_t dims[3] = {g->n[2], g->n[1], g->n[0]};
	sp_h5_info info;
	sp_status st = sp_h5_expect(&info, f, path, 3, dims, MOST_VOXELS, err);

	return st == SP_OK ? sp_h5_read(f, path, type, out, info.elements, err) : st;
}

static sp_status read_number(double *out, sp_h5_in *f, const char *object, const char *name, size_t n, sp_error *err)
{
	bool found;
	sp_status st = sp_h5_get_numbers(out, n, &found, f, object, name, err);

	if (st == SP_OK && !found)
		return sp_fail(err, SP_BAD_INPUT, "%s:%s has no attribute %s", sp_h5_path(f), object, name);
	return st;
}

static sp_status read_ranges(sp_mc_state *s, sp_h5_in *f, sp_error *err)
{
	sp_h5_info info;
	uint64_t sum = 0;
	sp_status st = sp_h5_expect(&info, f, GROUP "/ranges", 2, (uint64_t[]){0, 2}, MOST_RANGES, err);

	if (st != SP_OK)
		return st;
	s->n_ranges = (size_t)info.dims[0];
	if (!(s->ranges = sp_alloc_array(s->n_ranges, sizeof *s->ranges)))
		return sp_fail(err, SP_NO_MEMORY, "reading %s", sp_h5_path(f));
	if ((st = sp_h5_read(f, GROUP "/ranges", SP_H5_U64, s->ranges, info.elements, err)) != SP_OK)
		return st;
	for (size_t i = 0; i < s->n_ranges; i++) {
		if (s->ranges[i].n == 0 || s->ranges[i].n > UINT64_MAX - s->ranges[i].first ||
		    (i && s->ranges[i].first <= s->ranges[i - 1].first + s->ranges[i - 1].n))
			return sp_fail(err, SP_BAD_INPUT, "%s:" GROUP "/ranges is not in order", sp_h5_path(f));
		sum += s->ranges[i].n;
	}
	if (sum != s->sums.batches)
		return sp_fail(err, SP_BAD_INPUT, "%s:" GROUP "/ranges holds %llu batches, expected %llu",
		               sp_h5_path(f), (unsigned long long)sum, (unsigned long long)s->sums.batches);
	return SP_OK;
}

static sp_status read_counts(sp_mc_state *s, uint64_t *check, sp_h5_in *f, sp_error *err)
{
	uint64_t counts[N_COUNTS];
	sp_h5_info info;
	sp_status st;

	if ((st = sp_h5_expect(&info, f, GROUP "/counts", 1, (uint64_t[]){N_COUNTS}, N_COUNTS, err)) != SP_OK ||
	    (st = sp_h5_read(f, GROUP "/counts", SP_H5_U64, counts, N_COUNTS, err)) != SP_OK ||
	    (st = sp_h5_expect(&info, f, GROUP "/accounts", 1, (uint64_t[]){SP_MC_ACCOUNT_COUNT}, SP_MC_ACCOUNT_COUNT,
	                       err)) != SP_OK ||
	    (st = sp_h5_read(f, GROUP "/accounts", SP_H5_I64, s->sums.accounts, SP_MC_ACCOUNT_COUNT, err)) != SP_OK)
		return st;
	if (counts[BATCH_HISTORIES] == 0 || counts[BATCH_HISTORIES] > UINT32_MAX || counts[SHIFT] > 40)
		return sp_fail(err, SP_BAD_INPUT, "%s:" GROUP "/counts says %llu histories a batch and a shift of %llu",
		               sp_h5_path(f), (unsigned long long)counts[BATCH_HISTORIES],
		               (unsigned long long)counts[SHIFT]);
	s->sums.batches = counts[BATCHES];
	s->scoring.batch_histories = (uint32_t)counts[BATCH_HISTORIES];
	s->sums.shift = (uint32_t)counts[SHIFT];
	s->total = counts[TOTAL];
	s->look_at = counts[LOOK_AT];
	*check = counts[CHECK];
	return SP_OK;
}

static sp_status read_grid(sp_grid *g, sp_h5_in *f, sp_error *err)
{
	sp_h5_info info;
	sp_status st;

	if ((st = sp_h5_expect(&info, f, GROUP "/sum", 3, NULL, MOST_VOXELS, err)) != SP_OK ||
	    (st = read_number(g->spacing_mm, f, GROUP "/sum", "spacing_mm", 3, err)) != SP_OK ||
	    (st = read_number(g->origin_mm, f, GROUP "/sum", "origin_mm", 3, err)) != SP_OK)
		return st;
	for (int a = 0; a < 3; a++) {
		g->n[a] = (size_t)info.dims[2 - a];
		if (g->n[a] == 0 || !(g->spacing_mm[a] > 0.0) || !isfinite(g->origin_mm[a]))
			return sp_fail(err, SP_BAD_INPUT, "%s:" GROUP "/sum is no grid", sp_h5_path(f));
	}
	return SP_OK;
}

static sp_status read_arrays(sp_mc_state *s, sp_h5_in *f, sp_error *err)
{
	const sp_grid *g = &s->scoring.grid;
	size_t n = sp_grid_voxels(g);
	sp_h5_info water;
	sp_status st = sp_h5_look(&water, f, GROUP "/to_water", err);

	if (st != SP_OK)
		return st;
	s->sums.sum = sp_alloc_array(n, sizeof *s->sums.sum);
	s->sums.squares = sp_alloc_array(n, sizeof *s->sums.squares);
	s->scoring.density_g_cm3 = sp_alloc_array(n, sizeof *s->scoring.density_g_cm3);
	if (water.kind != SP_H5_NOTHING)
		s->scoring.to_water = sp_alloc_array(n, sizeof *s->scoring.to_water);
	if (!s->sums.sum || !s->sums.squares || !s->scoring.density_g_cm3 ||
	    (water.kind != SP_H5_NOTHING && !s->scoring.to_water))
		return sp_fail(err, SP_NO_MEMORY, "no memory for the %zu voxels of %s", n, sp_h5_path(f));
	if ((st = read_voxels(s->sums.sum, f, GROUP "/sum", SP_H5_I64, g, err)) != SP_OK ||
	    (st = read_voxels(s->sums.squares, f, GROUP "/squares", SP_H5_U64, g, err)) != SP_OK ||
	    (st = read_voxels(s->scoring.density_g_cm3, f, GROUP "/density_g_cm3", SP_H5_F32, g, err)) != SP_OK)
		return st;
	return s->scoring.to_water ? read_voxels(s->scoring.to_water, f, GROUP "/to_water", SP_H5_F32, g, err) : SP_OK;
}

static sp_status read_group(sp_mc_state *s, sp_h5_in *f, sp_error *err)
{
	sp_h5_info info;
	uint64_t check = 0;
	double version;
	sp_status st;

	if ((st = sp_h5_look(&info, f, GROUP, err)) != SP_OK)
		return st;
	if (info.kind != SP_H5_GROUP)
		return sp_fail(err, SP_BAD_INPUT, "%s has no group " GROUP ": it is no part of a Monte Carlo run",
		               sp_h5_path(f));
	if ((st = read_number(&version, f, GROUP, "version", 1, err)) != SP_OK)
		return st;
	if (version != STATE_VERSION)
		return sp_fail(err, SP_BAD_INPUT, "%s:" GROUP " version is %g, expected %d", sp_h5_path(f), version,
		               STATE_VERSION);
	if ((st = read_number(&s->scoring.particles, f, GROUP, "particles", 1, err)) != SP_OK ||
	    (st = read_number(&s->wanted, f, GROUP, "wanted", 1, err)) != SP_OK ||
	    (st = read_number(&s->seconds, f, GROUP, "seconds", 1, err)) != SP_OK ||
	    (st = sp_h5_get_text(&s->device, f, GROUP, "device", err)) != SP_OK ||
	    (st = sp_h5_read_text(&s->configuration, f, GROUP "/configuration", err)) != SP_OK ||
	    (st = read_counts(s, &check, f, err)) != SP_OK || (st = read_ranges(s, f, err)) != SP_OK ||
	    (st = read_grid(&s->scoring.grid, f, err)) != SP_OK || (st = read_arrays(s, f, err)) != SP_OK)
		return st;
	if (!s->device)
		return sp_fail(err, SP_BAD_INPUT, "%s:" GROUP " has no attribute device", sp_h5_path(f));
	if (check != check_of(&s->sums, sp_grid_voxels(&s->scoring.grid)))
		return sp_fail(err, SP_BAD_INPUT, "%s:" GROUP " is damaged: its sums are not those that were written",
		               sp_h5_path(f));
	return SP_OK;
}

sp_status sp_mc_state_read(sp_mc_state *out, const char *path, sp_error *err)
{
	sp_h5_in *f = NULL;
	sp_status st = sp_h5_open(&f, path, err);

	*out = (sp_mc_state){0};
	if (st == SP_OK)
		st = read_group(out, f, err);
	sp_h5_close(f);
	if (st != SP_OK)
		sp_mc_state_finish(out);
	return st;
}
