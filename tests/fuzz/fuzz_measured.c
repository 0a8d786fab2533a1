/* Any text as a table and as a W2CAD file of measurements: read, or refused with a sentence. What is read is fit to be
 * fitted: every point has a weight, and a line goes forward. */
#include "fuzz_input.h"

#include "commission.h"
#include "measured_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define UNCERTAINTY 0.005

static void judge(const sp_measured *m)
{
	for (size_t k = 0; k < m->n; k++) {
		const sp_measured_scan *s = m->scans + k;
		bool line = s->kind == SP_MEASURED_DEPTH || s->kind == SP_MEASURED_PROFILE;
		char text[96];

		sp_measured_describe(text, sizeof text, s);
		if (s->n == 0 || text[0] == '\0' || !(fabs(s->direction_deg) <= 90.0))
			fuzz_finding("an empty scan");
		for (size_t i = 0; i < s->n; i++) {
			const sp_measured_point *p = s->points + i;
			double weight = pow(sp_point_sigma(s, i, UNCERTAINTY), -2.0);

			if (!isfinite(p->dose) || !(weight >= 0.0) || !isfinite(weight * p->dose * p->dose))
				fuzz_finding("a point without a weight");
			if (line && i > 0 &&
			    !(s->kind == SP_MEASURED_DEPTH ? p->depth_mm > p[-1].depth_mm : p->at_mm > p[-1].at_mm))
				fuzz_finding("a line that does not go forward");
		}
	}
}

static void read_as(int w2cad, const char *text, size_t bytes)
{
	sp_measured m = {0};
	sp_error err = {0};
	sp_status st = w2cad ? sp_measured_read_w2cad(&m, "input", text, &err)
	                     : sp_measured_read_csv(&m, "input", text, bytes, &err);

	if (st == SP_OK)
		st = sp_measured_check(&m, 0, &err);
	if ((st != SP_OK) != (err.text[0] != '\0'))
		fuzz_finding("neither measurements nor a sentence");
	if (st == SP_OK)
		judge(&m);
	sp_measured_finish(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	char *text = malloc(bytes + 1);

	if (!text)
		return 0;
	memcpy(text, data, bytes);
	text[bytes] = '\0';
	read_as(0, text, bytes);
	read_as(1, text, bytes);
	free(text);
	return 0;
}
