/* Dose-volume metrics by name, the way that protocols and the evaluation's JSON write them:
 *
 *   Dmax Dmin Dmean     hottest, coldest and mean dose, Gy
 *   D0.03cc             least dose of the hottest 0.03 cc, Gy (0 where the structure is smaller: nothing exceeds it)
 *   D95%                least dose of the hottest 95 % of the volume, Gy ("D95" is the same)
 *   DC1500cc            highest dose of the coldest 1500 cc, Gy (for "spare 1500 cc below 7 Gy")
 *   V20Gy%  V17Gy_cc    volume that gets at least the dose, % of the structure or cc
 *   V100%   V100%_cc    volume that gets at least that share of the prescription, % of the structure or cc
 *   CV7Gy_cc CV7Gy%     volume that gets less than the dose, cc or % of the structure
 *
 * A key is the same with the unit behind it, as in JSON: D0.03cc_Gy, D95_Gy, V20Gy_pct, V17Gy_cc, V100_pct, V100_cc. */
#ifndef SP_METRIC_H
#define SP_METRIC_H

#include <stdbool.h>

#include "status.h"

typedef enum {
	SP_METRIC_DMAX,
	SP_METRIC_DMIN,
	SP_METRIC_DMEAN,
	SP_METRIC_DOSE_AT_CC,
	SP_METRIC_DOSE_AT_PERCENT,
	SP_METRIC_DOSE_OF_COLDEST_CC,
	SP_METRIC_VOLUME_AT_GY,
	SP_METRIC_VOLUME_AT_PERCENT, /* of the prescription */
	SP_METRIC_VOLUME_BELOW_GY
} sp_metric_kind;

typedef struct {
	sp_metric_kind kind;
	double x;     /* the number in the name: cc, percent or Gy */
	bool percent; /* a volume in % of the structure, not in cc */
} sp_metric;

#define SP_METRIC_KEY_BYTES 40

/* Reads a name or a key. */
sp_status sp_metric_parse(sp_metric *out, const char *text, sp_error *err);

/* The key ("D0.03cc_Gy"). */
void sp_metric_key(char out[SP_METRIC_KEY_BYTES], const sp_metric *m);

/* "Gy", "%" or "cc". */
const char *sp_metric_unit(const sp_metric *m);

#endif
