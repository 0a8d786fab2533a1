/* Commissioning: fits a machine file's free parameters to what was measured in a water tank. */
#ifndef SP_COMMISSION_H
#define SP_COMMISSION_H

#include "parameters.h"
#include "scan_model.h"

/* Why a parameter has its value. */
typedef enum { SP_FIT_FOUND, SP_FIT_HELD, SP_FIT_AT_LIMIT, SP_FIT_NOT_MEASURED } sp_fit_state;

typedef struct {
	sp_fit_state state;
	double start, value;
	double error; /* standard, of a found value: from the covariance, by the reduced chi-square (with fewer than 20
	                 degrees of freedom only where that is above 1); of a held one: what it would be, by the
	                 uncertainties that were assumed; INFINITY at a limit, where it is none */
} sp_fit_result;

/* A scan under a machine: the measured points' scale is that which fits best, 1 for absolute doses and sweeps. */
typedef struct {
	size_t n_curve; /* of depth doses and profiles: points SP_CURVE_STEP_MM apart */
	double *place_mm, *curve;
	double *at_points; /* computed dose at the measured points */
	double *gamma;     /* 1 % of the scan's maximum, 1 mm; NAN where not judged. Else the difference over 1 % */
	size_t n_judged, n_passed;
	double worst; /* difference from a measured point, share of the scan's maximum (of the dose itself for single
	                 places), where gamma is judged */
} sp_scan_result;

#define SP_CURVE_STEP_MM 0.5
#define SP_FIRST_DEPTH_MM                                                                          \
	3.0 /* what lies nearer to the surface no chamber measures well: neither fitted nor judged \
	     */

typedef struct {
	double uncertainty; /* of a measured dose that tells none, share of the scan's maximum */
	const bool *hold;   /* SP_FIT_PARAMETERS: those that are to stay as they are; NULL: none */
} sp_commission_options;

typedef struct {
	sp_fit_result parameters[SP_FIT_PARAMETERS];
	double chi2_start, chi2; /* reduced, of the beam's scans; 0 without any */
	double leaves_chi2;      /* of the sweeps; 0 without */
	size_t n_points, n_free;
	double output_start, output, output_error; /* fluence_per_mu_cm2; its error, that of the beam's parameters
	                                              included, 0 where it only follows the file's
	                                              reference */
	bool output_measured;
	sp_scan_result *before, *after; /* one a scan */
	sp_machine *machine;            /* fitted */
} sp_commission;

/* model: pencil beam. machine: a name or path. SP_BAD_INPUT where the measurements determine nothing. The result is
 * freed by sp_commission_finish. */
sp_status sp_commission_fit(sp_commission *out, const sp_measured *measured, const sp_scan_model *model,
                            const char *machine, const sp_commission_options *o, sp_error *err);
void sp_commission_finish(sp_commission *c, size_t n_scans);

/* How a machine agrees with a scan; sp_scan_result_finish frees it, also after failure. */
sp_status sp_scan_judge(sp_scan_result *out, const sp_scan_model *model, const sp_machine *m,
                        const sp_measured_scan *scan, double uncertainty, sp_error *err);
void sp_scan_result_finish(sp_scan_result *r);

/* Standard uncertainty of a measured point for the fit: the file's, or a share of the scan's maximum and what 0.2 mm of
 * place makes on the slope. */
double sp_point_sigma(const sp_measured_scan *scan, size_t i, double uncertainty);

/* The scale of the computed doses under which they fit a scan's points best, INFINITY-safe: 1 where doses are absolute.
 */
double sp_best_scale(const sp_measured_scan *scan, const double *computed, double uncertainty);

/* Whether a point takes part. */
bool sp_point_counts(const sp_measured_scan *scan, size_t i);

#endif
