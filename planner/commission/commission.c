#include "commission.h"

#include "alloc.h"
#include "least_squares.h"
#include "pencil.h"
#include "progress.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STEP 0.1           /* of a difference, in widths of a parameter: far above the rounding of the doses */
#define CLOSE_ENOUGH 0.002 /* in widths */
#define MOST_STEPS 30
#define KNOWN 0.5        /* in widths: a parameter known worse is held */
#define FEW_DEGREES 20.0 /* of freedom: their chi-square may be small by chance, so that it makes no error smaller */
#define BEYOND 50.0      /* in widths: nothing was measured that a parameter changes */

typedef struct {
	const sp_measured *measured;
	const sp_scan_model *model;
	const sp_commission_options *o;
	sp_fit_machine fit;
	sp_superposer *superposer;
	double start[SP_FIT_PARAMETERS], values[SP_FIT_PARAMETERS];
	int free[SP_FIT_PARAMETERS];
	/* of the stage that is fitted: which scans, which parameters */
	bool leaves;
	size_t columns[SP_FIT_PARAMETERS], n_columns, n_residuals, n_scans;
	double *computed; /* room for the points of the largest scan */
	sp_progress progress;
	size_t n_evaluated;
	/* what the beam's scans have told: parameters, and their covariance in widths */
	size_t n_beam, beam[SP_FIT_PARAMETERS];
	double covariance[SP_FIT_PARAMETERS * SP_FIT_PARAMETERS];
} job;

static bool takes_part(const job *j, const sp_measured_scan *s)
{
	return j->leaves ? s->kind == SP_MEASURED_SWEEP
	                 : s->kind == SP_MEASURED_DEPTH || s->kind == SP_MEASURED_PROFILE ||
	                           (s->kind == SP_MEASURED_OUTPUT && s->n > 1);
}

static size_t points_of(const sp_measured_scan *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += sp_point_counts(s, i);
	return n;
}

/* The machine for parameters in widths from the start. */
static void apply(job *j, const double *u)
{
	for (size_t k = 0; k < j->n_columns; k++)
		j->values[j->columns[k]] = j->start[j->columns[k]] + u[k] * sp_fit_parameters[j->columns[k]].width;
	sp_fit_apply(&j->fit, j->values, j->free);
}

/* Measured less computed, over the uncertainty, each scan under its own scale. */
static sp_status residuals(double *out, const double *u, void *context, sp_error *err)
{
	job *j = context;
	sp_status st = SP_OK;

	apply(j, u);
	for (size_t k = 0; st == SP_OK && k < j->measured->n; k++) {
		const sp_measured_scan *s = j->measured->scans + k;
		double scale;

		if (!takes_part(j, s))
			continue;
		if ((st = sp_scan_dose(j->computed, j->model, j->fit.m, s, err)) != SP_OK)
			break;
		scale = sp_best_scale(s, j->computed, j->o->uncertainty);
		for (size_t i = 0; i < s->n; i++)
			if (sp_point_counts(s, i))
				*out++ = (s->points[i].dose - scale * j->computed[i]) /
				         sp_point_sigma(s, i, j->o->uncertainty);
	}
	j->n_evaluated++;
	sp_progress_show(&j->progress, 1.0 - 1.0 / (1.0 + (double)j->n_evaluated / 40.0), NULL);
	return st;
}

static sp_least_squares problem(job *j)
{
	return (sp_least_squares){j->n_residuals, j->n_columns, residuals, j, STEP, CLOSE_ENOUGH, MOST_STEPS};
}

