/* spineplan dose: the dose of a plan, or of a physics benchmark's field, by one of two engines. */
#include "commands.h"
#include "dose.h"

int sp_command_dose(int argc, char **argv)
{
	sp_dose_options o = {0};
	sp_error err = {0};
	int status = sp_dose_parse(&o, argc, argv);

	if (status != 0)
		return status - 1;
	if ((o.monte_carlo ? sp_dose_montecarlo : sp_dose_pencil)(&o, &err) != SP_OK)
		return sp_command_fail("dose", &err);
	return 0;
}
