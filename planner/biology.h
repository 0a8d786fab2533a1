/* What doses mean to tissue: models with their sources, and the warnings that go with them. None of these numbers is a
 * prediction for a patient; they rank plans. docs/reirradiation.md. */
#ifndef SP_BIOLOGY_H
#define SP_BIOLOGY_H

#include <jansson.h>

#include "evaluate.h"

/* alpha/beta: tumour 10, cord and what surrounds it 2 (Sahgal 2021, HyTEC), other late tissue 3. */
#define SP_ALPHA_BETA_TUMOUR 10.0
#define SP_ALPHA_BETA_CORD 2.0
#define SP_ALPHA_BETA_LATE 3.0

/* Risk of myelopathy after stereotactic treatment by the largest dose of the thecal sac, EQD2 with alpha/beta 2: a
 * logistic fitted to the risk steps of Sahgal 2013 (1 to 5 fractions, 1 to 5 %). */
double sp_ntcp_cord_sbrt(double eqd2_gy);

/* Risk of myelopathy of the cervical cord in conventional fractions, EQD2 with alpha/beta 0.87: Schultheiss 2008. */
double sp_ntcp_cord_schultheiss(double eqd2_gy);

/* Lyman, Kutcher, Burman: TD50 66.5 Gy, m 0.175, n 0.05 for the cord (Burman 1991), on a DVH of physical dose in
 * n fractions, converted point by point to EQD2 with alpha/beta 2. */
double sp_ntcp_cord_lkb(const sp_dvh *dvh, double fractions);

/* Local control at 2 years by the BED (alpha/beta 10) of the tumour's D95: a logistic through 82 % at 18 Gy and 96 % at
 * 24 Gy in one fraction (Soltys 2021). */
double sp_tcp_spine(double bed10_gy);

/* BED and EQD2 of every structure, and the models, each with value, model, source and warning. */
sp_status sp_biology_report(json_t **out, const sp_case *c, const sp_grid *grid, const float *dose_gy,
                            unsigned fractions, sp_error *err);
void sp_biology_print(const json_t *report);

#endif