/* Goes through the stage's parameters in their order and keeps those that the measurements tell apart. */
static sp_status choose(job *j, sp_commission *out, sp_error *err)
{
	size_t all = j->n_columns, listed[SP_FIT_PARAMETERS], n = 0;
	double *slopes = sp_alloc_array(j->n_residuals * all, sizeof *slopes), u[SP_FIT_PARAMETERS] = {0};
	sp_least_squares p = problem(j);
	sp_status st = slopes ? sp_least_squares_slopes(slopes, u, &p, err)
	                      : sp_fail(err, SP_NO_MEMORY, "no memory for %zu points", j->n_residuals);

	for (size_t k = 0; st == SP_OK && k < all; k++) {
		sp_fit_result *r = out->parameters + j->columns[k];
		double errors[SP_FIT_PARAMETERS];
		bool known = n + 1 + (j->leaves ? 0 : j->n_scans) < j->n_residuals;

		listed[n] = k;
		if ((st = sp_least_squares_errors(errors, slopes, j->n_residuals, all, listed, n + 1, err)) != SP_OK)
			break;
		for (size_t i = 0; i <= n; i++)
			known = known && errors[i] <= KNOWN;
		r->error = errors[n] * sp_fit_parameters[j->columns[k]].width;
		r->state = known ? SP_FIT_FOUND : errors[n] < BEYOND ? SP_FIT_HELD : SP_FIT_NOT_MEASURED;
		j->free[j->columns[k]] = known;
		n += known;
	}
	memset(u, 0, sizeof u);
	apply(j, u); /* the last difference is taken back */
	j->n_columns = n;
	for (size_t i = 0; i < n; i++) /* ascending, so that nothing is overwritten that is still to come */
		j->columns[i] = j->columns[listed[i]];
	free(slopes);
	return st;
}

static bool at_limit(const sp_fit_parameter *p, double value)
{
	return value <= p->low || value >= p->high;
}

/* What a covariance of residuals with unit variance is multiplied by. */
static double spread(double chi2, size_t degrees)
{
	return (double)degrees < FEW_DEGREES ? fmax(chi2, 1.0) : chi2;
}

static sp_status fit_chosen(job *j, sp_commission *out, double *chi2_start, double *chi2, sp_error *err)
{
	size_t n = j->n_columns, degrees = j->n_residuals - n - (j->leaves ? 0 : j->n_scans);
	double u[SP_FIT_PARAMETERS] = {0}, covariance[SP_FIT_PARAMETERS * SP_FIT_PARAMETERS] = {0}, scale;
	sp_least_squares_result r = {.u = u, .covariance = covariance};
	sp_least_squares p = problem(j);
	sp_status st = sp_least_squares_fit(&r, &p, err);

	if (st != SP_OK)
		return st;
	*chi2_start = r.chi2_start / (double)degrees;
	*chi2 = r.chi2 / (double)degrees;
	scale = spread(*chi2, degrees);
	if (!j->leaves) {
		j->n_beam = n;
		memcpy(j->beam, j->columns, n * sizeof *j->beam);
		for (size_t k = 0; k < n * n; k++)
			j->covariance[k] = scale * covariance[k];
	}
	apply(j, u);
	for (size_t k = 0; k < n; k++) {
		size_t i = j->columns[k];
		sp_fit_result *f = out->parameters + i;

		f->value = fmin(fmax(j->values[i], sp_fit_parameters[i].low), sp_fit_parameters[i].high);
		f->error = sqrt(covariance[k * n + k] * scale) * sp_fit_parameters[i].width;
		if (at_limit(sp_fit_parameters + i, j->values[i]))
			*f = (sp_fit_result){SP_FIT_AT_LIMIT, f->start, f->value, INFINITY};
		j->values[i] = f->value;
	}
	out->n_free += n;
	return SP_OK;
}

/* One stage: the beam's parameters by its scans, or the leaves' by the sweeps. */
static sp_status fit_stage(job *j, sp_commission *out, bool leaves, sp_error *err)
{
	double unused, *chi2_start = leaves ? &unused : &out->chi2_start,
	               *chi2 = leaves ? &out->leaves_chi2 : &out->chi2;
	sp_status st;

	j->leaves = leaves;
	j->n_columns = j->n_residuals = j->n_scans = 0;
	for (size_t i = 0; i < j->measured->n; i++)
		if (takes_part(j, j->measured->scans + i)) {
			j->n_residuals += points_of(j->measured->scans + i);
			j->n_scans++;
		}
	for (size_t i = leaves ? SP_FIT_FIRST_OF_LEAVES : 0; i < (leaves ? SP_FIT_PARAMETERS : SP_FIT_FIRST_OF_LEAVES);
	     i++)
		if (!j->o->hold || !j->o->hold[i])
			j->columns[j->n_columns++] = i;
	out->n_points += j->n_residuals;
	if (j->n_residuals == 0 || j->n_columns == 0)
		return SP_OK;
	for (size_t k = 0; k < j->n_columns; k++) /* a fluence's slope is that of the radius alone while all are free */
		j->free[j->columns[k]] = 1;
	if ((st = choose(j, out, err)) != SP_OK || j->n_columns == 0)
		return st;
	return fit_chosen(j, out, chi2_start, chi2, err);
}

