/* The photon spectra of a machine, from the formula in its file. */
#ifndef SP_MACHINE_SPECTRUM_H
#define SP_MACHINE_SPECTRUM_H

#include "machine.h"
#include "matter.h"
#include "spectrum.h"

/* less_aluminium_g_cm2: what the spectrum has less of in its way than the formula says. */
sp_status sp_machine_spectrum_make(sp_spectrum *out, const sp_machine_spectrum *s, double less_aluminium_g_cm2,
                                   const sp_matter *m, sp_error *err);

/* Of the electrons that contaminate the beam: exponential, from 0.2 MeV to the energy of those that hit the target. */
sp_status sp_machine_electron_spectrum(sp_spectrum *out, const sp_machine_source *s, sp_error *err);

#endif
