#include "status.h"

#include <stdarg.h>
#include <stdio.h>

sp_status sp_fail(sp_error *err, sp_status st, const char *format, ...)
{
	va_list args;

	if (!err || err->status != SP_OK)
		return st;
	err->status = st;
	va_start(args, format);
	vsnprintf(err->text, sizeof err->text, format, args);
	va_end(args);
	return st;
}

int sp_exit_status(sp_status st)
{
	switch (st) {
	case SP_OK:
		return 0;
	case SP_DEVICE:
		return 3;
	case SP_INTERRUPTED:
		return 4;
	default:
		return 2;
	}
}
