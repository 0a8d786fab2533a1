#include "fluence_problem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"

#define ITEMS 512 /* work-items that sum; fixed, so that sums are the same whatever the device's width */
#define GROUP 8

/* ---- sums and slopes on the device ---- */

/* Reads the sums of n kinds that each of `items` work-items left and adds them in order. */
static sp_status collect_sums(sp_fluence_problem *p, double *out, size_t n, size_t items)
{
	bool fp64 = sp_device_describe(p->device)->has_fp64;
	const float *pairs = (const float *)p->sums; /* without fp64: value and what it lacks */
	sp_status st = sp_buffer_read(p->device, p->sums_buffer, 0, items * n * 8, p->sums, p->err);

	memset(out, 0, n * sizeof *out);
	for (size_t i = 0; st == SP_OK && i < items * n; i++)
		out[i % n] += fp64 ? p->sums[i] : (double)pairs[2 * i] + (double)pairs[2 * i + 1];
	return st;
}

static size_t items_for(size_t n, cl_uint *per_item)
{
	*per_item = (cl_uint)((n + ITEMS - 1) / ITEMS);
	if (*per_item == 0)
		*per_item = 1;
	return ITEMS;
}

static sp_status launch(sp_fluence_problem *p, cl_kernel k, const sp_argument *arguments, cl_uint n, size_t global,
                        size_t local)
{
	sp_status st = sp_kernel_set_all(k, arguments, n, p->err);

	return st == SP_OK && global ? sp_device_launch(p->device, k, global, local, p->err) : st;
}

/* Value, slope and curvature of g = max(0, +-(gEUD - dose))^2 times the weight, from sums of powers. */
typedef struct {
	double value, slope, curvature;
	float slope_factor; /* for geud_slopes */
} geud_cost;

static geud_cost geud_from_sums(const sp_geud_part *g, const double sums[3])
{
	double a = g->term->term->a, sign = a < 0.0 ? -1.0 : 1.0, weight = g->term->term->weight;
	double geud = g->reference_gy * pow(sums[0], 1.0 / a), miss = sign * (geud - g->term->term->dose_gy);
	double slope = geud * sums[1] / (a * sums[0]);
	double curvature = geud / a * ((1.0 / a - 1.0) * pow(sums[1] / sums[0], 2.0) + sums[2] / sums[0]);
	geud_cost cost = {0};

	if (!(miss > 0.0))
		return cost;
	cost.value = weight * miss * miss;
	cost.slope = 2.0 * weight * miss * sign * slope;
	cost.curvature = 2.0 * weight * (slope * slope + miss * sign * curvature);
	cost.slope_factor = (float)(2.0 * weight * miss * sign * pow(sums[0], 1.0 / a - 1.0));
	return cost;
}

static sp_status geud_at(sp_fluence_problem *p, sp_geud_part *g, float step, geud_cost *out)
{
	float a = (float)g->term->term->a;
	cl_uint per_item;
	size_t items = items_for(g->n, &per_item);
	const sp_argument arguments[] = {
	        SP_ARG(p->sums_buffer), SP_ARG(g->n),     SP_ARG(per_item), SP_ARG(g->rows), SP_ARG(g->volumes),
	        SP_ARG(p->dose),        SP_ARG(p->along), SP_ARG(step),     SP_ARG(a),       SP_ARG(g->reference_gy)};
	double sums[3];
	sp_status st;

	if ((st = launch(p, p->geud_along, arguments, 10, items, GROUP)) == SP_OK &&
	    (st = collect_sums(p, sums, 3, items)) == SP_OK)
		*out = geud_from_sums(g, sums);
	return st;
}

/* A cost of a mean dose and its derivatives by that dose. */
typedef struct {
	double value, slope, curvature;
} mean_cost;

static mean_cost cost_of_mean(const sp_term_state *t, double mean_gy)
{
	const double weight = t->is_limit ? t->penalty : t->term->weight;
	const double miss = fmax(0.0, mean_gy - t->term->dose_gy + t->inset_gy + t->sum_shift_gy);

	if (t->term->kind == SP_MEAN_DOSE)
		return (mean_cost){weight * mean_gy, weight, 0.0};
	return (mean_cost){weight * miss * miss, 2.0 * weight * miss, miss > 0.0 ? 2.0 * weight : 0.0};
}

