/* Any bytes as a plan file: read, or refused with a sentence. */
#include "fuzz_input.h"

#include "plan_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	sp_error err = {0};
	sp_plan_content *p;
	sp_status st = sp_plan_read_beams(&p, fuzz_file(data, bytes), &err);

	fuzz_gather();
	if ((st == SP_OK) != (p != NULL) || (st != SP_OK) != (err.text[0] != '\0'))
		fuzz_finding("neither a plan nor a sentence");
	sp_plan_content_destroy(p);
	return 0;
}
