/* The value of a metric on a DVH. */
#include "metric_value.h"

static double as_volume(const sp_metric *m, const sp_dvh *dvh, double cc)
{
	return m->percent ? 100.0 * cc / dvh->volume_total_cc : cc;
}

const char *sp_metric_value(double *out, const sp_metric *m, const sp_dvh *dvh, double prescription_gy)
{
	*out = 0.0;
	if (dvh->n == 0 || !(dvh->volume_total_cc > 0.0))
		return "the structure is empty";
	switch (m->kind) {
	case SP_METRIC_DMAX:
		*out = dvh->max_gy;
		break;
	case SP_METRIC_DMIN:
		*out = dvh->min_gy;
		break;
	case SP_METRIC_DMEAN:
		*out = dvh->mean_gy;
		break;
	case SP_METRIC_DOSE_AT_CC:
		*out = sp_dvh_dose_at_cc(dvh, m->x);
		break;
	case SP_METRIC_DOSE_AT_PERCENT:
		*out = sp_dvh_dose_at_share(dvh, m->x / 100.0);
		break;
	case SP_METRIC_DOSE_OF_COLDEST_CC:
		/* a lung of which the CT shows only a part cannot show that enough of it is spared */
		if (dvh->volume_total_cc < m->x)
			return "less of the structure is in the case than the limit speaks of";
		*out = sp_dvh_dose_at_cc(dvh, dvh->volume_total_cc - m->x);
		break;
	case SP_METRIC_VOLUME_AT_GY:
		*out = as_volume(m, dvh, sp_dvh_volume_at_gy(dvh, m->x));
		break;
	case SP_METRIC_VOLUME_AT_PERCENT:
		if (!(prescription_gy > 0.0))
			return "there is no prescription";
		*out = as_volume(m, dvh, sp_dvh_volume_at_gy(dvh, m->x / 100.0 * prescription_gy));
		break;
	case SP_METRIC_VOLUME_BELOW_GY:
		*out = as_volume(m, dvh, dvh->volume_total_cc - sp_dvh_volume_at_gy(dvh, m->x));
		break;
	}
	return NULL;
}