/* Objectives, limits, slope and curvature at a step along the line. */
static sp_status cost_at(sp_fluence_problem *p, double step, double out[SP_COST_SUMS])
{
	float device_step = (float)step;
	cl_uint n = (cl_uint)p->n_work, per_item;
	size_t items = items_for(p->n_work, &per_item);
	const sp_argument arguments[] = {
	        SP_ARG(p->sums_buffer), SP_ARG(n),       SP_ARG(per_item), SP_ARG(p->cost_begin_buffer),
	        SP_ARG(p->cost_buffer), SP_ARG(p->dose), SP_ARG(p->along), SP_ARG(device_step)};
	sp_status st;

	if ((st = launch(p, p->cost_along, arguments, 8, items, GROUP)) != SP_OK ||
	    (st = collect_sums(p, out, SP_COST_SUMS, items)) != SP_OK)
		return st;
	for (size_t k = 0; k < p->n_means; k++) {
		const sp_mean_part *m = &p->means[k];
		double mean = m->here_gy + step * m->along_gy;
		mean_cost cost = cost_of_mean(m->term, mean);

		out[m->term->is_limit ? 1 : 0] += cost.value;
		out[2] += cost.slope * m->along_gy;
		out[3] += cost.curvature * m->along_gy * m->along_gy;
	}
	for (size_t k = 0; k < p->n_geuds; k++) {
		geud_cost cost;

		if ((st = geud_at(p, &p->geuds[k], device_step, &cost)) != SP_OK)
			return st;
		out[0] += cost.value;
		out[2] += cost.slope;
		out[3] += cost.curvature;
	}
	return SP_OK;
}

/* gradient = D^T (slopes of the voxels) + the terms that are linear in the weights. */
static sp_status gradient_here(sp_fluence_problem *p, gsl_vector *gradient)
{
	cl_uint n = (cl_uint)p->n_work;
	const sp_argument arguments[] = {SP_ARG(p->slope), SP_ARG(n), SP_ARG(p->cost_begin_buffer),
	                                 SP_ARG(p->cost_buffer), SP_ARG(p->dose)};
	sp_status st = launch(p, p->cost_slopes, arguments, 5, p->n_work, 0);

	for (size_t k = 0; st == SP_OK && k < p->n_geuds; k++) {
		sp_geud_part *g = &p->geuds[k];
		float a = (float)g->term->term->a;
		geud_cost cost;

		if ((st = geud_at(p, g, 0.0f, &cost)) == SP_OK) {
			const sp_argument geud[] = {
			        SP_ARG(p->slope), SP_ARG(g->n), SP_ARG(g->rows),         SP_ARG(g->volumes),
			        SP_ARG(p->dose),  SP_ARG(a),    SP_ARG(g->reference_gy), SP_ARG(cost.slope_factor)};
			st = launch(p, p->geud_slopes, geud, 8, g->n, 0);
		}
	}
	p->products++;
	if (st != SP_OK || (st = sp_influence_multiply_transposed(p->work, p->column_out, p->slope, p->err)) != SP_OK ||
	    (st = sp_buffer_read(p->device, p->column_out, 0, p->n_columns * sizeof(float), p->column_floats,
	                         p->err)) != SP_OK)
		return st;
	for (size_t j = 0; j < p->n_columns; j++)
		gsl_vector_set(gradient, j, p->column_floats[j]);
	for (size_t k = 0; k < p->n_means; k++) {
		const sp_mean_part *m = &p->means[k];
		double slope = cost_of_mean(m->term, m->here_gy).slope;

		for (size_t j = 0; j < p->n_columns; j++)
			*gsl_vector_ptr(gradient, j) += slope * m->column[j];
	}
	return SP_OK;
}

static sp_status write_columns(sp_fluence_problem *p, const double *values)
{
	for (size_t j = 0; j < p->n_columns; j++)
		p->column_floats[j] = (float)values[j];
	return sp_buffer_write(p->device, p->column_in, 0, p->n_columns * sizeof(float), p->column_floats, p->err);
}

static sp_status move_dose(sp_fluence_problem *p, cl_mem along, float step)
{
	cl_uint n = (cl_uint)p->n_work;
	const sp_argument arguments[] = {SP_ARG(p->dose), SP_ARG(n), SP_ARG(along), SP_ARG(step)};

	return launch(p, p->move_dose, arguments, 4, p->n_work, 0);
}

/* After the working dose has changed: fetches it, frees other voxels of DVH objectives, sums the costs and their
 * gradient. */