/* The dose of 1 MU (Gy) where the machine file's reference is, times what makes it the file's. */
static sp_status reference_dose(double *gy, const job *j, const sp_machine *m, sp_error *err)
{
	const sp_machine_reference *r = &m->reference;
	sp_measured_point p = {.field_mm = {r->field_mm, r->field_mm}, .depth_mm = r->depth_mm};
	const sp_measured_scan s = {.kind = SP_MEASURED_ABSOLUTE, .ssd_mm = r->ssd_mm, .n = 1, .points = &p};

	return sp_scan_dose(gy, j->model, m, &s, err);
}

/* Superposed kernels and those of a table differ by a few tenths of a percent; Monte Carlo knows no kernels. What the
 * pencil beam is multiplied by takes it up, so that the photons of a monitor unit stay what they are. */
static sp_status match_kernels(job *j, const char *machine, sp_error *err)
{
	sp_machine *start = NULL;
	double before, now;
	sp_status st = sp_machine_read(&start, machine, err);

	if (st == SP_OK && (st = reference_dose(&before, j, start, err)) == SP_OK &&
	    (st = reference_dose(&now, j, j->fit.m, err)) == SP_OK)
		j->fit.m->pencil_output *= before / now;
	sp_machine_destroy(start);
	return st;
}

/* Doses of a monitor unit against the computed ones. */
typedef struct {
	size_t n;
	double factor; /* measured over computed, weighted mean */
	double weight; /* 1 over its variance */
	double chi2;
} absolute_doses;

static sp_status judge_absolute(absolute_doses *out, const job *j, sp_error *err)
{
	double up = 0.0, down = 0.0, squares = 0.0, gy;

	*out = (absolute_doses){0};
	for (size_t k = 0; k < j->measured->n; k++) {
		const sp_measured_scan *s = j->measured->scans + k;
		double sigma;
		sp_status st;

		if (s->kind != SP_MEASURED_ABSOLUTE)
			continue;
		if ((st = sp_scan_dose(&gy, j->model, j->fit.m, s, err)) != SP_OK)
			return st;
		sigma = sp_point_sigma(s, 0, j->o->uncertainty);
		up += gy * s->points[0].dose / (sigma * sigma);
		down += gy * gy / (sigma * sigma);
		squares += pow(s->points[0].dose / sigma, 2.0);
		out->n++;
	}
	if (out->n)
		*out = (absolute_doses){out->n, up / down, down, fmax(squares - up * up / down, 0.0)};
	return SP_OK;
}

/* What the errors of the beam's parameters make of the factor: its variance. */
static sp_status variance_by_beam(double *out, job *j, double factor, sp_error *err)
{
	double slope[SP_FIT_PARAMETERS], values[SP_FIT_PARAMETERS];
	sp_status st = SP_OK;

	memcpy(values, j->values, sizeof values);
	for (size_t k = 0; st == SP_OK && k < j->n_beam; k++) {
		absolute_doses moved = {0};

		values[j->beam[k]] += STEP * sp_fit_parameters[j->beam[k]].width;
		sp_fit_apply(&j->fit, values, j->free);
		st = judge_absolute(&moved, j, err);
		slope[k] = (moved.factor - factor) / STEP;
		values[j->beam[k]] = j->values[j->beam[k]];
	}
	sp_fit_apply(&j->fit, j->values, j->free);
	*out = 0.0;
	for (size_t a = 0; st == SP_OK && a < j->n_beam; a++)
		for (size_t b = 0; b < j->n_beam; b++)
			*out += slope[a] * slope[b] * j->covariance[a * j->n_beam + b];
	return st;
}

/* Photons of a monitor unit, from absolute doses or the file's reference. Everything else is fitted to doses of any
 * scale, so that this comes last and changes nothing of it. */
