/* Running a command line as a user does, and looking at what it says. */
#ifndef COMMAND_FIXTURE_H
#define COMMAND_FIXTURE_H

#include <stdbool.h>

/* What the last command has printed. */
extern char output[1 << 18];

/* Runs a line of shell, keeps its standard output (and what else the line leads there), and gives the exit status. */
int run_line(const char *line);

void assert_says(const char *word);

/* Whether the folder holds a file of that name. */
bool holds(const char *folder, const char *name);

#endif
