/* Reading the values of options. */
#ifndef SP_OPTIONS_H
#define SP_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

/* Reads a number within low..high. */
bool sp_option_number(double *out, const char *text, double low, double high);

/* Reads n positive numbers with 'x' between them ("1x1x2"), each within low..high; a single one stands for all. */
bool sp_option_sizes(double *out, int n, const char *text, double low, double high);

/* Reads up to most finite numbers with ',' between them ("0,40,80"); returns how many, 0 when the text is wrong. */
size_t sp_option_list(double *out, size_t most, const char *text);

/* Reads "2%" as 0.02. */
bool sp_option_percent(double *out, const char *text);

#endif
