/* The command line: one file a command, one line each in the table of main.c. */
#ifndef SP_COMMANDS_H
#define SP_COMMANDS_H

/* Each gets argv with argv[0] = its own name, prints results to stdout and talk to stderr, and returns the process's
 * exit status (0 done, 1 the plan misses a limit where asked, 2 wrong use or bad input, 3 device, 4 interrupted). */

#include "status.h"

int sp_command_phantom(int argc, char **argv);
int sp_command_plan(int argc, char **argv);
int sp_command_bench(int argc, char **argv);
int sp_command_bench_beams(int argc, char **argv); /* of bench, from its second word on */
int sp_command_dose(int argc, char **argv);
int sp_command_compare(int argc, char **argv);
int sp_command_check(int argc, char **argv);
int sp_command_devices(int argc, char **argv);
int sp_command_influence(int argc, char **argv);
int sp_command_info(int argc, char **argv);
int sp_command_evaluate(int argc, char **argv);
int sp_command_optimise(int argc, char **argv);
int sp_command_kernels(int argc, char **argv);
int sp_command_targets(int argc, char **argv);
int sp_command_hardware(int argc, char **argv);
int sp_command_merge(int argc, char **argv);
int sp_command_biology(int argc, char **argv);
int sp_command_robustness(int argc, char **argv);
int sp_command_tradeoff(int argc, char **argv);
int sp_command_commission(int argc, char **argv);

/* Prints "spineplan COMMAND: sentence" on stderr and returns the exit status for it. */
int sp_command_fail(const char *command, const sp_error *err);

/* "spineplan COMMAND: sentence; see spineplan COMMAND --help", exit status 2. */
int sp_command_usage(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
