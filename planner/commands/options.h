/* Reading the values of options. */
#ifndef SP_OPTIONS_H
#define SP_OPTIONS_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads a number within low..high. */
bool sp_option_number(double *out, const char *text, double low, double high);

/* Reads a whole number within low..high. */
bool sp_option_whole(uint64_t *out, const char *text, uint64_t low, uint64_t high);

/* Reads a number of directions of shifts: 6, 14, 18 or 26. */
bool sp_option_directions(unsigned *out, const char *text);

/* Reads "0.5%" as 0.005, 0.001 to 50 %; the sign is needed, so that nobody has to guess. */
bool sp_option_percent(double *out, const char *text);

/* Reads n positive numbers with 'x' between them ("1x1x2"), each within low..high; a single one stands for all. */
bool sp_option_sizes(double *out, int n, const char *text, double low, double high);

/* Reads up to most finite numbers with ',' between them ("0,40,80"); returns how many, 0 when the text is wrong. */
size_t sp_option_list(double *out, size_t most, const char *text);

/* The same for gantry angles: each within -360..360 degrees. */
size_t sp_option_angles(double *out, size_t most, const char *text);

/* The long name ("grid-mm") of the option that getopt_long answers with `value`; "" when it is none of them. */
const char *sp_option_name(const struct option *known, int value);

/* 0; or, where the output is one of the inputs (by any name; NULL for none) and would take its place, says so on stderr
 * and returns the exit status. */
int sp_command_keeps_inputs(const char *command, const char *output, const char *const *inputs, size_t n);

#endif
