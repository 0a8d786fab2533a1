#include "margin_limits.h"

#include <stdlib.h>

#include "alloc.h"

/* True where all that the limit is about in this case are PRVs. */
static bool is_on_margin(const sp_limit *l, const sp_case *c, size_t *which)
{
	size_t n = sp_limit_match(which, c->n_structures, l, c);

	for (size_t i = 0; i < n; i++)
		if (c->structures[which[i]].role != SP_ROLE_PRV)
			return false;
	return n > 0;
}

sp_status sp_protocol_without_margins(sp_protocol *out, const sp_protocol *p, const sp_case *c, bool as_goals,
                                      sp_error *err)
{
	bool has_cord = sp_case_find_role(c, SP_ROLE_CORD) != NULL;
	size_t *which = sp_alloc_array(c->n_structures, sizeof *which), n = 0;

	*out = *p;
	if (!(out->limits = sp_alloc_array(p->n_limits, sizeof *p->limits)) || !which) {
		free(which);
		free(out->limits);
		out->limits = NULL;
		return sp_fail(err, SP_NO_MEMORY, "out of memory for the limits of %s", p->name);
	}
	for (size_t i = 0; i < p->n_limits; i++) {
		bool margin = has_cord && is_on_margin(&p->limits[i], c, which);

		if (margin && !as_goals)
			continue;
		out->limits[n] = p->limits[i];
		out->limits[n].goal |= margin;
		out->limits[n++].hard &= !margin;
	}
	out->n_limits = n;
	free(which);
	return SP_OK;
}
