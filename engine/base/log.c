#include "log.h"

#include <stdarg.h>
#include <stdio.h>

/* The one piece of process state here: how talkative stderr is. */
static sp_log_level current_level = SP_LOG_NORMAL;

void sp_log_set_level(sp_log_level level)
{
	current_level = level;
}

static void say(sp_log_level level, const char *prefix, const char *format, va_list args)
{
	if (level > current_level)
		return;
	flockfile(stderr);
	fputs(prefix, stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	funlockfile(stderr);
}

void sp_log_info(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(SP_LOG_NORMAL, "", format, args);
	va_end(args);
}

void sp_log_detail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(SP_LOG_DETAIL, "", format, args);
	va_end(args);
}

void sp_log_warning(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(SP_LOG_QUIET, "warning: ", format, args);
	va_end(args);
}
