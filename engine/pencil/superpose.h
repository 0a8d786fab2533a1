/* Pencil kernels of any machine's spectra, superposed from kernels of single energies (engine/pencil/kernels/single-*),
 * so that a machine file needs no table of its own. Equations: docs/physics.md. */
#ifndef SP_SUPERPOSE_H
#define SP_SUPERPOSE_H

#include "pencil_internal.h"

/* What machine files say in place of a table's name, and the table of electrons that goes with it. */
#define SP_KERNEL_SUPERPOSED "superposed"
#define SP_KERNEL_SUPERPOSED_ELECTRONS "superposed-electrons"

/* The table of the photons on the machine's axis, or of the electrons that contaminate its beam. SP_BAD_INPUT for a
 * spectrum without photons. sp_pencil_table_finish frees it. */
sp_status sp_superpose_photons(sp_pencil_table *out, sp_superposer *s, const sp_machine *machine, sp_error *err);
sp_status sp_superpose_electrons(sp_pencil_table *out, sp_superposer *s, const sp_machine *machine, sp_error *err);

#endif
