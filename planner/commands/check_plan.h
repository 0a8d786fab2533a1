/* `spineplan check PLAN`: the part of check.c for plans. */
#ifndef SP_CHECK_PLAN_H
#define SP_CHECK_PLAN_H

#include <stdbool.h>

#include "status.h"

/* True where the file says that it is a plan. */
sp_status sp_is_plan(bool *out, const char *path, sp_error *err);

/* Prints the verdict; *broken: some rule is. machine, mlc: instead of the plan's, or NULL. */
sp_status sp_check_plan(bool *broken, const char *path, const char *machine, const char *mlc, bool json, sp_error *err);

#endif
