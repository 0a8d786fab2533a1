/* What commissioning found, for people and for scripts. */
#ifndef SP_COMMISSION_REPORT_H
#define SP_COMMISSION_REPORT_H

#include <jansson.h>

#include "commission.h"

/* A table of the parameters and one of the scans, on stdout. */
void sp_commission_print(const sp_commission *c, const sp_measured *measured);

/* All of it with the curves (docs/commissioning.md). NULL without memory. */
json_t *sp_commission_json(const sp_commission *c, const sp_measured *measured, const char *folder);

/* One row a scan, on stdout: points and how many of them pass, before and after (NULL: not shown). */
void sp_scans_print(const sp_measured *measured, const sp_scan_result *before, const sp_scan_result *after);
json_t *sp_scans_json(const sp_measured *measured, const sp_scan_result *before, const sp_scan_result *after);

#endif
