/* From dose to a medium to dose to water in it (Bragg-Gray: a cavity of water that leaves the electrons as they are).
 */
#ifndef SP_MC_TO_WATER_H
#define SP_MC_TO_WATER_H

#include "matter.h"
#include "spectrum.h"
#include "status.h"

/* Ratio of the mass collision stopping powers of water and each material (256 of them by index, 1 where there is none),
 * averaged over the energies at which electrons lose theirs: those of the source slowing down, or the Compton electrons
 * that its photons set free on their first collision. */
sp_status sp_mc_to_water(double ratio_out[256], const sp_matter *m, const sp_spectrum *source, bool electrons,
                         sp_error *err);

#endif
