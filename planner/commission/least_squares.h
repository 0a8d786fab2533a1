/* Weighted nonlinear least squares with GSL's trust region (Levenberg-Marquardt), for functions that are slow and may
 * fail: the derivatives are forward differences with a step that each parameter brings along. */
#ifndef SP_LEAST_SQUARES_H
#define SP_LEAST_SQUARES_H

#include <stddef.h>

#include "status.h"

typedef struct {
	size_t n_residuals, n_parameters;
	/* out: n_residuals, each over its standard uncertainty, for parameters u */
	sp_status (*residuals)(double *out, const double *u, void *context, sp_error *err);
	void *context;
	double step;         /* of a difference, in units of u */
	double close_enough; /* the fit ends when no parameter moves by more */
	size_t most_iterations;
} sp_least_squares;

/* u: start, then the best. covariance: [n_parameters][n_parameters] of residuals with unit variance. chi2: sum of
 * squares at the start and at the end. */
typedef struct {
	double *u, *covariance;
	double chi2_start, chi2;
	size_t n_iterations;
} sp_least_squares_result;

/* SP_FAILED where it does not converge. */
sp_status sp_least_squares_fit(sp_least_squares_result *out, const sp_least_squares *job, sp_error *err);

/* Forward differences: out [n_residuals][n_parameters]. */
sp_status sp_least_squares_slopes(double *out, const double *u, const sp_least_squares *job, sp_error *err);

/* Standard errors of the parameters listed (indices into the columns of slopes, all other parameters held) of residuals
 * with unit variance: n_listed numbers, INFINITY where they cannot be told apart. SP_NO_MEMORY. */
sp_status sp_least_squares_errors(double *out, const double *slopes, size_t n_residuals, size_t n_parameters,
                                  const size_t *listed, size_t n_listed, sp_error *err);

#endif