static sp_status fit_output(job *j, sp_commission *out, sp_error *err)
{
	absolute_doses doses;
	double gy, by_beam = 0.0;
	sp_status st = judge_absolute(&doses, j, err);

	if (st != SP_OK)
		return st;
	out->output_start = j->fit.m->fluence_per_mu_cm2;
	out->output_measured = doses.n > 0;
	if (doses.n == 0) {
		if ((st = reference_dose(&gy, j, j->fit.m, err)) != SP_OK)
			return st;
		doses.factor = j->fit.m->reference.gy_per_mu / gy;
	} else {
		double own = (doses.n > 1 ? fmax(1.0, doses.chi2 / (double)(doses.n - 1)) : 1.0) / doses.weight;

		if ((st = variance_by_beam(&by_beam, j, doses.factor, err)) != SP_OK)
			return st;
		out->output_error = out->output_start * sqrt(own + by_beam);
	}
	j->fit.m->fluence_per_mu_cm2 *= doses.factor;
	out->output = j->fit.m->fluence_per_mu_cm2;
	return SP_OK;
}

static sp_status judge_all(sp_scan_result **out, const job *j, const sp_machine *m, sp_error *err)
{
	sp_status st = SP_OK;

	if (!(*out = sp_alloc_array(j->measured->n, sizeof **out)))
		return sp_fail(err, SP_NO_MEMORY, "no memory for the results");
	for (size_t k = 0; st == SP_OK && k < j->measured->n; k++)
		st = sp_scan_judge(*out + k, j->model, m, j->measured->scans + k, j->o->uncertainty, err);
	return st;
}

static sp_status make_job(job *j, sp_commission *out, const char *machine, sp_error *err)
{
	size_t most = 1;
	sp_status st = sp_fit_machine_make(&j->fit, machine, err);

	if (st != SP_OK || (st = sp_superposer_create(&j->superposer, j->model->matter, err)) != SP_OK)
		return st;
	j->fit.m->superposer = j->superposer;
	for (size_t k = 0; k < j->measured->n; k++)
		most = j->measured->scans[k].n > most ? j->measured->scans[k].n : most;
	if (!(j->computed = sp_alloc_array(most, sizeof *j->computed)))
		return sp_fail(err, SP_NO_MEMORY, "no memory for %zu points", most);
	sp_fit_values(j->start, j->fit.m);
	memcpy(j->values, j->start, sizeof j->values);
	for (int i = 0; i < SP_FIT_PARAMETERS; i++)
		out->parameters[i] = (sp_fit_result){j->o->hold && j->o->hold[i] ? SP_FIT_HELD : SP_FIT_NOT_MEASURED,
		                                     j->start[i], j->start[i], 0.0};
	return match_kernels(j, machine, err);
}

sp_status sp_commission_fit(sp_commission *out, const sp_measured *measured, const sp_scan_model *model,
                            const char *machine, const sp_commission_options *o, sp_error *err)
{
	job j = {.measured = measured, .model = model, .o = o};
	sp_machine *start = NULL;
	sp_status st;

	*out = (sp_commission){0};
	if ((st = sp_machine_read(&start, machine, err)) != SP_OK || (st = make_job(&j, out, machine, err)) != SP_OK)
		goto cleanup;
	sp_progress_start(&j.progress, "fit");
	if ((st = fit_stage(&j, out, false, err)) == SP_OK)
		st = fit_stage(&j, out, true, err);
	sp_progress_end(&j.progress, NULL);
	if (st != SP_OK || (st = fit_output(&j, out, err)) != SP_OK)
		goto cleanup;
	if (out->n_free == 0 && !out->output_measured) {
		st = sp_fail(err, SP_BAD_INPUT, "the %zu scans determine no parameter of '%s' well enough", measured->n,
		             start->name);
		goto cleanup;
	}
	if ((st = judge_all(&out->before, &j, start, err)) != SP_OK ||
	    (st = judge_all(&out->after, &j, j.fit.m, err)) != SP_OK)
		goto cleanup;
	out->machine = j.fit.m;
	out->machine->superposer = NULL;
	j.fit.m = NULL;
cleanup:
	if (st != SP_OK)
		sp_commission_finish(out, measured->n);
	sp_machine_destroy(start);
	sp_fit_machine_finish(&j.fit);
	sp_superposer_destroy(j.superposer);
	free(j.computed);
	return st;
}

void sp_commission_finish(sp_commission *c, size_t n_scans)
{
	for (size_t k = 0; k < n_scans; k++) {
		if (c->before)
			sp_scan_result_finish(c->before + k);
		if (c->after)
			sp_scan_result_finish(c->after + k);
	}
	free(c->before);
	free(c->after);
	sp_machine_destroy(c->machine);
	*c = (sp_commission){0};
}
