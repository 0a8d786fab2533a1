/* Any text as a protocol: read, or refused with a sentence. Its limits hold metrics that can be read again. */
#include "fuzz_input.h"

#include "metric.h"
#include "protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	sp_error err = {0};
	sp_protocol *p;
	sp_metric metric;
	sp_status st = sp_protocol_read(&p, fuzz_file(data, bytes), &err);

	if ((st == SP_OK) != (p != NULL) || (st != SP_OK) != (err.text[0] != '\0'))
		fuzz_finding("neither a protocol nor a sentence");
	for (size_t i = 0; p && i < p->n_limits; i++)
		if (sp_metric_parse(&metric, p->limits[i].metric, &err) != SP_OK)
			fuzz_finding("a limit without a metric");
	sp_protocol_destroy(p);
	return 0;
}
