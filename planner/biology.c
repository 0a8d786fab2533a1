#include "biology.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "fractionation.h"

/* Above this dose a fraction the linear-quadratic model is doubtful. */
#define LQ_MOST_GY 10.0

double sp_ntcp_cord_sbrt(double eqd2_gy)
{
	/* least squares in logit over the 20 points of the table; largest residual 0.024 */
	return 1.0 / (1.0 + exp(6.853 - 0.0875 * eqd2_gy));
}

double sp_ntcp_cord_schultheiss(double eqd2_gy)
{
	/* TD50 69.4 Gy; the slope is that of 0.2 % at 50 Gy: ln(0.998 / 0.002) / 19.4 Gy */
	return 1.0 / (1.0 + exp(0.32023 * (69.4 - eqd2_gy)));
}

double sp_ntcp_cord_lkb(const sp_dvh *dvh, double fractions)
{
	const double td50 = 66.5, m = 0.175, n = 0.05;
	double sum = 0.0, geud;

	if (dvh->n == 0 || !(dvh->volume_total_cc > 0.0))
		return 0.0;
	/* volume_cc falls along the doses: the step between two points has the dose between them */
	for (size_t i = 0; i + 1 < dvh->n; i++) {
		double dose = 0.5 * ((double)dvh->dose_gy[i] + (double)dvh->dose_gy[i + 1]);
		double share = ((double)dvh->volume_cc[i] - (double)dvh->volume_cc[i + 1]) / dvh->volume_total_cc;

		sum += share * pow(sp_eqd2_gy(dose, fractions, SP_ALPHA_BETA_CORD), 1.0 / n);
	}
	sum += (double)dvh->volume_cc[dvh->n - 1] / dvh->volume_total_cc *
	       pow(sp_eqd2_gy(dvh->dose_gy[dvh->n - 1], fractions, SP_ALPHA_BETA_CORD), 1.0 / n);
	geud = pow(sum, n);
	return 0.5 * erfc(-(geud - td50) / (m * td50) / sqrt(2.0));
}

double sp_tcp_spine(double bed10_gy)
{
	/* logit 0.82 = 1.5163 at 50.4 Gy, logit 0.96 = 3.1781 at 81.6 Gy */
	return 1.0 / (1.0 + exp(-(1.5163 + (3.1781 - 1.5163) * (bed10_gy - 50.4) / 31.2)));
}

static double alpha_beta(sp_role role, const char *name)
{
	if (role == SP_ROLE_GTV || role == SP_ROLE_CTV || role == SP_ROLE_PTV)
		return SP_ALPHA_BETA_TUMOUR;
	if (role == SP_ROLE_CORD || role == SP_ROLE_PRV || strstr(name, "Thecal") || strstr(name, "Cauda"))
		return SP_ALPHA_BETA_CORD;
	return SP_ALPHA_BETA_LATE;
}

static sp_status add_structure(json_t *rows, const sp_structure *s, const sp_dvh *dvh, double fractions, sp_error *err)
{
	double ab = alpha_beta(s->role, s->name), hot = sp_dvh_dose_at_cc(dvh, 0.03),
	       d95 = sp_dvh_dose_at_share(dvh, 0.95);
	json_t *row = json_pack("{s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "name", s->name, "role",
	                        sp_role_name(s->role), "alpha_beta_gy", ab, "D0.03cc_Gy", hot, "D0.03cc_bed_Gy",
	                        sp_bed_gy(hot, fractions, ab), "D0.03cc_eqd2_Gy", sp_eqd2_gy(hot, fractions, ab),
	                        "D95_Gy", d95, "D95_bed_Gy", sp_bed_gy(d95, fractions, ab), "D95_eqd2_Gy",
	                        sp_eqd2_gy(d95, fractions, ab));

	return row && json_array_append_new(rows, row) == 0 ? SP_OK
	                                                    : sp_fail(err, SP_NO_MEMORY, "out of memory for a report");
}

static sp_status add_model(json_t *models, const char *what, const char *structure, double input_gy, double value,
                           const char *model, const char *source, bool unverified, const char *warning, sp_error *err)
{
	json_t *row = json_pack("{s:s, s:s, s:f, s:f, s:s, s:s, s:b, s:s}", "what", what, "structure", structure,
	                        "input_gy", input_gy, "percent", 100.0 * value, "model", model, "source", source,
	                        "unverified", unverified, "warning", warning);

	return row && json_array_append_new(models, row) == 0
	               ? SP_OK
	               : sp_fail(err, SP_NO_MEMORY, "out of memory for a report");
}

static sp_status add_cord_models(json_t *models, const char *name, const sp_dvh *dvh, double fractions, sp_error *err)
{
	double hot = sp_dvh_dose_at_cc(dvh, 0.03);
	double at2 = sp_eqd2_gy(hot, fractions, 2.0), at087 = sp_eqd2_gy(hot, fractions, 0.87);
	sp_status st;

	if ((st = add_model(
	             models, "risk of myelopathy", name, at2, sp_ntcp_cord_sbrt(at2),
	             "logistic, 6.853 - 0.0875 EQD2 of D0.03cc, alpha/beta 2",
	             "fitted here to the risk steps of Sahgal A, et al. Int J Radiat Oncol Biol Phys 2013;85:341-347",
	             true,
	             "far above the rates seen since (1 of 353 lesions at a median of 11.7 to 26 Gy, PMC9515434): it "
	             "ranks "
	             "plans, it does not counsel; the steps of 1 to 3 % have not been compared with the publication",
	             err)) != SP_OK ||
	    (st = add_model(
	             models, "risk of myelopathy", name, at087, sp_ntcp_cord_schultheiss(at087),
	             "logistic, TD50 69.4 Gy, 0.2 % at 50 Gy, alpha/beta 0.87",
	             "Schultheiss TE. Int J Radiat Oncol Biol Phys 2008;71:1455-1459", false,
	             "cervical cord, conventional fractions, whole cross-section: few large fractions are far outside "
	             "of what it was fitted to",
	             err)) != SP_OK)
		return st;
	return add_model(
	        models, "risk of myelopathy", name, hot, sp_ntcp_cord_lkb(dvh, fractions),
	        "Lyman-Kutcher-Burman, TD50 66.5 Gy, m 0.175, n 0.05, EQD2 with alpha/beta 2",
	        "Burman C, et al. Int J Radiat Oncol Biol Phys 1991;21:123-135", true,
	        "with these parameters 13 cases were expected where 1 was seen after radiosurgery; a small volume "
	        "effect is assumed that single fractions do not show",
	        err);
}

