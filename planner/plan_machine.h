/* The machine that a plan is computed on again. */
#ifndef SP_PLAN_MACHINE_H
#define SP_PLAN_MACHINE_H

#include "machine.h"
#include "plan_file.h"

/* Reads the machine that a plan names, or another (machine, mlc: names or paths; NULL: the plan's), generic-6mv where
 * neither names one. p: NULL for a field without a plan. A plan holds names alone, and the SHA-256 of the files that it
 * was made with: where the one found by the plan's own name differs from that, it is refused, since its dose would be
 * another plan's. path: of the plan. */
sp_status sp_plan_machine(sp_machine **out, const sp_plan_content *p, const char *path, const char *machine,
                          const char *mlc, sp_error *err);

#endif
