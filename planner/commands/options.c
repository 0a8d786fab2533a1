#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"

bool sp_option_number(double *out, const char *text, double low, double high)
{
	char *rest;

	*out = strtod(text, &rest);
	return rest != text && *rest == '\0' && *out >= low && *out <= high;
}

bool sp_option_whole(uint64_t *out, const char *text, uint64_t low, uint64_t high)
{
	char *rest;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*out = strtoull(text, &rest, 10);
	return errno == 0 && *rest == '\0' && *out >= low && *out <= high;
}

bool sp_option_directions(unsigned *out, const char *text)
{
	uint64_t n;

	if (!sp_option_whole(&n, text, 6, 26) || (n != 6 && n != 14 && n != 18 && n != 26))
		return false;
	*out = (unsigned)n;
	return true;
}

bool sp_option_percent(double *out, const char *text)
{
	char number[32];
	size_t n = strlen(text);

	if (n < 2 || n > sizeof number || text[n - 1] != '%')
		return false;
	memcpy(number, text, n - 1);
	number[n - 1] = '\0';
	if (!sp_option_number(out, number, 0.001, 50.0))
		return false;
	*out *= 0.01;
	return true;
}

bool sp_option_sizes(double *out, int n, const char *text, double low, double high)
{
	for (int i = 0; i < n; i++) {
		char *rest;

		out[i] = strtod(text, &rest);
		if (rest == text || !(out[i] >= low && out[i] <= high))
			return false;
		if (*rest == '\0' && i == 0) {
			for (i = 1; i < n; i++)
				out[i] = out[0];
			return true;
		}
		if (*rest != (i + 1 < n ? 'x' : '\0'))
			return false;
		text = rest + 1;
	}
	return true;
}

size_t sp_option_list(double *out, size_t most, const char *text)
{
	for (size_t n = 0; n < most;) {
		char *rest;

		out[n] = strtod(text, &rest);
		if (rest == text || !isfinite(out[n++]))
			return 0;
		if (*rest == '\0')
			return n;
		if (*rest != ',')
			return 0;
		text = rest + 1;
	}
	return 0;
}

size_t sp_option_angles(double *out, size_t most, const char *text)
{
	size_t n = sp_option_list(out, most, text);

	for (size_t i = 0; i < n; i++)
		if (!(fabs(out[i]) <= 360.0))
			return 0;
	return n;
}

const char *sp_option_name(const struct option *known, int value)
{
	for (; known->name; known++)
		if (known->val == value)
			return known->name;
	return "";
}

int sp_command_keeps_inputs(const char *command, const char *output, const char *const *inputs, size_t n)
{
	struct stat goal, source;

	if (!output || stat(output, &goal) != 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (inputs[i] && stat(inputs[i], &source) == 0 && source.st_dev == goal.st_dev &&
		    source.st_ino == goal.st_ino)
			return sp_command_usage(
			        command, "%s is read from and would be written over; name another output", inputs[i]);
	return 0;
}