sp_status sp_biology_report(json_t **out, const sp_case *c, const sp_grid *grid, const float *dose_gy,
                            unsigned fractions, sp_error *err)
{
	const sp_structure *tumour = sp_case_find_role(c, SP_ROLE_GTV);
	json_t *rows = json_array(), *models = json_array();
	double n = (double)fractions, largest = 0.0;
	sp_status st = SP_OK;

	*out = NULL;
	if (fractions == 0)
		st = sp_fail(err, SP_BAD_INPUT, "the number of fractions is not known; BED and EQD2 need it");
	if (!tumour)
		tumour = sp_case_find_role(c, SP_ROLE_CTV);
	for (size_t i = 0; st == SP_OK && i < c->n_structures; i++) {
		const sp_structure *s = &c->structures[i];
		double outside_cc;
		sp_dvh dvh;

		if (s->role == SP_ROLE_EXTERNAL || s->role == SP_ROLE_SUPPORT || s->role == SP_ROLE_HARDWARE)
			continue;
		if ((st = sp_dvh_of_structures(&dvh, &outside_cc, c, &i, 1, grid, dose_gy, err)) != SP_OK)
			break;
		if (dvh.n > 0) {
			largest = fmax(largest, dvh.max_gy / n);
			st = add_structure(rows, s, &dvh, n, err);
			if (st == SP_OK && s->role == SP_ROLE_CORD)
				st = add_cord_models(models, s->name, &dvh, n, err);
			if (st == SP_OK && s == tumour) {
				double bed = sp_bed_gy(sp_dvh_dose_at_share(&dvh, 0.95), n, SP_ALPHA_BETA_TUMOUR);

				st = add_model(
				        models, "local control at 2 years", s->name, bed, sp_tcp_spine(bed),
				        "logistic in the BED (alpha/beta 10) of D95 through 82 % at 18/1 and 96 % at "
				        "24/1",
				        "after Soltys SG, et al. (HyTEC) Int J Radiat Oncol Biol Phys 2021;110:112-123",
				        true,
				        "two points remembered, not compared with the publication; prescribed doses "
				        "there, "
				        "D95 here; all histologies together",
				        err);
			}
		}
		sp_dvh_finish(&dvh);
	}
	if (st == SP_OK &&
	    !(*out = json_pack(
	              "{s:i, s:O, s:O, s:f, s:b, s:s}", "fractions", (int)fractions, "structures", rows, "models",
	              models, "largest_fraction_gy", largest, "lq_is_doubtful", largest > LQ_MOST_GY, "warning",
	              "The linear-quadratic model is doubtful above about 10 Gy a fraction. Models rank plans; they "
	              "are no prediction for a patient.")))
		st = sp_fail(err, SP_NO_MEMORY, "out of memory for a report");
	json_decref(rows);
	json_decref(models);
	return st;
}

static const char *text(const json_t *row, const char *key)
{
	return json_string_value(json_object_get(row, key));
}

static double number(const json_t *row, const char *key)
{
	return json_number_value(json_object_get(row, key));
}

void sp_biology_print(const json_t *report)
{
	json_t *row;
	size_t i;

	printf("Doses in %d fractions, Gy. BED and EQD2 with the alpha/beta shown.\n\n",
	       (int)json_integer_value(json_object_get(report, "fractions")));
	printf("structure            a/b  D0.03cc     BED    EQD2      D95     BED    EQD2\n");
	json_array_foreach(json_object_get(report, "structures"), i, row) printf(
	        "%-20.20s %3g  %7.2f %7.2f %7.2f  %7.2f %7.2f %7.2f\n", text(row, "name"), number(row, "alpha_beta_gy"),
	        number(row, "D0.03cc_Gy"), number(row, "D0.03cc_bed_Gy"), number(row, "D0.03cc_eqd2_Gy"),
	        number(row, "D95_Gy"), number(row, "D95_bed_Gy"), number(row, "D95_eqd2_Gy"));
	json_array_foreach(json_object_get(report, "models"), i, row)
	        printf("\n%s of %s: %.2f %%\n  model: %s\n  source: %s%s\n  warning: %s\n", text(row, "what"),
	               text(row, "structure"), number(row, "percent"), text(row, "model"), text(row, "source"),
	               json_is_true(json_object_get(row, "unverified")) ? " (not verified in its source)" : "",
	               text(row, "warning"));
	printf("\n%s\n", text(report, "warning"));
	if (json_is_true(json_object_get(report, "lq_is_doubtful")))
		printf("This plan gives up to %.1f Gy a fraction.\n", number(report, "largest_fraction_gy"));
}
