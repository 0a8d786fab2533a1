/* Targets from the tumour: the consensus CTV by sectors of the vertebra, PTV and PRV by margins, and a record of what
 * was decided and why. docs/targets.md tells the rules and their sources. */
#ifndef SP_TARGETS_H
#define SP_TARGETS_H

#include <jansson.h>

#include "case.h"

typedef struct {
	const char *gtv;              /* name; NULL: all structures of role gtv */
	const char *canal;            /* what runs through the vertebra; NULL: canal, sac, cord or cauda, by name */
	const char *const *vertebrae; /* names; none: all whose names say a level and that hold tumour */
	size_t n_vertebrae;
	/* "PART" or "LEVEL:PART", as sp_parts_parse reads PART: the physician's word over the rule. */
	const char *const *include, *const *exclude;
	size_t n_include, n_exclude;
	/* After surgery the rule looks at the disease as it was found: preop_gtv with the GTV of now, and bone as it
	 * was where preop_vertebra names it. Both may be NULL. Hardware is left out, and the CTV goes on along the
	 * canal by canal_extension_mm where disease was in it. */
	bool postoperative;
	const char *preop_gtv, *preop_vertebra;
	double canal_extension_mm;
	double ptv_margin_mm, prv_margin_mm; /* < 0: no such structure */
	bool draw_sectors;                   /* a structure of role sector for each part */
} sp_target_options;

#define SP_TARGET_DEFAULTS    \
	((sp_target_options){ \
	        .canal_extension_mm = 5.0, .ptv_margin_mm = 2.0, .prv_margin_mm = 2.0, .draw_sectors = true})

/* Adds CTV, PTV, PRV (where there is a cord but no PRV) and, where the PTV reaches into the PRV (or the sac), PTV_eval
 * without it; makes PTV_eval, else PTV, the prescription's target. Structures of these names are replaced. The record
 * of the decisions goes into c->targets and, as an object, to *record. SP_BAD_INPUT where the case lacks what the rule
 * needs, with a sentence that says what. */
sp_status sp_targets_make(json_t **record, sp_case *c, const sp_target_options *o, sp_error *err);

/* PRV and PTV alone, for cases with a CTV (or GTV) and no PTV: adds what is missing of PRV, PTV, PTV_eval. Nothing is
 * made where the case has it. cut: the target may not reach into the PRV. */
sp_status sp_targets_complete(json_t *made, sp_case *c, double ptv_margin_mm, double prv_margin_mm, bool cut,
                              sp_error *err);

#endif