static sp_status settle(sp_fluence_problem *p, double *value, gsl_vector *gradient)
{
	bool costs_changed = false;
	double sums[SP_COST_SUMS];
	sp_status st = sp_buffer_read(p->device, p->dose, 0, p->n_work * sizeof(float), p->work_dose_gy, p->err);

	for (size_t row = 0; st == SP_OK && row < p->n_work; row++)
		p->dose_gy[p->work_rows[row]] = p->work_dose_gy[row];
	for (size_t k = 0; st == SP_OK && k < p->n_terms; k++)
		if (p->terms[k].is_dvh && !p->terms[k].is_limit) {
			st = sp_term_choose_free(&p->terms[k], p->dose_gy, p->err);
			costs_changed = true;
		}
	for (size_t k = 0; k < p->n_geuds; k++)
		p->geuds[k].reference_gy = fmaxf(1e-3f, (float)sp_term_mean_gy(p->geuds[k].term, p->dose_gy));
	if (st == SP_OK && costs_changed)
		st = sp_fluence_update_costs(p);
	if (st != SP_OK || (st = cost_at(p, 0.0, sums)) != SP_OK || (st = gradient_here(p, gradient)) != SP_OK)
		return st;
	p->objective = sums[0];
	p->limit_cost = sums[1];
	*value = sums[0] + sums[1];
	return SP_OK;
}

/* ---- what the minimiser calls ---- */

static int answer(sp_fluence_problem *p, sp_status st)
{
	p->status = st;
	return st == SP_OK ? GSL_SUCCESS : GSL_EFAILED;
}

static int value_and_gradient(void *context, const gsl_vector *x, double *value, gsl_vector *gradient)
{
	sp_fluence_problem *p = context;
	sp_status st;

	for (size_t j = 0; j < p->n_columns; j++)
		p->weights[j] = gsl_vector_get(x, j);
	for (size_t k = 0; k < p->n_means; k++) {
		p->means[k].here_gy = p->means[k].offset_gy;
		p->means[k].along_gy = 0.0;
		for (size_t j = 0; j < p->n_columns; j++)
			p->means[k].here_gy += p->means[k].column[j] * p->weights[j];
	}
	p->products++;
	if ((st = write_columns(p, p->weights)) == SP_OK &&
	    (st = sp_influence_multiply(p->work, p->dose, p->column_in, p->err)) == SP_OK &&
	    (st = move_dose(p, p->offset, 1.0f)) == SP_OK)
		st = settle(p, value, gradient);
	return answer(p, st);
}

/* sum_k D_ik D_jk c_k over j, an upper bound on the Hessian's diagonal that needs no squared matrix and holds as a
 * whole: diag(D^T C D 1) - D^T C D is positive semidefinite (De Pierro 1995). */
static int diagonal(void *context, gsl_vector *out)
{
	sp_fluence_problem *p = context;
	cl_uint n = (cl_uint)p->n_work;
	const sp_argument arguments[] = {SP_ARG(p->slope),       SP_ARG(n),       SP_ARG(p->cost_begin_buffer),
	                                 SP_ARG(p->cost_buffer), SP_ARG(p->dose), SP_ARG(p->ones_dose)};
	sp_status st = launch(p, p->cost_curvatures, arguments, 6, p->n_work, 0);

	p->products++;
	if (st == SP_OK && (st = sp_influence_multiply_transposed(p->work, p->column_out, p->slope, p->err)) == SP_OK &&
	    (st = sp_buffer_read(p->device, p->column_out, 0, p->n_columns * sizeof(float), p->column_floats,
	                         p->err)) == SP_OK)
		for (size_t j = 0; j < p->n_columns; j++)
			gsl_vector_set(out, j, p->column_floats[j]);
	return answer(p, st);
}

sp_status sp_fluence_curvature(sp_fluence_problem *p, double *out, const double *u)
{
	cl_uint n = (cl_uint)p->n_work;
	const sp_argument arguments[] = {SP_ARG(p->slope),       SP_ARG(n),       SP_ARG(p->cost_begin_buffer),
	                                 SP_ARG(p->cost_buffer), SP_ARG(p->dose), SP_ARG(p->along)};
	sp_status st;

	p->products += 2;
	if ((st = write_columns(p, u)) != SP_OK ||
	    (st = sp_influence_multiply(p->work, p->along, p->column_in, p->err)) != SP_OK ||
	    (st = launch(p, p->cost_curvatures, arguments, 6, p->n_work, 0)) != SP_OK ||
	    (st = sp_influence_multiply_transposed(p->work, p->column_out, p->slope, p->err)) != SP_OK ||
	    (st = sp_buffer_read(p->device, p->column_out, 0, p->n_columns * sizeof(float), p->column_floats,
	                         p->err)) != SP_OK)
		return st;
	for (size_t j = 0; j < p->n_columns; j++)
		out[j] = p->column_floats[j];
	return SP_OK;
}

