#include "earlier_option.h"

#include "options.h"

bool sp_earlier_option(sp_earlier_options *o, int option, const char *value, bool *good)
{
	switch (option) {
	case SP_OPTION_EARLIER:
		o->path = value;
		return true;
	case SP_OPTION_EARLIER_FRACTIONS:
		*good = sp_option_number(&o->fractions, value, 1.0, 200.0);
		return true;
	case SP_OPTION_EARLIER_TRANSFORM:
		o->transform = value;
		return true;
	case SP_OPTION_RECOVERY:
		*good = sp_option_percent(&o->recovery, value);
		return true;
	case SP_OPTION_TOTAL_EQD2:
		*good = sp_option_number(&o->total_eqd2_gy, value, 1.0, 200.0);
		return true;
	case SP_OPTION_MONTHS:
		*good = sp_option_number(&o->months, value, 0.0, 1200.0);
		return true;
	default:
		return false;
	}
}

const char *sp_earlier_incomplete(const sp_earlier_options *o)
{
	if (!o->path && (o->fractions > 0.0 || o->transform || o->recovery > 0.0))
		return "say with --earlier FILE which course this is about";
	if (o->path && !(o->fractions > 0.0))
		return "say with --earlier-fractions N how the earlier dose was given";
	return NULL;
}
