/* Structures that are boxes. */
#ifndef BOX_FIXTURE_H
#define BOX_FIXTURE_H

#include "case.h"

/* A rectangle every step_mm along z from low to high (mm), both included. */
void add_box(sp_case *c, const char *name, sp_role role, const double low[3], const double high[3], double step_mm);

#endif