static int begin_line(void *context, const gsl_vector *direction)
{
	sp_fluence_problem *p = context;
	sp_status st;

	for (size_t k = 0; k < p->n_means; k++) {
		p->means[k].along_gy = 0.0;
		for (size_t j = 0; j < p->n_columns; j++)
			p->means[k].along_gy += p->means[k].column[j] * gsl_vector_get(direction, j);
	}
	for (size_t j = 0; j < p->n_columns; j++)
		p->column_floats[j] = (float)gsl_vector_get(direction, j);
	p->products++;
	st = sp_buffer_write(p->device, p->column_in, 0, p->n_columns * sizeof(float), p->column_floats, p->err);
	if (st == SP_OK)
		st = sp_influence_multiply(p->work, p->along, p->column_in, p->err);
	return answer(p, st);
}

static int along_line(void *context, double step, double *value, double *slope, double *curvature)
{
	sp_fluence_problem *p = context;
	double sums[SP_COST_SUMS];
	sp_status st = cost_at(p, step, sums);

	if (st == SP_OK) {
		*value = sums[0] + sums[1];
		*slope = sums[2];
		*curvature = sums[3];
	}
	return answer(p, st);
}

static int end_line(void *context, const gsl_vector *x, double step, double *value, gsl_vector *gradient)
{
	sp_fluence_problem *p = context;
	sp_status st;

	for (size_t j = 0; j < p->n_columns; j++)
		p->weights[j] = gsl_vector_get(x, j);
	for (size_t k = 0; k < p->n_means; k++)
		p->means[k].here_gy += step * p->means[k].along_gy;
	if ((st = move_dose(p, p->along, (float)step)) == SP_OK)
		st = settle(p, value, gradient);
	return answer(p, st);
}

/* ---- all rows ---- */

sp_status sp_fluence_full_dose(sp_fluence_problem *p, const double *weights)
{
	sp_status st;

	p->products++;
	if ((st = write_columns(p, weights)) != SP_OK ||
	    (st = sp_influence_multiply(p->matrix, p->full_dose, p->column_in, p->err)) != SP_OK ||
	    (st = sp_buffer_read(p->device, p->full_dose, 0, p->n_rows * sizeof(float), p->dose_gy, p->err)) != SP_OK)
		return st;
	for (size_t row = 0; p->offset_gy && row < p->n_rows; row++)
		p->dose_gy[row] += p->offset_gy[row];
	return SP_OK;
}

sp_status sp_fluence_reached_columns(sp_fluence_problem *p, double *out)
{
	sp_status st;

	memset(p->work_dose_gy, 0, p->n_rows * sizeof *p->work_dose_gy);
	for (size_t k = 0; k < p->n_terms; k++)
		for (size_t i = 0; i < p->terms[k].term->n; i++)
			p->work_dose_gy[p->terms[k].term->rows[i]] = 1.0f;
	p->products++;
	if ((st = sp_buffer_write(p->device, p->full_dose, 0, p->n_rows * sizeof(float), p->work_dose_gy, p->err)) !=
	            SP_OK ||
	    (st = sp_influence_multiply_transposed(p->matrix, p->column_out, p->full_dose, p->err)) != SP_OK ||
	    (st = sp_buffer_read(p->device, p->column_out, 0, p->n_columns * sizeof(float), p->column_floats,
	                         p->err)) != SP_OK)
		return st;
	for (size_t j = 0; j < p->n_columns; j++)
		out[j] = p->column_floats[j] > 0.0f;
	return SP_OK;
}

sp_status sp_fluence_objective(sp_fluence_problem *p, double *out)
{
	sp_status st = SP_OK;

	*out = 0.0;
	for (size_t k = 0; st == SP_OK && k < p->n_terms; k++) {
		if (!p->terms[k].is_limit)
			st = sp_term_choose_free(&p->terms[k], p->dose_gy, p->err);
		*out += sp_term_objective(&p->terms[k], p->dose_gy);
	}
	return st;
}

