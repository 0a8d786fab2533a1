/* What was measured of a machine's beam in a water tank: depth doses, profiles, output factors, doses of a monitor unit
 * and gaps of the leaves that sweep over the axis, from CSV files and W2CAD exports. File formats:
 * docs/commissioning.md.
 */
#ifndef SP_MEASURED_H
#define SP_MEASURED_H

#include <stddef.h>

#include "status.h"

typedef enum {
	SP_MEASURED_DEPTH,    /* along the axis; any scale */
	SP_MEASURED_PROFILE,  /* across the axis at one depth; any scale */
	SP_MEASURED_OUTPUT,   /* of fields on the axis, one place each, over any one of them or none */
	SP_MEASURED_ABSOLUTE, /* Gy for 1 MU at one place on the axis */
	SP_MEASURED_SWEEP     /* on the axis, a gap of the leaves sweeps over it: over the open field's of as many MU */
} sp_measured_kind;

/* Lengths in mm. The field is that of the jaws, in the isocentre plane, along x and y of the beam limiting device. */
typedef struct {
	double field_mm[2];
	double depth_mm;    /* below the water's surface */
	double at_mm;       /* from the axis at that depth, along the scan */
	double gap_mm;      /* of a sweep; 0: closed, the leaves' ends under a jaw */
	double dose;        /* as the kind says */
	double uncertainty; /* standard, in the unit of dose; 0: not told */
} sp_measured_point;

/* What belongs together: points that share one scale. */
typedef struct {
	sp_measured_kind kind;
	char *where; /* file and line on which it begins */
	double ssd_mm;
	double direction_deg; /* of a profile: from the beam's x axis to its y axis, in (-90, 90] */
	size_t n;
	sp_measured_point *points; /* of depth dose and profile: one field, by rising place */
} sp_measured_scan;

typedef struct {
	size_t n;
	sp_measured_scan *scans;
	size_t n_skipped; /* scans in W2CAD files of wedged fields and others that are of no use here */
} sp_measured;

/* Every *.csv and *.asc file of a folder, in the order of their names. Errors (SP_BAD_INPUT) name the file, the line
 * and what was expected: no such file, a missing column, no number, an unknown kind, a scan cut short, lengths that can
 * only be cm. sp_measured_finish frees it. */
sp_status sp_measured_read(sp_measured *out, const char *folder, sp_error *err);
void sp_measured_finish(sp_measured *m);

/* "depth dose", "profile" ...; "100 x 100 mm, profile along x, 50 mm deep" into text. */
const char *sp_measured_kind_name(sp_measured_kind kind);
void sp_measured_describe(char *text, size_t bytes, const sp_measured_scan *s);

#endif
