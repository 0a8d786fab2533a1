/* The value of a metric on a DVH. */
#ifndef SP_METRIC_VALUE_H
#define SP_METRIC_VALUE_H

#include "evaluate.h"
#include "metric.h"

/* NULL and *out, or why the metric says nothing here (a short text, static). prescription_gy 0: none is known. */
const char *sp_metric_value(double *out, const sp_metric *m, const sp_dvh *dvh, double prescription_gy);

#endif
