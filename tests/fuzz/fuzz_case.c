/* Any bytes as a case file: read, or refused with a sentence. */
#include "fuzz_input.h"

#include "case.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	sp_error err = {0};
	sp_case *c;
	sp_status st = sp_case_read(&c, fuzz_file(data, bytes), &err);

	fuzz_gather();
	if ((st == SP_OK) != (c != NULL) || (st != SP_OK) != (err.text[0] != '\0'))
		fuzz_finding("neither a case nor a sentence");
	sp_case_destroy(c);
	return 0;
}
