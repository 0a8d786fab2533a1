#include "deliver_internal.h"
sp_status sp_deliver_first_arcs(sp_deliver_job *j)
{
	return sp_fail(j->err, SP_BAD_INPUT, "not yet");
}
