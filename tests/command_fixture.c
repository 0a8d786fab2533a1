#include "command_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

char output[1 << 18];

int run_line(const char *line)
{
	FILE *f = popen(line, "r");
	int status;

	assert_non_null(f);
	output[fread(output, 1, sizeof output - 1, f)] = '\0';
	status = pclose(f);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

void assert_says(const char *word)
{
	if (!strstr(output, word))
		fail_msg("'%s' is not in: %s", word, output);
}

bool holds(const char *folder, const char *name)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	return access(path, F_OK) == 0;
}
