#include "least_squares.h"

#include "alloc.h"

#include <gsl/gsl_blas.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_linalg.h>
#include <gsl/gsl_multifit_nlinear.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
	const sp_least_squares *job;
	double *slopes;
	sp_status st;
	sp_error *err;
} bridge;

sp_status sp_least_squares_slopes(double *out, const double *u, const sp_least_squares *job, sp_error *err)
{
	size_t n = job->n_residuals, p = job->n_parameters;
	double *here = sp_alloc_array(n, sizeof *here), *there = sp_alloc_array(n, sizeof *there),
	       *moved = sp_alloc_array(p, sizeof *moved);
	sp_status st;

	if (!here || !there || !moved)
		st = sp_fail(err, SP_NO_MEMORY, "no memory for %zu residuals", n);
	else
		st = job->residuals(here, u, job->context, err);
	for (size_t k = 0; st == SP_OK && k < p; k++) {
		memcpy(moved, u, p * sizeof *moved);
		moved[k] += job->step;
		if ((st = job->residuals(there, moved, job->context, err)) != SP_OK)
			break;
		for (size_t i = 0; i < n; i++)
			out[i * p + k] = (there[i] - here[i]) / job->step;
	}
	free(here);
	free(there);
	free(moved);
	return st;
}

static int residuals(const gsl_vector *x, void *context, gsl_vector *f)
{
	bridge *b = context;

	b->st = b->job->residuals(f->data, x->data, b->job->context, b->err);
	return b->st == SP_OK ? GSL_SUCCESS : GSL_EBADFUNC;
}

static int slopes(const gsl_vector *x, void *context, gsl_matrix *j)
{
	bridge *b = context;
	size_t p = b->job->n_parameters;

	b->st = sp_least_squares_slopes(b->slopes, x->data, b->job, b->err);
	for (size_t i = 0; b->st == SP_OK && i < b->job->n_residuals; i++)
		for (size_t k = 0; k < p; k++)
			gsl_matrix_set(j, i, k, b->slopes[i * p + k]);
	return b->st == SP_OK ? GSL_SUCCESS : GSL_EBADFUNC;
}

static double sum_of_squares(const gsl_vector *f)
{
	double sum;

	gsl_blas_ddot(f, f, &sum);
	return sum;
}

/* Until no parameter moves. */
static sp_status iterate(sp_least_squares_result *out, gsl_multifit_nlinear_workspace *w, bridge *b, sp_error *err)
{
	const sp_least_squares *job = b->job;
	double chi2 = sum_of_squares(gsl_multifit_nlinear_residual(w));

	out->chi2_start = chi2;
	for (out->n_iterations = 1; out->n_iterations <= job->most_iterations; out->n_iterations++) {
		int status = gsl_multifit_nlinear_iterate(w);
		double now = sum_of_squares(gsl_multifit_nlinear_residual(w)), most = 0.0;

		if (b->st != SP_OK)
			return b->st;
		if (status == GSL_ENOPROG) /* no step makes it smaller: as good as the numbers are */
			return SP_OK;
		if (status != GSL_SUCCESS)
			return sp_fail(err, SP_FAILED, "the fit failed: %s", gsl_strerror(status));
		for (size_t k = 0; k < job->n_parameters; k++)
			most = fmax(most, fabs(gsl_vector_get(w->dx, k)));
		if (most <= job->close_enough || chi2 - now <= 1e-6 * chi2)
			return SP_OK;
		chi2 = now;
	}
	return sp_fail(err, SP_FAILED, "the fit has not come to rest after %zu steps", job->most_iterations);
}

static sp_status run(sp_least_squares_result *out, gsl_multifit_nlinear_workspace *w, bridge *b, sp_error *err)
{
	const sp_least_squares *job = b->job;
	gsl_vector_view start = gsl_vector_view_array(out->u, job->n_parameters);
	gsl_matrix_view covariance = gsl_matrix_view_array(out->covariance, job->n_parameters, job->n_parameters);
	gsl_multifit_nlinear_fdf f = {
	        .f = residuals, .df = slopes, .n = job->n_residuals, .p = job->n_parameters, .params = b};
	sp_status st;

	if (gsl_multifit_nlinear_init(&start.vector, &f, w) != GSL_SUCCESS)
		return b->st != SP_OK ? b->st : sp_fail(err, SP_FAILED, "the fit cannot begin");
	if ((st = iterate(out, w, b, err)) != SP_OK)
		return st;
	memcpy(out->u, gsl_multifit_nlinear_position(w)->data, job->n_parameters * sizeof *out->u);
	out->chi2 = sum_of_squares(gsl_multifit_nlinear_residual(w));
	if (gsl_multifit_nlinear_covar(gsl_multifit_nlinear_jac(w), 0.0, &covariance.matrix) != GSL_SUCCESS)
		return sp_fail(err, SP_FAILED, "the fit's covariance cannot be computed");
	return SP_OK;
}

sp_status sp_least_squares_fit(sp_least_squares_result *out, const sp_least_squares *job, sp_error *err)
{
	gsl_multifit_nlinear_parameters how = gsl_multifit_nlinear_default_parameters();
	gsl_error_handler_t *handler = gsl_set_error_handler_off();
	gsl_multifit_nlinear_workspace *w =
	        gsl_multifit_nlinear_alloc(gsl_multifit_nlinear_trust, &how, job->n_residuals, job->n_parameters);
	bridge b = {.job = job, .err = err};
	sp_status st;

	b.slopes = sp_alloc_array(job->n_residuals * job->n_parameters, sizeof *b.slopes);
	st = w && b.slopes ? run(out, w, &b, err)
	                   : sp_fail(err, SP_NO_MEMORY, "no memory for a fit of %zu points", job->n_residuals);
	if (w)
		gsl_multifit_nlinear_free(w);
	gsl_set_error_handler(handler);
	free(b.slopes);
	return st;
}

sp_status sp_least_squares_errors(double *out, const double *slopes, size_t n_residuals, size_t n_parameters,
                                  const size_t *listed, size_t n_listed, sp_error *err)
{
	gsl_error_handler_t *handler = gsl_set_error_handler_off();
	gsl_matrix *normal = gsl_matrix_calloc(n_listed, n_listed);
	bool good = normal != NULL;

	for (size_t i = 0; good && i < n_residuals; i++)
		for (size_t a = 0; a < n_listed; a++)
			for (size_t b = 0; b < n_listed; b++)
				*gsl_matrix_ptr(normal, a, b) +=
				        slopes[i * n_parameters + listed[a]] * slopes[i * n_parameters + listed[b]];
	if (!good) {
		gsl_set_error_handler(handler);
		return sp_fail(err, SP_NO_MEMORY, "no memory for a covariance");
	}
	good = gsl_linalg_cholesky_decomp1(normal) == GSL_SUCCESS && gsl_linalg_cholesky_invert(normal) == GSL_SUCCESS;
	for (size_t a = 0; a < n_listed; a++) {
		double variance = good ? gsl_matrix_get(normal, a, a) : INFINITY;

		out[a] = variance >= 0.0 ? sqrt(variance) : INFINITY;
	}
	gsl_matrix_free(normal);
	gsl_set_error_handler(handler);
	return SP_OK;
}
