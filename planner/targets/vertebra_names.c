#include "vertebra_names.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

bool sp_vertebra_level(char out[4], const char *name)
{
	static const char *const words[] = {"", "vertebra", "vertebrae", "vert", "spine"};
	static const char regions[] = "CTL";
	static const int most[] = {7, 13, 6}; /* C, T, L; six lumbar ones happen */
	char word[16] = "", *end;
	size_t n = 0;
	const char *at = name, *region;
	long number;

	/* letters up to the level, without separators */
	while (*at && !(strchr("CTLctl", *at) && isdigit((unsigned char)at[1]))) {
		if (isalpha((unsigned char)*at)) {
			if (n + 1 >= sizeof word)
				return false;
			word[n++] = (char)tolower((unsigned char)*at);
		} else if (!strchr("_- .", *at)) {
			return false;
		}
		at++;
	}
	if (!*at)
		return false;
	word[n] = '\0';
	for (n = 0; n < sizeof words / sizeof *words && strcmp(word, words[n]) != 0; n++)
		;
	region = strchr(regions, toupper((unsigned char)*at));
	number = strtol(at + 1, &end, 10);
	if (n == sizeof words / sizeof *words || *end || number < 1 || number > most[region - regions])
		return false;
	out[0] = *region;
	out[1] = (char)('0' + number / 10);
	out[2] = (char)('0' + number % 10);
	out[3] = '\0';
	return true;
}
