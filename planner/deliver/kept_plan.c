#include "kept_plan.h"

#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "log.h"

void sp_kept_plan_finish(sp_kept_plan *k)
{
	free(k->x);
	free(k->weights);
	free(k->dose_gy);
	free(k->sigma_gy);
	free(k->rows_dose);
	free(k->offset);
}

sp_status sp_keep_plan(sp_kept_plan *k, const sp_deliver_job *j, double miss_gy)
{
	const sp_fluence_plan *plan = j->session.plan;
	size_t n = j->fields->n_variables, bixels = plan->beams->n_bixels, voxels = sp_grid_voxels(&plan->dose_grid);
	const size_t rows = plan->n_rows;

	if (!k->x) {
		k->x = sp_alloc_array(n, sizeof *k->x);
		k->weights = sp_alloc_array(bixels, sizeof *k->weights);
		k->dose_gy = sp_alloc_array(voxels, sizeof *k->dose_gy);
		k->sigma_gy = sp_alloc_array(voxels, sizeof *k->sigma_gy);
		k->rows_dose = sp_alloc_array(rows, sizeof *k->rows_dose);
		k->offset = sp_alloc_array(rows, sizeof *k->offset);
		if (!k->x || !k->weights || !k->dose_gy || !k->sigma_gy || !k->rows_dose || !k->offset) {
			sp_kept_plan_finish(k);
			*k = (sp_kept_plan){0};
			return sp_fail(j->err, SP_NO_MEMORY, "no memory to keep a plan");
		}
	}
	memcpy(k->x, j->map->x, n * sizeof *k->x);
	memcpy(k->weights, plan->weights, bixels * sizeof *k->weights);
	memcpy(k->dose_gy, plan->dose_gy, voxels * sizeof *k->dose_gy);
	memcpy(k->sigma_gy, plan->sigma_gy, voxels * sizeof *k->sigma_gy);
	memcpy(k->rows_dose, j->session.rows_dose, rows * sizeof *k->rows_dose);
	memcpy(k->offset, j->session.offset, rows * sizeof *k->offset);
	k->miss_gy = miss_gy;
	k->mu_factor = j->mu_factor;
	k->uncertainty = plan->uncertainty;
	k->histories = plan->histories;
	k->seed = plan->dose_seed;
	return SP_OK;
}

void sp_take_plan_back(sp_deliver_job *j, const sp_kept_plan *k)
{
	sp_fluence_plan *plan = j->session.plan;
	size_t voxels = sp_grid_voxels(&plan->dose_grid);

	memcpy(j->map->x, k->x, j->fields->n_variables * sizeof *k->x);
	memcpy(plan->weights, k->weights, plan->beams->n_bixels * sizeof *k->weights);
	memcpy(plan->dose_gy, k->dose_gy, voxels * sizeof *k->dose_gy);
	memcpy(plan->sigma_gy, k->sigma_gy, voxels * sizeof *k->sigma_gy);
	memcpy(j->session.rows_dose, k->rows_dose, plan->n_rows * sizeof *k->rows_dose);
	memcpy(j->session.offset, k->offset, plan->n_rows * sizeof *k->offset);
	j->mu_factor = k->mu_factor;
	plan->uncertainty = k->uncertainty;
	plan->histories = k->histories;
	plan->dose_seed = k->seed;
	sp_log_info("an earlier plan missed its worst hard limit by %.2f Gy only: it is the one kept", k->miss_gy);
}
