/* A small case with one of everything: contours, a mask, an empty structure, overrides, prescription, beams; unequal
 * sizes and spacings, an origin far from zero, names that are not plain ASCII. */
#ifndef CASE_FIXTURE_H
#define CASE_FIXTURE_H

#include "case.h"

sp_case *fixture_case(void);

/* The same as a file. */
void fixture_case_file(const char *path);

#endif