/* ---- making and ending ---- */

static double mean_offset_gy(const sp_fluence_problem *p, const sp_term_state *t)
{
	double sum = 0.0;

	for (size_t i = 0; p->offset_gy && i < t->term->n; i++)
		sum += t->term->volumes[i] / t->volume * p->offset_gy[t->term->rows[i]];
	return sum;
}

void sp_fluence_offset_changed(sp_fluence_problem *p)
{
	for (size_t k = 0; k < p->n_means; k++)
		p->means[k].offset_gy = mean_offset_gy(p, p->means[k].term);
}

/* Means are linear in the weights: one transposed product with the whole matrix now saves their rows later. */
static sp_status make_mean(sp_fluence_problem *p, sp_mean_part *m, sp_term_state *t, float *row_values)
{
	sp_status st;

	m->term = t;
	if (!(m->column = sp_alloc_array(p->n_columns, sizeof(double))))
		return sp_fail(p->err, SP_NO_MEMORY, "out of memory for the mean dose of %s", t->term->name);
	memset(row_values, 0, p->n_rows * sizeof *row_values);
	for (size_t i = 0; i < t->term->n; i++) {
		double share = t->term->volumes[i] / t->volume;

		row_values[t->term->rows[i]] = (float)share;
	}
	m->offset_gy = mean_offset_gy(p, t);
	p->products++;
	if ((st = sp_buffer_write(p->device, p->full_dose, 0, p->n_rows * sizeof(float), row_values, p->err)) !=
	            SP_OK ||
	    (st = sp_influence_multiply_transposed(p->matrix, p->column_out, p->full_dose, p->err)) != SP_OK ||
	    (st = sp_buffer_read(p->device, p->column_out, 0, p->n_columns * sizeof(float), p->column_floats,
	                         p->err)) != SP_OK)
		return st;
	for (size_t j = 0; j < p->n_columns; j++)
		m->column[j] = p->column_floats[j];
	return SP_OK;
}

static sp_status make_sum_parts(sp_fluence_problem *p)
{
	sp_status st = SP_OK;

	for (size_t k = 0; st == SP_OK && k < p->n_terms; k++) {
		sp_term_state *t = &p->terms[k];

		if (!t->is_limit && t->term->weight == 0.0)
			continue;
		if (t->term->kind == SP_GEUD)
			p->geuds[p->n_geuds++].term = t;
		else if (t->is_sum)
			st = make_mean(p, &p->means[p->n_means++], t, p->work_dose_gy);
	}
	return st;
}

static sp_status make_device_part(sp_fluence_problem *p)
{
	const char *options = sp_device_describe(p->device)->has_fp64 ? "-DSP_HAS_FP64" : NULL;
	struct {
		cl_kernel *kernel;
		const char *name;
	} kernels[] = {{&p->cost_along, "cost_along"},           {&p->cost_slopes, "cost_slopes"},
	               {&p->cost_curvatures, "cost_curvatures"}, {&p->move_dose, "move_dose"},
	               {&p->geud_along, "geud_along"},           {&p->geud_slopes, "geud_slopes"}};
	struct {
		cl_mem *buffer;
		size_t bytes;
		const char *what;
	} buffers[] = {{&p->column_in, p->n_columns * sizeof(float), "weights"},
	               {&p->column_out, p->n_columns * sizeof(float), "gradient"},
	               {&p->sums_buffer, ITEMS * SP_COST_SUMS * 8, "sums of costs"},
	               {&p->full_dose, p->n_rows * sizeof(float), "dose of all voxels"}};
	sp_status st = SP_OK;

	for (size_t i = 0; st == SP_OK && i < sizeof kernels / sizeof *kernels; i++)
		st = sp_device_kernel(kernels[i].kernel, p->device, "objective.cl", kernels[i].name, options, p->err);
	for (size_t i = 0; st == SP_OK && i < sizeof buffers / sizeof *buffers; i++)
		st = sp_buffer_create(buffers[i].buffer, p->device, CL_MEM_READ_WRITE, buffers[i].bytes, NULL,
		                      buffers[i].what, p->err);
	return st;
}

