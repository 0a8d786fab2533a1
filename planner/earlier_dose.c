#include "earlier_dose.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "atomic_file.h"
#include "biology.h"
#include "dose_file.h"
#include "fractionation.h"
#include "log.h"
#include "mask.h"

#define MOST_TRANSFORM_BYTES 65536
#define RIGID_TOLERANCE 1e-3 /* of a direction's cosines, as files round them */

static double determinant(const double m[16])
{
	return m[0] * (m[5] * m[10] - m[6] * m[9]) - m[1] * (m[4] * m[10] - m[6] * m[8]) +
	       m[2] * (m[4] * m[9] - m[5] * m[8]);
}

static bool is_rigid(const double m[16])
{
	for (int i = 0; i < 3; i++)
		for (int j = 0; j < 3; j++) {
			double dot = 0.0;

			for (int k = 0; k < 3; k++)
				dot += m[4 * i + k] * m[4 * j + k];
			if (!(fabs(dot - (i == j)) < RIGID_TOLERANCE))
				return false;
		}
	return determinant(m) > 0.0 && fabs(m[12]) + fabs(m[13]) + fabs(m[14]) + fabs(m[15] - 1.0) < RIGID_TOLERANCE &&
	       isfinite(m[3] + m[7] + m[11]);
}

sp_status sp_rigid_read(double inverse_out[3][4], const char *path, sp_error *err)
{
	double m[16];
	char *content = NULL, *at, *rest;
	size_t bytes, n = 0;
	sp_status st = sp_file_read_all(&content, &bytes, path, MOST_TRANSFORM_BYTES, err);

	if (st != SP_OK)
		return st;
	for (at = content; n < 16; at = rest) {
		m[n] = strtod(at, &rest);
		if (rest == at)
			break;
		n++;
		rest += strspn(rest, ", \t\r\n");
	}
	if (n != 16 || *at != '\0')
		st = sp_fail(err, SP_BAD_INPUT, "%s holds %zu numbers%s, expected 16: the rows of a 4 x 4 matrix", path,
		             n, n == 16 ? " and more" : "");
	else if (!is_rigid(m))
		st = sp_fail(err, SP_BAD_INPUT,
		             "%s is no rigid transform: its first three columns must be a turn, its last row 0 0 0 1",
		             path);
	for (int i = 0; st == SP_OK && i < 3; i++) {
		inverse_out[i][3] = 0.0;
		for (int k = 0; k < 3; k++) {
			inverse_out[i][k] = m[4 * k + i];
			inverse_out[i][3] -= m[4 * k + i] * m[4 * k + 3];
		}
	}
	free(content);
	return st;
}

/* Says when a part of the target lies where the earlier dose's grid does not reach. */
static sp_status warn_beyond(const unsigned char *beyond, const sp_earlier_options *o, const sp_case *c,
                             const sp_grid *grid, sp_error *err)
{
	const sp_structure *target = sp_case_target(c);
	float *fraction = sp_alloc_array(sp_grid_voxels(grid), sizeof *fraction);
	double all = 0.0, outside = 0.0;
	sp_status st = SP_OK;

	if (!fraction)
		return sp_fail(err, SP_NO_MEMORY, "out of memory for an earlier dose");
	if (target)
		st = sp_structure_fractions(fraction, target, &c->ct, grid, err);
	for (size_t v = 0; st == SP_OK && target && v < sp_grid_voxels(grid); v++) {
		all += fraction[v];
		outside += beyond[v] ? fraction[v] : 0.0f;
	}
	if (outside > 0.0)
		sp_log_warning("%.0f %% of the target lie beyond the grid of %s and count as not irradiated before",
		               100.0 * outside / all, o->path);
	free(fraction);
	return st;
}

static bool is_course_dose(const char *dataset)
{
	const char *name = strrchr(dataset, '/');

	return strcmp(name ? name + 1 : dataset, "dose_gy") == 0;
}

sp_status sp_earlier_dose_read(sp_earlier_dose *out, const sp_earlier_options *o, const sp_case *c, const sp_grid *grid,
                               sp_error *err)
{
	double back[3][4] = {{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}};
	size_t voxels = sp_grid_voxels(grid);
	unsigned char *beyond = NULL;
	sp_dose dose = {0};
	sp_status st;

	*out = (sp_earlier_dose){.options = *o};
	if ((o->transform && (st = sp_rigid_read(back, o->transform, err)) != SP_OK) ||
	    (st = sp_dose_read(&dose, o->path, NULL, err)) != SP_OK)
		return st;
	beyond = sp_alloc_array(voxels, 1);
	out->eqd2_gy = sp_alloc_array(voxels, sizeof *out->eqd2_gy);
	if (!beyond || !out->eqd2_gy)
		st = sp_fail(err, SP_NO_MEMORY, "out of memory for an earlier dose");
	else if (!is_course_dose(dose.dataset))
		st = sp_fail(err, SP_BAD_INPUT, "%s holds %s, expected dose_gy: Gy of the whole earlier course",
		             o->path, dose.dataset);
	for (size_t v = 0; st == SP_OK && v < voxels; v++) {
		double p[3], at[3], gy;

		sp_grid_centre(p, grid, v);
		for (int a = 0; a < 3; a++)
			at[a] = back[a][0] * p[0] + back[a][1] * p[1] + back[a][2] * p[2] + back[a][3];
		beyond[v] = !sp_dose_at(&gy, &dose, at);
		if (!beyond[v])
			out->eqd2_gy[v] = (float)sp_eqd2_gy(fmax(0.0, gy), o->fractions, SP_ALPHA_BETA_CORD);
	}
	if (st == SP_OK)
		st = warn_beyond(beyond, o, c, grid, err);
	if (st == SP_OK && o->recovery > 0.0)
		sp_log_warning(
		        "%.0f %% of the earlier dose are taken as recovered: an assumption of yours; the published "
		        "rules know none and are checked without it",
		        100.0 * o->recovery);
	free(beyond);
	sp_dose_finish(&dose);
	if (st != SP_OK)
		sp_earlier_dose_finish(out);
	return st;
}

void sp_earlier_dose_finish(sp_earlier_dose *e)
{
	free(e->eqd2_gy);
	e->eqd2_gy = NULL;
}

double sp_budget_gy(const sp_earlier_options *o, double earlier_eqd2_gy, double cap_eqd2_gy, double fractions)
{
	double left = fmin(o->total_eqd2_gy - (1.0 - o->recovery) * earlier_eqd2_gy, cap_eqd2_gy);

	/* EQD2 with alpha/beta 2 is half of the BED */
	return left > 0.0 ? sp_dose_of_bed_gy(2.0 * left, fractions, SP_ALPHA_BETA_CORD) : 0.0;
}
