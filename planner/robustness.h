/* What set-up errors do to a finished plan: for each scenario the dose is computed anew with the beams as the displaced
 * patient sees them (engine/beam/displace.h), and every limit is judged. docs/robustness.md tells what is shown. */
#ifndef SP_ROBUSTNESS_H
#define SP_ROBUSTNESS_H

#include <jansson.h>

#include "case.h"
#include "displace.h"
#include "protocol.h"
#include "setup_errors.h"
#include "status.h"

#define SP_BAND_POINTS 401

/* DVHs of one structure: volume_cc[0] of the plan as it should be, then one a scenario, all at dose_gy[k]. */
typedef struct {
	size_t structure; /* of the case */
	float dose_gy[SP_BAND_POINTS];
	float *volume_cc; /* [1 + scenarios][SP_BAND_POINTS] */
} sp_dvh_band;

typedef struct {
	json_t *result;
	size_t n_scenarios, n_bands;
	sp_dvh_band *bands; /* targets, cord and what has limits */
} sp_robustness;

/* What makes the scenarios' doses: [z][y][x] of the dose grid, of the whole course, in a patient who lies displaced
 * (NULL: as planned), in the voxels that are wanted (not 0; NULL: all). */
typedef struct {
	sp_status (*dose)(void *context, float *dose_gy, const sp_displacement *d, const unsigned char *wanted,
	                  sp_error *err);
	void *context;
	double isocentre_mm[3]; /* what turns go about */
} sp_scenario_engine;

/* plan_dose_gy: the plan's own on this grid, or NULL. Where it is another engine's, scenarios have the plan's dose as
 * it stays in the room, and where the engine has a tenth of its hottest also what it says of how the dose changes with
 * where the patient lies.
 *
 * The limits as they are judged in a scenario: a PRV stands for set-up errors itself, so in a case that has the cord
 * it is the cord that is judged, and the PRV's limits are shown only. */
sp_status sp_robustness_make(sp_robustness *out, const sp_case *c, const sp_scenario_engine *engine,
                             const sp_grid *dose_grid, const float *plan_dose_gy, const sp_protocol *protocol,
                             const sp_scenario *scenarios, size_t n_scenarios, sp_error *err);
void sp_robustness_finish(sp_robustness *r);

/* HDF5 (docs/robustness.md). Atomic. */
sp_status sp_robustness_write(const sp_robustness *r, const sp_case *c, const char *path, sp_error *err);

/* Tables for people on stdout. */
void sp_robustness_print(const json_t *result);

#endif