static sp_status make_host_part(sp_fluence_problem *p)
{
	p->dose_gy = sp_alloc_array(p->n_rows, sizeof *p->dose_gy);
	p->work_dose_gy = sp_alloc_array(p->n_rows, sizeof *p->work_dose_gy);
	p->work_rows = sp_alloc_array(p->n_rows, sizeof *p->work_rows);
	p->work_of_row = sp_alloc_array(p->n_rows, sizeof *p->work_of_row);
	p->cost_begin = sp_alloc_array(p->n_rows + 1, sizeof *p->cost_begin);
	p->cost_of_voxel = sp_alloc_array(p->n_terms, sizeof *p->cost_of_voxel);
	p->means = sp_alloc_array(p->n_terms, sizeof *p->means);
	p->geuds = sp_alloc_array(p->n_terms, sizeof *p->geuds);
	p->weights = sp_alloc_array(p->n_columns, sizeof *p->weights);
	p->column_floats = sp_alloc_array(p->n_columns, sizeof *p->column_floats);
	p->sums = sp_alloc_array(ITEMS * SP_COST_SUMS, sizeof *p->sums);
	if (!p->dose_gy || !p->work_dose_gy || !p->work_rows || !p->work_of_row || !p->cost_begin ||
	    !p->cost_of_voxel || !p->means || !p->geuds || !p->weights || !p->column_floats || !p->sums)
		return sp_fail(p->err, SP_NO_MEMORY, "out of memory for the optimisation of %zu voxels", p->n_rows);
	for (size_t k = 0; k < p->n_terms; k++)
		if (!p->terms[k].is_sum &&
		    !(p->cost_of_voxel[k] = sp_alloc_array(p->terms[k].term->n, sizeof **p->cost_of_voxel)))
			return sp_fail(p->err, SP_NO_MEMORY, "out of memory for the %zu voxels of %s",
			               p->terms[k].term->n, p->terms[k].term->name);
	return SP_OK;
}

sp_status sp_fluence_create(sp_fluence_problem **out, sp_influence *matrix, sp_term_state *terms, size_t n_terms,
                            const float *offset_gy, sp_error *err)
{
	sp_fluence_problem *p = calloc(1, sizeof *p);
	sp_status st;

	*out = NULL;
	if (!p)
		return sp_fail(err, SP_NO_MEMORY, "out of memory for the optimisation");
	p->matrix = matrix;
	p->device = sp_influence_device(matrix);
	p->n_rows = sp_influence_rows(matrix);
	p->n_columns = sp_influence_columns(matrix);
	p->terms = terms;
	p->n_terms = n_terms;
	p->offset_gy = offset_gy;
	p->err = err;
	p->line = (sp_line_cost){p, value_and_gradient, diagonal, begin_line, along_line, end_line, NULL};
	if ((st = make_host_part(p)) != SP_OK || (st = make_device_part(p)) != SP_OK ||
	    (st = make_sum_parts(p)) != SP_OK) {
		sp_fluence_destroy(p);
		return st;
	}
	*out = p;
	return SP_OK;
}

void sp_fluence_destroy(sp_fluence_problem *p)
{
	if (!p)
		return;
	cl_mem *buffers[] = {
	        &p->dose,        &p->along,     &p->slope,      &p->offset,      &p->ones_dose, &p->cost_begin_buffer,
	        &p->cost_buffer, &p->column_in, &p->column_out, &p->sums_buffer, &p->full_dose};
	cl_kernel kernels[] = {p->cost_along, p->cost_slopes, p->cost_curvatures,
	                       p->move_dose,  p->geud_along,  p->geud_slopes};

	for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
		sp_buffer_release(buffers[i]);
	for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
		if (kernels[i])
			clReleaseKernel(kernels[i]);
	for (size_t k = 0; p->geuds && k < p->n_geuds; k++) {
		sp_buffer_release(&p->geuds[k].rows);
		sp_buffer_release(&p->geuds[k].volumes);
	}
	for (size_t k = 0; p->means && k < p->n_means; k++)
		free(p->means[k].column);
	for (size_t k = 0; p->cost_of_voxel && k < p->n_terms; k++)
		free(p->cost_of_voxel[k]);
	sp_influence_destroy(p->work);
	free(p->dose_gy);
	free(p->work_dose_gy);
	free(p->work_rows);
	free(p->work_of_row);
	free(p->cost_begin);
	free(p->cost_of_voxel);
	free(p->costs);
	free(p->means);
	free(p->geuds);
	free(p->weights);
	free(p->column_floats);
	free(p->sums);
	free(p);
}
