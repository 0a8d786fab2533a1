/* Any text as a machine and as a leaf file: read, or refused with a sentence. */
#include "fuzz_input.h"

#include "machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	const char *path = fuzz_file(data, bytes);
	sp_error err = {0}, mlc_err = {0};
	sp_machine *m;
	sp_mlc *mlc;
	sp_status st = sp_machine_read(&m, path, &err);

	if ((st == SP_OK) != (m != NULL) || (st != SP_OK) != (err.text[0] != '\0'))
		fuzz_finding("neither a machine nor a sentence");
	sp_machine_destroy(m);
	st = sp_mlc_read(&mlc, path, &mlc_err);
	if ((st == SP_OK) != (mlc != NULL) || (st != SP_OK) != (mlc_err.text[0] != '\0'))
		fuzz_finding("neither leaves nor a sentence");
	sp_mlc_destroy(mlc);
	return 0;
}
