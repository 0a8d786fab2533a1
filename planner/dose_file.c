#include "dose_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "h5.h"

#define MAX_VOXELS ((uint64_t)1 << 31)
/* Centres that rounding in a file puts this much (in voxels) beyond another grid's still lie on it. */
#define EDGE_VOXELS 1e-4

void sp_dose_finish(sp_dose *d)
{
	free(d->gy);
	free(d->dataset);
	*d = (sp_dose){0};
}

double sp_dose_greatest(const sp_dose *d)
{
	size_t n = sp_grid_voxels(&d->grid);
	float greatest = n ? d->gy[0] : 0.0f;

	for (size_t i = 1; i < n; i++)
		greatest = d->gy[i] > greatest ? d->gy[i] : greatest;
	return (double)greatest;
}

/* Looks in one group; *name_out stays NULL where there is none. */
static sp_status find_in(char **name_out, sp_h5_in *f, const char *group, sp_error *err)
{
	char **names = NULL, path[SP_H5_PATH_BYTES], found[SP_H5_PATH_BYTES] = "";
	size_t n = 0, n_found = 0;
	sp_h5_info info;
	sp_status st = sp_h5_look(&info, f, group, err);

	if (st != SP_OK || info.kind != SP_H5_GROUP || (st = sp_h5_list(&names, &n, f, group, err)) != SP_OK)
		return st;
	for (size_t i = 0; i < n && st == SP_OK; i++) {
		if (strncmp(names[i], "dose", 4) != 0)
			continue;
		sp_h5_join(path, group, strcmp(group, "/") == 0 ? "" : "/", names[i]);
		if ((st = sp_h5_look(&info, f, path, err)) != SP_OK || info.kind != SP_H5_DATASET)
			continue;
		if (strcmp(names[i], "dose_gy") == 0) {
			n_found = 1;
			strcpy(found, path);
			break;
		}
		n_found++;
		strcpy(found, path);
	}
	free(names);
	if (st == SP_OK && n_found > 1)
		return sp_fail(err, SP_BAD_INPUT,
		               "%s:%s holds %zu datasets whose name begins with dose; name one, as in FILE:%s",
		               sp_h5_path(f), group, n_found, found);
	if (st == SP_OK && n_found == 1 && !(*name_out = sp_copy_text(found)))
		return sp_fail(err, SP_NO_MEMORY, "reading %s", sp_h5_path(f));
	return st;
}

static sp_status find_dataset(char **out, sp_h5_in *f, sp_error *err)
{
	sp_status st = find_in(out, f, "/dose", err);

	if (st == SP_OK && !*out)
		st = find_in(out, f, "/", err);
	if (st == SP_OK && !*out)
		st = sp_fail(err, SP_BAD_INPUT,
		             "%s has no dose: expected a dataset whose name begins with dose, in /dose or in the root",
		             sp_h5_path(f));
	return st;
}

static sp_status read_vector(double out[3], sp_h5_in *f, const char *path, const char *attribute, sp_error *err)
{
	bool found = false;
	sp_status st = sp_h5_get_numbers(out, 3, &found, f, path, attribute, err);

	if (st == SP_OK && !found)
		return sp_fail(err, SP_BAD_INPUT, "%s:%s has no attribute %s (x, y, z)", sp_h5_path(f), path,
		               attribute);
	for (int a = 0; st == SP_OK && a < 3; a++)
		if (!(fabs(out[a]) < 1e6))
			st = sp_fail(err, SP_BAD_INPUT, "%s:%s %s[%d] is %g mm, expected a length", sp_h5_path(f), path,
			             attribute, a, out[a]);
	return st;
}

static sp_status read_all(sp_dose *d, sp_h5_in *f, sp_error *err)
{
	const char *path = d->dataset;
	sp_h5_info info;
	sp_status st;

	if ((st = sp_h5_expect(&info, f, path, 3, NULL, MAX_VOXELS, err)) != SP_OK ||
	    (st = read_vector(d->grid.spacing_mm, f, path, "spacing_mm", err)) != SP_OK ||
	    (st = read_vector(d->grid.origin_mm, f, path, "origin_mm", err)) != SP_OK)
		return st;
	for (int a = 0; a < 3; a++) {
		d->grid.n[a] = info.dims[2 - a];
		if (d->grid.n[a] == 0)
			return sp_fail(err, SP_BAD_INPUT, "%s:%s is empty", sp_h5_path(f), path);
		if (!(d->grid.spacing_mm[a] > 0.0))
			return sp_fail(err, SP_BAD_INPUT, "%s:%s spacing_mm[%d] is %g, expected > 0", sp_h5_path(f),
			               path, a, d->grid.spacing_mm[a]);
	}
	if (!(d->gy = sp_alloc_array(info.elements, sizeof *d->gy)))
		return sp_fail(err, SP_NO_MEMORY, "reading %s", sp_h5_path(f));
	if ((st = sp_h5_read(f, path, SP_H5_F32, d->gy, info.elements, err)) != SP_OK)
		return st;
	for (uint64_t i = 0; i < info.elements; i++)
		if (!isfinite(d->gy[i]))
			return sp_fail(err, SP_BAD_INPUT, "%s:%s voxel %llu is %g, expected a dose", sp_h5_path(f),
			               path, (unsigned long long)i, (double)d->gy[i]);
	return SP_OK;
}

sp_status sp_dose_read(sp_dose *out, const char *path, const char *dataset, sp_error *err)
{
	sp_h5_in *f = NULL;
	sp_status st;

	*out = (sp_dose){0};
	if ((st = sp_h5_open(&f, path, err)) != SP_OK)
		return st;
	if (!dataset)
		st = find_dataset(&out->dataset, f, err);
	else if (!(out->dataset = sp_copy_text(dataset)))
		st = sp_fail(err, SP_NO_MEMORY, "reading %s", path);
	if (st == SP_OK)
		st = read_all(out, f, err);
	sp_h5_close(f);
	if (st != SP_OK)
		sp_dose_finish(out);
	return st;
}

bool sp_dose_at(double *out, const sp_dose *d, const double at_mm[3])
{
	const sp_grid *g = &d->grid;
	size_t low[3], high[3];
	double share[3], sum = 0.0;

	for (int a = 0; a < 3; a++) {
		double last = (double)(g->n[a] - 1), at = (at_mm[a] - g->origin_mm[a]) / g->spacing_mm[a];

		if (!(at >= -EDGE_VOXELS && at <= last + EDGE_VOXELS))
			return false;
		at = fmin(fmax(at, 0.0), last);
		low[a] = (size_t)at;
		high[a] = low[a] + (low[a] + 1 < g->n[a] ? 1 : 0);
		share[a] = at - (double)low[a];
	}
	for (unsigned corner = 0; corner < 8; corner++) {
		double weight = 1.0;
		size_t at[3];

		for (unsigned a = 0; a < 3; a++) {
			bool is_high = corner >> a & 1;

			at[a] = is_high ? high[a] : low[a];
			weight *= is_high ? share[a] : 1.0 - share[a];
		}
		if (weight > 0.0)
			sum += weight * (double)d->gy[sp_grid_index(g, at[0], at[1], at[2])];
	}
	*out = sum;
	return true;
}
