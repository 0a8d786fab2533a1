/* A planning risk volume stands for set-up errors. Where these are computed themselves, its limits are wishes: the
 * organ's own limits hold in every scenario instead. */
#ifndef SP_MARGIN_LIMITS_H
#define SP_MARGIN_LIMITS_H

#include "protocol.h"

/* A copy of p for a case that has a cord: the limits on PRVs become goals, or are left out. Strings and names are
 * borrowed from p; free(out->limits) is all that is to be done. Without a cord the copy has all of p's limits. */
sp_status sp_protocol_without_margins(sp_protocol *out, const sp_protocol *p, const sp_case *c, bool as_goals,
                                      sp_error *err);

#endif
